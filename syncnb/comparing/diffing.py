"""The verb `diff`: opens both stores in one snapshot each, compares all tables, closes them."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

from syncnb import clock
from syncnb.changes import Diff, TablePair
from syncnb.changes.accepted import without_accepted
from syncnb.comparing.accepting import accepted_here
from syncnb.comparing.catalogues import catalogues
from syncnb.comparing.collecting import Witness
from syncnb.comparing.comparison import STRATEGIES, Comparison, Sizes, Strategy, Ways, batches_of
from syncnb.comparing.filtering import crossing, filters_of
from syncnb.comparing.knowing import known_ids
from syncnb.comparing.parting import Part
from syncnb.comparing.partitioning import tokens
from syncnb.comparing.remembering import Remembered
from syncnb.comparing.selecting import Keys, Selection
from syncnb.comparing.spreading import Lender
from syncnb.errors import SyncnbError
from syncnb.filters import Condition
from syncnb.matching import Matched, Names, Told, match
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Reader, Store
from syncnb.stores.sqlite_joining import joined_files
from syncnb.values.raw import Raw, to_python
from syncnb.values.sides import Side
from syncnb.watching import bar

__all__ = ["diff"]

TENTH = timedelta(milliseconds=100)


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
    executor: Executor | None = None,
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
        rows, `"join"` has SQLite compare two files itself, wherever that can be trusted to find the same, and only
        rows that differ are read: `.how` says which tables were compared so, and why others were not. By default
        that is done with large tables.
    executor: workers (threads, processes, `client.get_executor()` of dask) that compare large tables a range of keys
        each, all of one snapshot. They are told names of environment variables, never a password.
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
        executor=executor,
        progress=progress,
    )


@one_conversation
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
    executor: Executor | None = None,
    progress: bool | None = None,
    witness: Witness | None = None,
    only: Mapping[str, Keys] | None = None,
) -> Diff:
    """The same, with all that was told in one value (as a match file gives it).

    witness: is told of all rows that are the same on both sides. only: keys of rows in local, by table; then
        nothing but these rows, what they refer to, and who is who in remote is read: counts and verdicts are
        about those.
    """
    lender = _lender(local, remote, strategy, executor)
    with (
        lender.watching() as unwritten,
        joined_files(local, remote) as files,
        local.reading() as here,
        remote.reading() as there,
        lender.lending(unwritten, here, there) as spread,
    ):
        files.begin()
        ways = Ways(strategy, files, spread)
        matched = match(*catalogues(here, there, schemas), told, (local.timezone, remote.timezone))
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
            comparison = Comparison(
                told, readers, sizes, limit, counter, known, memory, witness, chosen, part, filters, ways
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
        tables=tuple(
            replace(table, lookup=_lookup(table.pair, stores), clocks_apart=apart) for table in tables
        ),
        unmatched_local=matched.unmatched_local,
        unmatched_remote=() if partial else matched.unmatched_remote,
        clocks_apart=apart,
        stores=stores,
    )


def _lender(local: Store, remote: Store, strategy: Strategy | None, executor: Executor | None) -> Lender:
    """What lends the two stores to workers, if there are any; raises where something told is not what it has to be."""
    if strategy not in (None, *STRATEGIES):
        raise SyncnbError(f"there is no strategy {strategy!r}", hint=f"there are {' and '.join(STRATEGIES)}")
    if executor is not None and strategy not in (None, "stream"):
        raise SyncnbError(
            f"strategy={strategy!r} has nothing to do for an executor", hint="leave one of the two out"
        )
    for side, store in (("local", local), ("remote", remote)):
        if not isinstance(store, Store):
            raise SyncnbError(
                f"{side} is a {type(store).__name__}, not a store",
                hint="open it first: sn.connect(...) takes a path, a URL or a DataFrame",
            )
    return Lender(executor, (local, remote))


def _apart(local: timedelta, remote: timedelta) -> timedelta:
    """The greatest distance among the three clocks, up to the next tenth of a second: it is not known better."""
    most = max(abs(local), abs(remote), abs(local - remote))
    return -(-most // TENTH) * TENTH


def _sizes(matched: Matched, here: Reader, there: Reader) -> dict[str, Sizes]:
    ours = here.count_estimates([pair.local for pair in matched.pairs])
    theirs = there.count_estimates([pair.remote for pair in matched.pairs])
    return {pair.name: (a, b) for pair, a, b in zip(matched.pairs, ours, theirs, strict=True)}


def _bar(sizes: Mapping[str, Sizes], *, shown: bool | None) -> Any:
    rows = [rows for both in sizes.values() for rows in both]
    total = None if None in rows else sum(each or 0 for each in rows)
    return bar(total, shown=shown, disable=shown is False)


def _lookup(pair: TablePair, stores: tuple[Store, Store]) -> Callable[[Hashable], tuple[Any, Any]]:
    """A function that reads one row of both sides again, by canonical key."""

    def read(side: Side, store: Store, wanted: Hashable) -> tuple[Raw, ...] | None:
        with store.reading() as reader, closing(batches_of(pair, side, reader, ordered=False)) as batches:
            for batch in batches:
                keys = tokens(pair, side, batch.columns)
                if wanted in keys:
                    at = keys.index(wanted)
                    return tuple(to_python(column.slice(at, 1))[0] for column in batch.columns)
        return None

    return lambda wanted: (read("local", stores[0], wanted), read("remote", stores[1], wanted))
