"""Where in the range of its key a table differs."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import TableDiff
from syncnb.changes.frames import first_key
from syncnb.errors import SchemaError
from syncnb.panels.pictures.chart import Chart, Layer, Look, Tick, short
from syncnb.panels.pictures.laying_out import Layout, Order, lay_out
from syncnb.panels.pictures.picture import Picture
from syncnb.rendering import blocks, frame
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ChangeMap", "Part", "change_map"]

State: TypeAlias = Literal["changed", "only_local", "only_remote", "conflict"]
LOOKS: dict[State, Look] = {
    "changed": "changed",
    "only_local": "local",
    "only_remote": "remote",
    "conflict": "conflict",
}
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
PARTS = 60
"""So many parts the range of a key is cut into, at most: as many as a line of text has room for."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the key's range, and the rows in it that differ."""

    first: str
    """Its first key; for text the first that is there, and empty where none is."""
    last: str
    counts: tuple[int, int, int, int]
    """changed, only local, only remote, conflict."""


@dataclass(frozen=True, repr=False)
class ChangeMap(Picture):
    """Where in the range of its key a table differs: a line a state, a block a part of the range.

    A fact like the diff that it was made of: nothing is read to show it. `.frame` has its numbers.
    """

    table: str
    key: str
    order: Order
    """How the keys are laid out: by value, as in a dictionary, or in order (equally many a part)."""
    parts: tuple[Part, ...]
    unplaced: int = 0
    """Rows whose key is NULL: they are nowhere in its range."""
    notes: tuple[str, ...] = ()
    """What is not in the picture, and why."""

    @property
    def totals(self) -> dict[State, int]:
        """Rows by state, those that are there."""
        sums = [sum(part.counts[at] for part in self.parts) for at in range(len(LOOKS))]
        return {state: total for state, total in zip(LOOKS, sums, strict=True) if total}

    @property
    def frame(self) -> "pd.DataFrame":
        """The parts as a DataFrame: first, last, changed, only_local, only_remote, conflict."""
        columns = list(zip(*(part.counts for part in self.parts), strict=True)) or [()] * len(LOOKS)
        texts = {name: [getattr(part, name) for part in self.parts] for name in ("first", "last")}
        return frame(
            {name: pa.array(values, pa.string()) for name, values in texts.items()}
            | {
                state: pa.array(list(counts), pa.int64())
                for state, counts in zip(LOOKS, columns, strict=True)
            }
        )

    @property
    def title(self) -> str:
        rows = sum(self.totals.values())
        if not rows:
            return f"{self.table}: {'no row that differs has a key' if self.unplaced else 'no row differs'}"
        where = f"by {self.key} from {self._ends[0]} to {self._ends[1]}"
        where += "" if self.order == "by value" else f", {self.order}"
        return f"{self.table}: where {rows:,} {'row differs' if rows == 1 else 'rows differ'}, {where}"

    @property
    def _ends(self) -> tuple[str, str]:
        return short(self.parts[0].first), short(self.parts[-1].last)

    def _lines(self) -> list[str]:
        if not self.parts:
            return []
        totals = self.totals
        wide = max(len(state) for state in totals), max(len(f"{total:,}") for total in totals.values())
        most = max(max(part.counts) for part in self.parts)
        found = []
        for at, state in enumerate(LOOKS):
            if state in totals:
                line = blocks((part.counts[at] for part in self.parts), most)
                head = f"{_words(state):<{wide[0]}}  {totals[state]:>{wide[1]},}"
                found.append(f"{head}  |{line}|")
        return [*found, self._most()]

    def _most(self) -> str:
        at = max(range(len(self.parts)), key=lambda place: sum(self.parts[place].counts))
        part = self.parts[at]
        where = short(part.first) if part.first == part.last else f"{short(part.first)} to {short(part.last)}"
        return f"most: {sum(part.counts):,} at {self.key} {where}"

    def _told(self) -> str:
        counts = ", ".join(f"{total:,} {_words(state)}" for state, total in self.totals.items())
        return f"{counts}; {self._most()}"

    def _chart(self) -> Chart | None:
        if not self.parts:
            return None
        layers = tuple(
            Layer(_words(state), look, tuple(part.counts[at] for part in self.parts))
            for at, (state, look) in enumerate(LOOKS.items())
            if state in self.totals
        )
        return Chart(layers, self._ticks(), f"{self.key}, {self.order}")

    def _between(self, text: str) -> str:
        """A key where there is little room: of a stamp the day, or the time where all are of one day."""
        if STAMP.match(text) is None:
            return text
        return text[11:16] if self.parts[0].first[:10] == self.parts[-1].last[:10] else text[:10]

    def _ticks(self) -> tuple[Tick, ...]:
        count = len(self.parts)
        ends = Tick(0, self._ends[0], "left"), Tick(count, self._ends[1], "right")
        between = [
            Tick(at, short(self._between(self.parts[at].first), 12))
            for at in sorted({count // 4, count // 2, 3 * count // 4} - {0})
            if count >= 8 and self.parts[at].first
        ]
        return *ends, *between


def change_map(table: TableDiff) -> ChangeMap:
    """Where in the range of its key a table differs, by state: changed, only local, only remote, conflict.

    table: a table of a diff, `d["hosts"]`. Of a key of several columns the first one counts. The range reaches
    from the first row that differs to the last. Integers, days and stamps stand by value, texts as in a
    dictionary, others in order; so do texts of which most would stand in one place.

    Reads nothing. Raises SchemaError for a table without a key, and for what is no table of a diff.
    """
    if not isinstance(table, TableDiff):
        raise SchemaError(
            f"a {type(table).__name__} has no change map", hint='pass a table of a diff, as d["hosts"]'
        )
    if not table.pair.key:
        raise SchemaError(
            f"{table.name} has no key to lay its rows out by",
            hint="pass key= to diff to name what identifies a row",
        )
    keys = _one_form(table, first_key(table))
    layout = lay_out(keys, PARTS)
    names = table.pair.key_names
    key = short(names[0]) + (f" (the first of {len(names)} parts of the key)" if len(names) > 1 else "")
    unplaced = int((layout.slots < 0).sum())
    notes = _notes(table, keys, unplaced)
    return ChangeMap(table.name, key, layout.order, _parts(table, layout), unplaced, tuple(notes))


def _one_form(table: TableDiff, keys: pa.Array) -> pa.Array:
    """The same keys; UUIDs, which each side may write in its own way, in the one with dashes."""
    column = table.pair.key[0]
    if Kind.UUID not in (column.local.kind, column.remote.kind) or not pa.types.is_string(keys.type):
        return keys
    bare = pc.utf8_lower(pc.replace_substring_regex(keys, "[-{}]", ""))
    groups = "^(.{8})(.{4})(.{4})(.{4})(.{12})$"
    return pc.replace_substring_regex(bare, groups, r"\1-\2-\3-\4-\5")


def _parts(table: TableDiff, layout: Layout) -> tuple[Part, ...]:
    sizes = len(table.changed_local), len(table.only_local), len(table.only_remote)
    states = np.repeat(np.arange(3), sizes)
    states[: sizes[0]][table.conflicting] = list(LOOKS).index("conflict")
    placed, width = layout.slots >= 0, len(LOOKS)
    places = layout.slots[placed] * width + states[placed]
    counts = np.bincount(places, minlength=len(layout.bounds) * width).reshape(-1, width).tolist()
    return tuple(
        Part(*bounds, (changed, local, remote, conflict))
        for bounds, (changed, local, remote, conflict) in zip(layout.bounds, counts, strict=True)
    )


def _notes(table: TableDiff, keys: pa.Array, unplaced: int) -> list[str]:
    name, notes = table.pair.key_names[0], []
    if unplaced:
        rows = "1 row" if unplaced == 1 else f"{unplaced:,} rows"
        notes.append(f"not in the picture: {rows} with NULL in {name}")
    if table.pair.key[0].local.kind == Kind.INTEGER and pa.types.is_string(keys.type):
        notes.append(f"{name} holds values that are no integers (.odd has them): all are laid out as text")
    return notes + [str(entry) for entry in table.uncompared if entry.what == "rows"]


def _words(state: State) -> str:
    return state.replace("_", " ")
