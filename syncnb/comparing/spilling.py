"""Rows that differ, as they are found: in memory while they are few, else in files that have no name.

    few     batches in memory
    more    Arrow batches in a temporary file; in the end one file whose columns are mapped, and paged in where looked at

Nobody else can open such a file, and nothing is left of it when the last row set that was made of it is gone, or the
process, however that ends.
"""

import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import pyarrow as pa

from syncnb.errors import ReadError
from syncnb.values.raw import concat

__all__ = ["Kept"]

MOST_BYTES = 24 * 2**20
"""Of rows of one kind that are kept in memory."""
Columns = Sequence[pa.Array]


class Kept:
    """Rows of one kind, raw columns batch by batch."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._batches: list[list[pa.Array]] = []
        self._bytes = self._rows = 0
        self._file: IO[bytes] | None = None
        self._whole: list[pa.Array] | None = None

    def __len__(self) -> int:
        return self._rows

    def append(self, columns: Columns) -> None:
        """Some more rows."""
        self._batches.append(list(columns))
        self._whole = None
        self._rows += len(columns[0])
        self._bytes += sum(column.nbytes for column in columns)
        if self._bytes > MOST_BYTES:
            self._spill()

    def columns(self) -> list[pa.Array]:
        """All rows, column by column."""
        if self._file is None:
            return [concat([batch[at] for batch in self._batches]) for at in range(self.width)]
        if self._whole is None:
            self._spill()
            self._whole = _mapped(concat(self._column(at)) for at in range(self.width))
        return self._whole

    def _spill(self) -> None:
        if not self._batches:
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="syncnb-")  # noqa: SIM115 - closed with the last use of it
        columns = [concat([batch[at] for batch in self._batches]) for at in range(self.width)]
        _write(self._file, columns)
        self._batches, self._bytes = [], 0

    def _column(self, at: int) -> Iterator[pa.Array]:
        """One column of what is in the file, mapped; the others are not looked at."""
        if self._file is not None:
            yield from (batch.column(at) for batch in _batches(self._file))


def _write(file: IO[bytes], columns: Columns) -> None:
    """Append these rows. A stream of their own: a column may be plain here and mixed there. Raises ReadError."""
    batch = pa.RecordBatch.from_arrays(list(columns), [str(at) for at in range(len(columns))])
    try:
        with pa.ipc.new_stream(pa.PythonFile(file, "w"), batch.schema) as writer:
            writer.write_batch(batch)
        file.flush()
        return
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise ReadError(
        f"the rows that differ could not be put aside ({why})",
        hint="make room in the folder for temporary files (TMPDIR), or look at fewer rows with limit= or where=",
    )


def _batches(file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    """What was written into it, mapped."""
    source = pa.BufferReader(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    while source.tell() < source.size():
        with pa.ipc.open_stream(source) as reader:
            yield from reader


def _mapped(columns: Iterable[pa.Array]) -> list[pa.Array]:
    """The same columns, one after the other in a file."""
    with tempfile.TemporaryFile(prefix="syncnb-") as file:
        for column in columns:
            _write(file, [column])
        return [batch.column(0) for batch in _batches(file)]  # the map outlives the file's handle
