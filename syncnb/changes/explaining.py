"""Why one cell is the same or not, with everything that the answer rests on."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncnb.changes.ids import Ids, names
from syncnb.changes.keys import key_text
from syncnb.changes.pairs import ColumnPair, TablePair
from syncnb.rendering import Cell, Sheet
from syncnb.values.raw import Raw, from_python
from syncnb.values.reading import as_text, canonical_text, storage_class, why
from syncnb.values.rules import Answer, judge

__all__ = ["Explanation", "Held", "explanation"]

Row = Sequence[Raw] | None


@dataclass(frozen=True, slots=True)
class Held:
    """One side of a cell."""

    value: str
    storage: str
    """What the store holds: integer, real, text, blob, boolean or NULL."""
    declared: str
    """The type that the column promises."""
    canonical: str
    """The form in which it is compared."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one cell is the same or not: both sides of it, the answer and the rule."""

    table: str
    key: str
    column: str
    local: Held
    remote: Held
    same: bool
    why: str
    rule: str

    def _sheet(self) -> Sheet:
        sides = (self.local, self.remote)
        rows = [
            [Cell("value"), Cell(self.local.value, "local"), Cell(self.remote.value, "remote")],
            [Cell("held as"), *(Cell(side.storage) for side in sides)],
            [Cell("declared"), *(Cell(side.declared or "no type") for side in sides)],
            [Cell("compared as"), *(Cell(side.canonical) for side in sides)],
        ]
        title = f"{self.table} {self.key}, {self.column}: {'same' if self.same else 'different'} ({self.why})"
        return Sheet(title, ("cell", "local", "remote"), rows, [f"rule: {self.rule}"])

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def explanation(pair: TablePair, at: int, local: Row, remote: Row, parent: Ids | None = None) -> Explanation:
    """Why the cell in column `at` of this row (None where a side lacks it) is the same or not.

    `parent` are the ids of the table that the column refers to, where some of them are not the same on both sides.
    """
    column = pair.columns[at]
    ours, theirs = (None if row is None else row[at] for row in (local, remote))
    there = local or remote or ()
    answer, reason = _judged(column, ours, theirs) if parent is None else _led(column, ours, theirs, parent)
    if local is None or remote is None:
        answer, reason = Answer.DIFFERENT, f"{'local' if local is None else 'remote'} has no such row"
    return Explanation(
        table=pair.name,
        key=key_text(pair, [there[pair.columns.index(part)] for part in pair.key]),
        column=column.name,
        local=_held(column, ours, column.local.type, canonical_text(column.rule, ours, "local")),
        remote=_held(column, theirs, column.remote.type, canonical_text(column.rule, theirs, "remote")),
        same=answer is Answer.SAME,
        why=reason,
        rule=(type(column.rule).__doc__ or "").partition("\n")[0],
    )


def _judged(column: ColumnPair, ours: Raw, theirs: Raw) -> tuple[Answer, str]:
    reason = why(column.rule, ours, theirs)
    answer = judge(column.rule, ours, theirs, column.tolerance)
    if answer is Answer.SAME and judge(column.rule, ours, theirs) is not Answer.SAME:
        reason = f"within the tolerance of {column.tolerance}: {reason}"
    return answer, reason


def _led(column: ColumnPair, ours: Raw, theirs: Raw, parent: Ids) -> tuple[Answer, str]:
    """A reference is the same where it leads to the same thing."""
    here = names(column.rule, from_python([ours]), "local")
    there, lost = parent.across(here, "local")
    wanted = names(column.rule, from_python([theirs]), "remote")
    if here.equals(there):
        return _judged(column, ours, theirs)
    if lost[0] or not there.equals(wanted):
        return Answer.DIFFERENT, f"local {as_text(ours)} and remote {as_text(theirs)} are different things"
    return Answer.SAME, f"local {as_text(ours)} is remote {as_text(theirs)}: the same thing"


def _held(column: ColumnPair, value: Raw, declared: str, canonical: str) -> Held:
    return Held(as_text(value, column.rule), storage_class(value), declared, canonical)
