"""Columns of frames as raw Arrow columns: what a dtype or a Python object says it is.

Two tables say it all: `ARROW` for typed columns, `OBJECTS` for columns of Python objects. NULL is
None, NA, NaT, and NaN where pandas has no other way to say it (numpy floats and objects); in
Arrow and nullable dtypes NaN stays the number that it is. Integers never pass through floats.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values.kinds import Kind
from syncnb.values.raw import MIXED, Raw, from_python

__all__ = ["Source", "kind_of", "raw", "sortable"]

Source: TypeAlias = "pd.Series[Any] | pa.ChunkedArray"


def kind_of(source: Source) -> Kind:
    """What the values of a column are. Reads all of them where the dtype does not say it."""
    typed = _typed(source)
    if typed is not None:
        return _arrow(typed.type).kind
    return _common(_kinds(source))


def raw(source: Source) -> pa.Array:
    """The column in raw form."""
    typed = _typed(source)
    return from_python(_written(source)) if typed is None else _arrow(typed.type).raw(typed)


def sortable(source: Source) -> pa.Array | None:
    """The column in a type whose order is the order of its values; None where there is no such type."""
    typed = _typed(source)
    if typed is None:
        if _kinds(source) == {Kind.NUMERIC}:
            return _decimals(source)
        typed = raw(source)
    if isinstance(typed.type, pa.BaseExtensionType) or pa.types.is_dictionary(typed.type):
        typed = raw(source)
    nested = pa.types.is_nested(typed.type) or pa.types.is_null(typed.type)
    return None if nested or typed.type == MIXED else typed


def _decimals(source: "pd.Series[Any]") -> pa.Array | None:
    try:
        return pa.array(source, from_pandas=True)
    except (pa.ArrowInvalid, ValueError):  # NaN, or wider than any Arrow decimal
        return None


# Typed columns


class ArrowType(NamedTuple):
    """One Arrow type: how to know it, what its values are, how they become raw."""

    fits: Callable[[pa.DataType], bool]
    kind: Kind
    raw: Callable[[pa.Array], pa.Array]


def _typed(source: Source) -> pa.Array | None:
    """The column as one Arrow array; None where it holds Python objects."""
    if isinstance(source, pa.ChunkedArray):
        return _decoded(source.combine_chunks())
    if isinstance(source.dtype, pd.CategoricalDtype):
        return _categories(source)
    if isinstance(source.dtype, pd.SparseDtype):
        source = pd.Series(np.asarray(source))
    if _holds_objects(source.dtype):
        return None
    # Only numpy's floats have no NULL but NaN; the others say by a mask what is NULL.
    array = pa.array(source, from_pandas=isinstance(source.dtype, np.dtype))
    return _decoded(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)


def _holds_objects(dtype: Any) -> bool:
    """Whether Arrow has no type for this one, so that each value is asked what it is."""
    if isinstance(dtype, np.dtype):
        return dtype.kind in "Oc"
    return isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype)


def _categories(source: "pd.Series[Any]") -> pa.Array | None:
    codes = source.cat.codes.to_numpy()
    values = _typed(pd.Series(source.cat.categories))
    return None if values is None else values.take(pa.array(codes, mask=codes < 0))


def _decoded(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    return pc.run_end_decode(array) if pa.types.is_run_end_encoded(array.type) else array


@cache
def _arrow(wanted: pa.DataType) -> ArrowType:
    return next(known for known in ARROW if known.fits(wanted))


def _is(*tests: str) -> Callable[[pa.DataType], bool]:
    functions = [getattr(pa.types, f"is_{test}") for test in tests if hasattr(pa.types, f"is_{test}")]
    return lambda wanted: any(function(wanted) for function in functions)


def _cast(wanted: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda array: array if array.type == wanted else array.cast(wanted)


def _unsigned(array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 2^63: as raw columns hold such integers, each as int or text
        return from_python(array.to_pylist())


def _stamps(array: pa.Array) -> pa.Array:
    """ISO text with microseconds, or nanoseconds where some are not zero; instants on UTC's clock."""
    wall = array.cast(pa.timestamp(array.type.unit))
    with suppress(pa.ArrowInvalid):  # nanoseconds that count, or a year that microseconds do not reach
        wall = wall.cast(pa.timestamp("us"))
    text = wall.cast(pa.string())
    return text if array.type.tz is None else pc.binary_join_element_wise(text, "+00:00", "")


