"""What the proof runs: each job is tests or a program of its own, in a process of its own."""

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["JOBS", "MACHINES", "Figures", "Job"]

PYTEST = ("-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "--tb=short", "--show-capture=no")


@dataclass(frozen=True)
class Job:
    """One thing that is done in each round, or once."""

    name: str
    arguments: tuple[str, ...]
    examples: int = 0
    """How many are drawn for each property or machine of it, in one round."""
    goal: int = 1
    """After how many rounds it has done what a whole proof asks of it: 5,000 examples, 1,000 kills, 200 cuts."""
    once: bool = False


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
    """Failures, each with the seed that draws it again; what its tests say in words; the last line of the mutants."""

    def content(self) -> dict[str, Any]:
        return asdict(self)


def machine(name: str, file: str, examples: int) -> Job:
    """5,000 examples of it, so many a round."""
    return Job(
        f"machine: {name}", (*PYTEST, f"tests/machines/test_{file}.py"), examples, goal=-(-5000 // examples)
    )


MACHINES = (
    machine("repair", "repairing", 20),
    machine("crashes", "crashing", 10),
    machine("collisions", "colliding", 10),
    machine("three-way, one way", "capturing", 6),
    machine("three-way, both ways", "syncing", 6),
    machine("clocks", "clocks", 40),
    machine("migration", "migrating", 25),
)
KILLS = (
    "tests/faults/test_kill.py", "tests/faults/test_server_kill.py", "tests/migrating/test_stages.py", "tests/test_outside.py",
    "tests/test_syncing.py", "tests/test_upserting.py", "-k", "kill",
)  # fmt: skip
SECURITY = (
    "tests/test_roles.py",
    "tests/test_secrets.py",
    "tests/test_hostile.py",
    "tests/faults/test_security.py",
)
COMBINATIONS = (
    "tests/laws/test_values.py",
    "tests/test_writing_values.py",
    "tests/test_exchanges.py",
    "tests/test_threeway.py",
)
JOBS = (
    Job("types there and back", ("-m", "tests.proof.trips"), once=True),
    Job("races", (*PYTEST, "tests/races"), goal=10),
    Job("roles, secrets, hostile input", (*PYTEST, *SECURITY), once=True),
    Job("kills", (*PYTEST, *KILLS), goal=12),
    Job("interrupts", (*PYTEST, "tests/faults/test_interrupts.py"), goal=100),
    Job("time", ("-m", "tests.proof.timing"), once=True),
    *MACHINES,
    Job("fuzz", (*PYTEST, "tests/fuzz"), examples=25, goal=40),
    Job("hostile input in a browser", (*PYTEST, "tests/browser", "-k", "hostile"), once=True),
    Job("every combination of values", (*PYTEST, *COMBINATIONS), once=True),
    Job("faults and cuts", (*PYTEST, "tests/faults"), once=True),
    Job("mutants", ("-m", "tests.mutants"), once=True),
    Job("branch coverage", ("-m", "tests.proof.covering"), once=True),
)
