"""A roll call: every thing of a database by its name, so that it can be asked later whether one is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncnb.rendering import Cell, Sheet

__all__ = ["Roll", "RollCall"]

Name = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Roll:
    """The things of one table."""

    by: tuple[str, ...]
    """The columns that name them; a reference is told by what it leads to: `domain_id.domain_name`."""
    names: Mapping[Name, int]
    """How many things there are of each name: more than one only where nothing says that names are unique."""


@dataclass(frozen=True, repr=False)
class RollCall:
    """The things of some tables by their names, never by their ids."""

    store: str
    rolls: Mapping[str, Roll]
    """By table label."""
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names that a person told, by table."""

    def _sheet(self) -> Sheet:
        rows = [
            [Cell(table), Cell(f"{sum(roll.names.values()):,}", "number"), Cell(", ".join(roll.by), "key")]
            for table, roll in self.rolls.items()
        ]
        return Sheet(f"{self.store}: roll call", ("table", "things", "by") if rows else (), rows)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()
