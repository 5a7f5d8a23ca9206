"""Rows as `COPY … TO STDOUT (FORMAT csv)` sends them, and as raw Arrow columns.

CSV because Arrow has a compiled reader for it, and because PostgreSQL's dialect of it keeps NULL (nothing)
and the empty string (`""`) apart. Values stay PostgreSQL's own text unless Arrow has exactly their type.
"""

import binascii
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv
from sqlalchemy.dialects.postgresql.base import PGDialect

from syncnb.errors import ReadError
from syncnb.schema import Column, Table
from syncnb.stores.port import BATCH_ROWS
from syncnb.stores.postgres_encodings import CODECS, decoded
from syncnb.values.kinds import Kind
from syncnb.values.raw import BadText, Raw, from_python

__all__ = [
    "BATCH_BYTES",
    "QUOTED",
    "copy_format",
    "copy_out",
    "copy_query",
    "qualified",
    "read_batches",
    "selected",
]

BATCH_BYTES = 8 << 20
"""A batch also ends here, so that rows with large values do not fill the memory."""

Line: TypeAlias = "bytes | bytearray | memoryview"

# A paramstyle without `%`: the preparer would double every `%` in a name, and nothing here is formatted.
QUOTED = PGDialect(paramstyle="named").identifier_preparer.quote_identifier  # type: ignore[no-untyped-call]

