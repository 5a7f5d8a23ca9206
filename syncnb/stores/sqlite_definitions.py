"""CREATE TABLE texts of SQLite with one thing changed, and the change of a table to such a text.

The text is changed in its place, in `sqlite_schema`, as SQLite's own documentation describes it for rules
that do not change how rows are stored. A table that is copied and dropped instead loses its triggers and
views, empties the tables that refer to it by a cascade, and gives its rows other rowids.
"""

import sqlite3
from collections.abc import Sequence
from itertools import pairwise

from syncnb.errors import PlanError, WriteError
from syncnb.stores.sqlite_text import Node, comma_separated, tokens

__all__ = ["forbidden", "redefine", "table_sql", "with_constraint", "with_not_null", "without_not_null"]

RULES = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}
TEXT = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE"
UNLIKE = "the text of the table cannot be read"


def table_sql(connection: sqlite3.Connection, name: str) -> str:
    """The CREATE TABLE text as it is kept."""
    connection.text_factory = str
    row = connection.execute(TEXT, (name,)).fetchone()
    if row is None:
        raise PlanError(f"there is no table {name}", hint="look again")
    return str(row[0])


def with_not_null(sql: str, column: str) -> str:
    """The same table, with NULL forbidden in a column."""
    item, shift = _column(sql, column)
    end = item[-1].end + shift
    return f"{sql[:end]} NOT NULL{sql[end:]}"


def without_not_null(sql: str, column: str) -> str:
    """The same table, with NULL allowed in a column."""
    item, shift = _column(sql, column)
    for at, node in enumerate(item[:-1]):
        if node.word == "NOT" and item[at + 1].word == "NULL":
            start, end = node.start + shift, item[at + 1].end + shift
            return f"{sql[:start].rstrip()}{sql[end:]}"
    raise PlanError(f"NOT NULL of {column} stands nowhere", hint="a primary key forbids NULL by itself")


def forbidden(old: str, new: str) -> list[str]:
    """The columns in which the new text forbids NULL, and the old one does not."""
    before = set(_not_null(old))
    return [name for name in _not_null(new) if name not in before]


def _not_null(sql: str) -> list[str]:
    words = {"NOT", "NULL"}
    return [
        item[0].name
        for item in _items(sql)[0]
        if item[0].word not in RULES
        and any({node.word, after.word} == words for node, after in pairwise(item))
    ]


def with_constraint(sql: str, text: str) -> str:
    """The same table, with one more constraint."""
    items, shift = _items(sql)
    end = items[-1][-1].end + shift
    return f"{sql[:end]}, {text}{sql[end:]}"


def _items(sql: str) -> tuple[list[list[Node]], int]:
    body = next((node for node in tokens(sql) if node.is_group), None)
    items = list(comma_separated(body.inside)) if body else []
    if body is None or not items:
        raise PlanError(UNLIKE, hint="it was not made by CREATE TABLE (…)")
    return items, 0


def _column(sql: str, column: str) -> tuple[list[Node], int]:
    items, shift = _items(sql)
    for item in items:
        if item[0].word not in RULES and item[0].name.lower() == column.lower():
            return item, shift
    raise PlanError(f"{UNLIKE}: where is {column}?", hint="look at it with .schema in sqlite3")


def redefine(connection: sqlite3.Connection, name: str, old: str, new: str) -> None:
    """Change the text of a table in its place, and prove that its rows agree with it.

    Within the transaction: whatever is found, the caller rolls back. Raises PlanError where the text is not
    as it was, WriteError where rows do not agree with the new one.
    """
    if table_sql(connection, name) != old:
        raise PlanError(f"{name} has changed since the plan was drawn", hint="draw the plan again")
    _check_alike(name, old, new)
    connection.execute("PRAGMA writable_schema = ON")
    try:
        change = "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ? COLLATE NOCASE"
        connection.execute(change, (new, name))
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute(f"PRAGMA schema_version = {int(version) + 1:d}")
    finally:
        connection.execute("PRAGMA writable_schema = RESET")  # and read the schema anew
    found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        raise _disagree(name, str(found[0]))
    quoted = name.replace('"', '""')
    if connection.execute(f'PRAGMA foreign_key_check("{quoted}")').fetchone():
        raise _disagree(name, "a reference to a row that is not there")


def _disagree(name: str, what: str) -> WriteError:
    problem = WriteError(
        f"rows of {name} do not agree with its new definition: {what}", hint="mend these rows first"
    )
    problem.sqlstate = "23514"
    return problem


def _check_alike(name: str, old: str, new: str) -> None:
    """Both texts are SQL of one table with the same columns, of the same types, stored in the same way."""
    found = []
    for text in (old, new):
        with sqlite3.connect(":memory:") as trial:
            try:
                trial.execute(text)
            except sqlite3.Error as error:
                raise PlanError(
                    f"the new definition of {name} is refused: {error}", hint="look at the step"
                ) from None
            found.append(_stored(trial))
        trial.close()
    if found[0] != found[1]:
        raise PlanError(
            f"the new definition of {name} stores its rows in another way", hint="make a new table"
        )


def _stored(trial: sqlite3.Connection) -> Sequence[tuple[object, ...]]:
    query = (
        "SELECT c.name, c.type, c.pk, c.hidden, l.wr, l.strict FROM pragma_table_list AS l "
        "JOIN pragma_table_xinfo(l.name) AS c WHERE l.type = 'table' AND l.name NOT LIKE 'sqlite%' ORDER BY c.cid"
    )
    return trial.execute(query).fetchall()
