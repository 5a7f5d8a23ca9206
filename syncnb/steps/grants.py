"""Rights that a plan needs, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from syncnb.rendering import Cell, Sheet
from syncnb.rendering.frames import frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Grant", "Grants"]

Purpose = Literal["apply", "verify", "undo", "speed"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One right on one object. It is needed to apply a plan, to verify it, to take it back, or only makes it faster."""

    right: str
    """SELECT, INSERT, UPDATE, DELETE, USAGE, CONNECT, TEMPORARY, CREATE."""
    kind: Literal["DATABASE", "SCHEMA", "TABLE", "SEQUENCE"]
    path: tuple[str, ...]
    """The object's name, after its schema's where it has one."""
    columns: tuple[str, ...] = ()
    """Only on these columns; empty for the whole."""
    purpose: Purpose = "apply"
    why: str = ""


@dataclass(frozen=True, repr=False)
class Grants:
    """What a role must be allowed so that a plan can be applied, verified and taken back; and no more."""

    grants: tuple[Grant, ...]
    role: str
    statements: tuple[str, ...] = ()
    """A GRANT for each of them, in the target's SQL."""
    notes: tuple[str, ...] = ()
    """What no GRANT can give."""
    held: Mapping[Grant, bool] = field(default_factory=dict)
    """Which of them the role of the store holds, where a store was given."""

    def __len__(self) -> int:
        return len(self.grants)

    @property
    def missing(self) -> tuple[Grant, ...]:
        """Those that the role of the store does not hold, without those that only make it faster."""
        return tuple(each for each in self.grants if each.purpose != "speed" and self.held.get(each) is False)

    @property
    def sql(self) -> str:
        """A script for an administrator: one transaction, with what is not needed as comments."""
        lines = [
            f"{'-- faster with: ' if each.purpose == 'speed' else ''}{statement};"
            for each, statement in zip(self.grants, self.statements, strict=True)
        ]
        return "\n".join(["BEGIN;", *lines, "COMMIT;", *(f"-- {note}" for note in self.notes), ""])

    @property
    def frame(self) -> "pd.DataFrame":
        """A line a right: right, on, columns, needed for, held, why. `held` is NA where no store was given."""
        import pyarrow as pa

        columns = {
            "right": [each.right for each in self.grants],
            "on": [_on(each) for each in self.grants],
            "columns": [", ".join(each.columns) for each in self.grants],
            "needed_for": [each.purpose for each in self.grants],
            "why": [each.why for each in self.grants],
        }
        held = pa.array([self.held.get(each) for each in self.grants], pa.bool_())
        return frame(
            {**{name: pa.array(values, pa.string()) for name, values in columns.items()}, "held": held}
        )

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(each.right),
                Cell(_on(each)),
                Cell(each.purpose),
                _held(self.held.get(each)),
                Cell(each.why),
            ]
            for each in self.grants
        ]
        headers = ("right", "on", "needed for", "held", "why") if rows else ()
        return Sheet(f"rights that {self.role} needs: {len(rows)}", headers, rows, self.notes)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def _on(grant: Grant) -> str:
    name = f"{grant.kind.lower()} {'.'.join(grant.path)}"
    return f"{name} ({', '.join(grant.columns)})" if grant.columns else name


def _held(known: bool | None) -> Cell:  # noqa: FBT001 - private, one caller
    if known is None:
        return Cell("", "absent")
    return Cell("yes", "good") if known else Cell("no", "bad")
