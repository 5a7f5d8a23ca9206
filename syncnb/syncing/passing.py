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
from syncnb.comparing.remembering import Agreed, TableBase, row_keys, side_forms
from syncnb.journal import BaseRow
from syncnb.planning.previewing import key_of
from syncnb.schema import Table
from syncnb.steps import Block
from syncnb.syncing.agreeing import label_of
from syncnb.syncing.spooling import Spool, base_columns
from syncnb.values.canonical import UNKNOWN, joined
from syncnb.values.raw import to_python
from syncnb.values.sides import SIDES, Side, other_side

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
    before: Diff | None = None
    """The comparison that the run was planned from; None where it is no longer there."""


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
    """Rows that differ still, but only in what the target made of their values: table of the target, key as text."""
    found: set[tuple[str, str]] = set()
    for table in passed.diff.tables:
        if table.name in passed.spool.shelves and len(table.changed_local):
            found |= set(_Advance(table, passed, None, "").excused())
    return found


@dataclass(frozen=True)
class _Written:
    """A row that the run wrote, in canonical form, by the pair's columns."""

    then: Sequence[str | None] | None
    """As the source had it when it was passed on; None where nobody knows any more."""
    after: Sequence[str | None]
    """As the run left it in the target."""
    changed: Sequence[bool]
    """Which cells the run changed there."""


