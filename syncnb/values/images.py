"""Images: a cell as text or number that both sides can make, in SQL there and with Arrow here, so that rows can be hashed.

    7 → 7    true → 1    12.50 → 12.5    2013-01-01 05:00:00 → 00017566ee3eb800 (as it is sent)    'a,b' → a,b

    hash of a row: which cells are NULL, then cell after cell, the hash so far being the seed of the next one

What counts is one direction: two cells with one image are the same value. Cells with different images may be
the same value all the same: such rows are read, and compared as ever. So a value in a form that nobody expected
needs no care: its row has a hash of its own.
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
from syncnb.values.hashing import (
    DECIMALS,
    Chain,
    Numbers,
    Words,
    add_decimals,
    add_hex,
    add_numbers,
    add_texts,
    add_words,
    begun,
)
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.raw import MIXED, to_python
from syncnb.values.rules import Rule
from syncnb.values.sides import Side
from syncnb.values.stamps_compiled import plain_stamps

__all__ = [
    "FLAGGED",
    "FLAGS",
    "HEXED",
    "KEY_FORMS",
    "NUMBERED",
    "Form",
    "Imaged",
    "agreed",
    "imaged",
    "row_hashes",
]

TEXT = pa.string()
FLAGS = 31
"""Cells of which one number tells which are NULL: a bit each, and none for its sign."""


class Form(Enum):
    """How a column is written into an image."""

    INTEGER = "whole numbers"
    SMALL = "whole numbers of 32 bits"
    BOOLEAN = "1 or 0"
    NUMBER = "decimals without zeros at their end"
    DECIMAL = "decimals of up to four digits behind the point and 15 in all, in ten-thousandths"
    DOUBLE = "the 64 bits of a double, in hex"
    STAMP = "the 64 bits in which PostgreSQL sends stamps, in hex"
    UUID = "UUIDs as PostgreSQL writes them"
    BYTES = "bytes in hex"
    TEXT = "text"
    OWN = "PostgreSQL's own text"
    """Only what is written exactly so on the other side has the same image."""


NUMBERED = (Form.INTEGER, Form.SMALL, Form.BOOLEAN, Form.DECIMAL)
"""Forms whose image is a number; that of the others is a text."""
HEXED = (Form.DOUBLE, Form.STAMP)
"""Forms whose image is the sixteen digits of 64 bits: here these bits as a whole number."""
FLAGGED = (Form.BOOLEAN, Form.DECIMAL)
"""Forms with a bit of their own beside those that tell which cells are NULL: true, less than 0."""
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
    Kind.TIMESTAMP: Form.STAMP,
    Kind.TIMESTAMPTZ: Form.STAMP,
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

    form: Form
    image: "pa.Array | Numbers"
    """Texts or whole numbers; nothing or 0 where there is none."""
    null: Mask
    odd: Mask
    """Values that have no image of their own. NULL is none of them."""
    by_rule: Mask
    """Values whose raw form is not PostgreSQL's, although they are the same."""


Canonical: TypeAlias = tuple[pa.Array, pa.Array | None]
"""Texts or numbers, NULL where a value is odd, and where they are not PostgreSQL's raw value (None: nowhere)."""


def imaged(form: Form, rule: Rule, array: pa.Array, side: Side, there: Kind) -> Imaged:
    """A raw column as images; `there` is the kind of PostgreSQL's column."""
    found, ruled = CANONICAL[form](rule, array, side, there)
    null = arrays.mask(array.is_null()) if array.null_count else _nowhere(array)
    odd = arrays.mask(found.is_null()) & ~null if found.null_count else _nowhere(array)
    by_rule = _nowhere(array)
    if ruled is not None:
        by_rule = arrays.mask(ruled)
        if found.null_count:
            by_rule = by_rule & ~null & ~odd
    numbered = form in NUMBERED or form in HEXED
    if found.null_count:
        found = found.fill_null(0 if numbered else "")
    return Imaged(form, found.to_numpy() if numbered else found, null, odd, by_rule)


def _nowhere(array: pa.Array) -> Mask:
    return np.zeros(len(array), np.bool_)


def row_hashes(cells: Sequence[Imaged], seeds: Sequence[int]) -> list[Numbers]:
    """The hashes of rows, one array a seed."""
    hashes = begun(len(cells[0].null), seeds)
    bits = [cell.null for cell in cells] + [_bit(cell) for cell in cells if cell.form in FLAGGED]
    for start in range(0, len(bits), FLAGS):
        add_words(hashes, _flags(bits[start : start + FLAGS]))
    odd = np.zeros(len(cells[0].null), np.bool_)
    for cell in cells:
        odd |= cell.odd
        _add(hashes, cell)
    if odd.any():  # one step more, that a server never takes
        more = hashes.copy()
        add_words(more, odd.astype(np.uint32))
        hashes = np.where(odd, more, hashes)
    return list(hashes)


