"""The digests of a table that is read row by row: SQLite, frames."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from syncnb.stores.port import BATCH_ROWS, Reader
from syncnb.stores.row_digests import (
    COUNTED,
    HALF,
    HASHES,
    TOGETHER,
    Numbers,
    Recipe,
    Sums,
    Tagged,
    Unfit,
)  # fmt: skip
from syncnb.values.columns import Mask
from syncnb.values.hashing import add_numbers, begun
from syncnb.values.images import Form, Imaged, imaged, row_hashes
from syncnb.values.kinds import Kind
from syncnb.values.raw import concat
from syncnb.values.rules import Rule, Side

__all__ = ["ReadDigester", "Stopped"]

FEW = 8
"""Rows are looked up by key where fewer than one in so many is wanted, else the table is read again."""

KEPT = 4_000_000
"""Rows up to which tags and digests are kept, 16 bytes each, so that no row is read a second time for them."""
KEPT_KEYS = 64 * 2**20
"""Bytes of keys up to which these are kept as well, where a tag is not the key itself."""
LARGE = 8 * 2**20
"""Bytes of rows that are not gathered any further before they are hashed."""
AHEAD = 2
"""Batches that are read and wait to be hashed."""

NONE: Numbers = np.zeros(0, np.int64)

T = TypeVar("T")
Columns: TypeAlias = Sequence[pa.Array]


class Stopped(Exception):
    """Somebody asked to read no further."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Rows as `tagged` tells of them, and their buckets."""

    tags: Numbers
    buckets: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    digests: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    key: Columns


@dataclass(frozen=True, slots=True)
class _Digested:
    """What is made of a batch."""

    key: Columns
    tags: Numbers
    buckets: Numbers
    hashes: list[Numbers]
    ruled: Numbers
    """By column: cells that are not written as PostgreSQL does."""


