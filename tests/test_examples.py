"""The demos: what a newcomer must see in them, how they come and go; and the README, which shows one."""

import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

import syncnb as sn
from syncnb import clock, embedded
from syncnb.examples import homes
from syncnb.examples.tour import rows
from syncnb.steps.hazards import HAZARDS
from syncnb.stores.sqlite import SQLiteStore

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
Pair = tuple[sn.Store, sn.Store]

CELLS = {
    "newer here": ("hosts", 14, "environment", "production", "staging", "text differs"),
    "newer there": ("domains", 18, "expiration_date", "2027-07-15", "2029-07-15", "731 d apart"),
    "a trailing blank": ("hosts", 19, "description", "Mail relay", "Mail relay ", "looks identical: blanks"),
    "NULL against ''": ("hosts", 18, "description", "", None, "remote is NULL"),
    "NFC against NFD": (
        "domains", 15, "registrar", "Zu\u0308rich Names", "Z\u00fcrich Names", "looks identical: Unicode",
    ),
    "an hour, a zone?": (
        "hosts", 20, "last_seen", "2026-03-01 06:20:00", "2026-03-01 05:20:00+00", "1 h (a time zone?)",
    ),
    "a second": ("hosts", 21, "last_seen", "2026-03-01 05:21:01", "2026-03-01 05:21:00+00", "1 s apart"),
    "touched, nothing changed": (
        "domains", 19, "updated_at", "2026-02-20T05:00:00Z", "2026-03-01 00:00:00+00", "8 d apart",
    ),
    "a text among integers": ("domain_dns_records", 37, "ttl", "n/a", "60", "text against integer"),
}  # fmt: skip

BY_RULE = {
    "UUID, upper case without dashes": ("hosts", 1, "agent_id", "UUID"),
    "UUID as key": ("certificates", rows.CERTIFICATES[0][0], "certificate_id", "UUID"),
    "1 is true": ("hosts", 1, "is_active", "true"),
    "a moment in two forms": ("domains", 1, "created_at", "moments"),
    "a number with two decimals": ("hosts", 14, "monthly_cost", "numbers"),
    "the order of JSON keys": ("hosts", 14, "labels", "JSON"),
}

STATES = {
    "a row only here": ("domains", 21, "only_local"),
    "a row only there": ("domains", 22, "only_remote"),
    "a child only here": ("domain_dns_records", 51, "only_local"),
    "a child only there": ("domain_dns_records", 52, "only_remote"),
}


@pytest.fixture(scope="module", autouse=True)
def _cleared(servers_folder: Path) -> Iterator[None]:
    """Demos live as long as their process; here they end with this module."""
    yield
    homes.clear()


@pytest.fixture(scope="module")
def tour(_cleared: None) -> Pair:
    if not embedded.available():
        pytest.skip(embedded.missing())
    return sn.demo("tour")


