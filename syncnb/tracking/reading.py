"""The verb `pending`: what the log, or a service's own queue, says is still to be passed on."""

from syncnb.errors import PlanError, SchemaError
from syncnb.journal.capture import is_capturing
from syncnb.schema import Schema
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store
from syncnb.stores.sqlite import SQLiteReader, SQLiteStore
from syncnb.stores.sqlite_pending import Logged, logged, queued
from syncnb.tracking.capturing import captured_here, key_of_table
from syncnb.tracking.checking import Gap, Mark, gaps, mark_of, tracked_tables
from syncnb.tracking.waiting import Pending, Touched

__all__ = ["QUEUE_COLUMNS", "pending"]

CAPTURE = "capture"
QUEUE_COLUMNS = ("table_name", "record_id", "operation", "timestamp", "synced")
"""What a queue of the incident's shape has."""


@one_conversation
def pending(store: Store, *, source: str = CAPTURE, known: Mark | None = None) -> Pending:
    """The rows of a SQLite file that changed since they were last acknowledged. Reads only.

    source: `capture`, what `sn.track` captures, or the name of a queue that a program fills itself, with the
        columns table_name, record_id, operation, timestamp and synced (such as `sync_tracking`).
    known: the mark of the last acknowledgement, kept elsewhere: with it a restored backup is told.

    Checks itself: `.gaps` says what may be missing, `.complete` whether nothing is. Raises PlanError where
    nothing is tracked, SchemaError where there is no such queue.
    """
    target = captured_here(store)
    with target.reading() as reader:
        schema = reader.schema()
        if source == CAPTURE:
            return _captured(target, reader, schema, known)
        return _queued(target, reader, schema, source)


def _captured(store: SQLiteStore, reader: SQLiteReader, schema: Schema, known: Mark | None) -> Pending:
    from syncnb.stores.core import sqlite_core

    raw = reader._connection
    raw.text_factory = str
    connection = sqlite_core(raw)
    if not is_capturing(connection):
        raise PlanError(
            f"no changes of {store.name} are captured",
            hint='sn.track(store) begins; source="sync_tracking" reads a queue of that name',
        )
    found = tuple(gaps(connection, raw, store.path, schema, known))
    rows: list[Touched] = []
    there = {table.name: table for table in schema}
    for each in tracked_tables(connection):
        table = there.get(each.name)
        if table is not None and all(name in {c.name for c in table.columns} for name in each.key):
            rows += [_touched(each.name, each.key, log) for log in logged(raw, each.number, table, each.key)]
        raw.text_factory = str
    rows.sort(key=lambda row: row.first)
    return Pending(store.name, CAPTURE, tuple(rows), found, mark_of(connection))


def _touched(table: str, columns: tuple[str, ...], log: Logged) -> Touched:
    return Touched(
        table, log.key, columns, log.first, log.last, log.times, log.present,
        since=log.since, at=log.at, told=log.told,
    )  # fmt: skip


def _queued(store: SQLiteStore, reader: SQLiteReader, schema: Schema, name: str) -> Pending:
    queue = schema.find(name)
    names = {column.name for column in queue.columns}
    if lacking := [column for column in QUEUE_COLUMNS if column not in names]:
        raise SchemaError(
            f"{queue.label} is no queue of changes: it has no column {lacking[0]}",
            hint=f"it needs {', '.join(QUEUE_COLUMNS)}",
        )
    there = {table.name: table for table in schema}
    rows: list[Touched] = []
    missing: list[Gap] = []
    for told in queued(reader._connection, queue):
        table = there.get(told.table)
        key = key_of_table(table) if table is not None else ()
        if table is None or len(key) != 1:
            what = (
                "there is no such table"
                if table is None
                else "a key of several columns cannot be told by one id"
            )
            missing.append(Gap(told.table, f"{told.count} lines of {queue.label} name it: {what}", lost=True))
            continue
        rows += [_touched(table.name, key, log) for log in told.rows(reader._connection, table, key)]
    rows.sort(key=lambda row: row.first)
    return Pending(store.name, queue.name, tuple(rows), tuple(missing))
