"""Images: a cell as text that both sides can make, in SQL there and with Arrow here, so that rows can be hashed.

    7 → 7    true → t    12.50 → 12.5    2013-01-01T05:00:00Z → 2013-01-01 05:00:00+00    'a,b' → 3,a,b

What counts is one direction: two cells with one image are the same value. Cells with different images may be
the same value all the same: such rows are read, and compared as ever. So a value in a form that nobody expected
needs no care, as long as its image is one that the other side never makes.
"""

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays
from syncnb.values.columns import Mask
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.raw import MIXED, to_python
from syncnb.values.rules import Rule, Side

__all__ = ["KEY_FORMS", "Form", "Imaged", "agreed", "imaged", "joined"]

TEXT = pa.string()
ODD = "?"
"""The image of what is not in the form that was agreed on. No text of PostgreSQL's types but text is this."""


class Form(Enum):
    """How a column is written into an image. NULL is nothing, or where text is, the length -1."""

    INTEGER = "whole numbers"
    BOOLEAN = "t or f"
    NUMBER = "decimals without zeros at their end"
    DOUBLE = "the 64 bits of a double"
    STAMP = "stamps as PostgreSQL writes them"
    UUID = "UUIDs as PostgreSQL writes them"
    BYTES = "bytes in hex"
    TEXT = "length and text"
    OWN = "PostgreSQL's own text, with its length"
    """Only what is written exactly so on the other side has the same image."""

    @property
    def has_length(self) -> bool:
        """Whether any text may be in it, so that its length must be told first."""
        return self in (Form.TEXT, Form.OWN)


KEY_FORMS = (Form.INTEGER, Form.TEXT, Form.UUID, Form.STAMP)
"""Forms in which one key has one image, however it is written (or none): two that are the same are seen to be."""

Pair = tuple[Kind, Kind]
NUMBERS, STAMPS = (Kind.NUMERIC, Kind.FLOAT, Kind.INTEGER), (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)

AGREED: dict[Pair, Form] = {
    (Kind.INTEGER, Kind.INTEGER): Form.INTEGER,
    (Kind.BOOLEAN, Kind.BOOLEAN): Form.BOOLEAN,
    (Kind.INTEGER, Kind.BOOLEAN): Form.BOOLEAN,
    **{(kind, Kind.NUMERIC): Form.NUMBER for kind in NUMBERS},
    (Kind.FLOAT, Kind.FLOAT): Form.DOUBLE,
    **{(here, there): Form.STAMP for there in STAMPS for here in (*STAMPS, Kind.TEXT)},
    (Kind.UUID, Kind.UUID): Form.UUID,
    (Kind.TEXT, Kind.UUID): Form.UUID,
    (Kind.BYTES, Kind.BYTES): Form.BYTES,
    (Kind.TEXT, Kind.TEXT): Form.TEXT,
    (Kind.DATE, Kind.DATE): Form.OWN,
    (Kind.TEXT, Kind.DATE): Form.OWN,
    (Kind.TEXT, Kind.NUMERIC): Form.OWN,
    (Kind.TIME, Kind.TIME): Form.OWN,
    (Kind.TEXT, Kind.TIME): Form.OWN,
    (Kind.JSON, Kind.JSON): Form.OWN,
    (Kind.TEXT, Kind.JSON): Form.OWN,
    (Kind.TEXT, Kind.INTERVAL): Form.OWN,
    (Kind.TEXT, Kind.ARRAY): Form.OWN,
    (Kind.TEXT, Kind.OTHER): Form.OWN,
}  # fmt: skip
"""By the kinds here (read as raw columns) and of PostgreSQL. Pairs that are not here are compared by value:
float4, which other sides keep as doubles; char(n), whose blanks do not count; jsonb, which PostgreSQL rewrites."""

SAME_ENGINE: dict[Kind, Form] = {
    Kind.INTEGER: Form.INTEGER,
    Kind.BOOLEAN: Form.BOOLEAN,
    Kind.FLOAT: Form.DOUBLE,
    Kind.UUID: Form.UUID,
    Kind.BYTES: Form.BYTES,
    Kind.TEXT: Form.TEXT,
}
"""The forms between two PostgreSQL columns of one kind; the others are their own text."""


def agreed(here: Kind, there: Kind, rule: Rule, *, both_postgres: bool) -> Form | None:
    """The form in which `here` and PostgreSQL's `there` can be hashed; None where only values can be compared."""
    if both_postgres:
        # Of two kinds the raw values would differ in type, and be the same only by a rule.
        alike = here == there and rule.same_bytes and here != Kind.CHAR
        return SAME_ENGINE.get(here, Form.OWN) if alike else None
    form = AGREED.get((here, there))
    if form is Form.STAMP and isinstance(rule, StampRule):
        # A wall clock of PostgreSQL that stands for a moment cannot be turned into one by its text.
        return form if (there == Kind.TIMESTAMPTZ) == rule.zoned and rule.instants == rule.zoned else None
    return form if form is not Form.OWN or rule.same_bytes else None


@dataclass(frozen=True, slots=True)
class Imaged:
    """A raw column as images."""

    parts: tuple[pa.Array, ...]
    """Texts without NULL; for a form with a length that, and the text."""
    odd: Mask
    """Values that have no image of their own. NULL is none of them."""
    by_rule: Mask
    """Values whose raw form is not PostgreSQL's, although they are the same."""


Canonical: TypeAlias = tuple[pa.Array, pa.Array | None]
"""Texts, NULL where a value is odd, and where they are not PostgreSQL's raw value (None: nowhere)."""


