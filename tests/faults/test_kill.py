"""kill -9 while a plan is applied, at named points and at random: the rows are as before or as after, and the journal says which."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.faults.ledger import summed_up
from tests.proof.counting import SEED, count, draws, judged, share

KILLS = share(13) or 17
ROWS = 1500
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, balance INTEGER)"
FILL = (
    f"INSERT INTO t WITH RECURSIVE i(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM i WHERE k < {ROWS})"
    # Odd ones pay even ones: what they hold together is the same in every state.
    " SELECT k, {0}, 100 + CASE k % 2 WHEN 0 THEN 1 ELSE -1 END * ((k + 1) / 2 * 7 + {0}) % 100 FROM i"
)

POINTS = {
    "settling": "before",
    "run-begun": "before",
    "staged": "before",
    "written": "before",
    "marked": "before",
    "before-commit": "before",
    "after-commit": "after",
}


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_kill_at_each_point(bench: Workbench, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start says in the run's row what became of the run that was killed: after its lease, or by a clock set back."""
    store = made(bench, dialect)
    state = 0
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for number, (point, side) in enumerate(POINTS.items(), 1):
        monkeypatch.setenv("SYNCNB_NOW", (noon + timedelta(hours=number)).isoformat())
        p = plan_to(bench, store, number)
        killed_at(point, lambda p=p: sn.apply(p, store, allow=("many_changes",)))
        with judged():
            assert values(store, bench) == {state if side == "before" else number}, point
        killed = sn.history(store).runs[-1] if point != "settling" else None
        assert killed is None or killed.status == ("running" if side == "before" else "success"), point
        later = timedelta(minutes=6) if number % 2 else timedelta(minutes=-90)
        monkeypatch.setenv("SYNCNB_NOW", (noon + timedelta(hours=number) + later).isoformat())
        r = sn.apply(p, store, allow=("many_changes",))
        assert r.status == ("applied" if side == "before" else "already applied"), point
        settled = {run.run: run.status for run in sn.history(store).runs}
        assert "running" not in settled.values(), point
        assert killed is None or settled[killed.run] == ("failed" if side == "before" else "success"), point
        with judged():
            assert values(store, bench) == {number}
        state = number
    assert sn.verify(r, store)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_kill_before_a_refusal_is_told(
    bench: Workbench, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made(bench, dialect)
    p, later = plan_to(bench, store, 1), plan_to(bench, store, 2)
    monkeypatch.setenv("SYNCNB_NOW", "2026-01-31T12:00:00Z")
    sn.apply(later, store, allow=("many_changes",))
    killed_at("before-refusal", lambda: sn.apply(p, store, allow=("many_changes",)))
    assert (values(store, bench), sn.history(store).runs[-1].status) == ({2}, "running")
    monkeypatch.setenv("SYNCNB_NOW", "2026-01-31T12:06:00Z")
    assert sn.apply(p, store, allow=("many_changes",)).status == "refused"
    assert sn.history(store).frame["status"].tolist() == ["success", "failed", "refused"]


def test_a_point_that_is_none_is_told(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(bench, "sqlite")
    p = plan_to(bench, store, 1)
    monkeypatch.setenv("SYNCNB_FAILPOINT", "before-comit")
    with pytest.raises(sn.SyncnbError, match="names no point: 'before-comit'"):
        sn.apply(p, store, allow=("many_changes",))


def made(bench: Workbench, dialect: str) -> sn.Store:
    target = bench.make(dialect, DDL, FILL.format(0))
    return sn.connect(target.path if dialect == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]


def killed_at(point: str, work: Callable[[], object]) -> None:
    """Do this in a fork that dies at this point."""
    child = os.fork()
    if not child:
        os.environ["SYNCNB_FAILPOINT"] = point
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, f"{point} was not reached"
    count(f"kills at {point}")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_random_kills(bench: Workbench, dialect: str) -> None:
    draw = draws(3)
    store = made(bench, dialect)
    state = 0
    seen = {"before": 0, "after": 0}
    whole = 0.0
    for number in range(KILLS + 1):
        p = plan_to(bench, store, number + 1)
        # The first one lives to its end, and shows how long that is.
        after = draw.uniform(0, 1.3 * whole) if number else 60
        lived = killed(lambda p=p: sn.apply(p, store, allow=("many_changes",)), after)
        whole = whole or lived
        found = values(store, bench)
        with judged():
            assert found in ({state}, {number + 1}), f"kill {number}: a mixture {found}"
        seen["before" if found == {state} else "after"] += 1
        r = sn.apply(p, store, allow=("many_changes",))
        assert r.status == ("applied" if found == {state} else "already applied")
        with judged():
            assert values(store, bench) == {number + 1}
        last = sn.history(store).frame
        assert last["status"].tolist().count("success") == number + 1
        state = number + 1
    assert min(seen.values()) > 1 or SEED in os.environ, seen  # another draw may well kill late or early only
    assert sn.verify(r, store)


def plan_to(bench: Workbench, store: sn.Store, number: int) -> sn.Plan:
    return sn.plan(sn.diff(bench.sqlite(DDL, FILL.format(number)), store), into=store, resolve=sn.take_local)


def killed(work: Callable[[], object], after: float) -> float:
    """Do this in a fork and kill it after so many seconds; how long it lived."""
    started = time.monotonic()
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    deadline = started + after
    while time.monotonic() < deadline and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.002)
    try:
        os.kill(child, signal.SIGKILL)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL:
            count("kills of a process at random")
    except (ChildProcessError, ProcessLookupError):
        pass
    return time.monotonic() - started


def values(store: sn.Store, bench: Workbench) -> set[int]:
    """The distinct values of the table, read without syncnb; complete rows only, whose sum is as ever."""
    one = sqlite3.connect(Path(store.path)) if store.dialect == "sqlite" else psycopg.connect(bench.last)  # type: ignore[attr-defined]
    with closing(one) as connection:
        summed_up(*connection.execute("SELECT sum(balance) FROM t").fetchone(), 100 * ROWS)
        rows = connection.execute("SELECT DISTINCT n, (SELECT count(*) FROM t) FROM t").fetchall()
    with judged():
        assert {count for _, count in rows} == {ROWS}
    return {n for n, _ in rows}
