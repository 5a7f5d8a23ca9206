"""The journal of a store that is only read: in the target itself, or beside it on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from syncnb.errors import ReadError
from syncnb.journal.installing import is_installed
from syncnb.journal.outside import FIRST, folder, outside
from syncnb.journal.recording import last_run
from syncnb.journal.rights import FORBIDDEN, LISTED, SNAPSHOT, missing_rights
from syncnb.stores.port import Reader, Store

if TYPE_CHECKING:
    from syncnb.stores.sqlite import SQLiteStore

__all__ = ["both_journals", "journal_connection", "journal_for", "last_run_of", "outside_of", "within"]


@contextmanager
def journal_connection(store: Store, run: int | None = None) -> Iterator[Connection | None]:
    """A read-only connection of SQLAlchemy, in a snapshot; None for frames: they keep no journal.

    run: a number; where such numbers are given outside the target, that journal.
    """
    if store.dialect == "frame":
        yield None
        return
    if run is not None and run >= FIRST and (beside := outside_of(store)) is not None:
        store = beside
    with store.reading() as reader:
        yield within(reader, store.dialect)


_ON_SNAPSHOTS: "WeakKeyDictionary[Reader, Connection]" = WeakKeyDictionary()
"""One for each snapshot that is open, so that what it knows of the journal is asked once."""


def within(reader: Reader, dialect: str) -> Connection | None:
    """The same snapshot as a connection of SQLAlchemy; None for frames."""
    if dialect == "frame":
        return None
    connection = _ON_SNAPSHOTS.get(reader)
    if connection is None:
        connection = _ON_SNAPSHOTS[reader] = _core(reader, dialect)
        connection.info[SNAPSHOT] = True
    if dialect == "postgresql" and (listed := reader.ours) is not None:  # type: ignore[attr-defined]
        connection.info[LISTED] = listed
    return connection


def _core(reader: Reader, dialect: str) -> Connection:
    # Only now: the drivers need not be there before something is read with them.
    from syncnb.stores.core import postgres_core, sqlite_core

    on: Any = postgres_core if dialect == "postgresql" else sqlite_core
    connection: Connection = on(reader._connection)  # type: ignore[attr-defined]
    return connection


def both_journals(store: Store) -> Iterator[Connection]:
    """The journal in the target, then the one outside of it, each where there is one and while it is looked at.

    Where there is one outside, a journal in the target that this role may not read is passed over.
    """
    beside = outside_of(store)
    with journal_connection(store) as connection:
        if connection is not None and _readable(connection, needed=beside is None):
            yield connection
    if beside is not None:
        with journal_connection(beside) as connection:
            if connection is not None:
                yield connection


def last_run_of(store: Store) -> int:
    """A number that grows with every run, wherever its journal is; 0 before the first."""
    return sum(map(last_run, both_journals(store)))


def journal_for(store: Store) -> tuple[int, list[str]]:
    """The same number, and the rights that the role lacks to keep a journal in the target."""
    with journal_connection(store) as connection:
        if connection is None:
            return 0, []
        lacking = missing_rights(connection)
        number = last_run(connection) if not lacking or _readable(connection, needed=False) else 0
    beside = outside_of(store)
    if beside is not None:
        with journal_connection(beside) as connection:
            number += last_run(connection) if connection is not None else 0
    return number, lacking


def _readable(connection: Connection, *, needed: bool) -> bool:
    try:
        return is_installed(connection)
    except ReadError as problem:
        if needed or problem.sqlstate != FORBIDDEN:
            raise
        return False


def outside_of(store: Store, *, writable: bool = False) -> "SQLiteStore | None":
    """The journal outside the target, where there is one. Only where there are any is the target asked who it is."""
    if store.dialect != "postgresql" or not any(folder().glob("*.db")):
        return None
    return outside(store.identity(), writable=writable)  # type: ignore[attr-defined]
