"""Why a database refused to write, as errors a person can act on. The mapping is data.

SQLite has no SQLSTATE: its errors carry the one that PostgreSQL gives for the same cause, so that
whoever decides by the cause needs to know only one set of codes.
"""

import re
from dataclasses import dataclass
from typing import Any

from syncnb.errors import UnknownOutcome, WriteError

__all__ = ["not_writable", "postgres_write_error", "sqlite_write_error", "stopped", "unknown_outcome"]

AGAIN = "compare again and draw a new plan"
NOTHING = "nothing was written: try again"


@dataclass(frozen=True, slots=True)
class Cause:
    """`sign` is the beginning of a SQLSTATE; the texts may name {table}, {constraint}, {detail} and {held}."""

    sign: str
    why: str
    hint: str


CAUSES = (
    Cause("23505", "a key or unique value of {table} is taken{constraint}", AGAIN),
    Cause(
        "23503",
        "a row of {table} refers to a row that is not there, or is referred to{constraint}",
        "write the table it refers to as well, or leave these rows out",
    ),
    Cause("23502", "a column of {table} may not be NULL: {detail}", "decide a value for these cells"),
    Cause(
        "23514",
        "a check of {table} does not allow a row{constraint}",
        "decide other values, or leave these rows out",
    ),
    Cause(
        "23",
        "a rule of {table} does not allow a row{constraint}: {detail}",
        "decide other values, or leave these rows out",
    ),
    Cause(
        "42501",
        "this role may not write {table}: {detail}",
        "ask its owner for the right, or connect as another role",
    ),
    Cause(
        "55P03",
        "{table} is locked by somebody else{held}",
        "wait until the other transaction ends, then try again",
    ),
    Cause("40P01", "this transaction and another one waited for each other at {table}", NOTHING),
    Cause("40", "the server gave up the transaction at {table}: {detail}", NOTHING),
    Cause(
        "53100",
        "the disk is full, {table} could not be written",
        "make room, then try again: nothing was written",
    ),
    Cause(
        "53",
        "the server ran out of resources at {table}: {detail}",
        "nothing was written: try again later",
    ),
    Cause(
        "25006",
        "the database can only be read: {detail}",
        "connect to the primary, or to a file that may be written",
    ),
    Cause(
        "25P02",
        "the transaction had failed before {table} was written",
        "nothing was written: the first error says why",
    ),
    Cause(
        "57014",
        "the server stopped writing {table}: {detail}",
        "raise statement_timeout for this role, or write fewer rows at a time",
    ),
    Cause("22021", "{table} cannot hold this text: {detail}", "decide other values for these cells"),
    Cause(
        "22",
        "a value does not fit {table}: {detail}",
        "decide another value for this cell, or change the column's type",
    ),
    Cause("428C9", "a column of {table} is filled by the database itself: {detail}", "leave that column out"),
    Cause("42P01", "{table} is no longer there", "the schema changed since it was read: " + AGAIN),
    Cause("42703", "{table} has changed: {detail}", "the schema changed since it was read: " + AGAIN),
    Cause(
        "P0",
        "a trigger of {table} refused: {detail}",
        "its text says what it wants; decide these rows accordingly",
    ),
    Cause("XX001", "{table} is damaged: {detail}", "stop writing to it and restore it from a copy"),
    Cause("57P", "the server went away while {table} was written", NOTHING),
    Cause("08", "the connection was lost while {table} was written", NOTHING),
)

UNKNOWN = Cause(
    "", "{table} could not be written: {detail}", "nothing was written: correct what it says, then try again"
)
NO_PARTITION = Cause(
    "23514",
    "no partition of {table} takes a row",
    "make a partition for it, or leave these rows out",
)
GONE = "08006"
LOST = next(cause for cause in CAUSES if cause.sign == "08")

