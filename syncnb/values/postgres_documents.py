"""JSON and arrays as PostgreSQL writes them."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from syncnb.values import arrays
from syncnb.values.binary import BytesRule
from syncnb.values.documents import ArrayRule
from syncnb.values.numeric import BooleanRule
from syncnb.values.raw import Raw
from syncnb.values.spelling import Refused, Way, plain_text, short

__all__ = ["array_form", "array_to_json", "json_form", "jsonb_form"]

DIGITS_BEFORE, DIGITS_BEHIND = 131_072, 16_383
BLANKS = " \t\n\r\v\f"


def json_form(value: Raw, way: Way) -> str:
    """Text for a json column, which keeps it as it is. Raises Refused for what is no JSON."""
    text = _json_text(value, way)
    _parsed(text)
    return text


def jsonb_form(value: Raw, way: Way) -> str:
    """The text that a jsonb column gives back. Raises Refused for what it does not take."""
    return _dumped(_parsed(_json_text(value, way)))


def _json_text(value: Raw, way: Way) -> str:
    if isinstance(way.rule, ArrayRule) and isinstance(value, str) and not value.startswith("["):
        found = array_to_json(value, way.source.type if way.source else "")
        if found is not None:
            return found
    if isinstance(way.rule, BytesRule) or (isinstance(value, float) and value - value != 0):
        raise Refused(f"{short(value)} is not JSON")
    if isinstance(way.rule, BooleanRule) and way.rule.truth(value) is not None:
        return "true" if way.rule.truth(value) else "false"
    return plain_text(value, way)


def _parsed(text: str) -> Any:
    try:
        if "\0" in text:
            raise ValueError(text)
        return json.loads(text, parse_int=Decimal, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise Refused(f"{short(text)} is not JSON") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _dumped(value: Any) -> str:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_dumped, value))}]"
    if isinstance(value, dict):
        # jsonb orders keys by their length in bytes, then by bytes.
        names = sorted(value, key=lambda name: (len(_utf8(name)), _utf8(name)))
        return f"{{{', '.join(f'{_string(name)}: {_dumped(value[name])}' for name in names)}}}"
    return json.dumps(value)


def _number(value: Decimal) -> str:
    exponent = int(value.as_tuple().exponent)
    if value.adjusted() >= DIGITS_BEFORE or -exponent > DIGITS_BEHIND:
        raise Refused("a number in the JSON has too many digits for numeric")
    text = f"{value:f}"
    return text[1:] if text.startswith("-") and not value else text


def _string(value: str) -> str:
    if "\0" in value:
        raise Refused("the escape \\u0000, which jsonb cannot hold")
    _utf8(value)
    return json.dumps(value, ensure_ascii=False)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refused("half of a surrogate pair, which jsonb cannot hold") from None


def array_form(value: Raw, item: Callable[[str], str]) -> str:
    """An array (a JSON list, or PostgreSQL's text) as PostgreSQL writes it, each element through `item`."""
    token = _nested(value)
    if not isinstance(token, tuple):
        raise Refused(f"{short(value)} is no array")
    bounds, token = ("", token) if token[0] == "array" else token
    _shape(token)
    return f"{bounds}{_braced(token, item)}"


def _nested(value: Raw) -> Any:
    """An array as nested tuples, the word `array` first in each; None if it is none."""
    if not isinstance(value, str):
        return None
    if value.startswith("["):
        try:
            return _of_list(json.loads(value, parse_float=str, parse_int=str))
        except (ValueError, RecursionError):
            pass
    return arrays.literal(value)


def _of_list(value: Any) -> Any:
    if isinstance(value, list):
        return ("array", *map(_of_list, value))
    if isinstance(value, bool):
        return "t" if value else "f"
    return json.dumps(value) if isinstance(value, dict) else value


def _braced(token: Any, item: Callable[[str], str]) -> str:
    if isinstance(token, tuple):
        return f"{{{','.join(_braced(part, item) for part in token[1:])}}}"
    if token is None:
        return "NULL"
    text = item(token)
    plain = text and text.upper() != "NULL" and not any(mark in text for mark in '{}",\\' + BLANKS)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shape(token: Any) -> tuple[int, ...]:
    if not isinstance(token, tuple):
        return ()
    shapes = {_shape(part) for part in token[1:]}
    if len(shapes) > 1 or any(0 in shape for shape in shapes):
        raise Refused("an array whose parts are not of one size")
    return (len(token) - 1, *(shapes.pop() if shapes else ()))


NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


def array_to_json(text: str, declared: str) -> str | None:
    """A PostgreSQL array as a JSON list, elements as its declared type (`integer[]`) says; else None.

    Without a type, elements are texts. Arrays whose bounds do not begin at 1 have no JSON form.
    """
    token = arrays.literal(text)
    if not isinstance(token, tuple) or token[0] != "array":
        return None
    base = declared.partition("[")[0].partition("(")[0]
    return (
        json.dumps(_listed(token, base), ensure_ascii=False) if base not in NUMBERS else _number_list(token)
    )


def _listed(token: Any, base: str) -> Any:
    if isinstance(token, tuple):
        return [_listed(part, base) for part in token[1:]]
    return {"t": True, "f": False}.get(token, token) if base == "boolean" else token


def _number_list(token: Any) -> str:
    if isinstance(token, tuple):
        return f"[{', '.join(map(_number_list, token[1:]))}]"
    if token is None:
        return "null"
    return json.dumps(token) if token in ("NaN", "Infinity", "-Infinity") else str(token)
