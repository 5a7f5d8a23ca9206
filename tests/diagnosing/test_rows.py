"""Rows that are about to be written: every rule that each would break, and what happens in silence."""

from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

import syncnb as sn
from tests.diagnosing.making import make

Server = Any

TABLES = """
CREATE TABLE shops (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE items (
    id int PRIMARY KEY, shop int NOT NULL REFERENCES shops (id), code varchar(4) NOT NULL UNIQUE,
    price numeric(5,2) CHECK (price > 0), kind text NOT NULL DEFAULT 'food', note text,
    twice int GENERATED ALWAYS AS (id * 2) STORED
);
INSERT INTO shops VALUES (1, 'north');
INSERT INTO items (id, shop, code, price) VALUES (1, 1, 'aa', 1), (2, 1, 'bb', 2);
"""
GOOD = {"id": 9, "shop": 1, "code": "zz", "price": 1}

# name: what is changed in a good row, the causes that are found (on both engines, unless told)
ROWS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a good row": ({}, set()),
    "no parent": ({"shop": 7}, {"fk_parent_missing"}),
    "a check": ({"price": -1}, {"check_violation"}),
    "NULL without a default": ({"shop": None}, {"not_null_partial_row"}),
    "NULL over a default": ({"kind": None}, {"explicit_null_overrides_default"}),
    "a taken code": ({"code": "aa"}, {"other_unique_violated"}),
    "a taken id": ({"id": 1}, {"id_already_exists_same_entity"}),
    "an id of one and a code of another": ({"id": 1, "code": "bb"}, {"id_already_exists_same_entity", "other_unique_violated"}),
    "a generated column": ({"twice": 5}, {"generated_column_written"}),
    "all at once": ({"shop": 7, "price": -1, "kind": None, "code": "aa"}, {"fk_parent_missing", "check_violation", "explicit_null_overrides_default", "other_unique_violated"}),
}  # fmt: skip
STRICTER = {
    "too long": ({"code": "abcde"}, {"value_too_long"}),
    "blanks at the end are cut": ({"code": "abcd   "}, set()),
    "too great": ({"price": 12345}, {"numeric_out_of_range"}),
    "no number": ({"shop": "north"}, {"invalid_text_representation"}),
    "a NUL byte": ({"note": "a\0b"}, {"null_byte_in_text"}),
    "beyond int4": ({"id": 2**40}, {"numeric_out_of_range"}),
}


@pytest.fixture(scope="module")
def url(pg_server: Server) -> str:
    return pg_server.create("rows")


def causes(found: sn.Findings, without: tuple[str, ...] = ("trigger_rewrites_values",)) -> set[str]:
    return {each.cause for each in found if each.cause not in without and each.severity == "error"}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("change", "wanted"), ROWS.values(), ids=ROWS)
def test_each_rule(engine: str, change: dict[str, Any], wanted: set[str], tmp_path: Path, url: str) -> None:
    store = make(engine, TABLES, tmp_path, url, writable=True)
    row = {**GOOD, **change}
    assert causes(sn.diagnose(store, tables="items", rows=[row])) == wanted
    # The database itself, in a transaction that is rolled back, refuses exactly the rows that are refused here.
    rehearsed = sn.diagnose(store, tables="items", rows=[row], rehearse=True)
    assert any("rehearsed" in each.what for each in rehearsed) is bool(wanted)
    assert len(sn.diagnose(store, tables="items", rows=[GOOD])) == 0


@pytest.mark.parametrize(("change", "wanted"), STRICTER.values(), ids=STRICTER)
def test_what_postgresql_is_stricter_about(
    change: dict[str, Any], wanted: set[str], tmp_path: Path, url: str
) -> None:
    store = make("postgresql", TABLES, tmp_path, url)
    assert causes(sn.diagnose(store, tables="items", rows=[{**GOOD, **change}])) == wanted


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_upsert_of_a_batch(engine: str, tmp_path: Path, url: str) -> None:
    store = make(engine, TABLES, tmp_path, url)
    frame = pd.DataFrame(
        {"id": [1, 2, 9, 9], "shop": [1, 1, 1, 1], "code": ["aa", "aa", "cc", "cc"], "price": [1, 1, 1, 1]}
    )
    found = sn.diagnose(store, tables="items", rows=frame, target=["id"])
    evidence = {each.cause: each.evidence for each in found}
    assert evidence["duplicate_in_batch"]["row"].tolist() == [2, 3]
    assert evidence["other_unique_violated"]["row"].tolist() == [1]
    assert "meets the row 2" in evidence["other_unique_violated"]["why"][0]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_parents_of_the_same_run_count(engine: str, tmp_path: Path, url: str) -> None:
    store = make(engine, TABLES, tmp_path, url)
    rows = {"shops": [{"id": 7, "name": "south"}], "items": [{**GOOD, "shop": 7}]}
    assert "fk_parent_missing" not in causes(sn.diagnose(store, rows=rows))


