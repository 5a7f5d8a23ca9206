"""The number that PostgreSQL gives a transaction, and what it remembers of one later."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["fate", "number"]

# After a failover another history of numbers begins: the timeline tells which one it is.
TIMELINE = "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
NUMBERS = {
    13: ("pg_catalog.pg_current_xact_id()", "pg_catalog.pg_xact_status(%s::pg_catalog.xid8)"),
    12: ("pg_catalog.txid_current()", "pg_catalog.txid_status(%s::pg_catalog.int8)"),
}


def number(connection: "Connection[Any]", version: int) -> str:
    """The transaction's number, with the timeline it belongs to: `00000001:742`."""
    own, _ = _functions(version)
    row = connection.execute(f"SELECT {TIMELINE} || ':' || {own}::text".encode()).fetchone()
    return str(row[0] if row else "")


def fate(connection: "Connection[Any]", version: int, transaction: str) -> str | None:
    """`committed`, `aborted`, `in progress`; None where the server no longer knows.

    May raise an error of the driver for a number that this server never gave.
    """
    timeline, _, own = transaction.partition(":")
    here = connection.execute(f"SELECT {TIMELINE}".encode()).fetchone()
    if here is None or here[0] != timeline:
        return None
    row = connection.execute(f"SELECT {_functions(version)[1]}".encode(), (own,)).fetchone()
    return row[0] if row else None


def _functions(version: int) -> tuple[str, str]:
    return NUMBERS[13 if version >= 13_00_00 else 12]
