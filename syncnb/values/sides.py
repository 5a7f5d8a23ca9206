"""Local and remote: which of the two is meant, and which is the other one."""

from typing import Literal, TypeVar

__all__ = ["SIDES", "Side", "of_side", "other_side", "own_first"]

Side = Literal["local", "remote"]
SIDES: tuple[Side, Side] = ("local", "remote")
Thing = TypeVar("Thing")


def other_side(side: Side) -> Side:
    """The side that is not this one."""
    return "remote" if side == "local" else "local"


def of_side(side: Side, local: Thing, remote: Thing) -> Thing:
    """Of two things the one that belongs to this side."""
    return local if side == "local" else remote


def own_first(side: Side, local: Thing, remote: Thing) -> tuple[Thing, Thing]:
    """Two things, that of this side first; of two in this order, local first."""
    return (local, remote) if side == "local" else (remote, local)
