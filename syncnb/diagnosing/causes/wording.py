"""Whether a message says something, whatever its case.

Each line of a log is asked for hundreds of wordings. A pattern in small letters over a text in small letters is found
several times as fast as one that has to disregard case at each character.
"""

import re
from functools import cache

__all__ = ["KEPT", "says", "shape"]

KEPT = re.compile("0+|2|65535")
"""The numbers that wordings ask for; of any other it does not matter which it is."""

LETTER = re.compile(r"\\.|[^\\]", re.DOTALL)


def says(pattern: str, lowered: str) -> bool:
    """Whether a text, given in small letters, holds this pattern, written in any."""
    return _compiled(pattern).search(lowered) is not None


def shape(line: str) -> str:
    """A line without its numbers: lines of one shape say the same of their causes."""
    return re.sub(r"\d+", lambda found: found[0] if KEPT.fullmatch(found[0]) else "1", line)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(LETTER.sub(lambda one: one[0] if one[0][0] == "\\" else one[0].lower(), pattern))
