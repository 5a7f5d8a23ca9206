"""Which database answers: of which server, by what is its own for life, and its oid there."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["place_of"]

PLACE = """
SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE'), oid::bigint
FROM pg_catalog.pg_database WHERE datname = current_database()
"""
# Apart from it: the right to call a function is looked at even where it is not called.
SYSTEM = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"


def place_of(connection: "Connection[Any]") -> tuple[str | None, int]:
    """The server's system identifier, where this role may know it, and the oid of the database."""
    permitted, oid = connection.execute(PLACE).fetchone() or (False, 0)
    row = connection.execute(SYSTEM).fetchone() if permitted else None
    return (row[0] if row else None), oid
