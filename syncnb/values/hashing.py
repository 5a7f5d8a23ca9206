"""PostgreSQL's hashes of 64 bits under a seed, for whole Arrow and numpy columns.

    add_texts      hashtextextended(text, seed)
    add_numbers    hashint8extended(number, seed), or with all of its bits behind hashint4extended of the upper ones
    add_words      hashint4extended(number, seed)
    add_decimals   hash_numeric_extended(number, seed), which does not count the sign
    add_hex        hashtextextended(to_hex(number), seed), with all of its sixteen digits

The hash of a cell is the seed of the next one, and that of the last one is the hash of the row: so each of them takes
the hashes so far of all rows, for several seeds at once, and leaves the new ones in their place.

It is Bob Jenkins' lookup3, as PostgreSQL computes it on a machine that stores the low byte first. It is
documented nowhere, so whoever relies on it asks the server first whether it agrees. Made by compiled loops where this
installation has them, else by numpy.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pyarrow as pa

from syncnb.compiled import kernels
from syncnb.values import hashing_by_numpy, hashing_compiled
from syncnb.values.hashing_by_numpy import DECIMALS, Chain, Numbers, Words

__all__ = [
    "DECIMALS", "Chain", "Numbers", "Words", "add_decimals", "add_hex", "add_numbers", "add_texts", "add_words", "begun",
]  # fmt: skip


def begun(rows: int, seeds: Sequence[int]) -> Chain:
    """What a chain begins with: the seeds, for each of so many rows."""
    found = np.empty((len(seeds), rows), np.int64)
    found[:] = np.array(seeds, np.int64)[:, None]
    return found


def add_texts(hashes: Chain, texts: pa.Array) -> None:
    """A column of text or bytes without NULL."""
    _made().add_texts(hashes, texts)


def add_numbers(hashes: Chain, numbers: Numbers, *, whole: bool) -> None:
    """A column of whole numbers.

    whole: of all 64 bits. PostgreSQL's own hash folds them to 32, so that 1 and 4294967296 have one under every seed;
        the upper half alone, hashed first, tells such numbers apart.
    """
    _made().add_numbers(hashes, numbers, whole=whole)


def add_words(hashes: Chain, words: Words) -> None:
    """A column of whole numbers of 32 bits."""
    _made().add_words(hashes, words)


def add_decimals(hashes: Chain, numbers: Numbers) -> None:
    """A column of decimals, given as whole numbers of `DECIMALS` of 1 (less than 10**15), without their sign.

    PostgreSQL hashes the digits to the base of 10,000 from the first to the last that is not 0, and where the point is.
    """
    _made().add_decimals(hashes, numbers)


def add_hex(hashes: Chain, numbers: Numbers) -> None:
    """A column of 64 bits each, as the text of their sixteen digits."""
    _made().add_hex(hashes, numbers)


def _made() -> ModuleType:
    return hashing_by_numpy if kernels() is None else hashing_compiled
