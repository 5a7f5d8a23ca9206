"""The verb `purge`: the images of old runs go, and with them their undo."""

from collections.abc import Iterator
from datetime import datetime

from syncnb.errors import PlanError, WriteError
from syncnb.journal import imaging
from syncnb.journal.imaging import Purge
from syncnb.journal.installing import is_installed
from syncnb.journal.reading import both_journals, outside_of
from syncnb.journal.rights import FORBIDDEN
from syncnb.stores.port import Store, WritableStore

__all__ = ["purge"]


def purge(store: Store, *, before: datetime, dry_run: bool = True) -> Purge:
    """Which runs that finished before an instant would lose their undo; with `dry_run=False` they do.

    What goes are the rows as they were and as they became, which may be personal data. Runs, reports and markers
    stay: history is whole, and no plan is applied twice.

    before: an instant with a zone. dry_run: by default nothing is taken away.

    Raises PlanError for an instant without a zone or a store without a journal of its own, WriteError where the
    store was opened to be read, or the role may not delete images.
    """
    if not isinstance(store, WritableStore):
        raise PlanError(f"{type(store).__name__} has no journal", hint="pass the database that was written")
    if not isinstance(before, datetime):
        raise PlanError(
            f"before= is a {type(before).__name__}", hint="write datetime(2026, 1, 31, tzinfo=UTC)"
        )
    if dry_run:
        parts = [imaging.purge(connection, before=before) for connection in both_journals(store)]
    else:
        parts = list(_purged(store, before))
    return Purge(
        before,
        tuple(run for part in parts for run in part.runs),
        sum(part.chunks for part in parts),
        done=not dry_run,
    )


def _purged(store: WritableStore, before: datetime) -> Iterator[Purge]:
    try:
        with store.writing() as writer:
            if is_installed(writer.sql):
                yield imaging.purge(writer.sql, before=before, dry_run=False)
                writer.commit()
    except WriteError as problem:
        if problem.sqlstate == FORBIDDEN:
            problem.hint = "purge as the journal's owner: an ordinary role may only add to it"
        raise
    beside = outside_of(store, writable=True)
    if beside is not None:
        with beside.writing() as book:
            yield imaging.purge(book.sql, before=before, dry_run=False)
            book.commit()
