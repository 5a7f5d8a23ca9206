"""What a migration is drawn with: the tables as they are, and as they will be when the steps before have run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.journal.reading import within
from syncnb.planning.hazards import key_of_table
from syncnb.planning.locks import lock_of
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Hazard, Remedy, Skipped, Step
from syncnb.steps.schema_steps import Mode
from syncnb.stores import measuring
from syncnb.stores.alterers import firing, objects
from syncnb.stores.measuring import Coming
from syncnb.stores.port import Reader, WritableStore
from syncnb.stores.probing import is_expression
from syncnb.stores.sqlite_definitions import table_sql

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["TYPE", "Drawing", "Together", "Wishes", "add_column", "fill", "names", "path_of"]

BIG_ROWS = 100_000
"""From here on nobody shall wait for an index to be built or a table to be filled."""
IN_SIGHT = 5
TYPE = re.compile(r'[A-Za-z_"][\w ".]*(\(\s*\d+(\s*,\s*\d+)?\s*\))?[\w ]*(\[\])*')


Together = Mode | Literal["alone"]
"""In which stage a part runs; alone: in a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person told beside the steps."""

    types: Mapping[str, str] = field(default_factory=dict)
    sql_values: Mapping[str, str] = field(default_factory=dict)
    keep: str | Mapping[str, str] | None = None
    online: bool | None = None


@dataclass
class Drawing:
    """A migration while it is being drawn."""

    store: WritableStore
    reader: Reader
    schema: Schema
    wishes: Wishes
    parts: list[tuple[Together, Step | Block]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    coming: dict[tuple[str, str], Coming] = field(default_factory=dict)
    """By table and column: what earlier steps make of it."""
    filled: set[tuple[str, str]] = field(default_factory=set)
    """Columns that will be NOT NULL."""
    deduped: set[tuple[str, tuple[str, ...], bool]] = field(default_factory=set)
    """Table and columns of which duplicates go, and whether NULL counted as equal."""
    counts: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """SQLite: the CREATE texts of tables as earlier steps leave them."""

    @property
    def connection(self) -> "Connection":
        found: Any = within(self.reader, self.store.dialect)
        return found  # type: ignore[no-any-return]

    @property
    def postgres(self) -> bool:
        return self.store.dialect == "postgresql"

    @property
    def version(self) -> int:
        """Of PostgreSQL, as `server_version_num`; 0 for SQLite."""
        server: Any = getattr(self.reader, "server", None)
        return int(server.version) if server is not None else 0

    def table(self, label: str) -> Table:
        """The table of that name. Raises PlanError for a view."""
        table = self.schema.find(label)
        if table.type not in ("table", "partitioned table") or "VIRTUAL" in table.options:
            raise PlanError(
                f"{table.label} is no table that can be altered", hint="alter the table behind it"
            )
        return table

    def rows(self, table: Table) -> int:
        """How many rows it has, counted once."""
        if table.label not in self.counts:
            self.counts[table.label] = measuring.count_rows(self.connection, path_of(table))
        return self.counts[table.label]

    def online(self, table: Table) -> bool:
        """Whether it is so large that others must go on writing meanwhile."""
        if self.wishes.online is not None:
            return self.wishes.online
        return self.rows(table) >= BIG_ROWS

    def objects(self, table: Table) -> Mapping[str, str]:
        return objects(self.reader, path_of(table))

    def column(self, table: Table, name: str) -> Coming:
        """A column as it will be. Raises SchemaError where there will be none."""
        known = self.coming.get((table.label, name))
        return known or Coming(table.column(name).name)

    def nullable(self, table: Table, name: str) -> bool:
        """Whether a column will take NULL."""
        if (table.label, name) in self.filled:
            return False
        if (table.label, name) in self.coming and not self.coming[table.label, name].there:
            return True
        return table.column(name).nullable

    def add(self, step: Step, mode: Together = "transaction") -> None:
        """One more step, with what others have to wait for."""
        table = self.schema.find(step.table)
        lock = step.lock or lock_of(self.store.dialect, step, self.rows(table))
        self.parts.append((mode, replace(step, lock=lock)))

    def alone(self, step: Step) -> None:
        """One more step, in a transaction that has nothing else."""
        self.add(step, "alone")

    def text_of(self, table: Table) -> str:
        """SQLite: the CREATE text of a table."""
        if any(
            isinstance(p, Step) and p.table == table.label and p.verb == "add_column" for _, p in self.parts
        ):
            raise PlanError(
                f"columns of {table.label} are added in the same plan",
                hint="apply that first, then plan the rest",
            )
        return table_sql(self.reader._connection, table.name)  # type: ignore[attr-defined]

    def skip(self, table: Table, what: str, evidence: str) -> None:
        self.skipped.append(Skipped(table.label, what, evidence))

    def free_name(self, table: Table, wanted: str) -> str:
        """That name, or one like it which nothing has."""
        taken = {
            label.partition(" ")[2]
            for each in self.schema
            if not each.is_view
            for label in self.objects(each)
        }
        taken |= {part.name for _, part in self.parts if isinstance(part, Step)}
        wanted = wanted.encode()[:60].decode("utf-8", "ignore")
        numbered = (wanted, *(f"{wanted}{number}" for number in range(1, 100)))
        return next(name for name in numbered if name not in taken)


def path_of(table: Table) -> tuple[str, ...]:
    """Its own name, after its schema's where it has one."""
    return (table.schema, table.name) if table.schema else (table.name,)


def _wish(wishes: Mapping[str, str], table: Table, column: str) -> str | None:
    return wishes.get(f"{table.label}.{column}") or wishes.get(f"{table.name}.{column}")


