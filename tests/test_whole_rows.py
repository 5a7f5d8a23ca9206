"""What was not compared is guarded or told all the same; what was edited is checked before it is sent."""

from typing import Any

import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.test_following import ask, writable
from tests.test_repair import ALL, everything

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9), note VARCHAR(9))"
ROWS = "INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two'), (3, 'c', NULL)"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
class TestDeletes:
    def two(self, bench: Workbench, engine: str) -> tuple[sn.Store, sn.Store]:
        return bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'a', 'other')"), writable(bench, engine, DDL, ROWS)

    def test_an_ignored_column_is_shown_and_guards(self, bench: Workbench, engine: str) -> None:
        local, remote = self.two(bench, engine)
        before = everything(remote)
        p = sn.plan(sn.diff(local, remote, ignore="note"), into=remote, deletes=True)
        shown = p.preview().query("column == 'note'")
        assert shown[["key", "before"]].fillna("∅").values.tolist() == [["2", "two"], ["3", "∅"]]
        assert sn.apply(p, remote, allow=ALL).status == "applied"
        assert sn.apply(sn.undo(1, remote), remote).status == "applied"
        assert everything(remote) == before

    def test_one_that_changed_after_the_plan_is_refused(self, bench: Workbench, engine: str) -> None:
        local, remote = self.two(bench, engine)
        p = sn.plan(sn.diff(local, remote, ignore="note"), into=remote, deletes=True)
        ask(bench, remote, "UPDATE t SET note = 'precious' WHERE id = 2")
        r = sn.apply(p, remote, allow=ALL)
        assert (r.status, [o.detail for o in r.results]) == ("refused", ["note was two, is precious"])

    def test_one_that_changed_between_diff_and_plan_is_left_open(self, bench: Workbench, engine: str) -> None:
        local, remote = self.two(bench, engine)
        d = sn.diff(local, remote, ignore="note")
        ask(bench, remote, "UPDATE t SET v = 'mine' WHERE id = 2")
        p = sn.plan(d, into=remote, deletes=True)
        assert [c.key for c in p.changes] == [(3,)]
        assert [(row.key, row.why) for row in p.open] == [
            ("2", "it has changed since the diff: compare again")
        ]
        assert sn.apply(p, remote, allow=ALL).status == "applied"


def test_columns_that_an_insert_leaves_out_are_told(bench: Workbench) -> None:
    local = bench.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    ddl = "CREATE TABLE t (id int PRIMARY KEY, v text DEFAULT 'x', w int, twice int GENERATED ALWAYS AS (id * 2) STORED)"
    remote = writable(bench, "postgresql", ddl)
    p = sn.plan(sn.diff(local, remote), into=remote)
    assert p.notes == ("t: inserts leave out v, w: the database fills them (a default, or NULL)",)
    sn.apply(p, remote)
    assert ask(bench, remote, "SELECT * FROM t") == [(1, "x", None, 2)]


EDITS: dict[str, tuple[str, str, str, Any]] = {
    "a number with too many digits behind the point": ("n", "numeric(6,2)", "1.239", "would become"),
    "a number that is too great": ("n", "numeric(6,2)", "99999", "cannot be"),
    "a number out of range": ("n", "smallint", "40000", "out of the range"),
    "a text that is too long": ("n", "varchar(3)", "abcd", "cannot be"),
    "NULL where none may be": ("n", "integer NOT NULL", sn.NULL, "may not be NULL"),
    "no number": ("n", "integer", "4.5", "cannot be"),
}


@pytest.mark.parametrize(("column", "kind", "text", "told"), EDITS.values(), ids=EDITS)
def test_an_edited_value_is_checked_before_it_is_sent(
    bench: Workbench, column: str, kind: str, text: str, told: str
) -> None:
    value = "'ab'" if "char" in kind else "5"
    local = bench.sqlite(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n {kind})", f"INSERT INTO t VALUES (1, {value})"
    )
    remote = writable(
        bench, "postgresql", f"CREATE TABLE t (id int PRIMARY KEY, n {kind})",
        f"INSERT INTO t VALUES (1, {value.replace('5', '4').replace('ab', 'cd')})",
    )  # fmt: skip
    p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)
    frame = p.preview()
    frame["after"] = text
    with pytest.raises(sn.PlanError, match=told):
        p.decide(frame)
    frame["after"] = {"numeric(6,2)": "1.5", "varchar(3)": "xyz"}.get(kind, "7")
    loaded = sn.load_plan(p.save(bench.folder / "plan.json"))
    for each in (p, loaded):
        assert each.decide(frame).id == p.decide(frame).id
    r = sn.apply(p.decide(frame), remote)
    assert (r.status, r.results) == ("applied", ())


def test_an_undo_leaves_alone_what_moved_into_a_table_that_inherits(bench: Workbench) -> None:
    local = bench.sqlite(
        "CREATE TABLE base (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO base VALUES (3, 'ins')"
    )
    remote = writable(
        bench,
        "postgresql",
        "CREATE TABLE base (id int PRIMARY KEY, v text)",
        "CREATE TABLE kid (extra text) INHERITS (base)",
    )
    p = sn.plan(sn.diff(local, remote, ["base"]), into=remote)
    r = sn.apply(p, remote)
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute("DELETE FROM ONLY base")
        owner.execute("INSERT INTO kid VALUES (3, 'ins', 'precious')")
    undone = sn.apply(sn.undo(r, remote), remote)
    assert (undone.status, [o.refusal for o in undone.results]) == ("refused", [sn.Refusal.FORBIDDEN])
    assert ask(bench, remote, "SELECT extra FROM kid") == [("precious",)]
