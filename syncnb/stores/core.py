"""SQLAlchemy Core on a connection, and in a transaction, that belong to somebody else.

It only executes: it opens, begins, commits, rolls back and closes nothing, and asks nothing of its own.
"""

from functools import cache
from typing import Any

import sqlalchemy
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.util import LRUCache

__all__ = ["postgres_core", "sqlite_core"]


COMPILED: LRUCache[Any, Any] = LRUCache(500)
"""Statements as text, for all connections of this process: a verb opens several, and asks the same of each."""


class _Guest:
    """A dialect that leaves the transaction and the connection alone."""

    def do_begin(self, dbapi_connection: object) -> None: ...
    def do_commit(self, dbapi_connection: object) -> None: ...
    def do_rollback(self, dbapi_connection: object) -> None: ...
    def do_close(self, dbapi_connection: object) -> None: ...
    def do_terminate(self, dbapi_connection: object) -> None: ...


class _Postgres(_Guest, PGDialect_psycopg):
    supports_statement_cache = True


class _SQLite(_Guest, SQLiteDialect_pysqlite):
    supports_statement_cache = True


def postgres_core(connection: Any) -> sqlalchemy.Connection:
    """Core on a psycopg connection."""
    return _opened(connection, _postgres_dialect(connection.info.server_version))


@cache
def _postgres_dialect(number: int) -> Dialect:
    """That of a server version, told what `initialize` would ask the server for."""
    import psycopg

    dialect = _Postgres(dbapi=psycopg, use_native_hstore=False)  # type: ignore[no-untyped-call]
    dialect.server_version_info = (number // 10_000, number % 10_000)
    dialect.supports_virtual_generated_columns = number >= 18_00_00
    dialect._supports_jsonb_subscripting = number >= 14_00_00
    return dialect


def sqlite_core(connection: Any) -> sqlalchemy.Connection:
    """Core on a sqlite3 connection."""
    return _opened(connection, _sqlite_dialect())


@cache
def _sqlite_dialect() -> Dialect:
    import sqlite3

    dialect = _SQLite(dbapi=sqlite3)
    dialect.default_schema_name = "main"
    return dialect


def _opened(connection: Any, dialect: Dialect) -> sqlalchemy.Connection:
    pool = StaticPool(lambda: connection, dialect=dialect, reset_on_return=None)
    # Not `create_engine`: that would send the first-connect probes of the dialect.
    engine = Engine(pool, dialect, sqlalchemy.make_url(f"{dialect.name}://"), hide_parameters=True)
    return engine.connect().execution_options(compiled_cache=COMPILED)
