"""`syncnb demo`: the walkthrough, and the databases that it keeps."""

import doctest
import re
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Start, environment, lines, wait_for


def test_the_demo_looks_and_says_where_to_go_on(run: Run) -> None:
    started = time.monotonic()
    ended = run("demo")
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - started < 15
    titles = re.findall(r"^# (.*)$", ended.stdout, re.M)
    assert titles == ["Connect", "Look", "One table", "Why one cell differs"]
    assert ": different\n" in ended.stdout
    assert lines(ended.stdout)[-1] == "next: syncnb lab"
    assert run("demo", "tour").stdout == ended.stdout


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
    child.send_signal(signal.SIGINT)
    rest, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert lines(rest)[-1] == "next: syncnb lab"
    assert wait_for(lambda: not Path(where).exists())


@pytest.mark.parametrize("name", ["arguments", "words"])
def test_examples_in_docstrings(name: str) -> None:
    assert doctest.testmod(import_module(f"syncnb.cli.{name}")).failed == 0
