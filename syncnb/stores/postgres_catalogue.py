"""What PostgreSQL's own catalogue says about tables: a handful of set-wise queries in one turn of the line.

The first of them leaves the tables in a setting of the transaction, where the others find them:

    SCHEMAS · WANTED ─► syncnb.relations ─► RELATIONS · COUNTED · COLUMNS · RULES · …

The catalogue is read directly because inspectors hide facts (invalid indexes, deferrable rules, column
privileges). One text of SQL serves all versions from 12 on: a catalogue column that came later is
reached through `to_jsonb(row)`, where an older server has simply no such field.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from syncnb.errors import SchemaError
from syncnb.schema import Column, ForeignKey, Schema, Table, Trigger, UniqueRule
from syncnb.stores.postgres_counts import COUNTED
from syncnb.stores.postgres_encodings import text_encoding
from syncnb.stores.postgres_session import in_one_turn
from syncnb.values.kinds import postgres_kind

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["OURS", "Catalogue", "followers", "inspect_catalogue"]

OURS = "syncnb"
"""The schema of our own tables, which is never part of what is compared."""

SCHEMAS = """
SELECT nspname AS name FROM pg_catalog.pg_namespace
WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' AND nspname <> %s ORDER BY nspname
"""

# For thousands of tables the planner reckons with so much work that it has the expressions compiled first, which takes
# five times as long as all the rest.
PLAIN = "SELECT set_config('syncnb.jit', current_setting('jit'), true), set_config('jit', 'off', true)"
AS_BEFORE = "SELECT set_config('jit', current_setting('syncnb.jit'), true)"

WANTED = """
SELECT set_config('syncnb.relations', (
    SELECT coalesce(pg_catalog.array_agg(c.oid), '{}')::text
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (n.nspname = ANY (current_schemas(false)) OR n.nspname = ANY (%s::text[]))
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname <> %s
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')), true) IS NULL
"""

RELATIONS = """
SELECT c.oid AS relation, n.nspname AS schema, c.relname AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                      WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS type,
       pg_table_is_visible(c.oid) AS visible, row_security_active(c.oid) AS row_security,
       array_remove(ARRAY[
           CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' WHEN 't' THEN 'TEMPORARY' END,
           CASE WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)
                THEN 'HAS CHILDREN' END], NULL) AS options
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT pg_catalog.unnest(current_setting('syncnb.relations')::oid[]))
"""

# `base` follows domains down to the type beneath, and remembers a NOT NULL on the way. What is one row at most is
# looked up rather than joined: with a few columns, planning such a query takes longer than it does.
COLUMNS = """
WITH RECURSIVE wanted AS (
    SELECT * FROM pg_catalog.pg_attribute
    WHERE attrelid IN (SELECT pg_catalog.unnest(current_setting('syncnb.relations')::oid[]))
      AND attnum > 0 AND NOT attisdropped
), base (declared, type, domain, filled) AS (
    SELECT oid, oid, typtype = 'd', typtype = 'd' AND typnotnull FROM pg_catalog.pg_type
    WHERE oid IN (SELECT atttypid FROM wanted)
    UNION ALL
    SELECT base.declared, below.oid, below.typtype = 'd',
           base.filled OR below.typtype = 'd' AND below.typnotnull
    FROM base JOIN pg_catalog.pg_type above ON above.oid = base.type
              JOIN pg_catalog.pg_type below ON below.oid = above.typbasetype
    WHERE base.domain
)
SELECT a.attrelid AS relation, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace OR t.typname = 'citext'
            THEN format_type(t.oid, NULL) ELSE '' END AS base,
       t.typcategory::text AS category,
       NOT (a.attnotnull OR base.filled) AS nullable,
       CASE WHEN a.attgenerated = '' THEN (
           SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
           WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END AS default,
       CASE WHEN a.attgenerated <> '' THEN (
           SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
           WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END AS generated,
       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
       (SELECT nullif(l.collname, 'default') FROM pg_catalog.pg_collation l
        WHERE l.oid = a.attcollation) AS collation,
       has_schema_privilege((SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid = a.attrelid), 'USAGE')
           AND has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
FROM wanted a
JOIN base ON base.declared = a.atttypid AND NOT base.domain
JOIN pg_catalog.pg_type t ON t.oid = base.type
ORDER BY a.attrelid, a.attnum
"""

# INCLUDE columns come after the first `indnkeyatts` and are no part of the rule. A part without a column
# is an expression.
RULES = """
SELECT i.indrelid AS relation, c.relname AS name, i.indisprimary AS primary,
       CASE WHEN parts.plain THEN parts.columns ELSE '{}' END AS columns,
       CASE WHEN parts.plain THEN '{}' ELSE parts.texts END AS expressions,
       pg_get_expr(i.indpred, i.indrelid, true) AS where,
       NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_distinct,
       i.indisvalid AS valid, coalesce(k.condeferrable, false) AS deferrable, k.oid IS NOT NULL AS constraint
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_constraint k
       ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u')
CROSS JOIN LATERAL (
    SELECT bool_and(p.attnum > 0) AS plain, array_agg(a.attname::text ORDER BY p.n) AS columns,
           array_agg(pg_get_indexdef(i.indexrelid, p.n::int, true) ORDER BY p.n) AS texts
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS p (attnum, n)
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.attnum
    WHERE p.n <= i.indnkeyatts
) parts
WHERE i.indrelid IN (SELECT pg_catalog.unnest(current_setting('syncnb.relations')::oid[])) AND i.indisunique
ORDER BY i.indrelid, NOT i.indisprimary, k.oid IS NULL, c.relname COLLATE "C"
"""

# A key that refers to a partitioned table has a row of its own for each partition: only the first counts.
FOREIGN_KEYS = """
SELECT k.conrelid AS relation, k.conname AS name,
       (SELECT array_agg(a.attname::text ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
       CASE WHEN pg_table_is_visible(p.oid) THEN p.relname ELSE n.nspname || '.' || p.relname END AS parent,
       (SELECT array_agg(a.attname::text ORDER BY u.n) FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS parent_columns,
       action.names ->> k.confdeltype::text AS on_delete, action.names ->> k.confupdtype::text AS on_update,
       k.condeferrable AS deferrable, k.condeferred AS deferred, k.convalidated AS valid
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
CROSS JOIN (SELECT jsonb_build_object('a', 'NO ACTION', 'r', 'RESTRICT', 'c', 'CASCADE', 'n', 'SET NULL',
                                      'd', 'SET DEFAULT') AS names) action
WHERE k.conrelid IN (SELECT pg_catalog.unnest(current_setting('syncnb.relations')::oid[]))
  AND k.contype = 'f' AND k.conparentid = 0
ORDER BY k.conrelid, k.conname COLLATE "C"
"""

CHECKS = """
SELECT conrelid AS relation, pg_get_constraintdef(oid, true) AS definition FROM pg_catalog.pg_constraint
WHERE conrelid IN (SELECT pg_catalog.unnest(current_setting('syncnb.relations')::oid[])) AND contype = 'c'
ORDER BY conrelid, conname COLLATE "C"
"""

TRIGGERS = """
SELECT tgrelid AS relation, tgname AS name, pg_get_triggerdef(oid, true) AS definition,
       tgenabled <> 'D' AS enabled
FROM pg_catalog.pg_trigger
WHERE tgrelid IN (SELECT pg_catalog.unnest(current_setting('syncnb.relations')::oid[])) AND NOT tgisinternal
ORDER BY tgrelid, tgname COLLATE "C"
"""

OF_RELATIONS = (RELATIONS, COUNTED, COLUMNS, RULES, FOREIGN_KEYS, CHECKS, TRIGGERS)
"""Each tells of `relation`, which is one of those in `syncnb.relations`."""

# Tables elsewhere whose rows follow when rows of these are deleted or changed, and what follows those.
FOLLOWERS = """
WITH RECURSIVE following (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest(%s::text[], %s::text[]) AS wanted (schema, name) ON n.nspname = wanted.schema AND c.relname = wanted.name
    UNION
    SELECT k.conrelid FROM pg_catalog.pg_constraint k JOIN following ON k.confrelid = following.oid
    WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
)
SELECT DISTINCT n.nspname FROM following
JOIN pg_catalog.pg_class c ON c.oid = following.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> ALL (current_schemas(false)) AND n.nspname <> %s ORDER BY n.nspname
"""

OWN = """
SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s
"""

CODE_POINT_ORDER = ("UTF8", "LATIN1", "SQL_ASCII")
"""Encodings whose bytes sort as code points do."""

Facts: TypeAlias = dict[str, Any]
"""One row of the catalogue, its columns named as the fields of what it becomes."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the catalogue told in that turn."""

    schema: Schema
    counts: Mapping[str, int | None]
    """The planner's counts by label, with partitions and children; only of tables whose files need not be looked at."""
    ours: frozenset[str]
    """What is there in our own schema."""


def inspect_catalogue(
    connection: "Connection[Any]", *, encoding: str, schemas: Sequence[str] | None = None
) -> Catalogue:
    """All tables of the search path and of `schemas`, with every fact. Reads no row of theirs.

    Left out: the system's schemas, ours, what belongs to an extension, and partitions, which are read
    through their parent. Tables that this role may not read are listed, with unreadable columns.
    Raises SchemaError where one of `schemas` does not exist.
    """
    there, own, tables, counted, *told = _facts(connection, schemas or ())
    _check(schemas or (), [facts["name"] for facts in there])
    columns, rules, foreign_keys, checks, triggers = map(_grouped, told)
    found = {
        relation: Table(
            **facts,
            columns=tuple(map(_column, columns[relation])),
            rules=tuple(UniqueRule(**rule) for rule in rules[relation]),
            foreign_keys=tuple(ForeignKey(**key) for key in foreign_keys[relation]),
            checks=tuple(check["definition"] for check in checks[relation]),
            triggers=tuple(Trigger(**trigger) for trigger in triggers[relation]),
            text_order="code point" if encoding in CODE_POINT_ORDER else "other",
            text_encoding=text_encoding(encoding),
        )
        for relation, (facts,) in _grouped(tables).items()
    }
    return Catalogue(
        Schema(tuple(sorted(found.values(), key=lambda table: (table.name, table.schema or "")))),
        {found[each["relation"]].label: each["rows"] for each in counted},
        frozenset(each["name"] for each in own),
    )


def followers(connection: "Connection[Any]", tables: Sequence[Table]) -> list[str]:
    """The schemas beyond the search path with tables whose rows may follow writes to these."""
    schemas, names = [table.schema for table in tables], [table.name for table in tables]
    return [row[0] for row in connection.execute(FOLLOWERS, (schemas, names, OURS))]


def _check(schemas: Sequence[str], there: Sequence[str]) -> None:
    for name in schemas:
        if name not in there:
            raise SchemaError(
                f"there is no schema {name!r}", hint=f"schemas here: {', '.join(there) or 'none'}"
            )


def _facts(connection: "Connection[Any]", schemas: Sequence[str]) -> list[list[Facts]]:
    """What the catalogue says of all schemas, of ours, and of the tables on the search path and in these."""
    from psycopg.rows import dict_row

    cursors = [connection.cursor(row_factory=dict_row) for _ in (SCHEMAS, OWN, *OF_RELATIONS)]
    with in_one_turn(connection):
        cursors[0].execute(SCHEMAS, (OURS,))
        cursors[1].execute(OWN, (OURS,))
        connection.execute(PLAIN)
        connection.execute(WANTED, (list(schemas), OURS))
        for cursor, query in zip(cursors[2:], OF_RELATIONS, strict=True):
            cursor.execute(query.encode())
        connection.execute(AS_BEFORE)
    return [
        [
            {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
            for row in cursor.fetchall()
        ]
        for cursor in cursors
    ]


def _grouped(rows: list[Facts]) -> Mapping[int, list[Facts]]:
    """The facts of each relation, by its oid."""
    groups: defaultdict[int, list[Facts]] = defaultdict(list)
    for row in rows:
        groups[row.pop("relation")].append(row)
    return groups


def _column(facts: Facts) -> Column:
    kind = postgres_kind(facts.pop("base"), category=facts.pop("category"))
    return Column(kind=kind, **facts)
