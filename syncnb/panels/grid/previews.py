"""A plan as a source of a grid: a line a cell, what is decided about it, and the edits made so far."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.panels.grid.columns import Mask, holding, texts
from syncnb.panels.grid.edits import Edits
from syncnb.panels.grid.plan_lines import Part, parts_of
from syncnb.panels.grid.shown import ABSENT, Heading, Line, Shown, shown, whole
from syncnb.panels.grid.view import Rows
from syncnb.planning import Plan
from syncnb.planning.parsing import column_of
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import NULL, as_text

__all__ = ["Preview"]

HEADINGS = (
    Heading("table", role="key"),
    Heading("key", role="key"),
    Heading("column", role="key"),
    Heading("before", role="before"),
    Heading("after", role="after", editable=True),
    Heading("decision", role="decision"),
    Heading("reason", role="word", editable=True),
    Heading("verb", role="word"),
    Heading("why", role="word"),
    Heading("hazard", role="word"),
)
TABLE, KEY, COLUMN, BEFORE, AFTER, DECISION, REASON, VERB, WHY, HAZARD = range(len(HEADINGS))
CHOICES = ("apply", "open", "keep", "edited")
MARKS = {"open": "u", "keep": "s"}


class Preview:
    """The lines of `p.preview()`, in its order, with the decisions of a person over them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.parts = parts_of(plan)
        self.starts = np.array([part.start for part in self.parts], dtype=np.int64)
        self.edits = Edits()
        self.alike: dict[str, dict[str, int]] = {}
        """Table to the keys that more than one of its rows read; looked for when first needed."""
        self.hazards: dict[str, str] = {}
        for hazard in plan.hazards:
            known = self.hazards.get(hazard.table)
            self.hazards[hazard.table] = f"{known}, {hazard.name}" if known else hazard.name

    @property
    def title(self) -> str:
        return f"plan into {self.plan.target.name}"

    @property
    def headings(self) -> tuple[Heading, ...]:
        return HEADINGS

    @property
    def choices(self) -> tuple[str, ...]:
        return CHOICES

    def __len__(self) -> int:
        return self.parts[-1].start + len(self.parts[-1]) if self.parts else 0

    def find(self, line: int) -> tuple[Part, int, int]:
        """The part, row and column of a line. Raises IndexError where there is none."""
        if not 0 <= line < len(self):
            raise IndexError(line)
        part = self.parts[int(np.searchsorted(self.starts, line, side="right")) - 1]
        return part, *part.cell(line - part.start)

    def value(self, line: int, *, after: bool) -> Raw:
        """The value of a line before or after, as the plan has it; None too where there is none."""
        part, row, column = self.find(line)
        columns = () if part.block is None else part.block.after if after else part.block.before
        return to_python(columns[column].slice(row, 1))[0] if columns else None

    def place(self, line: int) -> tuple[str, str, str | None]:
        """Table, key and column of a line, as the preview writes them."""
        part, row, column = self.find(line)
        if part.block is None:
            return part.open[row].table, part.key(row), None
        return part.block.table, part.key(row), part.block.columns[column]

    def decision(self, line: int) -> str:
        """What is decided by now."""
        part, row, _ = self.find(line)
        as_drawn = part.open[row].decision if part.block is None else part.decision
        return as_drawn if part.fixed else self.edits.decisions.get(self.place(line)[:2], as_drawn)

    def reason(self, line: int) -> str:
        part, row, _ = self.find(line)
        drawn = self.reason_drawn(part, row)
        return drawn if part.fixed else self.edits.reasons.get(self.place(line)[:2], drawn)

    @staticmethod
    def reason_drawn(part: Part, row: int) -> str:
        """The reason as the plan has it."""
        if part.block is None:
            return part.open[row].reason
        return part.block.reasons[row] if part.block.reasons else ""

    def lines(self, rows: Rows) -> list[Line]:
        return [self._line(int(row)) for row in rows]

    def _line(self, line: int) -> Line:
        part, row, column = self.find(line)
        decision = self.decision(line)
        table, key, name = self.place(line)
        mark = MARKS.get(decision, "")
        reason = self.reason(line)
        verb, why = _words(part, row)
        changed = not part.fixed and (table, key) in self.edits.decisions
        return Line(
            line,
            decision,
            (
                shown(table),
                shown(key),
                ABSENT if name is None else shown(name),
                self._value(part, row, column, after=False),
                self._after(line, part, row, column),
                Shown(decision, mark + ("x" if changed else "")),
                shown(reason) if reason else Shown(""),
                Shown(verb),
                shown(why) if why else Shown(""),
                Shown(self.hazards.get(table, "") if part.step is not None else ""),
            ),
        )

    def _value(self, part: Part, row: int, column: int, *, after: bool) -> Shown:
        columns = () if part.block is None else part.block.after if after else part.block.before
        if not columns:
            return ABSENT
        cell = shown(to_python(columns[column].slice(row, 1))[0])
        return cell.marked("d") if part.block is not None and part.block.verb == "update" else cell

    def _after(self, line: int, part: Part, row: int, column: int) -> Shown:
        edit = self.edits.values.get(self.place(line))
        return self._value(part, row, column, after=True) if edit is None else shown(edit.value).marked("dx")

    def about(self, row: int, at: int) -> list[tuple[str, str]]:
        part, number, _ = self.find(row)
        table, key, name = self.place(row)
        told = [("", " ".join(filter(None, [table, key, name])))]
        if part.block is not None:
            told += [("before", whole(self.value(row, after=False)))] if part.block.before else []
            edit = self.edits.values.get((table, key, name))
            after = self.value(row, after=True) if edit is None else edit.value
            told += [("after", whole(after))] if part.block.after else []
        column = None if name is None else column_of(self.plan, table, name)
        told += [("type", column.type)] if column is not None and column.type else []
        _, why = _words(part, number)
        return [*told, ("why", why), ("reason", self.reason(row))]

    # --- whole columns ---

    @cached_property
    def _table_codes(self) -> "np.ndarray[Any, np.dtype[np.int64]]":
        names = sorted({part.table for part in self.parts} | {row.table for row in self.plan.open})
        places = {name: at for at, name in enumerate(names)}
        return np.concatenate(
            [
                np.repeat(places[part.table], len(part))
                if part.block
                else np.array([places[row.table] for row in part.open])
                for part in self.parts
            ]
            or [np.zeros(0, dtype=np.int64)]
        )

    def keys(self, at: int) -> Sequence[pa.Array]:
        if at == TABLE:
            return [pa.array(self._table_codes)]
        if at == KEY:
            return [pa.array(self._table_codes), *_by_number(self._texts(at))]
        column = self._texts(at)
        return _by_number(column) if at in (BEFORE, AFTER) else [column]

    def _texts(self, at: int) -> pa.Array:
        parts = [_TEXTS[at](self, part) for part in self.parts]
        return pa.concat_arrays(parts) if parts else pa.array([], pa.string())

    def holding(self, text: str, at: int) -> Mask:
        # No row, no column and no reason are not NULL: only values can be.
        return np.concatenate([self._part_holding(part, text, at) for part in self.parts] or [_NONE])

    def _part_holding(self, part: Part, text: str, at: int) -> Mask:
        there = part.block is not None and bool({BEFORE: part.block.before, AFTER: part.block.after}.get(at))
        if text == NULL and not there:
            return np.zeros(len(part), dtype=np.bool_)
        return holding(_TEXTS[at](self, part), text)

    def chosen(self, choice: str) -> Mask:
        if choice != "edited":
            return holding(self._texts(DECISION), choice)
        found = np.zeros(len(self), dtype=np.bool_)
        for line in self.edits.lines:
            found[line] = True
        return found

    def _values_of(self, part: Part, *, after: bool) -> pa.Array:
        columns = part.values((part.block.after if after else part.block.before) if part.block else ())
        if not columns:
            return pa.nulls(len(part), pa.string())
        stacked = pa.concat_arrays([texts(array) for array, _ in columns])
        order = np.empty(len(part), dtype=np.int64)
        order[np.concatenate([lines for _, lines in columns])] = np.arange(len(part))
        return (
            self._with_edits(stacked.take(pa.array(order)), part) if after else stacked.take(pa.array(order))
        )

    def _with_edits(self, column: pa.Array, part: Part) -> pa.Array:
        mine = [line for line in self.edits.lines if part.start <= line < part.start + len(part)]
        edited = {line: self.edits.values.get(self.place(line)) for line in mine}
        if not any(edited.values()):
            return column
        values = column.to_pylist()
        for line, edit in edited.items():
            if edit is not None:
                values[line - part.start] = None if edit.value is None else as_text(edit.value)
        return pa.array(values, pa.string())

    def _row_words(self, part: Part, word: Callable[[int], str], changed: Callable[[int], str]) -> pa.Array:
        """A word for each line, the same over a row, as the plan has it; then those that a person changed."""
        size = len(part.open) if part.block is None else len(part.block)
        column = part.over_lines(pa.array([word(row) for row in range(size)], pa.string()))
        mine = [line for line in self.edits.lines if part.start <= line < part.start + len(part)]
        if not mine:
            return column
        values = column.to_pylist()
        for line in mine:
            values[line - part.start] = changed(line)
        return pa.array(values, pa.string())