@pytest.fixture
def without_postgres(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SYNCNB_TEST_DSN", raising=False)
    monkeypatch.setenv("SYNCNB_PG_BIN", str(tmp_path))


@pytest.fixture(scope="module")
def found(tour: Pair) -> sn.Diff:
    return sn.diff(*tour)


@pytest.mark.parametrize(("table", "key", "column", "local", "remote", "why"), CELLS.values(), ids=CELLS)
def test_a_difference_is_there(
    found: sn.Diff, table: str, key: int, column: str, local: str, remote: str | None, why: str
) -> None:
    cells = found[table].cells
    cell = cells[(cells["key"] == key) & (cells["column"] == column)].astype(object).iloc[0]
    assert (cell["local"], None if remote is None else cell["remote"]) == (local, remote)
    assert cell["why"].startswith(why)


@pytest.mark.parametrize(("table", "key", "column", "word"), BY_RULE.values(), ids=BY_RULE)
def test_a_cell_is_equal_thanks_to_a_rule(
    found: sn.Diff, table: str, key: int | str, column: str, word: str
) -> None:
    told = found[table].explain(key, column)
    assert told.same
    assert told.local.value != told.remote.value
    assert word in told.why


@pytest.mark.parametrize(("table", "key", "state"), STATES.values(), ids=STATES)
def test_a_row_is_on_one_side(found: sn.Diff, table: str, key: int, state: str) -> None:
    shown = found[table].rows
    assert shown.loc[shown["id"] == key, "state"].tolist() == [state]


def test_every_verdict_is_seen(found: sn.Diff) -> None:
    verdicts = {name: table.verdict for name, table in found.items()}
    assert verdicts == {
        "HostIps": "equal_except",
        "certificates": "equal",
        "domain_dns_records": "different",
        "domains": "different",
        "hosts": "different",
    }
    assert found.unmatched_local == ("sync_tracking",)
    assert [entry.name for entry in found["HostIps"].uncompared] == ["first_seen"]
    assert found["HostIps"].pair.remote.name == "host_ips"


def test_nothing_else_differs(found: sn.Diff) -> None:
    """What is in the table above, its date of change, and no more: a demo must not confuse."""
    cells = {(name, key, column) for name, t in found.items() for key, column in t.cells.iloc[:, :2].values}
    told = {(table, key, column) for table, key, column, *_ in CELLS.values()}
    also = {
        ("hosts", 14, "last_seen"),
        ("hosts", 16, "description"),
        ("hosts", 22, "last_seen"),
        ("domains", 18, "updated_at"),
        ("domains", 20, "updated_at"),
        ("domain_dns_records", 31, "ttl"),
        ("domain_dns_records", 31, "updated_at"),
    }
    assert cells == told | also


def test_the_odd_value_is_named(found: sn.Diff) -> None:
    odd = found["domain_dns_records"].odd.astype(str)
    assert odd.values.tolist() == [["37", "ttl", "local", "n/a", "not an integer"]]
    assert all(found[name].odd.empty for name in found if name != "domain_dns_records")


def test_each_call_gives_the_same_anew(tour: Pair, found: sn.Diff) -> None:
    again = sn.demo()
    assert list(map(repr, again)) == list(map(repr, tour))
    for before, now in zip(tour, again, strict=True):
        assert sn.diff(before, now).verdict == "equal"
    other = sn.diff(*again)
    assert repr(other) == repr(found)
    for name, table in found.items():
        assert table.cells.equals(other[name].cells)
        assert table.rows.equals(other[name].rows)


def test_a_change_in_one_demo_is_not_seen_in_another(tour: Pair) -> None:
    (local, _), (other, _) = tour, sn.demo()
    assert isinstance(local, SQLiteStore)
    assert isinstance(other, SQLiteStore)
    with closing(sqlite3.connect(other.path)) as connection, connection:
        connection.execute("DELETE FROM hosts")
    assert sn.diff(local, other, "hosts")["hosts"].counts.only_local == 23
    assert sn.diff(local, sn.demo()[0], "hosts").verdict == "equal"


def test_only_the_remote_side_may_be_written(tour: Pair) -> None:
    assert [store.writable for store in tour] == [False, True]
    assert [store.name for store in tour] == ["cache.db", "inventory"]


def test_no_repr_tells_a_path_or_a_port(tour: Pair, found: sn.Diff) -> None:
    local, remote = tour
    assert isinstance(local, SQLiteStore)
    secrets = [str(local.path.parent), local.path.parent.parent.name]
    secrets += [remote.parameters[name] for name in ("port", "password")]  # type: ignore[attr-defined]
    shown = "\n".join([repr(local), repr(remote), repr(found), *map(repr, found.values())])
    assert not [secret for secret in secrets if secret in shown]


def test_the_root_servers_are_the_real_ones(data_home: Path) -> None:
    hints = (data_home / "dnsroot" / "root.hints").read_text().lower()
    facts = {
        (words[0].rstrip("."), words[2], words[3], int(words[1]))
        for line in hints.splitlines()
        if len(words := line.split()) == 4 and words[2] in ("a", "aaaa")
    }
    told = {
        (str(name), str(kind).lower(), address, ttl)
        for _, domain, kind, name, address, ttl, *_ in rows.DNS_RECORDS
        if domain == 1
    }
    assert len(facts) == 26
    assert told == facts
    hosts = {id_: name for id_, name, *_ in rows.HOSTS}
    addresses = {(hosts[host], address) for _, host, address, *_ in rows.HOST_IPS if int(host or 0) <= 13}
    assert addresses == {(name, address) for name, _, address, _ in facts}


def test_an_unknown_name_tells_those_there_are() -> None:
    with pytest.raises(
        sn.SyncnbError,
        match=r"there is no demo 'tuor'. Hint: demos: a_week_later, conflict_audit, id_collisions, .*, tour",
    ):
        sn.demo("tuor")


@pytest.mark.parametrize("name", ["building", "scene", "", ".", "../tour"])
def test_a_module_is_no_demo(name: str) -> None:
    with pytest.raises(sn.SyncnbError, match="there is no demo"):
        sn.demo(name)


@pytest.mark.usefixtures("without_postgres")
def test_without_postgresql_a_second_file_stands_in(found: sn.Diff) -> None:
    local, remote = sn.demo("tour")
    assert repr(remote) == "SQLiteStore('inventory.db', writable=True)"
    assert remote.notes[0].startswith("a second SQLite file stands in for PostgreSQL: ")
    other = sn.diff(local, remote)
    assert [(t.name, t.counts, t.verdict) for t in other.tables] == [
        (t.name, t.counts, t.verdict) for t in found.tables
    ]
    for name, table in found.items():
        ours = table.cells[["key", "column", "why"]]
        assert other[name].cells[["key", "column", "why"]].equals(ours)
    for table_name, key, column, _ in list(BY_RULE.values())[:2]:
        told = other[table_name].explain(key, column)
        assert told.same
        assert told.local.value != told.remote.value


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_demo_may_have_a_past(engine: Literal["sqlite", "postgresql"]) -> None:
    if engine == "postgresql" and not embedded.available():
        pytest.skip(embedded.missing())
    local, remote = sn.demo("a_week_later", remote=engine)
    runs = sn.history(remote).frame
    assert [f"{day:%a %H:%M}" for day in runs["started"]] == ["Mon 09:10", "Tue 18:40", "Thu 09:05"]
    assert runs["approved_by"].tolist() == ["ann", "ben", "ann"]
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)  # the past is over
    [line] = [line for line in sn.verify(2, remote).lines if line.ok is False]
    assert (line.what, line.found) == ("hosts: rows are as they were written", "4/6, not 402, 404")
    back = sn.undo(2, remote)
    assert f"\n… {len(back.preview()) - 8} more: see .preview()\n" in repr(
        back
    )  # cells that stay are no lines
    undone = sn.apply(back, remote)
    assert [(o.table, o.key) for o in undone.results] == [("hosts", "402"), ("hosts", "404")]
    assert undone.status == "refused"
    assert sn.diff(local, remote)["hosts"].counts.only_remote == 0


