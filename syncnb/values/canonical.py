"""Cells in canonical form as text: equal exactly where the values are the same, on whichever side they were.

    3.00 → n3    'a' → ta    NULL → NULL    a text of a thousand letters → #9f86d081884c7d65…

What both sides last agreed on is kept so: it can be compared cell by cell, and shown. A long value is kept as
a digest of 128 bits, marked by `#`.
"""

import hashlib
from collections.abc import Hashable, Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays, numbers
from syncnb.values.binary import UuidRule
from syncnb.values.moments import StampRule
from syncnb.values.numeric import BooleanRule, NumberRule
from syncnb.values.raw import to_python
from syncnb.values.rules import Rule, TextRule
from syncnb.values.sides import Side
from syncnb.values.stamps import EPOCH

__all__ = ["LONGEST", "UNKNOWN", "forms", "joined", "parted", "shown"]

LONGEST = 120
"""Bytes of a form that is kept whole; a longer one is kept as its digest."""
UNKNOWN = "?"
"""Stands for a cell of which nothing is known. No form is equal to it."""

TEXT = pa.string()
LETTERS = {
    "number": "n", "text": "t", "uuid": "u", "instant": "m", "wall clock": "w", "boolean": "b", "bytes": "x",
    "bad text": "y", "float4": "f", "json": "j", "time": "c", "interval": "v", "infinity": "i",
}  # fmt: skip


def forms(rule: Rule, array: pa.Array, side: Side) -> pa.Array:
    """A raw column in canonical form; NULL stays NULL."""
    quick = _column(rule, array, side)
    if quick is not None:
        return _shortened(quick)
    tokens = [None if value is None else rule.token(value, side) for value in to_python(array)]
    return _shortened(pa.array([None if token is None else _form(token) for token in tokens], TEXT))


def _column(rule: Rule, array: pa.Array, side: Side) -> pa.Array | None:
    """The whole column at once, where its rule can; else None."""
    found = rule.column(array, side)
    if found is None:
        return None
    if pa.types.is_null(found.type):
        return pa.nulls(len(found), TEXT)
    letter = None
    if isinstance(rule, TextRule) and found.type == TEXT:
        letter = "t"
    elif isinstance(rule, UuidRule):
        letter = "u"
    elif type(rule) is NumberRule and found.type == pa.int64():  # a real has tokens of its own
        letter = "n"
    elif isinstance(rule, StampRule) and pa.types.is_timestamp(found.type):
        letter, found = ("m" if found.type.tz else "w"), found.cast(pa.int64())
    elif isinstance(rule, BooleanRule) and found.type == pa.bool_():
        letter, found = "b", found.cast(pa.int8())
    if letter is None:
        return None
    return pc.binary_join_element_wise(letter, found.cast(TEXT), "", null_handling="emit_null")


def _form(token: Hashable) -> str:
    """A token as text, the same in every process: no set has an order of its own here."""
    kind, *rest = token if isinstance(token, tuple) and token else ("", token)
    letter = LETTERS.get(kind) if isinstance(kind, str) else None
    if letter is None or not rest:
        return f"r{_written(token)}"
    value = rest[0]
    if letter == "n" and isinstance(value, str):
        return f"n{numbers.whole(value)}"
    if letter in "mw":
        return f"{letter}{value}{'.' if rest[1] else ''}{rest[1]}"
    if letter == "b":
        return "b1" if value else "b0"
    if letter in "xy" and isinstance(value, bytes):
        return f"{letter}{value.hex()}"
    if letter in "tu" and isinstance(value, str):
        return f"{letter}{value}"
    return f"{letter}{_written(rest)}"


def _written(value: object) -> str:
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(_written, value)))}}}"
    if isinstance(value, tuple | list):
        return f"({','.join(map(_written, value))})"
    return repr(value)


def _shortened(texts: pa.Array) -> pa.Array:
    long = arrays.mask(pc.greater(pc.binary_length(texts), LONGEST))
    if not long.any():
        return texts
    short = [
        f"#{hashlib.sha256(text.encode()).hexdigest()[:32]}" if text is not None and is_long else text
        for text, is_long in zip(texts.to_pylist(), long.tolist(), strict=True)
    ]
    return pa.array(short, TEXT)


# As COPY writes lines: each of these would end a cell, or is what no PostgreSQL text can hold.
ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\x00", "\\0"))
BACK = {"\\": "\\", "t": "\t", "0": "\x00"}
NULL = "\\N"


def joined(columns: Sequence[pa.Array]) -> pa.Array:
    """The forms of each row as one text."""
    if not columns:
        return pa.nulls(0, TEXT)
    escaped = []
    for column in columns:
        for sign, written in ESCAPES:
            column = pc.replace_substring(column, sign, written)
        escaped.append(pc.fill_null(column, NULL))
    return pc.binary_join_element_wise(*escaped, "\t")


def parted(text: str) -> list[str | None]:
    """The forms of one row; the inverse of `joined`."""
    return [None if cell == NULL else _back(cell) for cell in text.split("\t")]


def _back(cell: str) -> str:
    if "\\" not in cell:
        return cell
    out, at = [], 0
    while at < len(cell):
        if cell[at] == "\\":
            at += 1
            out.append(BACK.get(cell[at : at + 1], ""))
        else:
            out.append(cell[at])
        at += 1
    return "".join(out)


def shown(form: str | None) -> str | None:
    """A form as a person reads it; None for NULL."""
    if form is None:
        return None
    letter, value = form[:1], form[1:]
    if letter == "#":
        return f"a long value (digest {value[:8]}…)"
    if letter == UNKNOWN:
        return "not known"
    if letter in "mw":
        return _moment(value, letter)
    if letter == "b":
        return "true" if value == "1" else "false"
    return f"\\x{value}" if letter == "x" else value


def _moment(value: str, letter: str) -> str:
    micros, _, digits = value.partition(".")
    try:
        moment = (EPOCH + timedelta(microseconds=int(micros))).replace(tzinfo=None)
    except OverflowError:
        return value
    return f"{moment.isoformat(' ')}{digits}{'+00:00' if letter == 'm' else ''}"
