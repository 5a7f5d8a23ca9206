"""What a mutant is."""

from dataclasses import dataclass

__all__ = ["APPLYING", "JOURNAL", "STORES", "Mutant"]

APPLYING, STORES, JOURNAL = "syncnb/applying/", "syncnb/stores/", "syncnb/journal/"


@dataclass(frozen=True)
class Mutant:
    """One promise, broken. Each edit is a file, what stands there exactly once, and what stands there instead."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]
    meant: str
    """A part of a line of the failure: a test that fails for another reason has noticed nothing."""
