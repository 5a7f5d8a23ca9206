"""Images of cells and hashes of rows in PostgreSQL's SQL, as `values.images` makes them of what is read elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.schema import Column
from syncnb.stores.postgres_copy import selected
from syncnb.values.hashing import DECIMALS
from syncnb.values.images import FLAGGED, FLAGS, HEXED, NUMBERED, Form, Imaged, row_hashes
from syncnb.values.kinds import Kind

__all__ = ["EDGES", "PROBED", "flags_of", "image_of", "number_hash", "probed", "row_hash"]

LENGTHS = [
    "",
    "a",
    "eleven byte",
    "twelve bytes",
    "thirteen byte",
    "\u00e4\U0001d11e, and more of it than one block",
]
HALVES = [0, 1, -1, 2**31, 2**32, -(2**31) - 1, -(2**32), 2**63 - 1, -(2**63)]

DIGITS = [0, 1, 10_000, 125_000, 99_999_999, 10**8, 100_000_001, 123_456_789_012_345, 10**12, 10**15 - 1, 5]

PROBED: dict[Form, tuple[str, list[str], Any]] = {
    Form.TEXT: ("text", LENGTHS, pa.array(LENGTHS)),
    Form.INTEGER: ("bigint", list(map(str, HALVES)), np.array(HALVES, np.int64)),
    Form.DECIMAL: (
        "numeric",
        [f"{number // DECIMALS}.{number % DECIMALS:04d}" for number in DIGITS],
        np.array(DIGITS, np.int64),
    ),
}
"""Cells whose hashes a server is asked for before it is believed: their type there, as text, and their images."""

EDGES: dict[tuple[Form, Kind], tuple[str, dict[str | None, str]]] = {
    (Form.INTEGER, Kind.INTEGER): ("bigint", {"-9223372036854775808": "-9223372036854775808", "0": "0", None: "0"}),
    (Form.SMALL, Kind.INTEGER): ("integer", {"-2147483648": "-2147483648", "5": "5", None: "0"}),
    (Form.BOOLEAN, Kind.BOOLEAN): ("boolean", {"true": "1", "false": "0", None: "0"}),
    (Form.NUMBER, Kind.NUMERIC): (
        "numeric",
        {
            "12.50": "12.5", "-0.00": "0", "100": "100", "1000000.000": "1000000", "-0.05": "-0.05", "NaN": "NaN",
            "12345678901234567890123456789012345678901.10": "12345678901234567890123456789012345678901.1", None: "",
        },
    ),
    (Form.DECIMAL, Kind.NUMERIC): ("numeric(15,4)", {"12.5": "12.5000", "-7": "-7.0000", None: "0"}),
    (Form.DOUBLE, Kind.FLOAT): (
        "double precision",
        {
            "0": "0000000000000000", "-0": "8000000000000000", "0.1": "3fb999999999999a", "5e-324": "0000000000000001",
            "NaN": "7ff8000000000000", "-Infinity": "fff0000000000000", None: "0000000000000000",
        },
    ),
    (Form.STAMP, Kind.TIMESTAMP): (
        "timestamp",
        {
            "2013-01-01T05:00": "00017531c5421400", "0999-12-31 24:00": "ff8fe3289cc44000",
            "2013-01-01 00:00:00.120000": "0001752d9461b4c0", "0044-03-15 BC": "ff1af9deec5b2000",
            "infinity": "7fffffffffffffff", None: "0000000000000000",
        },
    ),
    (Form.STAMP, Kind.TIMESTAMPTZ): (
        "timestamptz",
        {
            "2013-01-01T05:00:00.5Z": "00017531c549b520", "2013-01-01 05:30+05:30": "0001752d945fe000",
            "0044-03-15 00:00+00 BC": "ff1af9deec5b2000", "-infinity": "8000000000000000", None: "0000000000000000",
        },
    ),
    (Form.UUID, Kind.UUID): (
        "uuid",
        {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None: ""},
    ),
    (Form.BYTES, Kind.BYTES): ("bytea", {"\\x00fF": "\\x00ff", "": "\\x", None: ""}),
    (Form.TEXT, Kind.TEXT): ("text", {"": "", "\u00e4": "\u00e4", "a,b ": "a,b ", None: ""}),
    (Form.OWN, Kind.DATE): ("date", {"2013-01-01": "2013-01-01", "0044-03-15 BC": "0044-03-15 BC", None: ""}),
    (Form.OWN, Kind.TIME): ("time", {"24:00": "24:00:00", "01:02:03.40": "01:02:03.4", None: ""}),
    (Form.OWN, Kind.NUMERIC): ("numeric", {"12.50": "12.50", None: ""}),
    (Form.OWN, Kind.CHAR): ("character(3)", {"a": "a  ", None: ""}),
}  # fmt: skip
"""By form and kind: a type, and values of it with the images that a server makes where it is one that we know."""

PLAIN = ("text", "character varying")
SENT = {Kind.TIMESTAMP: "timestamp_send", Kind.TIMESTAMPTZ: "timestamptz_send", Kind.FLOAT: "float8send"}


def image_of(form: Form, column: Column) -> str:
    """The expression over `t` whose value is the image of a column: a number or a text, and never NULL."""
    name = selected(column)
    if form is Form.DECIMAL:
        image, nothing = name, "0"
    elif form in NUMBERED:
        image, nothing = f"{name}::{'bigint' if form is Form.INTEGER else 'integer'}", "0"
    elif form in (Form.OWN, Form.BYTES) or (form is Form.TEXT and not column.type.startswith(PLAIN)):
        return f"concat({name})"  # as it is sent; a cast to text may write it otherwise
    else:
        image, nothing = f"{_TEXT_OF.get(form, '{}').format(name)}::text", "''"
        if form in HEXED:
            image, nothing = f"encode(pg_catalog.{SENT[Kind(column.kind)]}({name}), 'hex')", f"'{0:016x}'"
    return f"coalesce({image}, {nothing})" if column.nullable else image


_TEXT_OF = {Form.NUMBER: "trim_scale({})"}


def _text_hash(text: str, seed: str) -> str:
    return f"""hashtextextended({text} COLLATE pg_catalog."C", {seed})"""


def number_hash(number: str, seed: str, *, whole: bool) -> str:
    """Of all 64 bits where it is of the `whole`; else PostgreSQL's own, which folds them to 32."""
    return f"hashint8extended({number}, {_word_hash(f'({number} >> 32)::int', seed) if whole else seed})"


