"""Sequences set forward after explicit ids, never back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncnb.schema import Table
from syncnb.stores.postgres_copy import QUOTED, qualified
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["advance", "greatest"]

STEPS = 1_000_000
"""Up to so many numbers a sequence is walked forward (a third of a second). Further, it is set."""

# The sequence of an identity column, or the one that its default calls: one that is only owned does nothing.
BEHIND = """
SELECT DISTINCT s.oid, n.nspname, s.relname, q.seqincrement, q.seqmin, q.seqmax,
       has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(s.oid, 'SELECT')
           AND has_sequence_privilege(s.oid, 'USAGE, UPDATE'),
       has_sequence_privilege(s.oid, 'UPDATE')
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace m ON m.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_catalog.pg_depend p
  ON p.classid = 'pg_catalog.pg_class'::regclass AND p.refclassid = 'pg_catalog.pg_class'::regclass
     AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i'
  OR p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
     AND p.refclassid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_class s ON s.relkind = 'S' AND s.oid IN (p.objid, p.refobjid)
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
WHERE m.nspname = %s AND c.relname = %s AND a.attname = %s
ORDER BY 2, 3
"""


# Without the right to read a sequence there is no answer, and no error.
GIVEN = """
SELECT CASE WHEN pg_catalog.has_sequence_privilege(%s::oid, 'SELECT')
    THEN pg_catalog.pg_sequence_last_value(%s::oid::regclass) END
"""


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence and what this role may do with it."""

    oid: int
    schema: str
    name: str
    increment: int
    least: int
    most: int
    walkable: bool
    """May be read and asked for numbers."""
    settable: bool

    @property
    def end(self) -> int:
        """The last number it can give."""
        return self.most if self.increment > 0 else self.least


def greatest(connection: "Connection[Any]", table: Table, column: str) -> int | None:
    """The greatest number that a column holds or that a sequence behind it has given; None if there is none."""
    largest = f"SELECT max({QUOTED(column)})::bigint FROM {qualified(table)}"  # noqa: S608
    found = [connection.execute(largest.encode()).fetchone()]
    for row in connection.execute(BEHIND, (table.schema, table.name, column)).fetchall():
        found.append(connection.execute(GIVEN, (row[0], row[0])).fetchone())
    return max((row[0] for row in found if row and row[0] is not None), default=None)


def advance(connection: "Connection[Any]", table: Table, column: str) -> str | None:
    """Set the sequences behind a column forward to its greatest value (least, where they count down).

    What was done, in a sentence; None where there is nothing behind it or nothing to do.
    """
    if table.column(column).kind not in (Kind.INTEGER, Kind.NUMERIC):
        return None
    rows = connection.execute(BEHIND, (table.schema, table.name, column)).fetchall()
    said = [_advanced(connection, table, column, Sequence(*row)) for row in rows]
    return "; ".join(sentence for sentence in said if sentence) or None


def _advanced(connection: "Connection[Any]", table: Table, column: str, found: Sequence) -> str | None:
    what = f"the sequence {found.name} behind {table.label}.{column}"
    place = f"{QUOTED(found.schema)}.{QUOTED(found.name)}"
    if not found.walkable:
        return f"{what} was not looked after: this role needs GRANT USAGE, SELECT ON SEQUENCE {place}"
    reached = _one(connection, _extreme(table, column, found))
    if reached is None:
        return None
    given = _given(connection, place, found)
    steps = -((given - reached) // found.increment)  # rounded up, so that its rhythm is kept
    within = (found.end - given) // found.increment
    if (done := min(steps, within)) <= 0:
        return None
    if done > STEPS and not found.settable:
        return f"{what} is far behind {reached}: this role needs GRANT UPDATE ON SEQUENCE {place}"
    target = given + done * found.increment
    _forward(connection, found, done, target)
    return f"{what} was set forward to {target}{'' if done == steps else ', where it ends'}"


def _extreme(table: Table, column: str, found: Sequence) -> str:
    """The query for the value that the sequence must have passed, as a whole number."""
    name = f"t.{QUOTED(column)}::numeric"
    furthest = f"ceil(max({name}))" if found.increment > 0 else f"floor(min({name}))"
    # NaN is the greatest of all numbers.
    return f"SELECT {furthest} FROM {qualified(table)} AS t WHERE {name} <> 'NaN'"  # noqa: S608


def _given(connection: "Connection[Any]", place: str, found: Sequence) -> int:
    """The last number that was given out, or would have been before the first."""
    before = f"CASE WHEN is_called THEN 0 ELSE {found.increment} END"
    query = f"SELECT last_value - ({before})::numeric FROM {place}"  # noqa: S608
    return _one(connection, query) or 0


def _forward(connection: "Connection[Any]", found: Sequence, steps: int, target: int) -> None:
    # A sequence cannot be locked by who does not own it. Walking it forward needs no lock: no number is
    # given twice, whoever else takes some meanwhile. Setting it could take it back behind those, but
    # only if somebody took thousands between the look and the step.
    if steps <= STEPS:
        query = """
        SELECT count(pg_catalog.nextval(%s::oid::regclass)) FROM pg_catalog.generate_series(1::bigint, %s::bigint)
        """
        connection.execute(query, (found.oid, steps))
    else:
        connection.execute(
            "SELECT pg_catalog.setval(%s::oid::regclass, %s::bigint, true)", (found.oid, target)
        )


def _one(connection: "Connection[Any]", query: str) -> int | None:
    row = connection.execute(query.encode()).fetchone()
    return None if row is None or row[0] is None else int(row[0])
