"""Faults 1 to 16: processes that die, connections that are cut, servers that say no."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.applying import running, verb
from syncnb.stores import postgres_writer
from tests.databases import KEEPER
from tests.faults.places import DDL, Place, killed_at, planned, said
from tests.faults.proving import edited, fault, pattern
from tests.faults.proxy import proxied

PG = "postgresql"
KEPT: list[Any] = []
"""What is kept open on purpose, while the handling that closes it is away."""


def statuses(store: sn.Store) -> list[str]:
    return [run.status for run in sn.history(store).runs]


@fault(
    1,
    without={"syncnb.journal.settle": lambda connection: []},
    good=([(0,)], "applied", ["failed", "success"], 1),
    harm=([(0,)], "applied", ["running", "success"], 1),
)
def test_killed_before_commit(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    killed_at("before-commit", lambda: sn.apply(p, remote))
    left = place.ask(remote, "SELECT n FROM t")
    return left, said(lambda: sn.apply(p, remote)), statuses(remote), place.value(remote)


@fault(
    2,
    without={
        "syncnb.syncing.running.Sync.settle": edited("advance(writer.sql, self.pair_id, passed, {})", "pass")
    },
    good=([1, 5], "pushed 1", "agreed, nobody asked"),
    harm=([1, 5], "pushed 0", "a conflict"),
)
def test_killed_after_commit(place: Place) -> object:
    """A sync dies when the remote has the row and the base does not; then only the local side goes on."""
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 1"])
    sn.sync(local, remote)
    place.tell(local, "UPDATE t SET n = 5")
    killed_at("sync-applied", lambda: sn.sync(local, remote))
    between = [1, place.value(remote)]
    place.tell(local, "UPDATE t SET n = 6")
    done = sn.sync(local, remote)
    return (
        between,
        f"pushed {done.records}",
        "a conflict" if done.waiting is not None and len(done.open) else "agreed, nobody asked",
    )


@fault(
    3,
    without={
        "syncnb.applying.running.Run._settled": edited(
            "until = time.monotonic() + SETTLE_SECONDS", "raise lost"
        )
    },
    good=[("before", "WriteError: the connection was lost before .*", 0), ("after", "applied", 1)],
    harm=[("before", "UnknownOutcome", 0), ("after", "UnknownOutcome", 1)],
)
def test_cut_at_commit(place: Place) -> object:
    happened = []
    for cut in ("before", "after"):
        local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
        server = place.bench.server
        with proxied(server.host, server.port) as proxy:
            url = place.bench.last.replace(f":{server.port}/", f":{proxy.port}/")
            through = sn.connect(url, writable=True)
            p = planned(local, through)
            proxy.arm(3, cut)  # type: ignore[arg-type]
            told = said(lambda through=through, p=p: sn.apply(p, through))
        told = (
            "WriteError: the connection was lost before .*"
            if "lost before" in told
            else told.partition(":")[0]
        )
        happened.append((cut, told, place.value(remote)))
    return happened


def cut_short(remote: sn.Store, place: Place, chunks: Any) -> Any:
    """The backend is ended by somebody else when a part of the rows was sent."""

    def sent(*told: Any, **more: Any) -> Iterator[bytes]:
        for chunk in chunks(*told, **more):
            yield chunk[: len(chunk) // 2]
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            place.ask(remote, query)
            yield from [chunk[len(chunk) // 2 :]] * 200

    return sent


@fault(
    4,
    without={
        "syncnb.stores.postgres_writer.PostgresWriter._translated": edited(
            "raise postgres_write_error(error, where, lost=self._connection.closed, held=held) from None",
            "raise",
        )
    },
    good=("WriteError: the connection was lost while t was written", 0, "applied"),
    harm=("psycopg.OperationalError", 0, "applied"),
)
def test_cut_in_the_middle_of_copy(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    filled = "INSERT INTO t SELECT n, n FROM (WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 5000) SELECT n FROM i)"
    local, remote = place.make("sqlite", DDL, filled), place.make(PG, DDL)
    p = planned(local, remote)
    with monkeypatch.context() as patch:
        patch.setattr(postgres_writer, "csv_chunks", cut_short(remote, place, postgres_writer.csv_chunks))
        told = said(lambda: sn.apply(p, remote))
    return told, place.value(remote, "SELECT count(*) FROM t"), said(lambda: sn.apply(p, remote))


SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(8); RETURN NEW; END'",
    "CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow()",
)
SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    f" AND application_name <> '{KEEPER}'"
)


ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


def pressed_when(place: Place, store: sn.Store, query: str) -> None:
    """Press Ctrl-C once the server says so."""
    until = time.monotonic() + 20
    while not place.value(store, query) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


@fault(
    5,
    without={
        "syncnb.applying.verb.apply": edited("except BaseException as problem", "except Exception as problem")
    },
    good=("builtins.KeyboardInterrupt", 0, ["failed"], 0, "applied"),
    harm=("builtins.KeyboardInterrupt", 0, ["running"], 0, "applied"),
)
def test_an_interrupt_while_the_server_works(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    place.tell(remote, *SLOW)
    p = planned(local, remote)
    pressing = threading.Thread(target=pressed_when, args=(place, remote, ASLEEP))
    pressing.start()
    told = said(lambda: verb.apply(p, remote, caller="a person"))
    pressing.join()
    until = time.monotonic() + 20
    while (open_ones := place.value(remote, SESSIONS)) and time.monotonic() < until:
        time.sleep(0.02)  # a process of the server takes a moment to go
    ended = statuses(remote)
    value = place.value(remote)
    place.tell(remote, "DROP TRIGGER slow ON t")
    fresh = planned(local, remote)
    return told, value, ended, open_ones, said(lambda: sn.apply(fresh, remote))


@fault(
    6,
    without={"syncnb.journal.finish_run": edited('if status != "success"', "if False")},
    good=("builtins.KeyboardInterrupt", 1, ["success"], "already applied"),
    harm=("builtins.KeyboardInterrupt", 1, ["failed"], "already applied"),
)
def test_an_interrupt_after_commit(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)

    def pressed(point: str) -> None:
        if point == "after-commit":
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(running, "reach", pressed)
        told = said(lambda: sn.apply(p, remote))
    return told, place.value(remote), statuses(remote), said(lambda: sn.apply(p, remote))


@fault(
    7,
    without={"syncnb.applying.keeping.Keeper.stored": lambda *_: None},
    good=("already applied", 1, ["success"], 1),
    harm=("refused", None, ["success", "refused"], 1),
)
def test_a_cell_is_run_again(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    first, again = sn.apply(p, remote), sn.apply(p, remote)
    return again.status, again.run if again.run == first.run else None, statuses(remote), place.value(remote)


@fault(
    8,
    without={"syncnb.applying.keeping.Keeper.stored_now": lambda *_: None},
    good=(["already applied", "applied"], ["failed", "success"], 2),
    harm=(["applied", "refused"], ["refused", "success"], 2),
)
def test_two_at_one_plan(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    """Both have looked for the plan, and found nothing, before either writes."""
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    sn.apply(planned(local, remote), remote)  # makes the journal
    place.tell(local, "UPDATE t SET n = 2")
    p = planned(local, remote)
    together = threading.Barrier(2, timeout=20)

    def begun(point: str) -> None:
        if point == "run-begun":
            together.wait()

    monkeypatch.setattr(running, "reach", begun)
    told: list[str] = []
    both = [threading.Thread(target=lambda: told.append(said(lambda: sn.apply(p, remote)))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    return sorted(told), sorted(statuses(remote)[1:]), place.value(remote)


@fault(
    9,
    without={
        "syncnb.applying.writing._drifted": lambda work, before: iter(()),
        "syncnb.stores.postgres_staging.Layout._guards": lambda layout: iter(()),
    },
    good=("refused", 1, "n was 0, is 1"),
    harm=("applied", 2, ""),
)
def test_two_plans_for_one_row(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    first = planned(local, remote)
    place.tell(local, "UPDATE t SET n = 2")
    second = planned(local, remote)
    sn.apply(first, remote)
    r = sn.apply(second, remote)
    return r.status, place.value(remote), "; ".join(found.detail for found in r.results)


WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@fault(
    10,
    without={"syncnb.applying.running.RETRIED": ()},
    good=("applied", [(1, 1), (2, 2)]),
    harm=("WriteError: this transaction and another one waited for each other at t", [(1, 0), (2, 0)]),
)
def test_a_deadlock(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1", "2, 2"], remote=["1, 0", "2, 0"])
    p = planned(local, remote)
    place.tell(remote, f"ALTER DATABASE {remote.name} SET deadlock_timeout = '300ms'")
    try:
        with place.opened(remote) as other:
            other.execute("SET deadlock_timeout = '20s'")  # so that the victim is not this one
            other.execute("BEGIN")
            other.execute("SELECT FROM t WHERE id = 2 FOR UPDATE")

            def crosses() -> None:
                until = time.monotonic() + 10
                while not place.value(remote, WAITING) and time.monotonic() < until:
                    time.sleep(0.02)
                other.execute("SELECT FROM t WHERE id = 1 FOR UPDATE")
                other.execute("ROLLBACK")

            crossing = threading.Thread(target=crosses)
            crossing.start()
            told = said(lambda: sn.apply(p, remote))
            crossing.join()
    finally:
        place.tell(remote, f"ALTER DATABASE {remote.name} RESET deadlock_timeout")
    return told, place.ask(remote)


@fault(
    11,
    without={"syncnb.stores.postgres_writer.LOCK_TIMEOUT": "0"},
    good=(
        "WriteError: t is locked by somebody else: session N (role postgres, idle in transaction)",
        "told in time",
        ["failed"],
        0,
    ),
    harm=("applied", "waited until the other one ended", ["success"], 1),
)
def test_a_lock_of_somebody_else(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    monkeypatch.setattr(running, "TRIES", 2)
    if postgres_writer.LOCK_TIMEOUT != "0":
        monkeypatch.setattr(postgres_writer, "LOCK_TIMEOUT", "200ms")
    ended = threading.Event()
    with place.opened(remote) as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM t FOR UPDATE")

        def ends() -> None:
            ended.wait(4)
            other.execute("ROLLBACK")

        ending = threading.Thread(target=ends)
        ending.start()
        told = said(lambda: sn.apply(p, remote)).replace(str(other.info.backend_pid), "N")
        when = "told in time" if ending.is_alive() else "waited until the other one ended"
        ended.set()
        ending.join()
    return told, when, statuses(remote), place.value(remote)


@fault(
    12,
    without={
        "syncnb.stores.write_errors.CAUSES": (),
        "syncnb.stores.postgres_writer.OPENING": postgres_writer.OPENING.replace("true)", "false)"),
    },
    good=(
        "WriteError: the server stopped writing t: canceling statement due to statement timeout",
        0,
        "left as it was",
    ),
    harm=("WriteError: t could not be written: canceling statement due to statement timeout", 0, "5s stays"),
)
def test_a_time_limit_of_the_server(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    place.tell(remote, *SLOW, f"ALTER DATABASE {remote.name} SET statement_timeout = '400ms'")
    p = planned(local, remote)
    try:
        told = said(lambda: sn.apply(p, remote))
    finally:
        place.tell(remote, f"ALTER DATABASE {remote.name} RESET statement_timeout")
    with psycopg.connect(**remote.parameters, autocommit=True) as session:  # type: ignore[attr-defined]
        postgres_writer._begin(session, remote)  # type: ignore[arg-type]
        session.execute("COMMIT")
        stays = session.execute("SHOW lock_timeout").fetchone()[0]  # type: ignore[index]
    return told, place.value(remote), "left as it was" if stays == "0" else f"{stays} stays"


ONCE = (
    "CREATE SEQUENCE tries",
    "CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF nextval('tries') = 1 THEN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER once BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION once()",
)


@fault(
    13,
    without={"syncnb.applying.running.RETRIED": ()},
    good=("applied", 1),
    harm=("WriteError: the server gave up the transaction at t: could not serialize", 0),
)
def test_a_serialization_failure(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    place.tell(remote, *ONCE)
    p = planned(local, remote)
    return said(lambda: sn.apply(p, remote)), place.value(remote)


@fault(
    14,
    without={
        "syncnb.stores.postgres.PostgresReader.close": lambda reader: None,
        "syncnb.stores.postgres.keep": lambda parameters, connection: KEPT.append(connection),
    },
    good=("nothing is open", "applied"),
    harm=pattern(r"\('[0-9]+ sessions idle in a transaction', 'applied'\)"),
)
def test_nothing_is_open_while_a_person_reads(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    p = planned(local, remote)
    p.preview()
    idle = place.value(
        remote,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    told = said(lambda: sn.apply(p, remote))
    while KEPT:
        KEPT.pop().close()
    return f"{idle} sessions idle in a transaction" if idle else "nothing is open", told


@fault(
    15,
    without={
        "syncnb.stores.postgres_writer.PostgresWriter.commit": edited('if answer != "COMMIT"', "if False")
    },
    good=("WriteError: the database rolled the transaction back instead of committing it", 0),
    harm=("None", 0),
)
def test_commit_answers_rollback(place: Place) -> object:
    remote = place.make(PG, DDL, "INSERT INTO t VALUES (1, 0)")

    def swallows() -> None:
        """What a caller might do: an error is caught, and everything goes on to its COMMIT."""
        with remote.writing() as writer:  # type: ignore[attr-defined]
            writer._connection.execute("UPDATE t SET n = 1")
            with pytest.raises(psycopg.Error):
                writer._connection.execute("SELECT 1 / 0")
            writer.commit()

    return said(swallows).replace(remote.name, "the database"), place.value(remote)


ENDS = (
    "CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER ends AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ends()",
)


@fault(
    16,
    without={
        "syncnb.stores.postgres_writer.PostgresWriter.commit": edited(
            "raise unknown_outcome(self._name) from None", "return"
        )
    },
    good=(
        "WriteError: the connection was lost before the database committed: nothing was written",
        0,
        ["failed"],
    ),
    harm=("applied", 0, ["running"]),
)
def test_the_server_ends_the_session_at_commit(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    place.tell(remote, *ENDS)
    p = planned(local, remote)
    return (
        said(lambda: sn.apply(p, remote)).replace(remote.name, "the database"),
        place.value(remote),
        statuses(remote),
    )
