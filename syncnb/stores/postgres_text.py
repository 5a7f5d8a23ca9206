"""Raw columns as the text that PostgreSQL reads: CSV for COPY, and plain values for arrays.

Made by Arrow for whole columns. NULL is nothing and the empty string is `""`, as COPY has it.
"""

import binascii
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from syncnb.values.raw import MIXED, BadText, Raw, to_python

__all__ = ["VALUE", "as_text", "csv_chunks", "own_codec", "placed"]

CHUNK_ROWS = 32_768

VALUE = "\0"
"""Stands for a bound value in SQL that also holds names and expressions of the catalogue: none of them has it."""


def placed(query: str) -> str:
    """The query as the driver takes it: its percent signs are its own (`n % 2`, `LIKE 'a%'`), and no placeholders."""
    return query.replace("%", "%%").replace(VALUE, "%s")


def csv_chunks(columns: Sequence[pa.Array], codec: str = "utf-8") -> Iterator[bytes | memoryview]:
    """The rows as CSV in this encoding, some thousands at a time."""
    printed = [_printable(column, codec) for column in columns]
    for start in range(0, len(columns[0]), CHUNK_ROWS):
        yield _chunk([column.slice(start, CHUNK_ROWS) for column in printed])


def as_text(column: pa.Array) -> list[str | None]:
    """The values as PostgreSQL's text. Raises UnicodeDecodeError for text that is not UTF-8."""
    printed = _printable(column)
    if pa.types.is_binary(printed.type):
        return [None if value is None else value.decode() for value in printed.to_pylist()]
    values: list[str | None] = printed.cast(pa.large_string()).to_pylist()
    return values


def _printable(column: pa.Array, codec: str = "utf-8") -> pa.Array:
    """The column as Arrow prints it right; bytes where text need not be UTF-8."""
    if column.type == MIXED or (codec != "utf-8" and column.type == pa.string()):
        return pa.array([_spelled(value, codec) for value in to_python(column)], pa.binary())
    return _hex(column) if pa.types.is_binary(column.type) else column


def own_codec(columns: Sequence[pa.Array], codec: str) -> bool:
    """Whether text among these must go over in that encoding, as it holds bytes that mean nothing, and can."""
    texts = [to_python(column) for column in columns if column.type in (MIXED, pa.string())]
    if not any(isinstance(value, BadText) for values in texts for value in values):
        return False
    try:
        for value in (value for values in texts for value in values):
            _spelled(value, codec)
    except UnicodeEncodeError:
        return False
    return True


def _spelled(value: Raw, codec: str) -> bytes | None:
    match value:
        case None:
            return None
        case BadText(data):
            return data
        case bytes():
            return b"\\x" + binascii.hexlify(value)
        case _:
            return str(value).encode(codec)


def _hex(column: pa.Array) -> pa.Array:
    """Bytes as `\\x6869`, for the whole column at once."""
    column = pa.concat_arrays([column])  # a slice keeps the buffers of the whole
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    digits = binascii.hexlify(memoryview(data)[starts[0] : starts[-1]]) if data else b""
    ends = (starts.astype(np.int64) - starts[0]) * 2
    plain = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(ends), pa.py_buffer(digits))
    if column.null_count:
        plain = pc.if_else(column.is_valid(), plain, pa.scalar(None, pa.large_string()))
    nothing = pa.scalar("", pa.large_string())
    return pc.binary_join_element_wise(pa.scalar("\\x", pa.large_string()), plain, nothing)


def _chunk(columns: Sequence[pa.Array]) -> bytes | memoryview:
    if any(pa.types.is_binary(column.type) for column in columns):
        return _one_by_one(columns)
    out = pa.BufferOutputStream()
    table = pa.table(list(columns), names=[str(number) for number in range(len(columns))])
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pyarrow.csv.write_csv(table, out, options)
    return memoryview(out.getvalue())


def _one_by_one(columns: Sequence[pa.Array]) -> bytes:
    """As Arrow does it, but without its check that all text is UTF-8."""
    cells = [_cells(column) for column in columns]
    return b"".join(b",".join(row) + b"\n" for row in zip(*cells, strict=True))


def _cells(column: pa.Array) -> list[bytes]:
    # By way of bytes: a binary column is printed already.
    if not pa.types.is_binary(column.type):
        column = column.cast(pa.large_string()).cast(pa.large_binary())
    return [
        b"" if value is None else b'"' + value.replace(b'"', b'""') + b'"' for value in column.to_pylist()
    ]
