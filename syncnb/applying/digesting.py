"""What the whole of each written table was before a run and is after it, for its report."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from syncnb.errors import ReadError, WriteError
from syncnb.schema import Table
from syncnb.steps import Report
from syncnb.stores.digesting import MOST_BYTES, MOST_ROWS, table_digest
from syncnb.stores.port import Writer

__all__ = ["Digests", "digests", "with_digests"]

Digests: TypeAlias = Mapping[str, str | None]
"""By table; None for one that is too large, or cannot be read to its end."""


def digests(writer: Writer, tables: Iterable[Table]) -> Digests:
    """A digest of each table, as this transaction sees it now."""
    return {table.label: _digest(writer, table) for table in tables}


def _digest(writer: Writer, table: Table) -> str | None:
    try:
        with writer.savepoint():
            return table_digest(writer, table)
    except (ReadError, WriteError):
        # A row that cannot be read, and that this run does not write, must not forbid the repair of others.
        return None


def with_digests(report: Report, before: Digests, after: Digests) -> Report:
    """The report with both digests of each table; what has none is said in its notes."""
    both = {
        table: (old, new)
        for table, old in before.items()
        if old is not None and (new := after[table]) is not None
    }
    why = f"it has more than {MOST_ROWS:,} rows or {MOST_BYTES // 2**20} MB, or cannot be read to its end"
    notes = [f"{table}: no digest of the whole table is kept: {why}" for table in before if table not in both]
    return replace(report, digests=both, notes=(*report.notes, *notes))
