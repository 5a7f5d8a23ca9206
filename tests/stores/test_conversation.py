"""One verb is one conversation: who connects how often, and what is never taken over."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb import journal
from syncnb.errors import ConnectError, ReadError
from syncnb.journal.reading import within
from syncnb.journal.rights import present
from syncnb.stores import conversation as conversations
from syncnb.stores.conversation import conversation, one_conversation
from syncnb.stores.postgres import PostgresReader, PostgresStore
from syncnb.stores.postgres_line import Line
from syncnb.stores.postgres_session import in_one_turn
from tests.benchmarks.link import linked
from tests.faults.proxy import until


@pytest.fixture
def store(pg: str) -> PostgresStore:
    store = sn.connect(pg, writable=True)
    assert isinstance(store, PostgresStore)
    return store


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The server's processes that were begun for us, in order."""
    made: list[int] = []
    real = PostgresStore._connect

    def counted(self: PostgresStore) -> Any:
        made.append((connection := real(self)).info.backend_pid)
        return connection

    monkeypatch.setattr(PostgresStore, "_connect", counted)
    return made


def alive(pg: str, pids: list[int]) -> int:
    """How many of them are there still: a process takes a moment to go."""
    with psycopg.connect(pg, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
        for _ in range(200):
            left = int((connection.execute(query, (pids,)).fetchone() or (0,))[0])
            if not left:
                break
            connection.execute("SELECT pg_sleep(0.02)")
    return left


def test_a_verb_opens_one_connection_and_closes_it(pg: str, store: PostgresStore, pids: list[int]) -> None:
    with conversation():
        for _ in range(3):
            store.describe()
        with conversation(), store.writing() as writer:
            assert not writer.server.pooled
        assert len(pids) == 1
    assert alive(pg, pids) == 0


def test_outside_a_conversation_nothing_waits(pg: str, store: PostgresStore, pids: list[int]) -> None:
    store.describe()
    store.describe()
    assert len(pids) == 2
    assert alive(pg, pids) == 0


def test_each_transaction_begins_as_on_a_new_connection(pg: str, store: PostgresStore) -> None:
    with conversation():
        with store.writing() as writer:
            writer.sql.exec_driver_sql("SET LOCAL work_mem = '123kB'")
            writer.sql.exec_driver_sql("CREATE TEMP TABLE own (a int) ON COMMIT DROP")
            writer.commit()
        with store.reading() as reader:
            assert reader.asked("SELECT current_setting('transaction_read_only')", (), "it") == ("on",)
            assert reader.asked("SELECT current_setting('work_mem')", (), "it") != ("123kB",)
            assert reader.asked("SELECT to_regclass('pg_temp.own') IS NULL", (), "it") == (True,)


def test_a_snapshot_sees_what_was_written_since_the_one_before(pg: str, store: PostgresStore) -> None:
    with psycopg.connect(pg, autocommit=True) as other, conversation():
        other.execute("CREATE TABLE later (a int PRIMARY KEY)")
        assert "later" in [table.name for table in store.inspect().tables]
        other.execute("DROP TABLE later")
        assert "later" not in [table.name for table in store.inspect().tables]


def test_two_at_once_are_two(store: PostgresStore, pids: list[int]) -> None:
    with conversation():
        with store.reading() as one, store.reading() as two:
            assert one.server.database == two.server.database
        assert len(set(pids)) == 2
        with store.reading(), store.reading():
            pass
    assert len(pids) == 3, "one of the two waited, the other was closed"


@pytest.mark.parametrize("noticed", ["before it is taken", "when it begins"])
def test_one_that_the_server_ended_is_replaced(
    pg: str, store: PostgresStore, pids: list[int], monkeypatch: pytest.MonkeyPatch, noticed: str
) -> None:
    if noticed == "when it begins":
        monkeypatch.setattr("syncnb.stores.conversation._is_silent", lambda _: True)
    with conversation():
        store.describe()
        with psycopg.connect(pg, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pids[0],))
        assert store.describe().database
        assert len(pids) == 2


