"""What needs a column or a unique rule of a SQLite table.

The catalogue has no list of that. So the alteration is tried on an empty copy of all definitions, in memory,
and SQLite itself says what stands against it, one thing after the other.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

__all__ = ["leaning"]

DEFINITIONS = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
PLAIN = re.compile(r"\s*CREATE\s+(TABLE|(UNIQUE\s+)?INDEX|VIEW|TRIGGER)\b", re.IGNORECASE)
"""No virtual table: its module may be missing here, or do more than to be there."""
CHILDREN = (
    "SELECT DISTINCT m.name FROM sqlite_schema m, pragma_foreign_key_list(m.name) f "
    "WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE ORDER BY m.name"
)
IN_WHAT = re.compile(r"error in (index|trigger|view) (.+?)( after drop column)?: ")
TRIES = 1000
_quote = sqlite_dialect().identifier_preparer.quote_identifier


def leaning(
    connection: sqlite3.Connection, table: str, column: str, rule: str
) -> Iterator[tuple[str, str, str]]:
    """What needs the column, and which tables refer by the rule: kind, name, table."""
    connection.text_factory = str
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as trial:
        trial.execute("PRAGMA trusted_schema = OFF")
        for (sql,) in filter(lambda row: PLAIN.match(row[0]), connection.execute(DEFINITIONS).fetchall()):
            with suppress(sqlite3.Error):  # its own tables, and what needs a function of another program
                trial.execute(sql)
        before = set(_mismatched(trial, table))
        if column:
            yield from _dropped(trial, table, column)
        if rule:
            with suppress(sqlite3.Error):
                trial.execute(f"DROP INDEX {_quote(rule)}")
        yield from (("table", child, "") for child in _mismatched(trial, table) if child not in before)


def _dropped(trial: sqlite3.Connection, table: str, column: str) -> Iterator[tuple[str, str, str]]:
    for _ in range(TRIES):
        try:
            trial.execute(f"ALTER TABLE {_quote(table)} DROP COLUMN {_quote(column)}")
            return
        except sqlite3.Error as error:
            found = IN_WHAT.match(str(error))
            if found is None:
                if "no such column" not in str(error) or "error in" in str(error):
                    yield "table", table, ""  # a rule within its own text
                return
        kind, name, needs = found.groups()
        if needs:
            yield kind, name, "" if kind == "view" else _owner(trial, kind, name)
        trial.execute(f"DROP {kind.upper()} {_quote(name)}")


def _owner(trial: sqlite3.Connection, kind: str, name: str) -> str:
    query = "SELECT tbl_name FROM sqlite_schema WHERE type = ? AND name = ?"
    row = trial.execute(query, (kind, name)).fetchone()
    return str(row[0]) if row else ""


def _mismatched(trial: sqlite3.Connection, table: str) -> Iterator[str]:
    """The tables whose references to this one find nothing unique there."""
    for (child,) in trial.execute(CHILDREN, (table,)).fetchall():
        try:
            trial.execute(f"PRAGMA foreign_key_check({_quote(child)})").fetchall()
        except sqlite3.Error:
            yield child
