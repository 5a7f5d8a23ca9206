"""Rows that hand a unique value on to one another: who comes first, and who is parked where nobody can.

1: a → b     takes b from 2, so 2 comes first    |    1: a → b    each waits for the other: 1 lets go of a
2: b → c                                         |    2: b → a    (parked), 2 takes it, 1 takes b
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from syncnb.planning.handing import Places, handed_on
from syncnb.planning.previewing import key_of
from syncnb.steps import Block, Contest
from syncnb.values.raw import to_python

__all__ = ["FIRST", "Exchange", "exchange"]

FIRST = -(2**40)
"""The rank of parked rows: before everything else."""
NAMED = 8
NOT_WRITTEN = "none of them can be parked: the column is not among those that are written"


@dataclass
class Exchange:
    """How the rows of one table are written in turn."""

    ranked: list[tuple[int, Block]] = field(default_factory=list)
    """Blocks with their rank: 0, or negative for rows that must come before the inserts."""
    left: dict[int, str] = field(default_factory=dict)
    """Rows, by number in all blocks, that cannot be written; why."""
    deferred: list[str] = field(default_factory=list)
    """Unique rules that the database looks at when the transaction ends."""
    notes: list[str] = field(default_factory=list)
    parked: int = 0
    """How many rows have to be parked."""
    lacking: str = ""
    """The rule that has too few spare values for them."""


def exchange(blocks: Sequence[Block], contests: Sequence[Contest]) -> Exchange:
    """Put the rows of one table in turn, each parked one on the next spare value of its column."""
    turns = _Turns(Places(blocks), contests)
    if turns.waiting:
        turns.take_turns()
    found = Exchange(left=turns.stuck, notes=list(turns.told()), parked=len(turns.parks))
    found.deferred = [contest.rule for contest in turns.deferred]
    found.ranked = [*turns.parked_blocks(), *turns.ranked()]
    found.lacking = turns.lacking
    return found


class _Turns:
    """Who waits for whom, while it is worked out."""

    def __init__(self, places: Places, contests: Sequence[Contest]) -> None:
        self.places, self.contests = places, contests
        self.waiting: dict[int, set[int]] = {}
        self.takers: dict[int, set[int]] = {}
        self.wanted: dict[int, set[int]] = {}
        """By row: the contests in which somebody waits for it."""
        self.levels: dict[int, int] = {}
        self.parks: dict[int, list[Contest]] = {}
        self.stuck: dict[int, str] = {}
        self.circles: list[tuple[list[int], tuple[str, ...]]] = []
        self.deferred: list[Contest] = []
        self.lacking = ""
        for number, contest in enumerate(contests):
            takers, givers = handed_on(places.blocks, contest)
            if len(takers) and contest.deferrable:
                self.deferred.append(contest)
                continue
            for taker, giver in zip(takers.tolist(), givers.tolist(), strict=True):
                self.waiting.setdefault(taker, set()).add(giver)
                self.waiting.setdefault(giver, set())
                self.takers.setdefault(giver, set()).add(taker)
                self.wanted.setdefault(giver, set()).add(number)

    def take_turns(self) -> None:
        """Give each row its level: one more than the rows that it waits for."""
        for giver in sorted(self.takers):
            if self._tied(giver):
                self._park(giver)
        ready = [row for row, needs in self.waiting.items() if not needs]
        for start in sorted(self.waiting):
            while start in self.waiting:
                self._go(ready)
                if start in self.waiting:
                    ready = self._break(self._circle(start))

    def _go(self, ready: list[int]) -> None:
        while ready:
            row = ready.pop()
            del self.waiting[row]
            self.levels.setdefault(row, 0)
            for taker in self.takers.get(row, ()):
                self.levels[taker] = max(self.levels.get(taker, 0), self.levels[row] + 1)
                if self._freed(taker, row):
                    ready.append(taker)

    def _freed(self, taker: int, giver: int) -> bool:
        needs = self.waiting.get(taker)
        if needs is None or giver not in needs:
            return False
        needs.discard(giver)
        return not needs

    def _circle(self, start: int) -> list[int]:
        """From a row that waits back to a circle of rows that wait for one another."""
        path, seen = [start], {start: 0}
        while True:
            onward = min(self.waiting[path[-1]])
            if onward in seen:
                return path[seen[onward] :]
            seen[onward] = len(path)
            path.append(onward)

    def _break(self, circle: list[int]) -> list[int]:
        """Park one row of a circle; where none can be, leave all of them. Which rows can be written then."""
        names = sorted({self.contests[at].rule for row in circle for at in self.wanted[row]})
        columns = [c.columns for c in self.contests if c.rule in names]
        self.circles.append((circle, tuple(dict.fromkeys(name for part in columns for name in part))))
        for row in sorted(circle):
            freed = self._park(row)
            if freed is not None:
                return freed
        why = next((c.why_not for c in self.contests if c.rule in names and c.why_not), NOT_WRITTEN)
        self._leave(circle, f"{len(circle)} rows exchange {', '.join(self.circles.pop()[1])}, and {why}")
        return []

    def _park(self, row: int) -> list[int] | None:
        """Let a row go of its values before everything else. Who need not wait any more; None where it cannot."""
        wanted = [self.contests[at] for at in sorted(self.wanted[row])]
        block, _ = self.places.at(row)
        if not all(contest.column and contest.column in block.columns for contest in wanted):
            return None
        self.parks[row] = wanted
        return [taker for taker in sorted(self.takers.pop(row)) if self._freed(taker, row)]

    def _tied(self, giver: int) -> bool:
        """Whether a row that gives up a value cannot come before the inserts."""
        block, _ = self.places.at(giver)
        tables = self.contests[0]
        if block.verb == "delete":
            return tables.referred
        return not set(tables.tied).isdisjoint(block.columns)

    def _leave(self, rows: Sequence[int], why: str) -> None:
        """Leave rows as they are, and with them all that wait for a value of theirs."""
        waiting = list(rows)
        while waiting:
            row = waiting.pop()
            if row in self.stuck:
                continue
            self.stuck[row] = why if row in rows else f"it waits for a value of another row: {why}"
            self.waiting.pop(row, None)
            waiting += self.takers.get(row, ())

    def ranked(self) -> Iterator[tuple[int, Block]]:
        """The blocks cut by rank. Who gives up a value moves forward, who only takes one stays behind its parents."""
        deepest = max(self.levels.values(), default=0)
        givers = [row for row in self.takers if row not in self.stuck]
        moved = self.places.per_block(givers)
        left = self.places.per_block(list(self.stuck))
        starts = [end - len(block) for end, block in zip(self.places.ends, self.places.blocks, strict=True)]
        for at, block in enumerate(self.places.blocks):
            apart = sorted({*moved.get(at, ()), *left.get(at, ())})
            if not apart:
                yield 0, block
                continue
            by_rank: dict[int, list[int]] = {0: np.setdiff1d(np.arange(len(block)), apart).tolist()}
            for row in sorted(moved.get(at, ())):
                by_rank.setdefault(self.levels[starts[at] + row] - deepest - 1, []).append(row)
            for rank, rows in by_rank.items():
                if rows:
                    yield rank, block.take(pa.array(rows, pa.int64()))

    def parked_blocks(self) -> Iterator[tuple[int, Block]]:
        """The steps that let go: a row at a time gets the next spare value of its column."""
        used: dict[str, int] = {}
        groups: dict[tuple[int, tuple[str, ...]], list[tuple[int, list[pa.Scalar]]]] = {}
        for row, contests in self.parks.items():
            if row in self.stuck:
                continue
            spares: dict[str, pa.Scalar] = {}
            for contest in contests:
                if contest.column in spares:
                    continue
                number = used.get(contest.column, 0)
                used[contest.column] = number + 1
                if number >= len(contest.spares):
                    self.lacking = contest.rule
                    return
                spares[contest.column] = contest.spares[number]
            ((at, (place,)),) = self.places.per_block([row]).items()
            groups.setdefault((at, tuple(spares)), []).append((place, list(spares.values())))
        for (at, columns), rows in groups.items():
            yield FIRST, _parked(self.places.blocks[at], columns, rows)

    def told(self) -> Iterator[str]:
        """What a person should know, in a few sentences."""
        for contest in self.deferred:
            yield f"{contest.table}: rows exchange {', '.join(contest.columns)}: {contest.rule} is looked at at the end"
        by_columns: dict[tuple[str, ...], list[list[int]]] = {}
        for rows, columns in self.circles:
            by_columns.setdefault(columns, []).append(rows)
        for columns, circles in by_columns.items():
            table, shown = self.contests[0].table, ", ".join(columns)
            if len(circles) == 1 and len(circles[0]) <= NAMED:
                keys = ", ".join(_key(*self.places.at(row)) for row in sorted(circles[0]))
                yield f"{table}: these {len(circles[0])} rows exchange {shown}: {keys}"
            else:
                rows_told = sum(map(len, circles))
                yield f"{table}: {rows_told:,} rows exchange {shown} among themselves, in {len(circles):,} circles"


def _key(block: Block, row: int) -> str:
    return key_of(tuple(to_python(part.slice(row, 1))[0] for part in block.keys))


def _parked(block: Block, columns: tuple[str, ...], rows: list[tuple[int, list[pa.Scalar]]]) -> Block:
    """The update that puts a spare value into some rows of a block."""
    take = pa.array([row for row, _ in rows], pa.int64())
    taken = block.take(take)
    before = tuple(taken.before[block.columns.index(name)] for name in columns)
    after = tuple(
        pa.array([values[at].as_py() for _, values in rows], type=rows[0][1][at].type)
        for at in range(len(columns))
    )
    return Block(
        table=block.table,
        verb="update",
        key=block.key,
        columns=columns,
        keys=taken.keys,
        before=before,
        after=after,
        why="parked on a value that nobody has, until the others have moved",
        path=block.path,
        role="park",
    )
