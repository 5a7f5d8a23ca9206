"""How words on the command line are read: argparse, with errors that are one line and a hint."""

import argparse
import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import NoReturn

from syncnb.errors import SyncnbError

__all__ = ["Parser", "names_by_table", "scrubbed", "spelled_out", "split_told", "without_secrets"]


_PASSWORD = re.compile(r"://[^:@/]*:(.+)@|\bpassword\s*=\s*('(?:[^'\\]|\\.)+'|[^\s']+)", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours: no usage text around them, no exit, no secret repeated."""

    def __init__(self, command: str, description: str, *, epilog: str | None = None) -> None:
        super().__init__(
            prog=f"syncnb {command}",
            description=description,
            epilog=epilog,
            allow_abbrev=False,  # an abbreviation breaks with the next option that begins alike
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise SyncnbError with what is wrong and, for a mistyped option, what was meant."""
        raise SyncnbError(scrubbed(message), hint=self._hint(message))

    def _hint(self, message: str) -> str:
        typed = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        options = re.findall(r"--[\w-]+", self.format_usage())
        near = get_close_matches(typed[1], options, n=1) if typed else []
        return f"did you mean {near[0]}?" if near else f"`{self.prog} --help` shows how to call it"


def scrubbed(text: str) -> str:
    """The text up to where a password may begin: a URL's `//`, or `password=`.

    >>> scrubbed("unrecognized arguments: postgresql://ann:secret@host/db")
    'unrecognized arguments: postgresql://***'
    """
    return re.sub(r"(://|password\s*=).+", r"\1***", text, flags=re.DOTALL | re.IGNORECASE)


def without_secrets(text: str, typed: Sequence[str]) -> str:
    """The text without any password that stands in the words that were typed."""
    for word in typed:
        for secret in _PASSWORD.findall(word):
            text = text.replace("".join(secret), "***")
    return text


def spelled_out(
    argv: Sequence[str], *, repeated: Collection[str], single: Collection[str] = (), positionals: int = 2
) -> list[str]:
    """`LEFT RIGHT --table a b` as `LEFT RIGHT --table a --table b`: so many words are always the stores.

    argparse either takes one value an option, or every word that follows it, the stores too.
    """
    words, stores, last = list[str](), 0, ""
    waiting = False  # for the value of an option
    for at, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[at:]]
        if waiting:
            waiting = False
        elif word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            last = name if name in repeated else ""
            waiting = not equals and (name in repeated or name in single)
        elif last and stores == positionals:
            words.append(last)
        else:
            stores += 1
        words.append(word)
    return words


def split_told(text: str, option: str) -> tuple[str, str]:
    """`T=a` as (T, a). The last `=` divides, so that a name may hold one."""
    name, equals, value = text.rpartition("=")
    if not (equals and name and value):
        raise SyncnbError(f"{option} {scrubbed(text)!r} cannot be read", hint=f"write {option} NAME=VALUE")
    return name, value


def names_by_table(told: Sequence[str], option: str) -> dict[str, list[str]]:
    """`["T=a,b"]` as `{T: [a, b]}`."""
    found = dict[str, list[str]]()
    for text in told:
        table, names = split_told(text, option)
        if table in found:
            raise SyncnbError(f"{option} names {table} twice", hint=f"write {option} {table}=a,b once")
        found[table] = [name.strip() for name in names.split(",") if name.strip()]
        if not found[table]:
            raise SyncnbError(f"{option} {text!r} names no column", hint=f"write {option} {table}=a,b")
    return found
