"""How far the clock of a server is ahead of ours, as far as the way there and back lets anybody know."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["LONG", "ahead", "asked", "moment"]

LONG = timedelta(seconds=0.5)
"""Where the turn with which a transaction began took longer, as it may behind a pooler that has no place for it, it
would explain too much: the clock is asked by itself then."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NONE = timedelta(0)


def moment() -> datetime:
    """Now, by the clock of this machine. Not `syncnb.clock`, which may stand still: here two clocks are compared."""
    return datetime.now(UTC)


def ahead(seconds: Any, before: datetime) -> timedelta | None:
    """By the seconds at which a transaction began there, of which we hear now; `before`: when we asked for it.

    0 where the way there explains it; None where that took too long.
    """
    after = moment()
    if after - before > LONG:
        return None
    return _ahead(EPOCH + timedelta(microseconds=round(seconds * 1_000_000)), before, after)


def asked(connection: "Connection[Any]") -> timedelta:
    """The same by a question of its own."""
    before = moment()
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    after = moment()
    return _ahead(row[0], before, after) if row else NONE


def _ahead(theirs: datetime, before: datetime, after: datetime) -> timedelta:
    return max(theirs - after, NONE) or min(theirs - before, NONE)
