"""`syncnb diff`: the JSON form, the text, the exit codes, and what can be told."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from syncnb.cli import main
from syncnb.cli.arguments import spelled_out
from tests.cli.conftest import Dataset, File, LoadSql, Run, lines, many


def test_chinook_is_eight_cells(run: Run, dataset: Dataset, data_home: Path) -> None:
    local = str(data_home / "chinook" / "Chinook_Sqlite.sqlite")
    ended = run("diff", local, "env:CHINOOK", "--json", CHINOOK=dataset("chinook"))
    found = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert ended.stderr == ""
    assert list(found) == ["verdict", "tables", "unmatched_local", "unmatched_remote"]
    assert (found["verdict"], found["unmatched_local"], found["unmatched_remote"]) == ("different", [], [])
    assert len(found["tables"]) == 11
    assert {table["local"]: table["cells"] for table in found["tables"] if table["cells"]} == {
        "Customer": {"City": 1},
        "Invoice": {"BillingCity": 7},
    }
    lines_of = {table["local"]: table for table in found["tables"]}["InvoiceLine"]
    assert lines_of == {
        "local": "InvoiceLine",
        "remote": "invoice_line",
        "key": ["InvoiceLineId"],
        "rows_local": 2240,
        "rows_remote": 2240,
        "same": 2240,
        "changed": 0,
        "only_local": 0,
        "only_remote": 0,
        "cells": {},
        "uncompared": [],
        "verdict": "equal",
    }
    assert list(lines_of) == [
        "local", "remote", "key", "rows_local", "rows_remote", "same", "changed", "only_local", "only_remote",
        "cells", "uncompared", "verdict",
    ]  # fmt: skip


SENT, OTHER = "UPDATE orders SET state = 'x'", "UPDATE notes SET body = 'x'"
NEARLY, FAR = "UPDATE orders SET amount = amount + 0.01", "UPDATE orders SET amount = amount + 0.2"
RENUMBERED = "UPDATE orders SET id = id + 5"
VERDICTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, int]] = {
    "the same": ((), (), "equal", 0),
    "a cell": (("UPDATE orders SET state = 'sent' WHERE id = 2",), (), "different", 1),
    "a row": (("DELETE FROM notes",), (), "different", 1),
    "a table": (("DROP TABLE notes",), (), "equal_except", 1),
    "a column": (("ALTER TABLE notes DROP COLUMN body",), (), "equal_except", 1),
    "a cell, ignored": ((OTHER,), ("--ignore", "body"), "equal_except", 1),
    "a cell elsewhere": ((OTHER,), ("--table", "orders"), "equal", 0),
    "a cell of another column": (
        (SENT,), ("--table", "orders", "--columns", "orders=id,amount"), "equal_except", 1,
    ),
    "within the tolerance": ((NEARLY,), ("--tolerance", "amount=0.1"), "equal", 0),
    "beyond the tolerance": ((FAR,), ("--tolerance", "amount=0.1"), "different", 1),
    "stopped at a limit": ((SENT,), ("--limit", "1"), "different", 1),
    "another key": ((RENUMBERED,), ("--table", "orders", "--key", "orders=stamp"), "different", 1),
}  # fmt: skip


@pytest.mark.parametrize(("then", "words", "verdict", "code"), VERDICTS.values(), ids=VERDICTS)
def test_the_exit_code_tells_the_verdict(
    file: File,
    capsys: pytest.CaptureFixture[str],
    then: Sequence[str],
    words: Sequence[str],
    verdict: str,
    code: int,
) -> None:
    stores = file("a.db"), file("b.db", *then)
    assert main(["diff", *stores, *words, "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["verdict"] == verdict
    assert err == ""
    assert main(["diff", *stores, *words]) == code
    assert lines(capsys.readouterr().out)[0] == f"a.db against b.db: {verdict}"


def test_what_is_not_compared_is_said(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(
        ["diff", file("a.db"), file("b.db", "UPDATE orders SET state = 'x'"), "--limit", "1", "--json"]
    )
    table = {table["local"]: table for table in json.loads(capsys.readouterr().out)["tables"]}["orders"]
    assert table["uncompared"] == [
        {"what": "rows", "name": "rows", "rows": None, "why": "stopped at the limit of 1 differing rows"}
    ]


def test_the_key_that_was_told_is_used(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    stores = file("a.db"), file("b.db", "UPDATE orders SET id = id + 5")
    for told in ("orders=stamp,state", "stamp,state"):
        assert main(["diff", *stores, "--table", "orders", "--key", told, "--json"]) == 1
        [table] = json.loads(capsys.readouterr().out)["tables"]
        assert (table["key"], table["cells"]) == (["stamp", "state"], {"id": 2})


def test_text_shows_ten_differences_a_table_or_all(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    stores = (
        file("a.db", many(31)),
        file("b.db", many(31), "UPDATE notes SET body = 'new' WHERE id > 1", "DELETE FROM orders"),
    )
    assert main(["diff", *stores]) == 1
    short = capsys.readouterr().out
    assert len(re.findall(r"^changed +\d+ +body +old +new +text differs$", short, re.M)) == 10
    assert "… 20 more: --cells lists them all" in short
    assert main(["diff", *stores, "--cells"]) == 1
    long = capsys.readouterr().out
    assert len(re.findall(r"^changed +\d+ +body +old +new +text differs$", long, re.M)) == 30
    assert len(re.findall(r"^only local +\d ", long, re.M)) == 2
    assert "more:" not in long


def test_northwind_pairs_as_the_match_file_tells(
    command: Run, dataset: Dataset, data_home: Path, tmp_path: Path
) -> None:
    match = tmp_path / "northwind.toml"
    match.write_text('[tables]\nRegions = "region"\n[key]\nregion = ["region_id"]\n')
    local = str(data_home / "northwind" / "northwind_small.sqlite")
    alone = json.loads(command("diff", local, "env:NW", "--json", NW=dataset("northwind")).stdout)
    told = json.loads(
        command("diff", local, "env:NW", "--json", "--match", str(match), NW=dataset("northwind")).stdout
    )
    assert "Regions" in alone["unmatched_local"]
    assert "region" in alone["unmatched_remote"]
    assert "Regions" not in told["unmatched_local"]
    assert "region" not in told["unmatched_remote"]
    regions = {table["local"]: table for table in told["tables"]}["Regions"]
    assert (regions["remote"], regions["key"], regions["same"], regions["verdict"]) == (
        "region",
        ["RegionID"],
        4,
        "equal",
    )


def test_zones_of_a_match_file_reach_the_side_that_has_the_name(
    file: File,
    pg: str,
    load_sql: LoadSql,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load_sql(pg, "CREATE TABLE stamps (id int PRIMARY KEY, seen_at timestamptz)")
    load_sql(pg, "INSERT INTO stamps VALUES (1, '2026-01-01 10:00:00+00')")
    monkeypatch.setenv("REMOTE", pg)
    table = "CREATE TABLE Stamps (id INTEGER PRIMARY KEY, SeenAt DATETIME)"
    local = file("a.db", "INSERT INTO Stamps VALUES (1, '2026-01-01 11:00:00')", script=table)
    match = tmp_path / "zones.toml"
    for name, verdict in (
        ("Stamps.SeenAt", "equal"),
        ("stamps.seen_at", "equal_except"),
        ("STAMPS.SEENAT", "equal"),
        ("*", "equal"),
    ):
        match.write_text(f'[timezone]\n"{name}" = "Europe/Berlin"\n')
        main(["diff", local, "env:REMOTE", "--json", "--match", str(match)])
        assert json.loads(capsys.readouterr().out)["verdict"] == verdict, name
    match.write_text('[timezone]\n"Stamps.Seen" = "Europe/Berlin"\n')
    assert main(["diff", local, "env:REMOTE", "--match", str(match)]) == 2
    assert "which neither side has" in capsys.readouterr().err
    assert main(["diff", local, "env:REMOTE", "--timezone", "local=Europe/Berlin"]) == 0
    # The file is more exact than the option.
    match.write_text('[timezone]\n"Stamps.SeenAt" = "Europe/Berlin"\n')
    assert main(["diff", local, "env:REMOTE", "--timezone", "local=Asia/Tokyo", "--match", str(match)]) == 0


WORDS = {
    "one value before the stores": ("--table t a b", "--table t a b"),
    "values after the stores": ("a b --table t u", "a b --table t --table u"),
    "values of two options": ("a b --table t u --key t=x u=y", "a b --table t --table u --key t=x --key u=y"),
    "a value between the stores": ("a --table t b", "a --table t b"),
    "one option twice": ("--table t --table u a b", "--table t --table u a b"),
    "with an equals sign": ("a b --table=t u", "a b --table=t --table u"),
    "after a single option a word is its own": ("a b --limit 3 c", "a b --limit 3 c"),
    "after a flag a word is its own": ("a b --table t --json c", "a b --table t --json c"),
    "behind --": ("--table t -- a b c", "--table t -- a b c"),
}  # fmt: skip


@pytest.mark.parametrize(("typed", "meant"), WORDS.values(), ids=WORDS)
def test_an_option_takes_several_values_but_never_a_store(typed: str, meant: str) -> None:
    assert spelled_out(typed.split(), repeated=("--table", "--key"), single=("--limit",)) == meant.split()


def test_a_strategy_finds_the_same(command: Run, dataset: Dataset, data_home: Path) -> None:
    local = str(data_home / "chinook" / "Chinook_Sqlite.sqlite")
    told = [
        command("diff", local, "env:CHINOOK", "--json", "--strategy", name, CHINOOK=dataset("chinook"))
        for name in ("stream", "digests")
    ]
    assert told[0].stdout == told[1].stdout
    assert {each.returncode for each in told} == {1}
    ended = command("diff", local, "env:CHINOOK", "--strategy", "fast", CHINOOK=dataset("chinook"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no strategy 'fast'" in ended.stderr
