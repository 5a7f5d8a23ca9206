"""Rows that exchange unique values, and rows that refer to each other: planned, applied, proved and taken back."""

import re
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.thinning import spread

pytestmark = pytest.mark.usefixtures("one_line")

ALLOWED = ("many_changes", "deletes", "cascades", "trigger_rewrites")
TARGETS = ("sqlite", "postgresql")
SWAPPED = {"as written": False, "the other way": True}


@dataclass(frozen=True)
class Case:
    """One table `t` or more, rows of both sides, and what the plan says of it."""

    ddl: Sequence[str]
    local: Sequence[str]
    remote: Sequence[str]
    said: str = ""
    """What a note says when the plan goes into remote."""
    parked: int = 0
    """Rows that are written in two steps then, on SQLite."""
    parked_there: int | None = None
    """The same on PostgreSQL, where it is not as many."""
    deletes: bool = False


U = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) UNIQUE, n VARCHAR(9))"
NOT_NULL = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) NOT NULL UNIQUE, n VARCHAR(9))"
NUMBER = "CREATE TABLE t (id INTEGER PRIMARY KEY, u INTEGER NOT NULL UNIQUE)"
SMALL = "CREATE TABLE t (id INTEGER PRIMARY KEY, u SMALLINT NOT NULL UNIQUE)"
LETTER = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(1) NOT NULL UNIQUE)"
UUID = "CREATE TABLE t (id INTEGER PRIMARY KEY, u UUID NOT NULL UNIQUE)"
TWO_RULES = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) NOT NULL UNIQUE, v INTEGER NOT NULL UNIQUE, m INTEGER, n INTEGER)"
COMPOSITE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL, UNIQUE (a, b))"
CHILDREN = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) NOT NULL UNIQUE)",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER NOT NULL REFERENCES t, n INTEGER)",
)
A, B, C = (f"'{letter * 8}-0000-4000-8000-000000000000'" for letter in "abc")
SWAPS = {
    "two rows": Case([U], ["1, 'a', ''", "2, 'b', ''"], ["1, 'b', ''", "2, 'a', ''"],
                     "t: these 2 rows exchange u: 1, 2", 1),
    "three rows, one more column": Case([U], ["1, 'a', 'x'", "2, 'b', 'y'", "3, 'c', ''"],
                                        ["1, 'b', ''", "2, 'c', ''", "3, 'a', ''"], "these 3 rows exchange u", 1),
    "two circles and a chain": Case([U], ["1, 'a', ''", "2, 'b', ''", "3, 'c', ''", "4, 'd', ''", "5, 'f', ''", "6, 'g', ''"],
                                    ["1, 'b', ''", "2, 'a', ''", "3, 'd', ''", "4, 'c', ''", "5, 'e', ''", "6, 'f', ''"],
                                    "t: 4 rows exchange u among themselves, in 2 circles", 2),
    "a chain alone": Case([U], ["1, 'b', ''", "2, 'c', ''", "3, 'd', ''"], ["1, 'a', ''", "2, 'b', ''", "3, 'c', ''"]),
    "text that may not be NULL": Case([NOT_NULL], ["1, 'a', ''", "2, 'b', ''"], ["1, 'b', ''", "2, 'a', ''"], "exchange u", 1),
    "integers": Case([NUMBER], ["1, 10", "2, 20", "3, 30"], ["1, 20", "2, 30", "3, 10"], "exchange u", 1),
    "integers up to the end of their range": Case([SMALL], ["1, 32767", "2, -1"], ["1, -1", "2, 32767"], "exchange u", 1),
    "text of one letter": Case([LETTER], ["1, 'z'", "2, 'y'", "3, 'x'"], ["1, 'y'", "2, 'z'", "3, 'x'"], "exchange u", 1),
    "uuids": Case([UUID], [f"1, {A}", f"2, {B}", f"3, {C}"], [f"1, {B}", f"2, {C}", f"3, {A}"], "exchange u", 1),
    "two rules at once": Case([TWO_RULES], ["1, 'a', 1, 1, 1", "2, 'b', 2, 2, 2"], ["1, 'b', 2, 1, 1", "2, 'a', 1, 2, 2"], "exchange", 1),
    "two rules against each other": Case([TWO_RULES], ["1, 'a', 1, 1, 1", "2, 'b', 2, 2, 2", "3, 'c', 3, 3, 3"],
                                         ["1, 'b', 1, 1, 1", "2, 'a', 3, 2, 2", "3, 'c', 2, 3, 3"], "exchange", 2),
    "two columns, one of them changes": Case([COMPOSITE], ["1, 7, 1", "2, 7, 2"], ["1, 7, 2", "2, 7, 1"], "exchange a, b", 1),
    "two columns, across": Case([COMPOSITE], ["1, 7, 1", "2, 8, 2"], ["1, 8, 2", "2, 7, 1"], "exchange a, b", 1),
    "two columns, a chain where one changes": Case([COMPOSITE], ["1, 7, 1", "2, 7, 2"], ["1, 7, 2", "2, 7, 3"]),
    "a value through a delete and an insert": Case([U], ["1, 'a', ''", "3, 'b', ''"], ["1, 'b', ''", "2, 'a', ''"], deletes=True),
    "the row that is deleted has children that go too": Case(CHILDREN, ["t: 3, 'a'", "c: 1, 3, 0"], ["t: 2, 'a'", "c: 5, 2, 0"],
                                                             parked=1, deletes=True),
    "a circle of which one row is deleted": Case([NOT_NULL], ["1, 'a', ''", "2, 'b', ''", "4, 'c', ''"],
                                                 ["1, 'b', ''", "2, 'c', ''", "3, 'a', ''"], deletes=True),
    "deferrable on PostgreSQL": Case(["CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) NOT NULL, CONSTRAINT once UNIQUE (u){ DEFERRABLE})"],
                                     ["1, 'a'", "2, 'b'", "3, 'c'"], ["1, 'b'", "2, 'c'", "3, 'a'"], "exchange u", 1, 0),
    "deferrable, rows of two shapes": Case(["CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) NOT NULL, n INTEGER, CONSTRAINT once UNIQUE (u){ DEFERRABLE})"],
                                           ["1, 'a', 1", "2, 'b', 2"], ["1, 'b', 1", "2, 'a', 3"], "exchange u", 1, 0),
}  # fmt: skip


