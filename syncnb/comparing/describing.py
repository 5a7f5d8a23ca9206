"""Conflicts of identity as a person reads them: both things side by side, and how much hangs on each."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import Conflict, ConflictClass, TablePair
from syncnb.changes.ids import names
from syncnb.comparing.settling import Draft, Settled
from syncnb.values.arrays import mask
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import as_text
from syncnb.values.rules import Side

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
        rows = sorted({place for d in settled.drafts if (place := _place(d, side)) is not None})
        at = pair.columns.index(pair.key[0])
        found[side] = names(pair.key[0].rule, pools[side][at].take(pa.array(rows, pa.int64())), side)
    return found


def described(
    pair: TablePair, settled: Settled, pools: Mapping[Side, Sequence[pa.Array]], children: Children
) -> tuple[Conflict, ...]:
    """The conflicts of one table, with both things in words."""
    return tuple(_Described(pair, pools, children).all(settled.drafts))


class _Described:
    def __init__(self, pair: TablePair, pools: Mapping[Side, Sequence[pa.Array]], children: Children) -> None:
        self.pair = pair
        self.key_at = pair.columns.index(pair.key[0])
        self.natural_at = [pair.columns.index(column) for column in pair.natural]
        # Whole columns at once, and each row in words once: it is in two conflicts where ids went round.
        self.columns = {side: [to_python(column) for column in pools[side]] for side in pools}
        self.worded: dict[tuple[Side, int], str] = {}
        self.children = {side: children.of(pair.name, side) for side in pools}
        self.ids = {
            side: names(pair.key[0].rule, pools[side][self.key_at], side).to_pylist() for side in pools
        }

    def all(self, drafts: Sequence[Draft]) -> Iterator[Conflict]:
        for draft in drafts:
            ours, theirs = self._row("local", draft.local), self._row("remote", draft.remote)
            yield Conflict(
                table=self.pair.name,
                kind=draft.kind,
                local_id=None if ours is None else ours[self.key_at],
                remote_id=None if theirs is None else theirs[self.key_at],
                natural_key=self._natural(draft, ours, theirs),
                local=self._words("local", draft.local, ours),
                remote=self._words("remote", draft.remote, theirs),
                local_children=self._count("local", draft.local),
                remote_children=self._count("remote", draft.remote),
                why=draft.why,
            )

    def _row(self, side: Side, place: int | None) -> list[Raw] | None:
        if place is None:
            return None
        return [column[place] for column in self.columns[side]]

    def _count(self, side: Side, place: int | None) -> int:
        return 0 if place is None else self.children[side].get(self.ids[side][place], 0)

    def _natural(self, draft: Draft, ours: list[Raw] | None, theirs: list[Raw] | None) -> str:
        texts = [
            ", ".join(as_text(row[at], self.pair.columns[at].rule) for at in self.natural_at)
            for row in (ours, theirs)
            if row is not None
        ]
        if draft.kind is ConflictClass.TWIN:
            return texts[0]
        return " ≠ ".join(dict.fromkeys(texts))

    def _words(self, side: Side, place: int | None, row: list[Raw] | None) -> str:
        if row is None or place is None:
            return ""
        if (side, place) not in self.worded:
            self.worded[side, place] = self._in_words(row)
        return self.worded[side, place]

    def _in_words(self, row: list[Raw]) -> str:
        words = ", ".join(
            f"{column.name}={as_text(value, column.rule)}"
            for at, (column, value) in enumerate(zip(self.pair.columns, row, strict=True))
            if at != self.key_at
        )
        return words if len(words) <= LENGTH else f"{words[: LENGTH - 1]}…"


def _place(draft: Draft, side: Side) -> int | None:
    return draft.local if side == "local" else draft.remote
