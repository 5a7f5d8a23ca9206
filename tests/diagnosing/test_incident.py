"""The incident of the missing constraint, from the message as it came."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.examples import homes
from syncnb.examples.missing_constraint import MESSAGE, TARGETS, payload

COUNTS = {"integration_products": 425, "integration_modifiers": 685, "integration_discounts": 10}


@pytest.fixture(scope="module", params=["missing_constraint", "missing_constraint_bare"])
def stores(request: pytest.FixtureRequest) -> Iterator[tuple[sn.Store, sn.Store]]:
    yield sn.demo(request.param)
    homes.clear()


def test_the_state_is_the_incident_s(stores: tuple[sn.Store, sn.Store]) -> None:
    _, remote = stores
    schema = remote.inspect()
    with remote.reading() as reader:
        counts = {name: reader.probe().counts(schema[name], ())[0] for name in COUNTS}  # type: ignore[attr-defined]
    assert counts == COUNTS
    assert len(schema["integration_sync_history"].columns) == 7


def test_the_upsert_fails_as_it_did(stores: tuple[sn.Store, sn.Store]) -> None:
    """The service's statement on the columns that are there: 42P10, or 42703 where a column is missing."""
    _, remote = stores
    with pytest.raises(psycopg.Error) as caught, remote._connect() as connection:  # type: ignore[attr-defined]
        connection.execute(
            "INSERT INTO integration_products (wand_source_id, external_id, source_id, name) VALUES (NULL, 'x', gen_random_uuid(), 'x') "
            "ON CONFLICT (wand_source_id, external_id) DO UPDATE SET name = excluded.name"
        )
    assert caught.value.sqlstate in ("42P10", "42703")
    assert sn.diagnose(caught.value, remote, target=TARGETS)[0].cause in (
        "column_missing_in_target",
        "missing_unique_constraint",
        "conflict_target_stale_after_schema_change",
    )


@pytest.mark.parametrize("target", [None, TARGETS], ids=["message alone", "with the targets"])
def test_the_message_finds_the_cause(stores: tuple[sn.Store, sn.Store], target: Any) -> None:
    found = sn.diagnose(MESSAGE, stores[1], target=target)
    assert found[0].cause == "missing_unique_constraint"
    assert {each.where.partition(" ")[0] for each in found} == {
        "integration_products",
        "integration_modifiers",
    }
    assert found.notes[0].startswith("`products` is read as integration_products")


def test_the_remedies_are_in_a_safe_order(stores: tuple[sn.Store, sn.Store]) -> None:
    found = sn.diagnose(stores[1], rows=payload(1), target=TARGETS)
    verbs = [step.verb for step in found.remedies]
    assert verbs == sorted(verbs, key=["add_column", "backfill", "unique", "replace_unique"].index)
    unique = [step for step in found.remedies if step.verb == "unique"]
    assert {(step.table, step.columns, step.nulls_distinct) for step in unique} >= {
        (table, columns, False) for table, columns in TARGETS.items()
    }
    assert {step.source for step in found.remedies if step.verb == "backfill"} <= {"source_id"}


def test_who_would_break_the_constraint(stores: tuple[sn.Store, sn.Store]) -> None:
    found = sn.diagnose(stores[1], target=TARGETS)
    nulls = {each.where.partition(" ")[0]: each.evidence for each in found if each.cause == "null_in_key"}
    if not nulls:
        return  # where the columns are missing, nothing can be NULL yet
    assert {table: frame["NULL"][0] for table, frame in nulls.items()} == COUNTS


def test_payloads_are_what_a_service_sends() -> None:
    first, second = payload(1), payload(2)
    assert {table: len(rows) for table, rows in first.items()} == {
        table: len(rows) for table, rows in second.items()
    }
    for table, rows in first.items():
        keys = [tuple(row.get(name) for name in TARGETS[table]) for row in rows]
        assert len(set(keys)) == len(keys)
        assert (
            len(rows)
            == COUNTS[table]
            + {"integration_products": 12, "integration_modifiers": 8, "integration_discounts": 1}[table]
        )
        changed = sum(
            {k: v for k, v in a.items() if k != "last_synced_at"}
            != {k: v for k, v in b.items() if k != "last_synced_at"}
            for a, b in zip(rows, second[table], strict=True)
        )
        assert (
            changed
            == {"integration_products": 9, "integration_modifiers": 5, "integration_discounts": 0}[table]
        )


def test_without_postgresql_it_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncnb.embedded.missing", lambda: "PostgreSQL is not here")
    _, remote = sn.demo("missing_constraint")
    assert remote.dialect == "sqlite"
    assert sn.diagnose(MESSAGE, remote, target=TARGETS)[0].cause == "missing_unique_constraint"
    homes.clear()


def test_a_target_with_columns_that_are_not_there_is_explained(stores: tuple[sn.Store, sn.Store]) -> None:
    _, remote = stores
    said = sn.explain_conflict(remote, "integration_products", TARGETS["integration_products"])
    assert not said
    assert not said.frame["matches"].any()
    assert said.cause in ("missing_unique_constraint", "conflict_target_wrong_columns")
    lacking = "wand_source_id" not in [c.name for c in remote.inspect()["integration_products"].columns]
    verbs = [step.verb for step in said.remedies]
    assert verbs == (["add_column", "backfill", "unique"] if lacking else ["unique"])
    if lacking:
        assert set(said.frame["why"]) == {"the table has no wand_source_id"}
    with pytest.raises(sn.SchemaError, match="no column 'externl_id'"):
        sn.explain_conflict(remote, "integration_products", ["source_id", "externl_id"])