def filled(bench: Workbench, engine: str, ddl: Sequence[str], lines: Sequence[str]) -> sn.Store:
    waits = " DEFERRABLE" if engine == "postgresql" else ""
    made = [line.replace("{ DEFERRABLE}", waits) for line in ddl]
    rows: dict[str, list[str]] = {}
    for line in lines:
        table, _, values = line.rpartition(": ")
        rows.setdefault(table or "t", []).append(f"({values})")
    inserts = [f"INSERT INTO {table} VALUES {', '.join(values)}" for table, values in rows.items()]
    if engine == "sqlite":
        return sn.connect(bench.sqlite(*made, *inserts).path, writable=True)  # type: ignore[attr-defined]
    bench.postgresql(*made, *inserts)
    return sn.connect(bench.last, writable=True)


def execute(store: sn.Store, statement: str) -> list[tuple[Any, ...]]:
    if store.dialect == "sqlite":
        connection = sqlite3.connect(store.path)  # type: ignore[attr-defined]
        found = connection.execute(statement).fetchall()
        connection.commit()
        connection.close()
        return found
    with psycopg.connect(**dict(store.parameters)) as connection:  # type: ignore[attr-defined]
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def whole(store: sn.Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.reading() as reader:
        names = [table.name for table in reader.schema() if not table.name.startswith("syncnb")]
    return {
        name: sorted(
            [
                tuple(str(value) if isinstance(value, uuid.UUID) else value for value in row)
                for row in execute(store, f"SELECT * FROM {name}")
            ],
            key=repr,
        )
        for name in names
    }


@pytest.mark.parametrize(
    ("case", "engine", "swapped"),
    spread(SWAPS, over=dict(zip(TARGETS, TARGETS, strict=True)), and_over=SWAPPED),
)
def test_values_are_exchanged(bench: Workbench, case: Case, engine: str, swapped: bool) -> None:
    sides = (case.remote, case.local) if swapped else (case.local, case.remote)
    local, remote = filled(bench, "sqlite", case.ddl, sides[0]), filled(bench, engine, case.ddl, sides[1])
    before = whole(remote)
    p = sn.plan(
        sn.diff(local, remote, key={"t": ["id"]}), into=remote, resolve=sn.take_local, deletes=case.deletes
    )
    assert (len(p.open), len(p.undecided)) == (0, 0)
    if not swapped:
        assert case.said in " ".join(p.notes), p.notes
        steps = case.parked if engine == "sqlite" or case.parked_there is None else case.parked_there
        assert sum(len(block) for block in p.blocks if block.role) == steps
    assert all(
        (change.before or change.after) and "parked" not in repr((change.before, change.after))
        for change in p.changes
    )

    r = sn.apply(p, remote, allow=ALLOWED)
    assert r.status == "applied"
    assert r.counts[["inserted", "updated", "deleted"]].sum().sum() == len(p)
    assert whole(remote)["t"] == whole(local)["t"]
    assert sn.verify(r, remote)
    back = sn.undo(r, remote)
    assert len(back) == len(p)
    again = sn.apply(back, remote, allow=ALLOWED)
    assert (again.status, whole(remote)) == ("applied", before)
    if not swapped:
        once_more = sn.apply(sn.undo(again, remote), remote, allow=ALLOWED)
        assert (once_more.status, whole(remote)["t"]) == ("applied", whole(local)["t"])


def two(bench: Workbench, engine: str, *more: str) -> tuple[sn.Store, sn.Store]:
    """Two rows that exchange a value that may not be NULL, and a third one that differs."""
    lines = ["1, 'a', 'x'", "2, 'b', 'x'", "3, 'c', 'x'"], ["1, 'b', 'x'", "2, 'a', 'x'", "3, 'c', 'y'"]
    remote = filled(bench, engine, [NOT_NULL, *more], lines[1])
    return filled(bench, "sqlite", [NOT_NULL], lines[0]), remote


def exchanged(local: sn.Store, remote: sn.Store) -> sn.Plan:
    return sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)


