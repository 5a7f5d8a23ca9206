"""Ids in a plan: which a row gets in the target, and where its references lead there.

Parents come before their children, so that each table knows what became of those that it refers to.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import ConflictClass, Diff, Ids, RowSet, TableDiff, TablePair
from syncnb.changes.ids import Rows, names
from syncnb.errors import PlanError
from syncnb.matching.told import for_table
from syncnb.schema import Table
from syncnb.steps import Block, IdMap
from syncnb.values.arrays import mask
from syncnb.values.kinds import Kind
from syncnb.values.raw import Raw, concat, from_python, to_python
from syncnb.values.sides import Side, of_side, other_side, own_first

__all__ = ["KEEP_BOTH", "RENAME", "Collisions", "Rekeying", "check_collisions"]

TEXT = pa.string()
KEEP_BOTH, RENAME = "keep_both", "rename"
Collisions: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None
"""What `collisions=` takes: `keep_both`, `rename` or both, for all tables or by table (`*` for the others)."""

Greatest: TypeAlias = Callable[[TablePair], int]
"""The greatest id that either side has given in a table."""


def check_collisions(collisions: Collisions) -> None:
    """Raises PlanError for a word that it does not know."""
    told = list(collisions.values()) if isinstance(collisions, Mapping) else [collisions]
    for words in told:
        for word in [words] if isinstance(words, str) else words or ():
            if word not in (KEEP_BOTH, RENAME):
                raise PlanError(
                    f"collisions says {word!r}",
                    hint='write "keep_both" (one id, two things: both are kept), "rename" (an id whose natural '
                    "key changed is the same thing), both in a list, or {table: ...}",
                )


@dataclass
class Rekeying:
    """What becomes of ids when one side's rows go to the other."""

    diff: Diff
    source: Side
    collisions: Collisions
    greatest: Greatest
    staying: Callable[[TableDiff], Mapping[int, str]]
    """Rows that only the source has and that do not go whatever their ids are, by number; why."""
    fresh: dict[str, dict[str, Raw]] = field(default_factory=dict)
    """By table: the source's id (as name) to the one that its row gets in the target, where it needs another."""
    _back: dict[str, dict[int, str]] = field(default_factory=dict)
    """By table: rows that only the source has and that must be left open, by number; why."""
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    """By table: source ids whose rows the target will not have, or of which nobody can tell; why."""

    def words(self, pair: TablePair) -> tuple[str, ...]:
        """What was told to do about this table's collisions."""
        told: Any = self.collisions
        if isinstance(told, Mapping):
            found = for_table(told, (pair.local, pair.remote))
            told = told.get("*") if found is None else found
        return (told,) if isinstance(told, str) else tuple(told or ())

    def arrive(self, family: Sequence[TableDiff]) -> None:
        """Give the rows that only the source has their ids. Families come parents first.

        Tables that refer to each other in a circle are one family: what is held back in one of them holds back
        rows of the others, until nothing more is.
        """
        members = {diff.pair.name for diff in family}
        for diff in family:
            unsure = () if RENAME in self.words(diff.pair) else diff.ids.unsure
            self.held.setdefault(diff.pair.name, dict.fromkeys(unsure, _unsure(diff.pair)))
        before = -1
        while before != (before := sum(len(self._back.get(name, ())) for name in members)):
            for diff in family:
                self._hold_back(diff, members)
        for diff in family:
            self._give(diff)

    def kept_back(self, diff: TableDiff) -> Mapping[int, str]:
        """Which rows that only the source has must be left open, and why."""
        return self._back.get(diff.pair.name, {})

    def _hold_back(self, diff: TableDiff, family: Collection[str]) -> None:
        """Find the rows that cannot arrive, as far as is known by now."""
        pair, rows = diff.pair, diff.alone(self.source)
        back = self._back.setdefault(pair.name, dict(self.staying(diff)))
        for row, why in self._orphans(diff, rows, family).items():
            back.setdefault(row, why)
        if not pair.surrogate or not len(rows):
            return
        held, ids = self.held[pair.name], self._ids(pair, rows)
        why_not = self._why_not_fresh(pair)
        if why_not:
            for row in np.flatnonzero(self._taken(diff, ids)).tolist():
                back.setdefault(row, why_not)
        for row in np.flatnonzero(_among(ids, held)).tolist():
            back.setdefault(row, held[ids[row].as_py()])
        for row, why in back.items():
            held.setdefault(ids[row].as_py(), why)

    def _why_not_fresh(self, pair: TablePair) -> str:
        """What keeps rows from another id where theirs is another thing there; empty where they get one."""
        if KEEP_BOTH not in self.words(pair):
            return f'its id is another thing there: collisions="{KEEP_BOTH}" keeps both'
        fresh = _kinds(pair) == {Kind.UUID} or Kind.INTEGER in _kinds(pair)
        return "" if fresh else "its id is another thing there, and no fresh one can be made"

    def _give(self, diff: TableDiff) -> None:
        """Give fresh ids to the rows that arrive with an id that is another thing there."""
        pair, rows = diff.pair, diff.alone(self.source)
        if not pair.surrogate or not len(rows):
            return
        ids, back = self._ids(pair, rows), self._back[pair.name]
        taken = [row for row in np.flatnonzero(self._taken(diff, ids)).tolist() if row not in back]
        wanted = ids.take(pa.array(taken, pa.int64())).to_pylist()
        if wanted:
            self.fresh[pair.name] = dict(zip(wanted, self._fresh(pair, wanted), strict=True))

    def _orphans(self, diff: TableDiff, rows: RowSet, family: Collection[str]) -> dict[int, str]:
        """Rows that refer to something the target does not have, and will not."""
        found: dict[int, str] = {}
        for link in diff.pair.links:
            parent, at = self._parent(link.parent), diff.pair.columns.index(link.column)
            if parent is None or not len(rows) or not (self.held.get(link.parent) or len(parent)):
                continue
            own = names(link.column.rule, rows.columns[at], self.source)
            gone = _among(own, self.held.get(link.parent, {}))
            # In the same family ids are given afterwards: who is not held back will have one.
            if len(parent) and link.parent not in family:
                lost = parent.lookup(own, self.source)[2]
                gone |= lost & ~_among(own, self.fresh.get(link.parent, {}))
            for row in np.flatnonzero(gone).tolist():
                found.setdefault(row, f"it belongs to {link.parent} {own[row].as_py()}, which is left open")
        return found

    def doubtful(self, diff: TableDiff, rows: Sequence[int]) -> dict[int, str]:
        """Of these changed rows, those that belong to something of which nobody can tell what it is."""
        changed = diff.changed(self.source)
        found: dict[int, str] = {}
        take = pa.array(list(rows), pa.int64())
        for link in diff.pair.links:
            parent, at = self._parent(link.parent), diff.pair.columns.index(link.column)
            if parent is None or not parent.unsure or RENAME in self._words_of(link.parent):
                continue
            own = names(link.column.rule, changed.columns[at].take(take), self.source).to_pylist()
            for row, name in zip(rows, own, strict=True):
                if name in parent.unsure:
                    found[row] = (
                        f"it belongs to {link.parent} {name}, and {_unsure(self.diff[link.parent].pair)}"
                    )
        return found

    def column(self, diff: TableDiff, at: int, values: pa.Array) -> tuple[pa.Array, dict[int, str]]:
        """A column of source rows with the ids that they have in the target, and rows that refer to nothing there."""
        column, pair = diff.pair.columns[at], diff.pair
        if pair.surrogate and column in pair.key:
            return self._replaced(pair.name, Ids(), column.rule, values)
        link = next((link for link in pair.links if link.column == column), None)
        parent = self._parent(link.parent) if link else None
        if link is None or parent is None or not (len(parent) or self.fresh.get(link.parent)):
            return values, {}
        return self._replaced(link.parent, parent, column.rule, values)

    def _replaced(self, table: str, ids: Ids, rule: Any, values: pa.Array) -> tuple[pa.Array, dict[int, str]]:
        """The ids that rows have in the target, and rows whose id has nothing there."""
        fresh = self.fresh.get(table, {})
        own = names(rule, values, self.source)
        given = pc.index_in(own, value_set=pa.array(list(fresh), TEXT), skip_nulls=True)
        new = mask(given.is_valid())
        places, moved, lost = ids.lookup(own, self.source)
        if not (new.any() or moved.any()):
            return values, {}
        theirs = of_side(other_side(self.source), ids.local, ids.remote)
        # Every row from where its value is: its own, its thing's in the target, or a fresh one.
        start, at = len(values), np.arange(len(values))
        at = np.where(moved & ~lost, start + _numbers(places), at)
        at = np.where(new, start + len(theirs) + _numbers(given), at)
        written = concat([values, theirs, from_python(list(fresh.values()))]).take(pa.array(at))
        refused = np.flatnonzero(lost & ~new)
        lacks = zip(refused.tolist(), own.take(pa.array(refused)).to_pylist(), strict=True)
        return _plain(written), {
            row: f"it refers to {table} {name}, which the target does not have" for row, name in lacks
        }

    def maps(self, diff: TableDiff, target: Table) -> IdMap | None:
        """What the journal shall keep of this table's ids: twins, and rows that got a fresh id."""
        ids, fresh = diff.ids, self.fresh.get(diff.name, {})
        found = diff.conflicts.of(ConflictClass.TWIN)
        raw = of_side(self.source, found.local_ids, found.remote_ids)
        known = set(names(diff.pair.key[0].rule, raw, self.source).to_pylist()) if len(found) else set()
        twins = [own_first(self.source, *pair) for pair in ids.mapped_names]
        twins = [pair for pair in twins if pair[0] in known]
        made = [(name, _name(value)) for name, value in fresh.items()]
        if not twins and not made:
            return None
        own, there = zip(*twins, *made, strict=True)
        return IdMap(target.label, diff.pair.key_names[0], tuple(own), tuple(there), len(made))

    def forget(self, diff: TableDiff, blocks: Sequence[Block]) -> None:
        """Take back the fresh ids of rows that will not be inserted after all."""
        fresh = self.fresh.get(diff.pair.name, {})
        unused = {value for block in blocks for value in to_python(block.keys[0])} if fresh else set()
        for name in [name for name, value in fresh.items() if value in unused]:
            del fresh[name]

    def _ids(self, pair: TablePair, rows: RowSet) -> pa.Array:
        return names(pair.key[0].rule, rows.columns[pair.columns.index(pair.key[0])], self.source)

    def _taken(self, diff: TableDiff, ids: pa.Array) -> Rows:
        return diff.ids.lookup(ids, self.source)[2]

    def _fresh(self, pair: TablePair, ids: Sequence[str]) -> Sequence[Raw]:
        """Ids that neither side has: the next numbers, or UUIDs that are the same each time."""
        if _kinds(pair) == {Kind.UUID}:
            return [str(uuid5(NAMESPACE_OID, f"{self.diff.local}/{pair.name}/{name}")) for name in ids]
        first = self.greatest(pair) + 1
        return range(first, first + len(ids))

    def _parent(self, name: str) -> Ids | None:
        return next((table.ids for table in self.diff.tables if table.name == name), None)

    def _words_of(self, name: str) -> tuple[str, ...]:
        return self.words(self.diff[name].pair)


def _among(own: pa.Array, told: Collection[str]) -> Rows:
    """Which of these ids (as names) are told; NULL is none."""
    return mask(pc.is_in(own, value_set=pa.array(list(told), TEXT), skip_nulls=True))


def _numbers(places: pa.Array) -> "np.ndarray[Any, Any]":
    found: np.ndarray[Any, Any] = places.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _plain(values: pa.Array) -> pa.Array:
    """The column in the type that its values have by themselves."""
    if values.type in (pa.int64(), TEXT) and values.null_count < len(values):
        return values
    return from_python(to_python(values))


def _kinds(pair: TablePair) -> set[Kind]:
    return {Kind(pair.key[0].local.kind), Kind(pair.key[0].remote.kind)}


def _unsure(pair: TablePair) -> str:
    return (
        f"nobody can tell whether its id is one thing or two: "
        f'ids={{"{pair.name}": {{id: "same" or "different"}}}} in diff says it'
    )


def _name(value: Raw) -> str:
    return str(value).replace("-", "") if isinstance(value, str) else str(value)
