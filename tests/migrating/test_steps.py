"""Each step on both engines: made, proved, taken back; refused where rows stand against it."""

from typing import Any

import pytest

import syncnb as sn
from syncnb.embedded import available
from tests.databases import Workbench
from tests.migrating.scene import catalogue

pytestmark = pytest.mark.skipif(not available(), reason="no PostgreSQL here")
ENGINES = ("sqlite", "postgresql")

P = "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, old TEXT, updated_at TEXT)"
C = (
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p_id INTEGER, code TEXT, "
    "note TEXT, CONSTRAINT keep CHECK (id > 0)) -- kept"
)
C_PG = C.removesuffix(" -- kept")
ROWS = (
    "INSERT INTO p VALUES (1, 'a', 'x', '2026-01-01'), (2, 'b', 'x', '2026-01-02'), (3, 'c', NULL, NULL)",
    "INSERT INTO c VALUES (1, 1, 'a', NULL), (2, 2, 'b', NULL), (3, 2, 'b', 'n')",
)
STEPS: dict[str, Any] = {
    "not null": [sn.remedy("not_null", "c", "p_id")],
    "a foreign key": [sn.remedy("foreign_key", "c", "p_id", source="p (id)")],
    "a foreign key to a unique column": [sn.remedy("foreign_key", "c", "code", source="p (code)")],
    "null again": [sn.remedy("drop_not_null", "p", "code")],
    "an index": [sn.remedy("index", "c", ("p_id", "code"), name="c idx")],
    "a unique rule over an expression": [sn.remedy("unique", "p", ("lower(code)",))],
    "a partial unique rule": [sn.remedy("unique", "c", ("p_id",), where="note IS NOT NULL")],
    "a column, filled by an expression, unique": [
        sn.remedy("add_column", "p", "upper_code", type="text"),
        sn.remedy("backfill", "p", "upper_code"),
        sn.remedy("unique", "p", "upper_code"),
    ],
    "a foreign key of a new column": [
        sn.remedy("add_column", "c", "p_code", type="text"),
        sn.remedy("backfill", "c", "p_code"),
        sn.remedy("foreign_key", "c", "p_code", source="p (code)"),
    ],
    "duplicates, then a rule": [sn.remedy("dedupe", "p", "old"), sn.remedy("unique", "p", "old")],
}
TOLD: dict[str, Any] = {
    "sql_values": {"p.upper_code": "upper(code)", "c.p_code": "code"},
    "keep": "updated_at",
}


def made(bench: Workbench, engine: str, *more: str) -> Any:
    from dataclasses import replace

    ddl = C if engine == "sqlite" else C_PG
    store = bench.make(engine, P, ddl, *ROWS, *more)
    return replace(store, writable=True)  # type: ignore[type-var]


def content(store: Any) -> dict[str, list[Any]]:
    with store.reading() as reader:
        return {
            table.label: [
                row
                for batch in reader.batches(table, [c.name for c in table.columns], order=["id"])
                for row in batch.to_pylist()
            ]
            for table in reader.schema()
            if not table.is_view
        }


def execute(store: Any, statement: str) -> None:
    """As somebody else does."""
    with store.writing() as writer:
        writer.sql.exec_driver_sql(statement)
        writer.commit()


def allowed(plan: sn.Plan) -> tuple[str, ...]:
    return tuple({hazard.name for hazard in plan.hazards})


NOT_AT_ONCE = "a foreign key of a new column"
"""In SQLite: it is a new text of the table, which is drawn on the text that stands there."""
MADE = {
    f"{name}-{engine}": (engine, steps)
    for name, steps in STEPS.items()
    for engine in ENGINES
    if (name, engine) != (NOT_AT_ONCE, "sqlite")
}


def test_what_sqlite_cannot_do_in_one_plan_is_said(bench: Workbench) -> None:
    with pytest.raises(sn.SyncnbError, match="apply that first, then plan the rest"):
        sn.migrate(made(bench, "sqlite"), STEPS[NOT_AT_ONCE], **TOLD)


