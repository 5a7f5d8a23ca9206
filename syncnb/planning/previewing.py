"""A plan as a person reads it: a line a cell, a sheet, and the statements."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps import Block, IdMap
from syncnb.stores.statements import statement
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import NULL, as_text

if TYPE_CHECKING:
    import pandas as pd

    from syncnb.planning.plans import Plan

__all__ = ["COLUMNS", "ID_FOUND", "ID_MADE", "key_of", "plan_sheet", "preview", "statements"]

Only: TypeAlias = Mapping[str, Collection[str]] | None
COLUMNS = ("step", "table", "verb", "key", "column", "before", "after", "why", "hazard", "decision", "reason")
DEFAULT = "default"
"""What stands for a value that the database gives an inserted row."""
IN_SIGHT = 8
PIECE = 5_000
ID_FOUND, ID_MADE = "the same thing there", "that id is another thing there: a fresh one"
"""Why an id of the source is another one in the target."""


def key_of(values: tuple[Raw, ...]) -> str:
    """A row's key as text: `7`, or `(10248, 11)`."""
    parts = list(map(as_text, values))
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def preview(plan: "Plan", only: Only = None) -> "pd.DataFrame":
    """A line for each cell that is written, then for each that is open.

    only: keys by table; then the lines of these rows, without those of the others being made.
    """
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for line in _lines(plan, only):
        for name, value in zip(COLUMNS, line, strict=True):
            columns[name].append(value)
    types = {"step": pa.int64()}
    return frame({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})


def _lines(plan: "Plan", only: Only = None) -> Iterator[tuple[Any, ...]]:
    hazards: dict[str, str] = {}
    for hazard in plan.hazards:
        hazards[hazard.table] = ", ".join(filter(None, [hazards.get(hazard.table), hazard.name]))
    for step, block in enumerate(plan.blocks, 1):
        for piece in _pieces(block, only):
            yield from _block_lines(piece, step, hazards.get(block.table, ""), "apply")
    for each in plan.maps if only is None else ():
        yield from _map_lines(each)
    for block in plan.undecided:
        for piece in _pieces(block, only):
            yield from _block_lines(piece, None, "", "open")
    for row in plan.open:
        if only is not None and row.key not in only.get(row.table, ()):
            continue
        yield (None, row.table, row.verb, row.key, None, None, None, row.why, "", row.decision, row.reason)


def _pieces(block: Block, only: Only = None) -> Iterator[Block]:
    """The block in pieces, so that the first lines of a great one do not wait for its last."""
    if only is not None:
        wanted = only.get(block.table, ())
        keys = zip(*map(to_python, block.keys), strict=True) if wanted else ()
        rows = [at for at, key in enumerate(keys) if key_of(key) in wanted]
        if rows:
            yield block.take(pa.array(rows, pa.int64()))
        return
    if len(block) <= PIECE:
        yield block
        return
    for start in range(0, len(block), PIECE):
        yield block.take(pa.array(range(start, min(start + PIECE, len(block))), pa.int64()))


def _map_lines(each: IdMap) -> Iterator[tuple[Any, ...]]:
    """Ids that mean the same thing: the source's before, the target's after."""
    found = len(each) - each.fresh
    for at, (own, there) in enumerate(zip(each.source, each.target, strict=True)):
        why = ID_FOUND if at < found else ID_MADE
        yield (None, each.table, "map", own, each.key, own, there, why, "", "apply", "")


SHOWN_AS = {"park": "park", "late": "complete"}
"""The verbs of steps that only make way for another step of the same rows, or complete it."""


def _block_lines(block: Block, step: int | None, hazard: str, decision: str) -> Iterator[tuple[Any, ...]]:
    before, after = ([to_python(column) for column in columns] for columns in (block.before, block.after))
    for row, key in enumerate(zip(*map(to_python, block.keys), strict=True)):
        shown, reason = key_of(key), block.reasons[row] if block.reasons else ""
        for at, column in enumerate(block.columns):
            old, new = _text(before[at][row]) if before else None, _text(after[at][row]) if after else None
            if block.verb == "update" and old == new and block.before[at].type == block.after[at].type:
                continue  # an undo sets whole rows; what stays as it is needs no line
            yield (
                step,
                block.table,
                "touch" if block.only_touches else SHOWN_AS.get(block.role, block.verb),
                shown,
                column,
                old,
                new,
                block.whys[row] if block.whys else block.why,
                hazard,
                decision,
                reason,
            )
        for column, what in block.defaults:
            yield (step, block.table, "insert", shown, column, None, DEFAULT, what, hazard, decision, reason)


