"""The engine speaks Python; here its advice is put into the words of the command line."""

import re
from collections.abc import Callable

__all__ = ["in_command_words"]


def _allow(found: re.Match[str]) -> str:
    return f"--allow {' '.join(re.findall(r'[a-z_]+', found[1]))}"


_WORDS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r'tables=\{("[^"]*"): ("[^"]*")\}', r"--match FILE with [tables] \1 = \2"),
    (r'columns=\{("[^"]*"): ("[^"]*")\}', r"--match FILE with [columns.TABLE] \1 = \2"),
    (r"\(tables=\[\.\.\.\]\)", "(--table)"),
    (r"\bpass key= to diff\b", "pass --key TABLE=a,b"),
    (r"\bor else env=NAME|\benv=NAME\b", "or env:NAME"),
    (r", then restart the kernel|, or with %env in the notebook", ""),
    (r"\bsee \.rows and \.cells", "--cells lists them all"),
    (r" \(\.explain\(key, column\) tells which\)", ""),
    (r"\ballow=\(([^()]*)\)", _allow),
    (r"^resolve= names", "--resolve names"),
    (r"\(resolve=, or p\.decide\)", "(--resolve)"),
    (r"\(resolve=\{\.\.\.\}, p\.decide\)", "(--resolve TABLE=insert_only)"),
    (r"\(?\bsn\.diff\(local, remote, tables=\[\.\.\.\]\)", "--table T"),
    (
        r'sn\.connect\(…, timezone="UTC"\) or timezone=\{("[^"]*"): ',
        r"--timezone SIDE=UTC or --match FILE with [timezone] \1 = ",
    ),
    (r' = "Europe/Berlin"\}', ' = "Europe/Berlin"'),
    (r"\bconnect without writable=True, or ask\b", "ask"),
    (r"\bsave one with p\.save\(path\)", "`syncnb plan … --out FILE` saves one"),
    (r"\bsee \.preview\(\)", "`syncnb show FILE --all` lists them"),
    (r"\bsee \.outcomes", "`syncnb history STORE RUN --json` lists them all"),
    (r"\bsee \.frame", "--json lists them all"),
    (r"\bcompare whole \(sn\.diff\)", "compare whole (`syncnb diff`)"),
    (r"\bsn\.track\(store\) begins", "`syncnb track STORE` begins"),
    (r"\bsource=\"sync_tracking\" reads", "--source sync_tracking reads"),
    (r"\bits line in \.frame says\b", "`syncnb history STORE` says"),
    (r"\bsn\.history\(store\) lists", "`syncnb history STORE` lists"),
    (r"`syncnb journal --sql` prints", "`syncnb journal --sql STORE` prints"),
    (r"\bcompare with key=\(…\)", "compare with --key TABLE=a,b"),
)


def in_command_words(advice: str) -> str:
    """A hint or note of the engine, as somebody needs it who types commands.

    >>> in_command_words("… 81 more: see .rows and .cells")
    '… 81 more: --cells lists them all'
    """
    for pattern, words in _WORDS:
        advice = re.sub(pattern, words, advice)
    return advice
