"""The long proof goes on where it stopped, whatever stops it, and says of each figure how much stands behind it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.proof import __main__ as proof
from tests.proof.counting import FILE
from tests.proof.jobs import JOBS, Job

MANY = 80


class Runs:
    """Instead of processes; somebody presses Ctrl-C in the middle of every fifth round."""

    def __init__(self) -> None:
        self.parts: Counter[tuple[str, int]] = Counter()
        self.calls = 0

    def __call__(
        self, job: Job, round_: int, seed: int, told: dict[str, str], folder: Path
    ) -> tuple[int | None, str]:
        self.calls += 1
        if self.calls % 5 == 0:
            raise KeyboardInterrupt
        self.parts[job.name, round_ % len(job.parts)] += 1
        if job.name == "races":
            Path(told[FILE]).write_text("3 deadlocks provoked\n2 deadlocks resolved\n")
            return 1, "FAILED tests/races/x.py::y - it was lost\n1 failed, 7 passed in 1 s"
        if job.name == "interrupts":
            return None, ""
        return 0, "lossy: -0\n2 passed in 1 s" if job.name == "cuts" else "2 passed in 1 s"


def test_it_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    runs = Runs()
    monkeypatch.setattr(proof, "_tested", runs)
    monkeypatch.setattr("tests.proof.figures.commit", lambda: "abc")
    monkeypatch.setattr(proof, "commit", lambda: "abc")
    while runs.calls < MANY:
        code = proof.main(["--seed", "7", "--state", str(tmp_path / "state.json")])
    told = capsys.readouterr().out.split("syncnb abc")[-1]
    for job in JOBS:
        each = [runs.parts[job.name, at] for at in range(len(job.parts))]
        assert set(each) == {1} if job.once else each[0] >= 1, (job.name, each)
    races = runs.parts["races", 0]
    assert f"{3 * races} deadlocks provoked, {2 * races} resolved" in told
    assert "it was lost" in told
    assert "it hangs" in told
    assert "0 lost rows" not in told
    assert "0 of 84 faults proved" in told, "nobody counted them"
    assert told.count("lossy: -0") == 3
    assert (code, list(tmp_path.iterdir())) == (1, [tmp_path / "state.json"])
    proof.main(["--seed", "8", "--state", str(tmp_path / "state.json"), "--minutes", "0"])
    assert f"{0:>7}{0:>8}{0:>8}" in capsys.readouterr().out.splitlines()[2], "another seed begins anew"
