"""What a policy decides about the rows of one table that both sides have and that differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from syncnb.changes import TableDiff
from syncnb.errors import PlanError
from syncnb.resolving.by_time import by_time
from syncnb.resolving.policies import ByTime, InsertOnly, Policy, TablePolicy, Take, for_table

__all__ = ["Decisions", "decide"]


@dataclass(frozen=True)
class Decisions:
    """Who wins, row by row, in the order of the changed rows of a TableDiff."""

    winner: "np.ndarray[tuple[int], np.dtype[np.int8]]"
    """+1 local, -1 remote, 0 nobody."""
    open: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
    """Rows that still wait for a decision; a row may also be left as it is on purpose."""
    why: str | list[str]
    """One reason for all rows, or one a row."""
    by: str = ""
    """The policy in words, the same for all rows."""
    notes: tuple[str, ...] = ()
    """What to know about all rows, such as a threshold that had to be raised."""

    def __len__(self) -> int:
        return len(self.winner)

    def why_of(self, row: int) -> str:
        """The reason of one row."""
        return self.why if isinstance(self.why, str) else self.why[row]

    def held_back(self, rows: Mapping[int, str]) -> "Decisions":
        """The same, with these rows open, whatever was decided, for these reasons."""
        if not rows:
            return self
        winner, opened = self.winner.copy(), self.open.copy()
        whys = [rows.get(row, self.why_of(row)) for row in range(len(self))]
        for row in rows:
            winner[row], opened[row] = 0, True
        return Decisions(winner, opened, whys, self.by)


def decide(
    diff: TableDiff,
    policy: Policy | TablePolicy,
    *,
    clock_offset: timedelta = timedelta(0),
    now: datetime | None = None,
) -> Decisions:
    """Who wins in each changed row. Reads only what the diff holds.

    clock_offset: how far the clocks of the two sides are apart, as measured. now: the present moment, with
        a zone; stamps beyond it are not believed.

    Raises PlanError for what is no policy, and where `newest` cannot work for the whole table.
    """
    chosen = policy if isinstance(policy, ByTime) else for_table(policy, diff.pair)
    rows = len(diff.changed_local)
    if chosen is None:
        return _alike(rows, 0, "nobody decided", still_open=True)
    if isinstance(chosen, InsertOnly):
        return _alike(rows, 0, "insert_only: rows that differ stay as they are")
    if isinstance(chosen, Take):
        return _alike(rows, 1 if chosen.side == "local" else -1, f"take_{chosen.side}")
    present = datetime.now(UTC) if now is None else now
    if present.tzinfo is None:
        raise PlanError(f"now is {present}, without a zone", hint="pass datetime.now(UTC)")
    winner, why, notes = by_time(diff, chosen, abs(clock_offset), present)
    return Decisions(winner, winner == 0, why, f"newest({chosen.name!r})", notes)


def _alike(rows: int, winner: int, why: str, *, still_open: bool = False) -> Decisions:
    opened: np.ndarray[Any, Any] = np.full(rows, still_open, dtype=np.bool_)
    return Decisions(np.full(rows, winner, dtype=np.int8), opened, why, why.partition(":")[0])
