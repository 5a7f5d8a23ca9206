"""Work that somebody watches: it says how far it is, and stops when told, with nothing written."""

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest

import syncnb as sn
from syncnb import watching
from syncnb.watching import Progress, Watch, bar
from tests.databases import Workbench

ROWS = 60_000
FILL = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t SELECT i, 'row ' || i{more} FROM n"


def pair(bench: Workbench, engine: str, rows: int = ROWS) -> tuple[sn.Store, sn.Store]:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"
    local = bench.sqlite(ddl, FILL.format(rows=rows, more=" || '!'"))
    fill = FILL.format(rows=rows, more="")
    if engine == "postgresql":
        fill = f"INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, {rows}) AS i"
    return local, bench.make(engine, ddl, fill)


def writable(store: sn.Store) -> sn.Store:
    from dataclasses import replace

    return replace(store, writable=True)  # type: ignore[type-var]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_it_says_how_far_it_is(bench: Workbench, engine: str) -> None:
    told: list[Progress] = []
    local, remote = pair(bench, engine, 20_000)
    with Watch(told.append).work():
        d = sn.diff(local, remote)
        sn.apply(sn.plan(d, into=remote, resolve=sn.take_local), writable(remote), allow=("many_changes",))
    assert {each.what for each in told} == {"t", "update t"}
    assert all(each.total is None or each.done <= 2 * each.total for each in told)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_diff_stops_at_once(bench: Workbench, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.0)  # else a fast machine is done before it is told anything
    local, remote = pair(bench, engine)
    watch = Watch(lambda progress: watch.stop() if progress.done else None)
    with watch.work(), pytest.raises((sn.ReadError, sn.Stopped), match="stopped"):
        sn.diff(local, remote)
    assert sn.diff(local, remote, progress=False).verdict == "different", "the next one is whole"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_statement_that_runs_is_cancelled_by_the_driver(bench: Workbench, engine: str) -> None:
    """Neither engine comes back from this one by itself within a minute."""
    _, store = pair(bench, engine, 10)
    slow = (
        "SELECT pg_sleep(60)" if engine == "postgresql"
        else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    )  # fmt: skip
    watch, started = Watch(), time.monotonic()
    timer = threading.Timer(0.3, watch.stop)
    timer.start()
    with watch.work(), pytest.raises(Exception, match="(?i)interrupted|cancel"), store.reading() as reader:
        reader._connection.execute(slow).fetchall()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 20
    timer.join()


class StopAt(Watch):
    """Stops when a verb says that it is at this."""

    def __init__(self, what: str) -> None:
        super().__init__(self._look)
        self._what = what

    def _look(self, progress: Progress) -> None:
        if progress.what.startswith(self._what):
            self.stop()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_apply_that_was_stopped_has_written_nothing_and_says_so(bench: Workbench, engine: str) -> None:
    local, remote = pair(bench, engine, 2_000)
    remote = writable(remote)
    before = sn.diff(local, remote, progress=False)
    plan = sn.plan(before, into=remote, resolve=sn.take_local)
    with StopAt("update").work(), pytest.raises((sn.WriteError, sn.Stopped), match="stopped"):
        sn.apply(plan, remote, allow=("many_changes",))
    assert sn.diff(local, remote, progress=False).summary.equals(before.summary)
    assert sn.history(remote).frame["status"].tolist() == ["failed"]
    report = sn.apply(plan, remote, allow=("many_changes",))
    assert report.status == "applied"
    assert sn.verify(report, remote)


def test_what_is_told_before_it_begins_does_not_begin(bench: Workbench) -> None:
    local, remote = pair(bench, "sqlite", 10)
    watch = Watch()
    watch.stop()
    with watch.work(), pytest.raises(sn.Stopped):
        sn.diff(local, remote)
    with watch.work(), watching.to_its_end(), local.reading() as reader:
        assert reader.schema()["t"].name == "t", "what says how a run ended is not stopped"


def test_one_watch_stops_only_its_own_work(bench: Workbench, tmp_path: Path) -> None:
    local, _ = pair(bench, "sqlite", 1_000)
    mine, other = Watch(), Watch()
    with other.work(), local.reading() as theirs:
        mine.stop()
        assert sum(batch.num_rows for batch in theirs.batches(theirs.schema()["t"], ["id"])) == 1_000
    assert not other.stopped


def test_stopping_beside_the_end_never_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.close()
    store = sn.connect(path)
    for _ in range(50):
        watch = Watch()
        stopper = threading.Thread(target=watch.stop)
        with watch.work():
            stopper.start()
            try:
                store.inspect()
            except sn.SyncnbError:
                assert watch.stopped
        stopper.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_bar_waits_for_no_process_that_was_killed() -> None:
    """tqdm's own lock is shared with forked processes: one that dies holding it never gives it back."""
    child = os.fork()
    if not child:
        from tqdm.auto import tqdm

        tqdm.set_lock(multiprocessing.RLock())  # not that of the process that runs the tests
        if not (inner := os.fork()):
            tqdm.get_lock().acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(inner, 0)
        signal.alarm(10)
        with bar(3, shown=True, disable=False) as made:
            made.update(3)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