def test_the_types_of_the_table_decide_what_is_the_same(tmp_path: Path, url: str) -> None:
    setup = "CREATE TABLE t (a char(5), n numeric, PRIMARY KEY (a, n)); INSERT INTO t VALUES ('x', 1.0);"
    store = make("postgresql", setup, tmp_path, url)
    rows = [{"a": "x  ", "n": "1.00"}, {"a": "y", "n": "2"}, {"a": "y ", "n": "2.0"}]
    found = {each.cause: each.evidence["row"].tolist() for each in sn.diagnose(store, tables="t", rows=rows)}
    assert found == {"id_already_exists_same_entity": [0], "duplicate_in_batch": [1, 2]}
    lite = make(
        "sqlite",
        "CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY); INSERT INTO t VALUES ('x');",
        tmp_path,
        None,
    )
    found = {
        each.cause: each.evidence["row"].tolist()
        for each in sn.diagnose(lite, tables="t", rows=[{"a": "X"}, {"a": "Y"}, {"a": "y"}])
    }
    assert found == {"id_already_exists_same_entity": [0], "duplicate_in_batch": [1, 2]}


def test_gaps_in_a_batch_of_dicts(tmp_path: Path, url: str) -> None:
    store = make("postgresql", TABLES, tmp_path, url)
    found = sn.diagnose(
        store, tables="items", rows=[{**GOOD, "kind": "drink"}, {**GOOD, "id": 10, "code": "yy"}]
    )
    assert causes(found) == {"heterogeneous_rows_null_fill"}


def test_null_in_the_target_makes_doubles_in_silence(tmp_path: Path, url: str) -> None:
    setup = "CREATE TABLE t (s int, x text, n int, UNIQUE (s, x)); INSERT INTO t VALUES (NULL, 'a', 1), (NULL, 'a', 2);"
    for engine in ("sqlite", "postgresql"):
        store = make(engine, setup, tmp_path, url)
        found = sn.diagnose(store, tables="t", rows=[{"s": None, "x": "a"}], target=["s", "x"])
        assert {(each.cause, each.severity) for each in found} == {("null_in_key", "silent")}
        assert found.frame["cause"].tolist() == ["null_in_key", "null_in_key"]
    setup = setup.replace("UNIQUE (s, x)", "UNIQUE NULLS NOT DISTINCT (s, x)").replace(", (NULL, 'a', 2)", "")
    store = make("postgresql", setup, tmp_path, url)
    assert len(sn.diagnose(store, tables="t", rows=[{"s": None, "x": "a"}], target=["s", "x"])) == 0


def test_unknown_columns_name_the_nearest(tmp_path: Path, url: str) -> None:
    store = make("postgresql", TABLES, tmp_path, url)
    found = sn.diagnose(store, tables="items", rows=[{**GOOD, "notes": "x"}])
    assert found[0].cause == "column_missing_in_target"
    assert found[0].evidence["nearest"].tolist() == ["note"]


SILENT = {
    "a sequence behind": ("CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);", {"sequence_behind"}),
    "an invalid index": ("CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass;", {"invalid_index_left"}),
    "NULL in a unique rule": ("CREATE TABLE t (a int, b int, UNIQUE (a, b)); INSERT INTO t VALUES (1, NULL);", {"null_in_key"}),
    "a check that was never validated": ("CREATE TABLE t (a int); INSERT INTO t VALUES (-1); ALTER TABLE t ADD CHECK (a > 0) NOT VALID;", {"constraint_not_validated"}),
    "orphans behind a key NOT VALID": ("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (p int); INSERT INTO t VALUES (7); ALTER TABLE t ADD FOREIGN KEY (p) REFERENCES p NOT VALID;", {"fk_parent_missing", "constraint_not_validated"}),
    "a trigger that rewrites": ("CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := 0; RETURN NEW; END'; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();", {"trigger_rewrites_values"}),
    "a rule": ("CREATE TABLE t (a int); CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING;", {"rule_on_table"}),
    "nothing": ("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text UNIQUE); INSERT INTO t (a) VALUES ('x'), (NULL);", set()),
}  # fmt: skip


@pytest.mark.parametrize(("setup", "wanted"), SILENT.values(), ids=SILENT)
def test_silent_losers(setup: str, wanted: set[str], tmp_path: Path, url: str) -> None:
    store = make("postgresql", setup, tmp_path, url)
    found = sn.diagnose(store, tables="t", target={})
    assert {each.cause for each in found} == wanted


