"""Stamps for bookkeeping, such as `last_synced_at`: set in every row that the source has, changed or not.

A stamp says when a row was last seen by a sync, so rows that are the same get it as well. It is no change: such
rows are counted as unchanged, and no hazard follows from their number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from syncnb.changes import RowSet, TablePair
from syncnb.errors import PlanError
from syncnb.planning.previewing import key_of
from syncnb.schema import Column, Table
from syncnb.steps import Block
from syncnb.stores.port import Store
from syncnb.values.raw import Raw, concat, from_python, row_tokens, to_python
from syncnb.values.stamping import has_zone, stamped

__all__ = ["Touched", "Touching"]

WHY = "seen by this sync"
KEYS = 20_000


@dataclass
class Touched:
    """Blocks with their stamps, and the keys of rows that are not there any more."""

    blocks: list[Block] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


@dataclass
class Touching:
    """The stamps of one table."""

    pair: TablePair
    table: Table
    """As it is now."""
    into: Store
    moment: datetime
    notes: list[str] = field(default_factory=list)
    _values: dict[str, Raw] = field(default_factory=dict)

    @property
    def columns(self) -> list[Column]:
        return [self.table.column(name) for name in self.pair.touch]

    def seen(self, keys: RowSet | None) -> Block | None:
        """Rows that are the same on both sides, as a block that changes nothing yet."""
        if keys is None or not len(keys):
            return None
        path = (self.table.schema, self.table.name) if self.table.schema else (self.table.name,)
        names = tuple(column.remote.name for column in self.pair.key)
        return Block(self.table.label, "update", names, (), keys.columns, why=WHY, path=path)

    def found(self, block: Block | None) -> Touched:
        """The same with stamps."""
        return self.along([block] if block is not None else [])

    def along(self, blocks: Sequence[Block]) -> Touched:
        """These rows with their stamps; those that are gone are told."""
        found = Touched()
        updates = [block for block in blocks if block.verb == "update" and not block.role]
        before = self._before(updates)
        for block in blocks:
            if block.verb == "insert":
                found.blocks.append(self._stamped(block, None))
            elif block not in updates:
                found.blocks.append(block)
            else:
                self._update(block, before, found)
        return found

    def _update(self, block: Block, before: Mapping[object, tuple[Raw, ...]], found: Touched) -> None:
        keys = row_tokens(block.keys)
        there = [at for at, key in enumerate(keys) if key in before]
        gone = sorted(set(range(len(keys))) - set(there))
        found.gone += [key_of(tuple(to_python(part.slice(at, 1))[0] for part in block.keys)) for at in gone]
        if not there:
            return
        part = block if not gone else block.take(pa.array(there, pa.int64()))
        olds = zip(*(before[keys[at]] for at in there), strict=True)
        found.blocks.append(self._stamped(part, [from_python(list(values)) for values in olds]))

    def _stamped(self, block: Block, before: Sequence[pa.Array] | None) -> Block:
        """A block that sets the stamps too. What a payload itself says of these columns does not count."""
        names = tuple(column.name for column in self.columns)
        values = tuple(from_python([self._value(column, before)] * len(block)) for column in self.columns)
        kept = tuple(pair for pair in block.defaults if pair[0] not in names)
        return replace(
            block,
            columns=(*block.columns, *names),
            before=(*block.before, *before) if before is not None else (),
            after=(*block.after, *values),
            defaults=kept,
            touch=names,
        )

    def _value(self, column: Column, before: Sequence[pa.Array] | None) -> Raw:
        if column.name not in self._values:
            self._values[column.name] = self._made(column, before)
        return self._values[column.name]

    def _made(self, column: Column, before: Sequence[pa.Array] | None) -> Raw:
        label = self.table.label
        if column.generated is not None:
            raise PlanError(
                f"{label}.{column.name} is computed by the database", hint="leave it out of touch="
            )
        names = (f"{label}.{column.name}", f"{self.table.name}.{column.name}", label, "*")
        zone = next((self.into.timezone[name] for name in names if name in self.into.timezone), None)
        sample = before[self.pair.touch.index(column.name)].slice(0, 200) if before is not None else None
        value, problem = stamped(self.moment, column, self.into.dialect, zone=zone, sample=sample)
        if problem:
            raise PlanError(
                f"{label}.{column.name} holds no stamps: {problem}", hint="leave it out of touch="
            )
        if not has_zone(column) and zone is None:
            self.notes.append(f"{label}.{column.name} has no zone: it is stamped in UTC")
        return value

    def _before(self, blocks: Sequence[Block]) -> dict[object, tuple[Raw, ...]]:
        """What the stamps are now, by key."""
        if not blocks:
            return {}
        keys = [concat([block.keys[at] for block in blocks]) for at in range(len(blocks[0].keys))]
        names, stamps = list(blocks[0].key), list(self.pair.touch)
        found: dict[object, tuple[Raw, ...]] = {}
        with self.into.reading() as reader:
            for start in range(0, len(keys[0]), KEYS):
                part = [values.slice(start, KEYS) for values in keys]
                for batch in reader.chosen(self.table, [*names, *stamps], names, part):
                    tokens = row_tokens(batch.columns[: len(names)])
                    values = zip(*map(to_python, batch.columns[len(names) :]), strict=True)
                    found.update(zip(tokens, values, strict=True))
        return found
