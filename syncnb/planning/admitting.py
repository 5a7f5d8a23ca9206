"""Which rows of a plan can be written at all: nobody else may have their unique values, nor may they belong to nothing.

Looked up when the plan is drawn, so that a person sees it before anything is tried: the row, every existing row that
it runs into, and by which rule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from syncnb.errors import ReadError
from syncnb.planning.alike import alike, is_coarse
from syncnb.planning.circling import label_of, pointing
from syncnb.planning.contesting import rules_of
from syncnb.planning.handing import Places, handed_on, taken
from syncnb.planning.previewing import key_of
from syncnb.schema import Schema, Table, UniqueRule
from syncnb.steps import Block, Contest, Cut
from syncnb.stores.port import Seeker
from syncnb.values.raw import concat, to_python
from syncnb.values.reading import as_text

__all__ = ["Admitted", "admit", "without"]


@dataclass
class Admitted:
    """The rows of one table: those to be written, those that wait for a decision, those that stay as they are."""

    table: Table
    blocks: list[Block]
    undecided: list[Block]
    left: list[tuple[Block, str]] = field(default_factory=list)
    """Rows with the reason, a block of one reason each."""


def admit(tables: Sequence[Admitted], schema: Schema, reader: Seeker) -> None:
    """Take out of these tables what cannot be written, and what depends on it."""
    for each in tables:
        _Holders(each, reader).sort_out()
    _without_parents(tables, schema)
    _with_their_parents(tables, schema)


def without(tables: Sequence[Admitted], rows: Sequence[tuple[str, str, str]], schema: Schema) -> None:
    """Take out rows that turned out not to be writable (table, key, why), and what depends on them."""
    for each in tables:
        whys = {key: why for table, key, why in rows if table == each.table.label}
        if whys:
            each.blocks = list(_kept(each, whys))
    _without_parents(tables, schema)


def _kept(each: Admitted, whys: dict[str, str]) -> Iterator[Block]:
    for block in each.blocks:
        keys = [key_of(key) for key in zip(*map(to_python, block.keys), strict=True)]
        out = {row: whys[key] for row, key in enumerate(keys) if key in whys}
        yield from _parted(block, out, each.left)


def _parted(block: Block, out: dict[int, str], left: list[tuple[Block, str]]) -> Iterator[Block]:
    """The rows of a block that stay in the plan; the others go to `left`."""
    if not out:
        yield block
        return
    for row, why in out.items():
        left.append((block.take(pa.array([row], pa.int64())), why))
    kept = [row for row in range(len(block)) if row not in out]
    if kept:
        yield block.take(pa.array(kept, pa.int64()))


class _Holders:
    """Who has the unique values that rows of one table would take."""

    def __init__(self, each: Admitted, reader: Seeker) -> None:
        self.each, self.reader = each, reader
        self.places = Places([*each.blocks, *each.undecided])
        self.decided = sum(map(len, each.blocks))
        self.hits: dict[int, dict[str, list[str]]] = {}
        """By row: the existing row that it runs into, and by which rules."""
        self.takers: dict[int, set[int]] = {}
        self.twins: dict[int, str] = {}
        """By row: with which other rows of the plan it is one, in the target's eyes."""

    def sort_out(self) -> None:
        """Look up every rule, then leave what runs into a row, and what waits for a row that is left."""
        if not self.places.blocks or not self.places.blocks[0].key:
            return
        for rule in rules_of(self.each.table):
            self._look(rule)
        out = {**self.twins, **{row: self._why(held) for row, held in self.hits.items()}}
        out |= self._following(out, "it takes a value of a row that stays as it is")
        undecided = range(self.decided, len(self.places))
        waiting = self._following(
            dict.fromkeys(undecided, ""), "it takes a value of a row that nobody has decided"
        )
        self._take_out(out, {row: why for row, why in waiting.items() if row not in out})

    def _look(self, rule: UniqueRule) -> None:
        blocks, key = self.places.blocks, self.places.blocks[0].key
        contest = _contest(self.each.table, rule)
        takers, givers = handed_on(blocks, contest)
        for taker, giver in zip(takers.tolist(), givers.tolist(), strict=True):
            self.takers.setdefault(giver, set()).add(taker)
        if set(key) <= set(rule.columns) and not is_coarse(self.each.table, rule):
            return  # the comparison itself has seen that nobody has the key
        rows = taken(blocks, contest)
        if not len(rows):
            return
        take = pa.array(rows)
        values = [concat([_after(block, name) for block in blocks]).take(take) for name in rule.columns]
        self._look_within(rule, rows.tolist(), values)
        try:
            found = self.reader.holding(self.each.table, rule.columns, values, key)
        except ReadError:
            return  # a value that the column cannot hold: it is refused when it is written
        if not found.num_rows:
            return
        numbers = rows[found.column(0).to_numpy(zero_copy_only=False)]
        planned = set(zip(takers.tolist(), givers.tolist(), strict=True))
        there, gone = self._numbers(), self._deleted()
        keys = zip(*map(to_python, found.columns[1:]), strict=True)
        for row, holder in zip(numbers.tolist(), map(key_of, keys), strict=True):
            other = there.get(holder)
            if other == row or (row, other) in planned:
                continue
            self.hits.setdefault(row, {}).setdefault(holder, []).append(self._named(row, rule))
            if other is not None and other in gone:  # deleted alone, the thing would be lost
                self.twins[other] = (
                    f"{self._key(row)}, which is one with it by {rule.name} of the target, stays open"
                )

    def _deleted(self) -> set[int]:
        """The rows that the plan deletes, as it is decided."""
        decided = zip(self._starts, self.each.blocks, strict=False)
        return {
            start + row for start, block in decided if block.verb == "delete" for row in range(len(block))
        }

    def _look_within(self, rule: UniqueRule, rows: Sequence[int], values: Sequence[pa.Array]) -> None:
        """Rows whose values differ, and are one value there."""
        for group in alike(self.each.table, rule, values, self.reader):
            told = " and ".join(self._key(rows[at]) for at in group[:4])
            for at in group:
                self.twins[rows[at]] = (
                    f"{told} are one by {rule.name} of the target: choose one, or edit a value"
                )

    def _key(self, row: int) -> str:
        block, at = self.places.at(row)
        return key_of(tuple(to_python(part.slice(at, 1))[0] for part in block.keys))

    @property
    def _starts(self) -> list[int]:
        """The number of the first row of each block."""
        return [end - len(block) for end, block in zip(self.places.ends, self.places.blocks, strict=True)]

    def _numbers(self) -> dict[str, int]:
        """The rows of the plan by their keys; rows that are inserted are not there yet."""
        texts = [
            (key_of(key), block.verb)
            for block in self.places.blocks
            for key in zip(*map(to_python, block.keys), strict=True)
        ]
        return {key: row for row, (key, verb) in enumerate(texts) if verb != "insert"}

    def _named(self, row: int, rule: UniqueRule) -> str:
        block, at = self.places.at(row)
        values = [as_text(to_python(_after(block, name).slice(at, 1))[0]) for name in rule.columns]
        return f"{', '.join(rule.columns)} {', '.join(values)} ({rule.name})"

    def _why(self, held: dict[str, list[str]]) -> str:
        label = self.each.table.label
        told = "; ".join(
            f"{label} {holder} has its {' and its '.join(rules)}" for holder, rules in held.items()
        )
        if len(held) == 1:
            return f"{told}: say which of the two it shall be, or edit a value"
        return f"{told}: it runs into {len(held)} rows, say which of them it is, or edit a value"

    def _following(self, first: dict[int, str], why: str) -> dict[int, str]:
        """Rows that take a value of these, and those that take one of theirs in turn."""
        found: dict[int, str] = {}
        waiting = list(first)
        while waiting:
            for taker in sorted(self.takers.get(waiting.pop(), ())):
                if taker not in found and taker not in first:
                    found[taker] = why
                    waiting.append(taker)
        return found

    def _take_out(self, out: dict[int, str], waiting: dict[int, str]) -> None:
        if not out and not waiting:
            return
        each, blocks = self.each, self.places.blocks
        gone, held = self.places.per_block(sorted(out)), self.places.per_block(sorted(waiting))
        starts = self._starts
        decided: list[Block] = []
        undecided: list[Block] = []
        for at, block in enumerate(blocks):
            mine = undecided if at >= len(each.blocks) else decided
            apart = {row: out[starts[at] + row] for row in gone.get(at, ())}
            later = held.get(at, []) if mine is decided else []
            if later:
                why = waiting[starts[at] + later[0]]
                undecided.append(replace(block.take(pa.array(later, pa.int64())), why=why, whys=()))
            kept = [row for row in range(len(block)) if row not in set(later) | set(apart)]
            each.left += [(block.take(pa.array([row], pa.int64())), why) for row, why in apart.items()]
            if kept:
                mine.append(block if len(kept) == len(block) else block.take(pa.array(kept, pa.int64())))
        each.blocks, each.undecided = decided, undecided


