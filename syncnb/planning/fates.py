"""What becomes of rows that only one side has, where a base knows which of them the other side deleted.

Parents and children are looked at together: nothing is deleted that a row which stays refers to, a row that
is kept against a deletion keeps its children, and a new child of a deleted parent waits for a person.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from syncnb.changes import Diff, RowSet, TableDiff, TablePair
from syncnb.changes.ids import key_names
from syncnb.changes.references import Reference, references
from syncnb.resolving import Policy, alone, side_taken
from syncnb.resolving.merging import Fate
from syncnb.values.sides import SIDES, Side, other_side

__all__ = ["Fates", "Standing"]

STAYING = (Fate.NEW, Fate.KEPT, Fate.OPEN)


@dataclass
class Standing:
    """The rows of one table that only one side has: what becomes of each, and why."""

    fates: list[Fate]
    whys: list[str]
    clashes: tuple[int, ...] = ()
    """Rows that one side deleted and the other changed, whatever becomes of them."""

    def rows(self, *fates: Fate) -> list[int]:
        """The places of the rows with one of these fates."""
        return [row for row, fate in enumerate(self.fates) if fate in fates]


@dataclass
class Fates:
    """All of them, for both sides."""

    diff: Diff
    policy: Policy
    standing: dict[tuple[str, Side], Standing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in self.diff.tables:
            for side in SIDES:
                found = alone(table, self.policy, side)
                other = other_side(side)
                told = {
                    Fate.GONE: f"{other} deleted it since both agreed",
                    Fate.OPEN: f"{other} deleted it, and it was changed in {side} since both agreed",
                    Fate.KEPT: f"{other} deleted it and {side} changed it: {found.by}",
                    Fate.LOST: f"{other} deleted it and {side} changed it: {found.by}",
                }
                whys = [told.get(fate, f"only in {side}") for fate in found.fates]
                clashes = found.where(Fate.OPEN, Fate.KEPT, Fate.LOST)
                self.standing[table.name, side] = Standing(list(found.fates), whys, clashes)
        if any(table.since is not None for table in self.diff.tables):
            between = list(references([table.pair for table in self.diff.tables]))
            for side in SIDES:
                self._settle(side, between)

    def of(self, table: TableDiff, side: Side) -> Standing:
        """The rows of a table that only this side has."""
        return self.standing[table.name, side]

    def staying(self, table: TableDiff, side: Side) -> dict[int, str]:
        """Of the rows that only this side has, those that do not go to the other, and why."""
        found = self.of(table, side)
        return {row: found.whys[row] for row in found.rows(Fate.GONE, Fate.LOST, Fate.OPEN)}

    def _settle(self, side: Side, between: Sequence[Reference]) -> None:
        """Until nothing changes any more: what becomes of a parent depends on its children, and the other way."""
        links = [
            (reference, pairs)
            for reference in between
            if (pairs := list(self._pairs(reference, side))) or self._repointed(reference, side)
        ]
        news = True
        while news:
            steps = [self._step(reference, pairs, side) for reference, pairs in links]
            news = any(steps)

    def _pairs(self, reference: Reference, side: Side) -> Iterator[tuple[int, int]]:
        """Places of rows that only this side has: a child, and its parent."""
        parents = self._places(reference, side)
        children = _keys(self.diff[reference.child], side, reference.columns)
        for child, key in enumerate(children):
            if key in parents and (reference.child, child) != (reference.parent, parents[key]):
                yield child, parents[key]

    def _places(self, reference: Reference, side: Side) -> Mapping[str | None, int]:
        keys = _keys(self.diff[reference.parent], side, reference.parent_columns)
        return {key: row for row, key in enumerate(keys) if key is not None}

    def _repointed(self, reference: Reference, side: Side) -> bool:
        """Rows that both sides have and that refer to a parent which the other side deleted hold it back."""
        child, parents = self.diff[reference.child], self._places(reference, side)
        changed = child.changed(side)
        held = False
        for key in _keys_of(child.pair, changed, side, reference.columns) if parents and len(changed) else ():
            if key in parents:
                held = self._hold(reference, parents[key], side) or held
        return held

    def _step(self, reference: Reference, pairs: Sequence[tuple[int, int]], side: Side) -> bool:
        own, above = self.standing[reference.child, side], self.standing[reference.parent, side]
        other = other_side(side)
        news = False
        for child, parent in pairs:
            mine, theirs = own.fates[child], above.fates[parent]
            if theirs in (Fate.GONE, Fate.LOST) and mine in STAYING:
                news = self._hold(reference, parent, side) or news
                theirs = above.fates[parent]
            wanted = mine
            if theirs is Fate.OPEN and mine in (Fate.NEW, Fate.GONE, Fate.KEPT):
                wanted = Fate.OPEN
            elif theirs is Fate.KEPT and mine is Fate.GONE:
                wanted = Fate.KEPT
            if wanted is not mine:
                own.fates[child], news = wanted, True
                own.whys[child] = f"it belongs to a row of {reference.parent} that {other} deleted"
        return news

    def _hold(self, reference: Reference, parent: int, side: Side) -> bool:
        """A parent with a row that stays is not deleted. Whether that is news."""
        above = self.standing[reference.parent, side]
        if above.fates[parent] not in (Fate.GONE, Fate.LOST):
            return False
        kept = side_taken(self.policy, self.diff[reference.parent].pair) == side
        above.fates[parent] = Fate.KEPT if kept else Fate.OPEN
        other = other_side(side)
        above.whys[parent] = f"{other} deleted it, and rows of {reference.child} in {side} belong to it"
        return True


def _keys(table: TableDiff, side: Side, columns: Sequence[int]) -> list[str | None]:
    rows = table.alone(side)
    return _keys_of(table.pair, rows, side, columns) if len(rows) else []


def _keys_of(pair: TablePair, rows: RowSet, side: Side, columns: Sequence[int]) -> list[str | None]:
    parts: list[tuple[object, pa.Array]] = [(pair.columns[at].rule, rows.columns[at]) for at in columns]
    found = key_names(parts, side)  # type: ignore[arg-type]
    if len(columns) == 1:
        return found
    whole = zip(*(array.is_valid().to_pylist() for _, array in parts), strict=True)
    return [key if all(there) else None for key, there in zip(found, whole, strict=True)]
