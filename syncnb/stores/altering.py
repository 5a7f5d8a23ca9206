"""Schema steps as statements of a dialect, through SQLAlchemy's compiler. Names go through its preparer only."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Dialect, Index, MetaData, String, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import Column, CreateIndex, DDLElement
from sqlalchemy.sql.elements import ClauseElement

from syncnb.steps.schema_steps import Step

__all__ = [
    "fill_predicate",
    "fill_statement",
    "foreign_key_text",
    "index_text",
    "not_null_text",
    "statements",
    "unique_text",
]

Written: TypeAlias = Iterator[str]


def _dialect(name: str) -> Dialect:
    # A style that takes no percent sign for a parameter: a name may have one.
    return (PGDialect if name == "postgresql" else SQLiteDialect)(paramstyle="named")


class Alter(DDLElement):
    """One clause of ALTER TABLE, which SQLAlchemy has no element for."""

    inherit_cache = False

    def __init__(self, step: Step) -> None:
        self.step = step


@compiles(Alter)
def _alter(element: Alter, compiler: Any, **_: Any) -> str:
    step, preparer = element.step, compiler.preparer
    return f"ALTER TABLE {_path(step, preparer)} {CLAUSES[step.verb](step, preparer)}"


CLAUSES: Mapping[str, Callable[[Step, Any], str]] = {
    "add_column": lambda s, p: f"ADD COLUMN {p.quote(s.columns[0])} {s.definition}",
    "drop_column": lambda s, p: f"DROP COLUMN {p.quote(s.columns[0])}",
    "add_constraint": lambda s, p: f"ADD CONSTRAINT {p.quote(s.name)} {s.definition}",
    "drop_constraint": lambda s, p: f"DROP CONSTRAINT {p.quote(s.name)}",
    "use_index": lambda s, p: f"ADD CONSTRAINT {p.quote(s.name)} UNIQUE USING INDEX {p.quote(s.name)}",
    "validate": lambda s, p: f"VALIDATE CONSTRAINT {p.quote(s.name)}",
    "set_not_null": lambda s, p: f"ALTER COLUMN {p.quote(s.columns[0])} SET NOT NULL",
    "drop_not_null": lambda s, p: f"ALTER COLUMN {p.quote(s.columns[0])} DROP NOT NULL",
    "set_default": lambda s, p: (
        f"ALTER COLUMN {p.quote(s.columns[0])} "
        + (f"SET DEFAULT {s.definition}" if s.definition else "DROP DEFAULT")
    ),
    "set_type": lambda s, p: (
        f"ALTER COLUMN {p.quote(s.columns[0])} TYPE {s.definition} "
        f"USING {p.quote(s.columns[0])}::{s.definition}"
    ),
}


class DropIndex(DDLElement):
    """DROP INDEX by its name, in the schema of its table, which is all that is known of it."""

    inherit_cache = False

    def __init__(self, step: Step) -> None:
        self.step = step


@compiles(DropIndex)
def _drop_index(element: DropIndex, compiler: Any, **_: Any) -> str:
    step, preparer = element.step, compiler.preparer
    name = ".".join(map(preparer.quote, (*step.path[:-1], step.name)))
    return f"DROP INDEX {'CONCURRENTLY ' if step.concurrently else ''}{name}"


class Verbatim(DDLElement):
    """A definition in the catalogue's own words; for an index, built beside writers where that is asked."""

    inherit_cache = False

    def __init__(self, step: Step) -> None:
        self.step = step


@compiles(Verbatim)
def _verbatim(element: Verbatim, compiler: Any, **_: Any) -> str:
    whole = element.step.definition
    for start in ("CREATE UNIQUE INDEX ", "CREATE INDEX "):
        if element.step.concurrently and whole.startswith(start):
            return f"{start}CONCURRENTLY {whole[len(start) :]}"
    return whole


class Redefine(DDLElement):
    """The text of a SQLite table changed in its place, for a script; a store proves it too."""

    inherit_cache = False

    def __init__(self, step: Step, part: int) -> None:
        self.step, self.part = step, part


@compiles(Redefine)
def _redefine(element: Redefine, compiler: Any, **_: Any) -> str:
    spelled: Any = String().literal_processor(compiler.dialect)  # type: ignore[no-untyped-call]
    step = element.step
    new, name = spelled(step.definition), spelled(step.name)
    change = f"UPDATE sqlite_schema SET sql = {new} WHERE type = 'table' AND name = {name}"  # noqa: S608
    return ("PRAGMA writable_schema = ON", change, "PRAGMA writable_schema = RESET")[element.part]


class Trigger(DDLElement):
    """Keep a trigger from firing, or let it fire again as it did."""

    inherit_cache = False

    def __init__(self, step: Step, name: str, state: str) -> None:
        self.step, self.name, self.state = step, name, state


FIRING = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
"""By the letter of `tgenabled`."""


@compiles(Trigger)
def _trigger(element: Trigger, compiler: Any, **_: Any) -> str:
    step, preparer = element.step, compiler.preparer
    silent = step.verb == "silence"
    if compiler.dialect.name == "sqlite":  # which can only take them away and make them again
        return f"DROP TRIGGER {preparer.quote(element.name)}" if silent else element.state
    how = "DISABLE" if silent else FIRING[element.state]
    return f"ALTER TABLE {_path(step, preparer)} {how} TRIGGER {preparer.quote(element.name)}"


