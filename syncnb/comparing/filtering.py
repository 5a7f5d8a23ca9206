"""Rows that a condition means, by the rules that compare them; and rows of which only one side is meant.

local   7 | org 1 ✓      both are looked at, each by its own value
remote  7 | org 2 ✗      so 7 would look missing in remote, though it is there: it is told as not compared
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.changes import ColumnPair, TableDiff, TablePair, Uncompared
from syncnb.changes.keys import key_text
from syncnb.comparing.remembering import row_keys
from syncnb.errors import SchemaError
from syncnb.filters import Both, Condition, Either, Negated, Test
from syncnb.stores.port import Reader
from syncnb.values import numbers
from syncnb.values.moments import StampRule
from syncnb.values.numeric import BooleanRule, NumberRule
from syncnb.values.raw import MIXED, Raw, given, to_python
from syncnb.values.rules import Rule, TextRule
from syncnb.values.sides import SIDES, Side, other_side

__all__ = ["Filter", "crossing", "filters_of"]

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]
ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
ACROSS = "the other side has it outside of where="


@dataclass(frozen=True)
class Filter:
    """The condition of one table, by the local names of its columns."""

    pair: TablePair
    condition: Condition

    def pushed(self, side: Side) -> Condition:
        """The same by the names that this side has."""
        names = {c.name: c.on(side).name for c in self.pair.columns}
        return self.condition.renamed(names)

    def kept(self, batch: pa.RecordBatch, side: Side) -> pa.RecordBatch:
        """The rows of which the condition is true. The batch has the pair's columns in their order."""
        true, _ = self._judged(self.condition, batch, side)
        return batch if true.all() else batch.filter(pa.array(true))

    def _judged(self, condition: Condition, batch: pa.RecordBatch, side: Side) -> tuple[Mask, Mask]:
        """Of which rows it is true, and of which false; of the others it cannot be told."""
        match condition:
            case Both(left, right):
                (a, not_a), (b, not_b) = (self._judged(each, batch, side) for each in (left, right))
                return a & b, not_a | not_b
            case Either(left, right):
                (a, not_a), (b, not_b) = (self._judged(each, batch, side) for each in (left, right))
                return a | b, not_a & not_b
            case Negated(inner):
                true, false = self._judged(inner, batch, side)
                return false, true
            case Test():
                at = next(at for at, c in enumerate(self.pair.columns) if c.name == condition.column)
                return _tested(condition, self.pair.columns[at].rule, given(batch.column(at)), side)
        raise TypeError(condition)


def filters_of(
    pairs: Sequence[TablePair], told: "Condition | Mapping[str, Condition] | None"
) -> dict[str, Filter]:
    """The condition of each table. Raises SchemaError for a column or table that is not compared."""
    if told is None:
        return {}
    by_table = told if isinstance(told, Mapping) else {pair.name: told for pair in pairs}
    found: dict[str, Filter] = {}
    for name, condition in by_table.items():
        pair = next((p for p in pairs if name in (p.name, p.local.name, p.remote.label, p.remote.name)), None)
        if pair is None:
            raise SchemaError(
                f"where names a table {name!r} that is not compared",
                hint=f"compared: {', '.join(p.name for p in pairs)}",
            )
        if not isinstance(condition, Condition):
            raise SchemaError(
                f"where is a {type(condition).__name__}",
                hint='write where=sn.col("org") == 7, or {table: condition}',
            )
        for test in condition.tests:
            _check(pair, test, single=isinstance(told, Mapping))
        found[pair.name] = Filter(pair, condition)
    return found


def _check(pair: TablePair, test: Test, *, single: bool) -> None:
    column = next((c for c in pair.columns if c.name == test.column), None)
    if column is None:
        there = ", ".join(c.name for c in pair.columns)
        hint = (
            f"compared columns: {there}"
            if single
            else f"tell it by table: where={{table: …}}; {pair.name} has {there}"
        )
        raise SchemaError(f"where names {test.column}, which is not compared in {pair.name}", hint=hint)
    for value in test.values:
        if test.op in ORDERS and _ordered(column.rule, value, "local") is None:
            raise SchemaError(
                f"{pair.name}.{test.column} and {value!r} have no order",
                hint="compare by == or isin, or give another value",
            )
        if isinstance(column.rule, StampRule):
            _check_zone(pair, column, value)


def _check_zone(pair: TablePair, column: ColumnPair, value: Raw) -> None:
    """Which moment a value means must be said where the column knows it."""
    stamp = column.rule.moment(value, "local") if isinstance(column.rule, StampRule) else None
    zoned = isinstance(column.rule, StampRule) and column.rule.zoned
    if stamp is not None and zoned and stamp.offset is None:
        raise SchemaError(
            f"{pair.name}.{column.name} holds moments, and {value!r} has no zone",
            hint="give a datetime with one: datetime(…, tzinfo=UTC)",
        )


