"""`syncnb migrate`: shown, saved, applied, taken back; and as SQL files."""

import json
import sqlite3
from pathlib import Path

import pytest

from syncnb.cli import main


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, source_id TEXT NOT NULL, external_id TEXT NOT NULL)"
        )
        connection.execute("INSERT INTO t VALUES (1, 's', 'a'), (2, 's', 'b')")
    connection.close()
    return path


def test_a_migration_is_drawn_saved_applied_and_taken_back(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, index = ["--target", "t=source_id,external_id"], ["--index", "by_external=t.external_id"]
    plan, folder = tmp_path / "plan.json", tmp_path / "sql"
    files = ["--sql-dir", str(folder), "--sql-name", "one", "--sql-name", "two"]
    assert main(["migrate", str(store), *target, *index, "--out", str(plan), *files]) == 0
    told = capsys.readouterr().out
    assert "written: one.sql\nwritten: two.sql" in told
    assert "CREATE UNIQUE INDEX" in (folder / "two.sql").read_text()
    assert main(["apply", str(plan), str(store)]) == 0
    assert main(["migrate", str(store), *index, "--json"]) == 0
    out = capsys.readouterr().out
    shown = json.loads(out[out.index("{") :])
    assert [line["decision"] for line in shown["steps"]] == ["skip"]


def test_bad_words_are_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(store)]) == 2
    assert main(["migrate", str(store), "--index", "x"]) == 2
    assert main(["migrate", str(store), "--index", "x=t.nope"]) == 2
    err = capsys.readouterr().err
    assert "there is nothing to migrate" in err
    assert "--index x is not understood" in err
    assert "has no column 'nope'" in err
