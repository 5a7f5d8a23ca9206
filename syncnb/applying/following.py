"""Rows that a write takes with it: children that a foreign key deletes, empties or moves along.

They are read just before, once the parents are locked, and again just after. What became of them is kept like what
was planned, before the image of their parents: an undo goes backwards, and puts the parents back first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from syncnb.applying.writing import unlike
from syncnb.planning.hazards import WITH_IT, key_of_table, refers, unkept
from syncnb.schema import ForeignKey, Schema, Table
from syncnb.steps import Block
from syncnb.stores.port import Staged, Writer
from syncnb.values.raw import to_python

__all__ = ["Followers", "may_cascade"]


def may_cascade(block: Block, table: Table) -> bool:
    """Whether other rows may follow: a row goes, or a column changes that something may refer to."""
    referred = {name for rule in table.rules for name in rule.columns}
    return block.verb == "delete" or (block.verb == "update" and bool(referred & set(block.columns)))


@dataclass(frozen=True)
class _Caught:
    """Rows of one table that will follow, as they are before."""

    table: Table
    key: tuple[str, ...]
    rows: pa.RecordBatch
    by: ForeignKey
    moved: bool
    """They only take over a changed value, and take over the old one again when that is put back."""


@dataclass
class Followers:
    """What follows one block."""

    writer: Writer
    schema: Schema
    block: Block
    caught: list[_Caught] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: set[tuple[object, ...]] = field(default_factory=set)

    def look(self, table: Table) -> None:
        """Find and lock the rows that will follow, to the last grandchild."""
        if not may_cascade(self.block, table) or not any(self._keys(table, self._event)):
            return
        staged = self.writer.stage(table, self.block)
        try:
            staged.present(list(self.block.key))  # locks the parents, so that no child can join them now
            self._down(staged, table, self._event)
        finally:
            staged.drop()

    @property
    def _event(self) -> frozenset[str] | None:
        return None if self.block.verb == "delete" else frozenset(self.block.columns)

    def _keys(self, parent: Table, changed: frozenset[str] | None) -> Iterator[tuple[Table, ForeignKey]]:
        """The references to this table that act. `changed`: its columns that change; None where rows go."""
        for child in self.schema:
            for key in child.foreign_keys:
                acts = key.on_delete if changed is None else key.on_update
                concerned = changed is None or changed & set(key.parent_columns)
                complete = len(key.columns) == len(key.parent_columns)
                if acts in WITH_IT and concerned and complete and refers(key, parent, self.schema):
                    yield child, key

    def _down(self, staged: Staged, parent: Table, changed: frozenset[str] | None) -> None:
        for child, key in self._keys(parent, changed):
            own = key_of_table(child)
            if why := unkept(child):
                self.notes.append(
                    f"{child.label}: rows that follow rows of {parent.label} cannot be taken back: {why}"
                )
            if own is None or any(not column.readable for column in child.columns):
                continue
            names = [column.name for column in child.columns if column.generated is None]
            pairs = list(zip(key.columns, key.parent_columns, strict=True))
            rows = self._new(child, own, staged.following(child, pairs, names))
            if not rows.num_rows:
                continue
            acts = key.on_delete if changed is None else key.on_update
            gone = changed is None and acts == "CASCADE"
            # Deeper ones first: these are put in behind what is found beneath them.
            self._deeper(child, own, rows, None if gone else frozenset(key.columns))
            self.caught.append(_Caught(child, own, rows, key, changed is not None and acts == "CASCADE"))

    def _deeper(
        self, child: Table, own: tuple[str, ...], rows: pa.RecordBatch, changed: frozenset[str] | None
    ) -> None:
        if not any(self._keys(child, changed)):
            return
        keys = tuple(rows.column(rows.schema.names.index(name)) for name in own)
        staged = self.writer.stage(child, Block(child.label, "delete", own, (), keys))
        try:
            self._down(staged, child, changed)
        finally:
            staged.drop()

    def _new(self, table: Table, own: tuple[str, ...], rows: pa.RecordBatch) -> pa.RecordBatch:
        """Without the rows that were met before, and those of the block itself."""
        planned: set[tuple[object, ...]] = set()
        if table.label == self.block.table:
            planned = set(zip(*map(to_python, self.block.keys), strict=True))
        keys, ids = (
            [rows.column(rows.schema.names.index(n)) for n in names]
            for names in (self.block.key if planned else (), own)
        )
        of_block = list(zip(*map(to_python, keys), strict=True)) if planned else [()] * rows.num_rows
        kept = []
        for at, (theirs, one) in enumerate(
            zip(of_block, zip(*map(to_python, ids), strict=True), strict=True)
        ):
            token = (table.label, *one)
            if token not in self.seen and theirs not in planned:
                self.seen.add(token)
                kept.append(at)
        return rows.take(pa.array(kept, pa.int64()))

    def images(self) -> list[Block]:
        """What became of them, in an order whose reverse puts parents back before children."""
        return [image for caught in self.caught for image in self._became(caught)]

    def _became(self, caught: _Caught) -> Iterator[Block]:
        names = caught.rows.schema.names
        keys = tuple(caught.rows.column(names.index(name)) for name in caught.key)
        path = (caught.table.schema, caught.table.name) if caught.table.schema else (caught.table.name,)
        block = Block(
            caught.table.label,
            "delete",
            caught.key,
            tuple(names),
            keys,
            before=tuple(caught.rows.columns),
            path=path,
        )
        # Staged as an insert, which is only looked up by its keys.
        wanted = Block(caught.table.label, "insert", caught.key, caught.key, keys, after=keys)
        staged = self.writer.stage(caught.table, wanted)
        try:
            found = staged.present(names)
        finally:
            staged.drop()
        there = found.column(0)
        gone = np.setdiff1d(np.arange(len(block)), there.to_numpy())
        if caught.moved:
            gone = gone[:0]  # under another key now, and back again with their parents
        if len(gone):
            self._told(caught, len(gone), "deleted")
            yield block.take(pa.array(gone))
        changed = _changed(caught, block, there, found.columns[1:])
        if len(changed):
            self._told(caught, len(changed), "emptied")
            after = tuple(column.take(pa.array(changed)) for column in found.columns[1:])
            part = block.take(there.take(pa.array(changed)))
            yield Block(
                part.table, "update", part.key, part.columns, part.keys, part.before, after, path=path
            )

    def _told(self, caught: _Caught, count: int, what: str) -> None:
        rows = "1 row" if count == 1 else f"{count:,} rows"
        columns, parent = ", ".join(caught.by.columns), caught.by.parent
        self.notes.append(
            f"{caught.table.label}: {rows} {what} with rows of {parent} ({columns}); kept for an undo"
        )


def _changed(
    caught: _Caught, block: Block, there: pa.Array, found: Sequence[pa.Array]
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which of the rows that are still there are other than before, and do not go back by themselves."""
    other: set[int] = set()
    for name, before, now in zip(block.columns, block.before, found, strict=True):
        if not (caught.moved and name in caught.by.columns):
            other |= set(unlike(before.take(there), now))
            continue
        # A value that was moved along to NULL stays NULL when the parent's is put back.
        nulls = now.is_null().to_numpy(zero_copy_only=False)
        other |= {at for at in unlike(before.take(there), now) if nulls[at]}
    return np.array(sorted(other), np.int64)
