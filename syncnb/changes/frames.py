"""The frames of a table's differences, made on demand from raw columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes.keys import key_text
from syncnb.changes.pairs import ColumnPair
from syncnb.rendering import bar, frame
from syncnb.values import arrays
from syncnb.values.columns import frame_column, sort_keys
from syncnb.values.raw import Raw, concat, to_python
from syncnb.values.reading import as_text, why
from syncnb.values.sides import SIDES, Side, other_side

if TYPE_CHECKING:
    from syncnb.changes.table_diff import TableDiff

__all__ = ["TableFrames", "cells", "column_counts", "first_key", "table_frames"]

Odd: TypeAlias = tuple[int, Side, Raw, str]
"""Row, side, raw value, why it does not fit."""


@dataclass(frozen=True, slots=True)
class TableFrames:
    """`.rows` and `.odd` of one table."""

    rows: pd.DataFrame
    odd: pd.DataFrame


def _typed(column: ColumnPair, parts: Sequence[tuple[pa.Array, Side]]) -> tuple[pa.Array, list[Odd]]:
    """One frame column from parts of either side, and its odd values: (row, side, raw, why)."""
    typed, odd, start = [], [], 0
    for array, side in parts:
        shown, strange = frame_column(column.rule, array, side)
        odd += [(start + row, side, raw, reason) for row, raw, reason in strange]
        typed.append(shown)
        start += len(array)
    kinds = {array.type for array in typed} - {pa.null()}
    if kinds and all(pa.types.is_decimal(kind) for kind in kinds):
        try:  # decimals of several widths: Arrow finds the one that holds them all
            return pa.array([value for array in typed for value in array.to_pylist()]), odd
        except pa.ArrowInvalid as error:
            odd.append((0, parts[0][1], to_python(parts[0][0])[0], str(error)))
            kinds = set()
    if not kinds and not odd:
        return pa.nulls(sum(map(len, typed))), odd
    if len(kinds) == 1:
        return pa.concat_arrays([arrays.become(array, *kinds) for array in typed]), odd
    texts = [
        as_text(value, column.rule) if value is not None else None
        for array, _ in parts
        for value in to_python(array)
    ]
    return pa.array(texts, pa.string()), odd


class _Parts:
    """The raw columns of all differing rows, stacked: changed, only local, only remote."""

    def __init__(self, diff: "TableDiff") -> None:
        self.diff = diff
        self.sizes = len(diff.changed_local), len(diff.only_local), len(diff.only_remote)

    def _column(self, rows: Any, at: int) -> pa.Array:
        return rows.columns[at] if rows.columns else pa.nulls(0)

    def key(self, at: int) -> list[tuple[pa.Array, Side]]:
        d = self.diff
        local = concat([self._column(d.changed_local, at), self._column(d.only_local, at)])
        return [(local, "local"), (self._column(d.only_remote, at), "remote")]

    def local(self, at: int) -> pa.Array:
        d = self.diff
        return concat(
            [self._column(d.changed_local, at), self._column(d.only_local, at), pa.nulls(self.sizes[2])]
        )

    def remote(self, at: int) -> pa.Array:
        d = self.diff
        return concat(
            [self._column(d.changed_remote, at), pa.nulls(self.sizes[1]), self._column(d.only_remote, at)]
        )


def table_frames(diff: "TableDiff") -> TableFrames:
    """All differing rows in key order, typed, and the values that did not fit their kind."""
    parts, columns, odd = _Parts(diff), {}, []
    one_sided = bool(len(diff.only_local) + len(diff.only_remote))
    keys: dict[str, pa.Array] = {}
    for at, column in enumerate(diff.pair.columns):
        if column in diff.pair.key:
            shown, strange = _typed(column, parts.key(at))
            keys[column.name] = shown
            odd += [(row, column.name, *rest) for row, *rest in strange]
        elif one_sided or column.name in diff.cell_counts:
            local, remote = parts.local(at), parts.remote(at)
            both, strange = _typed(column, [(local, "local"), (remote, "remote")])
            columns[f"{column.name}.local"] = both.slice(0, len(local))
            columns[f"{column.name}.remote"] = both.slice(len(local))
            odd += [(row % len(local), column.name, *rest) for row, *rest in strange]
    order = _order(diff, keys)
    if diff.since is not None:
        columns |= _before(diff, columns)
    states = [
        pc.if_else(pa.array(diff.conflicting, pa.bool_()), "conflict", "changed"),
        *(
            pa.repeat(name, size)
            for name, size in zip(("only_local", "only_remote"), parts.sizes[1:], strict=True)
        ),
    ]
    ordered = {**_key_columns(diff, keys, columns), "state": pa.concat_arrays(states), **columns}
    rows = frame({name: array.take(order) for name, array in ordered.items()})
    return TableFrames(rows, _odd_frame(diff, parts, odd))


def first_key(diff: "TableDiff") -> pa.Array:
    """The first part of the key of all differing rows, typed as in `rows`: changed, only local, only remote."""
    return _typed(diff.pair.key[0], _Parts(diff).key(diff.pair.columns.index(diff.pair.key[0])))[0]


def column_counts(diff: "TableDiff") -> pd.DataFrame:
    """A line a compared column that is not in the key: in how many of the changed rows it differs, and a bar."""
    names = [column.name for column in diff.pair.columns if column not in diff.pair.key]
    counts = [diff.cell_counts.get(name, 0) for name in names]
    # Filled up with a sign: a page would swallow blanks, and set the bars to the right.
    bars = [bar(count, diff.counts.changed, rest="░") for count in counts]
    return frame(
        {
            "column": pa.array(names, pa.string()),
            "differ": pa.array(counts, pa.int64()),
            "bar": pa.array(bars, pa.string()),
        }
    )


def _before(diff: "TableDiff", shown: Iterable[str]) -> dict[str, pa.Array]:
    """`c.base` for each column shown, and `since`: who changed the row since both sides agreed on it."""
    since, names = diff.since, diff.cell_names
    if since is None:
        return {}
    rows = range(len(since.rows))
    columns = {
        f"{name}.base": pa.array([since.text(row, names.index(name)) for row in rows], pa.string())
        for name in dict.fromkeys(told.rpartition(".")[0] for told in shown)
    }
    words = [WHO[word] for word in since.words(diff.differs)]
    for side in SIDES:
        for gone, touched in zip(*since.gone(side), strict=True):
            words.append(
                f"deleted in {other_side(side)}" + f", changed in {side}" * bool(touched) if gone else ""
            )
    return {**columns, "since": pa.array(words, pa.string())}


WHO = {
    "": "",
    "local": "changed in local",
    "remote": "changed in remote",
    "both": "changed in both",
    "neither": "accepted as it is",
}


def _key_columns(diff: "TableDiff", keys: dict[str, pa.Array], taken: Iterable[str]) -> dict[str, pa.Array]:
    """In the order of the key; a key column whose name the frame needs for something else is told apart."""
    names = {"state", *taken}
    return {f"{name} (key)" if name in names else name: keys[name] for name in diff.pair.key_names}


def _order(diff: "TableDiff", keys: dict[str, pa.Array]) -> pa.Array:
    if keys:
        return sort_keys([keys[name] for name in diff.pair.key_names])
    return pa.array(range(len(diff.changed_local) + len(diff.only_local) + len(diff.only_remote)), pa.int64())


def _keys_of(diff: "TableDiff", parts: _Parts) -> list[str]:
    """The key of every stacked row as text."""
    at = [diff.cell_names.index(name) for name in diff.pair.key_names]
    columns = [[value for array, _ in parts.key(k) for value in to_python(array)] for k in at]
    return (
        [key_text(diff.pair, values) for values in zip(*columns, strict=True)]
        if columns
        else [""] * sum(parts.sizes)
    )


def _odd_frame(diff: "TableDiff", parts: _Parts, odd: list[tuple[Any, ...]]) -> pd.DataFrame:
    keys = _keys_of(diff, parts) if odd else []
    text = pa.string()
    return frame(
        {
            "key": pa.array([keys[row] for row, *_ in odd], text),
            "column": pa.array([name for _, name, *_ in odd], text),
            "side": pa.array([side for _, _, side, *_ in odd], text),
            "raw": pa.array([as_text(raw) for *_, raw, _ in odd], text),
            "why": pa.array([reason for *_, reason in odd], text),
        }
    )


def cells(diff: "TableDiff") -> pd.DataFrame:
    """One line a differing cell of the changed rows, in key order."""
    key_at = [diff.cell_names.index(name) for name in diff.pair.key_names]
    typed = [
        _typed(diff.pair.columns[at], [(diff.changed_local.columns[at], "local")])[0]
        for at in key_at
        if len(diff.changed_local)
    ]
    order = sort_keys(typed).to_pylist() if typed else list(range(len(diff.changed_local)))
    place = {row: at for at, row in enumerate(order)}
    found = [
        (place[row], at, row, local, remote, reason)
        for at in range(len(diff.pair.columns))
        for row, local, remote, reason in _column_cells(diff, at)
    ]
    found.sort(key=lambda cell: cell[:2])
    text = pa.string()
    return frame(
        {
            "key": _key_array(diff, typed).take(pa.array([cell[2] for cell in found], pa.int64())),
            "column": pa.array([diff.cell_names[cell[1]] for cell in found], text),
            "local": pa.array([cell[3] for cell in found], text),
            "remote": pa.array([cell[4] for cell in found], text),
            "why": pa.array([cell[5] for cell in found], text),
        }
    )


def _key_array(diff: "TableDiff", typed: list[pa.Array]) -> pa.Array:
    if len(typed) == 1:
        return typed[0]
    key_at = [diff.cell_names.index(name) for name in diff.pair.key_names]
    values = [to_python(diff.changed_local.columns[at]) for at in key_at] if len(diff.changed_local) else []
    return pa.array([key_text(diff.pair, row) for row in zip(*values, strict=True)], pa.string())


def _column_cells(diff: "TableDiff", at: int) -> Iterator[tuple[int, str | None, str | None, str]]:
    rows = np.flatnonzero(diff.differs[:, at]) if len(diff.differs) else np.array([], dtype=np.int64)
    if not len(rows):
        return
    column, take = diff.pair.columns[at], pa.array(rows)
    rule, refers = column.rule, column.name in diff.parents
    ours, theirs = (
        to_python(diff.changed_local.columns[at].take(take)),
        to_python(diff.changed_remote.columns[at].take(take)),
    )
    for row, local, remote in zip(rows.tolist(), ours, theirs, strict=True):
        shown = [None if value is None else as_text(value, rule) for value in (local, remote)]
        reason = "refers to another thing" if refers and None not in shown else why(rule, local, remote)
        yield row, shown[0], shown[1], reason
