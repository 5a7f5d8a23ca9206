"""What a test did, told to `python -m tests.proof`: a line in a file, from whatever process; else nothing."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "ALONE", "FILE", "HARM", "JUDGED", "KEPT", "MOST", "ROUND", "SEED", "added", "count", "draws", "judged", "parts", "share",
    "silent", "turn",
]  # fmt: skip

ALONE = ("-q", "-o", "addopts=", "-p", "no:cacheprovider")
"""What pytest is told where it is started by a test or a proof: nothing of the options of the suite."""
OURS = "SYNCNB_PROOF_"
FILE = "SYNCNB_PROOF_COUNTS"
KEPT = "SYNCNB_PROOF_KEPT"
"""Names the folder of what a job wants to find again in its next round."""
SEED = "SYNCNB_PROOF_SEED"
ROUND = "SYNCNB_PROOF_ROUND"
HARM = "rows lost, overwritten or applied twice"
JUDGED = "looks at every row"
MOST = "most "
"""Begins the name of a figure of which the greatest counts, and not the sum."""


def count(what: str, number: int = 1) -> None:
    """So many more of it were done: in one write, so that processes do not mix."""
    path = os.environ.get(FILE)
    if path:
        with Path(path).open("a") as file:
            file.write(f"{number} {what}\n")


def added(counts: dict[str, int], text: str) -> dict[str, int]:
    """The figures with those that were told since."""
    found = Counter(counts)
    for line in text.splitlines():
        number, _, what = line.partition(" ")
        found[what] = max(found[what], int(number)) if what.startswith(MOST) else found[what] + int(number)
    return dict(found)


def share(number: int) -> int | None:
    """How many of a long list the suite does; None where this is the proof, which does them all."""
    return None if os.environ.get(FILE) else number


def draws(seed: int) -> random.Random:
    """The same in each run of the suite, others in each round of the proof."""
    return random.Random(int(os.environ.get(SEED, seed)))


def turn() -> int:
    """How many rounds of this job the proof has begun before; 0 in the suite."""
    return int(os.environ.get(ROUND, "0"))


def parts(number: int) -> list[int]:
    """The order in which the rounds of a proof take so many parts, each one: the same in all of them, another for each seed."""
    order = random.Random(int(os.environ.get(SEED, "0")) - turn())
    return order.sample(range(number), number)


@contextmanager
def judged() -> Iterator[None]:
    """What stands in the users' tables is compared in this block with what may stand there.

    Where it fails, a row was lost, overwritten or written twice: of all failures these alone are counted as that.
    """
    count(JUDGED)
    try:
        yield
    except AssertionError as problem:
        if not hasattr(problem, "counted"):  # in a block within this one
            problem.counted = True  # type: ignore[attr-defined]
            count(HARM)
        raise


@contextmanager
def silent() -> Iterator[None]:
    """What runs in this block, also in other processes, does as the suite does, and counts nothing."""
    told = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(OURS)}
    try:
        yield
    finally:
        os.environ.update(told)