@pytest.mark.parametrize("engine", TARGETS)
def test_a_plan_of_an_exchange_is_read_saved_and_shown(bench: Workbench, engine: str, tmp_path: Any) -> None:
    p = exchanged(*two(bench, engine))
    shown = p.preview()
    lines = shown[["verb", "key", "before", "after"]].values.tolist()
    assert lines[0][:3] == ["park", "1", "b"]
    assert sorted(line for line in lines if line[0] == "update") == [
        ["update", "1", "b", "a"], ["update", "2", "a", "b"], ["update", "3", "y", "x"]
    ]  # fmt: skip
    assert lines[0][3] not in ("a", "b", "c")
    loaded = sn.load_plan(p.save(tmp_path / "plan.json"))
    assert (loaded.id, loaded.contests == p.contests) == (p.id, True)
    assert (len(p), p.sql().count("UPDATE")) == (3, 4)


@pytest.mark.parametrize("engine", TARGETS)
def test_a_decision_is_put_in_order_again(bench: Workbench, engine: str) -> None:
    local, remote = two(bench, engine)
    p = sn.plan(sn.diff(local, remote), into=remote)
    assert (len(p), sum(map(len, p.undecided))) == (0, 3)
    frame = p.preview()
    frame["decision"] = "local"
    decided = p.decide(frame)
    assert (len(decided), [block.role for block in decided.blocks].count("park")) == (3, 1)
    kept = decided.decide(
        decided.preview().assign(decision=lambda f: ["keep" if k != "3" else "apply" for k in f["key"]])
    )
    assert (len(kept), [block.role for block in kept.blocks]) == (1, [""])
    assert sn.apply(decided, remote).status == "applied"
    assert whole(remote)["t"] == whole(local)["t"]


REFUSED = {
    "a check refuses the parked value": ("CHECK (length(u) = 1)", None, "1"),
    "somebody has changed a row of the circle": (None, "UPDATE t SET u = 'q' WHERE id = 2", "2"),
    "a row of the circle is gone": (None, "DELETE FROM t WHERE id = 1", "1"),
    "another row has changed": (None, "UPDATE t SET n = 'z' WHERE id = 3", "3"),
}


