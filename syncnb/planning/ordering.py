"""The order of writes: parents before children, a unique value freed before it is taken again."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.schema import Schema, Table, UniqueRule
from syncnb.steps import Block
from syncnb.values.raw import to_python

__all__ = ["in_order", "parents_first"]


def in_order(blocks: Sequence[Block], schema: Schema) -> tuple[Block, ...]:
    """Blocks in an order that constraints accept: inserts parents first, updates, deletes children first.

    Rows that free a unique value which another row of the plan takes come before it. Raises PlanError
    where there is no such order: tables that refer to each other, or rows that exchange unique values.
    """
    heights = _heights({block.table for block in blocks}, schema)
    split = [
        part for block in _by_table(blocks) for part in _freeing_first(block, schema.find(block[0].table))
    ]
    phase = {"insert": 1, "update": 2, "delete": 3}
    return tuple(
        block
        for _, block in sorted(
            split,
            key=lambda entry: (
                entry[0] if entry[0] < 0 else phase[entry[1].verb],
                -heights[entry[1].table] if entry[1].verb == "delete" else heights[entry[1].table],
                entry[0],
            ),
        )
    )


def parents_first(tables: set[str], schema: Schema) -> tuple[str, ...]:
    """These tables in the order in which their rows are inserted."""
    heights = _heights(tables, schema)
    return tuple(sorted(tables, key=heights.__getitem__))


def _by_table(blocks: Sequence[Block]) -> Iterable[list[Block]]:
    tables: dict[str, list[Block]] = {}
    for block in blocks:
        tables.setdefault(block.table, []).append(block)
    return tables.values()


def _heights(tables: set[str], schema: Schema) -> dict[str, int]:
    """How far down the family tree each table stands; a reference to itself does not count."""
    parents = {
        # Sorted, because the order of a set changes from process to process, and a plan's id with it.
        name: sorted(
            {
                parent
                for key in schema.find(name).foreign_keys
                if (parent := _label(key.parent, schema)) in tables and parent != name and not key.deferred
            }
        )
        for name in sorted(tables)
    }
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise PlanError(
            f"these tables refer to each other in a circle: {circle}",
            hint="plan them one at a time: sn.diff(local, remote, tables=[...])",
        ) from None
    return {name: order.index(name) for name in tables}


def _label(name: str, schema: Schema) -> str:
    return next((table.label for table in schema if name in (table.label, table.name)), name)


Row = tuple[int, int]
"""Which block of the table, and which row in it."""


def _freeing_first(blocks: list[Block], table: Table) -> list[tuple[int, Block]]:
    """The blocks of one table with their rank: 0, or negative for rows that must come before the inserts."""
    needs: dict[Row, set[Row]] = {}
    for rule in table.rules:
        if rule.valid and rule.columns and not rule.expressions:
            _collect(blocks, rule, needs)
    if not needs:
        return [(0, block) for block in blocks]
    levels = _levels(needs, table)
    givers: set[Row] = set().union(*needs.values())
    deepest = max(levels.values())
    ranked = []
    for at, block in enumerate(blocks):
        by_rank: dict[int, list[int]] = {}
        for number in range(len(block)):
            # Only who gives up a value moves forward; who takes it stays behind its own new parents.
            rank = levels[at, number] - deepest - 1 if (at, number) in givers else 0
            by_rank.setdefault(rank, []).append(number)
        for rank, rows in by_rank.items():
            part = block if len(rows) == len(block) else block.take(pa.array(rows, pa.int64()))
            ranked.append((rank, part))
    return ranked


def _collect(blocks: list[Block], rule: UniqueRule, needs: dict[Row, set[Row]]) -> None:
    """Which row must wait for which: it takes a value of this rule that the other one gives up."""
    given: dict[Hashable, Row] = {}
    taken: list[tuple[Hashable, Row]] = []
    for at, block in enumerate(blocks):
        old, new = (_values(block, rule.columns, after=after) for after in (False, True))
        for row in range(len(block)):
            before, after = old[row] if old else None, new[row] if new else None
            if before is not None and before != after:
                given[before] = (at, row)
            if after is not None and before != after:
                taken.append((after, (at, row)))
    for value, place in taken:
        giver = given.get(value)
        if giver is not None and giver != place:
            needs.setdefault(place, set()).add(giver)
            needs.setdefault(giver, set())


def _values(block: Block, columns: Sequence[str], *, after: bool) -> list[Hashable | None] | None:
    """What each row holds in these columns before or after; None where it holds nothing, or a NULL."""
    arrays = block.after if after else block.before
    if not arrays or not set(columns) <= {*block.columns, *block.key}:
        return None
    if not set(columns) & set(block.columns):
        return None
    parts = [
        arrays[block.columns.index(name)] if name in block.columns else block.keys[block.key.index(name)]
        for name in columns
    ]
    rows = list(zip(*map(to_python, parts), strict=True))
    return [None if None in row else row for row in rows]


def _levels(needs: Mapping[Row, set[Row]], table: Table) -> dict[Row, int]:
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise PlanError(
            f"{len(error.args[1]) - 1} rows of {table.label} exchange a unique value among themselves",
            hint="leave them out (resolve={...}, p.decide), or give one of them another value first",
        ) from None
    levels: dict[Row, int] = {}
    for place in order:
        levels[place] = 1 + max((levels[giver] for giver in needs[place]), default=-1)
    return levels
