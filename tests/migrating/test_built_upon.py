"""What was built upon a migration since: undo says what stands in the way and whose it is, before anything is drawn."""

from typing import Any

import pytest

import syncnb as sn
from syncnb.embedded import available
from tests.databases import Workbench
from tests.migrating.scene import catalogue
from tests.migrating.test_steps import allowed, content, execute, made

pytestmark = pytest.mark.skipif(not available(), reason="no PostgreSQL here")
ENGINES = ("sqlite", "postgresql")
X = sn.remedy("add_column", "p", "x", type="text")
UNIQUE = sn.remedy("unique", "p", "updated_at")
NOT_NULL = sn.remedy("not_null", "c", "p_id")
FIRST_2 = "take back run 2 before it: sn.undo(2, store)"
BY_HAND = "drop or alter back by hand what no run has made, then undo run 1; or leave run 1 as it is"

Both = dict[str, str]
IN_THE_WAY: dict[str, tuple[list[sn.Remedy], list[sn.Remedy | str], Both, str]] = {
    "an index on the new column": (
        [X],
        [sn.remedy("index", "p", "x", name="xi")],
        dict.fromkeys(ENGINES, "the index xi of p needs the column x of p (run 2)"),
        FIRST_2,
    ),
    "an index that a person made": (
        [X],
        ["CREATE INDEX xi ON p (x)"],
        dict.fromkeys(ENGINES, "the index xi of p needs the column x of p (none of the runs)"),
        BY_HAND,
    ),
    "a view and a run's rule": (
        [X],
        [sn.remedy("unique", "p", "x"), "CREATE VIEW v AS SELECT x FROM p"],
        {
            "sqlite": "the index p_x_key of p needs the column x of p (run 2); the view v needs the column x of p (none of the runs)",
            "postgresql": "the constraint p_x_key of p needs the column x of p (run 2); the view v needs the column x of p (none of the runs)",
        },
        f"take back run 2, and {BY_HAND}",
    ),
    "a reference to a rule": (
        [UNIQUE],
        ["UPDATE c SET note = NULL", sn.remedy("foreign_key", "c", "note", source="p (updated_at)")],
        {
            "sqlite": "the table c needs the index p_updated_at_key of p (run 2)",
            "postgresql": "the constraint c_note_fkey of c needs the constraint p_updated_at_key of p (run 2)",
        },
        FIRST_2,
    ),
    "a text of SQLite, twice": (
        [NOT_NULL],
        [sn.remedy("not_null", "c", "code"), sn.remedy("add_column", "c", "x", type="text")],
        {"sqlite": "the table c was altered since (runs 2 and 3)"},
        "take back runs 3 and 2 before it, the last one first: sn.undo(3, store)",
    ),
    "a table that is gone": (
        [X],
        ["DROP TABLE p"],
        dict.fromkeys(ENGINES, "there is no table 'p' (none of the runs)"),
        BY_HAND,
    ),
    "a column that is gone": (
        [sn.remedy("backfill", "p", "old", source="code")],
        ["ALTER TABLE p RENAME COLUMN old TO older"],
        dict.fromkeys(ENGINES, "the column old of p is gone (none of the runs)"),
        BY_HAND,
    ),
}


def migrated(store: Any, steps: list[sn.Remedy]) -> sn.Report:
    plan = sn.migrate(store, steps)
    return sn.apply(plan, store, allow=allowed(plan))


@pytest.mark.parametrize(
    ("engine", "first", "later", "told", "hint"),
    [
        pytest.param(engine, first, later, told[engine], hint, id=f"{name}-{engine}")
        for name, (first, later, told, hint) in IN_THE_WAY.items()
        for engine in told
    ],
)
def test_what_was_built_upon_it_is_told_and_whose_it_is(
    bench: Workbench, engine: str, first: Any, later: Any, told: str, hint: str
) -> None:
    store = made(bench, engine)
    report = migrated(store, first)
    for each in later:
        execute(store, each) if isinstance(each, str) else migrated(store, [each])
    before, rows = catalogue(store), content(store)
    with pytest.raises(sn.PlanError) as refused:
        sn.undo(report, store)
    assert refused.value.message == f"run 1 cannot be taken back yet: {told}"
    assert refused.value.hint == hint
    assert (catalogue(store), content(store)) == (before, rows)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_told_is_the_way_out(bench: Workbench, engine: str) -> None:
    """The later run is taken back, and done again by an undo of that, and taken back again."""
    store = made(bench, engine)
    start = catalogue(store)
    report = migrated(store, [X, UNIQUE])
    indexed = migrated(store, [sn.remedy("index", "p", "x", name="xi")])
    back = sn.apply(sn.undo(indexed, store), store)
    sn.apply(sn.undo(back, store), store)
    with pytest.raises(sn.PlanError, match=r"the index xi of p needs the column x of p \(run 2\)"):
        sn.undo(report, store)
    sn.apply(sn.undo(2, store), store)
    undone = sn.undo(report, store)
    execute(store, "CREATE INDEX late ON p (x)")
    with pytest.raises(sn.PlanError, match=r"p\.x cannot go: it is needed by now by the index late of p"):
        sn.apply(undone, store)
    assert "index late" in catalogue(store)["p"]
    execute(store, "DROP INDEX late")
    sn.apply(undone, store)
    assert catalogue(store) == start


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_obstacle_is_none(bench: Workbench, engine: str) -> None:
    """Set back by somebody already, or beside what was altered."""
    store = made(bench, engine)
    start = catalogue(store)
    report = migrated(store, [NOT_NULL])
    migrated(store, [sn.remedy("drop_not_null", "c", "p_id")])
    migrated(store, [sn.remedy("add_column", "p", "y", type="text")])
    assert catalogue(store)["c"] == start["c"]
    assert sn.apply(sn.undo(report, store), store).status == "applied"
    assert catalogue(store)["c"] == start["c"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_column_that_an_undo_took_away_stands_in_the_way_of_rows(bench: Workbench, engine: str) -> None:
    store = made(bench, engine)
    report = migrated(store, [X])
    sent = sn.connect({"p": [{"id": 1, "x": "new"}]})
    plan = sn.plan(sn.diff(sent, store, "p", key="id", partial=True), into=store, resolve=sn.take_local)
    written = sn.apply(plan, store)
    back = sn.undo(report, store)
    sn.apply(back, store, allow=allowed(back))
    with pytest.raises(
        sn.PlanError, match=r"run 2 cannot .*: the column x of p is gone \(run 3\)"
    ) as refused:
        sn.undo(written, store)
    assert refused.value.hint == "take back run 3 before it: sn.undo(3, store)"
