"""`syncnb sync`: exit codes, what is said, and what is written."""

import contextlib
import json
import sqlite3

import pytest

import syncnb as sn
from syncnb.cli import main
from tests.cli.conftest import File, Run

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9), stamp VARCHAR(40))"
ROWS = "INSERT INTO t VALUES (1, 'one', NULL), (2, 'two', NULL)"


def held(path: str) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT id, v FROM t ORDER BY id").fetchall()


def change(path: str, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


@pytest.fixture
def sides(file: File) -> tuple[str, str]:
    local, remote = file("local.db", ROWS, script=TABLE), file("remote.db", ROWS, script=TABLE)
    sn.track(sn.connect(local, writable=True))
    assert main(["sync", local, remote]) == 0
    return local, remote


def test_what_changed_is_passed_on(sides: tuple[str, str], command: Run) -> None:
    local, remote = sides
    change(local, "UPDATE t SET v = 'mine' WHERE id = 1")
    done = command("sync", *sides)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == (
        "Sync #2 completed: 1 records, 0 conflicts resolved (caller: syncnb sync)"
    )
    assert held(remote) == held(local) == [(1, "mine"), (2, "two")]
    assert command("sync", *sides).stdout.startswith("Sync #3 completed: 0 records")


def test_what_stays_open_is_told_and_exits_1(
    sides: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    local, remote = sides
    change(local, "UPDATE t SET v = 'mine' WHERE id = 1")
    change(remote, "UPDATE t SET v = 'theirs' WHERE id = 1")
    capsys.readouterr()
    assert main(["sync", local, remote, "--json", "--caller", "cron"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["records"], told["backlog"], told["caller"]) == (0, 1, "cron")
    assert told["open"] == [{"table": "t", "key": "1", "why": "both sides changed it: nobody decided"}]
    assert main(["sync", local, remote]) == 1
    assert capsys.readouterr().out.splitlines()[0].endswith("(caller: syncnb sync), 1 open")
    assert main(["sync", local, remote, "--resolve", "take_remote"]) == 0
    assert held(remote) == [(1, "theirs"), (2, "two")]
    assert main(["sync", local, remote, "--direction", "pull", "--resolve", "take_remote"]) == 0
    assert held(local) == held(remote)


def test_a_delete_must_be_allowed(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    local, remote = sides
    change(local, "DELETE FROM t WHERE id = 1")
    assert main(["sync", local, remote]) == 1
    assert "t 1 is open: local deleted it" in capsys.readouterr().out
    assert main(["sync", local, remote, "--allow", "deletes"]) == 0
    assert held(remote) == [(2, "two")]


BAD = {
    "a span": (["--audit-every", "soon"], "--audit-every 'soon' cannot be read", "write 1d, 12h, 30m"),
    "a hazard": (["--allow", "all", "--audit-every", "0"], "there is no hazard 'all'", "hazards are"),
    "a policy": (["--resolve", "mine"], "--resolve 'mine' cannot be read", "take_local"),
    "a queue": (["--source", "queue"], "queue", "tables here: t"),
}


@pytest.mark.parametrize(("words", "message", "hint"), BAD.values(), ids=BAD)
def test_a_wrong_call(
    sides: tuple[str, str], capsys: pytest.CaptureFixture[str], words: list[str], message: str, hint: str
) -> None:
    change(sides[0], "UPDATE t SET v = 'mine' WHERE id = 1")
    capsys.readouterr()
    assert main(["sync", *sides, *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert hint in said
