"""What both sides last agreed on, read from the journal that keeps it, and held against what differs now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from syncnb import journal
from syncnb.changes import Ids, TablePair
from syncnb.changes.ids import key_names, names
from syncnb.changes.since import Forms, Since
from syncnb.journal import BaseRow, Shape
from syncnb.journal.reading import within
from syncnb.stores.port import Reader, Store, WritableStore
from syncnb.values.canonical import UNKNOWN, forms, parted
from syncnb.values.raw import concat
from syncnb.values.sides import Side, other_side, own_first

__all__ = ["Agreed", "Remembered", "TableBase", "row_keys", "side_forms"]

Columns = Sequence[pa.Array]
LOST = "k!"
"""A reference to what the other side does not have; equal to no reference."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """A line of a base, as this diff sees it."""

    local: str
    remote: str
    row: BaseRow


def _id(store: WritableStore, reader: Reader) -> str:
    return store.identity(reader).id


class Remembered:
    """The bases of two databases, in the snapshots that are compared."""

    def __init__(
        self, stores: tuple[Store, Store], readers: tuple[Reader, Reader], *, used: bool = True
    ) -> None:
        self.connections: dict[Side, Connection] = {}
        self.shapes: dict[Side, dict[str, tuple[Shape, ...]]] = {"local": {}, "remote": {}}
        self.undone: dict[Side, frozenset[int]] = {}
        if not used or not all(isinstance(store, WritableStore) for store in stores):
            return
        sides: tuple[tuple[Side, int], ...] = (("local", 0), ("remote", 1))
        for side, at in sides:
            connection = within(readers[at], stores[at].dialect)
            if connection is not None and journal.is_installed(connection):
                self.connections[side] = connection
        for side, at in sides:
            other = stores[1 - at]
            if side in self.connections and isinstance(other, WritableStore):
                self.shapes[side] = dict(
                    journal.shapes_of(self.connections[side], partial(_id, other, readers[1 - at]))
                )

    def table(self, pair: TablePair) -> "TableBase | None":
        """What is kept of one table: by the side that wrote last, where both keep something."""
        found: dict[Side, tuple[Shape, ...]] = {}
        for side, shapes in self.shapes.items():
            label = pair.on(side).label
            if label in shapes:
                found[side] = shapes[label]
        if not found:
            return None
        holder = max(found, key=lambda side: max(shape.at for shape in found[side]))
        other = other_side(holder)
        back = {side: self._undone(side) for side in (holder, other)}
        return TableBase(pair, holder, self.connections[holder], found[holder], back[holder], back[other])

    def _undone(self, side: Side) -> frozenset[int]:
        if side not in self.undone:
            connection = self.connections.get(side)
            self.undone[side] = frozenset() if connection is None else journal.undone(connection)
        return self.undone[side]


@dataclass
class TableBase:
    """What is kept of one table."""

    pair: TablePair
    holder: Side
    """Which side keeps it."""
    connection: Connection = field(repr=False)
    shapes: tuple[Shape, ...] = ()
    back_here: frozenset[int] = frozenset()
    """Runs of the holder's journal that were taken back."""
    back_there: frozenset[int] = frozenset()

    def lines(self, local: Iterable[str | None], remote: Iterable[str | None]) -> list[Agreed]:
        """The lines that have one of these keys on either side."""
        asked: dict[Side, set[str]] = {
            "local": {key for key in local if key is not None},
            "remote": {key for key in remote if key is not None},
        }
        other = other_side(self.holder)
        found = journal.read_bases(self.connection, self.shapes, own=asked[self.holder], other=asked[other])
        return [self._agreed(row) for row in found if not self._void(row)]

    def _agreed(self, row: BaseRow) -> Agreed:
        return Agreed(*own_first(self.holder, row.own, row.other), row)

    def _void(self, row: BaseRow) -> bool:
        """Whether the run that agreed on it was taken back."""
        if row.run is None:
            return False
        return row.run in self.back_there if row.run > 0 else -row.run in self.back_here

    def cells(self, row: BaseRow, side: Side) -> Forms:
        """The cells of a line by the pair's columns, as this side had them."""
        text = row.cells if side == self.holder or row.other_cells is None else row.other_cells
        there = dict(zip(row.columns, parted(text), strict=False))
        own = [column.on(self.holder).name for column in self.pair.columns]
        return tuple(there.get(name, UNKNOWN) for name in own)

    def since(
        self, changed: tuple[Columns, Columns], alone: tuple[Columns, Columns], parents: dict[int, Ids]
    ) -> Since:
        """Who changed what in these rows: those that both sides have, and those that only one has."""
        local = [concat([a, b]) for a, b in zip(changed[0], alone[0], strict=True)]
        remote = [concat([a, b]) for a, b in zip(changed[1], alone[1], strict=True)]
        both, sizes = len(changed[0][0]), tuple(len(part[0]) for part in (changed[0], *alone))
        ours, theirs = row_keys(self.pair, local, "local"), row_keys(self.pair, remote, "remote")
        lines = self.lines(ours, theirs)
        by_local = {line.local: line for line in lines}
        by_remote = {line.remote: line for line in lines}
        found = [_same(by_local.get(a or ""), b) for a, b in zip(ours[:both], theirs[:both], strict=True)]
        found += [by_local.get(key or "") for key in ours[both:]]
        found += [by_remote.get(key or "") for key in theirs[both:]]
        place = {"local": np.arange(len(ours)), "remote": np.r_[0:both, len(ours) : len(found)]}
        touched = {}
        for side, columns in (("local", local), ("remote", remote)):
            touched[side] = self._touched(columns, side, [found[at] for at in place[side]], parents)  # type: ignore[arg-type]
        width, rows = len(self.pair.columns), len(found)
        matrix = {side: np.zeros((rows, width), dtype=np.bool_) for side in touched}
        for side, part in touched.items():
            matrix[side][place[side]] = part
        shown = [None if line is None else self.cells(line.row, self.holder) for line in found]
        return Since(shown, matrix["local"], matrix["remote"], sizes)  # type: ignore[arg-type]

    def _touched(
        self, columns: Columns, side: Side, lines: Sequence[Agreed | None], parents: dict[int, Ids]
    ) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
        """Cells of this side that are not as they were."""
        found = np.zeros((len(lines), len(columns)), dtype=np.bool_)
        known = np.array([at for at, line in enumerate(lines) if line is not None], dtype=np.int64)
        if not len(known):
            return found
        take = pa.array(known)
        before = [self.cells(line.row, side) for line in lines if line is not None]
        for at, column in enumerate(self.pair.columns):
            if self.pair.surrogate and column in self.pair.key:
                continue
            was = pa.array([row[at] for row in before], pa.string())
            now = side_forms(self.pair, at, columns[at].take(take), side, self.holder, parents.get(at))
            same = pc.fill_null(pc.equal(was, now), False).to_numpy(zero_copy_only=False)  # noqa: FBT003
            nulls = was.is_null().to_numpy(zero_copy_only=False) & now.is_null().to_numpy(
                zero_copy_only=False
            )
            found[known, at] = ~(same | nulls)
        return found


def _same(line: Agreed | None, remote: str | None) -> Agreed | None:
    """The line of a local row, where it is about this very remote row."""
    return line if line is not None and line.remote == remote else None


def row_keys(pair: TablePair, columns: Columns, side: Side) -> list[str | None]:
    """The keys of rows as a base names them."""
    key = [(column.rule, columns[pair.columns.index(column)]) for column in pair.key]
    return key_names(key, side) if key else [None] * len(columns[0])


def side_forms(
    pair: TablePair, at: int, array: pa.Array, side: Side, holder: Side, parent: Ids | None
) -> pa.Array:
    """A column of one side in canonical form. References are named by the ids of the side that keeps the base."""
    column = pair.columns[at]
    if all(link.column != column for link in pair.links):
        return forms(column.rule, array, side)
    told = names(column.rule, array, side)
    lost = np.zeros(len(told), dtype=np.bool_)
    if side != holder and parent is not None and len(parent):
        told, lost = parent.across(told, side)
    named = pc.binary_join_element_wise("k", told, "", null_handling="emit_null")
    return pc.if_else(pa.array(lost), pa.scalar(LOST), named) if lost.any() else named
