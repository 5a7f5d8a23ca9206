"""Laws of the grid's pages: together they are what plain Python sorts and filters, once each, in order."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from syncnb.panels.grid.columns import Mask, holding
from syncnb.panels.grid.shown import Heading, Line, Shown, shown
from syncnb.panels.grid.view import Rows, View
from syncnb.values.raw import BadText, Raw, from_python
from syncnb.values.reading import as_text

WORDS = st.one_of(st.none(), st.text("abA0.*\\∅ ", max_size=3))
NUMBERS = st.one_of(st.none(), st.integers(-3, 12), st.sampled_from([2**53, 2**53 + 1]))


class Pairs:
    """Rows of a word and a number."""

    title, choices = "pairs", ("odd", "even")
    headings = (Heading("word"), Heading("number", number=True))

    def __init__(self, rows: Sequence[tuple[str | None, int | None]]) -> None:
        self.rows = rows
        self.columns = (
            pa.array([row[0] for row in rows], pa.string()),
            pa.array([row[1] for row in rows], pa.int64()),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def lines(self, rows: Rows) -> list[Line]:
        return [Line(int(row), "", [Shown("")]) for row in rows]

    def keys(self, at: int) -> Sequence[pa.Array]:
        return [self.columns[at]]

    def holding(self, text: str, at: int) -> Mask:
        return holding(self.columns[at], text)

    def chosen(self, choice: str) -> Mask:
        return np.arange(len(self.rows)) % 2 == (choice == "odd")

    def about(self, row: int, at: int) -> list[tuple[str, str]]:
        return []


def found(value: Raw, wanted: str) -> bool:
    if wanted == "∅":
        return value is None
    return value is not None and wanted.casefold() in as_text(value).casefold()


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(WORDS, NUMBERS), max_size=12), st.sampled_from([None, 0, 1]), st.booleans(),
    st.text("abA0.*\\∅", max_size=2), st.sampled_from([(), (0,), (1,), (0, 1)]), st.sampled_from(["", "odd", "even"]),
    st.integers(1, 5), st.booleans(),
)  # fmt: skip
def test_the_pages_are_what_python_sorts_and_filters(
    rows: list[tuple[str | None, int | None]], sort: int | None, descending: bool,
    text: str, columns: tuple[int, ...], choice: str, size: int, sort_first: bool,
) -> None:  # fmt: skip
    view = View(Pairs(rows), size)
    steps: list[Any] = [
        lambda: view.sort(sort, descending=descending),
        lambda: view.filter(text, columns=columns, choice=choice),
    ]
    for step in steps if sort_first else reversed(steps):
        step()
    wanted = [
        at
        for at, row in enumerate(rows)
        if (not text or any(found(row[column], text) for column in columns or (0, 1)))
        and (not choice or at % 2 == (choice == "odd"))
    ]
    if sort is not None:
        key: Any = lambda at: rows[at][sort]  # noqa: E731
        there = sorted((at for at in wanted if key(at) is not None), key=key)
        if descending:  # rows that are alike keep their order then too
            there = sorted((at for at in wanted if key(at) is not None), key=key, reverse=True)
        wanted = there + [at for at in wanted if key(at) is None]
    seen = []
    for page in range(view.pages):
        view.turn(page)
        seen += [line.at for line in view.lines()]
        assert len(view.rows) == size or page == view.pages - 1
    assert (seen, len(view)) == (wanted, len(wanted))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=120), st.binary(max_size=90),
    st.builds(BadText, st.binary(max_size=90)),
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(VALUES, max_size=5), st.sampled_from(["0", "a", "\\x0", "∅", "''", "é"]))
def test_every_value_is_shown_short_and_hides_nothing(values: list[Raw], wanted: str) -> None:
    for value in values:
        cell = shown(value)
        assert len(cell.text) < 1200
        # Blanks of other widths stay as they are; that they differ, the reason says.
        assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in cell.text)
        assert ("n" in cell.marks) == (value is None)
        assert ("e" in cell.marks) == (value == "")
        cell.text.encode()
    array = from_python(values)
    assert len(holding(array, wanted)) == len(values)
    if wanted == "∅":
        assert holding(array, wanted).tolist() == [value is None for value in values]
