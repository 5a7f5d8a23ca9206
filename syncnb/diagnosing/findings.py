"""Findings: what is wrong, where, the evidence, and a way out. Values; nothing in here reads a database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from syncnb.diagnosing.causes import CAUSES, Severity
from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps import Remedy
from syncnb.steps.remedies import REMEDIES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Certainty", "Evidence", "Finding", "Findings", "Spot", "finding"]

Certainty: TypeAlias = Literal["seen", "likely", "possible"]
"""seen: the database or the rows show it. likely: code and statement say so. possible: one of several."""

Value: TypeAlias = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of named columns: counts, blocking rows, facts of a catalogue."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()

    @property
    def frame(self) -> "pd.DataFrame":
        """The same as a DataFrame; a column is of text unless all its values are numbers or truths."""
        import pyarrow as pa

        return frame(
            {name: pa.array(*_typed([row[at] for row in self.rows])) for at, name in enumerate(self.columns)}
        )

    @property
    def records(self) -> list[dict[str, Value]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def __str__(self) -> str:
        """The first rows on one line."""
        shown = [
            ", ".join(
                f"{name} {'∅' if value is None else value}"
                for name, value in zip(self.columns, row, strict=True)
                if value != ""
            )
            for row in self.rows[:3]
        ]
        more = f"; … {len(self.rows) - 3} more" if len(self.rows) > 3 else ""
        return "; ".join(shown) + more


def _typed(values: list[Value]) -> tuple[list[Any], Any]:
    import pyarrow as pa

    there = [value for value in values if value is not None]
    for kind, arrow in ((bool, pa.bool_()), (int, pa.int64())):
        if there and all(type(value) is kind for value in there):
            return values, arrow
    return [None if value is None else str(value) for value in values], pa.string()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a line of a log points: one row, and what it is on both sides."""

    line: str
    row: str
    """`table:id`."""
    operation: str = ""
    local: str = ""
    """The thing that has this id in local, as a person knows it; empty where there is none."""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be."""

    cause: str
    """A name of the vocabulary."""
    where: str
    """The table, and the column, rule or row in it."""
    what: str
    """A sentence."""
    fix: str
    """The next move, as a sentence."""
    proof: Evidence = field(default_factory=Evidence)
    severity: Severity = "error"
    certainty: Certainty = "possible"
    remedies: tuple[Remedy, ...] = ()
    """The same as schema steps, where it takes any."""
    spot: Spot | None = None
    """The row that a line of a log names."""

    @property
    def gather(self) -> str:
        """What to look at to be sure."""
        return CAUSES[self.cause].gather

    @property
    def evidence(self) -> "pd.DataFrame":
        """What was looked at: counts, blocking rows, facts of the catalogue."""
        return self.proof.frame


def finding(
    cause: str,
    where: str = "",
    what: str = "",
    *,
    fix: str = "",
    proof: Evidence | None = None,
    certainty: Certainty = "possible",
    severity: Severity | None = None,
    remedies: Sequence[Remedy] = (),
) -> Finding:
    """A finding of that cause; what is not told comes from the vocabulary."""
    known = CAUSES[cause]
    return Finding(
        cause,
        where,
        what or known.sentence,
        fix or known.fix,
        proof or Evidence(),
        severity or known.severity,
        certainty,
        tuple(remedies),
    )


SPOT = ("line", "row", "operation", "local", "remote")
COLUMNS = ("severity", "cause", "where", "what", "evidence", "fix", "certainty")


@dataclass(frozen=True, repr=False)
class Findings:
    """What was found, best first. Empty, and so false, where nothing is wrong."""

    items: tuple[Finding, ...]
    about: str = ""
    """What was diagnosed, in a few words."""
    notes: tuple[str, ...] = ()
    """Choices that were made on the way, such as which table a short name means."""
    question: str = ""
    """What would decide, where it cannot be told."""

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: int) -> Finding:
        return self.items[at]

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """The schema steps of all findings, each once: columns and values before the rules that need them."""
        steps = dict.fromkeys(step for found in self.items for step in found.remedies)
        return tuple(sorted(steps, key=lambda step: list(REMEDIES).index(step.verb)))

    @property
    def frame(self) -> "pd.DataFrame":
        """A line a finding: severity, cause, where, what, evidence, fix, certainty."""
        import pyarrow as pa

        rows = list(map(_line, self.items))
        names = (*COLUMNS, *(SPOT if any(found.spot for found in self.items) else ()))
        return frame({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})

    def to_json(self) -> dict[str, Any]:
        """What `syncnb diagnose --json` prints."""
        told = [
            {
                **_line(found),
                "evidence": found.proof.records,
                "gather": found.gather,
                "steps": list(map(str, found.remedies)),
            }
            for found in self.items
        ]
        return {"findings": told, "notes": list(self.notes), "question": self.question or None}

    def _sheet(self) -> Sheet:
        spots = bool(self.items) and all(found.spot for found in self.items)
        headers = OF_A_LOG if spots else ("severity", "cause", "where", "what", "evidence", "fix")
        looks = {"error": "bad", "silent": "bad", "warning": "partial", "open": "partial"}
        rows = [
            [
                Cell(line[name], looks.get(line[name], LOOKS.get(name, "")) if line[name] else "absent")
                for name in headers
            ]
            for line in map(_line, self.items)
        ]
        title = f"{self.about}: {self._count()}" if self.about else self._count()
        notes = [*self.notes, *([f"cannot tell more: {self.question}"] if self.question else [])]
        return Sheet(title, headers if rows else (), rows, notes)

    def _count(self) -> str:
        if not self.items:
            return "nothing found"
        return "1 finding" if len(self.items) == 1 else f"{len(self.items)} findings"

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


OF_A_LOG = ("row", "operation", "local", "remote", "cause", "fix")
LOOKS = {"cause": "key", "local": "local", "remote": "remote"}


def _line(found: Finding) -> Mapping[str, str]:
    spot = {name: getattr(found.spot, name) for name in SPOT} if found.spot else {}
    return {
        **spot,
        "severity": found.severity,
        "cause": found.cause,
        "where": found.where,
        "what": found.what,
        "evidence": str(found.proof),
        "fix": found.fix,
        "certainty": found.certainty,
    }
