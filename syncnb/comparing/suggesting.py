"""The verb `suggest_keys`: what could identify the rows of a table, as far as its data tell."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from syncnb.changes import TablePair
from syncnb.changes.ids import names
from syncnb.comparing.joining import Numbers, Rows, codes
from syncnb.matching import Told, match
from syncnb.rendering import Cell, Sheet, frame
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Reader, Store
from syncnb.values.arrays import mask
from syncnb.values.kinds import Kind
from syncnb.values.raw import concat
from syncnb.values.sides import Side

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KeySuggestion", "KeySuggestions", "suggest_keys"]

WIDEST = 4
"""Columns of a suggested key."""
CONSIDERED = 12
"""Columns that combinations are made of: those with the most values."""
FITTING = (Kind.TEXT, Kind.CHAR, Kind.INTEGER, Kind.UUID, Kind.DATE, Kind.BOOLEAN, Kind.NUMERIC, Kind.ANY)
"""Kinds that name things. Stamps tell when, and measures how much."""
COLUMNS = ("key", "rows_local", "own_local", "rows_remote", "own_remote", "null", "on_both", "evidence")


@dataclass(frozen=True, slots=True)
class KeySuggestion:
    """Columns by which no two rows of a side are alike, or nearly so."""

    key: tuple[str, ...]
    rows_local: int
    own_local: int
    """Rows that no other row of their side equals in these columns; NULL equals nothing."""
    rows_remote: int
    own_remote: int
    null: int
    """Rows of both sides with a NULL among them."""
    on_both: int
    """Values that both sides have, each of one row."""

    @property
    def unique(self) -> bool:
        """Whether it would identify every row that has no NULL in it."""
        return self.own_local + self.own_remote + self.null == self.rows_local + self.rows_remote

    @property
    def evidence(self) -> str:
        """What speaks for it and against it, in words."""
        doubled = self.rows_local + self.rows_remote - self.own_local - self.own_remote - self.null
        shared = f"{self.on_both:,} of {min(self.rows_local, self.rows_remote):,} are on both sides"
        told = [shared, f"{self.null:,} rows have a NULL" if self.null else ""]
        told.append(f"{doubled:,} rows are not alone with theirs" if doubled else "no two rows alike")
        return "; ".join(filter(None, told))


@dataclass(frozen=True, repr=False)
class KeySuggestions(Sequence[KeySuggestion]):
    """Candidates, the best first: `suggest_keys(…)[0].key` goes into `key=` of `diff`."""

    table: str
    found: tuple[KeySuggestion, ...]

    def __getitem__(self, at: int) -> KeySuggestion:  # type: ignore[override]
        return self.found[at]

    def __len__(self) -> int:
        return len(self.found)

    @property
    def frame(self) -> "pd.DataFrame":
        """A line a candidate: key, rows and rows of their own a side, NULLs, values on both sides, evidence."""
        return frame(
            {
                name: pa.array(
                    [", ".join(each.key) if name == "key" else getattr(each, name) for each in self.found],
                    pa.string() if name in ("key", "evidence") else pa.int64(),
                )
                for name in COLUMNS
            }
        )

    def _sheet(self) -> Sheet:
        title = f"{self.table}: what could identify its rows"
        rows = [
            [Cell(", ".join(s.key), "key"), Cell("yes" if s.unique else "nearly"), Cell(s.evidence)]
            for s in self.found
        ]
        notes = [] if rows else ["no columns do: name them with key=, if you know better"]
        return Sheet(title, ("key", "unique", "evidence") if rows else (), rows, notes)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


@one_conversation
def suggest_keys(local: Store, remote: Store, table: str, *, most: int = 5) -> KeySuggestions:
    """What could identify the rows of a table besides its id, from the data of both sides, the best first.

    Up to four columns together, no column of which could be left out. Unique ones go first, of these the ones
    whose values both sides have, then the fewest columns. It is a suggestion: that no two rows are alike today
    does not say that none ever will be. A reference to another table is looked at as the number that it is.

    Reads the whole table on both sides. Raises SchemaError where it is not on both.
    """
    with local.reading() as here, remote.reading() as there:
        told = Told(tables=[table])
        (pair,) = match(here.schema(), there.schema(), told, (local.timezone, remote.timezone)).pairs
        seen = _Seen.of(pair, {"local": here, "remote": there})
    found = sorted(_candidates(seen), key=lambda s: (not s.unique, -s.on_both, len(s.key), s.key))
    return KeySuggestions(pair.name, tuple(found[:most]))


@dataclass
class _Seen:
    """The columns that could name things: a number for each value, the same on both sides for the same value."""

    columns: dict[str, tuple[Numbers, Numbers]]
    null: dict[str, tuple[Rows, Rows]]
    rows: tuple[int, int]

    @classmethod
    def of(cls, pair: TablePair, readers: dict[Side, Reader]) -> "_Seen":
        fitting = [
            column
            for column in pair.columns
            if {Kind(column.local.kind), Kind(column.remote.kind)} <= {*FITTING}
            and not (pair.surrogate and column in pair.key)
        ]
        read = {
            side: _whole(reader, getattr(pair, side), [getattr(column, side).name for column in fitting])
            for side, reader in readers.items()
        }
        columns, null = {}, {}
        for at, column in enumerate(fitting):
            left, right = read["local"][at], read["remote"][at]
            both = column.rule.pair(left, right)
            ours, theirs = both or (names(column.rule, left, "local"), names(column.rule, right, "remote"))
            columns[column.name] = codes([ours], [theirs])
            null[column.name] = (mask(left.is_null()), mask(right.is_null()))
        rows = tuple(len(read[side][0]) if fitting else 0 for side in ("local", "remote"))
        return cls(columns, null, rows)  # type: ignore[arg-type]

    def judged(self, key: Sequence[str]) -> KeySuggestion:
        """How well these columns identify rows."""
        parts = [np.concatenate(self.columns[name]) for name in key]
        code = parts[0]
        for part in parts[1:]:
            code = np.unique(code * (int(part.max(initial=0)) + 1) + part, return_inverse=True)[1]
        null = np.zeros(len(code), dtype=np.bool_)
        for name in key:
            null |= np.concatenate(self.null[name])
        split = self.rows[0]
        sides = [code[:split][~null[:split]], code[split:][~null[split:]]]
        own = [_once(side) for side in sides]
        on_both = len(np.intersect1d(own[0], own[1], assume_unique=True))
        return KeySuggestion(
            tuple(key), self.rows[0], len(own[0]), self.rows[1], len(own[1]), int(null.sum()), on_both
        )


def _once(code: Numbers) -> Numbers:
    values, counts = np.unique(code, return_counts=True)
    found: Numbers = values[counts == 1]
    return found


def _whole(reader: Reader, table: object, columns: Sequence[str]) -> list[pa.Array]:
    """All rows of some columns."""
    if not columns:
        return []
    with closing(reader.batches(table, columns)) as batches:  # type: ignore[arg-type, type-var]
        parts = [batch.columns for batch in batches]
    return [concat([part[at] for part in parts]) for at in range(len(columns))]


def _candidates(seen: _Seen) -> Iterator[KeySuggestion]:
    """Minimal sets of columns that are unique; where there is none, those that are most nearly so."""
    values = {name: len(np.unique(np.concatenate(parts))) for name, parts in seen.columns.items()}
    telling = sorted((name for name, n in values.items() if n > 1), key=lambda name: -values[name])
    considered = sorted(telling[:CONSIDERED], key=telling.index)
    unique: list[set[str]] = []
    nearly: list[KeySuggestion] = []
    for width in range(1, WIDEST + 1):
        for key in combinations(considered, width):
            if any(smaller <= set(key) for smaller in unique):
                continue
            judged = seen.judged(key)
            if judged.unique and judged.own_local + judged.own_remote:
                unique.append(set(key))
                yield judged
            elif width <= 2 and judged.own_local * 10 >= judged.rows_local * 9:
                nearly.append(judged)
    yield from [judged for judged in nearly if not any(smaller <= set(judged.key) for smaller in unique)]
