"""Rules for JSON and arrays."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa

from syncnb.values import arrays, numbers
from syncnb.values.raw import Raw
from syncnb.values.rules import Rule, TextRule, Token
from syncnb.values.sides import Side

__all__ = ["ArrayRule", "JsonRule"]


@dataclass(frozen=True, slots=True)
class JsonRule(Rule):
    """JSON by meaning, as jsonb compares: order of keys, blanks and 1 = 1.0 do not count."""

    sentence: ClassVar[str] = "JSON is compared by meaning: order of keys, blanks and 1 = 1.0 do not count"
    arrow: ClassVar[pa.DataType | None] = pa.string()

    def own(self, value: Raw) -> Token | None:
        if isinstance(value, bool | int | float):
            value = json.dumps(value)
        if not isinstance(value, str):
            return None
        try:
            return ("json", _json_token(json.loads(value, parse_float=Decimal, parse_constant=_no_constant)))
        except (ValueError, ArithmeticError, RecursionError):
            return None

    def shown(self, value: Raw, side: Side) -> Any:
        if not isinstance(value, str):
            raise ValueError("not JSON text")
        return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json_token(value: Any) -> Token:
    match value:
        case bool() | None:
            return ("literal", value)
        case int() | Decimal():
            return ("number", numbers.exact(Decimal(value)))
        case str():
            return ("text", value)
        case list():
            return ("list", tuple(map(_json_token, value)))
    return ("object", frozenset((name, _json_token(item)) for name, item in value.items()))


@dataclass(frozen=True, slots=True)
class ArrayRule(Rule):
    """Arrays by their elements: PostgreSQL's `{a,b}` and a JSON list are the same array."""

    element: Rule = field(default_factory=TextRule)
    """How two elements are compared."""
    sentence: ClassVar[str] = "{a,b} and a JSON list write the same array, compared element by element"
    arrow: ClassVar[pa.DataType | None] = pa.string()

    def own(self, value: Raw) -> Token | None:
        found = _nested(value)
        return None if found is None else self._token(found)

    def _token(self, value: Any) -> Token:
        if isinstance(value, tuple):
            return tuple(map(self._token, value))
        return None if value is None else self.element.token(value, "local")

    def shown(self, value: Raw, side: Side) -> Any:
        if not isinstance(value, str):
            raise ValueError("not an array")
        return value


def _nested(value: Raw) -> Any:
    """An array as nested tuples of texts and None; None if it is none."""
    if not isinstance(value, str):
        return None
    if value.startswith("["):
        try:
            return _elements(json.loads(value, parse_float=str, parse_int=str))
        except (ValueError, RecursionError):
            pass
    return arrays.literal(value)


def _elements(value: Any) -> Any:
    if isinstance(value, list):
        return ("array", *map(_elements, value))
    if isinstance(value, bool):
        return "t" if value else "f"
    return json.dumps(value) if isinstance(value, dict) else value
