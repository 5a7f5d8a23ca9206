"""Conflicts: one id and two things, one thing and two ids, and values that both sides have changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import pyarrow as pa

from syncnb.rendering import frame
from syncnb.values.raw import Raw

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Conflict", "ConflictClass", "conflicts_frame"]


class ConflictClass(Enum):
    """What an id, a natural key and what was once agreed on say about two rows. The value is what a person reads."""

    COLLISION = "id collision"
    """The same id, different things."""
    TWIN = "twin"
    """The same thing under different ids."""
    RENAMED = "renamed"
    """The same thing, and its natural key has changed: somebody said so, or both once agreed on it."""
    UNSURE = "rename or collision"
    """The same id, different natural keys, and nothing that tells which it is."""
    DUPLICATE = "duplicate natural key"
    """Several rows of one side have the natural key that should identify one."""
    NO_KEY = "natural key is NULL"
    """The same id; one side has no natural key to compare."""
    UPDATED = "both updated"
    """Both sides changed one and the same cell since they last agreed, and not to the same value."""
    DELETED = "deleted and updated"
    """One side deleted the row, and the other changed it since they last agreed."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One id, one thing or one value that is not the same on both sides, so that somebody has to decide."""

    table: str
    kind: ConflictClass
    local_id: Raw
    remote_id: Raw
    natural_key: str
    """What the natural key says: of the one thing, or of both with `≠` between them."""
    local: str = ""
    """The local row in words; empty where there is none."""
    remote: str = ""
    local_children: int = 0
    """Rows of compared tables that refer to it."""
    remote_children: int = 0
    why: str = ""
    """The evidence."""


COLUMNS = (
    "table", "class", "local_id", "remote_id", "natural_key", "local", "remote",
    "local_children", "remote_children", "why",
)  # fmt: skip


def conflicts_frame(conflicts: Iterable[Conflict]) -> "pd.DataFrame":
    """A line a conflict."""
    found = list(conflicts)

    def text(values: Iterable[object]) -> pa.Array:
        return pa.array([None if value is None else str(value) for value in values], pa.string())

    return frame(
        {
            "table": text(each.table for each in found),
            "class": text(each.kind.value for each in found),
            "local_id": text(each.local_id for each in found),
            "remote_id": text(each.remote_id for each in found),
            "natural_key": text(each.natural_key for each in found),
            "local": text(each.local for each in found),
            "remote": text(each.remote for each in found),
            "local_children": pa.array([each.local_children for each in found], pa.int64()),
            "remote_children": pa.array([each.remote_children for each in found], pa.int64()),
            "why": text(each.why for each in found),
        }
    )
