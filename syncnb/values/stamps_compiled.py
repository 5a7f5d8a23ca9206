"""Stamps that are written in the plain way, read by a compiled loop: what most columns of stamps hold, and nothing else."""

from functools import cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from syncnb.compiled import INT, LONG, POINTER, function
from syncnb.values.arrays import mask
from syncnb.values.columns import Mask

__all__ = ["plain_stamps"]

Micros: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"


def plain_stamps(texts: pa.Array, *, zoned: bool) -> tuple[Micros, Mask] | None:
    """Microseconds from 1970, and which ones are written just as PostgreSQL writes them; NULL is 0, and is not.

    None where one is written otherwise (an hour of 24, more digits, BC, another zone): the column needs more care then.
    zoned: whether all of them have a zone, which is UTC, or none.
    """
    read = _loop()
    if read is None or not len(texts) or texts.type != pa.string():
        return None
    _, offsets, data = texts.buffers()
    if data is None:
        return None
    nulls = mask(texts.is_null()) if texts.null_count else np.zeros(len(texts), np.bool_)
    micros, exact = np.empty(len(texts), np.int64), np.empty(len(texts), np.bool_)
    ends = offsets.address + 4 * texts.offset
    known = read(
        data.address, ends, len(texts), nulls.ctypes.data, int(zoned), micros.ctypes.data, exact.ctypes.data
    )
    return (micros, exact) if known == len(texts) else None


@cache
def _loop() -> Any:
    return function("read_stamps", LONG, POINTER, POINTER, LONG, POINTER, INT, POINTER, POINTER)
