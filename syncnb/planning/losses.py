"""Conflicts in a plan: rows that both sides changed, what became of each, and whose value it will cost."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from syncnb.changes import TableDiff
from syncnb.planning.previewing import key_of
from syncnb.steps import Block, Clash, Lost
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import as_text
from syncnb.values.sides import Side, own_first

if TYPE_CHECKING:
    from syncnb.planning.plans import Plan

__all__ = [
    "arriving_cells",
    "clashes_of",
    "computed_notes",
    "one_reason",
    "only_there",
    "open_conflicts",
    "overwritten",
    "resolved",
]

Row = tuple[str, str]

ASKED = "left for a person to decide"
HOW_TO_DELETE = "deletes=True"
"""By which word of `plan` rows go that only the target has, and that are kept."""


def clashes_of(diff: TableDiff, side: Side, table: str) -> Iterator[Clash]:
    """The rows of a table in which both sides changed a cell; `side` is the one that is written."""
    rows = diff.changed(side)
    columns = diff.pair.columns
    key = [rows.columns[columns.index(column)] for column in diff.pair.key] if len(rows) else []
    for row in np.flatnonzero(diff.clash.any(axis=1)).tolist():
        told = [columns[at].on(side).name for at in np.flatnonzero(diff.clash[row])]
        yield Clash(table, key_of(tuple(to_python(part.slice(row, 1))[0] for part in key)), tuple(told))


def arriving_cells(diff: TableDiff, source: Side) -> "np.ndarray[Any, Any]":
    """Cells that would be written if the source won: never those that only the target has changed."""
    since = diff.since
    if since is None:
        return diff.differs
    part = since.part("changed")
    ours, theirs = own_first(source, since.local, since.remote)
    older = theirs[part] & ~ours[part] & ~since.untold[part] & since.known[part][:, None]
    return diff.differs & ~older


def one_reason(whys: str | list[str]) -> str | list[str]:
    """One reason for all rows where it is the same, else each its own."""
    return whys[0] if isinstance(whys, list) and len(set(whys)) == 1 else whys or ""


def resolved(plan: "Plan") -> int:
    """Rows that both sides changed since they last agreed, and that were decided: by a policy or a person."""
    return len(plan.clashes) - open_conflicts(plan)


def open_conflicts(plan: "Plan") -> int:
    """Rows that both sides changed and that nobody has decided."""
    waiting = {(block.table, key) for block in plan.undecided for key in _keys(block)}
    waiting |= {(row.table, row.key) for row in plan.open if row.decision == "open"}
    return sum((clash.table, clash.key) in waiting for clash in plan.clashes)


def overwritten(plan: "Plan", refused: Collection[Row] = ()) -> tuple[Lost, ...]:
    """The target's values that lose a conflict, cell by cell; of a row that is deleted, the row in words."""
    clashes = {(clash.table, clash.key): clash for clash in plan.clashes}
    return tuple(lost for block in plan.blocks for lost in _of_block(block, clashes, refused))


def _of_block(block: Block, clashes: dict[Row, Clash], refused: Collection[Row]) -> Iterator[Lost]:
    if not clashes or block.verb == "insert":
        return
    before = [to_python(column) for column in block.before]
    after = [to_python(column) for column in block.after]
    for row, key in enumerate(_keys(block)):
        clash = clashes.get((block.table, key))
        if clash is None or (block.table, key) in refused:
            continue
        why = block.reasons[row] if block.reasons else ""
        why = why or (block.whys[row] if block.whys else block.why)
        if block.verb == "delete":
            words = ", ".join(
                f"{name}={as_text(values[row])}" for name, values in zip(block.columns, before, strict=True)
            )
            yield Lost(block.table, key, "", words, None, why)
            continue
        for at, name in enumerate(block.columns):
            if name in clash.columns:
                yield Lost(block.table, key, name, _text(before[at][row]), _text(after[at][row]), why)


def _text(value: Raw) -> str | None:
    return None if value is None else as_text(value)


def _keys(block: Block) -> Iterator[str]:
    return (key_of(key) for key in zip(*map(to_python, block.keys), strict=True))


def computed_notes(diff: TableDiff, side: Side, wanted: "np.ndarray[Any, Any]") -> Iterator[str]:
    """Of cells that differ where the target computes its column: nothing can be written into it."""
    for at, pair in enumerate(diff.pair.columns):
        table, column = diff.pair.on(side), pair.on(side)
        cells = int((wanted[:, at] & diff.differs[:, at]).sum())
        if cells and column.generated is not None:
            rows = "1 row" if cells == 1 else f"{cells:,} rows"
            yield f"{table.label}: {column.name} differs in {rows} and is not written: the target computes it"


def only_there(count: int) -> str:
    """So many rows that the source lacks, as the beginning of a sentence."""
    return (
        "1 row that only the target has is" if count == 1 else f"{count:,} rows that only the target has are"
    )
