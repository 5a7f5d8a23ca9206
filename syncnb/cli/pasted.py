"""What a person pastes or names on the command line: a log from a file or standard input, tables, conflict targets."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from syncnb.cli.arguments import names_by_table
from syncnb.errors import SyncnbError

__all__ = ["read_text", "tables_told", "targets_told", "text_or_file"]

MOST = 20_000_000
"""Characters of a log that are read: what matters of a longer one is at its end."""


def read_text(name: str) -> str:
    """The text of a file, or of standard input where the name is `-`. Raises SyncnbError."""
    if name == "-":
        return sys.stdin.read(MOST)
    try:
        data = Path(name).read_bytes()
    except OSError as problem:
        raise SyncnbError(
            f"{name} cannot be read: {problem.strerror}", hint="give the path of a text file, or - for stdin"
        ) from None
    return data.decode("utf-8-sig", "replace")[-MOST:]


def text_or_file(text: str | None) -> str:
    """The text itself, or that of the file which it names."""
    if text is None:
        return ""
    with suppress(OSError, ValueError):
        if len(text) < 1000 and Path(text).is_file():
            return read_text(text)
    return text


def tables_told(told: Sequence[str] | None) -> list[str] | dict[str, str] | None:
    """`T` as tables, `PASTED=T` as what a name in a message means."""
    if not told:
        return None
    if not any("=" in text for text in told):
        return list(told)
    return {name: columns[0] for name, columns in names_by_table(told, "--table").items()}


def targets_told(told: Sequence[str] | None) -> list[str] | dict[str, list[str]] | None:
    """`a,b` as a target for all tables, `T=a,b` for one."""
    if not told:
        return None
    if len(told) == 1 and "=" not in told[0]:
        return [name.strip() for name in told[0].split(",")]
    return names_by_table(told, "--target")
