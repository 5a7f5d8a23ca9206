"""Batches of one table as a server sends them, one table at a time."""

from collections.abc import Iterator

import pyarrow as pa

from syncnb.errors import ReadError

__all__ = ["Stream"]


class Stream(Iterator[pa.RecordBatch]):
    """Batches of one table, which cannot end early and look complete."""

    def __init__(self, batches: Iterator[pa.RecordBatch], what: str) -> None:
        self._batches = batches
        self._what = what
        self._cut = False
        self._ended = False

    def __next__(self) -> pa.RecordBatch:
        if self._cut:
            raise ReadError(
                f"the snapshot went on before {self._what} was read to its end",
                hint="read one table to its end before the next, or open a second snapshot",
            )
        try:
            return next(self._batches)
        except BaseException:
            self._ended = True
            raise

    def close(self) -> None:
        """Stop the server, if it is still sending."""
        self._cut = not self._ended
        self._batches.close()  # type: ignore[attr-defined]
