"""Rows as dicts, as a service sends them: columns by name, and what each row says nothing about."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from syncnb.errors import SchemaError
from syncnb.values.raw import Mask

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["columns_of"]


def columns_of(table: str, rows: Sequence[Any]) -> "tuple[dict[str, pd.Series[Any]], dict[str, Mask]]":
    """A column of Python objects for each name that any row has; and by name, which rows do not have it.

    Raises SchemaError for a row that is no dict, or a name that is no text.
    """
    import pandas as pd

    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise SchemaError(
                f"row {number} of {table!r} is no row but a {type(row).__name__}",
                hint="write each row as {column: value}",
            )
    names = list(dict.fromkeys(name for row in rows for name in row))
    if odd := [name for name in names if not isinstance(name, str)]:
        raise SchemaError(f"{table!r} has a column {odd[0]!r}, which is no name", hint="write names as text")
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}
    ungiven = {name: np.array([name not in row for row in rows], dtype=np.bool_) for name in names}
    return columns, {name: which for name, which in ungiven.items() if which.any()}