def _after(block: Block, name: str) -> pa.Array:
    if block.after and name in block.columns:
        return block.after[block.columns.index(name)]
    return block.keys[block.key.index(name)] if name in block.key else pa.nulls(len(block))


def _contest(table: Table, rule: UniqueRule) -> Contest:
    kinds = tuple(str(table.column(name).kind) for name in rule.columns)
    return Contest(table.label, rule.name, rule.columns, kinds, nulls_distinct=rule.nulls_distinct)


def _without_parents(tables: Sequence[Admitted], schema: Schema) -> None:
    """Leave rows that refer to one whose insert is left, and so on down."""
    links = list(_links(tables, schema))
    seen = -1
    while seen != (seen := sum(len(each.left) for each in tables)):
        for cut in links:
            parents = [
                block
                for each in tables
                if each.table.label == cut.parent
                for block, _ in each.left
                if block.verb == "insert"
            ]
            for each in tables if parents else ():
                if each.table.label == cut.table:
                    each.blocks = [
                        b for block in each.blocks for b in _orphans(block, cut, parents, each.left)
                    ]


def _with_their_parents(tables: Sequence[Admitted], schema: Schema) -> None:
    """Have rows wait that refer to an insert which waits for a decision, and so on down."""
    links = list(_links(tables, schema))
    seen = -1
    while seen != (seen := sum(sum(map(len, each.undecided)) for each in tables)):
        for cut in links:
            parents = [
                block
                for each in tables
                if each.table.label == cut.parent
                for block in each.undecided
                if block.verb == "insert"
            ]
            for each in tables if parents else ():
                if each.table.label == cut.table:
                    _wait(each, cut, parents)


