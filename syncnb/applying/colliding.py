"""With whom a row collides that breaks a unique rule or a foreign key: read where the database names the rule alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from syncnb.errors import SchemaError, SyncnbError, WriteError
from syncnb.planning.hazards import key_of_table
from syncnb.planning.previewing import key_of
from syncnb.schema import ForeignKey, Schema, Table, UniqueRule
from syncnb.steps import Block
from syncnb.stores.port import Writer
from syncnb.values.raw import Raw, concat, to_python
from syncnb.values.reading import as_text

__all__ = ["BROKEN", "collisions"]

UNIQUE, REFERENCE = "23505", "23503"
BROKEN = (UNIQUE, REFERENCE)
NAMED = 4
Sought = tuple[list[int], list[pa.Array]]
"""Numbers of rows of a block, and the values of some columns of these rows, none of them NULL."""


def collisions(
    writer: Writer, table: Table, block: Block, problems: Mapping[int, WriteError], *, written: bool = False
) -> dict[int, str]:
    """Rows of a block by their number, to the row that has their value, that is not there, or that refers to them.

    problems: what the database said of each. written: whether all rows of the plan are as they are meant to be, and
    not these as they were before. The transaction is left as it is; what cannot be read is left out.
    """
    found: dict[int, str] = {}
    said: dict[tuple[str | None, str | None], list[int]] = {}
    for row, problem in problems.items():
        if problem.sqlstate in BROKEN:
            said.setdefault((problem.sqlstate, problem.constraint), []).append(row)
    for (sqlstate, constraint), rows in said.items():
        look = _Look(writer, table, block, rows, constraint, written)
        with suppress(SyncnbError), writer.savepoint():
            found |= dict(look.holders() if sqlstate == UNIQUE else look.references())
    return found


@dataclass(frozen=True)
class _Look:
    writer: Writer
    table: Table
    block: Block
    rows: Sequence[int]
    constraint: str | None
    """As the database names it; SQLite names no foreign key, and a unique rule by its columns."""
    written: bool

    @cached_property
    def part(self) -> Block:
        return self.block.take(pa.array(self.rows, pa.int64()))

    def holders(self) -> Iterator[tuple[int, str]]:
        """Which other row has the values of each."""
        rule = next((rule for rule in self.table.rules if self._is_meant(rule)), None)
        key = key_of_table(self.table)
        if rule is None or key is None or rule.expressions or rule.where is not None:
            return
        at, values = self._values(rule.columns, self._after)
        held = self.writer.holding(self.table, rule.columns, values, key)
        keys = map(key_of, zip(*map(to_python, held.columns[1:]), strict=True))
        for number, holder in zip(held.column(0).to_pylist(), keys, strict=True):
            row = at[number]
            if holder != self._own(row, key):
                told = ", ".join(as_text(to_python(each.slice(number, 1))[0]) for each in values)
                yield (
                    self.rows[row],
                    f"{self.table.label} {holder} has its {', '.join(rule.columns)} {told} ({rule.name})",
                )

    def references(self) -> Iterator[tuple[int, str]]:
        """Which row each refers to that is not there; else who refers to it."""
        schema = self._near
        if self.block.verb != "insert":
            yield from self._children(schema)
        if self.block.verb != "delete":
            for reference in self.table.foreign_keys:
                parent = _found(schema, reference.parent) or _found(self._in_sight, reference.parent)
                if parent is not None and self.constraint in (None, reference.name):
                    yield from self._parents(reference, parent)

    @cached_property
    def _in_sight(self) -> Schema:
        """What the search path finds."""
        return self.writer.schema()

    @cached_property
    def _near(self) -> Schema:
        """The tables beside this one, and those that refer to it."""
        near = sorted(self.writer.followers([self.table])) if self.table.schema else []
        parents = {each.parent.rpartition(".")[0] for each in self.table.foreign_keys} - {""}
        here = {self.table.schema} if self.table.schema else set()
        return self.writer.schema(sorted({*near, *parents, *here}) or None)

    def _parents(self, reference: ForeignKey, parent: Table) -> Iterator[tuple[int, str]]:
        at, values = self._values(reference.columns, self._after)
        if not at:
            return
        there = set(self.writer.holding(parent, reference.parent_columns, values, []).column(0).to_pylist())
        for number, row in enumerate(at):
            if number not in there:
                wanted = key_of(tuple(to_python(each.slice(number, 1))[0] for each in values))
                by = ", ".join(reference.columns)
                yield (
                    self.rows[row],
                    f"it refers by {by} to {parent.label} {wanted}, which is not there{_named(reference)}",
                )

    def _children(self, schema: Schema) -> Iterator[tuple[int, str]]:
        """Rows that refer to what was there before, and will not be."""
        for child in schema:
            for reference in child.foreign_keys:
                action = reference.on_delete if self.block.verb == "delete" else reference.on_update
                meant = self.constraint in (None, reference.name) and action in ("NO ACTION", "RESTRICT")
                parent = _found(schema, reference.parent) if meant else None
                if parent is not None and parent.label == self.table.label:
                    yield from self._referring(child, reference)

    def _gone(self, columns: Sequence[str]) -> Sought:
        """The values of these columns that go with these rows: no row has them then."""
        at, values = self._values(columns, self._before)
        if self.block.verb == "update":
            after = [to_python(self._after[name]) for name in columns]
            was = [to_python(self._before[name]) for name in columns]
            kept = [
                n
                for n, row in enumerate(at)
                if any(a[row] != b[row] for a, b in zip(after, was, strict=True))
            ]
            at, values = [at[n] for n in kept], [each.take(pa.array(kept, pa.int64())) for each in values]
        if not (at and self.written):
            return at, values
        there = set(self.writer.holding(self.table, columns, values, []).column(0).to_pylist())
        left = [number for number in range(len(at)) if number not in there]
        return [at[number] for number in left], [each.take(pa.array(left, pa.int64())) for each in values]

    def _referring(self, child: Table, reference: ForeignKey) -> Iterator[tuple[int, str]]:
        at, values = self._gone(reference.parent_columns)
        key = key_of_table(child)
        if not at or key is None:
            return
        held = self.writer.holding(child, reference.columns, values, key)
        keys: dict[int, list[str]] = {}
        for number, *own in zip(*map(to_python, held.columns), strict=True):
            keys.setdefault(int(number), []).append(key_of(tuple(own)))
        for number, own_keys in keys.items():
            shown = ", ".join(own_keys[:NAMED])
            more = f" and {len(own_keys) - NAMED:,} more" if len(own_keys) > NAMED else ""
            verb = "refers" if len(own_keys) == 1 else "refer"
            by = ", ".join(reference.columns)
            yield (
                self.rows[at[number]],
                f"{child.label} {shown}{more} {verb} to it by {by}{_named(reference)}",
            )

    def _is_meant(self, rule: UniqueRule) -> bool:
        plain = [f"{self.table.name}.{name}" for name in rule.columns]
        return bool(rule.columns) and self.constraint in (rule.name, ", ".join(plain))

    def _own(self, row: int, key: Sequence[str]) -> str:
        """The key of a row of the block, in the columns by which the table's rows are named."""
        values: list[Raw] = []
        for name in key:
            array = self._after.get(name)
            values += to_python(array.slice(row, 1)) if array is not None else [None]
        return key_of(tuple(values))

    def _values(self, columns: Sequence[str], known: Mapping[str, pa.Array]) -> Sought:
        """The values of these columns; rows that have a NULL among them, or of which one is not known, are left out."""
        if any(name not in known for name in columns):
            return [], []
        arrays = [known[name] for name in columns]
        lists = [to_python(array) for array in arrays]
        at = [row for row in range(len(self.part)) if all(values[row] is not None for values in lists)]
        return at, [array.take(pa.array(at, pa.int64())) for array in arrays]

    @cached_property
    def _after(self) -> Mapping[str, pa.Array]:
        """The columns of the rows as they are meant to be."""
        part = self.part
        meant = dict(zip(part.columns, part.after, strict=False)) if part.after else {}
        return {**self._present, **dict(zip(part.key, part.keys, strict=True)), **meant}

    @cached_property
    def _before(self) -> Mapping[str, pa.Array]:
        part = self.part
        was = dict(zip(part.columns, part.before, strict=False)) if part.before else {}
        return {**self._present, **dict(zip(part.key, part.keys, strict=True)), **was}

    @cached_property
    def _present(self) -> Mapping[str, pa.Array]:
        """All columns of the rows as they are at this moment; none where one of the rows is not there."""
        names = [column.name for column in self.table.columns if column.readable]
        staged = self.writer.stage(self.table, self.part)
        try:
            there = staged.present(names)
        finally:
            staged.drop()
        if there.column(0).to_pylist() != list(range(len(self.part))):
            return {}
        return {name: concat([column]) for name, column in zip(names, there.columns[1:], strict=True)}


def _found(schema: Schema, name: str) -> Table | None:
    """The table, unless it is in a schema that was not read."""
    with suppress(SchemaError):
        return schema.find(name)
    return None


def _named(reference: ForeignKey) -> str:
    return f" ({reference.name})" if reference.name else ""
