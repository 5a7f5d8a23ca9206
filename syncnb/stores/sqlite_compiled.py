"""Rows of a SQLite table by a compiled loop, which puts their values into one array a column.

    SELECT syncnb_rows(0, rowid, name, …) FROM t WHERE rowid >= 1
      SQLite calls the function with each row ──► arrays ──► the raw columns that reading cell by cell gives

A statement that gives its rows to nobody but a function of its own takes two thirds of the time of one that stops at
each row to be asked for its values. It works within the transaction of Python's own connection, by functions of the
very library that Python's sqlite3 works with: a second SQLite in one process would lose the locks of the first. Where
Python keeps the handle of a connection is learnt from one whose handle SQLite itself tells; where that cannot be
learnt, nothing is read so.
"""

import ctypes
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.compiled import INT, LONG, POINTER, function
from syncnb.stores.sqlite_bulk import Wanted
from syncnb.values.raw import BadText, Raw, from_numbers, from_python, plain

__all__ = ["CompiledRows", "reads_compiled"]

LARGEST = 16 * 2**20
"""Bytes of the texts of one reading, over all columns; a row with longer ones is read cell by cell."""
INTEGER, FLOAT, TEXT, BLOB, NULL = (1 << number for number in range(1, 6))
"""Storage classes: the bits with the numbers that SQLite gives them."""
NUMBERS = INTEGER | FLOAT
GOES_BACK, NO_ROOM, OK, INTERRUPTED, ROW, DONE = -2, -1, 0, 9, 100, 101
"""What the loop, or SQLite, says at the end."""

NAME = "syncnb_rows"
"""The loop, as a function of a connection: it is made known to it by the first reading, and does nothing outside of one."""
FUNCTIONS = (
    "prepare_v2", "bind_int64", "step", "finalize", "create_function_v2", "context_db_handle", "result_error",
    "value_type", "value_int64", "value_double", "value_text", "value_blob", "value_bytes",
)  # fmt: skip
"""Those of SQLite, in the order in which the loop expects them."""

HANDED: list[Any] = []
"""What SQLite calls with each new connection. A Ctrl-C may come before it is told to stop that: so they stay for good."""


class _Column(ctypes.Structure):
    """A column as the loop fills it."""

    _fields_ = (
        ("kinds", POINTER),
        ("numbers", POINTER),
        ("ends", POINTER),
        ("bytes", POINTER),
        ("room", LONG),
        ("seen", ctypes.c_uint8),
        ("high", ctypes.c_uint8),
    )


class _Buffers:
    """The arrays behind one column."""

    def __init__(self, rows: int, room: int) -> None:
        self.kinds = np.empty(rows, np.uint8)
        self.numbers = np.empty(rows, np.int64)
        self.ends = np.zeros(rows + 1, np.int32)
        self.bytes = np.empty(room, np.uint8)

    def told(self) -> tuple[int, ...]:
        arrays = (self.kinds, self.numbers, self.ends, self.bytes)
        return (*(array.ctypes.data for array in arrays), len(self.bytes), 0, 0)

    def raw(self, rows: int, seen: int, *, ascii_only: bool) -> pa.Array:
        """The first rows as a raw column, which shares nothing with these arrays."""
        null = self.kinds[:rows] == NULL if seen & NULL else None
        kinds = seen & ~NULL
        if not kinds:
            return pa.nulls(rows)
        if kinds == TEXT and (texts := self._texts(rows, null, ascii_only=ascii_only)) is not None:
            return texts
        numbers = self.numbers[:rows]
        if kinds in (INTEGER, FLOAT):
            return plain(numbers if kinds == INTEGER else numbers.view(np.float64), null)
        if kinds == NUMBERS:
            return from_numbers(numbers, numbers.view(np.float64), self.kinds[:rows] == INTEGER, null)
        return from_python([self._value(row) for row in range(rows)])

    def _texts(self, rows: int, null: Any, *, ascii_only: bool) -> pa.Array | None:
        """None where one of them is not UTF-8."""
        ends, data = self.ends[: rows + 1].tobytes(), self.bytes[: self.ends[rows]].tobytes()
        bits = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
        found = pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(data), bits)
        try:
            if not ascii_only:
                found.validate(full=True)
        except pa.ArrowInvalid:
            return None
        return found

    def _value(self, row: int) -> Raw:
        kind, number = int(self.kinds[row]), self.numbers[row]
        data = self.bytes[self.ends[row] : self.ends[row + 1]].tobytes()
        if kind in (INTEGER, FLOAT):
            return int(number) if kind == INTEGER else float(number.view(np.float64))
        if kind == NULL:
            return None
        try:
            return data if kind == BLOB else data.decode()
        except UnicodeDecodeError:
            return BadText(data)