def _add(hashes: Chain, cell: Imaged) -> None:
    if cell.form is Form.DECIMAL:
        add_decimals(hashes, cell.image)
    elif cell.form in (Form.INTEGER, Form.SMALL):
        add_numbers(hashes, cell.image, whole=cell.form is Form.INTEGER)
    elif cell.form in HEXED:
        add_hex(hashes, cell.image)
    elif cell.form is not Form.BOOLEAN:  # all of that is among the flags
        add_texts(hashes, cell.image)


def _bit(cell: Imaged) -> Mask:
    found: Mask = cell.image < 0 if cell.form is Form.DECIMAL else cell.image != 0
    return found


def _flags(masks: Sequence[Mask]) -> Words:
    found = np.zeros(len(masks[0]), np.uint32)
    for at, mask in enumerate(masks):
        if mask.any():
            found |= mask.astype(np.uint32) << np.uint32(at)
    return found


def _field(array: pa.Array, name: str) -> pa.Array:
    """The values of one storage class among others."""
    return array.field(name) if not array.offset else array.flatten()[array.type.get_field_index(name)]


def _plain(array: pa.Array, wanted: pa.DataType, field: str) -> pa.Array:
    """The values that are of this type; NULL for the others."""
    if array.type == wanted:
        return array
    return _field(array, field) if array.type == MIXED else pa.nulls(len(array), wanted)


