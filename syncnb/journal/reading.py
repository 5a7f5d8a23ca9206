"""The journal of a store that is only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from syncnb.stores.port import Store

__all__ = ["journal_connection"]


@contextmanager
def journal_connection(store: Store) -> Iterator[Connection | None]:
    """A read-only connection of SQLAlchemy, in a snapshot; None for frames: they keep no journal."""
    if store.dialect == "frame":
        yield None
        return
    # Only now: the drivers need not be there before something is read with them.
    from syncnb.stores.core import postgres_core, sqlite_core

    on: Any = postgres_core if store.dialect == "postgresql" else sqlite_core
    with store.reading() as reader:
        yield on(reader._connection)  # type: ignore[attr-defined]
