"""Single rows of a SQLite table, looked for by values. Every value is bound."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.schema import Table
from syncnb.stores.staging import NUMBER
from syncnb.values.raw import BadText, Raw, from_python, to_python

__all__ = ["holding"]

BOUND = 900
"""Parameters of one query: every library takes 999."""

_quote = sqlite_dialect().identifier_preparer.quote_identifier


def holding(
    connection: sqlite3.Connection,
    table: Table,
    columns: Sequence[str],
    values: Sequence[pa.Array],
    wanted: Sequence[str],
    text: Callable[[bytes], Any],
) -> pa.RecordBatch:
    """The rows that have these values in these columns, found by the table's own index.

    text: what decodes text. Raises sqlite3.Error.
    """
    rows = enumerate(zip(*map(to_python, values), strict=True))
    sought = [(number, *row) for number, row in rows if not any(map(_never_found, row))]
    found: list[tuple[Any, ...]] = []
    size = max(1, BOUND // (len(columns) + 1))
    connection.text_factory = text
    for start in range(0, len(sought), size):
        part = sought[start : start + size]
        bound = [value for row in part for value in row]
        found += connection.execute(_query(table, columns, wanted, len(part)), bound)
    found.sort(key=lambda row: int(row[0]))
    names = [NUMBER, *wanted]
    arrays = [from_python(column) for column in zip(*found, strict=True)] or [pa.nulls(0)] * len(names)
    arrays[0] = arrays[0].cast(pa.int64())
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _never_found(value: Raw) -> bool:
    return value is None or isinstance(value, BadText)


def _query(table: Table, columns: Sequence[str], wanted: Sequence[str], rows: int) -> str:
    """The query for so many values, each with its number first."""
    marks = f"({', '.join('?' * (len(columns) + 1))})"
    names = ", ".join(["n", *(f"v{at}" for at in range(len(columns)))])
    same = " AND ".join(f"t.{_quote(name)} = w.v{at}" for at, name in enumerate(columns))
    chosen = ", ".join(["w.n", *(f"t.{_quote(table.column(name).name)}" for name in wanted)])
    # CROSS JOIN: the values first, and each one's row by an index.
    return (
        f"WITH w({names}) AS (VALUES {', '.join([marks] * rows)}) "  # noqa: S608
        f"SELECT {chosen} FROM w CROSS JOIN main.{_quote(table.name)} AS t WHERE {same}"
    )
