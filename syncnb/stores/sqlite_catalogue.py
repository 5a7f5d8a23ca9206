"""A SQLite file's catalogue as `Schema`: from the pragmas set-wise, the rest from the CREATE texts."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from syncnb.schema import Column, ForeignKey, Schema, Table, Trigger, UniqueRule
from syncnb.stores.sqlite_text import Constraint, TableText, index_text, table_text
from syncnb.values.kinds import sqlite_kind

__all__ = ["read_schema"]

# `ESCAPE` because "_" is a wildcard: a person's table may be called `syncnbx`.
OBJECTS = r"""
SELECT l.name, l.type, l.wr, l.strict, s.sql
FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name AND s.type IN ('table', 'view')
WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual')
  AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND l.name NOT LIKE 'syncnb\_%' ESCAPE '\'
"""
COLUMNS = """
SELECT s.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c
WHERE s.type = 'table' AND s.rootpage > 0
ORDER BY s.name, c.cid
"""
# Views and virtual tables one by one: a single broken one would fail the whole statement.
COLUMNS_OF_ONE = """
SELECT ?1, name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid
"""
INDEXES = """
SELECT s.name, i.name, i.origin, x.cid, x.name, t.sql
FROM sqlite_schema AS s JOIN pragma_index_list(s.name) AS i JOIN pragma_index_xinfo(i.name) AS x
LEFT JOIN sqlite_schema AS t ON t.type = 'index' AND t.name = i.name
WHERE s.type = 'table' AND s.rootpage > 0 AND i."unique" AND x.key
ORDER BY s.name, i.seq DESC, x.seqno
"""
FOREIGN_KEYS = """
SELECT s.name, f.id, f."table", f."from", f."to", f.on_delete, f.on_update
FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS f
WHERE s.type = 'table' AND s.rootpage > 0
ORDER BY s.name, f.id DESC, f.seq
"""
TEXTS = "SELECT type, name, tbl_name, rootpage > 0, sql FROM sqlite_schema ORDER BY rowid"
TRIGGERS = r"""
SELECT lower(tbl_name), name, sql FROM sqlite_schema
WHERE type = 'trigger' AND name NOT LIKE 'syncnb\_%' ESCAPE '\' ORDER BY name
"""


class Named(NamedTuple):
    """One table or view of `pragma_table_list`."""

    name: str
    type: str
    without_rowid: int
    strict: int
    sql: str


class ColumnRow(NamedTuple):
    """One row of `pragma_table_xinfo`."""

    table: str
    name: str
    type: str
    notnull: int
    default: str | None
    pk: int
    hidden: int


class IndexRow(NamedTuple):
    """One key part of a unique index."""

    table: str
    rule: str
    origin: str
    cid: int
    column: str | None
    sql: str | None


class ForeignKeyRow(NamedTuple):
    """One column pair of a foreign key."""

    table: str
    id: int
    parent: str
    column: str
    parent_column: str | None
    on_delete: str
    on_update: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the catalogue holds, by table name."""

    columns: Mapping[str, list[ColumnRow]]
    indexes: Mapping[str, list[IndexRow]]
    foreign_keys: Mapping[str, list[ForeignKeyRow]]
    triggers: Mapping[str, list[Trigger]]
    texts: Mapping[str, TableText]
    utf16: bool


KNOWN: dict[tuple[Any, ...], Schema] = {}
"""Catalogues by their texts: a verb asks for the same one several times, and a program for that of the same files."""
MOST = 32
"""So many are kept at most."""


def read_schema(connection: sqlite3.Connection) -> Schema:
    """All tables and views of the file; not SQLite's own, not ours, no shadow tables of virtual ones.

    A view or virtual table whose columns cannot be told (what it reads is gone, its module is not
    here) has none, and the option BROKEN. Leaves `text_factory` changed.
    """
    texts = _texts(connection)
    if (known := KNOWN.get(texts) if texts else None) is not None:
        return known
    found = _read(connection)
    if texts:
        if len(KNOWN) >= MOST:
            KNOWN.clear()
        KNOWN[texts] = found
    return found


