"""Conflicts of values, as a plan and a report keep them."""

from dataclasses import dataclass

__all__ = ["Clash", "Lost"]


@dataclass(frozen=True, slots=True)
class Clash:
    """A row that both sides changed since they last agreed, and not to the same."""

    table: str
    """The target table's label."""
    key: str
    columns: tuple[str, ...] = ()
    """The columns that both changed, by their names in the target; empty where one side deleted the row."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that lost a conflict and was overwritten, as text. The journal's images have it as it was."""

    table: str
    key: str
    column: str
    """Empty where the whole row was deleted."""
    lost: str | None
    """What was there; None for NULL."""
    kept: str | None
    """What took its place; None for NULL, and for a row that was deleted."""
    why: str
