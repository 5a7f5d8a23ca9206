"""Columns written whole: as they are, or turned by Arrow, where no single value needs a look of its own.

Each function gives the column as the target keeps it, or None: then every value goes its own way. What it
gives is the same as that way would give, but for how many zeros end a number.
"""

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays, numbers
from syncnb.values.binary import BytesRule, UuidRule
from syncnb.values.columns import compare
from syncnb.values.documents import ArrayRule
from syncnb.values.into_postgres import INTEGERS
from syncnb.values.into_sqlite import affinity, default_style
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.numeric import BooleanRule, Float4Rule, NumberRule
from syncnb.values.raw import MIXED
from syncnb.values.sides import own_first
from syncnb.values.spelling import Way
from syncnb.values.stamp_text import POSTGRES_INSTANT, POSTGRES_WALL, Style

__all__ = ["at_once"]

UUID = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z"
NUMBER = r"\A[ \t-\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t-\r]*\z"
NOTHING = r"\A\B\z"


def at_once(values: pa.Array, way: Way, dialect: str, style: Style | None, *, words: bool) -> pa.Array | None:
    """The column as the target keeps it; None where values need to be looked at one by one.

    `style` is the one form in which the target writes stamps. `words`: it writes booleans as words.
    """
    if values.type == MIXED:
        return None
    if isinstance(way.rule, StampRule):
        return _stamps(values, way, dialect, style)
    if dialect == "postgresql":
        return _into_postgres(values, way)
    return _into_sqlite(values, way, words=words)


def _into_postgres(values: pa.Array, way: Way) -> pa.Array | None:
    match way.kind:
        case Kind.INTEGER if values.type == pa.int64():
            low, high = INTEGERS.get(way.target.type, INTEGERS["bigint"])
            span = pc.min_max(values)
            return values if low <= span["min"].as_py() and span["max"].as_py() <= high else None
        case Kind.FLOAT if values.type == pa.float64():
            return values
        case Kind.FLOAT4 if values.type == pa.float32():
            return values
        case Kind.BOOLEAN if values.type in (pa.bool_(), pa.int64()):
            return BooleanRule().column(values, way.side)
        case Kind.BYTES if values.type == pa.binary():
            return values if isinstance(way.rule, BytesRule) else None
        case Kind.UUID if values.type == pa.string():
            return values if _all(values, UUID) else None
        case Kind.NUMERIC if isinstance(way.rule, NumberRule) and not isinstance(way.rule, Float4Rule):
            return _numeric(values, way)
        case Kind.TEXT if values.type == pa.string():
            return values if way.rule.same_bytes and _fits(values, way) else None
    return None


def _numeric(values: pa.Array, way: Way) -> pa.Array | None:
    text = values if values.type == pa.string() else values.cast(pa.string())
    pattern = _numeric_pattern(way)
    if _all(text, pattern):
        return text
    precision, scale = way.limits
    if precision is None or precision > 38 or not 0 < (scale or 0) <= precision:
        return None
    try:
        # Arrow refuses what would lose a digit, or does not fit.
        padded = text.cast(pa.decimal128(precision, scale)).cast(pa.string())
    except pa.ArrowInvalid:
        return None
    return padded if _all(padded, pattern) else None


def _numeric_pattern(way: Way) -> str:
    precision, scale = way.limits
    if way.target.type == "money":
        return r"\A(0|-?[1-9][0-9]{0,15})\.[0-9]{2}\z"
    if precision is None:
        # Not -0: PostgreSQL's numeric has no such number.
        return r"\A(0(\.[0-9]{1,999})?|-0\.[0-9]{0,99}[1-9]|-?[1-9][0-9]{0,999}(\.[0-9]{1,999})?)\z"
    behind = scale or 0
    whole = precision - behind
    if behind < 0 or whole < 1:
        return NOTHING
    point = rf"\.[0-9]{{{behind}}}" if behind else ""
    return rf"\A(0{point}|-?[1-9][0-9]{{0,{whole - 1}}}{point})\z"


def _fits(values: pa.Array, way: Way) -> bool:
    if way.target.type in ("name", '"char"') or isinstance(way.rule, BooleanRule):
        return False
    most, _ = way.limits
    if most is not None and pc.max(pc.utf8_length(values)).as_py() > most:
        return False
    return not pc.any(pc.match_substring(values, "\0")).as_py()


