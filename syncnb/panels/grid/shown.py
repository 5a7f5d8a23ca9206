"""What the browser gets of a value: a text that was made here, never the value itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.rendering.tables import visible
from syncnb.values.raw import BadText, Raw, to_python
from syncnb.values.reading import NULL, as_text
from syncnb.values.rules import Rule

__all__ = ["ABSENT", "Heading", "Line", "Role", "Shown", "shown", "shown_all", "whole"]

LONGEST = 80
"""Characters of one value that a cell shows; how many more there are is said behind."""
WHOLE = 5_000
"""Characters of one value that are told where it alone is looked at."""

Role: TypeAlias = Literal["key", "state", "value", "before", "after", "decision", "word"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell: its text, and marks of one letter each.

    n NULL · e the empty text · a no such row · d differs · s same on both sides · l r only there ·
    x edited · u undecided
    """

    text: str
    marks: str = ""

    def marked(self, marks: str) -> "Shown":
        """The same with more marks."""
        return Shown(self.text, self.marks + marks)

    @property
    def wire(self) -> list[str]:
        return [self.text, self.marks]


ABSENT = Shown("", "a")


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the grid."""

    name: str
    side: str = ""
    """local, remote, before or after; empty where both are one."""
    role: Role = "value"
    number: bool = False
    editable: bool = False
    fact: str = ""
    """What is known of the column: its types."""

    @property
    def wire(self) -> dict[str, Any]:
        return {
            "name": _cut(self.name),
            "side": self.side,
            "role": self.role,
            "number": self.number,
            "editable": self.editable,
            "fact": _cut(self.fact),
        }


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the grid: its number in the source, a word for its state, its cells."""

    at: int
    state: str
    cells: Sequence[Shown]

    @property
    def wire(self) -> dict[str, Any]:
        return {"at": self.at, "state": self.state, "cells": [cell.wire for cell in self.cells]}


def shown(value: Raw, rule: Rule | None = None, *, length: int | None = None) -> Shown:
    """A value as a cell shows it. `length` is that of the whole, where `value` is only its head."""
    if value is None:
        return Shown(NULL, "n")
    if value == "":
        return Shown("''", "e")
    if isinstance(value, bytes | BadText):
        data = value.data if isinstance(value, BadText) else value
        size = len(data) if length is None else length
        head = type(value)(data[: LONGEST // 2])
        cut = f" … ({size:,} bytes)" if size > LONGEST // 2 else ""
        return Shown(visible(as_text(head, rule)) + cut)
    text = as_text(value, rule)
    return Shown(_cut(text, len(text) if length is None else length))


def _cut(text: str, length: int | None = None) -> str:
    size = len(text) if length is None else length
    if size <= LONGEST:
        return visible(text) if text else ""
    return f"{visible(text[:LONGEST])} … ({size:,} characters)"


def shown_all(array: pa.Array, rule: Rule | None = None) -> list[Shown]:
    """A short column, each value as its cell shows it. Of long values only the head leaves Arrow."""
    if array.type == pa.string():
        lengths = pc.utf8_length(array).to_pylist()
        heads = pc.utf8_slice_codeunits(array, 0, LONGEST + 1).to_pylist()
    elif array.type == pa.binary():
        lengths = pc.binary_length(array).to_pylist()
        heads = pc.binary_slice(array, 0, LONGEST + 1).to_pylist()
    else:
        return [shown(value, rule) for value in to_python(array)]
    return [shown(head, rule, length=length) for head, length in zip(heads, lengths, strict=True)]


def whole(value: Raw, rule: Rule | None = None) -> str:
    """A value at length, for where it alone is looked at."""
    if isinstance(value, bytes):
        more = len(value) - WHOLE // 2
        return as_text(value[: WHOLE // 2]) + (f" … and {more:,} bytes more" if more > 0 else "")
    text = as_text(value, rule)
    more = len(text) - WHOLE
    lines: Iterable[str] = map(visible, text[:WHOLE].split("\n")) if text else ["''"]
    told = "\n".join("" if line == "''" and text else line for line in lines)
    return told + (f" … and {more:,} characters more" if more > 0 else "")
