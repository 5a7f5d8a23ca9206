"""An upsert from outside: a payload into a database, all tables or none, with a run of its own in the history.

begin ─► settle ─► diff (only what the payload has) ─► plan, held against all rules ─► apply ─► verify ─► end
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from syncnb import clock, journal
from syncnb.applying import apply_within
from syncnb.applying.calling import failed
from syncnb.applying.keeping import Keeper, keeper_for
from syncnb.changes import Diff, TableDiff, TablePair
from syncnb.comparing.diffing import diff_told
from syncnb.errors import PlanError, SchemaError, SyncnbError
from syncnb.failpoints import reach
from syncnb.journal import Ledger
from syncnb.matching.columns import TOUCHED
from syncnb.planning import Plan, plan
from syncnb.planning.previewing import key_of
from syncnb.resolving import take_local
from syncnb.steps import Proof, Refusal, Report
from syncnb.stores.conversation import last_words
from syncnb.stores.port import Store, WritableStore, Writer
from syncnb.syncing.synced import Synced, Waiting
from syncnb.syncing.wishes import Direction, Wishes
from syncnb.values.raw import to_python
from syncnb.verifying import verify

__all__ = ["Upsert", "compared", "drawn", "upserted"]

log = logging.getLogger("syncnb")
ONLY_IN_PAYLOAD = "only in local"
LEFT_OUT = ("only in remote", "ignored, as told", "not among the columns told", TOUCHED)
"""Why a column may be left out of an upsert: it is none of the payload's, or somebody said so."""
DRIFT = (Refusal.CHANGED, Refusal.GONE, Refusal.TAKEN)
TRIES = 2
"""Where others write meanwhile, everything is compared once more."""


@dataclass(frozen=True, slots=True)
class Upsert:
    """What was told beyond a sync of two databases."""

    history_table: str | None = None
    rest: bool = False
    deletes: bool = False


def compared(source: Store, remote: Store, wishes: Wishes, told: Upsert) -> Diff:
    """The payload against the database: nothing is said about rows that only the database has.

    Raises SchemaError where a part of the payload would be dropped in silence, or nothing identifies a row.
    """
    d = diff_told(
        source, remote, wishes.told, base=False, partial=not told.deletes, schemas=wishes.schemas,
        progress=wishes.progress,
    )  # fmt: skip
    if d.unmatched_local:
        raise SchemaError(
            f"{remote.name} has no table {' and no '.join(d.unmatched_local)}",
            hint=f"tables=[{', '.join(map(repr, d))}] leaves the others of the payload out",
        )
    for table in d.tables:
        _check_pair(table.pair, remote)
        _check_cells(table)
    return d


def _is_small(table: TableDiff) -> bool:
    """Whether a digest of the whole table costs about what the payload itself costs."""
    counts = table.counts
    return counts.rows_remote + table.beyond <= max(10 * counts.rows_local, 10_000)


def _check_cells(table: TableDiff) -> None:
    """Values of which nobody can say whether they differ would stay as they are, and pass for unchanged."""
    names = {column.name for column in table.pair.columns}
    for left in table.uncompared:
        if left.what == "column" and left.name in names:
            rows = "some rows" if left.rows is None else f"{left.rows:,} rows"
            raise SchemaError(
                f"{left.name} of {table.name} cannot be compared in {rows}: {left.why}",
                hint='timezone="UTC" tells the zone of stamps without one; ignore= leaves the column out',
            )


def _check_pair(pair: TablePair, remote: Store) -> None:
    there = [column.name for column in pair.remote.columns]
    for left in pair.left_out:
        if left.why in LEFT_OUT:
            continue
        near = get_close_matches(left.name, there, n=1)
        meant = f"did you mean {near[0]}? " if near and left.why == ONLY_IN_PAYLOAD else ""
        why = "has no such column" if left.why == ONLY_IN_PAYLOAD else left.why
        raise SchemaError(
            f"the payload's column {left.name} cannot be written into {pair.remote.label} of {remote.name}: {why}",
            hint=f"{meant}ignore=[{left.name!r}] leaves it out",
        )
    if not pair.key:
        raise SchemaError(
            f"nothing identifies a row of {pair.name}", hint="tell it: key=[…], or key={table: […]}"
        )


