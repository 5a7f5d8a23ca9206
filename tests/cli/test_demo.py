"""`syncnb demo`: the walkthrough, and the databases that it keeps."""

import doctest
import pkgutil
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from syncnb import examples
from tests.cli.conftest import Run, Start, environment, lines, wait_for


def test_the_demo_looks_repairs_proves_and_says_where_to_go_on(run: Run) -> None:
    ended = run("demo")
    assert ended.returncode == 0, ended.stderr
    titles = re.findall(r"^# (.*)$", ended.stdout, re.M)
    assert titles == [
        "Connect", "Look", "One table", "Why one cell differs", "Decide, and see what would be written", "Write it",
        "Look again: what nobody decided is left", "It could be taken back", "Prove it",
    ]  # fmt: skip
    assert ": different\n" in ended.stdout
    assert "run 1: applied\n" in ended.stdout
    proof = ended.stdout.partition("# Prove it\n")[2]
    assert "\nproof: every line holds\n" in proof
    assert len(re.findall("^✓", proof, re.M)) == 9
    assert lines(ended.stdout)[-1] == "next: syncnb lab"
    assert run("demo", "tour").stdout == ended.stdout


def test_the_demo_goes_the_whole_way_without_postgresql(run: Run, tmp_path: Path) -> None:
    ended = run("demo", SYNCNB_PG_BIN=str(tmp_path), SYNCNB_TEST_DSN="")
    assert ended.returncode == 0, ended.stderr
    assert "a second SQLite file stands in" in ended.stderr
    assert "\nproof: every line holds\n" in ended.stdout
    assert lines(ended.stdout)[-1] == "next: syncnb lab"


def test_a_demo_that_is_kept_can_be_compared_from_another_terminal(start: Start) -> None:
    child = start("demo", "--keep")
    assert child.stdout is not None
    said = [""]
    while not said[-1].startswith("syncnb diff "):
        said.append(child.stdout.readline())
        assert said[-1], "it ended"
        said[-1] = said[-1].strip() or "-"
    where, command = said[-2].removeprefix(". "), said[-1]
    assert Path(where).stat().st_mode & 0o077 == 0
    script = f'. {where}; "{sys.executable}" -m {command}'
    ended = subprocess.run(
        ["/bin/sh", "-c", script], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1, ended.stderr
    assert ": different\n" in ended.stdout
    undo = child.stdout.readline().strip()
    assert undo == "syncnb undo 1 env:DEMO_REMOTE --apply"
    script = f'. {where}; "{sys.executable}" -m {undo}'
    ended = subprocess.run(
        ["/bin/sh", "-c", script], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, lines(ended.stdout)[0]) == (0, "run 2: applied"), ended.stderr
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert lines(rest)[-1] == "next: syncnb lab"
    assert wait_for(lambda: not Path(where).exists())


@pytest.mark.parametrize("name", ["arguments", "words"])
def test_examples_in_docstrings(name: str) -> None:
    assert doctest.testmod(import_module(f"syncnb.cli.{name}")).failed == 0


def test_every_demo_comes_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """In this process: one server for all. Those two have tests of their own."""
    from syncnb.cli import main
    from syncnb.examples import homes

    names = [module.name for module in pkgutil.iter_modules(examples.__path__) if module.ispkg]
    try:
        ended = {name: main(["demo", name]) for name in names if name not in ("large", "tour")}
    finally:
        homes.clear()
    assert set(ended.values()) == {0}, ended
    assert {"a_week_later", "conflict_audit", "missing_constraint"} <= set(ended)
    assert "this one is repaired in a notebook" in capsys.readouterr().out
