# Some queries are read as one line.
# ruff: noqa: E501, S608 - names come from the catalogue, quoted; expressions are its own
"""What a diagnosis asks of a PostgreSQL snapshot. All within its read-only transaction."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from syncnb.schema import ForeignKey, Table
from syncnb.stores.postgres_copy import QUOTED, qualified
from syncnb.stores.postgres_errors import read_error
from syncnb.stores.postgres_text import VALUE, placed
from syncnb.stores.postgres_trial import PostgresTrial
from syncnb.stores.probing import Arbiters, Groups, IndexFacts, SequenceFacts, Surroundings, is_expression

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["PostgresProber"]

SAMPLES = 5

SETTINGS = """
SELECT current_database() AS database, session_user::text AS "session_user", current_user::text AS "current_user",
       array_to_string(current_schemas(false), ', ') AS "search path",
       current_setting('server_version') AS version, pg_is_in_recovery()::text AS "in recovery",
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only') AS "read-only by default",
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'statement_timeout') AS "statement_timeout (ms)",
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'lock_timeout') AS "lock_timeout (ms)"
"""

# Of the table, and of its partitions where the parent has no such index. INCLUDE columns are no key parts.
INDEXES = """
WITH RECURSIVE tree (oid, depth) AS (
    SELECT %(table)s::oid, 0
    UNION ALL
    SELECT i.inhrelid, depth + 1 FROM pg_catalog.pg_inherits i JOIN tree ON tree.oid = i.inhparent
    JOIN pg_catalog.pg_class p ON p.oid = i.inhparent WHERE p.relkind = 'p'
)
SELECT c.relname::text AS name, parts.texts AS parts, parts.plain, i.indisunique AS unique,
       i.indisprimary AS primary, i.indisvalid AS valid, i.indisready AS ready,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index b WHERE b.index_relid = i.indexrelid) AS building,
       coalesce(k.condeferrable, false) AS deferrable, i.indisexclusion AS exclusion, k.conname::text AS constraint,
       pg_get_expr(i.indpred, i.indrelid, true) AS where,
       NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_distinct,
       parts.collations, parts.opclasses, CASE WHEN tree.depth > 0 THEN t.relname::text END AS partition
FROM tree
JOIN pg_catalog.pg_class t ON t.oid = tree.oid
JOIN pg_catalog.pg_index i ON i.indrelid = tree.oid
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_constraint k
       ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (
    SELECT array_agg(coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, p.n::int, true)) ORDER BY p.n) AS texts,
           array_agg(p.attnum > 0 ORDER BY p.n) AS plain,
           array_agg(CASE WHEN l.oid <> a.attcollation THEN l.collname::text END ORDER BY p.n) AS collations,
           array_agg(CASE WHEN NOT o.opcdefault THEN o.opcname::text END ORDER BY p.n) AS opclasses
    FROM unnest(i.indkey::int2[], i.indcollation::oid[], i.indclass::oid[])
         WITH ORDINALITY AS p (attnum, coll, opclass, n)
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.attnum AND p.attnum > 0
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = p.coll
    LEFT JOIN pg_catalog.pg_opclass o ON o.oid = p.opclass
    WHERE p.n <= i.indnkeyatts
) parts
WHERE tree.depth = 0 OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)
ORDER BY tree.depth, NOT i.indisprimary, NOT i.indisunique, c.relname COLLATE "C"
"""

SEQUENCES = """
SELECT DISTINCT a.attname::text, n.nspname::text, s.relname::text, q.seqincrement, q.seqmax
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_catalog.pg_depend p
  ON p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass
     AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i'
  OR p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
     AND p.refclassid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_sequence q ON q.seqrelid IN (p.objid, p.refobjid)
JOIN pg_catalog.pg_class s ON s.oid = q.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE a.attrelid = %(table)s::oid AND a.attnum > 0 AND q.seqincrement > 0
  AND has_schema_privilege(n.oid, 'USAGE')
  AND CASE WHEN s.relkind = 'S' THEN has_sequence_privilege(s.oid, 'SELECT') ELSE false END
