"""Rows that a rule of the target forbids: found when the plan is drawn where it can be known, else refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.test_exchanges import ALLOWED, TARGETS, execute, filled, whole

CERTIFICATES = (
    "CREATE TABLE certificates (id INTEGER PRIMARY KEY, serial VARCHAR(9) NOT NULL UNIQUE, thumb VARCHAR(9) UNIQUE, note VARCHAR(9))",
    "CREATE TABLE used (id INTEGER PRIMARY KEY, cert INTEGER NOT NULL REFERENCES certificates, place VARCHAR(9))",
)
PARENTS = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY, name VARCHAR(9))",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER NOT NULL REFERENCES p, n INTEGER)",
)
CHECKED = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, low INTEGER, high INTEGER NOT NULL, CHECK (low <= high))",
)
LOOSE = ("CREATE TABLE t (id INTEGER PRIMARY KEY, low INTEGER, high INTEGER)",)


@dataclass(frozen=True)
class Case:
    ddl: Sequence[str]
    local: Sequence[str]
    remote: Sequence[str]
    open: Sequence[tuple[str, str]] = ()
    """Rows (table, key) that the plan leaves open."""
    why: Sequence[str] = ()
    """What it says of the first of them."""
    refused: Sequence[tuple[str, str]] = ()
    """Rows that are refused when it is applied (table, a word of the detail); nothing is written then."""
    source: Sequence[str] = ()
    """The DDL of local, where it is not the same."""
    deletes: bool = False


CASES = {
    "15: one row is two things": Case(
        CERTIFICATES, ["certificates: 9, 's1', 't2', ''", "used: 1, 9, 'x'"],
        ["certificates: 1, 's1', 't1', ''", "certificates: 2, 's2', 't2', ''", "used: 7, 1, 'y'"],
        # by its serial it is row 1, under another id; its thumb is that of row 2
        [("certificates", "1")], ["certificates 2 has its thumb t2"],
    ),
    "15: an insert runs into two rows": Case(
        CERTIFICATES, ["certificates: 9, 's1', 't2', ''", "used: 1, 9, 'x'", "certificates: 8, 's8', 't8', ''"],
        ["certificates: 1, 's1', 't1', ''", "certificates: 2, 's2', 't2', ''"],
        [("certificates", "9"), ("used", "1")],
        ["certificates 1 has its serial s1", "certificates 2 has its thumb t2", "it runs into 2 rows"],
    ),
    "15: an insert runs into one row by its second rule": Case(
        CERTIFICATES, ["certificates: 9, 's9', 't2', ''"], ["certificates: 2, 's2', 't2', ''"],
        [("certificates", "9")], ["certificates 2 has its thumb t2"],
    ),
    "15: an update takes what another row has and keeps": Case(
        CERTIFICATES, ["certificates: 1, 's1', 't2', ''"], ["certificates: 1, 's1', 't1', ''", "certificates: 2, 's2', 't2', ''"],
        [("certificates", "1")], ["certificates 2 has its thumb t2"],
    ),
    "14: who waits for a row that is left is left too": Case(
        CERTIFICATES, ["certificates: 1, 's1', 't2', ''", "certificates: 3, 's3', 't1', ''"],
        ["certificates: 1, 's1', 't1', ''", "certificates: 2, 's2', 't2', ''", "certificates: 3, 's3', 't3', ''"],
        [("certificates", "1"), ("certificates", "3")], ["certificates 2 has its thumb t2"],
    ),
    "11: the parent was deleted there, a child inserted here": Case(
        PARENTS, ["p: 1, 'a'", "c: 1, 1, 0"], [], refused=(),
    ),
    "12: the parent is deleted, and a child that nobody compared is there": Case(
        PARENTS, [], ["p: 1, 'a'", "c: 5, 1, 0"], refused=[("p", "c 5 refers to it by p")], deletes=True,
    ),
    "19: a merge breaks a CHECK": Case(
        CHECKED, ["t: 1, 9, 9"], ["t: 1, 1, 5"], refused=[], source=LOOSE,
    ),
    "19: a value that breaks a CHECK": Case(
        CHECKED, ["t: 1, 9, 5", "t: 2, 1, 2"], ["t: 1, 1, 5"], refused=[("t", "check")], source=LOOSE,
    ),
    "19: NULL where it may not be": Case(
        CHECKED, ["t: 1, 1, NULL", "t: 2, 1, 2"], ["t: 1, 1, 5"], refused=[("t", "NULL")], source=LOOSE,
    ),
    "18: a key that comes twice is left out and said": Case(
        ("CREATE TABLE t (id INTEGER, n INTEGER)",), ["t: 1, 1", "t: 1, 2", "t: 3, 3"], ["t: 3, 4"],
    ),
}  # fmt: skip
KEYS = {"15: an insert runs into two rows": {"certificates": ["id"]}, "18: a key that comes twice is left out and said": {"t": ["id"]}}  # fmt: skip
TABLES = {"12: the parent is deleted, and a child that nobody compared is there": ["p"]}


@pytest.mark.parametrize("engine", TARGETS)
@pytest.mark.parametrize("name", CASES)
def test_a_row_that_cannot_be_written(bench: Workbench, name: str, engine: str) -> None:
    case = CASES[name]
    local = filled(bench, "sqlite", case.source or case.ddl, case.local)
    remote = filled(bench, engine, case.ddl, case.remote)
    before = whole(remote)
    d = sn.diff(local, remote, tables=TABLES.get(name), key=KEYS.get(name))
    p = sn.plan(d, into=remote, resolve=sn.take_local, deletes=case.deletes)
    assert [(row.table, row.key) for row in p.open] == list(case.open)
    for part in case.why:
        assert part in p.open[0].why
    assert not p.undecided
    r = sn.apply(p, remote, allow=ALLOWED)
    told = r.outcomes[["table", "detail"]].values.tolist()
    assert [table for table, _ in told] == [table for table, _ in case.refused]
    assert all(word in detail for (_, detail), (_, word) in zip(told, case.refused, strict=True))
    if case.refused:
        assert (r.status, {table: whole(remote)[table] for table in before}) == ("refused", before)
        rest = sn.apply(p, remote, allow=ALLOWED, rest=True)
        assert (rest.status == "applied") == (len(p) > 1)
    elif r.run is not None:
        assert sn.apply(sn.undo(r, remote), remote, allow=ALLOWED).status == "applied"
        assert {table: whole(remote)[table] for table in before} == before


@pytest.mark.parametrize("engine", TARGETS)
def test_11_a_child_is_blocked_while_its_parent_is_left(bench: Workbench, engine: str) -> None:
    """The parent was deleted there: the child is never written as an orphan."""
    local, remote = (
        filled(bench, "sqlite", PARENTS, ["p: 1, 'a'", "c: 1, 1, 0"]),
        filled(bench, engine, PARENTS, []),
    )
    alone = sn.plan(sn.diff(local, remote, tables=["c"]), into=remote)
    r = sn.apply(alone, remote)
    assert (r.status, len(r.outcomes), execute(remote, "SELECT count(*) FROM c")) == ("refused", 1, [(0,)])
    assert r.outcomes["detail"][0].startswith("it refers by p to p 1, which is not there (")
    both = sn.plan(sn.diff(local, remote), into=remote)
    assert sn.apply(both, remote).status == "applied"


def test_16_a_row_that_this_role_cannot_see(bench: Workbench) -> None:
    """The unique value is there, in a row that row-level security hides: refused, and said so."""
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) UNIQUE, owner VARCHAR(20))"
    local = filled(bench, "sqlite", [ddl], ["2, 'a', 'swaps_reader'"])
    bench.postgresql(
        ddl,
        "INSERT INTO t VALUES (1, 'a', 'somebody')",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON t USING (owner = current_user)",
    )
    store = bench.as_role(
        "swaps_reader",
        "ALL ON t",
        "ALL ON SCHEMA public",
        f"CREATE ON DATABASE {bench.last.rpartition('/')[2].partition('?')[0]}",
    )
    remote = sn.connect(f"postgresql://swaps_reader:pw@{bench.last.rpartition('@')[2]}", writable=True)
    assert store.name == remote.name
    p = sn.plan(sn.diff(local, remote), into=remote)
    r = sn.apply(p, remote, allow=("row_security",))
    assert r.status == "refused"
    assert "a row that this role cannot see" in r.outcomes["detail"][0]
    assert execute(sn.connect(bench.last), "SELECT id FROM t") == [(1,)]


@pytest.mark.parametrize("engine", TARGETS)
def test_what_waits_for_a_decision_waits_with_it(bench: Workbench, engine: str) -> None:
    """A new row that takes a value of an undecided row is undecided too, and so is its child; all decided, all are written."""
    ddl = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) UNIQUE)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER NOT NULL REFERENCES t)",
    ]
    local = filled(bench, "sqlite", ddl, ["1, 'b'", "2, 'a'", "c: 7, 2"])
    remote = filled(bench, engine, ddl, ["1, 'a'"])
    p = sn.plan(sn.diff(local, remote, key={"t": ["id"]}), into=remote)
    assert (len(p), sorted(block.verb for block in p.undecided)) == (0, ["insert", "insert", "update"])
    decided = p.decide(p.preview().assign(decision="local"))
    assert sn.apply(decided, remote).status == "applied"
    assert (whole(remote)["t"], whole(remote)["c"]) == ([(1, "b"), (2, "a")], [(7, 2)])


@pytest.mark.parametrize("engine", TARGETS)
def test_every_row_without_a_value_is_named(bench: Workbench, engine: str) -> None:
    """However many there are, and another that is refused for something else beside them."""
    empty = [f"{key}, 1, NULL" for key in range(1, 301)]
    local = filled(bench, "sqlite", LOOSE, [*empty, "301, 9, 5", "302, 1, 5"])
    remote = filled(bench, engine, CHECKED, [])
    p = sn.plan(sn.diff(local, remote), into=remote)
    refused = sn.apply(p, remote).outcomes.set_index("key")["detail"]
    assert list(refused.index) == [str(key) for key in range(1, 302)]
    assert set(refused[:300]) == {"column high may not be NULL"}
    assert "check" in refused["301"]
    assert sn.apply(p, remote, rest=True).status == "applied"
    assert execute(remote, "SELECT id FROM t") == [(302,)]
