"""A row that breaks a unique rule or a reference since the plan was drawn is named, with whom it collides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

import syncnb as sn
from tests.databases import Workbench, rows
from tests.test_exchanges import execute, whole

ENGINES = ("sqlite", "postgresql")
DDL = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY, name VARCHAR(9){unique}, a INTEGER, b INTEGER, CONSTRAINT ab UNIQUE (a, b))",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER, n INTEGER, CONSTRAINT to_p FOREIGN KEY (p) REFERENCES p (id){late})",
)
LOCAL = ("p: 1, 'one', 1, 1", "p: 2, 'zwei', 2, 2", "p: 3, 'three', 3, 3", "p: 4, 'four', 4, 4", "c: 1, 1, 1", "c: 2, 2, 2", "c: 3, 3, 3")  # fmt: skip
REMOTE = ("p: 1, 'one', 1, 1", "p: 2, 'two', 2, 2", "p: 9, 'nine', 9, 9", "c: 2, 2, 1")
LATE = " DEFERRABLE INITIALLY DEFERRED"
NAME = {"sqlite": "UNIQUE (name)", "postgresql": "p_name_key"}


@dataclass(frozen=True)
class Case:
    meanwhile: str
    """What somebody else does between plan and apply."""
    told: Sequence[tuple[str, str, sn.Refusal, str]]
    """Table, key, refusal, detail."""
    late: bool = False
    """Whether only the end of the transaction looks at references."""
    rest: str | None = None
    """What `rest=True` raises; None where it writes the others."""


MINE, GONE = sn.Refusal.TAKEN, sn.Refusal.FORBIDDEN
CASES = {
    "an insert, its natural key": Case(
        "INSERT INTO p VALUES (7, 'three', 7, 7)", [("p", "3", MINE, "p 7 has its name three ({name})")]
    ),
    "inserts, a key of two columns": Case(
        "INSERT INTO p VALUES (7, 'x', 3, 3), (8, 'y', 4, 4)",
        [("p", "3", MINE, "p 7 has its a, b 3, 3 (ab)"), ("p", "4", MINE, "p 8 has its a, b 4, 4 (ab)")],
    ),
    "an update": Case(
        "INSERT INTO p VALUES (7, 'zwei', 7, 7)", [("p", "2", MINE, "p 7 has its name zwei ({name})")]
    ),
    "the parent went": Case(
        "DELETE FROM p WHERE id = 1", [("c", "1", GONE, "it refers by p to p 1, which is not there (to_p)")]
    ),
    "children came": Case(
        "INSERT INTO c VALUES " + ", ".join(f"({id}, 9, 0)" for id in range(70, 76)),
        [("p", "9", GONE, "c 70, 71, 72, 73 and 2 more refer to it by p (to_p)")],
    ),
    "the parent went, and the end looks": Case(
        "DELETE FROM p WHERE id = 1", [("c", "1", GONE, "it refers by p to p 1, which is not there (to_p)")],
        late=True, rest="c 1: it refers by p to p 1, which is not there (to_p)",
    ),
    "a child came, and the end looks": Case(
        "INSERT INTO c VALUES (70, 9, 0)", [("p", "9", GONE, "c 70 refers to it by p (to_p)")],
        late=True, rest="p 9: c 70 refers to it by p (to_p)",
    ),
}  # fmt: skip


def filled(bench: Workbench, engine: str, late: bool, data: Sequence[str]) -> Any:
    unique = " UNIQUE"
    ddl = [statement.format(unique=unique, late=LATE * late) for statement in DDL]
    made = [row for each in data for row in rows(each[0], [each[3:]])]
    return replace(bench.make(engine, *ddl, *made), writable=True)  # type: ignore[type-var]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_row_is_named_and_with_whom_it_collides(bench: Workbench, engine: str, case: Case) -> None:
    local, remote = filled(bench, "sqlite", False, LOCAL), filled(bench, engine, case.late, REMOTE)
    d = sn.diff(local, remote, key={"p": "id", "c": "id"})
    plan = sn.plan(d, into=remote, resolve=sn.take_local, deletes=True)
    assert len(plan) == 7
    execute(remote, case.meanwhile)
    before = whole(remote)
    r = sn.apply(plan, remote, allow=("deletes",))
    told = [(o.table, o.key, o.refusal, o.detail) for o in r.results]
    assert told == [(*each[:3], each[3].format(name=NAME[engine])) for each in case.told]
    assert (r.status, {table: whole(remote)[table] for table in before}) == ("refused", before)
    assert sn.history(remote).frame["status"].tolist() == ["refused"]
    if case.rest is None:
        assert sn.apply(plan, remote, allow=("deletes",), rest=True).status == "applied"
        return
    with pytest.raises(sn.WriteError) as refused:
        sn.apply(plan, remote, allow=("deletes",), rest=True)
    assert refused.value.message == case.rest
    assert {table: whole(remote)[table] for table in before} == before


def test_a_deferred_unique_rule_names_both(bench: Workbench) -> None:
    """Only COMMIT looks: the row that is there was not in the plan, and one that hands its value on is none."""
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, CONSTRAINT one UNIQUE (n){late})"
    local = bench.sqlite(ddl.format(late=""), *rows("t", ["1, 20", "2, 10", "3, 30"]))
    remote: Any = replace(
        bench.postgresql(ddl.format(late=LATE), *rows("t", ["1, 10", "2, 20"])),
        writable=True,  # type: ignore[type-var]
    )
    plan = sn.plan(sn.diff(local, remote, key={"t": "id"}), into=remote, resolve=sn.take_local)
    execute(remote, "INSERT INTO t VALUES (7, 30)")
    before = whole(remote)["t"]
    r = sn.apply(plan, remote)
    assert [(o.key, o.refusal, o.detail) for o in r.results] == [("3", MINE, "t 7 has its n 30 (one)")]
    assert whole(remote)["t"] == before
    execute(remote, "DELETE FROM t WHERE id = 7")
    assert sn.apply(plan, remote).status == "applied"


@pytest.mark.parametrize("engine", ENGINES)
def test_what_may_not_be_read_is_named_by_its_rule_alone(bench: Workbench, engine: str) -> None:
    """A rule over an expression, or over some rows only."""
    ddl = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, code VARCHAR(9))",
        "CREATE UNIQUE INDEX low ON t (lower(code))",
    )
    local = bench.sqlite(*ddl, *rows("t", ["1, 'A'", "2, 'b'"]))
    remote: Any = replace(bench.make(engine, *ddl), writable=True)  # type: ignore[type-var]
    plan = sn.plan(sn.diff(local, remote), into=remote)
    execute(remote, "INSERT INTO t VALUES (9, 'a')")
    r = sn.apply(plan, remote)
    assert [(o.key, o.refusal) for o in r.results] == [("1", MINE)]
    assert r.results[0].detail.startswith("a key or unique value of t is taken (")


@pytest.mark.parametrize("late", ["", LATE], ids=["at once", "at the end"])
@pytest.mark.parametrize("engine", ENGINES)
def test_only_who_loses_what_is_referred_to_is_named(bench: Workbench, engine: str, late: str) -> None:
    """Of two updates, both of rows that are referred to; and of a row that refers by NULL."""
    ddl = (
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL UNIQUE, n INTEGER)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p VARCHAR(9), m INTEGER, CONSTRAINT to_p FOREIGN KEY (p) REFERENCES p (name){late})",
    )
    made = [statement.format(late=late) for statement in ddl]
    local = bench.sqlite(
        *made, *rows("p", ["1, 'one', 5", "2, 'zwei', 5"]), *rows("c", ["1, 'one', 0", "2, NULL, 1"])
    )
    remote: Any = replace(
        bench.make(
            engine,
            *made,
            *rows("p", ["1, 'one', 1", "2, 'two', 1"]),
            *rows("c", ["1, 'one', 0", "2, NULL, 0"]),
        ),  # type: ignore[type-var]
        writable=True,
    )
    plan = sn.plan(sn.diff(local, remote, key={"p": "id", "c": "id"}), into=remote, resolve=sn.take_local)
    assert len(plan) == 3
    execute(remote, "INSERT INTO c VALUES (70, 'two', 0)")
    r = sn.apply(plan, remote)
    assert [(o.table, o.key, o.detail) for o in r.results] == [("p", "2", "c 70 refers to it by p (to_p)")]
    assert execute(remote, "SELECT n FROM p ORDER BY id") == [(1,), (1,)]


def test_a_parent_in_another_schema_is_found(bench: Workbench) -> None:
    """While a table beside it refers to one of a third schema."""
    other = (
        "DROP SCHEMA IF EXISTS far CASCADE", "CREATE SCHEMA far", "CREATE TABLE far.far (id integer PRIMARY KEY)",
        "CREATE TABLE p (id integer PRIMARY KEY)", "INSERT INTO p VALUES (1)", "CREATE TABLE aside (id integer PRIMARY KEY, f integer REFERENCES far.far)",
        "CREATE TABLE c (id integer PRIMARY KEY, p integer CONSTRAINT to_p REFERENCES p)",
    )  # fmt: skip
    remote: Any = replace(bench.postgresql(*other), writable=True)  # type: ignore[type-var]
    local = bench.sqlite("CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)", *rows("c", ["1, 1"]))
    plan = sn.plan(sn.diff(local, remote, "c"), into=remote)
    execute(remote, "DELETE FROM p")
    try:
        assert [o.detail for o in sn.apply(plan, remote).results] == [
            "it refers by p to p 1, which is not there (to_p)"
        ]
    finally:
        execute(remote, "DROP SCHEMA far CASCADE")
