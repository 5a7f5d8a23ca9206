"""What the engine asks of a store. Verbs know these protocols; only stores know SQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

from syncnb.filters import Condition
from syncnb.schema import Schema, Table
from syncnb.steps import Block

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["BATCH_ROWS", "Identity", "Reader", "Seeker", "Staged", "Store", "WritableStore", "Writer"]

BATCH_ROWS = 24_576
"""Rows read at a time: large enough for Arrow, small enough that memory stays flat."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database this is, so that a plan drawn on one is never applied to another."""

    dialect: str
    name: str
    """What a person calls it."""
    id: str
    """PostgreSQL: the server's system identifier and the database's oid. SQLite: a digest of the real path.

    It stays the same from run to run, and does not change when a journal is installed.
    """


class Reader(Protocol):
    """One snapshot of one store. It ends with the `reading()` that gave it."""

    def schema(self, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue, as this snapshot sees it."""
        ...

    def followers(self, tables: Sequence[Table]) -> list[str]:
        """Schemas beyond the search path with tables whose rows may follow a write to these, by a cascade."""
        ...

    def count_estimate(self, table: Table) -> int | None:
        """About how many rows, without reading them; None where nobody knows. For progress bars only."""
        ...

    def count_estimates(self, tables: Sequence[Table]) -> list[int | None]:
        """The same of several, in one turn of the line where there is one."""
        ...

    def greatest(self, table: Table, column: str) -> int | None:
        """The greatest number that a column holds, or that its sequence has given; None where there is none."""
        ...

    def is_within(self, table: Table, *, rows: int, size: int) -> bool:
        """Whether a table has at most so many rows and takes at most so many bytes; counts no further."""
        ...

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        order: Sequence[str] = (),
        where: Condition | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows, `BATCH_ROWS` at a time, in raw form (see `syncnb.values.raw`), columns as asked.

        where: rows of which it is not true may be left out, as far as the store can; whoever asks looks again.

        `order` names columns; text sorts by code point (as far as the engine can), NULL first.
        The order is asked for, not promised: whoever merges must check.
        """
        ...

    def clock_offset(self) -> timedelta:
        """How far the database's clock is ahead of this machine's; 0 where no difference can be measured."""
        ...

    def chosen(
        self, table: Table, columns: Sequence[str], key: Sequence[str], keys: Sequence[pa.Array]
    ) -> Iterator[pa.RecordBatch]:
        """The rows whose `key` columns hold one of these, as `batches` gives them, each row once.

        `keys` is a raw column for each of `key`, as this very table holds its values, no row of it twice; NULL
        finds NULL. It costs what so many rows cost, however many the table has, where an index serves the key.
        """
        ...

    def interrupt(self) -> None:
        """Stop whatever runs now. May be called from another thread; never raises."""
        ...


class Seeker(Reader, Protocol):
    """A snapshot of a database, which can be asked for single rows."""

    def holding(
        self, table: Table, columns: Sequence[str], values: Sequence[pa.Array], wanted: Sequence[str]
    ) -> pa.RecordBatch:
        """The rows that have these values in these columns, without reading the others.

        `values` has an array a column, raw; NULL is never found. The first column of the answer, `#`, is the
        number of the value, from 0 and in order; then `wanted`, raw.
        """
        ...

    def unbounded(self) -> bool:
        """Whether this role is a superuser, with whose rights every trigger runs."""
        ...

    def may(self, table: Table, verb: str, columns: Sequence[str]) -> bool:
        """Whether this role may insert, update or delete such rows of a table, as far as rights tell."""
        ...


class Staged(Protocol):
    """The rows of one block, put beside their table within a writing transaction."""

    def present(self, columns: Sequence[str]) -> pa.RecordBatch:
        """The rows of the table that have a staged key, locked (except for an insert), in raw form.

        The first column, `#`, is the row's number in the block, from 0 and in order; then `columns`,
        exactly as a reader gives them. A staged key without a row is missing from the answer. Locks are
        taken in key order.
        """
        ...

    def write(self) -> int:
        """The one guarded set statement: insert, update or delete. How many rows it wrote.

        A row whose guarded columns are no longer exactly as in `before` is not written.
        Raises WriteError where the database refuses; the caller goes back to a savepoint.
        """
        ...

    def write_and_read(self, columns: Sequence[str]) -> tuple[int, pa.RecordBatch]:
        """`write`, and then `present`: how many rows it wrote, and the rows as they are after it."""
        ...

    def following(
        self, child: Table, pairs: Sequence[tuple[str, str]], columns: Sequence[str]
    ) -> pa.RecordBatch:
        """The rows of another table that refer to the rows with a staged key, locked where the role may.

        pairs: the columns of the reference there, and those that they refer to here. Raw, in no order.
        """
        ...

    def drop(self) -> None:
        """Put the staged rows away."""
        ...


class Writer(Seeker, Protocol):
    """One writing transaction on one store. Leaving it without `commit` rolls everything back.

    It reads as a reader does, but sees what others commit meanwhile.
    """

    @property
    def sql(self) -> "sqlalchemy.Connection":
        """The same transaction for our own tables, through SQLAlchemy Core.

        Its commit, rollback and close do nothing: the transaction ends with the writer.
        """
        ...

    def lock(self, name: str, *, seconds: float = 60) -> None:
        """Wait until nobody else holds this name; held to the end of the transaction.

        Raises WriteError (sqlstate 55P03) where somebody holds it longer.
        """
        ...

    def stage(self, table: Table, block: Block) -> Staged:
        """Put a block's rows beside the table, keys, guards and new values in the table's own types."""
        ...

    def advance(self, table: Table, column: str) -> str | None:
        """Set the sequence behind a column forward to its greatest value, never back.

        What was done or what forbids it, in a sentence; None where there is nothing to do.
        """
        ...

    def followers(self, tables: Sequence[Table]) -> list[str]:
        """As a reader tells them."""
        ...

    def transaction(self) -> str:
        """The number of this transaction, by which the database remembers it; empty where it remembers none."""
        ...

    def fate(self, transaction: str) -> str | None:
        """`committed`, `aborted` or `in progress`; None where the database does not know."""
        ...

    def defer(self, constraints: Sequence[tuple[Table, str]]) -> None:
        """Have these constraints looked at when the transaction ends, or at `settle`.

        SQLite cannot choose: there it is all foreign keys.
        """
        ...

    def settle(self) -> None:
        """Have what was deferred looked at now, as far as the database can. Raises WriteError."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Leaving it by an exception undoes what was done within, and nothing else."""
        ...

    def commit(self) -> None:
        """Make it last. Raises UnknownOutcome where the answer was lost."""
        ...


if TYPE_CHECKING:
    from abc import ABCMeta as Checks
else:
    Checks = type(Protocol)


_FOUND: dict[tuple[type, type], bool] = {}


class _Told(Checks):
    """Whether a type of ours is a store is found out once: each time it is asked, every member is looked at.

    Types of others may have other members in each object, and are always looked at.
    """

    def __instancecheck__(cls, instance: object) -> bool:
        kind = type(instance)
        if not kind.__module__.startswith("syncnb."):
            return super().__instancecheck__(instance)
        if (cls, kind) not in _FOUND:
            _FOUND[cls, kind] = super().__instancecheck__(instance)
        return _FOUND[cls, kind]


@runtime_checkable
class Store(Protocol, metaclass=_Told):
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


@runtime_checkable
class WritableStore(Store, Protocol):
    """A store that can be written to, where its `writable` permits it."""

    def reading(self) -> AbstractContextManager[Seeker]:
        """A snapshot, as any store's, that can also look for single rows."""
        ...

    def writing(self) -> AbstractContextManager[Writer]:
        """A transaction that may write. Raises WriteError unless the store is writable."""
        ...

    def identity(self, reader: Reader | None = None) -> Identity:
        """Which database this is. `reader`: a snapshot of it that is open anyway, which spares a connection."""
        ...
