"""Which row of the source is which row of the target, where their ids say something else."""

from dataclasses import dataclass

__all__ = ["IdMap"]


@dataclass(frozen=True, slots=True)
class IdMap:
    """Of one table: pairs of ids of the same thing, to be kept with the run that made or found them."""

    table: str
    """The target table's label."""
    key: str
    """The column that holds the id."""
    source: tuple[str, ...]
    """Ids in the source, as text in canonical form."""
    target: tuple[str, ...]
    """Ids of the same things in the target."""
    fresh: int = 0
    """How many of them, the last ones, are made by this plan; the others were there already."""

    def __len__(self) -> int:
        return len(self.source)
