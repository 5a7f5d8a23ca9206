"""`syncnb inspect`: what the catalogue says, as text and as JSON."""

import json
import re
from typing import Any

import pytest

from syncnb.cli import main
from syncnb.schema import UniqueRule
from syncnb.schema.sheets import not_a_target
from tests.cli.conftest import LoadSql

SECRET = "s3cr3t-Zw9"


CATALOGUE = """
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL DEFAULT 'x',
    parent_id int REFERENCES parent ON DELETE CASCADE,
    twice int GENERATED ALWAYS AS (parent_id * 2) STORED,
    CONSTRAINT later UNIQUE (code) DEFERRABLE,
    CONSTRAINT either UNIQUE NULLS NOT DISTINCT (parent_id, code),
    CHECK (parent_id > 0)
);
CREATE UNIQUE INDEX part ON child (code) WHERE parent_id > 1;
CREATE UNIQUE INDEX lowered ON child (lower(code));
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW children AS SELECT id FROM child;
CREATE SCHEMA other;
CREATE TABLE other.far (id int);
"""


@pytest.fixture
def catalogue(pg: str, load_sql: LoadSql, monkeypatch: pytest.MonkeyPatch) -> str:
    load_sql(pg, CATALOGUE)
    monkeypatch.setenv("REMOTE", pg)
    return "env:REMOTE"


TOLD = {
    "columns": r"^twice +integer +integer +yes +- +generated: .*parent_id \* 2",
    "identity": r"^id +integer +integer +no +- +identity, always$",
    "defaults": r"^code +text +text +no +'x'::text",
    "primary key": r"^primary key child_pkey \(id\)$",
    "nulls": r"^unique either \(parent_id, code\) NULLS NOT DISTINCT$",
    "deferrable": r"^unique later \(code\); not found by ON CONFLICT \(columns\): it is deferrable",
    "partial": r"^unique index part \(code\) WHERE .*parent_id > 1.*: it is partial",
    "expression": r"^unique index lowered \(lower\(code\)\); .*: it has an expression: ",
    "references": r"^foreign key \w+ \(parent_id\) to parent \(id\), on delete cascade, on update no action$",
    "checks": r"^check .*parent_id > 0",
    "triggers": r"^trigger touch: CREATE TRIGGER touch BEFORE UPDATE",
    "views": r"^children \(view\)$",
    "overview": r"^child +table +4 +id +4 +1 +1 +no$",
}


@pytest.mark.parametrize("line", TOLD.values(), ids=TOLD)
def test_inspect_tells(line: str, catalogue: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", catalogue]) == 0
    out = capsys.readouterr().out
    assert re.search(line, out, re.M), out


def test_inspect_as_json(catalogue: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", catalogue, "--json", "--schema", "other", "--table", "child", "other.far"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["dialect"], [table["name"] for table in told["tables"]]) == ("postgresql", ["child", "far"])
    rules: dict[str, Any] = {rule["name"]: rule for rule in told["tables"][0]["rules"]}
    assert rules["either"]["nulls_distinct"] is False
    assert rules["later"]["deferrable"] is True


def test_row_level_security_is_told(
    pg: str, load_sql: LoadSql, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_sql(
        pg,
        f"CREATE TABLE secret (id int PRIMARY KEY); ALTER TABLE secret ENABLE ROW LEVEL SECURITY; "
        f"CREATE ROLE rls_reader LOGIN PASSWORD '{SECRET}'; GRANT SELECT ON secret TO rls_reader",
    )
    try:
        monkeypatch.setenv("REMOTE", re.sub(r"//[^@]*@", f"//rls_reader:{SECRET}@", pg))
        assert main(["inspect", "env:REMOTE"]) == 0
        out = capsys.readouterr().out
    finally:
        load_sql(pg, "DROP OWNED BY rls_reader; DROP ROLE rls_reader")
    assert "row-level security hides rows of this table from this role" in out
    assert re.search(r"^secret +table +.*hides rows$", out, re.M)
    assert SECRET not in out


TARGETS = {
    "plain": (UniqueRule("r", ("a",)), ""),
    "invalid": (UniqueRule("r", ("a",), valid=False), "it is not valid: drop it and build it again"),
    "deferrable": (UniqueRule("r", ("a",), deferrable=True), "it is deferrable: PostgreSQL refuses those"),
    "partial": (UniqueRule("r", ("a",), where="b"), "it is partial: the target must say WHERE b"),
    "both": (
        UniqueRule("r", (), expressions=("lower(a)",), where="b"),
        "it is partial: the target must say WHERE b and it has an expression: the target must repeat it",
    ),
}


@pytest.mark.parametrize(("rule", "reason"), TARGETS.values(), ids=TARGETS)
def test_why_a_rule_is_no_target(rule: UniqueRule, reason: str) -> None:
    assert not_a_target(rule) == reason
