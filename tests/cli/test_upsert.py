"""`syncnb upsert`: previewed, written, rejected; exit codes and JSON."""

import json
import sqlite3
from pathlib import Path

import pytest

from syncnb.cli import main

HISTORY = (
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, source_name TEXT, status TEXT, started_at TEXT, completed_at TEXT, "
    "items_synced INTEGER, error_message TEXT)"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE items (code TEXT PRIMARY KEY, name TEXT NOT NULL, price NUMERIC, seen TIMESTAMPTZ)"
        )
        connection.execute("INSERT INTO items VALUES ('a', 'apple', 1, NULL), ('b', 'bread', 2, NULL)")
        connection.execute(HISTORY)
    connection.close()
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "items.csv"
    path.write_text("code,name,price\na,apple,1.00\nb,brot,2\nc,cake,0\n")
    return path


def held(store: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(store)
    try:
        return connection.execute(
            "SELECT code, name, price, seen IS NULL FROM items ORDER BY code"
        ).fetchall()
    finally:
        connection.close()


BEFORE = [("a", "apple", 1, 1), ("b", "bread", 2, 1)]


def test_a_file_is_previewed_written_and_unchanged_the_second_time(
    store: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["upsert", str(file), str(store), "--table", "items", "--key", "items=code"]
    assert main([*words, "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "plan into store.db: 1 to insert, 1 to update" in told.out
    assert "note: items.csv: items.csv: an empty field is NULL" in told.err
    assert held(store) == BEFORE
    assert main([*words, "--touch", "seen", "--source", "till", "--history-table", "runs"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[0]
        == "Sync #1 completed: 3 records, 0 conflicts resolved (caller: syncnb upsert)"
    )
    assert held(store) == [("a", "apple", 1, 0), ("b", "brot", 2, 0), ("c", "cake", 0, 0)]
    assert main([*words, "--json", "--source", "till"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tables"] == [
        {
            "table": "items",
            "inserted": 0,
            "updated": 0,
            "unchanged": 3,
            "rejected": 0,
            "deleted": 0,
            "mapped": 0,
        }
    ]
    assert main(["history", str(store)]) == 0
    assert capsys.readouterr().out.count("till") == 2
    connection = sqlite3.connect(store)
    assert connection.execute("SELECT source_name, status, items_synced FROM runs").fetchall() == [
        ("till", "success", 3)
    ]
    connection.close()


def test_a_rejected_row_is_told_and_nothing_is_written(
    store: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("code,name,price\na,,9\nc,cake,0\n")
    words = ["upsert", str(file), str(store)]
    assert main([*words, "--dry-run"]) == 1
    told = capsys.readouterr()
    assert "1 row would be rejected, and then nothing is written" in told.err
    assert "column name is NULL, which it may not be" in " ".join(told.out.split())
    assert main([*words, "--dry-run", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["rejected"][0]["key"] == "a"
    assert main(words) == 1
    assert "Sync #1 refused: 1 row rejected, nothing written" in capsys.readouterr().out
    assert held(store) == BEFORE
    assert main([*words, "--rest"]) == 1
    assert held(store) == [*BEFORE, ("c", "cake", 0, 1)]


def test_deletes_are_told_and_allowed(store: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("code,name,price\na,apple,1\n")
    words = ["upsert", str(file), str(store), "--deletes"]
    assert main(words) == 2
    assert "--allow deletes" in capsys.readouterr().err
    assert held(store) == BEFORE
    assert main([*words, "--allow", "deletes"]) == 0
    assert held(store) == BEFORE[:1]


BAD = {
    "no file": (["nope.csv"], "there is no file nope.csv"),
    "a database": (["{store}"], "store.db is a database, not a file of rows"),
    "an unknown column": (["{file}", "--touch", "sean"], "no compared table has a column 'sean'"),
    "no history": (["{file}", "--history-table", "items"], "items is no history of syncs"),
}


@pytest.mark.parametrize(("words", "told"), BAD.values(), ids=BAD)
def test_bad_calls(
    store: Path,
    file: Path,
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(store.parent)
    filled = [word.format(store=store, file=file) for word in words]
    assert main(["upsert", filled[0], str(store), *filled[1:]]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Hint: " in said
