"""Whole columns: where two of them differ, and the typed column that a frame shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays
from syncnb.values.raw import MIXED, Raw, to_python
from syncnb.values.reading import as_text, not_fitting
from syncnb.values.rules import Answer, Rule, judge
from syncnb.values.sides import Side

__all__ = ["Cells", "Mask", "compare", "frame_column", "sort_keys"]

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

FEW = 64
"""Up to so many cells are asked one by one, which costs less than setting up a column."""


@dataclass(slots=True)
class Cells:
    """What became of one column of a batch of row pairs."""

    differs: Mask
    unknown: Mask
    by_rule: int
    """Cells that are the same value although the raw values are not the same."""
    doubt: str = ""
    """Why the first of the unknown ones cannot be known."""


def compare(rule: Rule, local: pa.Array, remote: pa.Array, tolerance: Decimal | None = None) -> Cells:
    """Compare two raw columns of equal length, row by row.

    `tolerance` is the greatest distance that still counts as the same: a number, or seconds for stamps.
    """
    here, there = (side.is_valid().to_numpy(zero_copy_only=False) for side in (local, remote))
    cells = Cells(here != there, np.zeros(len(local), dtype=np.bool_), 0)
    rest: Mask = here & there
    if rule.same_bytes and local.type == remote.type and local.type != pa.null():
        rest &= ~(_one_value(local, remote) if local.type == MIXED else arrays.equal(local, remote))
    if not rest.any():
        return cells
    left = np.flatnonzero(rest)
    pair = rule.pair(local, remote) if len(left) > FEW else None
    if pair is not None:
        same = arrays.equal(*pair)
        cells.by_rule += int((rest & same & ~_written_alike(local, remote)).sum())
        left = np.flatnonzero(rest & ~same)
        if tolerance is None:
            cells.differs[left] = True
            return cells
    _one_by_one(rule, (local, remote), left, tolerance, cells)
    return cells


def _one_value(local: pa.Array, remote: pa.Array) -> Mask:
    """Where two cells are of one storage class, and the same."""
    found = np.zeros(len(local), np.bool_)
    for ours, theirs in zip(_by_class(local), _by_class(remote), strict=True):
        if ours is not None and theirs is not None:
            found |= (
                arrays.equal(ours, theirs) & arrays.mask(ours.is_valid()) & arrays.mask(theirs.is_valid())
            )
    return found


def _by_class(array: pa.Array) -> list[pa.Array | None]:
    """The values of each storage class that there can be: NULL where a value is of another one, None where all are."""
    if array.type == MIXED:
        return [None if values.null_count == len(values) else values for values in array.flatten()]
    if pa.types.is_floating(array.type):
        array = array.cast(pa.float64())
    # What is not UTF-8 is never alone in a column.
    return [array if field.type == array.type and field.name != "x" else None for field in MIXED]


def _written_alike(local: pa.Array, remote: pa.Array) -> Mask:
    """Where two cells have one raw value, as Python counts: a real of PostgreSQL and a double can."""
    if local.type == remote.type and local.type != MIXED:
        return arrays.equal(local, remote)
    if pa.types.is_floating(local.type) and pa.types.is_floating(remote.type):
        return arrays.equal(local.cast(pa.float64()), remote.cast(pa.float64()))
    if MIXED in (local.type, remote.type):
        return _one_value(local, remote)
    return np.zeros(len(local), np.bool_)


def _one_by_one(
    rule: Rule,
    sides: tuple[pa.Array, pa.Array],
    rows: np.ndarray[Any, Any],
    tolerance: Decimal | None,
    cells: Cells,
) -> None:
    at = pa.array(rows)
    ours, theirs = (to_python(side.take(at)) for side in sides)
    for row, local, remote in zip(rows.tolist(), ours, theirs, strict=True):
        answer = judge(rule, local, remote, tolerance)
        if answer is Answer.DIFFERENT:
            cells.differs[row] = True
        elif answer is Answer.UNKNOWN:
            cells.unknown[row] = True
            cells.doubt = cells.doubt or rule.doubt(local, remote)
        else:
            cells.by_rule += type(local) is not type(remote) or local != remote


def frame_column(rule: Rule, array: pa.Array, side: Side) -> tuple[pa.Array, list[tuple[int, Raw, str]]]:
    """A raw column as a frame shows it, and the odd values: (row, raw, why).

    It has the Arrow type of its kind if every value fits; else the whole column is text.
    """
    wanted = rule.frame_type
    if wanted is not None and arrays.holds(array, wanted) and rule.all_shown(array):
        return arrays.become(array, wanted), []
    quick = rule.column(array, side) if pa.types.is_timestamp(wanted or pa.null()) else None
    if quick is not None and quick.type == wanted:
        return quick, []
    values = to_python(array)
    odd = not_fitting(rule, values, side)
    if not odd:
        try:
            return pa.array([None if v is None else rule.shown(v, side) for v in values], wanted), []
        except (pa.ArrowInvalid, OverflowError, ValueError) as error:
            odd = [(row, value, str(error)) for row, value in _widest(values)]
    return pa.array([None if v is None else as_text(v, rule) for v in values], pa.string()), odd


def _widest(values: Sequence[Raw]) -> list[tuple[int, Raw]]:
    """The value that made a column too wide for any decimal type: the longest one."""
    row = max(range(len(values)), key=lambda at: len(str(values[at])))
    return [(row, values[row])]


def sort_keys(columns: Sequence[pa.Array]) -> pa.Array:
    """Row numbers that put these typed key columns in order, NULL first, text by code point."""
    names = [f"k{at}" for at in range(len(columns))]
    table = pa.table(list(columns), names=names)
    keys = [(name, "ascending", "at_start") for name in names]
    return pc.sort_indices(table, sort_keys=keys)
