"""The sheet of one table's differences: what a person sees first."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd

from syncnb.changes.frames import cells
from syncnb.changes.keys import key_text, plain
from syncnb.rendering import Cell, Sheet
from syncnb.values.raw import Raw
from syncnb.values.reading import NULL, as_text

if TYPE_CHECKING:
    from syncnb.changes.table_diff import TableDiff

__all__ = ["table_sheet"]

HEADERS = ("state", "key", "column", "local", "remote", "why")
IN_SIGHT = 10
"""Differences that a table shows before it says how many more there are."""


def table_sheet(diff: "TableDiff", *, in_sight: int | None = IN_SIGHT) -> Sheet:
    """The first differences of a table, or all where `in_sight` is None, a line a cell."""
    rows = list(islice(_lines(diff, in_sight), in_sight))
    total = sum(diff.cell_counts.values()) + diff.counts.only_local + diff.counts.only_remote
    notes = [f"… {total - len(rows):,} more: see .rows and .cells"] if total > len(rows) else []
    notes += map(str, diff.uncompared)
    notes += [
        f"column {column.name} compared with a tolerance of {column.tolerance}"
        for column in diff.pair.columns
        if column.tolerance is not None
    ]
    equal = sum(diff.by_rule.values())
    if equal:
        notes.append(f"{equal:,} cells are equal only thanks to a rule (.explain(key, column) tells which)")
    return Sheet(_title(diff), HEADERS if rows else (), rows, notes)


def _title(diff: "TableDiff") -> str:
    counts, key = diff.counts, ", ".join(diff.pair.key_names)
    told = [
        f"{count:,} {word}"
        for count, word in (
            (counts.changed, "changed"),
            (counts.only_local, "only local"),
            (counts.only_remote, "only remote"),
        )
        if count
    ]
    key_told = f"key: {key}" if key else "no key: rows as a multiset"
    return f"{diff.name}: {', '.join(told) or 'no difference'}, {counts.same:,} same ({key_told})"


def _lines(diff: "TableDiff", in_sight: int | None) -> Iterator[list[Cell]]:
    if diff.counts.changed:
        many = sum(diff.cell_counts.values()) > 1000
        head = diff.cells if in_sight is None or not many else cells(_first(diff, in_sight))
        for row in head.itertuples(index=False):
            key = as_text(plain(row.key))
            yield [
                Cell("changed", "changed"),
                Cell(key, "key"),
                Cell(str(row.column)),
                _value(row.local, "local"),
                _value(row.remote, "remote"),
                Cell(str(row.why)),
            ]
    for side, rows in (("local", diff.only_local), ("remote", diff.only_remote)):
        for at in range(len(rows) if in_sight is None else min(len(rows), in_sight)):
            yield _one_sided(diff, side, rows.row(at))


def _value(value: Any, side: str) -> Cell:
    return Cell(NULL, f"null {side}") if pd.isna(value) else Cell(str(value), side)


def _one_sided(diff: "TableDiff", side: str, row: tuple[Raw, ...]) -> list[Cell]:
    names = diff.cell_names
    key = [row[names.index(name)] for name in diff.pair.key_names]
    rest = ", ".join(
        f"{c.name}={as_text(v, c.rule)}"
        for c, v in zip(diff.pair.columns, row, strict=True)
        if c not in diff.pair.key
    )
    values = [Cell("", "absent"), Cell("", "absent")]
    values[side == "remote"] = Cell(rest, side)
    return [
        Cell(f"only {side}", side),
        Cell(key_text(diff.pair, key) if key else "", "key"),
        Cell("", "absent"),
        *values,
        Cell(f"the row is only in {side}"),
    ]


def _first(diff: "TableDiff", count: int) -> "TableDiff":
    """The same differences, cut to the first changed rows."""
    ours, theirs = diff.changed_local.first(count), diff.changed_remote.first(count)
    return replace(diff, changed_local=ours, changed_remote=theirs, differs=diff.differs[:count])
