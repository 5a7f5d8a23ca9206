"""Where one check is blind, the next one sees: lost answers, locks, sets of keys, sums of hashes."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.comparing import digesting
from syncnb.errors import UnknownOutcome
from syncnb.stores import postgres_digests, postgres_images, read_digests
from syncnb.stores.postgres_writer import PostgresWriter
from tests.databases import Workbench, rows
from tests.test_repair import everything

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9))"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def changed(bench: Workbench) -> tuple[sn.Store, sn.Plan]:
    """A PostgreSQL table, and a plan that changes one row of it and inserts another; the journal is there."""
    bench.postgresql(DDL, "INSERT INTO t VALUES (1, 'old')", "CREATE TABLE other (id INTEGER PRIMARY KEY)")
    remote = sn.connect(bench.last, writable=True)
    first = sn.connect({"other": pd.DataFrame({"id": [1]})})
    sn.apply(sn.plan(sn.diff(first, remote), into=remote), remote)
    local = sn.connect({"t": pd.DataFrame({"id": [1, 2], "v": ["new", "more"]})})
    return remote, sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)


class Commit:
    """Stands in for the COMMIT that carries a plan's rows: its answer is lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
        self.real, self.way = PostgresWriter.commit, way
        self.threads: list[threading.Thread] = []
        self.numbers = 0
        outer = self

        def commit(writer: PostgresWriter) -> None:
            outer.numbers += 1
            if outer.numbers != 2:  # the first is that of the run's own row
                outer.real(writer)
                return
            outer.lose(writer)
            raise UnknownOutcome("the answer was lost", hint="")

        monkeypatch.setattr(PostgresWriter, "commit", commit)

    def lose(self, writer: PostgresWriter) -> None:
        connection = writer._connection
        if self.way == "before":  # the server never gets it
            connection.close()
        elif self.way == "after":
            self.real(writer)
        else:  # the server is still at it while we have given up already
            idle = psycopg.connect(connection.info.dsn, password=connection.info.password)
            writer._connection = idle
            close, connection.close = connection.close, lambda: None  # type: ignore[method-assign]

            def later() -> None:
                time.sleep(0.7)
                connection.execute("COMMIT")
                close()
                idle.close()

            self.threads.append(threading.Thread(target=later))
            self.threads[-1].start()


@pytest.mark.parametrize("way", ["before", "after", "at it"])
def test_a_lost_answer_gets_the_true_verdict(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Whether the rows are there is asked of the table, not of our own."""
    remote, p = changed(bench)
    with monkeypatch.context() as within:
        commit = Commit(within, way)
        try:
            said = sn.apply(p, remote).status
        except sn.WriteError as problem:
            said = problem.message.partition(": ")[2]
        for thread in commit.threads:
            thread.join()
    found = {row[0]: row[1] for row in read(bench, "SELECT id, v FROM t")}
    after = {1: "new", 2: "more"}
    verdict = (said, found)
    assert verdict == (("nothing was written", {1: "old"}) if way == "before" else ("applied", after))
    assert sn.history(remote).frame["status"].tolist()[-1] == ("failed" if way == "before" else "success")
    again = sn.apply(p, remote).status
    assert again == ("applied" if way == "before" else "already applied")
    assert dict(read(bench, "SELECT id, v FROM t")) == after


def test_who_applies_a_plan_waits_for_whoever_is_at_it(bench: Workbench) -> None:
    """The marker is read only once the plan's lock is held: before that, another may be about to commit its own."""
    remote, p = changed(bench)
    said: list[str] = []
    with psycopg.connect(bench.last) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (p.id,))
        thread = threading.Thread(target=lambda: said.append(sn.apply(p, remote).status))
        thread.start()
        waits = until(lambda: read(bench, WAITING)[0][0] == 1 or not thread.is_alive())
        seen = (waits, list(said), dict(read(bench, "SELECT id, v FROM t")))
        assert seen == (True, [], {1: "old"}), "it went on while somebody else had the plan's lock"
        # The other one did the same, and it is its marker that counts.
        other.execute("UPDATE t SET v = 'new' WHERE id = 1")
        other.execute("INSERT INTO t VALUES (2, 'more')")
        run = "SELECT max(run) FROM syncnb.runs"
        other.execute(
            f"INSERT INTO syncnb.markers (plan_id, stage, run, at) SELECT %s, 0, ({run}), now()", (p.id,)
        )
        other.commit()
        thread.join()
    assert said == ["already applied"]
    assert dict(read(bench, "SELECT id, v FROM t")) == {1: "new", 2: "more"}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_statement_itself_is_guarded(bench: Workbench, engine: str) -> None:
    """Even where nobody looked before: a row that is not as it was shown is neither changed nor deleted."""
    made = bench.make(engine, DDL, "INSERT INTO t VALUES (1, 'theirs'), (2, 'b')")
    store = sn.connect(made.path if engine == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]
    keys, shown, meant = ((pa.array(values),) for values in ([1, 2], ["a", "b"], ["mine", "mine"]))
    with store.writing() as writer:  # type: ignore[attr-defined]
        table = writer.schema()["t"]
        update = sn.Block("t", "update", ("id",), ("v",), keys, before=shown, after=meant)
        assert writer.stage(table, update).write() == 1
        delete = sn.Block("t", "delete", ("id",), ("v",), keys, before=shown)
        assert writer.stage(table, delete).write() == 0
        writer.commit()
    assert "theirs" in repr(everything(store)["t"])


