"""The differing rows of one table as a source of a grid: local and remote side by side."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from syncnb.changes import ColumnPair, RowSet, TableDiff
from syncnb.changes.explaining import explanation
from syncnb.changes.keys import key_text
from syncnb.panels.grid.columns import Mask, holding, typed
from syncnb.panels.grid.shown import ABSENT, Heading, Line, Shown, shown_all, whole
from syncnb.panels.grid.view import Rows
from syncnb.values.kinds import Kind
from syncnb.values.raw import Raw
from syncnb.values.sides import Side

__all__ = ["Differences"]

STATES = ("changed", "only local", "only remote", "conflict")
"""As rows come; a conflict is a changed row that may be one thing or two."""
Part: TypeAlias = Literal["changed"] | Side
PARTS: tuple[Part, ...] = ("changed", "local", "remote")
"""The rows as they are stacked: those of both sides, then those of one."""
NUMBERS = (Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT, Kind.FLOAT4)


class Differences:
    """Changed rows, then rows that only one side has. Nothing is sorted or formatted before it is asked for."""

    def __init__(self, diff: TableDiff) -> None:
        self.diff = diff
        self.sizes = (len(diff.changed_local), len(diff.only_local), len(diff.only_remote))
        self.ends = np.cumsum(self.sizes)

    @property
    def title(self) -> str:
        return self.diff.name

    @property
    def choices(self) -> tuple[str, ...]:
        unsure = int(self.diff.conflicting.sum())
        sizes = (self.sizes[0] - unsure, *self.sizes[1:], unsure)
        return tuple(state for state, size in zip(STATES, sizes, strict=True) if size)

    @property
    def _states(self) -> Rows:
        """The state of every row, by its number in STATES."""
        states = np.repeat(np.arange(3), self.sizes)
        states[: self.sizes[0]][self.diff.conflicting] = 3
        return states

    def _state(self, row: int) -> str:
        code = int(np.searchsorted(self.ends, row, side="right"))
        return STATES[3] if code == 0 and self.diff.is_conflict(row) else STATES[code]

    def __len__(self) -> int:
        return int(self.ends[-1])

    @cached_property
    def _plan(self) -> list[tuple[Heading, int, Side | None]]:
        """Each column of the grid: its heading, the pair it shows, and the side; None: both in one."""
        pair = self.diff.pair
        found: list[tuple[Heading, int, Side | None]] = [
            (_heading(column, "", key=True), pair.columns.index(column), None) for column in pair.key
        ]
        found.append((Heading("state", role="state"), -1, None))
        rest = [at for at, column in enumerate(pair.columns) if column not in pair.key]
        for at in rest:
            if self.diff.cell_counts.get(pair.columns[at].name):
                found.append((_heading(pair.columns[at], "local"), at, "local"))
                found.append((_heading(pair.columns[at], "remote"), at, "remote"))
        # Columns in which no cell differs say which row it is: they come once, behind.
        found += [
            (_heading(pair.columns[at], ""), at, None)
            for at in rest
            if not self.diff.cell_counts.get(pair.columns[at].name)
        ]
        return found

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        return tuple(heading for heading, _, _ in self._plan)

    def lines(self, rows: Rows) -> list[Line]:
        states = np.searchsorted(self.ends, rows, side="right")
        columns = [self._cells(rows, states, *where[1:]) for where in self._plan]
        return [
            Line(int(row), self._state(int(row)), [column[at] for column in columns])
            for at, row in enumerate(rows)
        ]

    def _cells(self, rows: Rows, states: Rows, at: int, side: Side | None) -> list[Shown]:
        if at < 0:
            return [Shown(self._state(int(row))) for row in rows]
        cells = [ABSENT] * len(rows)
        for state, (there, mark) in enumerate(zip(PARTS, ("", "l", "r"), strict=True)):
            places = np.flatnonzero(states == state)
            values = self._rowset(there, side)
            if not len(places) or values is None:
                continue
            inside = rows[places] - (self.ends[state] - self.sizes[state])
            taken = shown_all(values.columns[at].take(pa.array(inside)), self.diff.pair.columns[at].rule)
            for place, row, cell in zip(places.tolist(), inside.tolist(), taken, strict=True):
                cells[place] = cell.marked(mark or self._mark(row, at, side))
        return cells

    @cached_property
    def _key_at(self) -> frozenset[int]:
        return frozenset(self.diff.pair.columns.index(column) for column in self.diff.pair.key)

    def _mark(self, row: int, at: int, side: Side | None) -> str:
        if at in self._key_at:
            return ""
        return "d" if side is not None and self.diff.differs[row, at] else "s"

    def _rowset(self, state: Part, side: Side | None) -> RowSet | None:
        """The rows of a state as one side has them; None where that side has none such."""
        diff = self.diff
        if state == "changed":
            return diff.changed(side or "local")
        return diff.alone(state) if side in (None, state) else None

    def _parts(self, at: int, side: Side | None) -> list[tuple[pa.Array, Side]]:
        """A column over all rows, in three parts; NULL where a side has no such row."""
        parts: list[tuple[pa.Array, Side]] = []
        for state, size in zip(PARTS, self.sizes, strict=True):
            rows = self._rowset(state, side)
            there = rows is not None and bool(rows.columns)
            array = rows.columns[at] if rows is not None and there else pa.nulls(size)
            parts.append((array, "remote" if "remote" in (side, state) else "local"))
        return parts

    def keys(self, at: int) -> Sequence[pa.Array]:
        _, column, side = self._plan[at]
        if column < 0:
            return [pa.array(self._states)]
        return [typed(self.diff.pair.columns[column].rule, self._parts(column, side))]

    def holding(self, text: str, at: int) -> Mask:
        _, column, side = self._plan[at]
        if column < 0:
            found = [text.casefold() in state for state in STATES]
            return np.array(found, dtype=np.bool_)[self._states]
        rule = self.diff.pair.columns[column].rule
        masks = [holding(array, text, rule) for array, _ in self._parts(column, side)]
        for state, mask in zip(PARTS, masks, strict=True):
            if self._rowset(state, side) is None:
                mask[:] = False  # no row is not NULL
        return np.concatenate(masks)

    def chosen(self, choice: str) -> Mask:
        return np.array([state == choice for state in STATES])[self._states]

    def about(self, row: int, at: int) -> list[tuple[str, str]]:
        heading, column, _ = self._plan[at]
        local, remote = self._sides(row)
        there = local or remote or ()
        pair = self.diff.pair
        key = key_text(pair, [there[pair.columns.index(part)] for part in pair.key]) if pair.key else ""
        if column < 0 or local is None or remote is None:
            state = self._state(row)
            only = [] if column < 0 else [(state, whole(there[column], pair.columns[column].rule))]
            count = int(self.diff.differs[row].sum()) if row < self.sizes[0] else 0
            said = f"{count} cells differ" if count else f"the row is {state}"
            return [("", " ".join(filter(None, [key, heading.name]))), *only, ("why", said)]
        rule = pair.columns[column].rule
        explained = explanation(pair, column, local, remote, self.diff.parents.get(pair.columns[column].name))
        told = [(side, whole(value[column], rule)) for side, value in (("local", local), ("remote", remote))]
        return [
            ("", " ".join(filter(None, [key, heading.name]))),
            *told,
            ("why", explained.why),
        ]

    def _sides(self, row: int) -> tuple[tuple[Raw, ...] | None, tuple[Raw, ...] | None]:
        state = int(np.searchsorted(self.ends, row, side="right"))
        at = int(row - (self.ends[state] - self.sizes[state]))
        diff = self.diff
        local = (diff.changed_local, diff.only_local, None)[state]
        remote = (diff.changed_remote, None, diff.only_remote)[state]
        return (None if local is None else local.row(at)), (None if remote is None else remote.row(at))


def _heading(column: ColumnPair, side: str, *, key: bool = False) -> Heading:
    types = {"local": column.local.type, "remote": column.remote.type}
    known = [types[side]] if side else list(dict.fromkeys(types.values()))
    numbers: Any = {column.local.kind, column.remote.kind} <= set(NUMBERS)
    return Heading(
        column.name, side, "key" if key else "value", bool(numbers), fact=" | ".join(filter(None, known))
    )
