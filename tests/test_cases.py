"""Cases of conflict that are about more than two rows: hidden ones, constraints, triggers, altered tables, undo.

The others are in `test_threeway.py`, by the same numbers (16, a row that the role may not see, in
`test_refused_rows.py`). Each is run from either side into the other, on two pairs of engines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.test_threeway import AB, CHILD, GONE, HAZARDS, PAIRS, A, Sides, made, read, run

TABLES = (
    "CREATE TABLE pairs (id INTEGER PRIMARY KEY, a VARCHAR(9) UNIQUE, b VARCHAR(9) UNIQUE)",
    "CREATE TABLE loose (code VARCHAR(9), note VARCHAR(9), UNIQUE (code, note))",
    "CREATE TABLE spans (id INTEGER PRIMARY KEY, low INTEGER, high INTEGER, CHECK (low < high))",
)


@dataclass
class Turned:
    """Two databases in step: `first` has news, `second` is written."""

    sides: Sides
    swapped: bool

    @property
    def first(self) -> Any:
        return self.sides.remote if self.swapped else self.sides.local

    @property
    def second(self) -> Any:
        return self.sides.local if self.swapped else self.sides.remote

    def diff(self, **told: Any) -> sn.Diff:
        return sn.diff(self.sides.local, self.sides.remote, **told)

    def plan(self, d: sn.Diff | None = None, **told: Any) -> sn.Plan:
        return sn.plan(d or self.diff(), into=self.second, collisions="keep_both", **told)

    def changed(self, first: Sequence[str] = (), second: Sequence[str] = ()) -> None:
        run(self.first, first)
        run(self.second, second)


@pytest.fixture(params=[False, True], ids=["as is", "swapped"])
def swapped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=PAIRS.values(), ids=PAIRS)
def engines(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def in_step(bench: Workbench, engines: tuple[str, str], swapped: bool) -> Any:
    """Both sides with these rows, and both know that they agree."""

    def make(*base: str) -> Turned:
        sides = made(bench, engines, [*TABLES, *base])
        sn.agree(sides.local, sides.remote)
        return Turned(sides, swapped)

    return make


def waiting(p: sn.Plan) -> list[str]:
    return [f"{row.table}: {row.reason}" for row in p.open]


def test_12_a_parent_deleted_here_has_a_new_child_there(in_step: Any) -> None:
    turned = in_step(*AB)
    turned.changed([GONE], [CHILD])
    p = turned.plan()
    assert not len(p)
    assert any("hosts" in line for line in waiting(p)), waiting(p)
    assert sn.apply(p, turned.second, allow=HAZARDS).status == "nothing to do"
    assert read(turned.second, "SELECT h.name, i.ip FROM ips i JOIN hosts h ON h.id = i.host_id") == [
        ("a", "::1")
    ]


def test_15_one_row_hits_two(in_step: Any) -> None:
    turned = in_step()
    there = ["INSERT INTO pairs VALUES (1, 'x', 'p')", "INSERT INTO pairs VALUES (2, 'y', 'q')"]
    turned.changed(["INSERT INTO pairs VALUES (3, 'x', 'q')"], there)
    p = turned.plan()
    assert not len(p)
    told = p.preview()["before"].dropna().tolist() + p.preview()["why"].dropna().tolist()
    assert any("say which of the two it shall be" in line for line in told), told
    assert read(turned.second, "SELECT a, b FROM pairs ORDER BY id") == [("x", "p"), ("y", "q")]


def test_18_keys_that_are_null_or_double_are_told_and_left(in_step: Any) -> None:
    turned = in_step("INSERT INTO loose VALUES ('k', '1')")
    news = [
        "INSERT INTO loose VALUES (NULL, '1')",
        "INSERT INTO loose VALUES ('d', '2')",
        "INSERT INTO loose VALUES ('d', '3')",
    ]
    turned.changed([*news, "INSERT INTO loose VALUES ('n', '4')"])
    for _ in range(2):  # the second time nothing more arrives
        d = turned.diff(tables="loose", key={"loose": "code"})
        assert d["loose"].uncompared, d
        sn.apply(turned.plan(d), turned.second, allow=HAZARDS)
        assert sorted(read(turned.second, "SELECT code FROM loose WHERE code IS NOT NULL")) == [
            ("k",),
            ("n",),
        ]
        assert len(read(turned.second, "SELECT code FROM loose WHERE code IS NULL")) <= 1


def test_19_each_change_is_right_and_both_together_are_not(in_step: Any) -> None:
    rows = ["INSERT INTO spans VALUES (1, 1, 10)", "INSERT INTO spans VALUES (2, 1, 10)"]
    turned = in_step(*rows)
    turned.changed(
        ["UPDATE spans SET low = 8 WHERE id = 1", "UPDATE spans SET low = 2 WHERE id = 2"],
        ["UPDATE spans SET high = 5 WHERE id = 1"],
    )
    before = read(turned.second, "SELECT * FROM spans ORDER BY id")
    p = turned.plan()
    assert len(p) == 2
    r = sn.apply(p, turned.second, allow=HAZARDS)
    assert r.status == "refused"
    assert [(each.table, each.key) for each in r.results if each.refusal] == [("spans", "1")]
    assert read(turned.second, "SELECT * FROM spans ORDER BY id") == before
    r = sn.apply(turned.plan(), turned.second, allow=HAZARDS, rest=True)
    assert read(turned.second, "SELECT * FROM spans ORDER BY id") == [(1, 1, 5), (2, 2, 10)]


TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER short AFTER UPDATE ON hosts WHEN new.note <> upper(new.note) "
        "BEGIN UPDATE hosts SET note = upper(new.note) WHERE id = new.id; END",
    ),
    "postgresql": (
        "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN new.note := upper(new.note); RETURN new; END $$",
        "CREATE TRIGGER loud BEFORE UPDATE ON hosts FOR EACH ROW EXECUTE FUNCTION loud()",
    ),
}


def test_20_what_the_target_makes_of_a_value_is_not_passed_back(in_step: Any) -> None:
    turned = in_step(*AB)
    run(turned.second, TRIGGERS[turned.second.dialect])
    turned.changed(["UPDATE hosts SET note = 'new' WHERE id = 1"])
    direction = "pull" if turned.swapped else "push"
    told = {"allow": (*HAZARDS, "trigger_rewrites"), "caller": "test", "direction": direction}
    done = sn.sync(turned.sides.local, turned.sides.remote, **told)
    assert (done.records, done.open) == (1, ()), done
    assert read(turned.second, "SELECT note FROM hosts WHERE id = 1") == [("NEW",)]
    assert sn.sync(turned.sides.local, turned.sides.remote, **told).records == 0
    both = sn.sync(turned.sides.local, turned.sides.remote, **{**told, "direction": "both"})
    assert both.records == 0
    assert read(turned.first, "SELECT note FROM hosts WHERE id = 1") == [("new",)]


def test_21_a_column_that_is_named_otherwise_is_said_and_left(in_step: Any) -> None:
    turned = in_step(*AB)
    run(turned.second, ["ALTER TABLE hosts RENAME COLUMN env TO environment"])
    turned.changed(
        ["UPDATE hosts SET note = 'l' WHERE id = 1", "INSERT INTO hosts VALUES (3, 'c', 'n', 'x', NULL)"]
    )
    d = turned.diff()
    assert {each.name for each in d["hosts"].uncompared} >= {"env", "environment"}
    sn.apply(
        turned.plan(d, resolve=sn.take_remote if turned.swapped else sn.take_local),
        turned.second,
        allow=HAZARDS,
    )
    rows = read(turned.second, "SELECT name, note, environment FROM hosts ORDER BY id")
    assert rows == [("a", "l", "x"), ("b", "old", "x"), ("c", "n", None)]


def test_21_a_table_altered_after_the_diff_is_refused(in_step: Any) -> None:
    turned = in_step(*AB)
    turned.changed(["UPDATE hosts SET note = 'l' WHERE id = 1"])
    d, p = turned.diff(), turned.plan()
    run(turned.second, ["ALTER TABLE hosts ADD COLUMN fresh VARCHAR(9)"])
    with pytest.raises(sn.PlanError, match="has changed since"):
        turned.plan(d)
    with pytest.raises(sn.PlanError, match="changed"):
        sn.apply(p, turned.second)
    assert read(turned.second, "SELECT note FROM hosts ORDER BY id") == [("old",), ("old",)]


def test_23_an_undo_leaves_what_others_wrote_since(in_step: Any) -> None:
    turned = in_step(*AB)
    turned.changed(["UPDATE hosts SET note = 'l'"])
    r = sn.apply(turned.plan(), turned.second, allow=HAZARDS)
    run(turned.second, ["UPDATE hosts SET note = 'later' WHERE id = 1"])
    back = sn.apply(sn.undo(r, turned.second), turned.second, allow=HAZARDS)
    assert back.status == "refused"
    assert [(each.key, each.refusal) for each in back.results if each.refusal] == [("1", sn.Refusal.CHANGED)]
    assert read(turned.second, "SELECT note FROM hosts ORDER BY id") == [("later",), ("l",)]
    sn.apply(sn.undo(r, turned.second), turned.second, allow=HAZARDS, rest=True)
    assert read(turned.second, "SELECT note FROM hosts ORDER BY id") == [("later",), ("old",)]


def test_no_sequence_is_behind_after_ids_were_told(bench: Workbench, engines: tuple[str, str]) -> None:
    if engines[1] == "sqlite":
        pytest.skip("a SQLite file has no sequences")
    sides = made(bench, engines, [A])
    run(
        sides.remote,
        [
            "CREATE SEQUENCE next_host OWNED BY hosts.id",
            "ALTER TABLE hosts ALTER id SET DEFAULT nextval('next_host')",
        ],
    )
    run(sides.local, ["INSERT INTO hosts VALUES (40, 'c', '', '', NULL)"])
    r = sn.apply(sn.plan(sn.diff(sides.local, sides.remote), into=sides.remote), sides.remote)
    run(sides.remote, ["INSERT INTO hosts (name) VALUES ('d')"])
    assert read(sides.remote, "SELECT id, name FROM hosts ORDER BY id") == [(1, "a"), (40, "c"), (41, "d")]
    assert any("sequence" in note for note in r.notes)
