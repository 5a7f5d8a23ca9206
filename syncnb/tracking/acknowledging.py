"""Acknowledgement: what was passed on leaves the log, and only that."""

import uuid
from collections.abc import Iterable

from sqlalchemy import insert, update

from syncnb.errors import PlanError
from syncnb.journal.capture import capture
from syncnb.journal.rights import said
from syncnb.stores.port import Store
from syncnb.stores.sqlite_pending import acknowledge_log, acknowledge_queue
from syncnb.stores.sqlite_writer import SQLiteWriter
from syncnb.tracking.capturing import captured_here
from syncnb.tracking.checking import Mark, mark_of, tracked_tables
from syncnb.tracking.waiting import Pending, Touched

__all__ = ["acknowledge", "acknowledge_in"]


def acknowledge(store: Store, pending: Pending, rows: Iterable[Touched] | None = None) -> Mark | None:
    """Say that pending rows have reached their end: all of them, or `rows`.

    Only what was seen leaves the log: a row that was touched again since `pending` was read stays pending.
    Returns the mark to keep elsewhere and to give to `pending(known=…)` the next time; None for a queue.
    """
    with captured_here(store).writing() as writer:
        mark = acknowledge_in(writer, pending, rows)
        writer.commit()
    return mark


def acknowledge_in(
    writer: SQLiteWriter, pending: Pending, rows: Iterable[Touched] | None = None
) -> Mark | None:
    """The same within a transaction, which the caller commits with what else belongs to it."""
    seen = list(pending.rows if rows is None else rows)
    if pending.mark is None:
        told = [(row.table, row.key[0], row.last, row.at) for row in seen]
        acknowledge_queue(writer._connection, pending.source, told)
        return None
    here = mark_of(writer.sql)
    if here.epoch != pending.mark.epoch:
        raise PlanError("the log was begun anew since it was read", hint="read sn.pending(store) again")
    numbers = {each.name: each.number for each in tracked_tables(writer.sql)}
    for table in dict.fromkeys(row.table for row in seen):
        if table in numbers:
            part = [(row.key, row.last) for row in seen if row.table == table]
            acknowledge_log(writer._connection, numbers[table], part)
    return _renewed(writer)


def _renewed(writer: SQLiteWriter) -> Mark:
    """A new generation, so that an older copy of this file is known for one."""
    facts = capture().facts
    fresh = uuid.uuid4().hex
    with said("writing to"):
        done = writer.sql.execute(update(facts).where(facts.c.name == "generation").values(value=fresh))
        if not done.rowcount:
            writer.sql.execute(insert(facts).values(name="generation", value=fresh))
    return mark_of(writer.sql)
