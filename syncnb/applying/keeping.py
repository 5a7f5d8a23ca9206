"""Where the journal of a run is kept: in the transaction that writes, or in a file beside it."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncnb import journal
from syncnb.errors import SyncnbError
from syncnb.failpoints import reach
from syncnb.journal import journal_connection
from syncnb.steps import Block, IdMap, Report
from syncnb.stores.port import WritableStore, Writer

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["STAGE", "Keeper", "keeper_for", "totals_of"]

STAGE = 0
BY_MARKER = "the marker is in the same transaction as the rows: a lost answer to COMMIT is settled by it"
BY_SERVER = (
    "the journal is in a file on this machine: a lost answer to COMMIT is settled by what the server remembers "
    "of the transaction, and where it no longer does, the outcome is unknown"
)
FORGOTTEN = "the server no longer knows what became of its transaction"
NOT_WRITTEN = "it ended without an answer; nothing of its last stage was written"
DECIDED_SECONDS = 30.0


@dataclass(frozen=True)
class Keeper:
    """The journal of one target. `books` is the store that holds it: the target, or a file beside it."""

    target: WritableStore
    books: WritableStore
    stages: int = 1
    """How many stages the plan has: all are done when the last one is."""
    beside: Callable[[Writer, Report], None] | None = None
    """What else must last with the rows: it is called in their transaction, before COMMIT."""

    @property
    def last(self) -> int:
        """The number of the last stage."""
        return STAGE + self.stages - 1

    @property
    def outside(self) -> bool:
        return self.books is not self.target

    @property
    def guarantee(self) -> str:
        """What holds if the connection is lost at COMMIT."""
        return BY_SERVER if self.outside else BY_MARKER

    @property
    def notes(self) -> tuple[str, ...]:
        """The same for the report, where it is not the usual one."""
        return (BY_SERVER,) if self.outside else ()

    def stored(self, connection: "Connection", plan_id: str) -> Report | None:
        """The report of this very plan, where it was applied before."""
        found = journal.marker(connection, plan_id, self.last)
        if found is None:
            return None
        report = journal.run_report(connection, found.run)
        if report is None:
            return Report(plan_id, found.run, "already applied", guarantee=self.guarantee)
        back = [
            run.run
            for run in journal.runs(connection)
            if run.undo_of == found.run and run.status == "success"
        ]
        notes = (
            [f"run {found.run} was taken back by run {back[-1]}: to do it again, draw a new plan"]
            if back
            else []
        )
        return replace(report, status="already applied", notes=(*report.notes, *notes))

    def stored_now(self, writer: Writer, plan_id: str) -> Report | None:
        """The same, asked within the transaction that is about to write."""
        if not self.outside:
            return self.stored(writer.sql, plan_id)
        with journal_connection(self.books) as connection:
            return self.stored(connection, plan_id) if connection is not None else None

    def settle(self, book: Writer) -> bool:
        """Settle what earlier runs left open, as far as it can be known; whether anything was written."""
        if not self.outside:
            return bool(journal.settle(book.sql))
        left = [intent for intent in journal.intents(book.sql) if intent.transaction or intent.lease_over]
        if not left:
            return False
        with self.target.writing() as writer:
            for intent in left:
                self._settle(book, writer, intent)
        return True

    def _settle(self, book: Writer, writer: Writer, intent: journal.Intent) -> None:
        verdict: str | None = "aborted"  # without an intent no COMMIT was sent
        if intent.transaction:
            verdict = writer.fate(intent.transaction)
        if verdict == "committed":
            self.applied(book, intent)
        elif verdict == "aborted":
            journal.finish_run(book.sql, intent.run, status="failed", error=NOT_WRITTEN)
        elif verdict is None:
            journal.finish_run(book.sql, intent.run, status="unknown", error=FORGOTTEN)

    def applied(self, book: Writer, intent: journal.Intent) -> None:
        """Say that a run was a success, with its marker."""
        if journal.marker(book.sql, intent.plan_id, STAGE) is None:
            journal.mark(book.sql, intent.plan_id, STAGE, intent.run)
        counts = totals_of(intent.report) if intent.report else None
        journal.finish_run(book.sql, intent.run, status="success", counts=counts, report=intent.report)

    def unknown(self, plan_id: str) -> journal.Intent | None:
        """The run of this plan whose outcome cannot be known, if there is one."""
        if not self.outside:
            return None
        with journal_connection(self.books) as connection:
            left = journal.intents(connection) if connection is not None else []
        return next((one for one in left if one.plan_id == plan_id and one.transaction), None)

    def before_commit(
        self,
        writer: Writer,
        run: int,
        images: Sequence[Block],
        report: Report,
        maps: tuple[str, Sequence[IdMap]],
    ) -> None:
        """All that must last with the rows, or be there before they do. `maps`: of which source, and the pairs of ids."""
        if self.beside is not None:
            self.beside(writer, report)
        if self.outside:
            transaction = writer.transaction()
            with self.books.writing() as book:
                _store(book, run, images, maps)
                journal.keep_intent(book.sql, run, transaction, report)
                book.commit()  # on disk, not only sent there: SQLite waits for it
            reach("intent-kept")
            return
        journal.mark(writer.sql, report.plan_id, STAGE, run)
        _store(writer, run, images, maps)
        journal.finish_run(writer.sql, run, status="success", counts=totals_of(report), report=report)
        reach("marked")

    def after_commit(self, run: int, report: Report) -> None:
        """What can only be said then. If it cannot be said now, the next start says it: the server knows."""
        if self.outside:
            with suppress(SyncnbError), self.books.writing() as book:
                self.applied(book, journal.Intent(run, report.plan_id, None, report, lease_over=False))
                book.commit()

    def verdict(self, writer: Writer, plan_id: str, run: int) -> Report | str | None:
        """What became of this run's COMMIT, once its backend is gone: the report, `aborted`, or None: unknown."""
        if not self.outside:
            return self._marked(writer, plan_id)
        with journal_connection(self.books) as connection:
            left = journal.intents(connection) if connection is not None else []
        intent = next((one for one in left if one.run == run and one.transaction), None)
        if intent is None:
            return "aborted"
        until = time.monotonic() + DECIDED_SECONDS
        while (fate := writer.fate(intent.transaction or "")) == "in progress" and time.monotonic() < until:
            time.sleep(0.2)
        if fate == "committed" and intent.report is not None:
            self.after_commit(run, intent.report)
            return intent.report
        return "aborted" if fate == "aborted" else None

    def _marked(self, writer: Writer, plan_id: str) -> Report | str:
        found = journal.marker(writer.sql, plan_id, STAGE)
        if found is None:
            return "aborted"
        report = journal.run_report(writer.sql, found.run)
        return report or Report(plan_id, found.run, "applied", guarantee=self.guarantee)


def keeper_for(store: WritableStore, allow: Sequence[str]) -> Keeper:
    """The journal that this run shall use, made where there is none.

    Raises WriteError where the role may keep none in the target, and nobody permitted another place.
    """
    with store.writing() as writer:
        if journal.ALLOWED in allow and journal.missing_rights(writer.sql):
            return Keeper(store, journal.open_outside(store.identity()))
        if journal.version(writer.sql) != journal.VERSION:
            journal.install(writer.sql)
            writer.commit()
    return Keeper(store, store)


def totals_of(report: Report) -> Mapping[str, int]:
    """The numbers of a report over all tables, as a run's row has them."""
    names = ("inserted", "updated", "deleted", "mapped")
    totals = {name: sum(n.get(name, 0) for n in report.totals.values()) for name in names}
    resolved, waiting = report.conflicts
    return {**totals, "conflicts_resolved": resolved, "conflicts_open": waiting}


def _store(book: Writer, run: int, images: Sequence[Block], maps: tuple[str, Sequence[IdMap]]) -> None:
    for step, image in enumerate(images, 1):
        if len(image):
            journal.store_images(book.sql, run, step, image)
    journal.store_id_maps(book.sql, run, *maps)
