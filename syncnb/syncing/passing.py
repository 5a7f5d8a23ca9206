"""What was passed on becomes what both sides agree on: the lines of the base after a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from syncnb import journal
from syncnb.changes import Diff, RowSet, TableDiff, TablePair
from syncnb.changes.ids import key_names
from syncnb.changes.references import on_side
from syncnb.comparing.remembering import Agreed, TableBase, row_keys, side_forms
from syncnb.journal import BaseRow
from syncnb.planning.previewing import key_of
from syncnb.steps import Block
from syncnb.syncing.agreeing import label_of
from syncnb.syncing.spooling import Spool, base_columns
from syncnb.values.canonical import UNKNOWN, joined
from syncnb.values.columns import compare
from syncnb.values.raw import to_python
from syncnb.values.rules import Side

__all__ = ["Passed", "advance", "excused"]


@dataclass(frozen=True)
class Passed:
    """A run that passed rows on, and the comparison of them that was made after it."""

    diff: Diff
    spool: Spool
    """The rows that are the same after it."""
    images: Mapping[str, Sequence[Block]]
    """What it wrote, by the target table's label."""
    into: Side
    run: int | None


def advance(connection: Connection, pair_id: str, passed: Passed, told: Mapping[str, set[str]]) -> None:
    """Keep what both sides agree on by now, in the transaction of the side that keeps it.

    told: by table, the keys in local that the comparison was about; those that neither side has are forgotten.
    """
    for table in passed.diff.tables:
        if table.name not in passed.spool.shelves:
            continue
        work = _Advance(table, passed, connection, pair_id)
        label, names = (
            label_of(table.pair, passed.spool.holder),
            base_columns(table.pair, passed.spool.holder),
        )
        rows = [*work.same(), *work.accepted()]
        if rows:
            journal.store_bases(connection, pair_id, label, names, rows)
        work.forget(told.get(table.name, set()), {row.own for row in rows})


def excused(passed: Passed) -> set[tuple[str, str]]:
    """Rows that differ still, but only in what the target made of their values: by table of the target, and key as text."""
    found: set[tuple[str, str]] = set()
    for table in passed.diff.tables:
        if table.name in passed.spool.shelves and len(table.changed_local):
            found |= set(_Advance(table, passed, None, "").excused())
    return found


