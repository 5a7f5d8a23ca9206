"""Conflicts: one id and two things, one thing and two ids, and values that both sides have changed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa

from syncnb.rendering import frame
from syncnb.values.raw import Raw, concat, from_python, to_python

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Conflict", "ConflictClass", "Conflicts", "conflicts_frame"]


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


Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Words = Callable[[Numbers], Sequence[Conflict]]
"""Makes the conflicts at these places of a table's list."""
AT_ONCE = 10_000
"""Conflicts put in words in one go."""


class Conflicts(Sequence[Conflict]):
    """The conflicts of one table, in words only when looked at: there may be very many, of which few are read.

    How many there are, their classes and ids are at hand. `local_ids` and `remote_ids` are raw, NULL where
    the side has no row.
    """

    __slots__ = ("_places", "_words", "kinds", "local_ids", "remote_ids")

    def __init__(
        self,
        kinds: Sequence[ConflictClass] = (),
        local_ids: pa.Array | None = None,
        remote_ids: pa.Array | None = None,
        words: Words = lambda _: (),
        places: Numbers | None = None,
    ) -> None:
        self.kinds = tuple(kinds)
        self.local_ids = pa.nulls(0) if local_ids is None else local_ids
        self.remote_ids = pa.nulls(0) if remote_ids is None else remote_ids
        self._words = words
        self._places = np.arange(len(self.kinds)) if places is None else places

    @property
    def counted(self) -> Counter[ConflictClass]:
        """How many there are of each class, in the order in which they come."""
        return Counter(self.kinds)

    @property
    def ids(self) -> Iterator[tuple[Raw, Raw]]:
        """Both ids of each."""
        return zip(to_python(self.local_ids), to_python(self.remote_ids), strict=True)

    def of(self, *kinds: ConflictClass) -> "Conflicts":
        """Those of these classes."""
        return self.where([kind in kinds for kind in self.kinds])

    def where(self, chosen: Sequence[bool]) -> "Conflicts":
        """Those that are chosen."""
        return self._take(np.flatnonzero(np.asarray(chosen, dtype=np.bool_)))

    def followed_by(self, more: Sequence[Conflict]) -> "Conflicts":
        """These, and then others that are in words already."""
        if not more:
            return self
        first = len(self)

        def words(places: Numbers) -> list[Conflict]:
            own = places[places < first]
            told = dict(zip(own.tolist(), self._words(self._places[own]), strict=True))
            return [told[at] if at < first else more[at - first] for at in places.tolist()]

        return Conflicts(
            [*self.kinds, *(each.kind for each in more)],
            concat([self.local_ids, from_python([each.local_id for each in more])]),
            concat([self.remote_ids, from_python([each.remote_id for each in more])]),
            words,
        )

    def _take(self, rows: Numbers) -> "Conflicts":
        wanted = pa.array(rows)
        return Conflicts(
            [self.kinds[row] for row in rows.tolist()],
            self.local_ids.take(wanted),
            self.remote_ids.take(wanted),
            self._words,
            self._places[rows],
        )

    def __len__(self) -> int:
        return len(self.kinds)

    def __iter__(self) -> Iterator[Conflict]:
        for start in range(0, len(self), AT_ONCE):
            yield from self._words(self._places[start : start + AT_ONCE])

    @overload
    def __getitem__(self, at: int) -> Conflict: ...
    @overload
    def __getitem__(self, at: slice) -> "Conflicts": ...
    def __getitem__(self, at: int | slice) -> "Conflict | Conflicts":
        if isinstance(at, slice):
            return self._take(np.arange(len(self))[at])
        place = range(len(self))[at]
        return self._words(self._places[place : place + 1])[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Conflicts | tuple):
            return NotImplemented
        return self is other or (len(self) == len(other) and tuple(self) == tuple(other))

    def __repr__(self) -> str:
        return repr(tuple(self))


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
