"""Rows that a foreign key takes along are told, kept, and put back by an undo."""

import sqlite3
from typing import Any

import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.test_repair import ALL, everything

FAMILY = [
    "CREATE TABLE p (id INTEGER PRIMARY KEY, code VARCHAR(9) UNIQUE)",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE, v VARCHAR(9))",
    "CREATE TABLE g (a INTEGER, b INTEGER, c INTEGER REFERENCES c ON DELETE CASCADE, PRIMARY KEY (a, b))",
    "CREATE TABLE n (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE SET NULL, v VARCHAR(9))",
    "CREATE TABLE m (id INTEGER PRIMARY KEY, code VARCHAR(9) REFERENCES p (code) ON UPDATE CASCADE ON DELETE SET NULL)",
]
ROWS = [
    "INSERT INTO p VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "INSERT INTO c VALUES (10, 1, 'a'), (11, 1, 'b'), (20, 2, 'c')",
    "INSERT INTO g VALUES (1, 1, 10), (1, 2, 11), (2, 1, 20)",
    "INSERT INTO n VALUES (1, 1, 'x'), (2, 2, 'y')",
    "INSERT INTO m VALUES (1, 'one'), (2, 'two'), (3, NULL)",
]


def ask(bench: Workbench, store: sn.Store, statement: str) -> list[Any]:
    if store.dialect == "sqlite":
        connection = sqlite3.connect(store.path)  # type: ignore[attr-defined]
        connection.execute("PRAGMA foreign_keys = ON")
        rows = connection.execute(statement).fetchall()
        connection.commit()
        connection.close()
        return rows
    with psycopg.connect(bench.last, autocommit=True) as pg:
        cursor = pg.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def writable(bench: Workbench, engine: str, *statements: str) -> sn.Store:
    made = bench.make(engine, *statements)
    return sn.connect(made.path if engine == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
class TestBothEngines:
    def test_what_goes_with_a_delete_comes_back(self, bench: Workbench, engine: str) -> None:
        local = bench.sqlite(FAMILY[0], "INSERT INTO p VALUES (3, 'three')")
        remote = writable(bench, engine, *FAMILY, *ROWS)
        before = everything(remote)
        p = sn.plan(sn.diff(local, remote, ["p"]), into=remote, deletes=True)
        assert [h.what for h in p.hazards if h.name == "cascades"] == [
            "rows of c that refer to them (p): CASCADE",
            "rows of m that refer to them (code): SET NULL",
            "rows of n that refer to them (p): SET NULL",
        ]
        r = sn.apply(p, remote, allow=ALL)
        assert r.status == "applied"
        assert r.notes == (
            "g: 3 rows deleted with rows of c (c); kept for an undo",
            "c: 3 rows deleted with rows of p (p); kept for an undo",
            "m: 2 rows emptied with rows of p (code); kept for an undo",
            "n: 2 rows emptied with rows of p (p); kept for an undo",
        )
        assert ask(bench, remote, "SELECT count(*) FROM c") == [(0,)]
        assert sn.verify(r, remote)
        undone = sn.apply(sn.undo(r, remote), remote, allow=ALL)
        assert (undone.status, undone.results) == ("applied", ())
        assert everything(remote) == before

    def test_an_undo_refuses_where_such_a_row_was_changed_since(self, bench: Workbench, engine: str) -> None:
        local = bench.sqlite(FAMILY[0], "INSERT INTO p VALUES (3, 'three')")
        remote = writable(bench, engine, *FAMILY, *ROWS)
        r = sn.apply(sn.plan(sn.diff(local, remote, ["p"]), into=remote, deletes=True), remote, allow=ALL)
        ask(bench, remote, "UPDATE n SET v = 'mine' WHERE id = 1")
        undone = sn.apply(sn.undo(r, remote), remote, allow=ALL)
        assert (undone.status, [o.table for o in undone.results]) == ("refused", ["n"])
        assert not sn.verify(r, remote)

    def test_what_moves_with_an_update_moves_back(self, bench: Workbench, engine: str) -> None:
        # Numbered by text, so that `code` is a value like others, and no natural key.
        ddl = ["CREATE TABLE p (id VARCHAR(9) PRIMARY KEY, code VARCHAR(9) UNIQUE)", FAMILY[4]]
        local = bench.sqlite(ddl[0], "INSERT INTO p VALUES ('1', 'uno'), ('2', NULL), ('3', 'three')")
        remote = writable(bench, engine, *ddl, ROWS[0], ROWS[4])
        before = everything(remote)
        p = sn.plan(sn.diff(local, remote, ["p"]), into=remote, resolve=sn.take_local)
        r = sn.apply(p, remote, allow=ALL)
        assert ask(bench, remote, "SELECT * FROM m ORDER BY id") == [(1, "uno"), (2, None), (3, None)]
        assert sn.apply(sn.undo(r, remote), remote, allow=ALL).status == "applied"
        assert everything(remote) == before

    def test_parent_and_child_in_one_table(self, bench: Workbench, engine: str) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES t ON DELETE CASCADE, v VARCHAR(9))"
        rows = "INSERT INTO t VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, NULL, 'd'), (5, 4, 'e'), (6, 5, 'f')"
        local = bench.sqlite(ddl, "INSERT INTO t VALUES (4, NULL, 'd'), (5, 4, 'e'), (6, 5, 'f')")
        remote = writable(bench, engine, ddl, rows)
        before = everything(remote)
        p = sn.plan(sn.diff(local, remote), into=remote, deletes=True)
        r = sn.apply(p, remote, allow=ALL)
        assert (r.status, r.notes, r.counts["deleted"].tolist()) == ("applied", (), [3])
        assert sn.apply(sn.undo(r, remote), remote, allow=ALL).status == "applied"
        assert everything(remote) == before

    def test_children_that_nobody_planned_in_the_same_table(self, bench: Workbench, engine: str) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES t ON DELETE CASCADE, v VARCHAR(9))"
        rows = "INSERT INTO t VALUES (1, NULL, 'a'), (2, 1, 'b'), (3, 2, 'c')"
        local, remote = bench.sqlite(ddl), writable(bench, engine, ddl, rows)
        before = everything(remote)
        p = sn.plan(sn.diff(local, remote), into=remote, deletes=True)
        frame = p.preview()
        frame.loc[frame["key"] != "1", "decision"] = "keep"
        r = sn.apply(p.decide(frame), remote, allow=ALL)
        assert r.notes[-1] == "t: 1 row deleted with rows of t (boss); kept for an undo"
        assert ask(bench, remote, "SELECT count(*) FROM t") == [(0,)]
        assert sn.apply(sn.undo(r, remote), remote, allow=ALL).status == "applied"
        assert everything(remote) == before


