"""The long proof goes on where it stopped, whatever stops it, and says of each figure how much stands behind it."""

import random
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from syncnb.failpoints import POINTS
from tests.proof import __main__ as proof
from tests.proof.counting import FILE, HARM, JUDGED, ROUND, SEED, added, judged, parts
from tests.proof.figures import BRANCHES, sheet
from tests.proof.jobs import JOBS, Figures, Job
from tests.proof.rounds import Outcome
from tests.proof.sparing import stay

MANY = 120


class Fake:
    """Instead of a process; somebody presses Ctrl-C in the middle of every ninth round."""

    draw: ClassVar[random.Random]
    ended_parts: ClassVar[Counter[tuple[str, int]]]
    numbers: ClassVar[list[tuple[str, int]]]
    running: ClassVar[list["Fake"]]
    most: ClassVar[int]

    @classmethod
    def anew(cls) -> None:
        cls.draw, cls.ended_parts, cls.numbers, cls.running, cls.most = random.Random(3), Counter(), [], [], 0

    def __init__(self, job: Job, number: int, seed: int, kept: Path) -> None:
        self.job, self.number, self.seed = job, number, seed * 1_000_003 + number
        self.running.append(self)
        type(self).most = max(self.most, len(self.running))
        assert not any(each.job.alone for each in self.running) or len(self.running) == 1

    def ended(self) -> bool:
        if self.draw.random() < 0.05:
            raise KeyboardInterrupt
        return self.draw.random() < 0.5

    def outcome(self) -> Outcome:
        self.give_up()
        self.numbers.append((self.job.name, self.number))
        self.ended_parts[self.job.name, self.number % len(self.job.parts)] += 1
        if self.job.name == "races":
            told = "FAILED tests/races/x.py::y - it was lost\n1 failed, 7 passed in 1 s"
            return Outcome(1, told, "3 deadlocks provoked\n2 deadlocks resolved\n", 1.0)
        if self.job.name == "interrupts":
            return Outcome(None, "", "", 1.0)
        said = "lossy: -0\n2 passed in 1 s" if self.job.name == "cuts" else "2 passed in 1 s"
        return Outcome(0, said, "", 1.0)

    def give_up(self) -> None:
        self.running.remove(self)


@pytest.mark.parametrize("jobs", [1, 3])
def test_it_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, jobs: int
) -> None:
    Fake.anew()
    monkeypatch.setattr(proof, "Round", Fake)
    monkeypatch.setattr(proof, "LOOKS", 0)
    monkeypatch.setattr("tests.proof.figures.commit", lambda: "abc")
    monkeypatch.setattr(proof, "commit", lambda: "abc")
    told = ["--jobs", str(jobs), "--state", str(tmp_path / "state.json")]
    while len(Fake.numbers) < MANY:
        code = proof.main(["--seed", "7", *told])
        assert Fake.running == [], "none is left behind"
    text = capsys.readouterr().out.split("syncnb abc")[-1]
    assert Fake.most == jobs
    for job in JOBS:
        each = [Fake.ended_parts[job.name, at] for at in range(len(job.parts))]
        assert set(each) == {1} if job.once else each[0] >= 1, (job.name, each)
        numbers = sorted(number for name, number in Fake.numbers if name == job.name)
        assert numbers == list(range(len(numbers))), "each once, whichever was given up"
    races = Fake.ended_parts["races", 0]
    assert f"{3 * races} deadlocks provoked, {2 * races} resolved" in text
    assert "it was lost" in text
    assert "it hangs" in text
    failed = f"{races + Fake.ended_parts['interrupts', 0]} failures of tests and machines, in {len(JOBS)} of {len(JOBS)} jobs, races: {races}"
    assert failed in text
    assert "0 lost rows" in text, "a test that fails is not a row that is lost"
    assert "0 of 84 faults proved" in text, "nobody counted them"
    assert text.count("lossy: -0") == 3
    assert (code, list(tmp_path.iterdir())) == (1, [tmp_path / "state.json"])
    proof.main(["--seed", "8", *told, "--minutes", "0"])
    assert f"{0:>7}{0:>8}{0:>8}" in capsys.readouterr().out.splitlines()[2], "another seed begins anew"