def _into_sqlite(values: pa.Array, way: Way, *, words: bool) -> pa.Array | None:
    where = affinity(way.target.type)
    if isinstance(way.rule, UuidRule | ArrayRule) or (way.strict and not _strictly(values, way)):
        return None
    if isinstance(way.rule, BooleanRule):
        plain = values.type == pa.bool_() and not words and where in ("INTEGER", "NUMERIC")
        return values.cast(pa.int64()) if plain and way.kind is not Kind.JSON else None
    if isinstance(way.rule, NumberRule) and (where in ("INTEGER", "NUMERIC", "REAL")):
        return None if isinstance(way.rule, Float4Rule) else _numbers(values, real=where == "REAL")
    if values.type == pa.int64() and where == "BLOB":
        return values
    if values.type == pa.float64() and where == "BLOB":
        return None if pc.any(pc.is_nan(values)).as_py() else values
    if values.type == pa.string() and not isinstance(way.rule, BytesRule | NumberRule):
        as_text = where in ("TEXT", "BLOB") or not arrays.mask(pc.match_substring_regex(values, NUMBER)).any()
        return values if as_text else None
    if values.type == pa.string() and isinstance(way.rule, NumberRule):
        return values if where == "TEXT" else None
    return values if values.type == pa.binary() and where != "TEXT" else None


def _strictly(values: pa.Array, way: Way) -> bool:
    """Whether a strict column takes all values of this Arrow type."""
    wanted = {"INT": pa.int64(), "INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}
    wanted["BLOB"] = pa.binary()
    return bool(wanted.get(way.target.type.upper(), values.type) == values.type)


def _numbers(values: pa.Array, *, real: bool) -> pa.Array | None:
    """Numbers for a column that keeps every whole one as an integer, or (`real`) every one as a double."""
    if values.type == pa.int64() and not real:
        return values
    floats = values if values.type == pa.float64() else numbers.as_float64(values)
    if floats is None or pc.any(pc.is_nan(floats)).as_py():
        return None
    if real:
        return floats
    great = pc.greater_equal(pc.abs(floats), float(numbers.EXACT_INTEGERS))
    if pc.any(pc.and_(great, pc.is_finite(floats))).as_py():
        return None
    whole = pc.and_(pc.equal(pc.floor(floats), floats), pc.is_finite(floats))
    if not pc.any(whole).as_py():
        return floats
    integers = pc.if_else(whole, floats, None).cast(pa.int64())
    if pc.all(whole).as_py():
        return integers
    parts = {"i": integers, "f": pc.if_else(whole, None, floats)}
    fields = [parts.get(field.name, pa.nulls(len(values), field.type)) for field in MIXED]
    return pa.StructArray.from_arrays(fields, fields=list(MIXED), mask=floats.is_null())


def _stamps(values: pa.Array, way: Way, dialect: str, style: Style | None) -> pa.Array | None:
    """Stamps in one style, checked as a whole. None unless all have years from 1 to 9999."""
    moments = way.rule.column(values, way.side)
    if moments is None or not pa.types.is_timestamp(moments.type):
        return None
    if dialect == "postgresql":
        style = POSTGRES.get(way.kind, style)
        if style is None or way.limits[0] is not None:
            return None
    elif way.strict and way.target.type.upper() not in ("TEXT", "ANY"):
        return None
    style = style or default_style(way, instant=moments.type.tz is not None)
    text = _written(moments, way, style)
    if text is None:
        return None
    found = compare(way.rule, *own_first(way.side, values, text))
    return None if found.differs.any() or found.unknown.any() else text


POSTGRES = {
    Kind.TIMESTAMPTZ: POSTGRES_INSTANT,
    Kind.TIMESTAMP: POSTGRES_WALL,
    Kind.DATE: Style(gap=""),
}


def _written(moments: pa.Array, way: Way, style: Style) -> pa.Array | None:
    if style.digits > 6 or not style.seconds or (moments.type.tz is None and style.zone):
        return None
    if moments.type.tz is not None and not style.zone:
        if way.target_zone is None:
            return None
        moments = pc.local_timestamp(moments.cast(pa.timestamp("us", way.target_zone)))
    text = moments.cast(pa.timestamp("us")).cast(pa.string())
    plain = _all(text, r"\A[0-9]{4}-[0-9-]{5} [0-9:]{8}\.[0-9]{6}\z")
    if not plain or arrays.mask(pc.starts_with(text, "0000")).any():  # which PostgreSQL writes as 1 BC
        return None
    date, clock = pc.utf8_slice_codeunits(text, 0, 10), pc.utf8_slice_codeunits(text, 11, 26)
    if not style.gap:
        return date if not style.zone and _all(clock, r"\A[0:.]*\z") else None
    if style.digits:
        if not _all(pc.utf8_slice_codeunits(clock, 9 + style.digits), r"\A0*\z"):
            return None  # some have more digits than the others
        clock = pc.utf8_slice_codeunits(clock, 0, 9 + style.digits)
    else:
        clock = pc.utf8_rtrim(pc.utf8_rtrim(clock, characters="0"), characters=".")
    clock = pc.replace_substring(clock, ".", style.mark)
    return pc.binary_join_element_wise(date, style.gap, clock, style.zone, "")


def _all(values: pa.Array, pattern: str) -> bool:
    return bool(arrays.mask(pc.match_substring_regex(values, pattern))[arrays.mask(values.is_valid())].all())
