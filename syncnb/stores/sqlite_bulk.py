"""Rows of a SQLite table in bulk: SQLite itself puts thousands of values of a column into one text.

    SELECT group_concat(id, ','), group_concat(name, ?), … WHERE rowid BETWEEN 1 AND 24576
      b'1,2,3,…'  b'ann␟bob␟…'       one object a column ──► numpy ──► the raw columns that reading cell by cell gives

While it does so no interpreter is needed, so that another thread works at full speed. Rowids that follow each other
are not asked for: they are known from how many there are. What a column holds is learnt from the rows before, and
checked with each range: where a value is of another storage class, cannot be told from the signs between values, or is
not exactly what its text says, that range is read cell by cell.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from syncnb.values.columns import Mask
from syncnb.values.raw import from_numbers, from_python, to_python

__all__ = ["MOST_COLUMNS", "ROWIDS", "Bulk", "Wanted"]

LEARNT_FROM = 512
"""Rows read cell by cell at first, to learn what the columns hold."""
LONGEST = 16 * 2**20
"""Bytes of one text; a range with more is read cell by cell, so that large values cannot fill the memory."""
MOST_COLUMNS = 200
PATIENCE = 4
"""Ranges that could not be read in bulk, more than could, after which no other is tried."""
BETWEEN = "\x1f"
"""What stands between two texts."""
ZERO = ord("0")
DIGITS = b"0123456789-,"
"""All that there is in a list of whole numbers. The text of any other number has a point or a letter."""
EXACT = 2**53
FINEST = 6
"""Decimals behind the point that are tried."""
NOTHING = type(None)
ROWIDS = range(-(2**63), 2**63)

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"
Cells = Callable[[str, Sequence[Any]], Iterator[pa.RecordBatch]]


class _Unread(Exception):
    """This range has to be read cell by cell."""


@dataclass
class _Column:
    """One column: what it held so far, and so how it is asked for."""

    name: str
    """Quoted, with the table's alias."""
    seen: set[type] = field(default_factory=set)
    scale: int | None = 0
    """Decimals behind the point of all reals so far; None where some have too many."""
    is_rowid: bool = False
    """It is the number of the row: always there, always whole."""
    known: bool = False
    """Only where the last rows followed each other without a gap: then it is not asked for."""

    def learn(self, array: pa.Array) -> None:
        """Look at values that were read cell by cell. One that fits to none before it is taken for an exception."""
        values = to_python(array)
        kinds = set(map(type, values))
        self.seen |= kinds if not self.seen or _go_together(self.seen | kinds) else kinds & {NOTHING}
        if float in self.seen:
            reals = np.array([value for value in values if isinstance(value, float)], np.float64)
            while self.scale is not None and not _is_exact(reals, self.scale):
                self.scale = self.scale + 1 if self.scale < FINEST else None

    @property
    def fits(self) -> bool:
        """Whether it can be read in bulk at all."""
        return _go_together(self.seen)

    @property
    def by_cell(self) -> bool:
        """Whether it holds reals that no text tells exactly: numbers of a fixed size, read one by one beside the others."""
        return self.fits and float in self.seen and self.scale is None

    @property
    def _unit(self) -> int | None:
        """100 where all reals are hundredths; None where there are none, or no such number."""
        if not self.fits or float not in self.seen or self.scale is None:
            return None
        return int(10**self.scale)

    @property
    def _only(self) -> type | None:
        """The one kind of its values."""
        kinds = self.seen - {NOTHING}
        return next(iter(kinds)) if len(kinds) == 1 else None

    @property
    def _nullable(self) -> bool:
        return NOTHING in self.seen

    @property
    def odd(self) -> str:
        """SQL: whether a value is not of the expected class. NULL, where it is expected, is not true either.

        All numbers come before all texts, and these before all bytes: that is asked of many columns for less than
        the name of one storage class.
        """
        name = self.name
        if self.is_rowid:
            return "0"
        if not self.seen - {NOTHING}:
            return f"{name} IS NOT NULL"
        if self._only is str:
            found = f"+{name} COLLATE BINARY < '' OR +{name} COLLATE BINARY >= x''"
        elif self._unit is not None:
            # n/100 has to be this very number, so that no text of a real is trusted. `+` takes the column's affinity
            # away: no text is to count as the number that it looks like.
            found = f"{self._units} / {self._unit:d}.0 <> +{name}"
        else:
            found = f"+{name} COLLATE BINARY >= ''"
        return found if self._nullable or self.by_cell else f"{name} IS NULL OR {found}"

    @property
    def _units(self) -> str:
        return f"round({self.name} * {self._unit:d})"

    @property
    def asked(self) -> tuple[str, str, str]:
        """SQL: the text of all values that are not NULL, which ones are NULL, how many integers."""
        name = self.name
        if self.known:
            return "NULL", "NULL", "NULL"
        nulls = f"group_concat({name} IS NULL, '')" if self._nullable else "NULL"
        if self._only is int:
            return f"group_concat({name}, ',')", nulls, "NULL"
        if self._only is str:
            return f"group_concat({name}, :between)", nulls, "NULL"
        if self._unit is not None:
            integers = f"count(*) FILTER (WHERE typeof({name}) = 'integer')"
            return f"group_concat(CAST({self._units} AS INTEGER), ',')", nulls, integers
        return "NULL", "NULL", "NULL"

    def read(self, rows: int, text: bytes | None, nulls: bytes | None, integers: int | None) -> pa.Array:
        """The raw column, as it would be cell by cell; nothing for one that is `by_cell`. Raises _Unread."""
        if text is None:
            return pa.nulls(rows)
        valid = None if nulls is None or b"1" not in nulls else np.frombuffer(nulls, np.uint8) == ZERO
        given = rows if valid is None else int(np.count_nonzero(valid))
        if self._only is str:
            return _texts(text, valid, given)
        numbers = _spread(_numbers(text, given), valid)
        if (unit := self._unit) is not None:
            return _decimals(numbers, valid, unit, integers or 0, given)
        return pa.array(numbers, mask=None if valid is None else ~valid)