def test_only_what_the_rows_say_is_counted_as_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE, str(tmp_path / "counts"))
    with judged():
        pass
    with pytest.raises(AssertionError, match="lost"), judged(), judged():
        raise AssertionError("lost")
    with pytest.raises(KeyError), judged():
        raise KeyError
    counts = added({}, (tmp_path / "counts").read_text())
    assert counts == {JUDGED: 4, HARM: 1}, "once each, however deep"


def test_all_rounds_take_the_parts_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for seed, number in ((7, 0), (7, 5), (8, 5)):
        monkeypatch.setenv(SEED, str(seed * 1_000_003 + number))
        monkeypatch.setenv(ROUND, str(number))
        orders.append(parts(300))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(300))


def test_a_few_rows_are_spread_over_all() -> None:
    assert [sorted(stay(number, 3)) for number in (0, 1, 3, 4, 9)] == [
        [],
        [0],
        [0, 1, 2],
        [0, 2, 3],
        [0, 4, 8],
    ]
    assert stay(5, 1) == {0}


COUNTED = {
    HARM: 0, JUDGED: 1200, "sums of a ledger, after a death": 90, "kills of a process at random": 10,
    **{f"kills at {point}": 2 for point in POINTS if point != "batch"}, "kills of the server": 50,
    "interrupts at a named point": 3, "interrupts at any moment of a diff or an apply": 4, "most moments of diff on sqlite": 8,
    "cuts at COMMIT, the verdict right": 75, "syncs when nothing was left to pass on": 6,
    "undos that were applied": 9, "undos, each row as before": 8, "undos of migrations, rows and definitions as before": 1,
    "most faults proved": 84, "mutants planted": 79, "mutants noticed": 79, "steps of machines": 40,
    "refusals that came": 3, "refusals that the oracle foresaw": 3, "most rounds of sync until both were the same": 1,
    "deadlocks provoked": 5, "deadlocks resolved": 5, "types that went to SQLite and back": 47,
    "types of which every value came back exactly": 40, "values that went to SQLite and back": 359,
    "texts that were searched for the password": 86, "pages in which a script did not fire": 12, BRANCHES: 4000,
    f"{BRANCHES} that its tests take": 3000, "most groups of tests by which branches were measured": 8,
    "most milliseconds until all was passed on after a death": 1123, "most milliseconds for a diff of 100,000 rows": 900,
    "peers that never answered again, the verdict right": 2, "something else": 1,
}  # fmt: skip
PRINTED = """
0 lost rows, unrecoverable overwrites and double applies, in 1,200 looks at every row
0 failures of tests and machines, in 2 of 2 jobs
0 violations after 107 deaths
0 of 90 sums of a ledger that a death did not keep
0 wrong verdicts on 75 cuts at COMMIT, 0 within a dialogue, 2 silent peers
0 records that a third sync wrote, in 6 of them
0 changes that still waited behind the sync after a death
0 of 86 texts with the canary of a password
0 canaries of a script that fired, of 12 looks at a page
0 crashes in 50 executions of the fuzz
0 of 359 values that came back as another, and nobody had said so
84 of 84 faults proved
79 of 79 planted mutants noticed
0 examples of 0 of 7 machines, 40 steps
50 kills of a process, 7 interrupts, 50 kills of the server
4 of 8 moments of a diff and an apply were interrupted
20 of 21 failpoints hit, 2 times or more, and not batch
9 of 9 undos exact, value by value
3 refusals, 3 foreseen by the oracle
1 round of sync, at most, until both were the same
5 deadlocks provoked, 5 resolved
40 of 47 types came back exactly, others as told below
75.0 % of 4,000 branches of the engine are taken by 8 of
1,123 ms, at most, until all was passed on after a death
0.9 s for a diff of 100,000 rows
1 something else
"""


def test_every_figure_has_its_line() -> None:
    known = {"fuzz": Figures(done=[0], examples=50), "races": Figures(done=[0], counts=COUNTED)}
    told = [line.strip() for line in sheet(known, 7)]
    for line in PRINTED.strip().splitlines():
        assert any(each.startswith(line) for each in told), line
