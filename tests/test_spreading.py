"""Ranges of a table on threads, processes and machines: found is what one process finds, whatever happens to workers."""

import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import syncnb as sn
from syncnb.comparing import comparison, lending, spreading
from tests.databases import ENGINES, Workbench, rows
from tests.test_strategies import (
    EXACT_WAY,
    IDS,
    ITEMS,
    KEYS,
    NAMES,
    TYPES,
    confused,
    filled,
    item,
    quiet,
    tables,
    told,
)


@pytest.fixture(autouse=True)
def tables_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "LARGE", 1)
    monkeypatch.setattr(spreading, "RANGE_ROWS", 50)


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def both(local: sn.Store, remote: sn.Store, executor: Executor, **options: Any) -> sn.Diff:
    """The diff by ranges, which has found what one stream found."""
    alone = sn.diff(local, remote, strategy="stream", progress=False, **options)
    found = sn.diff(local, remote, executor=executor, progress=False, **options)
    assert told(found) == told(alone)
    return found


def spread(local: sn.Store, remote: sn.Store, executor: Executor, **options: Any) -> str:
    """The same, where ranges are what was really compared; how, in words."""
    d = both(local, remote, executor, **options)
    why: str = d.tables[0].how["why"]
    assert f"ranges by {type(executor).__name__}" in why
    return why


def items(bench: Workbench, one: str, other: str) -> tuple[sn.Store, sn.Store]:
    """Two tables with something different in most ranges."""
    ours = [item(one, n) for n in range(-20, 400) if n not in (0, 398)]
    changed: dict[int, dict[str, object]] = {
        7: {"name": "x"},
        50: {"price": 0.01},
        151: {"n": "NULL"},
        399: {"name": None},
    }
    theirs = [item(other, n, **changed.get(n, {})) for n in range(-20, 410) if n not in (1, 2)]
    local = bench.make(one, ITEMS.format(**TYPES[one]), *rows("items", ours))
    return local, bench.make(other, ITEMS.format(**TYPES[other]), *rows("items", theirs))


@pytest.mark.parametrize(("one", "other"), ENGINES.values(), ids=ENGINES)
def test_what_differs_is_found(bench: Workbench, threads: Executor, one: str, other: str) -> None:
    local, remote = items(bench, one, other)
    assert spread(local, remote, threads) == "both sides in key order, 9 ranges by ThreadPoolExecutor"
    assert spread(remote, local, threads, ids="meaningless", ignore="x")
    assert spread(local, local, threads)