def _texts(connection: sqlite3.Connection) -> tuple[Any, ...]:
    """All that the catalogue is made of; nothing where it hangs on more than that, or may change as it is read."""
    connection.text_factory = bytes
    try:
        rows = tuple(connection.execute(TEXTS).fetchall())
        encoding = connection.execute("PRAGMA encoding").fetchone()
    finally:
        connection.text_factory = _lenient
    # What a view or a virtual table has for columns hangs on the functions and modules of this connection.
    plain = all(rooted or kind == b"trigger" for kind, _, _, rooted, _ in rows)
    return (encoding, rows) if plain and connection.in_transaction else ()


def _read(connection: sqlite3.Connection) -> Schema:
    connection.text_factory = _lenient  # a name that is not UTF-8 must not hide all the others
    objects = [Named(*row) for row in connection.execute(OBJECTS)]
    facts = _facts(connection, objects)
    tables = [_table(each, facts) for each in objects]
    return Schema(tuple(sorted(_with_parents(tables), key=lambda table: table.name)))


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _facts(connection: sqlite3.Connection, objects: Iterable[Named]) -> Facts:
    columns = _by_table(ColumnRow(*row) for row in connection.execute(COLUMNS))
    for each in objects:
        if each.type != "table":
            columns[each.name] = _columns_of_one(connection, each.name)
    triggers: dict[str, list[Trigger]] = defaultdict(list)
    for table, name, sql in connection.execute(TRIGGERS):
        triggers[table].append(Trigger(name, sql))
    return Facts(
        columns=columns,
        indexes=_by_table(IndexRow(*row) for row in connection.execute(INDEXES)),
        foreign_keys=_by_table(ForeignKeyRow(*row) for row in connection.execute(FOREIGN_KEYS)),
        triggers=triggers,
        texts={each.name: table_text(each.sql) if each.type == "table" else TableText() for each in objects},
        utf16=connection.execute("PRAGMA encoding").fetchone()[0] != "UTF-8",
    )


def _by_table(rows: Iterable[Any]) -> defaultdict[str, list[Any]]:
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.table].append(row)
    return grouped


def _columns_of_one(connection: sqlite3.Connection, name: str) -> list[ColumnRow]:
    """The columns of a view or virtual table; none where it is broken or its module is not here."""
    try:
        return [ColumnRow(*row) for row in connection.execute(COLUMNS_OF_ONE, (name,))]
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return []


def _table(each: Named, facts: Facts) -> Table:
    rows = [row for row in facts.columns[each.name] if row.hidden != 1]
    text = facts.texts[each.name]
    alias = _rowid_alias(each, rows, facts.indexes[each.name])
    return Table(
        name=each.name,
        columns=tuple(_column(row, text, alias) for row in rows),
        type="view" if each.type == "view" else "table",
        rules=tuple(_rules(rows, facts.indexes[each.name], text)),
        foreign_keys=tuple(_foreign_keys(each.name, facts.foreign_keys[each.name], text)),
        checks=tuple(text.checks),
        triggers=tuple(facts.triggers.get(_lower(each.name), ())),
        options=tuple(_options(each, text, rows)),
        text_order="other" if facts.utf16 else "code point",
    )


