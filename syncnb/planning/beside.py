"""Columns that an update needs beside those it changes: the others of a unique rule whose values rows exchange."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import RowSet, TableDiff
from syncnb.changes.ids import names
from syncnb.schema import Table
from syncnb.values.arrays import mask
from syncnb.values.sides import Side, other_side

__all__ = ["with_beside"]

Masks = np.ndarray[Any, np.dtype[np.bool_]]


def with_beside(
    diff: TableDiff, side: Side, table: Table, chosen: "np.ndarray[Any, Any]", masks: Masks
) -> Masks:
    """The masks of changed columns (rows by columns) with the whole of each rule that rows may exchange.

    Such a column is guarded, and set to what it is. Without it nobody could tell whose value a row takes.
    """
    pair = diff.pair
    own = [column.on(side).name for column in pair.columns]
    wide = masks.copy()
    for rule in table.rules:
        if not rule.valid or rule.expressions or len(rule.columns) < 2 or not set(rule.columns) <= set(own):
            continue
        at = [own.index(name) for name in rule.columns]
        free = [
            n for n in at
            if pair.columns[n] not in pair.key and _settable(table, own[n])
        ]  # fmt: skip
        partly = masks[:, free].any(axis=1) & ~masks[:, free].all(axis=1)
        if partly.any():
            met = partly & _met(diff, side, chosen, masks, at)
            wide[np.ix_(np.flatnonzero(met), np.array(free))] = True
    return wide


def _settable(table: Table, name: str) -> bool:
    column = table.column(name)
    return column.generated is None and column.identity != "always"


def _met(
    diff: TableDiff, side: Side, chosen: "np.ndarray[Any, Any]", masks: Masks, columns: Sequence[int]
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Rows that change a column to or from a value which another row of the table leaves or takes."""
    pair, met = diff.pair, np.zeros(len(chosen), dtype=np.bool_)
    links = {pair.columns.index(link.column) for link in pair.links}
    take = pa.array(chosen, pa.int64())
    other = other_side(side)
    for at in columns:
        if at in links:  # what a reference will be in the target is not known yet
            met |= masks[:, at]
            continue
        rule = pair.columns[at].rule
        olds = [names(rule, rows.columns[at], side) for rows in _rows(diff, side)]
        news = [names(rule, rows.columns[at], other) for rows in _rows(diff, other)]
        changed = diff.changed(side)
        coming = diff.changed(other)
        old = names(rule, changed.columns[at].take(take), side)
        new = names(rule, coming.columns[at].take(take), other)
        taken = mask(pc.is_in(new, value_set=pa.concat_arrays(olds)))
        left = mask(pc.is_in(old, value_set=pa.concat_arrays(news)))
        met |= masks[:, at] & (taken | left)
    return met


def _rows(diff: TableDiff, side: Side) -> list[RowSet]:
    return [rows for rows in (diff.changed(side), diff.alone(side)) if rows.columns]