def test_a_commit_that_is_refused_is_no_success(bench: Workbench) -> None:
    """What the database looks at only at COMMIT may still take everything back: rows, marker, the run's end."""
    remote, p = changed(bench)
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$"
        )
        owner.execute(
            "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION no()"
        )
    p = sn.plan(sn.diff(sn.connect({"t": pd.DataFrame({"id": [1], "v": ["new"]})}), remote), into=remote, resolve=sn.take_local)  # fmt: skip
    with pytest.raises(sn.WriteError, match="not today"):
        sn.apply(p, remote)
    assert sn.history(remote).frame["status"].tolist()[-1] == "failed"
    assert (read(bench, "SELECT v FROM t"), read(bench, "SELECT count(*) FROM syncnb.markers")) == (
        [("old",)],
        [(1,)],
    )


def test_written_keys_are_compared_as_a_set_and_not_by_their_number(bench: Workbench) -> None:
    """A trigger gives two rows one key: as many rows as were meant, and not the ones that were meant."""
    bench.postgresql(
        "CREATE TABLE t (k INTEGER NOT NULL, v VARCHAR(9))",
        "CREATE FUNCTION one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.k := 1; RETURN NEW; END $$",
        "CREATE TRIGGER one BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION one()",
    )
    remote = sn.connect(bench.last, writable=True)
    local = sn.connect({"t": pd.DataFrame({"k": [1, 2], "v": ["a", "b"]})})
    p = sn.plan(sn.diff(local, remote, key="k"), into=remote)
    details: set[str] = set()
    try:
        r = sn.apply(p, remote, allow=("trigger_rewrites",))
        said, details = r.status, {outcome.detail for outcome in r.results}
    except sn.PlanError as problem:
        said = f"no refusal, but {problem.message}"
    assert (said, everything(remote)["t"]) == ("refused", [])
    assert details <= {"it cannot be seen after it was written", "several rows have this key"}


HASHES: dict[str, tuple[str, Callable[[int], int]]] = {
    "no hash tells anything": ("0", lambda _: 0),
    "only the lower half of a hash tells anything": ("octet_length({})", lambda length: length),
}
"""What stands in for the hash of a row: its SQL, and the same by the length of its images."""


