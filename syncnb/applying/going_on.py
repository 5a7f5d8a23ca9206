"""What tells that a run goes on: a bar for the person who waits, a lease for other processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from syncnb import journal, watching
from syncnb.applying.keeping import Keeper
from syncnb.errors import SyncnbError
from syncnb.journal.recording import LEASE
from syncnb.stores.port import WritableStore

__all__ = ["bar", "leased"]

EVERY = LEASE.total_seconds() / 3


def bar(rows: int, *, shown: bool | None) -> Any:
    """A progress bar over so many rows, as `diff` has it; nothing where nobody looks."""
    return watching.bar(rows, shown=shown, disable=None if shown is None else not shown)


@contextmanager
def leased(keeper: Keeper, run: int, *, every: float = EVERY) -> Iterator[None]:
    """Renew the lease of a run while it goes on, from another thread and connection.

    Not in a SQLite target: there whoever writes is alone, and nobody can settle a run that is at it.
    """
    if not keeper.outside and keeper.target.dialect == "sqlite":
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(keeper.books, run, over, every), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=1)  # one that waits for a lock or a network must not hold up the result


def _renew(books: WritableStore, run: int, over: threading.Event, every: float) -> None:
    while not over.wait(every):
        # One that fails is tried again before the lease ends.
        with suppress(SyncnbError), books.writing() as book:
            journal.renew(book.sql, run)
            book.commit()
