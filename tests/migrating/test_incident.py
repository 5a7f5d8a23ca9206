"""Incident 2: the columns, their values, the rules over them, and all of it taken back."""

from collections.abc import Iterator
from typing import Any

import pytest

import syncnb as sn
from syncnb.embedded import available
from syncnb.examples import homes
from syncnb.examples.missing_constraint import TARGETS, payload
from syncnb.examples.missing_constraint.service import constraint_first
from tests.migrating.scene import COUNTS, INDEXES, catalogue, repair

pytestmark = pytest.mark.skipif(not available(), reason="no PostgreSQL here")


@pytest.fixture(scope="module", autouse=True)
def gone() -> Iterator[None]:
    """One server for all of these demos; each has databases of its own."""
    yield
    homes.clear()


ALLOW = ("many_changes",)
SCENES = {
    "one plain rule": ("missing_constraint", "postgresql"),
    "no rule, columns there": ("missing_constraint_bare", "postgresql"),
    "one plain rule, SQLite": ("missing_constraint", "sqlite"),
    "no rule, columns there, SQLite": ("missing_constraint_bare", "sqlite"),
}


@pytest.mark.parametrize(("name", "engine"), SCENES.values(), ids=SCENES)
def test_the_repair_is_made_proved_and_taken_back(name: str, engine: str) -> None:
    _, remote = sn.demo(name, remote=engine)  # type: ignore[arg-type]
    before = catalogue(remote)
    plan = sn.migrate(remote, repair(remote))
    assert len(plan) == 1120
    report = sn.apply(plan, remote, allow=ALLOW)
    assert {table: n["updated"] for table, n in report.totals.items()} == COUNTS
    expect = [sn.complete(table, "wand_source_id") for table in COUNTS]
    proof = sn.verify(report, remote, expect=expect)
    assert proof, proof
    told = list(proof.frame["what"])
    for table, count in COUNTS.items():
        assert f"{table}: {count}/{count} records have wand_source_id" in told
    now = catalogue(remote)
    assert all(f"index {name}" in now[table] for name, (table, _) in INDEXES.items())
    back = sn.undo(report, remote)
    undone = sn.apply(back, remote, allow=tuple({hazard.name for hazard in back.hazards}))
    assert catalogue(remote) == before
    proof = sn.verify(undone, remote)
    assert proof, proof
    assert sum("as it was before run 1" in what for what in proof.frame["what"]) == 3


def test_every_rule_is_nulls_not_distinct() -> None:
    _, remote = sn.demo("missing_constraint")
    sn.apply(sn.migrate(remote, repair(remote)), remote, allow=ALLOW)
    rules = {
        (table, rule.columns): rule.nulls_distinct
        for table in COUNTS
        for rule in remote.inspect()[table].rules
        if not rule.primary
    }
    assert rules == {
        ("integration_products", ("wand_source_id", "external_id")): False,
        ("integration_products", ("source_id", "external_id")): False,
        ("integration_modifiers", ("wand_source_id", "external_id", "path_id")): False,
        ("integration_discounts", ("wand_source_id", "external_id")): False,
    }


def test_the_new_rule_stands_before_the_old_one_goes() -> None:
    _, remote = sn.demo("missing_constraint")
    lines = sn.migrate(remote, repair(remote)).sql().splitlines()
    new = next(at for at, line in enumerate(lines) if "DISTINCT (source_id" in line)
    old = next(at for at, line in enumerate(lines) if "DROP CONSTRAINT" in line)
    filled = max(at for at, line in enumerate(lines) if line.startswith("UPDATE"))
    assert filled < new < old


def test_what_is_true_already_is_skipped_with_its_evidence() -> None:
    _, remote = sn.demo("missing_constraint")
    steps = repair(remote)
    sn.apply(sn.migrate(remote, steps), remote, allow=ALLOW)
    again = sn.migrate(remote, steps[0])
    assert not again.stages
    assert sn.apply(again, remote).status == "nothing to do"
    shown = again.preview()
    assert set(shown["decision"]) == {"skip"}
    assert "425/425 records have it, no other can get it" in list(shown["why"])


def test_the_same_plan_twice_is_a_no_op_and_survives_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    _, remote = sn.demo("missing_constraint")
    plan = sn.migrate(remote, repair(remote))
    loaded = sn.load_plan(plan.save(tmp_path / "plan.json"))
    assert loaded.id == plan.id
    assert loaded.sql() == plan.sql()
    assert sn.apply(loaded, remote, allow=ALLOW).status == "applied"
    assert sn.apply(plan, remote, allow=ALLOW).status == "already applied"


