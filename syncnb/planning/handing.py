"""Which row of a plan takes a unique value that another row of it gives up: whole columns at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from syncnb.changes.ids import names
from syncnb.comparing.joining import codes
from syncnb.steps import Block, Contest
from syncnb.values.arrays import mask
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for

__all__ = ["Numbers", "Places", "handed_on", "taken"]

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Places:
    """The rows of several blocks of one table under one number each."""

    blocks: Sequence[Block]

    @property
    def ends(self) -> list[int]:
        return list(accumulate(map(len, self.blocks)))

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def per_block(self, rows: Sequence[int]) -> dict[int, list[int]]:
        """The same rows by block, under their numbers in it."""
        found: dict[int, list[int]] = {}
        ends = np.array(self.ends)
        for row, at in zip(rows, np.searchsorted(ends, rows, side="right").tolist(), strict=True):
            found.setdefault(at, []).append(row - (int(ends[at]) - len(self.blocks[at])))
        return found

    def at(self, row: int) -> tuple[Block, int]:
        """The block of a row, and its number there."""
        ((block, (number,)),) = self.per_block([row]).items()
        return self.blocks[block], number


def handed_on(blocks: Sequence[Block], contest: Contest) -> tuple[Numbers, Numbers]:
    """Who takes a value, and who gives it up, by number in all blocks."""
    old, new, gives, takes = _sides(blocks, contest)
    here, there = codes(old, new)
    same = gives & takes & (here == there)
    givers, takers = np.flatnonzero(gives & ~same), np.flatnonzero(takes & ~same)
    order = givers[np.argsort(here[givers], kind="stable")]
    places = np.searchsorted(here[order], there[takers])
    found = places < len(order)
    found[found] = here[order[places[found]]] == there[takers[found]]
    takers, givers = takers[found], order[places[found]]
    other = takers != givers
    return takers[other], givers[other]


def taken(blocks: Sequence[Block], contest: Contest) -> Numbers:
    """The rows that get a value of this rule which they do not have yet."""
    old, new, gives, takes = _sides(blocks, contest)
    here, there = codes(old, new)
    return np.flatnonzero(takes & ~(gives & takes & (here == there)))


def _sides(blocks: Sequence[Block], contest: Contest) -> tuple[list[pa.Array], list[pa.Array], Rows, Rows]:
    """The values before and after of all rows, in canonical form, and who has one that counts."""
    sides = []
    for after in (False, True):
        columns = [
            pa.concat_arrays([_canonical(block, name, kind, after=after) for block in blocks])
            for name, kind in zip(contest.columns, contest.kinds, strict=True)
        ]
        there = np.concatenate([np.full(len(b), _has(b, contest.columns, after=after)) for b in blocks])
        if contest.nulls_distinct:
            for column in columns:
                there &= mask(column.is_valid())
        sides.append((columns, there))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _has(block: Block, columns: Sequence[str], *, after: bool) -> bool:
    arrays = block.after if after else block.before
    whole = set(columns) <= {*block.columns, *block.key}
    return bool(arrays) and whole and not set(columns).isdisjoint(block.columns)


def _canonical(block: Block, name: str, kind: str, *, after: bool) -> pa.Array:
    arrays = block.after if after else block.before
    if arrays and name in block.columns:
        array = arrays[block.columns.index(name)]
    elif name in block.key:
        array = block.keys[block.key.index(name)]
    else:
        return pa.nulls(len(block), pa.string())
    return names(rule_for(Kind(kind), Kind(kind)), array, "local").cast(pa.string())
