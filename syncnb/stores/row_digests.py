"""Digests of rows, by which two tables are compared without sending them.

    every row ──► image ──► two hashes of 64 bits ──┬─► XOR of all of the table, with the number of rows
                  key ────► bucket, and a tag       └─► XOR of 32 bits of them for each bucket, with the number of rows

A bucket shows where to look, the sums of the whole table prove that nothing else differs. Rows are put into
buckets by their key alone, so that neither order nor collation nor what rows there are besides matters. A hash
that comes twice is nothing in a XOR: so the rows are counted, and what nobody keeps unique is not compared so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from syncnb.schema import Column, Table
from syncnb.values.images import Form

__all__ = [
    "COUNTED", "HALF", "HASHES", "TOGETHER", "Digester", "Numbers", "Places", "Recipe", "Sums", "Tagged", "Unfit",
]  # fmt: skip

Places: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint32]]"
Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"

HALF = 32
COUNTED = 2_654_435_761
"""What each row adds to its bucket beside its hash, so that a bucket tells how many there are."""
TOGETHER = 3
"""Whole numbers that differ in the last bits only share a bucket: neighbours often change together."""
HASHES = ("#1", "#2")
"""The two columns behind those of the table, where rows come with their hashes."""


class Unfit(Exception):
    """This table cannot be compared by digests; says why."""


@dataclass(frozen=True)
class Recipe:
    """What goes into the digests of one side of a pair of tables. All but the names is the same on both."""

    table: Table
    columns: tuple[Column, ...]
    """Of this side, in the order of the pair."""
    forms: tuple[Form, ...]
    key_at: tuple[int, ...]
    buckets: int
    """A power of two."""
    seeds: tuple[int, int, int]
    """Of the key's hash and of the two of the row."""
    rows: int = 0
    """How many there are on either side at most, as far as anybody knows."""

    @property
    def by_number(self) -> bool:
        """Whether the key is one whole number, which is then its own tag."""
        return len(self.key_at) == 1 and self.forms[self.key_at[0]] is Form.INTEGER

    @property
    def key(self) -> tuple[Column, ...]:
        return tuple(self.columns[at] for at in self.key_at)


@dataclass(frozen=True)
class Sums:
    """The digests of a whole table."""

    rows: int
    first: int
    second: int
    """XOR of the hashes of all rows, 64 bits each."""
    places: Places
    """By bucket: 32 bits."""

    def without(self, hashes: "tuple[Numbers, Numbers]") -> tuple[int, int, int]:
        """Number of rows and sums of all rows but these."""
        first, second = (int(np.bitwise_xor.reduce(part)) for part in hashes)
        return self.rows - len(hashes[0]), self.first ^ first, self.second ^ second


@dataclass(frozen=True)
class Tagged:
    """Some rows, each as a tag that stands for its key and 32 bits that stand for all of it."""

    tags: Numbers
    digests: Numbers


class Digester(Protocol):
    """Makes the digests of one table in one snapshot."""

    def sums(self) -> Sums:
        """The digests of all rows. Raises Unfit."""
        ...

    def tagged(self, buckets: Numbers) -> Tagged:
        """The rows in these buckets."""
        ...

    def rows(self, tags: Numbers) -> Iterator[pa.RecordBatch]:
        """The rows with these tags, raw, and behind them their two hashes. Tags must be from `tagged` of either side."""
        ...

    @property
    def sent(self) -> int:
        """Bytes of questions and answers so far, without what the protocol adds."""
        ...
