"""kill -9 while a plan is applied, at random moments: the rows are as before or as after, and the journal says which."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench

KILLS = 25
ROWS = 1500
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"
FILL = "INSERT INTO t WITH RECURSIVE i(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM i WHERE k < {}) SELECT k, {} FROM i"


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_random_kills(bench: Workbench, dialect: str) -> None:
    draw = random.Random(3)
    target = bench.make(dialect, DDL, FILL.format(ROWS, 0))
    store = sn.connect(target.path if dialect == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]
    state = 0
    lengths = [0.25]
    seen = {"before": 0, "after": 0}
    for number in range(1, KILLS + 1):
        p = plan_to(bench, store, number)
        lengths.append(
            killed(
                lambda p=p: sn.apply(p, store, allow=("many_changes",)),
                draw.uniform(0, 1.2 * max(lengths[-5:])),
            )
        )
        found = values(store, bench)
        assert found in ({state}, {number}), f"kill {number}: a mixture {found}"
        seen["before" if found == {state} else "after"] += 1
        r = sn.apply(p, store, allow=("many_changes",))
        assert r.status == ("applied" if found == {state} else "already applied")
        assert values(store, bench) == {number}
        last = sn.history(store).frame
        assert last["status"].tolist().count("success") == number
        state = number
    assert min(seen.values()) > 2, seen
    assert sn.verify(r, store)


def plan_to(bench: Workbench, store: sn.Store, number: int) -> sn.Plan:
    return sn.plan(
        sn.diff(bench.sqlite(DDL, FILL.format(ROWS, number)), store), into=store, resolve=sn.take_local
    )


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
        os.waitpid(child, 0)
    except (ChildProcessError, ProcessLookupError):
        pass
    return time.monotonic() - started


def values(store: sn.Store, bench: Workbench) -> set[int]:
    """The distinct values of the table, read without syncnb; complete rows only."""
    query = "SELECT DISTINCT n, (SELECT count(*) FROM t) FROM t"
    if store.dialect == "sqlite":
        with sqlite3.connect(Path(store.path)) as connection:  # type: ignore[attr-defined]
            rows = connection.execute(query).fetchall()
        connection.close()
    else:
        with psycopg.connect(bench.last) as connection:
            rows = connection.execute(query).fetchall()
    assert {count for _, count in rows} == {ROWS}
    return {n for n, _ in rows}
