"""How rows of a SQLite table are asked for: all of them in an order that is always the same, or those of some keys."""

from collections.abc import Sequence

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.schema import Table

__all__ = ["quote", "rowid_name", "select_keys", "select_rows"]

quote = sqlite_dialect().identifier_preparer.quote_identifier


def select_rows(table: Table, columns: Sequence[str], order: Sequence[str], where: str = "") -> str:
    """All rows, or those of which `where` is true, in this order; rows that are alike in it by rowid or key."""
    # With the table's alias before it: SQLite takes a bare quoted name that is no column for a text.
    wanted = ", ".join(f"t.{quote(table.column(name).name)}" for name in columns)
    sql = f"SELECT {wanted} FROM main.{quote(table.name)} AS t"  # noqa: S608
    sql += f" WHERE {where}" if where else ""
    if not order:
        return sql
    keys = [f"t.{quote(table.column(name).name)} COLLATE BINARY" for name in order]
    keys += [f"t.{name}" for name in _tie_breakers(table, order)]
    return f"{sql} ORDER BY {', '.join(keys)}"


def select_keys(table: Table, columns: Sequence[str], key: Sequence[str], bad: Sequence[bool]) -> str:
    """The rows with one of the bound keys. `bad` are those bound as bytes that are text for SQLite."""
    wanted = ", ".join(f"t.{quote(table.column(name).name)}" for name in columns)
    marks = ["CAST(? AS TEXT)" if each else "?" for each in bad]
    width = len(key)
    rows = ", ".join(f"({', '.join(marks[at : at + width])})" for at in range(0, len(marks), width))
    staged = [f"s.column{number}" for number in range(1, width + 1)]
    names = [f"t.{quote(table.column(name).name)}" for name in key]
    # The first one is served by an index, the others make it exact, as `Staged` has it.
    terms = [f"{name} IS {value}" for name, value in zip(names, staged, strict=True)]
    terms += [
        f"{name} IS {value} COLLATE BINARY AND typeof({name}) = typeof({value})"
        for name, value in zip(names, staged, strict=True)
    ]
    # CROSS JOIN: the keys first, and each one's row by the table's own index.
    return (
        f"WITH s AS (VALUES {rows}) SELECT {wanted} FROM s CROSS JOIN main.{quote(table.name)} AS t "  # noqa: S608
        f"WHERE {' AND '.join(terms)}"
    )


def _tie_breakers(table: Table, order: Sequence[str]) -> list[str]:
    if rowid := rowid_name(table):
        return [rowid]
    return [quote(name) for name in table.primary_key if name not in order]


def rowid_name(table: Table) -> str | None:
    """What the hidden row number is called; None where there is none, or real columns took all its names."""
    if table.is_view or {"WITHOUT ROWID", "VIRTUAL"} & set(table.options):
        return None
    taken = {column.name.lower() for column in table.columns}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
