"""The engine speaks Python; here its advice is put into the words of the command line."""

import re

__all__ = ["in_command_words"]

_WORDS = (
    (r'tables=\{("[^"]*"): ("[^"]*")\}', r"--match FILE with [tables] \1 = \2"),
    (r'columns=\{("[^"]*"): ("[^"]*")\}', r"--match FILE with [columns.TABLE] \1 = \2"),
    (r"\(tables=\[\.\.\.\]\)", "(--table)"),
    (r"\bpass key= to diff\b", "pass --key TABLE=a,b"),
    (r"\bor else env=NAME|\benv=NAME\b", "or env:NAME"),
    (r", then restart the kernel|, or with %env in the notebook", ""),
    (r"\bsee \.rows and \.cells", "--cells lists them all"),
    (r" \(\.explain\(key, column\) tells which\)", ""),
)


def in_command_words(advice: str) -> str:
    """A hint or note of the engine, as somebody needs it who types commands.

    >>> in_command_words("… 81 more: see .rows and .cells")
    '… 81 more: --cells lists them all'
    """
    for pattern, words in _WORDS:
        advice = re.sub(pattern, words, advice)
    return advice
