"""Two SQLite files on one connection: SQLite itself finds the rows of one table that are not the same in the other.

    before        data_version of both files            ─┐ unchanged: all that was begun in between
    then          the two readers begin their snapshots  │ sees the same
    afterwards    one read transaction over both files  ─┘

What it finds are candidates: every row that a reader could show otherwise is among them. Rows are left out only where
both files hold the same bytes of the same storage class in every column.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.errors import ConnectError
from syncnb.schema import Column, Table
from syncnb.stores.port import Store
from syncnb.stores.row_digests import Unfit
from syncnb.stores.sqlite import ASK_AFTER, SQLiteStore, open_file
from syncnb.stores.sqlite_errors import connect_error
from syncnb.stores.sqlite_queries import rowid_name
from syncnb.values.into_sqlite import affinity
from syncnb.values.raw import from_python
from syncnb.watching import watched

__all__ = ["Candidates", "Join", "JoinedFiles", "KeyForm", "joined_files"]

KeyForm = Literal["integer", "text", "uuid"]
"""What all values of a key column must be, so that two keys are one only where their bytes are."""
SCHEMAS = ("main", "other")
SETTINGS = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA main.cache_size = -16384",
    "PRAGMA busy_timeout = 500",  # where a file is locked, whoever reads it waits for it, and says so
)
TWO = "the two files cannot be read on one connection"
AT_ONCE = 4096
"""Keys taken from SQLite at a time."""
LEAST = -(2**63)
"""The one whole number that SQLite keeps as an integer or as a real in a column of numbers."""
PLAIN_UUID = "-".join("[0-9a-f]" * digits for digits in (8, 4, 4, 4, 12))

_quote = sqlite_dialect().identifier_preparer.quote_identifier


@dataclass
class Candidates:
    """Keys of rows that may differ, a raw column for each key column."""

    rows: tuple[int, int]
    """How many rows the tables have."""
    here: list[tuple[Any, ...]] = field(default_factory=list)
    """Keys of rows of the first table."""
    there: list[tuple[Any, ...]] = field(default_factory=list)
    """Keys that only the second one has."""
    alone: int = 0
    """Rows of the first table that the second one lacks."""

    def keys(self, *, second: bool) -> list[pa.Array]:
        """Raw key columns: of the rows in the first table, or of those to be looked for in the second."""
        rows = self.here + self.there if second else self.here
        return [from_python(list(values)) for values in zip(*rows, strict=True)] if rows else []

    @property
    def found(self) -> int:
        """Pairs of rows and single ones."""
        return len(self.here) + len(self.there)


class JoinedFiles:
    """One read transaction over two files, or why there is none."""

    def __init__(
        self, connection: sqlite3.Connection | None, why_not: str = "", before: Sequence[int] = ()
    ) -> None:
        self.why_not = why_not
        self._connection = connection
        self._stopped = False
        if connection is not None:
            connection.set_progress_handler(lambda: 0, ASK_AFTER)
        self._before = list(before)

    def begin(self) -> None:
        """Begin the snapshot, after the two readers began theirs."""
        if self._connection is None:
            return
        try:
            self._connection.execute("BEGIN")
            for schema in SCHEMAS:
                self._connection.execute(f"SELECT count(*) FROM {schema}.sqlite_schema").fetchone()  # noqa: S608
            if _versions(self._connection) != self._before:
                self.why_not = "somebody wrote to a file just then"
        except sqlite3.Error:
            self.why_not = TWO

    def _asked(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        if self._connection is None:
            raise Unfit(self.why_not)
        return self._connection.execute(sql, values)

    def interrupt(self) -> None:
        """Stop what runs. May be called from another thread; never raises."""
        self._stopped = True
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.interrupt()

    def candidates(self, join: "Join", most: float) -> Candidates:
        """The keys of all rows that are not the same in both tables. Raises Unfit where that cannot be told by SQLite.

        most: the share of rows from which on all of them had better be read.
        """
        if self.why_not:
            raise Unfit(self.why_not)
        try:
            return self._candidates(join, most)
        except sqlite3.Error as error:
            if str(error) == "interrupted" and not self._stopped:
                raise KeyboardInterrupt from None
            raise Unfit("SQLite could not join them") from None

    def _candidates(self, join: "Join", most: float) -> Candidates:
        rows = tuple(self._checked(join, schema) for schema in SCHEMAS)
        found = Candidates((rows[0], rows[1]))
        for key in self._keys(join, join.differing(), {"least": LEAST}):
            found.alone += key[0]
            found.here.append(key[1:])
            if found.found > max(AT_ONCE, most * max(rows)):
                raise Unfit("many rows differ")
        paired = rows[0] - found.alone
        if paired != rows[1]:
            for key in self._keys(join, join.missing(), {}):
                found.there.append(key[1:])
                if found.found > max(AT_ONCE, most * max(rows)):
                    raise Unfit("many rows differ")
        if paired != rows[1] - len(found.there):
            raise Unfit("a key comes twice")
        return found

    def _keys(self, join: "Join", sql: str, values: dict[str, int]) -> Iterator[tuple[Any, ...]]:
        plan = [line[3] for line in self._asked(f"EXPLAIN QUERY PLAN {sql}", values)]
        if not any(line.startswith("SEARCH c ") and "AUTOMATIC" not in line for line in plan):
            raise Unfit("no index leads from a key to its row")
        cursor = self._asked(sql, values)
        while rows := cursor.fetchmany(AT_ONCE):
            yield from rows

    def _checked(self, join: "Join", schema: str) -> int:
        """How many rows the table has. Raises Unfit where a key is not of its column's form."""
        table, key = join.side(schema)
        if len(key) == 1 and join.forms[0] == "integer" and self._is_rowid(table, key[0], schema):
            tests = "0"
        else:
            tests = " + ".join(
                _odd(f"t.{_quote(c.name)}", form) for c, form in zip(key, join.forms, strict=True)
            )
        sql = f"SELECT count(*), sum({tests}) FROM {schema}.{_quote(table.name)} AS t"  # noqa: S608
        rows, odd = self._asked(sql, {"uuid": PLAIN_UUID}).fetchone()
        if odd:
            raise Unfit("a key that is not of its column's kind")
        for column, form in zip(key, join.forms, strict=True):
            if form == "text":
                self._is_text(table, column, schema)
        return int(rows)

    def _is_text(self, table: Table, column: Column, schema: str) -> None:
        """Raises Unfit where a text is not in UTF-8, as a reader would find: it has no place among the others."""
        sql = f"SELECT t.{_quote(column.name)} FROM {schema}.{_quote(table.name)} AS t"  # noqa: S608
        try:
            cursor = self._asked(sql)
            while cursor.fetchmany(AT_ONCE):
                pass
        except sqlite3.OperationalError as error:
            if str(error).startswith("Could not decode to UTF-8"):
                raise Unfit("a key that is not in UTF-8") from None
            raise

    def _is_rowid(self, table: Table, column: Column, schema: str) -> bool:
        """Whether this is the INTEGER PRIMARY KEY which is the rowid: it holds nothing but integers."""
        if (
            table.primary_key != (column.name,)
            or column.type.upper() != "INTEGER"
            or "WITHOUT ROWID" in table.options
        ):
            return False
        own = "SELECT count(*) FROM pragma_index_list(?, ?) WHERE origin = 'pk'"
        return bool(self._asked(own, (table.name, schema)).fetchone() == (0,))


