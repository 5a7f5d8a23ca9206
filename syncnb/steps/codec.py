"""Raw Arrow columns as JSON and back, exactly; and JSON as bytes that are equal where its content is."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, NoReturn, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.errors import PlanError
from syncnb.values.raw import MIXED

__all__ = ["Json", "canonical", "decode_columns", "digest", "encode_columns", "parse"]

Json: TypeAlias = Any
"""What `json` gives and takes: dict, list, str, int, float, bool, None."""

NAMES: dict[pa.DataType, str] = {
    pa.int64(): "int64",
    pa.float64(): "double",
    pa.float32(): "float",
    pa.bool_(): "bool",
    pa.string(): "string",
    pa.binary(): "binary",
    pa.null(): "null",
    MIXED: "mixed",
}
TYPES = {name: kind for kind, name in NAMES.items()}
NO_VALUE = "-"
"""The class of a NULL in a MIXED column."""


def encode_columns(arrays: Iterable[pa.Array]) -> Json:
    """Raw columns as a JSON value: a list with one object a column.

    Integers stay integers and doubles are written by their repr, so both come back bit for bit; what JSON
    has no number for is "nan", "inf" or "-inf"; bytes are base64; a MIXED column has a letter for the
    storage class of each value (`i f t b x`, `-` for NULL). Raises TypeError outside the raw vocabulary.
    """
    return [_encode(array) for array in arrays]


def decode_columns(value: Json) -> tuple[pa.Array, ...]:
    """The raw columns that `encode_columns` wrote. Raises PlanError where the value is not of its making."""
    if not isinstance(value, list):
        raise _unreadable("a list of columns was expected")
    return tuple(map(_decode, value))


def canonical(value: Json) -> bytes:
    """JSON as UTF-8 bytes, the same for the same content: keys sorted, no blanks, no needless escapes.

    Raises ValueError for a number that JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest(value: Json) -> str:
    """The SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def parse(data: bytes | str) -> Json:
    """JSON text as a value. Raises PlanError where it is none; a key that stands twice is none either."""
    try:
        data = data.decode() if isinstance(data, bytes) else data
        return json.loads(data, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(error)) from None


def _encode(array: pa.Array) -> Json:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.type not in NAMES:
        raise TypeError(f"{array.type} is no raw type")
    name = NAMES[array.type]
    if name == "null":
        return {"type": name, "values": len(array)}
    if name == "mixed":
        return _encode_mixed(array)
    return {"type": name, "values": _plain(array, name)}


def _plain(array: pa.Array, name: str) -> list[Json]:
    if name == "binary":
        return [None if value is None else b64encode(value).decode() for value in array.to_pylist()]
    values: list[Json] = array.to_pylist()
    odd = name in ("double", "float") and not pc.all(pc.is_finite(array)).as_py()
    return list(map(_number, values)) if odd else values


def _number(value: float | None) -> Json:
    return value if value is None or isfinite(value) else repr(value)


def _encode_mixed(array: pa.Array) -> Json:
    classes: list[str] = []
    values: list[Json] = []
    for row in array.to_pylist():
        letter = next((c for c in ("i", "f", "t", "b", "x") if row and row[c] is not None), NO_VALUE)
        classes.append(letter)
        values.append(WRITE[letter](row and row.get(letter)))
    return {"type": "mixed", "classes": "".join(classes), "values": values}


def _as_is(value: Any) -> Any:
    return value


def _write_bytes(value: bytes) -> str:
    return b64encode(value).decode()


def _read_bytes(value: str) -> bytes:
    return b64decode(value, validate=True)


def _read_int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no integer")
    return value


def _read_count(value: Any) -> int:
    if _read_int(value) < 0:  # Arrow itself would build an array of less than no values
        raise ValueError(f"{value} is no count")
    return int(value)


def _read_number(value: Any) -> float:
    if type(value) is str and value not in ("nan", "inf", "-inf"):
        raise ValueError(f"{value!r} is no number")
    return float(value)


WRITE: dict[str, Callable[[Any], Json]] = {
    "i": _as_is, "f": _number, "t": _as_is, "b": _write_bytes, "x": _write_bytes, NO_VALUE: _as_is
}  # fmt: skip
READ: dict[str, Callable[[Any], Any]] = {
    "i": _read_int, "f": _read_number, "t": _as_is, "b": _read_bytes, "x": _read_bytes
}  # fmt: skip
PLAIN_READ: dict[str, Callable[[Any], Any]] = {
    "int64": _read_int, "double": _read_number, "float": _read_number, "binary": _read_bytes
}  # fmt: skip


def _decode(column: Json) -> pa.Array:
    try:
        name, values = column["type"], column["values"]
        if name == "null":
            return pa.nulls(_read_count(values))
        if name == "mixed":
            return _decode_mixed(column["classes"], values)
        if read := PLAIN_READ.get(name):
            values = [None if value is None else read(value) for value in values]
        return pa.array(values, TYPES[name])
    except (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException) as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from None


def _decode_mixed(classes: str, values: list[Json]) -> pa.Array:
    rows = [
        None if letter == NO_VALUE else {letter: READ[letter](value)}
        for letter, value in zip(classes, values, strict=True)
    ]
    return pa.array(rows, MIXED)


def _unreadable(why: str) -> PlanError:
    return PlanError(
        f"saved rows cannot be read: {why}",
        hint="it was not written by syncnb, or was changed since; draw the plan anew",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
