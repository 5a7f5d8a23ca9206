"""`syncnb` in a process of its own, and small files to compare."""

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncnb import cli

PROJECT = Path(cli.__file__).resolve().parents[2]

ORDERS = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT, amount REAL, stamp TEXT);
INSERT INTO orders VALUES (1, 'new', 1.5, '2026-01-01 10:00:00'), (2, 'paid', 2.5, '2026-01-02 10:00:00');
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
INSERT INTO notes VALUES (1, 'one');
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]
File = Callable[..., str]
LoadSql = Callable[[str, str], None]
Dataset = Callable[[str], str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command to its end, in an empty folder."""
    home = tmp_path / "cwd"
    home.mkdir()

    def run(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "syncnb", *words],
            cwd=home,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


LOADED = """
import json, os, signal, sys, traceback
import pandas, psycopg, pyarrow.compute, sqlalchemy
import syncnb.applying, syncnb.comparing.diffing, syncnb.syncing, syncnb.verifying
import syncnb.cli.apply, syncnb.cli.diff, syncnb.cli.plan, syncnb.cli.sync
for line in sys.stdin:
    words, home, environment, out, err = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(120)
            os.chdir(home)
            os.environ.clear()
            os.environ.update(environment)
            for number, path in ((0, os.devnull), (1, out), (2, err)):
                os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
            code = syncnb.cli.main(words)
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="session")
def loaded() -> Iterator["subprocess.Popen[str]"]:
    """A process that has loaded everything, and forks one that runs a command for each line that it is sent."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADED], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def command(tmp_path: Path, loaded: "subprocess.Popen[str]") -> Run:
    """As `run`, in a fork: to load pandas and drivers takes ten times as long as most commands do."""
    home = tmp_path / "cwd"
    home.mkdir()
    numbers = itertools.count()

    def run(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        assert loaded.stdin is not None
        assert loaded.stdout is not None
        number = next(numbers)
        files = [tmp_path / f"{name}{number}" for name in ("out", "err")]
        asked = [words, str(home), environment(**more), *map(str, files)]
        loaded.stdin.write(json.dumps(asked) + "\n")
        loaded.stdin.flush()
        code = int(loaded.stdout.readline())
        return subprocess.CompletedProcess(words, code, *(file.read_text("utf-8") for file in files))

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command, to talk to it while it runs; it is gone after the test."""
    started = []

    def start(*words: str, **more: str) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", "syncnb", *words],
            cwd=tmp_path,
            env=environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_interrupts,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A SQLite file with two small tables and what is done to it then."""

    def file(name: str, *then: str, script: str = ORDERS) -> str:
        path = tmp_path / name
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.executescript(script)
            for statement in then:
                db.execute(statement)
        return str(path)

    return file


def hear_interrupts() -> None:
    """In a child, before it runs: a shell that starts tests in the background makes them deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def environment(**more: str) -> dict[str, str]:
    """Ours, with this source tree."""
    return {**os.environ, "PYTHONPATH": str(PROJECT), **more}


def many(last: int) -> str:
    """Puts notes up to a number beside the one that is there."""
    count = f"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
    return f"INSERT INTO notes {count} SELECT i, 'old' FROM n"


def lines(text: str) -> list[str]:
    """The lines of an output."""
    return text.strip().splitlines()


def wait_for(done: Callable[[], object], seconds: float = 20) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(done())