def _odd(name: str, form: KeyForm) -> str:
    """SQL: whether a key is not of this form."""
    if form == "uuid":
        return f"(typeof({name}) <> 'text' OR length(CAST({name} AS BLOB)) <> 36 OR {name} NOT GLOB :uuid)"
    return f"(typeof({name}) <> '{form}')"


@dataclass(frozen=True)
class Join:
    """Two tables, and which columns of theirs meet."""

    first: Table
    second: Table
    key: Sequence[tuple[Column, Column]]
    forms: Sequence[KeyForm]
    others: Sequence[tuple[Column, Column]]

    def side(self, schema: str) -> tuple[Table, list[Column]]:
        """The table in one of the two files, and its key."""
        at = SCHEMAS.index(schema)
        return (self.first, self.second)[at], [pair[at] for pair in self.key]

    def differing(self) -> str:
        """SQL: for each row of the first table that is not the same in the second, whether it is alone, and its key."""
        at_its_place, by_key = (
            " OR ".join(["FALSE", *(self._apart(ours, theirs, there) for ours, theirs in self.others)])
            for there in "bc"
        )
        key = [theirs for _, theirs in self.key]
        if self._rowids() is None:
            apart = f"c.{_quote(key[0].name)} IS NULL OR {by_key}"
        else:
            apart = (
                f"CASE WHEN b.{_quote(key[0].name)} IS NOT NULL THEN {at_its_place} "
                f"WHEN c.{_quote(key[0].name)} IS NOT NULL THEN {by_key} ELSE TRUE END"
            )
        return self._select(self.first, self.second, self.key, SCHEMAS, apart)

    def missing(self) -> str:
        """SQL: the key of each row of the second table that the first one lacks, behind a 1."""
        key = [(theirs, ours) for ours, theirs in self.key]
        return self._select(self.second, self.first, key, SCHEMAS[::-1], self._alone(key[0][1]))

    def _rowids(self) -> tuple[str, str] | None:
        """What the hidden row numbers are called, where both tables have them and they are not the key itself."""
        names = rowid_name(self.first), rowid_name(self.second)
        if names[0] is None or names[1] is None or (len(self.key) == 1 and self.forms[0] == "integer"):
            return None
        return names[0], names[1]

    def _alone(self, theirs: Column) -> str:
        """SQL: whether a row has no counterpart."""
        name = _quote(theirs.name)
        return f"c.{name} IS NULL" if self._rowids() is None else f"b.{name} IS NULL AND c.{name} IS NULL"

    def _select(
        self,
        one: Table,
        other: Table,
        key: Sequence[tuple[Column, Column]],
        schemas: Sequence[str],
        apart: str,
    ) -> str:
        """Each row of `one` beside the row of `other` that has its key.

        In copies of one file that is mostly at the same place: there it is looked for first, as `b`, without a way
        through the index. Where it is not, `c` is found by the key.
        """
        wanted = ", ".join(f"a.{_quote(ours.name)}" for ours, _ in key)
        there = f"{schemas[1]}.{_quote(other.name)}"
        rowids, first = self._rowids(), ""
        if rowids is not None:
            ours, theirs = rowids if schemas == SCHEMAS else rowids[::-1]
            met = " AND ".join(_same(*both, "b") for both in key)
            first = f"LEFT JOIN {there} AS b ON b.{theirs} = a.{ours} AND {met} "
        lost = None if rowids is None else f"b.{_quote(key[0][1].name)} IS NULL"
        met = " AND ".join(f"{_found(*both, lost)} AND {_same(*both, 'c')}" for both in key)
        return (
            f"SELECT {self._alone(key[0][1])}, {wanted} FROM {schemas[0]}.{_quote(one.name)} AS a "  # noqa: S608
            f"{first}LEFT JOIN {there} AS c ON {met} WHERE {apart}"
        )

    def _apart(self, ours: Column, theirs: Column, there: str) -> str:
        """SQL: whether two cells are not the same bytes of one storage class.

        `+` takes a column's affinity away, so that no text counts as the number that it looks like. Then only an
        integer and a real can be equal and not the same; most types let only one of the two into a column.
        """
        left, right = f"+a.{_quote(ours.name)}", f"+{there}.{_quote(theirs.name)}"
        differ = f"{left} COLLATE BINARY IS NOT {right}"
        kinds = {_affinity(self.first, ours), _affinity(self.second, theirs)}
        if "TEXT" in kinds or kinds == {"REAL"}:
            return differ
        if kinds <= {"INTEGER", "NUMERIC"}:  # which make every real that is whole an integer, but one
            return f"{differ} OR {left} = :least"
        return f"{differ} OR typeof({left}) <> typeof({right})"