Run = Callable[..., "subprocess.Popen[str]"]

MAKE = """
import os, sys, time
import pandas, psycopg
import syncnb as sn
import syncnb.examples, syncnb.comparing.diffing
started = time.perf_counter()
local, remote = sn.demo("tour")
print(time.perf_counter() - started, local.path, remote, remote.notes, sep="|", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def run(tmp_path: Path, servers_folder: Path) -> Iterator[Run]:
    """Starts a process that makes a demo, tells about it and waits for a line on its stdin."""
    started: list[subprocess.Popen[str]] = []
    for name in ("demo", "pg"):
        (tmp_path / name).mkdir()

    def start(script: str = MAKE, **environment: str) -> "subprocess.Popen[str]":
        told = {
            "TMPDIR": str(tmp_path / "demo"),
            "SYNCNB_PG_FOLDER": str(servers_folder),
            "PYTHONPATH": str(ROOT),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            env=os.environ | told | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _line(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        pytest.fail(process.communicate()[1])
    return line.strip().split("|")


@pytest.mark.parametrize("end", ["at its own end", "killed"])
def test_nothing_is_left(run: Run, tmp_path: Path, end: str) -> None:
    process = run()
    _, file, *_ = _line(process)
    folder = tmp_path / "demo"
    [home] = folder.iterdir()
    assert Path(file).is_relative_to(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    if end == "killed":
        process.send_signal(signal.SIGKILL)
        process.wait()
    else:
        process.communicate("\n")
        assert process.returncode == 0
        assert list(folder.iterdir()) == []
    deadline = time.monotonic() + 10
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(folder.iterdir()) == []


def test_what_is_cleared_is_gone_and_can_be_made_anew(run: Run, tmp_path: Path) -> None:
    clear = """
from syncnb.examples import homes
homes.clear()
print(local.path.parent.parent.exists(), sn.demo("tour"), sep="|", flush=True)
"""
    process = run(MAKE.replace("sys.stdin.readline()", clear + "sys.stdin.readline()"))
    _line(process)
    there, stores = _line(process)
    assert there == "False"
    assert "inventory" in stores
    assert len(list((tmp_path / "demo").iterdir())) == 1


def test_a_fork_leaves_the_demo_of_its_parent_alone(run: Run) -> None:
    fork = """
