"""A throw-away copy of a target, in which INSERT OR REPLACE is really run, row by row.

A SQLite target is copied page by page. Of another target the tables are built anew from its catalogue:
without types, so that values stay as they were read, and with those unique rules that SQLite can hold.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.errors import ReadError
from syncnb.schema import ForeignKey, Schema, Table, UniqueRule
from syncnb.stores.sqlite import careful
from syncnb.stores.sqlite_capture import shared_rules, sharing
from syncnb.stores.sqlite_catalogue import read_schema
from syncnb.values.raw import BadText, Raw, to_python

__all__ = ["Hit", "Scratch", "copied", "rebuilt", "unheld"]

HIT = "syncnb_hit"
"""Our own function, which the triggers call for each row that REPLACE is about to take away."""

_quote = sqlite_dialect().identifier_preparer.quote_identifier

Row = dict[str, Raw]
Key = tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that has to go for a new one, and a rule by which."""

    table: str
    rule: str
    key: Key


@dataclass
class Scratch:
    """The copy. Its connection is alone with it."""

    connection: sqlite3.Connection
    schema: Schema
    deletes_first: bool
    """The target knows no REPLACE: rows in the way are deleted, then the new one is inserted."""
    _hits: list[Hit] = field(default_factory=list)
    _armed: list[tuple[str, str]] = field(default_factory=list)

    def keep_source(
        self, number: int, table: Table, names: Sequence[str], rows: Iterable[pa.RecordBatch]
    ) -> None:
        """Put the rows of the source beside the copy, in columns that behave as the target's."""
        columns = ", ".join(map(_quote, names))
        self.connection.execute(
            f"CREATE TABLE src.{_source(number)} AS SELECT {columns} FROM main.{_quote(table.name)} WHERE 0"  # noqa: S608
        )
        for batch in rows:
            self._insert(f"src.{_source(number)}", len(names), batch)

    def fill(self, table: Table, rows: Iterable[pa.RecordBatch]) -> None:
        """Put the target's own rows into the copy."""
        for batch in rows:
            self._insert(f"main.{_quote(table.label)}", batch.num_columns, batch)

    def _insert(self, into: str, width: int, batch: pa.RecordBatch) -> None:
        self.connection.execute("BEGIN")
        rows = zip(*map(to_python, batch.columns), strict=True)
        plain = f"INSERT INTO {into} VALUES ({', '.join('?' * width)})"  # noqa: S608
        for bad, group in groupby(rows, key=lambda row: tuple(isinstance(v, BadText) for v in row)):
            if not any(bad):
                self.connection.executemany(plain, group)
                continue
            # sqlite3 cannot bind text that is not UTF-8, but SQLite can call bytes text.
            marks = ", ".join("CAST(? AS TEXT)" if each else "?" for each in bad)
            self.connection.executemany(f"INSERT INTO {into} VALUES ({marks})", map(_bound, group))  # noqa: S608
        self.connection.execute("COMMIT")

    def arm(self, table: Table, key: Sequence[str]) -> None:
        """From now on every row that has to go from this table is told."""
        names = ", ".join(map(_passed, (f"t.{_quote(name)}" for name in key)))
        for rule in shared_rules(self.connection, table):
            number = len(self._armed)
            self._armed.append((table.name, rule.name))
            # A temporary one, because only such may call a function of ours in a file that nobody vouches for.
            self.connection.execute(
                f"CREATE TEMP TRIGGER syncnb_hit_{number} BEFORE INSERT ON main.{_quote(table.name)} BEGIN "  # noqa: S608
                f"SELECT {HIT}({number}, {names}) FROM main.{_quote(table.name)} AS t WHERE {sharing(table, rule)}; END"
            )

    def told(self, number: int, *passed: Raw) -> None:
        """What the triggers call: a rule, and for each part of the key its type and its value."""
        table, rule = self._armed[number]
        pairs = zip(passed[::2], passed[1::2], strict=True)
        key = tuple(careful(v) if kind == "text" and isinstance(v, bytes) else v for kind, v in pairs)
        self._hits.append(Hit(table, rule, key))

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done within is taken back at its end."""
        self.connection.execute("SAVEPOINT trial")
        try:
            yield
        finally:
            self._alive()
            self.connection.execute("ROLLBACK TO trial")
            self.connection.execute("RELEASE trial")

    def _alive(self) -> None:
        """Refuse to go on where the copy has lost what was put in before."""
        if not self.connection.in_transaction:
            raise ReadError(
                "a trigger of the target rolls the whole transaction back: what comes after cannot be told",
                hint="give fewer rows: pending=, or tables=",
            )

    def hits(self, number: int, table: Table, names: Sequence[str], row: int) -> list[Hit]:
        """Which rows have to go for this row of the source. Nothing of it stays."""
        self._hits.clear()
        try:
            with self.undone():
                self._replace(number, table, names, row)
        except sqlite3.Error:
            pass  # it is refused in the end, but what had to go was told before that
        # SQLite fires the trigger made last first; here in the order of the catalogue.
        rank = {armed: number for number, armed in enumerate(self._armed)}
        return sorted(dict.fromkeys(self._hits), key=lambda hit: rank[hit.table, hit.rule])

    def is_there(self, number: int, table: Table, names: Sequence[str], row: int, key: Sequence[str]) -> bool:
        """Whether the target has this row of the source just as it is."""
        same = " AND ".join(
            f"t.{name} IS s.{name} COLLATE BINARY AND typeof(t.{name}) = typeof(s.{name})"
            for name in map(_quote, names)
        )
        keys = " AND ".join(f"t.{name} = s.{name}" for name in map(_quote, key))
        found = self.connection.execute(
            f"SELECT 1 FROM src.{_source(number)} AS s CROSS JOIN main.{_quote(table.name)} AS t "  # noqa: S608
            f"WHERE s.rowid = ? AND {keys} AND {same}",
            (row,),
        )
        return found.fetchone() is not None

    def replace(
        self,
        number: int,
        table: Table,
        names: Sequence[str],
        row: int,
        hits: Sequence[Hit],
        key: Sequence[str],
    ) -> str:
        """Write this row of the source for good. What the database says against it, or nothing."""
        self.connection.execute("SAVEPOINT one")
        try:
            if self.deletes_first:
                for gone in dict.fromkeys(hit.key for hit in hits if hit.table == table.name):
                    where = _alike(key, gone)
                    self.connection.execute(
                        f"DELETE FROM main.{_quote(table.name)} WHERE {where}",  # noqa: S608
                        _bound(gone),
                    )
            self._replace(number, table, names, row)
        except sqlite3.Error as error:
            self._alive()
            self.connection.execute("ROLLBACK TO one")
            problem = str(error)
        else:
            problem = ""
        self.connection.execute("RELEASE one")
        return problem

    def _replace(self, number: int, table: Table, names: Sequence[str], row: int) -> None:
        columns = ", ".join(map(_quote, names))
        self.connection.execute(
            f"INSERT OR REPLACE INTO main.{_quote(table.name)} ({columns}) "  # noqa: S608
            f"SELECT {columns} FROM src.{_source(number)} WHERE rowid = ?",
            (row,),
        )

    def source_rows(self, number: int) -> int:
        """How many rows of the source there are; they are numbered from 1."""
        return int(self.connection.execute(f"SELECT count(*) FROM src.{_source(number)}").fetchone()[0])  # noqa: S608

    def source_row(self, number: int, row: int) -> Row:
        return next(self._rows(f"SELECT * FROM src.{_source(number)} WHERE rowid = ?", (row,)))  # noqa: S608

    def source_find(self, number: int, names: Sequence[str], values: Key) -> tuple[int, Row] | None:
        """The row of the source that has these values, and its number."""
        found = self.connection.execute(
            f"SELECT rowid FROM src.{_source(number)} WHERE {_alike(names, values)} LIMIT 1",  # noqa: S608
            _bound(values),
        ).fetchone()
        return (found[0], self.source_row(number, found[0])) if found else None

    def index_source(self, number: int, names: Sequence[str]) -> None:
        """Make `source_find` by these columns quick."""
        columns = ", ".join(map(_quote, names))
        name = f"src.{_source(number)}_{abs(hash(tuple(names)))}"
        self.connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {_source(number)} ({columns})")

    def index_target(self, name: str, table: Table, names: Sequence[str]) -> None:
        """Make `find` by these columns quick."""
        columns = ", ".join(map(_quote, names))
        self.connection.execute(f"CREATE INDEX IF NOT EXISTS main.{name} ON {_quote(table.name)} ({columns})")

    def keep_first(self, folder: Path) -> None:
        """Keep the copy as it is now, for `find_first`."""
        shutil.copyfile(folder / "target.db", folder / "first.db")
        self.connection.execute("ATTACH ? AS first", (str(folder / "first.db"),))

    @property
    def follows(self) -> bool:
        """Whether references are checked, and followed by deletes."""
        return bool(self.connection.execute("PRAGMA foreign_keys").fetchone()[0])

    def find(self, table: Table, names: Sequence[str], values: Key) -> list[Row]:
        """The rows of the copy that have these values, as it is now."""
        return self._find("main", table, names, values)

    def find_first(self, table: Table, names: Sequence[str], values: Key) -> list[Row]:
        """The same, before anything was put in."""
        return self._find("first", table, names, values)

    def _find(self, where: str, table: Table, names: Sequence[str], values: Key) -> list[Row]:
        alike = _alike(names, values)
        return list(self._rows(f"SELECT * FROM {where}.{_quote(table.name)} WHERE {alike}", values))  # noqa: S608

    def _rows(self, sql: str, values: Sequence[Any]) -> Iterator[Row]:
        cursor = self.connection.execute(sql, _bound(values))
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            yield dict(zip(names, row, strict=True))


def copied(original: sqlite3.Connection, folder: Path, *, foreign_keys: bool) -> Scratch:
    """The copy of a whole SQLite file, as the reader of `original` sees it."""
    connection = _opened(folder)
    original.backup(connection)
    connection.execute(
        "PRAGMA journal_mode = MEMORY"
    )  # the original may be in WAL mode, and so the copy then
    return _ready(connection, folder, foreign_keys=foreign_keys, deletes_first=False)


def rebuilt(tables: Sequence[Table], folder: Path) -> Scratch:
    """Empty tables like these; references are checked and followed, as the target does."""
    connection = _opened(folder)
    for table in tables:
        connection.execute(_create(table))
        for rule in table.rules:
            if not rule.constraint and not unheld(rule):
                columns = ", ".join(map(_quote, rule.columns))
                connection.execute(
                    f"CREATE UNIQUE INDEX {_quote(rule.name)} ON {_quote(table.label)} ({columns})"
                )
    return _ready(connection, folder, foreign_keys=True, deletes_first=True)


def unheld(rule: UniqueRule) -> str:
    """Why a rule of another engine cannot be held by the copy, or nothing."""
    if rule.expressions:
        return "it is an expression"
    if rule.where is not None:
        return "it holds for a part of the rows"
    return "" if rule.nulls_distinct else "it takes NULLs for equal"


def _create(table: Table) -> str:
    parts = [_quote(column.name) for column in table.columns]
    for rule in table.rules:
        if rule.constraint and not unheld(rule):
            what = "PRIMARY KEY" if rule.primary else "UNIQUE"
            parts.append(f"CONSTRAINT {_quote(rule.name)} {what} ({', '.join(map(_quote, rule.columns))})")
    parts += [_reference(key) for key in table.foreign_keys]
    return f"CREATE TABLE {_quote(table.label)} ({', '.join(parts)})"


def _reference(key: ForeignKey) -> str:
    mine, theirs = (", ".join(map(_quote, names)) for names in (key.columns, key.parent_columns))
    actions = f"ON DELETE {key.on_delete} ON UPDATE {key.on_update}"
    return f"CONSTRAINT {_quote(key.name)} FOREIGN KEY ({mine}) REFERENCES {_quote(key.parent)} ({theirs}) {actions}"


def _opened(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "target.db", isolation_level=None)
    for setting in (
        "trusted_schema = OFF",
        "synchronous = OFF",
        "journal_mode = MEMORY",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _ready(
    connection: sqlite3.Connection, folder: Path, *, foreign_keys: bool, deletes_first: bool
) -> Scratch:
    connection.execute("ATTACH ? AS src", (str(folder / "source.db"),))
    connection.execute("PRAGMA src.journal_mode = OFF")
    connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
    schema = read_schema(connection)
    connection.text_factory = careful
    scratch = Scratch(connection, schema, deletes_first)
    connection.create_function(HIT, -1, scratch.told)
    return scratch


def _passed(value: str) -> str:
    """A value for our own function, which must not be called with text that is not UTF-8."""
    return f"typeof({value}), CASE typeof({value}) WHEN 'text' THEN CAST({value} AS BLOB) ELSE {value} END"


def _alike(names: Sequence[str], values: Sequence[Raw]) -> str:
    # sqlite3 cannot bind text that is not UTF-8, but SQLite can call bytes text.
    marks = ["CAST(? AS TEXT)" if isinstance(value, BadText) else "?" for value in values]
    return " AND ".join(f"{_quote(name)} IS {mark}" for name, mark in zip(names, marks, strict=True))


def _bound(values: Sequence[Any]) -> list[Any]:
    return [value.data if isinstance(value, BadText) else value for value in values]


def _source(number: int) -> str:
    return f"syncnb_source_{number}"
