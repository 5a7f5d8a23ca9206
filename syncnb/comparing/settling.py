"""The rows of one table that have no partner of the same key and thing, matched by what they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import ConflictClass, Ids
from syncnb.changes.ids import Rows, names
from syncnb.comparing.drafts import NOBODY, Drafts, Pairs
from syncnb.comparing.entities import Columns, Entities, Numbers
from syncnb.values.arrays import mask
from syncnb.values.raw import concat
from syncnb.values.sides import Side, of_side, own_first

__all__ = ["Settled", "settled"]


@dataclass
class Settled:
    """What the pools turned out to be: places in them."""

    pairs: Pairs
    """The same thing on both sides."""
    unsure: Pairs
    """The same id, and nobody can tell whether the same thing."""
    alone: dict[Side, Numbers]
    ids: Ids
    drafts: Drafts


def settled(entities: Entities, local: Columns, remote: Columns) -> Settled:
    """Match the rows of two pools by journal, natural key and id, in this order."""
    if entities.pair.surrogate:
        return _Matching(entities, local, remote).settled()
    # A key that holds references: it is the same where they lead to the same things.
    here, there, _ = entities.joined(entities.key_at, local, remote, nulls=entities.pair.nulls_match)
    alone: dict[Side, Numbers] = {
        "local": _alone(len(local[0]), here),
        "remote": _alone(len(remote[0]), there),
    }
    return Settled((here, there), (here[:0], there[:0]), alone, Ids(), Drafts())


def _alone(rows: int, paired: Numbers) -> Numbers:
    return np.setdiff1d(np.arange(rows), paired, assume_unique=True)


UNTOLD = {
    "": ConflictClass.UNSURE,
    "null": ConflictClass.NO_KEY,
    "doubled": ConflictClass.DUPLICATE,
}


class _Matching:
    """The pools of one table with a surrogate id, while they are matched."""

    def __init__(self, entities: Entities, local: Columns, remote: Columns) -> None:
        self.entities, self.local, self.remote = entities, local, remote
        self.here, self.there = entities.ids(local, "local"), entities.ids(remote, "remote")
        self.drafts: list[Drafts] = []
        self.unsure_names: set[str] = set()
        self.agreed: set[str] = set()
        """Names of local ids that a base pairs with a remote one."""

    def settled(self) -> Settled:
        none = np.zeros(0, dtype=np.int64)
        twice: dict[Side, Rows] = {}
        natural, exchanged, agreed, doubtful = ((none, none) for _ in range(4))
        if self.entities.natural_at:
            ours, theirs, twice = self.entities.joined(self.entities.natural_at, self.local, self.remote)
            agreed, doubtful = self._agreed(ours, theirs)
            natural, exchanged = self._exchanges(*_without((ours, theirs), _both(agreed, doubtful)))
        pairs = _both(_both(self._with_known(*natural), exchanged), agreed)
        self._renamed(agreed)
        mapped = mask(pc.not_equal(self.here.take(pa.array(pairs[0])), self.there.take(pa.array(pairs[1]))))
        taken = _both(pairs, doubtful)
        rest = _alone(len(self.here), taken[0]), _alone(len(self.there), taken[1])
        same_id = self._same_id(*rest)
        unsure, renamed = self._told_apart(same_id, twice)
        unsure = _both(unsure, doubtful)
        twins = pairs[0][mapped], pairs[1][mapped]
        pairs = _both(pairs, renamed)
        taken = _both(pairs, unsure)
        alone: dict[Side, Numbers] = {
            "local": _alone(len(self.here), taken[0]),
            "remote": _alone(len(self.there), taken[1]),
        }
        self._duplicates(alone, twice)
        ids = self._ids(twins, alone)
        return Settled(pairs, unsure, alone, ids, Drafts.joined(self.drafts))

    def _agreed(self, ours: Numbers, theirs: Numbers) -> tuple[Pairs, Pairs]:
        """Rows that a base pairs, whatever they are called by now, and those of which it cannot say so.

        It cannot where somebody else's new row has the natural key that one of the two was renamed to:
        either they are one thing by now, or that name was given twice.
        """
        nothing = ours[:0], theirs[:0]
        if self.entities.base is None:
            return nothing, nothing
        here = {name: row for row, name in enumerate(self.here.to_pylist())}
        there = {name: row for row, name in enumerate(self.there.to_pylist())}
        mapped = {*self.entities.known.local.to_pylist()}, {*self.entities.known.remote.to_pylist()}
        by_local = {
            here[line.local]: there[line.remote]
            for line in self.entities.base.lines(here, there)
            if line.local in here and line.remote in there
            if line.local not in mapped[0] and line.remote not in mapped[1]
            if self.entities.words.get(line.local) != "different"
        }
        by_remote = {theirs: ours for ours, theirs in by_local.items()}
        natural = dict(zip(ours.tolist(), theirs.tolist(), strict=True))
        back = {theirs: ours for ours, theirs in natural.items()}
        sure: list[tuple[int, int]] = []
        doubtful: list[tuple[int, int]] = []
        for left, right in by_local.items():
            rival, other = natural.get(left, right), back.get(right, left)
            odd = rival not in by_remote or other not in by_local
            (doubtful if odd else sure).append((left, right))
            if odd:
                self.unsure_names |= {self.here[left].as_py(), self.here[other].as_py()}
                self.unsure_names |= {self.there[right].as_py(), self.there[rival].as_py()}
        self.agreed = {self.here[left].as_py() for left, _ in sure}
        why = "renamed since both agreed, and another row has that name"
        self.drafts.append(Drafts.alike(ConflictClass.UNSURE, _numbers(doubtful), why))
        return _numbers(sure), _numbers(doubtful)

    def _renamed(self, agreed: Pairs) -> None:
        """Of the rows that a base pairs, list those whose natural key is not the same on both sides."""
        left, right = (
            [column.take(pa.array(rows)) for column in side]
            for side, rows in ((self.local, agreed[0]), (self.remote, agreed[1]))
        )
        other: Rows = np.zeros(len(agreed[0]), dtype=np.bool_)
        for at in self.entities.natural_at if len(agreed[0]) else ():
            other |= self.entities.cells(at, left[at], right[at]).differs
        renamed = agreed[0][other], agreed[1][other]
        self.drafts.append(Drafts.alike(ConflictClass.RENAMED, renamed, "both sides once agreed on it"))

    def _exchanges(self, ours: Numbers, theirs: Numbers) -> tuple[Pairs, Pairs]:
        """Matches by natural key, and rows that are the same by their id because they only exchanged it.

        Where every id of a chain or circle is there on both sides, either the ids went round or the natural
        keys did. The other columns tell: what they follow is the thing. The ids, where they tell nothing.
        """
        moved = mask(pc.not_equal(self.here.take(pa.array(ours)), self.there.take(pa.array(theirs))))
        if self.entities.meaningless or not moved.any():
            return (ours, theirs), (ours[:0], theirs[:0])
        places = pc.index_in(self.here, value_set=self.there)
        both = mask(places.is_valid())
        partner = np.where(both, places.fill_null(-1).to_numpy(zero_copy_only=False), -1)
        by_key = dict(zip(ours[moved].tolist(), theirs[moved].tolist(), strict=True))
        owner = {int(place): row for row, place in enumerate(partner.tolist()) if place >= 0}
        circles = [rows for rows in _chains(by_key, partner, owner) if rows]
        if not circles:
            return (ours, theirs), (ours[:0], theirs[:0])
        same = np.array(self._following_ids(circles, by_key, partner), dtype=np.int64)
        kept = ~np.isin(ours, same)
        return (ours[kept], theirs[kept]), (same, partner[same])

    def _following_ids(
        self, circles: Sequence[Sequence[int]], by_key: Mapping[int, int], partner: Numbers
    ) -> list[int]:
        """The local rows whose other columns agree rather with their id than with their natural key."""
        rows = sorted(row for circle in circles for row in circle)
        linked = [row for row in rows if row in by_key]
        by_id = dict(zip(rows, self._equal_cells(rows, partner[rows]), strict=True))
        by_natural = dict(
            zip(linked, self._equal_cells(linked, [by_key[row] for row in linked]), strict=True)
        )
        found: list[int] = []
        for circle in circles:
            if any(self.here[row].as_py() in self.entities.words for row in circle):
                continue  # somebody has said what these ids are
            ends = [by_natural[row] for row in circle if row in by_natural]
            if sum(by_id[row] for row in circle) * len(ends) >= sum(ends) * len(circle):
                found += circle
        return found

    def _equal_cells(self, here: Any, there: Any) -> list[int]:
        """How many cells of these rows are equal, key and natural key aside."""
        left, right = (
            [column.take(pa.array(rows, pa.int64())) for column in side]
            for side, rows in ((self.local, here), (self.remote, there))
        )
        equal = np.zeros(len(here), dtype=np.int64)
        for at in self._others:
            equal += ~self.entities.cells(at, left[at], right[at]).differs
        found: list[int] = equal.tolist()
        return found

    @property
    def _others(self) -> list[int]:
        own = (*self.entities.key_at, *self.entities.natural_at)
        return [at for at in range(len(self.local)) if at not in own]

    def _with_known(self, ours: Numbers, theirs: Numbers) -> Pairs:
        """Pairs that a journal keeps go before what natural keys say."""
        known = self.entities.known
        if not len(known):
            return ours, theirs
        here = pc.index_in(known.local, value_set=self.here)
        there = pc.index_in(known.remote, value_set=self.there)
        both = mask(here.is_valid()) & mask(there.is_valid())
        left, right = (part.to_numpy(zero_copy_only=False)[both].astype(np.int64) for part in (here, there))
        free = ~np.isin(ours, left) & ~np.isin(theirs, right)
        return np.concatenate([left, ours[free]]), np.concatenate([right, theirs[free]])

    def _same_id(self, here: Numbers, there: Numbers) -> Pairs:
        """Of the rows without a partner, those whose id the other side's pool has as well, unmatched."""
        ids, others = self.here.take(pa.array(here)), self.there.take(pa.array(there))
        places = pc.index_in(ids, value_set=others)
        found = mask(places.is_valid())
        return here[found], there[places.to_numpy(zero_copy_only=False)[found].astype(np.int64)]

    def _told_apart(self, same: Pairs, twice: Mapping[Side, Rows]) -> tuple[Pairs, Pairs]:
        """Rows with one id and two natural keys: those nobody can tell, and those that were renamed."""
        take = tuple(pa.array(part) for part in same)
        left, right = [c.take(take[0]) for c in self.local], [c.take(take[1]) for c in self.remote]
        null, certain = self._evidence(left, right)
        doubled = np.zeros(len(null), dtype=np.bool_)
        if twice:
            doubled = twice["local"][same[0]] | twice["remote"][same[1]]
        words = [self.entities.words.get(name) for name in self.here.take(take[0]).to_pylist()]
        renamed = np.array([word == "same" for word in words], dtype=np.bool_)
        different = np.array([word == "different" for word in words], dtype=np.bool_)
        # What a journal knows under another id is not what has this id, wherever its partner is now.
        known = self.entities.known
        different |= mask(pc.is_in(self.here.take(take[0]), value_set=known.local))
        different |= mask(pc.is_in(self.there.take(take[1]), value_set=known.remote))
        if self.entities.meaningless:
            different |= ~null
        unsure = ~renamed & ~different & (doubled | null | ~certain)
        kinds = np.where(null, "null", np.where(doubled, "doubled", ""))
        self._drafted((same[0][unsure], same[1][unsure]), kinds[unsure].tolist())
        told = same[0][renamed], same[1][renamed]
        self.drafts.append(Drafts.alike(ConflictClass.RENAMED, told, "told: the same thing"))
        return (same[0][unsure], same[1][unsure]), told

    def _drafted(self, unsure: Pairs, kinds: Sequence[str]) -> None:
        """Say of rows that nobody can tell apart what they have in common."""
        others = len(self._others)
        equal = self._equal_cells(*unsure)
        whys = [
            f"{n} of {others} other columns are equal" if others else "no other column tells" for n in equal
        ]
        self.drafts.append(Drafts([UNTOLD[kind] for kind in kinds], *unsure, whys))
        self.unsure_names |= _told(self.here, unsure[0])

    def _evidence(self, left: Columns, right: Columns) -> tuple[Rows, Rows]:
        """Where a natural key is NULL, and where the two are surely different things.

        They are where one and the same parent's id is two things itself. They are too where they belong to
        different parents and are called differently there: a thing that was moved keeps its name, and one
        that was renamed its parent.
        """
        rows = len(left[0])
        null, parent, other, split = (np.zeros(rows, dtype=np.bool_) for _ in range(4))
        for at in self.entities.natural_at:
            null |= mask(left[at].is_null()) | mask(right[at].is_null())
            differs = self.entities.cells(at, left[at], right[at]).differs
            if at in self.entities.links:
                rule = self.entities.pair.columns[at].rule
                split |= differs & mask(
                    pc.equal(names(rule, left[at], "local"), names(rule, right[at], "remote"))
                )
                parent |= differs
            else:
                other |= differs
        return null, split | (parent & other)

    def _duplicates(self, alone: Mapping[Side, Numbers], twice: Mapping[Side, Rows]) -> None:
        for side, rows in alone.items():
            if side in twice:
                doubled = rows[twice[side][rows]]
                nobody = np.full(len(doubled), NOBODY)
                pairs = own_first(side, doubled, nobody)
                self.drafts.append(Drafts.alike(ConflictClass.DUPLICATE, pairs, "more than one row has it"))
                self.unsure_names |= _told(of_side(side, self.here, self.there), doubled)

    def _ids(self, twins: Pairs, alone: Mapping[Side, Numbers]) -> Ids:
        """Everything whose id does not mean the same on the other side, and the conflicts that this is."""
        lost: dict[Side, Numbers] = {
            "local": alone["local"][
                mask(pc.is_in(self.here.take(pa.array(alone["local"])), value_set=self.there))
            ],
            "remote": alone["remote"][
                mask(pc.is_in(self.there.take(pa.array(alone["remote"])), value_set=self.here))
            ],
        }
        self.drafts += self._collisions(twins, lost)
        at = self.entities.key_at[0]
        parts = [
            (column.take(pa.array(rows)), padding)
            for column, rows, padding in (
                (self.local[at], np.concatenate([twins[0], lost["local"]]), len(lost["remote"])),
                (self.remote[at], twins[1], 0),
            )
        ]
        local = concat([parts[0][0], pa.nulls(parts[0][1])])
        remote = concat(
            [parts[1][0], pa.nulls(len(lost["local"])), self.remote[at].take(pa.array(lost["remote"]))]
        )
        rule = self.entities.pair.columns[at].rule
        return Ids(
            local,
            remote,
            names(rule, local, "local"),
            names(rule, remote, "remote"),
            frozenset(self.unsure_names),
        )

    def _collisions(self, twins: Pairs, lost: Mapping[Side, Numbers]) -> Iterator[Drafts]:
        """Two lines at most for an id: whose it is, and which other id its thing has."""
        known = self.entities.known
        ours, theirs = self.here.take(pa.array(twins[0])), self.there.take(pa.array(twins[1]))
        agreed = pa.array(sorted(self.agreed), pa.string())
        settled = mask(pc.is_in(ours, value_set=known.local)) | mask(pc.is_in(ours, value_set=agreed))
        meant = [
            ours,
            self.here.take(pa.array(lost["local"])),
            theirs,
            self.there.take(pa.array(lost["remote"])),
        ]
        ids = pc.unique(pa.concat_arrays(meant))
        ids = ids.filter(pa.array(~mask(pc.is_in(ids, value_set=ours.filter(pa.array(settled))))))
        places = [pc.index_in(ids, value_set=side) for side in (self.here, self.there)]
        both = np.flatnonzero(mask(places[0].is_valid()) & mask(places[1].is_valid()))
        texts = ids.take(pa.array(both)).to_pylist()
        order = both[sorted(range(len(texts)), key=lambda at: _numeric(texts[at]))]
        here, there = (place.take(pa.array(order)).to_numpy().astype(np.int64) for place in places)
        yield Drafts.alike(ConflictClass.COLLISION, (here, there), "different natural keys")
        new = twins[0][~settled], twins[1][~settled]
        yield Drafts.alike(ConflictClass.TWIN, new, "the same natural key")