@pytest.mark.parametrize(("key", "ours", "theirs"), KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("other", ["postgresql"])
def test_keys(
    bench: Workbench,
    threads: Executor,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
    key: str,
    ours: list[str],
    theirs: list[str],
) -> None:
    monkeypatch.setattr(spreading, "RANGE_ROWS", 2 if len(ours) < 50 else 100)
    sides = []
    for engine, keys, more in (("sqlite", ours, ""), (other, theirs, "x")):
        first, _, constraint = key.format(**NAMES[engine]).rstrip(", ").partition(", PRIMARY")
        ddl = f"CREATE TABLE t ({first}, v text{', PRIMARY' * bool(constraint)}{constraint})"
        values = [
            f"{k}, '{sum(k.encode())}{more if sum(k.encode()) % 5 == 1 else ''}'"
            for k in keys
            if engine == "sqlite" or k != "40000"
        ]
        sides.append(bench.make(engine, ddl, *rows("t", values)))
    d = both(*sides, threads).tables[0]
    assert ("ranges by" in d.how["why"]) == (" uuid" not in key and "timestamp" not in key), d.how["why"]


NO_ORDER = {
    name: EXACT_WAY[name]
    for name in (
        "a key twice",
        "a NULL in the key",
        "a stamp twice, in two forms",
        "text among numbers in the key",
    )
}


@pytest.mark.parametrize(("ours", "theirs", "here", "there", "why"), NO_ORDER.values(), ids=NO_ORDER)
def test_what_has_no_order_is_compared_here(
    bench: Workbench, threads: Executor, ours: str, theirs: str, here: list[str], there: list[str], why: str
) -> None:
    local = bench.sqlite(f"CREATE TABLE t ({ours})", *rows("t", here))
    both(local, bench.postgresql(f"CREATE TABLE t ({theirs})", *rows("t", there)), threads, key="k")


@given(tables(), st.integers(1, 5))
@settings(quiet, max_examples=8)
def test_drawn_tables(bench: Workbench, threads: Executor, drawn: Any, size: int) -> None:
    from tests.test_strategies import DRAWN

    kinds, common, here, there = drawn
    number = all(isinstance(key, int) for key in (*common, *here, *there))
    sides = []
    for at, (changes, key) in enumerate(
        ((here, "integer" if number else "text"), (there, "bigint" if number else "text"))
    ):
        columns = ", ".join(f"c{n} {DRAWN[kind][at]}" for n, kind in enumerate(kinds))
        content = {key: row for key, row in {**common, **changes}.items() if row is not None}
        sides.append(
            filled(
                bench,
                at,
                f"CREATE TABLE t (k {key} PRIMARY KEY, {columns})",
                [(k, *row) for k, row in content.items()],
            )
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spreading, "RANGE_ROWS", size)
        both(*sides, threads)


@IDS
def test_who_is_who(bench: Workbench, threads: Executor, options: dict[str, Any]) -> None:
    d = both(*confused(bench, "postgresql"), threads, **options)
    assert len(d.conflicts)
    assert "ranges by" in d["hosts"].how["why"]


@pytest.mark.parametrize(
    "options",
    [{"limit": 1}, {"partial": True}, {"tolerance": {"x": 0.1}}, {"where": sn.col("id") < 20}],
    ids=lambda options: next(iter(options)),
)
def test_options(bench: Workbench, threads: Executor, options: dict[str, Any]) -> None:
    both(*items(bench, "sqlite", "sqlite"), threads, **options)


def test_a_frame_is_read_by_threads_and_not_by_processes(
    bench: Workbench, threads: Executor, processes: Executor
) -> None:
    frame = pd.DataFrame({"k": range(200), "v": [f"v{n}" for n in range(200)]}).set_index("k")
    local = sn.connect({"t": frame})
    remote = bench.sqlite(
        "CREATE TABLE t (k integer PRIMARY KEY, v text)",
        *rows("t", [f"{n}, 'v{n % 190}'" for n in range(205)]),
    )
    assert "here" not in spread(local, remote, threads)
    assert "5 here: t" in spread(local, remote, processes).replace("frame", "t")


CANARY = "ca-na-ry-pw"


def test_processes_get_names_and_never_a_password(
    bench: Workbench, processes: Executor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    local, _ = items(bench, "sqlite", "postgresql")
    url = bench.as_role("worker", "SELECT ON items").name and bench.last
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE worker PASSWORD '{CANARY}'")
    address = f"postgresql://worker:{CANARY}@{url.rpartition('@')[2]}"
    with pytest.raises(sn.ConnectError, match="environment variable of every worker"):
        sn.diff(local, sn.connect(address), executor=processes)
    sent: list[bytes] = []

    class Listening(Executor):
        def submit(self, work: Any, /, *told: Any, **more: Any) -> "Future[Any]":  # type: ignore[override]
            sent.append(pickle.dumps((work, told, more)))
            return processes.submit(work, *told, **more)

    monkeypatch.setenv("WORKERS_URL", address)
    remote = sn.connect(env="WORKERS_URL")
    with caplog.at_level(logging.DEBUG):
        # These workers began before the variable was there.
        with pytest.raises(sn.ReadError, match="no environment variable WORKERS_URL"):
            sn.diff(local, remote, executor=Listening())
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
            assert "here" not in spread(local, remote, Listening())
    assert len(sent) > 9
    assert not any(CANARY.encode() in each for each in sent)
    assert CANARY not in caplog.text
    assert b"WORKERS_URL" in sent[-1]


class Losing(ThreadPoolExecutor):
    """Loses the first so many of what it is given, in this way."""

    def __init__(self, pool: Executor, lost: int, problem: BaseException) -> None:
        super().__init__(1)
        self.pool, self.lost, self.problem = pool, lost, problem

    def submit(self, work: Any, /, *told: Any, **more: Any) -> "Future[Any]":  # type: ignore[override]
        if self.lost:
            self.lost -= 1
            future: Future[Any] = Future()
            future.set_exception(self.problem)
            return future
        return self.pool.submit(work, *told, **more)


def test_lost_workers(bench: Workbench, threads: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    local, remote = items(bench, "sqlite", "postgresql")
    why = spread(local, remote, Losing(threads, 7, BrokenProcessPool("gone")))
    assert why.endswith("9 ranges by Losing; 7 lost and asked again")
    with pytest.raises(sn.ReadError, match="4 times in a row"):
        sn.diff(local, remote, executor=Losing(threads, 10**6, RuntimeError(CANARY)))
    monkeypatch.setattr(spreading, "compare_range", lambda task: 1 / 0)
    with pytest.raises(sn.ReadError, match="ZeroDivisionError"):
        sn.diff(local, remote, executor=threads)


def test_a_pool_that_lost_a_worker_takes_no_more(bench: Workbench) -> None:
    local, remote = items(bench, "sqlite", "sqlite")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(os._exit, 1).result()
        with pytest.raises(sn.SyncnbError, match="give a new one"):
            sn.diff(local, remote, executor=pool)
    for nonsense, what in ((object(), "concurrent.futures"), (None, None)):
        if what:
            with pytest.raises(sn.SyncnbError, match=what):
                sn.diff(local, remote, executor=nonsense)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as pool_, pytest.raises(sn.SyncnbError, match="nothing to do"):
        sn.diff(local, remote, executor=pool_, strategy="join")


def test_a_forked_worker_does_not_read_a_file_that_is_open_here(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite in it would take the locks of this process for its own."""
    local, _ = items(bench, "sqlite", "postgresql")
    monkeypatch.setenv("WORKERS_URL", bench.last)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert "9 here: a worker was forked while" in spread(local, sn.connect(env="WORKERS_URL"), pool)


def test_a_file_is_known_by_its_proof(bench: Workbench, tmp_path: Path) -> None:
    """The same file, or elsewhere the same bytes; anything else is not read."""
    store, other = items(bench, "sqlite", "sqlite")
    path, copy = store.path, tmp_path / "copy.db"  # type: ignore[attr-defined]
    shutil.copy(path, copy)
    with (
        store.reading() as here,
        other.reading() as there,
        lending.lent((store, other), (here, there), far=True) as (loan, _),
    ):
        elsewhere = replace(loan, path=str(copy))
        with lending.opened(loan) as reader, lending.opened(elsewhere) as same:
            assert len(reader.schema()) == len(same.schema()) == 1
        near = replace(elsewhere, proof=replace(loan.proof, digest=""))
        changed = replace(loan, path=str(other.path))  # type: ignore[attr-defined]
        gone = replace(loan, path=str(tmp_path / "no.db"))
        unknown = replace(loan, path="", token="x")
        for loan in (near, changed, gone, unknown):
            with pytest.raises(lending.NotLent), lending.opened(loan):
                pass
        with pytest.raises(lending.NotLent, match="written"), lending.opened(elsewhere):
            os.utime(copy, (1, 1))


def test_a_snapshot_keeps_its_locks_while_its_file_is_proved(bench: Workbench) -> None:
    """To close a handle of one's own on a file ends all locks that the process has on it."""
    store, other = items(bench, "sqlite", "sqlite")
    writes = f"import sqlite3; sqlite3.connect({str(store.path)!r}, timeout=0).execute('BEGIN EXCLUSIVE')"  # type: ignore[attr-defined]
    with store.reading() as here, other.reading() as there:
        here.schema()
        with lending.lent((store, other), (here, there), far=True) as (loan, _):
            assert loan.proof is not None
            assert len(loan.proof.digest) == 64
            said = subprocess.run([sys.executable, "-c", writes], capture_output=True, text=True)
            assert "database is locked" in said.stderr
    assert subprocess.run([sys.executable, "-c", writes]).returncode == 0


@pytest.mark.parametrize(("one", "other"), ENGINES.values(), ids=ENGINES)
def test_all_ranges_are_of_one_snapshot(bench: Workbench, threads: Executor, one: str, other: str) -> None:
    """Both sides are written to while the first range is compared."""
    stores, writers = [], []
    for engine in (one, other):
        values = [f"{n}, 'v{n + (n == 7 and engine == other)}'" for n in range(300)]
        stores.append(
            bench.make(engine, "CREATE TABLE t (k integer PRIMARY KEY, v text)", *rows("t", values))
        )
        if engine == "sqlite":
            writers.append(sqlite3.connect(stores[-1].path, isolation_level=None, check_same_thread=False))  # type: ignore[attr-defined]
            writers[-1].execute("PRAGMA journal_mode = WAL")
        else:
            writers.append(psycopg.connect(bench.last, autocommit=True))
    wanted = told(sn.diff(*stores, strategy="stream"))

    class Meddling(ThreadPoolExecutor):
        asked = 0

        def submit(self, work: Any, /, *told: Any, **more: Any) -> "Future[Any]":  # type: ignore[override]
            self.asked += 1
            if self.asked == 3:
                for writer in writers:
                    writer.execute("UPDATE t SET v = 'late' WHERE k % 2 = 0")
            return threads.submit(work, *told, **more)

    d = sn.diff(*stores, executor=Meddling())
    for writer in writers:
        writer.close()
    assert told(d) == wanted
    assert ("here: a file was written to meanwhile" in d.tables[0].how["why"]) == ("sqlite" in (one, other))


def test_dask_loses_a_worker(bench: Workbench) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    local, remote = items(bench, "sqlite", "postgresql")
    os.environ["WORKERS_URL"] = bench.last
    with ExitStack() as stack:
        stack.callback(os.environ.pop, "WORKERS_URL")
        cluster = stack.enter_context(
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        )
        client = stack.enter_context(distributed.Client(cluster))
        pids, killed = client.run(os.getpid), []

        def kill() -> None:
            """The first worker that has a range: the first one takes it as long as the package takes to be imported."""
            until = time.monotonic() + 60
            while not killed and time.monotonic() < until:
                time.sleep(0.02)
                for address, tasks in client.processing().items():
                    if any("compare_range" in str(task) for task in tasks) and not killed:
                        killed.append(pids[address])
                        os.kill(pids[address], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        wanted = told(sn.diff(local, remote, strategy="stream"))
        killer.start()
        d = sn.diff(local, sn.connect(env="WORKERS_URL"), executor=client.get_executor())
        killer.join()
    assert len(killed) == 1
    assert told(d) == wanted
    assert "9 ranges by ClientExecutor" in d.tables[0].how["why"]
    assert "here" not in d.tables[0].how["why"]
