"""What became of intent: outcomes, refusals, reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal

from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps.blocks import Verb
from syncnb.steps.clashes import Lost

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outcome", "Refusal", "Report"]

Status = Literal["applied", "refused", "already applied", "nothing to do", "unknown"]
COUNTS = ("inserted", "updated", "unchanged", "rejected", "deleted", "mapped")
IN_SIGHT = 10


class Refusal(Enum):
    """Why a row was not written. The value is the sentence that a person reads."""

    CHANGED = "the row has changed since the preview"
    GONE = "the row is gone"
    TAKEN = "the key, or a unique value, is taken by now"
    FORBIDDEN = "the database does not allow it"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row that was not simply written as planned."""

    step: int
    """The number of the block in the plan, from 1."""
    table: str
    key: str
    verb: Verb
    refusal: Refusal | None = None
    """None: it was written, but the database altered it (a trigger, rounding, a default)."""
    detail: str = ""
    """Planned and found, as a person reads them."""

    @property
    def sentence(self) -> str:
        return self.refusal.value if self.refusal else "written, and altered by the database"


@dataclass(frozen=True, repr=False)
class Report:
    """What one run of a plan did."""

    plan_id: str
    run: int | None
    """The run's number in the target's journal; None where nothing was to be done."""
    status: Status
    totals: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Table to inserted, updated, deleted, unchanged, rejected."""
    results: tuple[Outcome, ...] = ()
    """The rows that were refused, or altered by the database; the others were written as planned."""
    notes: tuple[str, ...] = ()
    """Sequences that were set forward, and what could not be."""
    guarantee: str = ""
    """What holds if the connection is lost at COMMIT, in a sentence."""
    digests: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Table to the digest of all its rows before the first write and after the last, `rows:digest`."""
    lost: tuple[Lost, ...] = ()
    """Values of the target that both sides had changed, and that were overwritten by decision."""
    conflicts: tuple[int, int] = (0, 0)
    """Rows that both sides had changed since they agreed: how many were decided, and how many are open."""

    @property
    def overwritten(self) -> "pd.DataFrame":
        """The overwritten values, a line each: table, key, column, lost, kept, why."""
        rows = [(each.table, each.key, each.column, each.lost, each.kept, each.why) for each in self.lost]
        return _frame(("table", "key", "column", "lost", "kept", "why"), rows, numbers=())

    @property
    def outcomes(self) -> "pd.DataFrame":
        """A line for each row of `results`: step, table, key, verb, outcome, detail."""
        rows = [(o.step, o.table, o.key, o.verb, o.sentence, o.detail) for o in self.results]
        return _frame(("step", "table", "key", "verb", "outcome", "detail"), rows, numbers=("step",))

    @property
    def counts(self) -> "pd.DataFrame":
        """A line a table: inserted, updated, unchanged, rejected, deleted, mapped."""
        rows = [(table, *(n.get(name, 0) for name in COUNTS)) for table, n in self.totals.items()]
        return _frame(("table", *COUNTS), rows, numbers=COUNTS)

    def _sheet(self) -> Sheet:
        run = "" if self.run is None else f"run {self.run}: "
        rows = [
            [Cell(table), *(Cell(str(n.get(name, 0)), "number") for name in COUNTS)]
            for table, n in self.totals.items()
        ]
        notes = [
            f"{o.table} {o.key} ({o.verb}): {o.sentence}. {o.detail}".rstrip()
            for o in self.results[:IN_SIGHT]
        ]
        more = len(self.results) - IN_SIGHT
        notes += [f"… {more:,} more: see .outcomes"] if more > 0 else []
        if self.lost:
            count = "1 value was" if len(self.lost) == 1 else f"{len(self.lost):,} values were"
            notes.append(f"{count} overwritten that both sides had changed: see .overwritten")
        return Sheet(f"{run}{self.status}", ("table", *COUNTS) if rows else (), rows, [*notes, *self.notes])

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def _frame(
    names: tuple[str, ...], rows: Sequence[tuple[object, ...]], *, numbers: tuple[str, ...]
) -> "pd.DataFrame":
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return frame(
        {
            name: pa.array(list(values), pa.int64() if name in numbers else pa.string())
            for name, values in zip(names, columns, strict=True)
        }
    )
