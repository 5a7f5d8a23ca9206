"""Rows of cells as text and as HTML: aligned, cut where too long, everything escaped."""

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Cell", "Sheet", "shortened", "stylesheet", "visible", "width"]

TOLD = 2000
"""Characters of a cut value that a tooltip tells."""
LONGEST = 60
"""Characters of one value that are shown; the rest is said to be there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as a person reads it."""

    text: str
    look: str = ""
    """Classes of the style sheet: null, local, remote, changed, key, number, good, partial, bad, absent."""

    @property
    def short(self) -> str:
        """The text on one line, made visible where it is not, and cut. Where there is no value, nothing."""
        if self.look == "absent":
            return self.text
        return shortened(self.text, LONGEST)


def visible(text: str) -> str:
    """A text in which nothing can hide: line ends, controls and marks of direction are spelled out.

    >>> visible("a\\tb\\u202e")
    'a\\\\tb\\\\u202e'
    """
    if text == "":
        return "''"
    return f"'{_spelled(text)}'" if _blank_at_end(text) else _spelled(text)


def shortened(text: str, most: int) -> str:
    """The same with no more than `most` characters of it, and how many are left out; quotes stay a pair.

    >>> shortened(" a long text", 8)
    "' a long…'(+5)"
    """
    if len(text) <= most and len(_spelled(text)) <= most:
        return visible(text)
    kept, shown = 0, ""
    for char in text[:most]:  # letter by letter, but not all of it: a value may have millions
        spelled = _spelled(char)
        if len(shown) + len(spelled) >= most:
            break
        shown, kept = shown + spelled, kept + 1
    shown = f"'{shown}…'" if _blank_at_end(text) else f"{shown}…"
    return f"{shown}(+{len(text) - kept})"


def _spelled(text: str) -> str:
    # Most texts hide nothing, and Python knows that at once.
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in HIDING else char
        for char in text
    )


def _blank_at_end(text: str) -> bool:
    """A blank at an end is the one difference that no eye finds; a tab is spelled out, and seen."""
    return any(_spelled(char).isspace() for char in (text[:1], text[-1:]))


HIDING = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def width(text: str) -> int:
    """Columns that a text takes in a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


@dataclass(frozen=True, slots=True)
class Sheet:
    """A titled table that knows how to be read as text and as HTML."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    """Lines beneath: what is not shown, what to do next."""

    def text(self) -> str:
        """The table for a terminal, columns aligned, numbers to the right."""
        lines = [visible(self.title)] if self.title else []
        if self.headers:
            lines += self._text_rows()
        return "\n".join([*lines, *map(visible, self.notes)])

    def _text_rows(self) -> list[str]:
        grid = [[Cell(header) for header in self.headers], *self.rows]
        widths = [max(width(row[at].short) for row in grid) for at in range(len(self.headers))]
        right = [
            bool(self.rows) and all(row[at].look == "number" for row in self.rows)
            for at in range(len(widths))
        ]
        return [
            "  ".join(_padded(cell.short, widths[at], right[at]) for at, cell in enumerate(row)).rstrip()
            for row in grid
        ]

    def html(self) -> str:
        """The table for a notebook: one escaped fragment with its style sheet, light and dark."""
        parts = [f"<style>{stylesheet()}</style>", '<div class="syncnb">']
        if self.title:
            parts.append(f"<p class='title'>{html.escape(visible(self.title))}</p>")
        if self.headers:
            head = "".join(f"<th scope='col'>{html.escape(visible(header))}</th>" for header in self.headers)
            parts.append(f"<table class='sheet'><thead><tr>{head}</tr></thead><tbody>")
            parts += [f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in self.rows]
            parts.append("</tbody></table>")
        parts += [f"<p class='note'>{html.escape(visible(note))}</p>" for note in self.notes]
        return "".join([*parts, "</div>"])


def _padded(text: str, wanted: int, right: bool) -> str:  # noqa: FBT001 - private, one caller
    blanks = " " * (wanted - width(text))
    return blanks + text if right else text + blanks


def _html_cell(cell: Cell) -> str:
    look = f" class='{html.escape(cell.look)}'" if cell.look else ""
    whole = shortened(cell.text, TOLD) if cell.text else cell.short
    title = "" if whole == cell.short else f" title='{html.escape(whole)}'"
    return f"<td{look}{title}>{html.escape(cell.short)}</td>"


@cache
def stylesheet() -> str:
    """The style sheet of every table, shipped beside this module."""
    return resources.files(__package__).joinpath("tables.css").read_text("utf-8")
