"""Who changed what since both sides agreed? Every case is run into both sides, on two pairs of engines, and mirrored."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.thinning import spread

pytestmark = pytest.mark.usefixtures("one_line")

DDL = (
    "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name VARCHAR(40) UNIQUE, note VARCHAR(40), env VARCHAR(40), stamp {stamp})",
    "CREATE TABLE ips (id INTEGER PRIMARY KEY, host_id INTEGER NOT NULL REFERENCES hosts, ip VARCHAR(40) NOT NULL, note VARCHAR(40), UNIQUE (host_id, ip))",
    "CREATE TABLE tags (host_id INTEGER NOT NULL REFERENCES hosts, tag VARCHAR(40) NOT NULL, note VARCHAR(40), PRIMARY KEY (host_id, tag))",
    "CREATE TABLE codes (code VARCHAR(9) PRIMARY KEY, note VARCHAR(40))",
    "CREATE TABLE uses (code VARCHAR(9) PRIMARY KEY REFERENCES codes, n INTEGER)",
)
STAMPS = {"sqlite": "DATETIME", "postgresql": "timestamptz"}
QUERIES = {
    "hosts": "SELECT name, note, env FROM hosts ORDER BY name",
    "ips": "SELECT h.name, i.ip, i.note FROM ips i JOIN hosts h ON h.id = i.host_id ORDER BY h.name, i.ip",
    "tags": "SELECT h.name, t.tag, t.note FROM tags t JOIN hosts h ON h.id = t.host_id ORDER BY h.name, t.tag",
    "codes": "SELECT code, note FROM codes ORDER BY code",
    "uses": "SELECT code, n FROM uses ORDER BY code",
}
A = "INSERT INTO hosts VALUES (1, 'a', 'old', 'x', NULL)"
AB = (A, "INSERT INTO hosts VALUES (2, 'b', 'old', 'x', NULL)")
CHILD = "INSERT INTO ips VALUES (5, 1, '::1', '')"
TAG = "INSERT INTO tags VALUES (1, 't', '')"
HAZARDS = ("deletes", "many_changes", "cascades")
UPDATED, DELETED, RENAMED = "both updated", "deleted and updated", "renamed"
COLLISION, TWIN, UNSURE = "id collision", "twin", "rename or collision"


@dataclass(frozen=True)
class Case:
    """A base, what each side did since, and what both hold after a plan into either of them. Notes are the values."""

    base: Sequence[str]
    local: Sequence[str] = ()
    remote: Sequence[str] = ()
    after: Mapping[str, Sequence[tuple[Any, ...]]] = field(default_factory=dict)
    """What both sides hold in the end, table by table."""
    stays: Mapping[str, tuple[Sequence[tuple[Any, ...]], Sequence[tuple[Any, ...]]]] = field(
        default_factory=dict
    )
    """The same where they do not become equal: local, remote."""
    conflicts: Sequence[tuple[str, str]] = ()
    resolve: Any = None
    resolved: int = 0
    """Rows that were decided although both sides had changed them, in the plan into remote."""
    open: int = 0
    lost: Sequence[tuple[Any, ...]] = ()
    """Values overwritten in remote: table, key, column, lost, kept."""


LEFT = "UPDATE hosts SET note = 'l' WHERE id = 1"
RIGHT = "UPDATE hosts SET note = 'r' WHERE id = 1"
GONE = "DELETE FROM hosts WHERE id = 1"
CASES = {
    "1 both changed it to the same": Case([A], [LEFT], [LEFT], {"hosts": [("a", "l", "x")]}),
    "2 updated on one side": Case([A], [LEFT], [], {"hosts": [("a", "l", "x")]}),
    "2 updated on one side, and the policy is for the other": Case(
        [A], [LEFT], [], {"hosts": [("a", "l", "x")]}, resolve=sn.take_remote
    ),
    "3 different columns": Case(
        [A], [LEFT], ["UPDATE hosts SET env = 'y' WHERE id = 1"], {"hosts": [("a", "l", "y")]}
    ),
    "4 the same cell": Case(
        [A], [LEFT], [RIGHT], stays={"hosts": ([("a", "l", "x")], [("a", "r", "x")])},
        conflicts=[("hosts", UPDATED)], open=1,
    ),
    "4 the same cell, and another one of each: the row waits as a whole": Case(
        [A], ["UPDATE hosts SET note = 'l', env = 'l' WHERE id = 1"], [RIGHT],
        stays={"hosts": ([("a", "l", "l")], [("a", "r", "x")])},
        conflicts=[("hosts", UPDATED)], open=1,
    ),
    "4 the same cell, decided: what only the loser changed stays": Case(
        [A], [LEFT], ["UPDATE hosts SET note = 'r', env = 'y' WHERE id = 1"], {"hosts": [("a", "l", "y")]},
        conflicts=[("hosts", UPDATED)], resolve=sn.take_local, resolved=1, lost=[("hosts", "1", "note", "r", "l")],
    ),
    "4 the same cell, the other one decided": Case(
        [A], [LEFT], [RIGHT], {"hosts": [("a", "r", "x")]},
        conflicts=[("hosts", UPDATED)], resolve=sn.take_remote, resolved=1,
    ),
    "4 only the newest of those that both changed": Case(
        AB,
        ["UPDATE hosts SET note = 'l', stamp = '2026-03-01 10:00:00Z' WHERE id = 1", "UPDATE hosts SET note = 'l', stamp = '2026-03-01 10:00:00Z' WHERE id = 2"],
        ["UPDATE hosts SET note = 'r', stamp = '2026-03-01 09:00:00Z' WHERE id = 1"],
        {"hosts": [("a", "l", "x"), ("b", "l", "x")]},
        conflicts=[("hosts", UPDATED)], resolve=sn.newest({"hosts": "stamp"}), resolved=1,
        lost=[("hosts", "1", "note", "r", "l"), ("hosts", "1", "stamp", "2026-03-01 09:00:00Z", "2026-03-01 10:00:00Z")],
    ),
    "5 updated here, deleted there": Case(
        [A], [LEFT], [GONE], stays={"hosts": ([("a", "l", "x")], [])}, conflicts=[("hosts", DELETED)], open=1
    ),
    "5 updated here, deleted there: the update counts": Case(
        [A], [LEFT], [GONE], {"hosts": [("a", "l", "x")]},
        conflicts=[("hosts", DELETED)], resolve=sn.take_local, resolved=1,
    ),
    "6 deleted here, updated there: the deletion counts": Case(
        [A], [GONE], [RIGHT], {"hosts": []},
        conflicts=[("hosts", DELETED)], resolve=sn.take_local, resolved=1,
        lost=[("hosts", "1", "", "id=1, name=a, note=r, env=x, stamp=∅", None)],
    ),
    "5 newest does not decide against a deletion": Case(
        [A], [LEFT], [GONE], stays={"hosts": ([("a", "l", "x")], [])},
        conflicts=[("hosts", DELETED)], resolve=sn.newest({"hosts": "stamp"}), open=1,
    ),
    "deleted on one side": Case(AB, [GONE], [], {"hosts": [("b", "old", "x")]}),
    "deleted with its children": Case(
        [A, CHILD, TAG], ["DELETE FROM ips", "DELETE FROM tags", GONE], [], {"hosts": [], "ips": [], "tags": []}
    ),
    "7 both deleted it": Case(AB, [GONE], [GONE], {"hosts": [("b", "old", "x")]}),
    "8 both inserted it, the same": Case([], [A], [A], {"hosts": [("a", "old", "x")]}),
    "8 both inserted it, with other values": Case(
        [], [A], [A, RIGHT], stays={"hosts": ([("a", "old", "x")], [("a", "r", "x")])}, open=1
    ),
    "9 one id, two things": Case(
        [A], ["INSERT INTO hosts VALUES (7, 'l', '', '', NULL)", "INSERT INTO ips VALUES (5, 7, '::1', '')"],
        ["INSERT INTO hosts VALUES (7, 'a2', '', 'z', NULL)", "INSERT INTO hosts VALUES (8, 'l', '', '', NULL)"],
        {"hosts": [("a", "old", "x"), ("a2", "", "z"), ("l", "", "")], "ips": [("l", "::1", "")]},
        conflicts=[("hosts", COLLISION), ("hosts", TWIN)],
    ),
    "10 one thing, two ids": Case(
        [A], ["INSERT INTO hosts VALUES (3, 'n', 'v', '', NULL)", "INSERT INTO ips VALUES (5, 3, '::1', '')"],
        ["INSERT INTO hosts VALUES (4, 'n', 'v', '', NULL)"],
        {"hosts": [("a", "old", "x"), ("n", "v", "")], "ips": [("n", "::1", "")]},
        conflicts=[("hosts", TWIN)],
    ),
    "11 a new child of a parent that the other side deleted": Case(
        [A], [CHILD], [GONE], stays={"hosts": ([("a", "old", "x")], []), "ips": ([("a", "::1", "")], [])}, open=2,
        conflicts=[],
    ),
    "11 the same by a key that people chose": Case(
        ["INSERT INTO codes VALUES ('c', '')"], ["INSERT INTO uses VALUES ('c', 1)"], ["DELETE FROM codes"],
        stays={"codes": ([("c", "")], []), "uses": ([("c", 1)], [])}, open=2,
    ),
    "11 a parent is kept, and what was deleted with it": Case(
        [A, CHILD], [LEFT], ["DELETE FROM ips", GONE], {"hosts": [("a", "l", "x")], "ips": [("a", "::1", "")]},
        conflicts=[("hosts", DELETED)], resolve=sn.take_local, resolved=1,
    ),
    "13 two names exchanged": Case(
        AB,
        [
            "UPDATE hosts SET name = 'tmp' WHERE id = 1",
            "UPDATE hosts SET name = 'a' WHERE id = 2",
            "UPDATE hosts SET name = 'b' WHERE id = 1",
        ],
        ["UPDATE hosts SET note = 'r' WHERE id = 2"],
        {"hosts": [("a", "r", "x"), ("b", "old", "x")]}, conflicts=[("hosts", RENAMED)] * 2,
    ),
    "14 a chain of names": Case(
        AB, ["UPDATE hosts SET name = 'c' WHERE id = 2", "UPDATE hosts SET name = 'b' WHERE id = 1"], [],
        {"hosts": [("b", "old", "x"), ("c", "old", "x")]}, conflicts=[("hosts", RENAMED)] * 2,
    ),
    "17 renamed, with children": Case(
        [A, CHILD, TAG], ["UPDATE hosts SET name = 'a2' WHERE id = 1"], ["UPDATE hosts SET note = 'r' WHERE id = 1", "INSERT INTO ips VALUES (6, 1, '::2', '')"],
        {"hosts": [("a2", "r", "x")], "ips": [("a2", "::1", ""), ("a2", "::2", "")], "tags": [("a2", "t", "")]},
        conflicts=[("hosts", RENAMED)],
    ),
    "17 both renamed it": Case(
        [A, CHILD], ["UPDATE hosts SET name = 'l' WHERE id = 1"], ["UPDATE hosts SET name = 'r' WHERE id = 1"],
        stays={"hosts": ([("l", "old", "x")], [("r", "old", "x")])}, open=1,
        conflicts=[("hosts", RENAMED), ("hosts", UPDATED)],
    ),
    "17 renamed to what the other side made anew": Case(
        [A], ["UPDATE hosts SET name = 'n' WHERE id = 1"], ["INSERT INTO hosts VALUES (2, 'n', '', '', NULL)"],
        stays={"hosts": ([("n", "old", "x")], [("a", "old", "x"), ("n", "", "")])}, open=1,
        conflicts=[("hosts", UNSURE)],
    ),
    "17 another key": Case(
        ["INSERT INTO codes VALUES ('c', 'v')"], ["UPDATE codes SET code = 'd'"], [], {"codes": [("d", "v")]}
    ),
    "22 inserted and updated": Case([], [A, LEFT], [], {"hosts": [("a", "l", "x")]}),
    "22 deleted and inserted anew": Case(
        AB, [GONE, "INSERT INTO hosts VALUES (1, 'a', 'new', 'x', NULL)"], [],
        {"hosts": [("a", "new", "x"), ("b", "old", "x")]},
    ),
    "a child moved to another parent": Case(
        [*AB, CHILD], ["UPDATE ips SET host_id = 2"], ["UPDATE ips SET note = 'r'"],
        {"ips": [("b", "::1", "r")]}, conflicts=[("ips", RENAMED)],
    ),
    "a long value": Case(
        [f"INSERT INTO hosts VALUES (1, 'a', '{'v' * 40}', 'x', NULL)"], ["UPDATE hosts SET note = NULL"], [],
        {"hosts": [("a", None, "x")]},
    ),
}  # fmt: skip


@dataclass
class Sides:
    """Two databases of a case."""

    local: sn.Store
    remote: sn.Store

    def table(self, name: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        return read(self.local, QUERIES[name]), read(self.remote, QUERIES[name])


def made(bench: Workbench, engines: Sequence[str], base: Sequence[str]) -> Sides:
    stores = []
    for engine in engines:
        ddl = [statement.format(stamp=STAMPS[engine]) for statement in DDL]
        if engine == "sqlite":
            path = bench.sqlite(*ddl, *base).path  # type: ignore[attr-defined]
            stores.append(sn.connect(path, writable=True))
        else:
            bench.postgresql(*ddl, *base)
            stores.append(sn.connect(bench.last, writable=True))
    return Sides(*stores)


def run(store: sn.Store, statements: Sequence[str]) -> None:
    if store.dialect == "sqlite":
        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(**dict(store.parameters)) as connection:  # type: ignore[attr-defined]
        for statement in statements:
            connection.execute(statement.encode())


def read(store: sn.Store, query: str) -> list[tuple[Any, ...]]:
    if store.dialect == "sqlite":
        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            found = connection.execute(query).fetchall()
        connection.close()
        return found
    with psycopg.connect(**dict(store.parameters)) as connection:  # type: ignore[attr-defined]
        return connection.execute(query.encode()).fetchall()


MIRROR = {sn.take_local: sn.take_remote, sn.take_remote: sn.take_local}
PAIRS = {"SQLite": ("sqlite", "sqlite"), "PostgreSQL": ("sqlite", "postgresql")}


def lines(d: sn.Diff) -> list[tuple[str, str]]:
    return sorted(zip(d.conflicts["table"], d.conflicts["class"], strict=True))


def planned(sides: Sides, into: str, resolve: Any) -> sn.Plan:
    target = sides.local if into == "local" else sides.remote
    d = sn.diff(sides.local, sides.remote)
    return sn.plan(d, into=target, resolve=resolve, collisions="keep_both")


def waiting(p: sn.Plan) -> int:
    return len(p.open) + sum(map(len, p.undecided))


@pytest.mark.parametrize(
    ("case", "engines", "swapped"), spread(CASES, over=PAIRS, and_over={"as is": False, "swapped": True})
)
def test_with_a_base(bench: Workbench, case: Case, engines: tuple[str, str], swapped: bool) -> None:
    sides = made(bench, engines, case.base)
    sn.agree(sides.local, sides.remote)
    first, second = (sides.remote, sides.local) if swapped else (sides.local, sides.remote)
    run(first, case.local)
    run(second, case.remote)
    resolve = MIRROR.get(case.resolve, case.resolve) if swapped else case.resolve
    into, back = ("local", "remote") if swapped else ("remote", "local")

    d = sn.diff(sides.local, sides.remote)
    assert lines(d) == sorted(case.conflicts)
    p = planned(sides, into, resolve)
    assert waiting(p) == case.open, p
    r = sn.apply(p, second, allow=HAZARDS)
    assert r.status in ("applied", "nothing to do"), r.outcomes
    assert [(each.table, each.key, each.column) for each in r.lost] == [each[:3] for each in case.lost]
    if r.run is not None:
        frame = sn.history(second).frame
        assert frame["conflicts_resolved"].tolist()[-1] == case.resolved
        clashing = sum(kind in (UPDATED, DELETED) for _, kind in case.conflicts)
        assert frame["conflicts_open"].tolist()[-1] == clashing - case.resolved
        assert sn.verify(r, second)
    sn.agree(sides.local, sides.remote)
    q = planned(sides, back, resolve)
    assert sn.apply(q, first, allow=HAZARDS).status in ("applied", "nothing to do")
    for name, rows in case.after.items():
        assert sides.table(name) == (list(rows), list(rows)), name
    for name, (ours, theirs) in case.stays.items():
        expected = (theirs, ours) if swapped else (ours, theirs)
        assert sides.table(name) == tuple(map(list, expected)), name
    if not case.open:
        assert sn.diff(sides.local, sides.remote).verdict == "equal"
        sn.agree(sides.local, sides.remote)
        for side in ("local", "remote"):
            assert not len(planned(sides, side, resolve))


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_without_a_base_nothing_is_deleted_or_overwritten(
    bench: Workbench, case: Case, engines: tuple[str, str]
) -> None:
    sides = made(bench, engines, case.base)
    run(sides.local, case.local)
    run(sides.remote, case.remote)
    before = {name: sides.table(name) for name in QUERIES}
    d = sn.diff(sides.local, sides.remote)
    assert not {UPDATED, DELETED} & {kind for _, kind in lines(d)}
    p = planned(sides, "remote", None)
    assert {block.verb for block in p.blocks} <= {"insert"}
    assert sn.apply(p, sides.remote).status in ("applied", "nothing to do")
    for name in QUERIES:
        assert set(before[name][1]) <= set(sides.table(name)[1]), name
        assert before[name][0] == sides.table(name)[0]


def agreed(bench: Workbench, engines: Sequence[str], *base: str) -> Sides:
    sides = made(bench, engines, base)
    sn.agree(sides.local, sides.remote)
    return sides


def test_the_base_is_shown(bench: Workbench) -> None:
    sides = agreed(bench, PAIRS["PostgreSQL"], *AB, CHILD)
    run(sides.local, [LEFT, "UPDATE hosts SET env = 'l' WHERE id = 2"])
    run(sides.remote, [RIGHT, "DELETE FROM ips"])
    d = sn.diff(sides.local, sides.remote)
    rows = d["hosts"].rows
    assert rows[["id", "state", "note.local", "note.remote", "note.base", "since"]].astype(
        object
    ).values.tolist() == [
        [1, "conflict", "l", "r", "old", "changed in both"],
        [2, "changed", "old", "old", "old", "changed in local"],
    ]
    assert d["ips"].rows["since"].tolist() == ["deleted in remote"]
    (line,) = d.conflicts.to_dict("records")
    assert (line["local"], line["remote"], line["why"]) == ("note=l", "note=r", "note was old")
    assert "both sides changed it since they agreed: 1 both updated (.conflicts)" in repr(d)
    assert "since" not in sn.diff(sides.local, sides.remote, base=False)["hosts"].rows.columns


def test_a_person_decides_a_conflict(bench: Workbench) -> None:
    sides = agreed(bench, PAIRS["SQLite"], A)
    run(sides.local, [LEFT, "UPDATE hosts SET env = 'l'"])
    run(sides.remote, [RIGHT])
    p = planned(sides, "remote", None)
    edited = p.preview()
    edited.loc[edited["column"] == "note", ["decision", "reason"]] = ["local", "rescanned"]
    r = sn.apply(p.decide(edited, by="ann"), sides.remote)
    assert r.overwritten[["column", "lost", "kept", "why"]].values.tolist() == [
        ["note", "r", "l", "rescanned (ann)"]
    ]
    assert sn.history(sides.remote)[1].lost == r.lost
    assert "1 value was overwritten that both sides had changed" in repr(r)
    assert sn.history(sides.remote).frame["conflicts_resolved"].tolist() == [1]


def test_a_base_needs_no_stamps_for_what_only_one_side_changed(bench: Workbench) -> None:
    """`newest` is asked only where both changed: one refusal, that names timezone=, and only then."""
    sides = agreed(bench, PAIRS["PostgreSQL"], *AB)
    run(sides.local, [LEFT])
    newest = sn.newest({"hosts": "stamp"})
    assert len(planned(sides, "remote", newest)) == 1
    run(sides.local, ["UPDATE hosts SET stamp = '2026-03-01 10:00:00' WHERE id = 1"])
    run(sides.remote, ["UPDATE hosts SET note = 'r', stamp = '2026-03-01 09:00:00Z' WHERE id = 1"])
    with pytest.raises(sn.PlanError, match="1 rows cannot be put in order of time") as told:
        planned(sides, "remote", newest)
    assert "timezone=" in told.value.hint


def test_stamps_that_a_job_wrote_are_counted(bench: Workbench) -> None:
    many = [f"INSERT INTO hosts VALUES ({n}, 'h{n}', 'old', 'x', '2026-01-01 00:00:00Z')" for n in range(25)]
    sides = made(bench, PAIRS["SQLite"], many)
    run(sides.local, ["UPDATE hosts SET note = 'l', stamp = '2026-03-01 00:00:00Z'"])
    p = planned(sides, "remote", sn.newest({"hosts": "stamp"}))
    assert [note for note in p.notes if "touched at once" in note] == [
        f"hosts: 25 rows of {side} have the same stamp ({day} 00:00:00): "
        "touched at once, which says little about when each of them changed"
        for side, day in (("local", "2026-03-01"), ("remote", "2026-01-01"))
    ]


def test_who_agreed_is_found_with_the_sides_swapped(bench: Workbench) -> None:
    sides = agreed(bench, PAIRS["SQLite"], *AB)
    run(sides.local, [LEFT])
    d = sn.diff(sides.remote, sides.local)
    assert d["hosts"].rows["since"].tolist() == ["changed in remote"]
    assert not len(sn.plan(d, into=sides.local, resolve=sn.take_local))
    # The other file takes the base over: from then on its own counts.
    sn.agree(sides.remote, sides.local)
    run(sides.remote, ["UPDATE hosts SET note = 'r' WHERE id = 2"])
    assert sorted(sn.diff(sides.local, sides.remote)["hosts"].rows["since"]) == ["", "changed in remote"]


def test_a_table_of_other_columns_keeps_what_is_known(bench: Workbench) -> None:
    sides = agreed(bench, PAIRS["PostgreSQL"], A)
    for store in (sides.local, sides.remote):
        run(store, ["ALTER TABLE hosts ADD COLUMN fresh VARCHAR(9)"])
    run(sides.local, [LEFT])
    run(sides.remote, ["UPDATE hosts SET fresh = 'r'"])
    p = planned(sides, "remote", None)
    # Of the new column nobody remembers anything: the row waits.
    assert (len(p), waiting(p)) == (0, 1)
    assert sn.plan(sn.diff(sides.local, sides.remote, ignore="fresh"), into=sides.remote).blocks[
        0
    ].columns == ("note",)


def test_a_base_of_many_rows_is_written_once(bench: Workbench) -> None:
    rows = [f"INSERT INTO codes VALUES ('c{n}', '{n}')" for n in range(1200)]
    sides = agreed(bench, PAIRS["SQLite"], *rows)
    count = "SELECT count(*), sum(length(cells)) FROM syncnb_bases"
    before = read(sides.local, count)
    assert before[0][0] == 1200
    assert sn.agree(sides.local, sides.remote).frame.to_dict("records")[0] == {
        "table": "codes",
        "agreed": 1200,
        "differing": 0,
    }
    assert read(sides.local, count) == before
    for store in (sides.local, sides.remote):
        run(store, ["DELETE FROM codes WHERE code LIKE 'c1%'"])
    run(sides.local, ["DELETE FROM codes WHERE code = 'c2'"])
    sn.agree(sides.local, sides.remote)
    kept = {row[0] for row in read(sides.local, "SELECT own FROM syncnb_bases")}
    assert "c2" in kept, "only one side deleted it"
    assert not any(key.startswith("c1") for key in kept)


def test_frames_and_read_only_stores_keep_no_base(bench: Workbench) -> None:
    sides = made(bench, PAIRS["SQLite"], [A])
    with pytest.raises(sn.PlanError, match="was opened to be read"):
        sn.agree(sn.connect(sides.local.path), sides.remote)  # type: ignore[attr-defined]
    with pytest.raises(sn.PlanError, match="is no database"):
        sn.agree(sn.connect({"hosts": sn.diff(sides.local, sides.remote).summary}), sides.remote)


def test_keys_that_read_alike_are_not_remembered(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (k PRIMARY KEY, v VARCHAR(9))"
    paths = [bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'n'), ('1', 't'), (2, 'x')").path for _ in "ab"]  # type: ignore[attr-defined]
    sides = Sides(*(sn.connect(path, writable=True) for path in paths))
    sn.agree(sides.local, sides.remote)
    run(sides.local, ["UPDATE t SET v = 'l' WHERE typeof(k) = 'text' OR k = 2"])
    assert sorted(sn.diff(sides.local, sides.remote)["t"].rows["since"]) == ["", "changed in local"]
