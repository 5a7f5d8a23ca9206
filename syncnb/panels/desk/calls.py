"""A line of Python as a value: it can be written out, and it can be run, and both say the same."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from syncnb.resolving import InsertOnly, Newest, Take

__all__ = ["Call", "Name", "Pasted", "literal", "needed"]


EMPTY: tuple[Any, ...] = (None, "", (), [], {})


@dataclass(frozen=True, slots=True)
class Name:
    """Something that is in hand, by its name."""

    name: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Pasted(Name):
    """A text that may hold a secret: it is in hand by its name, and no line repeats it."""

    text: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Call:
    """`target = verb(*args, **words)`. The verb is `sn.diff`, or `p.choose`: a method of what is in hand."""

    target: str
    verb: str
    args: tuple[Any, ...] = ()
    words: Mapping[str, Any] = field(default_factory=dict)
    """Options; those that are None or empty are what the verb does anyway, and are left out."""

    @property
    def line(self) -> str:
        """The line as it would be typed."""
        told = [literal(each) for each in self.args]
        told += [f"{name}={literal(value)}" for name, value in self._told.items()]
        return f"{self.target} = {self.verb}({', '.join(told)})"

    @property
    def _told(self) -> dict[str, Any]:
        return {name: value for name, value in self.words.items() if not any(value == each for each in EMPTY)}

    @property
    def uses(self) -> set[str]:
        """The names that must be in hand before it."""
        there = {each.name for each in (*self.args, *self._told.values()) if isinstance(each, Name)}
        owner = self.verb.partition(".")[0]
        return there if owner == "sn" else there | {owner}

    @property
    def into(self) -> str | None:
        """`local` or `remote`: which of the two the plan that it draws will write; None where it draws none."""
        place = {"sn.plan": self.words.get("into"), "sn.migrate": self.args[:1], "sn.undo": self.args[1:2]}
        found = place.get(self.verb)
        found = found[0] if isinstance(found, tuple) and found else found
        return found.name if isinstance(found, Name) else None

    @property
    def writes(self) -> bool:
        """Whether a database is another one after it."""
        return self.verb in ("sn.apply", "sn.sync")

    def run(self, hand: MutableMapping[str, Any]) -> Any:
        """Do it, with what is in hand; what it gives is in hand then."""
        import syncnb

        owner, _, verb = self.verb.partition(".")
        subject = syncnb if owner == "sn" else hand[owner]
        args = [_meant(each, hand) for each in self.args]
        words = {name: _meant(value, hand) for name, value in self._told.items()}
        hand[self.target] = value = getattr(subject, verb)(*args, **words)
        return value


def _meant(value: Any, hand: MutableMapping[str, Any]) -> Any:
    if isinstance(value, Pasted):
        hand[value.name] = value.text
    return hand[value.name] if isinstance(value, Name) else value


def literal(value: Any) -> str:
    """A value as Python text. Only plain values, names in hand and policies have one; TypeError for others."""
    if isinstance(value, Name):
        return value.name
    if value is None or isinstance(value, bool | int | float | bytes):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Take | InsertOnly):
        return f"sn.{value!r}"
    if isinstance(value, Newest):
        return _newest(value)
    if isinstance(value, date | timedelta):
        return repr(value).removeprefix("datetime.")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(each)}' for key, each in value.items())}}}"
    if isinstance(value, Sequence):
        inner = ", ".join(map(literal, value))
        if isinstance(value, tuple):
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        return f"[{inner}]"
    raise TypeError(f"a {type(value).__name__} cannot be written as Python")


def _text(text: str) -> str:
    """In double quotes, as this project writes them. Whatever an eye could miss is escaped, as `repr` does it."""
    told = repr(text)
    return f'"{told[1:-1]}"' if told.startswith("'") and '"' not in text else told


def _newest(policy: Newest) -> str:
    column = policy.columns["*"] if set(policy.columns) == {"*"} else dict(policy.columns)
    rest = "" if policy == Newest(policy.columns) else f", threshold={literal(policy.threshold)}"
    return f"sn.newest({literal(column)}{rest})"


def needed(calls: Iterable[Call], wanted: Iterable[str]) -> list[Call]:
    """Those of the calls that lead to what is wanted, and all that wrote, in their order.

    What was drawn and then drawn again, and never written, is not among them.
    """
    kept: list[Call] = []
    open_names = set(wanted)
    for call in reversed(list(calls)):
        if call.writes or call.target in open_names:
            open_names.discard(call.target)
            open_names |= call.uses
            kept.append(call)
    return kept[::-1]
