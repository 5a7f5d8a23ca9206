"""Syncs between two databases, kept in the one that keeps their base: who is at it, and what was left undone."""

import os
import socket
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, insert, select, update

from syncnb import clock
from syncnb.journal.installing import version
from syncnb.journal.recording import gone
from syncnb.journal.rights import said
from syncnb.journal.tables import tables_of

__all__ = [
    "AUDITED", "LEFT_OPEN", "Begun", "abandon_sync", "aim_sync", "alive", "begin_sync", "end_sync", "last_audit",
    "last_mark", "unfinished_syncs",
]  # fmt: skip

LEASE = timedelta(minutes=5)
SINCE = 2
AUDITED, LEFT_OPEN = 1, 2
"""Everything was compared; and rows were left open that no log of changes brings again."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sync as the journal has it."""

    sync: int
    target: str
    """The identity of the database that it writes."""
    plan_id: str | None
    run: int | None
    caller: str
    backend: str
    started: datetime
    lease_until: datetime
    finished: datetime | None
    mark: str | None
    audited: int
    """Whether it compared everything that a push has to pass on: 0, AUDITED, or LEFT_OPEN."""

    @property
    def ended(self) -> datetime:
        return self.finished or self.started


def begin_sync(connection: Connection, pair: str, target: str, caller: str) -> int:
    """Say that a sync of this pair of databases begins, and that it writes this one. For a transaction of its own."""
    table, now = tables_of(connection).syncs, clock.now()
    row = {
        "pair": pair, "target": target, "caller": caller, "backend": f"{socket.gethostname()} {os.getpid()}",
        "started": now, "lease_until": now + LEASE,
    }  # fmt: skip
    with said("writing a sync to"):
        return int(connection.execute(insert(table).values(row).returning(table.c.sync)).scalar_one())


def aim_sync(connection: Connection, sync: int, *, target: str, run: int, plan_id: str | None) -> None:
    """Which run of which database it is, and what it is about to write, before it does.

    By the plan's marker in the target the next one sees whether it was done.
    """
    table = tables_of(connection).syncs
    told = {"target": target, "plan_id": plan_id, "run": run, "lease_until": clock.now() + LEASE}
    with said("writing a sync to"):
        connection.execute(update(table).where(table.c.sync == sync).values(told))


def end_sync(connection: Connection, sync: int, *, audited: int = 0, mark: str | None = None) -> None:
    """Say that it is over, in the transaction of all that had to be done here.

    audited: AUDITED or LEFT_OPEN where it compared everything. mark: where the log of changes stood when it was
        acknowledged.
    """
    table = tables_of(connection).syncs
    told = {"finished": clock.now(), "audited": audited, "mark": mark}
    with said("writing a sync to"):
        connection.execute(update(table).where(table.c.sync == sync).values(told))


def abandon_sync(connection: Connection, sync: int) -> None:
    """Say that nobody is at it any more, though it may have written: the next one takes it up."""
    table = tables_of(connection).syncs
    with said("writing a sync to"):
        connection.execute(
            update(table).where(table.c.sync == sync).values(backend="nobody", lease_until=clock.now())
        )


def unfinished_syncs(connection: Connection, pair: str) -> list[Begun]:
    """Those that were begun and not ended, by whatever process."""
    syncs = tables_of(connection).syncs.c
    return _read(connection, syncs.pair == pair, syncs.finished.is_(None))


def last_mark(connection: Connection, pair: str) -> str | None:
    """Where the log of changes stood when it was last acknowledged."""
    syncs = tables_of(connection).syncs.c
    found = _read(connection, syncs.pair == pair, syncs.mark.is_not(None))
    return found[-1].mark if found else None


def last_audit(connection: Connection, pair: str) -> Begun | None:
    """The last push that compared everything."""
    syncs = tables_of(connection).syncs.c
    found = _read(connection, syncs.pair == pair, syncs.audited > 0, syncs.finished.is_not(None))
    return found[-1] if found else None


def alive(begun: Begun) -> bool:
    """Whether it may still be at work: its process lives, or it is on another machine and its lease is not over."""
    if begun.backend.startswith(f"{socket.gethostname()} "):
        return not gone(begun.backend)
    return begun.lease_until > clock.now()


def _read(connection: Connection, *wanted: ColumnElement[bool]) -> list[Begun]:
    if (version(connection) or 0) < SINCE:
        return []
    syncs = tables_of(connection).syncs.c
    columns = [syncs[field.name] for field in fields(Begun)]
    with said("reading", reading=True):
        return [
            Begun(*row) for row in connection.execute(select(*columns).where(*wanted).order_by(syncs.sync))
        ]
