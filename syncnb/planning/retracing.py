"""A run backwards, where it wrote rows in two steps or had the database look at constraints late."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from syncnb.planning.between import in_two_steps
from syncnb.planning.circling import in_turn
from syncnb.planning.contesting import contests_of
from syncnb.planning.ordering import keys_of
from syncnb.schema import Schema
from syncnb.steps import Block
from syncnb.values.raw import concat

__all__ = ["backwards", "deferrals"]

Row = tuple[str, str]


def backwards(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Inverse images in the order of an undo, so that each row in two steps is told as what it is and shall be.

    The step that was the last becomes the one that makes way: of `a, parked, b` it leads from b to parked, and
    the other one counts, from b to a. An insert counts itself, and what follows completes it.
    """
    ours = in_two_steps(blocks)
    if not ours:
        return tuple(blocks)
    parts = [part for block in blocks for part in _apart(block, ours)]
    origins = [at for at, block in enumerate(blocks) for _ in _apart(block, ours)]
    steps: dict[Row, list[int]] = {}
    for at, (block, row) in enumerate(parts):
        if row is not None:
            steps.setdefault((block.table, row), []).append(at)
    told = [block for block, _ in parts]
    for numbers in steps.values():
        first, last = told[numbers[0]], told[numbers[-1]]
        if len(numbers) == 1:
            told[numbers[0]] = replace(first, role="")
            continue
        if first.verb == "insert":
            told[numbers[0]] = replace(first, role="", after=_of(last, last.after, first, first.after))
            for at in numbers[1:]:
                told[at] = _narrow(replace(told[at], role="late"))
        else:
            for at in numbers[:-1]:
                told[at] = replace(told[at], role="park")
            told[numbers[-1]] = replace(last, role="", before=_of(first, first.before, last, last.before))
    return tuple(_together(told, origins))


def _apart(block: Block, ours: set[Row]) -> list[tuple[Block, str | None]]:
    """The rows in two steps one by one, the others together."""
    keys = keys_of(block)
    alone = [at for at, key in enumerate(keys) if (block.table, key) in ours]
    rest = [at for at in range(len(block)) if at not in set(alone)]
    found: list[tuple[Block, str | None]] = [
        (block.take(pa.array([at], pa.int64())), keys[at]) for at in alone
    ]
    return [(block.take(pa.array(rest, pa.int64())), None), *found] if rest else found


def _of(
    block: Block, values: Sequence[pa.Array], like: Block, otherwise: Sequence[pa.Array]
) -> tuple[pa.Array, ...]:
    """The values of one step under the columns of another."""
    return tuple(
        values[block.columns.index(name)] if name in block.columns else own
        for name, own in zip(like.columns, otherwise, strict=True)
    )


def _narrow(block: Block) -> Block:
    """Only the columns that change."""
    kept = [at for at in range(len(block.columns)) if not block.before[at].equals(block.after[at])]
    return replace(
        block,
        columns=tuple(block.columns[at] for at in kept),
        before=tuple(block.before[at] for at in kept),
        after=tuple(block.after[at] for at in kept),
    )


def _together(blocks: Sequence[Block], origins: Sequence[int]) -> list[Block]:
    """Rows of one sort as one block again, if they were one: only then nothing of it is in each other's way."""
    runs: dict[tuple[object, ...], list[Block]] = {}
    for block, origin in zip(blocks, origins, strict=True):
        runs.setdefault((origin, *_sort(block)), []).append(block)
    return [run[0] if len(run) == 1 else _joined(run) for run in runs.values()]


def _sort(block: Block) -> tuple[object, ...]:
    return (block.table, block.verb, block.role, block.key, block.columns, block.why)


def _joined(run: Sequence[Block]) -> Block:
    keys, before, after = (
        tuple(concat(parts) for parts in zip(*(getattr(block, name) for block in run), strict=True))
        for name in ("keys", "before", "after")
    )
    return replace(run[0], keys=keys, before=before, after=after)


def deferrals(blocks: Sequence[Block], schema: Schema, dialect: str) -> tuple[tuple[str, str], ...]:
    """What the database must look at late so that these blocks, in their order, can be written."""
    labels = {block.table for block in blocks}
    found: list[tuple[str, str]] = []
    for label in sorted(labels):
        table = schema.find(label)
        if any(rule.deferrable for rule in table.rules):
            mine = [block for block in blocks if block.table == label and not block.role]
            contests = contests_of(mine, table, schema, labels, dialect)
            found += [(label, contest.rule) for contest in contests if contest.deferrable]
    cuts = [cut for cut in in_turn(labels, schema, dialect)[1] if cut.how == "deferred"]
    return (*found, *((cut.table, cut.name) for cut in cuts))
