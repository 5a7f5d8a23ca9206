"""Rules for numbers and booleans."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays, numbers
from syncnb.values.raw import Raw
from syncnb.values.rules import Rule, Token
from syncnb.values.sides import Side

__all__ = ["BooleanRule", "Float4Rule", "NumberRule"]


@dataclass(frozen=True, slots=True)
class NumberRule(Rule):
    """Numbers by value: 3 = 3.0 = 3.00, and -0 = 0.

    A float equals the shortest decimal that reads back as it; with `exact_floats` (against
    integers) the number that it stores.
    """

    integers: bool = False
    """Both columns promise integers."""
    floats: bool = False
    """Both columns promise doubles."""
    exact_floats: bool = False
    sentence: ClassVar[str] = "numbers are compared by value, whatever type or text holds them"

    @property
    def frame_type(self) -> pa.DataType | None:
        return pa.int64() if self.integers else pa.float64() if self.floats else self.arrow

    @property
    def key_type(self) -> pa.DataType | None:
        return pa.int64() if self.integers else None

    def own(self, value: Raw) -> Token | None:
        if isinstance(value, bool):
            value = int(value)
        number = numbers.number_of(value, exact_floats=self.exact_floats)
        return None if number is None else ("number", numbers.exact(number))

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        return arrays.become(array, pa.int64()) if arrays.holds(array, pa.int64()) else None

    def pair(self, local: pa.Array, remote: pa.Array) -> tuple[pa.Array, pa.Array] | None:
        left, right = numbers.as_plain(local), numbers.as_plain(remote)
        if left is None or right is None:
            return None
        if left.type == right.type == pa.int64() or left.type == right.type == pa.float64():
            return left, right
        if (
            left.type == right.type == pa.string()
            and numbers.decimal_text(left)
            and numbers.decimal_text(right)
        ):
            return numbers.trimmed(left), numbers.trimmed(right)
        left, right = numbers.as_float64(left), numbers.as_float64(right)
        return None if left is None or right is None else (left, right)

    def shown(self, value: Raw, side: Side) -> Any:
        if self.integers and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError("not an integer")
        if self.floats and isinstance(value, float):
            return value
        number = numbers.number_of(value)
        if number is None or not (number.is_finite() or self.floats):
            raise ValueError("not a number")
        return int(number) if self.integers else (float(number) if self.floats else number)

    def distance(self, local: Raw, remote: Raw) -> Decimal | None:
        left, right = numbers.number_of(local), numbers.number_of(remote)
        if left is None or right is None or not (left.is_finite() and right.is_finite()):
            return None
        return abs(left - right)


@dataclass(frozen=True, slots=True)
class Float4Rule(NumberRule):
    """Numbers as PostgreSQL's real: each side rounded to the nearest float of 32 bits."""

    sentence: ClassVar[str] = "compared as float4 (real), which keeps about 7 digits"
    arrow: ClassVar[pa.DataType | None] = pa.float32()

    def own(self, value: Raw) -> Token | None:
        number = numbers.number_of(value)
        if number is None:
            return None
        if number.is_nan():
            return ("float4", "nan")
        narrow = numbers.float4(float(number)) + 0.0
        if number.is_finite() and (math.isinf(narrow) or (narrow == 0) != (number == 0)):
            return ("number", numbers.exact(number))  # beyond what a real can hold
        return ("float4", narrow)

    def pair(self, local: pa.Array, remote: pa.Array) -> tuple[pa.Array, pa.Array] | None:
        sides = []
        for array in (local, remote):
            plain = numbers.as_plain(array)
            wide = None if plain is None else numbers.as_float64(plain)
            if wide is None:
                return None
            narrow = wide.cast(pa.float32(), safe=False)
            if numbers.lost(wide, narrow):
                return None
            sides.append(narrow)
        return sides[0], sides[1]

    def shown(self, value: Raw, side: Side) -> Any:
        number = numbers.number_of(value)
        if number is None:
            raise ValueError("not a number")
        return numbers.float4(float(number))


TRUE, FALSE = ("t", "true", "1", "yes", "on", "y"), ("f", "false", "0", "no", "off", "n")


@dataclass(frozen=True, slots=True)
class BooleanRule(Rule):
    """true and false: 1 and 0 in SQLite, and the words that PostgreSQL reads."""

    sentence: ClassVar[str] = "1, true and t are the boolean true; 0, false and f are false"
    arrow: ClassVar[pa.DataType | None] = pa.bool_()

    def truth(self, value: Raw) -> bool | None:
        """The boolean that a value means, if it does."""
        if isinstance(value, int | float) and value in (0, 1):
            return bool(value)
        if isinstance(value, str):
            word = value.lower()
            return True if word in TRUE else False if word in FALSE else None
        return None

    def own(self, value: Raw) -> Token | None:
        truth = self.truth(value)
        return None if truth is None else ("boolean", truth)

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        if arrays.holds(array, pa.bool_()):
            return arrays.become(array, pa.bool_())
        if arrays.holds(array, pa.int64()):
            span = pc.min_max(array)
            low, high = span["min"].as_py(), span["max"].as_py()
            return array.cast(pa.bool_()) if low is None or (low >= 0 and high <= 1) else None
        return None

    def shown(self, value: Raw, side: Side) -> Any:
        truth = self.truth(value)
        if truth is None:
            raise ValueError("neither true nor false")
        return truth
