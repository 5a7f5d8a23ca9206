"""Compare two tables by digests of their rows, made where the rows are: next to nothing travels where little differs.

    1  both sides: sums of all rows, and 32 bits for each bucket of keys        where these differ …
    2  both sides: tag and 32 bits of each row in those buckets                 … which rows do
    3  both sides: those rows whole, compared by value as ever                  what differs, exactly
    4  all other rows: their number and two sums of 64 bits are the same, or this was for nothing

Nothing is said to be the same but by value or by step 4, and nothing to differ but by value. What does not
fit (a kind of value without a common form, a key that nobody keeps unique) is `Unfit`, and goes the exact way.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import TablePair
from syncnb.comparing.collecting import Collector
from syncnb.comparing.streaming import OutOfOrder, Stream, merge, streamable
from syncnb.errors import ReadError
from syncnb.schema import Column, Table
from syncnb.stores.port import BATCH_ROWS, Reader
from syncnb.stores.postgres import PostgresReader
from syncnb.stores.postgres_digests import PostgresDigester
from syncnb.stores.read_digests import ReadDigester, Stopped
from syncnb.stores.row_digests import Digester, Numbers, Places, Recipe, Sums, Tagged, Unfit
from syncnb.values.columns import sort_keys
from syncnb.values.images import KEY_FORMS, Form, agreed
from syncnb.values.kinds import Kind
from syncnb.values.raw import concat
from syncnb.values.sides import SIDES, Side, other_side

__all__ = ["compare_digests", "forms_for"]

SMALL = {"smallint", "integer"}
SHORT = re.compile(r"numeric\((?P<all>\d+),(?P<places>\d+)\)", re.ASCII)
IN_BUCKET = 16
"""A bucket is to hold from so many rows to twice as many."""
FEWEST, MOST = 2**8, 2**20
"""Buckets. More than that would take more memory on the server than it may have."""
SEEDS = (7_640_891_576_956_012_809, -4_942_790_177_534_073_029, 3_238_736_544_897_475_342)
"""Of the key's hash and of the two of the row: any three numbers."""
REFUSED = ("0A", "22", "42", "53", "54", "XX")
"""Classes of SQLSTATE after which it is worth to read the rows instead: the question was too much or too strange."""
FIRST = 200
"""Rows looked at beforehand: where most of them differ, all of them had better be read at once."""
MANY = 0.5
"""The share of used buckets with a difference beyond which the rows had better be read at once."""

T = TypeVar("T")
Readers = dict[Side, Reader]


def forms_for(pair: TablePair, readers: Readers) -> tuple[Form, ...]:
    """The form of each column in a row's image. Raises Unfit where the pair cannot be compared by digests at all."""
    postgres = [side for side in SIDES if isinstance(readers[side], PostgresReader)]
    if not postgres:
        raise Unfit("neither side can make digests itself")
    if (problem := streamable(pair)) is not None:
        raise Unfit(problem)
    for side in SIDES:
        table = pair.on(side)
        if table.text_encoding != "utf-8":
            raise Unfit(f"{table.label} of {side} is not in UTF-8")
        if not _unique(table, [column.on(side) for column in pair.key], postgres=side in postgres):
            raise Unfit(f"nothing keeps the key of {table.label} unique in {side}")
    return tuple(_form(pair, at, postgres) for at in range(len(pair.columns)))


def _form(pair: TablePair, at: int, postgres: Sequence[Side]) -> Form:
    column = pair.columns[at]
    there = postgres[-1]
    kinds = Kind(column.on(other_side(there)).kind), Kind(column.on(there).kind)
    form = agreed(*kinds, column.rule, both_postgres=len(postgres) == 2)
    types = {column.on(side).type for side in postgres}
    if form is None or "oid" in types:
        raise Unfit(f"{column.name} has no form in which both sides could hash it ({kinds[0]}, {kinds[1]})")
    if form is Form.INTEGER and types <= SMALL and column not in pair.key:
        form = Form.SMALL
    # Of two servers only where both write all of them with the same digits behind the point: 1.5 is not written as 1.50 is.
    one_scale = len(types) == 1 and kinds == (Kind.NUMERIC, Kind.NUMERIC)
    if (form is Form.NUMBER or one_scale) and all(map(_is_short, types)):
        form = Form.DECIMAL
    if column in pair.key and form not in KEY_FORMS:
        raise Unfit(f"the key column {column.name} has no such form ({kinds[0]}, {kinds[1]})")
    return form