@dataclass
class _Advance:
    table: TableDiff
    passed: Passed
    connection: Connection | None
    pair_id: str

    def __post_init__(self) -> None:
        pair, into = self.table.pair, self.passed.into
        target = pair.local if into == "local" else pair.remote
        self.holder = self.passed.spool.holder
        self.blocks = self.passed.images.get(target.label, ())
        self.written = {key for block in self.blocks if block.verb != "delete" for key in self._keys(block)}
        run = self.passed.run
        self.run = None if run is None else run if into != self.holder else -run

    @property
    def pair(self) -> TablePair:
        return self.table.pair

    def _keys(self, block: Block) -> list[str | None]:
        """The keys of written rows as a base names them."""
        columns = {on_side(column, self.passed.into): column for column in self.pair.key}
        if set(block.key) != set(columns):
            return []
        by_name = dict(zip(block.key, block.keys, strict=True))
        key = [(column.rule, by_name[name]) for name, column in columns.items()]
        return key_names(key, self.passed.into)

    def excused(self) -> Iterator[tuple[str, str]]:
        """See above."""
        rows, target = _rows(self.table, self.passed.into), self.pair.local
        target = self.pair.remote if self.passed.into == "remote" else target
        key = [self.pair.columns.index(column) for column in self.pair.key]
        altered = self._altered(row_keys(self.pair, rows.columns, self.passed.into))
        for row, cells in enumerate(altered):
            if cells is not None and not (self.table.differs[row] & ~np.array(cells)).any():
                values = [to_python(rows.columns[at].slice(row, 1))[0] for at in key]
                yield target.label, key_of(tuple(values))

    def same(self) -> Iterator[BaseRow]:
        """Rows that are the same on both sides now; those that this run wrote are told."""
        own = self.passed.into == self.holder
        for row in self.passed.spool.rows(self.table.name):
            written = (row.own if own else row.other) in self.written
            yield replace(row, run=self.run) if written else row

    def accepted(self) -> Iterator[BaseRow]:
        """Rows that differ still: what is equal in them is agreed, and what the target made of a value is accepted."""
        pair, table = self.pair, self.table
        count = len(table.changed_local)
        if not count:
            return
        base = {line.row.own: line.row for line in self._lines()}
        keys = {side: row_keys(pair, _rows(table, side).columns, side) for side in SIDES}
        other: Side = "remote" if self.holder == "local" else "local"
        altered = self._altered(keys[self.passed.into])
        forms = {
            side: [
                side_forms(
                    pair, at, column, side, self.holder, table.parents.get(pair.columns[at].name)
                ).to_pylist()
                for at, column in enumerate(_rows(table, side).columns)
            ]
            for side in SIDES
        }
        for row in range(count):
            own_key, other_key = keys[self.holder][row], keys[other][row]
            line = base.get(own_key or "")
            known = altered[row] is not None or line is not None
            if own_key is None or other_key is None or not known or (table.is_conflict(row) and line is None):
                continue
            before = self._before(line)
            cells: dict[Side, list[str | None]] = {self.holder: [], other: []}
            for at in range(len(pair.columns)):
                differs = bool(table.differs[row, at])
                changed = altered[row]
                for side in SIDES:
                    if not differs:
                        cells[side].append(forms[self.holder][at][row])
                    elif changed is not None and changed[at]:
                        cells[side].append(forms[side][at][row])
                    else:
                        cells[side].append(before[side][at])
            texts = {
                side: joined([pa.array([cell], pa.string()) for cell in cells[side]])[0].as_py()
                for side in cells
            }
            apart = texts[other] if texts[other] != texts[self.holder] else None
            run = self.run if altered[row] is not None else line.run if line else None
            yield BaseRow(own_key, other_key, texts[self.holder], apart, run)

    def _lines(self) -> list[Agreed]:
        base = self._base
        if base is None:
            return []
        keys = [row_keys(self.pair, _rows(self.table, side).columns, side) for side in SIDES]
        return base.lines(*keys)

    @cached_property
    def _base(self) -> TableBase | None:
        if self.connection is None:
            return None
        label = label_of(self.pair, self.holder)
        shapes = journal.shapes_of(self.connection, self.pair_id).get(label, ())
        return TableBase(self.pair, self.holder, self.connection, shapes) if shapes else None

    def _before(self, line: BaseRow | None) -> Mapping[Side, Sequence[str | None]]:
        base = self._base if line is not None else None
        if base is None or line is None:
            return {side: [UNKNOWN] * len(self.pair.columns) for side in SIDES}
        return {side: base.cells(line, side) for side in SIDES}

    def _altered(self, keys: Sequence[str | None]) -> list[list[bool] | None]:
        """Of each changed row: which cells this run changed in the target; None where it wrote none, or where
        the row is no longer as it left it."""
        found: list[list[bool] | None] = [None] * len(keys)
        place = {key: row for row, key in enumerate(keys) if key is not None}
        now = _rows(self.table, self.passed.into)
        for block in self.blocks:
            if block.verb == "delete":
                continue
            there = [(number, place[key]) for number, key in enumerate(self._keys(block)) if key in place]
            if not there:
                continue
            numbers, rows = (pa.array(part, pa.int64()) for part in zip(*there, strict=True))
            cells = np.zeros((len(there), len(self.pair.columns)), dtype=np.bool_)
            as_left = np.ones(len(there), dtype=np.bool_)
            for at, column in enumerate(self.pair.columns):
                name = on_side(column, self.passed.into)
                if name not in block.columns:
                    continue
                after = block.after[block.columns.index(name)].take(numbers)
                as_left &= ~compare(column.rule, after, now.columns[at].take(rows)).differs
                before = block.before[block.columns.index(name)].take(numbers) if block.before else None
                cells[:, at] = True if before is None else compare(column.rule, before, after).differs
            for number, (_, row) in enumerate(there):
                found[row] = cells[number].tolist() if as_left[number] else None
        return found

    def forget(self, told: set[str], kept: set[str]) -> None:
        """Rows that the run deleted, and told ones that neither side has."""
        label, into = label_of(self.pair, self.holder), self.passed.into
        deleted = {key for block in self.blocks if block.verb == "delete" for key in self._keys(block) if key}
        own, other = (deleted, set[str]()) if into == self.holder else (set[str](), deleted)
        if told:
            base = self._base
            local = _keys_of(self.pair, [self.table.changed_local, self.table.only_local], "local")
            remote = _keys_of(self.pair, [self.table.changed_remote, self.table.only_remote], "remote")
            lines = base.lines(told, ()) if base is not None else []
            gone = [line for line in lines if line.local not in local and line.remote not in remote]
            own |= {line.row.own for line in gone} - kept
        if (own or other) and self.connection is not None:
            journal.drop_bases(self.connection, self.pair_id, label, own=own - kept, other=other)


SIDES: tuple[Side, Side] = ("local", "remote")


def _rows(table: TableDiff, side: Side) -> RowSet:
    return table.changed_local if side == "local" else table.changed_remote


def _keys_of(pair: TablePair, parts: Sequence[RowSet], side: Side) -> set[str | None]:
    return {key for rows in parts if len(rows) for key in row_keys(pair, rows.columns, side)}