@pytest.mark.parametrize("online", [False, True], ids=["at once", "online"])
@pytest.mark.parametrize(("engine", "steps"), MADE.values(), ids=MADE)
def test_a_step_is_made_proved_and_taken_back(
    bench: Workbench, engine: str, steps: Any, online: bool
) -> None:
    store = made(bench, engine)
    before, rows = catalogue(store), content(store)
    plan = sn.migrate(store, steps, online=online, **TOLD)
    assert plan.stages
    report = sn.apply(plan, store, allow=allowed(plan))
    assert report.status == "applied", report
    proof = sn.verify(report, store)
    assert proof, proof
    assert catalogue(store) != before
    assert not sn.migrate(store, steps, online=online, **TOLD).stages
    back = sn.undo(report, store)
    assert sn.verify(sn.apply(back, store, allow=allowed(back)), store)
    assert catalogue(store) == before
    assert content(store) == rows


REFUSED: dict[str, tuple[sn.Remedy, str]] = {
    "not null over NULL": (sn.remedy("not_null", "c", "note"), r"2 of 3 rows of c will have no note"),
    "a unique rule over duplicates": (
        sn.remedy("unique", "c", "code"),
        r"2 rows of c share 1 values of \(code\)",
    ),
    "a reference to nobody": (
        sn.remedy("foreign_key", "c", "note", source="p (code)"),
        r"1 rows of c refer to rows",
    ),
    "a reference to what is not unique": (
        sn.remedy("foreign_key", "c", "code", source="p (old)"),
        r"nothing makes",
    ),
    "a column of another type": (
        sn.remedy("add_column", "c", "code", type="integer"),
        r"has a column code already",
    ),
    "a column of unknown type": (sn.remedy("add_column", "c", "fresh"), r"nobody told which type"),
    "a type that is more": (sn.remedy("add_column", "c", "fresh", type="text; DROP TABLE p"), r"is no type"),
    "a fill from nowhere": (sn.remedy("backfill", "c", "note"), r"nobody told what fills c.note"),
    "duplicates without a rule": (
        sn.remedy("dedupe", "c", "code"),
        r"nobody told which of the duplicates of c stays",
    ),
    "an unknown rule": (sn.remedy("replace_unique", "c", "id", name="nope"), r"has no unique rule 'nope'"),
    "an unknown column": (sn.remedy("unique", "c", "nope"), r"has no column 'nope'"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("step", "told"), REFUSED.values(), ids=REFUSED)
def test_what_rows_stand_against_is_refused_before_anything_is_written(
    bench: Workbench, engine: str, step: sn.Remedy, told: str
) -> None:
    store = made(bench, engine)
    with pytest.raises(sn.SyncnbError, match=told):
        sn.migrate(store, step)


BETWEEN: dict[str, tuple[sn.Remedy, str, str, str]] = {
    "one row": (
        sn.remedy("not_null", "c", "p_id"),
        "UPDATE c SET p_id = NULL WHERE id = 2",
        "c: 1 row has no p_id by now (id 2)",
        "UPDATE c SET p_id = 2 WHERE id = 2",
    ),
    "more rows than are named": (
        sn.remedy("not_null", "c", "p_id"),
        "INSERT INTO c (id) VALUES (10), (4), (5), (6), (7), (8), (9)",
        "c: 7 rows have no p_id by now (id 4, 5, 6, 7, 8, …)",
        "DELETE FROM c WHERE id > 3",
    ),
}


@pytest.mark.parametrize("online", [False, True], ids=["at once", "online"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("step", "meddle", "told", "mend"), BETWEEN.values(), ids=BETWEEN)
def test_rows_without_a_value_that_came_between_are_named(
    bench: Workbench, engine: str, online: bool, step: sn.Remedy, meddle: str, told: str, mend: str
) -> None:
    store = made(bench, engine)
    plan = sn.migrate(store, step, online=online)
    execute(store, meddle)
    with pytest.raises(sn.WriteError) as refused:
        sn.apply(plan, store)
    assert (refused.value.message, refused.value.sqlstate in ("23502", "23514")) == (told, True)
    assert list(sn.history(store).frame["error"]) == [told]
    assert "NOT NULL" not in catalogue(store)["c"]["column p_id"]
    execute(store, mend)
    assert sn.apply(plan, store).status == "applied"
    assert "NOT NULL" in catalogue(store)["c"]["column p_id"]


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_without_a_value_that_an_undo_would_forbid_are_named(bench: Workbench, engine: str) -> None:
    store = made(bench, engine)
    report = sn.apply(sn.migrate(store, sn.remedy("drop_not_null", "p", "code")), store)
    back = sn.undo(report, store)
    execute(store, "UPDATE p SET code = NULL WHERE id = 3")
    with pytest.raises(sn.WriteError, match=r"^p: 1 row has no code by now \(id 3\)"):
        sn.apply(back, store)
    execute(store, "UPDATE p SET code = 'c' WHERE id = 3")
    assert sn.apply(back, store).status == "applied"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_rows_of_a_fill_are_shown_in_the_order_of_their_keys(bench: Workbench, engine: str) -> None:
    store = made(bench, engine)
    execute(store, "INSERT INTO p (id, code) VALUES (10, 'k')")
    steps = [
        sn.remedy("add_column", "p", "copy", type="text"),
        sn.remedy("backfill", "p", "copy", source="code"),
    ]
    keys = sn.migrate(store, steps).preview()["key"].dropna()
    assert list(keys) == ["1", "2", "3", "10"]


@pytest.mark.parametrize("engine", ENGINES)
def test_children_follow_the_row_that_stays(bench: Workbench, engine: str) -> None:
    store = made(bench, engine)
    sn.apply(sn.migrate(store, sn.remedy("foreign_key", "c", "p_id", source="p (id)")), store)
    plan = sn.migrate(
        store, [sn.remedy("dedupe", "p", "old"), sn.remedy("unique", "p", "old")], keep="updated_at"
    )
    sn.apply(plan, store, allow=allowed(plan))
    found = content(store)
    assert [row["id"] for row in found["p"]] == [2, 3]
    assert [row["p_id"] for row in found["c"]] == [2, 2, 2]


TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER touch AFTER UPDATE ON p BEGIN UPDATE p SET updated_at = 'now' WHERE id = NEW.id; END",
        "CREATE VIEW v AS SELECT code FROM p",
    ),
    "postgresql": (
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = 'now'; RETURN NEW; END $$",
        "CREATE TRIGGER touch BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE VIEW v AS SELECT code FROM p",
    ),
}


