"""Three-way: what only one side changed flows, different columns merge, and the policy has the rest.

base   local   remote            base   local   remote
 a       b       a      → b       a       b       c      → a conflict: the policy's, else open
 a       a       b      → b       a       ∅       a      → deleted
 a       b       b      → b       a       ∅       b      → a conflict: deleted against changed
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.changes import RowSet, TableDiff
from syncnb.resolving.policies import Policy, side_taken
from syncnb.values.sides import Side

__all__ = ["Alone", "Fate", "alone", "asked", "merged", "part_of"]

Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]
Cells = np.ndarray[tuple[int, int], np.dtype[np.int8]]


def asked(diff: TableDiff) -> Rows:
    """Which changed rows have a cell that the base does not decide: all of them where there is none."""
    since = diff.since
    if since is None:
        return np.ones(len(diff.differs), dtype=np.bool_)
    part = since.part("changed")
    untold = diff.differs & (since.untold[part] | ~since.known[part][:, None])
    found: Rows = np.asarray((diff.clash | untold).any(axis=1))
    return found


def part_of(diff: TableDiff, rows: Rows) -> TableDiff:
    """The same table with only these of its changed rows."""
    take = pa.array(np.flatnonzero(rows))
    ours, theirs = (
        RowSet(tuple(column.take(take) for column in side.columns))
        for side in (diff.changed_local, diff.changed_remote)
    )
    return replace(diff, changed_local=ours, changed_remote=theirs, differs=diff.differs[rows], since=None)


def merged(
    diff: TableDiff, winner: "np.ndarray[Any, Any]", opened: Rows, why: list[str]
) -> tuple[Cells, list[str]]:
    """The winner of each differing cell (+1 local, -1 remote, 0 nobody) and why, from the winner of each row.

    An open row has no winner in any of its cells: its columns may belong together.
    """
    since = diff.since
    cells: Cells = (winner[:, None] * diff.differs).astype(np.int8)
    if since is None:
        return cells, why
    part = since.part("changed")
    told = diff.differs & ~since.untold[part] & since.known[part][:, None] & ~diff.clash
    ours, theirs = since.local[part], since.remote[part]
    cells = np.where(told, np.where(ours, 1, np.where(theirs, -1, 0)), cells).astype(np.int8)
    cells[opened] = 0
    words = since.words(diff.differs)
    reasons = [
        reason if policy else WHY[word]
        for reason, policy, word in zip(why, asked(diff).tolist(), words, strict=True)
    ]
    return cells, reasons


WHY = {
    "": "",
    "local": "changed only in local since both agreed",
    "remote": "changed only in remote since both agreed",
    "both": "each side changed other columns",
    "neither": "the difference was accepted",
}


class Fate(Enum):
    """What becomes of a row that only one side has."""

    NEW = "it is only there"
    """Nobody remembers it on the other side: it arrives there."""
    GONE = "the other side deleted it"
    """It was not changed here since: it goes here too."""
    KEPT = "the other side deleted it, and it was changed here: this one counts"
    LOST = "the other side deleted it, and it was changed here: the deletion counts"
    OPEN = "the other side deleted it, and it was changed here"


@dataclass(frozen=True, slots=True)
class Alone:
    """The rows of one table that only one side has."""

    fates: tuple[Fate, ...]
    by: str = ""
    """The policy that decided, in words."""

    def where(self, *fates: Fate) -> tuple[int, ...]:
        """The places of the rows with one of these fates."""
        return tuple(row for row, fate in enumerate(self.fates) if fate in fates)


def alone(diff: TableDiff, policy: Policy, side: Side) -> Alone:
    """What becomes of the rows that only this side has. Without a base all of them may be new.

    A deletion has no stamp: of it against a change only `take_local` and `take_remote` decide.
    """
    count = len(diff.alone(side))
    if diff.since is None:
        return Alone((Fate.NEW,) * count)
    taken = side_taken(policy, diff.pair)
    conflict, by = Fate.OPEN, ""
    if taken is not None:
        conflict, by = (Fate.KEPT if taken == side else Fate.LOST), f"take_{taken}"
    gone, touched = diff.since.gone(side)
    return Alone(
        tuple(
            conflict if changed else Fate.GONE if deleted else Fate.NEW
            for deleted, changed in zip(gone.tolist(), touched.tolist(), strict=True)
        ),
        by,
    )
