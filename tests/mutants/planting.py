"""Mutants planted in copies of the tree, and their tests run there."""

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.table import Mutant
from tests.proof.counting import ALONE

__all__ = ["ROOT", "Verdict", "planted", "unmodified", "verdicts"]

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("syncnb", "tests", "notebooks", "pyproject.toml", "README.md")
LEFT_OUT = shutil.ignore_patterns("browser", ".*", "*.png", "*.so")  # mutants are of Python
OPTIONS = (*ALONE, "-p", "no:nbval", "-p", "no:xdist", "-p", "no:randomly")
LIMIT = 120.0
"""Seconds after which a mutant's tests are taken to hang."""


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant."""

    name: str
    good: bool
    said: str
    """The line of the failure that was meant; else what happened instead."""
    seconds: float = 0.0


def verdicts(mutants: Sequence[Mutant], workers: int = 2) -> Iterator[Verdict]:
    """Plant them one after the other in as many copies as there are workers, and tell of each once it is known."""
    waiting, running = list(mutants), {}
    tests = [test for mutant in mutants for test in mutant.tests]
    with _server(), _copies(min(workers, len(waiting)), tests) as free:
        while waiting or running:
            while waiting and free:
                mutant, copy = waiting.pop(0), free.pop()
                running[_began(mutant, copy)] = mutant, copy, time.monotonic()
            child = _ended(running)
            mutant, copy, since = running.pop(child)
            yield _verdict(mutant, copy, time.monotonic() - since)
            _mend(mutant, copy)
            free.append(copy)


def unmodified(mutants: Sequence[Mutant]) -> Verdict:
    """The code as it is passes all of these tests."""
    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    since = time.monotonic()
    with _server(), _copies(1, tests) as (copy,):
        child = _forked(tests, copy, stop=False)
        os.waitpid(child, 0)
        found = _told(copy)
    problems = [*found["failed"], *found["broken"]]
    good = not problems and found["exit"] == 0 and found["passed"] >= len(tests)
    said = problems[0].strip().splitlines()[-1] if problems else f"{found['passed']} tests pass"
    return Verdict("the code as it is", good, said, time.monotonic() - since)


def planted(mutant: Mutant, tree: Path = ROOT) -> dict[str, str]:
    """Its files with the mutant in them. Raises ValueError where a place is not found exactly once."""
    texts: dict[str, str] = {}
    for file, old, new in mutant.edits:
        text = texts.get(file) or (tree / file).read_text("utf-8")
        if (found := text.count(old)) != 1:
            raise ValueError(
                f"{mutant.name}: what it replaces is {found} times in {file}: has that line moved?"
            )
        texts[file] = text.replace(old, new)
    return texts


SERVER = """
import sys
from syncnb import embedded
with embedded.server() as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def _server() -> Iterator[None]:
    """One PostgreSQL for all of them: databases made there have a prefix of their own."""
    if os.environ.get("SYNCNB_TEST_DSN"):
        yield
        return
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        os.environ["SYNCNB_TEST_DSN"] = process.stdout.readline().strip()
        try:
            yield
        finally:
            del os.environ["SYNCNB_TEST_DSN"]
            process.stdin.close()


@contextmanager
def _copies(number: int, tests: Sequence[str]) -> Iterator[list[Path]]:
    folder = Path(tempfile.mkdtemp(prefix="sn-mutants-"))
    folder.chmod(0o755)  # servers may run as another user
    try:
        first = _copy(folder / "0")
        _compile(first, tests)
        for at in range(1, number):
            shutil.copytree(folder / "0", folder / str(at), symlinks=True)
        yield [folder / str(at) / "tree" for at in range(number)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compile(tree: Path, tests: Sequence[str]) -> None:
    """Compile the code and the tests once, so that not every mutant has to."""
    compileall.compile_dir(tree / "syncnb", quiet=2)
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    os.waitpid(_forked([*files, "--collect-only"], tree, stop=False, compiled=True), 0)


def _copy(home: Path) -> Path:
    tree = home / "tree"
    tree.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=LEFT_OUT)
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, tree / name)
    if (ROOT.parent / "shared").is_dir():  # real data for those who want it
        (home / "shared").symlink_to(ROOT.parent / "shared")
    return tree


def _began(mutant: Mutant, copy: Path) -> int:
    for file, text in planted(mutant, copy).items():
        (copy / file).write_text(text, "utf-8")
        _forget(copy / file)
    return _forked(mutant.tests, copy, stop=True)


def _mend(mutant: Mutant, copy: Path) -> None:
    for file, _, _ in mutant.edits:
        shutil.copy2(ROOT / file, copy / file)
        _forget(copy / file)


def _forget(path: Path) -> None:
    """Without its compiled form, which may have the same size and second as that of another text."""
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _ended(running: dict[int, tuple[Mutant, Path, float]]) -> int:
    """The next child that is over; one that takes too long is killed."""
    while True:
        for child, (_, _, since) in running.items():
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                return child
            if time.monotonic() - since > LIMIT:
                os.kill(child, 9)
                os.waitpid(child, 0)
                return child
        time.sleep(0.02)


def _forked(tests: Sequence[str], copy: Path, *, stop: bool, compiled: bool = False) -> int:
    """Run tests of that copy in a fork, which has loaded all the libraries already, and none of our code."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _enter(copy)
        sys.dont_write_bytecode = not compiled
        outcome = _Outcome()
        code = pytest.main([*OPTIONS, *(["-x"] if stop else []), *tests], plugins=[outcome])
        outcome.exit = int(code)
        (copy / "outcome.json").write_text(json.dumps(vars(outcome)))
    finally:
        os._exit(int(code))


def _enter(copy: Path) -> None:
    os.chdir(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("syncnb", "tests")]:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(entry for entry in sys.path if entry and Path(entry).resolve() != ROOT)]
    os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
    (copy / "outcome.json").unlink(missing_ok=True)
    log = os.open(copy / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)


class _Outcome:
    """A plugin of pytest that keeps how each test went."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.broken: list[str] = []
        """What was no failure of the test itself: a module that does not load, a fixture that fails."""
        self.exit = -1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.broken.append(f"skipped: {report.nodeid}")
        elif report.failed and report.when == "call":
            self.failed.append(report.longreprtext)
        elif report.failed:
            self.broken.append(f"in its {report.when}: {report.longreprtext}")
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(f"while collecting: {report.longreprtext}")


def _told(copy: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((copy / "outcome.json").read_text())
    except FileNotFoundError:
        told = {"passed": 0, "failed": [], "broken": ["the tests hang, or died"], "exit": -1}
    return told


def _verdict(mutant: Mutant, copy: Path, seconds: float) -> Verdict:
    found = _told(copy)
    lines = [
        line.removeprefix("E ").strip()
        for text in found["failed"]
        for line in str(text).splitlines()
        if line.startswith("E ")
    ]
    meant = [line for line in lines if mutant.meant in line]
    if meant:
        return Verdict(mutant.name, True, meant[0], seconds)
    if lines:
        return Verdict(mutant.name, False, f"failed by another: {lines[0]}", seconds)
    if found["exit"] in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        return Verdict(mutant.name, False, "there is no such test", seconds)
    broken = str(found["broken"][0]).strip().splitlines()[-1] if found["broken"] else "its tests pass"
    return Verdict(mutant.name, False, broken, seconds)
