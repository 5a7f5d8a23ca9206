"""One page of a source: sorted, filtered and cut. Knows nothing of widgets, and reads only what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from syncnb.errors import SchemaError
from syncnb.panels.grid.columns import Mask, sorted_by
from syncnb.panels.grid.shown import Heading, Line

__all__ = ["Rows", "Source", "View"]

Rows: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"


class Source(Protocol):
    """Rows that a grid shows: asked for few at a time, and for whole columns only to sort and to filter."""

    @property
    def title(self) -> str: ...
    @property
    def headings(self) -> tuple[Heading, ...]: ...
    @property
    def choices(self) -> tuple[str, ...]:
        """Words by which rows can be chosen: their states, or what was decided."""

    def __len__(self) -> int: ...
    def lines(self, rows: Rows) -> list[Line]:
        """These rows, as they are shown."""

    def keys(self, at: int) -> Sequence[pa.Array]:
        """What column `at` is sorted by: one or more Arrow columns over all rows."""

    def holding(self, text: str, at: int) -> Mask:
        """The rows in whose column `at` stands this text."""

    def chosen(self, choice: str) -> Mask:
        """The rows of this state."""

    def about(self, row: int, at: int) -> list[tuple[str, str]]:
        """One cell at length: a label and a text a line."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is looked at."""

    sort: tuple[int, bool] | None = None
    """Column, and whether the greatest come first."""
    text: str = ""
    columns: tuple[int, ...] = ()
    """Where the text is looked for; empty: everywhere."""
    choice: str = ""


class View:
    """Which rows of a source are in sight, and in what order."""

    def __init__(self, source: Source, size: int = 50) -> None:
        self.source = source
        self.size = size
        self.page = 0
        self.wish = _Wish()
        self._order: Rows | None = None
        """All rows as sorted; None: as they come."""
        self._found: Rows | None = None
        """The rows that match, sorted; None: all."""

    def __len__(self) -> int:
        """How many rows match."""
        rows = self._found if self._found is not None else self._order
        return len(self.source) if rows is None else len(rows)

    @property
    def pages(self) -> int:
        return max(1, -(-len(self) // self.size))

    @property
    def rows(self) -> Rows:
        """The numbers of the rows on this page."""
        start = self.page * self.size
        rows = self._found if self._found is not None else self._order
        if rows is not None:
            return rows[start : start + self.size]
        return np.arange(start, min(start + self.size, len(self.source)), dtype=np.int64)

    def lines(self) -> list[Line]:
        """The page as it is shown."""
        return self.source.lines(self.rows)

    def turn(self, page: int) -> None:
        """Go to a page, counted from 0; one that is not there is the nearest."""
        self.page = min(max(page, 0), self.pages - 1)

    def sort(self, at: int | None, *, descending: bool = False) -> None:
        """Sort by a column; None: as the rows come. Goes to the first page."""
        wish = self.wish
        self._settle(_Wish(None if at is None else (at, descending), wish.text, wish.columns, wish.choice))

    def filter(self, text: str = "", *, columns: Sequence[int] = (), choice: str = "") -> None:
        """Only rows that hold this text, in one of these columns or in any, and are in this state."""
        if choice and choice not in self.source.choices:
            raise SchemaError(
                f"there is no state {choice!r}", hint=f"one of: {', '.join(self.source.choices)}"
            )
        self._settle(_Wish(self.wish.sort, text, tuple(columns), choice))

    def _settle(self, wish: _Wish) -> None:
        order = self._order
        if wish.sort != self.wish.sort:
            order = None
            if wish.sort is not None:
                order = sorted_by(self.source.keys(wish.sort[0]), descending=wish.sort[1])
        found = self._matching(wish)
        if found is not None:
            found = np.flatnonzero(found) if order is None else order[found[order]]
        # Only now: a column that cannot be sorted or searched leaves the page as it was.
        self.wish, self._order, self._found, self.page = wish, order, found, 0

    def _matching(self, wish: _Wish) -> Any:
        found: Any = self.source.chosen(wish.choice) if wish.choice else None
        if wish.text:
            held = np.zeros(len(self.source), dtype=np.bool_)
            for at in wish.columns or range(len(self.source.headings)):
                held |= self.source.holding(wish.text, at)
            found = held if found is None else found & held
        return found