def drawn(d: Diff, remote: Store, wishes: Wishes, told: Upsert) -> Plan:
    """What an upsert writes: by default the payload wins."""
    resolve = take_local if wishes.resolve is None else wishes.resolve
    return plan(d, into=remote, resolve=resolve, collisions=wishes.collisions, deletes=told.deletes)


def upserted(
    source: Store, remote: Store, wishes: Wishes, told: Upsert, direction: Direction, caller: str
) -> Synced:
    """One upsert, unattended."""
    if direction != "push":
        raise PlanError("a payload is not written to", hint='leave out direction=, or write "push"')
    if not isinstance(remote, WritableStore) or not remote.writable:
        raise PlanError(
            f"{remote.name} is written by this sync, and was opened to be read",
            hint="connect(..., writable=True) permits writing",
        )
    if remote.dialect == "sqlite":
        with remote.writing():
            pass  # what a killed writer left half done is rolled back; who only reads could not open the file
    run = _Upserting(source, remote, wishes, told, caller, keeper_for(remote, wishes.allow))
    try:
        run.begin()
        done = run.go()
    except BaseException as problem:
        with last_words():
            run.failed(problem)
        raise
    log.info("%s", done.line)
    return done


@dataclass
class _Upserting:
    """One upsert, while it runs."""

    source: Store
    remote: WritableStore
    wishes: Wishes
    told: Upsert
    caller: str
    keeper: Keeper
    number: int = 0
    ledger: Ledger | None = None
    entry: journal.Entry = ()
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the history calls the source."""
        return self.wishes.source or self.source.name

    def begin(self) -> None:
        """Settle what earlier runs left open, then say that this one begins: here, and where the service looks."""
        self.ledger = self._ledger()
        if self.ledger is not None:
            self.ledger.check()
        with self.keeper.books.writing() as book:
            self.keeper.settle(book)
            # What nobody ever applies has this name; the plan's own takes its place.
            name = f"upsert of {self.name} {clock.now().isoformat()}"
            self.number = journal.begin_run(
                book.sql, plan_id=name, source=self.name, kind="sync", caller=self.caller,
                approved_by=self.wishes.approved_by, allowed=self.wishes.allow,
            )  # fmt: skip
            runs = journal.runs(book.sql)
            book.commit()
        reach("upsert-begun")
        if self.ledger is not None:
            started = next(run.started for run in runs if run.run == self.number)
            with self.remote.writing() as writer:
                self.ledger.settle(writer.sql, runs, started)
                self.entry = self.ledger.begin(writer.sql, started)
                writer.commit()
        reach("upsert-told")

    def _ledger(self) -> Ledger | None:
        if self.told.history_table is None:
            return None
        table = self.remote.inspect(schemas=self.wishes.schemas).find(self.told.history_table)
        zones = self.remote.timezone
        zone = next((zones[name] for name in (table.label, table.name, "*") if name in zones), None)
        return Ledger(table, self.name, self.remote.dialect, zone)

    def go(self) -> Synced:
        """Compare, plan, write, prove; once more where others wrote meanwhile."""
        for attempt in range(1, TRIES + 1):
            if not self.source.inspect().tables:
                return self._told(Report("", self.number, "nothing to do"), None, (), None)
            d = compared(self.source, self.remote, self.wishes, self.told)
            p = drawn(d, self.remote, self.wishes, self.told)
            rejected = tuple(Waiting(row.table, row.key, row.why) for row in p.open)
            if rejected and not self.told.rest:
                report = Report(p.id, self.number, "refused", _with_rejected({}, p))
                return self._told(report, None, rejected, p)
            report = self._apply(p, whole=all(map(_is_small, d.tables)))
            drift = report.status == "refused" and all(o.refusal in DRIFT for o in report.results)
            if not drift or attempt == TRIES:
                break
            self.notes.append("others wrote meanwhile: it was compared once more")
        report = replace(report, totals=_with_rejected(report.totals, p))
        left = tuple(
            Waiting(o.table, o.key, f"{o.sentence}. {o.detail}") for o in report.results if o.refusal
        )
        proof = verify(self.number, self.remote) if report.status == "applied" else None
        return self._told(report, proof, (*rejected, *_undecided(p), *left), p)

    def _apply(self, p: Plan, *, whole: bool) -> Report:
        if not len(p) and not p.maps:
            return Report(
                p.id, self.number, "nothing to do", {t: {"unchanged": n} for t, n in p.unchanged.items()}
            )
        with self.keeper.books.writing() as book:
            journal.retarget(book.sql, self.number, p.id)
            book.commit()
        keeper = replace(self.keeper, beside=self._succeed)
        report = apply_within(
            p, self.remote, self.number, keeper, allow=self.wishes.allow, whole=whole, rest=self.told.rest,
            progress=self.wishes.progress,
        )  # fmt: skip
        reach("upsert-applied")
        return report

    def _succeed(self, writer: Writer, report: Report) -> None:
        """In the transaction that writes the rows."""
        if self.ledger is not None:
            self.ledger.succeed(writer.sql, self.entry, clock.now(), _records(report))

    def _told(self, report: Report, proof: Proof | None, left: tuple[Waiting, ...], p: Plan | None) -> Synced:
        """The last word on it, in both histories and for the person."""
        refused = report.status == "refused"
        records = 0 if refused else _records(report)
        error = (
            f"{'1 row was' if len(left) == 1 else f'{len(left):,} rows were'} rejected, nothing was written: {left[0].why}"
            if refused and left
            else None
        )
        if report.status != "applied":
            self._end(report, records, error)
        counts = {"records": records, "conflicts_open": len(left)}
        with self.keeper.books.writing() as book:
            journal.finish_run(
                book.sql, self.number, status="refused" if refused else "success", counts=counts, report=report,
                error=error,
            )  # fmt: skip
            book.commit()
        notes = [*self.notes, *(p.notes if p is not None else ()), *report.notes, *self.source.notes]
        return Synced(
            self.number, "push", self.caller, records, 0, left, 0, None, (report,),
            () if proof is None else (proof,), tuple(dict.fromkeys(notes)), refused, payload=True,
        )  # fmt: skip

    def _end(self, report: Report, records: int, error: str | None) -> None:
        """Where no row was written, the service's history is told apart."""
        if self.ledger is None:
            return
        with self.remote.writing() as writer:
            if report.status == "refused":
                self.ledger.fail(writer.sql, self.entry, clock.now(), error or "nothing was written")
            else:
                self.ledger.succeed(writer.sql, self.entry, clock.now(), records)
            writer.commit()

    def failed(self, problem: BaseException) -> None:
        """Say so in both histories, if they can be reached; never hide the problem itself."""
        if not self.number:
            return
        failed(self.keeper, self.number, problem)
        if self.ledger is None or not self.entry:
            return
        text = problem.message if isinstance(problem, SyncnbError) else type(problem).__name__
        try:
            with self.remote.writing() as writer:
                self.ledger.fail(writer.sql, self.entry, clock.now(), text)
                writer.commit()
        except SyncnbError:
            return  # the next start settles it


def _records(report: Report) -> int:
    """Rows of the payload that are in the database now."""
    names = ("inserted", "updated", "deleted", "unchanged")
    return sum(n.get(name, 0) for n in report.totals.values() for name in names)


def _with_rejected(totals: Mapping[str, Mapping[str, int]], p: Plan) -> dict[str, dict[str, int]]:
    """The counts with the rows that were left out before anything was tried."""
    found: dict[str, dict[str, Any]] = {table: {"unchanged": rows} for table, rows in p.unchanged.items()}
    for table, counts in totals.items():
        found.setdefault(table, {}).update(counts)
    for row in p.open:
        there = found.setdefault(row.table, {})
        there["rejected"] = there.get("rejected", 0) + 1
    return found


def _undecided(p: Plan) -> tuple[Waiting, ...]:
    return tuple(
        Waiting(block.table, key_of(key), (block.whys[at] if block.whys else block.why) or "nobody decided")
        for block in p.undecided
        for at, key in enumerate(zip(*map(to_python, block.keys), strict=True))
    )
