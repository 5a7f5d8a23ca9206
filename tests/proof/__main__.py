"""Round after round of machines, fuzz, races, faults and mutants; figures that a later call goes on from."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.proof.counting import FILE, SEED, added

ROOT = Path(__file__).resolve().parents[2]
PYTEST = ("-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "--show-capture=no")
FAULTS = re.compile(r"\d+ of \d+ faults proved")
SUMMARY = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")


@dataclass(frozen=True)
class Job:
    """One thing that is done in each round, or once."""

    name: str
    arguments: tuple[str, ...]
    examples: int = 0
    """How many are drawn for each property or machine of it."""
    once: bool = False


JOBS = (
    Job("machine: repair", (*PYTEST, "tests/machines/test_repairing.py"), examples=150),
    Job("machine: sync", (*PYTEST, "tests/machines/test_syncing.py"), examples=30),
    Job("machine: clocks", (*PYTEST, "tests/machines/test_clocks.py"), examples=200),
    Job("machine: migration", (*PYTEST, "tests/machines/test_migrating.py"), examples=100),
    Job("kills and cuts", (*PYTEST, "tests/faults/test_kill.py", "tests/faults/test_server_kill.py", "tests/faults/test_commit_cut.py")),
    Job("fuzz", (*PYTEST, "tests/fuzz"), examples=50),
    Job("races", (*PYTEST, "tests/races")),
    Job("roles, secrets, hostile input", (*PYTEST, "tests/test_roles.py", "tests/test_secrets.py", "tests/test_hostile.py"), once=True),
    Job("faults", (*PYTEST, "tests/faults"), once=True),
    Job("mutants", ("-m", "tests.mutants"), once=True),
)  # fmt: skip


@dataclass
class Figures:
    """What is known so far of one job."""

    rounds: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    examples: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    """What its tests did, as they counted it."""
    said: list[str] = field(default_factory=list)
    """Failures, each with the seed that draws it again; and the last line of the mutants."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the time is over; 1 where anything failed."""
    asked = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument(
        "--state",
        type=Path,
        default=Path(".proof.json"),
        help="where it goes on from; new for another seed or commit",
    )
    told = asked.parse_args(arguments)
    known = _known(told.state, told.seed)
    until = time.monotonic() + 60 * told.minutes
    for job, seed in _waiting(known, told.seed):
        left = until - time.monotonic()
        if left < 5:
            break
        _run(job, seed, known[job.name], left)
        told.state.write_text(json.dumps(_content(known, told.seed), indent=1))
    print("\n".join(_table(known, told.seed)))
    return int(any(figures.failed for figures in known.values()))


def _waiting(known: dict[str, Figures], seed: int) -> Iterator[tuple[Job, int]]:
    """The job that has had the fewest rounds comes next."""
    while True:
        job = min(
            JOBS,
            key=lambda job: known[job.name].rounds + (10**9 if job.once and known[job.name].rounds else 0),
        )
        yield job, seed * 1_000_003 + known[job.name].rounds


def _run(job: Job, seed: int, figures: Figures, seconds: float) -> None:
    print(f"{job.name}: round {figures.rounds + 1}, seed {seed}", flush=True)
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sn-proof-") as folder:
        told = Path(folder) / "counts"
        try:
            done = _tested(job, seed, told, seconds)
        except subprocess.TimeoutExpired:
            figures.failed += 1
            figures.said.append(f"seed {seed}: it hangs")
            return
        figures.counts = added(figures.counts, told.read_text() if told.exists() else "")
    figures.seconds += time.monotonic() - since
    figures.rounds += 1
    counts = {what.removesuffix("s"): int(number) for number, what in SUMMARY.findall(done.stdout[-500:])}
    figures.passed += counts.get("passed", 0)
    figures.skipped += counts.get("skipped", 0)
    figures.examples += job.examples * counts.get("passed", 0)
    figures.said += FAULTS.findall(done.stdout) if job.once else []
    if job.name == "mutants":
        figures.said = [
            line for line in done.stdout.splitlines() if line.startswith("MISSED")
        ] + done.stdout.splitlines()[-1:]
    if done.returncode:
        figures.failed += counts.get("failed", 0) + counts.get("error", 0) or 1
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR", "MISSED"))]
        figures.said += [
            f"seed {seed}: {line}"
            for line in lines or (done.stderr + done.stdout).split("\n\n")[0].splitlines()[-1:]
        ]


def _tested(job: Job, seed: int, told: Path, seconds: float) -> "subprocess.CompletedProcess[str]":
    """What was said by its tests, run in a process of their own; what they count goes to `told`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": str(seed % 2**32),
        "SYNCNB_PROOF_ROUNDS": "2",
        SEED: str(seed),
    }
    arguments = list(job.arguments)
    if job.name != "mutants":  # what a broken build does is no figure
        environment[FILE] = str(told)
    if job.examples:
        environment["SYNCNB_PROOF_EXAMPLES"] = str(job.examples)
        arguments.append(f"--hypothesis-seed={seed}")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds + 600,
    )


def _table(known: dict[str, Figures], seed: int) -> Iterator[str]:
    now = datetime.now(UTC)
    yield f"syncnb {_commit()}, {now:%Y-%m-%d}, seed {seed}, Python {platform.python_version()}"
    yield f"{'':<32}{'rounds':>7}{'passed':>8}{'failed':>8}{'skipped':>9}{'examples':>10}{'minutes':>9}"
    for name, f in known.items():
        yield f"{name:<32}{f.rounds:>7}{f.passed:>8}{f.failed:>8}{f.skipped:>9}{f.examples:>10,}{f.seconds / 60:>9.1f}"
    counts: dict[str, int] = {}
    for f in known.values():
        counts = added(counts, "\n".join(f"{number} {what}" for what, number in f.counts.items()))
    yield from (f"{number:>10,} {what}" for what, number in sorted(counts.items()))
    for name, figures in known.items():
        yield from (f"{name}: {line}" for line in figures.said)


def _known(path: Path, seed: int) -> dict[str, Figures]:
    """What an earlier call with the same seed, of the same commit, has done."""
    fresh = {job.name: Figures() for job in JOBS}
    if not path.is_file():
        return fresh
    content = json.loads(path.read_text())
    if (content["seed"], content["commit"]) != (seed, _commit()):
        return fresh
    return fresh | {name: Figures(**figures) for name, figures in content["jobs"].items() if name in fresh}


def _content(known: dict[str, Figures], seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "commit": _commit(),
        "jobs": {name: asdict(figures) for name, figures in known.items()},
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
