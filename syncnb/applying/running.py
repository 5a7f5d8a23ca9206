"""One run of a plan of rows: one transaction, tried again where it may be, and settled where its end is not known."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from syncnb import journal
from syncnb.applying.calling import failed, finish_apart
from syncnb.applying.checking import tables_as_planned
from syncnb.applying.colliding import BROKEN
from syncnb.applying.digesting import digests, with_digests
from syncnb.applying.following import Followers, may_cascade
from syncnb.applying.going_on import bar
from syncnb.applying.keeping import Keeper
from syncnb.applying.sequences import advanced
from syncnb.applying.standing import standing
from syncnb.applying.two_steps import half_done, lasting, told_once
from syncnb.applying.writing import Done, refused_of, spoilt, write_block
from syncnb.errors import ConnectError, PlanError, SyncnbError, UnknownOutcome, WriteError
from syncnb.failpoints import reach
from syncnb.planning import Plan
from syncnb.planning.between import Between
from syncnb.planning.losses import open_conflicts, overwritten, resolved
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Report
from syncnb.stores.port import WritableStore, Writer
from syncnb.watching import to_its_end

__all__ = ["RETRIED", "Refused", "Run"]

TRIES = 4
RETRIED = ("40001", "40P01", "55P03")
"""Serialization failure, deadlock, lock timeout: tried again, because no COMMIT was sent."""
VERBS = {"insert": "inserted", "update": "updated", "delete": "deleted"}
SETTLE_SECONDS = 30.0


class Refused(Exception):
    """Rows have drifted: what was found, for the report."""

    def __init__(self, done: list[Done]) -> None:
        self.done = done


class _Faster(Exception):
    """Another process applied the same plan first: its report."""

    def __init__(self, report: Report) -> None:
        self.report = report


@dataclass
class Run:
    """One run of a plan of rows, which is one stage."""

    plan: Plan
    store: WritableStore
    keeper: Keeper
    allow: tuple[str, ...]
    rest: bool
    progress: bool | None = None
    number: int = 0
    sent: bool = False
    """Whether COMMIT was sent: from then on nothing is tried again."""
    whole: bool = True
    """Whether a digest of each whole table is kept."""

    def earlier(self) -> Report | None:
        """The report of this very plan, where it was applied before; what earlier runs left open is settled first."""
        reach("settling")
        with self.keeper.books.writing() as book:
            settled, stored = self.keeper.settle(book), self.keeper.stored(book.sql, self.plan.id)
            if settled:
                book.commit()
        unknown = self.keeper.unknown(self.plan.id) if stored is None else None
        return stored if unknown is None else self._unknown(unknown.run)

    def _unknown(self, run: int) -> Report:
        """What can be said of a run of this plan of which nobody knows: how its rows stand."""
        with self.store.writing() as writer:
            tables = tables_as_planned(self.plan, self._schema(writer))
            notes = standing(writer, tables, [block for block in self.plan.blocks if not block.role])
        notes.append("what became of this run cannot be known: compare again, and plan what is left")
        return Report(
            self.plan.id, run, "unknown", notes=(*notes, *self.keeper.notes), guarantee=self.keeper.guarantee
        )

    def _schema(self, writer: Writer) -> Schema:
        """The catalogue, with all tables whose rows may follow."""
        schemas = {block.path[0] for block in self.plan.blocks if len(block.path) > 1}
        schema = writer.schema(sorted(schemas) or None)
        tables = {block.table: schema.find(block.table) for block in self.plan.blocks}
        if not any(may_cascade(block, tables[block.table]) for block in self.plan.blocks):
            return schema
        more = set(writer.followers(list(tables.values()))) - schemas
        return writer.schema(sorted({*schemas, *more})) if more else schema

    def begin(self, caller: str, approved_by: str | None) -> None:
        """Write the run's row, which is there before anything else is."""
        try:
            self._begin(caller, approved_by)
        except UnknownOutcome:
            raise WriteError(
                f"the connection to {self.store.name} was lost: nothing was written",
                hint="apply the plan again",
            ) from None

    def _begin(self, caller: str, approved_by: str | None) -> None:
        with self.keeper.books.writing() as book:
            self.number = journal.begin_run(
                book.sql,
                plan_id=self.plan.id,
                source=self.plan.source,
                stages=max(1, len(self.plan.stages)),
                kind="undo" if self.plan.undo_of is not None else "apply",
                records=len(self.plan) + sum(len(each) - each.fresh for each in self.plan.maps),
                caller=caller,
                approved_by=approved_by,
                allowed=self.allow,
                undo_of=self.plan.undo_of,
            )
            book.commit()
        reach("run-begun")

    def go(self) -> Report:
        """The transaction, tried again where it met somebody else's lock and nothing was sent."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._transaction()
            except Refused as refused:  # after the rollback, which frees the lock on the journal
                with to_its_end():
                    return self._refuse(refused.done)
            except _Faster as faster:
                self._finish_apart("failed", f"run {faster.report.run} applied this plan first")
                return faster.report
            except UnknownOutcome as lost:
                with to_its_end():
                    return self._settled(lost)
            except WriteError as problem:
                if problem.sqlstate in BROKEN:
                    return self._broken_at_the_end(problem)
                if problem.sqlstate not in RETRIED or attempt == TRIES or self.sent:
                    raise
                time.sleep(random.uniform(0.1, 0.3) * 2**attempt)  # noqa: S311 - only so that two do not meet again
        raise AssertionError("unreachable")

    def _transaction(self) -> Report:
        with self.store.writing() as writer:
            writer.lock(self.plan.id)
            stored = self.keeper.stored_now(writer, self.plan.id)
            if stored is not None:
                raise _Faster(stored)
            schema = self._schema(writer)
            tables = tables_as_planned(self.plan, schema)
            before = digests(writer, tables.values()) if self.whole else {}
            with journal.own_writes(writer.sql):  # not captured as somebody's change, where changes are
                done, followers = self._write_all(writer, tables, schema)
            if any(found.refused for found in done) and not (
                self.rest and any(found.written for found in done)
            ):
                raise Refused(done)
            writer.settle()
            self._check_rewritten(writer, done, tables)
            notes = dict.fromkeys(note for each in followers for note in each.notes)
            notes |= dict.fromkeys(advanced(writer, self.plan.blocks, tables))
            report = self._report("applied", done, (*notes, *self.keeper.notes))
            if self.whole:
                report = with_digests(report, before, digests(writer, tables.values()))
            images = [image for found in done for image in found.images]
            self.keeper.before_commit(
                writer, self.number, images, report, (self.plan.source_id, self.plan.maps)
            )
            self.sent = True
            reach("before-commit")
            writer.commit()
        reach("after-commit")
        with to_its_end():
            self.keeper.after_commit(self.number, report)
        return report

    def _check_rewritten(self, writer: Writer, done: list[Done], tables: dict[str, Table]) -> None:
        """Raise PlanError where the database changed what was not to be written, unless that is allowed."""
        rewritten = sorted(
            {
                f"{b.table}.{name}"
                for b, found in zip(self.plan.blocks, done, strict=True)
                for name in found.rewritten
            }
        )
        rewritten += _spoilt(writer, self.plan.blocks, done, tables)
        if rewritten and "trigger_rewrites" not in self.allow:
            raise PlanError(
                f"the database changed columns that were not to be written: {', '.join(rewritten)}; nothing was kept",
                hint='look at its triggers; allow=("trigger_rewrites",) accepts what they do',
            )

    def _write_all(
        self, writer: Writer, tables: dict[str, Table], schema: Schema
    ) -> tuple[list[Done], list[Followers]]:
        """Every block in order. After a refusal the others are only looked at, so that all drift is told."""
        writer.defer([(tables[table], name) for table, name in self.plan.deferred])
        if not any(block.role for block in self.plan.blocks):
            return self._blocks(writer, tables, schema)
        try:
            with writer.savepoint():
                done, followed = self._blocks(writer, tables, schema, stop=not self.rest)
                if not self.rest and any(found.refused for found in done):
                    raise Refused(done)
        except Refused as refused:
            # Some rows were parked when it happened: all are looked at again as they are without that.
            looked, followed = self._blocks(writer, tables, schema, dry=True)
            return told_once(self.plan.blocks, refused.done, looked), followed
        if half_done(self.plan.blocks, done):
            raise Refused(told_once(self.plan.blocks, done))
        return told_once(self.plan.blocks, done), followed

    def _blocks(
        self,
        writer: Writer,
        tables: dict[str, Table],
        schema: Schema,
        *,
        dry: bool = False,
        stop: bool = False,
    ) -> tuple[list[Done], list[Followers]]:
        between = Between.of(self.plan.blocks)
        done: list[Done] = []
        followed: list[Followers] = []
        with bar(len(self.plan), shown=self.progress) as shown:
            for step, planned in enumerate(self.plan.blocks, 1):
                # Where rows are parked by now they look changed: whoever asks again looks at all of them anew.
                if (dry and planned.role) or (stop and any(found.refused for found in done)):
                    done.append(Done())
                    continue
                block = planned if dry else between.real(planned)
                shown.set_description(f"{block.verb} {block.table}", refresh=bool(self.progress))
                followers = Followers(writer, schema, block)
                if not dry:
                    followers.look(tables[block.table])
                found = write_block(writer, tables[block.table], block, step, dry=dry, rest=self.rest)
                between.passed(planned, found.image)
                dry = dry or (bool(found.refused) and not self.rest)
                found.followed = followers.images() if found.written else []
                followed.append(followers)
                done.append(found)
                shown.update(0 if block.role else len(block))
                reach("written")
        return done, followed

    def _broken_at_the_end(self, problem: WriteError) -> Report:
        """A rule that is looked at last of all was broken: the rows that break it, refused as others are.

        The database names none of them, and has rolled everything back. So all is written once more, each row is
        asked, and all is rolled back again. Raises the problem itself where none is found.
        """
        try:
            done = self._written_again(problem)
        except Refused as refused:
            done = refused.done
        except SyncnbError:
            raise problem from None
        found = [outcome for each in done for outcome in each.refused]
        if not found:
            raise problem
        if not self.rest:
            with to_its_end():
                return self._refuse(done)
        first = f"{found[0].table} {found[0].key}: {found[0].detail}"
        more = f"; and {len(found) - 1:,} rows more" if len(found) > 1 else ""
        error = WriteError(f"{first}{more}", hint=f"nothing was written: {problem.hint}")
        error.sqlstate, error.constraint = problem.sqlstate, problem.constraint
        raise error from None

    def _written_again(self, problem: WriteError) -> list[Done]:
        with self.store.writing() as writer:
            writer.lock(self.plan.id)
            schema = self._schema(writer)
            tables = tables_as_planned(self.plan, schema)
            with journal.own_writes(writer.sql):
                self._write_all(writer, tables, schema)
            return [
                refused_of(writer, tables[block.table], block, step, problem)
                for step, block in enumerate(self.plan.blocks, 1)
            ]

    def _refuse(self, done: list[Done]) -> Report:
        report = self._report("refused", [Done(results=found.refused) for found in done], ())
        count = len(report.results)
        reach("before-refusal")
        with self.keeper.books.writing() as book:
            journal.finish_run(
                book.sql, self.number, status="refused", report=report, error=f"{count} rows refused"
            )
            book.commit()
        return report

    def _report(self, status: str, done: list[Done], notes: tuple[str, ...]) -> Report:
        totals: dict[str, dict[str, int]] = {
            table: {"unchanged": rows} for table, rows in self.plan.unchanged.items()
        }
        for block, found in zip(self.plan.blocks, done, strict=True):
            there = totals.setdefault(block.table, {})
            name = VERBS[block.verb]
            counts = not block.role and not block.only_touches
            there[name] = there.get(name, 0) + (found.written if counts else 0)
            there["rejected"] = there.get("rejected", 0) + len(found.refused)
        for each in self.plan.maps if status == "applied" else ():
            there = totals.setdefault(each.table, {})
            there["mapped"] = there.get("mapped", 0) + len(each) - each.fresh
        results = tuple(outcome for found in done for outcome in found.results)
        refused = {(found.table, found.key) for found in results if found.refusal}
        lost = overwritten(self.plan, refused) if status == "applied" else ()
        conflicts = resolved(self.plan), open_conflicts(self.plan)
        return Report(
            self.plan.id, self.number, status, totals, results, notes, self.keeper.guarantee,  # type: ignore[arg-type]
            lost=lost, conflicts=conflicts,
        )  # fmt: skip

    def _settled(self, lost: UnknownOutcome) -> Report:
        """What became of a transaction whose COMMIT got no answer, asked once the old backend is gone."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            try:
                with self.store.writing() as writer:
                    # Waits for the backend that may still be at it.
                    writer.lock(self.plan.id, seconds=max(1.0, until - time.monotonic()))
                    verdict = self.keeper.verdict(writer, self.plan.id, self.number)
                    break
            except (ConnectError, WriteError):
                time.sleep(0.2)
        else:
            self._finish_apart("unknown", "the answer to COMMIT was lost, and the server has not come back")
            raise lost
        if isinstance(verdict, Report):
            return verdict
        if verdict is None:
            self._finish_apart("unknown", "the answer to COMMIT was lost, and the server no longer knows")
            return self._unknown(self.number)
        raise WriteError(
            f"the connection was lost before {self.store.name} committed: nothing was written",
            hint="apply the plan again",
        ) from None

    def failed(self, problem: BaseException) -> None:
        """Say in the journal how the run ended, if the journal can be reached; never hide the problem itself."""
        if isinstance(problem, UnknownOutcome) or not self.number:
            return
        failed(self.keeper, self.number, problem)

    def _finish_apart(self, status: str, error: str) -> None:
        finish_apart(self.keeper, self.number, status, error)


def _spoilt(writer: Writer, blocks: Sequence[Block], done: list[Done], tables: dict[str, Table]) -> list[str]:
    """What later writes of this run did to earlier ones; looked for only where something could."""
    deletes = any(block.verb == "delete" for block in blocks)
    if not (deletes or any(table.triggers for table in tables.values())):
        return []
    images = lasting([found.image for found in done if found.image is not None and len(found.image)])
    return [what for image in images for what in spoilt(writer, tables[image.table], image)]
