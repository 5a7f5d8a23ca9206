"""Where the keys of rows stand in their range: integers and days by value, text as in a dictionary, others in order.

7 9 12 | | 40 41 | 77      by value: equal steps of the value, empty ones too
ab ac | b | | | x y        as in a dictionary: by the letters with which texts begin to differ
0.5 7.25 | 8 9             in order: equally many different keys a bar
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Layout", "Order", "lay_out"]

Order = Literal["by value", "as in a dictionary", "in order"]
IN_ORDER: Order = "in order"
Places = np.ndarray[tuple[int], np.dtype[np.int64]]
LETTERS = 12
"""So many letters of a text, from the first that differs in any, say where it stands."""

FEW, CROWD = 8, 0.75
"""Where more than so great a part of that many texts would stand in one bar, they stand in order: one that begins
otherwise than all others would leave no room for these."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each key stands, and what each bar reaches over."""

    slots: Places
    """The bar of each key; -1 for NULL."""
    bounds: tuple[tuple[str, str], ...]
    """The first and the last key of each bar; empty texts for a bar of a dictionary where none is."""
    order: Order


def lay_out(keys: pa.Array, most: int) -> Layout:
    """Distribute typed keys over at most so many bars."""
    slots = np.full(len(keys), -1, dtype=np.int64)
    there = keys.is_valid().to_numpy(zero_copy_only=False)
    valid = keys.drop_null()
    if not len(valid):
        return Layout(slots, (), "in order")
    if pa.types.is_integer(valid.type) or pa.types.is_date32(valid.type) or pa.types.is_timestamp(valid.type):
        slots[there], bounds = _by_value(valid, most)
        return Layout(slots, bounds, "by value")
    different = valid.unique()
    different = different.take(pc.sort_indices(different))
    places, order = _ranks(len(different), most), IN_ORDER
    if pa.types.is_string(different.type) or pa.types.is_large_string(different.type):
        spread = _dictionary(different, most)
        if len(spread) < FEW or np.bincount(spread).max() <= CROWD * len(spread):
            places, order = spread, "as in a dictionary"
    at = pc.index_in(valid, value_set=different).to_numpy(zero_copy_only=False)
    slots[there] = places[at]
    return Layout(slots, _bounds(different, places), order)


def _by_value(keys: pa.Array, most: int) -> tuple[Places, tuple[tuple[str, str], ...]]:
    raw = keys.cast(pa.int32()) if pa.types.is_date32(keys.type) else keys
    values = np.ascontiguousarray(raw.cast(pa.int64()).to_numpy(zero_copy_only=False))
    first, last = int(values.min()), int(values.max())
    step = _round(-(-(last - first + 1) // most), raw.type)
    # Unsigned: from the least to the greatest integer of 64 bits is more than a signed one can hold.
    away = values.view(np.uint64) - np.uint64(first % 2**64)
    slots = (away // np.uint64(step)).astype(np.int64)
    starts = range(first, last + 1, step)
    shown = _shown(keys.type, whole=not any(value % _second(raw.type) for value in (first, last, step)))
    return slots, tuple((shown(start), shown(min(start + step - 1, last))) for start in starts)


SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
STEPS = (86_400, 3_600, 60, 1)
"""Seconds: a bar of stamps reaches over so many, or a multiple, where it reaches over more."""


def _second(kind: pa.DataType) -> int:
    return SECONDS[kind.unit] if pa.types.is_timestamp(kind) else 1


def _round(step: int, kind: pa.DataType) -> int:
    """A step of stamps that a person can read: whole days, else whole hours, minutes, seconds."""
    if not pa.types.is_timestamp(kind):
        return step
    unit = next((n * _second(kind) for n in STEPS if n * _second(kind) <= step), 1)
    return -(-step // unit) * unit


def _shown(kind: pa.DataType, *, whole: bool) -> Callable[[int], str]:
    """How a value is written; `whole` seconds are written as such, up to the last one of a bar."""
    if pa.types.is_integer(kind):
        return str
    if pa.types.is_timestamp(kind):
        zone = "" if kind.tz is None else "Z"
        second = _second(kind) if whole else 1

        def stamp(value: int) -> str:
            moment = pa.array([value // second * second], pa.int64()).cast(pa.timestamp(kind.unit))
            return f"{moment[0].as_py()}{zone}"

        return stamp
    counted = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return lambda value: str(pa.array([value], counted).cast(kind)[0].as_py())


def _dictionary(texts: pa.Array, most: int) -> Places:
    """The bars of different texts in order of code points: by their letters, as digits of one number."""
    listed: Sequence[str] = texts.to_pylist()
    # Sorted: what the first and the last one begin with, all begin with.
    both = zip(listed[0], listed[-1], strict=False)
    same = next((at for at, (ours, theirs) in enumerate(both) if ours != theirs), len(listed[0]))
    tails = np.array([text[same : same + LETTERS] for text in listed], dtype=f"U{LETTERS}")
    codes = tails.view(np.uint32).reshape(len(listed), LETTERS)
    letters = np.unique(codes)
    digits: Any = np.searchsorted(letters, codes)
    place = digits @ (float(len(letters)) ** -np.arange(1, LETTERS + 1))
    reach = place[-1] - place[0]
    if not reach:
        return np.zeros(len(listed), dtype=np.int64)
    found: Places = np.clip((place - place[0]) / reach * most, 0, most - 1).astype(np.int64)
    return found


def _ranks(count: int, most: int) -> Places:
    return np.arange(count, dtype=np.int64) * min(count, most) // count


def _bounds(different: pa.Array, places: Places) -> tuple[tuple[str, str], ...]:
    """The first and the last of the sorted keys in each bar."""
    slots = np.arange(int(places[-1]) + 1)
    starts, ends = np.searchsorted(places, slots), np.searchsorted(places, slots, side="right")
    return tuple(
        (_text(different, start), _text(different, end - 1)) if start < end else ("", "")
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )


def _text(keys: pa.Array, at: int) -> str:
    value = keys[at].as_py()
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
