"""A round of a job: a process of its own, with a folder of its own, and what is there when it has ended."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.databases import in_memory
from tests.proof.counting import FILE, KEPT, ROUND, SEED
from tests.proof.figures import ROOT
from tests.proof.jobs import Job

__all__ = ["HANGS", "LOOKS", "Outcome", "Round"]

HANGS = 1800.0
"""Seconds after which a round is taken to hang."""
GONE = 10.0
"""Seconds in which all that a round began has to be gone."""
LOOKS = 0.05
"""Seconds between two looks at what runs."""


@dataclass(frozen=True)
class Outcome:
    """How the tests of a round ended."""

    code: int | None
    """Of the process; None where it hangs."""
    said: str
    counts: str
    """Lines of what was counted."""
    seconds: float


class Round:
    """One that runs, from its making on."""

    def __init__(self, job: Job, number: int, seed: int, kept: Path) -> None:
        """`number`: how many of this job came before, from 0. `kept`: where a job finds again what it kept."""
        self.job, self.number, self.seed = job, number, seed * 1_000_003 + number
        self._folder = Path(tempfile.mkdtemp(prefix="sn-proof-", dir=in_memory()))
        self._folder.chmod(0o1777)  # as /tmp: servers may run as another user
        self._since = time.monotonic()
        environment = {**os.environ, **self._told(kept)}
        arguments = list(job.parts[number % len(job.parts)])
        if job.examples:
            environment["SYNCNB_PROOF_EXAMPLES"] = str(job.examples)
            arguments.append(f"--hypothesis-seed={self.seed}")
        with self._file("said").open("wb") as out:  # no pipe, which whoever outlives it would keep open
            self._process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    def _told(self, kept: Path) -> dict[str, str]:
        return {
            FILE: str(self._file("counts")),
            KEPT: str(kept),
            SEED: str(self.seed),
            ROUND: str(self.number),
            "TMPDIR": str(self._folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": str(self.seed % 2**32),
            "SYNCNB_PROOF_ROUNDS": "2",
        }

    def _file(self, name: str) -> Path:
        return self._folder / name

    @property
    def _hangs(self) -> bool:
        return self._process.poll() is None and time.monotonic() - self._since > HANGS

    def ended(self) -> bool:
        """Whether there is an outcome."""
        return self._process.poll() is not None or self._hangs

    def outcome(self) -> Outcome:
        """Once it has ended; then nothing is left of it."""
        code = None if self._hangs else self._process.wait()
        counts, said = self._file("counts"), self._file("said").read_text("utf-8", "replace")
        counted = counts.read_text() if counts.exists() else ""
        found = Outcome(code, said, counted, time.monotonic() - self._since)
        self.give_up()
        return found

    def give_up(self) -> None:
        """End it, and all that it has begun."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        until = time.monotonic() + GONE
        while self._folder.exists() and time.monotonic() < until:  # servers notice, and take their time
            shutil.rmtree(self._folder, ignore_errors=True)
            time.sleep(LOOKS)
