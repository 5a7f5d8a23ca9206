"""A migration as a person reads it: a line a step, the first rows that are filled, and the statements."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from syncnb.planning.previewing import COLUMNS, key_of
from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps import Block, Stage, Step
from syncnb.stores.altering import statements as step_statements
from syncnb.stores.statements import statement
from syncnb.values.raw import to_python
from syncnb.values.reading import as_text

if TYPE_CHECKING:
    import pandas as pd

    from syncnb.planning.plans import Plan

__all__ = ["plan_sheet", "preview", "rows_of", "stage_lines", "statements"]

MORE = ("what", "rows", "lock", "back")
SHOWN = ("step", "table", "what", "rows", "lock", "back")
MODES = {
    "transaction": "one transaction",
    "batches": "many short transactions, which go on where they stopped",
    "outside": "outside of any transaction, settled by the catalogue",
}


def rows_of(stages: Sequence[Stage]) -> int:
    """How many rows they write."""
    parts = [part for stage in stages for part in stage.parts]
    return sum(len(p) if isinstance(p, Block) else p.rows if p.verb == "fill" else 0 for p in parts)


def preview(plan: "Plan") -> "pd.DataFrame":
    """A line a step, after each fill the first rows of it; every cell of rows that are written one by one."""
    lines = list(_lines(plan))
    types = {"step": pa.int64(), "rows": pa.int64()}
    return frame(
        {
            name: pa.array([line.get(name) for line in lines], types.get(name, pa.string()))
            for name in (*COLUMNS, *MORE)
        }
    )


def _lines(plan: "Plan") -> Iterator[dict[str, Any]]:
    number = 0
    for stage in plan.stages:
        for part in stage.parts:
            number += 1
            hazards = ", ".join(
                dict.fromkeys(h.name for h in plan.hazards if _writes(part) and h.table == part.table)
            )
            base = {"step": number, "table": part.table, "verb": part.verb, "hazard": hazards, "reason": ""}
            if isinstance(part, Step):
                yield base | _step_line(part)
                yield from (base | cell for cell in _cells(part.shown))
            else:
                told = {
                    "what": f"{part.verb} rows",
                    "rows": len(part),
                    "back": "from the images of its rows",
                }
                yield base | told | {"decision": "apply", "lock": "its rows"}
                yield from (base | cell for cell in _cells(part))
    for each in plan.skipped:
        yield {
            "table": each.table, "verb": "none", "what": each.what, "why": each.evidence, "rows": 0, "hazard": "",
            "decision": "skip", "reason": "", "lock": "none", "back": "",
        }  # fmt: skip


def _writes(part: Step | Block) -> bool:
    return isinstance(part, Block) or part.verb in ("fill", "drop_column", "set_type", "redefine")


def _step_line(step: Step) -> dict[str, Any]:
    return {
        "column": ", ".join(step.columns) or None,
        "before": step.was or None,
        "after": step.definition or None,
        "why": step.note,
        "decision": "apply",
        "what": str(step),
        "rows": step.rows,
        "lock": step.lock,
        "back": step.back,
    }


def _cells(block: Block | None) -> Iterator[dict[str, Any]]:
    if block is None:
        return
    before, after = ([to_python(column) for column in columns] for columns in (block.before, block.after))
    for row, key in enumerate(zip(*map(to_python, block.keys), strict=True)):
        for at, column in enumerate(block.columns):
            old, new = (sides[at][row] if sides else None for sides in (before, after))
            if column not in block.key or block.verb != "update":
                yield {
                    "key": key_of(key), "column": column, "decision": "apply", "why": block.why,
                    "before": None if old is None else as_text(old), "after": None if new is None else as_text(new),
                }  # fmt: skip


def plan_sheet(plan: "Plan") -> Sheet:
    """A line a step; beneath, stages, hazards, what is skipped, and notes."""
    lines = [line for line in _lines(plan) if line.get("what") and line.get("step")]
    rows = [
        [Cell(str(line.get(name) or ""), "number" if name in ("step", "rows") else "") for name in SHOWN]
        for line in lines
    ]
    count = len(plan.stages)
    notes = [f"stage {at} of {count}: {MODES[s.mode]}" for at, s in enumerate(plan.stages, 1) if count > 1]
    notes += [f"hazard {h.name} in {h.table}: {h.what}; allow=({h.name!r},)" for h in plan.hazards]
    notes += [f"skipped, true already: {e.table}: {e.what} ({e.evidence})" for e in plan.skipped]
    steps = f"{len(lines)} step{'s' * (len(lines) != 1)}, {len(plan):,} rows" if lines else "nothing to do"
    what = "migration of" if plan.undo_of is None else f"undo of run {plan.undo_of} in"
    return Sheet(f"{what} {plan.target.name}: {steps}", SHOWN if rows else (), rows, [*notes, *plan.notes])


def statements(plan: "Plan") -> str:
    """The migration as SQL text, stage by stage."""
    return "\n".join(line for stage in plan.stages for line in stage_lines(plan.target.dialect, stage))


def stage_lines(dialect: str, stage: Stage) -> Iterator[str]:
    """The statements of one stage, between BEGIN and COMMIT where it has a transaction."""
    within = stage.mode != "outside"
    if within:
        yield "BEGIN;"
    for part in stage.parts:
        if isinstance(part, Step):
            yield from (f"{line.rstrip(';')};" for line in step_statements(dialect, part))
        else:
            yield from (statement(dialect, part, change) for change in part.changes())
    if within:
        yield "COMMIT;"
