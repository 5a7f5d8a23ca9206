"""What needs a column or a unique rule, as PostgreSQL's catalogue has it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syncnb.stores.postgres_copy import QUOTED

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["leaning"]

# Sequences that a column owns, its default and its NOT NULL (a constraint since PostgreSQL 18) are its own.
ON_COLUMN = """
SELECT DISTINCT
       CASE WHEN x.oid IS NOT NULL THEN 'index' WHEN n.oid IS NOT NULL THEN 'constraint'
            WHEN v.oid IS NOT NULL THEN 'view' WHEN g.oid IS NOT NULL THEN 'trigger'
            WHEN o.attname IS NOT NULL THEN 'column' ELSE i.type END,
       coalesce(x.relname, n.conname, v.relname, g.tgname, o.attname, i.identity)::text,
       coalesce(CASE WHEN x.oid IS NOT NULL OR o.attname IS NOT NULL THEN t.relname END, nt.relname, gt.relname, '')::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
JOIN pg_catalog.pg_depend d
  ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
LEFT JOIN pg_catalog.pg_class x ON d.classid = 'pg_class'::regclass AND x.oid = d.objid AND x.relkind IN ('i', 'I')
LEFT JOIN pg_catalog.pg_class q ON d.classid = 'pg_class'::regclass AND q.oid = d.objid AND q.relkind = 'S'
LEFT JOIN pg_catalog.pg_constraint n ON d.classid = 'pg_constraint'::regclass AND n.oid = d.objid
LEFT JOIN pg_catalog.pg_class nt ON nt.oid = n.conrelid
LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_catalog.pg_trigger g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
LEFT JOIN pg_catalog.pg_class gt ON gt.oid = g.tgrelid
LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
LEFT JOIN pg_catalog.pg_attribute o
  ON (o.attrelid, o.attnum) = (f.adrelid, f.adnum)
  OR (d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND (o.attrelid, o.attnum) = (d.objid, d.objsubid))
WHERE a.attrelid = %(table)s::regclass AND a.attname = %(column)s AND NOT a.attisdropped
  AND q.oid IS NULL AND o.attnum IS DISTINCT FROM a.attnum AND n.contype IS DISTINCT FROM 'n'
ORDER BY 1, 2, 3
"""

ON_RULE = """
SELECT 'constraint', c.conname::text, t.relname::text
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conindid = to_regclass(%(rule)s)
ORDER BY 3, 2
"""


def leaning(
    connection: "Connection[Any]", path: Sequence[str], column: str, rule: str
) -> list[tuple[str, str, str]]:
    """What needs the column, and which foreign keys need the rule: kind, name, table."""
    found: list[tuple[str, str, str]] = []
    if column:
        asked = {"table": ".".join(map(QUOTED, path)), "column": column}
        found += connection.execute(ON_COLUMN, asked).fetchall()
    if rule:
        name = ".".join(map(QUOTED, (*path[:-1], rule)))
        found += connection.execute(ON_RULE, {"rule": name}).fetchall()
    return found
