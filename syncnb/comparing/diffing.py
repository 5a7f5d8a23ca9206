"""The verb `diff`: opens both stores in one snapshot each, chooses a strategy a table, closes them."""

import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal, get_args

import pyarrow as pa

from syncnb import clock
from syncnb.changes import ColumnPair, Diff, Ids, TableDiff, TablePair, Uncompared
from syncnb.changes.accepted import without_accepted
from syncnb.comparing.accepting import accepted_here
from syncnb.comparing.collecting import Collector, Witness
from syncnb.comparing.describing import Children, described, in_conflict
from syncnb.comparing.digesting import compare_digests, forms_for
from syncnb.comparing.entities import Entities, Known
from syncnb.comparing.filtering import Filter, crossing, filters_of
from syncnb.comparing.knowing import known_ids
from syncnb.comparing.parting import Part
from syncnb.comparing.partitioning import compare_shares, tokens
from syncnb.comparing.remembering import Remembered
from syncnb.comparing.selecting import Keys, Selection
from syncnb.comparing.settling import Settled
from syncnb.comparing.streaming import OutOfOrder, Stream, merge, streamable
from syncnb.errors import SyncnbError
from syncnb.filters import Condition
from syncnb.matching import Matched, Names, Told, families, ids_told, match
from syncnb.schema import Table
from syncnb.stores.port import Reader, Store
from syncnb.stores.row_digests import Unfit
from syncnb.values.raw import Raw, to_python
from syncnb.values.rules import Side
from syncnb.watching import bar

__all__ = ["diff"]

TENTH = timedelta(milliseconds=100)

