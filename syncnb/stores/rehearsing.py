"""A rehearsal: the rows are written for real, one by one, in a transaction that is always rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite

from syncnb.schema import Table
from syncnb.stores.port import WritableStore, Writer
from syncnb.stores.postgres_text import as_text
from syncnb.values.raw import BadText, to_python

__all__ = ["Refused", "rehearse"]

SECONDS = 10
"""What one statement of a rehearsal may take on PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What the database said to one row."""

    row: int
    """From 0; -1 for what it said at the end, when deferred rules are looked at."""
    code: str
    why: str


def rehearse(
    store: WritableStore, table: Table, batch: pa.RecordBatch, target: Sequence[str] = ()
) -> list[Refused]:
    """Write these rows, note what is refused, and roll everything back.

    With a `target` as an upsert that updates, else as plain inserts. Each row has a savepoint, so every row
    is tried. A rollback does not take back: numbers taken from sequences, what triggers and functions did
    outside of the database, and the locks that others waited for meanwhile. Raises WriteError unless the
    store is writable.
    """
    found: list[Refused] = []
    rows = _rows(store.dialect, batch)
    with store.writing() as writer:
        if store.dialect == "postgresql":
            writer.sql.execute(
                sqlalchemy.select(sqlalchemy.func.set_config("statement_timeout", str(SECONDS * 1000), True))  # noqa: FBT003
            )
        for at, row in enumerate(rows):
            if (said := _tried(writer, _statement(store.dialect, table, row, target))) is not None:
                found.append(Refused(at, *said))
        if store.dialect == "postgresql" and (
            said := _tried(writer, sqlalchemy.text("SET CONSTRAINTS ALL IMMEDIATE"))
        ):
            found.append(Refused(-1, *said))
    return found


def _rows(dialect: str, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = batch.schema.names
    # PostgreSQL reads text as whatever the column is; SQLite is given values.
    columns = [
        as_text(c) if dialect == "postgresql" else list(map(_plain, to_python(c))) for c in batch.columns
    ]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, BadText) else value


def _statement(dialect: str, table: Table, row: dict[str, Any], target: Sequence[str]) -> Any:
    place = sqlalchemy.table(table.name, *(sqlalchemy.column(name) for name in row), schema=table.schema)
    if not target:
        return sqlalchemy.insert(place).values(row)
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(place).values(row)
    rest = {name: statement.excluded[name] for name in row if name not in target}
    if not rest:
        return statement.on_conflict_do_nothing(index_elements=list(target))
    return statement.on_conflict_do_update(index_elements=list(target), set_=rest)


def _tried(writer: Writer, statement: Any) -> tuple[str, str] | None:
    try:
        with writer.savepoint():
            writer.sql.execute(statement)
    except sqlalchemy.exc.DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorcode", "")
        return str(code), str(error.orig).splitlines()[0]
    except sqlalchemy.exc.StatementError as error:
        return "", str(error.orig).splitlines()[0]
    return None
