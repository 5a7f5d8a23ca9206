"""An error that is told as named fields, a line each (YAML, an object that a driver prints), as the lines that it means."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from syncnb.diagnosing.unwrapping import CODES, LABELLED, MESSAGES, error_lines, is_code

__all__ = ["without_fields"]

LINE = re.compile(
    r"^(?P<indent> *(?:- +)?)(?P<quote>[\"']?)(?P<name>[A-Za-z_]\w*)(?P=quote) *:(?: +(?P<value>.*))?$"
)
BLOCK = re.compile(r"[|>][+-]?")
"""How YAML begins a text of several lines."""
NOTHING = {"null", "undefined", "None", "nil", "~"}
"""How a field is printed that has no value."""
TOLD = {*MESSAGES, *CODES, *(name for names in LABELLED.values() for name in names)}
LONGEST = 20_000
"""Characters of a line that are looked at."""


@dataclass
class _Error:
    """Lines that follow each other, no name among them twice."""

    lines: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """The lines of other fields."""

    def told(self) -> Sequence[str]:
        """As the lines that it means; as they stand where they tell no code."""
        code = next((self.values[name] for name in CODES if name in self.values), "")
        meant = error_lines(self.values) if is_code(code) else []
        return [*self.others, *meant] if meant else self.lines


def without_fields(text: str) -> str:
    """The text with each error in it that is told field by field replaced by the lines that it means."""
    if not any(name in text for name in CODES):
        return text
    return "\n".join(line for error in _errors(text.split("\n")) for line in error.told())


def _errors(lines: Sequence[str]) -> Iterator[_Error]:
    """All lines, those of one error together."""
    error, at = _Error(), 0
    while at < len(lines):
        found = LINE.match(lines[at]) if len(lines[at]) < LONGEST else None
        taken = [lines[at]]
        if found:
            taken += _continued(lines, at + 1, len(found["indent"]))
        name = found["name"] if found else ""
        if not found or "-" in found["indent"] or name in error.values:
            yield error
            error = _Error()
        error.lines += taken
        if found and name in TOLD:
            value = (found["value"] or "").rstrip(", ")
            if value not in NOTHING:
                error.values[name] = _plain(value, taken[1:])
        else:
            error.others += taken
        at += len(taken)
    yield error


def _continued(lines: Sequence[str], at: int, indent: int) -> list[str]:
    """The lines that go on with a value: deeper than its name, and no names themselves."""
    found = []
    for line in lines[at : at + 100]:
        deep = len(line) - len(line.lstrip(" ")) > indent
        if not line.strip() or not deep or LINE.match(line[:LONGEST]):
            break
        found.append(line)
    return found


def _plain(value: str, more: Sequence[str]) -> str:
    """A value without its quotes, on one line."""
    first = "" if BLOCK.fullmatch(value) else value
    text = " ".join(filter(None, [first, *(line.strip() for line in more)])).rstrip(", ")
    quote = text[:1]
    if len(text) < 2 or quote not in "\"'" or text[-1] != quote:
        return text
    if quote == '"':
        try:
            return str(json.loads(text, strict=False))
        except ValueError:
            return text[1:-1]
    return text[1:-1].replace("''", "'").replace("\\'", "'")
