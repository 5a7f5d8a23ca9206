"""Values as a PostgreSQL column gives them back: canonical text, or the Arrow type that its reader has.

What a type of PostgreSQL cannot hold exactly comes back altered, which the caller sees by comparing.
"""

import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from uuid import UUID

from syncnb.schema import Column
from syncnb.values import numbers
from syncnb.values.binary import BytesRule, UuidRule
from syncnb.values.kinds import Kind, postgres_kind
from syncnb.values.moments import NO_DAY, IntervalRule
from syncnb.values.numeric import BooleanRule
from syncnb.values.postgres_documents import array_form, json_form, jsonb_form
from syncnb.values.raw import Raw
from syncnb.values.rules import TextRule
from syncnb.values.spelling import Refused, Way, instant_of, number_in, plain_text, short, stamp_in, wall_of
from syncnb.values.stamp_text import POSTGRES_INSTANT, POSTGRES_WALL, Style, clock_text, stamp_text
from syncnb.values.stamps import DAY, Clock, Stamp, parse_clock, parse_stamp

__all__ = ["postgres_form"]

INTEGERS = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
    "oid": (0, 2**32 - 1),
}
DIGITS_BEFORE, DIGITS_BEHIND = 131_072, 16_383
"""What numeric holds at most before and behind the point."""
WIDE = Context(prec=DIGITS_BEFORE + DIGITS_BEHIND + 10, rounding=ROUND_HALF_UP)
MONEY = Decimal(2**63) / 100
BYTES_OF = {"name": 63, '"char"': 1}
FAR_EAST = 57_599
"""Seconds of the greatest offset of a timetz."""


def _day(text: str) -> int:
    stamp = parse_stamp(text)
    if stamp is None:
        raise AssertionError(text)
    return stamp.micros


FIRST, END = _day("4714-11-24 BC"), _day("294277-01-01")
"""From where to where a timestamp reaches; dates begin on the same day."""


def postgres_form(value: Raw, way: Way, style: Style | None = None) -> Raw:
    """The value as the target column will hold and show it. Raises Refused where it takes none such.

    `style` is how a text column writes its stamps. Types that only PostgreSQL has are given the text as it
    is, unchecked.
    """
    form = FORMS.get(way.kind)
    if form is not None:
        return form(value, way)
    return _text(value, way, style)


def _integer(value: Raw, way: Way) -> int:
    number = _finite(value, way)
    low, high = INTEGERS.get(way.target.type, INTEGERS["bigint"])
    if number.adjusted() > 20 or not low <= (whole := int(number.to_integral_value(ROUND_HALF_UP))) <= high:
        raise Refused(f"{short(value)} is out of the range of {way.target.type}")
    return whole


def _finite(value: Raw, way: Way) -> Decimal:
    number = number_in(value, way)
    if number is None:
        raise Refused(f"{short(value)} is not a number")
    if not number.is_finite():
        raise Refused(f"{number} into {way.target.type}")
    return number


def _numeric(value: Raw, way: Way) -> str:
    precision, scale = way.limits
    money = way.target.type == "money"
    number = number_in(value, way)
    if (
        number is not None
        and not number.is_finite()
        and not money
        and not (precision and number.is_infinite())
    ):
        return "NaN" if number.is_nan() else "Infinity" if number > 0 else "-Infinity"
    number = _finite(value, way)
    if number.adjusted() >= DIGITS_BEFORE:
        raise Refused(f"{short(value)} has too many digits for numeric")
    behind = DIGITS_BEHIND if precision is None and not money else 2 if money else scale or 0
    exponent = number.as_tuple().exponent
    if (precision or money or -int(exponent) > behind) and number.is_finite():
        number = _rounded(number, behind)
    too_great = (money and abs(number) >= MONEY) or (
        precision is not None and number and number.adjusted() >= precision - behind
    )
    if too_great:
        raise Refused(f"{short(value)} is out of the range of {way.target.type}")
    text = f"{number:f}"
    return text[1:] if text.startswith("-") and not number else text


def _rounded(number: Decimal, behind: int) -> Decimal:
    if number.adjusted() < -behind - 1:
        number = Decimal(0)
    number = number.quantize(Decimal(1).scaleb(-behind), context=WIDE)
    return number if behind >= 0 else number.quantize(Decimal(1), context=WIDE)


def _float(value: Raw, way: Way) -> float:
    number = number_in(value, way)
    if number is None:
        raise Refused(f"{short(value)} is not a number")
    found = float(number)
    single = numbers.float4(found) if way.kind is Kind.FLOAT4 else found
    if abs(single) == float("inf") and number.is_finite():
        raise Refused(f"{short(value)} is out of the range of {way.target.type}")
    return single


def _boolean(value: Raw, way: Way) -> bool:
    truth = BooleanRule().truth(value)
    if truth is None:
        raise Refused(f"{short(value)} is neither true nor false")
    return truth


def _bytes(value: Raw, way: Way) -> bytes:
    found = BytesRule.unhexed(value)
    if isinstance(way.rule, UuidRule) and isinstance(value, str) and (known := UuidRule.uuid(value)):
        found = known.bytes
    if found is None:
        raise Refused(f"{short(value)} is not bytes")
    return found


def _uuid(value: Raw, way: Way) -> str:
    found: UUID | None = UuidRule.uuid(value)
    if found is None:
        raise Refused(f"{short(value)} is not a UUID")
    return str(found)


