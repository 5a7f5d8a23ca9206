"""Decisions about single rows of a plan, said by table, key and side: what lines of a preview say at length."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from syncnb.errors import PlanError
from syncnb.planning.previewing import preview
from syncnb.resolving import NULL

if TYPE_CHECKING:
    from syncnb.planning.plans import Plan

__all__ = ["Keys", "Word", "chosen", "key_said"]

Word: TypeAlias = Literal["local", "remote", "apply", "keep", "open"]
Keys: TypeAlias = Hashable | Sequence[Hashable]
WORDS = ("local", "remote", "apply", "keep", "open")


def chosen(
    plan: "Plan",
    table: str,
    keys: Keys,
    side: Word | None,
    *,
    values: Mapping[str, Any] | None,
    reason: str,
    by: str,
    absent: Literal["raise", "skip"],
) -> "Plan":
    """The plan with these rows decided."""
    if side is not None and side not in WORDS:
        raise PlanError(f"{side!r} is no decision", hint=f"write one of {', '.join(WORDS)}")
    if side is None and not values and not reason:
        raise PlanError("nothing was chosen", hint='choose a side: p.choose("hosts", 225, "local")')
    wanted = [key_said(key) for key in (keys if isinstance(keys, list) else [keys])]
    lines: Any = preview(plan, {table: set(wanted)})
    mine = lines["table"] == table
    there = set(lines.loc[mine, "key"])
    for key in wanted:
        if key not in there and absent == "raise":
            raise PlanError(f"{table} {key} is not in this plan", hint="take table and key from p.preview()")
    rows = mine & lines["key"].isin(wanted)
    if not rows.any():
        return plan
    if side is not None:
        lines.loc[rows, "decision"] = side
    if reason or by:
        lines.loc[rows, "reason"] = reason or "chosen"
    for column, value in (values or {}).items():
        cell = rows & (lines["column"] == column)
        if not cell.any():
            raise PlanError(
                f"{table}.{column} is not written in this row", hint="take the column from p.preview()"
            )
        lines.loc[cell, "after"] = NULL if value is None else str(value)
    return plan.decide(lines[rows], by=by)


def key_said(key: Hashable) -> str:
    """A key as the preview writes it: `7`, or `(10248, 11)`."""
    return f"({', '.join(map(str, key))})" if isinstance(key, tuple) else str(key)
