"""LOCAL and REMOTE as they stand on the command line: path, URL or `env:NAME`; a store out."""

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncnb.stores.port import Store

__all__ = ["STORES", "note", "opened"]

STORES = """A store is the path of a SQLite file, a postgresql:// or sqlite:/// URL, or env:NAME for the
environment variable NAME that holds one, which keeps a password out of the process list."""

_PASSWORD = re.compile(r"postgres\S*://[^@]*:[^@]+@|\bpassword\s*=\s*\S", re.IGNORECASE)


def opened(text: str, name: str, *, timezone: str | None = None, writable: bool = False) -> "Store":
    """The store, seen to be readable; what a person should know about it goes to stderr."""
    from syncnb.connecting import connect

    if text.startswith("env:"):
        store = connect(env=text.removeprefix("env:"), timezone=timezone, writable=writable)
    else:
        if _PASSWORD.search(text):
            note(f"the password of {name} is in the process list; env:NAME keeps it out")
        store = connect(text, timezone=timezone, writable=writable)
    for line in store.notes:
        note(f"{store.name}: {line}")
    return store


def note(line: str) -> None:
    """A line beside the result."""
    print(f"note: {line}", file=sys.stderr)
