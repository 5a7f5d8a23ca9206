"""`python -m tests.proof.covering [GROUP …]`: which branches of the engine its own tests take, by room. Coverage is measured here alone.

The proof runs one group of tests a round; what each has found is kept until all have been run, and told together. Of a test that has many
rows a few are run, which take nearly all branches of all of them (98 % of those of the stores) in half of the time.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.proof.counting import ALONE, KEPT, MOST, count, silent
from tests.proof.sparing import ROWS

__all__ = ["GROUPS"]

ENGINE = (
    "applying", "changes", "comparing", "connecting", "diagnosing", "journal", "matching", "migrating", "planning", "replacing", "resolving",
    "schema", "steps", "stores", "syncing", "tracking", "values", "verifying",
)  # fmt: skip
LEFT_OUT = ("notebooks", "wheel", "embedded", "benchmarks", "runbooks", "shape", "flights", "watching")
"""Tests of other rooms, or of none."""
HERE = Path(__file__).resolve().parents[1]
OTHERS = 6
SINGLE = [f"tests/{path.name}" for path in sorted(HERE.glob("test_*.py")) if path.stem[5:] not in LEFT_OUT]
GROUPS: dict[str, list[str]] = {
    "stores": ["tests/stores", "tests/tracking"],
    "migrating": ["tests/migrating", "tests/replacing"],
    "laws": ["tests/laws", "tests/diagnosing"],
    "drawn": ["tests/machines", "tests/fuzz"],
    **{f"others {at + 1}": SINGLE[at::OTHERS] for at in range(OTHERS)},
}
SPARED = ("-m", "not slow", "-k", "not kill")
"""Who is killed tells nothing of the branches that it took."""
OPTIONS = (*ALONE, "-p", "no:nbval", "-p", "tests.proof.sparing", *SPARED, "--tb=line", "--show-capture=no")
FEW = "3"
"""Rows of each test."""
SETTINGS = "[run]\nbranch = true\nsource = syncnb\nconcurrency = thread\n"


def main(names: list[str]) -> int:
    """1 where a test failed: then the figures are none."""
    with tempfile.TemporaryDirectory(prefix="sn-coverage-") as folder:
        kept = Path(os.environ.get(KEPT, folder))
        kept.mkdir(exist_ok=True)
        settings = Path(folder) / "rc"
        settings.write_text(SETTINGS)
        code = max([_run(name, settings, kept / f"{name}.coverage") for name in names or GROUPS])
        files = sorted(map(str, kept.glob("*.coverage")))
        rooms = _measured(settings, files, Path(folder))
    for room, found in rooms.items():
        share = 100 * found["covered_branches"] / max(1, found["num_branches"])
        print(f"covered: {room} {share:.1f} % of {found['num_branches']:,} branches")
    whole: Counter[str] = sum(rooms.values(), Counter())
    count(f"{MOST}branches of the engine", whole["num_branches"])
    count(f"{MOST}branches of the engine that its tests take", whole["covered_branches"])
    count(f"{MOST}groups of tests by which branches were measured", len(files))
    return code


def _run(name: str, settings: Path, data: Path) -> int:
    # What is there under its own name is whole: another group may be told at the same time.
    unfinished = data.with_suffix(".unfinished")
    told = (f"--rcfile={settings}", f"--data-file={unfinished}")
    command = [sys.executable, "-m", "coverage", "run", *told, "-m", "pytest", *OPTIONS, *GROUPS[name]]
    with silent():
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, ROWS: FEW})
    unfinished.replace(data)
    print("\n".join(done.stdout.splitlines()[-12:]), flush=True)
    return done.returncode


def _measured(settings: Path, files: list[str], folder: Path) -> dict[str, Counter[str]]:
    """By room, what all that was run so far took."""
    told, report = (f"--rcfile={settings}", f"--data-file={folder / 'all'}"), folder / "report.json"
    for step in (["combine", "--keep", "-q", *told, *files], ["json", *told, "-q", "-o", str(report)]):
        subprocess.run([sys.executable, "-m", "coverage", *step], check=True)
    rooms: dict[str, Counter[str]] = {room: Counter() for room in ENGINE}
    for name, found in json.loads(report.read_text())["files"].items():
        room = Path(name).relative_to("syncnb").parts[0].removesuffix(".py")
        if room in rooms:
            rooms[room].update({key: found["summary"][key] for key in ("num_branches", "covered_branches")})
    return rooms


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
