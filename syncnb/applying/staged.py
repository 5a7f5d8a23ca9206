"""A run of a migration: stage by stage, each with its own marker, going on at the first that has none."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from syncnb import journal
from syncnb.applying.checking import tables_as_planned
from syncnb.applying.digesting import Digests, digests, with_digests
from syncnb.applying.following import Followers
from syncnb.applying.keeping import totals_of
from syncnb.applying.running import RETRIED, Refused, Run
from syncnb.applying.steps import Made, fill, is_true, make_step, record
from syncnb.applying.writing import Done, write_block
from syncnb.errors import ConnectError, PlanError, UnknownOutcome, WriteError
from syncnb.failpoints import reach
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Outcome, Report, Stage, Step
from syncnb.stores.alterers import alterer, objects, outside
from syncnb.stores.altering import statements
from syncnb.stores.port import Writer

__all__ = ["StagedRun"]

TRIES = 8
PATIENCE = 2.0
"""Seconds that an alteration waits for a lock: whoever comes after waits behind it."""
SETTLE_SECONDS = 30.0


@dataclass
class StagedRun(Run):
    """One run of a plan with stages. A stage that was committed stays; the next run goes on behind it."""

    kept: int = 0
    """The number of the last thing that was kept in the journal."""
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    results: list[Outcome] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    before: Digests = field(default_factory=dict)
    stage: int = 0
    report: Report | None = None

    def __post_init__(self) -> None:
        if self.keeper.outside:
            raise PlanError(
                "a migration keeps its journal in the target",
                hint="syncnb journal --sql prints what makes one",
            )
        if self.rest:
            raise PlanError("a migration is made as a whole", hint="leave out rest=True")
        self.keeper = replace(self.keeper, stages=len(self.plan.stages))

    def go(self) -> Report:
        """Every stage that has no marker yet."""
        for number, stage in enumerate(self.plan.stages):
            self.stage = number
            run = {"transaction": self._transactional, "batches": self._batched, "outside": self._outside}
            try:
                run[stage.mode](stage)
            except Refused as refused:
                return self._refuse(refused.done)
            if number < self.keeper.last:
                reach("between-stages")
        if self.report is not None:
            return self.report
        with self.keeper.books.writing() as book:
            stored = self.keeper.stored(book.sql, self.plan.id)
        if stored is None:
            raise AssertionError("every stage is marked, and the last one is not")
        self._finish_apart("failed", f"run {stored.run} applied this plan first")
        return stored

    @property
    def _last(self) -> bool:
        return self.stage == self.keeper.last

    def _patiently(self, work: Callable[[Writer], bool]) -> bool:
        """One transaction, tried again where it met somebody's lock; what `work` said, or whether it was done before."""
        for attempt in range(1, TRIES + 1):
            self.sent = False
            kept = self.kept, len(self.told), {table: dict(n) for table, n in self.totals.items()}
            try:
                return self._once(work)
            except UnknownOutcome as lost:
                return self._settled_stage(lost)
            except WriteError as problem:
                self.kept, told, self.totals = kept
                del self.told[told:]
                if problem.sqlstate not in RETRIED or attempt == TRIES or self.sent:
                    raise
                time.sleep(random.uniform(0.1, 0.3) * 2 ** min(attempt, 4))  # noqa: S311 - so that two do not meet again
        raise AssertionError("unreachable")

    def _once(self, work: Callable[[Writer], bool]) -> bool:
        with self.store.writing() as writer:
            writer.lock(self.plan.id)
            if journal.marker(writer.sql, self.plan.id, self.stage) is not None:
                return False
            alterer(writer).patience(PATIENCE)
            with journal.own_writes(writer.sql):
                done = work(writer)
            self.sent = True
            reach("before-commit")
            writer.commit()
        reach("after-commit")
        return done

    def _settled_stage(self, lost: UnknownOutcome) -> bool:
        """Whether the stage whose COMMIT got no answer has its marker, asked once the old backend is gone."""
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            try:
                with self.store.writing() as writer:
                    writer.lock(self.plan.id, seconds=max(1.0, until - time.monotonic()))
                    if journal.marker(writer.sql, self.plan.id, self.stage) is not None:
                        return True
                    break
            except (ConnectError, WriteError):
                time.sleep(0.2)
        else:
            self._finish_apart("unknown", "the answer to COMMIT was lost, and the server has not come back")
            raise lost
        self.report = None
        raise WriteError(
            f"the connection was lost before {self.store.name} committed this stage",
            hint="apply the plan again: it goes on where it stopped",
        ) from None

    def _transactional(self, stage: Stage) -> None:
        def work(writer: Writer) -> bool:
            schema = self._schema(writer)
            if self.stage == 0:
                self.before = digests(writer, tables_as_planned(self.plan, schema).values())
            for at, part in enumerate(stage.parts):
                if isinstance(part, Step):
                    self._keep(writer, part, make_step(writer, self._table(writer, part), part))
                else:
                    self._write(writer, at, part)
            self._mark(writer)
            return True

        self._patiently(work)

    def _schema(self, writer: Writer) -> Schema:
        """The catalogue, with the schemas of all tables that the plan names."""
        parts = [part for stage in self.plan.stages for part in stage.parts]
        return writer.schema(sorted({part.path[0] for part in parts if len(part.path) > 1}) or None)

    def _table(self, writer: Writer, part: Step | Block) -> Table:
        """As it is now, in the middle of the migration."""
        return self._schema(writer).find(part.table)

    def _keep(self, writer: Writer, step: Step, made: Made) -> None:
        """Put into the journal what a step did."""
        self.told += made.notes
        if made.image is not None:
            self.kept += 1
            journal.store_images(writer.sql, self.number, self.kept, made.image)
        if made.record is not None:
            self.kept += 1
            journal.store_step(writer.sql, self.number, self.kept, made.record)
        if made.rows:
            self._count(step.table, "updated", made.rows)

    def _count(self, table: str, name: str, rows: int) -> None:
        there = self.totals.setdefault(table, {})
        there[name] = there.get(name, 0) + rows

    def _write(self, writer: Writer, at: int, block: Block) -> None:
        """Rows that were planned one by one."""
        schema = self._schema(writer)
        table = schema.find(block.table)
        followers = Followers(writer, schema, block)
        followers.look(table)
        done = write_block(writer, table, block, at + 1, dry=False, rest=False)
        if done.refused:
            raise Refused([done])
        if done.rewritten and "trigger_rewrites" not in self.allow:
            names = ", ".join(sorted(done.rewritten))
            raise PlanError(
                f"the database changed columns of {table.label} that were not to be written: {names}",
                hint='look at its triggers; allow=("trigger_rewrites",) accepts what they do',
            )
        self.results += done.results
        for image in [*followers.images(), *([done.image] if done.image else [])]:
            if len(image):
                self.kept += 1
                journal.store_images(writer.sql, self.number, self.kept, image)
        verb = {"insert": "inserted", "update": "updated", "delete": "deleted"}[block.verb]
        self._count(block.table, verb, done.written)

    def _mark(self, writer: Writer) -> None:
        """The stage is done; with the last one, the run."""
        journal.mark(writer.sql, self.plan.id, self.stage, self.number)
        if self._last:
            self.report = self._told(writer)
            journal.finish_run(
                writer.sql, self.number, status="success", counts=totals_of(self.report), report=self.report
            )
        reach("marked")

    def _told(self, writer: Writer) -> Report:
        report = Report(
            self.plan.id, self.number, "applied", self.totals, tuple(self.results),
            tuple(dict.fromkeys(self.told)), self.keeper.guarantee,
        )  # fmt: skip
        schema = self._schema(writer)
        labels = [label for label in self.before if any(table.label == label for table in schema)]
        after = digests(writer, [schema.find(label) for label in labels])
        return with_digests(report, {label: self.before[label] for label in labels}, after)

    def _refuse(self, done: list[Done]) -> Report:
        results = tuple(outcome for found in done for outcome in found.refused)
        report = Report(self.plan.id, self.number, "refused", {}, results, (), self.keeper.guarantee)
        reach("before-refusal")
        with self.keeper.books.writing() as book:
            told = f"{len(results)} rows refused"
            journal.finish_run(book.sql, self.number, status="refused", report=report, error=told)
            book.commit()
        return report

    def _batched(self, stage: Stage) -> None:
        """A fill in many short transactions; what is filled already needs no second time."""
        (step,) = stage.steps
        with self.store.writing() as writer:
            if journal.marker(writer.sql, self.plan.id, self.stage) is not None:
                return
            spans = alterer(writer).spans(self._table(writer, step))
        for span in spans[:-1]:
            if not self._patiently(lambda writer, part=span: self._batch(writer, step, part)):  # type: ignore[misc]
                return
            reach("batch")
        self._patiently(lambda writer: self._batch(writer, step, spans[-1], last=True))

    def _batch(self, writer: Writer, step: Step, span: tuple[int, int] | None, *, last: bool = False) -> bool:
        self._keep(writer, step, fill(writer, self._table(writer, step), step, span, whole=False))
        if last:
            self._mark(writer)
        return True

    def _outside(self, stage: Stage) -> None:
        """What cannot run in a transaction: meant before, done, settled by what the catalogue says."""
        (step,) = stage.steps

        def meant(writer: Writer) -> bool:
            there = objects(writer, step.path)
            self._keep(writer, step, Made(record={**record(step, there, there), "meant": True}))
            return True

        if not self._patiently(meant):
            return
        reach("outside-meant")
        self._beside(step)
        reach("outside-done")

        def settle(writer: Writer) -> bool:
            if not is_true(step, objects(writer, step.path)):
                raise WriteError(f"{step.table}: it did not take: {step}", hint="apply the plan again")
            self.told.append(f"{step.table}: {step}")
            self._mark(writer)
            return True

        self._patiently(settle)

    def _beside(self, step: Step) -> None:
        """Build or drop an index beside writers. What a failed build left is taken away first."""
        with outside(self.store) as connection:
            connection.alone(f"{self.plan.id} outside")
            there = connection.objects(step.path)
            if is_true(step, there):
                return
            gone = Step("drop_index", step.table, step.path, name=step.name, concurrently=True)
            if step.verb == "create_index" and f"index {step.name}" in there:
                if connection.building((*step.path[:-1], step.name)):
                    raise WriteError(
                        f"somebody builds {step.name} at this moment", hint="wait until it is there"
                    )
                connection.alter(next(statements("postgresql", gone)), step.table)
            try:
                connection.alter(next(statements("postgresql", step)), step.table)
            except WriteError:
                if step.verb == "create_index" and f"index {step.name}" in connection.objects(step.path):
                    connection.alter(next(statements("postgresql", gone)), step.table)
                raise
