"""Conflicts of values as a person reads them: what both sides changed since they agreed, and what it was."""

from collections.abc import Iterator

import numpy as np

from syncnb.changes import Conflict, ConflictClass, TableDiff
from syncnb.changes.since import Since
from syncnb.values.raw import Raw
from syncnb.values.reading import NULL, as_text
from syncnb.values.sides import SIDES, other_side, own_first

__all__ = ["value_conflicts"]


def value_conflicts(diff: TableDiff) -> Iterator[Conflict]:
    """Rows that both sides changed in one column, and rows that one side deleted and the other changed."""
    since = diff.since
    if since is None:
        return
    for row in np.flatnonzero(diff.clash.any(axis=1)).tolist():
        columns = np.flatnonzero(diff.clash[row]).tolist()
        sides = diff.changed_local.row(row), diff.changed_remote.row(row)
        yield _conflict(diff, ConflictClass.UPDATED, *sides, columns, _was(diff, since, row, columns))
    for side in SIDES:
        rows, (_, touched) = diff.alone(side), since.gone(side)
        start = since.part(side).start
        matrix = since.of(side)
        for row in np.flatnonzero(touched).tolist():
            columns = np.flatnonzero(matrix[start + row]).tolist()
            here = rows.row(row)
            ours, theirs = own_first(side, here, None)
            why = f"{other_side(side)} deleted it; {_was(diff, since, start + row, columns)}"
            yield _conflict(diff, ConflictClass.DELETED, ours, theirs, columns, why)


def _conflict(
    diff: TableDiff,
    kind: ConflictClass,
    ours: tuple[Raw, ...] | None,
    theirs: tuple[Raw, ...] | None,
    columns: list[int],
    why: str,
) -> Conflict:
    pair = diff.pair
    key = [pair.columns.index(column) for column in pair.key]
    natural = [pair.columns.index(column) for column in pair.natural or pair.key]

    def text(row: tuple[Raw, ...] | None, at: list[int]) -> Raw:
        if row is None:
            return None
        return row[at[0]] if len(at) == 1 else ", ".join(as_text(row[each]) for each in at)

    def words(row: tuple[Raw, ...] | None) -> str:
        if row is None:
            return ""
        return ", ".join(
            f"{pair.columns[at].name}={as_text(row[at], pair.columns[at].rule)}" for at in columns
        )

    called = dict.fromkeys(
        ", ".join(as_text(row[at]) for at in natural) for row in (ours, theirs) if row is not None
    )
    return Conflict(
        pair.name, kind, text(ours, key), text(theirs, key), " ≠ ".join(called), words(ours), words(theirs),
        why=why,
    )  # fmt: skip


def _was(diff: TableDiff, since: Since, row: int, columns: list[int]) -> str:
    names = diff.cell_names
    return ", ".join(f"{names[at]} was {since.text(row, at) or NULL}" for at in columns)
