"""One writing transaction on PostgreSQL. It also holds behind a transaction pooler, as a snapshot does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa

from syncnb.errors import PlanError, WriteError
from syncnb.schema import Column, Table
from syncnb.steps import Block
from syncnb.stores.postgres import PostgresReader, PostgresStore
from syncnb.stores.postgres_copy import QUOTED, copy_format, qualified, read_batches
from syncnb.stores.postgres_encodings import CODECS
from syncnb.stores.postgres_fate import fate, number
from syncnb.stores.postgres_holders import holders_after
from syncnb.stores.postgres_line import Line, copied_lines
from syncnb.stores.postgres_refusals import cell_of, refusal_of, twice
from syncnb.stores.postgres_sequences import advance
from syncnb.stores.postgres_session import DESCRIBE, SETTINGS, Server, is_standby, served, settled
from syncnb.stores.postgres_staged import RIGHTS, PostgresStaged
from syncnb.stores.postgres_staging import Layout, layout, setting
from syncnb.stores.postgres_text import as_text, csv_chunks, own_codec
from syncnb.stores.staging import check_block
from syncnb.stores.write_errors import not_writable, postgres_write_error, stopped, unknown_outcome
from syncnb.watching import watched

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["LOCK_TIMEOUT", "PostgresWriter", "writing"]

LOCK_TIMEOUT = "5s"
"""How long a row or table that somebody else has locked is waited for."""

WORK_MEM = """
SELECT set_config('work_mem', '64MB', true)
WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')
"""
"""For one writer at a time: the default of 4 MB has the join of 100,000 staged rows go through files."""

# Qualified, and with the exact types: of two functions of one name PostgreSQL takes the one that fits better, and
# somebody who may create one in a schema of the search path would have it run with our rights.
LOCK = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s::text, 0::bigint))"

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"

OPENING = ";".join((BEGIN, settled({**SETTINGS, "lock_timeout": LOCK_TIMEOUT}), WORK_MEM, DESCRIBE))
"""All of it in one turn of the line."""


@contextmanager
def writing(store: PostgresStore) -> Iterator["PostgresWriter"]:
    """A transaction that may write: rolled back and closed with the block, unless it was committed."""
    if not store.writable:
        raise not_writable(store.name)
    with store.line(lambda connection: _begin(connection, store)) as (connection, server):
        writer = PostgresWriter(connection, server, store.name)
        try:
            with watched(writer):
                yield writer
        finally:
            writer.close()


def _begin(connection: "psycopg.Connection[Any]", store: PostgresStore) -> Server:
    try:
        answers = connection.execute(OPENING.encode())
        answers.set_result(OPENING.split(";").index(DESCRIBE))
        row = answers.fetchone()
    except psycopg.Error as error:
        if is_standby(connection):
            raise WriteError(
                f"{store.name} is a standby, which can only be read",
                hint="connect to the primary server: a plan that was drawn here can be applied there",
            ) from None
        raise postgres_write_error(error, store.name, lost=connection.closed) from None
    if row is None or row[5]:
        raise WriteError(f"{store.name} can only be read", hint="connect to the primary server")
    pooled = served(connection, row)
    return Server(database=row[0], role=row[1], version=row[2], encoding=row[3], pooled=pooled)


class PostgresWriter(PostgresReader):
    """One writing transaction. It reads as a snapshot does, but sees what others commit meanwhile.

    After an error nothing more can be done within its savepoint, or, without one, in the transaction.
    """

    def __init__(self, connection: Line, server: Server, name: str) -> None:
        super().__init__(connection, server)
        self._name = name
        self._staged = 0
        self._savepoints = 0
        self._undone = 0
        """How often a savepoint was gone back to, which gives up the locks that were taken since."""
        self._deferred: list[str] = []
        self._core: sqlalchemy.Connection | None = None

    @property
    def sql(self) -> "sqlalchemy.Connection":
        """The same transaction for our own tables. Its own commit, rollback and close do nothing."""
        self._free()
        if self._core is None:
            from syncnb.stores.core import postgres_core

            self._core = postgres_core(self._connection)
        return self._core

    def lock(self, name: str, *, seconds: float = 60) -> None:
        """Wait until nobody else holds this name; held to the end of the transaction."""
        self._free()
        with self._translated(f"{name} (a lock)"):
            set_limit = "SELECT set_config('lock_timeout', %s, true)"
            self._connection.execute(set_limit, (str(round(seconds * 1000)),))
            self._connection.execute(LOCK, (name,))
            self._connection.execute(set_limit, (LOCK_TIMEOUT,))

    def stage(self, table: Table, block: Block) -> PostgresStaged:
        """Put a block's rows beside the table. Raises PlanError where they cannot be written to it."""
        check_block(table, block)
        self._go_on()
        self._staged += 1
        with self._translated(table.label):
            row = self._connection.execute(RIGHTS, (qualified(table),)).fetchone()
        temporary, updates = row or (False, False)
        nulls = any(keys.null_count for keys in block.keys)
        if nulls and temporary and self.server.version < 15_00_00:
            raise PlanError(
                f"a key of {table.label} is NULL, which PostgreSQL before 15 cannot hold unique",
                hint="leave these rows out, or compare by a key without NULL",
            )
        staged = PostgresStaged(
            self, layout(table, block, self._staged, temporary=temporary), updates=updates
        )
        (self._copy_in if temporary else self._set)(staged.layout)
        return staged

    def advance(self, table: Table, column: str) -> str | None:
        """Set the sequence behind a column forward, never back; what was done, or what forbids it.

        Rolling back does not take that back.
        """
        self._free()
        with self._translated(table.label):
            return advance(self._connection, table, column)

    def transaction(self) -> str:
        """The number of this transaction, with the timeline it belongs to."""
        self._free()
        with self._translated("its transaction"):
            return number(self._connection, self.server.version)

    def fate(self, transaction: str) -> str | None:
        """What the server remembers of a transaction; None where it no longer knows, or never gave that number."""
        self._free()
        try:
            with self.savepoint(), self._translated("its transaction"):
                return fate(self._connection, self.server.version, transaction)
        except WriteError:
            if self._connection.closed:
                raise
            return None

    def defer(self, constraints: Sequence[tuple[Table, str]]) -> None:
        """Have these constraints looked at when the transaction ends, or at `settle`."""
        self._deferred = [
            f"{QUOTED(table.schema)}.{QUOTED(name)}" if table.schema else QUOTED(name)
            for table, name in constraints
        ]
        self._set_constraints("DEFERRED")

    def settle(self) -> None:
        """Have what was deferred looked at now. Raises WriteError, which names the constraint."""
        self._set_constraints("IMMEDIATE")

    def _go_on(self) -> None:
        """End the stream that is still open, and refuse to go on where somebody stopped it."""
        self._free()
        if self._interrupted:
            raise stopped(self._name)

    def _set_constraints(self, mode: str) -> None:
        if self._deferred:
            self._free()
            with self._translated("what was written"):
                self._connection.execute(f"SET CONSTRAINTS {', '.join(self._deferred)} {mode}".encode())

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Leaving it by an exception undoes what was done within, and nothing else."""
        self._free()
        self._savepoints += 1
        name = f"syncnb_{self._savepoints}"
        with self._translated("a savepoint"):
            self._connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self._undone += 1
            with suppress(Exception):
                self._free()
            with suppress(psycopg.Error):  # the connection may be lost: then the first error says it all
                self._connection.execute(f"ROLLBACK TO SAVEPOINT {name}")
                self._connection.execute(f"RELEASE SAVEPOINT {name}")
            raise
        self._free()
        with self._translated("a savepoint"):
            self._connection.execute(f"RELEASE SAVEPOINT {name}")

    def commit(self) -> None:
        """Make it last. Raises UnknownOutcome where the answer was lost, WriteError if it did not happen."""
        self._go_on()
        try:
            answer = self._connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            if (
                self._connection.closed
                or not error.sqlstate
                or error.sqlstate.startswith(("08", "57P", "40003"))
            ):
                raise unknown_outcome(self._name) from None
            raise postgres_write_error(error, self._name) from None
        if answer != "COMMIT":
            raise WriteError(
                f"{self._name} rolled the transaction back instead of committing it",
                hint="nothing was written: an earlier statement of it had failed",
            )

    def _copy_in(self, staged: Layout) -> None:
        table = staged.table
        with self._translated(table.label, staged), self._connection.cursor() as cursor:
            cursor.execute(staged.create.encode())
            columns = [staged.numbers, *(part.values for part in staged.parts)]
            codec = CODECS.get(table.text_encoding)
            own = codec is not None and own_codec(columns, codec)
            form = copy_format(table, own=own)
            with cursor.copy(f"COPY {staged.source} FROM STDIN {form}".encode()) as copy:
                for chunk in csv_chunks(columns, codec if own and codec else "utf-8"):
                    copy.write(chunk)
            cursor.execute(staged.unique.encode())
            # The keys alone: what the guards hold tells the planner nothing.
            cursor.execute(f"ANALYZE {staged.source} ({', '.join(staged.keys)})".encode())

    def _set(self, staged: Layout) -> None:
        """Without a temporary table: an array for each column, in settings of this transaction."""
        try:
            texts = [as_text(part.values) for part in staged.parts]
        except UnicodeDecodeError:
            raise PlanError(
                f"text for {staged.table.label} is not UTF-8, which only a temporary table can take",
                hint="ask for GRANT TEMPORARY ON DATABASE for this role",
            ) from None
        with self._translated(staged.table.label, staged):
            for at, values in enumerate(texts):
                query = "SELECT set_config(%s, %s::text[]::text, true) IS NULL"
                self._connection.execute(query, (setting(self._staged, at), values))
            row = self._connection.execute(staged.twice.encode()).fetchone()
        if row and row[0]:
            raise twice(staged.table)

    def _present(self, query: str, table: Table, columns: Sequence[Column]) -> list[pa.RecordBatch]:
        self._free()
        with (
            self._translated(table.label),
            self._connection.cursor() as cursor,
            cursor.copy(query.encode()) as lines,
        ):
            return list(read_batches(copied_lines(lines), table, columns))

    def _run(self, statement: str, table: Table, staged: Layout | None = None) -> int:
        self._free()
        with self._translated(table.label, staged):
            return self._connection.execute(statement.encode()).rowcount

    @contextmanager
    def _translated(self, what: str, staged: Layout | None = None) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if staged is not None and (refusal := refusal_of(error, staged)):
                raise refusal from None
            where = cell_of(error, staged) if staged is not None else what
            held = holders_after(error, self._connection, what)
            raise postgres_write_error(error, where, lost=self._connection.closed, held=held) from None

    def _end(self) -> None:
        # Its locks are gone when this returns. After a COMMIT there is nothing to roll back.
        if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._connection.execute("ROLLBACK")

    def _recover(self) -> None:
        """Nothing: where to go back to is the caller's savepoint."""
