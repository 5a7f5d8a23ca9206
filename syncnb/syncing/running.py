"""The verb `sync`: one unattended run, from what is pending to what both sides agree on.

lease ─► pending or all ─► diff ─► plan ─► apply (target, marker) ─► verify ─► base, acknowledgement ─► history
                                           └─ killed here: the next run finds the marker, and does the rest
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from syncnb import journal
from syncnb.applying import apply_within
from syncnb.applying.calling import caller_of, failed
from syncnb.applying.keeping import STAGE, Keeper, keeper_for
from syncnb.changes import Diff, TablePair
from syncnb.comparing.diffing import diff_told
from syncnb.comparing.remembering import TableBase
from syncnb.comparing.selecting import Keys, told_names
from syncnb.connecting import connect, zones
from syncnb.errors import PlanError
from syncnb.failpoints import reach
from syncnb.matching import Told
from syncnb.planning import Plan
from syncnb.planning.drawing import plan_told
from syncnb.planning.rekeying import Collisions
from syncnb.resolving import Policy
from syncnb.steps import Block, Proof, Report
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store, WritableStore
from syncnb.syncing.agreeing import holder_of, keep, label_of
from syncnb.syncing.counting import unforeseen
from syncnb.syncing.leasing import Lease, leased
from syncnb.syncing.passing import Passed, advance, excused
from syncnb.syncing.spooling import Spool
from syncnb.syncing.synced import Synced, Waiting
from syncnb.syncing.touching import Backlog, backlog_of, come_again, local_keys, waiting_rows
from syncnb.syncing.uncovered import Parted, lone_columns, parted_of
from syncnb.syncing.upserting import Upsert, upserted
from syncnb.syncing.wishes import Direction, Wishes
from syncnb.values.sides import Side, of_side, other_side
from syncnb.verifying import verify
from syncnb.watching import to_its_end

__all__ = ["Wishes", "sync", "sync_told"]

log = logging.getLogger("syncnb")
DAY = timedelta(days=1)


@one_conversation
def sync(
    local: Any,
    remote: Store,
    tables: "str | Iterable[str] | Mapping[str, str] | None" = None,
    *,
    direction: Direction = "push",
    resolve: Policy = None,
    collisions: Collisions = None,
    timezone: "str | Mapping[str, str] | None" = None,
    source: str | None = None,
    history_table: str | None = None,
    rest: bool = False,
    deletes: bool = False,
    audit_every: timedelta = DAY,
    allow: Sequence[str] = (),
    caller: str | None = None,
    approved_by: str | None = None,
    progress: bool | None = None,
    schemas: Sequence[str] | None = None,
    **told: Any,
) -> Synced:
    """Pass on what changed, unattended: compared, planned, applied, verified, and kept as agreed by both.

    direction: `push` writes what changed in local into remote, `pull` the other way, `both` first one, then the
        other. A pull compares everything.
    resolve, collisions: who wins where both sides changed a row since they agreed, and what becomes of ids that
        are two things, as `sn.plan` takes them. timezone: the zone of naive stamps of both, where their stores
        tell none. With these a run needs nobody; what they do not decide stays open, is told, and comes again.
    source: where a push reads what is pending: what `sn.track` captures, by itself where something is tracked,
        or the name of a queue such as `sync_tracking`. Where it may lack something, at the first time, and when
        `audit_every` has passed since, everything is compared.
    allow: hazards that are permitted, as for `sn.apply`. Without `deletes` no row is deleted: what one side
        deleted stays pending.
    caller: who runs it, by default the calling function and its thread. tables, schemas, and key, columns,
        ignore, tolerance, ids, touch: as `sn.diff` takes them.

    Where local is no database but a payload (a frame, rows as dicts, `{table: rows}`, a file of tables), it is an
    upsert, all tables or none: rows that remote lacks are inserted, those that differ are updated, what the payload
    does not have is left alone. source: what the history calls it. resolve: by default the payload wins. history_table: a
    table such as `integration_sync_history` that is kept in step. rest: where rows cannot be written, write the
    others; by default nothing is. deletes: the payload is all there is, and what it lacks is deleted; that is a
    hazard to allow.

    A run that was killed is taken up by the next one: what was committed is not written again. Raises PlanError
    where another sync of the two is going on, or a hazard was not allowed; what `diff` and `apply` raise.
    """
    local = local if isinstance(local, Store) else connect(local)
    here, there = _in_zone(local, timezone), _in_zone(remote, timezone)
    wishes = Wishes(
        Told(tables=tables, **told),
        resolve,
        collisions,
        tuple(allow),
        approved_by,
        source,
        audit_every,
        progress,
        schemas,
    )
    if here.dialect == "frame":
        upsert = Upsert(history_table, rest=rest, deletes=deletes)
        return upserted(here, there, wishes, upsert, direction, caller_of(caller))
    if told.get("where") is not None:
        raise PlanError(
            "what two databases agree on is kept for whole tables",
            hint="where= is for sn.diff, and for payloads",
        )
    if history_table or rest or deletes or told.get("touch"):
        raise PlanError(
            "touch=, history_table=, rest= and deletes= are for a payload",
            hint='between databases allow=("deletes",) permits deletes, and rows that cannot be written stay open',
        )
    return sync_told(here, there, wishes, direction, caller_of(caller))


def sync_told(local: Store, remote: Store, wishes: "Wishes", direction: Direction, caller: str) -> Synced:
    """The same, with all that was told in one value."""
    if direction not in WAYS:
        raise PlanError(f"direction is {direction!r}", hint='write "push", "pull" or "both"')
    side, holder, other = holder_of(local, remote)
    written = [of_side(into, local, remote) for into in WAYS[direction]]
    for store in (holder, *written):
        if not store.writable:
            raise PlanError(
                f"{store.name} is written by this sync, and was opened to be read",
                hint="connect(..., writable=True) permits writing",
            )
    for store in {id(store): store for store in (holder, *written)}.values():
        if store.dialect == "sqlite" and isinstance(store, WritableStore):
            with store.writing():
                pass  # what a killed writer left half done is rolled back; who only reads could not open the file
    with leased(holder, other.identity().id, _identity(written[0]), caller) as lease:
        run = _Sync(local, remote, side, lease, wishes, caller)
        for begun in lease.owed:
            run.settle(begun)
        found = [run.one_way(into) for into in WAYS[direction]]
        run.end()
    done = _summed(found, direction, caller)
    log.info("%s", done.line)
    return done


def _identity(store: Store) -> str:
    return store.identity().id if isinstance(store, WritableStore) else ""


RESTORED = "what both agreed on is older than their last sync: the file was restored or made anew"
NOTHING = "it ended without an answer; nothing was written"
WAYS: Mapping[str, tuple[Side, ...]] = {"push": ("remote",), "pull": ("local",), "both": ("remote", "local")}


@dataclass(frozen=True)
class _Way:
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
class _Sync:
    """One sync, while it runs."""

    local: Store
    remote: Store
    side: Side
    """Which of them keeps the base."""
    lease: Lease
    wishes: Wishes
    caller: str
    backlog: Backlog = field(default_factory=Backlog)
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

    def one_way(self, into: Side) -> _Way:
        """Everything in one direction."""
        target, source = self._store(into), self._store(other_side(into))
        keeper = keeper_for(target, self.wishes.allow)
        number = self._begin(keeper, source.name)
        try:
            self.lease.aim(target.identity().id, number)
            reach("sync-begun")
            return self._passed(into, target, keeper, number)
        except BaseException as problem:
            with to_its_end():
                failed(keeper, number, problem)
            raise

    def _passed(self, into: Side, target: WritableStore, keeper: Keeper, number: int) -> _Way:
        push = into == "remote"
        if push:
            self.backlog = backlog_of(self.local, self.remote, self.wishes, self.lease.holder, self.pair_id)
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
        """Tables on which both had agreed, and that only one has by now."""
        if not (d.unmatched_local or d.unmatched_remote):
            return Parted()
        with journal.journal_connection(self.lease.holder) as connection:
            shapes = journal.shapes_of(connection, self.pair_id) if connection is not None else {}
        return parted_of(d, shapes)

    def end(self) -> None:
        """Say in the journal of the base that it is over."""
        with self.lease.holder.writing() as writer:
            journal.end_sync(writer.sql, self.lease.sync, audited=self.audited, mark=self.mark)
            writer.commit()
        self.lease.over = True

    def _told(
        self, into: Side, keeper: Keeper, number: int, d: Diff, drawn: Plan, report: Report,
        proof: Proof | None, waiting: tuple[Waiting, ...], done: Sequence[Any],
    ) -> _Way:  # fmt: skip
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
        return _Way(number, records, len(fresh), waiting, left, report, proof, tuple(dict.fromkeys(notes)))

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


def _in_zone(store: Store, timezone: "str | Mapping[str, str] | None") -> Store:
    """The store with the zone that is told for stamps of which it knows none."""
    told = zones.normal(timezone)
    return replace(store, timezone={**told, **store.timezone}) if told else store  # type: ignore[type-var]


def _summed(found: Sequence[_Way], direction: Direction, caller: str) -> Synced:
    backlogs = [way.backlog for way in found if len(way.backlog)]
    since = [each.since for each in backlogs if each.since is not None]
    return Synced(
        number=found[0].number,
        direction=direction,
        caller=caller,
        records=sum(way.records for way in found),
        resolved=sum(way.resolved for way in found),
        open=tuple(dict.fromkeys(row for way in found for row in way.open)),
        backlog=sum(map(len, backlogs)),
        backlog_since=min(since) if since else None,
        reports=tuple(way.report for way in found),
        proofs=tuple(way.proof for way in found if way.proof is not None),
        notes=tuple(dict.fromkeys(note for way in found for note in way.notes)),
    )