class CompiledRows:
    """The rows of one table, in the order of their rowids."""

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted) -> None:
        """Raises sqlite3.NotSupportedError where rows cannot be read so."""
        learnt = _learnt()
        if learnt is None:
            raise sqlite3.NotSupportedError("rows cannot be read by a compiled loop here")
        self._connection, self._wanted, self._learnt = connection, wanted, learnt
        rowid = wanted.rowid
        asked = [rowid, *(sql for name, sql in wanted.columns.items() if name != wanted.alias)]
        self._width = len(asked)
        places = iter(range(1, len(asked)))
        self._places = [0 if name == wanted.alias else next(places) for name in wanted.columns]
        # So asked, SQLite goes up through the table itself. ORDER BY orders no rows for a function; a subquery with it
        # does, and costs more than all else. So the loop looks at each rowid, and stops at one that does not go up.
        self._sql = (
            f"SELECT {_handed(connection, asked)} FROM {wanted.table} AS t NOT INDEXED "  # noqa: S608
            f"WHERE {rowid} >= ?1"
        ).encode()
        self._next, self._last = wanted.within.start, wanted.within.stop - 1

    def rows(self, at_once: int) -> Iterator[pa.RecordBatch]:
        """All rows, no more than so many at a time. Raises sqlite3.Error."""
        buffers = [_Buffers(at_once, LARGEST // self._width) for _ in range(self._width)]
        columns = (_Column * self._width)(*(_Column(*buffer.told()) for buffer in buffers))
        while self._next <= self._last:
            rows, told = self._read(columns, at_once)
            if told == INTERRUPTED:
                raise sqlite3.OperationalError("interrupted")
            if told == GOES_BACK:
                yield from self._by_cell(self._last)  # which one statement reads, whatever their order
                return
            if rows:
                yield self._batch(buffers, columns, rows)
                self._next = int(buffers[0].numbers[rows - 1]) + 1
            if told == DONE:
                return
            if told == NO_ROOM:
                if not rows:
                    yield from self._by_cell(int(buffers[0].numbers[0]))
            elif told != ROW:
                yield from self._by_cell(self._last)  # says itself what is wrong

    def _read(self, columns: Any, at_once: int) -> tuple[int, int]:
        """How many rows they were, and what SQLite said last."""
        told = ctypes.c_int(OK)
        handle = self._learnt.handle(self._connection)
        rows = self._learnt.read(
            self._learnt.functions,
            handle,
            NAME.encode(),
            self._sql,
            self._next,
            self._last,
            at_once,
            self._width,
            columns,
            ctypes.byref(told),
        )
        return rows, told.value

    def _batch(self, buffers: Sequence[_Buffers], columns: Any, rows: int) -> pa.RecordBatch:
        arrays = [
            buffers[at].raw(rows, columns[at].seen, ascii_only=not columns[at].high) for at in self._places
        ]
        return pa.RecordBatch.from_arrays(arrays, names=list(self._wanted.columns))

    def _by_cell(self, last: int) -> Iterator[pa.RecordBatch]:
        """From the next row up to this one."""
        first, self._next = self._next, last + 1
        yield from self._wanted.by_cell(first, last)


def _handed(connection: sqlite3.Connection, values: Sequence[str]) -> str:
    """SQL: the function called with these values, as often as it takes to hand over all of them."""
    at_once = max(1, connection.getlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG) - 1)
    starts = range(0, len(values), at_once)
    return ", ".join(f"{NAME}({at:d}, {', '.join(values[at : at + at_once])})" for at in starts)


def reads_compiled() -> bool:
    """Whether rows can be read so here."""
    return _learnt() is not None


@dataclass(frozen=True)
class _Learnt:
    """What is needed to read so."""

    functions: Any
    """Those of SQLite."""
    read: Any
    """The loop."""
    place: int
    """Where in a connection of Python its handle is, in bytes."""

    def handle(self, connection: sqlite3.Connection) -> int:
        """SQLite's handle of a connection. Raises sqlite3.ProgrammingError where it is closed."""
        connection.total_changes  # noqa: B018  asks whether it is open, and whether this thread may use it
        return int(POINTER.from_address(id(connection) + self.place).value or 0)


@cache
def _learnt() -> _Learnt | None:
    """None where any of it is not to be had."""
    text = ctypes.c_char_p
    taken = (POINTER, POINTER, text, text, LONG, LONG, LONG, INT, POINTER, POINTER)
    read = function("read_rows", LONG, *taken)
    if read is None or sys.implementation.name != "cpython":
        return None
    try:
        import _sqlite3

        sqlite = ctypes.CDLL(_sqlite3.__file__)  # its functions are looked up in what it is linked to
        places = {_place(sqlite) for _ in range(2)}
        functions = (POINTER * len(FUNCTIONS))(
            *(ctypes.cast(getattr(sqlite, f"sqlite3_{name}"), POINTER).value for name in FUNCTIONS)
        )
    except (ImportError, AttributeError, OSError):
        return None
    place = places.pop()
    return None if places or place is None else _Learnt(functions, read, place)


def _place(sqlite: Any) -> int | None:
    """Where in a connection of Python SQLite's handle is, in bytes; None where it is in no place or in several.

    SQLite hands the handle of each new connection to whoever asked for it.
    """
    found: dict[int, int] = {}

    def told(handle: int, _: int, __: int) -> int:
        found[threading.get_ident()] = handle
        return OK

    asked = ctypes.CFUNCTYPE(INT, POINTER, POINTER, POINTER)(told)
    HANDED.append(asked)
    try:
        if sqlite.sqlite3_auto_extension(asked) != OK:
            return None
        connection = sqlite3.connect(":memory:")
    finally:
        sqlite.sqlite3_cancel_auto_extension(asked)
    size = ctypes.sizeof(POINTER)
    words = (POINTER * (sqlite3.Connection.__basicsize__ // size)).from_address(id(connection))
    places = [at * size for at, word in enumerate(words) if word == found.get(threading.get_ident(), -1)]
    connection.close()
    return places[0] if len(places) == 1 else None