Strategy = Literal["stream", "digests"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
LARGE = 50_000
"""Rows of a table from which digests are worth their questions."""
Sizes = tuple[int | None, int | None]
"""Rows of a table in local and in remote, as the catalogues estimate them."""


def diff(
    local: Store,
    remote: Store,
    tables: "str | Iterable[str] | Mapping[str, str] | None" = None,
    *,
    key: "Names | Mapping[str, Names] | None" = None,
    columns: "Sequence[str] | Mapping[str, Sequence[str] | Mapping[str, str]] | None" = None,
    ignore: "Names | Mapping[str, Names]" = (),
    tolerance: Mapping[str, Any] | None = None,
    limit: int | None = None,
    ids: "str | Sequence[str] | Mapping[str, Any] | None" = None,
    base: bool = True,
    where: "Condition | Mapping[str, Condition] | None" = None,
    touch: "Names | Mapping[str, Names]" = (),
    partial: bool = False,
    schemas: Sequence[str] | None = None,
    strategy: Strategy | None = None,
    progress: bool | None = None,
) -> Diff:
    """Every true difference between two stores, table by table, read in one snapshot each.

    tables: a name or names (only these), or a mapping local -> remote for tables whose names do not
        pair regardless of case and `_` (the others still pair by name).
    key: what identifies a row: columns for all tables, or `{table: columns}`; by default the primary
        key, else a unique rule without NULLs, else rows are compared as a multiset.
    columns: only these, or `{table: [names]}`; `{table: {local: remote}}` pairs differing names.
    ignore: columns not to compare, as `name`, `table.name` or `{table: [names]}`.
    tolerance: `{column: distance}` that still counts as the same: a number, or a timedelta for stamps.
    limit: stop a table after so many differing rows; the verdict says so. Where ids have to be matched, all
        rows are read.
    ids: `"meaningless"` where each side makes the ids of its rows on its own (all tables, or a list of them):
        then one id and two natural keys are two things. `{table: {id: "same"}}` or `"different"` says it of
        single ids. With `key=` told as well, that identifies the rows, and their ids are not compared.
    base: whether to use what both sides last agreed on, where that is kept (`sn.agree`, `sn.sync`): then it is
        known who changed what. Without it a row that one side lacks may be new here or deleted there.
    where: only rows of which this is true, such as `sn.col("org") == 7`, or `{table: condition}`, by compared columns.
        Each side is asked by its own values; a row that one side has outside of it is told as not compared.
    touch: bookkeeping columns of remote, such as `last_synced_at`, told like `ignore`: not compared, and stamped by
        a plan into remote in every row that local has, changed or not.
    partial: local is only a part, such as a payload: what it does not have is not missing, and not told. Of a remote
        table that is much larger only the rows with the keys of local are read.
    schemas: PostgreSQL schemas beside those on the search path.
    strategy: `"stream"` reads all rows of both sides and compares them by value. `"digests"` has PostgreSQL hash its
        rows, wherever that can be trusted to find the same, and reads only those that differ: `.how` says which
        tables were compared so, and why others were not. By default that is done with large tables.
    progress: a progress bar; by default where a diff takes longer than two seconds.

    Raises SchemaError where tables, columns or keys do not pair, ConnectError and ReadError from the stores.
    """
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise SyncnbError(
            f"limit is {limit}", hint="give the number of differing rows after which to stop, from 1"
        )
    told = Told(
        tables=tables,
        key=key,
        columns=columns,
        ignore=ignore,
        tolerance=tolerance or {},
        ids=ids,
        where=where,
        touch=touch,
    )
    return diff_told(
        local,
        remote,
        told,
        limit=limit,
        base=base,
        partial=partial,
        schemas=schemas,
        strategy=strategy,
        progress=progress,
    )


def diff_told(
    local: Store,
    remote: Store,
    told: Told,
    *,
    limit: int | None = None,
    base: bool = True,
    partial: bool = False,
    schemas: Sequence[str] | None = None,
    strategy: Strategy | None = None,
    progress: bool | None = None,
    witness: Witness | None = None,
    only: Mapping[str, Keys] | None = None,
) -> Diff:
    """The same, with all that was told in one value (as a match file gives it).

    witness: is told of all rows that are the same on both sides. only: keys of rows in local, by table; then
        nothing but these rows, what they refer to, and who is who in remote is read: counts and verdicts are
        about those.
    """
    if strategy not in (None, *STRATEGIES):
        raise SyncnbError(f"there is no strategy {strategy!r}", hint=f"there are {' and '.join(STRATEGIES)}")
    for side, store in (("local", local), ("remote", remote)):
        if not isinstance(store, Store):
            raise SyncnbError(
                f"{side} is a {type(store).__name__}, not a store",
                hint="open it first: sn.connect(...) takes a path, a URL or a DataFrame",
            )
    with local.reading() as here, remote.reading() as there:
        matched = match(here.schema(schemas), there.schema(schemas), told, (local.timezone, remote.timezone))
        apart = _apart(here.clock_offset(), there.clock_offset())
        sizes = _sizes(matched, here, there)
        with _bar(sizes, shown=progress) as counter:
            known = known_ids(matched.pairs, (local, remote), (here, there))
            memory = Remembered((local, remote), (here, there), used=base)
            readers: dict[Side, Reader] = {"local": here, "remote": there}
            chosen = None
            if only is not None:
                chosen = Selection(matched.pairs, readers, only, memory, known, remote.dialect)
            part = Part(readers, remote.dialect) if partial else None
            filters = filters_of(matched.pairs, told.where)
            comparison = _Comparison(
                told, readers, sizes, limit, counter, known, memory, witness, chosen, part, filters, strategy
            )
            tables = comparison.of(matched.pairs)
            if part is not None:
                tables = tuple(map(part.cut, tables))
            tables = tuple(crossing(t, filters[t.name], readers) if t.name in filters else t for t in tables)
            if chosen is not None:
                tables = tuple(map(chosen.concerned, tables))
            accepted, now = accepted_here((local, remote), (here, there)), clock.now()
            tables = tuple(without_accepted(t, accepted.get(t.name, {}), now) for t in tables)
    stores = (local, remote)
    return Diff(
        local=local.name,
        remote=remote.name,
        tables=tuple(replace(table, lookup=_lookup(table.pair, stores)) for table in tables),
        unmatched_local=matched.unmatched_local,
        unmatched_remote=() if partial else matched.unmatched_remote,
        clocks_apart=apart,
        stores=stores,
    )


def _apart(local: timedelta, remote: timedelta) -> timedelta:
    """The greatest distance among the three clocks, up to the next tenth of a second: it is not known better."""
    most = max(abs(local), abs(remote), abs(local - remote))
    return -(-most // TENTH) * TENTH


def _sizes(matched: Matched, here: Reader, there: Reader) -> dict[str, Sizes]:
    return {
        pair.name: (here.count_estimate(pair.local), there.count_estimate(pair.remote))
        for pair in matched.pairs
    }


def _bar(sizes: Mapping[str, Sizes], *, shown: bool | None) -> Any:
    rows = [rows for both in sizes.values() for rows in both]
    total = None if None in rows else sum(each or 0 for each in rows)

    def made() -> Any:
        from tqdm.auto import tqdm

        # A bar that comes and goes in a second is noise, and an output that no test can compare.
        return tqdm(
            total=total,
            unit=" rows",
            unit_scale=True,
            leave=False,
            delay=0 if shown else 2,
            disable=shown is False,
        )

    return bar(total, made)


CIRCLES = 25
"""How often tables that refer to themselves or each other are read until nothing new is found of their ids."""


@dataclass
class _Comparison:
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
    strategy: Strategy | None = None
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
        if self.strategy != "stream":
            try:
                return self._by_digests(pair)
            except Unfit as problem:
                why_not = f"; no digests: {problem}" if self.strategy == "digests" else ""
                self.children.start(pair)
        found = self._by_value(pair)
        found.reason += why_not
        return found

    def _by_digests(self, pair: TablePair) -> "_Found":
        """Raises Unfit where only values can tell."""
        entities = self._entities(pair)
        parted = self.part is not None or pair.name in self.filters
        if parted or self.selection is not None or self.witness is not None or self.limit is not None:
            raise Unfit("some rows only, or all of them are asked for")
        if len(entities.known) or entities.moved or self.children.watched(pair):
            raise Unfit("ids that mean another thing on the other side")
        if self.strategy is None and min(size or 0 for size in self.sizes[pair.name]) < LARGE:
            raise Unfit("a small table")
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
        for batch in _batches(pair, side, self.readers[side], ordered=ordered, where=where):
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


def _batches(
    pair: TablePair, side: Side, reader: Reader, *, ordered: bool, where: Condition | None = None
) -> Generator[pa.RecordBatch]:
    table = pair.local if side == "local" else pair.remote
    names = [_on(side, column).name for column in pair.columns]
    order = [_on(side, column).name for column in pair.key] if ordered else []
    yield from reader.batches(table, names, order=order, where=where)


def _tables(pair: TablePair) -> tuple[tuple[Side, Table], ...]:
    return ("local", pair.local), ("remote", pair.remote)


def _on(side: Side, column: ColumnPair) -> Any:
    return column.local if side == "local" else column.remote


def _hidden(found: Collector) -> Iterator[Uncompared]:
    """Rows that were not seen, as far as that is known."""
    if found.full:
        yield Uncompared("rows", "rows", None, f"stopped at the limit of {found.limit} differing rows")
    for side, table in _tables(found.pair):
        if table.row_security:
            yield Uncompared("rows", "rows", None, f"row-level security hides rows of {side} from this role")


def _lookup(pair: TablePair, stores: tuple[Store, Store]) -> Callable[[Hashable], tuple[Any, Any]]:
    """A function that reads one row of both sides again, by canonical key."""

    def read(side: Side, store: Store, wanted: Hashable) -> tuple[Raw, ...] | None:
        with store.reading() as reader, closing(_batches(pair, side, reader, ordered=False)) as batches:
            for batch in batches:
                keys = tokens(pair, side, batch.columns)
                if wanted in keys:
                    at = keys.index(wanted)
                    return tuple(to_python(column.slice(at, 1))[0] for column in batch.columns)
        return None

    return lambda wanted: (read("local", stores[0], wanted), read("remote", stores[1], wanted))