def _go_together(kinds: set[type]) -> bool:
    return kinds - {NOTHING} in (set(), {str}) or kinds <= {int, float, NOTHING}


def _is_exact(reals: "np.ndarray[Any, Any]", scale: int) -> bool:
    with np.errstate(over="ignore"):  # what becomes infinite is not exact
        whole = np.rint(reals * 10**scale)
    return bool(np.all((np.abs(whole) < EXACT) & (whole / 10**scale == reals)))


def _texts(text: bytes, valid: "Mask | None", given: int) -> pa.Array:
    sign = BETWEEN.encode()
    at = np.flatnonzero(np.frombuffer(text, np.uint8) == sign[0])
    if len(at) != given - 1 or not (text.isascii() or _is_utf8(text)):
        raise _Unread
    text = text.replace(sign, b"")
    lengths = np.diff(at, prepend=-1, append=len(text) + len(at)) - 1
    ends = np.concatenate([[0], np.cumsum(_spread(lengths, valid))]).astype(np.int32)
    nulls = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text), nulls)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _numbers(text: bytes, given: int) -> "Numbers":
    """Whole numbers. Raises _Unread where there is a real among them."""
    if text.translate(None, DIGITS):
        raise _Unread
    found = np.fromstring(text, np.int64, sep=",")
    if len(found) != given:
        raise _Unread
    return found


def _spread(values: "Numbers", valid: "Mask | None") -> "Numbers":
    """The same with 0 where NULL is."""
    if valid is None:
        return values
    found = np.zeros(len(valid), np.int64)
    found[valid] = values
    return found


