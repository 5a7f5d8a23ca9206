"""The sync of the incident as its service ran it: plain statements with explicit ids, one row at a time.

It really runs them, in a transaction of the remote that is rolled back.
"""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import TableClause, column, insert, select, table, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from syncnb.stores.port import Reader, Store, WritableStore, Writer
from syncnb.tracking import Touched, pending
from syncnb.values.kinds import Kind
from syncnb.values.raw import to_python

__all__ = ["plain_sync"]

Values = Mapping[str, Any]


def plain_sync(local: Store, remote: Store) -> str:
    """Rehearse the pending changes of `sync_tracking` as INSERT and UPDATE, and return what the service logged.

    A change that breaks a constraint is one line. ERROR: it failed. WARNING: it failed too, but both rows have
    an `updated_at`, the local one is the newer, and the service meant to settle that by its newest stamp.
    Nothing of it stays in the remote.
    """
    waiting = pending(local, source="sync_tracking")
    lines = []
    with local.reading() as reader, cast(WritableStore, remote).writing() as writer:
        schema = reader.schema()
        for change in waiting:
            own = _row(reader, schema.find(change.table), change)
            target = writer.schema().find(change.table)
            booleans = {each.name for each in target.columns if each.kind == Kind.BOOLEAN}
            told = _bound(own, booleans) if writer.sql.dialect.name == "postgresql" else own
            failed = _run(writer, change, told)
            if failed:
                lines.append(_line(writer, change, told, failed))
    return "\n".join(lines)


def _row(reader: Reader, table: Any, change: Touched) -> Values:
    names = [each.name for each in table.columns]
    for batch in reader.batches(table, names):
        keys = to_python(batch.column(names.index(change.columns[0])))
        if change.key[0] in keys:
            at = keys.index(change.key[0])
            return {name: to_python(batch.column(name).slice(at, 1))[0] for name in names}
    return {}


def _bound(row: Values, booleans: set[str]) -> Values:
    return {name: bool(v) if name in booleans and v is not None else v for name, v in row.items()}


def _run(writer: Writer, change: Touched, row: Values) -> str:
    """Run one change; what its driver said against it, on one line, or nothing."""
    target = _table(change.table, row)
    if change.told == "INSERT":
        statement: Any = insert(target).values(dict(row))
    else:
        key = change.columns[0]
        statement = update(target).where(target.c[key] == change.key[0]).values(dict(row))
    try:
        with writer.savepoint():
            writer.sql.execute(statement)
    except DBAPIError as error:
        return str(error).splitlines()[0]
    return ""


def _table(name: str, row: Values) -> TableClause:
    # Without types, so that the values go over just as the cache has them.
    return table(name, *(column(each, NullType()) for each in row))


def _line(writer: Writer, change: Touched, row: Values, failed: str) -> str:
    where = f"{change.table}:{change.key_text}"
    if _newer(writer, change, row):
        return f"WARNING - Conflict detected for {where}: {failed}"
    return f"ERROR - Failed to sync {change.told} operation for {where}: {failed}"


def _newer(writer: Writer, change: Touched, row: Values) -> bool:
    """Whether the local row has the later `updated_at`, compared as text: as that service did it."""
    if "updated_at" not in row:
        return False
    target = _table(change.table, row)
    key = change.columns[0]
    theirs = writer.sql.scalar(select(target.c.updated_at).where(target.c[key] == change.key[0]))
    return theirs is not None and str(row["updated_at"]) > str(theirs)
