"""SQLite files: one read-only connection and one snapshot for each reading."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from syncnb.errors import ConnectError
from syncnb.filters import Condition
from syncnb.schema import Schema, Table
from syncnb.stores.filtering import pushed, whole_range
from syncnb.stores.port import BATCH_ROWS, Identity
from syncnb.stores.sqlite_bulk import MOST_COLUMNS, ROWIDS, Bulk, Wanted
from syncnb.stores.sqlite_catalogue import read_schema
from syncnb.stores.sqlite_compiled import CompiledRows, reads_compiled
from syncnb.stores.sqlite_errors import Telling, connect_error, missing_error, read_error
from syncnb.stores.sqlite_queries import quote, rowid_name, select_keys, select_rows
from syncnb.stores.sqlite_seeking import holding
from syncnb.values.raw import BadText, concat, from_python, to_python
from syncnb.watching import watched

if TYPE_CHECKING:
    from syncnb.stores.sqlite_probes import SQLiteProber
    from syncnb.stores.sqlite_writer import SQLiteWriter

__all__ = ["SQLiteReader", "SQLiteStore", "careful", "open_file"]

OLDEST = (3, 37)
"""The first SQLite library that lists its tables by `pragma_table_list`."""
BUSY_SECONDS = 5.0
ASK_AFTER = 500_000
"""Steps of SQLite's machine, some hundredths of a second, after which it asks whether to go on."""
SLICE_ROWS = 512
"""Rows made Arrow at a time: few enough that a run of large values cannot fill the memory."""
BATCH_BYTES = 16 * 2**20
KEYS_AT_ONCE = 500
"""Values bound in one statement to find rows by their keys."""
SETTINGS = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",  # a hostile file cannot call functions through its views
    "PRAGMA cell_size_check = ON",
    "PRAGMA cache_size = -8192",  # in key order, a page of rows is wanted again and again
    "BEGIN",
    "SELECT count(*) FROM sqlite_schema",  # the snapshot starts with the first read, not with BEGIN
)


@dataclass(frozen=True, repr=False)
class SQLiteStore:
    """A SQLite file. Holds its path, no connection; reading verbs cannot write to it.

    Reading a file in WAL mode may leave an empty `-wal` and a `-shm` file beside it, as every
    read-only connection of SQLite does.
    """

    path: Path
    writable: bool = False
    timezone: Mapping[str, str] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()
    dialect: str = field(default="sqlite", init=False)

    def __post_init__(self) -> None:
        # Where the process stands later must not change which file this is.
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())

    @property
    def name(self) -> str:
        return self.path.name

    def __repr__(self) -> str:
        return f"SQLiteStore({self.name!r}{', writable=True' if self.writable else ''})"

    @contextmanager
    def reading(self) -> Iterator["SQLiteReader"]:
        """A snapshot on a connection that cannot write. Raises ConnectError where it cannot be opened."""
        connection = open_file(self.path, "ro", SETTINGS, lambda error: connect_error(self.path, error))
        try:
            with watched(SQLiteReader(connection, self.name)) as reader:
                yield reader
        finally:
            connection.close()  # which ends the snapshot, whatever still runs in it

    def writing(self) -> AbstractContextManager["SQLiteWriter"]:
        """A transaction that may write. Raises WriteError unless the store is writable."""
        from syncnb.stores.sqlite_writer import writing

        return writing(self)

    def identity(self, reader: object = None) -> Identity:
        """Which file this is: by its real path, of which only a digest is shown.

        So it stays the same from run to run, whether it has a journal yet or not, and a copy is another.
        """
        place = hashlib.sha256(str(self.path.resolve()).encode("utf-8", "surrogateescape"))
        return Identity(self.dialect, self.name, place.hexdigest()[:32])

    def inspect(self, *, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue. A SQLite file has one schema, so `schemas` changes nothing."""
        with self.reading() as reader:
            return reader.schema(schemas)


def open_file(
    path: Path,
    mode: Literal["ro", "rw"],
    settings: Sequence[str],
    problem: Callable[[sqlite3.Error], Exception],
) -> sqlite3.Connection:
    """A connection with these settings made. What SQLite says against it becomes the error that `problem` gives."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise ConnectError(
            f"SQLite {sqlite3.sqlite_version} of this Python is too old",
            hint=f"use a Python whose sqlite3 is {'.'.join(map(str, OLDEST))} or newer",
        )
    if not path.is_file():
        raise missing_error(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # for `interrupt`; everything else stays in one thread
            factory=Telling,
        )
        for statement in settings:
            connection.execute(statement).fetchall()
    except BaseException as error:  # a Ctrl-C too, most likely while somebody else has the lock
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise problem(error) from None
        raise
    return connection