@pytest.mark.parametrize(("query", "number"), HASHES.values(), ids=HASHES)
def test_a_blind_hash_hides_no_difference(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, query: str, number: Callable[[int], int]
) -> None:
    """How many rows there are, and all bits of the sums, must be the same before anything is called equal."""

    def hashes(cells: Any, seeds: Any) -> list[Any]:
        texts = [[str(value) for value in cell.image.tolist()] for cell in cells]
        lengths = [sum(len(text.encode()) for text in row) for row in zip(*texts, strict=True)]
        return [np.array([number(length) for length in lengths], np.int64) for _ in seeds]

    def hash_sql(forms: Any, images: Any, flags: Any, seed: int) -> str:
        whole = f"concat({', '.join(images)})"
        return f"({query.format(whole)})::bigint"

    for module in (postgres_images, read_digests):
        monkeypatch.setattr(module, "row_hashes", hashes)
    monkeypatch.setattr(postgres_digests, "row_hash", hash_sql)
    monkeypatch.setattr(
        postgres_digests, "PROBED", {}
    )  # it would tell that these are not the hashes that were meant
    monkeypatch.setattr(digesting, "MANY", 1.0)
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, v text)"
    there = bench.postgresql(ddl, *rows("t", [f"{n}, 'v'" for n in range(40)]))
    more = bench.sqlite(ddl, *rows("t", [f"{n}, 'v'" for n in range(41)]))
    longer = bench.sqlite(ddl, *rows("t", [f"{n}, '{'vv' if n == 7 else 'v'}'" for n in range(40)]))
    d = sn.diff(more, there, strategy="digests")
    assert (d.verdict, d.tables[0].counts.only_local) == ("different", 1)
    if query != "0":  # there is nothing but the number of rows to see otherwise
        d = sn.diff(longer, there, strategy="digests")
        assert (d.verdict, d.tables[0].counts.changed) == ("different", 1)
    assert "digests" in str(d.tables[0].how), "they were not compared by digests at all"


def test_values_that_touch_are_not_one_value(bench: Workbench) -> None:
    """The digests of a merge tell where one value ends and the next begins, and NULL from nothing."""
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, a text, b text)"
    same = [f"{n}, 'a', 'b'" for n in range(40)]
    here = bench.sqlite(ddl, *rows("t", [*same, "50, 'a,b', 'c'", "51, '', 'x'", "52, NULL, 'x'"]))
    there = bench.postgresql(ddl, *rows("t", [*same, "50, 'a', 'b,c'", "51, NULL, 'x'", "52, '', 'x'"]))
    d = sn.diff(here, there, strategy="digests")
    assert (set(d.how["strategy"]), d.verdict, d.tables[0].counts.changed) == ({"digests"}, "different", 3)


def test_a_plan_is_for_one_database(bench: Workbench) -> None:
    """Another file with the same tables, and a copy, are other databases."""
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'new')")
    paths = [bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'old')").path for _ in range(2)]  # type: ignore[attr-defined]
    one, other = (sn.connect(path, writable=True) for path in paths)
    p = sn.plan(sn.diff(local, one), into=one, resolve=sn.take_local)
    with pytest.raises(sn.PlanError, match="is another database"):
        sn.apply(p, other)
    assert everything(other) == everything(one)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_undo_puts_back_every_value_and_its_storage_class(bench: Workbench, engine: str) -> None:
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'new'), (3, 'more')")
    remote = bench.make(engine, DDL, "INSERT INTO t VALUES (1, 'old'), (2, 'gone'), (4, NULL)")
    target = sn.connect(remote.path if engine == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]
    before = everything(target)
    p = sn.plan(sn.diff(local, target), into=target, resolve=sn.take_local, deletes=True)
    r = sn.apply(p, target, allow=("deletes",))
    assert (r.status, everything(target) != before) == ("applied", True)
    undone = sn.apply(sn.undo(r, target), target, allow=("deletes",))
    assert (undone.status, everything(target)) == ("applied", before)
    assert sn.apply(p, target, allow=("deletes",)).status == "already applied"


def read(bench: Workbench, query: str) -> list[tuple[Any, ...]]:
    """By another connection, which knows nothing of ours."""
    with psycopg.connect(bench.last, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def until(true: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