ORDER BY 1, 2, 3
"""

RULES = "SELECT rulename::text FROM pg_catalog.pg_rewrite WHERE ev_class = %(table)s::oid AND ev_type IN ('2', '3') AND rulename <> '_RETURN' ORDER BY 1"  # fmt: skip
POLICIES = "SELECT polname || ' (' || CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END || ')' FROM pg_catalog.pg_policy WHERE polrelid = %(table)s::oid ORDER BY 1"  # fmt: skip
NOT_VALID = "SELECT conname::text, pg_get_constraintdef(oid, true) FROM pg_catalog.pg_constraint WHERE conrelid = %(table)s::oid AND NOT convalidated ORDER BY 1"  # fmt: skip
ELSEWHERE = """
SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE lower(c.relname) = lower(%(name)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
"""
TABLE_OF = """
SELECT DISTINCT t.relname::text FROM pg_catalog.pg_class t
LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE (k.conname = %(name)s OR x.relname = %(name)s) AND NOT t.relispartition ORDER BY 1
"""


class PostgresProber:
    """Questions about one snapshot. Each runs under a savepoint, so a refusal ends nothing."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection

    @property
    def nulls_can_be_equal(self) -> bool:
        """From version 15 on."""
        return self._connection.info.server_version >= 15_00_00

    def settings(self) -> Mapping[str, str]:
        """Who, where, which version, which limits."""
        from psycopg.rows import dict_row

        with self._safely(), self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(SETTINGS).fetchone() or {}
        return {name: str(value) for name, value in row.items()}

    def indexes(self, table: Table) -> tuple[IndexFacts, ...]:
        """All indexes of a table, and those of its partitions that it lacks."""
        from psycopg.rows import dict_row

        with self._safely(), self._connection.cursor(row_factory=dict_row) as cursor:
            rows: list[dict[str, Any]] = cursor.execute(INDEXES, {"table": self._oid(table)}).fetchall()
        return tuple(IndexFacts(**_frozen(row)) for row in rows)

    def arbiters(self, table: Table, target: Sequence[str], where: str | None) -> Arbiters | None:
        """What the planner infers: EXPLAIN plans the upsert and runs nothing, even in a read-only snapshot."""
        if not all(map(is_expression, [*_expressions(table, target), *([where] if where else [])])):
            return None
        from psycopg import Error

        for wrapped in (False, True):
            try:
                return self._planned(table, target, where, wrapped=wrapped)
            except Error as error:
                if error.sqlstate == "42501":
                    return None
                if error.sqlstate == "42601" and not wrapped and _expressions(table, target):
                    continue  # an expression that is no function call wants parentheses
                why = (error.diag.message_primary or str(error)).strip()
                return Arbiters(matches=False, code=error.sqlstate, why=why)
        return None

    def _planned(self, table: Table, target: Sequence[str], where: str | None, *, wrapped: bool) -> Arbiters:
        names = {column.name for column in table.columns}
        parts = [QUOTED(part) if part in names else f"({part})" if wrapped else part for part in target]
        predicate = f" WHERE {where}" if where else ""
        query = (
            f"EXPLAIN (FORMAT JSON, COSTS OFF) INSERT INTO {qualified(table)} DEFAULT VALUES "
            f"ON CONFLICT ({', '.join(parts)}){predicate} DO NOTHING"
        )
        with self._safely():
            # Binary means the extended protocol, which takes one statement and no more; and unlike a prepared
            # statement it leaves nothing behind a pooler.
            row = self._connection.execute(query.encode(), binary=True).fetchone()
        plan = row[0] if row else []
        plan = json.loads(plan) if isinstance(plan, str) else plan
        found = tuple(plan[0]["Plan"].get("Conflict Arbiter Indexes", ())) if plan else ()
        return Arbiters(matches=bool(found), names=found)

    def counts(self, table: Table, columns: Sequence[str]) -> tuple[int, dict[str, int]]:
        """All rows, and how many are NULL in each column."""
        parts = ["count(*)", *(f"count(*) - count({QUOTED(name)})" for name in columns)]
        row = self._rows(f"SELECT {', '.join(parts)} FROM {qualified(table)}")[0]
        return row[0], dict(zip(columns, row[1:], strict=True))

    def duplicates(self, table: Table, columns: Sequence[str], *, nulls_equal: bool) -> Groups:
        """Rows that agree in these columns."""
        names = [QUOTED(table.column(name).name) for name in columns]
        filled = [] if nulls_equal else [f"{name} IS NOT NULL" for name in names]
        condition = f" WHERE {' AND '.join(filled)}" if filled else ""
        grouped = (
            f"SELECT {', '.join(f'{name}::text AS c{at}' for at, name in enumerate(names))}, count(*) AS n "
            f"FROM {qualified(table)}{condition} GROUP BY {', '.join(names)} HAVING count(*) > 1"
        )
        return self._groups(grouped, tuple(columns))

    def orphans(self, table: Table, key: ForeignKey, parent: Table) -> Groups:
        """Rows that refer to nothing."""
        names = [f"c.{QUOTED(name)}" for name in key.columns]
        pairs = [
            f"p.{QUOTED(theirs)} = {ours}" for ours, theirs in zip(names, key.parent_columns, strict=True)
        ]
        grouped = (
            f"SELECT {', '.join(f'{name}::text AS c{at}' for at, name in enumerate(names))}, count(*) AS n "
            f"FROM {qualified(table)} c WHERE {' AND '.join(f'{name} IS NOT NULL' for name in names)} "
            f"AND NOT EXISTS (SELECT FROM {qualified(parent)} p WHERE {' AND '.join(pairs)}) "
            f"GROUP BY {', '.join(names)}"
        )
        return self._groups(grouped, key.columns)

    def _groups(self, grouped: str, columns: tuple[str, ...]) -> Groups:
        # The totals come with each sample, so that the table is read once.
        rows = self._rows(
            f"SELECT g.*, count(*) OVER (), sum(n) OVER () FROM ({grouped}) g ORDER BY n DESC, 1 LIMIT {SAMPLES}"
        )
        if not rows:
            return Groups(columns=columns)
        samples = tuple((*_texts(row[:-3]), int(row[-3])) for row in rows)
        return Groups(int(rows[0][-2]), int(rows[0][-1]), columns, samples)

    def find(
        self, table: Table, columns: Sequence[str], values: Sequence[str | None]
    ) -> list[dict[str, str | None]]:
        """At most five rows with these values, as the types of the columns read and compare them."""
        wanted = [table.column(name) for name in columns]
        tests = [
            f"{QUOTED(column.name)} IS NULL"
            if value is None
            else f"{QUOTED(column.name)} = {VALUE}::{column.type}"
            for column, value in zip(wanted, values, strict=True)
        ]
        shown = [column.name for column in table.columns if column.readable]
        query = (
            f"SELECT {', '.join(f'{QUOTED(name)}::text' for name in shown)} FROM {qualified(table)} "
            f"WHERE {' AND '.join(tests)} LIMIT {SAMPLES}"
        )
        given = [value for value in values if value is not None]
        return [dict(zip(shown, _texts(row), strict=True)) for row in self._rows(placed(query), given)]

    def sequences(self, table: Table) -> tuple[SequenceFacts, ...]:
        """The sequences behind its columns that this role may look at."""
        found = []
        for column, schema, name, increment, most in self._rows(SEQUENCES, {"table": self._oid(table)}):
            place = f"{QUOTED(schema)}.{QUOTED(name)}"
            value, called = self._rows(f"SELECT last_value, is_called FROM {place}")[0]
            greatest = self._rows(f"SELECT max({QUOTED(column)})::text FROM {qualified(table)}")[0][0]
            number = int(greatest) if greatest and greatest.lstrip("-").isdigit() else None
            found.append(SequenceFacts(column, name, value + increment if called else value, number, most))
        return tuple(found)

    def surroundings(self, table: Table) -> Surroundings:
        """Rules, policies, constraints that were not validated."""
        oid = {"table": self._oid(table)}
        rules, policies, loose = (self._rows(query, oid) for query in (RULES, POLICIES, NOT_VALID))
        return Surroundings(
            tuple(row[0] for row in rules), tuple(row[0] for row in policies), tuple(map(tuple, loose))
        )

    def elsewhere(self, name: str) -> list[str]:
        """Tables of that name in any schema, with their schema."""
        return [row[0] for row in self._rows(ELSEWHERE, {"name": name.rpartition(".")[2]})]

    def table_of(self, constraint: str) -> list[str]:
        """Tables that have a constraint or index of that name."""
        return [row[0] for row in self._rows(TABLE_OF, {"name": constraint})]

    def breaking(self, table: Table, check: str) -> int:
        """How many rows break a CHECK of the catalogue."""
        count: int = self._rows(f"SELECT count(*) FROM {qualified(table)} WHERE NOT ({check})")[0][0]
        return count

    def trial(self, table: Table, batch: pa.RecordBatch) -> PostgresTrial:
        """Hold these rows against the table."""
        return PostgresTrial(self._rows, self._raw, table, batch)

    def _oid(self, table: Table) -> int:
        row = self._connection.execute("SELECT %s::regclass::oid", (qualified(table),)).fetchone()
        return int(row[0]) if row else 0

    def _rows(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        """The answer. Raises ReadError where the server does not give it."""
        from psycopg import Error

        try:
            return self._raw(query, values)
        except Error as error:
            role = self._connection.info.user
            raise read_error(
                error, "what a diagnosis asks", role=role, lost=self._connection.closed
            ) from None

    def _raw(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        with self._safely():
            return self._connection.execute(query.encode(), values).fetchall()

    @contextmanager
    def _safely(self) -> Iterator[None]:
        """An error goes on, but the snapshot stays usable."""
        self._connection.execute("SAVEPOINT probe")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO SAVEPOINT probe")
            raise
        self._connection.execute("RELEASE SAVEPOINT probe")


def _frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _expressions(table: Table, target: Sequence[str]) -> list[str]:
    names = {column.name for column in table.columns}
    return [part for part in target if part not in names]


def _texts(row: Sequence[Any]) -> tuple[str | None, ...]:
    return tuple(None if value is None else str(value) for value in row)
