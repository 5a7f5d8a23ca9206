"""What the engine asks of a store. Verbs know these protocols; only stores know SQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import pyarrow as pa

from syncnb.schema import Schema, Table

__all__ = ["BATCH_ROWS", "Reader", "Store"]

BATCH_ROWS = 8192
"""Rows read at a time: large enough for Arrow, small enough that memory stays flat."""


class Reader(Protocol):
    """One snapshot of one store. It ends with the `reading()` that gave it."""

    def schema(self, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue, as this snapshot sees it."""
        ...

    def count_estimate(self, table: Table) -> int | None:
        """About how many rows, without reading them; None where nobody knows. For progress bars only."""
        ...

    def batches(
        self, table: Table, columns: Sequence[str], *, order: Sequence[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """The rows, `BATCH_ROWS` at a time, in raw form (see `syncnb.values.raw`), columns as asked.

        `order` names columns; text sorts by code point (as far as the engine can), NULL first.
        The order is asked for, not promised: whoever merges must check.
        """
        ...

    def interrupt(self) -> None:
        """Stop whatever runs now. May be called from another thread; never raises."""
        ...


@runtime_checkable
class Store(Protocol):
    """How to open a database; holds no connection itself."""

    @property
    def name(self) -> str:
        """What a person calls it: a file name or a database name, never a path or a secret."""
        ...

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql` or `frame`."""
        ...

    @property
    def writable(self) -> bool:
        """Whether applying verbs may write here; reading verbs never do."""
        ...

    @property
    def timezone(self) -> Mapping[str, str]:
        """Zones of naive stamps: by `table.column`, by `table`, or for all as `*`."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about how it was opened, a line each."""
        ...

    def reading(self) -> AbstractContextManager[Reader]:
        """A snapshot on a read-only connection; both end with the `with` block."""
        ...

    def inspect(self, *, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue. `schemas` adds PostgreSQL schemas that are not on the search path."""
        ...