def _is_short(type_: str) -> bool:
    """Whether it is numeric(p, s) with so few digits that a decimal is a whole number of ten-thousandths."""
    found = SHORT.fullmatch(type_)
    return found is not None and int(found["places"]) <= 4 and int(found["all"]) - int(found["places"]) <= 11


def _unique(table: Table, key: Sequence[Column], *, postgres: bool) -> bool:
    """Whether the database itself keeps every key there once, and in PostgreSQL none of it NULL."""
    names = {column.name for column in key}
    kept = any(
        rule.columns and rule.valid and not rule.where and not rule.expressions and set(rule.columns) <= names
        for rule in table.rules
    )
    return kept and not (postgres and any(column.nullable for column in key))


def compare_digests(
    pair: TablePair, forms: Sequence[Form], readers: Readers, found: Collector, progress: Any
) -> dict[str, Any]:
    """Compare two tables into `found`; how it went. Raises Unfit, and then `found` is of no use any more."""
    rows = max(readers[side].count_estimate(pair.on(side)) or 0 for side in SIDES)
    sides = {side: _digester(pair, side, forms, readers, rows) for side in SIDES}
    try:
        return _compared(pair, sides, readers, found, progress)
    except ReadError as problem:
        if (problem.sqlstate or "").startswith(REFUSED):
            raise Unfit("the server could not do it") from None
        raise


def _compared(
    pair: TablePair, sides: "dict[Side, Digester]", readers: Readers, found: Collector, progress: Any
) -> dict[str, Any]:
    first = _first_rows(sides)
    sums = _both(sides, readers, lambda digester: _sums(digester, first))
    places = _differing_places(*(sums[side].places for side in SIDES))
    rows: dict[Side, _Rows] = {side: _Rows([], (_none(), _none())) for side in SIDES}
    rounds = 2
    if len(places):
        tagged = _both(sides, readers, lambda digester: digester.tagged(places))
        tags = _differing(*(tagged[side] for side in SIDES))
        rows = _both(sides, readers, lambda digester: _whole(digester, tags, len(pair.columns)))
        rounds = 4
    rest = {side: sums[side].without(rows[side].hashes) for side in SIDES}
    if rest["local"] != rest["remote"]:
        raise Unfit("the sums of the rows that look the same differ")
    try:
        ours, theirs = (Stream(pair, side, rows[side].in_order(pair, side)) for side in SIDES)
        merge(ours, theirs, found, progress)
    except OutOfOrder as problem:
        raise Unfit(str(problem)) from None
    same = rest["local"][0]
    found.agreed(same, by_rule=_ruled(sides, rows))
    progress.update(2 * same)
    return {"rounds": rounds, "bytes": sum(digester.sent for digester in sides.values())}


def _digester(pair: TablePair, side: Side, forms: Sequence[Form], readers: Readers, rows: int) -> Digester:
    table, reader = pair.on(side), readers[side]
    key_at = tuple(pair.columns.index(column) for column in pair.key)
    columns = tuple(column.on(side) for column in pair.columns)
    recipe = Recipe(table, columns, tuple(forms), key_at, _buckets(rows), SEEDS, rows)
    if isinstance(reader, PostgresReader):
        return PostgresDigester(reader, recipe)
    there = [Kind(column.on(other_side(side)).kind) for column in pair.columns]
    return ReadDigester(reader, recipe, [column.rule for column in pair.columns], side, there)