def _told(ids: pa.Array, rows: Numbers) -> set[str]:
    """The names of these rows' ids."""
    return {name or "" for name in ids.take(pa.array(rows)).to_pylist()}


def _chains(by_key: Mapping[int, int], partner: Numbers, owner: Mapping[int, int]) -> Iterator[list[int]]:
    """Local rows that hang together by natural keys, where every id among them is there on both sides.

    `by_key`: local row to the remote row of its natural key; `partner`: to the one of its id; `owner` the
    way back. Empty where an id is missing on a side.
    """
    comes_from = {theirs: ours for ours, theirs in by_key.items()}
    seen: set[int] = set()
    for start in by_key:
        if start in seen:
            continue
        rows, whole, waiting = [], True, [start]
        while waiting:
            row = waiting.pop()
            if row in seen:
                continue
            seen.add(row)
            rows.append(row)
            there = int(partner[row])
            onward = by_key.get(row)
            whole = whole and there >= 0 and (onward is None or onward in owner)
            if onward is not None and onward in owner:
                waiting.append(owner[onward])
            if there in comes_from:
                waiting.append(comes_from[there])
        yield sorted(rows) if whole else []


def _numbers(pairs: Sequence[tuple[int, int]]) -> Pairs:
    left, right = ([pair[at] for pair in pairs] for at in (0, 1))
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)


def _without(pairs: Pairs, taken: Pairs) -> Pairs:
    """These pairs without those that have a row in the others."""
    kept = ~np.isin(pairs[0], taken[0]) & ~np.isin(pairs[1], taken[1])
    return pairs[0][kept], pairs[1][kept]


def _both(left: Pairs, right: Pairs) -> Pairs:
    return np.concatenate([left[0], right[0]]), np.concatenate([left[1], right[1]])


def _numeric(name: Any) -> tuple[int, str]:
    return (int(name), "") if name and name.lstrip("-").isdigit() else (0, str(name))
