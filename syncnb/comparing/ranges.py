"""One range of keys of two tables, compared: a pure function of two stores and the range.

    …  ├── low ≤ first key column < high ──┤  …      open at both ends of the table, so that each row is in just one

The answer holds the rows that differ and counts those that are the same, so that it is small, and the same wherever
and however often it is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import TablePair
from syncnb.comparing.collecting import Collector, Columns
from syncnb.comparing.streaming import OutOfOrder, Stream, merge, streamable
from syncnb.filters import Condition, col
from syncnb.stores.port import Reader
from syncnb.stores.row_digests import Unfit
from syncnb.values.arrays import mask
from syncnb.values.kinds import Kind
from syncnb.values.numeric import NumberRule
from syncnb.values.raw import concat, given
from syncnb.values.rules import TextRule
from syncnb.values.sides import SIDES, Side

__all__ = ["Part", "Range", "check_ranged", "compared", "cuts", "plain"]

SAMPLED = 200_000
"""Keys from which it is told where to cut."""


@dataclass(frozen=True)
class Range:
    """Keys from `low` on, before `high`; None is the end of the table."""

    number: int
    low: Any = None
    high: Any = None

    def condition(self, name: str) -> Condition | None:
        """The same for a store. Where there is nothing below, NULL is in it, too."""
        within = None if self.low is None else col(name) >= self.low
        if self.high is not None:
            under = col(name) < self.high
            within = under | col(name).is_null() if within is None else within & under
        return within


@dataclass
class Part:
    """What was found in one range."""

    same: int
    by_rule: "np.ndarray[Any, Any]"
    """By column, of the rows that are the same."""
    unknown: "np.ndarray[Any, Any]"
    doubts: dict[int, str]
    rows: dict[str, list[pa.Array]] = field(default_factory=dict)
    """`left` and `right`, rows that differ side by side; `local` and `remote`, those of one side only."""

    def into(self, found: Collector) -> None:
        """Add it to what was found so far; its rows are compared once more, with all that is known there."""
        for at, doubt in self.doubts.items():
            found.doubts.setdefault(at, doubt)
        if "left" in self.rows:
            found.pairs(self.rows["left"], self.rows["right"])
        for side in SIDES:
            if side in self.rows:
                found.only(side, self.rows[side])
        found.unknown += self.unknown
        found.agreed(self.same, by_rule=self.by_rule)


def check_ranged(pair: TablePair) -> None:
    """Raises Unfit where the table cannot be cut into ranges of keys."""
    if (problem := streamable(pair)) is not None:
        raise Unfit(problem)
    first = pair.key[0]
    whole = isinstance(first.rule, NumberRule) and first.rule.integers
    text = isinstance(first.rule, TextRule) and {Kind(first.local.kind), Kind(first.remote.kind)} == {
        Kind.TEXT
    }
    if not (whole or text):
        raise Unfit(f"no ranges of {first.name}: {first.local.kind} and {first.remote.kind}")


def cuts(pair: TablePair, side: Side, reader: Reader, rows: int, most: int) -> list[Range]:
    """Ranges with about so many rows of this side each. Raises Unfit where a key is not of its kind.

    most: no more ranges than that.
    """
    first = pair.key[0]
    table, column = pair.on(side), first.on(side)
    step = max(1, (reader.count_estimate(table) or 0) // SAMPLED)
    seen, count = [], 0
    for batch in reader.batches(table, [column.name]):
        keys = first.rule.column(batch.column(0), side)
        if keys is None or keys.null_count or keys.type != first.rule.key_type:
            raise Unfit(f"NULL or a value of another kind in key column {first.name} of {side}")
        count += len(keys)
        seen.append(keys.take(pa.array(np.arange(0, len(keys), step))))
    keys = concat(seen)
    keys = keys.take(pc.sort_indices(keys))
    parts = min(max(-(-count // rows), 2), most)
    places = [len(keys) * number // parts for number in range(1, parts)] if len(keys) else []
    bounds = list(dict.fromkeys(keys[at].as_py() for at in places))
    lows, highs = [None, *bounds], [*bounds, None]
    return [Range(number, low, high) for number, (low, high) in enumerate(zip(lows, highs, strict=True))]


def plain(pair: TablePair) -> TablePair:
    """The pair without what it takes more than its rows to know: who is who."""
    return replace(pair, surrogate=False, natural=(), natural_from="", links=(), touch=())


def compared(pair: TablePair, readers: "dict[Side, Reader]", within: Range) -> Part:
    """Compare one range of a `plain` pair. Raises OutOfOrder where the whole table needs another way."""
    found = Collector(pair)
    ours, theirs = (Stream(pair, side, _rows(pair, side, readers[side], within)) for side in SIDES)
    merge(ours, theirs, found, _Nobody())
    if found.skipped or found.full:
        raise OutOfOrder("rows that cannot be compared")
    rows = {name: kept.columns() for name, kept in found.kept.items() if len(kept)}
    again = Collector(pair)
    if "left" in rows:
        again.pairs(rows["left"], rows["right"])
    return Part(found.same, found.by_rule - again.by_rule, found.unknown - again.unknown, found.doubts, rows)


class _Nobody:
    """Who is told how far it is, where nobody asked."""

    def update(self, rows: int) -> None:
        pass


def _rows(pair: TablePair, side: Side, reader: Reader, within: Range) -> Iterator[pa.RecordBatch]:
    """The rows of one side, in key order. What the store leaves out it may; what it does not is left out here."""
    table = pair.on(side)
    names = [column.on(side).name for column in pair.columns]
    key_at = [pair.columns.index(column) for column in pair.key]
    where = within.condition(names[key_at[0]])
    for batch in reader.batches(table, names, order=[names[at] for at in key_at], where=where):
        yield _cut(pair, side, batch, key_at[0], within)


def _cut(pair: TablePair, side: Side, batch: pa.RecordBatch, at: int, within: Range) -> pa.RecordBatch:
    raw: pa.Array = given(batch.column(at))
    keys = None if raw.null_count else pair.key[0].rule.column(raw, side)
    if keys is None or keys.null_count or keys.type != pair.key[0].rule.key_type:
        raise OutOfOrder(f"NULL or a value of another kind in key column {pair.key[0].name} of {side}")
    inside = np.ones(len(keys), np.bool_)
    if within.low is not None:
        inside &= mask(pc.greater_equal(keys, pa.scalar(within.low, keys.type)))
    if within.high is not None:
        inside &= mask(pc.less(keys, pa.scalar(within.high, keys.type)))
    if inside.all():
        return batch
    rows = pa.array(np.flatnonzero(inside))
    columns: Columns = [column.take(rows) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
