"""How the rows of a plan stand now, where nobody can say what became of its run."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from syncnb.errors import SyncnbError
from syncnb.schema import Table
from syncnb.steps import Block
from syncnb.stores.port import Writer
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import to_python
from syncnb.values.rules import Answer, judge

__all__ = ["standing"]


def standing(writer: Writer, tables: dict[str, Table], blocks: Sequence[Block]) -> list[str]:
    """A line a table: how many of its planned rows are as planned, as before, and neither."""
    try:
        return list(_lines(writer, tables, blocks))
    except SyncnbError as problem:
        return [f"the planned rows could not be compared: {problem.message}"]


def _lines(writer: Writer, tables: dict[str, Table], blocks: Sequence[Block]) -> Iterator[str]:
    counts: dict[str, list[int]] = {}
    for block in blocks:
        there = counts.setdefault(block.table, [0, 0, 0])
        for at, number in enumerate(_block(writer, tables[block.table], block)):
            there[at] += number
    for table, n in counts.items():
        yield f"{table}: of {sum(n):,} planned rows {n[0]:,} are as planned, {n[1]:,} as before, {n[2]:,} neither"


def _block(writer: Writer, table: Table, block: Block) -> tuple[int, int, int]:
    staged = writer.stage(table, block)
    try:
        found = staged.present(list(block.columns))
    finally:
        staged.drop()
    there = found.column(0)
    gone = len(block) - len(set(there.to_pylist()))
    before = _alike(table, block, block.before, found) if block.before else np.zeros(len(there), bool)
    after = _alike(table, block, block.after, found) if block.after else np.zeros(len(there), bool)
    as_planned, as_before = int(after.sum()), int((before & ~after).sum())
    if block.verb == "insert":
        as_before = gone
    elif block.verb == "delete":
        as_planned = gone
    return as_planned, as_before, len(block) - as_planned - as_before


def _alike(
    table: Table, block: Block, wanted: Sequence[pa.Array], found: pa.RecordBatch
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    same = np.ones(found.num_rows, bool)
    for name, meant, now in zip(block.columns, wanted, found.columns[1:], strict=True):
        kind = Kind(table.column(name).kind)
        rule = rule_for(kind, kind)
        pairs = zip(to_python(meant.take(found.column(0))), to_python(now), strict=True)
        same &= np.fromiter((judge(rule, a, b) is Answer.SAME for a, b in pairs), bool, found.num_rows)
    return same
