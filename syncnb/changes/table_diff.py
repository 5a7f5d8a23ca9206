"""What differs in one table. Columnar inside; frames and single objects are made on demand."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from syncnb.changes import frames
from syncnb.changes.accepted import Accepted, accepted_frame
from syncnb.changes.conflicts import Conflicts
from syncnb.changes.explaining import Explanation, explanation
from syncnb.changes.ids import Ids
from syncnb.changes.keys import key_text, key_token, plain
from syncnb.changes.pairs import TablePair, Uncompared
from syncnb.changes.sheets import table_sheet
from syncnb.changes.since import Since
from syncnb.errors import SchemaError
from syncnb.rendering import Sheet, frame
from syncnb.values.raw import Raw, to_python
from syncnb.values.sides import Side, of_side

__all__ = ["Counts", "Explanation", "Mismatch", "RowSet", "TableDiff"]

Place: TypeAlias = "tuple[RowSet, int] | None"
Verdict = Literal["equal", "equal_except", "different"]
State = Literal["changed", "only_local", "only_remote", "conflict"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one table, counted."""

    rows_local: int = 0
    rows_remote: int = 0
    same: int = 0
    """Pairs that agree in every compared column."""
    changed: int = 0
    only_local: int = 0
    only_remote: int = 0
    accepted: int = 0
    """Rows that differ, and that somebody knows of and leaves."""
    uncompared_local: int = 0
    uncompared_remote: int = 0

    def uncompared(self, side: Side) -> int:
        """Rows of one side that could not be compared."""
        return of_side(side, self.uncompared_local, self.uncompared_remote)


@dataclass(frozen=True, slots=True)
class RowSet:
    """Rows in raw form: one Arrow array a column, in the order of the pair's columns."""

    columns: tuple[pa.Array, ...]
    ungiven: "np.ndarray[tuple[int, int], np.dtype[np.bool_]] | None" = None
    """Rows x columns: what a row says nothing about (it is NULL in `columns`); None where each says everything."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def first(self, count: int) -> "RowSet":
        """The first rows."""
        return RowSet(
            tuple(column.slice(0, count) for column in self.columns),
            None if self.ungiven is None else self.ungiven[:count],
        )

    def take(self, places: "np.ndarray[Any, Any]") -> "RowSet":
        """These rows, in this order."""
        wanted = pa.array(places, pa.int64())
        ungiven = None if self.ungiven is None else self.ungiven[places]
        return RowSet(tuple(column.take(wanted) for column in self.columns), ungiven)

    def row(self, at: int) -> tuple[Raw, ...]:
        """One row as Python values."""
        return tuple(to_python(column.slice(at, 1))[0] for column in self.columns)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One row that differs: both sides of it, or the side where it is."""

    key: tuple[Raw, ...]
    state: State
    local: tuple[Raw, ...] | None
    remote: tuple[Raw, ...] | None
    columns: tuple[str, ...]
    """The columns that differ; empty for a row that one side lacks."""