def _durations(array: pa.Array) -> pa.Array:
    unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[array.type.unit]
    ticks = array.cast(pa.int64()).to_pylist()
    return pa.array([None if tick is None else _interval(tick * unit) for tick in ticks], pa.string())


def _json_texts(array: pa.Array) -> pa.Array:
    values = array.to_pylist(maps_as_pydicts="lossy") if pa.types.is_map(array.type) else array.to_pylist()
    return from_python([None if value is None else _json(value) for value in values])


def _uuids(array: pa.Array) -> pa.Array:
    return from_python([None if b is None else str(UUID(bytes=b)) for b in array.storage.to_pylist()])


def _extension(name: str) -> Callable[[pa.DataType], bool]:
    return lambda wanted: getattr(wanted, "extension_name", None) == name


def _stored(array: pa.Array) -> pa.Array:
    return _arrow(array.storage.type).raw(array.storage)


def _as_text(array: pa.Array) -> pa.Array:
    return from_python([None if value is None else str(value) for value in array.to_pylist()])


# The first that fits decides.
ARROW = (
    ArrowType(_extension("arrow.uuid"), Kind.UUID, _uuids),
    ArrowType(_extension("arrow.json"), Kind.JSON, _stored),
    ArrowType(lambda wanted: isinstance(wanted, pa.BaseExtensionType), Kind.OTHER, _stored),
    ArrowType(_is("null"), Kind.ANY, _cast(pa.null())),
    ArrowType(_is("boolean"), Kind.BOOLEAN, _cast(pa.bool_())),
    ArrowType(_is("uint64"), Kind.INTEGER, _unsigned),
    ArrowType(_is("integer"), Kind.INTEGER, _cast(pa.int64())),
    ArrowType(_is("float16", "float32"), Kind.FLOAT4, _cast(pa.float32())),
    ArrowType(_is("float64"), Kind.FLOAT, _cast(pa.float64())),
    ArrowType(_is("decimal"), Kind.NUMERIC, _cast(pa.string())),
    ArrowType(_is("string", "large_string", "string_view"), Kind.TEXT, _cast(pa.string())),
    ArrowType(
        _is("binary", "large_binary", "fixed_size_binary", "binary_view"), Kind.BYTES, _cast(pa.binary())
    ),
    ArrowType(_is("date"), Kind.DATE, lambda array: array.cast(pa.date32()).cast(pa.string())),
    ArrowType(_is("time"), Kind.TIME, _cast(pa.string())),
    ArrowType(lambda wanted: _is("timestamp")(wanted) and bool(wanted.tz), Kind.TIMESTAMPTZ, _stamps),
    ArrowType(_is("timestamp"), Kind.TIMESTAMP, _stamps),
    ArrowType(_is("duration"), Kind.INTERVAL, _durations),
    ArrowType(_is("nested"), Kind.JSON, _json_texts),
    ArrowType(lambda _: True, Kind.OTHER, _as_text),
)


# Python objects


class ObjectType(NamedTuple):
    """One family of Python classes: what they are, how one is written."""

    classes: tuple[type, ...]
    kind: Kind | None
    write: Callable[[Any], Raw]


def _kinds(source: "pd.Series[Any]") -> set[Kind]:
    values = source.tolist()
    found = {known.kind for known in map(_object, set[Any](map(type, values))) if known.kind}
    if Kind.FLOAT in found and all(value != value for value in values if isinstance(value, float)):
        found.discard(Kind.FLOAT)  # each of them a missing value
    for naive, zoned in ((Kind.TIMESTAMP, Kind.TIMESTAMPTZ), (Kind.TIME, Kind.TIMETZ)):
        if naive in found:
            told = {zoned if _has_zone(v) else naive for v in values if _family(v).kind is naive}
            found = (found - {naive}) | told
    return found


def _has_zone(value: Any) -> bool:
    return getattr(value, "tzinfo", None) is not None


def _common(kinds: set[Kind]) -> Kind:
    if len(kinds) == 1:
        return next(iter(kinds))
    stamps = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
    # A column of stamps may mix those with a zone and those without: each says it itself.
    return Kind.TIMESTAMP if kinds and kinds <= stamps else Kind.ANY


