"""Numbers, exactly: integers never pass through floats, decimals never lose a digit."""

import re
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "as_float64",
    "as_plain",
    "decimal_text",
    "exact",
    "float4",
    "float4_text",
    "lost",
    "number_of",
    "trimmed",
    "whole",
    "written",
]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)
SPECIAL = {
    "nan": "NaN",
    "inf": "inf",
    "+inf": "inf",
    "infinity": "inf",
    "+infinity": "inf",
    "-inf": "-inf",
    "-infinity": "-inf",
}
MOST_ZEROS = 18
"""A whole number of 64 bits has no more of them at its end."""
EXACT_INTEGERS = 2**53
"""Up to here every integer is a double of its own."""


def number_of(value: object, *, exact_floats: bool = False) -> Decimal | None:
    """The number that a raw value is or writes; None if it is none.

    A float is the shortest decimal that reads back as it (0.1 is a tenth), or with
    `exact_floats` the binary number that it stores.
    """
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(value) if exact_floats else Decimal(float.__repr__(value))
    if not isinstance(value, str):
        return None
    if NUMBER.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            return None
    special = SPECIAL.get(value.lower())
    return Decimal(special) if special else None


def exact(number: Decimal) -> str:
    """The one text of this number: equal numbers give equal texts, whatever their scale or sign of zero.

    >>> exact(Decimal("3.00")), exact(Decimal("3")), exact(Decimal("-0.0"))
    ('3e0', '3e0', '0')
    """
    if not number.is_finite():
        return "nan" if number.is_nan() else ("inf" if number > 0 else "-inf")
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    if not short:
        return "0"
    return f"{'-' * sign}{short}e{int(exponent) + len(text) - len(short)}"


def whole(text: str) -> str:
    """What `exact` gives, with whole numbers of 64 bits in full: `3e2` as `300`."""
    digits, e, exponent = text.partition("e")
    if e and 0 <= int(exponent) <= MOST_ZEROS:
        number = int(digits) * 10 ** int(exponent)
        return str(number) if -(2**63) <= number < 2**63 else text
    return text


def float4(value: float) -> float:
    """The nearest float of 32 bits, as PostgreSQL's `real` holds it."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def float4_text(value: float) -> str:
    """The shortest decimal that reads back as this float of 32 bits; of a wider one as itself."""
    return str(np.float32(value)) if float4(value) == value else repr(value)


def lost(wide: pa.Array, narrow: pa.Array) -> bool:
    """Whether a finite double became infinite, or another number zero, as a float of 32 bits."""
    before, after = (side.to_numpy(zero_copy_only=False) for side in (wide, narrow))
    return bool(((np.isinf(after) & ~np.isinf(before)) | ((after == 0) & (before != 0))).any())


def decimal_text(array: pa.Array) -> bool:
    """Whether every text in this column is a plain decimal such as -12.50 (no exponent, no leading zeros)."""
    plain = pc.match_substring_regex(array, r"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?\z")
    return bool(pc.all(plain, min_count=0).as_py())


def trimmed(array: pa.Array) -> pa.Array:
    """Plain decimals without trailing zeros behind the point; minus zero as zero."""
    with_point = pc.match_substring(array, ".")
    short = pc.utf8_rtrim(pc.utf8_rtrim(array, characters="0"), characters=".")
    short = pc.if_else(with_point, short, array)
    return pc.if_else(pc.equal(short, "-0"), "0", short)


def as_plain(array: pa.Array) -> pa.Array | None:
    """A MIXED column of integers and reals as doubles, where that loses nothing; plain ones as they are."""
    if not pa.types.is_struct(array.type):
        return array
    if any(len(array) != array.field(name).null_count for name in ("t", "b", "x")):
        return None
    whole = as_float64(array.field("i"))
    return None if whole is None else pc.coalesce(array.field("f"), whole)


def as_float64(array: pa.Array) -> pa.Array | None:
    """The column as doubles, where no two different numbers become one; else None."""
    if pa.types.is_floating(array.type):
        return array.cast(pa.float64())
    if pa.types.is_integer(array.type):
        span = pc.min_max(array)
        if span["min"].as_py() is None:
            return array.cast(pa.float64())
        fits = span["min"].as_py() >= -EXACT_INTEGERS and span["max"].as_py() <= EXACT_INTEGERS
        return array.cast(pa.float64()) if fits else None
    if pa.types.is_string(array.type):
        # 15 digits are what a double keeps of every decimal.
        longest = pc.max(pc.binary_length(array)).as_py()
        if longest is not None and longest <= 15 and decimal_text(array):
            return array.cast(pa.float64())
    return None


def written(value: float) -> str:
    """A number as a text column would hold it: 7 as `7`, 0.5 as `0.5`, and no minus before zero."""
    return repr(value + 0 if isinstance(value, int) else value + 0.0)
