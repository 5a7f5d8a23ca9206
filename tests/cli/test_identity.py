"""Id collisions on the command line: seen, told, planned."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

DDL = "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT UNIQUE, note TEXT)"


@pytest.fixture
def sides(tmp_path: Path) -> tuple[str, str]:
    for name, rows in (
        ("l", "(7, 'a', ''), (8, 'c', '')"),
        ("r", "(7, 'b', ''), (9, 'a', ''), (8, 'd', '')"),
    ):
        with sqlite3.connect(tmp_path / f"{name}.db") as connection:
            connection.execute(DDL)
            connection.execute(f"INSERT INTO hosts VALUES {rows}")
        connection.close()
    return str(tmp_path / "l.db"), str(tmp_path / "r.db")


def conflicts(command: Run, *words: str) -> list[tuple[Any, ...]]:
    (table,) = json.loads(command("diff", *words, "--json").stdout)["tables"]
    return [(c["class"], c["local_id"], c["remote_id"]) for c in table["conflicts"]]


def test_a_diff_tells_conflicts_and_takes_what_is_told(command: Run, sides: tuple[str, str]) -> None:
    certain = [("id collision", "7", "7"), ("twin", "7", "9")]
    assert conflicts(command, *sides) == [("rename or collision", "8", "8"), *certain]
    assert conflicts(command, *sides, "--ids", "hosts:8=same") == [("renamed", "8", "8"), *certain]
    assert conflicts(command, *sides, "--ids", "meaningless") == [
        ("id collision", "7", "7"), ("id collision", "8", "8"), ("twin", "7", "9")
    ]  # fmt: skip


def test_a_plan_keeps_both(command: Run, sides: tuple[str, str], tmp_path: Path) -> None:
    out = str(tmp_path / "plan.json")
    words = ("plan", *sides, "--into", "remote", "--out", out, "--resolve", "take_local")
    open_ = command(*words, "--ids", "hosts")
    assert (open_.returncode, "1 row is left open" in open_.stderr) == (1, True)
    kept = command(*words, "--ids", "hosts", "--collisions", "hosts=keep_both")
    assert (kept.returncode, "1 to insert, 2 to map" in kept.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--ids", "hosts:7"), "--ids 'hosts:7' cannot be read"),
        (("--ids", "meaningless", "hosts"), "--ids 'meaningless' cannot be read"),
        (("--ids", "nothing"), "ids names a table 'nothing'"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_one_line(
    command: Run, sides: tuple[str, str], words: tuple[str, ...], message: str
) -> None:
    done = command("diff", *sides, *words)
    assert (done.returncode, message in done.stderr, done.stderr.count("Hint:")) == (2, True, 1)