def imaged(form: Form, rule: Rule, array: pa.Array, side: Side, there: Kind) -> Imaged:
    """A raw column as images; `there` is the kind of PostgreSQL's column."""
    rows = len(array)
    texts, ruled = CANONICAL[form](rule, array, side, there)
    given = arrays.mask(array.is_valid())
    odd = given & ~arrays.mask(texts.is_valid())
    by_rule = np.zeros(rows, np.bool_) if ruled is None else arrays.mask(ruled) & given & ~odd
    if not form.has_length:
        empty = pc.if_else(pa.array(odd), ODD, "") if odd.any() else ""
        return Imaged((pc.coalesce(texts, empty),), odd, by_rule)
    lengths = pc.binary_length(texts).cast(TEXT)
    lengths = pc.coalesce(lengths, pc.if_else(pa.array(odd), ODD, "-1") if odd.any() else "-1")
    return Imaged((lengths, pc.fill_null(texts, "")), odd, by_rule)


def joined(parts: Sequence[pa.Array]) -> pa.Array:
    """The image of each row."""
    return pc.binary_join_element_wise(*parts, ",")


def _field(array: pa.Array, name: str) -> pa.Array:
    """The values of one storage class among others."""
    return array.field(name) if not array.offset else array.flatten()[array.type.get_field_index(name)]


def _plain(array: pa.Array, wanted: pa.DataType, field: str) -> pa.Array:
    """The values that are of this type; NULL for the others."""
    if array.type == wanted:
        return array
    return _field(array, field) if array.type == MIXED else pa.nulls(len(array), wanted)


def _integer(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    return _plain(array, pa.int64(), "i").cast(TEXT), None


def _boolean(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    if array.type == pa.bool_():
        return pc.if_else(array, "t", "f"), None
    numbers = _plain(array, pa.int64(), "i")
    words = pc.case_when(
        pc.make_struct(pc.equal(numbers, 1), pc.equal(numbers, 0)), "t", "f", pa.scalar(None, TEXT)
    )
    return words, pc.is_valid(array)


def _number(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    whole, real = _plain(array, pa.int64(), "i"), _plain(array, pa.float64(), "f")
    # Arrow writes a double as the shortest decimal that reads back as it, which is the number that it counts as.
    return pc.coalesce(whole.cast(TEXT), real.cast(TEXT)), pc.is_valid(array)


def _double(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    real = _plain(array, pa.float64(), "f")
    bits = real.fill_null(0.0).to_numpy(zero_copy_only=False).astype(">f8").tobytes()
    return _hex(bits, np.full(len(array), 8), real, ""), None


def _bytes(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    data = _plain(array, pa.binary(), "b")
    lengths = pc.fill_null(pc.binary_length(data), 0).to_numpy(zero_copy_only=False)
    return _hex(b"".join(value or b"" for value in data.to_pylist()), lengths, data, "\\x"), None


def _hex(
    data: bytes, lengths: "np.ndarray[tuple[int], np.dtype[np.int64]]", like: pa.Array, before: str
) -> pa.Array:
    """Pieces of bytes in hex, NULL where `like` is."""
    ends = np.concatenate([[0], np.cumsum(lengths * 2)]).astype(np.int64)
    digits = pa.py_buffer(binascii.hexlify(data))
    texts = pa.LargeStringArray.from_buffers(len(like), pa.py_buffer(ends), digits).cast(TEXT)
    texts = pc.if_else(like.is_valid(), texts, pa.scalar(None, TEXT))
    return pc.binary_join_element_wise(before, texts, "") if before else texts


def _stamp(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    raw = _plain(array, TEXT, "t")
    moments = _moments(rule, raw, side, there)
    # Six digits behind the point, always; PostgreSQL leaves zeros at the end away, and the point.
    texts = pc.utf8_rtrim(pc.utf8_rtrim(moments.cast(pa.timestamp("us")).cast(TEXT), "0"), ".")
    if there == Kind.TIMESTAMPTZ:
        texts = pc.binary_join_element_wise(texts, "+00", "")
    return texts, pc.not_equal(texts, raw)


def _moments(rule: Rule, raw: pa.Array, side: Side, there: Kind) -> pa.Array:
    """The stamps as the rule reads them: moments, or what a wall clock showed. NULL for others."""
    wanted = pa.timestamp("us", "UTC") if there == Kind.TIMESTAMPTZ else pa.timestamp("us")
    found = rule.column(raw, side)
    if found is not None:
        return found if found.type == wanted else pa.nulls(len(raw), wanted)
    name = "instant" if there == Kind.TIMESTAMPTZ else "wall clock"
    tokens = [None if value is None else rule.token(value, side) for value in to_python(raw)]
    micros = [t[1] if isinstance(t, tuple) and t[0] == name and not t[2] else None for t in tokens]
    known = [n if n is not None and FIRST <= n < LAST else None for n in micros]
    return pa.array(known, pa.int64()).cast(wanted)


FIRST, LAST = -62_135_596_800_000_000, 253_402_300_800_000_000
"""The years 1 to 9999, which both write with four digits, in microseconds from 1970."""


def _uuid(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    raw = _plain(array, TEXT, "t")
    good = pc.match_substring_regex(raw, DASHED)
    if arrays.mask(pc.fill_null(good, True)).all():  # noqa: FBT003
        return raw, None
    return pc.if_else(good, raw, pa.scalar(None, TEXT)), None


DASHED = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z"


def _text(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    return _plain(array, TEXT, "t"), None


CANONICAL: dict[Form, Callable[[Rule, pa.Array, Side, Kind], Canonical]] = {
    Form.INTEGER: _integer,
    Form.BOOLEAN: _boolean,
    Form.NUMBER: _number,
    Form.DOUBLE: _double,
    Form.STAMP: _stamp,
    Form.UUID: _uuid,
    Form.BYTES: _bytes,
    Form.TEXT: _text,
    Form.OWN: _text,
}