def _count_lines(block: Block) -> int:
    """How many lines the block has, without making them."""
    if block.verb != "update" or not block.before:
        return len(block) * (len(block.columns) + len(block.defaults))
    return sum(map(_count_unlike, block.before, block.after))


def _count_unlike(old: pa.Array, new: pa.Array) -> int:
    if old.type != new.type:
        return len(old)
    try:
        one_is_null = pc.xor(old.is_null(), new.is_null())
        return (
            pc.sum(pc.or_(one_is_null, pc.fill_null(pc.not_equal(old, new), fill_value=False))).as_py() or 0
        )
    except pa.ArrowNotImplementedError:  # values of several kinds in one column
        return sum(_text(a) != _text(b) for a, b in zip(to_python(old), to_python(new), strict=True))


def _text(value: Raw) -> str | None:
    return None if value is None else as_text(value)


def plan_sheet(plan: "Plan") -> Sheet:
    """The first lines of the preview; beneath, hazards, what is open, and notes."""
    count = {
        verb: sum(len(b) for b in plan.blocks if b.verb == verb and not b.role and not b.only_touches)
        for verb in ("insert", "update", "delete")
    }
    count["touch"] = sum(len(b) for b in plan.blocks if b.only_touches)
    count["map"] = sum(map(len, plan.maps))
    told = ", ".join(f"{n:,} to {verb}" for verb, n in count.items() if n) or "nothing to write"
    lines = list(islice(_lines(plan), IN_SIGHT))
    rows = [
        [_cell(name, value) for name, value in zip(COLUMNS, line, strict=True) if name in SHOWN]
        for line in lines
    ]
    written = (*plan.blocks, *plan.undecided)
    total = sum(map(_count_lines, written)) + len(plan.open)
    total += count["map"]
    notes = [f"… {total - len(lines):,} more: see .preview()"] if total > len(lines) else []
    notes += [f"hazard {h.name} in {h.table}: {h.what}; allow=({h.name!r},)" for h in plan.hazards]
    undecided = sum(map(len, plan.undecided))
    same, kept = sum(plan.unchanged.values()), sum(row.decision == "keep" for row in plan.open)
    for n, what in (
        (undecided, "open: nobody decided {} (resolve=, or p.decide)"),
        (same, "unchanged"),
        (kept, "left as decided"),
    ):
        notes += [f"{_rows(n)} {what.format('it' if n == 1 else 'them')}"] if n else []
    stuck = len(plan.open) - kept
    notes += [f"{stuck:,} row{'s' * (stuck != 1)} cannot be written: see .preview()"] if stuck else []
    notes += plan.notes
    return Sheet(f"plan into {plan.target.name}: {told}", SHOWN if rows else (), rows, notes)


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


SHOWN = ("step", "table", "verb", "key", "column", "before", "after", "why", "decision")


def _cell(name: str, value: Any) -> Cell:
    if name == "step":
        return Cell("" if value is None else str(value), "absent" if value is None else "number")
    if name in ("before", "after"):
        return (
            Cell(NULL, "null")
            if value is None
            else Cell(str(value), "local" if name == "before" else "remote")
        )
    return Cell(str(value), "key" if name == "key" else "") if value else Cell("", "absent")


def statements(plan: "Plan") -> str:
    """The plan as SQL text, a statement a row, each with its guard."""
    from syncnb.planning.between import as_run

    lines = ["BEGIN;"]
    for block in as_run(plan.blocks):
        lines += [statement(plan.target.dialect, block, change) for change in block.changes()]
    return "\n".join([*lines, "COMMIT;"])
