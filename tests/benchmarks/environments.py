"""A Python environment for each peer, and one run of a contestant in a process of its own, its memory watched."""

import json
import os
import subprocess
import sys
import threading
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["NEEDS", "Run", "Skipped", "environment", "import_seconds", "run"]

NEEDS = {
    "duckdb": ("duckdb==1.5.5", "duckdb-extension-sqlite-scanner", "duckdb-extension-postgres-scanner"),
    "polars": ("polars", "pyarrow", "connectorx"),
    "datacompy": ("datacompy", "sqlalchemy", "psycopg[binary]"),
    "pandas": ("pandas", "sqlalchemy", "psycopg[binary]"),
    "reladiff": ("reladiff[postgresql]",),
}
SCRIPT = Path(__file__).with_name("contestants.py")
TOP = Path(__file__).parents[2]
PATIENCE = 900
"""Seconds for one run, and for one installation."""


class Skipped(Exception):
    """This contestant cannot run here; says why."""


@dataclass(frozen=True)
class Run:
    """What one run took and found."""

    seconds: float
    counts: tuple[int, int, int] | None
    memory: int
    """The greatest proportional set size of the process and its children that was seen, in bytes."""


@cache
def environment(folder: Path, name: str) -> Path:
    """The Python of this contestant, installed on first use; ours is the one that runs. Raises Skipped."""
    if name not in NEEDS:
        return Path(sys.executable)
    home = folder / name
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (home / "done").exists():
        venv.create(home, with_pip=True, clear=True)
        told = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDS[name]]
        made = subprocess.run(told, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if made.returncode:
            raise Skipped(f"not installed: {_last(made.stderr)}")
        (home / "done").touch()
    return python


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:120] if lines else "no reason given"


def run(python: Path, name: str, *told: str) -> Run:
    """Run a contestant once. Raises Skipped."""
    own = {**os.environ, "PYTHONPATH": str(TOP)} if python == Path(sys.executable) else {**os.environ}
    if python != Path(sys.executable):
        own.pop("PYTHONPATH", None)
    with subprocess.Popen(
        [python, SCRIPT, name, *told], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own
    ) as process:
        memory = _Memory(process.pid)
        try:
            out, wrong = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Skipped(f"not done in {PATIENCE} s") from None
        finally:
            memory.stop()
    if process.returncode:
        raise Skipped(_last(wrong))
    found = json.loads(out.splitlines()[-1])
    return Run(found["seconds"], found["counts"] and tuple(found["counts"]), memory.most)


class _Memory(threading.Thread):
    """Looks at a process and its children, again and again (Linux; elsewhere 0)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.most, self._ended = pid, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max(self.most, sum(map(_size, _family(self.pid))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        found = []
    return [pid, *(each for child in found for each in _family(int(child)))]


def _size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def import_seconds(then: str = "") -> float:
    """What `import syncnb` takes beyond pandas, and what is done `then`."""
    code = f"import time, pandas; s = time.perf_counter(); import syncnb; {then or None}; print(time.perf_counter() - s)"
    own = {**os.environ, "PYTHONPATH": str(TOP)}
    return float(subprocess.check_output([sys.executable, "-c", code], text=True, env=own))
