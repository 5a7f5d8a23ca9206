"""Which indexes a conflict target finds: the answer, against what the real engine does."""

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.diagnosing.conflict_targets import Explanation, repair
from syncnb.diagnosing.targets import target_of
from syncnb.stores.probing import is_bound, is_expression
from tests.diagnosing.making import make

Server = Any

# name: set-up, target, where, the cause (None: it works)
BASE = "CREATE TABLE t (id int PRIMARY KEY, a int, b text, d date);"
POSTGRES = {
    "the primary key": (BASE, ["id"], None, None),
    "any order, repeats": (BASE + "CREATE UNIQUE INDEX i ON t (a, b);", ["b", "a", "b"], None, None),
    "INCLUDE does not count": (BASE + "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b);", ["a"], None, None),
    "INCLUDE must not be named": (BASE + "CREATE UNIQUE INDEX i ON t (a) INCLUDE (b);", ["a", "b"], None, "conflict_target_wrong_columns"),
    "nothing unique": (BASE, ["a"], None, "missing_unique_constraint"),
    "an index that is not": (BASE + "CREATE INDEX i ON t (a);", ["a"], None, "non_unique_index_only"),
    "a subset": (BASE + "CREATE UNIQUE INDEX i ON t (a, b);", ["a"], None, "conflict_target_wrong_columns"),
    "a superset": (BASE + "CREATE UNIQUE INDEX i ON t (a);", ["a", "b"], None, "conflict_target_wrong_columns"),
    "NULLS NOT DISTINCT": (BASE + "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT;", ["a"], None, None),
    "DESC": (BASE + "CREATE UNIQUE INDEX i ON t (a DESC NULLS LAST);", ["a"], None, None),
    "partial, bare": (BASE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], None, "partial_index_predicate_not_in_on_conflict"),
    "partial, its predicate": (BASE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], "d IS NULL", None),
    "partial, a stronger one": (BASE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], "a > 0 AND d IS NULL", None),
    "partial, a weaker one": (BASE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL AND a > 0;", ["a"], "d IS NULL", "partial_index_predicate_not_in_on_conflict"),
    "partial, an implied number": (BASE + "CREATE UNIQUE INDEX i ON t (b) WHERE a > 0;", ["b"], "a > 10", None),
    "partial, another one": (BASE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], "b IS NULL", "partial_index_predicate_not_in_on_conflict"),
    "partial on NOT NULL": ("CREATE TABLE t (a int NOT NULL); CREATE UNIQUE INDEX i ON t (a) WHERE a IS NOT NULL;", ["a"], None, "partial_index_predicate_not_in_on_conflict"),
    "full, with a predicate": (BASE + "CREATE UNIQUE INDEX i ON t (a);", ["a"], "d IS NULL", None),
    "an expression": (BASE + "CREATE UNIQUE INDEX i ON t (lower(b));", ["lower(b)"], None, None),
    "an expression, its column": (BASE + "CREATE UNIQUE INDEX i ON t (lower(b));", ["b"], None, "expression_index_mismatch"),
    "a column, an expression": (BASE + "CREATE UNIQUE INDEX i ON t (b);", ["lower(b)"], None, "expression_index_mismatch"),
    "constants are cast": ("CREATE TABLE t (v varchar(9)); CREATE UNIQUE INDEX i ON t (coalesce(v, ''));", ["coalesce(v, '')"], None, None),
    "an operator": (BASE + "CREATE UNIQUE INDEX i ON t ((a + 1));", ["a + 1"], None, None),
    "another constant": (BASE + "CREATE UNIQUE INDEX i ON t (coalesce(a, 0));", ["coalesce(a, -1)"], None, "expression_index_mismatch"),
    "a collation in the index": (BASE + 'CREATE UNIQUE INDEX i ON t (b COLLATE "POSIX");', ["b"], None, None),
    "a collation in both": (BASE + 'CREATE UNIQUE INDEX i ON t (b COLLATE "POSIX");', ['b COLLATE "POSIX"'], None, None),
    "a collation in the target": (BASE + "CREATE UNIQUE INDEX i ON t (b);", ['b COLLATE "POSIX"'], None, "collation_in_target"),
    "operators in the index": (BASE + "CREATE UNIQUE INDEX i ON t (b text_pattern_ops);", ["b"], None, None),
    "operators in both": (BASE + "CREATE UNIQUE INDEX i ON t (b text_pattern_ops);", ["b text_pattern_ops"], None, None),
    "other operators": (BASE + "CREATE UNIQUE INDEX i ON t (b text_pattern_ops);", ["b text_ops"], None, "collation_in_target"),
    "deferrable": (BASE + "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a) DEFERRABLE;", ["a"], None, "deferrable_constraint"),
    "deferrable, and another beside it": (BASE + "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a) DEFERRABLE; CREATE UNIQUE INDEX i ON t (a);", ["a"], None, "deferrable_constraint"),
    "deferrable, meant another": (BASE + "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a) DEFERRABLE; CREATE UNIQUE INDEX i ON t (a) WHERE id > 0;", ["a"], "id > 0", "deferrable_constraint"),
    "exclusion": (BASE + "ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING btree (a WITH =);", ["a"], None, "exclusion_constraint_only"),
    "invalid": (BASE + "CREATE UNIQUE INDEX i ON t (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass;", ["a"], None, "invalid_index_left"),
    "on a partition": ("CREATE TABLE t (id int, a int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9); CREATE UNIQUE INDEX i ON t1 (a);", ["a"], None, "partition_unique_not_on_parent"),
    "on the parent": ("CREATE TABLE t (id int, a int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9); CREATE UNIQUE INDEX i ON t (a, id);", ["id", "a"], None, None),
    "a rule": (BASE + "CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 1;", ["id"], None, "rule_on_table"),
    "quoted names": ('CREATE TABLE t ("A b" int UNIQUE, a int);', ["A b"], None, None),
    "a name in another case": (BASE + "CREATE UNIQUE INDEX i ON t (a);", ["A"], None, None),
}  # fmt: skip

