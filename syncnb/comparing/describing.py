"""Conflicts of identity as a person reads them: both things side by side, and how much hangs on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import ColumnPair, Conflict, ConflictClass, Conflicts, TablePair
from syncnb.changes.ids import names
from syncnb.comparing.drafts import NOBODY, Drafts
from syncnb.comparing.entities import Numbers
from syncnb.comparing.settling import Settled
from syncnb.values.arrays import mask
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import as_text
from syncnb.values.sides import SIDES, Side, of_side

__all__ = ["Children", "described", "in_conflict"]

LENGTH = 120
"""A row in words is cut after so many characters."""


class Children:
    """How many rows refer to the ids of a table that are in conflict, counted as they are read."""

    def __init__(self) -> None:
        self._watched: dict[str, dict[Side, pa.Array]] = {}
        self._counts: dict[tuple[str, str, str, Side], np.ndarray[tuple[int], np.dtype[np.int64]]] = {}

    def watch(self, parent: str, ids: Mapping[Side, pa.Array]) -> bool:
        """Count the children of these ids (as names) from now on. Whether that is anything new."""
        before = self._watched.get(parent)
        self._watched[parent] = dict(ids)
        return before is None or any(not before[side].equals(ids[side]) for side in ids)

    def start(self, pair: TablePair) -> None:
        """This table is about to be read, from its beginning."""
        self._counts = {place: counts for place, counts in self._counts.items() if place[1] != pair.name}

    def watched(self, pair: TablePair) -> bool:
        """Whether rows of this table are counted."""
        return any(link.parent in self._watched for link in pair.links)

    def count(self, pair: TablePair, side: Side, columns: Sequence[pa.Array]) -> None:
        """Rows of a table that refer to what is watched."""
        for link in pair.links:
            watched = self._watched.get(link.parent, {}).get(side)
            if watched is None or not len(watched):
                continue
            at = pair.columns.index(link.column)
            places = pc.index_in(names(link.column.rule, columns[at], side), value_set=watched)
            found = places.to_numpy(zero_copy_only=False)[mask(places.is_valid())].astype(np.int64)
            place = (link.parent, pair.name, link.column.name, side)
            counts = self._counts.setdefault(place, np.zeros(len(watched), dtype=np.int64))
            counts += np.bincount(found, minlength=len(watched))

    def of(self, parent: str, side: Side) -> dict[str, int]:
        """By id (as name): how many rows refer to it."""
        ids = self._watched.get(parent, {}).get(side, pa.nulls(0, pa.string())).to_pylist()
        parts = [c for (name, _, _, s), c in self._counts.items() if (name, s) == (parent, side)]
        total = sum(parts) if parts else np.zeros(len(ids), dtype=np.int64)
        return dict(zip(ids, np.asarray(total).tolist(), strict=True))


def in_conflict(
    pair: TablePair, settled: Settled, pools: Mapping[Side, Sequence[pa.Array]]
) -> dict[Side, pa.Array]:
    """The ids (as names) of the rows that a conflict is about."""
    found: dict[Side, pa.Array] = {}
    for side in pools:
        places = of_side(side, settled.drafts.local, settled.drafts.remote)
        rows = np.unique(places[places != NOBODY])
        at = pair.columns.index(pair.key[0])
        found[side] = names(pair.key[0].rule, pools[side][at].take(pa.array(rows)), side)
    return found


def described(
    pair: TablePair, settled: Settled, pools: Mapping[Side, Sequence[pa.Array]], children: Children
) -> Conflicts:
    """The conflicts of one table. Both things are put in words when somebody looks at them."""
    if not len(settled.drafts):
        return Conflicts()
    told = _Described(pair, pools, settled.drafts, {side: children.of(pair.name, side) for side in pools})
    return Conflicts(settled.drafts.kinds, told.ids("local"), told.ids("remote"), told.words)


@dataclass(frozen=True)
class _Described:
    """What the words of conflicts are made of."""

    pair: TablePair
    pools: Mapping[Side, Sequence[pa.Array]]
    drafts: Drafts
    children: Mapping[Side, Mapping[str, int]]

    def places(self, side: Side) -> Numbers:
        return of_side(side, self.drafts.local, self.drafts.remote)

    def ids(self, side: Side) -> pa.Array:
        """The ids as their store holds them, NULL where the side has no row."""
        return self._rows(side, self.pair.key[0], self.places(side))

    def words(self, chosen: Numbers) -> list[Conflict]:
        """These conflicts, both things side by side."""
        sides = [self._side(side, self.places(side)[chosen]) for side in SIDES]
        return [
            Conflict(
                table=self.pair.name,
                kind=self.drafts.kinds[at],
                local_id=ours.id,
                remote_id=theirs.id,
                natural_key=_natural(self.drafts.kinds[at], ours.natural, theirs.natural),
                local=ours.words,
                remote=theirs.words,
                local_children=ours.children,
                remote_children=theirs.children,
                why=self.drafts.whys[at],
            )
            for at, ours, theirs in zip(chosen.tolist(), *sides, strict=True)
        ]

    def _rows(self, side: Side, column: ColumnPair, places: Numbers) -> pa.Array:
        wanted = pa.array(places, mask=places == NOBODY)
        return self.pools[side][self.pair.columns.index(column)].take(wanted)

    def _side(self, side: Side, places: Numbers) -> "list[_Thing]":
        """The rows at these places, whole columns at once."""
        key, natural = self.pair.key[0], self.pair.natural
        raw = {c.name: self._rows(side, c, places) for c in self.pair.columns}
        texts = {
            c.name: [as_text(value, c.rule) for value in to_python(raw[c.name])] for c in self.pair.columns
        }
        shown = [[f"{name}={text}" for text in texts[name]] for name in texts if name != key.name]
        ids, called = to_python(raw[key.name]), names(key.rule, raw[key.name], side).to_pylist()
        keys, rows = _across([texts[c.name] for c in natural], ids), _across(shown, ids)
        counts = self.children[side]
        return [
            NOTHING if place == NOBODY else _Thing(own, natural, _cut(words), counts.get(name, 0))
            for place, name, own, natural, words in zip(places.tolist(), called, ids, keys, rows, strict=True)
        ]


class _Thing(NamedTuple):
    """One row of one side, as far as a conflict tells of it."""

    id: Raw
    natural: str | None
    """None where there is no row."""
    words: str
    children: int


NOTHING = _Thing(None, None, "", 0)


def _across(columns: Sequence[Sequence[str]], rows: Sequence[Raw]) -> list[str]:
    """One text for each row."""
    return [", ".join(parts) for parts in zip(*columns, strict=True)] if columns else [""] * len(rows)


def _cut(words: str) -> str:
    return words if len(words) <= LENGTH else f"{words[: LENGTH - 1]}…"


def _natural(kind: ConflictClass, ours: str | None, theirs: str | None) -> str:
    texts = [text for text in (ours, theirs) if text is not None]
    return texts[0] if kind is ConflictClass.TWIN else " ≠ ".join(dict.fromkeys(texts))
