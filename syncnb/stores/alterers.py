"""Who alters tables: found for a writer or reader of either engine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.schema import Table
from syncnb.steps.schema_steps import Step, Triggers
from syncnb.stores.port import Reader, WritableStore, Writer

__all__ = ["Alterer", "Outside", "Span", "alterer", "firing", "objects", "outside"]

Span: TypeAlias = tuple[int, int]
"""A part of a table, from and to (without it): blocks in PostgreSQL, rowids in SQLite."""


class Alterer(Protocol):
    """Alterations within one writing transaction."""

    def patience(self, seconds: float) -> None:
        """How long from now on a lock of somebody else is waited for, in this transaction."""
        ...

    def alter(self, statement: str, what: str) -> None:
        """Run one statement that alters a table."""
        ...

    def fill(self, table: Table, step: Step, key: Sequence[str], span: Span | None) -> pa.RecordBatch:
        """Run a fill, of the whole table or a part of it: key columns and the filled one, as they are now."""
        ...

    def spans(self, table: Table) -> list[Span | None]:
        """The table in parts, each of which is quickly done."""
        ...


class Outside(Protocol):
    """What runs outside of any transaction."""

    def alter(self, statement: str, what: str) -> None:
        """Run one statement, however long it takes."""
        ...

    def alone(self, name: str) -> None:
        """Make sure that nobody else does this. Raises WriteError where somebody does."""
        ...

    def objects(self, path: Sequence[str]) -> Mapping[str, str]:
        """As the catalogue has them at this moment."""
        ...

    def building(self, path: Sequence[str]) -> bool:
        """Whether somebody builds that index at this moment."""
        ...


def objects(reader: Reader, path: Sequence[str]) -> Mapping[str, str]:
    """Columns, constraints, indexes and triggers of a table: what and name, to its definition."""
    if hasattr(reader, "server"):
        from syncnb.stores import postgres_objects

        return postgres_objects.objects(reader._connection, path)  # type: ignore[attr-defined]
    from syncnb.stores import sqlite_objects

    return sqlite_objects.objects(reader._connection, path)  # type: ignore[attr-defined]


def firing(reader: Reader, path: Sequence[str]) -> Triggers:
    """The triggers that an UPDATE of this table would fire, with what brings each back."""
    if hasattr(reader, "server"):
        from syncnb.stores import postgres_objects

        return tuple(postgres_objects.trigger_states(reader._connection, path))  # type: ignore[attr-defined]
    from syncnb.stores import sqlite_objects

    return tuple(sqlite_objects.trigger_texts(reader._connection, path))  # type: ignore[attr-defined]


def alterer(writer: Writer) -> Alterer:
    """The alterations of that transaction."""
    if hasattr(writer, "server"):
        from syncnb.stores.postgres_alterer import PostgresAlterer

        return PostgresAlterer(writer)  # type: ignore[arg-type]
    from syncnb.stores.sqlite_alterer import SQLiteAlterer

    return SQLiteAlterer(writer)  # type: ignore[arg-type]


@contextmanager
def outside(store: WritableStore) -> Iterator[Outside]:
    """A connection without a transaction, for what cannot run in one. Raises PlanError where there is no such thing."""
    if store.dialect != "postgresql":
        raise PlanError(f"{store.name} alters tables in transactions only", hint="draw the plan again")
    from syncnb.stores.postgres_alterer import PostgresOutside

    connection = store._connect()  # type: ignore[attr-defined]
    try:
        yield PostgresOutside(connection)
    finally:
        connection.close()
