"""Runs and markers: what was begun, how it ended, and which stages were committed."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Connection,
    Text,
    cast,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)

from syncnb import clock
from syncnb.errors import PlanError
from syncnb.journal.installing import is_installed
from syncnb.journal.rights import said
from syncnb.journal.tables import Tables, tables_of
from syncnb.steps import Report
from syncnb.steps.codec import canonical, parse
from syncnb.steps.forms import report_from_json, report_to_json

__all__ = [
    "LEASE",
    "Kind",
    "Marker",
    "Run",
    "Status",
    "begin_run",
    "finish_run",
    "give_up",
    "gone",
    "last_run",
    "mark",
    "marker",
    "renew",
    "report_texts",
    "retarget",
    "run_report",
    "runs",
    "settle",
]  # fmt: skip

Kind = Literal["apply", "undo", "sync"]
Status = Literal["running", "success", "refused", "failed", "unknown"]
OPEN: tuple[Status, ...] = ("running", "unknown")

LEASE = timedelta(minutes=5)
"""How long a run may be silent before another settles it. A longer one renews its lease."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the journal has it, without its report."""

    run: int
    plan_id: str
    source: str
    kind: str
    status: str
    started: datetime
    finished: datetime | None
    records: int
    inserted: int
    updated: int
    deleted: int
    mapped: int
    conflicts_resolved: int
    conflicts_open: int
    stages: int
    caller: str | None
    approved_by: str | None
    allowed: tuple[str, ...]
    error: str | None
    backend: str
    lease_until: datetime
    undo_of: int | None
    digest: str | None
    """JSON: table to the digests of all its rows before the run and after it."""
    purged: datetime | None
    """When its images were taken away, after which it cannot be undone."""
    backlog: int | None = None
    """How many pending changes a sync left; None for other runs."""
    backlog_since: datetime | None = None
    """When the oldest of them was made."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A stage that was committed."""

    plan_id: str
    stage: int
    run: int
    at: datetime


def begin_run(
    connection: Connection,
    *,
    plan_id: str,
    source: str,
    kind: Kind = "apply",
    records: int = 0,
    stages: int = 1,
    caller: str | None = None,
    approved_by: str | None = None,
    allowed: Sequence[str] = (),
    undo_of: int | None = None,
    backend: str | None = None,
    lease: timedelta = LEASE,
) -> int:
    """Write the row of a run that begins, and give its number. For a short transaction of its own."""
    table, started = tables_of(connection).runs, clock.now()
    row = {
        "plan_id": plan_id, "source": source, "kind": kind, "status": "running", "started": started,
        "records": records, "stages": stages, "caller": caller, "approved_by": approved_by,
        "allowed": canonical(list(allowed)).decode(), "undo_of": undo_of,
        "backend": backend or f"{socket.gethostname()} {os.getpid()}", "lease_until": started + lease,
    }  # fmt: skip
    with said("writing a run to"):
        return int(connection.execute(insert(table).values(row).returning(table.c.run)).scalar_one())


def renew(connection: Connection, run: int, *, lease: timedelta = LEASE) -> None:
    """Tell that a run still goes on. From another connection than the one whose transaction it is."""
    table = tables_of(connection).runs
    with said("writing a run to"):
        connection.execute(
            update(table)
            .where(table.c.run == run, table.c.status == "running")
            .values(lease_until=clock.now() + lease)
        )


def give_up(connection: Connection, plan_ids: Sequence[str | None], error: str) -> None:
    """Say of the open runs of these plans that they failed: nobody is at them, and they have written nothing."""
    table = tables_of(connection).runs
    wanted = table.c.plan_id.in_([name for name in plan_ids if name]) & table.c.status.in_(OPEN)
    with said("writing a run to"):
        connection.execute(
            update(table).where(wanted).values(status="failed", finished=clock.now(), error=error)
        )


def retarget(connection: Connection, run: int, plan_id: str) -> None:
    """Tell which plan a run applies, where that was not known when it began."""
    table = tables_of(connection).runs
    with said("writing a run to"):
        connection.execute(update(table).where(table.c.run == run).values(plan_id=plan_id))


def finish_run(
    connection: Connection,
    run: int,
    *,
    status: Status,
    counts: Mapping[str, Any] | None = None,
    report: Report | None = None,
    error: str | None = None,
    digest: str | None = None,
) -> bool:
    """Write how a run ended; whether that was still to be said.

    Success goes into the transaction of the last stage and holds whatever was thought of the run before.
    Anything else is only said of a run that is still open, so that it can never hide a success.
    `counts` are columns of the run: inserted, updated, deleted, mapped, conflicts_resolved, conflicts_open,
    records, backlog.
    """
    table = tables_of(connection).runs
    wanted = table.c.run == run
    if status != "success":
        wanted &= table.c.status.in_(OPEN)
    values: dict[str, Any] = {**(counts or {}), "status": status, "finished": clock.now(), "error": error}
    if report is not None:
        values["report"] = canonical(report_to_json(report)).decode()
        if report.digests:
            values["digest"] = canonical(report_to_json(report)["digests"]).decode()
    if digest is not None:
        values["digest"] = digest
    with said("writing a run to"):
        return connection.execute(update(table).where(wanted).values(values)).rowcount == 1