@pytest.mark.parametrize("rest", [False, True], ids=["all or nothing", "the rest"])
@pytest.mark.parametrize("engine", TARGETS)
@pytest.mark.parametrize(("check", "meddle", "row"), REFUSED.values(), ids=REFUSED)
def test_nothing_stays_parked(
    bench: Workbench, engine: str, check: str | None, meddle: str | None, row: str, rest: bool
) -> None:
    local, remote = two(bench, engine)
    if check:
        ddl = NOT_NULL.replace("n VARCHAR(9)", f"n VARCHAR(9), {check}")
        remote = filled(bench, engine, [ddl], ["1, 'b', 'x'", "2, 'a', 'x'", "3, 'c', 'y'"])
    p = exchanged(local, remote)
    if meddle:
        execute(remote, meddle)
    before = whole(remote)["t"]
    r = sn.apply(p, remote, rest=rest)
    told = r.outcomes[r.outcomes["outcome"] != "written"]["key"].tolist()
    assert row in told
    assert len(told) == len(set(told)), "each row is refused once, by its own cause"
    after = whole(remote)["t"]
    if rest and row == "3":
        assert after == [(1, "a", "x"), (2, "b", "x"), (3, "c", "z")]
    elif rest and check:
        assert (r.status, after) == ("applied", [(1, "b", "x"), (2, "a", "x"), (3, "c", "x")])
    else:
        assert {name for _, name, _ in after} <= {"a", "b", "c", "q"}
    if not rest:
        assert (r.status, after) == ("refused", before)
        assert told == [row] if not check else set(told) >= {row}


