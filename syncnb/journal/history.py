"""What was done to a database: its runs, and the report of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError
from syncnb.journal.open_runs import how_it_stands
from syncnb.journal.reading import both_journals
from syncnb.journal.recording import Run, report_texts, runs
from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps import Report
from syncnb.steps.codec import parse
from syncnb.steps.forms import report_from_json
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Runs", "history"]

COUNTS = ("records", "inserted", "updated", "deleted", "conflicts_resolved", "conflicts_open")
STAMPS = ("started", "finished")
COLUMNS = (
    "run", "source", "status", "started", "finished", "records", "inserted", "updated", "deleted",
    "conflicts_resolved", "conflicts_open", "caller", "error", "kind", "undo_of", "approved_by", "purged",
    "backlog", "backlog_since",
)  # fmt: skip
IN_SHEET = (*COLUMNS[:3], "started", "records", "inserted", "updated", "deleted", "caller", "error")
IN_SIGHT = 20
LOOKS = {"success": "good", "refused": "partial", "failed": "bad", "unknown": "bad"}


@dataclass(frozen=True, repr=False)
class Runs(Mapping[int, Report]):
    """The runs of one database, by number: `history(store)[12]` is that run's report, `.frame` a line a run.

    A fact of when it was read: later runs do not appear in it.
    """

    store: str
    """The store's name."""
    runs: tuple[Run, ...]
    reports: Mapping[int, str | None] = field(repr=False)
    """Their reports in JSON."""
    open: Mapping[int, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Of runs that had not ended: what was known, and the next move."""

    def __getitem__(self, run: int) -> Report:
        if run not in self.reports:
            known = f"runs here: {_span([each.run for each in self.runs])}"
            raise PlanError(f"there is no run {run} in {self.store}", hint=known)
        report = self.reports[run]
        if report is None and run in self.open:
            what, move = self.open[run]
            raise PlanError(f"no report yet: {what}", hint=move)
        if report is None:
            status = next(each.status for each in self.runs if each.run == run)
            raise PlanError(
                f"run {run} has no report: it is {status!r}",
                hint="its line in .frame says what is known; apply its plan again to settle it",
            )
        return report_from_json(parse(report))

    def __contains__(self, run: object) -> bool:
        return run in self.reports

    def __iter__(self) -> Iterator[int]:
        return (run.run for run in self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A line a run, the first first; stamps are UTC."""
        import pyarrow as pa

        numbers = {*COUNTS, "run", "undo_of", "backlog"}

        def column(name: str) -> Any:
            values = [getattr(run, name) for run in self.runs]
            if name in numbers:
                return pa.array(values, pa.int64())
            if name in (*STAMPS, "purged", "backlog_since"):
                return pa.array(values, pa.timestamp("us", "UTC"))
            return pa.array(values, pa.string())

        return frame({name: column(name) for name in COLUMNS})

    def _sheet(self) -> Sheet:
        if not self.runs:
            return Sheet(f"{self.store}: no runs yet", (), ())
        shown = self.runs[-IN_SIGHT:]
        rows = [[_cell(name, getattr(run, name)) for name in IN_SHEET] for run in shown]
        notes = [f"… {hidden:,} earlier: see .frame"] if (hidden := len(self.runs) - len(shown)) else []
        notes += [f"run {run.run} takes back run {run.undo_of}" for run in shown if run.undo_of]
        notes += [f"{what}; {move}" for run, (what, move) in self.open.items() if run >= shown[0].run]
        if gone := [run.run for run in self.runs if run.purged]:
            notes.append(f"no longer to be undone, their images were purged: {_span(gone)}")
        runs = "1 run" if len(self.runs) == 1 else f"{len(self.runs):,} runs"
        return Sheet(f"{self.store}: {runs}", IN_SHEET, rows, notes)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


@one_conversation
def history(store: Store) -> Runs:
    """The runs of a database, as its journal has them: `.frame`, and `history(store)[12]` for a report.

    Reads only, in any kernel; where there is no journal there are no runs.
    """
    found: list[Run] = []
    reports: dict[int, str | None] = {}
    for connection in both_journals(store):
        found += runs(connection)
        reports |= report_texts(connection)
    left = {run.run: told for run in found if (told := how_it_stands(run))}
    return Runs(store.name, tuple(found), reports, left)


def _cell(name: str, value: Any) -> Cell:
    if value is None:
        return Cell("", "absent")
    if name in STAMPS:
        return Cell(f"{value:%Y-%m-%d %H:%M:%S}Z")
    return Cell(str(value), "number" if name in (*COUNTS, "run") else LOOKS.get(str(value), ""))


def _span(numbers: list[int]) -> str:
    if len(numbers) <= 12:
        return ", ".join(map(str, numbers)) or "none"
    return f"{', '.join(map(str, numbers[:5]))}, … {numbers[-1]} ({len(numbers)} in all)"