@pytest.mark.parametrize("how", ["an error", "an interrupt", "a cancel"])
def test_what_ended_badly_is_not_taken_over(store: PostgresStore, pids: list[int], how: str) -> None:
    with conversation():
        ends = pytest.raises((ReadError, KeyboardInterrupt)) if how != "a cancel" else conversation()
        with ends, store.reading() as reader:
            if how == "an error":
                reader.asked("SELECT 1 / 0", (), "it")
            elif how == "an interrupt":
                raise KeyboardInterrupt
            else:
                reader.interrupt()
        store.describe()
    assert len(pids) == 2


def test_which_database_it_is_is_asked_once_a_connection(
    pg: str, store: PostgresStore, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = PostgresReader.place
    monkeypatch.setattr(PostgresReader, "place", lambda self: asked.append(len(pids)) or real(self))
    alone = store.identity()
    assert store.identity() == alone
    assert asked == [1, 2], "outside a conversation nothing is known"
    asked.clear()
    pids.clear()
    with conversation():
        with store.reading() as reader:
            assert store.identity(reader) == alone
        assert [store.identity() for _ in range(3)] == [alone] * 3
        assert asked == [1]
        with psycopg.connect(pg, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pids[0],))
        store.describe()  # by a new connection, of which nobody knows where it leads
        assert store.identity() == alone
    assert asked == [1, 2]


def test_another_password_is_another_connection(pg: str, store: PostgresStore, pids: list[int]) -> None:
    with conversation():
        store.describe()
        other = PostgresStore({**store.parameters, "application_name": "other"}, name="other")
        other.describe()
    assert len(pids) == 2


OPEN = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s) AND xact_start IS NOT NULL"