def mark(connection: Connection, plan_id: str, stage: int, run: int) -> None:
    """Mark a stage as done, in its own transaction. Raises WriteError (23505) where it is marked already."""
    row = {"plan_id": plan_id, "stage": stage, "run": run, "at": clock.now()}
    with said("writing a marker to"):
        connection.execute(insert(tables_of(connection).markers).values(row))


def marker(connection: Connection, plan_id: str, stage: int) -> Marker | None:
    """The marker of a stage; None where it was never committed."""
    table = tables_of(connection).markers
    wanted = select(table.c.plan_id, table.c.stage, table.c.run, table.c.at)
    with said("reading", reading=True):
        row = connection.execute(wanted.where(table.c.plan_id == plan_id, table.c.stage == stage)).first()
    return None if row is None else Marker(*row)


def last_run(connection: Connection) -> int:
    """The number of the last run; 0 where there is none, or no journal."""
    if not is_installed(connection):
        return 0
    with said("reading", reading=True):
        return int(connection.scalar(select(func.max(tables_of(connection).runs.c.run))) or 0)


def runs(connection: Connection) -> list[Run]:
    """All runs, the first first; none where there is no journal. An older journal is read as it is."""
    if not is_installed(connection):
        return []
    table = tables_of(connection).runs
    names = [field.name for field in fields(Run)]
    with said("reading", reading=True):
        there = set(connection.execute(select(literal_column("*")).select_from(table).limit(0)).keys())
        chosen = [table.c[name] if name in there else null().label(name) for name in names]
        rows = connection.execute(select(*chosen).order_by(table.c.run)).mappings().all()
    return [Run(**{**row, "allowed": tuple(parse(row["allowed"] or "[]"))}) for row in rows]


def run_report(connection: Connection, run: int) -> Report | None:
    """The report of a run; None where it ended without one. Raises PlanError where there is no such run."""
    if is_installed(connection):
        table = tables_of(connection).runs
        with said("reading", reading=True):
            row = connection.execute(select(table.c.report).where(table.c.run == run)).first()
        if row is not None:
            return None if row.report is None else report_from_json(parse(row.report))
    raise PlanError(
        f"there is no run {run} in this journal", hint="sn.history(store) lists the runs there are"
    )


def report_texts(connection: Connection) -> dict[int, str | None]:
    """The stored reports of all runs, still as text: one that cannot be read must not hide the others."""
    if not is_installed(connection):
        return {}
    table = tables_of(connection).runs
    with said("reading", reading=True):
        rows = connection.execute(select(table.c.run, table.c.report).order_by(table.c.run)).all()
    return {row.run: row.report for row in rows}


def settle(connection: Connection) -> list[int]:
    """Settle the runs that nobody will: those still running after their lease, or whose process on this machine
    is gone, and the unknown ones.

    A run whose last stage is marked as its own was a success, any other has failed. While somebody holds
    the lock named by its plan's id, as applying does, the old backend may still be at work: such a run
    stays as it is. The numbers that were settled.
    """
    ours = tables_of(connection)
    columns = ours.runs.c
    here = f"{socket.gethostname()} "
    over = or_(
        columns.status == "unknown",
        columns.lease_until < clock.now(),
        columns.backend.startswith(here, autoescape=True),
    )
    wanted = (
        columns.run,
        columns.plan_id,
        columns.stages,
        columns.status,
        columns.backend,
        columns.lease_until,
    )
    left = select(*wanted).where(columns.status.in_(OPEN), over).order_by(columns.run)
    settled = []
    with said("settling runs in"):
        for run, plan_id, stages, status, backend, lease in connection.execute(left).all():
            if status == "running" and lease >= clock.now() and not gone(backend):
                continue
            if _free(connection, plan_id) and _settle(connection, ours, run, plan_id, stages):
                settled.append(run)
    return settled


def gone(backend: str) -> bool:
    """Whether this is a process of this machine that does not live any more. False where that cannot be known."""
    host, _, number = backend.rpartition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    with suppress(PermissionError):
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            return True
    return False


def _free(connection: Connection, plan_id: str) -> bool:
    if connection.dialect.name != "postgresql":
        return True  # a SQLite file has one writer, and that is we
    # As `Writer.lock` takes it.
    name = func.pg_catalog.hashtextextended(cast(plan_id, Text), cast(0, BigInteger))
    return bool(connection.scalar(select(func.pg_catalog.pg_try_advisory_xact_lock(name))))


def _settle(connection: Connection, ours: Tables, run: int, plan_id: str, stages: int) -> bool:
    marks = select(ours.markers.c.run).where(ours.markers.c.plan_id == plan_id)
    # By the plan, not by the run: a plan that was taken up again has its first markers from an earlier run.
    done = connection.scalars(marks.order_by(ours.markers.c.stage)).all()
    if len(done) >= stages and done[-1] == run:
        return finish_run(connection, run, status="success")
    return finish_run(
        connection,
        run,
        status="failed",
        error="it ended without an answer; nothing of its last stage was written",
    )
