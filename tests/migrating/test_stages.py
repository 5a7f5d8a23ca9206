"""Stages: killed at every point, and resumed; a lock that somebody holds; what was done by half is taken back."""

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

import syncnb as sn
from syncnb.embedded import available
from tests.databases import Workbench
from tests.faults.ledger import summed_up
from tests.migrating.scene import catalogue
from tests.migrating.test_steps import allowed, content, made
from tests.proof.counting import count, judged

pytestmark = pytest.mark.skipif(not available(), reason="no PostgreSQL here")
STEPS = [
    sn.remedy("add_column", "p", "copy", type="text"),
    sn.remedy("backfill", "p", "copy", source="code"),
    sn.remedy("unique", "p", "copy"),
    sn.remedy("foreign_key", "c", "p_id", source="p (id)"),
]
POINTS = (
    "run-begun", "altered", "marked", "before-commit", "after-commit", "between-stages", "batch", "outside-meant",
    "outside-done",
)  # fmt: skip

BALANCE = ("ALTER TABLE p ADD COLUMN balance integer", "UPDATE p SET balance = id * 100")


def balanced(bench: Workbench) -> None:
    """No migration moves any money, as a connection sees it that is none of ours."""
    with psycopg.connect(bench.last) as connection:
        summed_up(*connection.execute("SELECT sum(balance) FROM p").fetchone() or (), 600)


def killed_at(point: str, work: Callable[[], object]) -> bool:
    """Whether a child process that does this was killed at that point."""
    child = os.fork()
    if child == 0:
        os.environ["SYNCNB_FAILPOINT"] = point
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    count(f"kills at {point}", int(killed))
    return killed


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_each_point_is_resumed(
    bench: Workbench, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made(bench, "postgresql", *BALANCE)
    before, rows = catalogue(store), content(store)
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    monkeypatch.setenv("SYNCNB_NOW", noon.isoformat())
    plan = sn.migrate(store, STEPS, online=True)
    assert len(plan.stages) == 5
    assert killed_at(point, lambda: sn.apply(plan, store, allow=allowed(plan)))
    balanced(bench)
    monkeypatch.setenv("SYNCNB_NOW", (noon + timedelta(minutes=6)).isoformat())
    report = sn.apply(plan, store, allow=allowed(plan))
    assert report.status == "applied"
    assert list(sn.history(store).frame["status"]) == ["failed", "success"]
    there = catalogue(store)
    assert there["p"]["constraint p_copy_key"] == "UNIQUE (copy)"
    assert there["c"]["constraint c_p_id_fkey"] == "FOREIGN KEY (p_id) REFERENCES p(id)"
    with judged():
        assert [row["copy"] for row in content(store)["p"]] == ["a", "b", "c"]
    balanced(bench)
    sn.apply(sn.undo(report, store), store)
    assert catalogue(store) == before
    with judged():
        assert content(store) == rows
    balanced(bench)


def test_what_was_done_by_half_is_taken_back(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(bench, "postgresql")
    before, rows = catalogue(store), content(store)
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    monkeypatch.setenv("SYNCNB_NOW", noon.isoformat())
    plan = sn.migrate(store, STEPS, online=True)
    assert killed_at("outside-done", lambda: sn.apply(plan, store, allow=allowed(plan)))
    monkeypatch.setenv("SYNCNB_NOW", (noon + timedelta(minutes=6)).isoformat())
    assert "index p_copy_key" in catalogue(store)["p"]
    sn.apply(sn.undo(1, store), store)
    assert catalogue(store) == before
    assert content(store) == rows


def test_a_lock_is_waited_for_in_short_turns(bench: Workbench) -> None:
    """Whoever holds the table for a while delays the migration; others wait behind it no longer than its patience."""
    store = made(bench, "postgresql")
    plan = sn.migrate(store, STEPS[:1])
    with psycopg.connect(bench.last) as holder:
        holder.execute("SELECT * FROM p")
        done: list[sn.Report] = []
        worker = threading.Thread(target=lambda: done.append(sn.apply(plan, store)))
        worker.start()
        longest = 0.0
        until = time.monotonic() + 5
        while time.monotonic() < until:
            with psycopg.connect(bench.last, autocommit=True) as reader:
                started = time.monotonic()
                reader.execute("SELECT count(*) FROM p")
                longest = max(longest, time.monotonic() - started)
            time.sleep(0.05)
        assert not done
        holder.rollback()
        worker.join(30)
    assert done[0].status == "applied"
    assert longest < 3


def test_rows_that_come_during_a_fill_in_batches_are_filled_too(bench: Workbench) -> None:
    store = made(bench, "postgresql")
    plan = sn.migrate(store, STEPS[:2], online=True)
    with psycopg.connect(bench.last, autocommit=True) as writer:
        writer.execute("INSERT INTO p VALUES (4, 'd', 'x', NULL)")
    report = sn.apply(plan, store, allow=allowed(plan))
    assert [row["copy"] for row in content(store)["p"]] == ["a", "b", "c", "d"]
    assert report.totals["p"]["updated"] == 4
