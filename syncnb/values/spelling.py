"""What writing a value to the other side needs to know: the place, the source, and how to refuse."""

import re
from dataclasses import dataclass
from decimal import Decimal

from syncnb.schema import Column
from syncnb.values import numbers
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.numeric import BooleanRule, Float4Rule, NumberRule
from syncnb.values.raw import BadText, Raw
from syncnb.values.rules import Rule
from syncnb.values.sides import Side, other_side
from syncnb.values.stamp_text import on_the_wall
from syncnb.values.stamps import Stamp, local_to_instant, parse_stamp

__all__ = [
    "Refused",
    "Way",
    "instant_of",
    "number_in",
    "plain_text",
    "short",
    "stamp_in",
    "wall_of",
]

LIMITS = re.compile(r"\((\d+)(?:, ?(-?\d+))?\)")


class Refused(ValueError):
    """A value that the target cannot hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Way:
    """From which column to which, and by which rule the two are compared."""

    rule: Rule
    side: Side
    """The side that the values come from."""
    target: Column
    source: Column | None = None
    strict: bool = False

    @property
    def other(self) -> Side:
        return other_side(self.side)

    @property
    def kind(self) -> Kind:
        return Kind(self.target.kind)

    @property
    def limits(self) -> tuple[int | None, int | None]:
        """The numbers in parentheses behind the target's type: length, or precision and scale."""
        found = LIMITS.search(self.target.type)
        return (int(found[1]), int(found[2] or 0)) if found else (None, None)

    @property
    def source_zone(self) -> str | None:
        return self.rule.zone(self.side) if isinstance(self.rule, StampRule) else None

    @property
    def target_zone(self) -> str | None:
        return self.rule.zone(self.other) if isinstance(self.rule, StampRule) else None


def number_in(value: Raw, way: Way) -> Decimal | None:
    """The number that a value is, as the rule reads it; None if it is none."""
    rule = way.rule
    if isinstance(rule, BooleanRule) and (truth := rule.truth(value)) is not None:
        return Decimal(truth)
    if isinstance(value, float) and isinstance(rule, Float4Rule):
        # Only a float4 column has such values here, and its shortest decimal is what a person reads.
        value = numbers.float4_text(value) if way.kind is not Kind.INTEGER else value
    exact = isinstance(rule, NumberRule) and (rule.exact_floats or isinstance(rule, Float4Rule))
    return numbers.number_of(value, exact_floats=exact)


def plain_text(value: Raw, way: Way) -> str:
    """The text of a value that is text, a number or a boolean. Raises Refused for bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, BadText):
        raise Refused("text that is not UTF-8")
    if isinstance(value, bytes):
        raise Refused("bytes are no text")
    truth = way.rule.truth(value) if isinstance(way.rule, BooleanRule) else None
    if truth is not None or isinstance(value, bool):
        return "true" if truth or value is True else "false"
    if isinstance(value, float) and isinstance(way.rule, Float4Rule):
        return numbers.float4_text(value)
    return numbers.written(value or 0)


def stamp_in(value: Raw) -> Stamp:
    """The stamp that a value writes. Raises Refused."""
    if isinstance(value, int | float):
        raise Refused(f"{value!r} has no unit: seconds, milliseconds or days?")
    stamp = parse_stamp(value) if isinstance(value, str) else None
    if stamp is None:
        raise Refused(f"{short(value)} is no date or stamp")
    return stamp


def instant_of(stamp: Stamp, way: Way) -> Stamp:
    """The moment that a stamp of the source means. Raises Refused where that cannot be known."""
    if stamp.offset is not None:
        return stamp.instant
    if way.source_zone is None:
        raise Refused('a wall clock whose zone is not known: declare it with timezone="UTC" in connect')
    moment = local_to_instant(stamp, way.source_zone)
    if moment is None:
        raise Refused(f"the clock of {way.source_zone} showed this hour twice or never")
    return moment


def wall_of(stamp: Stamp, way: Way) -> Stamp:
    """What a wall clock of the target shows at a stamp of the source. Raises Refused where nobody knows."""
    rule, zone = way.rule, way.target_zone
    if stamp.infinite:
        return stamp
    if stamp.offset is None and not (isinstance(rule, StampRule) and rule.zoned and zone and way.source_zone):
        return stamp
    instant = instant_of(stamp, way)
    if zone is None:
        raise Refused('a moment into a column without a zone: declare it with timezone="UTC" in connect')
    wall = on_the_wall(instant, zone)
    if wall is None:
        raise Refused("outside the years 1 to 9999")
    return wall


def short(value: Raw) -> str:
    """A value as it is named in a reason: quoted, and not at length."""
    text = repr(value.data if isinstance(value, BadText) else value)
    return text if len(text) <= 40 else f"{text[:36]}…{text[-1]}"
