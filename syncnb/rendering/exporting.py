"""A frame as a CSV file that a spreadsheet may open: nothing in it is run, and `sn.connect` reads the same from it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncnb.errors import WriteError
from syncnb.filing import writing_whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["save_csv"]

BEGINS = r"^[=+\-@\t\r\n＝＋－＠]"
"""With what a spreadsheet begins a formula, or may find one behind (OWASP, CSV injection)."""
NUMBER = r"^[+-]?(\d+([.]\d*)?|[.]\d+)([eE][+-]?\d+)?$"
BOM = b"\xef\xbb\xbf"
"""By which Excel knows that a file is UTF-8."""


def save_csv(frame: "pd.DataFrame", path: "str | os.PathLike[str]") -> int:
    """Write a frame, such as `d["hosts"].cells`, into a CSV file for people; the index is left out.

    A text that a spreadsheet would take for a formula (it begins with = + - @, a tab or an end of line, and is no plain
    number) gets a ' in front, and so do names of columns: a value that came from anywhere is never run. Returns how many
    cells those were. NULL is an empty field, the empty text one in quotes, bytes are in hex behind \\x; all digits of a
    number are kept. UTF-8, with a mark by which Excel knows it. A file that is there is replaced, whole or not at all.

    Raises WriteError where that is no frame, or the file cannot be written.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv

    if not isinstance(frame, pd.DataFrame):
        told = f"save_csv takes a DataFrame, not {type(frame).__name__}"
        raise WriteError(told, hint='such as d["hosts"].cells, or p.preview()')
    columns = [_column(frame.iloc[:, at]) for at in range(frame.shape[1])]
    names = [_guarded(pa.array([str(name)])) for name in frame.columns]
    guarded = [_guarded(column) for column in columns]
    table = pa.Table.from_arrays(
        [column for column, _ in guarded], names=[name[0].as_py() for name, _ in names]
    )
    target = Path(path)
    try:
        with writing_whole(target) as file:
            file.write(BOM)
            csv.write_csv(table, file)
    except OSError as error:
        hint = "check the folder, and the right to write there"
        raise WriteError(f"{target} cannot be written: {error.strerror or error}", hint=hint) from None
    return sum(cells for _, cells in guarded + names)


def _column(series: "pd.Series[Any]") -> "pa.Array":
    """As texts, or as numbers."""
    import pyarrow as pa

    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # objects of several types
        return pa.array([_text(value) for value in series], pa.string())
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) or pa.types.is_floating(array.type):
        return array
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.string())
    return pa.array([_text(value) for value in array.to_pylist()], pa.string())


def _text(value: Any) -> str | None:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)


def _guarded(column: "pa.Array") -> "tuple[pa.Array, int]":
    """With a ' in front of what a spreadsheet would run, and in how many cells that was."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column, 0
    formula = pc.and_not(pc.match_substring_regex(column, BEGINS), pc.match_substring_regex(column, NUMBER))
    told = pc.if_else(formula, pc.binary_join_element_wise("'", column, ""), column)
    return told, pc.sum(formula).as_py() or 0
