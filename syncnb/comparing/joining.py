"""Rows of two sides matched by equal values, whole columns at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values.sides import Side

__all__ = ["Numbers", "Rows", "codes", "join", "join_codes"]

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]


def codes(left: Sequence[pa.Array], right: Sequence[pa.Array]) -> tuple[Numbers, Numbers]:
    """A number for each row of either side, the same for rows that agree in all columns; NULL is a value."""
    found = np.zeros(len(left[0]) + len(right[0]), dtype=np.int64)
    for ours, theirs in zip(left, right, strict=True):
        both = pc.dictionary_encode(pa.concat_arrays([ours, theirs]), null_encoding="encode")
        part = both.indices.to_numpy().astype(np.int64)
        # Renumbered densely each time, so that the product of many columns cannot overflow.
        found = np.unique(found * (len(both.dictionary) + 1) + part, return_inverse=True)[1]
    return found[: len(left[0])], found[len(left[0]) :]


def join(left: Sequence[pa.Array], right: Sequence[pa.Array]) -> tuple[Numbers, Numbers]:
    """The rows that have the same key on both sides, in the left one's order. Keys are unique a side."""
    here, there = codes(left, right)
    return _in_order(*np.intersect1d(here, there, assume_unique=True, return_indices=True)[1:])


def join_codes(
    here: Numbers, there: Numbers, usable_here: Rows, usable_there: Rows
) -> tuple[Numbers, Numbers, dict[Side, Rows]]:
    """The same for codes that may come twice, which are left out, and told: a mask a side."""
    twice: dict[Side, Rows] = {"local": _twice(here, usable_here), "remote": _twice(there, usable_there)}
    doubled = np.union1d(here[twice["local"]], there[twice["remote"]])
    ours = np.flatnonzero(usable_here & ~np.isin(here, doubled))
    theirs = np.flatnonzero(usable_there & ~np.isin(there, doubled))
    _, left, right = np.intersect1d(here[ours], there[theirs], assume_unique=True, return_indices=True)
    # A row whose key the other side has twice cannot be told either.
    twice["local"] |= usable_here & np.isin(here, there[twice["remote"]])
    twice["remote"] |= usable_there & np.isin(there, here[twice["local"]])
    return *_in_order(ours[left], theirs[right]), twice


def _twice(found: Numbers, usable: Rows) -> Rows:
    values, counts = np.unique(found[usable], return_counts=True)
    return usable & np.isin(found, values[counts > 1])


def _in_order(left: "np.ndarray[Any, Any]", right: "np.ndarray[Any, Any]") -> tuple[Numbers, Numbers]:
    order = np.argsort(left, kind="stable")
    return left[order], right[order]