def _written(source: "pd.Series[Any]") -> list[Raw]:
    values = source.tolist()
    writers = {cls: _object(cls).write for cls in set[Any](map(type, values))}
    return [writers[type(value)](value) for value in values]


def _family(value: Any) -> ObjectType:
    cls: Any = type(value)
    return _object(cls)


@cache
def _object(cls: Any) -> ObjectType:
    return next(known for known in OBJECTS if issubclass(cls, known.classes))


def _float(value: Any) -> float | None:
    return None if value != value else float(value)


def _decimal(value: Decimal) -> str:
    # Without an exponent where that stays readable; Decimal("1E+999999") would be a megabyte.
    return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 100 else str(value)


def _datetime(value: datetime) -> str:
    if value.tzinfo is not None:
        with suppress(OverflowError):  # in the first or last hours that Python knows: with its own offset
            value = value.astimezone(UTC)
    fine = isinstance(value, pd.Timestamp) and value.nanosecond
    return value.isoformat(sep=" ", timespec="nanoseconds" if fine else "microseconds")


def _numpy_stamp(value: Any) -> str | None:
    return None if np.isnat(value) else str(value).replace("T", " ")


def _timedelta(value: timedelta) -> str:
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    return _interval(micros * 1000 + getattr(value, "nanoseconds", 0))


def _numpy_delta(value: Any) -> str | None:
    return None if np.isnat(value) else _timedelta(pd.Timedelta(value))


def _interval(nanos: int) -> str:
    """As PostgreSQL writes intervals: `1 day 02:03:04.5`, `-1 days -02:03:04.5`."""
    sign = "-" if nanos < 0 else ""
    days, ticks = divmod(abs(nanos), 86_400 * 10**9)
    seconds, fraction = divmod(ticks, 10**9)
    clock = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    clock += f".{fraction:09}".rstrip("0") if fraction else ""
    if not days:
        return clock
    told = f"{sign}{days} {'day' if f'{sign}{days}' == '1' else 'days'}"
    return f"{told} {clock}" if seconds or fraction else told


def _json(value: Any) -> str:
    value = _json_ready(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:  # something that JSON has no form for, among it decimals, whose digits must stay
        return _json_written(value)


def _json_written(value: Any) -> str:
    """The same, part by part, so that a decimal is written as the number that it is."""
    if isinstance(value, Mapping):
        parts = (
            f"{json.dumps(str(name), ensure_ascii=False)}: {_json_written(v)}" for name, v in value.items()
        )
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_json_written, value))}]"
    if isinstance(value, Decimal) and value.is_finite():
        return _decimal(value)
    return json.dumps(value, default=_json_plain, ensure_ascii=False)


def _json_ready(value: Any) -> Any:
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else value


def _json_plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        if value.is_finite() and value == value.to_integral_value() and abs(value.adjusted()) < 100:
            return int(value)
        near = float(value)
        return near if Decimal(repr(near)) == value else str(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return _family(value).write(value)


# The first whose classes fit decides, so subclasses come before their parents (bool before int).
OBJECTS = (
    ObjectType((NoneType, type(pd.NA), type(pd.NaT)), None, lambda _: None),
    ObjectType((bool, np.bool_), Kind.BOOLEAN, bool),
    ObjectType((np.timedelta64,), Kind.INTERVAL, _numpy_delta),  # which numpy calls an integer
    ObjectType((int, np.integer), Kind.INTEGER, int),
    ObjectType((float, np.floating), Kind.FLOAT, _float),
    ObjectType((str,), Kind.TEXT, str.__str__),
    ObjectType((bytes, bytearray, memoryview), Kind.BYTES, bytes),
    ObjectType((Decimal,), Kind.NUMERIC, _decimal),
    ObjectType((datetime,), Kind.TIMESTAMP, _datetime),
    ObjectType((np.datetime64,), Kind.TIMESTAMP, _numpy_stamp),
    ObjectType((date,), Kind.DATE, date.isoformat),
    ObjectType((time,), Kind.TIME, time.isoformat),
    ObjectType((timedelta,), Kind.INTERVAL, _timedelta),
    ObjectType((UUID,), Kind.UUID, str),
    ObjectType((dict, list, tuple, set, frozenset, np.ndarray), Kind.JSON, _json),
    ObjectType((object,), Kind.TEXT, str),
)