def _found(ours: Column, theirs: Column, lost: str | None) -> str:
    """SQL: where an index leads to; by its own collation, and only for a row that is `lost`."""
    left = f"a.{_quote(ours.name)}"
    return f"c.{_quote(theirs.name)} = {left if lost is None else f'CASE WHEN {lost} THEN {left} END'}"


def _same(ours: Column, theirs: Column, there: str) -> str:
    """SQL: whether two keys are the same bytes."""
    return f"{there}.{_quote(theirs.name)} = a.{_quote(ours.name)} COLLATE BINARY"


def _affinity(table: Table, column: Column) -> str:
    return "BLOB" if "STRICT" in table.options and column.type.upper() == "ANY" else affinity(column.type)


@contextmanager
def joined_files(local: Store, remote: Store) -> Iterator[JoinedFiles]:
    """Both on one connection, if they are SQLite files; to be opened before, and begun after, the two are read."""
    if not (isinstance(local, SQLiteStore) and isinstance(remote, SQLiteStore)):
        yield JoinedFiles(None, "they are not two SQLite files")
        return
    connection: sqlite3.Connection | None = None
    try:
        connection, files = _opened(local, remote)
        with watched(files):
            yield files
    finally:
        if connection is not None:
            connection.close()


def _versions(connection: sqlite3.Connection) -> list[int]:
    return [connection.execute(f"PRAGMA {name}.data_version").fetchone()[0] for name in SCHEMAS]


def _opened(local: SQLiteStore, remote: SQLiteStore) -> tuple[sqlite3.Connection | None, JoinedFiles]:
    connection: sqlite3.Connection | None = None
    try:
        connection = open_file(local.path, "ro", SETTINGS, lambda error: connect_error(local.path, error))
        connection.execute("ATTACH ? AS other", (f"{remote.path.as_uri()}?mode=ro",))
        connection.execute("PRAGMA other.cache_size = -16384")
        return connection, JoinedFiles(connection, before=_versions(connection))
    except ConnectError:  # whoever reads that file by itself is told what is the matter with it
        return None, JoinedFiles(None, "a file cannot be opened")
    except sqlite3.Error:  # such as texts of two encodings; its words may hold a path
        if connection is not None:
            connection.close()
        return None, JoinedFiles(None, TWO)
