"""Alterations of PostgreSQL tables: in a transaction that waits for nobody long, or outside of any."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa

from syncnb.errors import WriteError
from syncnb.schema import Table
from syncnb.steps.schema_steps import Step
from syncnb.stores.altering import fill_statement
from syncnb.stores.postgres_copy import copy_out, qualified, selected
from syncnb.stores.postgres_objects import building, objects
from syncnb.stores.staging import joined
from syncnb.stores.write_errors import postgres_write_error

if TYPE_CHECKING:
    from psycopg import Connection

    from syncnb.stores.alterers import Span
    from syncnb.stores.postgres_writer import PostgresWriter

__all__ = ["PostgresAlterer", "PostgresOutside"]

BLOCKS = 1024
"""A part of a table: 8 MB, some ten thousand rows, less than a second."""


class PostgresAlterer:
    """Alterations within one writing transaction."""

    def __init__(self, writer: "PostgresWriter") -> None:
        self._writer = writer

    def patience(self, seconds: float) -> None:
        """For each lock. What runs then may take its time: it was waited for."""
        self._execute(
            "SELECT set_config('lock_timeout', %s, true)", "a setting", (str(round(seconds * 1000)),)
        )
        # A table with references that are still to be looked at cannot be altered.
        self.alter("SET CONSTRAINTS ALL IMMEDIATE", "a setting")

    def alter(self, statement: str, what: str) -> None:
        """One statement: the extended protocol takes no second one."""
        self._writer._free()
        with self._writer._translated(what):
            self._writer._connection.execute(statement.encode(), binary=True)

    def fill(self, table: Table, step: Step, key: Sequence[str], span: "Span | None") -> pa.RecordBatch:
        """The rows that the UPDATE itself says it wrote."""
        names = [*key, step.columns[0]]
        chosen = [table.column(name) for name in names]
        limit = "" if span is None else f" AND t.ctid >= '({span[0]:d},0)' AND t.ctid < '({span[1]:d},0)'"
        told = ", ".join(map(selected, chosen))
        update = fill_statement("postgresql", step, limit=limit)
        return joined(
            self._writer._present(copy_out(f"{update} RETURNING {told}", table), table, chosen), names
        )

    def spans(self, table: Table) -> "list[Span | None]":
        """Blocks as the file has them now; then all of it, for rows that others have moved meanwhile."""
        query = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint"
        row = self._execute(query, table.label, (qualified(table),))
        blocks = int(row[0]) if row else 0
        if table.type != "table" or "HAS CHILDREN" in table.options:
            return [None]
        return [*((at, at + BLOCKS) for at in range(0, blocks, BLOCKS)), None]

    def _execute(self, query: str, what: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        self._writer._free()
        with self._writer._translated(what):
            row: tuple[Any, ...] | None = self._writer._connection.execute(query, values).fetchone()
            return row


class PostgresOutside:
    """Statements that cannot run in a transaction. They wait for old transactions, but block nobody."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection

    def alter(self, statement: str, what: str) -> None:
        """One statement, however long it takes; in a session whose limits are lifted for it alone."""
        try:
            # The session is ours and ends with this: nothing of it is left behind.
            self._connection.execute("SET statement_timeout = 0")
            self._connection.execute("SET lock_timeout = 0")
            self._connection.execute(statement.encode(), binary=True)
        except psycopg.Error as error:
            raise postgres_write_error(error, what, lost=self._connection.closed) from None

    def alone(self, name: str) -> None:
        """Make sure that nobody else does this; to the end of the connection. Raises WriteError where somebody does."""
        row = self._connection.execute(
            "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%s::text, 0::bigint))",
            (name,),
        ).fetchone()
        if not (row and row[0]):
            problem = WriteError("another process does this step at this moment", hint="wait for it")
            raise problem

    def objects(self, path: Sequence[str]) -> dict[str, str]:
        """As the catalogue has them at this moment."""
        return objects(self._connection, path)

    def building(self, path: Sequence[str]) -> bool:
        """Whether somebody builds that index at this moment."""
        return building(self._connection, path)
