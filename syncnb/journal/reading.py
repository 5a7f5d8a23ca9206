"""The journal of a store that is only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from syncnb.stores.port import Reader, Store

__all__ = ["journal_connection", "within"]


@contextmanager
def journal_connection(store: Store) -> Iterator[Connection | None]:
    """A read-only connection of SQLAlchemy, in a snapshot; None for frames: they keep no journal."""
    if store.dialect == "frame":
        yield None
        return
    with store.reading() as reader:
        yield within(reader, store.dialect)


def within(reader: Reader, dialect: str) -> Connection | None:
    """The same snapshot as a connection of SQLAlchemy; None for frames."""
    if dialect == "frame":
        return None
    # Only now: the drivers need not be there before something is read with them.
    from syncnb.stores.core import postgres_core, sqlite_core

    on: Any = postgres_core if dialect == "postgresql" else sqlite_core
    connection: Connection = on(reader._connection)  # type: ignore[attr-defined]
    return connection