SQLITE = {
    "SQLITE_CONSTRAINT_UNIQUE": "23505",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "23505",
    "SQLITE_CONSTRAINT_ROWID": "23505",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "23503",
    "SQLITE_CONSTRAINT_NOTNULL": "23502",
    "SQLITE_CONSTRAINT_CHECK": "23514",
    "SQLITE_CONSTRAINT_DATATYPE": "22000",
    "SQLITE_CONSTRAINT_TRIGGER": "P0001",
    "SQLITE_CONSTRAINT": "23000",
    "SQLITE_MISMATCH": "22000",
    "SQLITE_TOOBIG": "22001",
    "SQLITE_BUSY": "55P03",
    "SQLITE_LOCKED": "55P03",
    "SQLITE_READONLY": "25006",
    "SQLITE_CANTOPEN": "25006",
    "SQLITE_PERM": "42501",
    "SQLITE_AUTH": "42501",
    "SQLITE_FULL": "53100",
    "SQLITE_NOMEM": "53200",
    "SQLITE_CORRUPT": "XX001",
    "SQLITE_NOTADB": "XX001",
    "SQLITE_IOERR": "58030",
    "SQLITE_INTERRUPT": "57014",
}
"""By the longest beginning of the error's name."""


def not_writable(name: str) -> WriteError:
    """The store was not opened for writing."""
    return WriteError(f"{name} was opened read-only", hint="connect(..., writable=True)")


def stopped(name: str) -> WriteError:
    """Somebody stopped it before COMMIT."""
    problem = WriteError(f"writing {name} was stopped: nothing was written", hint="apply it again")
    problem.sqlstate = "57014"
    return problem


def unknown_outcome(name: str) -> UnknownOutcome:
    """Nobody answered the COMMIT."""
    return UnknownOutcome(
        f"the answer to COMMIT from {name} was lost: it may or may not have happened",
        hint="apply the same plan again: its marker says whether it happened, nothing is written twice",
    )


def postgres_write_error(
    error: BaseException, table: str, *, lost: bool = False, held: str = ""
) -> WriteError:
    """What psycopg raised while `table` was written. `lost` says that the connection is gone, `held` who locks it."""
    sqlstate: str | None = getattr(error, "sqlstate", None)
    diagnosis: Any = getattr(error, "diag", None)
    constraint: str | None = getattr(diagnosis, "constraint_name", None)
    # Every check has a name; what has none is a row that belongs to no partition.
    own = NO_PARTITION if sqlstate == "23514" and constraint is None else None
    return _told(sqlstate, table, _first_line(str(error)), constraint, lost=lost, own=own, held=held)


def sqlite_write_error(error: BaseException, table: str) -> WriteError:
    """What sqlite3 raised while `table` was written."""
    name: str = getattr(error, "sqlite_errorname", "")
    sign = max((sign for sign in SQLITE if name.startswith(sign)), key=len, default="")
    text = _first_line(str(error))
    found = re.fullmatch(r"(?:UNIQUE|CHECK|NOT NULL) constraint failed: (.+)", text)
    return _told(SQLITE.get(sign), table, text, found[1] if found else None)


def _told(
    sqlstate: str | None,
    table: str,
    detail: str,
    constraint: str | None,
    *,
    lost: bool = False,
    own: Cause | None = None,
    held: str = "",
) -> WriteError:
    signs = [cause for cause in CAUSES if sqlstate and sqlstate.startswith(cause.sign)]
    cause = own or max(signs, key=lambda cause: len(cause.sign), default=LOST if lost else UNKNOWN)
    if (sqlstate or "").startswith("22"):
        detail = re.sub(r'"[^"]*("|$)', "…", detail)  # the value itself, which may be nobody's business
    named = f" ({constraint})" if constraint else ""
    words = {"table": table, "detail": detail, "constraint": named, "held": held}
    problem = WriteError(re.sub(r"\{(\w+)\}", lambda match: words[match[1]], cause.why), hint=cause.hint)
    # A connection that is gone has no code of its own: without one it would pass for what a row did.
    problem.sqlstate, problem.constraint = sqlstate or (GONE if lost else None), constraint
    return problem


def _first_line(text: str) -> str:
    """What it says first: the lines after it (DETAIL, CONTEXT) hold values."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason was given")
