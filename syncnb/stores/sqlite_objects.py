"""What the catalogue of a SQLite file holds of one table, each object by its definition."""

import sqlite3
from collections.abc import Sequence

from syncnb.stores.sqlite_text import tokens

__all__ = ["objects", "trigger_texts"]

COLUMNS = 'SELECT name, type, "notnull", dflt_value FROM pragma_table_xinfo(?)'
TEXTS = "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ? COLLATE NOCASE AND sql IS NOT NULL"


def objects(connection: sqlite3.Connection, path: Sequence[str]) -> dict[str, str]:
    """Columns, the table, its indexes and triggers: what and name, to its definition."""
    connection.text_factory = str
    found = {}
    for name, kind, filled, default in connection.execute(COLUMNS, (path[-1],)):
        ending = " NOT NULL" * filled + (f" DEFAULT {default}" if default is not None else "")
        found[f"column {name}"] = f"{kind}{ending}"
    for kind, name, sql in connection.execute(TEXTS, (path[-1],)):
        found[f"{kind} {name}"] = _one_line(sql) if kind == "table" else sql
    return dict(sorted(found.items()))


def _one_line(sql: str) -> str:
    """Without line breaks and needless blanks, which ALTER TABLE leaves as it likes."""
    return " ".join(_words(sql))


def _words(sql: str) -> list[str]:
    words: list[str] = []
    for node in tokens(sql):
        words += ["(", *_words(node.inner), ")"] if node.is_group else [node.text]
    return words


def trigger_texts(connection: sqlite3.Connection, path: Sequence[str]) -> list[tuple[str, str]]:
    """The triggers that an UPDATE would fire, and their texts."""
    connection.text_factory = str
    rows = connection.execute(TEXTS, (path[-1],)).fetchall()
    return [(name, sql) for kind, name, sql in rows if kind == "trigger" and _on_update(sql)]


def _on_update(sql: str) -> bool:
    """Whether UPDATE stands before ON in the head of the text."""
    for node in tokens(sql):
        if node.word == "ON":
            return False
        if node.word == "UPDATE":
            return True
    return True