def test_the_end_of_a_snapshot_is_not_waited_for_and_comes_at_once(
    pg: str, store: PostgresStore, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while a verb works on, nor after it, is a transaction of ours open; and what is taken over is whole."""
    waited: list[str] = []
    real = Line.wait
    monkeypatch.setattr(
        Line, "wait", lambda self, *told, **words: waited.append("") or real(self, *told, **words)
    )
    with psycopg.connect(pg, autocommit=True) as other:
        other.execute("CREATE TABLE t AS SELECT generate_series(1, 90000) AS id")
        count = partial(other.execute, OPEN, (pids,))
        with conversation():
            for last in range(3):
                with store.reading() as reader:
                    list(reader.batches(reader.schema()["t"], ["id"])) if last == 2 else None
                    next(iter(reader.batches(reader.schema()["t"], ["id"]))) if last == 1 else None
                    before = len(waited)
                    assert count().fetchone() == (1,)
                if last != 1:  # rows that nobody reads have to be stopped first
                    assert len(waited) == before
                assert until(lambda: count().fetchone() == (0,))
        assert len(pids) == 1
        with store.reading():
            before = len(waited)
        assert len(waited) == before
        assert until(lambda: count().fetchone() == (0,))


def test_a_ctrl_c_where_an_end_is_waited_for_leaves_nothing_open(
    pg: str, store: PostgresStore, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(_: Line) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Line, "left", pressed)
    with conversation():
        store.describe()
        with pytest.raises(KeyboardInterrupt):
            store.describe()
        assert alive(pg, pids) == 0


def test_a_role_with_one_connection_reads_and_writes(pg: str, store: PostgresStore) -> None:
    with psycopg.connect(pg, autocommit=True) as other:
        other.execute("DROP ROLE IF EXISTS only_one")
        other.execute("CREATE ROLE only_one LOGIN PASSWORD 'pw' CONNECTION LIMIT 1")
    alone = sn.connect(f"postgresql://only_one:pw@{pg.rpartition('@')[2]}", writable=True)
    assert isinstance(alone, PostgresStore)
    with conversation():
        alone.describe()
        with alone.writing():
            pass
        alone.describe()
        with pytest.raises(ConnectError, match="no free connection"), alone.reading(), alone.reading():
            pass
    with psycopg.connect(pg, autocommit=True) as other:
        other.execute("DROP ROLE only_one")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_does_not_speak_on_its_parents_line(store: PostgresStore, pids: list[int]) -> None:
    with conversation():
        store.describe()
        if not (child := os.fork()):
            try:
                from syncnb.stores import conversation as module

                lines = module._talk.get()
                taken = module.take(store.parameters)
                assert lines is not None
                lines.close()
                os._exit(0 if taken is None else 3)
            finally:
                os._exit(4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store.describe()
    assert len(pids) == 1


def test_what_is_left_open_ends_with_its_verb(
    pg: str, store: PostgresStore, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Ctrl-C may come between the opening of a connection and the line that would close it, or at the very end."""
    kept: list[Any] = []

    @one_conversation
    def stopped() -> None:
        kept.append(store._connect())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (kept[0].closed, alive(pg, pids)) == (True, 0)

    close = conversations._Lines.close

    def interrupted(lines: conversations._Lines) -> None:
        within.undo()
        raise KeyboardInterrupt

    with monkeypatch.context() as within:
        within.setattr(conversations._Lines, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stopped()
        assert conversations._Lines.close is close
    assert ([each.closed for each in kept], alive(pg, pids)) == ([True] * 2, 0)


def test_what_goes_wrong_among_questions_of_one_turn_is_said_once(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    """As where it is asked alone; nothing is logged beside it, and the snapshot goes on."""
    with store.reading() as reader:
        asked = [("SELECT 1", ()), ("SELECT 1 / 0", ()), *[("SELECT 2", ())] * 20]
        for _ in range(5):
            with pytest.raises(ReadError) as caught:
                reader.asked_together(*asked, what="it")
            assert caught.value.sqlstate == "22012"
        assert reader.asked_together(("SELECT 3", ()), ("SELECT %s::int", (4,)), what="it") == [(3,), (4,)]
    assert caplog.records == []


def test_a_ctrl_c_among_questions_of_one_turn_stays_one(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg itself says then that it cannot leave the turn, and nothing of who pressed what."""

    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    def asked() -> None:
        with store.reading() as reader, reader._translated("it"), monkeypatch.context() as patch:
            there.append(reader._connection)
            with in_one_turn(there[0]):
                there[0].execute("SELECT pg_sleep(0.1)")
                patch.setattr(type(there[0]), "wait", pressed)

    there: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        asked()
    assert there[0].closed
    assert store.describe().database


def test_how_often_a_line_is_waited_for(pg: str) -> None:
    """Each turn costs the time there and back, however little it is about."""
    turns: dict[str, int] = {}
    with psycopg.connect(pg, autocommit=True) as other, linked(pg) as link:
        other.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a)")
        other.execute("INSERT INTO a VALUES (1); ANALYZE a")
        far = sn.connect(link.url(pg))
        link.delay = 0.03

        def turned(what: str, before: int) -> None:
            turns[what] = link.turns - before

        before = link.turns
        with far.reading() as reader:
            turned("begin", before)
            schema = reader.schema()
            turned("begin, catalogue", before)
            reader.clock_offset()
            reader.count_estimate(schema["a"])
            turned("begin, catalogue, clock, count", before)
            reader.count_estimates(list(schema))
            turned("with counts that it does not tell", before)
            assert not journal.is_installed(within(reader, "postgresql"))
            turned("with a journal that is not there", before)
    assert [table.name for table in schema] == ["a", "b"]
    assert turns["begin, catalogue"] - turns["begin"] == 1
    assert turns["begin, catalogue, clock, count"] == turns["begin, catalogue"]
    assert turns["with counts that it does not tell"] - turns["begin, catalogue"] == 1
    assert turns["with a journal that is not there"] == turns["with counts that it does not tell"]


def test_a_catalogue_tells_whether_there_is_a_journal_as_its_snapshot_has_it(store: PostgresStore) -> None:
    with store.reading() as reader, store.reading() as other, store.writing() as writer:
        reader.schema()
        journal.install(writer.sql)
        writer.commit()
        assert [journal.is_installed(within(each, "postgresql")) for each in (reader, other)] == [False] * 2
    with store.reading() as reader, store.reading() as other:
        reader.schema()
        assert [journal.version(within(each, "postgresql")) for each in (reader, other)] == [
            journal.VERSION
        ] * 2
    with store.reading() as reader:
        reader.schema()
        assert not present(within(reader, "postgresql").execution_options(syncnb_schema="elsewhere"))