def _tested(test: Test, rule: Rule, array: pa.Array, side: Side) -> tuple[Mask, Mask]:
    null: Mask = array.is_null().to_numpy(zero_copy_only=False)
    if test.op == "is_null":
        return null, ~null
    plain = array.type != MIXED and not pa.types.is_null(array.type) and not pa.types.is_floating(array.type)
    if plain and len(array) > 1:  # each different value is looked at once
        encoded = array.dictionary_encode()
        answers = _answers(test, rule, to_python(encoded.dictionary), side)
        codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        found = [
            np.array([a is wanted for a in answers] or [False])[codes] & ~null for wanted in (True, False)
        ]
    else:
        answers = _answers(test, rule, to_python(array), side)
        found = [np.array([a is wanted for a in answers], dtype=np.bool_) & ~null for wanted in (True, False)]
    return found[0], found[1]


def _answers(test: Test, rule: Rule, values: Sequence[Raw], side: Side) -> list[bool | None]:
    """True, false, or None where it cannot be told."""
    if test.op in ORDERS:
        bound, compare = _ordered(rule, test.values[0], side), ORDERS[test.op]
        return [_compared(compare, _ordered(rule, value, side), bound) for value in values]
    wanted = {rule.token(value, side) for value in test.values}
    equal = [None if value is None else rule.token(value, side) in wanted for value in values]
    return [None if e is None else not e for e in equal] if test.op == "!=" else list(equal)


def _compared(compare: Callable[[Any, Any], bool], own: Any, bound: Any) -> bool | None:
    if own is None or bound is None or own[0] != bound[0]:
        return None
    return compare(own[1], bound[1])


def _ordered(rule: Rule, value: Raw, side: Side) -> tuple[object, Any] | None:
    """A value as something that has an order, and what it can be compared with; None where it has none."""
    if value is None or isinstance(rule, BooleanRule):
        return None
    if isinstance(rule, StampRule):
        stamp = rule.moment(value, side)
        if stamp is None or stamp.infinite:
            return None
        return ("moment", stamp.offset is None), (stamp.micros, Decimal(f"0.0{stamp.digits or 0}"))
    if isinstance(rule, NumberRule):
        number = numbers.number_of(value, exact_floats=rule.exact_floats)
        return None if number is None or not number.is_finite() else ("number", number)
    if isinstance(rule, TextRule) and isinstance(value, str):
        return "text", value.rstrip(" ") if rule.padded else value
    return None


def crossing(table: TableDiff, filter_: Filter, readers: Mapping[Side, Reader]) -> TableDiff:
    """Without rows of one side that the other one has outside of the condition: they are told as not compared."""
    pair = table.pair
    left = Uncompared("rows", "rows", None, f"outside of where={filter_.condition}")
    table = replace(table, uncompared=(*table.uncompared, left))
    if not pair.key:
        return table
    for side in SIDES:
        rows = table.alone(side)
        if not len(rows):
            continue
        there = set(_keys(pair, other_side(side), readers[other_side(side)]))
        keys = row_keys(pair, rows.columns, side)
        out = [at for at, key in enumerate(keys) if key is not None and key in there]
        if not out:
            continue
        table = _without(table, side, out)
    return table


def _without(table: TableDiff, side: Side, out: Sequence[int]) -> TableDiff:
    """The differences without these rows that only one side was seen to have."""
    pair, counts = table.pair, table.counts
    rows = table.alone(side)
    kept = {"local": np.arange(len(table.only_local)), "remote": np.arange(len(table.only_remote))}
    kept[side] = np.setdiff1d(kept[side], np.array(out))
    at = [pair.columns.index(column) for column in pair.key]
    told = tuple((side, key_text(pair, [rows.row(row)[k] for k in at]), ACROSS) for row in out[:1000])
    found = {f"only_{side}": len(kept[side]), f"uncompared_{side}": counts.uncompared(side) + len(out)}
    counts = replace(counts, **found)
    since = table.since
    if since is not None:
        since = since.take(np.arange(len(table.changed_local)), kept["local"], kept["remote"])
    return replace(
        table,
        only_local=table.only_local.take(kept["local"]),
        only_remote=table.only_remote.take(kept["remote"]),
        counts=counts,
        skipped=(*table.skipped, *told),
        uncompared=(*table.uncompared, Uncompared("rows", "rows", len(out), ACROSS)),
        since=since,
    )


def _keys(pair: TablePair, side: Side, reader: Reader) -> Iterator[str]:
    """The keys of all rows of a side."""
    table = pair.on(side)
    names = [column.on(side).name for column in pair.key]
    at = [pair.columns.index(column) for column in pair.key]
    for batch in reader.batches(table, names):
        columns: list[pa.Array] = [pa.nulls(batch.num_rows)] * len(pair.columns)
        for place, column in zip(at, batch.columns, strict=True):
            columns[place] = column
        yield from (key for key in row_keys(pair, columns, side) if key is not None)
