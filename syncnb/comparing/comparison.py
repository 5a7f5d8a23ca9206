"""One comparison of two snapshots: all tables, parents first, each by the strategy that fits it."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pyarrow as pa

from syncnb.changes import Ids, TableDiff, TablePair, Uncompared
from syncnb.comparing.attaching import compare_joined, join_for
from syncnb.comparing.collecting import Collector, Witness
from syncnb.comparing.describing import Children, described, in_conflict
from syncnb.comparing.digesting import compare_digests, forms_for
from syncnb.comparing.entities import Entities, Known
from syncnb.comparing.filtering import Filter
from syncnb.comparing.parting import Part
from syncnb.comparing.partitioning import compare_shares
from syncnb.comparing.remembering import Remembered
from syncnb.comparing.selecting import Selection
from syncnb.comparing.settling import Settled
from syncnb.comparing.spreading import Spread
from syncnb.comparing.streaming import OutOfOrder, Stream, merge, streamable
from syncnb.filters import Condition
from syncnb.matching import Told, families, ids_told
from syncnb.stores.port import Reader
from syncnb.stores.row_digests import Unfit
from syncnb.stores.sqlite_joining import JoinedFiles
from syncnb.values.sides import SIDES, Side

__all__ = ["LARGE", "STRATEGIES", "Comparison", "Sizes", "Strategy", "Ways", "batches_of"]

Strategy = Literal["stream", "digests", "join"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
LARGE = 50_000
"""Rows of a table from which digests and joins are worth their questions."""
Sizes = tuple[int | None, int | None]
"""Rows of a table in local and in remote, as the catalogues estimate them."""
CIRCLES = 25
"""How often tables that refer to themselves or each other are read until nothing new is found of their ids."""


@dataclass(frozen=True)
class Ways:
    """In which ways tables may be compared."""

    strategy: Strategy | None = None
    files: JoinedFiles = field(default_factory=lambda: JoinedFiles(None, "they are not two SQLite files"))
    spread: Spread | None = None
    """Workers for large tables, where an executor was given."""


@dataclass
class Comparison:
    """All tables of two snapshots, parents before children, so that references are followed as they are met."""

    told: Told
    readers: "dict[Side, Reader]"
    sizes: Mapping[str, Sizes]
    limit: int | None
    bar: Any
    known: Mapping[str, Known]
    memory: Remembered
    witness: Witness | None = None
    selection: Selection | None = None
    part: Part | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict)
    ways: Ways = field(default_factory=Ways)
    ids: dict[str, Ids] = field(default_factory=dict)
    children: Children = field(default_factory=Children)
    found: dict[str, "_Found"] = field(default_factory=dict)

    def of(self, pairs: Sequence[TablePair]) -> tuple[TableDiff, ...]:
        for family in families(pairs):
            self._family(family)
        return tuple(self._finished(self.found[pair.name]) for pair in pairs)

    def _family(self, family: Sequence[TablePair]) -> None:
        """Tables in a circle of references: again, as long as an answer for one is news for another."""
        names = {pair.name for pair in family}
        circle = any(link.parent in names for pair in family for link in pair.links)
        for _ in range(CIRCLES):
            news = [self._read(pair) for pair in family]
            if not circle or not any(news):
                return
        for pair in family:
            self.found[pair.name].extra.append(
                Uncompared("rows", "rows", None, "references in a circle: who is who could not be settled")
            )

    def _read(self, pair: TablePair) -> bool:
        """Compare one table. Whether its ids are not what they were thought to be."""
        self.bar.set_description(pair.name, refresh=False)
        started = time.perf_counter()
        self.children.start(pair)
        if self.selection is not None:
            self.selection.prepare(pair, self.ids)
        found = self._compared(pair)
        found.settled = found.collector.settle()
        found.seconds = time.perf_counter() - started
        before, ids = self.ids.get(pair.name, Ids()), found.settled.ids if found.settled else Ids()
        self.found[pair.name], self.ids[pair.name] = found, ids
        news = not ids.same_as(before)
        if pair.surrogate and found.settled is not None:
            watched = in_conflict(pair, found.settled, found.collector.pools)
            news = self.children.watch(pair.name, watched) or news
        return news

    def _compared(self, pair: TablePair) -> "_Found":
        if not pair.columns:
            nothing = Uncompared("rows", "rows", None, "no column can be compared")
            return _Found(self._collector(pair), "none", nothing.why, [nothing])
        why_not = ""
        ways = {"ranges": self._by_ranges, "join": self._by_join, "digests": self._by_digests}
        for name, way in ways.items():
            if self._may(name):
                try:
                    return way(pair)
                except Unfit as problem:
                    if name in (self.ways.strategy, "ranges"):
                        why_not = f"; no {name}: {problem}"
                    self.children.start(pair)
        found = self._by_value(pair)
        found.reason += why_not
        return found

    def _may(self, way: str) -> bool:
        if way == "ranges":
            return self.ways.spread is not None and self.ways.strategy in (None, "stream")
        return self.ways.strategy in (None, way)

    def _by_ranges(self, pair: TablePair) -> "_Found":
        """Raises Unfit where no range of keys can be compared by itself."""
        spread = self.ways.spread
        if spread is None:
            raise Unfit("there are no workers")
        self._check_whole(pair)
        known = [size for size in self.sizes[pair.name] if size is not None]
        if known and max(known) < LARGE:
            raise Unfit("a small table")
        found = self._collector(pair)
        return _Found(found, "stream", spread.compare(pair, self.sizes[pair.name], found, self.bar))

    def _check_whole(self, pair: TablePair) -> None:
        """Raises Unfit where rows that are the same have to be read nevertheless."""
        entities = self._entities(pair)
        parted = self.part is not None or pair.name in self.filters
        if parted or self.selection is not None or self.limit is not None:
            raise Unfit("some rows only are asked for")
        if self.witness is not None or pair.touch:
            raise Unfit("rows that are the same are asked for, too")
        if len(entities.known) or entities.moved or self.children.watched(pair):
            raise Unfit("ids that mean another thing on the other side")

    def _check_large(self, pair: TablePair) -> None:
        """Raises Unfit where that is not worth its questions, and nobody asked for it."""
        if self.ways.strategy is None and min(size or 0 for size in self.sizes[pair.name]) < LARGE:
            raise Unfit("a small table")

    def _by_join(self, pair: TablePair) -> "_Found":
        """Raises Unfit where SQLite alone cannot tell which rows are the same."""
        self._check_whole(pair)
        self._check_large(pair)
        join = join_for(pair, self.ways.files)
        found = self._collector(pair)
        compare_joined(pair, join, self.ways.files, self.readers, found, self.bar)
        return _Found(found, "join", "SQLite finds the rows that are not the same, these by value")

    def _by_digests(self, pair: TablePair) -> "_Found":
        """Raises Unfit where only values can tell."""
        self._check_whole(pair)
        self._check_large(pair)
        forms = forms_for(pair, self.readers)
        found = self._collector(pair)
        how = compare_digests(pair, forms, self.readers, found, self.bar)
        return _Found(found, "digests", "equal rows in digests of 128 bits, the others by value", how=how)

    def _by_value(self, pair: TablePair) -> "_Found":
        asked = self.part is not None and self.part.asks(pair)
        reason = streamable(pair) if self.selection is None and not asked else "some rows only"
        if reason is None:
            found = self._collector(pair)
            try:
                with (
                    closing(self._batches(pair, "local", ordered=True)) as ours,
                    closing(self._batches(pair, "remote", ordered=True)) as theirs,
                ):
                    merge(Stream(pair, "local", ours), Stream(pair, "remote", theirs), found, self.bar)
                return _Found(found, "stream", "both sides in key order")
            except OutOfOrder as problem:
                reason = str(problem)
                self.children.start(pair)
        found = self._collector(pair)
        compare_shares(pair, lambda side: self._batches(pair, side, ordered=False), found, self.bar)
        return _Found(found, "partition", reason)

    def _entities(self, pair: TablePair) -> Entities:
        known = self.known.get(pair.name, Known())
        return Entities(pair, ids_told(pair, self.told), self.ids, known, self.memory.table(pair))

    def _collector(self, pair: TablePair) -> Collector:
        if self.witness is not None:
            self.witness.start(pair)
        return Collector(pair, limit=self.limit, entities=self._entities(pair), witness=self.witness)

    def _batches(self, pair: TablePair, side: Side, *, ordered: bool) -> Generator[pa.RecordBatch]:
        wanted = self.filters.get(pair.name)
        if wanted is None:
            yield from self._all_batches(pair, side, ordered=ordered)
            return
        for batch in self._all_batches(pair, side, ordered=ordered, where=wanted.pushed(side)):
            yield wanted.kept(batch, side)

    def _all_batches(
        self, pair: TablePair, side: Side, *, ordered: bool, where: Condition | None = None
    ) -> Generator[pa.RecordBatch]:
        if self.selection is not None:
            yield from self.selection.rows(pair, side)
            return
        if side == "remote" and self.part is not None and self.part.asks(pair):
            yield from self.part.rows(pair)
            return
        for batch in batches_of(pair, side, self.readers[side], ordered=ordered, where=where):
            self.children.count(pair, side, batch.columns)
            yield batch

    def _finished(self, found: "_Found") -> TableDiff:
        collector, settled = found.collector, found.settled
        conflicts = None
        if settled is not None and collector.pair.surrogate:
            conflicts = described(collector.pair, settled, collector.pools, self.children)
        how = {
            "strategy": found.strategy,
            "why": found.reason,
            "rows": sum(collector.rows.values()),
            "seconds": found.seconds,
            **found.how,
        }
        extra = [*found.extra, *_hidden(collector)]
        return collector.finish(how, extra, settled.ids if settled else None, conflicts)


@dataclass
class _Found:
    """One table as it was read last."""

    collector: Collector
    strategy: str
    reason: str
    extra: list[Uncompared] = field(default_factory=list)
    how: Mapping[str, Any] = field(default_factory=dict)
    """What else there is to say about how it was done."""
    settled: Settled | None = None
    seconds: float = 0.0


def batches_of(
    pair: TablePair, side: Side, reader: Reader, *, ordered: bool, where: Condition | None = None
) -> Generator[pa.RecordBatch]:
    """The compared columns of a table on one side, in the order of the pair; ordered by its key where wanted."""
    table = pair.on(side)
    names = [column.on(side).name for column in pair.columns]
    order = [column.on(side).name for column in pair.key] if ordered else []
    yield from reader.batches(table, names, order=order, where=where)


def _hidden(found: Collector) -> Iterator[Uncompared]:
    """Rows that were not seen, as far as that is known."""
    if found.full:
        yield Uncompared("rows", "rows", None, f"stopped at the limit of {found.limit} differing rows")
    for side in SIDES:
        if found.pair.on(side).row_security:
            yield Uncompared("rows", "rows", None, f"row-level security hides rows of {side} from this role")
