"""Small questions about Arrow columns, and the text form of PostgreSQL's arrays."""

from collections.abc import Hashable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["become", "equal", "holds", "literal", "mask"]


def holds(array: pa.Array, wanted: pa.DataType) -> bool:
    """Whether the column is of that type, or all NULL."""
    return bool(array.type == wanted or array.type == pa.null())


def become(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The column as that type; for one that `holds` it."""
    return array.cast(wanted) if array.type == pa.null() else array


def mask(array: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """A boolean column as a numpy mask, NULL as False."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]]
    whole = pc.fill_null(array, fill_value=False) if array.null_count else array
    found = whole.to_numpy(zero_copy_only=False)
    return found


def equal(left: pa.Array, right: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Where two columns of one plain type are equal; NaN equals NaN, and NULL is left to the caller."""
    if pa.types.is_floating(left.type):
        ours, theirs = (side.to_numpy(zero_copy_only=False) for side in (left, right))
        found: np.ndarray[tuple[int], np.dtype[np.bool_]]
        found = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        return found
    return mask(pc.equal(left, right))


def literal(text: str) -> Hashable | None:
    """A PostgreSQL array literal as nested tuples of texts and None; None if it is none.

    >>> literal('{a,"b, c",NULL,{"d"}}')
    ('array', 'a', 'b, c', None, ('array', 'd'))
    """
    # A lower bound other than 1 is written in front: [0:1]={a,b}.
    start = text.find("={") + 1 if text.startswith("[") else 0
    if not text.startswith("{", start):
        return None
    try:
        value, end = _array(text, start)
    except (IndexError, RecursionError):
        return None
    return (text[:start], value) if start and end == len(text) else value if end == len(text) else None


def _array(text: str, at: int) -> tuple[Hashable, int]:
    items: list[Hashable] = []
    at += 1
    if text[at] == "}":
        return ("array",), at + 1
    while True:
        item, at = _array(text, at) if text[at] == "{" else _item(text, at)
        items.append(item)
        if text[at] == "}":
            return ("array", *items), at + 1
        if text[at] != ",":
            raise IndexError(at)
        at += 1


def _item(text: str, at: int) -> tuple[str | None, int]:
    quoted, out = text[at] == '"', []
    at += quoted
    while text[at] != '"' if quoted else text[at] not in ",}{":
        at += text[at] == "\\"
        out.append(text[at])
        at += 1
    word = "".join(out)
    return (None if not quoted and word.upper() == "NULL" else word), at + quoted
