"""The digests of a table that is read row by row: SQLite, frames."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from syncnb.stores.port import Reader
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
from syncnb.values.hashing import text_hashes
from syncnb.values.images import Imaged, imaged, joined
from syncnb.values.kinds import Kind
from syncnb.values.raw import concat
from syncnb.values.rules import Rule, Side

__all__ = ["ReadDigester"]

FEW = 8
"""Rows are looked up by key where fewer than one in so many is wanted, else the table is read again."""

Columns = Sequence[pa.Array]


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
        self._tags: Numbers = np.zeros(0, np.int64)
        self._keys: list[pa.Array] = []

    def agrees(self) -> bool:
        """Always: it is PostgreSQL that has to agree."""
        return True

    def sums(self) -> Sums:
        """The digests of all rows. Raises Unfit where a key is NULL or not of its column's kind."""
        rows, sums = 0, np.zeros(2, np.uint64)
        places = np.zeros(self.recipe.buckets, np.uint64)
        for batch in self.reader.batches(self.recipe.table, self.names):
            images = self._imaged(range(len(self.names)), batch.columns)
            self.by_rule += _ruled(images)
            hashes = self._hashes(images)
            rows += batch.num_rows
            sums += np.array([part.view(np.uint64).sum(dtype=np.uint64) for part in hashes])
            keys = [(batch.columns[at], images[at]) for at in self.recipe.key_at]
            _, buckets = self._placed(*zip(*keys, strict=True))
            np.add.at(places, buckets, (hashes[0] >> HALF).view(np.uint64) + np.uint64(COUNTED))
        return Sums(rows, int(sums[0]), int(sums[1]), places.astype(np.uint32))

    def first(self, rows: int) -> tuple[Numbers, Numbers]:
        """Tags and first hashes of some rows, as they come first."""
        for batch in self.reader.batches(self.recipe.table, self.names):
            images = self._imaged(range(len(self.names)), columns := batch.slice(0, rows).columns)
            tags, _ = self._placed(
                *zip(*((columns[at], images[at]) for at in self.recipe.key_at), strict=True)
            )
            return tags, self._hashes(images)[0]
        return self._tags, self._tags

    def tagged(self, buckets: Numbers) -> Tagged:
        """The rows in these buckets; their keys are kept for `rows`."""
        tags, digests, keys = [self._tags[:0]], [self._tags[:0]], []
        for batch in self._in_buckets(buckets):
            key = [batch.columns[at] for at in self.recipe.key_at]
            tags.append(self._placed(key, self._imaged(self.recipe.key_at, key))[0])
            digests.append(self._hashes(self._imaged(range(len(self.names)), batch.columns))[0] >> HALF)
            keys.append(key)
        self._keys = [concat(part[at] for part in keys) for at in range(len(self.recipe.key_at))]
        self._tags = np.concatenate(tags)
        return Tagged(self._tags, np.concatenate(digests))

    def rows(self, tags: Numbers) -> Iterator[pa.RecordBatch]:
        """The rows with these tags among those that were `tagged` last, and behind them their hashes."""
        wanted = pa.array(np.flatnonzero(np.isin(self._tags, tags)))
        if len(wanted):
            for batch in self._chosen([key.take(wanted) for key in self._keys]):
                hashes = self._hashes(self._imaged(range(len(self.names)), batch.columns))
                columns = [*batch.columns, *map(pa.array, hashes)]
                yield pa.RecordBatch.from_arrays(columns, names=[*self.names, *HASHES])

    def ruled(self, columns: Columns) -> Numbers:
        """By column: cells of these rows whose raw form is not PostgreSQL's."""
        return _ruled(self._imaged(range(len(self.names)), columns))

    def _chosen(self, keys: Columns) -> Iterator[pa.RecordBatch]:
        yield from self.reader.chosen(self.recipe.table, self.names, self.key_names, keys)

    def _in_buckets(self, buckets: Numbers) -> Iterator[pa.RecordBatch]:
        wanted = np.zeros(self.recipe.buckets, np.bool_)
        wanted[buckets] = True
        if len(buckets) * FEW > self.recipe.buckets:
            for batch in self.reader.batches(self.recipe.table, self.names):
                key = [batch.columns[at] for at in self.recipe.key_at]
                yield batch.take(self._those(key, wanted))
            return
        kept = []
        for batch in self.reader.batches(self.recipe.table, self.key_names):
            chosen = self._those(batch.columns, wanted)
            kept.append([column.take(chosen) for column in batch.columns])
        keys = [concat(part[at] for part in kept) for at in range(len(self.key_names))]
        if len(keys[0]):
            yield from self._chosen(keys)

    def _those(self, key: Columns, wanted: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> pa.Array:
        """Which of these rows are in a bucket that is wanted."""
        buckets = self._placed(key, self._imaged(self.recipe.key_at, key))[1]
        return pa.array(np.flatnonzero(wanted[buckets]))

    def _imaged(self, at: Sequence[int], columns: Columns) -> list[Imaged]:
        """Columns of the table as images; `at` says which they are."""
        told = [(*self.told[place], column) for place, column in zip(at, columns, strict=True)]
        return [imaged(form, rule, column, self.side, there) for form, rule, there, column in told]

    def _hashes(self, images: Sequence[Imaged]) -> list[Numbers]:
        texts = joined([text for image in images for text in image.parts])
        return list(text_hashes(texts, self.recipe.seeds[1:]))

    def _placed(self, key: Columns, images: Sequence[Imaged]) -> tuple[Numbers, Numbers]:
        """Tags and buckets of rows. Raises Unfit where a key has no image of its own."""
        if any(image.odd.any() or raw.null_count for raw, image in zip(key, images, strict=True)):
            raise Unfit(f"NULL or another kind of value in key column {', '.join(self.key_names)}")
        seed, mask = self.recipe.seeds[0], self.recipe.buckets - 1
        if self.recipe.by_number:
            tags = key[0].cast(pa.int64()).to_numpy()
            near = pa.array(tags >> TOGETHER).cast(pa.string())
            return tags, text_hashes(near, [seed])[0] & mask
        tags = text_hashes(joined([text for image in images for text in image.parts]), [seed])[0]
        return tags, tags & mask


def _ruled(images: Sequence[Imaged]) -> Numbers:
    return np.array([int(image.by_rule.sum()) for image in images], np.int64)
