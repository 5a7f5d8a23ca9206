"""What this connection may do to the journal, and how to say that it may not."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import ARRAY, BigInteger, Connection, Text, column, func, literal, select
from sqlalchemy import table as relation
from sqlalchemy.exc import DBAPIError, OperationalError

from syncnb.errors import ReadError, SyncnbError, WriteError
from syncnb.journal.ddl import needed, to_apply
from syncnb.journal.tables import SCHEMA, Tables, tables_of
from syncnb.stores.write_errors import postgres_write_error, sqlite_write_error

__all__ = ["LISTED", "SNAPSHOT", "missing_rights", "no_rights", "present", "said"]

FORBIDDEN = "42501"
RELATIONS = relation(
    "pg_class", column("oid"), column("relname"), column("relnamespace"), schema="pg_catalog"
)
SCHEMAS = relation("pg_namespace", column("oid"), column("nspname"), schema="pg_catalog")
MASTER = relation("sqlite_master", column("name"), column("type"))


@contextmanager
def said(what: str, *, reading: bool = False) -> Iterator[None]:
    """What the database says against our own statements, as an error of ours that repeats no value."""
    try:
        yield
    except DBAPIError as error:
        problem = _problem(what, error, ReadError if reading else WriteError)
    else:
        return
    raise problem


SNAPSHOT = "syncnb.snapshot"
"""In a connection's `info`: nothing that it sees changes while it is open."""
PRESENT = "syncnb.journal there"
"""In the `info` of a snapshot: whether the tables are there, asked once."""


LISTED = "syncnb.relations"
"""In the `info` of a snapshot whose catalogue was read: what is there in the schema `syncnb`."""


def present(connection: Connection) -> bool:
    """Whether all of the journal's tables are there. Needs no right on them."""
    if PRESENT in connection.info:
        return bool(connection.info[PRESENT])
    found = _present(connection)
    if SNAPSHOT in connection.info:
        connection.info[PRESENT] = found
    return found


@said("looking for", reading=True)
def _present(connection: Connection) -> bool:
    ours = tables_of(connection)
    if ours.schema == SCHEMA and LISTED in connection.info:
        return bool({each.name for each in ours.first} <= connection.info[LISTED])
    if ours.schema is None:
        found = select(MASTER.c.name).where(MASTER.c.type == "table")
    else:
        found = select(RELATIONS.c.relname).join_from(
            RELATIONS, SCHEMAS, SCHEMAS.c.oid == RELATIONS.c.relnamespace
        )
        found = found.where(SCHEMAS.c.nspname == ours.schema)
    return {each.name for each in ours.first} <= set(connection.scalars(found))


@said("looking for", reading=True)
def missing_rights(connection: Connection) -> list[str]:
    """What the role lacks to use the journal, or to make it where there is none; each as a GRANT names it.

    A SQLite file knows no rights: whether it can be written shows when it is.
    """
    ours = tables_of(connection)
    if ours.schema is None:
        return []
    # By number, not by name: to look a name up one must be allowed to use its schema.
    may_use, may_create = (
        func.pg_catalog.has_schema_privilege(SCHEMAS.c.oid, right) for right in ("USAGE", "CREATE")
    )
    asked = select(SCHEMAS.c.oid, may_use.label("USAGE"), may_create.label("CREATE"))
    schema = connection.execute(asked.where(SCHEMAS.c.nspname == ours.schema)).one_or_none()
    if schema is None:
        may = select(
            func.pg_catalog.has_database_privilege(func.current_database(), "CREATE"), func.current_database()
        )
        allowed, name = connection.execute(may).one()
        return [] if allowed else [f"CREATE ON DATABASE {name}"]
    lacking = [
        f"{right} ON SCHEMA {ours.schema}"
        for right in (("USAGE",) if present(connection) else ("USAGE", "CREATE"))
        if not schema._mapping[right]
    ]
    return lacking + _missing_on_tables(connection, ours, schema.oid)


def _missing_on_tables(connection: Connection, ours: Tables, schema: int) -> list[str]:
    there = connection.execute(
        select(RELATIONS.c.relname, RELATIONS.c.oid).where(RELATIONS.c.relnamespace == schema)
    )
    numbers = {row.relname: row.oid for row in there}
    wanted = [
        (table.name, right)
        for table in to_apply(ours)
        if table.name in numbers
        for right in (("SELECT",) if table is ours.meta else needed(ours, table))
    ]
    if not wanted:
        return []
    # Two arrays, not a call for each: to compose and parse some fifty calls takes longer than to answer them.
    tables = literal([numbers[name] for name, _ in wanted], ARRAY(BigInteger))
    rights = literal([right for _, right in wanted], ARRAY(Text))
    asked = func.unnest(tables, rights).table_valued(column("number", BigInteger), column("right", Text))
    each = asked.render_derived()
    has = func.pg_catalog.has_table_privilege(each.c.number, each.c.right)
    lacking = {tuple(row) for row in connection.execute(select(each).where(~has))}
    return [
        f"{right} ON TABLE {ours.schema}.{name}"
        for name, right in wanted
        if (numbers[name], right) in lacking
    ]


def no_rights(missing: list[str]) -> WriteError:
    """The refusal that tells what is lacking and whom to ask."""
    problem = WriteError(
        f"this role may not make or use the journal here; it lacks {', '.join(missing)}",
        hint="`syncnb journal --sql` prints what an administrator can run; after that INSERT and SELECT do; "
        'or allow=("journal_outside_target",) keeps it in a file on this machine',
    )
    problem.sqlstate = FORBIDDEN
    return problem


def _problem(what: str, error: DBAPIError, kind: type[SyncnbError]) -> SyncnbError:
    original = error.orig or error
    ask = sqlite_write_error if isinstance(original, sqlite3.Error) else postgres_write_error
    told = ask(original, "the journal")
    first = (str(original).splitlines() or [type(original).__name__])[0]
    gone = ask is postgres_write_error and isinstance(error, OperationalError) and told.sqlstate is None
    if gone:  # what the driver says then is about sockets
        told = postgres_write_error(original, "the journal", lost=True)
    problem = kind(
        f"the connection was lost while {what} the journal"
        if gone
        else f"{what} the journal failed: {first}",
        hint="`syncnb journal --sql` prints what an administrator can run: tables and grants"
        if told.sqlstate == FORBIDDEN
        else told.hint,
    )
    problem.sqlstate = told.sqlstate
    return problem
