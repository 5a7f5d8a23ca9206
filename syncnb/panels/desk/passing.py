"""The step Sync: two databases, or rows from outside that are put into one."""

from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError
from syncnb.panels.desk.calls import Call, Name
from syncnb.panels.desk.told import CALLER, Words, both, policy
from syncnb.resolving import take_local

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["PAYLOAD", "look", "sync"]

PAYLOAD = ("key", "touch", "history_table", "rest")
"""What an upsert may be told; a sync of two databases is told the key alone."""


def look(desk: "Desk", words: Words) -> list[Call]:
    """What a sync would do, as a diff and a plan. A payload has no say about rows that it lacks, and wins by default."""
    names, into = both(desk), Name("local" if words.get("direction") == "pull" else "remote")
    compared = {"tables": words.get("tables") or None, "key": words.get("key")}
    resolve = policy(words)
    if _is_payload(desk, words):
        compared |= {"touch": words.get("touch"), "partial": True}
        resolve = take_local if resolve is None else resolve
    drawn = {"into": into, "resolve": resolve, "collisions": words.get("collisions")}
    return [Call("d", "sn.diff", names, compared), Call("p", "sn.plan", (Name("d"),), drawn)]


def sync(desk: "Desk", words: Words) -> list[Call]:
    """The sync itself, and what the history has after it."""
    names, direction = both(desk), words.get("direction") or "push"
    payload = _is_payload(desk, words)
    _check_writable(desk, direction, payload=payload)
    told: dict[str, Any] = {"tables": words.get("tables") or None, "key": words.get("key")}
    told |= {"direction": None if direction == "push" else direction}
    told |= {"resolve": policy(words), "collisions": words.get("collisions")}
    told |= {name: words.get(name) or None for name in PAYLOAD[1:]}
    told |= {"allow": tuple(words.get("allow") or ()), "caller": CALLER, "approved_by": desk.by}
    into = Name("local" if direction == "pull" else "remote")
    return [Call("done", "sn.sync", names, told), Call("runs", "sn.history", (into,))]


def _is_payload(desk: "Desk", words: Words) -> bool:
    """Whether local is rows from outside. Raises PlanError for what only goes with the one or the other."""
    payload: bool = desk.hand["local"].dialect == "frame"
    if payload and words.get("direction") not in (None, "push"):
        raise PlanError("a payload is not written to", hint="its direction is local to remote")
    if not payload and any(words.get(name) for name in PAYLOAD[1:]):
        raise PlanError(
            "stamps, a history of its own and writing the rest are for rows from outside",
            hint="between two databases leave these fields empty",
        )
    return payload


def _check_writable(desk: "Desk", direction: str, *, payload: bool) -> None:
    written = {"push": ("remote",), "pull": ("local",), "both": ("local", "remote")}.get(direction)
    if written is None:
        raise PlanError(f"direction is {direction!r}", hint="push, pull or both")
    # What both agreed on is kept in the SQLite file of the two, so that one is written too.
    keeper = [name for name in ("local", "remote") if desk.hand[name].dialect == "sqlite"][:1]
    for name in dict.fromkeys((*written, *(() if payload else keeper))):
        if not desk.hand[name].writable:
            raise PlanError(
                f"{desk.hand[name].name} is written by a sync, and was opened to be read",
                hint="connect it with writable=True",
            )
