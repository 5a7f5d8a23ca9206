"""Accepted differences, kept in one of the two databases that differ."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, select

from syncnb.changes.accepted import Accepted
from syncnb.journal.installing import version
from syncnb.journal.rights import said
from syncnb.journal.tables import tables_of

__all__ = ["read_accepted", "store_accepted"]

SINCE = 2
NAMES = ("table", "key", "state", "fingerprint", "reason", "by", "at", "until")


def store_accepted(connection: Connection, other_id: str, entries: Sequence[Accepted]) -> None:
    """Keep that these differences from another database are known. A later word on a row counts."""
    rows = [{"other_id": other_id, **{name: getattr(each, name) for name in NAMES}} for each in entries]
    with said("writing what is accepted to"):
        connection.execute(insert(tables_of(connection).accepted), rows)


def read_accepted(connection: Connection, other_id: Callable[[], str]) -> list[Accepted]:
    """What is accepted of the differences from another database, the first first.

    `other_id` is asked for only where anything is accepted at all: it may cost a connection.
    """
    if (version(connection) or 0) < SINCE:
        return []
    columns = tables_of(connection).accepted.c
    with said("reading", reading=True):
        if connection.execute(select(columns.entry).limit(1)).first() is None:
            return []
        wanted = select(*(columns[name] for name in NAMES)).where(columns.other_id == other_id())
        return [Accepted(*row) for row in connection.execute(wanted.order_by(columns.entry))]