@dataclass
class _Advance:
    table: TableDiff
    passed: Passed
    connection: Connection | None
    pair_id: str

    def __post_init__(self) -> None:
        into = self.passed.into
        self.into: Side = into
        self.source = other_side(into)
        self.holder = self.passed.spool.holder
        self.blocks = self.passed.images.get(self._target.label, ())
        self.written = {key for block in self.blocks if block.verb != "delete" for key in self._keys(block)}
        run = self.passed.run
        self.run = None if run is None else run if into != self.holder else -run

    @property
    def pair(self) -> TablePair:
        return self.table.pair

    @property
    def _target(self) -> Table:
        return self.pair.on(self.into)

    def _keys(self, block: Block) -> list[str | None]:
        """The keys of written rows as a base names them."""
        columns = {column.on(self.into).name: column for column in self.pair.key}
        if set(block.key) != set(columns):
            return []
        by_name = dict(zip(block.key, block.keys, strict=True))
        key = [(column.rule, by_name[name]) for name, column in columns.items()]
        return key_names(key, self.into)

    def same(self) -> Iterator[BaseRow]:
        """Rows that are the same on both sides now; those that this run wrote are told."""
        own = self.into == self.holder
        for row in self.passed.spool.rows(self.table.name):
            written = (row.own if own else row.other) in self.written
            yield replace(row, run=self.run) if written else row

    def excused(self) -> Iterator[tuple[str, str]]:
        """See above."""
        rows = self.table.changed(self.into)
        key = [self.pair.columns.index(column) for column in self.pair.key]
        now = {side: self._forms(self.table.changed(side).columns, side) for side in SIDES}
        for row, written in enumerate(self._of_this_run()):
            if written is None or written.then is None:
                continue
            fine = all(
                written.changed[at]
                and now[self.source][at][row] == written.then[at]
                and now[self.into][at][row] == written.after[at]
                for at in np.flatnonzero(self.table.differs[row]).tolist()
            )
            if fine:
                values = [to_python(rows.columns[at].slice(row, 1))[0] for at in key]
                yield self._target.label, key_of(tuple(values))

    def accepted(self) -> Iterator[BaseRow]:
        """Rows that differ now. What was passed on is agreed as it was then, whatever either side did since.

        What the target made of a value is accepted: each side's is kept as its own.
        """
        if not len(self.table.changed_local):
            return
        other = other_side(self.holder)
        keys = {side: row_keys(self.pair, self.table.changed(side).columns, side) for side in SIDES}
        base = {line.row.own: line.row for line in self._lines(keys)}
        now = self._forms(self.table.changed(self.holder).columns, self.holder)
        for row, written in enumerate(self._of_this_run()):
            own_key, other_key = keys[self.holder][row], keys[other][row]
            line = base.get(own_key or "")
            if own_key is None or other_key is None or (written is None and line is None):
                continue
            if line is not None and line.other != other_key:
                line = None
            cells = self._cells(row, written, line, now)
            texts = {side: _joined(cells[side]) for side in SIDES}
            apart = texts[other] if texts[other] != texts[self.holder] else None
            run = self.run if written is not None else line.run if line else None
            yield BaseRow(own_key, other_key, texts[self.holder], apart, run)

    def _cells(
        self, row: int, written: _Written | None, line: BaseRow | None, now: Sequence[Sequence[str | None]]
    ) -> dict[Side, list[str | None]]:
        before = self._before(line)
        cells: dict[Side, list[str | None]] = {side: [] for side in SIDES}
        for at in range(len(self.pair.columns)):
            told = {side: before[side][at] for side in SIDES}
            if not self.table.differs[row, at]:
                told = dict.fromkeys(SIDES, now[at][row])
            elif written is not None and written.changed[at]:
                then = written.after if written.then is None else written.then
                told = {self.into: written.after[at], self.source: then[at]}
            elif written is not None and written.then is not None and written.then[at] == written.after[at]:
                told = dict.fromkeys(SIDES, written.after[at])
            for side in SIDES:
                cells[side].append(told[side])
        return cells

    def _of_this_run(self) -> list[_Written | None]:
        """Of each row that differs now: how this run left it; None where it wrote none."""
        keys = {side: row_keys(self.pair, self.table.changed(side).columns, side) for side in SIDES}
        then = self._then()
        images = self._images()
        found: list[_Written | None] = []
        for mine, theirs in zip(keys[self.source], keys[self.into], strict=True):
            image = images.get(theirs)
            found.append(None if image is None else replace(image, then=then.get(mine)))
        return found

    def _then(self) -> dict[str | None, Sequence[str | None]]:
        """The rows of the source that differed before the run, by their key."""
        if self.passed.before is None:
            return {}
        table = self.passed.before[self.table.name]
        found: dict[str | None, Sequence[str | None]] = {}
        for rows in (
            table.changed(self.source),
            table.alone(self.source),
        ):
            if len(rows):
                keys = row_keys(self.pair, rows.columns, self.source)
                forms = zip(*self._forms(rows.columns, self.source), strict=True)
                found |= dict(zip(keys, forms, strict=True))
        return found

    def _images(self) -> dict[str | None, _Written]:
        """What the run wrote, by the target's key; a row that it wrote twice as it was first and last."""
        found: dict[str | None, _Written] = {}
        for block in self.blocks:
            if block.verb == "delete":
                continue
            after = self._image_forms(block, block.after)
            before = (
                self._image_forms(block, block.before)
                if block.before
                else [[MISSING] * len(block)] * len(after)
            )
            rows = zip(self._keys(block), zip(*after, strict=True), zip(*before, strict=True), strict=True)
            for key, new, old in rows:
                changed = [a != b for a, b in zip(new, old, strict=True)]
                first = found.get(key)
                if first is not None:
                    changed = [a or b for a, b in zip(changed, first.changed, strict=True)]
                found[key] = _Written(None, new, changed)
        return found

    def _image_forms(self, block: Block, columns: Sequence[pa.Array]) -> list[list[str | None]]:
        unknown = pa.nulls(len(block))
        by_name = dict(zip(block.columns, columns, strict=True))
        arrays = [by_name.get(column.on(self.into).name, unknown) for column in self.pair.columns]
        return self._forms(arrays, self.into)

    def _forms(self, columns: Sequence[pa.Array], side: Side) -> list[list[str | None]]:
        parents = self.table.parents
        return [
            side_forms(
                self.pair, at, column, side, self.holder, parents.get(self.pair.columns[at].name)
            ).to_pylist()
            for at, column in enumerate(columns)
        ]

    def _lines(self, keys: Mapping[Side, Sequence[str | None]]) -> list[Agreed]:
        return [] if self._base is None else self._base.lines(keys["local"], keys["remote"])

    @cached_property
    def _base(self) -> TableBase | None:
        if self.connection is None:
            return None
        label = label_of(self.pair, self.holder)
        shapes = journal.shapes_of(self.connection, self.pair_id).get(label, ())
        return TableBase(self.pair, self.holder, self.connection, shapes) if shapes else None

    def _before(self, line: BaseRow | None) -> Mapping[Side, Sequence[str | None]]:
        if self._base is None or line is None:
            return {side: [UNKNOWN] * len(self.pair.columns) for side in SIDES}
        return {side: self._base.cells(line, side) for side in SIDES}

    def forget(self, told: set[str], kept: set[str]) -> None:
        """Rows that the run deleted, and told ones that neither side has."""
        label, into = label_of(self.pair, self.holder), self.into
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


def _joined(cells: Sequence[str | None]) -> str:
    text: str = joined([pa.array([cell], pa.string()) for cell in cells])[0].as_py()
    return text


MISSING = "-"
"""What an inserted row held before; equal to no form."""


def _keys_of(pair: TablePair, parts: Sequence[RowSet], side: Side) -> set[str | None]:
    return {key for rows in parts if len(rows) for key in row_keys(pair, rows.columns, side)}
