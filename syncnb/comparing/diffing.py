"""The verb `diff`: opens both stores in one snapshot each, chooses a strategy a table, closes them."""

import time
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pyarrow as pa

from syncnb.changes import ColumnPair, Diff, TableDiff, TablePair, Uncompared
from syncnb.comparing.collecting import Collector
from syncnb.comparing.partitioning import compare_shares, tokens
from syncnb.comparing.streaming import OutOfOrder, Stream, merge, streamable
from syncnb.errors import SyncnbError
from syncnb.matching import Matched, Names, Told, match
from syncnb.stores.port import Reader, Store
from syncnb.values.raw import Raw, to_python
from syncnb.values.rules import Side

__all__ = ["diff"]


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
    schemas: Sequence[str] | None = None,
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
    limit: stop a table after so many differing rows; the verdict says so.
    schemas: PostgreSQL schemas beside those on the search path.
    progress: a progress bar; by default where a diff takes longer than two seconds.

    Raises SchemaError where tables, columns or keys do not pair, ConnectError and ReadError from the stores.
    """
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise SyncnbError(
            f"limit is {limit}", hint="give the number of differing rows after which to stop, from 1"
        )
    told = Told(tables=tables, key=key, columns=columns, ignore=ignore, tolerance=tolerance or {})
    return diff_told(local, remote, told, limit=limit, schemas=schemas, progress=progress)


def diff_told(
    local: Store,
    remote: Store,
    told: Told,
    *,
    limit: int | None = None,
    schemas: Sequence[str] | None = None,
    progress: bool | None = None,
) -> Diff:
    """The same, with all that was told in one value (as a match file gives it)."""
    for side, store in (("local", local), ("remote", remote)):
        if not isinstance(store, Store):
            raise SyncnbError(
                f"{side} is a {type(store).__name__}, not a store",
                hint="open it first: sn.connect(...) takes a path, a URL or a DataFrame",
            )
    with local.reading() as here, remote.reading() as there:
        matched = match(here.schema(schemas), there.schema(schemas), told, (local.timezone, remote.timezone))
        with _bar(matched, here, there, shown=progress) as bar:
            tables = tuple(_compare_table(pair, here, there, limit, bar) for pair in matched.pairs)
    stores = (local, remote)
    return Diff(
        local=local.name,
        remote=remote.name,
        tables=tuple(replace(table, lookup=_lookup(table.pair, stores)) for table in tables),
        unmatched_local=matched.unmatched_local,
        unmatched_remote=matched.unmatched_remote,
        stores=stores,
    )


def _bar(matched: Matched, here: Reader, there: Reader, *, shown: bool | None) -> Any:
    from tqdm.auto import tqdm

    sizes = [
        reader.count_estimate(table)
        for pair in matched.pairs
        for reader, table in ((here, pair.local), (there, pair.remote))
    ]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    # A bar that comes and goes in a second is noise, and an output that no test can compare.
    return tqdm(
        total=total,
        unit=" rows",
        unit_scale=True,
        leave=False,
        delay=0 if shown else 2,
        disable=shown is False,
    )


def _compare_table(pair: TablePair, here: Reader, there: Reader, limit: int | None, bar: Any) -> TableDiff:
    bar.set_description(pair.name, refresh=False)
    started = time.perf_counter()
    readers: dict[Side, Reader] = {"local": here, "remote": there}
    if not pair.columns:
        nothing = Uncompared("rows", "rows", None, "no column can be compared")
        return Collector(pair).finish({"strategy": "none", "why": nothing.why, "rows": 0}, [nothing])
    reason = streamable(pair)
    if reason is None:
        try:
            found = _stream(pair, readers, limit, bar)
            return _finish(found, "stream", "both sides in key order", started)
        except OutOfOrder as problem:
            reason = str(problem)
    found = Collector(pair, limit=limit)
    compare_shares(pair, lambda side: _batches(pair, side, readers[side], ordered=False), found, bar)
    return _finish(found, "partition", reason, started)


def _stream(pair: TablePair, readers: dict[Side, Reader], limit: int | None, bar: Any) -> Collector:
    found = Collector(pair, limit=limit)
    with (
        closing(_batches(pair, "local", readers["local"], ordered=True)) as ours,
        closing(_batches(pair, "remote", readers["remote"], ordered=True)) as theirs,
    ):
        merge(Stream(pair, "local", ours), Stream(pair, "remote", theirs), found, bar)
    return found


def _batches(pair: TablePair, side: Side, reader: Reader, *, ordered: bool) -> Generator[pa.RecordBatch]:
    table = pair.local if side == "local" else pair.remote
    names = [_on(side, column).name for column in pair.columns]
    order = [_on(side, column).name for column in pair.key] if ordered else []
    yield from reader.batches(table, names, order=order)


def _on(side: Side, column: ColumnPair) -> Any:
    return column.local if side == "local" else column.remote


def _finish(found: Collector, strategy: str, reason: str, started: float) -> TableDiff:
    how = {
        "strategy": strategy,
        "why": reason,
        "rows": sum(found.rows.values()),
        "seconds": time.perf_counter() - started,
    }
    extra = []
    if found.full:
        extra.append(
            Uncompared("rows", "rows", None, f"stopped at the limit of {found.limit} differing rows")
        )
    extra += [
        Uncompared("rows", "rows", None, f"row-level security hides rows of {side} from this role")
        for side, table in (("local", found.pair.local), ("remote", found.pair.remote))
        if table.row_security
    ]
    return found.finish(how, extra)


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
