"""Compare two SQLite tables where they are: SQLite says which rows are not the same, and only those are read.

What it leaves out is the same value and storage class in every column, so no rule could tell it apart. Everything else
is compared by value, as ever.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from syncnb.changes import ColumnPair, TablePair
from syncnb.comparing.collecting import Collector
from syncnb.comparing.streaming import OutOfOrder, Stream, merge, streamable
from syncnb.schema import Column, Table
from syncnb.stores.port import BATCH_ROWS, Reader
from syncnb.stores.row_digests import Unfit
from syncnb.stores.sqlite_joining import Candidates, Join, JoinedFiles, KeyForm
from syncnb.values.binary import UuidRule
from syncnb.values.columns import sort_keys
from syncnb.values.into_sqlite import affinity
from syncnb.values.numeric import NumberRule
from syncnb.values.raw import concat
from syncnb.values.rules import TextRule
from syncnb.values.sides import SIDES, Side

__all__ = ["compare_joined", "join_for"]

MANY = 0.2
"""The share of rows that differ from which on all of them had better be read."""


def join_for(pair: TablePair, files: JoinedFiles) -> Join:
    """How SQLite can join the two tables. Raises Unfit where that could miss a row, or show one key for two."""
    if files.why_not:
        raise Unfit(files.why_not)
    if (problem := streamable(pair)) is not None:
        raise Unfit(problem)
    for table, key in (
        (pair.local, [column.local for column in pair.key]),
        (pair.remote, [column.remote for column in pair.key]),
    ):
        if table.type != "table" or "VIRTUAL" in table.options or table.text_encoding != "utf-8":
            raise Unfit(f"{table.label} is no ordinary table")
        if not _unique(table, key):
            raise Unfit(f"nothing keeps the key of {table.label} unique")
    for column in pair.columns:
        if not column.rule.same_bytes:
            raise Unfit(f"{column.name} may be written alike and not be the same")
    others = [(column.local, column.remote) for column in pair.columns if column not in pair.key]
    met = [(column.local, column.remote) for column in pair.key]
    return Join(pair.local, pair.remote, met, [_form(column) for column in pair.key], others)


def _form(column: ColumnPair) -> KeyForm:
    """What the values of a key column have to be, so that each key is written in one way."""
    rule = column.rule
    if affinity(column.local.type) == affinity(column.remote.type):
        if isinstance(rule, NumberRule) and rule.integers:
            return "integer"
        if isinstance(rule, TextRule) and not rule.padded:
            return "text"
        if isinstance(rule, UuidRule):
            return "uuid"
    raise Unfit(f"the key column {column.name} may hold one key in two forms")


def _unique(table: Table, key: Sequence[Column]) -> bool:
    names = {column.name for column in key}
    return any(
        rule.columns and rule.valid and not rule.where and not rule.expressions and set(rule.columns) <= names
        for rule in table.rules
    )


def compare_joined(
    pair: TablePair,
    join: Join,
    files: JoinedFiles,
    readers: "dict[Side, Reader]",
    found: Collector,
    progress: Any,
) -> None:
    """Compare two tables into `found`. Raises Unfit, and then `found` is of no use any more."""
    told = files.candidates(join, MANY)
    try:
        ours, theirs = (Stream(pair, side, _rows(pair, side, readers[side], told)) for side in SIDES)
        merge(ours, theirs, found, progress)
    except OutOfOrder as problem:
        raise Unfit(str(problem)) from None
    same = told.rows[0] - len(told.here)
    if (ours.rows, theirs.rows) != (len(told.here), told.rows[1] - same):
        raise Unfit("a row was not found again by its key")
    found.agreed(same)
    progress.update(2 * same)


def _rows(pair: TablePair, side: Side, reader: Reader, told: Candidates) -> Iterator[pa.RecordBatch]:
    """The rows that may differ, in the order of their keys."""
    table = pair.on(side)
    names = [column.on(side).name for column in pair.columns]
    key_at = [pair.columns.index(column) for column in pair.key]
    keys = told.keys(second=side == "remote")
    if not keys:
        return
    batches = list(reader.chosen(table, names, [names[at] for at in key_at], keys))
    columns = [concat(batch.column(at) for batch in batches) for at in range(len(names))]
    typed = [pair.columns[at].rule.column(columns[at], side) for at in key_at]
    if any(key is None for key in typed):
        raise OutOfOrder(f"values of several kinds in the key of {side}")
    order = sort_keys(typed)
    for start in range(0, len(order), BATCH_ROWS):
        part = order.slice(start, BATCH_ROWS)
        yield pa.RecordBatch.from_arrays(
            [column.take(part) for column in columns], [str(at) for at in range(len(names))]
        )