def _buckets(rows: int) -> int:
    wanted = 1 << max(rows // IN_BUCKET, 1).bit_length() - 1
    return min(max(wanted, FEWEST), MOST)


def _both(sides: "dict[Side, Digester]", readers: Readers, ask: Callable[[Digester], T]) -> "dict[Side, T]":
    """Ask both sides at once. Where one fails, or somebody interrupts, the other is stopped."""
    with ThreadPoolExecutor(1) as pool:
        # A server works on its own, so it is the one to be waited for in a thread.
        apart = next(side for side in SIDES if isinstance(readers[side], PostgresReader))
        other = other_side(apart)
        later = pool.submit(ask, sides[apart])
        if isinstance(here := sides[other], ReadDigester):
            later.add_done_callback(lambda done: here.stop() if done.exception() else None)
        try:
            found = {other: ask(sides[other]), apart: later.result()}
        except Stopped:
            found = {apart: later.result()}  # which raises what it was stopped for
        except BaseException:
            if not later.done():
                readers[apart].interrupt()
            raise
    return {side: found[side] for side in SIDES}


def _first_rows(sides: "dict[Side, Digester]") -> tuple[Numbers, Numbers]:
    """Tags and hashes of the first rows of the side that is read, where a server can look them up; else none."""
    for digester in sides.values():
        if isinstance(digester, ReadDigester) and digester.recipe.by_number:
            return digester.first(FIRST)
    return _none(), _none()


def _sums(digester: Digester, first: tuple[Numbers, Numbers]) -> Sums:
    """The digests of all rows. Raises Unfit where a server makes others than the other side, or has other first rows.

    What is read here is read meanwhile: to ask that takes a turn of the line.
    """
    if isinstance(digester, PostgresDigester):
        tags, ours = first
        met, theirs = digester.begun(tags)
        own = dict(zip(tags.tolist(), ours.tolist(), strict=True))
        told = zip(met.tolist(), theirs.tolist(), strict=True)
        if sum(own[tag] != hashed for tag, hashed in told) > MANY * len(met):
            raise Unfit("the first rows differ")
    return digester.sums()


def _differing_places(local: Places, remote: Places) -> Numbers:
    """The buckets that are not the same. Raises Unfit where they are too many."""
    differing = np.flatnonzero(local != remote)
    if len(differing) > MANY * np.count_nonzero(local | remote):
        raise Unfit("most rows differ")
    return differing


def _none() -> Numbers:
    return np.zeros(0, np.int64)


def _differing(local: Tagged, remote: Tagged) -> Numbers:
    """The tags that do not come on both sides with the same digest."""
    tags, digests = (
        np.concatenate(parts)
        for parts in zip(*((part.tags, part.digests) for part in (local, remote)), strict=True)
    )
    if not len(tags):
        return tags
    theirs = np.arange(len(tags)) >= len(local.tags)
    order = np.lexsort((theirs, digests, tags))
    tags, digests, theirs = tags[order], digests[order], theirs[order]
    starts = np.flatnonzero(np.append(True, (tags[1:] != tags[:-1]) | (digests[1:] != digests[:-1])))
    ends = np.append(starts[1:], len(tags)) - 1
    return np.unique(tags[starts[theirs[starts] == theirs[ends]]])


@dataclass(frozen=True)
class _Rows:
    """Whole rows of one side."""

    columns: list[pa.Array]
    hashes: tuple[Numbers, Numbers]

    def in_order(self, pair: TablePair, side: Side) -> Iterator[pa.RecordBatch]:
        """In the order of their keys, as a stream of that table has them."""
        if not self.columns:
            return
        at = [pair.columns.index(column) for column in pair.key]
        keys = [pair.columns[place].rule.column(self.columns[place], side) for place in at]
        if any(key is None for key in keys):
            raise OutOfOrder(f"values of several kinds in the key of {side}")
        order = sort_keys(keys)
        names = [str(number) for number in range(len(self.columns))]
        for start in range(0, len(order), BATCH_ROWS):
            part = order.slice(start, BATCH_ROWS)
            yield pa.RecordBatch.from_arrays([column.take(part) for column in self.columns], names)


def _whole(digester: Digester, tags: Numbers, width: int) -> _Rows:
    batches = [batch.columns for batch in digester.rows(tags) if batch.num_rows]
    if not batches:
        return _Rows([], (_none(), _none()))
    columns = [concat(batch[at] for batch in batches) for at in range(width)]
    first, second = (
        pc.cast(concat(batch[at] for batch in batches), pa.int64()).to_numpy() for at in (width, width + 1)
    )
    return _Rows(columns, (first, second))


def _ruled(sides: "dict[Side, Digester]", rows: "dict[Side, _Rows]") -> Numbers:
    """By column: cells of the rows that were not compared by value which are the same only thanks to a rule."""
    for side, digester in sides.items():
        if isinstance(digester, ReadDigester):
            read = rows[side].columns
            found = digester.by_rule - digester.ruled(read) if read else digester.by_rule
            found[list(digester.recipe.key_at)] = 0  # keys that meet are not compared once more
            return found
    return np.zeros(1, np.int64)  # two columns of one type of PostgreSQL that are written alike are alike
