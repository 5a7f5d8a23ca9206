"""Same id or same thing? Every case is planned into either side, and no thing may be lost, no child change its parent."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.errors import PlanError, SchemaError
from tests.databases import ENGINES, Workbench

pytestmark = pytest.mark.usefixtures("one_line")

DDL = (
    "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name VARCHAR(40) UNIQUE, note VARCHAR(40), part_of INTEGER REFERENCES hosts)",
    "CREATE TABLE ips (id INTEGER PRIMARY KEY, host_id INTEGER NOT NULL REFERENCES hosts, ip VARCHAR(40) NOT NULL, note VARCHAR(40), UNIQUE (host_id, ip))",
    "CREATE TABLE tags (host_id INTEGER NOT NULL REFERENCES hosts, tag VARCHAR(40) NOT NULL, note VARCHAR(40), PRIMARY KEY (host_id, tag))",
    "CREATE TABLE ports (id INTEGER PRIMARY KEY, ip_id INTEGER NOT NULL REFERENCES ips, port INTEGER NOT NULL, UNIQUE (ip_id, port))",
)
HOSTS = "SELECT h.name, p.name, h.note FROM hosts h LEFT JOIN hosts p ON p.id = h.part_of"
IPS = "SELECT h.name, i.ip, i.note FROM ips i JOIN hosts h ON h.id = i.host_id"
TAGS = "SELECT h.name, t.tag, t.note FROM tags t JOIN hosts h ON h.id = t.host_id"
PORTS = (
    "SELECT h.name, i.ip, p.port FROM ports p JOIN ips i ON i.id = p.ip_id JOIN hosts h ON h.id = i.host_id"
)
QUERIES = (HOSTS, IPS, TAGS, PORTS)


@dataclass(frozen=True)
class Case:
    """Rows of both sides, `table: values`, and the conflicts that they are (class, local id, remote id)."""

    local: Sequence[str]
    remote: Sequence[str]
    conflicts: Sequence[tuple[str, str, str | None, str | None]] = ()
    ids: Any = None
    open: int = 0
    """Rows that stay open when the plan goes into remote."""
    open_back: int | None = None
    """The same into local, where it is not as many."""


TWIN, COLLISION, UNSURE = "twin", "id collision", "rename or collision"
CASES = {
    "same id, same thing": Case(
        ["hosts: 1, 'a', 'new', NULL", "ips: 1, 1, '::1', 'x'"], ["hosts: 1, 'a', 'old', NULL", "ips: 1, 1, '::1', 'y'"]
    ),
    "id collision": Case(
        ["hosts: 1, 'z', '', NULL", "hosts: 7, 'a', 'x', NULL", "ips: 5, 7, '::1', ''"],
        ["hosts: 1, 'z', '', NULL", "hosts: 7, 'b', 'y', NULL", "hosts: 8, 'a', 'x', NULL", "ips: 5, 7, '::2', ''"],
        [("hosts", COLLISION, "7", "7"), ("hosts", TWIN, "7", "8"), ("ips", COLLISION, "5", "5")],
    ),
    "twin with children": Case(
        ["hosts: 3, 'a', 'x', NULL", "ips: 1, 3, '::1', 'l'", "tags: 3, 'blue', 'l'", "ports: 1, 1, 80"],
        ["hosts: 4, 'a', 'y', NULL", "ips: 9, 4, '::1', 'r'", "tags: 4, 'blue', 'r'", "tags: 4, 'red', ''"],
        [("hosts", TWIN, "3", "4"), ("ips", TWIN, "1", "9")],
    ),
    "every id is another, parents too": Case(
        ["hosts: 1, 'a', '', NULL", "hosts: 2, 'b', '', 1", "hosts: 3, 'c', 'l', 2", "ips: 1, 3, '::1', ''"],
        ["hosts: 12, 'b', '', 11", "hosts: 11, 'a', '', NULL", "hosts: 13, 'c', 'r', 12", "ips: 21, 13, '::1', ''"],
        [("hosts", TWIN, "1", "11"), ("hosts", TWIN, "2", "12"), ("hosts", TWIN, "3", "13"), ("ips", TWIN, "1", "21")],
    ),
    "a collision of parents, all children look the same": Case(
        ["hosts: 7, 'a', '', NULL", "ips: 5, 7, '::1', ''", "tags: 7, 't', ''", "ports: 5, 5, 80"],
        ["hosts: 7, 'b', '', NULL", "hosts: 8, 'a', '', NULL", "ips: 5, 7, '::1', ''", "tags: 7, 't', ''", "ports: 5, 5, 80"],
        [("hosts", COLLISION, "7", "7"), ("hosts", TWIN, "7", "8"), ("ips", COLLISION, "5", "5"), ("ports", COLLISION, "5", "5")],
    ),
    "ids told meaningless: two things": Case(
        ["hosts: 7, 'a', '', NULL", "ips: 5, 7, '::1', 'l'", "tags: 7, 't', 'l'", "ports: 5, 5, 80"],
        ["hosts: 7, 'b', '', NULL", "ips: 5, 7, '::1', 'r'", "tags: 7, 't', 'r'", "ports: 5, 5, 81"],
        [("hosts", COLLISION, "7", "7"), ("ips", COLLISION, "5", "5"), ("ports", COLLISION, "5", "5")],
        ids="meaningless",
    ),
    "one id told different": Case(
        ["hosts: 7, 'a', '', NULL", "hosts: 8, 'c', 'l', NULL"],
        ["hosts: 7, 'b', '', NULL", "hosts: 8, 'd', 'r', NULL"],
        [("hosts", COLLISION, "7", "7"), ("hosts", UNSURE, "8", "8")],
        ids={"hosts": {7: "different"}},
        open=1,
    ),
    "nobody can tell: the children wait as well": Case(
        ["hosts: 7, 'a', 'n', NULL", "ips: 1, 7, '::1', ''", "tags: 7, 't', ''"],
        ["hosts: 7, 'b', 'n', NULL"],
        [("hosts", UNSURE, "7", "7")],
        open=3,
        open_back=1,
    ),
    "a natural key is NULL on one side": Case(
        ["hosts: 7, NULL, 'l', NULL"], ["hosts: 7, 'b', 'r', NULL"], [("hosts", "natural key is NULL", "7", "7")], open=1
    ),
    "no natural key on either side: the id counts": Case(["hosts: 7, NULL, 'l', NULL"], ["hosts: 7, NULL, 'r', NULL"]),
    "a child moved to another parent": Case(
        ["hosts: 1, 'a', '', NULL", "hosts: 2, 'b', '', NULL", "ips: 5, 2, '::1', 'x'"],
        ["hosts: 1, 'a', '', NULL", "hosts: 2, 'b', '', NULL", "ips: 5, 1, '::1', 'x'"],
        [("ips", UNSURE, "5", "5")],
        open=1,
    ),
    "a child of another parent, called otherwise": Case(
        ["hosts: 1, 'a', '', NULL", "hosts: 2, 'b', '', NULL", "ips: 5, 2, '::2', 'x'", "ports: 1, 5, 80"],
        ["hosts: 1, 'a', '', NULL", "hosts: 2, 'b', '', NULL", "ips: 5, 1, '::1', 'x'", "ports: 1, 5, 80"],
        [("ips", COLLISION, "5", "5"), ("ports", COLLISION, "1", "1")],
    ),
    "a circle that the notes follow is an exchange of ids": Case(
        ["hosts: 1, 'a', 'A', NULL", "hosts: 2, 'b', 'B', NULL", "ips: 1, 1, '::1', ''"],
        ["hosts: 1, 'b', 'B', NULL", "hosts: 2, 'a', 'A', NULL", "ips: 1, 2, '::1', ''"],
        [("hosts", COLLISION, "1", "1"), ("hosts", COLLISION, "2", "2"), ("hosts", TWIN, "1", "2"), ("hosts", TWIN, "2", "1")],
    ),
    "a circle that the notes do not follow is an exchange of names": Case(
        ["hosts: 1, 'a', 'one', NULL", "hosts: 2, 'b', 'two', NULL"], ["hosts: 1, 'b', 'one', NULL", "hosts: 2, 'a', 'two', NULL"]
    ),
    "a new child of a new parent whose id is taken": Case(
        ["hosts: 1, 'a', '', NULL", "hosts: 2, 'new', '', 1", "ips: 1, 2, '::9', ''", "ports: 1, 1, 22"],
        ["hosts: 2, 'a', '', NULL", "hosts: 1, 'other', '', 2"],
        [("hosts", COLLISION, "1", "1"), ("hosts", COLLISION, "2", "2"), ("hosts", TWIN, "1", "2")],
    ),
}  # fmt: skip


@dataclass
class Sides:
    """Two databases of a case, written to and read without syncnb."""

    local: sn.Store
    remote: sn.Store
    read: Callable[[sn.Store, str], list[tuple[Any, ...]]]
    urls: dict[int, str] = field(default_factory=dict)

    def things(self, store: sn.Store) -> dict[str, set[tuple[Any, ...]]]:
        """Everything under its names, notes left out: what must never be lost or move."""
        return {
            query: {row[:2] if query != PORTS else row for row in self.read(store, query)}
            for query in QUERIES
        }

    def whole(self, store: sn.Store) -> list[list[tuple[Any, ...]]]:
        return [
            sorted(self.read(store, f"SELECT * FROM {name}"), key=repr)
            for name in ("hosts", "ips", "tags", "ports")
        ]


def made(bench: Workbench, engines: tuple[str, str], local: Sequence[str], remote: Sequence[str]) -> Sides:
    stores = []
    for engine, lines in zip(engines, (local, remote), strict=True):
        inserts = [
            f"INSERT INTO {line.partition(':')[0]} VALUES ({line.partition(':')[2]})" for line in lines
        ]
        if engine == "sqlite":
            path = bench.sqlite(*DDL, *inserts).path  # type: ignore[attr-defined]
            stores.append(sn.connect(path, writable=True))
        else:
            bench.postgresql(*DDL, *_ordered(inserts))
            stores.append(sn.connect(bench.last, writable=True))
    return Sides(*stores, read=read)


def _ordered(inserts: list[str]) -> list[str]:
    """PostgreSQL checks a reference at once: all rows of a table in one statement."""
    tables: dict[str, list[str]] = {}
    for line in inserts:
        head, _, values = line.partition(" VALUES ")
        tables.setdefault(head, []).append(values)
    return [f"{head} VALUES {', '.join(values)}" for head, values in tables.items()]


def read(store: sn.Store, query: str) -> list[tuple[Any, ...]]:
    if store.dialect == "sqlite":
        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            found = connection.execute(query).fetchall()
        connection.close()
        return found
    with psycopg.connect(**dict(store.parameters)) as connection:  # type: ignore[attr-defined]
        return connection.execute(query).fetchall()


def classes(d: sn.Diff) -> list[tuple[str, ...]]:
    lines = d.conflicts[["table", "class", "local_id", "remote_id"]]
    return sorted(
        (
            tuple(None if v is None or v != v else v for v in line)
            for line in lines.astype(object).values.tolist()
        ),
        key=repr,
    )


@pytest.mark.parametrize("into", ["local", "remote"])
@pytest.mark.parametrize(
    "engines", [ENGINES["SQLite, SQLite"], ENGINES["SQLite, PostgreSQL"]], ids=["SQLite", "PostgreSQL"]
)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_nothing_is_lost_and_no_child_moves(
    bench: Workbench, case: Case, engines: tuple[str, str], into: str
) -> None:
    sides = made(bench, engines, case.local, case.remote)
    target, source = (sides.local, sides.remote) if into == "local" else (sides.remote, sides.local)
    before, had, coming = sides.whole(target), sides.things(target), sides.things(source)

    d = sn.diff(sides.local, sides.remote, ids=case.ids)
    assert classes(d) == sorted(case.conflicts, key=repr)
    policy = sn.take_remote if into == "local" else sn.take_local
    p = sn.plan(d, into=target, resolve=policy, collisions="keep_both")
    left = case.open if into == "remote" or case.open_back is None else case.open_back
    assert len(p.open) + sum(map(len, p.undecided)) == left
    r = sn.apply(p, target, allow=("many_changes",))
    assert r.status in ("applied", "nothing to do")

    after = sides.things(target)
    for query in QUERIES:
        assert had[query] <= after[query], "a thing of the target is lost"
        assert left or coming[query] <= after[query], "a thing of the source did not arrive"
    again = sn.diff(sides.local, sides.remote, ids=case.ids)
    missing = "only_local" if into == "remote" else "only_remote"
    if not left:
        assert all(getattr(table.counts, missing) == table.counts.changed == 0 for table in again.values())
        assert not len(sn.plan(again, into=target, resolve=policy, collisions="keep_both"))
    if r.run is not None:
        assert sn.verify(r, target)
        undone = sn.apply(sn.undo(r, target), target, allow=("many_changes", "deletes", "cascades"))
        assert (undone.status, sides.whole(target)) == ("applied", before)


def test_a_mirror_gives_the_mirrored_conflicts(bench: Workbench) -> None:
    for case in CASES.values():
        if case.ids is not None:
            continue
        sides = made(bench, ("sqlite", "sqlite"), case.local, case.remote)
        there, back = sn.diff(sides.local, sides.remote), sn.diff(sides.remote, sides.local)
        assert sorted((t, k, b, a) for t, k, a, b in classes(there)) == sorted(classes(back))
        for name in there:
            assert there[name].counts.same == back[name].counts.same


def test_a_collision_stays_open_until_told(bench: Workbench) -> None:
    case = CASES["id collision"]
    sides = made(bench, ("sqlite", "postgresql"), [*case.local, "hosts: 8, 'c', '', NULL"], case.remote)
    d = sn.diff(sides.local, sides.remote)
    p = sn.plan(d, into=sides.remote, resolve=sn.take_local)
    assert [(row.table, row.key) for row in p.open] == [("hosts", "8"), ("ips", "5")]
    assert 'collisions="keep_both"' in p.open[0].why
    kept = sn.plan(d, into=sides.remote, resolve=sn.take_local, collisions={"hosts": "keep_both"})
    assert [(row.table, row.key) for row in kept.open] == [("ips", "5")]


def test_a_kept_collision_does_not_come_back_and_its_children_follow(bench: Workbench) -> None:
    """Rows without a natural key are known again by the map alone."""
    local = ["hosts: 7, NULL, 'mine', NULL", "ips: 1, 7, '::1', ''"]
    sides = made(bench, ("sqlite", "postgresql"), local, ["hosts: 7, 'theirs', '', NULL"])
    d = sn.diff(sides.local, sides.remote, ids={"hosts": {7: "different"}})
    r = sn.apply(sn.plan(d, into=sides.remote, collisions="keep_both"), sides.remote)
    assert read(sides.remote, "SELECT id, name, note FROM hosts ORDER BY id") == [
        (7, "theirs", ""),
        (8, None, "mine"),
    ]
    assert read(sides.remote, "SELECT host_id, ip FROM ips") == [(8, "::1")]
    again = sn.diff(sides.local, sides.remote)
    assert (again["hosts"].counts.same, again["hosts"].counts.only_local) == (1, 0)
    assert (again["ips"].counts.same, classes(again)) == (1, [])
    assert "under another id (mapped)" in repr(again)
    sn.apply(sn.undo(r, sides.remote), sides.remote, allow=("cascades",))
    assert classes(sn.diff(sides.local, sides.remote)) == [("hosts", "natural key is NULL", "7", "7")]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_run_that_only_kept_ids_is_taken_back(bench: Workbench, engine: str) -> None:
    local = ["hosts: 2, 'b', 'same', NULL", "hosts: 3, 'a', 'other', NULL"]
    sides = made(
        bench, ("sqlite", engine), local, ["hosts: 3, 'b', 'same', NULL", "hosts: 2, 'z', 'x', NULL"]
    )
    p = sn.plan(sn.diff(sides.local, sides.remote), into=sides.remote)
    assert (len(p), sum(map(len, p.maps))) == (0, 1)
    r = sn.apply(p, sides.remote)
    maps = "SELECT count(*) FROM " + ("syncnb_id_maps" if engine == "sqlite" else "syncnb.id_maps")
    assert (r.status, read(sides.remote, maps)) == ("applied", [(1,)])
    undo = sn.undo(r, sides.remote)
    assert "hosts: that 1 row has another id in the source is forgotten" in undo.notes
    undone = sn.apply(undo, sides.remote)
    assert (undone.status, undone.run) == ("applied", 2)
    with pytest.raises(sn.PlanError, match="was taken back by run 2"):
        sn.undo(r, sides.remote)
    again = sn.plan(sn.diff(sides.local, sides.remote), into=sides.remote)
    assert (again.id != p.id, sum(map(len, again.maps))) == (True, 1), "it is found anew, and not known"


def test_a_mapped_thing_that_was_deleted_there_is_not_what_has_its_id(bench: Workbench) -> None:
    case = CASES["id collision"]
    sides = made(bench, ("sqlite", "sqlite"), case.local, case.remote)
    p = sn.plan(
        sn.diff(sides.local, sides.remote), into=sides.remote, resolve=sn.take_local, collisions="keep_both"
    )
    sn.apply(p, sides.remote)
    with sqlite3.connect(sides.remote.path) as connection:  # type: ignore[attr-defined]
        connection.execute("DELETE FROM ips")
        connection.execute("DELETE FROM hosts WHERE name = 'a'")
    connection.close()
    d = sn.diff(sides.local, sides.remote)
    assert classes(d) == [("hosts", COLLISION, "7", "7")]
    assert (d["hosts"].counts.only_local, d["hosts"].counts.only_remote) == (1, 1)


def test_children_are_counted(bench: Workbench) -> None:
    local = [
        "hosts: 7, 'a', '', NULL",
        "hosts: 9, 'k', '', 7",
        "ips: 1, 7, '::1', ''",
        "ips: 2, 7, '::2', ''",
        "tags: 7, 't', ''",
    ]
    remote = ["hosts: 7, 'b', '', NULL", "hosts: 8, 'a', '', NULL", "ips: 4, 8, '::1', ''"]
    sides = made(bench, ("sqlite", "sqlite"), local, remote)
    lines = sn.diff(sides.local, sides.remote).conflicts
    hosts = lines[lines["table"] == "hosts"]
    assert hosts[["class", "natural_key", "local_children", "remote_children"]].values.tolist() == [
        [COLLISION, "a ≠ b", 4, 0],
        [TWIN, "a", 4, 1],
    ]


def test_a_told_key_with_meaningless_ids(bench: Workbench) -> None:
    """Where no rule says what identifies a row, a person does; the ids are then no values."""
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, code VARCHAR(9), v INTEGER)"
    left = sn.connect(
        bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)").path, writable=True
    )
    right = sn.connect(
        bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'b', 2), (2, 'a', 5), (3, 'd', 4)").path, writable=True
    )
    d = sn.diff(left, right, key="code", ids="meaningless")
    assert (d["t"].counts.same, d["t"].counts.changed, d["t"].cell_counts) == (1, 1, {"v": 1})
    sn.apply(sn.plan(d, into=right, resolve=sn.take_local, collisions="keep_both"), right)
    assert read(right, "SELECT * FROM t ORDER BY id") == [(1, "b", 2), (2, "a", 1), (3, "d", 4), (4, "c", 3)]
    assert sn.diff(left, right, key="code", ids="meaningless")["t"].counts.only_local == 0


def test_an_explanation_follows_the_reference(bench: Workbench) -> None:
    sides = made(
        bench, ("sqlite", "sqlite"), CASES["twin with children"].local, CASES["twin with children"].remote
    )
    d = sn.diff(sides.local, sides.remote)
    said = d["ips"].explain(1, "host_id")
    assert (said.same, said.why) == (True, "local 3 is remote 4: the same thing")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"ids": "nonsense"}, "ids says 'nonsense'"),
        ({"ids": {"hosts": {7: "equal"}}}, "ids says 'equal'"),
        ({"ids": ["host"]}, "ids names a table 'host'"),
        ({"ids": ["tags"]}, "tags has no id that a machine made"),
    ],
)  # fmt: skip
def test_a_wish_that_means_nothing_is_refused(bench: Workbench, wish: Any, message: str) -> None:
    sides = made(bench, ("sqlite", "sqlite"), ["hosts: 1, 'a', '', NULL"], [])
    with pytest.raises(SchemaError, match=message):
        sn.diff(sides.local, sides.remote, **wish)
    with pytest.raises(PlanError, match="collisions says 'keep'"):
        sn.plan(sn.diff(sides.local, sides.remote), into=sides.remote, collisions="keep")
