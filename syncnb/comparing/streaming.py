"""Merge two streams in key order, a window at a time.

    local   ──[ 1 2 4 5 7 ][ 8 9 … ]──►          window: all keys up to the smaller
    remote  ──[ 1 2 3 4 ][ 5 7 8 … ]──►          of the two last keys in hand (here 4)

A database's order is not trusted: the canonical keys of each side must be strictly ascending.
Where they are not (another collation, '10' before '9' in text, a duplicate, a NULL) `OutOfOrder`
is raised, and the caller compares that table in a way that needs no order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import TablePair
from syncnb.comparing.collecting import Collector, Columns
from syncnb.comparing.joining import join
from syncnb.values.arrays import mask
from syncnb.values.raw import given
from syncnb.values.sides import Side

__all__ = ["OutOfOrder", "merge", "streamable"]


class OutOfOrder(Exception):
    """The keys of a stream are not strictly ascending; says why."""


def streamable(pair: TablePair) -> str | None:
    """Why this pair cannot be merged in key order at all; None if it may be tried."""
    if not pair.key:
        return "no key"
    for column in pair.key:
        if column.rule.key_type is None:
            return f"{column.local.kind} and {column.remote.kind} keys have no common order"
        text = column.rule.key_type in (pa.string(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
        for table in (pair.local, pair.remote):
            if text and table.text_order == "other":
                return f"{table.label} orders text otherwise than by code point"
    return None


@dataclass(slots=True)
class Chunk:
    """Some rows in hand: their canonical keys and their raw columns."""

    keys: list[pa.Array]
    columns: list[pa.Array]

    def __len__(self) -> int:
        return len(self.keys[0])

    def split(self, at: int) -> tuple["Chunk", "Chunk"]:
        """The first `at` rows, and the others."""
        first, rest = ([part.slice(0, at) for part in parts] for parts in (self.keys, self.columns))
        keys, columns = ([part.slice(at) for part in parts] for parts in (self.keys, self.columns))
        return Chunk(first, rest), Chunk(keys, columns)

    def upto(self, bound: Sequence[pa.Scalar]) -> int:
        """How many rows have keys up to this one."""
        less = np.zeros(len(self), dtype=np.bool_)
        same = np.ones(len(self), dtype=np.bool_)
        for key, limit in zip(self.keys, bound, strict=True):
            less |= same & mask(pc.less(key, limit))
            same &= mask(pc.equal(key, limit))
        return int((less | same).sum())

    @property
    def last(self) -> list[pa.Scalar]:
        return [key[-1] for key in self.keys]


class Stream:
    """One side's rows as chunks whose keys are checked to ascend."""

    def __init__(self, pair: TablePair, side: Side, batches: Iterator[pa.RecordBatch]) -> None:
        self.pair, self.side, self.batches = pair, side, batches
        self.key_at = [pair.columns.index(column) for column in pair.key]
        self.before: list[pa.Array] | None = None
        self.rows = 0

    def next(self) -> Chunk | None:
        """The next rows; None at the end. Raises OutOfOrder."""
        batch = next(self.batches, None)
        while batch is not None and not batch.num_rows:
            batch = next(self.batches, None)
        if batch is None:
            return None
        self.rows += batch.num_rows
        chunk = Chunk([self._key(at, batch.column(at)) for at in self.key_at], list(batch.columns))
        seen = (
            chunk.keys
            if self.before is None
            else [pa.concat_arrays(both) for both in zip(self.before, chunk.keys, strict=True)]
        )
        _check_ascending(seen, self.side)
        self.before = [key.slice(len(key) - 1) for key in chunk.keys]
        return chunk

    def _key(self, at: int, raw: pa.Array) -> pa.Array:
        column, raw = self.pair.columns[at], given(raw)
        key = None if raw.null_count else column.rule.column(raw, self.side)
        if key is None or key.null_count or key.type != column.rule.key_type:
            what = "NULL" if raw.null_count else "values of several kinds"
            raise OutOfOrder(f"{what} in key column {column.name} of {self.side}")
        return key


def _check_ascending(keys: Sequence[pa.Array], side: Side) -> None:
    rows = len(keys[0])
    greater = np.zeros(rows - 1, dtype=np.bool_)
    same = np.ones(rows - 1, dtype=np.bool_)
    for key in keys:
        after, before = key.slice(1), key.slice(0, rows - 1)
        greater |= same & mask(pc.greater(after, before))
        same &= mask(pc.equal(after, before))
    if not greater.all():
        raise OutOfOrder(f"{'duplicate keys' if same.any() else 'another order'} in {side}")


def merge(local: Stream, remote: Stream, found: Collector, progress: Any) -> None:
    """Compare two streams to the end, or until the collector is full. Raises OutOfOrder."""
    ours, theirs = local.next(), remote.next()
    while ours and theirs and not found.full:
        bound = _smaller(ours.last, theirs.last)
        (left, ours), (right, theirs) = ours.split(ours.upto(bound)), theirs.split(theirs.upto(bound))
        _window(left, right, found)
        progress.update(len(left) + len(right))
        ours, theirs = ours or local.next(), theirs or remote.next()
    _rest(local, ours, found, progress)
    _rest(remote, theirs, found, progress)


def _rest(stream: Stream, chunk: Chunk | None, found: Collector, progress: Any) -> None:
    """Rows beyond the other side's last key."""
    while chunk and not found.full:
        found.only(stream.side, chunk.columns)
        progress.update(len(chunk))
        chunk = stream.next()


def _smaller(left: list[pa.Scalar], right: list[pa.Scalar]) -> list[pa.Scalar]:
    for ours, theirs in zip(left, right, strict=True):
        if not pc.equal(ours, theirs).as_py():
            return left if pc.less(ours, theirs).as_py() else right
    return left


def _window(left: Chunk, right: Chunk, found: Collector) -> None:
    """Rows of one key range, complete on both sides."""
    if len(left) == len(right) and all(
        ours.equals(theirs) for ours, theirs in zip(left.keys, right.keys, strict=True)
    ):
        if len(left):
            found.pairs(left.columns, right.columns)
        return
    here, there = join(left.keys, right.keys)
    if len(here):
        found.pairs(_take(left.columns, here), _take(right.columns, there))
    found.only("local", left.columns, np.setdiff1d(np.arange(len(left)), here, assume_unique=True))
    found.only("remote", right.columns, np.setdiff1d(np.arange(len(right)), there, assume_unique=True))


def _take(columns: Columns, rows: np.ndarray[Any, Any]) -> list[pa.Array]:
    wanted = pa.array(rows)
    return [column.take(wanted) for column in columns]
