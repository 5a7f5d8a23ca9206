"""What the proof runs: each job is tests or a program of its own, in a process of its own."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.proof.counting import ALONE
from tests.proof.covering import GROUPS

__all__ = ["JOBS", "MACHINES", "Figures", "Job"]

PYTEST = ("-m", "pytest", *ALONE, "--tb=short", "--show-capture=no")


@dataclass(frozen=True)
class Job:
    """One thing that is done in each round, or once."""

    name: str
    parts: tuple[tuple[str, ...], ...]
    """The arguments of Python: each round runs the next of them, so that a round is a matter of minutes."""
    examples: int = 0
    """How many are drawn for each property or machine of it, in one round."""
    goal: int = 0
    """After how many rounds it has done what a whole proof asks of it: 5,000 examples, 1,000 kills, 200 cuts."""
    alone: bool = False
    """Whether it measures seconds, which somebody else at work would make more."""

    @property
    def once(self) -> bool:
        """Whether another round would do the same again."""
        return not self.goal

    @property
    def wanted(self) -> int:
        """Rounds."""
        return self.goal or len(self.parts)


@dataclass
class Figures:
    """What is known so far of one job."""

    done: list[int] = field(default_factory=list)
    """The numbers of the rounds that came to their end; a lower one may still be open."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    examples: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    """What its tests did, as they counted it."""
    said: list[str] = field(default_factory=list)
    """Failures, each with the seed that draws it again; what its tests say in words."""

    @property
    def rounds(self) -> int:
        return len(self.done)

    def content(self) -> dict[str, Any]:
        return asdict(self)


def suite(name: str, *parts: tuple[str, ...], examples: int = 0, goal: int = 0) -> Job:
    """Each part is what pytest is told."""
    return Job(name, tuple((*PYTEST, *part) for part in parts), examples, goal)


def machine(name: str, file: str, examples: int) -> Job:
    """5,000 examples of it on each engine, so many a round."""
    return suite(
        f"machine: {name}", (f"tests/machines/test_{file}.py",), examples=examples, goal=-(-5000 // examples)
    )


MACHINES = (
    machine("repair", "repairing", 20),
    machine("crashes", "crashing", 10),
    machine("collisions", "colliding", 10),
    machine("three-way, one way", "capturing", 6),
    machine("three-way, both ways", "syncing", 6),
    machine("clocks", "clocks", 20),
    machine("migration", "migrating", 15),
)
KILLED = (
    "tests/faults/test_kill.py", "tests/migrating/test_stages.py", "tests/test_outside.py", "tests/test_syncing.py",
    "tests/test_upserting.py",
)  # fmt: skip
CUT = "tests/faults/test_commit_cut.py::test_"
APART = ("commit_cut", "interrupts", "kill", "server_kill")
"""Tests of faults that have jobs of their own."""
JOBS = (
    Job("types there and back", (("-m", "tests.proof.trips"),)),
    suite("races", ("tests/races",), goal=10),
    suite("roles, secrets, hostile input", ("tests/test_roles.py", "tests/test_secrets.py", "tests/test_hostile.py")),
    suite("kills at each point", (*KILLED, "-k", "kill and not random"), goal=50),
    suite("kills at random", ("tests/faults/test_kill.py", "tests/test_syncing.py", "-k", "random"), goal=20),
    suite("kills of the server", ("tests/faults/test_server_kill.py",), goal=5),
    suite("interrupts", ("tests/faults/test_interrupts.py",), goal=300),
    Job("time", (("-m", "tests.proof.timing"),), alone=True),
    *MACHINES,
    suite("fuzz", ("tests/fuzz",), examples=25, goal=40),
    suite("hostile input in a browser", *((f"tests/browser/test_{name}.py", "-k", "hostile") for name in ("grid", "panel"))),
    suite(
        "every combination of values", ("tests/laws/test_values.py",), ("tests/test_writing_values.py",), ("tests/test_exchanges.py",),
        ("tests/test_threeway.py",),
    ),
    suite("cuts", (f"{CUT}cuts_at_commit",), (f"{CUT}a_dialogue_cut_at_its_messages_and_bytes",), (f"{CUT}a_peer_that_never_answers_again",)),
    suite("faults", ("tests/faults", *(f"--ignore=tests/faults/test_{name}.py" for name in APART))),
    Job("mutants", (("-m", "tests.mutants"),)),
    Job("branch coverage", tuple(("-m", "tests.proof.covering", name) for name in GROUPS)),
)  # fmt: skip