child = os.fork()
if not child:
    mine = sn.demo("tour")
    print(sn.diff(local, mine[0]).verdict, sn.diff(remote, mine[1]).verdict, sep="|", flush=True)
    sys.exit()
os.waitpid(child, 0)
print(sn.diff(local, remote).verdict, flush=True)
"""
    process = run(MAKE.replace("sys.stdin.readline()", fork))
    _line(process)
    assert _line(process) == ["equal", "equal"]
    assert _line(process) == ["different"]


def test_it_is_built_within_three_seconds(run: Run, tour: Pair) -> None:
    """With a server of its own to start; the best of some, as the machine may be busy."""
    assert any(float(_line(run())[0]) < 3 for _ in range(6))


def test_a_server_that_does_not_start_is_said(run: Run, tmp_path: Path) -> None:
    """PostgreSQL is there and does not run: the demo does not fail, it says so."""
    for name, line in (("postgres", "echo 'postgres (PostgreSQL) 16.2'"), ("initdb", "exit 1")):
        program = tmp_path / "pg" / name
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    process = run(SYNCNB_PG_BIN=str(tmp_path / "pg"), SYNCNB_TEST_DSN="")
    _, _, remote, notes = _line(process)
    assert remote == "SQLiteStore('inventory.db', writable=True)"
    assert "stands in for PostgreSQL: " in notes


def test_the_readme_shows_what_its_python_prints(
    tour: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its blocks run one after the other; a block of text beneath one is what it prints."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.+?)```(?:\n\n```text\n(.+?)```)?", README, re.DOTALL)
    names: dict[str, Any] = {}
    printed = []
    for code, shown in blocks:
        exec(code, names)
        printed.append(capsys.readouterr().out)
        assert printed[-1] == (shown or printed[-1]), code
    assert len([shown for _, shown in blocks if shown]) == README.count("```text\n") == 3
    assert sum("rule: Dates and stamps" in text for text in printed) == 1
    assert sum("plan into inventory: 3 to insert, 2 to update" in text for text in printed) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"differences.csv", "plan.json"}
    how = README.partition("## How do I")[2].partition("\n## ")[0]
    entries = [entry.splitlines() for entry in re.split(r"^# … .+\n", how, flags=re.MULTILINE)[1:]]
    lines = [sum(bool(line) and line[0] not in "`*[" for line in entry) for entry in entries]
    assert len(entries) >= 15
    assert max(lines) <= 4, "an answer is short"


def test_the_readme_leads_to_every_notebook() -> None:
    table = README.partition("## Notebooks")[2].partition("\n## ")[0]
    there = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == there


def test_the_repair_of_the_readme_is_taken_back(tour: Pair) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.+?)```", README, re.DOTALL)[:2]:
        exec(code, names)
    before, after = names["d"], sn.diff(names["local"], names["remote"])
    assert all(after[name].cells.equals(before[name].cells) for name in before)
    assert sn.history(names["remote"]).frame["inserted"].tolist() == [3, 0]


def test_the_readme_names_what_is_there(tour: Pair, found: sn.Diff) -> None:
    for name in re.findall(r"`d(?:\[\"hosts\"\])?\.(\w+)", README):
        assert hasattr(found, name) or hasattr(found["hosts"], name), name
    for name in re.findall(r"`p\.(\w+)", README):
        assert hasattr(sn.plan(found, into=tour[1]), name), name
    assert {name for name in re.findall(r"\bsn\.(\w+)", README) if not hasattr(sn, name)} == set()


def test_the_readme_names_every_hazard() -> None:
    table = README.partition("| hazard | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(HAZARDS)


def test_the_commands_of_the_readme_run(
    tour: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from psycopg.conninfo import make_conninfo

    from syncnb.cli import main

    local, remote = tour
    assert isinstance(local, SQLiteStore)
    shutil.copy(local.path, tmp_path / "cache.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMOTE_URL", make_conninfo("", **remote.parameters))  # type: ignore[attr-defined]
    lines = re.findall(r"^syncnb ((?:diff|inspect) .+)$", README, re.MULTILINE)
    ended = [main(line.split()) for line in lines]
    assert len(lines) == 3
    assert ended == [1, 1, 0], capsys.readouterr().err
