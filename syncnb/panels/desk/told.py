"""What presses have in common: the two stores, and who wins."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError
from syncnb.panels.desk.calls import Name
from syncnb.resolving import insert_only, newest, take_local, take_remote
from syncnb.stores.port import Store

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["CALLER", "Words", "both", "policy", "store_of"]

CALLER = "panel"
"""What a run is called whose Apply was pressed here."""

Words = Mapping[str, Any]


def store_of(desk: "Desk", name: str) -> Store:
    """The store of that side. Raises PlanError where none is in hand."""
    if name not in desk.hand:
        raise PlanError(f"there is no {name} store", hint="connect it first")
    return desk.hand[name]  # type: ignore[no-any-return]


def both(desk: "Desk") -> tuple[Name, Name]:
    """The names of both sides, which are in hand. Raises PlanError."""
    store_of(desk, "local"), store_of(desk, "remote")
    return Name("local"), Name("remote")


def policy(words: Words) -> Any:
    """What `resolve=` is told: a policy, or the name of one with the columns of stamps that it goes by."""
    rule, stamp = words.get("rule"), words.get("stamp")
    if words.get("resolve") is not None or rule in (None, "", "nobody"):
        return words.get("resolve")
    if rule == "newest":
        if not stamp:
            raise PlanError(
                "newest needs a column of stamps", hint="write updated_at, or hosts=last_seen, *=updated_at"
            )
        return newest(stamp)
    if rule not in RULES:
        raise PlanError(f"there is no rule {rule!r}", hint=f"rules are nobody, newest, {', '.join(RULES)}")
    return RULES[rule]


RULES: Mapping[str, Any] = {"take_local": take_local, "take_remote": take_remote, "insert_only": insert_only}