def _decimals(
    numbers: "Numbers",
    valid: "Mask | None",
    unit: int,
    integers: int,
    given: int,
) -> pa.Array:
    """Reals, or among them what SQLite keeps as integers."""
    valid = np.ones(len(numbers), np.bool_) if valid is None else valid
    whole = valid & (numbers % unit == 0)
    # A whole number that is kept as a real is told from an integer only where there is but one of the two kinds;
    # and a real 0 may be a minus 0.
    if ((numbers >= EXACT) | (numbers <= -EXACT)).any() or (integers and np.count_nonzero(whole) != integers):
        raise _Unread
    if not integers and (numbers[valid] == 0).any():
        raise _Unread
    return from_numbers(numbers // unit, numbers / unit, whole if integers else np.zeros_like(valid), ~valid)


@dataclass(frozen=True)
class Wanted:
    """Which rows of which table, in the order of their rowids; names as they stand in SQL, the alias of the table: `t`."""

    table: str
    rowid: str
    columns: Mapping[str, str]
    """By name: the values of a column."""
    cells: Cells
    """Reads these columns of the rows of which a condition with some values is true, cell by cell."""
    alias: str = ""
    """The column that is the rowid itself."""
    within: range = ROWIDS
    """The rowids that are wanted."""

    def by_cell(self, first: int, last: int) -> Iterator[pa.RecordBatch]:
        """The rows from this rowid up to that one, cell by cell."""
        return self.cells(f"{self.rowid} BETWEEN ? AND ? ORDER BY {self.rowid}", [first, last])


class Bulk:
    """The rows of one table, in the order of their rowids."""

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted) -> None:
        self._connection, self._wanted = connection, wanted
        self._columns = [_Column(sql, is_rowid=name == wanted.alias) for name, sql in wanted.columns.items()]
        self._first, self._end = wanted.within.start, wanted.within.stop
        self._failed = 0
        self._dense = False
        """Whether the last rows followed each other: then the next ones are guessed, and not looked for."""

    def rows(self, at_once: int) -> Iterator[pa.RecordBatch]:
        """All rows, so many at a time. Raises sqlite3.Error."""
        wanted, learnt = min(LEARNT_FROM, at_once), False
        while self._failed < PATIENCE:
            within = self._next_range(wanted)
            if within is None:
                return
            part = self._in_bulk(within) if learnt else None
            if part is not None:
                self._failed = max(0, self._failed - 1)
                yield part
            else:
                self._failed += learnt
                yield from self._by_cell(within)
            wanted = at_once if learnt else at_once - wanted or at_once
            learnt = True
            self._first = within[1] + 1
        if self._first < self._end:
            yield from self._wanted.by_cell(self._first, self._end - 1)

    def _next_range(self, rows: int) -> tuple[int, int] | None:
        """The first and the last rowid of the next rows, no more than these; None at the end."""
        if self._first >= self._end:
            return None
        if self._dense:
            return self._first, min(self._first + rows, self._end) - 1
        query = (
            f"SELECT min(r), max(r) FROM (SELECT {self._wanted.rowid} AS r FROM {self._wanted.table} AS t NOT INDEXED "  # noqa: S608
            f"WHERE {self._wanted.rowid} BETWEEN ? AND ? ORDER BY {self._wanted.rowid} LIMIT {rows:d})"
        )
        first, end = self._connection.execute(query, (self._first, self._end - 1)).fetchone()
        return None if first is None else (first, end)

    def _by_cell(self, within: tuple[int, int]) -> Iterator[pa.RecordBatch]:
        for part in self._wanted.by_cell(*within):
            for column, array in zip(self._columns, part.columns, strict=True):
                column.learn(array)
            yield part

    def _in_bulk(self, within: tuple[int, int]) -> pa.RecordBatch | None:
        if not all(column.fits for column in self._columns):
            self._dense = False
            return None
        for column in self._columns:
            column.known = column.is_rowid and self._dense
        asked = ", ".join(part for column in self._columns for part in column.asked)
        odd = " OR ".join(column.odd for column in self._columns)
        query = (
            f"SELECT count(*), count(*) FILTER (WHERE {odd}), {asked} FROM {self._wanted.table} AS t NOT INDEXED "  # noqa: S608
            f"WHERE {self._wanted.rowid} BETWEEN :first AND :last"
        )
        try:
            told = {"between": BETWEEN, "first": within[0], "last": within[1]}
            rows, unfit, *found = self._asked(query, told)
            guessed, self._dense = self._dense, rows == within[1] - within[0] + 1
            if unfit:
                return None
            if guessed and not self._dense:
                return self._with_gaps(within, rows)
            parts = [found[at : at + 3] for at in range(0, len(found), 3)]
            arrays = [
                pa.array(np.arange(rows, dtype=np.int64) + within[0])
                if column.known
                else column.read(rows, *part)
                for column, part in zip(self._columns, parts, strict=True)
            ]
        except _Unread:
            return None
        apart = [at for at, column in enumerate(self._columns) if column.by_cell]
        if apart:
            for at, array in zip(apart, self._apart(apart, within), strict=True):
                arrays[at] = array
        return pa.RecordBatch.from_arrays(arrays, names=list(self._wanted.columns))

    def _with_gaps(self, within: tuple[int, int], rows: int) -> pa.RecordBatch | None:
        """A range that was guessed, and is none without gaps."""
        if rows:
            return self._in_bulk(within)
        nothing = [pa.nulls(0)] * len(self._columns)
        return pa.RecordBatch.from_arrays(nothing, names=list(self._wanted.columns))

    def _asked(self, query: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """One row, text as bytes. Raises _Unread where a value would be too long."""
        before = self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        try:
            self._connection.text_factory = bytes
            row: tuple[Any, ...] = self._connection.execute(query, values).fetchone()
        except sqlite3.DataError:  # too long
            raise _Unread from None
        finally:
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
        return row

    def _apart(self, columns: Sequence[int], within: tuple[int, int]) -> list[pa.Array]:
        """Columns of numbers, value by value."""
        names = ", ".join(self._columns[at].name for at in columns)
        query = (
            f"SELECT {names} FROM {self._wanted.table} AS t NOT INDEXED "  # noqa: S608
            f"WHERE {self._wanted.rowid} BETWEEN ? AND ? ORDER BY {self._wanted.rowid}"
        )
        return [from_python(values) for values in zip(*self._connection.execute(query, within), strict=True)]
