"""What others have to wait for while a step runs, and how long about."""

from collections.abc import Mapping

from syncnb.steps import Step

__all__ = ["lock_of"]

SPEED: Mapping[str, int] = {
    "fill": 50_000, "add_constraint": 500_000, "create_index": 500_000, "set_not_null": 2_000_000,
    "validate": 2_000_000, "set_type": 200_000, "redefine": 2_000_000,
}  # fmt: skip
"""Rows a second, on the low side; what is not here takes a moment, whatever the size."""
LOCKS: Mapping[str, str] = {
    "create_index": "SHARE: writers wait",
    "fill": "its rows",
    "silence": "SHARE ROW EXCLUSIVE: writers wait",
    "restore": "SHARE ROW EXCLUSIVE: writers wait",
    "validate": "SHARE UPDATE EXCLUSIVE: nobody waits",
    "set_sequence": "SHARE ROW EXCLUSIVE: writers wait",
}
EVERYBODY = "ACCESS EXCLUSIVE: everybody waits"


def lock_of(dialect: str, step: Step, rows: int) -> str:
    """The lock by its name in PostgreSQL, who waits, and for how long about."""
    seconds = rows / SPEED[step.verb] if step.verb in SPEED else 0
    if step.verb == "add_constraint" and step.definition.endswith("NOT VALID"):
        seconds = 0
    long = "a moment" if seconds < 1 else f"about {seconds:,.0f} s"
    if dialect == "sqlite":
        return f"the file, {long}: writers wait"
    if step.concurrently:
        return f"SHARE UPDATE EXCLUSIVE: nobody waits, {long}"
    lock = LOCKS.get(step.verb, EVERYBODY)
    if step.verb == "fill" and step.triggers:
        lock = "SHARE ROW EXCLUSIVE: writers wait"
    if step.definition.startswith("FOREIGN KEY") and step.verb == "add_constraint":
        lock = "SHARE ROW EXCLUSIVE on both tables: writers wait"
    return f"{lock}, {long}"
