"""Same id or same thing? Rows of one table matched by what they are, where their ids do not say it.

    by key, row by row                 the pools                      by natural key
    378 shared.example ─┐
    378 remote-only    ─┴─ apart ──►  local  378 shared.example ──┐   378 ↔ 379: one thing, a twin
    379 shared.example ── only ────►  remote 378 remote-only      │   378 ≠ 378: an id collision
                                      remote 379 shared.example ──┘

Rows that agree in key and natural key never get here. A reference counts as the same where it leads
to the same thing, so parents are matched before their children.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import Ids, TablePair
from syncnb.changes.ids import Rows, names
from syncnb.comparing.joining import codes, join_codes
from syncnb.comparing.remembering import TableBase
from syncnb.values.arrays import mask
from syncnb.values.columns import Cells, compare
from syncnb.values.sides import Side

__all__ = ["Columns", "Entities", "Known", "Numbers"]

Columns = Sequence[pa.Array]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
MEANINGLESS = "meaningless"


@dataclass(frozen=True, slots=True)
class Known:
    """Pairs of ids (as names) that a journal keeps: the same thing, whatever the rows say."""

    local: pa.Array = field(default_factory=lambda: pa.nulls(0, pa.string()))
    remote: pa.Array = field(default_factory=lambda: pa.nulls(0, pa.string()))

    def __len__(self) -> int:
        return len(self.local)


class Entities:
    """How the rows of one table are told apart and matched."""

    def __init__(
        self,
        pair: TablePair,
        told: str | Mapping[object, str],
        ids: Mapping[str, Ids],
        known: Known,
        base: TableBase | None = None,
    ) -> None:
        self.pair, self.known, self.base = pair, known, base
        self.meaningless = told == MEANINGLESS
        self.words = {str(each): word for each, word in told.items()} if isinstance(told, Mapping) else {}
        self.key_at = [pair.columns.index(column) for column in pair.key]
        self.natural_at = [pair.columns.index(column) for column in pair.natural]
        self.links = {pair.columns.index(link.column): ids.get(link.parent, Ids()) for link in pair.links}
        self.moved = {at: parent for at, parent in self.links.items() if len(parent)}

    @property
    def concerned(self) -> bool:
        """Whether rows with the same key may be different things here."""
        if self.pair.surrogate:
            return bool(self.natural_at or len(self.known))
        return any(at in self.moved for at in self.key_at)

    def cells(self, at: int, local: pa.Array, remote: pa.Array) -> Cells:
        """One column of rows side by side. A reference is the same where it leads to the same thing."""
        column = self.pair.columns[at]
        if at not in self.moved:
            return compare(column.rule, local, remote, column.tolerance)
        ours, theirs = names(column.rule, local, "local"), names(column.rule, remote, "remote")
        there, lost = self.moved[at].across(ours, "local")
        same = mask(pc.equal(there, theirs)) | (mask(local.is_null()) & mask(remote.is_null()))
        same &= ~lost
        mapped = int((same & ~mask(pc.fill_null(pc.equal(ours, theirs), True))).sum())  # noqa: FBT003
        return Cells(~same, np.zeros(len(local), dtype=np.bool_), mapped)

    def apart(self, local: Columns, remote: Columns) -> Rows:
        """Which rows with the same key are not known to be the same thing."""
        apart: Rows = np.zeros(len(local[0]), dtype=np.bool_)
        if not self.concerned:
            return apart
        if not self.pair.surrogate:
            for at in self.key_at:
                if at in self.moved:
                    apart |= self.cells(at, local[at], remote[at]).differs
            return apart
        for at in self.natural_at:
            apart |= self.cells(at, local[at], remote[at]).differs
        if len(self.known):
            ids = self.ids(local, "local")
            apart |= mask(pc.is_in(ids, value_set=self.known.local))
            apart |= mask(pc.is_in(ids, value_set=self.known.remote))
        return apart

    def ids(self, columns: Columns, side: Side) -> pa.Array:
        """The surrogate ids of these rows, as names."""
        at = self.key_at[0]
        return names(self.pair.columns[at].rule, columns[at], side)

    def joined(
        self, columns: Sequence[int], local: Columns, remote: Columns, *, nulls: bool = False
    ) -> tuple[Numbers, Numbers, dict[Side, Rows]]:
        """Which rows have the same values in these columns, and which of a side have them twice."""
        ours, theirs, usable_here, usable_there = (
            [],
            [],
            np.ones(len(local[0]), bool),
            np.ones(len(remote[0]), bool),
        )
        for at in columns:
            left, right, lost = self._canonical(at, local[at], remote[at])
            ours.append(left)
            theirs.append(right)
            usable_here &= ~lost
            if not nulls:
                usable_here &= ~mask(local[at].is_null())
                usable_there &= ~mask(remote[at].is_null())
        return join_codes(*codes(ours, theirs), usable_here, usable_there)

    def _canonical(self, at: int, local: pa.Array, remote: pa.Array) -> tuple[pa.Array, pa.Array, Rows]:
        """A column of both sides in one form, and which local rows refer to what remote does not have."""
        rule = self.pair.columns[at].rule
        lost: Rows = np.zeros(len(local), dtype=np.bool_)
        if at in self.moved:
            there, lost = self.moved[at].across(names(rule, local, "local"), "local")
            return there, names(rule, remote, "remote"), lost
        both = rule.pair(local, remote)
        if both is None:
            return names(rule, local, "local"), names(rule, remote, "remote"), lost
        return *both, lost
