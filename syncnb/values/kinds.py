"""Kinds: what the values of a column are, whatever engine declared it."""

import re
from enum import StrEnum

__all__ = ["Kind", "postgres_kind", "sqlite_kind"]


class Kind(StrEnum):
    """What the values of a column are."""

    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT = "float8"
    FLOAT4 = "float4"
    BOOLEAN = "boolean"
    TEXT = "text"
    CHAR = "char"
    """Text padded with blanks to its length, which do not count."""
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMETZ = "timetz"
    TIMESTAMP = "timestamp"
    """A date and time; in SQLite each value may carry a zone or not."""
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    """JSON kept as text."""
    JSONB = "jsonb"
    ARRAY = "array"
    ANY = "any"
    """No declared kind: each value says itself what it is (SQLite without a type, object columns)."""
    OTHER = "other"
    """A type of one engine with no counterpart elsewhere: compared by its text form."""


POSTGRES = {
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "oid": Kind.INTEGER,
    "numeric": Kind.NUMERIC,
    "money": Kind.NUMERIC,
    "real": Kind.FLOAT4,
    "double precision": Kind.FLOAT,
    "boolean": Kind.BOOLEAN,
    "text": Kind.TEXT,
    "character varying": Kind.TEXT,
    "name": Kind.TEXT,
    "citext": Kind.TEXT,
    '"char"': Kind.TEXT,
    "character": Kind.CHAR,
    "bytea": Kind.BYTES,
    "date": Kind.DATE,
    "time without time zone": Kind.TIME,
    "time with time zone": Kind.TIMETZ,
    "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "interval": Kind.INTERVAL,
    "uuid": Kind.UUID,
    "json": Kind.JSON,
    "jsonb": Kind.JSONB,
}


def postgres_kind(base_type: str, *, category: str = "") -> Kind:
    """The kind of a PostgreSQL type, named as `format_type(oid, NULL)` writes it, domains resolved.

    `category` is `pg_type.typcategory`: "A" for arrays, "E" for enums.
    """
    if category == "A":
        return Kind.ARRAY
    if category == "E":
        return Kind.TEXT
    return POSTGRES.get(base_type.rpartition(".")[2], Kind.OTHER)


SQLITE = (
    # The first pattern found anywhere in the declared type decides, so the narrow come first.
    (r"BOOL", Kind.BOOLEAN),
    (r"TIMESTAMPTZ|TIMESTAMP *(\(\d+\))? *WITH TIME ?ZONE|DATETIMEOFFSET", Kind.TIMESTAMPTZ),
    (r"DATETIME|TIMESTAMP", Kind.TIMESTAMP),
    (r"^DATE$", Kind.DATE),
    (r"^TIME\b", Kind.TIME),
    (r"UUID|GUID|UNIQUEIDENTIFIER", Kind.UUID),
    (r"JSON", Kind.JSON),
    (r"^INTERVAL$", Kind.TEXT),
    (r"INT", Kind.INTEGER),
    (r"CHAR|CLOB|TEXT|STRING", Kind.TEXT),
    (r"BLOB|BINARY|BYTEA", Kind.BYTES),
    (r"REAL|FLOA|DOUB", Kind.FLOAT),
    (r"NUM|DEC|MONEY", Kind.NUMERIC),
)


def sqlite_kind(declared: str) -> Kind:
    """The kind that a SQLite column's declared type promises; SQLite itself enforces little of it.

    >>> sqlite_kind("NVARCHAR(160)"), sqlite_kind("DATETIME"), sqlite_kind("")
    (<Kind.TEXT: 'text'>, <Kind.TIMESTAMP: 'timestamp'>, <Kind.ANY: 'any'>)
    """
    upper = declared.upper().strip()
    return next((kind for pattern, kind in SQLITE if re.search(pattern, upper)), Kind.ANY)
