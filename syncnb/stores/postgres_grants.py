"""Rights in PostgreSQL: as GRANT says them, which of them a role holds, and what else a catalogue tells of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from syncnb.steps import Grant
from syncnb.stores.postgres_copy import QUOTED
from syncnb.stores.postgres_sequences import BEHIND

if TYPE_CHECKING:
    from syncnb.schema import Table
    from syncnb.stores.postgres import PostgresReader

__all__ = ["grant_text", "held", "object_text", "sequences_behind"]

HELD = {
    "DATABASE": "SELECT has_database_privilege(%s::text, %s::text)",
    "SCHEMA": """
        SELECT coalesce(bool_or(has_schema_privilege(n.oid, %s::text)), false)
        FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %s::text""",
    # By number, not by name: to look a name up one must be allowed to use its schema.
    "TABLE": """
        SELECT coalesce(bool_or(has_table_privilege(c.oid, %s::text)), false) FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %s::text AND c.relname = %s::text""",
    "SEQUENCE": """
        SELECT coalesce(bool_or(has_sequence_privilege(c.oid, %s::text)), false) FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %s::text AND c.relname = %s::text AND c.relkind = 'S'""",
    "COLUMNS": """
        SELECT coalesce(bool_and(has_column_privilege(a.attrelid, a.attnum, %s::text)), false) FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
        WHERE n.nspname = %s::text AND c.relname = %s::text AND a.attname = ANY (%s::text[])""",
}


def object_text(grant: Grant) -> str:
    """What a right is on: `TABLE "public"."hosts"`, quoted where it must be."""
    return f"{grant.kind} {'.'.join(map(QUOTED, grant.path))}"


def grant_text(grant: Grant, role: str) -> str:
    """The statement, without its semicolon."""
    columns = f" ({', '.join(map(QUOTED, grant.columns))})" if grant.columns else ""
    return f"GRANT {grant.right}{columns} ON {object_text(grant)} TO {QUOTED(role)}"


def held(reader: "PostgresReader", grant: Grant) -> bool:
    """Whether the role of this connection holds a right, from whomever it has it."""
    told: list[Any] = [*grant.path, grant.right] if grant.kind == "DATABASE" else [grant.right, *grant.path]
    if grant.columns:
        told.append(list(grant.columns))
    query = HELD["COLUMNS" if grant.columns else grant.kind]
    return bool(reader.asked(query, told, object_text(grant))[0])


def sequences_behind(
    reader: "PostgresReader", table: "Table", names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Schema and name of each sequence that numbers one of these columns."""
    query = f"SELECT array_agg(s.nspname::text), array_agg(s.relname::text) FROM ({BEHIND}) AS s"  # noqa: S608
    for name in names:
        schemas, sequences = reader.asked(query, (table.schema, table.name, name), table.label)
        yield from zip(schemas or (), sequences or (), strict=True)
