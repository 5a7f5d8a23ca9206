"""Real databases repaired and taken back: apply, compare, undo, and every row is as it was."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb import embedded
from tests.conftest import DATASETS, _load_sql
from tests.databases import Workbench
from tests.test_oracle import PAIRS

ALL = ("deletes", "many_changes", "lossy", "cascades", "trigger_rewrites")


@pytest.fixture
def fresh(pg_server: embedded.Server, data_home: Path) -> Any:
    """A database of its own with a real data set."""
    made = []

    def url(name: str) -> str:
        fresh = pg_server.create(f"repair_{name}_{len(made)}")
        made.append(fresh.rpartition("/")[2])
        _load_sql(fresh, data_home / DATASETS[name])
        return fresh

    yield url
    for name in made:
        pg_server.drop(name)


def everything(store: sn.Store) -> dict[str, list[Any]]:
    """Every row of every table, with the storage class of every value; read without syncnb."""
    found: dict[str, list[Any]] = {}
    if store.dialect == "sqlite":
        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            connection.text_factory = bytes
            names = [
                n.decode()
                for (n,) in connection.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'syncnb%'"
                )
            ]
            for name in names:
                columns = [c[1].decode() for c in connection.execute(f'PRAGMA table_info("{name}")')]
                parts = ", ".join(f'"{c}", typeof("{c}")' for c in columns)
                found[name] = sorted(connection.execute(f'SELECT {parts} FROM "{name}"').fetchall(), key=repr)
        connection.close()
        return found
    with psycopg.connect(**dict(store.parameters)) as connection:  # type: ignore[attr-defined]
        names = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for schema, name in names:
            rows = connection.execute(f'SELECT t::text FROM "{schema}"."{name}" t').fetchall()
            found[name] = sorted(rows)
    return found


@pytest.mark.parametrize("into", ["local", "remote"])
@pytest.mark.parametrize(("sqlite", "postgres", "oracle"), PAIRS.values(), ids=PAIRS)
def test_apply_makes_equal_and_undo_restores(
    tmp_path: Path, data_home: Path, fresh: Any, sqlite: str, postgres: str, oracle: str, into: str
) -> None:
    shutil.copy(data_home / sqlite, tmp_path / "local.db")
    local = sn.connect(tmp_path / "local.db", writable=True)
    remote = sn.connect(fresh(postgres), writable=True)
    tables = {"Regions": "region"} if postgres == "northwind" else None
    target = local if into == "local" else remote
    policy = sn.take_remote if into == "local" else sn.take_local
    d = sn.diff(local, remote, tables=tables)
    before = everything(target)
    p = sn.plan(d, into=target, resolve=policy, deletes=True)
    if not len(p):
        assert sn.apply(p, target).status == "nothing to do"
        return
    r = sn.apply(p, target, allow=ALL)
    assert (r.status, r.results) == ("applied", ())
    again = sn.diff(local, remote, tables=tables)
    assert [name for name in again if again[name].verdict == "different"] == []
    assert sn.apply(p, target, allow=ALL).status == "already applied"
    undone = sn.apply(sn.undo(r, target), target)
    assert (undone.status, undone.results) == ("applied", ())
    assert everything(target) == before
    repeated = sn.plan(sn.diff(local, remote, tables=tables), into=target, resolve=policy, deletes=True)
    assert repeated.id != p.id
    assert sn.apply(repeated, target, allow=ALL).status == "applied"
    assert [run.status for run in sn.history(target).runs] == ["success"] * 3


MEDDLING = {
    "changed": ("UPDATE t SET v = 'mine' WHERE id = 1", sn.Refusal.CHANGED, "v was a, is mine"),
    "gone": ("DELETE FROM t WHERE id = 1", sn.Refusal.GONE, ""),
    "taken": (
        "INSERT INTO t VALUES (4, 'mine', 'z')",
        sn.Refusal.TAKEN,
        "a row with this key is there by now",
    ),
    "unique value taken": (
        "INSERT INTO t VALUES (9, 'mine', 'x')",
        sn.Refusal.TAKEN,
        "t 9 has its u x (",
    ),
}
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9), u VARCHAR(9) UNIQUE)"


def two(bench: Workbench, engine: str) -> tuple[sn.Store, sn.Store, Any]:
    """A local table and a remote one that differ in one row, lack one, and have one too many."""
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'b', NULL), (2, 'same', NULL), (4, 'new', 'x')")
    fill = "INSERT INTO t VALUES (1, 'a', NULL), (2, 'same', NULL), (3, 'old', NULL)"
    remote = bench.make(engine, DDL, fill)

    def meddle(statement: str) -> None:
        if engine == "sqlite":
            with sqlite3.connect(remote.path) as connection:  # type: ignore[attr-defined]
                connection.execute(statement)
            connection.close()
        else:
            with psycopg.connect(bench.last, autocommit=True) as connection:
                connection.execute(statement)

    source = remote.path if engine == "sqlite" else bench.last  # type: ignore[attr-defined]
    return local, sn.connect(source, writable=True), meddle


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
class TestRefusals:
    @pytest.mark.parametrize(("statement", "refusal", "detail"), MEDDLING.values(), ids=MEDDLING)
    def test_a_row_that_drifted_is_refused_and_nothing_is_written(
        self, bench: Workbench, engine: str, statement: str, refusal: sn.Refusal, detail: str
    ) -> None:
        local, remote, meddle = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
        meddle(statement)
        drifted = everything(remote)
        r = sn.apply(p, remote, allow=("deletes",))
        assert r.status == "refused"
        assert [(o.refusal, o.detail.startswith(detail)) for o in r.results] == [(refusal, True)]
        assert everything(remote) == drifted
        assert sn.history(remote).frame["status"].tolist() == ["refused"]

    def test_the_rest_may_be_written(self, bench: Workbench, engine: str) -> None:
        local, remote, meddle = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        meddle("UPDATE t SET v = 'mine' WHERE id = 1")
        r = sn.apply(p, remote, rest=True)
        assert r.status == "applied"
        assert r.counts.values.tolist() == [["t", 1, 0, 0, 1, 0, 0]]
        assert sn.diff(local, remote)["t"].cells["remote"].tolist() == ["mine"]

    def test_an_undo_refuses_what_was_changed_since(self, bench: Workbench, engine: str) -> None:
        local, remote, meddle = two(bench, engine)
        r = sn.apply(sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local), remote)
        meddle("UPDATE t SET u = 'later' WHERE id = 1")
        undone = sn.apply(sn.undo(r, remote), remote)
        assert (undone.status, undone.results[0].refusal) == ("refused", sn.Refusal.CHANGED)

    def test_a_table_that_changed_since_the_plan(self, bench: Workbench, engine: str) -> None:
        local, remote, meddle = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        meddle("ALTER TABLE t ADD COLUMN w INTEGER")
        with pytest.raises(sn.PlanError, match="t has changed since the plan was drawn"):
            sn.apply(p, remote)
        assert sn.history(remote).frame["status"].tolist() == ["failed"]

    def test_hazards_must_be_allowed_by_name(self, bench: Workbench, engine: str) -> None:
        local, remote, _ = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, deletes=True)
        assert [h.name for h in p.hazards] == ["deletes"]
        with pytest.raises(sn.PlanError, match=r"allow=\('deletes',\)"):
            sn.apply(p, remote)
        assert sn.apply(p, remote, allow=("deletes",)).status == "applied"

    def test_no_side_wins_by_default(self, bench: Workbench, engine: str) -> None:
        local, remote, _ = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote)
        assert [(b.verb, len(b)) for b in p.blocks] == [("insert", 1)]
        assert [(b.verb, len(b), b.why) for b in p.undecided] == [("update", 1, "nobody decided")]
        frame = p.preview()
        frame.loc[frame["decision"] == "open", ["decision", "reason"]] = ["local", "rescanned today"]
        decided = p.decide(frame, by="ann")
        assert (len(decided), decided.undecided) == (2, ())
        assert set(decided.preview()["reason"]) == {"", "rescanned today (ann)"}
        sn.apply(decided, remote)
        assert sn.diff(local, remote)["t"].counts.changed == 0

    def test_the_wrong_store(self, bench: Workbench, engine: str) -> None:
        local, remote, _ = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        with pytest.raises(sn.PlanError, match="another database|opened to be read"):
            sn.apply(p, local)
        other = bench.sqlite(DDL)
        with pytest.raises(sn.PlanError, match="not one of the two stores"):
            sn.plan(sn.diff(local, remote), into=other)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
class TestFiles:
    def test_a_saved_plan_loads_equal_and_applies(
        self, bench: Workbench, engine: str, tmp_path: Path
    ) -> None:
        local, remote, _ = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
        loaded = sn.load_plan(p.save(tmp_path / "plan.json"))
        assert (loaded.id, loaded.changes) == (p.id, p.changes)
        assert repr(loaded) == repr(p)
        assert sn.apply(loaded, remote, allow=ALL).status == "applied"
        assert sn.apply(p, remote, allow=ALL).status == "already applied"

    def test_one_changed_byte_is_refused(self, bench: Workbench, engine: str, tmp_path: Path) -> None:
        local, remote, _ = two(bench, engine)
        path = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local).save(
            tmp_path / "plan.json"
        )
        data = path.read_bytes()
        for at in range(0, len(data), 7):
            changed = bytearray(data)
            changed[at] = ord("x") if data[at] != ord("x") else ord("y")
            path.write_bytes(changed)
            with pytest.raises(sn.PlanError):
                sn.load_plan(path)

    def test_without_values_it_can_be_read_only(self, bench: Workbench, engine: str, tmp_path: Path) -> None:
        local, remote, _ = two(bench, engine)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        path = p.save(tmp_path / "plan.json", values=False)
        assert b"new" not in path.read_bytes()
        with pytest.raises(sn.PlanError, match="without its values"):
            sn.apply(sn.load_plan(path), remote)


class TestDecisions:
    def many(self, bench: Workbench) -> tuple[sn.Store, sn.Store]:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9))"
        fill = "INSERT INTO t WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100) SELECT n, '{}' FROM i"
        local = bench.sqlite(ddl, fill.format("new"))
        bench.postgresql(ddl, fill.format("old"), "INSERT INTO t VALUES (999, 'extra')")
        return local, sn.connect(bench.last, writable=True)

    def test_hazards_follow_from_what_was_decided(self, bench: Workbench) -> None:
        local, remote = self.many(bench)
        p = sn.plan(sn.diff(local, remote), into=remote, deletes=True)
        assert [hazard.name for hazard in p.hazards] == ["deletes"]
        frame = p.preview()
        frame.loc[frame["decision"] == "open", "decision"] = "local"
        frame.loc[frame["verb"] == "delete", ["decision", "reason"]] = ["keep", "still needed"]
        decided = p.decide(frame, by="ann")
        assert [hazard.name for hazard in decided.hazards] == ["many_changes"]
        kept = decided.preview().query("decision == 'keep'")
        assert kept[["key", "verb", "reason"]].values.tolist() == [["999", "delete", "still needed (ann)"]]
        assert sn.apply(decided, remote, allow=("many_changes",)).counts["updated"].tolist() == [100]

    def test_a_cascade_of_updates_stays_a_hazard_after_a_decision(self, bench: Workbench) -> None:
        ddl = [
            "CREATE TABLE p (id INTEGER PRIMARY KEY, code VARCHAR(9) UNIQUE)",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, code VARCHAR(9) REFERENCES p (code) ON UPDATE CASCADE)",
        ]
        local = bench.sqlite(*ddl, "INSERT INTO p VALUES (1, 'new')")
        bench.postgresql(*ddl, "INSERT INTO p VALUES (1, 'old')", "INSERT INTO c VALUES (1, 'old')")
        remote = sn.connect(bench.last, writable=True)
        p = sn.plan(sn.diff(local, remote, "p"), into=remote)
        frame = p.preview()
        frame["decision"] = "local"
        decided = p.decide(frame)
        assert [hazard.name for hazard in decided.hazards] == ["cascades"]
        with pytest.raises(sn.PlanError, match="rows of c follow"):
            sn.apply(decided, remote)

    def test_null_is_written_by_its_word_and_nan_is_refused(self, bench: Workbench) -> None:
        local, remote = self.many(bench)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        one = p.preview().head(1)
        one.loc[0, "after"] = sn.NULL
        assert p.decide(one).changes[0].after == (None,)
        one.loc[0, "after"] = None
        with pytest.raises(sn.PlanError, match=r"sn\.NULL"):
            p.decide(one)

    def test_an_edited_value_is_parsed_with_the_type_of_its_column(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"
        local = bench.sqlite(ddl, "INSERT INTO t VALUES (1, 5)")
        bench.postgresql(ddl, "INSERT INTO t VALUES (1, 4)")
        remote = sn.connect(bench.last, writable=True)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        frame = p.preview()
        frame["after"] = "7"
        assert p.decide(frame).changes[0].after == (7,)
        frame["after"] = "seven"
        with pytest.raises(sn.PlanError, match=r"t\.n cannot be 'seven'"):
            p.decide(frame)

    def test_a_plan_applied_again_after_its_undo_says_so(self, bench: Workbench) -> None:
        local, remote = self.many(bench)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        r = sn.apply(p, remote, allow=ALL)
        sn.apply(sn.undo(r, remote), remote)
        assert "run 1 was taken back by run 2" in sn.apply(p, remote, allow=ALL).notes[-1]
        with pytest.raises(sn.PlanError, match="run 1 was taken back by run 2"):
            sn.undo(1, remote)

    def test_the_newest_wins_where_it_is_known_and_each_row_has_its_reason(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9), at {})"
        local = bench.sqlite(
            ddl.format("DATETIME"),
            "INSERT INTO t VALUES (1, 'l', '2026-01-01T10:00:00Z'), (2, 'l', '2026-01-01T10:00:00Z'), (3, 'l', '2026-01-01T10:00:00Z')",
        )
        bench.postgresql(
            ddl.format("timestamptz"),
            "INSERT INTO t VALUES (1, 'r', '2026-01-01 09:00+00'), (2, 'r', '2026-01-01 12:00+00'), (3, 'r', '2026-01-01 10:00:01+00')",
        )
        remote = sn.connect(bench.last, writable=True)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.newest("at"))
        assert ([c.key for c in p.changes], [len(b) for b in p.undecided]) == ([(1,)], [1])
        assert p.preview()["why"][0].startswith("newer in local")
        assert p.notes == ("t: 1 row that differs stays as the target has it",)


class TestProof:
    def test_a_proof_names_what_fails(self, bench: Workbench) -> None:
        local, remote, meddle = two(bench, "postgresql")
        r = sn.apply(
            sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True),
            remote,
            allow=ALL,
        )
        expect = [sn.complete("t", "v"), sn.complete("t", "u"), sn.unique("t", "id"), sn.count("t", 3)]
        proof = sn.verify(r, remote, expect=expect)
        assert [line.ok for line in proof.lines] == [True, True, True, True, True, False, True, True]
        assert not proof
        assert [line.what for line in proof.lines[-4:]] == [
            "t: 3/3 records have v",
            "t: 1/3 records have u",
            "t: 3/3 records have their own id",
            "t: 3/3 records have been found",
        ]
        assert proof.failed[0].what == "t: 1/3 records have u"
        assert sn.verify(r.run, remote)
        meddle("UPDATE t SET v = 'later' WHERE id = 1")
        assert [line.what for line in sn.verify(r, remote).failed] == ["t: rows are as they were written"]

    @pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
    def test_the_whole_table_before_and_after(self, bench: Workbench, engine: str) -> None:
        local, remote, meddle = two(bench, engine)
        r = applied(local, remote)
        ((table, (before, after)),) = r.digests.items()
        assert (table, before.partition(":")[0], after.partition(":")[0]) == ("t", "3", "3")
        assert sn.history(remote)[1].digests == r.digests
        assert whole(sn.verify(r, remote)) == [(True, "t: the whole table is as run 1 left it")]
        undo = sn.undo(r, remote)
        back = sn.apply(undo, remote, allow=ALL)
        assert back.digests == {"t": (after, before)}, "the digests are equal to those before"
        assert whole(sn.verify(back, remote)) == [
            (True, "t: the whole table is as run 2 left it"),
            (True, "t: the whole table is as it was before run 1"),
        ]
        meddle("INSERT INTO t (id, v) VALUES (99, 'theirs')")
        proof = sn.verify(back, remote)
        assert proof, "somebody else's row is no failure of the run"
        assert [ok for ok, _ in whole(proof)] == [None, None]
        assert "no line fails, 2 cannot be told" in repr(proof)
        assert "another digest, 4 rows" in repr(proof)
        assert proof.frame["ok"].isna().sum() == 2

    @pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
    @pytest.mark.parametrize("limit", ["MOST_ROWS", "MOST_BYTES"])
    def test_of_a_large_table_it_is_said_that_there_is_no_digest(
        self, bench: Workbench, monkeypatch: pytest.MonkeyPatch, engine: str, limit: str
    ) -> None:
        local, remote, _ = two(bench, engine)
        monkeypatch.setattr(f"syncnb.stores.digesting.{limit}", 2)
        r = applied(local, remote)
        assert (r.status, r.digests) == ("applied", {})
        assert any(note.startswith("t: no digest of the whole table is kept") for note in r.notes)
        assert whole(sn.verify(r, remote)) == []

    def test_a_table_that_cannot_be_read_to_its_end_can_be_repaired(
        self, bench: Workbench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local, remote, _ = two(bench, "postgresql")

        def refused(writer: Any, table: Any) -> str:
            """As for a damaged row: the server refuses the statement, and its transaction is broken."""
            return str(list(writer.batches(replace(table, name="damaged"), ["id"])))

        monkeypatch.setattr("syncnb.applying.digesting.table_digest", refused)
        r = applied(local, remote)
        assert (r.status, r.digests) == ("applied", {})
        assert sn.diff(local, remote).verdict == "equal"


def applied(local: sn.Store, remote: sn.Store) -> sn.Report:
    p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
    return sn.apply(p, remote, allow=ALL)


def whole(proof: sn.Proof) -> list[tuple[bool | None, str]]:
    return [(line.ok, line.what) for line in proof.lines if "the whole table" in line.what]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_second_row_with_a_planned_key_is_never_written(bench: Workbench, engine: str) -> None:
    ddl = "CREATE TABLE t (id int, v text)"
    local = bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'mine'), (2, 'two')")
    store: Any = bench.make(engine, ddl, "INSERT INTO t VALUES (1, 'theirs'), (2, 'zwei')")
    remote = sn.connect(store.path if engine == "sqlite" else bench.last, writable=True)
    p = sn.plan(sn.diff(local, remote, key="id"), into=remote, resolve=sn.take_local)
    connection: Any = sqlite3.connect(store.path) if engine == "sqlite" else psycopg.connect(bench.last)
    connection.execute("INSERT INTO t VALUES (1, 'theirs')")
    connection.commit()
    connection.close()
    before = everything(remote)["t"]
    report = sn.apply(p, remote, allow=ALL)
    assert report.status == "refused"
    assert everything(remote)["t"] == before
    report = sn.apply(p, remote, allow=ALL, rest=True)
    assert [each.key for each in report.results if each.refusal] == ["1"]
    assert sn.diff(local, remote, key="id")["t"].rows["id"].tolist() == []


class TestOrder:
    def test_parents_first_and_children_deleted_first(self, bench: Workbench) -> None:
        ddl = [
            "CREATE TABLE a_child (id int PRIMARY KEY, p int REFERENCES b_parent)",
            "CREATE TABLE b_parent (id int PRIMARY KEY, boss int REFERENCES b_parent)",
        ]
        local = bench.sqlite(
            *ddl, "INSERT INTO b_parent VALUES (1, 2), (2, NULL)", "INSERT INTO a_child VALUES (1, 1)"
        )
        remote = bench.postgresql(
            *reversed(ddl),
            "INSERT INTO b_parent VALUES (8, NULL), (9, 8)",
            "INSERT INTO a_child VALUES (5, 9)",
        )
        remote = sn.connect(bench.last, writable=True)
        p = sn.plan(sn.diff(local, remote), into=remote, deletes=True)
        assert [(b.verb, b.table) for b in p.blocks] == [
            ("insert", "b_parent"),
            ("insert", "a_child"),
            ("delete", "a_child"),
            ("delete", "b_parent"),
        ]
        assert sn.apply(p, remote, allow=ALL).status == "applied"
        assert sn.diff(local, remote).verdict == "equal"

    def test_a_unique_value_is_freed_before_it_is_taken(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) UNIQUE)"
        local = bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'b'), (2, 'c'), (3, 'd'), (7, 'gone')")
        remote = bench.postgresql(ddl, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (6, 'gone')")
        remote = sn.connect(bench.last, writable=True)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
        assert sn.apply(p, remote, allow=ALL).status == "applied"
        assert sn.diff(local, remote).verdict == "equal"


class TestTriggers:
    DDL = "CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz, note text)"

    def remote(self, bench: Workbench, body: str) -> sn.Store:
        bench.postgresql(
            self.DDL,
            "INSERT INTO t VALUES (1, 'a', '2026-01-01+00', 'n')",
            f"CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$",
            "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        )
        return sn.connect(bench.last, writable=True)

    def test_a_stamp_that_a_trigger_sets_is_accepted_and_said(self, bench: Workbench) -> None:
        local = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'b')"
        )
        remote = self.remote(bench, "NEW.updated_at := '2026-02-02+00';")
        r = sn.apply(sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local), remote)
        assert r.status == "applied"
        assert r.outcomes["outcome"].tolist() == ["written, and altered by the database"]
        assert "updated_at: meant 2026-01-01" in r.outcomes["detail"][0]

    def test_another_column_that_a_trigger_changes_is_a_hazard(self, bench: Workbench) -> None:
        local = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'b')"
        )
        remote = self.remote(bench, "NEW.note := 'rewritten';")
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
        before = everything(remote)
        with pytest.raises(sn.PlanError, match=r"t\.note"):
            sn.apply(p, remote)
        assert everything(remote) == before
        assert sn.apply(p, remote, allow=("trigger_rewrites",)).status == "applied"

    def test_a_trigger_that_swallows_a_row_is_found_out(self, bench: Workbench) -> None:
        local = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (1, 'b')"
        )
        remote = self.remote(bench, "RETURN NULL;")
        r = sn.apply(sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local), remote)
        assert [o.refusal for o in r.results] == [sn.Refusal.FORBIDDEN]


class TestNothingIsLostUnseen:
    def test_with_rest_every_good_row_is_written_and_every_bad_one_named(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER{})"
        local = bench.sqlite(ddl.format(""), "INSERT INTO t VALUES (1, 1), (2, -2), (3, 3), (4, -4), (5, 5)")
        for engine in ("sqlite", "postgresql"):
            target = bench.make(engine, ddl.format(" CHECK (n > 0)"))
            remote = sn.connect(target.path if engine == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]
            r = sn.apply(sn.plan(sn.diff(local, remote), into=remote), remote, rest=True)
            assert [(o.key, o.refusal) for o in r.results] == [
                ("2", sn.Refusal.FORBIDDEN),
                ("4", sn.Refusal.FORBIDDEN),
            ]
            assert r.counts[["inserted", "rejected"]].values.tolist() == [[3, 2]]
            sn.apply(sn.undo(r, remote), remote)
            assert sn.diff(local, remote)["t"].counts.only_local == 5

    def test_a_trigger_that_ends_the_transaction_leaves_nothing(self, bench: Workbench) -> None:
        local = bench.sqlite(
            DDL,
            "INSERT INTO t VALUES (1, 'a', NULL)",
            "CREATE TABLE b (id INTEGER PRIMARY KEY)",
            "INSERT INTO b VALUES (1), (2)",
        )
        target = bench.sqlite(
            DDL,
            "CREATE TABLE b (id INTEGER PRIMARY KEY)",
            "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        )
        remote = sn.connect(target.path, writable=True)  # type: ignore[attr-defined]
        p = sn.plan(sn.diff(local, remote), into=remote)
        assert any("triggers fire: g" in note for note in p.notes)
        with pytest.raises(sn.WriteError, match="rolled the whole transaction back"):
            sn.apply(p, remote, rest=True)
        assert sn.diff(local, remote)["b"].counts.only_local == 2
        assert sn.history(remote).frame["status"].tolist() == ["failed"]

    def test_what_a_later_trigger_does_to_an_earlier_row_is_a_hazard(self, bench: Workbench) -> None:
        ddl = [
            "CREATE TABLE a_orders (id INTEGER PRIMARY KEY, total INTEGER)",
            "CREATE TABLE b_items (id INTEGER PRIMARY KEY, o INTEGER REFERENCES a_orders)",
        ]
        local = bench.sqlite(*ddl, "INSERT INTO a_orders VALUES (1, 10)", "INSERT INTO b_items VALUES (1, 1)")
        target = bench.sqlite(
            *ddl,
            "CREATE TRIGGER g AFTER INSERT ON b_items BEGIN UPDATE a_orders SET total = total + 10 WHERE id = NEW.o; END",
        )
        remote = sn.connect(target.path, writable=True)  # type: ignore[attr-defined]
        p = sn.plan(sn.diff(local, remote), into=remote)
        with pytest.raises(sn.PlanError, match=r"a_orders\.total"):
            sn.apply(p, remote)
        assert sn.diff(local, remote)["a_orders"].counts.only_local == 1

    def test_an_undo_that_would_cascade_says_so(self, bench: Workbench) -> None:
        ddl = [
            "CREATE TABLE p (id INTEGER PRIMARY KEY)",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE)",
        ]
        local = bench.sqlite(*ddl, "INSERT INTO p VALUES (1)")
        bench.postgresql(*ddl)
        remote = sn.connect(bench.last, writable=True)
        r = sn.apply(sn.plan(sn.diff(local, remote), into=remote), remote)
        with psycopg.connect(bench.last, autocommit=True) as connection:
            connection.execute("INSERT INTO c VALUES (7, 1)")
        with pytest.raises(sn.PlanError, match="cascades in p: rows of c"):
            sn.apply(sn.undo(r, remote), remote)

    def test_rows_that_the_source_hides_are_not_deleted(self, bench: Workbench) -> None:
        target = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', NULL)")
        target = sn.connect(target.path, writable=True)  # type: ignore[attr-defined]
        bench.postgresql(
            DDL,
            "INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', NULL)",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY one ON t USING (id = 1)",
        )
        source = bench.as_role("half_blind", "SELECT ON t")
        p = sn.plan(sn.diff(target, source), into=target, deletes=True)
        assert len(p) == 0
        assert "row-level security may hide them" in p.notes[0]

    def test_a_table_with_a_generated_column_is_deleted_from_and_restored(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2) STORED)"
        local = bench.sqlite(ddl)
        bench.postgresql(ddl, "INSERT INTO t (id, n) VALUES (1, 4)")
        remote = sn.connect(bench.last, writable=True)
        before = everything(remote)
        r = sn.apply(sn.plan(sn.diff(local, remote), into=remote, deletes=True), remote, allow=ALL)
        assert sn.diff(local, remote).verdict == "equal"
        sn.apply(sn.undo(r, remote), remote)
        assert everything(remote) == before

    def test_keys_that_read_alike_are_not_decided_together(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (a VARCHAR(9), b VARCHAR(9), n INTEGER, PRIMARY KEY (a, b))"
        local = bench.sqlite(ddl, "INSERT INTO t VALUES ('x, y', 'z', 1), ('x', 'y, z', 1)")
        bench.postgresql(ddl, "INSERT INTO t VALUES ('x, y', 'z', 2), ('x', 'y, z', 2)")
        remote = sn.connect(bench.last, writable=True)
        p = sn.plan(sn.diff(local, remote), into=remote)
        frame = p.preview().head(1)
        frame["decision"] = "local"
        with pytest.raises(sn.PlanError, match="2 rows of t read"):
            p.decide(frame)


def test_a_sequence_is_set_forward(bench: Workbench) -> None:
    local = bench.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (41, 'a')")
    bench.postgresql("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)")
    remote = sn.connect(bench.last, writable=True)
    sn.apply(sn.plan(sn.diff(local, remote), into=remote), remote)
    with psycopg.connect(bench.last) as connection:
        assert connection.execute("INSERT INTO t (v) VALUES ('b') RETURNING id").fetchone() == (42,)


def test_a_role_without_create_is_told_what_to_do(bench: Workbench) -> None:
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'a', NULL)")
    bench.postgresql(DDL)
    bench.as_role("plain_writer", "SELECT, INSERT, UPDATE, DELETE ON t")
    remote = sn.connect(f"postgresql://plain_writer:pw@{bench.last.rpartition('@')[2]}", writable=True)
    p = sn.plan(sn.diff(local, remote), into=remote)
    with pytest.raises(sn.WriteError, match="journal"):
        sn.apply(p, remote)
    assert sn.diff(local, remote)["t"].counts.only_local == 1
