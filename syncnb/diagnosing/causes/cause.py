"""What a cause is: a name, a sentence, how bad it is, what to look at, what to do."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Cause", "Severity", "named"]

Severity: TypeAlias = Literal["error", "silent", "warning", "open"]
"""error: it fails. silent: it succeeds and loses or doubles data. warning: it will fail or slow down some
day. open: it cannot be told yet."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of the vocabulary."""

    name: str
    severity: Severity
    sentence: str
    """What is wrong, in one sentence without a full stop."""
    gather: str
    """What to look at to be sure."""
    fix: str
    """The next move."""


def named(*causes: Cause) -> dict[str, Cause]:
    """The causes by name; a name that stands twice is a fault of ours."""
    found = {cause.name: cause for cause in causes}
    if len(found) != len(causes):
        raise ValueError("a cause stands twice")
    return found
