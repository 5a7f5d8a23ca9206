"""`syncnb plan`, `show`, `apply`, `verify`, `history`, `undo` and `journal`, from the file to the proof."""

import contextlib
import json
import re
import shlex
import signal
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from syncnb.cli import main
from tests.cli.conftest import File, LoadSql, Run, lines, many, wait_for

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9), stamp VARCHAR(40))"
LOCAL = """INSERT INTO t VALUES (1, 'mine', '2026-01-02 10:00:00+00'), (2, 'mine', '2026-01-01 10:00:00+00'),
    (3, 'same', NULL), (4, 'new', NULL)"""
REMOTE = """INSERT INTO t VALUES (1, 'theirs', '2026-01-01 10:00:00+00'), (2, 'theirs', '2026-01-02 10:00:00+00'),
    (3, 'same', NULL), (5, 'old', NULL)"""
BEFORE = [(1, "theirs"), (2, "theirs"), (3, "same"), (5, "old")]


@dataclass
class Desk:
    """A local file, a remote database of either engine, and a folder for plans."""

    local: str
    remote: str
    folder: Path
    ask: Callable[[str], list[Any]]
    """Run a statement on the remote side, behind our back."""
    capsys: pytest.CaptureFixture[str]

    def rows(self) -> list[tuple[int, str]]:
        return self.ask("SELECT id, v FROM t ORDER BY id")

    def main(self, words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr; LOCAL, REMOTE and PLAN stand for what they are here."""
        named = {"LOCAL": self.local, "REMOTE": self.remote, "PLAN": str(self.folder / "plan.json")}
        code = main([named.get(word, word) for word in words.split()])
        return code, *self.capsys.readouterr()


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(
    request: pytest.FixtureRequest, file: File, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:  # fmt: skip
    local = file("local.db", LOCAL, script=TABLE)
    if request.param == "sqlite":
        remote = file("remote.db", REMOTE, script=TABLE)

        def ask(statement: str) -> list[Any]:
            with contextlib.closing(sqlite3.connect(remote)) as db, db:
                return db.execute(statement).fetchall()

        return Desk(local, remote, tmp_path, ask, capsys)
    url = request.getfixturevalue("pg")
    request.getfixturevalue("load_sql")(url, f"{TABLE};{REMOTE}")
    monkeypatch.setenv("REPAIR_REMOTE", url)

    def query(statement: str) -> list[Any]:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return Desk(local, "env:REPAIR_REMOTE", tmp_path, query, capsys)


def test_from_the_plan_to_the_proof_and_back(desk: Desk) -> None:
    code, out, err = desk.main(
        "plan LOCAL REMOTE --into remote --out PLAN --resolve newest:stamp --deletes --table t"
    )
    assert code == 0
    assert re.match(r"plan into \S+: 1 to insert, 1 to update, 1 to delete\n", out)
    assert "--allow deletes" in out
    command = shlex.split(lines(err)[-1].partition("next: ")[2])
    plan = str(desk.folder / "plan.json")
    assert command == ["syncnb", "apply", plan, desk.remote, "--allow", "deletes"]
    assert desk.rows() == BEFORE
    assert desk.main("show PLAN") == (0, out, "")

    assert main(command[1:]) == 0
    said, notes = desk.capsys.readouterr()
    assert (lines(said)[0], notes) == ("run 1: applied", "")
    assert desk.rows() == [(1, "mine"), (2, "theirs"), (3, "same"), (4, "new")]
    code, said, _ = desk.main("apply PLAN REMOTE --allow deletes")
    assert (code, lines(said)[0]) == (0, "run 1: already applied")

    code, proof, _ = desk.main("verify 1 REMOTE --complete t.v --unique t=id t=id,v --count t=4")
    assert (code, lines(proof)[0]) == (0, "proof: every line holds")
    assert len(re.findall("^✓", proof, re.M)) == 8
    code, proof, _ = desk.main("verify 1 REMOTE --complete t.stamp --unique t=v --count t=5")
    assert (code, lines(proof)[0]) == (1, "proof: 2 of 7 lines fail")

    code, shown, err = desk.main("undo 1 REMOTE")
    assert (code, lines(shown)[0].partition(": ")[2]) == (0, "1 to insert, 1 to update, 1 to delete")
    assert err == "note: nothing is written yet; --apply takes the run back, --out FILE saves the plan\n"
    assert desk.rows() != BEFORE
    code, said, _ = desk.main("undo 1 REMOTE --apply --caller ann")
    assert (code, lines(said)[0]) == (0, "run 2: applied")
    assert desk.rows() == BEFORE
    assert desk.main("verify 1 REMOTE")[0] == 1


def test_the_history_of_a_database(desk: Desk) -> None:
    code, out, err = desk.main("history REMOTE")
    assert (code, out.endswith(": no runs yet\n"), err) == (0, True, "")
    assert json.loads(desk.main("history REMOTE --json")[1])["runs"] == []
    desk.main("plan LOCAL REMOTE --into remote --out PLAN --resolve take_local")
    desk.main("apply PLAN REMOTE --caller nightly --approved-by ann")
    desk.main("undo 1 REMOTE --out PLAN")
    assert desk.main("apply PLAN REMOTE")[0] == 0
    assert desk.rows() == BEFORE
    code, out, _ = desk.main("history REMOTE")
    assert (code, re.findall(r"^ *(\d) .* (success) ", out, re.M)) == (
        0,
        [("1", "success"), ("2", "success")],
    )
    assert "run 2 takes back run 1" in out
    runs = json.loads(desk.main("history REMOTE --json")[1])["runs"]
    assert [
        (run["run"], run["kind"], run["status"], run["caller"], run["approved_by"], run["undo_of"]) for run in runs
    ] == [(1, "apply", "success", "nightly", "ann", None), (2, "undo", "success", "syncnb apply", None, 1)]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", runs[0]["started"])
    code, out, _ = desk.main("history REMOTE 1")
    assert (code, lines(out)[0]) == (0, "run 1: applied")
    told = json.loads(desk.main("history REMOTE 1 --json")[1])
    assert (told["status"], told["totals"]["t"]["inserted"], told["totals"]["t"]["updated"]) == (
        "applied",
        1,
        2,
    )


RESOLVED: dict[str, tuple[str, int, str, str]] = {
    "nobody decides": ("", 1, "1 to insert", "note: 2 rows are left open"),
    "local wins": ("--resolve take_local", 0, "1 to insert, 2 to update", ""),
    "remote wins": ("--resolve take_remote", 0, "1 to insert", ""),
    "only missing rows": ("--resolve insert_only", 0, "1 to insert", ""),
    "the newer": ("--resolve newest:stamp", 0, "1 to insert, 1 to update", ""),
    "a table's own": ("--resolve take_remote t=take_local", 0, "1 to insert, 2 to update", ""),
    "a table's newer": ("--resolve t=newest:stamp *=take_local", 0, "1 to insert, 1 to update", ""),
    "with deletes": ("--resolve insert_only --deletes", 0, "1 to insert, 1 to delete", ""),
    "without the column": ("--ignore v stamp", 0, "1 to insert", ""),
}  # fmt: skip


@pytest.mark.parametrize(("words", "code", "told", "noted"), RESOLVED.values(), ids=RESOLVED)
def test_who_wins(desk: Desk, words: str, code: int, told: str, noted: str) -> None:
    ended, out, err = desk.main(f"plan LOCAL REMOTE --into remote --out PLAN {words}")
    assert ended == code, out + err
    assert lines(out)[0].partition(": ")[2] == told
    assert noted in err
    assert (desk.folder / "plan.json").stat().st_mode & 0o077 == 0


def test_where_nothing_is_to_be_written_it_says_so(desk: Desk) -> None:
    desk.ask("DELETE FROM t")
    code, out, err = desk.main("plan REMOTE LOCAL --into remote --out PLAN")
    assert (code, lines(out)[0], err) == (
        1, "plan into local.db: nothing to write", "note: there is nothing to write\n",
    )  # fmt: skip
    code, out, _ = desk.main("apply PLAN LOCAL")
    assert (code, out) == (0, "nothing to do\n")
    assert desk.main("history LOCAL")[1] == "local.db: no runs yet\n"


def test_into_the_local_side(desk: Desk) -> None:
    assert desk.main("plan LOCAL REMOTE --into local --out PLAN --resolve take_remote --deletes")[0] == 0
    assert desk.main("apply PLAN LOCAL --allow deletes")[0] == 0
    assert desk.main("diff LOCAL REMOTE")[0] == 0
    assert desk.rows() == BEFORE


MEDDLING = {
    "changed": ("UPDATE t SET v = 'later' WHERE id = 1", "t 1 (update): the row has changed"),
    "gone": ("DELETE FROM t WHERE id = 1", "t 1 (update): the row is gone"),
    "taken": (
        "INSERT INTO t VALUES (4, 'later', NULL)",
        "t 4 (insert): the key, or a unique value, is taken",
    ),
}


@pytest.mark.parametrize(("statement", "told"), MEDDLING.values(), ids=MEDDLING)
def test_a_row_that_drifted_is_listed(desk: Desk, statement: str, told: str) -> None:
    desk.main("plan LOCAL REMOTE --into remote --out PLAN --resolve take_local")
    desk.ask(statement)
    drifted = desk.rows()
    code, out, err = desk.main("apply PLAN REMOTE")
    assert (code, lines(out)[0]) == (1, "run 1: refused")
    assert told in out
    assert err == "note: nothing was written; --rest writes the other rows\n"
    assert desk.rows() == drifted
    code, out, err = desk.main("apply PLAN REMOTE --rest")
    assert (code, lines(out)[0], err) == (0, "run 2: applied", "note: 1 row was refused and left alone\n")
    assert told in out
    assert (2, "mine") in desk.rows()


def test_purging_tells_first(desk: Desk) -> None:
    desk.main("plan LOCAL REMOTE --into remote --out PLAN --table t")
    desk.main("apply PLAN REMOTE")
    code, out, err = desk.main("purge REMOTE --before 2100-01-31")
    assert (code, lines(err)) == (0, ["note: --apply takes the images away"])
    assert out.startswith("1 run that finished before 2100-01-31 00:00 UTC would lose its undo")
    assert desk.main("undo 1 REMOTE")[0] == 0
    code, out, err = desk.main("purge REMOTE --before 2100-01-31T00:00+01:00 --apply")
    assert (code, err) == (0, "")
    assert out.endswith("can no longer be undone: 1\n")
    assert desk.main("undo 1 REMOTE")[0] == 2
    assert desk.main("purge REMOTE --before yesterday")[0] == 2


def test_an_undo_that_is_refused(desk: Desk) -> None:
    desk.main("plan LOCAL REMOTE --into remote --out PLAN --resolve take_local")
    assert desk.main("apply PLAN REMOTE")[0] == 0
    desk.ask("UPDATE t SET v = 'later' WHERE id = 1")
    code, out, _ = desk.main("undo 1 REMOTE --apply")
    assert (code, lines(out)[0]) == (1, "run 2: refused")
    assert (1, "later") in desk.rows()


def test_show_in_every_form(desk: Desk) -> None:
    desk.main("plan LOCAL REMOTE --into remote --out PLAN --resolve take_local --deletes")
    short, whole = desk.main("show PLAN")[1], desk.main("show PLAN --all")[1]
    assert lines(short)[0] == lines(whole)[0]
    assert "more: `syncnb show FILE --all` lists them" not in whole
    assert len(re.findall(r"^ *\d+ +t +(insert|update|delete) ", whole, re.M)) == 10
    assert re.search(r"^ *\d+ +t +update +1 +v +theirs +mine +take_local +apply", whole, re.M)
    code, sql, _ = desk.main("show PLAN --sql")
    assert (code, lines(sql)[0], lines(sql)[-1]) == (0, "BEGIN;", "COMMIT;")
    desk.ask("DROP TABLE t")  # a database is not asked
    assert desk.main("show PLAN --all")[1] == whole


def test_a_long_plan_is_cut_unless_all_of_it_is_asked_for(
    file: File, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = str(tmp_path / "plan.json")
    stores = file("a.db", many(40)), file("b.db")
    assert main(["plan", *stores, "--into", "remote", "--out", plan, "--table", "notes"]) == 0
    short = capsys.readouterr().out
    assert re.search("… 70 more: `syncnb show FILE --all` lists them$", short, re.M)
    assert main(["show", plan, "--all"]) == 0
    whole = capsys.readouterr().out
    assert "more:" not in whole
    assert len(re.findall(r"^ *\d+ +notes +insert ", whole, re.M)) == 78


def test_a_plan_without_values_is_to_be_read_only(desk: Desk) -> None:
    code, _, err = desk.main("plan LOCAL REMOTE --into remote --out PLAN --resolve take_local --no-values")
    assert (code, err) == (0, "")
    assert b"theirs" not in (desk.folder / "plan.json").read_bytes()
    code, out, _ = desk.main("show PLAN --all")
    assert code == 0
    assert "saved without its values" in out
    assert "∅" not in out
    assert desk.main("show PLAN --sql")[0] == 2
    code, _, err = desk.main("apply PLAN REMOTE")
    assert (code, "saved without its values" in err) == (2, True)
    assert desk.rows() == BEFORE


WRONG: dict[str, tuple[str, str, str]] = {
    "no side": ("plan LOCAL REMOTE --out PLAN", "--into", "syncnb plan --help"),
    "no file": ("plan LOCAL REMOTE --into remote", "--out", "syncnb plan --help"),
    "a side of its own": ("plan LOCAL REMOTE --into both --out PLAN", "'both'", "--help"),
    "no policy": ("plan LOCAL REMOTE --into remote --out PLAN --resolve mine", "'mine'", "take_local"),
    "newest of nothing": ("plan LOCAL REMOTE --into remote --out PLAN --resolve newest:", "'newest:'", "newest:COLUMN"),
    "two policies": (
        "plan LOCAL REMOTE --into remote --out PLAN --resolve take_local insert_only", "for all tables", "TABLE=POLICY",
    ),
    "two policies of a table": (
        "plan LOCAL REMOTE --into remote --out PLAN --resolve t=take_local t=insert_only", "for t", "TABLE=POLICY",
    ),
    "a policy of no table": (
        "plan LOCAL REMOTE --into remote --out PLAN --resolve u=take_local", "--resolve names a table 'u'", "t",
    ),
    "no such column": (
        "plan LOCAL REMOTE --into remote --out PLAN --resolve newest:stmp", "no column 'stmp'", "stamp",
    ),
    "over the database": ("plan LOCAL REMOTE --into remote --out LOCAL", "is no plan", "kept"),
    "into no folder": ("plan LOCAL REMOTE --into remote --out nowhere/plan.json", "no folder for plan.json", "make it"),
    "a folder": ("plan LOCAL REMOTE --into remote --out .", "is a folder", "name a file"),
    "no plan to show": ("show missing.json", "cannot read missing.json", "path"),
    "a database to show": ("show LOCAL", "local.db is no saved plan", "syncnb plan"),
    "two forms at once": ("show PLAN --sql --all", "not allowed with", "--help"),
    "no plan to apply": ("apply missing.json REMOTE", "cannot read missing.json", "path"),
    "another database": ("apply PLAN LOCAL --allow deletes", "drawn on", "draw a new plan"),
    "a hazard": ("apply PLAN REMOTE", "hazards that were not allowed", "--allow deletes permits them"),
    "no such hazard": ("apply PLAN REMOTE --allow delete", "no hazard 'delete'", "deletes"),
    "no journal": ("undo 1 REMOTE", "has no journal", "nothing was applied"),
    "no run to verify": ("verify 7 REMOTE", "no run 7", "written"),
    "no run of the history": ("history REMOTE 7", "no run 7", "none"),
    "a run in words": ("verify first REMOTE", "'first'", "--help"),
    "nothing complete": ("verify 1 REMOTE --complete t", "--complete 't'", "TABLE.COLUMN"),
    "uncountable": ("verify 1 REMOTE --count t=many", "--count 't=many'", "--count TABLE=120"),
    "unique in nothing": ("verify 1 REMOTE --unique t", "--unique 't'", "NAME=VALUE"),
    "saved and applied": ("undo 1 REMOTE --out PLAN --apply", "not allowed with", "--help"),
    "allowed for nothing": ("undo 1 REMOTE --allow deletes", "are for a run", "--apply"),
    "a journal of nothing": ("journal", "--sql", "--help"),
    "a role of a file": ("journal --sql sqlite --role ann", "no roles", "--role"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message", "hint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_a_line_and_a_hint_and_nothing_is_written(
    desk: Desk, words: str, message: str, hint: str
) -> None:
    before = Path(desk.local).read_bytes()
    desk.main("plan LOCAL REMOTE --into remote --out PLAN --resolve take_local --deletes")
    plan = (desk.folder / "plan.json").read_bytes()
    code, out, err = desk.main(words)
    assert (code, out) == (2, "")
    said, advice = lines(err)
    assert said.startswith("syncnb: ")
    assert message in said
    assert advice.startswith("Hint: ")
    assert hint in advice
    assert "sn." not in advice
    assert desk.rows() == BEFORE
    assert Path(desk.local).read_bytes() == before
    assert (desk.folder / "plan.json").read_bytes() == plan


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_script_of_the_journal_is_enough_for_a_role(
    dialect: str, pg: str, file: File, load_sql: LoadSql, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("REPAIR_REMOTE", pg)
    store = "env:REPAIR_REMOTE" if dialect == "postgresql" else file("a.db")
    assert main(["journal", "--sql", dialect]) == 0
    script = capsys.readouterr().out
    assert main(["journal", "--sql", store]) == 0
    assert capsys.readouterr().out == script
    if dialect == "sqlite":
        with contextlib.closing(sqlite3.connect(store)) as db:
            db.executescript(script)
    else:
        load_sql(pg, script)
        assert main(["journal", "--sql", dialect, "--role", "Ann % B"]) == 0
        assert 'TO "Ann % B";' in capsys.readouterr().out
    assert main(["history", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []


def test_a_role_without_create_is_sent_to_the_script(
    pg: str, file: File, load_sql: LoadSql, command: Run, tmp_path: Path
) -> None:
    role, plan = "cli_writer", str(tmp_path / "plan.json")
    load_sql(pg, f"{TABLE};CREATE ROLE {role} LOGIN PASSWORD 'pw-{role}'")
    load_sql(pg, f"GRANT SELECT, INSERT, UPDATE ON t TO {role}")
    try:
        url = re.sub(r"//[^@]*@", f"//{role}:pw-{role}@", pg)
        local = file("local.db", LOCAL, script=TABLE)
        assert command("plan", local, "env:R", "--into", "remote", "--out", plan, R=url).returncode == 0
        refused = command("apply", plan, "env:R", R=url)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Hint: `syncnb journal --sql STORE` prints what an administrator can run" in refused.stderr
        load_sql(pg, command("journal", "--sql", "env:R", "--role", role, R=url).stdout)
        applied = command("apply", plan, "env:R", R=url)
        assert (applied.returncode, lines(applied.stdout)[0]) == (0, "run 1: applied"), applied.stderr
        assert f"pw-{role}" not in refused.stderr + applied.stdout + applied.stderr
    finally:
        load_sql(pg, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_password_in_a_url_is_not_repeated_as_the_next_command(
    pg: str, file: File, load_sql: LoadSql, command: Run, tmp_path: Path
) -> None:
    load_sql(pg, TABLE)
    local, plan = file("local.db", LOCAL, script=TABLE), str(tmp_path / "plan.json")
    secret = "s3cr3t-Zw9"
    load_sql(pg, f"CREATE ROLE cli_reader LOGIN SUPERUSER PASSWORD '{secret}'")
    try:
        url = re.sub(r"//[^@]*@", f"//cli_reader:{secret}@", pg)
        ended = command("plan", local, url, "--into", "remote", "--out", plan)
        assert ended.returncode == 0, ended.stderr
        assert "next: syncnb apply " in ended.stderr
        assert secret not in ended.stdout + ended.stderr
        assert secret not in Path(plan).read_text()
    finally:
        load_sql(pg, "DROP ROLE cli_reader")


def test_an_interrupt_while_applying_says_what_is_certain(
    pg: str, file: File, load_sql: LoadSql, command: Run, start: Callable[..., Any], tmp_path: Path
) -> None:
    load_sql(pg, f"{TABLE};{REMOTE}")
    local, plan = file("local.db", LOCAL, script=TABLE), str(tmp_path / "plan.json")
    words = ("--into", "remote", "--out", plan, "--resolve", "take_local")
    assert command("plan", local, "env:R", *words, R=pg).returncode == 0
    with psycopg.connect(pg) as other, psycopg.connect(pg, autocommit=True) as onlooker:
        other.execute("SELECT * FROM t FOR UPDATE")
        child = start("apply", plan, "env:R", R=pg)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        assert wait_for(lambda: onlooker.execute(waits.encode()).fetchone() != (0,))
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (130, "")
    assert lines(err)[-1].startswith("Interrupted: all of it was written, or nothing: `syncnb history STORE`")
    with psycopg.connect(pg) as connection:
        assert connection.execute("SELECT id, v FROM t ORDER BY id").fetchall() == BEFORE
    assert json.loads(command("history", "env:R", "--json", R=pg).stdout)["runs"][0]["status"] == "failed"
    assert command("apply", plan, "env:R", R=pg).returncode == 0


ADVICE: Sequence[tuple[str, str]] = (
    ("allow=('deletes', 'many_changes',) permits them", "--allow deletes many_changes permits them"),
    ('look at its triggers; allow=("trigger_rewrites",) accepts', "look at its triggers; --allow trigger_rewrites accepts"),
    ("plan them one at a time: sn.diff(local, remote, tables=[...])", "plan them one at a time: --table T"),
    ("leave them out (resolve={...}, p.decide), or", "leave them out (--resolve TABLE=insert_only), or"),
    ("… 3 more: see .outcomes", "… 3 more: `syncnb history STORE RUN --json` lists them all"),
    ("sn.history(store) lists the runs there are", "`syncnb history STORE` lists the runs there are"),
    (
        'declare it: sn.connect(…, timezone="UTC") or timezone={"t.stamp": "Europe/Berlin"}',
        'declare it: --timezone SIDE=UTC or --match FILE with [timezone] "t.stamp" = "Europe/Berlin"',
    ),
)  # fmt: skip


@pytest.mark.parametrize(("python", "command"), ADVICE)
def test_advice_is_put_into_the_words_of_a_command(python: str, command: str) -> None:
    from syncnb.cli.words import in_command_words

    assert in_command_words(python) == command