def _instant(value: Raw, way: Way) -> str:
    moment = _fitting(stamp_in(value), way, lambda stamp: instant_of(stamp, way))
    return stamp_text(moment, POSTGRES_INSTANT)


def _wall(value: Raw, way: Way) -> str:
    return stamp_text(_fitting(stamp_in(value), way, lambda stamp: wall_of(stamp, way)), POSTGRES_WALL)


def _date(value: Raw, way: Way) -> str:
    stamp = stamp_in(value)
    if not stamp.infinite:
        stamp = wall_of(stamp, way)
        if stamp.micros < FIRST:
            raise Refused("before the first date that PostgreSQL has")
        stamp = Stamp(stamp.micros // DAY * DAY)
    return stamp_text(stamp, Style(gap=""))


def _fitting(stamp: Stamp, way: Way, turned: Callable[[Stamp], Stamp]) -> Stamp:
    """The stamp turned for the target, rounded to what it keeps, within its range."""
    if stamp.infinite:
        return stamp
    stamp = turned(stamp)
    micros = _to_precision(stamp.micros, stamp.digits, way)
    if not FIRST <= micros < END:
        raise Refused("outside the years that PostgreSQL has")
    return Stamp(micros, "", stamp.offset)


def _to_precision(micros: int, beyond: str, way: Way) -> int:
    digits, _ = way.limits
    if digits is None or digits >= 6:
        return micros + (beyond >= "5")
    unit = int("1".ljust(7 - digits, "0"))
    return (micros + unit // 2) // unit * unit


def _clock(value: Raw, way: Way) -> str:
    text = value[11:] if isinstance(value, str) and value.startswith(NO_DAY) else value
    clock = parse_clock(text) if isinstance(text, str) else None
    if clock is None:
        raise Refused(f"{short(value)} is no time of day")
    offset = None
    if way.kind is Kind.TIMETZ:
        if clock.offset is None:
            raise Refused("a time of day without an offset")
        offset = clock.offset
        if abs(offset) > FAR_EAST:
            raise Refused(f"{short(value)} has no offset that PostgreSQL knows")
    return clock_text(Clock(_to_precision(clock.micros, clock.digits, way), "", offset))


def _interval(value: Raw, way: Way) -> str:
    text = plain_text(value, way)
    if IntervalRule().own(text) is None:
        raise Refused(f"{short(value)} is no interval in PostgreSQL's form")
    return text


def _text(value: Raw, way: Way, style: Style | None) -> str:
    for text in _texts(value, way, style):
        if "\0" in text:
            raise Refused("a NUL character, which PostgreSQL's text cannot hold")
        return _within_length(text, way)
    raise Refused(f"{short(value)} is no text")


def _texts(value: Raw, way: Way, style: Style | None) -> Iterator[str]:
    stamp = parse_stamp(value) if isinstance(value, str) and style is not None else None
    if stamp is not None and style is not None:
        yield stamp_text(instant_of(stamp, way) if style.zone else wall_of(stamp, way), style)
    if isinstance(value, bytes) and isinstance(way.rule, BytesRule):
        yield f"\\x{value.hex()}"
    if isinstance(value, bytes) and isinstance(way.rule, UuidRule) and (known := UuidRule.uuid(value)):
        yield str(known)
    yield plain_text(value, way)


def _within_length(text: str, way: Way) -> str:
    most, _ = way.limits
    room = BYTES_OF.get(way.target.type)
    if room is not None:
        return text.encode()[:room].decode(errors="ignore")
    if most is None or way.kind not in (Kind.TEXT, Kind.CHAR):
        return text
    if len(text) > most and text[most:].strip(" "):
        raise Refused(f"{len(text)} characters into {way.target.type}")
    return text[:most].ljust(most) if way.kind is Kind.CHAR else text[:most]


def _array(value: Raw, way: Way) -> str:
    base = re.sub(r"(\[\])+$", "", way.target.type)
    bare = LENGTH.sub("", base)
    element = Way(TextRule(), way.side, Column("", base, postgres_kind(bare)))
    checked = element.kind in (Kind.INTEGER, Kind.NUMERIC, Kind.BOOLEAN, Kind.TEXT, Kind.UUID)

    def item(text: str) -> str:
        if "\0" in text:
            raise Refused("a NUL character, which PostgreSQL's text cannot hold")
        found = postgres_form(text, element) if checked else text
        return ("t" if found else "f") if isinstance(found, bool) else str(found)

    return array_form(value, item)


LENGTH = re.compile(r"\([^)]*\)")
FORMS: dict[Kind, Callable[[Raw, Way], Raw]] = {
    Kind.INTEGER: _integer,
    Kind.NUMERIC: _numeric,
    Kind.FLOAT: _float,
    Kind.FLOAT4: _float,
    Kind.BOOLEAN: _boolean,
    Kind.BYTES: _bytes,
    Kind.UUID: _uuid,
    Kind.INTERVAL: _interval,
    Kind.DATE: _date,
    Kind.TIME: _clock,
    Kind.TIMETZ: _clock,
    Kind.TIMESTAMP: _wall,
    Kind.TIMESTAMPTZ: _instant,
    Kind.JSON: json_form,
    Kind.JSONB: jsonb_form,
    Kind.ARRAY: _array,
}