class SQLiteReader:
    """One read transaction on one file."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._stopped = False
        # Inside one long statement (a sort) Python delivers Ctrl-C only where SQLite calls back.
        connection.set_progress_handler(lambda: 0, ASK_AFTER)

    def schema(self, schemas: Sequence[str] | None = None) -> Schema:
        """The catalogue, as this snapshot sees it."""
        try:
            return read_schema(self._connection)
        except sqlite3.Error as error:
            raise ConnectError(
                f"the catalogue of {self._name} cannot be read: {error}",
                hint="run `PRAGMA integrity_check` on it; a damaged file is best restored from a copy",
            ) from None

    def count_estimate(self, table: Table) -> int | None:
        """The span of rowids, but no more rows than the file has room for."""
        if table.is_view or not (rowid := rowid_name(table)):
            return None
        name = quote(table.name)
        sql = f"SELECT (SELECT max({rowid}) FROM {name}) - (SELECT min({rowid}) FROM {name}) + 1"  # noqa: S608
        try:
            span = self._value(sql)
            room = self._value("PRAGMA page_count") * self._value("PRAGMA page_size") // 8
        except (sqlite3.Error, OverflowError):
            return None
        return min(int(span or 0), int(room))

    def count_estimates(self, tables: Sequence[Table]) -> list[int | None]:
        """The same of several."""
        return [self.count_estimate(table) for table in tables]

    def greatest(self, table: Table, column: str) -> int | None:
        """The greatest integer in a column, or that AUTOINCREMENT has given."""
        name = quote(table.column(column).name)
        number = f"CASE WHEN typeof({name}) = 'integer' THEN {name} END"
        try:
            found = [self._value(f"SELECT max({number}) FROM {quote(table.name)}")]  # noqa: S608
            if "AUTOINCREMENT" in table.options:
                given = "SELECT max(seq) FROM sqlite_sequence WHERE name = ?"
                found += self._connection.execute(given, (table.name,)).fetchone()
        except sqlite3.Error as error:
            raise read_error(self._name, table.name, 0, error) from None
        return max((int(value) for value in found if value is not None), default=None)

    def is_within(self, table: Table, *, rows: int, size: int) -> bool:
        """Whether a table has at most so many rows, in a file of at most so many bytes."""
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {quote(table.name)} LIMIT {rows + 1:d})"  # noqa: S608
        try:
            if self._value("PRAGMA page_count") * self._value("PRAGMA page_size") > size:
                return False
            return bool(self._value(counted) <= rows)
        except sqlite3.Error as error:
            raise read_error(self._name, table.name, 0, error) from None

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        order: Sequence[str] = (),
        where: Condition | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in raw form; after the columns of `order` by rowid, so that each run has the same order.

        Raises ReadError where the rows cannot be read to the end.
        """
        names = list(columns)
        parts: list[pa.RecordBatch] = []
        rows = size = 0
        found = pushed(where, table, "sqlite", lambda _: "?") if where is not None else None
        sql, values = (
            select_rows(table, names, order, found.sql if found else ""),
            found.values if found else (),
        )
        bulk = self._bulk(table, names, order, where if found else None)
        read = self._cells(sql, names, values) if bulk is None else bulk.rows(BATCH_ROWS)
        for part in self._reported(table, read):
            parts.append(part)
            rows += part.num_rows
            size += part.nbytes
            if rows >= BATCH_ROWS or size >= BATCH_BYTES:
                batch = _joined(parts)
                yield batch.slice(0, BATCH_ROWS)
                parts = [batch.slice(BATCH_ROWS)] if rows > BATCH_ROWS else []
                rows, size = max(0, rows - BATCH_ROWS), 0
        if parts:
            yield _joined(parts)

    def followers(self, tables: Sequence[Table]) -> list[str]:
        """None: there is one schema."""
        return []

    def clock_offset(self) -> timedelta:
        """None: a file has this machine's clock."""
        return timedelta(0)

    def holding(
        self, table: Table, columns: Sequence[str], values: Sequence[pa.Array], wanted: Sequence[str]
    ) -> pa.RecordBatch:
        """The rows that have these values in these columns, found by the table's own index."""
        try:
            return holding(self._connection, table, columns, values, wanted, careful)
        except sqlite3.Error as error:
            raise read_error(self._name, table.name, 0, error) from None

    def unbounded(self) -> bool:
        """No: a file has no roles."""
        return False

    def may(self, table: Table, verb: str, columns: Sequence[str]) -> bool:
        """Yes: a file knows no rights on tables."""
        return True

    def probe(self) -> "SQLiteProber":
        """Questions of a diagnosis about this snapshot."""
        from syncnb.stores.sqlite_probes import SQLiteProber

        return SQLiteProber(self._connection)

    def chosen(
        self, table: Table, columns: Sequence[str], key: Sequence[str], keys: Sequence[pa.Array]
    ) -> Iterator[pa.RecordBatch]:
        """The rows with these keys, value and storage class; some hundred keys in each statement."""
        names, told = list(columns), list(zip(*map(to_python, keys), strict=True))
        for start in range(0, len(told), KEYS_AT_ONCE // len(key)):
            part = told[start : start + KEYS_AT_ONCE // len(key)]
            values = [value.data if isinstance(value, BadText) else value for row in part for value in row]
            bad = [isinstance(value, BadText) for row in part for value in row]
            yield from self._reported(table, self._cells(select_keys(table, names, key, bad), names, values))

    def interrupt(self) -> None:
        """Stop the statement that runs now: its reader gets a ReadError."""
        self._stopped = True
        with suppress(sqlite3.Error):
            self._connection.interrupt()

    def _value(self, sql: str) -> Any:
        return self._connection.execute(sql).fetchone()[0]

    def _bulk(
        self, table: Table, names: Sequence[str], order: Sequence[str], where: Condition | None = None
    ) -> Bulk | CompiledRows | None:
        """The rows in the order of their rowids, where that is what is asked for and SQLite has them so."""
        rowid = rowid_name(table)
        if rowid is None or table.text_order != "code point" or not 0 < len(names) <= MOST_COLUMNS:
            return None
        if len(set(names)) < len(names) or (order and not self._is_rowid(table, order)):
            return None
        alias = table.primary_key[0] if self._is_rowid(table, table.primary_key) else ""
        if (within := ROWIDS if where is None else whole_range(where, alias)) is None:
            return None
        columns = {name: f"t.{quote(table.column(name).name)}" for name in names}

        def cells(where: str, values: Sequence[Any]) -> Iterator[pa.RecordBatch]:
            yield from self._cells(select_rows(table, names, (), where), list(names), values)

        place = f"main.{quote(table.name)}"
        wanted = Wanted(place, f"t.{rowid}", columns, cells, alias, within)
        return (CompiledRows if reads_compiled() else Bulk)(self._connection, wanted)

    def _is_rowid(self, table: Table, names: Sequence[str]) -> bool:
        """Whether this is the INTEGER PRIMARY KEY which is the rowid; with DESC, by an old accident, it is none."""
        if (
            len(names) != 1
            or tuple(names) != table.primary_key
            or table.column(names[0]).type.upper() != "INTEGER"
        ):
            return False
        own = "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'"
        return bool(self._connection.execute(own, (table.name,)).fetchone() == (0,))

    def _reported(self, table: Table, parts: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same; what SQLite says against it as our errors."""
        done = 0
        try:
            for part in parts:
                yield part
                done += part.num_rows
        except sqlite3.Error as error:
            if str(error) == "interrupted" and not self._stopped:
                raise KeyboardInterrupt from None  # SQLite swallowed the one that its asking let through
            raise read_error(self._name, table.name, done, error) from None

    def _cells(self, sql: str, names: list[str], values: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        """The rows in raw form, a few at a time.

        Text is decoded by sqlite3 itself as long as it is UTF-8. At the first one that is not, the same
        statement starts again in the same snapshot, passes what was read, and goes on with care.
        """
        done = 0
        try:
            for part in self._converted(sql, names, str, values, skip=0):
                yield part
                done += part.num_rows
        except sqlite3.OperationalError as error:
            if not str(error).startswith("Could not decode to UTF-8"):
                raise
            yield from self._converted(sql, names, careful, values, skip=done)

    def _converted(
        self, sql: str, names: list[str], text: Any, values: Sequence[Any], *, skip: int
    ) -> Iterator[pa.RecordBatch]:
        cursor = self._connection.execute(sql, values)
        while skip:
            skip -= len(self._fetch(cursor, min(skip, SLICE_ROWS), bytes))
        wanted = 16
        while rows := self._fetch(cursor, wanted, text):
            part = pa.RecordBatch.from_arrays([from_python(c) for c in zip(*rows, strict=True)], names=names)
            yield part
            a_row = part.nbytes // len(rows) + 1
            wanted = max(1, min(SLICE_ROWS, 4 * wanted, BATCH_BYTES // a_row))

    def _fetch(self, cursor: sqlite3.Cursor, rows: int, text: Any) -> list[tuple[Any, ...]]:
        # Each time anew: the factory is the connection's, and another table may be read in between.
        self._connection.text_factory = text
        return cursor.fetchmany(rows)


def careful(data: bytes) -> str | BadText:
    """Text of a store, also where it is not UTF-8: for `text_factory`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return BadText(data)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.columns for part in parts), strict=True)
    return pa.RecordBatch.from_arrays([concat(column) for column in columns], names=parts[0].schema.names)