def _lower(name: str) -> str:
    """In lower case as SQLite compares names: ASCII letters only."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def _rowid_alias(each: Named, rows: list[ColumnRow], indexes: list[IndexRow]) -> str | None:
    """The INTEGER PRIMARY KEY that is the rowid, and so is never NULL."""
    keys = [row for row in rows if row.pk]
    if each.without_rowid or len(keys) != 1 or keys[0].type.upper() != "INTEGER":
        return None
    # `INTEGER PRIMARY KEY DESC` is, by an old accident, no alias: it has an index of its own.
    return None if any(index.origin == "pk" for index in indexes) else keys[0].name


def _column(row: ColumnRow, text: TableText, alias: str | None) -> Column:
    collation = _folded(text.collations).get(_lower(row.name))
    return Column(
        name=row.name,
        type=row.type,
        kind=sqlite_kind(row.type),
        nullable=not row.notnull and row.name != alias,
        default=row.default,
        generated=_folded(text.generated).get(_lower(row.name), "generated")
        if row.hidden in (2, 3)
        else None,
        collation=None if collation == "BINARY" else collation,
    )


def _folded(named: Mapping[str, str]) -> dict[str, str]:
    return {_lower(name): value for name, value in named.items()}


def _rules(rows: list[ColumnRow], indexes: list[IndexRow], text: TableText) -> Iterable[UniqueRule]:
    """The primary key first, then constraints and unique indexes in the order they were made."""
    if keys := sorted((row for row in rows if row.pk), key=lambda row: row.pk):
        yield UniqueRule(text.primary or "PRIMARY KEY", tuple(row.name for row in keys), primary=True)
    grouped: dict[str, list[IndexRow]] = defaultdict(list)
    for index in indexes:
        if index.origin != "pk":
            grouped[index.rule].append(index)
    for parts in grouped.values():
        yield _constraint(parts, text) if parts[0].origin == "u" else _index(parts)


def _constraint(parts: list[IndexRow], text: TableText) -> UniqueRule:
    columns = tuple(part.column or "" for part in parts)
    told = next((u.name for u in text.uniques if _same(u.columns, columns)), None)
    return UniqueRule(told or f"UNIQUE ({', '.join(columns)})", columns)


def _same(told: Iterable[str], columns: Iterable[str]) -> bool:
    return [_lower(name) for name in told] == [_lower(name) for name in columns]


def _index(parts: list[IndexRow]) -> UniqueRule:
    text = index_text(parts[0].sql or "")
    plain = all(part.column is not None for part in parts)
    return UniqueRule(
        name=parts[0].rule,
        columns=tuple(part.column or "" for part in parts) if plain else (),
        expressions=() if plain else text.parts,
        where=text.where,
        constraint=False,
    )


def _foreign_keys(table: str, rows: list[ForeignKeyRow], text: TableText) -> Iterable[ForeignKey]:
    grouped: dict[int, list[ForeignKeyRow]] = defaultdict(list)
    for row in rows:
        grouped[row.id].append(row)
    # The pragma numbers them backwards, so they arrive here in the order of the text.
    declared = (
        text.foreign_keys if len(text.foreign_keys) == len(grouped) else [Constraint(None)] * len(grouped)
    )
    for told, pairs in zip(declared, grouped.values(), strict=True):
        columns = tuple(pair.column for pair in pairs)
        yield ForeignKey(
            name=told.name or f"{table}_{'_'.join(columns)}_fkey",
            columns=columns,
            parent=pairs[0].parent,
            parent_columns=tuple(pair.parent_column or "" for pair in pairs),
            on_delete=pairs[0].on_delete,
            on_update=pairs[0].on_update,
            deferrable=told.deferrable,
            deferred=told.deferred,
        )


def _options(each: Named, text: TableText, rows: list[ColumnRow]) -> Iterable[str]:
    if each.strict:
        yield "STRICT"
    if each.without_rowid:
        yield "WITHOUT ROWID"
    if text.autoincrement:
        yield "AUTOINCREMENT"
    if each.type == "virtual":
        yield "VIRTUAL"
    if not rows:
        yield "BROKEN"


def _with_parents(tables: list[Table]) -> Iterable[Table]:
    """Parents and their columns by the names they really have; where none are told, their primary key."""
    named = {_lower(table.name): table for table in tables}
    for table in tables:
        keys = tuple(_resolved(key, named.get(_lower(key.parent))) for key in table.foreign_keys)
        yield replace(table, foreign_keys=keys) if keys else table


def _resolved(key: ForeignKey, parent: Table | None) -> ForeignKey:
    told = tuple(name for name in key.parent_columns if name)
    if parent is None:
        return replace(key, parent_columns=told)
    real = {_lower(column.name): column.name for column in parent.columns}
    columns = tuple(real.get(_lower(name), name) for name in told) or parent.primary_key
    return replace(key, parent=parent.name, parent_columns=columns)
