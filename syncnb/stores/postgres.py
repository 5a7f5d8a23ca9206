"""PostgreSQL as a store: read-only snapshots that also hold behind a transaction pooler.

One transaction is all the state there is: no session settings, no prepared statements, no temporary
tables. The driver is imported when the first connection is made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from syncnb.errors import ReadError, SyncnbError
from syncnb.filters import Condition
from syncnb.schema import Column, Schema, Table
from syncnb.stores import postgres_clock
from syncnb.stores.conversation import drop, keep, keep_place, known_place, take
from syncnb.stores.port import Identity
from syncnb.stores.postgres_catalogue import followers, inspect_catalogue
from syncnb.stores.postgres_copy import copy_query, qualified, read_batches
from syncnb.stores.postgres_counts import row_estimates
from syncnb.stores.postgres_errors import address, connect_error, read_error
from syncnb.stores.postgres_holders import holders_after
from syncnb.stores.postgres_keys import key_query, put_keys, where_query
from syncnb.stores.postgres_parameters import Parameters
from syncnb.stores.postgres_place import place_of
from syncnb.stores.postgres_sequences import greatest
from syncnb.stores.postgres_session import OLDEST, Server, begin, driver, in_one_turn
from syncnb.stores.postgres_stream import Stream
from syncnb.watching import watched

if TYPE_CHECKING:
    from syncnb.stores.postgres_line import Line
    from syncnb.stores.postgres_probes import PostgresProber
    from syncnb.stores.postgres_writer import PostgresWriter

__all__ = ["OLDEST", "PostgresReader", "PostgresStore", "Server"]

EXPORTABLE = (
    "SELECT NOT pg_is_in_recovery() AND has_function_privilege('pg_catalog.pg_export_snapshot()', 'EXECUTE')"
)

MAY = """
SELECT pg_catalog.has_table_privilege(t.oid, t.verb) OR (cardinality(t.names) > 0 AND (
    SELECT bool_and(pg_catalog.has_column_privilege(t.oid, n, t.verb)) FROM unnest(t.names) AS n))
FROM (SELECT %s::regclass::oid, %s::text, %s::text[]) AS t (oid, verb, names)
"""

QUERY_CANCELED = "57014"

UNSURE_TLS = ("", "disable", "allow", "prefer", "require")
"""Values of sslmode that do not check who answers."""


@dataclass(frozen=True, repr=False)
class PostgresStore:
    """How to open one PostgreSQL database. Holds no connection."""

    parameters: Mapping[str, str]
    """libpq's keywords and values; shown nowhere."""
    name: str
    writable: bool = False
    timezone: Mapping[str, str] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()
    env: str = field(default="", compare=False)
    """The environment variable that its address came from, where it did."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", Parameters(self.parameters))

    def __repr__(self) -> str:
        host, _ = address(self.parameters)
        role = f" as {user}" if (user := self.parameters.get("user")) else ""
        facts = ["writable" if self.writable else "read-only"]
        if not self.authenticated:
            facts.append("not authenticated")
        return f"PostgresStore({self.name} on {host}{role}, {', '.join(facts)})"

    @property
    def dialect(self) -> str:
        return "postgresql"

    @property
    def authenticated(self) -> bool:
        """Whether the connection proves that the server is the one that was meant; so is any local one."""
        mode = self.parameters.get("sslmode", "")
        # libpq treats `require` as `verify-ca` where a file of authorities is named.
        checked = mode == "require" and "sslrootcert" in self.parameters
        return address(self.parameters)[1] or mode not in UNSURE_TLS or checked

    @contextmanager
    def reading(self, snapshot: str = "") -> Iterator["PostgresReader"]:
        """A snapshot in one read-only transaction, whatever the store may do; or the one that a reader `exported`.

        Rolled back and closed with the block, also on an error or an interrupt; where that ended well,
        the next snapshot of the same conversation takes the connection over. Raises ConnectError.
        """
        with self.line(lambda connection: begin(connection, self.parameters, snapshot)) as (
            connection,
            server,
        ):
            reader = PostgresReader(connection, server)
            try:
                with watched(reader):
                    yield reader
            finally:
                reader.close()

    def writing(self) -> AbstractContextManager["PostgresWriter"]:
        """A transaction that may write. Raises WriteError unless the store is writable."""
        from syncnb.stores.postgres_writer import writing

        return writing(self)

    def identity(self, reader: Any = None) -> Identity:
        """Which database this is: of which server, by its oid there.

        The server is told by its system identifier, which is its own for life; where the role may not
        read that, by the address in the URL.

        reader: a snapshot of this store that is open anyway, which spares a connection.
        """
        if (found := known_place(self.parameters)) is None:
            with nullcontext(reader) if reader is not None else self.reading() as asked:
                found = asked.place()
                if not asked.server.pooled:
                    keep_place(self.parameters, found)
        server, oid = found
        return Identity(self.dialect, self.name, f"{server or address(self.parameters)[0]}/{oid}")

    def inspect(self, *, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue of the search path and of `schemas`."""
        with self.reading() as reader:
            return reader.schema(schemas)

    def describe(self) -> Server:
        """Who answers: database, role, version, encoding, pooler or not."""
        with self.reading() as reader:
            return reader.server

    @contextmanager
    def line(self, begin: "Callable[[Line], Server]") -> "Iterator[tuple[Line, Server]]":
        """A connection on which this was begun: the one of this conversation, where it still answers, or a new one.

        Left to the conversation where the block ended well, else closed. Raises what `begin` does, and ConnectError.
        """
        connection, server = self._begun(begin)
        try:
            yield connection, server
            keep(self.parameters, connection)
        except BaseException:
            connection.close()
            raise

    def _begun(self, begin: "Callable[[Line], Server]") -> "tuple[Line, Server]":
        if (waiting := take(self.parameters)) is not None:
            with suppress(
                SyncnbError
            ):  # it may have died meanwhile: then a new one says what is wrong, if it is
                return waiting, _begun_on(waiting, begin)
        connection = self._connect()
        return connection, _begun_on(connection, begin)

    def _connect(self) -> "Line":
        """A new connection. Raises ConnectError."""
        psycopg = driver()
        from syncnb.stores.postgres_line import opened

        drop(self.parameters)
        try:
            return opened(self.parameters)
        except (psycopg.Error, ValueError) as error:
            problem = connect_error(error, self.parameters)
        # Outside the `except`, so that the driver's error and its frames are not kept alive with ours.
        raise problem


