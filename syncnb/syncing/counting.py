"""How many rows a run passed on besides those that it knew to be pending."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from syncnb.changes import Diff, TableDiff, TablePair
from syncnb.changes.ids import key_names
from syncnb.comparing.remembering import row_keys
from syncnb.planning import Plan
from syncnb.steps import Block, Report
from syncnb.syncing.touching import label_in, local_names
from syncnb.values.sides import Side, other_side

if TYPE_CHECKING:
    from syncnb.tracking import Touched

__all__ = ["unforeseen"]


def unforeseen(d: Diff, drawn: Plan, report: Report, done: "Sequence[Touched]") -> int:
    """How many rows were written, deleted, or only mapped, that were not pending or that nobody knew to be."""
    written = sum(
        n.get(what, 0) for n in report.totals.values() for what in ("inserted", "updated", "deleted")
    )
    for table in d.tables:
        mine = [row for row in done if row.table == table.pair.local.name]
        if not mine and not drawn.maps:
            continue  # to name each row that differs would tell nothing
        arriving, mapped = _arriving(table, drawn)
        written += len(mapped)
        if mine:
            names = zip(mine, local_names(table.pair, mine), strict=True)
            written -= sum(row.present and key in arriving | mapped for row, key in names)
            deleted = report.totals.get(label_in(table, drawn.into), {}).get("deleted", 0)
            written -= min(deleted, sum(not row.present for row in mine))
    return written


def _arriving(table: TableDiff, drawn: Plan) -> tuple[set[str | None], set[str | None]]:
    """The source's keys of rows that a plan writes, and of those that it only keeps as known under another id."""
    pair, into, label = table.pair, drawn.into, label_in(table, drawn.into)
    source = other_side(into)
    alone = table.alone(source)
    ours, theirs = (
        row_keys(pair, rows.columns, side) if len(rows) else []
        for rows, side in ((table.changed(source), source), (table.changed(into), into))
    )
    updated = {
        key
        for block in drawn.blocks
        if block.table == label and block.verb == "update"
        for key in _names_in(pair, block, into)
    }
    written = {mine for mine, key in zip(ours, theirs, strict=True) if key in updated}
    written |= set(row_keys(pair, alone.columns, source)) if len(alone) else set()
    mapped: set[str | None] = {key for each in drawn.maps if each.table == label for key in each.source}
    return written, mapped - written


def _names_in(pair: TablePair, block: Block, side: Side) -> list[str | None]:
    by_name = dict(zip(block.key, block.keys, strict=True))
    return key_names([(column.rule, by_name[column.on(side).name]) for column in pair.key], side)
