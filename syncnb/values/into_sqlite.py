"""Values as a SQLite column will hold them: what is bound, and what the column's affinity makes of it.

SQLite takes nearly everything; the care is for the form (that of the values that are there) and for what
an affinity would turn into something else.
"""

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from syncnb.values import numbers
from syncnb.values.binary import BytesRule, UuidRule
from syncnb.values.documents import ArrayRule
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.numeric import FALSE, TRUE, BooleanRule, Float4Rule, NumberRule
from syncnb.values.postgres_documents import array_to_json
from syncnb.values.raw import BadText, Raw
from syncnb.values.spelling import Refused, Way, instant_of, number_in, plain_text, short, wall_of
from syncnb.values.stamp_text import Style, stamp_text
from syncnb.values.stamps import parse_stamp

__all__ = ["Affinity", "affinity", "default_style", "kept", "sqlite_forms"]

Affinity: TypeAlias = Literal["INTEGER", "TEXT", "BLOB", "REAL", "NUMERIC"]
NUMBER = re.compile(r"[ \t-\r]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t-\r]*", re.ASCII)


def affinity(declared: str) -> Affinity:
    """What SQLite makes of a declared type: the first of its own five rules that fits."""
    upper = declared.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper.strip():
        return "BLOB"
    return "REAL" if any(word in upper for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def kept(value: Raw, declared: str, *, strict: bool = False) -> Raw:
    """What a column of this type holds after this value was bound to it. Raises Refused."""
    if strict and declared.upper() == "ANY":
        return int(value) if isinstance(value, bool) else _not_nan(value)
    kind = affinity(declared)
    found = _converted(int(value) if isinstance(value, bool) else _not_nan(value), kind)
    wanted = STRICT.get(declared.upper()) if strict else None
    if wanted and not isinstance(found, wanted):
        raise Refused(f"{short(value)} into a strict column of type {declared}")
    return found


STRICT: dict[str, tuple[type, ...]] = {
    "INT": (int,),
    "INTEGER": (int,),
    "REAL": (float,),
    "TEXT": (str, BadText),
    "BLOB": (bytes,),
}


def _not_nan(value: Raw) -> Raw:
    if isinstance(value, float) and value != value:
        raise Refused("NaN, which SQLite would turn into NULL")
    return value


def _converted(value: Raw, kind: Affinity) -> Raw:
    if kind == "TEXT":
        return numbers.written(value) if isinstance(value, int | float) else value
    if kind == "BLOB":
        return value
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = _read_number(value)
    if kind == "REAL":
        return float(value) if isinstance(value, int) else value
    if isinstance(value, float) and value.is_integer() and -(2**63) < value < 2**63:
        return int(value)
    return value


def _read_number(text: str) -> int | float:
    bare = text.strip(" \t\n\v\f\r")
    digits = bare.lstrip("+-")
    if digits.isdigit() and len(digits.lstrip("0")) < 20 and -(2**63) <= int(bare) < 2**63:
        return int(bare)
    # Bound as this number, it does not depend on how exactly SQLite itself reads decimals.
    return float(bare)


def sqlite_forms(value: Raw, way: Way, style: Style | None, before: Raw) -> Iterator[Raw]:
    """What may be bound for this value, the best first: the first that is kept as the same counts.

    `style` is that of the stamps there, `before` the value that is replaced (or one like those there).
    """
    rule = way.rule
    if isinstance(rule, BooleanRule):
        yield from _truths(value, rule, way, before)
    elif isinstance(rule, StampRule):
        yield from _stamps(value, way, style)
    elif isinstance(rule, UuidRule):
        yield from _uuids(value, way, before)
    elif isinstance(rule, BytesRule) and way.kind is Kind.BYTES and isinstance(value, str):
        yield rule.unhexed(value)
    elif isinstance(rule, BytesRule) and affinity(way.target.type) == "TEXT" and isinstance(value, bytes):
        yield f"\\x{value.hex()}"
    elif isinstance(rule, ArrayRule):
        yield from _arrays(value, way, before)
    if isinstance(rule, NumberRule | BooleanRule):
        yield from _numbers(value, way)
    elif isinstance(value, bool | int | float) and affinity(way.target.type) == "TEXT":
        yield plain_text(value, way)
    yield value


def _truths(value: Raw, rule: BooleanRule, way: Way, before: Raw) -> Iterator[Raw]:
    truth = rule.truth(value)
    if truth is None:
        return
    if isinstance(before, str):
        for words in (TRUE, FALSE):
            if before.lower() in words:
                word = (TRUE if truth else FALSE)[words.index(before.lower())]
                yield word.upper() if before.isupper() else word.title() if before.istitle() else word
    if affinity(way.target.type) == "TEXT" or way.kind is Kind.JSON:
        yield "true" if truth else "false"
    yield int(truth)


def _numbers(value: Raw, way: Way) -> Iterator[Raw]:
    number = number_in(value, way)
    where = affinity(way.target.type)
    if number is None:
        return
    if where == "TEXT":
        yield plain_text(value, way)
        return
    if number.is_nan():
        raise Refused("NaN, which SQLite would turn into NULL")
    whole = number.is_finite() and number.adjusted() < 20 and number == number.to_integral_value()
    if whole and where != "REAL" and -(2**63) <= number < 2**63 and not isinstance(value, float):
        yield int(number)
    if isinstance(value, int | float) and not isinstance(way.rule, Float4Rule):
        yield value
    found = float(number)
    if abs(found) != float("inf") or number.is_infinite():
        yield found
    if whole and where != "REAL" and -(2**63) <= number < 2**63:
        yield int(number)
    if where == "BLOB" and isinstance(value, str):
        yield value


def _stamps(value: Raw, way: Way, style: Style | None) -> Iterator[Raw]:
    stamp = parse_stamp(value) if isinstance(value, str) else None
    if stamp is None:
        return
    default = default_style(way, instant=stamp.offset is not None)
    for wanted in (style, default, MOMENT, _wall(way)):
        try:
            if wanted is not None:
                yield stamp_text(instant_of(stamp, way) if wanted.zone else wall_of(stamp, way), wanted)
        except Refused:
            continue


MOMENT = Style(zone="+00:00")


def _wall(way: Way) -> Style:
    return Style(gap="") if way.kind is Kind.DATE else Style()


def default_style(way: Way, *, instant: bool) -> Style:
    """How a stamp is written where none shows how: as a moment, or on the wall clock of a declared zone."""
    moments = instant or (isinstance(way.rule, StampRule) and way.rule.zoned)
    explicit = way.kind is Kind.TIMESTAMPTZ or not way.target_zone
    return MOMENT if moments and explicit else _wall(way)


def _uuids(value: Raw, way: Way, before: Raw) -> Iterator[Raw]:
    found = UuidRule.uuid(value)
    if found is None:
        return
    if isinstance(before, bytes) or (before is None and way.kind is Kind.BYTES):
        yield found.bytes
    text = str(found)
    if isinstance(before, str) and UuidRule.uuid(before) is not None:
        text = text if "-" in before else found.hex
        text = f"{{{text}}}" if before.startswith("{") else text
        text = text.upper() if before.isupper() else text
    yield text
    yield str(found)


def _arrays(value: Raw, way: Way, before: Raw) -> Iterator[Raw]:
    if not isinstance(value, str) or value.startswith("["):
        return
    literal = isinstance(before, str) and before.startswith("{") and way.kind is not Kind.JSON
    if not literal:
        yield array_to_json(value, way.source.type if way.source else "")
