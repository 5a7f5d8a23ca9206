"""Errors that really happened on real databases: the true cause is named first."""

import json
from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from syncnb.diagnosing.causes import CAUSES, candidates
from syncnb.diagnosing.causes.codes import SIGNS
from tests.diagnosing.broken import BROKEN, Broken
from tests.diagnosing.making import fail, make

Server = Any


@pytest.fixture(scope="module")
def url(pg_server: Server) -> str:
    return pg_server.create("diagnosed")


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_the_true_cause_comes_first(case: Broken, tmp_path: Path, url: str) -> None:
    store = make(case.engine, case.setup, tmp_path, url)
    error = fail(case.engine, case.setup, case.statement, store, url)
    found = sn.diagnose(error, store, context=case.statement)
    assert found[0].cause == case.cause
    if case.cause != "trigger_refused":  # whose text is whatever somebody wrote
        assert sn.diagnose(str(error), store, context=case.statement)[0].cause == case.cause
    assert len(found[0].evidence) >= 0
    assert found[0].fix


def cases(data_home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data_home / "error_cases.jsonl").read_text("utf-8").splitlines()]


def test_real_cases_with_the_store(data_home: Path, tmp_path: Path, url: str) -> None:
    """68 cases: the true cause first in at least 66."""
    wrong = []
    for case in cases(data_home):
        store = make(case["dialect"], case["setup"], tmp_path, url)
        found = sn.diagnose(case["error_text"], store, context=case["statement"])
        if found[0].cause != case["cause"]:
            wrong.append((case["id"], case["cause"], found[0].cause))
    assert len(wrong) <= 2, wrong


def test_real_cases_from_the_text_alone(data_home: Path) -> None:
    """68 cases, of which identical texts allow 61: the true cause among the first three in at least 55."""
    texts = [(case["cause"], sn.diagnose(case["error_text"])) for case in cases(data_home)]
    right = [cause for cause, found in texts if cause in [each.cause for each in found][:3]]
    assert len(right) >= 55


def test_the_vocabulary_has_every_known_name(data_home: Path) -> None:
    assert set((data_home / "causes.txt").read_text().split()) <= set(CAUSES)


def test_signs_name_only_known_causes() -> None:
    for sign in SIGNS:
        assert sign.causes
        assert set(sign.causes) <= set(CAUSES)


def test_each_cause_says_what_to_do() -> None:
    for cause in CAUSES.values():
        assert all((cause.sentence, cause.gather, cause.fix))
        assert not cause.sentence.endswith(".")


def test_a_code_is_more_than_a_text() -> None:
    """A message may say anything, in any language: the code decides."""
    assert candidates("23505", "tiu ŝlosilo jam ekzistas")[1][0] == "id_already_exists_same_entity"
    assert candidates("1555", "UNIQUE constraint failed: t.a")[1][0] == "id_already_exists_same_entity"
    assert candidates("2067", "UNIQUE constraint failed: t.a")[1][0] == "other_unique_violated"
    assert candidates("99999", "nobody knows") == ("99999", ())


def test_what_nobody_knows_is_asked() -> None:
    found = sn.diagnose("the sync did not work, please help")
    assert [each.cause for each in found] == ["cannot_tell"]
    assert found.question
    assert "context=" in found[0].fix


def test_ambiguity_is_said_with_the_question_that_decides() -> None:
    text = "there is no unique or exclusion constraint matching the ON CONFLICT specification"
    found = sn.diagnose(text)
    assert {each.certainty for each in found} == {"possible"}
    assert "which columns does ON CONFLICT name" in found.question


def test_evidence_is_a_frame_and_never_a_secret(tmp_path: Path, url: str) -> None:
    case = BROKEN["PostgreSQL: a whole table loaded twice"]
    store = make(case.engine, case.setup, tmp_path, url)
    found = sn.diagnose(
        fail(case.engine, case.setup, case.statement, store, url), store, context=case.statement
    )
    assert list(found.frame.columns)[:6] == ["severity", "cause", "where", "what", "evidence", "fix"]
    assert found[0].evidence["rows"].tolist() == [2, 2, 2]
    assert [step.verb for step in found.remedies] == ["dedupe", "unique"]
    assert "postgres" not in repr(found)


def test_html_is_escaped(tmp_path: Path) -> None:
    found = sn.diagnose('relation "<script>alert(1)</script>" does not exist')
    assert "<script>" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


WRONG: dict[str, tuple[Any, str]] = {
    "a number": (lambda: sn.diagnose(5), "cannot be diagnosed"),
    "three stores": (lambda: sn.diagnose("x", *[sn.demo] * 3), "more than two stores"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_gets_one_line(call: Any, message: str) -> None:
    with pytest.raises(sn.SyncnbError, match=message):
        call()


QUIET = {
    "a replace that takes children along": ("replace_cascade_delete", "CREATE TABLE p (id INTEGER PRIMARY KEY, n UNIQUE); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES (1, 'a'); INSERT INTO c VALUES (1);", "INSERT OR REPLACE INTO p VALUES (1, 'b')"),
    "a replace that forgets a column": ("replace_loses_unlisted_columns", "CREATE TABLE p (id INTEGER PRIMARY KEY, n, more DEFAULT 'd'); INSERT INTO p VALUES (1, 'a', 'x');", "REPLACE INTO p (id, n) VALUES (1, 'b')"),
    "a rebuild that empties children": ("rebuild_cascade_delete", "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE);", "DROP TABLE p"),
    "NULL in the key": ("null_in_key", "CREATE TABLE p (a, b, UNIQUE (a, b));", "INSERT INTO p VALUES (NULL, 1) ON CONFLICT (a, b) DO UPDATE SET b = 2"),
}  # fmt: skip


@pytest.mark.parametrize(("cause", "setup", "statement"), QUIET.values(), ids=QUIET)
def test_what_succeeds_and_loses_data(cause: str, setup: str, statement: str, tmp_path: Path) -> None:
    found = sn.diagnose("the run reported success", make("sqlite", setup, tmp_path, None), context=statement)
    assert (found[0].cause, found[0].severity) == (cause, "silent")
