"""What makes the journal: statements to run, or a script to hand to an administrator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import (
    Column,
    Dialect,
    Integer,
    Table,
    Text,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateSchema, CreateTable, DDLElement
from sqlalchemy.sql.dml import UpdateBase

from syncnb.journal.tables import SCHEMA, VERSION, Tables, tables

__all__ = [
    "UPGRADES",
    "AddColumn",
    "Grant",
    "Statement",
    "Upgrades",
    "creation",
    "install_sql",
    "needed",
    "rights_to_apply",
    "to_apply",
    "upgrading",
]

Statement: TypeAlias = DDLElement | UpdateBase
Upgrades: TypeAlias = Mapping[int, Callable[[Tables], Sequence[DDLElement]]]


class AddColumn(DDLElement):
    """ALTER TABLE … ADD COLUMN, which SQLAlchemy has no element for.

    In PostgreSQL it passes over a column that is there already.
    """

    inherit_cache = False

    def __init__(self, table: Table, column: str) -> None:
        self.table = table
        self.column: Column[Any] = table.c[column]


@compiles(AddColumn)
def _add_column(element: AddColumn, compiler: Any, **_: Any) -> str:
    known = "IF NOT EXISTS " if compiler.dialect.name == "postgresql" else ""
    table = compiler.preparer.format_table(element.table)
    return f"ALTER TABLE {table} ADD COLUMN {known}{compiler.get_column_specification(element.column)}"


class Grant(DDLElement):
    """GRANT rights ON a table, or USAGE on a schema, to a role."""

    inherit_cache = False

    def __init__(self, rights: Sequence[str], on: Table | str, role: str) -> None:
        self.rights = rights
        self.on = on
        self.role = role


@compiles(Grant)
def _grant(element: Grant, compiler: Any, **_: Any) -> str:
    preparer = compiler.preparer
    if isinstance(element.on, Table):
        what = preparer.format_table(element.on)
    else:
        what = f"SCHEMA {preparer.quote_schema(element.on)}"
    return f"GRANT {', '.join(element.rights)} ON {what} TO {preparer.quote(element.role)}"


UPGRADES: Upgrades = {
    1: lambda ours: (
        AddColumn(ours.images, "packed"),
        AddColumn(ours.runs, "backlog"),
        AddColumn(ours.runs, "backlog_since"),
        *(
            CreateTable(each, if_not_exists=True)
            for each in (ours.id_maps, ours.accepted, ours.shapes, ours.bases, ours.syncs)
        ),
    ),
}
"""By the version that a journal has: what makes it the next one. What is stored already stays as it is."""


def creation(dialect: str, ours: Tables) -> Iterator[Statement]:
    """The statements that make the journal. Each passes over what is there already."""
    if ours.schema is not None:
        yield CreateSchema(ours.schema, if_not_exists=True)
    for table in ours.all:
        yield CreateTable(table, if_not_exists=True)
    yield _unless_there(ours, "version", literal(str(VERSION)))
    yield _unless_there(ours, "store_id", _some_id(dialect))


def upgrading(ours: Tables, version: int, steps: Upgrades) -> Iterator[Statement]:
    """The statements that make a journal of that version one of this version."""
    for older in range(version, VERSION):
        if older in steps:
            yield from steps[older](ours)
    yield (
        update(ours.meta)
        .where(ours.meta.c.key == "version", cast(ours.meta.c.value, Integer) < VERSION)
        .values(value=str(VERSION))
    )


def install_sql(dialect: str, *, schema: str = SCHEMA, role: str | None = None) -> str:
    """A script for psql or sqlite3 that makes or upgrades the journal, in one transaction.

    In PostgreSQL it ends with what an ordinary role needs to use it: INSERT and SELECT, and UPDATE on
    runs only. Without a role that part is a comment with a name to fill in. It may be run again.
    """
    postgres = dialect == "postgresql"
    # A style that takes no percent sign for a parameter: a role or schema may have one in its name.
    speaks: Dialect = (PGDialect if postgres else SQLiteDialect)(paramstyle="named")
    ours = tables(speaks.name, schema)
    statements = list(creation(speaks.name, ours))
    if postgres:  # SQLite knows no ADD COLUMN IF NOT EXISTS; but nor has it an administrator to ask
        statements += upgrading(ours, 0, UPGRADES)
    lines = ["BEGIN;", *(f"{_text(each, speaks)};" for each in statements)]
    if postgres:
        sign = "" if role else "-- "
        lines += ["-- what a role needs to use it" + ("" if role else ": name the role, and uncomment")]
        lines += [f"{sign}{_text(each, speaks)};" for each in _grants(ours, role or "the_role")]
    return "\n".join([*lines, "COMMIT;", ""])


def _grants(ours: Tables, role: str) -> Iterator[Grant]:
    yield Grant(("USAGE",), ours.schema or SCHEMA, role)
    for table in ours.all:
        yield Grant(needed(ours, table), table, role)


def needed(ours: Tables, table: Table) -> tuple[str, ...]:
    """What a role must be allowed on one of our tables to use the journal."""
    if table in (ours.runs, ours.shapes, ours.syncs):
        return ("SELECT", "INSERT", "UPDATE")
    # A base is no record of what was done: it is replaced as both sides go on.
    return ("SELECT", "INSERT", "DELETE") if table is ours.bases else ("SELECT", "INSERT")


def to_apply(ours: Tables, *, maps: bool = True) -> tuple[Table, ...]:
    """Those of our tables that applying, verifying and taking back a plan use."""
    return (*ours.first, ours.id_maps) if maps else ours.first


def rights_to_apply(*, maps: bool) -> Mapping[str, tuple[str, ...]]:
    """What a role must be allowed on our tables in PostgreSQL to apply a plan; `maps`: one that keeps ids."""
    ours = tables("postgresql")
    only_read = {ours.meta.name: ("SELECT",)}
    return {each.name: needed(ours, each) for each in to_apply(ours, maps=maps)} | only_read


def _unless_there(ours: Tables, key: str, value: Any) -> UpdateBase:
    meta = ours.meta
    there = exists(select(meta.c.key).where(meta.c.key == key))
    return insert(meta).from_select(
        ["key", "value"], select(literal(key).label("key"), value.label("value")).where(~there)
    )


def _some_id(dialect: str) -> Any:
    # Made by the database, so that the script is the same text each time and the id is not.
    if dialect == "postgresql":
        return cast(func.gen_random_uuid(), Text)
    return func.lower(func.hex(func.randomblob(16)))


def _text(element: Statement, dialect: Dialect) -> str:
    if isinstance(element, DDLElement):
        compiled = element.compile(dialect=dialect)
    else:
        compiled = element.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return "\n".join(line.rstrip() for line in str(compiled).strip().splitlines())
