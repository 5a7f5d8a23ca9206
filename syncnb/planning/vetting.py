"""Rows of a payload held against the rules of their table before anything is written: what it may not be, and why.

A payload comes from outside: no database has looked at its rows yet. All that one row breaks is told at once, so
that it can be mended in one go. What cannot be asked beforehand the database decides when it is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from syncnb.changes import RowSet
from syncnb.changes.ids import names as canonical
from syncnb.errors import ReadError, SchemaError
from syncnb.planning.circling import label_of
from syncnb.planning.filling import filler
from syncnb.planning.plans import OpenRow
from syncnb.planning.previewing import key_of
from syncnb.planning.table_drawing import Drawing
from syncnb.schema import ForeignKey, Schema, Table
from syncnb.steps import Block
from syncnb.stores.port import WritableStore
from syncnb.stores.probing import IndexFacts, Prober, Probing, Trial
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import row_tokens, to_python
from syncnb.values.reading import as_text

__all__ = ["check_text", "vet"]

MOST = 100_000
"""Rows of one sort that are looked at before they are written; of more the database is asked when they are."""


def vet(drawn: Sequence[Drawing], schema: Schema, into: WritableStore) -> None:
    """Leave out of these drawings the rows that break a rule of their table, each with all its reasons."""
    with into.reading() as reader:
        if not isinstance(reader, Probing):
            return
        coming = _coming(drawn)
        for drawing in drawn:
            bench = _Bench(drawing, schema, reader.probe(), coming)
            drawing.blocks = [kept for block in drawing.blocks for kept in bench.kept(block)]
            drawing.undecided = [kept for block in drawing.undecided for kept in bench.kept(block)]


Reasons = dict[int, list[str]]
"""By row of a block."""
Coming = Mapping[str, Sequence[Block]]
"""The inserts of all tables, by label: parents that will be there."""


def _coming(drawn: Sequence[Drawing]) -> Coming:
    found: dict[str, list[Block]] = {}
    for drawing in drawn:
        for block in (*drawing.blocks, *drawing.undecided):
            if block.verb != "delete":
                found.setdefault(block.table, []).append(block)
    return found


@dataclass
class _Bench:
    """What the checks of one table share."""

    drawing: Drawing
    schema: Schema
    probe: Prober
    coming: Coming
    _indexes: tuple[IndexFacts, ...] | None = field(default=None)

    @property
    def table(self) -> Table:
        return self.drawing.table

    @property
    def indexes(self) -> tuple[IndexFacts, ...]:
        if self._indexes is None:
            self._indexes = self.probe.indexes(self.table)
        return self._indexes

    def kept(self, block: Block) -> Iterator[Block]:
        """The rows of a block that break nothing; the others are left open."""
        if block.verb == "delete" or block.only_touches or block.role:
            yield block
            return
        if len(block) > MOST:
            self.drawing.notes.append(
                f"{block.table}: {len(block):,} rows are more than are held against its rules beforehand"
            )
            yield block
            return
        reasons: Reasons = {}
        for row, why in self._broken(block):
            reasons.setdefault(row, []).append(why)
        if not reasons:
            yield block
            return
        keys = list(zip(*map(to_python, block.keys), strict=True))
        for row in sorted(reasons):
            why = "; ".join(dict.fromkeys(reasons[row]))
            self.drawing.open.append(OpenRow(block.table, key_of(keys[row]), why, block.verb))
        left = [row for row in range(len(block)) if row not in reasons]
        if left:
            yield block.take(pa.array(left, pa.int64()))

    def _broken(self, block: Block) -> Iterator[tuple[int, str]]:
        yield from _nulls(self.table, block)
        batch = self._whole(block)
        trial = self.probe.trial(self.table, batch)
        for bad in trial.unfit():
            if bad.column in block.columns or bad.column in block.key:
                yield bad.row, f"column {bad.column}: {bad.why}"
        yield from self._checks(block, batch, trial)
        yield from self._parents(block, batch, trial)
        yield from self._twice(block, batch, trial)

    def _whole(self, block: Block) -> pa.RecordBatch:
        """What is known of the rows as they shall be: what is written, the key, and of an update what stays."""
        parts = dict(zip(block.key, block.keys, strict=True))
        parts |= dict(zip(block.columns, block.after, strict=True))
        if block.verb == "update":
            parts |= {name: array for name, array in self._staying(block).items() if name not in parts}
        return pa.RecordBatch.from_arrays(list(parts.values()), names=list(parts))

    def _staying(self, block: Block) -> dict[str, pa.Array]:
        """The compared columns of the target that an update leaves as they are."""
        diff, side = self.drawing.diff, self.drawing.side
        rows: RowSet = diff.changed(side)
        on = [column.on(side).name for column in diff.pair.columns]
        at = {key: row for row, key in enumerate(row_tokens([rows.columns[on.index(n)] for n in block.key]))}
        places = [at.get(key) for key in row_tokens(block.keys)]
        if None in places:
            return {}
        take = pa.array(places, pa.int64())
        return {name: rows.columns[number].take(take) for number, name in enumerate(on)}

    def _checks(self, block: Block, batch: pa.RecordBatch, trial: Trial) -> Iterator[tuple[int, str]]:
        for check in self.table.checks:
            expression = check_text(check)
            named = _columns_in(expression, self.table)
            if not named & set(block.columns) or not self._all_known(named, block, batch):
                continue
            try:
                failing = trial.failing(expression)
            except ReadError:  # it may call what this role, or this engine, cannot
                continue
            yield from ((row, f"the check {expression} is false") for row in failing)

    def _all_known(self, named: set[str], block: Block, batch: pa.RecordBatch) -> bool:
        """Whether what these columns will hold is known; what an insert leaves out may get a default."""
        missing = named - set(batch.schema.names)
        if block.verb == "update":
            return not missing
        columns = (self.table.column(name) for name in missing)
        return not any(column.generated or filler(self.table, column) for column in columns)

    def _parents(self, block: Block, batch: pa.RecordBatch, trial: Trial) -> Iterator[tuple[int, str]]:
        for key in self.table.foreign_keys:
            if not set(key.columns) & set(block.columns) or not set(key.columns) <= set(batch.schema.names):
                continue
            try:
                parent = self.schema.find(label_of(key.parent, self.schema))
                lost = trial.without_parent(key, parent)
            except (SchemaError, ReadError):
                continue
            if lost:
                yield from self._orphans(key, parent, batch, lost)

    def _orphans(
        self, key: ForeignKey, parent: Table, batch: pa.RecordBatch, lost: Sequence[int]
    ) -> Iterator[tuple[int, str]]:
        own = _named(
            self.table, key.columns, [batch.column(name).take(pa.array(lost)) for name in key.columns]
        )
        there = {
            name
            for block in self.coming.get(parent.label, ())
            if set(key.parent_columns) <= {*block.columns, *block.key}
            for name in _named(
                parent, key.parent_columns, [_after(block, name) for name in key.parent_columns]
            )
        }
        for row, name in zip(lost, own, strict=True):
            if name not in there:
                told = ", ".join(as_text(to_python(batch.column(c).slice(row, 1))[0]) for c in key.columns)
                yield (
                    row,
                    f"{parent.label} has no row with {', '.join(key.parent_columns)} {told} ({key.name})",
                )

    def _twice(self, block: Block, batch: pa.RecordBatch, trial: Trial) -> Iterator[tuple[int, str]]:
        """Rows of the payload that would run into each other under a rule which is not their key."""
        keys: list[str] | None = None
        for index in self.indexes:
            known = set(index.columns) <= set(batch.schema.names) and index.unique and index.ready
            if (
                not known
                or set(block.key) <= set(index.columns)
                or not set(index.columns) & set(block.columns)
            ):
                continue
            try:
                groups = trial.repeated(index)
            except ReadError:
                continue
            for group in groups:
                keys = keys or [key_of(k) for k in zip(*map(to_python, block.keys), strict=True)]
                told = " and ".join(keys[row] for row in group[:4])
                yield from ((row, f"{told} of the payload are one under {index.name}") for row in group)


def check_text(check: str) -> str:
    """`CHECK ((a > 0)) NOT VALID` without what is around the expression."""
    text = check.removesuffix(" NOT VALID").removesuffix(" NO INHERIT").strip()
    return text[5:].strip() if text.upper().startswith("CHECK") else text


def _nulls(table: Table, block: Block) -> Iterator[tuple[int, str]]:
    """NULL where none may be, told or because nothing was given."""
    for column in table.columns:
        if column.nullable or column.generated is not None:
            continue
        if column.name in block.columns:
            empty = block.after[block.columns.index(column.name)].is_null().to_numpy(zero_copy_only=False)
            why = "is NULL, which it may not be"
            for row in np.flatnonzero(empty).tolist():
                yield row, f"column {column.name} {why}"
        elif block.verb == "insert" and not filler(table, column):
            yield from (
                (row, f"column {column.name} was not given, and has no default") for row in range(len(block))
            )


def _columns_in(expression: str, table: Table) -> set[str]:
    """The columns that an expression names, or may name."""
    words = {word.lower() for word in re.findall(r"\w+", expression)}
    return {c.name for c in table.columns if set(re.findall(r"\w+", c.name.lower())) <= words}


def _after(block: Block, name: str) -> pa.Array:
    return (
        block.after[block.columns.index(name)] if name in block.columns else block.keys[block.key.index(name)]
    )


def _named(table: Table, columns: Sequence[str], arrays: Sequence[pa.Array]) -> list[tuple[str | None, ...]]:
    """Values in canonical form, so that 7 and '7' of an integer column are one."""
    kinds = [Kind(table.column(name).kind) for name in columns]
    named = [canonical(rule_for(k, k), a, "local").to_pylist() for k, a in zip(kinds, arrays, strict=True)]
    return list(zip(*named, strict=True))
