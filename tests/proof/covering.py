"""`python -m tests.proof.covering`: which branches of the engine its own tests take, by room. Coverage is measured here alone."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.proof.counting import count

ENGINE = (
    "applying", "changes", "comparing", "connecting", "diagnosing", "journal", "matching", "migrating", "planning", "replacing", "resolving",
    "schema", "steps", "stores", "syncing", "tracking", "values", "verifying",
)  # fmt: skip
LEFT_OUT = ("notebooks", "wheel", "embedded", "benchmarks", "runbooks", "shape", "flights", "watching")
"""Tests of other rooms, or of none."""
FOLDERS = (
    "tests/stores",
    "tests/tracking",
    "tests/migrating",
    "tests/laws",
    "tests/diagnosing",
    "tests/replacing",
    "tests/machines",
    "tests/fuzz",
)


def tests() -> list[str]:
    single = [
        f"tests/{path.name}"
        for path in sorted(Path("tests").glob("test_*.py"))
        if path.stem[5:] not in LEFT_OUT
    ]
    return [*FOLDERS, *single]


def main() -> int:
    """1 where a test failed: then the figures are none."""
    with tempfile.TemporaryDirectory(prefix="sn-coverage-") as folder:
        data, settings = Path(folder) / "data", Path(folder) / "rc"
        settings.write_text(
            f"[run]\nbranch = true\nsource = syncnb\ndata_file = {data}\nconcurrency = thread\n"
        )
        told = f"--rcfile={settings}"
        options = (
            "-q",
            "-o",
            "addopts=",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:nbval",
            "--tb=line",
            "--show-capture=no",
        )
        done = subprocess.run(
            [sys.executable, "-m", "coverage", "run", told, "-m", "pytest", *options, *tests()], capture_output=True, text=True
        )  # fmt: skip
        print("\n".join(done.stdout.splitlines()[-12:]))
        report = Path(folder) / "report.json"
        subprocess.run([sys.executable, "-m", "coverage", "json", told, "-q", "-o", str(report)], check=True)
        files = json.loads(report.read_text())["files"]
    rooms: dict[str, Counter[str]] = {room: Counter() for room in ENGINE}
    for name, found in files.items():
        room = Path(name).relative_to("syncnb").parts[0].removesuffix(".py")
        if room in rooms:
            rooms[room].update({key: found["summary"][key] for key in ("num_branches", "covered_branches")})
    for room, found in rooms.items():
        share = 100 * found["covered_branches"] / max(1, found["num_branches"])
        print(f"covered: {room} {share:.1f} % of {found['num_branches']:,} branches")
    whole: Counter[str] = sum(rooms.values(), Counter())
    count("branches of the engine", whole["num_branches"])
    count("branches of the engine that its tests take", whole["covered_branches"])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
