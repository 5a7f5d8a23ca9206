"""Which rule compares two columns, from their kinds."""

from syncnb.values.binary import BytesRule, UuidRule
from syncnb.values.documents import ArrayRule, JsonRule
from syncnb.values.kinds import Kind
from syncnb.values.moments import ClockRule, IntervalRule, StampRule
from syncnb.values.numeric import BooleanRule, Float4Rule, NumberRule
from syncnb.values.rules import AnyRule, Rule, TextRule

__all__ = ["cannot_compare", "rule_for"]

NUMBERS = {Kind.INTEGER, Kind.NUMERIC, Kind.FLOAT, Kind.FLOAT4}
STAMPS = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
CLOCKS = {Kind.TIME, Kind.TIMETZ}
LOOSE = {Kind.TEXT, Kind.CHAR, Kind.ANY}
"""Kinds whose values may write values of a stricter kind."""
STRICT = (Kind.JSONB, Kind.JSON, Kind.UUID, Kind.BYTES, Kind.ARRAY, Kind.BOOLEAN)


def cannot_compare(local: Kind, remote: Kind) -> str | None:
    """Why two columns of these kinds cannot be compared at all; None where they can."""
    kinds = {local, remote}
    if kinds & NUMBERS and kinds & (STAMPS | CLOCKS):
        return f"{local} against {remote}: the unit of the number is not known"
    if Kind.INTERVAL in kinds and kinds & (NUMBERS | STAMPS | CLOCKS):
        return f"{local} against {remote}: the unit is not known"
    if kinds & STAMPS and kinds & CLOCKS:
        return f"{local} against {remote}: a time of day has no date"
    return None


def rule_for(
    local: Kind, remote: Kind, *, zone_local: str | None = None, zone_remote: str | None = None
) -> Rule:
    """The rule for two kinds: the stricter of them decides, so that '7' in a text column meets 7."""
    kinds = {local, remote}
    if kinds <= NUMBERS | LOOSE and kinds & NUMBERS:
        return _number_rule(kinds)
    if kinds <= STAMPS | LOOSE and kinds & STAMPS:
        instants, dates = Kind.TIMESTAMPTZ in kinds, kinds == {Kind.DATE}
        return StampRule(instants, dates, Kind.DATE in kinds, zone_local, zone_remote)
    if kinds <= CLOCKS | LOOSE and kinds & CLOCKS:
        return ClockRule()
    if Kind.INTERVAL in kinds and kinds <= {Kind.INTERVAL} | LOOSE:
        return IntervalRule()
    if kinds == {Kind.ANY}:
        return AnyRule()
    if Kind.BOOLEAN in kinds:
        return BooleanRule()
    return _strict_rule(local, remote)


def _number_rule(kinds: set[Kind]) -> Rule:
    if Kind.FLOAT4 in kinds:
        return Float4Rule()
    return NumberRule(
        integers=kinds == {Kind.INTEGER},
        floats=kinds == {Kind.FLOAT},
        exact_floats=kinds == {Kind.INTEGER, Kind.FLOAT},
    )


def _strict_rule(local: Kind, remote: Kind) -> Rule:
    kinds = {local, remote}
    if kinds == {Kind.UUID, Kind.BYTES}:
        return UuidRule()
    for kind, rule in ((Kind.UUID, UuidRule()), (Kind.BYTES, BytesRule()), (Kind.ARRAY, ArrayRule())):
        if kind in kinds and kinds <= {kind} | LOOSE | {Kind.JSON, Kind.OTHER}:
            return rule
    if kinds & {Kind.JSON, Kind.JSONB}:
        return JsonRule()
    return TextRule(padded=Kind.CHAR in kinds)