def test_a_child_in_a_schema_off_the_search_path(bench: Workbench) -> None:
    local = bench.sqlite("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    remote = writable(
        bench,
        "postgresql",
        "DROP SCHEMA IF EXISTS apart CASCADE",
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE SCHEMA apart",
        "CREATE TABLE apart.c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)",
        "CREATE TABLE apart.g (id int PRIMARY KEY, c int REFERENCES apart.c ON DELETE CASCADE)",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO apart.c VALUES (1, 1)",
        "INSERT INTO apart.g VALUES (1, 1)",
    )
    p = sn.plan(sn.diff(local, remote), into=remote, deletes=True)
    assert [h.what for h in p.hazards if h.name == "cascades"] == [
        "rows of apart.c that refer to them (p): CASCADE"
    ]
    with pytest.raises(sn.PlanError, match=r"rows of apart\.c"):
        sn.apply(p, remote, allow=("deletes",))
    r = sn.apply(p, remote, allow=ALL)
    assert ask(bench, remote, "SELECT count(*) FROM apart.g") == [(0,)]
    assert sn.apply(sn.undo(r, remote), remote, allow=ALL).status == "applied"
    assert ask(bench, remote, "SELECT (SELECT count(*) FROM apart.g), (SELECT count(*) FROM apart.c)") == [
        (1, 1)
    ]
    ask(bench, remote, "DROP SCHEMA apart CASCADE")


def test_what_cannot_be_kept_is_said_by_plan_report_and_undo(bench: Workbench) -> None:
    local = bench.sqlite("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    bench.postgresql(
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE hidden (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)",
        "CREATE TABLE loose (p int REFERENCES p ON DELETE CASCADE)",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO hidden VALUES (1, 1)",
    )
    from syncnb import journal

    with psycopg.connect(bench.last, autocommit=True) as owner:
        bench.as_role("clerk_following", "SELECT, INSERT, UPDATE, DELETE ON p", "SELECT ON loose")
        owner.execute(journal.install_sql("postgresql", role="clerk_following").encode())
    remote = sn.connect(f"postgresql://clerk_following:pw@{bench.last.rpartition('@')[2]}", writable=True)
    p = sn.plan(sn.diff(local, remote, ["p"]), into=remote, deletes=True)
    assert [h.what.partition("; ")[2] for h in p.hazards if h.name == "cascades"] == [
        "they cannot be taken back: this role may not read all of them",
        "they cannot be taken back: nothing identifies them",
    ]
    r = sn.apply(p, remote, allow=ALL)
    lost = [
        "hidden: rows that follow rows of p cannot be taken back: this role may not read all of them",
        "loose: rows that follow rows of p cannot be taken back: nothing identifies them",
    ]
    assert list(r.notes) == lost
    assert [note for note in sn.undo(r, remote).notes if "cannot be taken back" in note] == lost


DEFERRED = {"IMMEDIATE": ["b_parent", "a_child"], "DEFERRED": ["a_child", "b_parent"]}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("when", "order"), DEFERRED.items(), ids=DEFERRED)
def test_a_key_that_may_be_deferred_counts_unless_it_is(
    bench: Workbench, engine: str, when: str, order: list[str]
) -> None:
    ddl = [
        "CREATE TABLE b_parent (id INTEGER PRIMARY KEY)",
        f"CREATE TABLE a_child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES b_parent DEFERRABLE INITIALLY {when})",
    ]
    local = bench.sqlite(*ddl, "INSERT INTO b_parent VALUES (1)", "INSERT INTO a_child VALUES (1, 1)")
    remote = writable(bench, engine, *ddl)
    p = sn.plan(sn.diff(local, remote), into=remote)
    if when == "IMMEDIATE":
        assert [block.table for block in p.blocks] == order
    assert sn.apply(p, remote).status == "applied"
    assert [remote.inspect()["a_child"].foreign_keys[0].deferred] == [when == "DEFERRED"]
