"""Keys of rows: as a person types and reads them, and in canonical form."""

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from syncnb.changes.pairs import TablePair
from syncnb.values.raw import Raw
from syncnb.values.reading import as_text
from syncnb.values.sides import Side

__all__ = ["key_text", "key_token", "plain"]


def plain(value: Any) -> Raw:
    """A value that a person typed or took from a frame, as a store would hold it."""
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, str | bytes | bool | int | float) or value is None:
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, Decimal | UUID):
        return str(value)
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def key_token(pair: TablePair, values: Sequence[Raw], side: Side = "local") -> Hashable:
    """The canonical key of a row."""
    return tuple(
        None if value is None else column.rule.token(value, side)
        for column, value in zip(pair.key, values, strict=True)
    )


def key_text(pair: TablePair, values: Sequence[Raw]) -> str:
    """A key as a person reads it: `7`, or `(10248, 11)`."""
    parts = [as_text(value, column.rule) for column, value in zip(pair.key, values, strict=True)]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
