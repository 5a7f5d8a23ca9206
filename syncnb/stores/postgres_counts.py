"""How many rows PostgreSQL's planner takes its tables to have, from the last ANALYZE or VACUUM."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syncnb.schema import Table

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["COUNTED", "row_estimates"]

# -1 (before version 14: 0) is written where nobody has counted yet; an empty file needs no count. The
# partitions and children are part of what SELECT reads from their parent.
FORM = """
WITH RECURSIVE tree (relation, oid) AS (
    {roots}
    UNION
    SELECT tree.relation, i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON tree.oid = i.inhparent
), counted AS (
    SELECT tree.relation, c.relkind IN ('r', 'm') AS has_file,
           CASE WHEN c.relkind = 'p' THEN 0
                WHEN c.reltuples > 0 THEN c.reltuples
                WHEN c.relkind NOT IN ('r', 'm') THEN NULL
                WHEN c.reltuples = 0 AND c.relpages > 0 {or_empty} THEN 0 END AS rows
    FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
)
SELECT relation, CASE WHEN pg_catalog.count(*) = pg_catalog.count(rows) THEN pg_catalog.sum(rows)::bigint END AS rows
FROM counted GROUP BY relation
HAVING pg_catalog.count(*) = pg_catalog.count(rows) OR bool_or(rows IS NULL AND NOT has_file)
"""

COUNTED = FORM.format(
    roots="SELECT oid, oid FROM pg_catalog.unnest(current_setting('syncnb.relations')::oid[]) AS wanted (oid)",
    or_empty="",
)
"""Of those tables in the setting, `rows` of each for which the catalogue itself tells, be it that nobody knows."""

# To look at a file is to wait for whoever locks its table whole: so it is done with those tables that matter.
ESTIMATE = FORM.format(
    roots="""
    SELECT wanted.number, c.oid FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS wanted (schema, name, number)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name""",
    or_empty="OR pg_relation_size(c.oid) = 0",
)


def row_estimates(connection: "Connection[Any]", tables: Sequence[Table]) -> list[int | None]:
    """The planner's counts of these with their partitions or children; None where it has none."""
    told = [table.schema for table in tables], [table.name for table in tables]
    found: dict[int, int | None] = dict(connection.execute(ESTIMATE.encode(), told).fetchall())
    return [found.get(number) for number, _ in enumerate(tables, 1)]
