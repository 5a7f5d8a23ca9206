"""Counts as text that one sees at a glance: bars of a fixed width, and lines of blocks."""

from collections.abc import Iterable

__all__ = ["bar", "blocks"]

ACROSS = " ▏▎▍▌▋▊▉█"
UPWARDS = " ▁▂▃▄▅▆▇█"
EIGHTHS = 8


def bar(part: int, whole: int, width: int = 20, *, rest: str = " ") -> str:
    """A part of a whole as a bar, filled up with `rest`: something is never nothing, and less is never all.

    >>> bar(1, 2, 4), bar(1, 1000, 4), bar(999, 1000, 4), bar(0, 0, 4, rest="░")
    ('██  ', '▏   ', '███▉', '░░░░')
    """
    full = width * EIGHTHS
    length = _eighths(part, whole, full)
    length = min(length, full - 1) if part < whole else length
    return (ACROSS[-1] * (length // EIGHTHS) + ACROSS[length % EIGHTHS].strip()).ljust(width, rest)


def blocks(counts: Iterable[int], most: int) -> str:
    """One block for each count, as high as it is against the greatest: something is never nothing.

    >>> blocks([0, 1, 500, 1000], 1000)
    ' ▁▄█'
    """
    return "".join(UPWARDS[_eighths(count, most, EIGHTHS)] for count in counts)


def _eighths(part: int, whole: int, full: int) -> int:
    return min(max(part * full // whole, 1), full) if part > 0 and whole > 0 else 0
