"""Edited lines of a preview become a new plan: values are parsed with the type of their column."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.planning.hazards import COUNTED, counted_hazards
from syncnb.planning.ordering import Left, Ordered, in_order, keys_of
from syncnb.planning.parsing import parsed
from syncnb.planning.previewing import key_of, preview
from syncnb.resolving import NULL
from syncnb.steps import Block, Hazard
from syncnb.values.raw import Raw, concat, from_python, to_python

if TYPE_CHECKING:
    from syncnb.planning.plans import OpenRow, Plan

__all__ = ["decided"]

NEEDED = ("table", "key", "column", "after", "decision", "reason")
FEW = 1_000
"""Lines of a frame for which those of the other rows of a plan are not made."""
WORDS = ("apply", "keep", "local", "remote", "open")


@dataclass
class _Edit:
    """What was said about one row."""

    apply: bool | None = None
    reason: str = ""
    values: dict[str, Raw] = field(default_factory=dict)


def decided(plan: "Plan", frame: pd.DataFrame, *, by: str) -> "Plan":
    """The plan with these lines decided. Lines that are as they were say nothing."""
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise PlanError(
            f"the frame has no column {missing[0]}", hint="edit lines of p.preview(), and keep its columns"
        )
    if not plan.whole:
        raise PlanError(
            "this plan was saved without its values", hint="decide on the plan itself, before saving"
        )
    edits = _edits(plan, frame, by)
    old: list[Block] = []
    new: list[Block] = []
    undecided: list[Block] = []
    left = [_left(row, edits.get((row.table, row.key))) for row in plan.open]
    for blocks, was in ((plan.blocks, True), (plan.undecided, None)):
        for block in blocks:
            if block.role:
                old.append(block)
                continue
            for part, said in _parts(block, edits, default=was):
                if said is False:
                    left += _kept(part)
                else:
                    ((old if was else new) if said else undecided).append(part)
    if plan.undo_of is not None:
        ordered = Ordered(tuple(_with_all_steps(old)), deferred=plan.deferred)
    else:
        meant = [block for block in (*old, *new) if not block.role]
        ordered = in_order(meant, plan.order, plan.contests, plan.cuts)
    left += map(_stuck, ordered.left)
    return replace(
        plan,
        blocks=ordered.blocks,
        undecided=tuple(undecided),
        open=tuple(left),
        hazards=tuple(_hazards(plan, ordered.blocks)),
        notes=tuple(dict.fromkeys([*plan.notes, *ordered.notes])),
        deferred=ordered.deferred,
    )


def _with_all_steps(blocks: list[Block]) -> Iterator[Block]:
    """An undo keeps its order, which is that of the run backwards; rows that are left out go with all their steps."""
    rows = {(block.table, key) for block in blocks if not block.role for key in keys_of(block)}
    for block in blocks:
        there = [at for at, key in enumerate(keys_of(block)) if (block.table, key) in rows]
        if there:
            yield block.take(pa.array(there, pa.int64())) if block.role else block


def _left(row: "OpenRow", edit: "_Edit | None") -> "OpenRow":
    if edit is None:
        return row
    if edit.apply:
        raise PlanError(
            f"{row.table} {row.key} cannot be written: {row.why}", hint='decide "keep", with a reason'
        )
    return replace(row, decision="open" if edit.apply is None else "keep", reason=edit.reason or row.reason)


def _stuck(row: Left) -> "OpenRow":
    from syncnb.planning.plans import OpenRow

    return OpenRow(row.table, row.key, row.why, row.verb)


def _kept(block: Block) -> "Iterator[OpenRow]":
    from syncnb.planning.plans import OpenRow

    for at, key in enumerate(zip(*map(to_python, block.keys), strict=True)):
        reason = block.reasons[at] if block.reasons else ""
        yield OpenRow(block.table, key_of(key), "left as it is, as decided", block.verb, "keep", reason)


def _hazards(plan: "Plan", blocks: tuple[Block, ...]) -> "Iterator[Hazard]":
    """What was said about values stays; what follows from numbers of rows is counted again."""
    written = {block.table for block in blocks}
    for hazard in plan.hazards:
        if hazard.name not in COUNTED and hazard.table in written:
            yield hazard
    for table in plan.order:
        mine = [block for block in blocks if block.table == table and not block.role]
        yield from counted_hazards(table, plan.sizes[table], mine)


def _edits(plan: "Plan", frame: pd.DataFrame, by: str) -> dict[tuple[str, str], _Edit]:
    shown: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for line in _lines(
        preview(plan, _few(frame))
    ):  # a row that is parked in between has two lines for one cell
        shown.setdefault(line[:3], []).append(line[3:])
    edits: dict[tuple[str, str], _Edit] = {}
    for table, key, column, after, decision, reason in _lines(frame):
        lines = shown.get((table, key, column))
        if lines is None:
            raise PlanError(f"{table} {key} {column} is not in this plan", hint="edit lines of p.preview()")
        before = next((line for line in lines if _same(after, line[0])), lines[-1])
        edit = edits.setdefault((table, key), _Edit())
        if not _same(after, before[0]):
            edit.values[column] = _value(plan, table, column, after)
            edit.apply = True
        if decision != before[1]:
            edit.apply = _applied(plan, decision)
        if isinstance(reason, str) and reason != before[2]:
            edit.reason = f"{reason} ({by})" if by else reason
    said = {row: edit for row, edit in edits.items() if edit != _Edit()}
    rows = Counter(
        (block.table, key_of(key))
        for block in (*plan.blocks, *plan.undecided)
        if not block.role
        for key in zip(*map(to_python, block.keys), strict=True)
    )
    for table, key in said:
        if rows[table, key] > 1:
            raise PlanError(
                f"{rows[table, key]} rows of {table} read {key}",
                hint="their keys look alike: plan them apart",
            )
    return said


def _few(frame: pd.DataFrame) -> dict[str, set[str]] | None:
    """Which rows a short frame is about; None for a long one, which is about most of them."""
    if len(frame) > FEW:
        return None
    found: dict[str, set[str]] = {}
    for table, key in zip(frame["table"].tolist(), frame["key"].tolist(), strict=True):
        found.setdefault(table, set()).add(key)
    return found


def _lines(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return zip(*(frame[name].tolist() for name in NEEDED), strict=True)


def _same(new: Any, old: Any) -> bool:
    if isinstance(new, str) and new == NULL:
        return old is pd.NA or old is None
    if new is pd.NA or new is None:
        return old is pd.NA or old is None
    return bool(new == old)


def _applied(plan: "Plan", word: Any) -> bool | None:
    if word not in WORDS:
        raise PlanError(f"{word!r} is no decision", hint=f"write one of {', '.join(WORDS)}")
    if word in ("local", "remote"):
        return bool(word != plan.into)
    return {"apply": True, "keep": False}.get(str(word))


def _value(plan: "Plan", table: str, column: str, text: Any) -> Raw:
    """An edited value in the raw form of its column. Raises PlanError for one that it cannot hold."""
    if isinstance(text, str) and text == NULL:
        return parsed(plan, table, column, None)
    if text is None or text is pd.NA or (isinstance(text, float) and text != text):
        raise PlanError(f"{table}.{column} was set to {text}", hint="write sn.NULL for NULL, or a value")
    return parsed(plan, table, column, str(text))


def _parts(
    block: Block, edits: dict[tuple[str, str], _Edit], *, default: bool | None
) -> Sequence[tuple[Block, bool | None]]:
    """The block cut into parts by what was said about its rows: applied, kept (False), still open (None)."""
    keys = [key_of(key) for key in zip(*map(to_python, block.keys), strict=True)]
    groups: dict[bool | None, list[int]] = {}
    for row, key in enumerate(keys):
        edit = edits.get((block.table, key))
        said = default if edit is None or (edit.apply is None and not edit.values) else edit.apply
        groups.setdefault(said, []).append(row)
    edited = _with_values(block, keys, edits)
    if list(groups) == [default] and edited is block:
        return [(block, default)]
    return [(edited.take(pa.array(rows, pa.int64())), said) for said, rows in groups.items()]


def _with_values(block: Block, keys: list[str], edits: dict[tuple[str, str], _Edit]) -> Block:
    mine = {row: edits[block.table, key] for row, key in enumerate(keys) if (block.table, key) in edits}
    if not mine:
        return block
    reasons = list(block.reasons) or [""] * len(block)
    columns = [to_python(column) for column in block.after]
    for row, edit in mine.items():
        reasons[row] = edit.reason or reasons[row]
        for name, value in edit.values.items():
            if name in block.key or name not in block.columns:
                raise PlanError(
                    f"{block.table}.{name} cannot be edited", hint="edit values of columns that are written"
                )
            columns[block.columns.index(name)][row] = value
    after = tuple(concat([from_python(values)]) for values in columns) if block.after else ()
    return replace(block, after=after, reasons=tuple(reasons))