ARROW = {
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.FLOAT4: pa.float32(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.BYTES: pa.binary(),
}
"""Kinds that do not stay text. Bytes arrive as hexadecimal digits."""

NATURAL_ORDER = frozenset(
    {
        Kind.INTEGER,
        Kind.NUMERIC,
        Kind.FLOAT,
        Kind.FLOAT4,
        Kind.BOOLEAN,
        Kind.BYTES,
        Kind.DATE,
        Kind.TIME,
        Kind.TIMETZ,
        Kind.TIMESTAMP,
        Kind.TIMESTAMPTZ,
        Kind.INTERVAL,
        Kind.UUID,
    }
)
"""Kinds whose own order is the one we want. The others are ordered by their text."""


def qualified(table: Table) -> str:
    """The table's name for SQL, with its schema, quoted."""
    return QUOTED(table.name) if table.schema is None else f"{QUOTED(table.schema)}.{QUOTED(table.name)}"


def copy_query(table: Table, columns: Sequence[Column], order: Sequence[Column] = (), where: str = "") -> str:
    """The COPY that sends `columns` of all rows, or of those that `where` lets through."""
    chosen = ", ".join(map(selected, columns))
    ordered = f" ORDER BY {', '.join(map(_sort_key, order))}" if order else ""
    filtered = f" WHERE {where}" if where else ""
    return copy_out(f"SELECT {chosen} FROM {qualified(table)} AS t{filtered}{ordered}", table)  # noqa: S608 - names, quoted


def copy_out(query: str, table: Table) -> str:
    """The COPY that sends what `query` gives, in the form that `read_batches` reads."""
    encoding = table.text_encoding if table.text_encoding in CODECS else _encoding(table)
    return f"COPY ({query}) TO STDOUT (FORMAT csv, ENCODING '{encoding}')"


def copy_format(table: Table, *, own: bool = False) -> str:
    """How rows go into `table`, or beside it; `own`: in the encoding of its database.

    It names its encoding, so that it does not depend on that of the session: UTF-8, or the bytes as
    they are where the database never checked them.
    """
    return f"(FORMAT csv, ENCODING '{table.text_encoding if own else _encoding(table)}')"


def _encoding(table: Table) -> str:
    return "SQL_ASCII" if table.text_encoding == "unchecked" else "UTF8"


def selected(column: Column) -> str:
    """The column of `t` as it is read."""
    # money prints with the server's currency sign; as numeric it is a number. For numeric itself
    # (or a domain over it) the cast does nothing.
    name = f"t.{QUOTED(column.name)}"
    return f"{name}::pg_catalog.numeric" if column.kind == Kind.NUMERIC else name


def _sort_key(column: Column) -> str:
    # char(n) loses its padding in the cast to text; text that is already text is not touched, so that an
    # index in "C" order still serves.
    key = f"t.{QUOTED(column.name)}"
    if column.kind not in NATURAL_ORDER:
        key = f'{key}::pg_catalog.text COLLATE pg_catalog."C"'
    # An index keeps NULL last: asking for NULL first where there is none would only force a sort.
    return f"{key} NULLS FIRST" if column.nullable else key


def read_batches(lines: Iterable[Line], table: Table, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Raw batches from the lines of a COPY. Each line is one whole row, however many line breaks it holds.

    A batch ends at `BATCH_ROWS` rows or `BATCH_BYTES` bytes. No rows, no batch.
    """
    # One growing buffer: a list of lines to be joined later takes twice the time of the whole COPY.
    text, rows = bytearray(), 0
    for line in lines:
        text += line
        rows += 1
        if rows >= BATCH_ROWS or len(text) >= BATCH_BYTES:
            yield _batch(text, rows, table, columns)
            text, rows = bytearray(), 0
    if rows:
        yield _batch(text, rows, table, columns)


def _batch(text: bytearray, rows: int, table: Table, columns: Sequence[Column]) -> pa.RecordBatch:
    if not columns:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
    encoding = table.text_encoding
    if encoding in CODECS and (plain := decoded(text, encoding)) is not None:
        text, encoding = bytearray(plain), "utf-8"
    try:
        arrays = _parsed(text, [_arrow_type(column, unchecked=encoding != "utf-8") for column in columns])
        arrays = [_finished(array, column, encoding) for array, column in zip(arrays, columns, strict=True)]
    except ValueError:  # Arrow's and binascii's errors; their text would show values
        arrays = []
    if not arrays or len(arrays[0]) != rows:
        raise ReadError(
            f"the server sent rows of {table.label} that do not fit its catalogue",
            hint="its columns may have changed since it was inspected: inspect again",
        )
    return pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])


def _arrow_type(column: Column, *, unchecked: bool) -> pa.DataType:
    return ARROW.get(Kind(column.kind), pa.binary() if unchecked else pa.string())


def _parsed(text: bytearray, types: Sequence[pa.DataType]) -> list[pa.Array]:
    """The columns of CSV text. They are numbered, because two may have one name."""
    names = [str(number) for number in range(len(types))]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        # One block, so that no value is cut in two; one thread, because the caller has its own.
        read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict(zip(names, types, strict=True)),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def _finished(array: pa.Array, column: Column, encoding: str) -> pa.Array:
    if column.kind == Kind.BYTES:
        return _from_hex(array)
    return array if array.type != pa.binary() else _text(array, CODECS.get(encoding, "utf-8"))


def _from_hex(array: pa.Array) -> pa.Array:
    """`\\x6869` as the two bytes it means, for the whole column at once."""
    validity, offsets, data = array.buffers()  # fresh from the parser: nothing is sliced
    starts = np.frombuffer(offsets, np.int32)[: len(array) + 1]
    digits = bytes(memoryview(data)[: starts[-1]]) if data else b""
    # NULL has no characters and stays without bytes; every value begins with two that are not digits.
    lengths = np.maximum(np.diff(starts) - 2, 0) // 2
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = binascii.unhexlify(digits.replace(b"\\x", b""))
    buffers = [validity, pa.py_buffer(ends), pa.py_buffer(values)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(array), buffers)


def _text(array: pa.Array, codec: str) -> pa.Array:
    """Bytes as text where all of them are UTF-8, else value by value."""
    if codec == "utf-8":
        with suppress(pa.ArrowInvalid):
            return array.cast(pa.string())
    return from_python([_decoded(value, codec) for value in array.to_pylist()])


def _decoded(value: bytes | None, codec: str) -> Raw:
    if value is None:
        return None
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return BadText(value)
