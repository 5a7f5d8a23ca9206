"""Round after round of machines, fuzz, races, faults and mutants; figures that a later call goes on from."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.proof.counting import FILE, SEED, added
from tests.proof.figures import ROOT, commit, sheet
from tests.proof.jobs import JOBS, Figures, Job

FAULTS = re.compile(r"\d+ of \d+ faults proved")
SUMMARY = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")
WORDS = ("lossy:", "covered:", "MISSED")
"""Begin the lines that a job says besides its figures."""

HANGS = 1800.0
"""Seconds after which a job is taken to hang."""


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
    asked.add_argument("--only", default="", help="jobs with this word in their name")
    told = asked.parse_args(arguments)
    known = _known(told.state, told.seed)
    until = time.monotonic() + 60 * told.minutes
    for job, seed in _waiting(known, told.seed, told.only):
        left = until - time.monotonic()
        if left < 5:
            break
        if not _run(job, seed, known[job.name], left):
            print("  cut short, the time is over", flush=True)
            break
        told.state.write_text(json.dumps(_content(known, told.seed), indent=1))
    print("\n".join(sheet(known, told.seed)))
    return int(any(figures.failed for figures in known.values()))


def _waiting(known: dict[str, Figures], seed: int, only: str) -> Iterator[tuple[Job, int]]:
    """Each job once, in their order; then the one that is furthest from what a whole proof asks of it."""
    while True:
        left = [job for job in JOBS if only in job.name and not (job.once and known[job.name].rounds)]
        if not left:
            return
        job = min(left, key=lambda job: known[job.name].rounds / job.goal)
        yield job, seed * 1_000_003 + known[job.name].rounds


def _run(job: Job, seed: int, figures: Figures, seconds: float) -> bool:
    """Whether it came to its end, or hangs; what it says goes to its figures."""
    print(f"{job.name}: round {figures.rounds + 1}, seed {seed}", flush=True)
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sn-proof-") as folder:
        told = Path(folder) / "counts"
        try:
            done = _tested(job, seed, told, seconds)
        except subprocess.TimeoutExpired:
            if seconds < HANGS:
                return False
            figures.rounds, figures.failed = figures.rounds + 1, figures.failed + 1
            figures.said.append(f"seed {seed}: it hangs")
            return True
        figures.counts = added(figures.counts, told.read_text() if told.exists() else "")
    figures.seconds += time.monotonic() - since
    figures.rounds += 1
    counts = {what.removesuffix("s"): int(number) for number, what in SUMMARY.findall(done.stdout[-500:])}
    figures.passed += counts.get("passed", 0)
    figures.skipped += counts.get("skipped", 0)
    figures.examples += job.examples * counts.get("passed", 0)
    figures.said += FAULTS.findall(done.stdout) if job.name.startswith("faults") else []
    figures.said += [line for line in done.stdout.splitlines() if line.startswith(WORDS)]
    if job.name == "mutants":
        figures.said += done.stdout.splitlines()[-1:]
    if done.returncode:
        figures.failed += counts.get("failed", 0) + counts.get("error", 0) or 1
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        figures.said += [
            f"seed {seed}: {line}"
            for line in lines or (done.stderr + done.stdout).split("\n\n")[0].splitlines()[-1:]
        ]
    return True


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
        timeout=min(seconds + 60, HANGS),
    )


def _known(path: Path, seed: int) -> dict[str, Figures]:
    """What an earlier call with the same seed, of the same commit, has done."""
    fresh = {job.name: Figures() for job in JOBS}
    if not path.is_file():
        return fresh
    content = json.loads(path.read_text())
    if (content["seed"], content["commit"]) != (seed, commit()):
        return fresh
    return fresh | {name: Figures(**figures) for name, figures in content["jobs"].items() if name in fresh}


def _content(known: dict[str, Figures], seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "commit": commit(),
        "jobs": {name: figures.content() for name, figures in known.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
