"""A run that goes on says so: to the person who waits, and to other processes."""

import time
from datetime import UTC, datetime, timedelta

import pytest

import syncnb as sn
from syncnb import journal
from syncnb.applying.going_on import leased
from syncnb.applying.keeping import Keeper
from syncnb.stores.postgres import PostgresStore
from tests.databases import Workbench
from tests.test_repair import two

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_progress_is_shown_where_it_is_asked_for_and_never_into_a_file(
    bench: Workbench, engine: str, capfd: pytest.CaptureFixture[str]
) -> None:
    local, remote, _ = two(bench, engine)
    p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
    capfd.readouterr()
    r = sn.apply(p, remote, progress=True)
    told = capfd.readouterr()
    assert "update t" in told.err
    assert "1.00/2.00" in told.err
    assert told.out == ""
    sn.apply(sn.undo(r, remote), remote)
    assert capfd.readouterr() == ("", "")


def test_a_lease_is_renewed_while_the_run_goes_on(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.postgresql()
    store = sn.connect(bench.last, writable=True)
    monkeypatch.setenv("SYNCNB_NOW", NOON.isoformat())
    run = begun(store)
    monkeypatch.setenv("SYNCNB_NOW", (NOON + timedelta(minutes=4)).isoformat())
    with leased(Keeper(store, store), run, every=0.05):  # type: ignore[arg-type]
        until = time.monotonic() + 20
        while lease(store) == NOON + timedelta(minutes=5) and time.monotonic() < until:
            time.sleep(0.05)
    assert lease(store) == NOON + timedelta(minutes=9)
    monkeypatch.setenv("SYNCNB_NOW", (NOON + timedelta(minutes=8)).isoformat())
    assert settled(store) == []
    monkeypatch.setenv("SYNCNB_NOW", (NOON + timedelta(minutes=10)).isoformat())
    assert settled(store) == [run]


def test_a_lease_that_cannot_be_renewed_ends_no_run() -> None:
    nowhere = PostgresStore({"host": "127.0.0.1", "port": "1", "dbname": "none"}, "none", writable=True)
    with leased(Keeper(nowhere, nowhere), 1, every=0.01):
        time.sleep(0.1)


def begun(store: sn.Store) -> int:
    with store.writing() as writer:  # type: ignore[attr-defined]
        journal.install(writer.sql)
        run = journal.begin_run(writer.sql, plan_id="p", source="s")
        writer.commit()
    return run


def lease(store: sn.Store) -> datetime:
    return sn.history(store).runs[0].lease_until


def settled(store: sn.Store) -> list[int]:
    with store.writing() as writer:  # type: ignore[attr-defined]
        found = journal.settle(writer.sql)
        writer.commit()
    return found
