"""What goes wrong is one line and a hint on stderr, exit 2, and never a password."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from syncnb import cli
from syncnb.cli import main
from tests.cli.conftest import File, Run, lines

SECRET = "s3cr3t-Zw9"


WRONG: dict[str, tuple[str, str, str]] = {
    "no command": ("dif a b", "there is no command 'dif'", "did you mean `syncnb diff`?"),
    "a command of the future": ("frobnicate", "no command 'frobnicate'", "commands are diff, plan, show, apply"),
    "no stores": ("diff", "required: LOCAL, REMOTE", "`syncnb diff --help`"),
    "one store too many": ("diff A A c", "unrecognized arguments: c", "--help"),
    "a mistyped option": ("diff A A --tabel orders", "--tabel orders", "did you mean --table?"),
    "no file": ("diff A missing.db", "missing.db", "a.db"),
    "not a database": ("diff A TEXT", "text.txt", ""),
    "no variable": ("diff A env:SYNCNB_NO_SUCH", "no environment variable SYNCNB_NO_SUCH", ""),
    "no table": ("diff A A --table ordres", "ordres", ""),
    "no column in a key": ("diff A A --key orders=nr", "'nr'", ""),
    "a key of no column": ("diff A A --key orders=", "--key 'orders='", "--key"),
    "a key told twice": ("diff A A --key orders=id --key orders=state", "names orders twice", "a,b once"),
    "a column that is not there": ("diff A A --ignore stat", "'stat'", "did you mean state"),
    "a limit of none": ("diff A A --limit 0", "--limit is 0", "from 1"),
    "a limit in words": ("diff A A --limit ten", "--limit", ""),
    "a tolerance in words": ("diff A A --tolerance amount=much", "'amount=much'", "--tolerance COLUMN=0.01"),
    "a tolerance below nothing": ("diff A A --tolerance amount=-1", "amount", "not negative"),
    "no side": ("diff A A --timezone UTC", "'UTC'", "--timezone local=UTC"),
    "no zone": ("diff A A --timezone local=Berlin", "no time zone 'Berlin'", "Europe/Berlin"),
    "two forms at once": ("diff A A --json --cells", "exclude each other", "leave one"),
    "no match file": ("diff A A --match missing.toml", "missing.toml", "match file"),
    "nothing pairs": ("diff A OTHER", "no table pairs", '--match FILE with [tables] "local_name" ='),
    "a file to inspect": ("inspect missing.db", "missing.db", ""),
    "a table to inspect": ("inspect A --table nots", "no table 'nots'", "tables here: notes, orders"),
    "no demo": ("demo touring", "there is no demo 'touring'", "tour"),
    "no port": ("lab --port 99999999", "port 99999999 cannot be used", "leave --port out"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message", "hint"), WRONG.values(), ids=WRONG)
def test_an_error_is_a_line_and_a_hint(
    words: str,
    message: str,
    hint: str,
    file: File,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("not a database at all, " * 100)
    named = {"A": file("a.db"), "TEXT": "text.txt", "OTHER": file("o.db", script="CREATE TABLE other (x)")}
    assert main([named.get(word, word) for word in words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    said, advice = lines(err)
    assert said.startswith("syncnb: ")
    assert message in said
    assert advice.startswith("Hint: ")
    assert hint in advice


MISSHAPEN = {
    "not TOML": "tables: x",
    "an unknown section": "[table]\na = 'b'",
    "a table that is a number": "[tables]\norders = 5",
    "tables that are a text": "tables = 'orders'",
    "a key that is a number": "[key]\norders = 5",
    "a key without columns": "[key]\norders = []",
    "columns that are a number": "[columns]\norders = 5",
    "a zone that is a number": "[timezone]\n'orders.stamp' = 1",
}


@pytest.mark.parametrize("text", MISSHAPEN.values(), ids=MISSHAPEN)
def test_a_match_file_that_cannot_be_read(
    text: str, file: File, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "match.toml").write_text(text)
    assert main(["diff", file("a.db"), file("b.db"), "--match", str(tmp_path / "match.toml")]) == 2
    said, advice = lines(capsys.readouterr().err)
    assert "match.toml" in said
    assert advice.startswith("Hint: ")


def test_no_command_shows_the_commands_and_fails(run: Run) -> None:
    ended = run()
    assert (ended.returncode, ended.stdout) == (2, "")
    for name in cli.COMMANDS:
        assert re.search(rf"^  {name} +\w", ended.stderr, re.M)


def test_an_error_in_a_process_of_its_own(run: Run) -> None:
    ended = run("diff", "missing.db", "also-missing.db")
    assert (ended.returncode, ended.stdout, len(lines(ended.stderr))) == (2, "", 2)


def test_a_wrong_password_is_never_repeated(command: Run, pg: str, file: File) -> None:
    # A role that is not there either, for servers that let everybody in.
    wrong = re.sub(r"//[^@]*@", f"//nobody_here:{SECRET}@", pg)
    local = file("a.db")
    named = command("diff", local, "env:REMOTE", REMOTE=wrong)
    written = command("diff", local, wrong)
    assert (named.returncode, written.returncode) == (2, 2)
    assert len(lines(named.stderr)) == 2
    [noted, *said] = lines(written.stderr)
    assert noted == "note: the password of REMOTE is in the process list; env:NAME keeps it out"
    assert said == lines(named.stderr)
    for ended in (named, written):
        assert SECRET not in ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr


SPILLS = {
    "a store too many": ("diff", "a", "b", f"postgresql://ann:{SECRET}@host/db"),
    "instead of a command": (f"postgresql://ann:{SECRET}@host/db",),
    "as the value of an option": ("diff", "a", "b", "--limit", f"host=h password={SECRET}"),
    "as a key": ("diff", "a", "b", "--key", f"postgresql://ann:{SECRET}@host/db"),
    "an address nobody can read": ("diff", "a", f"postgresql://ann:{SECRET}@@:::/db@"),
    "as a table": ("diff", "a", "b", "--table", f"host=h password='{SECRET}'"),
    "as a column": ("diff", "a", "b", "--ignore", f"postgresql://ann:{SECRET}@host/db"),
    "as a mistyped option": ("diff", "a", "b", f"--tabel=postgresql://ann:{SECRET}@host/db"),
    "as a demo": ("lab", "x", f"postgresql://ann:{SECRET}@host/db"),
}


@pytest.mark.parametrize("words", SPILLS.values(), ids=SPILLS)
def test_a_misplaced_address_is_never_repeated(
    words: Sequence[str], file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"a": file("a.db"), "b": file("b.db")}
    assert main([named.get(word, word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert SECRET not in out + err


def test_a_fault_of_our_own_says_where_and_not_what(
    file: File, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"postgresql://ann:{SECRET}@host")

    monkeypatch.setattr("syncnb.comparing.diffing.diff_told", broken)
    assert main(["diff", file("a.db"), file("b.db")]) == 2
    said, advice = lines(capsys.readouterr().err)
    assert re.fullmatch(r"syncnb: a fault of syncnb itself: ValueError at test_errors\.py:\d+", said)
    assert "SYNCNB_DEBUG=1" in advice


def test_notes_of_a_store_go_to_stderr(run: Run, file: File, tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()
    ended = run("inspect", str(empty), "--json")
    assert json.loads(ended.stdout) == {"store": "empty.db", "dialect": "sqlite", "tables": []}
    assert lines(ended.stderr) == [
        "note: empty.db: empty.db is an empty file (0 bytes): a database without tables"
    ]