@pytest.mark.parametrize("online", [False, True], ids=["at once", "online"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_fill_leaves_updated_at_as_it_is(bench: Workbench, engine: str, online: bool) -> None:
    store = made(bench, engine, *TRIGGERS[engine])
    before, rows = catalogue(store), content(store)
    steps = [
        sn.remedy("add_column", "p", "copy", type="text"),
        sn.remedy("backfill", "p", "copy", source="code"),
    ]
    report = sn.apply(sn.migrate(store, steps, online=online), store)
    assert [row["updated_at"] for row in content(store)["p"]] == [row["updated_at"] for row in rows["p"]]
    assert catalogue(store)["p"]["trigger touch"] == before["p"]["trigger touch"]
    sn.apply(sn.undo(report, store), store)
    assert catalogue(store) == before
    assert content(store) == rows


def test_the_silent_duplicates_of_a_plain_rule_are_told(bench: Workbench) -> None:
    store = made(bench, "postgresql")
    plan = sn.migrate(store, sn.remedy("unique", "p", ("code", "updated_at")))
    assert any(
        "1 rows have no updated_at: under this rule they never conflict" in note for note in plan.notes
    )


def test_a_sequence_is_set_forward(bench: Workbench) -> None:
    from dataclasses import replace

    store: Any = replace(
        bench.postgresql("CREATE TABLE s (id serial PRIMARY KEY, n int)", "INSERT INTO s VALUES (7, 1)"),  # type: ignore[type-var]
        writable=True,
    )
    report = sn.apply(sn.migrate(store, sn.remedy("set_sequence", "s", "id")), store)
    assert report.status == "applied"
    with store.writing() as writer:
        assert writer._connection.execute("INSERT INTO s (n) VALUES (2) RETURNING id").fetchone() == (8,)


def test_an_invalid_index_is_built_again(bench: Workbench) -> None:
    store = made(bench, "postgresql")
    with pytest.raises(Exception, match="could not create unique index"), store._connect() as connection:
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON c (code)")
    assert catalogue(store)["c"]["index broken"].endswith(" INVALID")
    step = sn.remedy("rebuild_index", "c", "code", name="broken")
    with pytest.raises(sn.PlanError, match="2 rows of c share 1 values"):
        sn.migrate(store, step)
    plan = sn.migrate(store, [sn.remedy("dedupe", "c", "code"), step], keep="id", online=True)
    sn.apply(plan, store, allow=allowed(plan))
    assert "INVALID" not in catalogue(store)["c"]["index broken"]


TOUCHED = {
    "sqlite": (
        "CREATE TRIGGER touched AFTER UPDATE ON p BEGIN UPDATE p SET updated_at = 'now' WHERE id = new.id; END",
    ),
    "postgresql": (
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.updated_at := 'now'; RETURN new; END $$",
        "CREATE TRIGGER touched BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION touch()",
    ),
}


def filled(bench: Workbench, engine: str, *, online: bool, more: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """A store, and the report of a migration that fills a column and does nothing else."""
    store = made(bench, engine, *more)
    plan = sn.migrate(store, [sn.remedy("backfill", "p", "old")], online=online, sql_values={"p.old": "code"})
    return store, sn.apply(plan, store, allow=allowed(plan))


@pytest.mark.parametrize("online", [False, True], ids=["at once", "online"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_fill_alone_is_proved_by_its_column(bench: Workbench, engine: str, online: bool) -> None:
    store, report = filled(bench, engine, online=online)
    assert "p: 3/3 records have old" in [line.what for line in sn.verify(report, store).lines]
    with store.writing() as writer:
        writer.sql.exec_driver_sql("UPDATE p SET old = NULL WHERE id = 3")
        writer.commit()
    assert "p: 2/3 records have old" in [line.what for line in sn.verify(report, store).failed]


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_that_have_nothing_to_give_stay_null_and_the_proof_holds(bench: Workbench, engine: str) -> None:
    store = made(bench, engine)
    steps = [sn.remedy("add_column", "p", "x", type="text"), sn.remedy("backfill", "p", "x", source="old")]
    plan = sn.migrate(store, steps)
    report = sn.apply(plan, store, allow=allowed(plan))
    proof = sn.verify(report, store)
    assert proof, proof
    assert ("p: 2/3 records have x", "2") in [(line.what, line.expected) for line in proof.lines]
    with store.writing() as writer:
        writer.sql.exec_driver_sql("UPDATE p SET x = NULL WHERE id = 2")
        writer.commit()
    assert "p: 1/3 records have x" in [line.what for line in sn.verify(report, store).failed]


@pytest.mark.parametrize("online", [False, True], ids=["at once", "online"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_fill_alone_is_taken_back_while_triggers_are_silent(
    bench: Workbench, engine: str, online: bool
) -> None:
    rows = content(made(bench, engine, *TOUCHED[engine]))
    store, report = filled(bench, engine, online=online, more=TOUCHED[engine])
    assert report.status == "applied"
    assert content(store) != rows
    back = sn.undo(report, store)
    sn.apply(back, store, allow=allowed(back))
    assert content(store) == rows