def test_row_level_security_is_said(bench: Any) -> None:
    bench.postgresql(
        "CREATE TABLE t (id int)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (id > 5)",
    )
    found = sn.diagnose(bench.as_role("sees_some", "SELECT ON t"), tables="t", target={})
    assert [(each.cause, each.severity) for each in found] == [("rls_policy", "silent")]


def test_orphans_and_broken_parents_in_sqlite(tmp_path: Path) -> None:
    setup = "CREATE TABLE p (id, n); CREATE TABLE q (id INTEGER PRIMARY KEY); CREATE TABLE t (p REFERENCES p (id), q REFERENCES q); INSERT INTO t VALUES (1, 5), (1, 5), (2, 6);"
    found = sn.diagnose(make("sqlite", setup, tmp_path, None), tables="t", target={})
    assert {each.cause for each in found} == {"fk_mismatch", "fk_parent_missing"}
    orphans = next(each for each in found if each.cause == "fk_parent_missing")
    assert orphans.evidence["rows"].tolist() == [2, 1]


def test_two_stores(tmp_path: Path, url: str) -> None:
    local = make(
        "sqlite",
        "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT UNIQUE, env TEXT, extra TEXT); INSERT INTO hosts VALUES (1, 'a', 'live', 'x'), (2, 'c', 'a long one', 'x'); CREATE TABLE only_here (a);",
        tmp_path,
        None,
    )
    remote = make(
        "postgresql",
        "CREATE TABLE hosts (id int PRIMARY KEY, name text, env varchar(4)); INSERT INTO hosts VALUES (1, 'a', 'live'), (2, 'b', 'live'), (3, 'b', 'live');",
        tmp_path,
        url,
    )
    found = sn.diagnose(local, remote)
    assert {(each.cause, each.severity) for each in found} == {
        ("value_too_long", "error"),
        ("column_missing_in_target", "error"),
        ("duplicate_rows_block_unique", "error"),
        ("missing_unique_constraint", "warning"),
        ("table_missing", "warning"),
    }


def test_nothing_is_ever_written(tmp_path: Path, url: str) -> None:
    store = make("postgresql", TABLES, tmp_path, url, writable=True)
    before = snapshot(url)
    sn.diagnose(store, tables="items", rows=[{**GOOD, "id": 77}], target=["id"])
    sn.diagnose(store, tables="items", rows=[{**GOOD, "id": 77}], target=["id"], rehearse=True)
    sn.diagnose("UNIQUE constraint failed: items.id", store)
    assert snapshot(url) == before


def snapshot(url: str) -> Any:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT * FROM items ORDER BY id").fetchall()
        return rows, connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()


def test_a_rehearsal_needs_a_writable_store(tmp_path: Path, url: str) -> None:
    with pytest.raises(sn.SyncnbError, match="opened read-only"):
        sn.diagnose(make("sqlite", TABLES, tmp_path, url), tables="items", rows=[GOOD], rehearse=True)


def test_arrays_and_documents_of_dicts(tmp_path: Path, url: str) -> None:
    setup = (
        "CREATE TABLE t (tags text[], n int[], j jsonb, CHECK (cardinality(tags) = 2 AND j ->> 'a' = '1'))"
    )
    store = make("postgresql", setup, tmp_path, url)
    good = {"tags": ['a "b"', "c\\d"], "n": [[1, None], [2, 3]], "j": {"a": 1}}
    assert len(sn.diagnose(store, tables="t", rows=[good])) == 0
    assert causes(sn.diagnose(store, tables="t", rows=[{**good, "tags": ["a"]}])) == {"check_violation"}


PERCENT = """
CREATE TABLE t (
    "a %s" int PRIMARY KEY CHECK ("a %s" % 2 = 0), mail text CHECK (mail LIKE '%@%'), "b%" text, state text
);
CREATE UNIQUE INDEX open_ones ON t ("b%") WHERE state LIKE 'o%';
INSERT INTO t VALUES (2, 'a@b', 'x', 'open');
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_percent_signs_of_the_catalogue_are_no_placeholders(tmp_path: Path, url: str, engine: str) -> None:
    store = make(engine, PERCENT, tmp_path, url)
    good = {"a %s": 4, "mail": "c@d", "b%": "y", "state": "open"}
    broken = {
        "check_violation": [{"a %s": 3}, {"mail": "nobody"}],
        "other_unique_violated": [{"b%": "x"}],
        "id_already_exists_same_entity": [{"a %s": 2}],
    }
    assert causes(sn.diagnose(store, tables="t", rows=[good])) == set()
    for cause, changes in broken.items():
        for change in changes:
            assert causes(sn.diagnose(store, tables="t", rows=[{**good, **change}])) == {cause}
    error = (
        'duplicate key value violates unique constraint "t_pkey"\nDETAIL:  Key ("a %s")=(2) already exists.'
    )
    assert len(sn.diagnose(error, store)) > 0