def test_a_trigger_that_stamps_parked_rows_is_no_drift(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (id int PRIMARY KEY, u varchar(9) NOT NULL UNIQUE, updated_at timestamptz)"
    bench.postgresql(
        ddl,
        "INSERT INTO t VALUES (1, 'b', '2026-01-01+00'), (2, 'a', '2026-01-01+00')",
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END $$",
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    )
    remote = sn.connect(bench.last, writable=True)
    lines = ["1, 'a', '2026-02-01 00:00:00+00:00'", "2, 'b', '2026-02-01 00:00:00+00:00'"]
    local = filled(bench, "sqlite", [ddl], lines)
    r = sn.apply(
        sn.plan(sn.diff(local, remote, key={"t": ["id"]}), into=remote, resolve=sn.take_local), remote
    )
    assert (r.status, execute(remote, "SELECT id, u FROM t ORDER BY id")) == ("applied", [(1, "a"), (2, "b")])
    assert sn.apply(sn.undo(r, remote), remote).status == "applied"


NULLABLE = ("CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(9) UNIQUE, b_id INTEGER)",
            "CREATE TABLE b (id INTEGER PRIMARY KEY, name VARCHAR(9) UNIQUE, a_id INTEGER NOT NULL REFERENCES a)")  # fmt: skip
WAYS = {
    "one reference may be NULL": "ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b",
    "one reference is deferrable": "ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b DEFERRABLE",
}
ROUND = ["a: 1, 'x', 1", "a: 2, 'y', 2", "b: 1, 'p', 2", "b: 2, 'q', 1"]


def circle(bench: Workbench, engine: str, way: str, lines: Sequence[str]) -> sn.Store:
    """Two tables that refer to each other, and rows that do."""
    rows: dict[str, list[str]] = {"a": [], "b": []}
    for line in lines:
        rows[line[0]].append(f"({line[3:]})")
    inserts = [f"INSERT INTO {name} VALUES {', '.join(values)}" for name, values in rows.items() if values]
    if engine == "sqlite":
        ddl = [NULLABLE[0].replace("b_id INTEGER", "b_id INTEGER REFERENCES b"), NULLABLE[1]]
        return sn.connect(bench.sqlite(*ddl, *inserts).path, writable=True)  # type: ignore[attr-defined]
    bench.postgresql(*NULLABLE, *inserts, way)
    return sn.connect(bench.last, writable=True)


@pytest.mark.parametrize("engine", TARGETS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_tables_that_refer_to_each_other(bench: Workbench, engine: str, way: str) -> None:
    full = circle(bench, "sqlite", way, ROUND)
    target = circle(bench, engine, way, [])
    p = sn.plan(sn.diff(full, target), into=target)
    assert (len(p), len(p.open)) == (4, 0)
    late = [block for block in p.blocks if block.role == "late"]
    assert bool(late) == (engine == "postgresql" and not way.endswith("DEFERRABLE"))
    r = sn.apply(p, target)
    assert (r.status, whole(target)["a"], whole(target)["b"]) == (
        "applied",
        whole(full)["a"],
        whole(full)["b"],
    )
    assert r.counts[["inserted", "updated"]].sum().tolist() == [4, 0]
    assert sn.verify(r, target)
    back = sn.apply(sn.undo(r, target), target, allow=ALLOWED)
    assert (back.status, whole(target)["a"], whole(target)["b"]) == ("applied", [], [])
    again = sn.apply(sn.undo(back, target), target, allow=ALLOWED)
    assert (again.status, whole(target)["a"], whole(target)["b"]) == (
        "applied",
        whole(full)["a"],
        whole(full)["b"],
    )
    empty = circle(bench, "sqlite", way, [])
    gone = sn.apply(sn.plan(sn.diff(empty, target), into=target, deletes=True), target, allow=ALLOWED)
    assert (gone.status, whole(target)["a"], whole(target)["b"]) == ("applied", [], [])
    assert sn.apply(sn.undo(gone, target), target).status == "applied"
    assert (whole(target)["a"], whole(target)["b"]) == (whole(full)["a"], whole(full)["b"])


@pytest.mark.parametrize("engine", TARGETS)
def test_fresh_ids_in_a_circle(bench: Workbench, engine: str) -> None:
    """Every id is another thing there: both tables get fresh ids, and each refers to the other's."""
    theirs = ["a: 1, 'u', 1", "a: 2, 'v', 2", "b: 1, 'm', 2", "b: 2, 'n', 1"]
    way = WAYS["one reference may be NULL"]
    local, remote = circle(bench, "sqlite", way, ROUND), circle(bench, engine, way, theirs)
    p = sn.plan(sn.diff(local, remote, ids="meaningless"), into=remote, collisions="keep_both")
    assert (len(p), len(p.open)) == (4, 0)
    before = whole(remote)
    r = sn.apply(p, remote)
    assert r.status == "applied"
    names = "SELECT a.name, b.name FROM a JOIN b ON b.id = a.b_id"
    back = "SELECT b.name, a.name FROM b JOIN a ON a.id = b.a_id"
    for query in (names, back):
        assert set(execute(remote, query)) >= set(execute(local, query))
    assert sn.diff(local, remote, ids="meaningless")["a"].counts.only_local == 0
    sn.apply(sn.undo(r, remote), remote, allow=ALLOWED)
    assert {name: whole(remote)[name] for name in ("a", "b")} == {name: before[name] for name in ("a", "b")}


def test_a_circle_that_nothing_opens_is_left_with_the_reason(bench: Workbench) -> None:
    ddl = [line.replace("b_id INTEGER", "b_id INTEGER NOT NULL") for line in NULLABLE]
    bench.postgresql(*ddl, WAYS["one reference may be NULL"])
    remote = sn.connect(bench.last, writable=True)
    local = circle(bench, "sqlite", "", ROUND)
    p = sn.plan(sn.diff(local, remote), into=remote)
    assert (len(p), len(p.open)) == (0, 4)
    assert "can neither be NULL nor be looked at later" in p.open[0].why


@pytest.mark.parametrize("engine", TARGETS)
def test_rows_that_refer_to_themselves_and_each_other(bench: Workbench, engine: str) -> None:
    ddl = ["CREATE TABLE t (id INTEGER PRIMARY KEY, boss INTEGER NOT NULL REFERENCES t)"]
    full, target = (
        filled(bench, "sqlite", ddl, ["1, 1", "2, 3", "3, 2"]),
        filled(bench, engine, ddl, ["9, 9"]),
    )
    r = sn.apply(sn.plan(sn.diff(full, target), into=target, deletes=True), target, allow=ALLOWED)
    assert (r.status, whole(target)["t"]) == ("applied", [(1, 1), (2, 3), (3, 2)])
    assert sn.apply(sn.undo(r, target), target, allow=ALLOWED).status == "applied"
    assert whole(target)["t"] == [(9, 9)]


def test_an_orphan_at_the_end_writes_nothing(bench: Workbench) -> None:
    """What SQLite looks at only in COMMIT is refused there, and the transaction goes."""
    full, target = circle(bench, "sqlite", "", ROUND), circle(bench, "sqlite", "", [])
    p = sn.plan(sn.diff(full, target), into=target)
    first = p.blocks[0]
    lost = p.decide(
        p.preview().assign(
            decision=lambda f: [
                "keep" if (t, k) == (first.table, "1") else "apply"
                for t, k in zip(f["table"], f["key"], strict=True)
            ]
        )
    )
    r = sn.apply(lost, target)
    (found,) = r.results
    assert (r.status, found.refusal, found.table) == ("refused", sn.Refusal.FORBIDDEN, lost.blocks[1].table)
    assert re.fullmatch(rf"it refers by \w+ to {first.table} 1, which is not there \(.+\)", found.detail)
    assert (whole(target)["a"], whole(target)["b"]) == ([], [])
