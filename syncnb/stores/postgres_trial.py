# Some queries are read as one line.
# ruff: noqa: S608 - names come from the catalogue, quoted; expressions are its own
"""Given rows held against a PostgreSQL table, by its own types, collations and checks. It only reads.

The values go over as text and are read by the types of the columns, as an INSERT of text would.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa

from syncnb.schema import Column, ForeignKey, Table
from syncnb.stores.postgres_copy import QUOTED, qualified
from syncnb.stores.postgres_text import VALUE, as_text, placed
from syncnb.stores.probing import IndexFacts, Unfit

__all__ = ["PostgresTrial"]

ROW = '"#"'
"""The number of a row, under a name that no column is likely to have."""
COLLATIONS = f"""
SELECT a.attname, format('%I.%I', n.nspname, c.collname)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
WHERE a.attrelid = {VALUE}::regclass AND NOT a.attisdropped
"""
Ask = Callable[[str, Any], list[tuple[Any, ...]]]


class PostgresTrial:
    """Some rows beside one table."""

    def __init__(self, ask: Ask, raw: Ask, table: Table, batch: pa.RecordBatch) -> None:
        self._ask: Ask = lambda query, values: ask(placed(query), values)
        self._raw: Ask = lambda query, values: raw(placed(query), values)
        """The same, but with the driver's own error."""
        self._table = table
        self._columns = [table.column(name) for name in batch.schema.names]
        self._texts = {name: as_text(batch.column(name)) for name in batch.schema.names}
        self._rows = batch.num_rows
        self._unfit: list[Unfit] | None = None

    def unfit(self) -> list[Unfit]:
        """Values that their type does not read; found by halves, so that good rows cost one question."""
        if self._unfit is None:
            self._unfit = []
            for column in self._columns:
                self._unfit += self._try(column, list(range(self._rows)))
            for bad in self._unfit:
                self._texts[bad.column][bad.row] = None
        return self._unfit

    def _try(self, column: Column, rows: list[int]) -> list[Unfit]:
        from psycopg import Error

        texts = [self._texts[column.name][row] for row in rows]
        if not any(text is not None for text in texts):
            return []
        nul = next((text for text in texts if text is not None and "\0" in text), None)
        try:
            if nul is None:
                self._raw(f"SELECT count(v::{column.type}) FROM unnest({VALUE}::text[]) AS g (v)", (texts,))
                return []
            code, why = "22021", "it holds a NUL byte"
        except Error as error:
            code, why = error.sqlstate or "22000", (error.diag.message_primary or str(error)).strip()
        if len(rows) == 1:
            return [Unfit(rows[0], column.name, code, why)]
        half = len(rows) // 2
        return self._try(column, rows[:half]) + self._try(column, rows[half:])

    def failing(self, check: str) -> list[int]:
        """Rows for which a CHECK is false."""
        typed, values = self._typed(column.name for column in self._columns if column.name in check)
        found = self._ask(f"SELECT t.{ROW} FROM ({typed}) AS t WHERE NOT ({check}) ORDER BY 1", values)
        return [int(row[0]) for row in found]

    def repeated(self, index: IndexFacts) -> list[tuple[int, ...]]:
        """Groups of rows that are one under this index."""
        parts = _parts(index, "t")
        filled = "" if not index.nulls_distinct else " AND ".join(f"{part} IS NOT NULL" for part in parts)
        where = " AND ".join(filter(None, [filled, f"({index.where})" if index.where else ""]))
        typed, values = self._typed(self._needed(index))
        query = (
            f"SELECT array_agg(t.{ROW} ORDER BY t.{ROW}) FROM ({typed}) AS t {f'WHERE {where}' if where else ''} "
            f"GROUP BY {', '.join(parts)} HAVING count(*) > 1 ORDER BY 1"
        )
        return [tuple(map(int, row[0])) for row in self._ask(query, values)]

    def present(self, index: IndexFacts) -> dict[int, tuple[str, ...]]:
        """The rows of the table that each row meets under this index, by their primary key, or else by place."""
        equal = "=" if index.nulls_distinct else "IS NOT DISTINCT FROM"
        both = zip(_parts(index, "t"), _parts(index, "e"), strict=True)
        pairs = [f"{ours} {equal} {theirs}" for ours, theirs in both]
        where = f" WHERE {index.where}" if index.where else ""
        typed, values = self._typed(self._needed(index))
        # A bare predicate of the catalogue names columns without a table: each side is filtered on its own.
        there = f"SELECT * FROM {qualified(self._table)}{where}"
        given = f"SELECT * FROM ({typed}) AS g{where}"
        identity = ", ".join(f"e.{QUOTED(name)}::text" for name in self._table.primary_key) or "e::text"
        query = f"SELECT t.{ROW}, {identity} FROM ({given}) AS t JOIN ({there}) AS e ON {' AND '.join(pairs)} ORDER BY 1"
        return {int(row[0]): tuple(map(str, row[1:])) for row in self._ask(query, values)}

    def without_parent(self, key: ForeignKey, parent: Table) -> list[int]:
        """Rows whose parent is not in the database."""
        ours = [f"t.{QUOTED(name)}" for name in key.columns]
        pairs = [f"p.{QUOTED(name)} = {mine}" for name, mine in zip(key.parent_columns, ours, strict=True)]
        typed, values = self._typed(key.columns)
        query = (
            f"SELECT t.{ROW} FROM ({typed}) AS t WHERE {' AND '.join(f'{name} IS NOT NULL' for name in ours)} "
            f"AND NOT EXISTS (SELECT FROM {qualified(parent)} p WHERE {' AND '.join(pairs)}) ORDER BY 1"
        )
        return [int(row[0]) for row in self._ask(query, values)]

    def _needed(self, index: IndexFacts) -> Iterable[str]:
        """The columns that an index looks at; all where it evaluates something."""
        plain = all(index.plain) and index.where is None
        return index.columns if plain else (column.name for column in self._columns)

    def _typed(self, needed: Iterable[str]) -> tuple[str, tuple[list[str | None], ...]]:
        """The rows with the names and types of all columns of the table, and the values for it.

        NULL where nothing was given or nothing is needed: what is not sent costs nothing.
        """
        self.unfit()
        wanted = [name for name in dict.fromkeys(needed) if name in self._texts] or [self._columns[0].name]
        shown = [
            f"{self._collated(f'g.c{wanted.index(column.name)}', column)} AS {QUOTED(column.name)}"
            if column.name in wanted
            else f"NULL::{column.type} AS {QUOTED(column.name)}"
            for column in self._table.columns
        ]
        arrays = ", ".join([f"{VALUE}::text[]"] * len(wanted))
        names = ", ".join(f"c{at}" for at in range(len(wanted)))
        rows = f"SELECT g.n - 1 AS {ROW}, {', '.join(shown)} FROM unnest({arrays}) WITH ORDINALITY AS g ({names}, n)"
        return rows, tuple(self._texts[name] for name in wanted)

    def _collated(self, value: str, column: Column) -> str:
        """The value with the type of its column, and with its collation, which a cast alone would lose."""
        typed = f"{value}::{_base(column)}"
        return f"{typed} COLLATE {self._collations[column.name]}" if column.collation else typed

    @cached_property
    def _collations(self) -> dict[str, str]:
        return dict(self._ask(COLLATIONS, (qualified(self._table),)))


def _base(column: Column) -> str:
    # An explicit cast to varchar(3) cuts in silence; the length is looked at elsewhere.
    return "character varying" if column.type.startswith("character varying") else column.type


def _parts(index: IndexFacts, alias: str) -> Sequence[str]:
    """The key parts as SQL; an expression of the catalogue names columns, which only one alias has there."""
    found = []
    for part, plain in zip(index.parts, index.plain, strict=True):
        if plain:
            found.append(f"{alias}.{QUOTED(part)}")
        else:
            # Evaluated over one row of that alias, so that its bare names cannot mean another table's.
            found.append(f"(SELECT {part} FROM (SELECT {alias}.*) AS {alias})")
    return found
