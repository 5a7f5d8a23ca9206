"""Whole columns, asked at once: what a filter finds in them, and by what they are sorted."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays
from syncnb.values.columns import frame_column
from syncnb.values.raw import to_python
from syncnb.values.reading import NULL, as_text
from syncnb.values.rules import Rule
from syncnb.values.sides import Side

__all__ = ["Mask", "holding", "sortable", "sorted_by", "texts", "typed"]

Mask: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.bool_]]"
INTEGER_LETTERS = frozenset("0123456789-")


def holding(array: pa.Array, wanted: str, rule: Rule | None = None) -> Mask:
    """Which values hold this text, in any case. `∅` finds NULL, `''` the empty text."""
    if wanted == NULL:
        return arrays.mask(array.is_null())
    if wanted == "''":
        return arrays.mask(pc.equal(array, "")) if array.type == pa.string() else _none(array)
    if array.type == pa.null():
        return _none(array)
    if array.type == pa.string():
        return arrays.mask(pc.match_substring(array, wanted, ignore_case=True))
    if array.type == pa.int64() and not set(wanted) <= INTEGER_LETTERS:
        return _none(array)
    if array.type in (pa.int64(), pa.bool_()):
        return arrays.mask(pc.match_substring(array.cast(pa.string()), wanted, ignore_case=True))
    if array.type == pa.binary():
        return _bytes_holding(array, wanted)
    small = wanted.casefold()
    found = [value is not None and small in as_text(value, rule).casefold() for value in to_python(array)]
    return np.array(found, dtype=np.bool_)


def _none(array: pa.Array) -> Mask:
    return np.zeros(len(array), dtype=np.bool_)


def _bytes_holding(array: pa.Array, wanted: str) -> Mask:
    try:
        pattern = bytes.fromhex(wanted.removeprefix("\\x"))
    except ValueError:
        return _none(array)
    return arrays.mask(pc.match_substring(array, pattern))


def texts(array: pa.Array, rule: Rule | None = None) -> pa.Array:
    """A column as text, NULL kept."""
    if array.type == pa.string():
        return array
    if array.type in (pa.int64(), pa.bool_(), pa.null()):
        return array.cast(pa.string())
    return pa.array(
        [None if value is None else as_text(value, rule) for value in to_python(array)], pa.string()
    )


def typed(rule: Rule, parts: Sequence[tuple[pa.Array, Side]]) -> pa.Array:
    """Parts of either side as one column that sorts by value: 9 before 10, earlier before later.

    Where the parts do not have one type, as text.
    """
    found = [frame_column(rule, array, side)[0] for array, side in parts if len(array)]
    kinds = {array.type for array in found} - {pa.null()}
    if not kinds:
        return pa.nulls(sum(map(len, found)))
    if len(kinds) == 1:
        return sortable(pa.concat_arrays([arrays.become(array, *kinds) for array in found]))
    if all(pa.types.is_decimal(kind) for kind in kinds):
        try:
            return pa.array([value for array in found for value in array.to_pylist()])
        except pa.ArrowInvalid:  # too wide for any decimal type
            pass
    return pa.concat_arrays([texts(array, rule) for array, _ in parts])


def sortable(array: pa.Array) -> pa.Array:
    """The column in a type that Arrow can sort."""
    return array.cast(pa.int8()) if array.type == pa.bool_() else array


def sorted_by(columns: Sequence[pa.Array], *, descending: bool) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Row numbers in the order of these columns, NULL last; rows that are alike keep their order."""
    names = [f"c{at}" for at in range(len(columns))]
    table = pa.table(list(columns), names=names)
    way = "descending" if descending else "ascending"
    order = pc.sort_indices(table, sort_keys=[(name, way, "at_end") for name in names])
    found: np.ndarray[Any, np.dtype[np.int64]] = order.to_numpy().astype(np.int64)
    return found
