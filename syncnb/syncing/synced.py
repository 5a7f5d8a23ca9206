"""What one sync did, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps import Proof, Report

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Synced", "Waiting", "line_of"]

IN_SIGHT = 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that did not reach its end, and why."""

    table: str
    key: str
    why: str


@dataclass(frozen=True, repr=False)
class Synced:
    """What a sync did in one direction or both; true where nothing is left open and every proof holds."""

    number: int
    """The number of its run in the target's journal (of the first, where it wrote into both)."""
    direction: str
    caller: str
    records: int
    """Pending changes that reached their end (written, mapped, or equal already), and rows written besides."""
    resolved: int
    """Rows that both sides had changed since they agreed, and that a policy decided."""
    open: tuple[Waiting, ...]
    """Rows that wait for a person."""
    backlog: int
    """Pending changes that are left."""
    backlog_since: datetime | None
    """When the oldest of them was made."""
    reports: tuple[Report, ...]
    proofs: tuple[Proof, ...]
    notes: tuple[str, ...] = ()
    """How it was compared, what was found besides."""
    refused: bool = False
    """Whether nothing was written, because rows cannot be."""
    payload: bool = False
    """Whether rows came from outside: then those that were the same already are counted too."""

    def __bool__(self) -> bool:
        return not self.open and all(self.proofs)

    @property
    def line(self) -> str:
        """The line that is logged."""
        if self.refused:
            rows = "1 row" if len(self.open) == 1 else f"{len(self.open):,} rows"
            return f"Sync #{self.number} refused: {rows} rejected, nothing written (caller: {self.caller})"
        return line_of(self.number, self.records, self.resolved, len(self.open), self.caller)

    @property
    def counts(self) -> "pd.DataFrame":
        """A line a table: inserted, updated, unchanged, rejected, deleted, mapped."""
        import pyarrow as pa

        totals = _totals(self.reports)
        columns: dict[str, Any] = {"table": pa.array(list(totals), pa.string())}
        for name in ("inserted", "updated", "unchanged", "rejected", "deleted", "mapped"):
            columns[name] = pa.array([n.get(name, 0) for n in totals.values()], pa.int64())
        return frame(columns)

    @cached_property
    def waiting(self) -> "pd.DataFrame":
        """The open rows, a line each: table, key, why."""
        import pyarrow as pa

        return frame(
            {
                name: pa.array([getattr(each, name) for each in self.open], pa.string())
                for name in ("table", "key", "why")
            }
        )

    def _sheet(self) -> Sheet:
        totals = _totals(self.reports)
        shown = OF_PAYLOAD if self.payload else COUNTS
        shown += tuple(
            name for name in COUNTS if name not in shown and any(n.get(name) for n in totals.values())
        )
        rows = [
            [Cell(table), *(Cell(f"{n.get(name, 0):,}", "number") for name in shown)]
            for table, n in totals.items()
        ]
        notes = [f"{each.table} {each.key} is open: {each.why}" for each in self.open[:IN_SIGHT]]
        notes += [f"… {len(self.open) - IN_SIGHT:,} more: see .waiting"] if len(self.open) > IN_SIGHT else []
        if self.backlog:
            since = f", the oldest since {self.backlog_since:%Y-%m-%d %H:%M}Z" if self.backlog_since else ""
            notes.append(f"{self.backlog:,} pending changes are left{since}")
        failed = [line for proof in self.proofs for line in proof.failed]
        notes += [f"not as it was written: {line.what}: {line.found}" for line in failed]
        return Sheet(self.line, ("table", *shown) if rows else (), rows, [*notes, *self.notes])

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


COUNTS: tuple[str, ...] = ("inserted", "updated", "deleted", "mapped", "rejected")
OF_PAYLOAD: tuple[str, ...] = ("inserted", "updated", "unchanged", "rejected")


def _totals(reports: Sequence[Report]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for report in reports:
        for table, counts in report.totals.items():
            there = totals.setdefault(table, {})
            for name, count in counts.items():
                there[name] = there.get(name, 0) + count
    return totals


def line_of(number: int, records: int, resolved: int, waiting: int, caller: str) -> str:
    """`Sync #2 completed: 6 records, 0 conflicts resolved (caller: force_sync:MainThread)`."""
    line = f"Sync #{number} completed: {records} records, {resolved} conflicts resolved (caller: {caller})"
    return f"{line}, {waiting} open" if waiting else line
