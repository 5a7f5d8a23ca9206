"""`syncnb diagnose`: an error from a file or a pipe, with its context and its database."""

import io
import json
import sqlite3
from pathlib import Path

import pytest

from syncnb.cli import main

TEXT = "UNIQUE constraint failed: hosts.id"


@pytest.fixture
def cache(tmp_path: Path) -> str:
    path = tmp_path / "cache.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE hosts (id INTEGER PRIMARY KEY, name TEXT UNIQUE); INSERT INTO hosts VALUES (1, 'a');"
    )
    connection.close()
    return str(path)


def test_json_of_an_error(cache: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = tmp_path / "error.txt"
    error.write_text(f"sqlite3.IntegrityError: {TEXT}")
    assert (
        main(
            [
                "diagnose",
                "--error",
                str(error),
                "--context",
                "INSERT INTO hosts VALUES (1, 'b')",
                "--store",
                cache,
                "--json",
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    first = told["findings"][0]
    assert set(first) >= {"cause", "severity", "where", "what", "evidence", "fix"}
    assert first["cause"] == "id_collision_different_entity"
    assert first["evidence"] == [{"id": "1", "name": "a"}]


def test_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT))
    assert main(["diagnose", "--error", "-"]) == 0
    assert "id_already_exists_same_entity" in capsys.readouterr().out


def test_a_target_without_an_error(cache: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--store", cache, "--target", "hosts=name"]) == 0
    assert main(["diagnose", "--store", cache, "--target", "hosts=name,id"]) == 1
    assert "conflict_target_wrong_columns" in capsys.readouterr().out


def test_two_stores(cache: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", cache, cache]) == 0
    assert "nothing found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    {
        "nothing": ([], "there is nothing to diagnose"),
        "no such file": (["--error", "/no/such"], "cannot be read"),
    }.values(),
)
def test_wrong_calls(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", *words]) == 2
    assert said in capsys.readouterr().err
