"""Differences that somebody knows of and leaves: out of the counts until a value changes, or a day has passed."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from syncnb.changes.keys import key_text
from syncnb.rendering import frame
from syncnb.values.raw import Raw, to_python
from syncnb.values.sides import Side

if TYPE_CHECKING:
    import pandas as pd

    from syncnb.changes.table_diff import RowSet, TableDiff

__all__ = ["Accepted", "accepted_frame", "fingerprints", "without_accepted"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One row that may differ as it does."""

    table: str
    """The name of the table's pair."""
    key: str
    state: str
    """changed, conflict, only_local or only_remote."""
    fingerprint: str
    """A digest of the values of both sides: with other values it is another difference."""
    reason: str
    by: str
    at: datetime
    until: datetime | None = None
    """When it is no longer accepted."""


def accepted_frame(entries: Sequence[Accepted]) -> "pd.DataFrame":
    """A line a row: key, state, reason, by, at, until."""
    stamps = pa.timestamp("us", "UTC")
    return frame(
        {
            name: pa.array(
                [getattr(each, name) for each in entries], stamps if name in ("at", "until") else pa.string()
            )
            for name in ("key", "state", "reason", "by", "at", "until")
        }
    )


def fingerprints(diff: "TableDiff") -> dict[tuple[str, str], str]:
    """By key and state: a digest of what both sides hold in the compared columns."""
    found: dict[tuple[str, str], str] = {}
    for state, _, key, ours, theirs in _rows(diff):
        found[key, state] = _digest(diff, ours, theirs)
    return found


def without_accepted(
    diff: "TableDiff", entries: Mapping[tuple[str, str], Accepted], now: datetime
) -> "TableDiff":
    """The differences without those that are accepted as they are, which are told apart."""
    if not entries:
        return diff
    gone: dict[str, list[int]] = {"changed": [], "only_local": [], "only_remote": []}
    taken: list[Accepted] = []
    for state, row, key, ours, theirs in _rows(diff):
        entry = entries.get((key, state))
        if entry is None or (entry.until is not None and entry.until <= now):
            continue
        if entry.fingerprint == _digest(diff, ours, theirs):
            gone["changed" if state == "conflict" else state].append(row)
            taken.append(entry)
    return _without(diff, gone, taken) if taken else diff


def _without(diff: "TableDiff", gone: Mapping[str, list[int]], taken: Sequence[Accepted]) -> "TableDiff":
    sizes = {
        "changed": len(diff.changed_local),
        "only_local": len(diff.only_local),
        "only_remote": len(diff.only_remote),
    }
    left = {state: np.setdiff1d(np.arange(size), gone[state]) for state, size in sizes.items()}
    differs = diff.differs[left["changed"]]
    keys = {entry.key for entry in taken if entry.state == "conflict"}
    cells = differs.sum(axis=0).tolist() if len(differs) else [0] * len(diff.cell_names)
    counts = replace(diff.counts, accepted=len(taken), **{state: len(rows) for state, rows in left.items()})
    return replace(
        diff,
        counts=counts,
        changed_local=_take(diff.changed_local, left["changed"]),
        changed_remote=_take(diff.changed_remote, left["changed"]),
        differs=differs,
        unsure=diff.unsure[left["changed"]] if len(diff.unsure) else diff.unsure,
        only_local=_take(diff.only_local, left["only_local"]),
        only_remote=_take(diff.only_remote, left["only_remote"]),
        cell_counts={name: int(n) for name, n in zip(diff.cell_names, cells, strict=True) if n},
        conflicts=diff.conflicts.where(
            [not (str(ours) in keys and ours == theirs) for ours, theirs in diff.conflicts.ids]
        ),
        accepted=tuple(taken),
        since=None if diff.since is None else diff.since.take(*left.values()),
    )


def _take(rows: "RowSet", places: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "RowSet":

    return rows.take(places)


Row = tuple[Raw, ...]


def _rows(diff: "TableDiff") -> "list[tuple[str, int, str, Row | None, Row | None]]":
    """Every differing row: state, place among those of its state, key as text, both sides."""
    key_at = [diff.pair.columns.index(column) for column in diff.pair.key]
    found: list[tuple[str, int, str, Row | None, Row | None]] = []
    pairs = zip(_all(diff.changed_local), _all(diff.changed_remote), strict=True)
    for at, (ours, theirs) in enumerate(pairs):
        state = "conflict" if diff.is_conflict(at) else "changed"
        found.append((state, at, key_text(diff.pair, [ours[k] for k in key_at]), ours, theirs))
    for at, row in enumerate(_all(diff.only_local)):
        found.append(("only_local", at, key_text(diff.pair, [row[k] for k in key_at]), row, None))
    for at, row in enumerate(_all(diff.only_remote)):
        found.append(("only_remote", at, key_text(diff.pair, [row[k] for k in key_at]), None, row))
    return found


def _all(rows: "RowSet") -> list[Row]:
    return list(zip(*map(to_python, rows.columns), strict=True)) if rows.columns else []


def _digest(diff: "TableDiff", ours: Row | None, theirs: Row | None) -> str:
    sides: tuple[tuple[Side, Row | None], ...] = (("local", ours), ("remote", theirs))
    tokens: list[list[tuple[str, Hashable]] | None] = [
        None
        if row is None
        else [
            (column.name, None if value is None else column.rule.token(value, side))
            for column, value in zip(diff.pair.columns, row, strict=True)
        ]
        for side, row in sides
    ]
    return hashlib.sha256(repr(tokens).encode()).hexdigest()
