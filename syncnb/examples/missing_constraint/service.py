"""What the service's own upsert does where the rules come before the values. It is really run, and rolled back."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import column, func, select, table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from syncnb.examples.missing_constraint import TARGETS
from syncnb.rendering import frame
from syncnb.stores.port import Store, WritableStore, Writer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["constraint_first"]

INSERTS: Mapping[str, Callable[..., Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
HEADINGS = ("table", "rows_before", "sent", "rows_after", "doubled", "error")
TYPES = {"wand_source_id": "uuid", "path_id": "text"}


def constraint_first(remote: Store, payload: Mapping[str, Sequence[Mapping[str, Any]]]) -> "pd.DataFrame":
    """Rehearse the repair in the wrong order: columns, then unique rules over them, and the values never.

    Then the service's `INSERT ... ON CONFLICT ... DO UPDATE` runs. Nothing of it stays. A line a table: table,
    rows_before, sent, rows_after, doubled (things that are there twice by source and external id), error (none where
    it seems to have worked).
    """
    lines: dict[str, list[Any]] = {name: [] for name in HEADINGS}
    with cast(WritableStore, remote).writing() as writer:
        schema = writer.schema()
        for name, target in TARGETS.items():
            there = {each.name for each in schema.find(name).columns}
            before = _count(writer, name)
            for each in (each for each in target if each not in there):
                writer.sql.execute(text(f"ALTER TABLE {name} ADD COLUMN {each} {TYPES[each]}"))
            writer.sql.execute(text(f"CREATE UNIQUE INDEX {name}_first ON {name} ({', '.join(target)})"))
            error = _saved(writer, name, target, payload[name])
            after = _count(writer, name)
            told = (name, before, len(payload[name]), after, after - _things(writer, name), error)
            for heading, value in zip(lines, told, strict=True):
                lines[heading].append(value)
    return frame(lines)


def _saved(writer: Writer, name: str, target: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Upsert these rows, all or none; what the database says against it."""
    there = table(name, *(column(each, NullType()) for each in rows[0]))
    try:
        with writer.savepoint():
            for row in rows:
                statement = INSERTS[writer.sql.dialect.name](there).values(dict(row))
                changed = {each: statement.excluded[each] for each in row if each not in target}
                writer.sql.execute(statement.on_conflict_do_update(index_elements=list(target), set_=changed))
    except DBAPIError as error:
        return str(error.orig).splitlines()[0]
    return ""


def _count(writer: Writer, name: str) -> int:
    return int(writer.sql.scalar(select(func.count()).select_from(table(name))) or 0)


def _things(writer: Writer, name: str) -> int:
    """How many different things there are, by source and external id."""
    there = table(name, column("source_id"), column("external_id"))
    different = select(there.c.source_id, there.c.external_id).distinct().subquery()
    return int(writer.sql.scalar(select(func.count()).select_from(different)) or 0)
