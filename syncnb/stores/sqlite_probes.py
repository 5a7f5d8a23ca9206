# Some queries are read as one line.
# ruff: noqa: E501, S608 - names come from the catalogue, quoted; expressions are its own
"""What a diagnosis asks of a SQLite snapshot. All on its read-only connection."""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.schema import Column, ForeignKey, Table
from syncnb.stores.probing import (
    Arbiters,
    Groups,
    IndexFacts,
    SequenceFacts,
    Surroundings,
    Unfit,
    is_expression,
)
from syncnb.stores.sqlite_errors import read_error
from syncnb.stores.sqlite_text import index_text
from syncnb.values.raw import BadText, Raw, to_python
from syncnb.values.reading import as_text

__all__ = ["SQLiteProber", "SQLiteTrial"]

SAMPLES = 5
ROW = '"#"'
"""The number of a given row, under a name that no column is likely to have."""
# RENAME quotes the name in the text; who quotes it by habit quotes the columns too.
RENAMED = re.compile(r"CREATE TABLE \"\w+\"\s*\(\s*\w")
GREATEST = 2**63 - 1
_quote = sqlite_dialect().identifier_preparer.quote_identifier

INDEXES = """
SELECT i.name, i."unique", i.origin, i.partial, x.cid, x.name, x.coll, s.sql
FROM pragma_index_list(?) AS i JOIN pragma_index_xinfo(i.name) AS x
LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = i.name
WHERE x.key ORDER BY i.origin <> 'pk', NOT i."unique", i.name, x.seqno
"""
REFERRING = """
SELECT s.name, f.id, f."from", f."to", f.on_delete, f.on_update
FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS f
WHERE s.type = 'table' AND s.rootpage > 0 AND lower(f."table") = lower(?) ORDER BY s.name, f.id, f.seq
"""


