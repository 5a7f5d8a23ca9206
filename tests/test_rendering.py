"""What is shown of one value: nothing hides, what is long is cut and said to be, quotes are a pair."""

import doctest

import pytest

from syncnb.rendering import Cell, Sheet, tables

SHOWN: dict[str, tuple[str, str]] = {
    "short": ("abc", "abc"),
    "the empty text": ("", "''"),
    "a blank at its end": ("abc ", "'abc '"),
    "a hard blank in front": ("\xa0abc", "'\xa0abc'"),
    "a tab at its end": ("abc\t", "abc\\t"),
    "as long as may be": ("x" * 60, "x" * 60),
    "as long as may be, and a blank": ("x" * 59 + " ", f"'{'x' * 59} '"),
    "too long": ("x" * 61, "x" * 59 + "…(+2)"),
    "too long, cut at a blank": ("x" * 60 + " and so on", "x" * 59 + "…(+11)"),
    "too long, cut after a blank": ("x" * 58 + " and so on", "x" * 58 + " …(+9)"),
    "too long, a blank in front": (" " + "x" * 99, f"' {'x' * 58}…'(+41)"),
    "too long, a blank at its end": ("x" * 99 + " ", f"'{'x' * 59}…'(+41)"),
    "controls": ("\x00" * 10, "\\x00" * 10),
    "too long when they are spelled out": ("\x00" * 30, "\\x00" * 14 + "…(+16)"),
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.values(), ids=SHOWN)
def test_what_is_shown_of_a_value(text: str, shown: str) -> None:
    assert Cell(text).short == shown
    assert Sheet("", ["v"], [[Cell(text)]]).text() == f"v\n{shown}".rstrip()


def test_a_tooltip_has_what_was_cut_and_says_where_that_is_cut_too() -> None:
    def tooltip(text: str) -> str:
        return Sheet("", ["v"], [[Cell(text)]]).html().partition("title='")[2].partition("'>")[0]

    assert tooltip("x" * 59 + " and so on") == "x" * 59 + " and so on"
    assert tooltip("x" * 2000 + " and so on") == "x" * 1999 + "…(+11)"


def test_examples() -> None:
    assert doctest.testmod(tables).failed == 0
