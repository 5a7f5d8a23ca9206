"""Columns that the database fills by itself where an insert leaves them out."""

from collections.abc import Sequence

from syncnb.schema import Column, Table

__all__ = ["filled_by_database", "filler"]


def filler(table: Table, column: Column) -> str:
    """What fills a column that an insert leaves out, in words; empty where it becomes NULL."""
    if column.default is not None:
        return column.default
    rowid = (
        table.schema is None  # in SQLite this very type makes a primary key the number of the row
        and table.primary_key == (column.name,)
        and column.type.upper() == "INTEGER"
        and "WITHOUT ROWID" not in table.options
    )
    return "the database numbers it" if column.identity is not None or rowid else ""


def filled_by_database(table: Table, given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The columns that an insert leaves out and that get more than NULL, each with what fills it."""
    return tuple(
        (column.name, f"left out: {what}")
        for column in table.columns
        if column.name not in given and column.generated is None and (what := filler(table, column))
    )