def _integer(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    return _plain(array, pa.int64(), "i"), None


def _small(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    numbers = _plain(array, pa.int64(), "i")
    return pc.if_else(
        pc.equal(numbers, pc.shift_right(pc.shift_left(numbers, 32), 32)), numbers, NO_NUMBER
    ), None


def _boolean(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    if array.type == pa.bool_():
        return array.cast(pa.int64()), None
    numbers = _plain(array, pa.int64(), "i")
    return pc.if_else(pc.equal(pc.bit_wise_and(numbers, 1), numbers), numbers, NO_NUMBER), pc.is_valid(array)


NO_NUMBER = pa.scalar(None, pa.int64())


def _number(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    whole, real = _plain(array, pa.int64(), "i"), _plain(array, pa.float64(), "f")
    # Arrow writes a double as the shortest decimal that reads back as it, which is the number that it counts as.
    return pc.coalesce(whole.cast(TEXT), real.cast(TEXT)), pc.is_valid(array)


def _decimal(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    whole, real = _plain(array, pa.int64(), "i"), _plain(array, pa.float64(), "f")
    units = np.zeros(len(array), np.int64)
    good = np.zeros(len(array), np.bool_)
    if whole.null_count < len(array):
        numbers = whole.fill_null(0).to_numpy(zero_copy_only=False)
        good |= arrays.mask(whole.is_valid()) & (np.abs(numbers) < MOST // DECIMALS) & (numbers > SMALLEST)
        units += np.where(good, numbers, 0) * DECIMALS
    if real.null_count < len(array):
        numbers = real.fill_null(0.0).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(numbers * DECIMALS)
            # Two decimals of so few digits are never one double, so this is the shortest that reads back as it.
            exact = (np.abs(scaled) < MOST) & (scaled / DECIMALS == numbers) & arrays.mask(real.is_valid())
        units += np.where(exact, scaled, 0).astype(np.int64)
        good |= exact
    return pa.array(units, mask=~good), pc.is_valid(array)


MOST = 10**15
SMALLEST = -(2**63)
"""It has no number of its size."""


def _double(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    return _plain(array, pa.float64(), "f").view(pa.int64()), None


def _bytes(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    data = _plain(array, pa.binary(), "b")
    lengths = pc.fill_null(pc.binary_length(data), 0).to_numpy(zero_copy_only=False)
    ends = np.concatenate([[0], np.cumsum(lengths * 2)]).astype(np.int64)
    digits = pa.py_buffer(binascii.hexlify(b"".join(value or b"" for value in data.to_pylist())))
    texts = pa.LargeStringArray.from_buffers(len(data), pa.py_buffer(ends), digits).cast(TEXT)
    texts = pc.if_else(data.is_valid(), texts, pa.scalar(None, TEXT))
    return pc.binary_join_element_wise("\\x", texts, ""), None


def _stamp(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    raw = _plain(array, TEXT, "t")
    zoned = there == Kind.TIMESTAMPTZ
    # A column of which `agreed` says that it has this form holds zones just where PostgreSQL's does.
    if (plain := plain_stamps(raw, zoned=zoned)) is not None:
        micros, exact = plain
        null = arrays.mask(raw.is_null()) if raw.null_count else None
        return pa.array(micros - CENTURY, mask=null), pa.array(~exact)
    read = rule.column(raw, side)
    moments = _moments(rule, raw, side, there, read).cast(pa.timestamp("us"))
    sent = pc.subtract(moments.view(pa.int64()), CENTURY)
    if read is not None and (read.type.tz is None) == (there == Kind.TIMESTAMP):
        return sent, pa.array(~_sent_so(raw, "+00" if zoned else ""))
    # Six digits behind the point, always; PostgreSQL leaves zeros at the end away, and the point.
    texts = pc.utf8_rtrim(pc.utf8_rtrim(moments.cast(TEXT), "0"), ".")
    if there == Kind.TIMESTAMPTZ:
        texts = pc.binary_join_element_wise(texts, "+00", "")
    return sent, pc.not_equal(texts, raw)


def _sent_so(raw: pa.Array, zone: str) -> Mask:
    """Which stamps, all of them such that Arrow can read them, are written as PostgreSQL writes them in this zone."""
    _, offsets, data = raw.buffers()
    ends = np.frombuffer(offsets, np.int32)[raw.offset : raw.offset + len(raw) + 1]
    if not len(ends) or data is None:
        return np.zeros(len(raw), np.bool_)
    text = np.zeros(int(ends[-1] - ends[0]) + LONGEST, np.uint8)  # with room behind the last one
    text[:-LONGEST] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    starts, lengths = ends[:-1] - ends[0], np.diff(ends) - len(zone)
    found: Mask = lengths >= len("2026-01-01 00:00:00")
    behind = starts + np.maximum(lengths, 0)
    for places, sign in (
        (starts + 10, " "),
        (starts + 13, ":"),
        (starts + 16, ":"),
        *((behind + at, zone[at]) for at in range(len(zone))),
    ):
        found &= text[places] == ord(sign)
    point, last = text[starts + 19] == ord("."), text[np.maximum(behind - 1, 0)]
    found &= (lengths == 19) | (point & (lengths > 20) & (last != ord("0")))
    return found


LONGEST = 32
"""Bytes that are looked at behind where a text begins, or ends."""


CENTURY = 946_684_800_000_000
"""The start of 2000, from which PostgreSQL counts, in microseconds from 1970."""


def _moments(rule: Rule, raw: pa.Array, side: Side, there: Kind, found: pa.Array | None) -> pa.Array:
    """The stamps as the rule reads them: moments, or what a wall clock showed. NULL for others.

    found: what the rule makes of the column as a whole, if it can.
    """
    wanted = pa.timestamp("us", "UTC") if there == Kind.TIMESTAMPTZ else pa.timestamp("us")
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
    if _are_uuids(raw):
        return raw, None
    return pc.if_else(pc.match_substring_regex(raw, DASHED), raw, pa.scalar(None, TEXT)), None


def _are_uuids(raw: pa.Array) -> bool:
    """Whether all that are not NULL are written as PostgreSQL writes them; a regular expression takes 30 times as long."""
    texts = raw.drop_null() if raw.null_count else raw
    _, offsets, data = texts.buffers()
    if data is None:
        return not len(texts)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if not (np.diff(ends) == len(UUID_SIGNS)).all():
        return False
    signs = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(len(texts), len(UUID_SIGNS))
    return bool((signs[:, DASHES] == ord("-")).all() and DIGITS[signs[:, ~DASHES]].all())


UUID_SIGNS = "00000000-0000-0000-0000-000000000000"
DASHES = np.array([sign == "-" for sign in UUID_SIGNS])
DIGITS = np.array([chr(code) in "0123456789abcdef" for code in range(256)])
"""Which bytes are digits of a UUID."""
DASHED = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z"


def _text(rule: Rule, array: pa.Array, side: Side, there: Kind) -> Canonical:
    return _plain(array, TEXT, "t"), None


CANONICAL: dict[Form, Callable[[Rule, pa.Array, Side, Kind], Canonical]] = {
    Form.INTEGER: _integer,
    Form.SMALL: _small,
    Form.BOOLEAN: _boolean,
    Form.NUMBER: _number,
    Form.DECIMAL: _decimal,
    Form.DOUBLE: _double,
    Form.STAMP: _stamp,
    Form.UUID: _uuid,
    Form.BYTES: _bytes,
    Form.TEXT: _text,
    Form.OWN: _text,
}
