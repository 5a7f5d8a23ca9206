"""What was confirmed after a run: expectations and a proof, line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from syncnb.rendering import Cell, Sheet, frame
from syncnb.steps.rolls import RollCall

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Complete", "ConflictTarget", "Count", "Expectation", "HasRow", "Line", "NoneLost", "Proof", "Unique",
    "complete", "conflict_target", "count", "none_lost", "row", "unique",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Complete:
    """No row of a table lacks a value in a column."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows of a table have the same key; NULL counts as a value."""

    table: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConflictTarget:
    """An upsert by these columns finds its unique rule, and NULL equals NULL under it."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """A table has so many rows."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class HasRow:
    """There is exactly one row with these values, and it has those too."""

    table: str
    where: tuple[tuple[str, Any], ...]
    values: tuple[tuple[str, Any], ...]
    says: str = ""


@dataclass(frozen=True, slots=True)
class NoneLost:
    """Every thing of a roll call is still there, under the parent that it had."""

    before: RollCall


MARKS: dict[bool | None, tuple[str, str]] = {True: ("✓", "good"), False: ("✗", "bad"), None: ("·", "partial")}

Expectation: TypeAlias = Complete | ConflictTarget | Unique | Count | HasRow | NoneLost


def complete(table: str, column: str) -> Complete:
    """Expect that every row has a value in this column."""
    return Complete(table, column)


def unique(table: str, key: str | Sequence[str]) -> Unique:
    """Expect that no two rows agree in these columns."""
    return Unique(table, (key,) if isinstance(key, str) else tuple(key))


def conflict_target(table: str, columns: str | Sequence[str]) -> ConflictTarget:
    """Expect that `ON CONFLICT (columns)` finds a unique rule, under which no two rows with NULL are let through."""
    return ConflictTarget(table, (columns,) if isinstance(columns, str) else tuple(columns))


def count(table: str, rows: int) -> Count:
    """Expect so many rows."""
    return Count(table, rows)


def row(
    table: str, where: Mapping[str, Any], values: Mapping[str, Any] | None = None, *, says: str = ""
) -> HasRow:
    """Expect exactly one row with the values of `where`, and that it has `values` as well.

    says: what the proof calls it, such as "Host updated correctly (newer timestamp used)".
    """
    return HasRow(table, tuple(where.items()), tuple((values or {}).items()), says)


def none_lost(before: RollCall) -> NoneLost:
    """Expect that every thing of an earlier `sn.roll_call` is still there, by name and under its parent."""
    return NoneLost(before)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    ok: bool | None
    """None: it cannot be held against the run, as rows that others have changed since."""
    what: str
    expected: str
    found: str


@dataclass(frozen=True, repr=False)
class Proof:
    """What was found on reading again. False where a line fails: `assert proof, proof`."""

    lines: tuple[Line, ...]

    def __bool__(self) -> bool:
        return not self.failed

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, part: slice) -> "Proof":
        """Some of its lines, as a proof of their own: `proof[-3:]`."""
        return Proof(self.lines[part])

    @property
    def failed(self) -> tuple[Line, ...]:
        """The lines that do not hold."""
        return tuple(line for line in self.lines if line.ok is False)

    @property
    def frame(self) -> "pd.DataFrame":
        """A line for each thing that was looked at: ok, what, expected, found."""
        import pyarrow as pa

        columns = {
            name: pa.array(
                [getattr(line, name) for line in self.lines], pa.bool_() if name == "ok" else pa.string()
            )
            for name in ("ok", "what", "expected", "found")
        }
        return frame(columns)

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(*MARKS[line.ok]),
                *map(Cell, (line.what, line.expected, line.found)),
            ]
            for line in self.lines
        ]
        open_lines = sum(line.ok is None for line in self.lines)
        title = (
            f"proof: {len(self.failed)} of {len(self.lines)} lines fail"
            if self.failed
            else f"proof: no line fails, {open_lines} cannot be told"
            if open_lines
            else "proof: every line holds"
        )
        return Sheet(title, ("ok", "what", "expected", "found") if rows else (), rows)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()
