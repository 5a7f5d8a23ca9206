"""Rows of a block in parts: those that leave out the same columns, and values of one array or another."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.values.raw import from_python, to_python

__all__ = ["alike", "or_else"]


def alike(
    ungiven: "np.ndarray[Any, Any] | None", rows: "np.ndarray[Any, Any]"
) -> Iterator[tuple["np.ndarray[Any, Any]", set[int]]]:
    """Places among these rows that leave out the same columns, and which these are."""
    if ungiven is None:
        yield np.arange(len(rows)), set()
        return
    shapes, which = np.unique(ungiven[rows], axis=0, return_inverse=True)
    for number, shape in enumerate(shapes):
        yield np.flatnonzero(which.reshape(-1) == number), set(np.flatnonzero(shape).tolist())


def or_else(array: pa.Array, other: pa.Array, which: "np.ndarray[Any, Any]") -> pa.Array:
    """The values of `other` in these places."""
    pairs = zip(to_python(array), to_python(other), which.tolist(), strict=True)
    return from_python([theirs if there else own for own, theirs, there in pairs])
