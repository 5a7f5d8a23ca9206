"""Reads and acknowledges what waits in a SQLite file: the log of our triggers, or a service's own queue."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.errors import SchemaError
from syncnb.schema import Table
from syncnb.stores.sqlite import careful
from syncnb.stores.sqlite_queries import rowid_name
from syncnb.values.raw import BadText, Raw

__all__ = ["Logged", "QueuedTable", "acknowledge_log", "acknowledge_queue", "logged", "queued"]

_quote = sqlite_dialect().identifier_preparer.quote_identifier


def _number(queue: Table) -> str:
    """What numbers the lines of a queue in the order in which they came."""
    if (rowid := rowid_name(queue)) is None:
        raise SchemaError(
            f"the lines of {queue.label} have no order: it is a WITHOUT ROWID table or a view",
            hint="sn.track(store) captures the changes instead",
        )
    return rowid


@dataclass(frozen=True, slots=True)
class Logged:
    """One key of the log, with all its lines."""

    key: tuple[Raw, ...]
    first: int
    last: int
    times: int
    since: str | None
    at: str | None
    told: str | None
    present: bool


def logged(connection: sqlite3.Connection, number: int, table: Table, key: Sequence[str]) -> Iterator[Logged]:
    """What the log has of one table, a line a key, and whether the row is there in this very snapshot."""
    connection.text_factory = careful
    ks = [f"k{at}" for at in range(1, len(key) + 1)]
    # By the key's own `IS`, which an index serves, and exactly: 'a' is not 'A', whatever it collates by.
    same = " AND ".join(
        f"t.{name} IS g.{k} AND t.{name} IS g.{k} COLLATE BINARY AND typeof(t.{name}) = typeof(g.{k})"
        for name, k in zip(map(_quote, key), ks, strict=True)
    )
    sql = f"""
        SELECT {", ".join(f"g.{k}" for k in ks)}, g.first, g.last, g.times, g.since, g.at,
               EXISTS (SELECT 1 FROM main.{_quote(table.name)} AS t WHERE {same})
        FROM (SELECT {", ".join(ks)}, min(seq) AS first, max(seq) AS last, count(*) AS times,
                     min(at) AS since, max(at) AS at
              FROM main.syncnb_touched WHERE tracked = ? GROUP BY {", ".join(ks)}) AS g
        ORDER BY g.first
    """  # noqa: S608 - names of the catalogue
    for *values, first, last, times, since, at, present in connection.execute(sql, (number,)):
        yield Logged(tuple(values), first, last, times, since, at, None, bool(present))


def acknowledge_log(
    connection: sqlite3.Connection, number: int, rows: Sequence[tuple[tuple[Raw, ...], int]]
) -> int:
    """Take the lines of these keys up to and with these numbers out of the log. How many lines went."""
    if not rows:
        return 0
    ks = [f"k{at}" for at in range(1, len(rows[0][0]) + 1)]
    gone = 0
    for key, last in rows:
        # sqlite3 cannot bind text that is not UTF-8, but SQLite can call bytes text.
        marks = ["CAST(? AS TEXT)" if isinstance(value, BadText) else "?" for value in key]
        same = " AND ".join(f"{k} IS {mark}" for k, mark in zip(ks, marks, strict=True))
        sql = f"DELETE FROM main.syncnb_touched WHERE tracked = ? AND {same} AND seq <= ?"  # noqa: S608
        bound = [value.data if isinstance(value, BadText) else value for value in key]
        gone += connection.execute(sql, (number, *bound, last)).rowcount
    return gone


@dataclass(frozen=True, slots=True)
class QueuedTable:
    """The lines of a queue that name one table."""

    queue: Table
    table: str
    count: int

    def rows(self, connection: sqlite3.Connection, table: Table, key: Sequence[str]) -> Iterator[Logged]:
        """A line a row that is to be passed on. The numbers are those of the queue's own rows."""
        connection.text_factory = careful
        number = _number(self.queue)
        sql = f"""
            SELECT g.record_id, g.first, g.last, g.times, g.since, g.at, g.told,
                   EXISTS (SELECT 1 FROM main.{_quote(table.name)} AS t WHERE t.{_quote(key[0])} IS g.record_id)
            FROM (SELECT record_id, min({number}) AS first, max({number}) AS last, count(*) AS times,
                         min("timestamp") AS since, max("timestamp") AS at, group_concat(operation, ', ') AS told
                  FROM main.{_quote(self.queue.name)} WHERE table_name = ? AND NOT coalesce(synced, 0)
                  GROUP BY record_id) AS g
            ORDER BY g.first
        """  # noqa: S608 - names of the catalogue
        for record, first, last, times, since, at, told, present in connection.execute(sql, (self.table,)):
            yield Logged((record,), first, last, times, since, at, told, bool(present))


def queued(connection: sqlite3.Connection, queue: Table) -> list[QueuedTable]:
    """The tables that a queue names in lines that are not synced."""
    connection.text_factory = careful
    sql = f"""
        SELECT table_name, count(*) FROM main.{_quote(queue.name)} WHERE NOT coalesce(synced, 0)
        GROUP BY table_name ORDER BY min({_number(queue)})
    """  # noqa: S608 - names of the catalogue
    return [QueuedTable(queue, str(name), count) for name, count in connection.execute(sql).fetchall()]


def acknowledge_queue(
    connection: sqlite3.Connection, queue: str, rows: Sequence[tuple[str, Raw, int, str | None]]
) -> int:
    """Mark lines of a queue as synced: table, id, the number of the last line and its stamp, as they were read.

    A line that was stamped anew since then stays as it is.
    """
    sql = f"""
        UPDATE main.{_quote(queue)} SET synced = 1
        WHERE table_name = ? AND record_id IS ? AND NOT coalesce(synced, 0) AND rowid <= ?
          AND ("timestamp" IS NULL OR "timestamp" <= ?)
    """  # noqa: S608 - names of the catalogue
    return sum(connection.execute(sql, row).rowcount for row in rows)
