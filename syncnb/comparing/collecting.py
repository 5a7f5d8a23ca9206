"""What the strategies have in common: comparing paired rows, and keeping what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from syncnb.changes import Conflicts, Counts, Ids, RowSet, TableDiff, TablePair, Uncompared
from syncnb.changes.keys import key_text
from syncnb.changes.since import Since
from syncnb.comparing.clashing import value_conflicts
from syncnb.comparing.entities import Entities, Known
from syncnb.comparing.settling import Settled, settled
from syncnb.comparing.spilling import Kept
from syncnb.values.raw import given, to_python, ungiven
from syncnb.values.sides import Side

__all__ = ["Collector", "Columns", "Witness"]

Columns = Sequence[pa.Array]
"""The raw columns of some rows, in the order of the pair's columns."""

LISTED = 1000
"""Rows that could not be compared are counted to the last and listed up to here."""


class Witness(Protocol):
    """Who is told of the rows that are the same on both sides, as they are found."""

    def start(self, pair: TablePair) -> None:
        """A table is read, perhaps again: what was told of it before does not count."""
        ...

    def same(self, pair: TablePair, local: Columns, remote: Columns, unknown: "np.ndarray[Any, Any]") -> None:
        """Rows side by side that agree, as far as their cells can be compared; `unknown` are those that cannot."""
        ...


