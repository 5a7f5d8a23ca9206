"""Rows without a value that a step forbids them to lack: they came since the plan was drawn, and are named."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from syncnb.errors import WriteError
from syncnb.planning.hazards import key_of_table
from syncnb.planning.previewing import key_of
from syncnb.schema import Table
from syncnb.steps import Step
from syncnb.stores import measuring
from syncnb.stores.altering import not_null_text
from syncnb.stores.port import Writer
from syncnb.stores.sqlite_definitions import forbidden

__all__ = ["lacking_told"]

BROKEN = ("23502", "23514")
"""NOT NULL, and a check: PostgreSQL proves NOT NULL of a large table by one."""
NAMED = 5


@contextmanager
def lacking_told(writer: Writer, table: Table, step: Step, there: Mapping[str, str]) -> Iterator[None]:
    """Where the database refuses to forbid NULL, name the rows that stand against it, by key and column.

    They are looked for only then: looked for beforehand, each large table would be read twice. `there` is the
    table's catalogue before the step. Raises WriteError, as the database does.
    """
    columns = _columns(table, step, there)
    if not columns:
        yield
        return
    try:
        with writer.savepoint():
            yield
    except WriteError as problem:
        told = _told(writer, table, step.path, columns) if problem.sqlstate in BROKEN else ""
        if not told:
            raise
        error = WriteError(told, hint="give these rows a value, then apply the plan again")
        error.sqlstate, error.constraint = problem.sqlstate, problem.constraint
        raise error from None


def _columns(table: Table, step: Step, there: Mapping[str, str]) -> Sequence[str]:
    """The columns in which a step forbids NULL."""
    if step.verb == "set_not_null":
        return step.columns
    if step.verb == "redefine":
        return forbidden(step.was, step.definition)
    if step.verb == "validate":
        rule = there.get(f"constraint {step.name}", "").removesuffix(" NOT VALID")
        return [column.name for column in table.columns if rule == not_null_text(column.name)]
    return ()


def _told(writer: Writer, table: Table, path: Sequence[str], columns: Sequence[str]) -> str:
    found = []
    for name in columns:
        rows = measuring.nulls(writer.sql, path, measuring.Coming(name))
        if rows:
            some = "1 row has" if rows == 1 else f"{rows:,} rows have"
            found.append(f"{some} no {name} by now{_named(writer, table, path, name)}")
    return f"{table.label}: {'; '.join(found)}" if found else ""


def _named(writer: Writer, table: Table, path: Sequence[str], name: str) -> str:
    key = key_of_table(table)
    if key is None:
        return ""
    keys = list(map(key_of, measuring.first_nulls(writer.sql, path, name, key, rows=NAMED + 1)))
    more = ", …" if len(keys) > NAMED else ""
    return f" ({', '.join(key)} {', '.join(keys[:NAMED])}{more})"
