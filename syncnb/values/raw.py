"""Raw columns: values as their store holds them, in a small closed set of Arrow types.

int64 · double · float (PostgreSQL's real) · bool · string · binary · null (every value is NULL) ·
and MIXED, a struct with one field per storage class, for a batch whose values are not all alike.
Everything else (dates, decimals, JSON, ...) stays the text that the store wrote.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

__all__ = [
    "MIXED",
    "BadText",
    "Raw",
    "as_mixed",
    "concat",
    "from_numbers",
    "from_python",
    "given",
    "plain",
    "row_tokens",
    "to_python",
    "ungiven",
    "with_ungiven",
]

MIXED = pa.struct(
    [("i", pa.int64()), ("f", pa.float64()), ("t", pa.string()), ("b", pa.binary()), ("x", pa.binary())]
)
"""Integer, real, text, blob, and text that is not UTF-8: one of them is set, none for NULL."""


@dataclass(frozen=True, slots=True)
class BadText:
    """Bytes that a store calls text although they are not UTF-8."""

    data: bytes


Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Reals: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
Raw: TypeAlias = int | float | bool | str | bytes | BadText | None

FIELDS: dict[type, str] = {int: "i", float: "f", str: "t", bytes: "b", BadText: "x"}
NOTHING = type(None)
PLAIN: dict[type, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    bool: pa.bool_(),
}


def from_python(values: Sequence[Raw]) -> pa.Array:
    """A raw column from Python values: of one plain type where all are alike, else MIXED.

    Integers beyond 64 bits become text. Raises TypeError for any other type.
    """
    found = set(map(type, values))
    found.discard(type(None))
    if not found:
        return pa.nulls(len(values))
    if len(found) == 1 and (only := found.pop()) in PLAIN:
        try:
            return pa.array(values, PLAIN[only])
        except OverflowError:
            return from_python([_fitting(value) for value in values])
        except UnicodeEncodeError:  # a lone surrogate, which no UTF-8 text can hold
            return from_python([_fitting(value) for value in values])
    if bool not in found:
        with suppress(OverflowError, UnicodeEncodeError):
            return _mixed(values)
    return _mixed([_fitting(value) for value in values])


def from_numbers(whole: Numbers, real: Reals, is_whole: Mask, null: Mask | None) -> pa.Array:
    """A raw column of integers and reals, as `from_python` makes it of the same values; nothing of the arrays is kept.

    is_whole: where `whole` holds the value and not `real`. null: where neither does.
    """
    no_real = is_whole if null is None else is_whole | null
    no_whole = ~is_whole if null is None else ~is_whole | null
    if no_real.all() and not no_whole.all():
        return plain(whole, null)
    if no_whole.all() and not no_real.all():
        return plain(real, null)
    if no_whole.all():
        return pa.nulls(len(is_whole))
    arrays = [plain(whole, no_whole), plain(real, no_real)]
    arrays += [pa.nulls(len(is_whole), MIXED.field(at).type) for at in range(2, MIXED.num_fields)]
    nothing = None if null is None or not null.any() else pa.array(null)
    return pa.StructArray.from_arrays(arrays, fields=list(MIXED), mask=nothing)


def plain(numbers: Numbers | Reals, null: Mask | None) -> pa.Array:
    """A raw column of integers, or of reals of which none is NaN; nothing of the arrays is kept."""
    # By itself Arrow takes four times as long to turn a mask into bits.
    bits = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [bits, pa.py_buffer(numbers.copy())])


def _fitting(value: Raw) -> Raw:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return BadText(value.encode("utf-8", "surrogatepass"))
    return value


def _mixed(values: Sequence[Raw]) -> pa.Array:
    kinds = list(map(type, values))
    found = set(kinds)
    columns = [
        pa.array(_of_kind(values, kinds, kind), MIXED.field(name).type)
        if kind in found
        else pa.nulls(len(values), MIXED.field(name).type)
        for kind, name in FIELDS.items()
    ]
    nothing = pa.array([kind is NOTHING for kind in kinds]) if NOTHING in found else None
    return pa.StructArray.from_arrays(columns, fields=list(MIXED), mask=nothing)


def _of_kind(values: Sequence[Raw], kinds: Sequence[type], wanted: type) -> list[Any]:
    if wanted is BadText:
        return [value.data if isinstance(value, BadText) else None for value in values]
    return [value if kind is wanted else None for value, kind in zip(values, kinds, strict=True)]


def to_python(array: pa.Array) -> list[Raw]:
    """The values of a raw column; the inverse of `from_python`."""
    if array.type != MIXED:
        values: list[Raw] = array.to_pylist()
        return values
    return [_unmixed(row) for row in array.to_pylist()]


def _unmixed(row: dict[str, Any] | None) -> Raw:
    if row is None:
        return None
    for field in ("i", "f", "t", "b"):
        if row[field] is not None:
            value: Raw = row[field]
            return value
    return None if row["x"] is None else BadText(row["x"])


def row_tokens(columns: Sequence[pa.Array]) -> list[tuple[tuple[type, str], ...]]:
    """The rows of these columns as values that are equal only where value and storage class are."""
    return [tuple((type(v), repr(v)) for v in row) for row in zip(*map(to_python, columns), strict=True)]


def as_mixed(array: pa.Array) -> pa.Array:
    """The same column as MIXED, whatever plain type it has."""
    return array if array.type == MIXED else _mixed([_fitting(value) for value in array.to_pylist()])


def with_ungiven(array: pa.Array, which: Mask) -> pa.Array:
    """The column with these values marked as not given, which is not NULL: nobody said anything about them.

    Only a payload whose rows name different columns has such values. They are in a MIXED column, with no field set.
    """
    whole = as_mixed(array)
    null = ~(whole.is_valid().to_numpy(zero_copy_only=False) | which)
    # Beneath a NULL the fields hold anything: flattened they are NULL too.
    return pa.StructArray.from_arrays(whole.flatten(), fields=list(MIXED), mask=pa.array(null))


def ungiven(array: pa.Array) -> Mask | None:
    """Which values are marked as not given; None where none is."""
    if array.type != MIXED:
        return None
    found: Mask = array.is_valid().to_numpy(zero_copy_only=False).copy()
    for at in range(array.type.num_fields):
        if found.any():
            found &= array.field(at).is_null().to_numpy(zero_copy_only=False)
    return found if found.any() else None


def given(array: pa.Array) -> pa.Array:
    """The column with NULL for what was not given."""
    return array if ungiven(array) is None else from_python(to_python(array))


def concat(arrays: Iterable[pa.Array]) -> pa.Array:
    """Batches of one raw column as one array: of their common type, else MIXED."""
    parts = [array for array in arrays if len(array)]
    if not parts:
        return pa.nulls(0)
    types = {part.type for part in parts} - {pa.null()}
    if not types:
        return pa.nulls(sum(map(len, parts)))
    common = types.pop() if len(types) == 1 else MIXED
    return pa.concat_arrays([_become(part, common) for part in parts])


def _become(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if array.type == wanted:
        return array
    return array.cast(wanted) if array.type == pa.null() and wanted != MIXED else as_mixed(array)
