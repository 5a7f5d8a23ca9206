"""Ctrl-C within a statement of a store: it stays a Ctrl-C, what it stopped is undone, and nothing of it stays open."""

import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.stores.postgres import _begun_on

MANY = "CREATE VIEW many AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS a FROM n"
SLOW = "CREATE TRIGGER slow AFTER UPDATE ON t BEGIN SELECT a FROM many; END"


@pytest.fixture
def store(tmp_path: Path) -> sn.Store:
    with sqlite3.connect(tmp_path / "one.db") as connection:
        for statement in (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n)",
            "INSERT INTO t VALUES (1, 0)",
            MANY,
            SLOW,
        ):
            connection.execute(statement)
    connection.close()
    return sn.connect(tmp_path / "one.db", writable=True)


def pressed(connection: sqlite3.Connection) -> None:
    """Ctrl-C, as soon as SQLite asks whether to go on, from within its statement."""
    connection.set_progress_handler(lambda: signal.raise_signal(signal.SIGINT) or 0, 1000)


def ended(work: Callable[[], Any]) -> str:
    try:
        work()
    except BaseException as problem:
        return type(problem).__name__
    return "done"


def test_sqlite_swallows_none_that_comes_while_it_reads(store: Any) -> None:
    with store.reading() as reader:
        view = reader.schema()["many"]
        pressed(reader._connection)
        assert ended(lambda: list(reader.batches(view, ["a"]))) == "KeyboardInterrupt"


def test_sqlite_swallows_none_that_comes_while_it_writes(store: Any) -> None:
    """And what was written before it is rolled back, the file is free."""

    def write() -> None:
        with store.writing() as writer:
            writer._run("INSERT INTO t VALUES (3, 0)", "t")
            pressed(writer._connection)
            writer._run("UPDATE t SET n = 1", "t")

    assert ended(write) == "KeyboardInterrupt"
    with sqlite3.connect(store.path, timeout=0.1) as other:
        assert other.execute("SELECT n FROM t").fetchall() == [(0,)]
        other.execute("INSERT INTO t VALUES (2, 0)")
    other.close()


def test_one_that_comes_when_the_transaction_is_over_stays_one(store: Any) -> None:
    """A disk that is full ends the transaction; a Ctrl-C that comes with it is not told as that."""

    def write() -> None:
        with store.writing() as writer, writer.savepoint():
            writer._connection.execute("ROLLBACK")
            raise KeyboardInterrupt

    assert ended(write) == "KeyboardInterrupt"


def test_a_connection_is_closed_by_one(pg: str) -> None:
    """In the middle of a snapshot, and while it begins; outside of any verb, where nobody else would close it."""
    store: Any = sn.connect(pg)
    kept = []

    def read() -> None:
        with store.reading() as reader:
            kept.append(reader._connection)
            raise KeyboardInterrupt

    def begin(_: Any) -> Any:
        raise KeyboardInterrupt

    assert ended(read) == "KeyboardInterrupt"
    kept.append(store._connect())
    assert ended(lambda: _begun_on(kept[1], begin)) == "KeyboardInterrupt"
    assert [connection.closed for connection in kept] == [True, True]


def test_a_statement_of_postgresql_is_cancelled_by_one(pg: str) -> None:
    """The driver hears it while it waits, and tells the server; what was written is undone."""
    with psycopg.connect(pg, autocommit=True) as truth:
        truth.execute("CREATE TABLE t (id int PRIMARY KEY)")

        def write() -> None:
            with sn.connect(pg, writable=True).writing() as writer:  # type: ignore[attr-defined]
                writer.sql.exec_driver_sql("INSERT INTO t VALUES (1)")
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                writer.asked("SELECT pg_sleep(20)", (), "it")

        was = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            assert ended(write) == "KeyboardInterrupt"
        finally:
            signal.signal(signal.SIGALRM, was)
        busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(20)%' AND state = 'active'"
        assert (truth.execute(busy).fetchone(), truth.execute("SELECT * FROM t").fetchall()) == ((0,), [])