class ReadDigester:
    """Makes the digests of one side against a PostgreSQL table, from raw columns."""

    sent = 0

    def __init__(
        self, reader: Reader, recipe: Recipe, rules: Sequence[Rule], side: Side, there: Sequence[Kind]
    ) -> None:
        self.reader, self.recipe, self.side = reader, recipe, side
        self.told = list(zip(recipe.forms, rules, there, strict=True))
        self.names = [column.name for column in recipe.columns]
        self.key_names = [column.name for column in recipe.key]
        self.by_rule = np.zeros(len(self.names), np.int64)
        """By column: cells of all rows whose raw form is not PostgreSQL's."""
        # Not even the first ones of many more: they would be given up again, and be the most that is ever held.
        self._kept: list[_Kept] | None = [] if recipe.rows <= KEPT else None
        self._key_bytes = 0
        self._stopped = False

    def stop(self) -> None:
        """Let `sums` end with Stopped after the batch that it is at; from any thread."""
        self._stopped = True

    def sums(self) -> Sums:
        """The digests of all rows. Raises Unfit where a key is NULL or not of its column's kind, and Stopped."""
        rows, sums = 0, np.zeros(2, np.int64)
        places = np.zeros(self.recipe.buckets, np.int64)
        counts = np.zeros(self.recipe.buckets, np.int64)
        for found in _ahead(self._digested, self.reader.batches(self.recipe.table, self.names)):
            if self._stopped:
                raise Stopped
            self.by_rule += found.ruled
            rows += len(found.tags)
            sums ^= [np.bitwise_xor.reduce(part) for part in found.hashes]
            digests = found.hashes[0] >> HALF
            np.bitwise_xor.at(places, found.buckets, digests)
            counts += np.bincount(found.buckets, minlength=len(counts))
            buckets = found.buckets.astype(np.int32)
            self._keep(_Kept(found.tags, buckets, digests.astype(np.int32), found.key), rows)
        return Sums(rows, int(sums[0]), int(sums[1]), (places + counts * COUNTED).astype(np.uint32))

    def _keep(self, part: "_Kept", rows: int) -> None:
        if not self.recipe.by_number:
            self._key_bytes += sum(column.nbytes for column in part.key)
        if rows > KEPT:
            self._kept = None
        if self._kept is not None:
            self._kept.append(part if self._keys_are_kept else replace(part, key=()))

    @property
    def _keys_are_kept(self) -> bool:
        return self._kept is not None and not self.recipe.by_number and self._key_bytes <= KEPT_KEYS

    def _digested(self, batch: pa.RecordBatch) -> "_Digested":
        images = self._imaged(range(len(self.names)), batch.columns)
        key = [batch.columns[at] for at in self.recipe.key_at]
        placed = self._placed(key, [images[at] for at in self.recipe.key_at])
        return _Digested(key, *placed, self._hashes(images), _ruled(images))

    def first(self, rows: int) -> tuple[Numbers, Numbers]:
        """Tags and first hashes of some rows, as they come first."""
        batch = next(iter(self.reader.batches(self.recipe.table, self.names)), None)
        if batch is None:
            return NONE, NONE
        found = self._digested(batch.slice(0, rows))
        return found.tags, found.hashes[0]

    def tagged(self, buckets: Numbers) -> Tagged:
        """The rows in these buckets."""
        wanted = np.zeros(self.recipe.buckets, np.bool_)
        wanted[buckets] = True
        tags, digests = [NONE], [NONE]
        if self._kept is not None:
            for part in self._kept:
                rows = np.flatnonzero(wanted[part.buckets])
                tags.append(part.tags[rows])
                digests.append(part.digests[rows].astype(np.int64))
        else:
            for found in _ahead(self._digested, self._in_buckets(wanted)):
                tags.append(found.tags)
                digests.append(found.hashes[0] >> HALF)
        return Tagged(np.concatenate(tags), np.concatenate(digests))

    def rows(self, tags: Numbers) -> Iterator[pa.RecordBatch]:
        """The rows with these tags, and behind them their hashes."""
        if self.recipe.by_number:
            keys = [pa.array(tags)]
        else:
            keys = self._kept_keys(tags) or self._keys(lambda key: np.isin(self._placed_alone(key)[0], tags))
        if len(keys[0]):
            for read in _gathered(self._chosen(keys)):
                hashes = self._hashes(self._imaged(range(len(self.names)), read))
                columns = [*read, *map(pa.array, hashes)]
                yield pa.RecordBatch.from_arrays(columns, names=[*self.names, *HASHES])

    def ruled(self, columns: Columns) -> Numbers:
        """By column: cells of these rows whose raw form is not PostgreSQL's."""
        return _ruled(self._imaged(range(len(self.names)), columns))

    def _chosen(self, keys: Columns) -> Iterator[pa.RecordBatch]:
        yield from self.reader.chosen(self.recipe.table, self.names, self.key_names, keys)

    def _in_buckets(self, wanted: Mask) -> Iterator[pa.RecordBatch]:
        """The rows in these buckets, read again."""

        def those(key: Columns) -> Mask:
            found: Mask = wanted[self._placed_alone(key)[1]]
            return found

        if wanted.mean() * FEW > 1:
            for batch in self.reader.batches(self.recipe.table, self.names):
                key = [batch.columns[at] for at in self.recipe.key_at]
                yield batch.take(pa.array(np.flatnonzero(those(key))))
            return
        keys = self._keys(those)
        if len(keys[0]):
            yield from self._chosen(keys)

    def _kept_keys(self, tags: Numbers) -> list[pa.Array] | None:
        """The keys behind these tags; None where they were not kept."""
        if not self._keys_are_kept or not self._kept:
            return None
        found = []
        for part in self._kept:
            rows = pa.array(np.flatnonzero(np.isin(part.tags, tags)))
            found.append([column.take(rows) for column in part.key])
        return [concat(part[at] for part in found) for at in range(len(self.key_names))]

    def _keys(self, those: Callable[[Columns], Mask]) -> list[pa.Array]:
        """The keys that are wanted, by reading all of them."""
        kept = []
        for batch in self.reader.batches(self.recipe.table, self.key_names):
            rows = pa.array(np.flatnonzero(those(batch.columns)))
            kept.append([column.take(rows) for column in batch.columns])
        return [concat(part[at] for part in kept) for at in range(len(self.key_names))]

    def _placed_alone(self, key: Columns) -> tuple[Numbers, Numbers]:
        return self._placed(key, self._imaged(self.recipe.key_at, key))

    def _imaged(self, at: Sequence[int], columns: Columns) -> list[Imaged]:
        """Columns of the table as images; `at` says which they are."""
        told = [(*self.told[place], column) for place, column in zip(at, columns, strict=True)]
        return [imaged(form, rule, column, self.side, there) for form, rule, there, column in told]

    def _hashes(self, images: Sequence[Imaged]) -> list[Numbers]:
        return row_hashes(images, self.recipe.seeds[1:])

    def _slow(self, at: int, raw: pa.Array) -> bool:
        """Whether there are stamps without a common order: BC, infinity. Their table is not merged in order either."""
        form, rule, _ = self.told[at]
        return form is Form.STAMP and rule.column(raw, self.side) is None

    def _placed(self, key: Columns, images: Sequence[Imaged]) -> tuple[Numbers, Numbers]:
        """Tags and buckets of rows. Raises Unfit where a key has no image of its own."""
        told = zip(self.recipe.key_at, key, images, strict=True)
        if any(image.odd.any() or raw.null_count or self._slow(at, raw) for at, raw, image in told):
            raise Unfit(f"NULL or another kind of value in key column {', '.join(self.key_names)}")
        seed, mask = self.recipe.seeds[0], self.recipe.buckets - 1
        if self.recipe.by_number:
            tags = key[0].cast(pa.int64()).to_numpy()
            placed = begun(len(tags), [seed])
            add_numbers(placed, tags >> TOGETHER, whole=False)
            return tags, placed[0] & mask
        tags = row_hashes(images, [seed])[0]
        return tags, tags & mask


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.Array]]:
    """The columns of many small batches in a few large ones, because hashing costs little more for many rows."""
    parts: list[pa.RecordBatch] = []
    for batch in batches:
        parts.append(batch)
        if sum(part.num_rows for part in parts) >= BATCH_ROWS or sum(part.nbytes for part in parts) >= LARGE:
            yield _put_together(parts)
            parts = []
    if parts:
        yield _put_together(parts)


def _put_together(parts: Sequence[pa.RecordBatch]) -> list[pa.Array]:
    return [concat(columns) for columns in zip(*(part.columns for part in parts), strict=True)]


def _ahead(work: Callable[[pa.RecordBatch], T], batches: Iterable[pa.RecordBatch]) -> Iterator[T]:
    """What `work` makes of each batch, in order, while the next ones are read: most of it needs no interpreter."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[T]] = deque()
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _ruled(images: Sequence[Imaged]) -> Numbers:
    return np.array([int(image.by_rule.sum()) for image in images], np.int64)