class Fill(ClauseElement):
    """UPDATE that sets a column from another one, where it is NULL and the other is not."""

    inherit_cache = False

    def __init__(self, step: Step, limit: str) -> None:
        self.step, self.limit = step, limit


@compiles(Fill)
def _fill(element: Fill, compiler: Any, **_: Any) -> str:
    step, preparer = element.step, compiler.preparer
    where = _predicate(step, preparer)
    column, value = preparer.quote(step.columns[0]), _value(step, preparer)
    return f"UPDATE {_path(step, preparer)} AS t SET {column} = {value} WHERE {where}{element.limit}"  # noqa: S608


def _value(step: Step, preparer: Any) -> str:
    return f"t.{preparer.quote(step.source)}" if step.source else f"({step.definition})"


def _predicate(step: Step, preparer: Any) -> str:
    return f"t.{preparer.quote(step.columns[0])} IS NULL AND {_value(step, preparer)} IS NOT NULL"


def fill_statement(dialect: str, step: Step, *, limit: str = "") -> str:
    """The statement of a fill, its table known as `t`; `limit` adds a condition that a store has made."""
    return str(Fill(step, limit).compile(dialect=_dialect(dialect)))


def fill_predicate(dialect: str, step: Step) -> str:
    """Which rows a fill writes, of a table known as `t`."""
    return _predicate(step, _dialect(dialect).identifier_preparer)


def statements(dialect: str, step: Step) -> Iterator[str]:
    """What a step runs, in order."""
    speaks = _dialect(dialect)
    if step.verb == "fill":
        yield from _silently(dialect, step)
        return
    for element in _elements(step):
        yield str(element.compile(dialect=speaks))


def _elements(step: Step) -> Iterator[DDLElement]:
    if step.verb in ("silence", "restore"):
        yield from (Trigger(step, name, state) for name, state in step.triggers)
    elif step.verb == "create_index":
        yield Verbatim(step)
    elif step.verb == "drop_index":
        yield DropIndex(step)
    elif step.verb == "redefine":
        yield from (Redefine(step, part) for part in range(3))
    elif step.verb in CLAUSES:
        yield Alter(step)


def _silently(dialect: str, step: Step) -> Written:
    """A fill between what keeps triggers from firing and what lets them fire again."""
    quiet = Step("silence", step.table, step.path, triggers=step.triggers)
    yield from statements(dialect, quiet)
    yield fill_statement(dialect, step)
    yield from statements(dialect, Step("restore", step.table, step.path, triggers=step.triggers))


def _path(step: Step, preparer: Any) -> str:
    return ".".join(map(preparer.quote, step.path))


def _table(path: tuple[str, ...], columns: tuple[str, ...]) -> Table:
    schema = path[0] if len(path) > 1 else None
    return Table(path[-1], MetaData(), *(Column(name) for name in columns), schema=schema)


def unique_text(columns: tuple[str, ...], *, nulls_distinct: bool) -> str:
    """A unique constraint as PostgreSQL's catalogue spells it, after its name."""
    table = _table(("t",), columns)
    rule = UniqueConstraint(
        *(table.c[name] for name in columns), postgresql_nulls_not_distinct=not nulls_distinct or None
    )
    table.append_constraint(rule)
    compiler: Any = _dialect("postgresql").ddl_compiler(_dialect("postgresql"), None)  # type: ignore[arg-type]
    return str(compiler.process(rule)).strip()


def index_text(
    dialect: str,
    path: tuple[str, ...],
    name: str,
    parts: tuple[str, ...],
    *,
    unique: bool = False,
    where: str | None = None,
    nulls_distinct: bool = True,
    plain: frozenset[str] = frozenset(),
) -> str:
    """CREATE INDEX as text. `plain` names which parts are columns; the others are expressions."""
    known = tuple(part for part in parts if part in plain)
    table = _table(path, known)
    keys = [table.c[part] if part in plain else text(_escaped(part)) for part in parts]
    options: dict[str, Any] = {}
    if dialect == "postgresql":
        options["postgresql_nulls_not_distinct"] = not nulls_distinct or None
        options["postgresql_where"] = text(_escaped(where)) if where else None
    elif where:
        options["sqlite_where"] = text(_escaped(where))
    index = Index(name, *keys, unique=unique, _table=table, **options)
    return str(CreateIndex(index).compile(dialect=_dialect(dialect)))


def _escaped(expression: str) -> str:
    """A colon in an expression is no parameter."""
    return expression.replace(":", "\\:")


def not_null_text(column: str) -> str:
    """A check that a column has a value, as PostgreSQL's catalogue spells it."""
    return f"CHECK (({_dialect('postgresql').identifier_preparer.quote(column)} IS NOT NULL))"


def foreign_key_text(
    dialect: str, columns: tuple[str, ...], parent: tuple[str, ...], parent_columns: tuple[str, ...]
) -> str:
    """A foreign key after its name."""
    quote = _dialect(dialect).identifier_preparer.quote
    own, theirs = (", ".join(map(quote, names)) for names in (columns, parent_columns))
    return f"FOREIGN KEY ({own}) REFERENCES {'.'.join(map(quote, parent))}({theirs})"
