"""The order of writes: parents before children, a unique value freed before it is taken again.

parked rows · rows that free a value · inserts, parents first · late references · updates · deletes, children first
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.planning.circling import pointing
from syncnb.planning.exchanging import FIRST, exchange
from syncnb.planning.previewing import key_of
from syncnb.steps import Block, Contest, Cut
from syncnb.values.raw import to_python

__all__ = ["Left", "Ordered", "in_order", "keys_of"]

PHASES = {"insert": 1, "late": 2, "update": 3, "delete": 4}


@dataclass(frozen=True, slots=True)
class Left:
    """A row that cannot be written in any order."""

    table: str
    key: str
    verb: str
    why: str


@dataclass
class Ordered:
    """Blocks in an order that constraints accept."""

    blocks: tuple[Block, ...] = ()
    left: list[Left] = field(default_factory=list)
    deferred: tuple[tuple[str, str], ...] = ()
    """Tables and constraints that the database looks at when the transaction ends."""
    notes: list[str] = field(default_factory=list)


def in_order(
    blocks: Sequence[Block],
    order: Sequence[str],
    contests: Sequence[Contest] = (),
    cuts: Sequence[Cut] = (),
) -> Ordered:
    """Put blocks in order, with the steps between that they need. `order` names all tables, parents first.

    Raises PlanError where more rows exchange values than there are spare ones.
    """
    found = Ordered()
    deferred: list[tuple[str, str]] = []
    ranked: list[tuple[int, Block]] = []
    for table, mine in _by_table(blocks).items():
        own = [contest for contest in contests if contest.table == table]
        turns = exchange(mine, own) if own else None
        if turns is None:
            ranked += [(0, block) for block in mine]
            continue
        if turns.lacking:
            raise PlanError(
                f"more rows of {table} exchange values of {turns.lacking} than the plan has spare ones",
                hint="diff again, and draw a new plan",
            )
        ranked += turns.ranked
        found.notes += turns.notes
        found.left += _left(mine, turns.left)
        deferred += [(table, rule) for rule in turns.deferred]
    for cut in cuts:
        ranked, told = _waiting(ranked, cut, order, found)
        deferred += told
    found.blocks = tuple(
        block for _, block in sorted(ranked, key=lambda entry: _place(entry[0], entry[1], order))
    )
    found.deferred = tuple(dict.fromkeys(deferred))
    return found


def _place(rank: int, block: Block, order: Sequence[str]) -> tuple[int, int, int]:
    height = order.index(block.table)
    phase = PHASES["late" if block.role == "late" else block.verb]
    return (rank if rank < 0 else phase, -height if block.verb == "delete" else height, rank)


def _by_table(blocks: Iterable[Block]) -> dict[str, list[Block]]:
    tables: dict[str, list[Block]] = {}
    for block in blocks:
        tables.setdefault(block.table, []).append(block)
    return tables


def keys_of(block: Block) -> list[str]:
    """The key of each row as text."""
    return [key_of(key) for key in zip(*map(to_python, block.keys), strict=True)]


def _left(blocks: Sequence[Block], rows: Mapping[int, str]) -> list[Left]:
    if not rows:
        return []
    told = [(block, key) for block in blocks for key in keys_of(block)]
    return [Left(told[row][0].table, told[row][1], told[row][0].verb, why) for row, why in rows.items()]


def _waiting(
    ranked: list[tuple[int, Block]], cut: Cut, order: Sequence[str], found: Ordered
) -> tuple[list[tuple[int, Block]], list[tuple[str, str]]]:
    """What becomes of rows whose reference is cut, where the row that they refer to comes later, or went before."""
    if order.index(cut.parent) < order.index(cut.table):
        return ranked, []
    whole: list[tuple[int, Block]] = []
    deferred: list[tuple[str, str]] = []
    for rank, block in ranked:
        concerned = block.table == cut.table and block.verb in ("insert", "delete") and not block.role
        parents = [other for _, other in ranked if other.table == cut.parent and other.verb == block.verb]
        wait = pointing(block, cut, parents) if concerned else None
        if wait is None or not wait.any():
            whole.append((rank, block))
            continue
        rows = np.flatnonzero(wait)
        possible = not set(cut.empty) & set(block.key)
        if cut.how == "deferred":
            deferred.append((cut.table, cut.name))
            whole.append((rank, block))
        elif cut.how == "later" and possible:
            whole += [(rank, block), (0 if block.verb == "insert" else FIRST, _apart(block, cut, rows))]
        else:
            found.left += _stuck(block.take(pa.array(rows)), cut)
            kept = np.flatnonzero(~wait)
            whole += [(rank, block.take(pa.array(kept)))] if len(kept) else []
    if deferred:
        found.notes.append(
            f"{cut.table} and {cut.parent} refer to each other: {', '.join(cut.columns)} is looked at at the end"
        )
    return whole, deferred


def _apart(block: Block, cut: Cut, rows: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> Block:
    """The step that sets a reference after the insert, or lets go of it before the delete."""
    part = block.take(pa.array(rows))
    nothing = tuple(pa.nulls(len(rows)) for _ in cut.empty)
    values = tuple((part.after or part.before)[part.columns.index(name)] for name in cut.empty)
    inserted = block.verb == "insert"
    return replace(
        part,
        verb="update",
        columns=cut.empty,
        before=nothing if inserted else values,
        after=values if inserted else nothing,
        role="late" if inserted else "park",
        why=f"{cut.table} and {cut.parent} refer to each other"
        + (": set when both rows are there" if inserted else ": let go before both rows go"),
        whys=(),
        reasons=(),
    )


def _stuck(block: Block, cut: Cut) -> list[Left]:
    why = (
        f"{cut.table} and {cut.parent} refer to each other, and {', '.join(cut.columns)} can neither be NULL "
        "nor be looked at later"
    )
    return [Left(block.table, key, block.verb, why) for key in keys_of(block)]