def test_the_preview_shows_steps_locks_and_the_first_rows() -> None:
    _, remote = sn.demo("missing_constraint")
    plan = sn.migrate(remote, repair(remote))
    shown = plan.preview()
    steps = shown[shown["what"].notna()]
    assert list(steps["step"]) == list(range(1, len(steps) + 1))
    assert steps["lock"].str.len().min() > 0
    assert steps["back"].str.len().min() > 0
    cells = shown[(shown["column"] == "wand_source_id") & shown["key"].notna()]
    assert len(cells) == 15
    assert cells["before"].isna().all()
    assert cells["after"].nunique() == 1


def test_rows_that_came_meanwhile_are_not_filled_unseen() -> None:
    _, remote = sn.demo("missing_constraint_bare")
    plan = sn.migrate(
        remote, sn.remedy("backfill", "integration_discounts", "wand_source_id", source="source_id")
    )
    with remote.writing() as writer:  # type: ignore[attr-defined]
        insert = (
            "INSERT INTO integration_discounts (source_id, external_id, name) "
            "SELECT source_id, 'D99', 'new' FROM integration_discounts LIMIT 1"
        )
        writer._connection.execute(insert)
        writer.commit()
    with pytest.raises(
        sn.PlanError, match=r"11 rows of integration_discounts would be filled, and 10 were shown"
    ):
        sn.apply(plan, remote)
    assert list(sn.history(remote).frame["status"]) == ["failed"]


def test_values_written_since_go_only_where_that_is_allowed() -> None:
    _, remote = sn.demo("missing_constraint")
    report = sn.apply(sn.migrate(remote, repair(remote)), remote, allow=ALLOW)
    with remote.writing() as writer:  # type: ignore[attr-defined]
        insert = (
            "INSERT INTO integration_discounts (source_id, wand_source_id, external_id, name) "
            "SELECT source_id, source_id, 'D99', 'new' FROM integration_discounts LIMIT 1"
        )
        writer._connection.execute(insert)
        writer.commit()
    back = sn.undo(report, remote)
    assert [(h.name, h.table, h.count) for h in back.hazards] == [("lossy", "integration_discounts", 1)]
    with pytest.raises(sn.PlanError, match="lossy"):
        sn.apply(back, remote)
    assert sn.apply(back, remote, allow=("lossy",)).status == "applied"


@pytest.mark.parametrize(("name", "engine"), SCENES.values(), ids=SCENES)
def test_after_the_repair_two_syncs_insert_update_and_double_nothing(name: str, engine: str) -> None:
    _, remote = sn.demo(name, remote=engine)  # type: ignore[arg-type]
    told: dict[str, Any] = {
        "key": TARGETS, "touch": ["last_synced_at"], "source": "QU POs", "history_table": "integration_sync_history",
    }  # fmt: skip
    hasty = constraint_first(remote, payload(1)).set_index("table")
    assert hasty.loc["integration_modifiers", "doubled"] == 685, (
        "the trap: no error, and every row is there twice"
    )
    if name == "missing_constraint":
        with pytest.raises(sn.SchemaError, match="wand_source_id"):
            sn.sync(payload(1), remote, **told)
    report = sn.apply(sn.migrate(remote, repair(remote)), remote, allow=ALLOW)
    targets = [sn.conflict_target(table, target) for table, target in TARGETS.items()]
    if engine == "postgresql":
        assert sn.verify(report, remote, expect=targets)
    first, second, third = (sn.sync(payload(number), remote, **told) for number in (1, 2, 2))
    counts = [
        done.counts[["inserted", "updated", "unchanged"]].sum().tolist() for done in (first, second, third)
    ]
    assert counts == [[21, 52, 1068], [0, 14, 1127], [0, 0, 1141]]
    things = [sn.unique(table, target) for table, target in TARGETS.items()]
    assert sn.verify(third.number, remote, expect=things)
    runs = sn.history(remote).frame
    assert runs[runs["source"] == "QU POs"]["status"].tolist()[-3:] == ["success"] * 3
    with remote.reading() as reader:
        table = reader.schema()["integration_sync_history"]
        lines = [
            row
            for b in reader.batches(table, ["id", "status", "items_synced"], order=["id"])
            for row in b.to_pylist()
        ]
    failed = ["failed"] * (2 if name == "missing_constraint" else 1)
    assert [line["status"] for line in lines] == ["success", *failed, "success", "success", "success"]
    assert [line["items_synced"] for line in lines][-3:] == [1141] * 3
