"""The same hashes as `hashing` tells of, made by compiled loops: a cell after the other."""

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.compiled import INT, LONG, POINTER, function
from syncnb.values.hashing_by_numpy import Chain, Numbers, Words

__all__ = ["add_decimals", "add_hex", "add_numbers", "add_texts", "add_words"]

HASHES = (POINTER, LONG, INT)
"""Where they are, how many rows, how many seeds: what each function takes first."""
DECLARED = {
    "hash_words": (*HASHES, POINTER),
    "hash_numbers": (*HASHES, POINTER, INT),
    "hash_decimals": (*HASHES, POINTER),
    "hash_hex": (*HASHES, POINTER),
    "hash_texts": (*HASHES, POINTER, POINTER, INT),
}
"""What each function takes; all of them return nothing."""


def add_texts(hashes: Chain, texts: pa.Array) -> None:
    """As `hashing` has it."""
    if len(texts):
        _, offsets, data = texts.buffers()
        wide = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
        ends = offsets.address + texts.offset * (8 if wide else 4)
        _add("hash_texts", hashes, len(texts), data.address if data else None, ends, int(wide))


def add_numbers(hashes: Chain, numbers: Numbers, *, whole: bool) -> None:
    """As `hashing` has it."""
    values = np.ascontiguousarray(numbers, np.int64)
    _add("hash_numbers", hashes, len(values), values.ctypes.data, int(whole))


def add_words(hashes: Chain, words: Words) -> None:
    """As `hashing` has it."""
    values = np.ascontiguousarray(words, np.uint32)
    _add("hash_words", hashes, len(values), values.ctypes.data)


def add_decimals(hashes: Chain, numbers: Numbers) -> None:
    """As `hashing` has it."""
    values = np.ascontiguousarray(numbers, np.int64)
    _add("hash_decimals", hashes, len(values), values.ctypes.data)


def add_hex(hashes: Chain, numbers: Numbers) -> None:
    """As `hashing` has it."""
    values = np.ascontiguousarray(numbers, np.int64)
    _add("hash_hex", hashes, len(values), values.ctypes.data)


def _add(name: str, hashes: Chain, rows: int, *values: Any) -> None:
    """Raises ValueError for hashes that are not those of so many rows, one behind the other."""
    if hashes.shape[1] != rows or hashes.dtype != np.int64 or not hashes.flags.c_contiguous:
        raise ValueError(f"{hashes.shape} {hashes.dtype} are not the hashes of {rows} rows")
    _function(name)(hashes.ctypes.data, rows, len(hashes), *values)


@cache
def _function(name: str) -> Any:
    return function(name, None, *DECLARED[name])