class Collector:
    """Takes in rows as a strategy pairs them, and becomes a TableDiff.

    Rows come in any order; every row of either side must come exactly once. Rows with one key that may be
    two things are kept apart until `settle`.
    """

    def __init__(
        self,
        pair: TablePair,
        *,
        limit: int | None = None,
        entities: Entities | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.pair, self.witness = pair, witness
        self.entities = entities or Entities(pair, "", {}, Known())
        # Who is who cannot be said before all rows are there.
        self.limit = None if self.entities.concerned else limit
        self.key_at = [pair.columns.index(column) for column in pair.key]
        self.rows = {"local": 0, "remote": 0}
        self.same = 0
        width = len(pair.columns)
        self.kept = {name: Kept(width) for name in ("left", "right", "local", "remote")}
        self.seen = Kept(len(self.key_at))
        self.counts = {"left": 0, "local": 0, "remote": 0}
        self.differs: list[np.ndarray[Any, Any]] = []
        self.unsure: list[np.ndarray[Any, Any]] = []
        self.cells = np.zeros(len(pair.columns), dtype=np.int64)
        self.unknown = np.zeros(len(pair.columns), dtype=np.int64)
        self.by_rule = np.zeros(len(pair.columns), dtype=np.int64)
        self.doubts: dict[int, str] = {}
        self.skipped: dict[str, dict[Side, int]] = {}
        self.skipped_rows: list[tuple[str, str, str]] = []
        self.pools: dict[Side, list[pa.Array]] = {}
        """The rows that `settle` had to match."""

    @property
    def full(self) -> bool:
        """Whether the limit of differing rows is reached, so that reading can stop."""
        return self.limit is not None and sum(self.counts.values()) >= self.limit

    def pairs(self, local: Columns, remote: Columns) -> None:
        """Rows of the same key, side by side."""
        apart = self.entities.apart(list(map(given, local)), list(map(given, remote)))
        if not apart.any():
            self._compare(local, remote)
            return
        split, together = np.flatnonzero(apart), pa.array(np.flatnonzero(~apart))
        self.only("local", local, split)
        self.only("remote", remote, split)
        if len(together):
            self._compare(*([column.take(together) for column in side] for side in (local, remote)))

    def settle(self) -> Settled | None:
        """Match the rows that have no partner of their own key by what they are; to be called once, at the end."""
        if not self.entities.concerned or not (self.kept["local"] or self.kept["remote"]):
            return None
        pools: dict[Side, list[pa.Array]] = {side: self.kept[side].columns() for side in ("local", "remote")}
        for side in pools:
            self.rows[side] -= self.counts[side]
            self.counts[side], self.kept[side] = 0, Kept(len(self.pair.columns))
        cleaned = {side: list(map(given, pool)) for side, pool in pools.items()}
        found = settled(self.entities, cleaned["local"], cleaned["remote"])
        for (here, there), unsure in ((found.pairs, False), (found.unsure, True)):
            if len(here):
                left = [column.take(pa.array(here)) for column in pools["local"]]
                self._compare(left, [c.take(pa.array(there)) for c in pools["remote"]], unsure=unsure)
        for side, rows in found.alone.items():
            self.only(side, pools[side], rows)
        self.pools = cleaned
        return found

    def _compare(self, local: Columns, remote: Columns, *, unsure: bool = False) -> None:
        """Rows of the same thing, as far as anybody can tell, side by side."""
        rows = len(local[0])
        self.rows["local"] += rows
        self.rows["remote"] += rows
        differs = np.zeros((rows, len(local)), dtype=np.bool_)
        unknown = np.zeros_like(differs)
        for at in range(len(self.pair.columns)):
            if at in self.key_at:
                continue
            cells = self.entities.cells(at, given(local[at]), given(remote[at]))
            differs[:, at] = cells.differs
            unknown[:, at] = cells.unknown
            for nothing in filter(lambda found: found is not None, (ungiven(local[at]), ungiven(remote[at]))):
                differs[nothing, at] = unknown[nothing, at] = False
            self.unknown[at] += int(unknown[:, at].sum())
            if cells.doubt:
                self.doubts.setdefault(at, cells.doubt)
            self.by_rule[at] += cells.by_rule
        changed = np.flatnonzero(differs.any(axis=1))
        self.same += rows - len(changed)
        if self.witness is not None and len(changed) < rows:
            same = np.flatnonzero(~differs.any(axis=1))
            take = pa.array(same)
            ours, theirs = ([given(column.take(take)) for column in side] for side in (local, remote))
            self.witness.same(self.pair, ours, theirs, unknown[same])
        if self.pair.touch and len(changed) < rows:
            take = pa.array(np.flatnonzero(~differs.any(axis=1)))
            self.seen.append([remote[at].take(take) for at in self.key_at])
        if len(changed):
            self._keep("left", local, changed)
            self._keep("right", remote, changed)
            self.differs.append(differs[changed])
            self.unsure.append(np.full(len(changed), unsure))
            self.cells += differs.sum(axis=0)

    def only(self, side: Side, columns: Columns, rows: "np.ndarray[Any, Any] | None" = None) -> None:
        """Rows that only this side has."""
        taken = np.arange(len(columns[0])) if rows is None else rows
        if len(taken):
            self.rows[side] += len(taken)
            self._keep(side, columns, taken)

    def agreed(self, rows: int, *, by_rule: "np.ndarray[Any, Any] | None" = None) -> None:
        """Rows of both sides that are the same in every column, and known to be.

        by_rule: by column, how many of their cells are the same only thanks to a rule.
        """
        self.rows["local"] += rows
        self.rows["remote"] += rows
        self.same += rows
        if by_rule is not None:
            self.by_rule += by_rule

    def skip(self, side: Side, columns: Columns, rows: Sequence[int], reason: str) -> None:
        """Rows that cannot be compared, and why."""
        self.rows[side] += len(rows)
        there = self.skipped.setdefault(reason, {"local": 0, "remote": 0})
        there[side] += len(rows)
        listed = list(rows[: LISTED - len(self.skipped_rows)])
        taken = pa.array(listed, pa.int64())
        keys = zip(*(to_python(columns[at].take(taken)) for at in self.key_at), strict=True)
        self.skipped_rows += [(side, key_text(self.pair, key), reason) for key in keys]

    def _keep(self, where: str, columns: Columns, rows: np.ndarray[Any, Any]) -> None:
        if where in self.counts:
            self.counts[where] += len(rows)
        if len(rows) == len(columns[0]):
            self.kept[where].append(columns)
        else:
            # A copy: what is kept must not hold on to the whole batch it came from.
            self.kept[where].append([column.take(pa.array(rows)) for column in columns])

    def finish(
        self,
        how: Mapping[str, Any],
        uncompared: Sequence[Uncompared] = (),
        ids: Ids | None = None,
        conflicts: Conflicts | None = None,
    ) -> TableDiff:
        """Everything that came in, as one value. Where there is a base, it is read now."""
        names = [column.name for column in self.pair.columns]
        skipped = {side: sum(there[side] for there in self.skipped.values()) for side in ("local", "remote")}
        counts = Counts(
            self.rows["local"], self.rows["remote"], self.same,
            self.counts["left"], self.counts["local"], self.counts["remote"],
            uncompared_local=skipped["local"], uncompared_remote=skipped["remote"],
        )  # fmt: skip
        width = len(names)
        found = TableDiff(
            pair=self.pair,
            counts=counts,
            changed_local=self._row_set("left"),
            changed_remote=self._row_set("right"),
            differs=np.concatenate(self.differs) if self.differs else np.zeros((0, width), dtype=np.bool_),
            only_local=self._row_set("local"),
            only_remote=self._row_set("remote"),
            cell_counts={name: int(n) for name, n in zip(names, self.cells, strict=True) if n},
            by_rule={name: int(n) for name, n in zip(names, self.by_rule, strict=True) if n},
            uncompared=(*self._columns_left_out(), *uncompared, *self._rows_left_out()),
            skipped=tuple(self.skipped_rows),
            how=how,
            unsure=np.concatenate(self.unsure) if self.unsure else np.zeros(0, dtype=np.bool_),
            ids=Ids() if ids is None else ids,
            parents={
                self.pair.columns[at].name: parent
                for at, parent in self.entities.links.items()
                if len(parent) or parent.unsure
            },
            conflicts=Conflicts() if conflicts is None else conflicts,
            since=self._since(),
            seen=self._seen(),
        )
        return replace(found, conflicts=found.conflicts.followed_by(tuple(value_conflicts(found))))

    def _since(self) -> Since | None:
        """Who changed what in the rows that differ."""
        base = self.entities.base
        if base is None or not self.pair.key:
            return None
        changed, alone = (
            (self._row_set(here).columns, self._row_set(there).columns)
            for here, there in (("left", "right"), ("local", "remote"))
        )
        return base.since(changed, alone, self.entities.links)

    def _row_set(self, where: str) -> RowSet:
        columns = self.kept[where].columns()
        masks = [ungiven(column) for column in columns]
        if all(which is None for which in masks):
            return RowSet(tuple(columns))
        none = np.zeros(len(columns[0]), dtype=np.bool_)
        # A part of the key that a row leaves out is NULL: something must tell which row it is.
        which = [none if m is None or at in self.key_at else m for at, m in enumerate(masks)]
        return RowSet(tuple(map(given, columns)), np.column_stack(which))

    def _seen(self) -> RowSet | None:
        return RowSet(tuple(self.seen.columns())) if self.pair.touch else None

    def _columns_left_out(self) -> list[Uncompared]:
        rows = max(self.rows.values())
        left_out = [Uncompared("column", entry.name, rows, entry.why) for entry in self.pair.left_out]
        return left_out + [
            Uncompared("column", column.name, int(n), self.doubts[at])
            for at, (column, n) in enumerate(zip(self.pair.columns, self._doubted(rows), strict=True))
            if n
        ]

    def _doubted(self, rows: int) -> list[int]:
        """How many rows of each column cannot be compared: without a key, all or none."""
        if self.pair.key:
            return [int(n) for n in self.unknown]
        return [rows if at in self.doubts else 0 for at in range(len(self.pair.columns))]

    def _rows_left_out(self) -> list[Uncompared]:
        return [
            Uncompared("rows", "rows", sum(there.values()), reason) for reason, there in self.skipped.items()
        ]