@dataclass(frozen=True)
class TableDiff:
    """What differs between a local table and its remote counterpart."""

    pair: TablePair
    counts: Counts
    changed_local: RowSet
    changed_remote: RowSet
    differs: "np.ndarray[tuple[int, int], np.dtype[np.bool_]]"
    """Rows x columns of the changed rows: which cells differ."""
    only_local: RowSet
    only_remote: RowSet
    cell_counts: Mapping[str, int]
    """Differing cells a column, columns without any left out."""
    by_rule: Mapping[str, int]
    """Cells a column that are the same only thanks to a rule (3.0 and 3.00)."""
    uncompared: tuple[Uncompared, ...]
    skipped: tuple[tuple[str, str, str], ...] = ()
    """Side, key and reason of the first thousand rows that could not be compared."""
    how: Mapping[str, Any] = field(default_factory=dict)
    unsure: "np.ndarray[tuple[int], np.dtype[np.bool_]]" = field(
        default_factory=lambda: np.zeros(0, np.bool_)
    )
    """Of the changed rows, those that may be one thing or two: the same id, another natural key."""
    ids: Ids = field(default_factory=Ids)
    """The ids of this table that do not mean the same thing on both sides."""
    parents: Mapping[str, Ids] = field(default_factory=dict)
    """The same of the tables that a column refers to, by column; those left out mean the same."""
    conflicts: Conflicts = field(default_factory=Conflicts)
    """Ids that are two things, things that have two ids: in words when looked at."""
    accepted: tuple[Accepted, ...] = ()
    """The differing rows that are known and left; they are in no other count or frame."""
    since: Since | None = field(default=None, repr=False)
    """Who changed what since both sides last agreed; None where nothing is kept of it: two-way."""
    seen: RowSet | None = field(default=None, repr=False)
    """The keys, as remote has them, of rows that are the same on both sides: kept where they are to be stamped."""
    beyond: int = 0
    """Rows that remote has at least beside those that were looked at."""
    clocks_apart: timedelta = field(default=timedelta(0), repr=False, compare=False)
    """How far the clocks of the two sides and of this machine are apart, as measured; 0 where nothing showed."""
    lookup: Callable[[Hashable], tuple[tuple[Raw, ...] | None, tuple[Raw, ...] | None]] | None = field(
        default=None, repr=False, compare=False
    )
    """Reads one row of both sides again, by canonical key."""

    @property
    def name(self) -> str:
        return self.pair.name

    def changed(self, side: Side) -> RowSet:
        """The rows that both sides have and that differ, as one of them has them."""
        return of_side(side, self.changed_local, self.changed_remote)

    def alone(self, side: Side) -> RowSet:
        """The rows that only one side has."""
        return of_side(side, self.only_local, self.only_remote)

    def is_conflict(self, row: int) -> bool:
        """Whether a changed row may be one thing or two, or has a cell that both sides changed."""
        return bool(self.conflicting[row])

    @cached_property
    def conflicting(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Which changed rows somebody has to decide: they may be two things, or both sides changed one cell."""
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.asarray(self.clash.any(axis=1))
        return found | self.unsure if len(self.unsure) else found

    @cached_property
    def clash(self) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
        """Of the changed rows: cells that both sides changed since they last agreed. Without a base none is known."""
        return np.zeros_like(self.differs) if self.since is None else self.since.clash(self.differs)

    @property
    def verdict(self) -> Verdict:
        """`equal` only when every column of every row was compared."""
        counts = self.counts
        if counts.changed or counts.only_local or counts.only_remote:
            return "different"
        return "equal_except" if self.uncompared or counts.accepted else "equal"

    @property
    def cell_names(self) -> tuple[str, ...]:
        """All compared columns by name."""
        return tuple(column.name for column in self.pair.columns)

    @cached_property
    def _frames(self) -> frames.TableFrames:
        return frames.table_frames(self)

    @property
    def rows(self) -> pd.DataFrame:
        """Every row that differs: key, `state`, then `c.local`, `c.remote` of each differing column c."""
        return self._frames.rows

    @property
    def odd(self) -> pd.DataFrame:
        """Values in `rows` that their column's kind cannot hold: key, column, side, raw, why."""
        return self._frames.odd

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every cell that differs in a row that both sides have: key, column, local, remote, why."""
        return frames.cells(self)

    @cached_property
    def columns(self) -> pd.DataFrame:
        """In how many of the changed rows each column differs: column, differ, bar (their share of all changed)."""
        return frames.column_counts(self)

    @property
    def uncompared_rows(self) -> pd.DataFrame:
        """The first thousand rows that could not be compared: side, key, why."""
        columns = zip(*self.skipped, strict=True) if self.skipped else ((), (), ())
        return frame(
            {
                name: pa.array(list(values), pa.string())
                for name, values in zip(("side", "key", "why"), columns, strict=True)
            }
        )

    @property
    def accepted_rows(self) -> pd.DataFrame:
        """The differing rows that are accepted as they are: key, state, reason, by, at, until."""
        return accepted_frame(self.accepted)

    def mismatches(self) -> Iterator[Mismatch]:
        """The differing rows as objects, one at a time."""
        names, key = self.cell_names, [self.cell_names.index(name) for name in self.pair.key_names]
        for at in range(len(self.changed_local)):
            local, remote = self.changed_local.row(at), self.changed_remote.row(at)
            changed = tuple(name for name, differs in zip(names, self.differs[at], strict=True) if differs)
            state: State = "conflict" if self.is_conflict(at) else "changed"
            yield Mismatch(tuple(local[k] for k in key), state, local, remote, changed)
        for at in range(len(self.only_local)):
            row = self.only_local.row(at)
            yield Mismatch(tuple(row[k] for k in key), "only_local", row, None, ())
        for at in range(len(self.only_remote)):
            row = self.only_remote.row(at)
            yield Mismatch(tuple(row[k] for k in key), "only_remote", None, row, ())

    def explain(self, key: Any, column: str) -> Explanation:
        """Why one cell is the same or not: raw values, storage classes, canonical forms, the rule.

        `key` is a value, or a tuple for a composite key. A row that does not differ is read again,
        which may show it as it is by now. Raises SchemaError for an unknown row or column.
        """
        names = self.cell_names
        if column not in names:
            left = [entry.why for entry in self.uncompared if entry.name == column]
            hint = f"it is not compared: {left[0]}" if left else f"compared columns: {', '.join(names)}"
            raise SchemaError(f"{self.name} has no compared column {column!r}", hint=hint)
        if not self.pair.key:
            raise SchemaError(
                f"{self.name} has no key", hint="pass key= to diff to name what identifies a row"
            )
        wanted = self._by_text.get(key) if isinstance(key, str) and len(self.pair.key) > 1 else None
        wanted = self._token(key) if wanted is None else wanted
        local, remote = self._find(wanted) or (self.lookup(wanted) if self.lookup else (None, None))
        if local is None and remote is None:
            raise SchemaError(
                f"{self.name} has no row {key!r}", hint=f"the key is {', '.join(self.pair.key_names)}"
            )
        return explanation(self.pair, names.index(column), local, remote, self.parents.get(column))

    @cached_property
    def _by_text(self) -> dict[str, Hashable]:
        """Differing rows by their key as `cells` writes it."""
        key = [self.pair.columns.index(column) for column in self.pair.key]
        return {
            key_text(self.pair, [row[at] for at in key]): token
            for token, places in self._places.items()
            for rows, number in [places[0] or places[1] or (self.only_local, 0)]
            for row in [rows.row(number)]
        }

    def _token(self, key: Any) -> Hashable:
        parts = key if isinstance(key, tuple | list) else (key,)
        if len(parts) != len(self.pair.key):
            raise SchemaError(
                f"the key of {self.name} has {len(self.pair.key)} parts, not {len(parts)}",
                hint=f"pass ({', '.join(self.pair.key_names)})",
            )
        return key_token(self.pair, [plain(part) for part in parts])

    @cached_property
    def _places(self) -> dict[Hashable, tuple[Place, Place]]:
        places: dict[Hashable, tuple[Place, Place]] = {}
        for at, token in enumerate(self._tokens(self.changed_local, "local")):
            places[token] = ((self.changed_local, at), (self.changed_remote, at))
        for at, token in enumerate(self._tokens(self.only_local, "local")):
            places[token] = ((self.only_local, at), None)
        for at, token in enumerate(self._tokens(self.only_remote, "remote")):
            # Where ids are numbered apart, one id may be two rows: then the local one is meant.
            places.setdefault(token, (None, (self.only_remote, at)))
        return places

    def _tokens(self, rows: RowSet, side: Side) -> list[Hashable]:
        if not rows:
            return []
        parts = [to_python(rows.columns[self.pair.columns.index(column)]) for column in self.pair.key]
        return [key_token(self.pair, values, side) for values in zip(*parts, strict=True)]

    def _find(self, token: Hashable) -> tuple[tuple[Raw, ...] | None, tuple[Raw, ...] | None] | None:
        if token not in self._places:
            return None
        local, remote = self._places[token]
        return local and local[0].row(local[1]), remote and remote[0].row(remote[1])

    def _sheet(self) -> Sheet:
        return table_sheet(self)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()