def _begun_on(connection: "Line", begin: "Callable[[Line], Server]") -> Server:
    try:
        return begin(connection)
    except BaseException:
        connection.close()
        raise


class PostgresReader:
    """One snapshot. Reads one stream at a time; an error in one table leaves the snapshot usable."""

    def __init__(self, connection: "Line", server: Server) -> None:
        self.server = server
        self._connection = connection
        self._stream: Stream | None = None
        self._interrupted = False
        self._estimates: dict[str, int | None] = {}
        self.ours: frozenset[str] | None = None
        """What is there in the schema `syncnb`, since the catalogue was read."""

    def schema(self, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue of the search path and of `schemas`."""
        self._free()
        with self._translated("the catalogue"):
            told = inspect_catalogue(self._connection, encoding=self.server.encoding, schemas=schemas)
        self._estimates.update(told.counts)
        self.ours = told.ours
        return told.schema

    def followers(self, tables: Sequence[Table]) -> list[str]:
        """Schemas beyond the search path with tables whose rows may follow writes to these."""
        self._free()
        with self._translated("the catalogue"):
            return followers(self._connection, tables)

    def place(self) -> tuple[str | None, int]:
        """The server's system identifier, where this role may know it, and the oid of the database."""
        self._free()
        with self._translated("the catalogue"):
            return place_of(self._connection)

    def exported(self) -> str:
        """A name under which other connections see this very snapshot, while it lasts; empty where there is none."""
        self._free()
        with self._translated("the snapshot"):
            if self._connection.execute(EXPORTABLE).fetchone() != (True,):
                return ""
            # A snapshot is not exported from within a savepoint.
            self._connection.execute("RELEASE SAVEPOINT snapshot")
            row = self._connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
            self._connection.execute("SAVEPOINT snapshot")
        return row[0] if row else ""

    def count_estimates(self, tables: Sequence[Table]) -> list[int | None]:
        """The planner's counts, from the last ANALYZE or VACUUM; None where it never counted."""
        if asked := [table for table in tables if table.label not in self._estimates]:
            self._free()
            with self._translated(asked[0].label if len(asked) == 1 else "the catalogue"):
                found = row_estimates(self._connection, asked)
            self._estimates.update(zip((table.label for table in asked), found, strict=True))
        return [self._estimates[table.label] for table in tables]

    def count_estimate(self, table: Table) -> int | None:
        """The same of one table."""
        return self.count_estimates((table,))[0]

    def greatest(self, table: Table, column: str) -> int | None:
        """The greatest number in a column, or that its sequence has given, where this role may know it."""
        self._free()
        with self._translated(table.label):
            return greatest(self._connection, table, column)

    def is_within(self, table: Table, *, rows: int, size: int) -> bool:
        """Whether a table has at most so many rows and takes at most so many bytes, by what is on disk."""
        self._free()
        name = qualified(table)
        counted = f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {rows + 1:d}) AS t"  # noqa: S608 - a name, quoted
        with self._translated(table.label):
            row = self._connection.execute("SELECT pg_table_size(%s::regclass)", (name,)).fetchone()
            if row is None or row[0] > size:
                return False
            row = self._connection.execute(counted.encode()).fetchone()
        return row is not None and row[0] <= rows

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        order: Sequence[str] = (),
        where: Condition | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in raw form, by COPY. Raises ReadError where the table cannot be read to its end.

        One stream at a time: whatever is asked next ends this one, and reading on from it is then an error.
        """
        chosen = [table.column(name) for name in columns]
        self._free()
        with self._translated(table.label):
            wanted = where_query(self._connection, table, where)
        query = copy_query(table, chosen, [table.column(name) for name in order], wanted)
        return self.copied(query, table, chosen)

    def copied(self, query: str, table: Table, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """What this COPY sends, as columns of these kinds, under the same rules."""
        self._free()
        self._stream = Stream(self._copied(query, table, columns), table.label)
        return self._stream

    def asked(self, query: str, told: Sequence[Any], what: str) -> tuple[Any, ...]:
        """The first row that a query gives, bytes as bytes; with nothing `told`, `%` is a plain sign in it."""
        return self.asked_together((query, told), what=what)[0]

    def asked_together(self, *queries: tuple[str, Sequence[Any]], what: str) -> list[tuple[Any, ...]]:
        """The same for several that take no time, in one turn of the line: why a server ends is not heard there."""
        self._free()
        with self._translated(what):
            cursors = [self._connection.cursor(binary=True) for _ in queries]
            with in_one_turn(self._connection) if len(queries) > 1 else nullcontext():
                for cursor, (query, told) in zip(cursors, queries, strict=True):
                    cursor.execute(query.encode(), told or None)
            return [cursor.fetchone() or () for cursor in cursors]

    def clock_offset(self) -> timedelta:
        """How far the server's clock is ahead of ours; 0 where the way there explains it. Asked only where need be."""
        if self.server.ahead is not None:
            return self.server.ahead
        self._free()
        with self._translated("the clock"):
            return postgres_clock.asked(self._connection)

    def holding(
        self, table: Table, columns: Sequence[str], values: Sequence[pa.Array], wanted: Sequence[str]
    ) -> pa.RecordBatch:
        """The rows that have these values in these columns, by number of the value. Raises ReadError."""
        from syncnb.stores.postgres_seeking import holding

        self._free()
        with self._translated(table.label):
            return holding(self._connection, self._copied, table, columns, values, wanted)

    def unbounded(self) -> bool:
        """Whether this role is a superuser, with whose rights every trigger runs."""
        return bool(self.asked("SELECT current_setting('is_superuser') = 'on'", (), "the role")[0])

    def may(self, table: Table, verb: str, columns: Sequence[str]) -> bool:
        """Whether this role may insert, update or delete such rows of a table, as far as rights tell."""
        told = (qualified(table), verb, [] if verb == "delete" else list(columns))
        return bool(self.asked(MAY, told, table.label)[0])

    def probe(self) -> "PostgresProber":
        """Questions of a diagnosis about this snapshot."""
        from syncnb.stores.postgres_probes import PostgresProber

        self._free()
        return PostgresProber(self._connection)

    def chosen(
        self, table: Table, columns: Sequence[str], key: Sequence[str], keys: Sequence[pa.Array]
    ) -> Iterator[pa.RecordBatch]:
        """The rows with these keys, by the key's own `=`. Raises ReadError for one that its type cannot be."""
        chosen, named = [table.column(name) for name in columns], [table.column(name) for name in key]
        self._free()
        with self._translated(table.label):
            put_keys(self._connection, keys)
        query = key_query(table, chosen, named, [bool(values.null_count) for values in keys])
        return self.copied(query, table, chosen)

    def interrupt(self) -> None:
        """Cancel whatever the server does for this snapshot. Any thread; never raises."""
        self._interrupted = True
        with suppress(Exception):
            self._connection.cancel_safe(timeout=5)

    def close(self) -> None:
        """End the transaction; after an error or an interrupt too. Never raises."""
        with suppress(Exception):
            self._free()
        with suppress(Exception):
            if self._interrupted:  # the cancel may be under way still, and must not meet what comes next
                self._connection.close()
            self._end()

    def _end(self) -> None:
        # A pooler takes it amiss when somebody goes before the answer: it closes the connection behind as well.
        status = driver().pq.TransactionStatus
        open_ = self._connection.info.transaction_status in (status.INTRANS, status.INERROR)
        if open_ and not self.server.pooled:
            self._connection.leave()
        else:
            self._connection.execute("ROLLBACK")

    def _free(self) -> None:
        """End the stream that is still open, if any."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _copied(self, query: str, table: Table, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        from syncnb.stores.postgres_line import copied_lines

        with (
            self._translated(table.label),
            self._connection.cursor() as cursor,
            cursor.copy(query.encode()) as lines,
        ):
            yield from read_batches(copied_lines(lines), table, columns)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        psycopg = driver()
        try:
            yield
        except psycopg.Error as error:
            lost = self._connection.closed
            if self._interrupted and error.sqlstate == QUERY_CANCELED:
                raise ReadError(
                    f"reading {what} was stopped", hint="run it again to read all of it"
                ) from None
            held = holders_after(error, self._connection, what)
            raise read_error(error, what, role=self.server.role, lost=lost, held=held) from None
        finally:
            self._recover()

    def _recover(self) -> None:
        """Make the transaction usable again after an error in it, or after a COPY that was cut short."""
        status = driver().pq.TransactionStatus
        for _ in range(3):  # a cancel that a pooler passes on late may hit this statement instead
            if self._connection.info.transaction_status != status.INERROR:
                return
            with suppress(driver().Error):
                self._connection.execute("ROLLBACK TO SAVEPOINT snapshot")
