"""The damage that a REPLACE would do, as a value: rows lost, children moved, columns reset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from syncnb.rendering import Cell, Sheet, frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Damage", "Lost", "Orphan"]

COLUMNS = ("table", "id", "lost_row", "through", "children", "what", "lost_id", "reset")
IN_SIGHT = 20
NAMED = 3
"""Children of one fate that a line names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A row that referred to a lost one."""

    table: str
    id: str
    fate: str
    """`deleted`, `emptied` (its reference), `left without a parent`, or `moved`."""
    to: str = ""
    """What it belongs to then, where it was moved."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A row of the target that one row of the source would take away."""

    table: str
    id: str
    """The row that is put in."""
    lost_id: str
    lost_row: str
    """What the lost row is about, by its natural key."""
    through: tuple[str, ...]
    """The unique rules by which it has to go."""
    what: str
    """`another thing`, `the same thing under another id`, or `overwritten: …` with the columns."""
    children: tuple[Orphan, ...] = ()
    reset: tuple[str, ...] = ()
    """Columns that the source lacks, with the value they had and the one they get."""

    @property
    def children_lines(self) -> list[str]:
        """Its children by table and fate."""
        groups = groupby(sorted(self.children, key=_kind), key=_kind)
        return [_listed(*kind, [child.id for child in group]) for kind, group in groups]


def _kind(child: Orphan) -> tuple[str, str, str]:
    return child.table, child.fate, child.to


def _listed(table: str, fate: str, to: str, ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return f"{table} {', '.join(ids[:NAMED])}{more} {fate}{f' to {to}' if to else ''}"


@dataclass(frozen=True, repr=False)
class Damage:
    """What INSERT OR REPLACE would do to a target. Nothing of it was done."""

    source: str
    target: str
    rows: tuple[Lost, ...]
    put: int
    """How many rows of the source were put in, on the copy."""
    refused: tuple[tuple[str, str, str], ...] = ()
    """Rows that the database refuses: table, id, and what it says."""
    notes: tuple[str, ...] = ()
    """What this does not cover."""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A line a lost row: table, id, lost_row, through, children, what, lost_id, reset."""
        import pyarrow as pa

        columns = zip(*map(_line, self.rows), strict=True) if self.rows else ([] for _ in COLUMNS)
        return frame(
            {name: pa.array(list(values), pa.string()) for name, values in zip(COLUMNS, columns, strict=True)}
        )

    @cached_property
    def children(self) -> "pd.DataFrame":
        """A line a child: table, id, child_table, child_id, fate, to."""
        import pyarrow as pa

        names = ("table", "id", "child_table", "child_id", "fate", "to")
        lines = [
            (lost.table, lost.id, child.table, child.id, child.fate, child.to)
            for lost in self.rows
            for child in lost.children
        ]
        columns = zip(*lines, strict=True) if lines else ([] for _ in names)
        return frame(
            {name: pa.array(list(values), pa.string()) for name, values in zip(names, columns, strict=True)}
        )

    def _sheet(self) -> Sheet:
        resets = any(lost.reset for lost in self.rows)
        shown = [cells for lost in self.rows[:IN_SIGHT] for cells in _cells(lost, resets=resets)]
        headers = ("table", "id", "lost row", "through", "children", "what", *(["reset"] if resets else []))
        notes = [f"… {len(self.rows) - IN_SIGHT:,} more: see .frame"] if len(self.rows) > IN_SIGHT else []
        notes += [f"{table} {id_} is refused: {why}" for table, id_, why in self.refused[:IN_SIGHT]]
        more = len(self.refused) - IN_SIGHT
        notes += [f"… {more:,} more are refused: see .refused"] if more > 0 else []
        return Sheet(self._title(), headers if shown else (), shown, [*notes, *self.notes])

    def _title(self) -> str:
        gone = sum(lost.what == "another thing" for lost in self.rows)
        told = [
            f"{_counted(gone, 'row')} of another thing lost" if gone else "",
            f"{_counted(len(self.rows) - gone, 'row')} replaced" if len(self.rows) > gone else "",
            f"{len(self.refused):,} refused" if self.refused else "",
        ]
        what = ", ".join(filter(None, told)) or "nothing is lost"
        return f"INSERT OR REPLACE of {_counted(self.put, 'row')} of {self.source} into {self.target}: {what}"

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def _line(lost: Lost) -> tuple[str, ...]:
    through, reset = ", ".join(lost.through), "; ".join(lost.reset)
    return (
        lost.table,
        lost.id,
        lost.lost_row,
        through,
        "; ".join(lost.children_lines),
        lost.what,
        lost.lost_id,
        reset,
    )


def _counted(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count:,} {word}s"


def _cells(lost: Lost, *, resets: bool) -> Iterator[list[Cell]]:
    """A line for the row, its first children in it; one more for each further kind of children."""
    absent = Cell("", "absent")
    where = lost.lost_row if lost.lost_id in (lost.id, lost.lost_row) else f"{lost.lost_id} {lost.lost_row}"
    children = [Cell(line, "bad") for line in lost.children_lines] or [absent]
    after = [Cell("; ".join(lost.reset)) if lost.reset else absent] if resets else []
    yield [
        Cell(lost.table),
        Cell(lost.id, "key"),
        Cell(where, "bad" if lost.what == "another thing" else ""),
        Cell(", ".join(lost.through)),
        children[0],
        Cell(lost.what),
        *after,
    ]
    for more in children[1:]:
        yield [absent, absent, absent, absent, more, absent, *([absent] if resets else [])]
