"""Round after round of machines, fuzz, races, faults and mutants; figures that a later call goes on from.

A round that has begun comes to its end, which is a matter of minutes; Ctrl-C gives it up, and prints the figures.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.proof.counting import added
from tests.proof.figures import commit, sheet
from tests.proof.jobs import JOBS, Figures, Job
from tests.proof.rounds import LOOKS, Outcome, Round

SUMMARY = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")
WORDS = ("lossy:", "covered:", "MISSED")
"""Begin the lines that a job says besides its figures."""


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
    asked.add_argument(
        "--jobs", type=int, default=1, help="rounds at a time; one that measures seconds runs alone"
    )
    told = asked.parse_args(arguments)
    known = _known(told.state, told.seed)
    with suppress(KeyboardInterrupt):
        _run(known, told, time.monotonic() + 60 * told.minutes)
    print("\n".join(sheet(known, told.seed)))
    return int(any(figures.failed for figures in known.values()))


def _run(known: dict[str, Figures], told: argparse.Namespace, until: float) -> None:
    """So many rounds at a time; each is added to the figures when it has ended."""
    running: list[Round] = []
    kept = _kept(told.state, told.seed)
    try:
        while True:
            while time.monotonic() < until and (one := _next(known, running, told.only, told.jobs)):
                job, number = one
                running.append(Round(job, number, told.seed, kept))
                print(f"{job.name}: round {number + 1}, seed {running[-1].seed}", flush=True)
            if not running:
                return
            for each in [each for each in running if each.ended()]:
                running.remove(each)
                _tell(each, known[each.job.name], each.outcome())
                told.state.write_text(json.dumps(_content(known, told.seed), indent=1))
            time.sleep(LOOKS)
    finally:
        for each in running:
            each.give_up()


def _next(
    known: Mapping[str, Figures], running: Sequence[Round], only: str, jobs: int
) -> tuple[Job, int] | None:
    """What begins now, and its number; None where nothing is left, or has to wait for what runs.

    A round of each; then the rest of what is done once; then what is furthest from what a whole proof asks of it.
    """
    if len(running) >= max(1, jobs) or any(each.job.alone for each in running):
        return None
    begun = Counter(each.job.name for each in running)
    rounds = {job.name: known[job.name].rounds + begun[job.name] for job in JOBS}
    left = [job for job in JOBS if only in job.name and not (job.once and rounds[job.name] >= job.wanted)]
    if not left:
        return None
    job = min(left, key=lambda job: (rounds[job.name] > 0, not job.once, rounds[job.name] / job.wanted))
    if job.alone and running:
        return None
    taken = {*known[job.name].done, *(each.number for each in running if each.job.name == job.name)}
    return job, next(number for number in range(len(taken) + 1) if number not in taken)


def _tell(one: Round, figures: Figures, outcome: Outcome) -> None:
    """What a round says goes to the figures of its job."""
    figures.done.append(one.number)
    figures.seconds += outcome.seconds
    figures.counts = added(figures.counts, outcome.counts)
    counts = {what.removesuffix("s"): int(number) for number, what in SUMMARY.findall(outcome.said[-500:])}
    figures.passed += counts.get("passed", 0)
    figures.skipped += counts.get("skipped", 0)
    figures.examples += one.job.examples * counts.get("passed", 0)
    lines = outcome.said.splitlines()
    words = [line for line in lines if line.startswith(WORDS)]
    if any(line.startswith("covered:") for line in words):  # of all groups so far
        figures.said = [line for line in figures.said if not line.startswith("covered:")]
    figures.said += words
    if outcome.code is None:
        figures.failed += 1
        figures.said.append(f"seed {one.seed}: it hangs")
    elif outcome.code:
        figures.failed += counts.get("failed", 0) + counts.get("error", 0) or 1
        failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))] or lines[-1:]
        figures.said += [f"seed {one.seed}: {line}" for line in failures]


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
