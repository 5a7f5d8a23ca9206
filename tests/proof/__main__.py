"""Round after round of machines, fuzz, races, faults and mutants; figures that a later call goes on from.

A round that has begun comes to its end, which is a matter of minutes; Ctrl-C gives it up, and prints the figures.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.proof.counting import FILE, KEPT, SEED, added
from tests.proof.figures import ROOT, commit, sheet
from tests.proof.jobs import JOBS, Figures, Job

SUMMARY = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")
WORDS = ("lossy:", "covered:", "MISSED")
"""Begin the lines that a job says besides its figures."""

HANGS = 1800.0
"""Seconds after which a round is taken to hang."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the time is over; 1 where anything failed."""
    asked = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    asked.add_argument("--minutes", type=float, default=30, help="no round begins after them")
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
    with suppress(KeyboardInterrupt):
        for job, seed in _waiting(known, told.seed, told.only):
            if time.monotonic() >= until:
                break
            _run(job, seed, known[job.name], _kept(told.state, told.seed))
            told.state.write_text(json.dumps(_content(known, told.seed), indent=1))
    print("\n".join(sheet(known, told.seed)))
    return int(any(figures.failed for figures in known.values()))


def _waiting(known: dict[str, Figures], seed: int, only: str) -> Iterator[tuple[Job, int]]:
    """A round of each; then the rest of what is done once; then what is furthest from what a whole proof asks of it."""
    while True:
        left = [
            job
            for job in JOBS
            if only in job.name and not (job.once and known[job.name].rounds >= job.wanted)
        ]
        if not left:
            return
        rounds = {job.name: known[job.name].rounds for job in left}
        job = min(left, key=lambda job: (rounds[job.name] > 0, not job.once, rounds[job.name] / job.wanted))
        yield job, seed * 1_000_003 + known[job.name].rounds


def _run(job: Job, seed: int, figures: Figures, kept: Path) -> None:
    """One round; what it says goes to its figures."""
    print(f"{job.name}: round {figures.rounds + 1}, seed {seed}", flush=True)
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sn-proof-") as folder:
        counts = Path(folder) / "counts"
        code, told = _tested(job, figures.rounds, seed, {FILE: str(counts), KEPT: str(kept)}, Path(folder))
        figures.counts = added(figures.counts, counts.read_text() if counts.exists() else "")
    figures.seconds += time.monotonic() - since
    figures.rounds += 1
    _tell(job, seed, figures, code, told)


def _tell(job: Job, seed: int, figures: Figures, code: int | None, told: str) -> None:
    counts = {what.removesuffix("s"): int(number) for number, what in SUMMARY.findall(told[-500:])}
    figures.passed += counts.get("passed", 0)
    figures.skipped += counts.get("skipped", 0)
    figures.examples += job.examples * counts.get("passed", 0)
    lines = told.splitlines()
    words = [line for line in lines if line.startswith(WORDS)]
    if any(line.startswith("covered:") for line in words):  # of all groups so far
        figures.said = [line for line in figures.said if not line.startswith("covered:")]
    figures.said += words
    if code is None:
        figures.failed += 1
        figures.said.append(f"seed {seed}: it hangs")
    elif code:
        figures.failed += counts.get("failed", 0) + counts.get("error", 0) or 1
        failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-1:]
        figures.said += [f"seed {seed}: {line}" for line in failures]


def _tested(job: Job, round_: int, seed: int, told: dict[str, str], folder: Path) -> tuple[int | None, str]:
    """How its tests ended, None where they hang, and what they said; they run in a process of their own."""
    environment = {
        **os.environ,
        **told,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": str(seed % 2**32),
        "SYNCNB_PROOF_ROUNDS": "2",
        SEED: str(seed),
    }
    arguments = list(job.parts[round_ % len(job.parts)])
    if job.examples:
        environment["SYNCNB_PROOF_EXAMPLES"] = str(job.examples)
        arguments.append(f"--hypothesis-seed={seed}")
    said = folder / "said"
    with said.open("wb") as out:  # no pipe, which whoever outlives it would keep open
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
        try:
            code: int | None = process.wait(HANGS)
        except BaseException as problem:
            os.killpg(process.pid, signal.SIGKILL)  # and all that it has begun
            process.wait()
            if not isinstance(problem, subprocess.TimeoutExpired):
                raise
            code = None
    return code, said.read_text("utf-8", "replace")


def _kept(state: Path, seed: int) -> Path:
    """Where a job finds again what it kept: of this seed and commit alone."""
    return state.resolve().with_suffix(f".{seed}.{commit()}")


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
