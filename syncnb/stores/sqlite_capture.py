"""Triggers that log which keys were touched, and what they need to know about a table's unique rules.

REPLACE takes rows away without firing a DELETE trigger (unless `recursive_triggers` is on). So the
triggers that fire before an insert or update log every row that shares a unique value with the new one.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.schema import Table
from syncnb.stores.sqlite_text import index_text

__all__ = ["PREFIX", "SharedRule", "capture_triggers", "installed_triggers", "shared_rules", "sharing"]

PREFIX = "syncnb_capture_"
"""What the names of our triggers begin with; after it the number of the tracked table."""
SILENT = "NOT EXISTS (SELECT 1 FROM syncnb_own)"
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

INDEXES = """
SELECT i.name, i.origin, x.cid, x.name, x.coll, s.sql
FROM pragma_index_list(?1) AS i JOIN pragma_index_xinfo(i.name) AS x
LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = i.name
WHERE i."unique" AND x.key ORDER BY i.seq DESC, x.seqno
"""
INSTALLED = r"""
SELECT name, tbl_name, sql FROM sqlite_schema
WHERE type = 'trigger' AND name LIKE 'syncnb\_capture\_%' ESCAPE '\' ORDER BY name
"""

_quote = sqlite_dialect().identifier_preparer.quote_identifier


@dataclass(frozen=True, slots=True)
class SharedRule:
    """A unique rule as it is compared: what each part is, and by which collation."""

    name: str
    """As the catalogue calls it."""
    parts: tuple[tuple[str | None, str, str], ...]
    """For each part its column, or None; the text of its expression; its collation."""
    where: str | None = None
    rowid: bool = False
    """The INTEGER PRIMARY KEY, which an insert may leave to SQLite."""


def shared_rules(connection: sqlite3.Connection, table: Table) -> list[SharedRule]:
    """The unique rules of a table, the primary key first, with what the catalogue's `Table` does not say."""
    grouped: dict[str, list[tuple[str, int, str | None, str, str | None]]] = {}
    for name, *rest in connection.execute(INDEXES, (table.name,)):
        grouped.setdefault(name, []).append((rest[0], rest[1], rest[2], rest[3], rest[4]))
    rules = [_rule(table, name, parts) for name, parts in grouped.items()]
    primary = [rule.name for rule in table.rules if rule.primary]
    if primary and primary[0] not in {rule.name for rule in rules}:  # the rowid itself, which has no index
        alias = table.primary_key[0]
        rules.insert(0, SharedRule(primary[0], ((alias, _quote(alias), "BINARY"),), rowid=True))
    return sorted(rules, key=lambda rule: rule.name not in primary)


def _rule(
    table: Table, name: str, parts: Sequence[tuple[str, int, str | None, str, str | None]]
) -> SharedRule:
    text = index_text(parts[0][4] or "")
    found = tuple(
        (column, _quote(column) if column is not None else text.parts[at], collation)
        for at, (_, _, column, collation, _) in enumerate(parts)
    )
    return SharedRule(_label(table, name, parts[0][0], [part[0] for part in found]), found, text.where)


def _label(table: Table, name: str, origin: str, columns: Sequence[str | None]) -> str:
    """The name by which the catalogue knows a rule: an index that SQLite made itself has a name of no use."""
    for rule in table.rules:
        if (origin == "pk" and rule.primary) or (
            origin == "u" and rule.constraint and not rule.primary and list(rule.columns) == list(columns)
        ):
            return rule.name
    return name


def sharing(table: Table, rule: SharedRule) -> str:
    """The condition, in a trigger of `table`, that its row `t` has the unique values of the row NEW."""
    terms = []
    for column, text, collation in rule.parts:
        new = _new(table, column) if column is not None else _evaluated(table, text)
        mine = f"t.{text}" if column is not None else f"({text})"
        # Named, because an index may collate otherwise than its column.
        collate = f" COLLATE {_quote(collation)}" if column is not None or collation != "BINARY" else ""
        terms.append(f"{mine}{collate} = {new}")
    if rule.where is not None:
        terms += [f"({rule.where})", _evaluated(table, rule.where)]
    return " AND ".join(terms)


