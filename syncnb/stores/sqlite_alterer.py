"""Alterations of tables of a SQLite file, within its one writing transaction."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.schema import Table
from syncnb.steps.schema_steps import Step
from syncnb.stores.altering import fill_predicate, fill_statement
from syncnb.stores.sqlite_queries import rowid_name
from syncnb.stores.staging import joined

if TYPE_CHECKING:
    from syncnb.stores.alterers import Span
    from syncnb.stores.sqlite_writer import SQLiteWriter

__all__ = ["SQLiteAlterer"]

ROWS = 50_000
FILLED = "temp.syncnb_filled"
_quote = sqlite_dialect().identifier_preparer.quote_identifier


class SQLiteAlterer:
    """Alterations within one writing transaction."""

    def __init__(self, writer: "SQLiteWriter") -> None:
        self._writer = writer

    def patience(self, seconds: float) -> None:
        """Nothing to do: whoever writes to a SQLite file is alone, and has waited before."""

    def alter(self, statement: str, what: str) -> None:
        """One statement."""
        self._writer._alive()
        self._writer._run(statement, what)

    def fill(self, table: Table, step: Step, key: Sequence[str], span: "Span | None") -> pa.RecordBatch:
        """First the rows are named, then filled, then read: RETURNING cannot be read with care."""
        row = rowid_name(table)
        named = [f"t.{row}"] if row else [f"t.{_quote(name)}" for name in table.primary_key]
        here = ", ".join(named)
        limit = "" if span is None or not row else f" AND t.{row} >= {span[0]:d} AND t.{row} < {span[1]:d}"
        writer, what = self._writer, table.label
        aliased = ", ".join(f"{name} AS k{at}" for at, name in enumerate(named))
        writer._run(
            f"CREATE TEMP TABLE syncnb_filled AS SELECT {aliased} FROM {_quote(table.name)} AS t "  # noqa: S608
            f"WHERE {fill_predicate('sqlite', step)}{limit}",
            what,
        )
        among = f"({here}) IN (SELECT * FROM {FILLED})"  # noqa: S608
        writer._run(fill_statement("sqlite", step, limit=f" AND {among}"), what)
        names = [*key, step.columns[0]]
        chosen = ", ".join(f"t.{_quote(name)}" for name in names)
        query = f"SELECT {chosen} FROM {_quote(table.name)} AS t WHERE {among}"  # noqa: S608
        written = joined(writer._present(query, table, names), names)
        writer._run(f"DROP TABLE {FILLED}", what)
        return written

    def spans(self, table: Table) -> "list[Span | None]":
        """Rowids, then all of it."""
        row = rowid_name(table)
        if not row:
            return [None]
        with self._writer._translated(table.label):
            query = f"SELECT min({row}), max({row}) FROM {_quote(table.name)}"  # noqa: S608
            first, last = self._writer._connection.execute(query).fetchone()
        if first is None:
            return [None]
        return [*((at, at + ROWS) for at in range(first, last + 1, ROWS)), None]
