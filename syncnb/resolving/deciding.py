"""What is decided about the rows of one table that both sides have and that differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from syncnb.changes import TableDiff
from syncnb.errors import PlanError
from syncnb.resolving.by_time import bulk_notes, by_time
from syncnb.resolving.merging import asked, merged, part_of
from syncnb.resolving.policies import ByTime, InsertOnly, Policy, TablePolicy, Take, for_table
from syncnb.values.sides import of_side

__all__ = ["Decisions", "decide"]

Cells = np.ndarray[tuple[int, int], np.dtype[np.int8]]


@dataclass(frozen=True)
class Decisions:
    """Who wins, row by row, in the order of the changed rows of a TableDiff."""

    winner: "np.ndarray[tuple[int], np.dtype[np.int8]]"
    """What the policy says: +1 local, -1 remote, 0 nobody, or not asked."""
    open: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    """Rows that still wait for a decision; a row may also be left as it is on purpose."""
    why: str | list[str]
    """One reason for all rows, or one a row."""
    by: str = ""
    """The policy in words, the same for all rows."""
    notes: tuple[str, ...] = ()
    """What to know about all rows, such as a threshold that had to be raised."""
    cells: Cells | None = field(default=None, repr=False)
    """The same cell by cell, where a base tells who changed what; None: a row goes as a whole."""

    def __len__(self) -> int:
        return len(self.winner)

    @cached_property
    def _whole(self) -> Cells:
        return self.winner[:, None]

    def taken(self, side: int) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
        """The cells that this side (+1 local, -1 remote) wins; one column for all where rows go as a whole."""
        found: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = (
            self._whole if self.cells is None else self.cells
        ) == side
        return found

    def why_of(self, row: int) -> str:
        """The reason of one row."""
        return self.why if isinstance(self.why, str) else self.why[row]

    def held_back(self, rows: Mapping[int, str]) -> "Decisions":
        """The same, with these rows open, whatever was decided, for these reasons."""
        if not rows:
            return self
        winner, opened = self.winner.copy(), self.open.copy()
        whys = [rows.get(row, self.why_of(row)) for row in range(len(self))]
        cells = None if self.cells is None else self.cells.copy()
        for row in rows:
            winner[row], opened[row] = 0, True
            if cells is not None:
                cells[row] = 0
        return replace(self, winner=winner, open=opened, why=whys, cells=cells)


def decide(
    diff: TableDiff,
    policy: Policy | TablePolicy,
    *,
    clock_offset: timedelta = timedelta(0),
    now: datetime | None = None,
) -> Decisions:
    """Who wins in each changed row. Reads only what the diff holds.

    Where a base tells who changed what, only cells that both sides changed, and those of which nobody remembers
    what they were, are the policy's; the others go from the side that changed them.

    clock_offset: how far the clocks of the two sides are apart, as measured. now: the present moment, with
        a zone; stamps beyond it are not believed.

    Raises PlanError for what is no policy, and where `newest` cannot work for the whole table.
    """
    chosen = policy if isinstance(policy, ByTime) else for_table(policy, diff.pair)
    if diff.since is None or isinstance(chosen, InsertOnly):
        return _by_policy(diff, chosen, clock_offset, now)
    rows = asked(diff)
    told = _by_policy(part_of(diff, rows), chosen, clock_offset, now)
    winner = np.zeros(len(rows), dtype=np.int8)
    opened = np.zeros(len(rows), dtype=np.bool_)
    winner[rows], opened[rows] = told.winner, told.open
    reasons = [""] * len(rows)
    for place, row in enumerate(np.flatnonzero(rows).tolist()):
        both = "both sides changed it: " if diff.clash[row].any() else ""
        reasons[row] = both + told.why_of(place)
    cells, whys = merged(diff, winner, opened, reasons)
    return Decisions(winner, opened, whys, told.by, told.notes, cells)


def _by_policy(
    diff: TableDiff, chosen: TablePolicy, clock_offset: timedelta, now: datetime | None
) -> Decisions:
    rows = len(diff.changed_local)
    if chosen is None:
        return _alike(rows, 0, "nobody decided", still_open=True)
    if isinstance(chosen, InsertOnly):
        return _alike(rows, 0, "insert_only: rows that differ stay as they are")
    if isinstance(chosen, Take):
        return _alike(rows, of_side(chosen.side, 1, -1), f"take_{chosen.side}")
    present = datetime.now(UTC) if now is None else now
    if present.tzinfo is None:
        raise PlanError(f"now is {present}, without a zone", hint="pass datetime.now(UTC)")
    winner, why, notes = by_time(diff, chosen, abs(clock_offset), present)
    notes += bulk_notes(diff, chosen)
    return Decisions(winner, winner == 0, why, f"newest({chosen.name!r})", notes)


def _alike(rows: int, winner: int, why: str, *, still_open: bool = False) -> Decisions:
    opened: np.ndarray[Any, Any] = np.full(rows, still_open, dtype=np.bool_)
    return Decisions(np.full(rows, winner, dtype=np.int8), opened, why, why.partition(":")[0])