def add_column(drawing: Drawing, remedy: Remedy) -> None:
    """A column that takes NULL: nothing is rewritten, whatever the size of the table."""
    table = drawing.table(remedy.table)
    for name in remedy.columns:
        kind = _wish(drawing.wishes.types, table, name) or remedy.type
        there = next((column for column in table.columns if column.name == name), None)
        if there is not None:
            if kind is not None and _plain(kind) != _plain(there.type):
                raise PlanError(
                    f"{table.label} has a column {name} already, of type {there.type}",
                    hint=f"remedy('alter_type', {table.label!r}, {name!r}, type={kind!r}) would change it",
                )
            drawing.skip(table, f"add the column {name}", f"it is there, {there.type or 'without a type'}")
            continue
        kind, note = (kind, "") if kind else _as_elsewhere(drawing, table, name)
        if not TYPE.fullmatch(kind):
            raise PlanError(f"{kind!r} is no type of a column", hint="write it as in CREATE TABLE")
        drawing.add(Step("add_column", table.label, path_of(table), (name,), definition=kind, note=note))
        drawing.coming[table.label, name] = Coming(name, there=False)


def _plain(kind: str) -> str:
    return " ".join(kind.lower().split())


def _as_elsewhere(drawing: Drawing, table: Table, name: str) -> tuple[str, str]:
    """The type that columns of this name have in other tables, where they agree."""
    others = [
        (t.label, c.type)
        for t in drawing.schema
        if t.label != table.label
        for c in t.columns
        if c.name == name
    ]
    if len({_plain(kind) for _, kind in others}) != 1:
        raise PlanError(
            f"nobody told which type {table.label}.{name} shall have",
            hint=f"types={{'{table.label}.{name}': 'text'}} tells it",
        )
    label, kind = others[0]
    return kind, f"of the type that {label}.{name} has"


def fill(drawing: Drawing, remedy: Remedy) -> None:
    """Values for rows that have none: guarded by NULL, kept in images, triggers silent."""
    table = drawing.table(remedy.table)
    for name in remedy.columns:
        coming = drawing.column(table, name)
        expression = _wish(drawing.wishes.sql_values, table, name) or ""
        if not expression and remedy.source is None:
            raise PlanError(
                f"nobody told what fills {table.label}.{name}",
                hint=f"remedy('backfill', …, source='column'), or sql_values={{'{table.label}.{name}': '…'}}",
            )
        if expression and not is_expression(expression):
            raise PlanError(f"{expression!r} is no expression", hint="one value, as in SELECT")
        source = "" if expression else table.column(remedy.source or "").name
        step = Step("fill", table.label, path_of(table), (name,), source=source, definition=expression)
        _fill(drawing, table, step, coming)


def _check_standing(drawing: Drawing, table: Table, after: Coming) -> None:
    """Raise PlanError where filled rows would run into each other under a rule that stands already."""
    for rule in table.rules:
        if after.name not in rule.columns or rule.where or not rule.valid or not after.there:
            continue
        coming = [after if name == after.name else drawing.column(table, name) for name in rule.columns]
        groups, rows = measuring.duplicates(
            drawing.connection, path_of(table), coming, nulls_equal=not rule.nulls_distinct
        )
        if groups:
            others = tuple(name for name in rule.columns if name != after.name)
            by = (after.source, *others) if after.source else rule.columns
            raise PlanError(
                f"filled, {rows:,} rows of {table.label} would share {groups:,} values of {names(rule.columns)}, "
                f"which {rule.name} forbids",
                hint=f"first, in a plan of its own: remedy('dedupe', {table.label!r}, {by!r}) with keep='…'",
            )


def _fill(drawing: Drawing, table: Table, step: Step, coming: Coming) -> None:
    name = step.columns[0]
    rows = measuring.fillable(drawing.connection, step, there=coming.there)
    after = Coming(name, coming.there, step.source, step.definition)
    if not rows:
        having = drawing.rows(table) - measuring.nulls(drawing.connection, path_of(table), coming)
        drawing.skip(
            table, f"fill {name}", f"{having:,}/{drawing.rows(table):,} records have it, no other can get it"
        )
        return
    key = key_of_table(table)
    if key is None:
        raise PlanError(
            f"no key tells the rows of {table.label} apart, so that filled ones could not be taken back",
            hint="add a primary key first",
        )
    _check_standing(drawing, table, after)
    left = measuring.nulls(drawing.connection, path_of(table), after)
    told = measuring.first_rows(drawing.connection, step, key, there=coming.there, rows=IN_SIGHT)
    shown = Block(
        table.label, "update", key, (name,),
        keys=tuple(pa.array([row[at] for row in told], pa.string()) for at in range(len(key))),
        before=(pa.nulls(len(told)),), after=(pa.array([row[-1] for row in told], pa.string()),),
    )  # fmt: skip
    triggers = firing(drawing.reader, path_of(table))
    if triggers:
        names = ", ".join(name for name, _ in triggers)
        drawing.notes.append(
            f"{table.label}: silent while it is filled, so that nothing else changes: {names}"
        )
    if left:
        drawing.notes.append(f"{table.label}.{name}: {left:,} of {drawing.rows(table):,} rows stay NULL")
    mode: Mode = "batches" if drawing.online(table) else "transaction"
    note = f"{drawing.rows(table) - left:,}/{drawing.rows(table):,} records will have it"
    drawing.add(replace(step, rows=rows, triggers=triggers, shown=shown, note=note), mode)
    drawing.coming[table.label, name] = after
    if rows > 20 and rows > 0.1 * drawing.rows(table):
        what = f"{rows:,} of {drawing.rows(table):,} rows change"
        drawing.hazards.append(Hazard("many_changes", table.label, rows, what))


def names(columns: Sequence[str]) -> str:
    """Columns as a person reads them."""
    return f"({', '.join(columns)})"
