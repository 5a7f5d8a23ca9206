"""Rules: when two cells are the same value.

Each rule says it twice. `token` is the truth for one cell: two cells are the same exactly when
their tokens are equal. `column` (or `pair`) is the same truth for a whole Arrow column at once,
or None where some value needs the slow way. A test draws values and holds the two together.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays, numbers
from syncnb.values.raw import BadText, Raw
from syncnb.values.sides import Side

__all__ = ["Answer", "AnyRule", "Rule", "Side", "TextRule", "Token", "judge", "loose"]

Token: TypeAlias = Hashable


class Answer(Enum):
    """Whether two cells are the same value."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "cannot be known"


def loose(value: Raw) -> Token:
    """The token of a value that is not of its column's kind: its storage class and itself."""
    match value:
        case int() | float():  # a boolean too: among other values a column holds it as 1 or 0
            return ("number", numbers.exact(numbers.number_of(value + 0) or Decimal(0)))
        case str():
            return ("text", value)
        case bytes():
            return ("bytes", value)
        case BadText():
            return ("bad text", value.data)
    return None


@dataclass(frozen=True, slots=True)
class Rule:
    """How two columns are compared. Subclasses say what their values are."""

    sentence: ClassVar[str]
    """What a person is told when the rule made two differently written cells equal."""
    arrow: ClassVar[pa.DataType | None] = None

    @property
    def frame_type(self) -> pa.DataType | None:
        """The Arrow type of these values in a frame; None: decimals of the width that they need."""
        return self.arrow

    @property
    def same_bytes(self) -> bool:
        """Whether two identical raw values are always the same value (stamps of two zones are not)."""
        return True

    @property
    def key_type(self) -> pa.DataType | None:
        """The Arrow type that `column` gives and whose order is the order of keys; None: no such order."""
        return None

    def token(self, value: Raw, side: Side) -> Token:
        """The canonical form of one cell, hashable; None for NULL."""
        own = None if value is None else self.own(value)
        return loose(value) if own is None else own

    def own(self, value: Raw) -> Token | None:
        """The token of a value that is of this rule's kind; None if it is not."""
        raise NotImplementedError

    def answer(self, local: Raw, remote: Raw) -> Answer:
        """Whether two cells are the same value."""
        same = self.token(local, "local") == self.token(remote, "remote")
        return Answer.SAME if same else Answer.DIFFERENT

    def doubt(self, local: Raw, remote: Raw) -> str:
        """Why the answer for two cells cannot be known, where it is UNKNOWN."""
        return "cannot be known"

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        """The canonical form of a column, NULL kept; None where a value needs the slow way."""
        return None

    def pair(self, local: pa.Array, remote: pa.Array) -> tuple[pa.Array, pa.Array] | None:
        """Two columns in one canonical Arrow type, equal where their tokens are; None: the slow way."""
        left, right = self.column(local, "local"), self.column(remote, "remote")
        return None if left is None or right is None or left.type != right.type else (left, right)

    def shown(self, value: Raw, side: Side) -> Any:
        """The value as its frame column holds it. Raises ValueError for one that does not fit."""
        raise ValueError(value)

    def all_shown(self, array: pa.Array) -> bool:
        """Whether each value of a column of the frame's own type is `shown` as it is."""
        return True

    def distance(self, local: Raw, remote: Raw) -> Decimal | None:
        """How far apart two values are: in units, or seconds for stamps; None where that means nothing."""
        return None


def judge(rule: Rule, local: Raw, remote: Raw, tolerance: Decimal | None = None) -> Answer:
    """Whether two cells are the same value, NULLs and a tolerated distance included."""
    if local is None or remote is None:
        return Answer.SAME if local is remote else Answer.DIFFERENT
    answer = rule.answer(local, remote)
    if answer is Answer.DIFFERENT and tolerance is not None:
        apart = rule.distance(local, remote)
        return Answer.SAME if apart is not None and apart <= tolerance else answer
    return answer


@dataclass(frozen=True, slots=True)
class TextRule(Rule):
    """Text by code point. With `padded`, trailing blanks do not count, as in char(n)."""

    padded: bool = False
    sentence: ClassVar[str] = "char(n) pads with blanks, which do not count"
    arrow: ClassVar[pa.DataType | None] = pa.string()

    @property
    def key_type(self) -> pa.DataType | None:
        return pa.string()

    def own(self, value: Raw) -> Token | None:
        if isinstance(value, int | float):
            return ("text", numbers.written(value + 0))
        if isinstance(value, str):
            return ("text", value.rstrip(" ") if self.padded else value)
        return None

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        if not arrays.holds(array, pa.string()):
            return None
        text = arrays.become(array, pa.string())
        return pc.utf8_rtrim(text, characters=" ") if self.padded else text

    def shown(self, value: Raw, side: Side) -> Any:
        if isinstance(value, bytes | BadText):
            raise ValueError("bytes that are not text")
        return value if isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class AnyRule(Rule):
    """Each value is what its storage class says: the number 1, the text '1' and the byte x'31' differ."""

    sentence: ClassVar[str] = "numbers are compared by value: 1 and 1.0 are one number"
    arrow: ClassVar[pa.DataType | None] = pa.string()

    def own(self, value: Raw) -> Token | None:
        return None

    def shown(self, value: Raw, side: Side) -> Any:
        if isinstance(value, bytes | BadText):
            raise ValueError("bytes among text")
        return value if isinstance(value, str) else str(value)
