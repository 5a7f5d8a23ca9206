"""From the rows of all tables to the steps of a plan: what can be written, in which order, and what is left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from syncnb.planning.admitting import Admitted, admit, without
from syncnb.planning.circling import in_turn
from syncnb.planning.contesting import contests_of, with_spares
from syncnb.planning.ordering import Ordered, in_order
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Contest, Cut
from syncnb.stores.port import Seeker, WritableStore

__all__ = ["Arranged", "arranged"]


@dataclass
class Arranged:
    """Everything about the order of a plan."""

    order: tuple[str, ...]
    """All tables, parents first."""
    cuts: tuple[Cut, ...] = ()
    contests: list[Contest] = field(default_factory=list)
    ordered: Ordered = field(default_factory=Ordered)
    notes: list[str] = field(default_factory=list)
    """What to know about the rights of the role."""


def arranged(tables: Sequence[Admitted], schema: Schema, into: WritableStore) -> Arranged:
    """Put the rows in order. What cannot be written goes to `left` of its table.

    Looks up single rows of the target: who has the unique values that the plan would write.
    """
    with into.reading() as reader:
        admit(tables, schema, reader)
        concerned = {each.table.label for each in tables if each.blocks or each.undecided}
        order, cuts = in_turn(concerned, schema, into.dialect)
        found = Arranged(tuple(order), tuple(cuts))
        for each in tables:
            rows = [*each.blocks, *each.undecided]
            found.notes += _rights(each.table, rows, reader)
            if rows:
                own = contests_of(rows, each.table, schema, concerned, into.dialect)
                found.contests += with_spares(own, rows, each.table, reader, into.dialect) if own else []
    while True:
        blocks = [block for each in tables for block in each.blocks]
        found.ordered = in_order(blocks, found.order, found.contests, found.cuts)
        if not found.ordered.left:
            return found
        without(tables, list(_told(found.ordered)), schema)


def _rights(table: Table, blocks: Sequence[Block], reader: Seeker) -> Iterator[str]:
    """What this role may not do to the rows of a table, or others may do with its rights; said before it is tried."""
    if blocks and any(trigger.enabled for trigger in table.triggers) and reader.unbounded():
        yield f"{table.label}: its triggers run with the rights of a superuser: connect as a role that has fewer"
    for verb in dict.fromkeys(block.verb for block in blocks):
        columns = {name for block in blocks if block.verb == verb for name in block.columns}
        if not reader.may(table, verb, sorted(columns)):
            yield f"{table.label}: this role may not {verb} these rows: apply would be refused"


def _told(ordered: Ordered) -> Iterator[tuple[str, str, str]]:
    for row in ordered.left:
        yield row.table, row.key, row.why
