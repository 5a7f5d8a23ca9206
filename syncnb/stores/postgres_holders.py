"""Who holds the lock that was waited for in vain: asked on a second connection, once the wait is over."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["holders_after"]

NOT_GRANTED = "55P03"
IN_SIGHT = 3

# A row that is locked is known to nobody but who waits for it; whoever locks one holds its table in a weak mode too.
# What a role may not know of another one's session is NULL there.
HOLDERS = """
SELECT DISTINCT l.pid, a.usename::text, nullif(a.application_name, ''), a.state, c.relname::text,
       l.mode NOT IN ('RowShareLock', 'RowExclusiveLock') AS whole
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted AND l.mode <> 'AccessShareLock' AND l.pid IS DISTINCT FROM %s
  AND (c.relname = %s OR %s AND c.relkind IN ('r', 'p', 'm') AND l.mode = 'AccessExclusiveLock')
ORDER BY whole DESC, l.pid, 5
"""
ANY = "the catalogue"
"""What is read where any table may be the one that is locked."""


def holders_after(error: Exception, connection: "Connection[Any]", table: str) -> str:
    """Whose transactions lock this table, or rows of it, as words to be put behind a sentence.

    `connection` is the one that gave up waiting, with `error`. Empty after any other error, and where nobody knows.
    """
    if getattr(error, "sqlstate", None) != NOT_GRANTED:
        return ""
    import psycopg

    from syncnb.stores.postgres_line import Line, opened

    if not isinstance(connection, Line) or connection.parameters is None:
        return ""
    line: Line = connection
    own = line.at[0] if line.at is not None else 0
    try:
        with closing(opened(connection.parameters, asks=False)) as other:
            name = table.rpartition(".")[2].strip('"')
            rows = other.execute(HOLDERS, (own, name, table == ANY)).fetchall()
    except psycopg.Error:
        return ""
    chosen = [row for row in rows if row[5] == rows[0][5]]
    told = [_told(*row[:4]) + (f" locks {row[4]}" if table == ANY else "") for row in chosen[:IN_SIGHT]]
    more = f" and {len(chosen) - IN_SIGHT} more" if len(chosen) > IN_SIGHT else ""
    return f": {', '.join(dict.fromkeys(told))}{more}" if told else ""


def _told(pid: int | None, role: str | None, program: str | None, state: str | None) -> str:
    if pid is None:
        return "a prepared transaction (pg_prepared_xacts)"
    facts = ", ".join(filter(None, (f"role {role}" if role else "", program, state)))
    return f"session {pid} ({facts})" if facts else f"session {pid}"