def _new(table: Table, name: str) -> str:
    """A new value as it will be stored: REPLACE puts the default where NULL is not allowed."""
    column = table.column(name)
    value = f"NEW.{_quote(name)}"
    if column.nullable or column.default is None or name in table.primary_key:
        return value
    return f"ifnull({value}, ({column.default}))"


def _evaluated(table: Table, expression: str) -> str:
    """An expression of an index, for the row NEW: in a scope where its columns have their bare names."""
    # Only those it may mean: a trigger that names a column keeps it from being dropped.
    meant = [column.name for column in table.columns if column.name.lower() in expression.lower()]
    names = ", ".join(f"{_new(table, name)} AS {_quote(name)}" for name in meant) or "1"
    return f"(SELECT ({expression}) FROM (SELECT {names}))"  # noqa: S608 - text of the catalogue itself


def capture_triggers(
    connection: sqlite3.Connection, table: Table, key: Sequence[str], number: int
) -> Mapping[str, str]:
    """The triggers of one tracked table: name to CREATE statement."""
    rules = shared_rules(connection, table)
    log = _Log(table, tuple(key), number)
    before_insert = [log.rows(sharing(table, rule)) for rule in rules if not rule.rowid]
    before_update = [log.rows(f"{sharing(table, rule)} AND NOT ({log.is_row('OLD')})") for rule in rules]
    bodies = {
        "before_insert": ("BEFORE INSERT", before_insert),
        "before_update": ("BEFORE UPDATE", before_update),
        "insert": ("AFTER INSERT", [log.key("NEW")]),
        "update": ("AFTER UPDATE", [log.key("OLD"), f"{log.key('NEW')} WHERE NOT ({log.same_key()})"]),
        "delete": ("AFTER DELETE", [log.key("OLD")]),
    }
    return {
        f"{PREFIX}{number}_{name}": _trigger(f"{PREFIX}{number}_{name}", event, table, statements)
        for name, (event, statements) in bodies.items()
        if statements
    }


def _trigger(name: str, event: str, table: Table, statements: Sequence[str]) -> str:
    body = "".join(f" {statement};" for statement in statements)
    return f"CREATE TRIGGER {name} {event} ON {_quote(table.name)} WHEN {SILENT} BEGIN{body} END"


@dataclass(frozen=True, slots=True)
class _Log:
    """Statements that write to the log."""

    table: Table
    names: tuple[str, ...]
    number: int

    def key(self, row: str) -> str:
        """Log the key of OLD or NEW."""
        return f"{self._into()} SELECT {self.number}, {self._values(row)}, {NOW}"

    def rows(self, condition: str) -> str:
        """Log the keys of rows `t` of the table."""
        return f"{self.key('t')} FROM {_quote(self.table.name)} AS t WHERE {condition}"

    def is_row(self, row: str) -> str:
        """Whether `t` is that row."""
        return " AND ".join(f"t.{_quote(name)} IS {row}.{_quote(name)} COLLATE BINARY" for name in self.names)

    def same_key(self) -> str:
        return " AND ".join(f"NEW.{_quote(name)} IS OLD.{_quote(name)} COLLATE BINARY" for name in self.names)

    def _into(self) -> str:
        columns = ", ".join(f"k{at}" for at in range(1, len(self.names) + 1))
        return f"INSERT INTO syncnb_touched (tracked, {columns}, at)"

    def _values(self, row: str) -> str:
        return ", ".join(f"{row}.{_quote(name)}" for name in self.names)


def installed_triggers(connection: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """Our capture triggers as they are: name, table, CREATE statement."""
    yield from connection.execute(INSTALLED)
