"""Tables that refer to each other in a circle: which reference waits, and which rows it concerns.

a.b_id → b, b.a_id → a      a is inserted with b_id NULL, then b, then b_id is set; or the database looks
                            at a.b_id when the transaction ends, where it can.
"""

from collections.abc import Collection, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa

from syncnb.changes.ids import names
from syncnb.comparing.joining import codes
from syncnb.schema import ForeignKey, Schema, Table
from syncnb.steps import Block, Cut
from syncnb.values.arrays import mask
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for

__all__ = ["in_turn", "label_of", "pointing"]

How = Literal["deferred", "later", "never"]
COSTS: tuple[How, ...] = ("deferred", "later", "never")
Pointing = np.ndarray[tuple[int], np.dtype[np.bool_]]


def label_of(name: str, schema: Schema) -> str:
    """The label of the table that a foreign key calls so."""
    return next((table.label for table in schema if name in (table.label, table.name)), name)


def in_turn(tables: Collection[str], schema: Schema, dialect: str) -> tuple[list[str], list[Cut]]:
    """These tables parents first, and the references that had to be cut for it."""
    edges: dict[tuple[str, str], list[Cut]] = {}
    # Sorted, because the order of a set changes from process to process, and a plan's id with it.
    for name in sorted(tables):
        for key in schema.find(name).foreign_keys:
            parent = label_of(key.parent, schema)
            if parent in tables and parent != name:
                edges.setdefault((name, parent), []).append(_cut(schema.find(name), key, parent, dialect))
    cuts: list[Cut] = []
    while True:
        parents: dict[str, list[str]] = {name: [] for name in sorted(tables)}
        for child, parent in edges:
            parents[child].append(parent)
        try:
            return list(TopologicalSorter(parents).static_order()), cuts
        except CycleError as error:
            circle: list[str] = error.args[1]  # each is a parent of the next
            steps = [(child, parent) for parent, child in pairwise(circle)]
            cheapest = min(steps, key=lambda step: (max(_cost(cut) for cut in edges[step]), step))
            cuts += edges.pop(cheapest)


def _cost(cut: Cut) -> int:
    return COSTS.index(cut.how)


def _cut(table: Table, key: ForeignKey, parent: str, dialect: str) -> Cut:
    free = tuple(n for n in key.columns if table.column(n).nullable and n not in table.primary_key)
    # SQLite can have every foreign key wait; PostgreSQL those that say so.
    waits = dialect == "sqlite" or key.deferrable
    how: How = "deferred" if waits else "later" if free else "never"
    kinds = tuple(str(table.column(name).kind) for name in key.columns)
    return Cut(table.label, key.name, key.columns, kinds, parent, key.parent_columns, how, free)


def pointing(block: Block, cut: Cut, parents: Iterable[Block]) -> Pointing:
    """Which rows of a block refer to a row of these blocks, both as they are inserted or deleted."""
    own = _columns(block, cut.columns, cut.kinds)
    sets = [f for parent in parents if (f := _columns(parent, cut.parent_columns, cut.kinds)) is not None]
    if own is None or not sets:
        return np.zeros(len(block), dtype=np.bool_)
    there = [pa.concat_arrays(list(column)) for column in zip(*sets, strict=True)]
    here, theirs = codes(own, there)
    found: Pointing = np.isin(here, theirs)
    for column in own:
        found &= mask(column.is_valid())
    return found


def _columns(block: Block, wanted: Sequence[str], kinds: Sequence[str]) -> list[pa.Array] | None:
    arrays = block.after or block.before
    if not set(wanted) <= {*block.columns, *block.key}:
        return None
    return [
        names(rule_for(Kind(kind), Kind(kind)), array, "local").cast(pa.string())
        for name, kind in zip(wanted, kinds, strict=True)
        for array in [
            arrays[block.columns.index(name)] if name in block.columns else block.keys[block.key.index(name)]
        ]
    ]
