"""Counts that a migration is drawn on, in SQLAlchemy Core: the same question for both engines."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    TableClause,
    Text,
    and_,
    cast,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
)

from syncnb.steps.schema_steps import Step

__all__ = [
    "Coming",
    "count_rows",
    "duplicates",
    "fillable",
    "first_nulls",
    "first_rows",
    "nulls",
    "orphans",
    "present",
]


@dataclass(frozen=True, slots=True)
class Coming:
    """A column as it will be when the steps before have run."""

    name: str
    there: bool = True
    source: str = ""
    """The column that fills it where it is NULL."""
    expression: str = ""
    """Or the expression that does."""

    @property
    def value(self) -> ColumnElement[object]:
        own: list[ColumnElement[object]] = [column(self.name)] if self.there else []
        if self.source or self.expression:
            own.append(column(self.source) if self.source else literal_column(f"({self.expression})"))
        return func.coalesce(*own) if len(own) > 1 else own[0] if own else literal_column("NULL")


def _table(path: Sequence[str]) -> FromClause:
    return table(path[-1], schema=path[0] if len(path) > 1 else None)


def count_rows(connection: Connection, path: Sequence[str]) -> int:
    """How many rows a table has."""
    return int(connection.scalar(select(func.count()).select_from(_table(path))) or 0)


def fillable(connection: Connection, step: Step, *, there: bool) -> int:
    """How many rows a fill would write."""
    wanted = [column(step.columns[0]).is_(None)] if there else []
    wanted.append(_source(step).is_not(None))
    counted = select(func.count()).select_from(_table(step.path))
    return int(connection.scalar(counted.where(and_(*wanted))) or 0)


def _source(step: Step) -> ColumnElement[object]:
    return column(step.source) if step.source else literal_column(f"({step.definition})")


def first_rows(
    connection: Connection, step: Step, key: Sequence[str], *, there: bool, rows: int
) -> list[tuple[object, ...]]:
    """The first rows that a fill would write: key columns and the new value, as text."""
    wanted = [column(step.columns[0]).is_(None)] if there else []
    wanted.append(_source(step).is_not(None))
    told = _as_text(key)
    query = select(*told, cast(_source(step), Text)).select_from(_table(step.path)).where(and_(*wanted))
    return [tuple(row) for row in connection.execute(query.order_by(*(column(n) for n in key)).limit(rows))]


def _as_text(key: Sequence[str]) -> list[ColumnElement[str]]:
    # Under a name of their own: ORDER BY takes the name of a column for that of a result, and 10 comes before 4.
    return [cast(column(name), Text).label(f"k{at}") for at, name in enumerate(key)]


def nulls(connection: Connection, path: Sequence[str], coming: Coming) -> int:
    """How many rows will have no value in a column."""
    wanted = select(func.count()).select_from(_table(path)).where(coming.value.is_(None))
    return int(connection.scalar(wanted) or 0)


def first_nulls(
    connection: Connection, path: Sequence[str], name: str, key: Sequence[str], *, rows: int
) -> list[tuple[str, ...]]:
    """The first rows that have no value in a column: their keys, as text."""
    told = _as_text(key)
    query = select(*told).select_from(_table(path)).where(column(name).is_(None))
    return [tuple(row) for row in connection.execute(query.order_by(*map(column, key)).limit(rows))]


def present(connection: Connection, path: Sequence[str], name: str) -> int:
    """How many rows have a value in a column."""
    wanted = select(func.count()).select_from(_table(path)).where(column(name).is_not(None))
    return int(connection.scalar(wanted) or 0)


def orphans(
    connection: Connection,
    path: Sequence[str],
    columns: Sequence[Coming],
    parent: Sequence[str],
    theirs: Sequence[str],
) -> int:
    """How many rows will refer to a row that is not there."""
    values = [each.value.label(f"k{at}") for at, each in enumerate(columns)]
    child = select(*values).select_from(_table(path)).subquery("c")
    above = _named(parent, theirs).alias("p")
    pairs = [own == above.c[other] for own, other in zip(child.c, theirs, strict=True)]
    there = exists(select(literal_column("1")).select_from(above).where(*pairs))
    whole = [own.is_not(None) for own in child.c]
    wanted = select(func.count()).select_from(child).where(*whole, ~there.correlate(child))
    return int(connection.scalar(wanted) or 0)


def _named(path: Sequence[str], columns: Sequence[str]) -> TableClause:
    return table(path[-1], *(column(name) for name in columns), schema=path[0] if len(path) > 1 else None)


def duplicates(
    connection: Connection, path: Sequence[str], key: Sequence[Coming], *, nulls_equal: bool
) -> tuple[int, int]:
    """How many keys several rows will have, and how many rows have those."""
    values = [each.value.label(f"k{at}") for at, each in enumerate(key)]
    rows = select(*values).select_from(_table(path))
    if not nulls_equal:
        rows = rows.where(and_(*(each.value.is_not(None) for each in key)))
    inner = rows.subquery()
    several = select(func.count().label("n")).select_from(inner).group_by(*inner.c).having(func.count() > 1)
    several_rows = several.subquery()
    found = select(func.count(), func.coalesce(func.sum(several_rows.c.n), 0)).select_from(several_rows)
    groups, total = connection.execute(found).one()
    return int(groups), int(total)