def _wait(each: Admitted, cut: Cut, parents: list[Block]) -> None:
    lost: list[tuple[Block, str]] = []
    each.blocks = [b for block in each.blocks for b in _orphans(block, cut, parents, lost)]
    why = f"it belongs to a row of {cut.parent} that waits for a decision"
    each.undecided += [replace(block, why=why, whys=()) for block, _ in lost]


def _orphans(block: Block, cut: Cut, parents: list[Block], left: list[tuple[Block, str]]) -> Iterator[Block]:
    if block.verb == "delete" or not set(cut.columns) & set(block.columns):
        yield block
        return
    lost = np.flatnonzero(pointing(block, cut, parents)).tolist()
    why = f"it belongs to a row of {cut.parent} that is left open"
    yield from _parted(block, dict.fromkeys(lost, why), left)


def _links(tables: Sequence[Admitted], schema: Schema) -> Iterator[Cut]:
    labels = {each.table.label for each in tables}
    for each in tables:
        for key in each.table.foreign_keys:
            parent = label_of(key.parent, schema)
            if parent in labels and len(key.columns) == len(key.parent_columns):
                kinds = tuple(str(each.table.column(name).kind) for name in key.columns)
                yield Cut(each.table.label, key.name, key.columns, kinds, parent, key.parent_columns, "never")
