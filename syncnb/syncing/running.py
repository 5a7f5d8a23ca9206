"""One sync of two databases, while it runs: each way compared, planned, applied, verified, and kept as agreed.

lease ─► pending or all ─► diff ─► plan ─► apply (target, marker) ─► verify ─► base, acknowledgement ─► history
                                           └─ killed here: the next run finds the marker, and does the rest
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from syncnb import journal
from syncnb.applying import apply_within
from syncnb.applying.calling import failed
from syncnb.applying.keeping import STAGE, Keeper, keeper_for
from syncnb.changes import Diff, TablePair
from syncnb.comparing.diffing import diff_told
from syncnb.comparing.remembering import TableBase
from syncnb.comparing.selecting import Keys, told_names
from syncnb.failpoints import reach
from syncnb.planning import Plan
from syncnb.planning.drawing import plan_told
from syncnb.steps import Block, Proof, Report
from syncnb.stores.conversation import last_words
from syncnb.stores.port import Store, WritableStore
from syncnb.syncing.agreeing import keep, label_of
from syncnb.syncing.counting import unforeseen
from syncnb.syncing.leasing import Lease
from syncnb.syncing.passing import Passed, advance, excused
from syncnb.syncing.spooling import Spool
from syncnb.syncing.synced import Waiting
from syncnb.syncing.touching import Backlog, backlog_of, come_again, local_keys, waiting_rows
from syncnb.syncing.uncovered import Parted, Shapes, lone_columns, parted_of
from syncnb.syncing.wishes import Wishes
from syncnb.values.sides import Side, of_side, other_side
from syncnb.verifying import verify

__all__ = ["Sync", "Way"]

RESTORED = "what both agreed on is older than their last sync: the file was restored or made anew"
NOTHING = "it ended without an answer; nothing was written"


@dataclass(frozen=True)
class Way:
    """What became of one direction."""

    number: int
    records: int
    resolved: int
    open: tuple[Waiting, ...]
    backlog: Backlog
    report: Report
    proof: Proof | None
    notes: tuple[str, ...]


@dataclass
class Sync:
    """One sync, while it runs."""

    local: Store
    remote: Store
    side: Side
    """Which of them keeps the base."""
    lease: Lease
    wishes: Wishes
    caller: str
    backlog: Backlog = field(default_factory=Backlog)
    shapes: Shapes | None = None
    """What both agreed on, as it was read first; None until somebody has to know."""
    audited: int = 0
    """Whether a push compared everything, and whether it left open what no log brings again."""
    mark: str | None = None
    again: bool = False
    """Whether the target knows a sync of this number already: the base is older than what it was used for."""
    resolved: set[tuple[str, str]] = field(default_factory=set)
    """Conflicts that were counted already, when the other direction meets them again."""

    @property
    def pair_id(self) -> str:
        other = of_side(other_side(self.side), self.local, self.remote)
        assert isinstance(other, WritableStore)  # noqa: S101
        return other.identity().id

    def settle(self, begun: journal.Begun) -> None:
        """Do what a sync that died left to do: nothing in the target, where its marker is there; else nothing at all."""
        reach("sync-settling")
        into = self._side_of(begun.target)
        target = self._store(into)
        with journal.journal_connection(target) as connection:
            there = connection is not None and journal.is_installed(connection)
            aimed = begun.plan_id if there else None
            mark = journal.marker(connection, aimed, STAGE) if aimed and connection else None
        if mark is None and there:  # in the target first: dying here, the next one must find it to do again
            with target.writing() as writer:
                journal.give_up(writer.sql, (self._placeholder(begun.sync), begun.plan_id), NOTHING)
                writer.commit()
        with Spool(self.side) as spool:
            if mark is not None:
                d = self._diff(witness=spool)
                passed = Passed(d, spool, self._images(target, mark.run), into, mark.run)
            with self.lease.holder.writing() as writer:
                if mark is not None:
                    advance(writer.sql, self.pair_id, passed, {})
                journal.end_sync(writer.sql, begun.sync)
                writer.commit()

    def one_way(self, into: Side) -> Way:
        """Everything in one direction."""
        target, source = self._store(into), self._store(other_side(into))
        keeper = keeper_for(target, self.wishes.allow)
        number = self._begin(keeper, source.name)
        try:
            self.lease.aim(target.identity().id, number)
            reach("sync-begun")
            return self._passed(into, target, keeper, number)
        except BaseException as problem:
            with last_words():
                failed(keeper, number, problem)
            raise

    def _passed(self, into: Side, target: WritableStore, keeper: Keeper, number: int) -> Way:
        push = into == "remote"
        if push:
            self.backlog = backlog_of(self.local, self.remote, self.wishes, self.lease.holder, self.pair_id)
            self.shapes = self.backlog.shapes
            if self.again:
                self.backlog = replace(self.backlog, whole=True, why=RESTORED)
        only = self.backlog.keys if push and not self.backlog.whole else None
        with Spool(self.side) as before, Spool(self.side) as after:
            d = self._diff(witness=before if only is None else None, only=only)
            drawn = self._plan(d, target)
            self.lease.aim(target.identity().id, number, drawn.id)
            report = self._apply(drawn, target, keeper, number, whole=only is None)
            reach("sync-applied")
            proof = verify(number, target) if len(drawn) else None
            images = self._images(keeper.books, number) if len(drawn) else {}
            keys = local_keys(d, self.backlog if push else Backlog(), images, into)
            now = self._diff(witness=after, only=keys)
            passed = Passed(now, after, images, into, report.run, d)
            left = self._plan(now, target)
            backlog, open_in = self.backlog if push else Backlog(), drawn if only is None else left
            waiting, done = waiting_rows(now, left, report, backlog, open_in, self._partners, excused(passed))
            self._keep(d if only is None else None, before, passed, keys, done, push=push)
            if push and only is None:
                again = come_again(waiting, self.backlog.without(done), [table.pair for table in d.tables])
                self.audited = journal.AUDITED if again else journal.LEFT_OPEN
        return self._told(into, keeper, number, d, drawn, report, proof, waiting, done)

    def _diff(self, *, witness: Spool | None, only: Mapping[str, Keys] | None = None) -> Diff:
        wishes = self.wishes
        return diff_told(
            self.local, self.remote, wishes.told, schemas=wishes.schemas, progress=wishes.progress,
            witness=witness, only=only,
        )  # fmt: skip

    def _plan(self, d: Diff, target: Store) -> Plan:
        return plan_told(
            d, into=target, resolve=self.wishes.resolve, collisions=self.wishes.collisions,
            deletes=None if "deletes" in self.wishes.allow else False, how_to_delete="",
        )  # fmt: skip

    def _apply(
        self, drawn: Plan, target: WritableStore, keeper: Keeper, number: int, *, whole: bool
    ) -> Report:
        if not len(drawn) and not drawn.maps:
            return Report(drawn.id, number, "nothing to do")
        with keeper.books.writing() as book:
            journal.retarget(book.sql, number, drawn.id)
            book.commit()
        return apply_within(
            drawn, target, number, keeper, allow=self.wishes.allow, whole=whole, progress=self.wishes.progress
        )

    def _keep(
        self,
        whole: Diff | None,
        before: Spool,
        passed: Passed,
        keys: Mapping[str, Keys],
        done: Sequence[Any],
        *,
        push: bool,
    ) -> None:
        """What both sides agree on by now, and the acknowledgement: one transaction where both are kept here."""
        from syncnb.tracking import acknowledge_in

        told = {name: told_names(passed.diff[name].pair, each) for name, each in keys.items()}
        with self.lease.holder.writing() as writer:
            if whole is not None:
                keep(writer.sql, self.pair_id, whole, before)
            advance(writer.sql, self.pair_id, passed, told)
            if push and self.backlog.pending is not None and self.lease.holder == self.local:
                mark = acknowledge_in(writer, self.backlog.pending, done)  # type: ignore[arg-type]
                self.mark = self.backlog.written(mark)
            writer.commit()
        reach("sync-kept")

    def _partners(self, pair: TablePair, names: set[str | None]) -> Mapping[str | None, str]:
        """The remote keys that the base pairs with these local ones."""
        with journal.journal_connection(self.lease.holder) as connection:
            shapes = journal.shapes_of(connection, self.pair_id) if connection is not None and names else {}
            found = shapes.get(label_of(pair, self.side), ())
            base = TableBase(pair, self.side, connection, found) if found and connection is not None else None
            return {line.local: line.remote for line in base.lines(names, ())} if base is not None else {}

    def _parted(self, d: Diff) -> Parted:
        """Tables on which both had agreed, and that only one has by now.

        Of these a sync writes nothing, so what was known of them when it began is known still.
        """
        if not (d.unmatched_local or d.unmatched_remote):
            return Parted()
        if self.shapes is None:
            with journal.journal_connection(self.lease.holder) as connection:
                self.shapes = journal.shapes_of(connection, self.pair_id) if connection is not None else {}
        return parted_of(d, self.shapes)

    def end(self) -> None:
        """Say in the journal of the base that it is over."""
        with self.lease.holder.writing() as writer:
            journal.end_sync(writer.sql, self.lease.sync, audited=self.audited, mark=self.mark)
            writer.commit()
        self.lease.over = True

    def _told(
        self, into: Side, keeper: Keeper, number: int, d: Diff, drawn: Plan, report: Report,
        proof: Proof | None, waiting: tuple[Waiting, ...], done: Sequence[Any],
    ) -> Way:  # fmt: skip
        """The last word on it, in the journal and for the person."""
        left = self.backlog.without(done) if into == "remote" else Backlog()
        logged = self.backlog.pending is not None and into == "remote"
        records = len(done) + unforeseen(d, drawn, report, done if logged else ())
        still = {(each.table, each.key) for each in waiting}
        fresh = {(clash.table, clash.key) for clash in drawn.clashes} - still - self.resolved
        self.resolved |= fresh
        counts: dict[str, Any] = {
            "records": records, "conflicts_resolved": len(fresh), "conflicts_open": len(waiting),
            "backlog": len(left), "backlog_since": left.since,
        }  # fmt: skip
        with keeper.books.writing() as book:
            # Where every row was refused the run says so already.
            ended: Literal["refused", "success"] = "refused" if report.status == "refused" else "success"
            journal.finish_run(book.sql, number, status=ended, counts=counts)
            if not self.again:
                journal.mark(book.sql, self._placeholder(self.lease.sync), STAGE, number)
            book.commit()
        notes = [*self.backlog.notes(into), *self._parted(d).notes(), *lone_columns(d, into), *drawn.notes]
        return Way(number, records, len(fresh), waiting, left, report, proof, tuple(dict.fromkeys(notes)))

    def _begin(self, keeper: Keeper, source: str) -> int:
        with keeper.books.writing() as book:
            keeper.settle(book)
            self.again = journal.marker(book.sql, self._placeholder(self.lease.sync), STAGE) is not None
            number = journal.begin_run(
                book.sql, plan_id=self._placeholder(self.lease.sync), source=source, kind="sync",
                caller=self.caller, approved_by=self.wishes.approved_by, allowed=self.wishes.allow,
            )  # fmt: skip
            book.commit()
        return number

    def _placeholder(self, sync: int) -> str:
        """What stands for the plan of a sync in the target's journal, until there is one."""
        return f"sync {sync} of {self.lease.holder.identity().id}"

    def _images(self, target: Store, number: int) -> dict[str, list[Block]]:
        found: dict[str, list[Block]] = {}
        with journal.journal_connection(target) as connection:
            for block in journal.read_images(connection, number) if connection is not None else ():
                found.setdefault(block.table, []).append(block)
        return found

    def _store(self, side: Side) -> WritableStore:
        store = of_side(side, self.local, self.remote)
        assert isinstance(store, WritableStore)  # noqa: S101
        return store

    def _side_of(self, identity: str) -> Side:
        return "local" if self._store("local").identity().id == identity else "remote"