class SQLiteProber:
    """Questions about one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def nulls_can_be_equal(self) -> bool:
        """SQLite counts every NULL as another."""
        return False

    def settings(self) -> Mapping[str, str]:
        """Which library, and how the file is set up."""
        pragmas = ("journal_mode", "encoding", "page_size")
        told = {name.replace("_", " "): str(self._one(f"PRAGMA {name}")) for name in pragmas}
        return {"version": sqlite3.sqlite_version, **told}

    def indexes(self, table: Table) -> tuple[IndexFacts, ...]:
        """All indexes, and the INTEGER PRIMARY KEY, which has none of its own."""
        parts: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for name, *rest in self._all(INDEXES, (table.name,)):
            parts[name].append(tuple(rest))
        found = [self._index(table, name, rows) for name, rows in parts.items()]
        if table.primary_key and not any(index.primary for index in found):
            key = table.primary_key
            found.insert(
                0, IndexFacts("PRIMARY KEY", key, (True,) * len(key), primary=True, constraint="PRIMARY KEY")
            )
        return tuple(found)

    def _index(self, table: Table, name: str, rows: list[tuple[Any, ...]]) -> IndexFacts:
        unique, origin, _, _, _, _, sql = rows[0]
        text = index_text(sql) if sql else None
        # The text of a part may end with COLLATE, which the pragma tells too.
        shown = tuple(
            row[4] if row[4] is not None else (text.parts[at] if text and at < len(text.parts) else "?")
            for at, row in enumerate(rows)
        )
        own = {column.name: column.collation or "BINARY" for column in table.columns}
        return IndexFacts(
            name=name if sql else _constraint_name(table, shown, origin),
            parts=shown,
            plain=tuple(row[4] is not None for row in rows),
            unique=bool(unique),
            primary=origin == "pk",
            constraint=_constraint_name(table, shown, origin) if origin in ("pk", "u") else None,
            where=text.where if text else None,
            collations=tuple(
                row[5].upper() if row[5].upper() != own.get(row[4] or "", "BINARY").upper() else None
                for row in rows
            ),
            opclasses=(None,) * len(rows),
        )

    def arbiters(self, table: Table, target: Sequence[str], where: str | None) -> Arbiters | None:
        """Whether SQLite prepares such an upsert: EXPLAIN runs nothing. It does not say which index it takes."""
        names = {column.name for column in table.columns}
        expressions = [part for part in target if part not in names]
        if not all(map(is_expression, [*expressions, *([where] if where else [])])):
            return None
        parts = ", ".join(_quote(part) if part in names else part for part in target)
        predicate = f" WHERE {where}" if where else ""
        query = f"EXPLAIN INSERT INTO main.{_quote(table.name)} DEFAULT VALUES ON CONFLICT ({parts}){predicate} DO NOTHING"
        # DEFAULT VALUES takes no upsert clause in SQLite.
        settable = next((column.name for column in table.columns if not column.generated), None)
        if settable is None:
            return None
        query = query.replace("DEFAULT VALUES", f"({_quote(settable)}) VALUES (NULL)", 1)
        try:
            self._connection.execute(query).fetchall()
        except sqlite3.Error as error:
            return Arbiters(matches=False, code=str(error.sqlite_errorcode), why=str(error))
        return Arbiters(matches=True)

    def counts(self, table: Table, columns: Sequence[str]) -> tuple[int, dict[str, int]]:
        """All rows, and how many are NULL in each column."""
        parts = ["count(*)", *(f"count(*) - count(t.{_quote(name)})" for name in columns)]
        row = self._all(f"SELECT {', '.join(parts)} FROM {_place(table)} AS t")[0]
        return row[0], dict(zip(columns, row[1:], strict=True))

    def duplicates(self, table: Table, columns: Sequence[str], *, nulls_equal: bool) -> Groups:
        """Rows that agree in these columns, by the collations of the columns."""
        names = [f"t.{_quote(table.column(name).name)}" for name in columns]
        filled = [] if nulls_equal else [f"{name} IS NOT NULL" for name in names]
        condition = f" WHERE {' AND '.join(filled)}" if filled else ""
        query = f"SELECT {', '.join(names)}, count(*) AS n FROM {_place(table)} AS t{condition} GROUP BY {', '.join(names)} HAVING count(*) > 1"
        return self._groups(query, tuple(columns))

    def orphans(self, table: Table, key: ForeignKey, parent: Table) -> Groups:
        """Rows that refer to nothing."""
        names = [f"c.{_quote(name)}" for name in key.columns]
        pairs = [
            f"p.{_quote(theirs)} = {ours}" for ours, theirs in zip(names, key.parent_columns, strict=True)
        ]
        query = (
            f"SELECT {', '.join(names)}, count(*) AS n FROM {_place(table)} AS c "
            f"WHERE {' AND '.join(f'{name} IS NOT NULL' for name in names)} "
            f"AND NOT EXISTS (SELECT 1 FROM {_place(parent)} AS p WHERE {' AND '.join(pairs)}) GROUP BY {', '.join(names)}"
        )
        return self._groups(query, key.columns)

    def _groups(self, query: str, columns: tuple[str, ...]) -> Groups:
        rows = self._all(
            f"SELECT g.*, count(*) OVER (), sum(n) OVER () FROM ({query}) AS g ORDER BY n DESC, 1 LIMIT {SAMPLES}"
        )
        if not rows:
            return Groups(columns=columns)
        samples = tuple((*map(_text, row[:-3]), int(row[-3])) for row in rows)
        return Groups(rows[0][-2], rows[0][-1], columns, samples)

    def find(
        self, table: Table, columns: Sequence[str], values: Sequence[str | None]
    ) -> list[dict[str, str | None]]:
        """At most five rows with these values. Text takes the affinity of its column, as in an INSERT."""
        shown = [column.name for column in table.columns]
        tests = " AND ".join(f"t.{_quote(table.column(name).name)} IS ?" for name in columns)
        query = f"SELECT {', '.join(f't.{_quote(name)}' for name in shown)} FROM {_place(table)} AS t WHERE {tests} LIMIT {SAMPLES}"
        return [dict(zip(shown, map(_text, row), strict=True)) for row in self._all(query, tuple(values))]

    def sequences(self, table: Table) -> tuple[SequenceFacts, ...]:
        """The rowid of an INTEGER PRIMARY KEY: behind only where the greatest one is taken."""
        key = table.primary_key
        if len(key) != 1 or table.column(key[0]).type.upper() != "INTEGER":
            return ()
        greatest = self._one(f"SELECT max(t.{_quote(key[0])}) FROM {_place(table)} AS t")
        high = greatest or 0
        if "AUTOINCREMENT" in table.options:
            high = max(
                high, self._one("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table.name,)) or 0
            )
        return (SequenceFacts(key[0], "rowid", min(high + 1, GREATEST), greatest, GREATEST),)

    def surroundings(self, table: Table) -> Surroundings:
        """Who refers to the table. Rules and policies SQLite does not have."""
        grouped: defaultdict[tuple[str, int], list[tuple[Any, ...]]] = defaultdict(list)
        for name, number, *rest in self._all(REFERRING, (table.name,)):
            grouped[name, number].append(tuple(rest))
        referring = tuple(
            (name, ForeignKey("", tuple(r[0] for r in rows), table.name, tuple(r[1] or "" for r in rows), rows[0][2], rows[0][3]))
            for (name, _), rows in grouped.items()
        )  # fmt: skip
        text = (
            self._one("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table.name,)) or ""
        )
        return Surroundings(referring=referring, rebuilt=RENAMED.match(text) is not None)

    def elsewhere(self, name: str) -> list[str]:
        """A SQLite file has one schema."""
        return []

    def table_of(self, constraint: str) -> list[str]:
        """Tables that have an index of that name, or whose text names such a constraint."""
        query = "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?"
        return [row[0] for row in self._all(query, (constraint,))]

    def breaking(self, table: Table, check: str) -> int:
        """How many rows break a CHECK of the catalogue."""
        return int(self._one(f"SELECT count(*) FROM {_place(table)} AS t WHERE NOT ({check})"))

    def trial(self, table: Table, batch: pa.RecordBatch) -> "SQLiteTrial":
        """Hold these rows against the table."""
        return SQLiteTrial(self._connection, table, batch)

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise read_error("the file", "what a diagnosis asks", 0, error) from None

    def _one(self, query: str, values: Sequence[Any] = ()) -> Any:
        rows = self._all(query, values)
        return rows[0][0] if rows else None


class SQLiteTrial:
    """Some rows beside one table: copied into a database in memory with the types and collations of its
    columns, and nothing else of it, so that all that breaks shows at once.
    """

    def __init__(self, connection: sqlite3.Connection, table: Table, batch: pa.RecordBatch) -> None:
        self._connection = connection
        self._table = table
        self._names = list(batch.schema.names)
        self._rows = list(zip(*(to_python(column) for column in batch.columns), strict=True))
        self._scratch = self._copied()

    def _copied(self) -> sqlite3.Connection:
        scratch = sqlite3.connect(":memory:")
        columns = ", ".join(f"{_quote(c.name)} {_declared(c)}" for c in self._table.columns)
        scratch.execute(f"CREATE TABLE t ({ROW} INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * (len(self._names) + 1))
        names = ", ".join([ROW, *map(_quote, self._names)])
        scratch.executemany(
            f"INSERT INTO t ({names}) VALUES ({marks})",
            ((at, *map(_sendable, row)) for at, row in enumerate(self._rows)),
        )
        return scratch

    def _scratched(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._scratch.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise read_error("memory", "the given rows", 0, error) from None

    def unfit(self) -> list[Unfit]:
        """What a STRICT table or an INTEGER PRIMARY KEY does not take; elsewhere SQLite takes everything."""
        found = [
            Unfit(at, name, "22021", "it is not UTF-8")
            for at, row in enumerate(self._rows)
            for name, value in zip(self._names, row, strict=True)
            if isinstance(value, BadText)
        ]
        key = self._table.primary_key
        alias = key[0] if len(key) == 1 and self._table.column(key[0]).type.upper() == "INTEGER" else None
        for name in self._names:
            types = (
                STRICT.get(self._table.column(name).type.upper()) if "STRICT" in self._table.options else None
            )
            if name == alias:
                types = ("integer",)
            if types is not None:
                marks = ", ".join("?" * len(types))
                query = f"SELECT {ROW}, typeof({_quote(name)}) FROM t WHERE {_quote(name)} IS NOT NULL AND typeof({_quote(name)}) NOT IN ({marks})"
                found += [
                    Unfit(row, name, "20" if name == alias else "3091", f"a {stored} value")
                    for row, stored in self._scratched(query, types)
                ]
        return found

    def failing(self, check: str) -> list[int]:
        """Rows for which a CHECK is false."""
        return [row[0] for row in self._scratched(f"SELECT {ROW} FROM t WHERE NOT ({check}) ORDER BY 1")]

    def repeated(self, index: IndexFacts) -> list[tuple[int, ...]]:
        """Groups of rows that are one under this index."""
        parts = _collated(index)
        conditions = [f"{part} IS NOT NULL" for part in parts] + ([f"({index.where})"] if index.where else [])
        query = (
            f"SELECT group_concat({ROW}) FROM t WHERE {' AND '.join(conditions)} "
            f"GROUP BY {', '.join(parts)} HAVING count(*) > 1 ORDER BY min({ROW})"
        )
        return [tuple(sorted(map(int, row[0].split(",")))) for row in self._scratched(query)]

    def present(self, index: IndexFacts) -> dict[int, tuple[str, ...]]:
        """The rows of the table that each row meets under this index, by their primary key or rowid."""
        parts = _collated(index)
        conditions = [f"{part} IS NOT NULL" for part in parts] + ([f"({index.where})"] if index.where else [])
        values = f"SELECT {ROW}, {', '.join(parts)} FROM t WHERE {' AND '.join(conditions)}"
        identity = ", ".join(map(_quote, self._table.primary_key)) or "rowid"
        tests = [f"{part} = ?" for part in parts] + ([f"({index.where})"] if index.where else [])
        query = f"SELECT {identity} FROM {_place(self._table)} WHERE {' AND '.join(tests)} LIMIT 1"
        self._connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
        found = {}
        for row, *key in self._scratched(values):
            if met := self._connection.execute(query, key).fetchone():
                found[row] = tuple(map(str, met))
        return found

    def without_parent(self, key: ForeignKey, parent: Table) -> list[int]:
        """Rows whose parent is not in the database."""
        names = [_quote(name) for name in key.columns]
        filled = " AND ".join(f"{name} IS NOT NULL" for name in names)
        values = f"SELECT {ROW}, {', '.join(names)} FROM t WHERE {filled}"
        tests = " AND ".join(f"{_quote(name)} = ?" for name in key.parent_columns)
        query = f"SELECT 1 FROM {_place(parent)} WHERE {tests} LIMIT 1"
        return [
            row
            for row, *given in self._scratched(values)
            if not self._connection.execute(query, given).fetchone()
        ]


STRICT = {
    "INT": ("integer",), "INTEGER": ("integer",), "REAL": ("real", "integer"), "TEXT": ("text",), "BLOB": ("blob",),
}  # fmt: skip


def _declared(column: Column) -> str:
    """Type and collation, of which only harmless words are left."""
    kind = "".join(letter for letter in column.type if letter.isalnum() or letter in " _(),")
    collation = column.collation if column.collation in ("NOCASE", "RTRIM") else None
    return f"{kind} COLLATE {collation}" if collation else kind


def _collated(index: IndexFacts) -> list[str]:
    found = []
    for part, plain, collation in zip(
        index.parts, index.plain, index.collations or (None,) * 99, strict=False
    ):
        name = _quote(part) if plain else f"({part})"
        found.append(f"{name} COLLATE {_quote(collation)}" if collation and plain else name)
    return found


def _sendable(value: Raw) -> Any:
    if isinstance(value, BadText):
        return None
    return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else float(value)


def _constraint_name(table: Table, columns: Sequence[str], origin: str) -> str:
    if origin == "pk":
        return next((rule.name for rule in table.rules if rule.primary), "PRIMARY KEY")
    named = next(
        (rule.name for rule in table.rules if rule.constraint and rule.columns == tuple(columns)), None
    )
    return named or f"UNIQUE ({', '.join(columns)})"


def _place(table: Table) -> str:
    return f"main.{_quote(table.name)}"


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)