def _word_hash(number: str, seed: str) -> str:
    return f"hashint4extended({number}, {seed})"


def row_hash(forms: Sequence[Form], images: Sequence[str], flags: Sequence[str], seed: int) -> str:
    """The hash that `row_hashes` makes, from the images of cells and the numbers that tell which are NULL."""
    found = f"({seed:d})::bigint"
    for flag in flags:
        found = _word_hash(flag, found)
    for form, image in zip(forms, images, strict=True):
        if form is Form.DECIMAL:
            found = f"hash_numeric_extended({image}, {found})"
        elif form is Form.INTEGER:
            found = number_hash(image, found, whole=True)
        elif form is Form.SMALL:
            found = _word_hash(image, found)
        elif form is not Form.BOOLEAN:  # all of that is among the flags
            found = _text_hash(image, found)
    return found


def flags_of(columns: Sequence[Column], forms: Sequence[Form]) -> list[str]:
    """Numbers that tell which cells are NULL, and true or less than 0 where that is in no hash: a bit each."""
    # A composite value of NULLs alone IS NULL, too; it is no more the same as NULL for that, because of its image.
    bits = [f"{selected(column)} IS NULL" if column.nullable else "" for column in columns]
    told = zip(columns, forms, strict=True)
    bits += [_bit(form, column) for column, form in told if form in FLAGGED]
    # A CASE costs a third of a cast of the boolean, and takes NULL for false.
    terms = [
        f"CASE WHEN {bit} THEN {1 << at % FLAGS:d} ELSE 0 END" if bit else "" for at, bit in enumerate(bits)
    ]
    parts = [list(filter(None, terms[at : at + FLAGS])) for at in range(0, len(terms), FLAGS)]
    return [" | ".join(part) or "0" for part in parts]


def _bit(form: Form, column: Column) -> str:
    name = selected(column)
    return f"{name} < 0" if form is Form.DECIMAL else name


def probed(form: Form, images: Any, seed: int) -> list[int]:
    """The hashes that we make of rows of one cell."""
    none = np.zeros(len(images), np.bool_)
    found: list[int] = row_hashes([Imaged(form, images, none, none, none)], [seed])[0].tolist()
    return found
