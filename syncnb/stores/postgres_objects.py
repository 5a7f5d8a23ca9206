"""What the catalogue holds of one table, each object by its definition, and alterations of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syncnb.stores.postgres_copy import QUOTED

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["building", "objects", "trigger_states"]

OBJECTS = """
SELECT 'column ' || a.attname, format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
       || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint ' || conname, pg_get_constraintdef(oid)
FROM pg_catalog.pg_constraint WHERE conrelid = %(table)s::regclass AND contype <> 't'
UNION ALL
SELECT 'index ' || c.relname, pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = %(table)s::regclass
UNION ALL
SELECT 'trigger ' || tgname, pg_get_triggerdef(oid) || CASE tgenabled WHEN 'O' THEN '' ELSE ' ' || tgenabled::text END
FROM pg_catalog.pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal
ORDER BY 1
"""

# Bit 16 of `tgtype`: it fires on UPDATE.
TRIGGERS = """
SELECT tgname, tgenabled::text FROM pg_catalog.pg_trigger
WHERE tgrelid = %s::regclass AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype::integer & 16 <> 0
ORDER BY tgname COLLATE "C"
"""

BUILDING = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index WHERE index_relid = to_regclass(%s))
"""


def objects(connection: "Connection[Any]", path: Sequence[str]) -> dict[str, str]:
    """Columns, constraints, indexes and triggers of a table: what and name, to its definition."""
    rows = connection.execute(OBJECTS, {"table": _name(path)}).fetchall()
    return dict(rows)


def trigger_states(connection: "Connection[Any]", path: Sequence[str]) -> list[tuple[str, str]]:
    """The triggers that an UPDATE would fire, and how they are enabled."""
    return connection.execute(TRIGGERS, (_name(path),)).fetchall()


def building(connection: "Connection[Any]", path: Sequence[str]) -> bool:
    """Whether somebody builds that index at this moment."""
    row = connection.execute(BUILDING, (_name(path),)).fetchone()
    return bool(row and row[0])


def _name(path: Sequence[str]) -> str:
    return ".".join(map(QUOTED, path))
