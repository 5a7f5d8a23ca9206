"""The lines of a plan's preview, numbered without being made: which block, row and column each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncnb.panels.grid.columns import texts
from syncnb.panels.grid.view import Rows
from syncnb.planning import OpenRow, Plan
from syncnb.planning.previewing import ID_FOUND, ID_MADE, key_of
from syncnb.steps import Block, IdMap
from syncnb.values import arrays
from syncnb.values.raw import MIXED, to_python
from syncnb.values.reading import as_text

if TYPE_CHECKING:
    from syncnb.panels.grid.columns import Mask

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True)
class Part:
    """Lines that follow each other: a block, row by row and column by column, or the rows left open."""

    start: int
    """The number of its first line."""
    block: Block | None
    open: tuple[OpenRow, ...]
    step: int | None
    decision: str
    """What is decided for these rows as the plan stands."""
    places: "Rows | None"
    """Row times columns plus column of each line; None where no cell is left out."""

    def __len__(self) -> int:
        if self.block is None:
            return len(self.open)
        return len(self.block) * len(self.block.columns) if self.places is None else len(self.places)

    def cell(self, line: int) -> tuple[int, int]:
        """Row and column of the block (or the row left open, and 0) of a line, counted from 0 here."""
        if self.block is None:
            return line, 0
        row, column = divmod(int(line if self.places is None else self.places[line]), len(self.block.columns))
        return row, column

    def of_row(self, row: int) -> range:
        """The lines of a row, counted from 0 here."""
        if self.block is None:
            return range(row, row + 1)
        width = len(self.block.columns)
        if self.places is None:
            return range(row * width, (row + 1) * width)
        start, end = np.searchsorted(self.places, [row * width, (row + 1) * width]).tolist()
        return range(start, end)

    @property
    def fixed(self) -> bool:
        """Whether nobody can decide about these lines: they only tell which ids mean the same thing."""
        return self.block is not None and self.block.verb not in ("insert", "update", "delete")

    @property
    def table(self) -> str:
        """The table; only for blocks, as rows left open may be of several."""
        return self.block.table if self.block else ""

    def key(self, row: int) -> str:
        """The key of a row as the preview writes it."""
        if self.block is None:
            return self.open[row].key
        return key_of(tuple(to_python(column.slice(row, 1))[0] for column in self.block.keys))

    @cached_property
    def key_texts(self) -> pa.Array:
        """The key of every row."""
        if self.block is None:
            return pa.array([row.key for row in self.open], pa.string())
        if len(self.block.keys) == 1:
            return texts(self.block.keys[0])
        return pa.array(
            [key_of(key) for key in zip(*map(to_python, self.block.keys), strict=True)], pa.string()
        )

    def over_lines(self, per_row: pa.Array) -> pa.Array:
        """A column with an entry a row as one with an entry a line."""
        if self.block is None:
            return per_row
        width = len(self.block.columns)
        rows = np.repeat(np.arange(len(self.block)), width) if self.places is None else self.places // width
        return per_row.take(pa.array(rows))

    def values(self, arrays: Sequence[pa.Array]) -> list[tuple[pa.Array, "Rows"]]:
        """Each column of values, and the lines (counted from 0 here) on which its values stand, in row order."""
        if self.block is None or not arrays:
            return []
        found: list[tuple[pa.Array, Rows]] = []
        width = len(self.block.columns)
        for column, array in enumerate(arrays):
            if self.places is None:
                found.append((array, np.arange(len(array), dtype=np.int64) * width + column))
            else:
                lines = np.flatnonzero(self.places % width == column)
                found.append((array.take(pa.array(self.places[lines] // width)), lines))
        return found


def parts_of(plan: Plan) -> list[Part]:
    """All lines of a preview, in its order."""
    found: list[Part] = []
    start = 0
    for step, block, decision in (
        *((step, block, "apply") for step, block in enumerate(plan.blocks, 1)),
        *((None, _mapped(each), "apply") for each in plan.maps),
        *((None, block, "open") for block in plan.undecided),
    ):
        found.append(Part(start, block, (), step, decision, _places(block)))
        start += len(found[-1])
    if plan.open:
        found.append(Part(start, None, plan.open, None, "open", None))
    return found


def _mapped(each: IdMap) -> Block:
    """The ids of an id map, written as if they were rows: the source's before, the target's after."""
    own, there = pa.array(each.source, pa.string()), pa.array(each.target, pa.string())
    found = len(each) - each.fresh
    whys = tuple(ID_FOUND if at < found else ID_MADE for at in range(len(each)))
    verb: Any = "map"
    return Block(each.table, verb, (each.key,), (each.key,), (own,), (own,), (there,), whys=whys)


def _places(block: Block) -> "Rows | None":
    """Which cells have a line: an update has none for a cell that stays as it is."""
    if block.verb != "update":
        return None
    columns = [_changes(old, new) for old, new in zip(block.before, block.after, strict=True)]
    written: Any = np.stack(columns, axis=1) if columns else np.ones((len(block), 0), dtype=np.bool_)
    return None if written.all() else np.flatnonzero(written.reshape(-1))


def _changes(old: pa.Array, new: pa.Array) -> "Mask":
    if old.type != new.type:
        return np.ones(len(old), dtype=np.bool_)
    if old.type == MIXED or old.type == pa.null():
        pairs = zip(to_python(old), to_python(new), strict=True)
        return np.array([_text(left) != _text(right) for left, right in pairs], dtype=np.bool_)
    here, there = (side.is_valid().to_numpy(zero_copy_only=False) for side in (old, new))
    same: Mask = (here & there & arrays.equal(old, new)) | ~(here | there)
    return ~same


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)
