"""A server that says nothing: at work it is waited for, gone it is not; straight, and behind a pooler."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.stores import postgres_line
from syncnb.stores.postgres_line import Line, opened
from tests.faults.proxy import Proxy, Trouble, proxied, until
from tests.stores.test_postgres_errors import pooler  # noqa: F401 - a fixture

SLEEP = "SELECT pg_sleep(%s) IS NULL"
LOCKED = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'RowExclusiveLock'"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_line, "PATIENCE", 0.15)
    monkeypatch.setattr(postgres_line, "AGAIN", 0.02)


def port(url: str, proxy: Proxy) -> str:
    """The same through the proxy."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return psycopg.conninfo.make_conninfo(url, **parts | {"host": "127.0.0.1", "port": proxy.port})


@contextmanager
def silent(url: str) -> Iterator[tuple[sn.Store, Proxy]]:
    """A store whose connection hears nothing more once `hurt` says so."""
    parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(url)
    with proxied(parts["host"], int(parts["port"])) as proxy:
        yield sn.connect(port(url, proxy), writable=True), proxy


def ended(work: Callable[[], Any], seconds: float = 10) -> str:
    """How it ended; within so many seconds, or not."""
    said: list[str] = []

    def run() -> None:
        try:
            said.append(f"done {work()}")
        except Exception as problem:
            said.append(type(problem).__name__)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return said[0] if said else "it waits for ever"


def test_a_long_statement_is_waited_for(pg: str) -> None:
    with sn.connect(pg).reading() as reader:
        assert ended(lambda: reader.asked(SLEEP, (1,), "it")) == "done (False,)"


def test_who_waits_for_us_is_ended_and_we_hear_that_it_is_lost(pg: str) -> None:
    """Nothing of what was sent came there, so the server waits for us, and holds our locks."""
    with psycopg.connect(pg, autocommit=True) as truth, silent(pg) as (store, proxy):
        truth.execute("CREATE TABLE t (id int PRIMARY KEY)")
        assert ended(lambda: left_alone(store, proxy)) == "WriteError"
        freed = until(lambda: truth.execute(LOCKED).fetchone() == (0,), 5)
        assert freed, "whom nobody hears holds its locks for ever"


def left_alone(store: sn.Store, proxy: Proxy) -> None:
    with store.writing() as writer:  # type: ignore[attr-defined]
        writer.sql.exec_driver_sql("INSERT INTO t VALUES (1)")
        proxy.hurt(Trouble("to server", "messages", 0, "silent"))
        writer.asked("SELECT 1", (), "it")


def scripted(pg: str, monkeypatch: pytest.MonkeyPatch, seconds: float, *doubts: float) -> str:
    """How a silence ends where questions are answered like that, one after the other; then by 0."""
    told = iter(doubts)
    monkeypatch.setattr(Line, "_doubt", lambda line, *, last: next(told, 0))
    with sn.connect(pg).reading() as reader:
        return ended(lambda: reader.asked(SLEEP, (seconds,), "it"))


def test_one_doubt_is_none(pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scripted(pg, monkeypatch, 0.6, 1, 1, 0, 1, 1) == "done (False,)"
    assert scripted(pg, monkeypatch, 5, 1, 0.25, 1, 1) == "ReadError"


def test_a_server_without_room_is_alive(pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise psycopg.OperationalError("FATAL: sorry, too many clients already")

    with sn.connect(pg).reading() as reader:
        monkeypatch.setattr(postgres_line, "opened", full)
        assert ended(lambda: reader.asked(SLEEP, (1,), "it")) == "done (False,)"


def test_a_process_that_serves_somebody_else_by_now_is_not_ours(pg: str) -> None:
    """Behind a pooler the number of a process says nothing: by the beginning of its transaction it is known."""
    parameters = sn.connect(pg).parameters  # type: ignore[attr-defined]
    with psycopg.connect(pg, autocommit=True) as other:
        working = threading.Thread(target=ended, args=(lambda: other.execute("SELECT pg_sleep(9)"),))
        working.start()
        with opened(parameters) as line:
            row = "SELECT extract(epoch FROM xact_start) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
            begun: list[Any] = []
            assert until(
                lambda: bool(begun.extend(line.execute(row, (other.info.backend_pid,)).fetchall()) or begun)
            )
            line.at = other.info.backend_pid, begun[0][0]
            ours = line._doubt(last=False)
            line.at = other.info.backend_pid, begun[0][0] - Decimal(1)
            assert (ours, line._doubt(last=True)) == (0, 1), "somebody else's work was taken for ours"
        other.cancel_safe()
        working.join()


def test_behind_a_pooler(pg: str, pooler: Callable[[str], str]) -> None:  # noqa: F811
    """A long statement, also where the pooler has no place for the question; and a line that is dead."""
    with psycopg.connect(pg, autocommit=True) as truth, silent(pooler(pg)) as (store, proxy):
        truth.execute("CREATE TABLE t (id int PRIMARY KEY)")
        with store.reading() as reader:  # type: ignore[attr-defined]
            assert reader.server.pooled
            assert ended(lambda: reader.asked(SLEEP, (0.4,), "it")) == "done (False,)"
            with psycopg.connect(pooler(pg), prepare_threshold=None) as other:
                other.execute("SELECT 1")  # both places are taken
                assert ended(lambda: reader.asked(SLEEP, (2,), "it")) == "done (False,)"
        assert ended(lambda: left_alone(store, proxy)) == "WriteError"
        assert until(lambda: truth.execute(LOCKED).fetchone() == (0,), 5), "its locks are held for ever"
        proxy.heal()
        with sn.connect(pooler(pg), writable=True).writing() as writer:  # type: ignore[attr-defined]
            writer.sql.exec_driver_sql("INSERT INTO t VALUES (1), (2)")
            writer.commit()
        assert truth.execute("SELECT count(*) FROM t").fetchone() == (2,)