LITE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT, d);"
SQLITE = {
    "the rowid's name": (LITE, ["id"], None, None),
    "rowid": (LITE, ["rowid"], None, None),
    "any order": (LITE + "CREATE UNIQUE INDEX i ON t (a, b);", ["b", "a"], None, None),
    "repeats": (LITE + "CREATE UNIQUE INDEX i ON t (a);", ["a", "a"], None, "conflict_target_wrong_columns"),
    "nothing unique": (LITE, ["a"], None, "missing_unique_constraint"),
    "an index that is not": (LITE + "CREATE INDEX i ON t (a);", ["a"], None, "non_unique_index_only"),
    "a subset": (LITE + "CREATE UNIQUE INDEX i ON t (a, b);", ["a"], None, "conflict_target_wrong_columns"),
    "partial, bare": (LITE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], None, "partial_index_predicate_not_in_on_conflict"),
    "partial, its predicate": (LITE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], "D is null", None),
    "partial, a stronger one": (LITE + "CREATE UNIQUE INDEX i ON t (a) WHERE d IS NULL;", ["a"], "d IS NULL AND a > 0", "partial_index_predicate_not_in_on_conflict"),
    "full, with a predicate": (LITE + "CREATE UNIQUE INDEX i ON t (a);", ["a"], "d IS NULL", None),
    "an expression, case apart": (LITE + "CREATE UNIQUE INDEX i ON t (lower(b));", ["LOWER(b)"], None, None),
    "an expression, its column": (LITE + "CREATE UNIQUE INDEX i ON t (lower(b));", ["b"], None, "expression_index_mismatch"),
    "ifnull is not coalesce": (LITE + "CREATE UNIQUE INDEX i ON t (ifnull(a, 0));", ["coalesce(a, 0)"], None, "expression_index_mismatch"),
    "a collation in the index": ("CREATE TABLE t (b TEXT); CREATE UNIQUE INDEX i ON t (b COLLATE NOCASE);", ["b"], None, None),
    "a collation in the target": ("CREATE TABLE t (b TEXT COLLATE NOCASE UNIQUE);", ["b COLLATE binary"], None, "collation_in_target"),
    "without rowid": ("CREATE TABLE t (a TEXT PRIMARY KEY, b) WITHOUT ROWID;", ["a"], None, None),
    "a composite key": ("CREATE TABLE t (a, b, PRIMARY KEY (a, b));", ["b", "a"], None, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def url(pg_server: Server) -> str:
    return pg_server.create("targets")


def really(execute: Any, table: Any, target: list[str], where: str | None, names: list[str]) -> bool:
    """Whether the engine takes such an upsert, DO UPDATE, tried and rolled back."""
    parts = ", ".join(f'"{part}"' if part in names else part for part in target)
    for wrapped in (parts, ", ".join(f'"{part}"' if part in names else f"({part})" for part in target)):
        tail = f" WHERE {where}" if where else ""
        column = names[0]
        try:
            execute(
                f'INSERT INTO t ("{column}") VALUES (NULL) ON CONFLICT ({wrapped}){tail} DO UPDATE SET "{column}" = excluded."{column}"'
            )
        except (psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation):
            return True  # the target was found: the row came later
        except psycopg.errors.SyntaxError:
            continue
        except (psycopg.Error, sqlite3.Error):
            return False
        return True
    return False


@pytest.mark.parametrize(("setup", "target", "where", "cause"), POSTGRES.values(), ids=POSTGRES)
def test_postgresql(
    setup: str, target: list[str], where: str | None, cause: str | None, tmp_path: Path, url: str
) -> None:
    store = make("postgresql", setup, tmp_path, url)
    said = sn.explain_conflict(store, "t", target, where)
    with psycopg.connect(url) as connection:
        columns = [c.name for c in store.inspect()["t"].columns]
        # A row that may be NULL in its key is refused later than its target: give it a value.
        first = "1" if store.inspect()["t"].columns[0].type == "integer" else "'x'"

        def tried(sql: str) -> None:
            with connection.transaction(force_rollback=True):
                connection.execute(sql.replace("VALUES (NULL)", f"VALUES ({first})"))

        works = really(tried, None, target, where, columns)
    assert bool(said) is works is (cause is None)
    assert said.cause == cause
    assert bool(said.repair) is (cause is not None)


@pytest.mark.parametrize(("setup", "target", "where", "cause"), SQLITE.values(), ids=SQLITE)
def test_sqlite(setup: str, target: list[str], where: str | None, cause: str | None, tmp_path: Path) -> None:
    store = make("sqlite", setup, tmp_path, None)
    said = sn.explain_conflict(store, "t", target, where)
    connection = sqlite3.connect(store.path)
    columns = [c.name for c in store.inspect()["t"].columns]
    works = really(
        lambda sql: connection.execute(sql.replace("VALUES (NULL)", "VALUES (1)")),
        None,
        target,
        where,
        columns,
    )
    connection.close()
    assert bool(said) is works is (cause is None)
    assert said.cause == cause


@pytest.mark.parametrize(
    "target",
    [["coalesce(a, $1)"], ["a", "coalesce(b, %s)"], ["coalesce(a, :x)"], ["coalesce(a, ?)"]],
    ids=str,
)
def test_a_bound_parameter_is_said(target: list[str], tmp_path: Path, url: str) -> None:
    setup = BASE + "CREATE UNIQUE INDEX i ON t (coalesce(a, 0));"
    said = sn.explain_conflict(make("postgresql", setup, tmp_path, url), "t", target)
    assert said.cause == "bound_parameter_in_target"
    assert "literal" in said.repair


def test_the_whole_table_is_told(tmp_path: Path, url: str) -> None:
    setup = BASE + "CREATE UNIQUE INDEX i ON t (a, b);"
    said = sn.explain_conflict(make("postgresql", setup, tmp_path, url), "t", ["a"])
    assert list(said.frame.columns) == ["index", "columns", "unique", "matches", "why"]
    assert said.frame["index"].tolist() == ["t_pkey", "i"]
    assert not said
    assert repr(said).splitlines()[0] == "ON CONFLICT (a) on t: it does not work"
    assert [str(step) for step in said.remedies] == ["add a unique rule on t (a) NULLS NOT DISTINCT"]


def test_a_column_that_is_not_there(tmp_path: Path, url: str) -> None:
    with pytest.raises(sn.SchemaError, match="t has no column 'zz'"):
        sn.explain_conflict(make("postgresql", BASE, tmp_path, url), "t", ["zz"])


def test_a_role_that_may_not_write_gets_the_rules_answer(tmp_path: Path, url: str, bench: Any) -> None:
    store = bench.postgresql("CREATE TABLE t (id int PRIMARY KEY, a int)")
    assert sn.explain_conflict(store, "t", "id").engine
    reader = bench.as_role("only_reads", "SELECT ON t")
    said = sn.explain_conflict(reader, "t", "id")
    assert said
    assert said.engine == ""


ATTACKS = (
    "a) DO NOTHING; DROP TABLE t; --",
    "(SELECT pg_sleep(9))",
    "a /* x */",
    "a; b",
    "E'\\'; DROP TABLE t'",
    "$$x$$",
    "a)",
    "(a",
    "a -- b",
)


@pytest.mark.parametrize("text", ATTACKS)
def test_a_pasted_target_is_never_more_than_an_expression(text: str, tmp_path: Path, url: str) -> None:
    assert not is_expression(text)
    store = make("postgresql", BASE, tmp_path, url)
    said = sn.explain_conflict(store, "t", [text or "a"], text or None)
    assert said.engine == ""
    assert len(store.inspect()) == 1


@pytest.mark.parametrize(
    "text",
    ["a", "lower(b)", "coalesce(a, -1)", 'b COLLATE "C"', "(a || ':' || b)", "data ->> 'x'", "a::text"],
)
def test_expressions_pass(text: str) -> None:
    assert is_expression(text)
    assert not is_bound(text)


def test_before_version_15_null_never_equals_null(tmp_path: Path, url: str) -> None:
    """No such server here: the repair itself, told so."""
    table = make("postgresql", BASE, tmp_path, url).inspect()["t"]
    done = Explanation("t", "ON CONFLICT (a)", ())
    said = repair(done, table, target_of(table, ["a"], None, "postgresql"), nulls_can_be_equal=False)
    assert [(step.verb, step.nulls_distinct) for step in said.remedies] == [
        ("unique", True),
        ("not_null", True),
    ]
