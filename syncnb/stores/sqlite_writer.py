"""One writing transaction on a SQLite file. It holds the file's only write lock from its beginning."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pyarrow as pa

from syncnb.errors import WriteError
from syncnb.schema import Table
from syncnb.steps import Block
from syncnb.stores.sqlite import SQLiteReader, SQLiteStore, open_file
from syncnb.stores.sqlite_staging import SIGN, Layout, fill, layout, sign
from syncnb.stores.staging import NUMBER, arranged, check_block, joined
from syncnb.stores.write_errors import not_writable, sqlite_write_error, stopped, unknown_outcome
from syncnb.watching import watched

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["SQLiteStaged", "SQLiteWriter", "writing"]

SETTINGS = (
    "PRAGMA foreign_keys = ON",  # does nothing within a transaction, so it comes first
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA synchronous = FULL",  # what is committed survives a power cut, also in WAL mode
    "PRAGMA cache_size = -65536",
    "PRAGMA temp_store = MEMORY",
    # Not `recursive_triggers`: a table's trigger that sets its own `updated_at` would call itself without
    # end. What that setting is for, triggers that must see REPLACE, does not happen here: see OR ABORT.
    "BEGIN IMMEDIATE",
)


@contextmanager
def writing(store: SQLiteStore) -> Iterator["SQLiteWriter"]:
    """A transaction that may write: rolled back and closed with the block, unless it was committed."""
    if not store.writable:
        raise not_writable(store.name)
    connection = open_file(store.path, "rw", SETTINGS, lambda error: sqlite_write_error(error, store.name))
    try:
        writer = SQLiteWriter(connection, store.name)
        try:
            with watched(writer):
                yield writer
        finally:
            writer.close()
    finally:
        connection.close()


class SQLiteWriter(SQLiteReader):
    """One writing transaction. It reads as a snapshot does."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        super().__init__(connection, name)
        connection.create_function(SIGN, 1, sign, deterministic=True)
        self._staged = 0
        self._savepoints = 0
        self._core: sqlalchemy.Connection | None = None

    @property
    def sql(self) -> "sqlalchemy.Connection":
        """The same transaction for our own tables. Its own commit, rollback and close do nothing."""
        self._connection.text_factory = str
        if self._core is None:
            from syncnb.stores.core import sqlite_core

            self._core = sqlite_core(self._connection)
        return self._core

    def lock(self, name: str, *, seconds: float = 60) -> None:
        """Nothing to do: whoever writes to a SQLite file is alone."""

    def stage(self, table: Table, block: Block) -> "SQLiteStaged":
        """Put a block's rows beside the table. Raises PlanError where they cannot be written to it."""
        self._alive()
        check_block(table, block)
        self._staged += 1
        staged = layout(table, block, self._staged)
        with self._translated(table.label):
            fill(self._connection, staged)
        return SQLiteStaged(self, staged)

    def advance(self, table: Table, column: str) -> str | None:
        """Nothing to do: SQLite counts explicit numbers itself."""
        return None

    def transaction(self) -> str:
        """Nothing: SQLite numbers no transactions."""
        return ""

    def fate(self, transaction: str) -> str | None:
        """Unknown: SQLite remembers no transactions."""
        return None

    def defer(self, constraints: Sequence[tuple[Table, str]]) -> None:
        """Have foreign keys looked at by COMMIT. SQLite has no other constraint that can wait, and no choice."""
        if constraints:
            self._run("PRAGMA defer_foreign_keys = ON", self._name)

    def settle(self) -> None:
        """Nothing to do: only COMMIT looks at what was deferred, and refuses."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Leaving it by an exception undoes what was done within, and nothing else."""
        self._alive()
        self._savepoints += 1
        name = f"syncnb_{self._savepoints}"
        self._run(f"SAVEPOINT {name}", self._name)
        try:
            yield
        except BaseException as problem:
            with suppress(sqlite3.Error):  # SQLite may have rolled everything back already (disk full)
                self._connection.execute(f"ROLLBACK TO {name}")
                self._connection.execute(f"RELEASE {name}")
            if isinstance(problem, Exception):  # a Ctrl-C stays one
                self._alive()
            raise
        self._run(f"RELEASE {name}", self._name)

    def _alive(self) -> None:
        """Refuse to go on outside the transaction: a full disk or RAISE(ROLLBACK) ends it, and the rest would stay.

        And where somebody stopped it: then it is rolled back.
        """
        if self._stopped:
            raise stopped(self._name)
        if not self._connection.in_transaction:
            problem = WriteError(
                f"{self._name} rolled the whole transaction back: nothing was written",
                hint="the disk is full, or a trigger says RAISE(ROLLBACK)",
            )
            problem.sqlstate = "40000"
            raise problem from None

    def commit(self) -> None:
        """Make it last. Raises UnknownOutcome where the disk failed, WriteError if it did not happen."""
        self._alive()
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR:
                raise unknown_outcome(self._name) from None
            raise sqlite_write_error(error, self._name) from None

    def close(self) -> None:
        """End the transaction; never raises."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _run(self, statement: str, what: str) -> int:
        with self._translated(what):
            return self._connection.execute(statement).rowcount

    def _present(self, statement: str, table: Table, names: list[str]) -> list[pa.RecordBatch]:
        return list(self._reported(table, self._cells(statement, names)))

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if str(error) == "interrupted" and not self._stopped:
                raise KeyboardInterrupt from None  # as in reading: SQLite swallowed it
            raise sqlite_write_error(error, what) from None


class SQLiteStaged:
    """The rows of one block beside their table."""

    def __init__(self, writer: SQLiteWriter, layout: Layout) -> None:
        self.layout = layout
        self._writer = writer

    def present(self, columns: Sequence[str]) -> pa.RecordBatch:
        """The rows that have a staged key, by row number."""
        table = self.layout.table
        chosen = [table.column(name).name for name in columns]
        names = [NUMBER, *chosen]
        return arranged(self._writer._present(self.layout.present(chosen), table, names), names)

    def write(self) -> int:
        """The guarded set statement. How many rows were really written, by what SQLite counts."""
        if not self.layout.shrinks:
            return self._writer._run(self.layout.write, self.layout.table.label)
        there = self._guarded()
        self._writer._run(self.layout.write, self.layout.table.label)
        return there - self._guarded()

    def _guarded(self) -> int:
        with self._writer._translated(self.layout.table.label):
            return int(self._writer._value(self.layout.guarded))

    def following(
        self, child: Table, pairs: Sequence[tuple[str, str]], columns: Sequence[str]
    ) -> pa.RecordBatch:
        """The rows of `child` that refer to rows with a staged key."""
        names = [child.column(name).name for name in columns]
        batches = self._writer._present(self.layout.following(child, pairs, names), child, names)
        return joined(batches, names)

    def write_and_read(self, columns: Sequence[str]) -> tuple[int, pa.RecordBatch]:
        """`write`, and then `present`."""
        return self.write(), self.present(columns)

    def drop(self) -> None:
        """Put the staged rows away; where something still reads them, they go with the connection."""
        # What a Ctrl-C left half read is locked: said as an error it would hide that Ctrl-C, and be tried again.
        with suppress(sqlite3.Error):
            if self._writer._connection.in_transaction:
                self._writer._connection.execute(f"DROP TABLE IF EXISTS {self.layout.source}")