def _words(part: Part, row: int) -> tuple[str, str]:
    """The verb of a row, and what decided it."""
    if part.block is None:
        return part.open[row].verb, part.open[row].why
    return part.block.verb, part.block.whys[row] if part.block.whys else part.block.why


def _by_number(column: pa.Array) -> list[pa.Array]:
    """Texts that are numbers by their value, before all others, which come by their letters."""
    import pandas as pd

    numbers = pd.to_numeric(column.to_pandas(), errors="coerce").astype("float64")
    return [pa.array(numbers, pa.float64(), from_pandas=True), column]


def _repeated(word: str, part: Part) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(len(part), dtype=np.int32)), pa.array([word])
    ).cast(pa.string())


def _columns(part: Part) -> pa.Array:
    if part.block is None:
        return pa.nulls(len(part), pa.string())
    width = len(part.block.columns)
    places = np.arange(len(part)) if part.places is None else part.places
    return pa.array(part.block.columns, pa.string()).take(pa.array(places % width))


_NONE = np.zeros(0, dtype=np.bool_)
_TEXTS: dict[int, Callable[[Preview, Part], pa.Array]] = {
    TABLE: lambda _, part: (
        _repeated(part.table, part) if part.block else pa.array([row.table for row in part.open], pa.string())
    ),
    KEY: lambda _, part: part.over_lines(part.key_texts),
    COLUMN: lambda _, part: _columns(part),
    BEFORE: lambda source, part: source._values_of(part, after=False),
    AFTER: lambda source, part: source._values_of(part, after=True),
    DECISION: lambda source, part: source._row_words(
        part, lambda row: part.decision if part.block else part.open[row].decision, source.decision
    ),
    REASON: lambda source, part: source._row_words(
        part, lambda row: source.reason_drawn(part, row), source.reason
    ),
    VERB: lambda source, part: part.over_lines(
        pa.array([_words(part, row)[0] for row in range(_rows(part))], pa.string())
    ),
    WHY: lambda source, part: part.over_lines(
        pa.array([_words(part, row)[1] for row in range(_rows(part))], pa.string())
    ),
    HAZARD: lambda source, part: _repeated(
        source.hazards.get(part.table, "") if part.step is not None else "", part
    ),
}


def _rows(part: Part) -> int:
    return len(part.open) if part.block is None else len(part.block)
