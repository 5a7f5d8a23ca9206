"""One sync at a time: who is at it, and what one that died has left to do."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from syncnb import journal
from syncnb.errors import PlanError, SyncnbError
from syncnb.stores.conversation import last_words
from syncnb.stores.port import WritableStore

__all__ = ["Lease", "leased"]


@dataclass
class Lease:
    """A sync that has begun, in the journal of the store that keeps the base."""

    holder: WritableStore
    sync: int
    owed: tuple[journal.Begun, ...]
    """Syncs that died: perhaps they have written, perhaps their run stands in the target as if it were running."""
    aimed: bool = False
    """Whether it has said what it is about to write."""
    over: bool = False
    """Whether its end was written, with what else had to be done there."""

    def aim(self, target: str, run: int, plan_id: str | None = None) -> None:
        """Say which run of which database it is, and what is about to be written, before it is."""
        with self.holder.writing() as writer:
            journal.aim_sync(writer.sql, self.sync, target=target, run=run, plan_id=plan_id)
            writer.commit()
        self.aimed = plan_id is not None


@contextmanager
def leased(holder: WritableStore, pair: str, target: str, caller: str) -> Iterator[Lease]:
    """Begin a sync, unless another one is at it: then PlanError says who. It is over with the block."""
    with holder.writing() as writer:
        if journal.version(writer.sql) != journal.VERSION:
            journal.install(writer.sql)
            writer.commit()
    with holder.writing() as writer:
        writer.lock(f"syncnb sync {pair}")
        left = journal.unfinished_syncs(writer.sql, pair)
        for begun in left:
            if journal.alive(begun):
                raise PlanError(
                    f"a sync of these two databases is going on: {begun.caller} on {begun.backend}, "
                    f"since {begun.started:%Y-%m-%d %H:%M:%S}Z",
                    hint="wait until it is done; one whose process has died is taken up by the next",
                )
        lease = Lease(holder, journal.begin_sync(writer.sql, pair, target, caller), tuple(left))
        writer.commit()
    try:
        yield lease
    finally:
        if not lease.over:
            with last_words(), suppress(SyncnbError), holder.writing() as writer:
                (journal.abandon_sync if lease.aimed else journal.end_sync)(writer.sql, lease.sync)
                writer.commit()
