"""One schema step within a transaction: whether it is true already, its guard, what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from syncnb.applying.lacking import lacking_told
from syncnb.errors import PlanError, WriteError
from syncnb.failpoints import reach
from syncnb.planning.files import step_content
from syncnb.planning.hazards import key_of_table
from syncnb.schema import Table
from syncnb.steps import Block, Step
from syncnb.stores import measuring
from syncnb.stores.alterers import Span, alterer, firing, objects
from syncnb.stores.altering import statements
from syncnb.stores.leaning import leaning
from syncnb.stores.port import Writer
from syncnb.stores.sqlite_definitions import redefine

__all__ = ["Made", "fill", "is_true", "make_step", "record"]

AGAIN = "draw the migration again: what is there decides what is still to do"


@dataclass
class Made:
    """What a step did: for the report, and for the journal."""

    rows: int = 0
    image: Block | None = None
    record: Mapping[str, Any] | None = None
    notes: list[str] = field(default_factory=list)


def is_true(step: Step, there: Mapping[str, str]) -> bool:
    """Whether the catalogue says already what the step would make it say."""
    column = there.get(f"column {step.columns[0]}") if step.columns else None
    index, rule = there.get(f"index {step.name}"), there.get(f"constraint {step.name}")
    match step.verb:
        case "add_column":
            return column is not None
        case "drop_column":
            return column is None
        case "add_constraint":
            return rule is not None and rule.endswith("NOT VALID") <= step.definition.endswith("NOT VALID")
        case "use_index":
            return rule is not None
        case "validate":
            return rule is not None and not rule.endswith("NOT VALID")
        case "drop_constraint":
            return rule is None
        case "create_index":
            return index is not None and not index.endswith(" INVALID")
        case "drop_index":
            return index is None
        case "set_not_null" | "drop_not_null":
            return column is not None and (" NOT NULL" in column) is (step.verb == "set_not_null")
    return False


def make_step(writer: Writer, table: Table, step: Step) -> Made:
    """Make one step. What is true already is left, and is not this run's to take back."""
    before = objects(writer, step.path)
    if step.verb == "fill":
        return fill(writer, table, step)
    if step.verb == "set_sequence":
        said = writer.advance(table, step.columns[0])
        return Made(notes=[said] if said else [])
    if is_true(step, before):
        _check_same(step, before)
        return Made(notes=[f"{step.table}: true already: {step}"])
    if step.verb == "drop_column":
        _check_empty(writer, step)
        _check_free(writer, step)
    with lacking_told(writer, table, step, before):
        if step.verb == "redefine":
            redefine(writer._connection, step.name, step.was, step.definition)  # type: ignore[attr-defined]
        else:
            alters = alterer(writer)
            for statement in statements(table_dialect(table), step):
                alters.alter(statement, step.table)
    after = objects(writer, step.path)
    if step.verb in CHECKED and not is_true(step, after):
        raise WriteError(
            f"{step.table}: it did not take: {step}", hint="nothing was kept: look at event triggers"
        )
    reach("altered")
    told = step.verb in CHECKED or step.verb == "redefine"
    return Made(record=record(step, before, after), notes=[f"{step.table}: {step}"] if told else [])


CHECKED = (
    "add_column", "drop_column", "add_constraint", "use_index", "validate", "drop_constraint", "create_index",
    "drop_index", "set_not_null", "drop_not_null",
)  # fmt: skip


def table_dialect(table: Table) -> str:
    """SQLite has no schemas."""
    return "postgresql" if table.schema else "sqlite"


def _check_same(step: Step, there: Mapping[str, str]) -> None:
    """What stands under that name must be what was meant."""
    found = there.get(f"constraint {step.name}")
    if step.verb == "add_constraint" and step.definition.startswith("UNIQUE") and found != step.definition:
        raise PlanError(f"{step.table} has another constraint {step.name}: {found}", hint=AGAIN)
    kind = there.get(f"column {step.columns[0]}") if step.verb == "add_column" else None
    if (
        kind is not None
        and kind.split(" DEFAULT ")[0].lower() != step.definition.split(" DEFAULT ")[0].lower()
    ):
        raise PlanError(f"{step.table} has a column {step.columns[0]} by now: {kind}", hint=AGAIN)


def _check_empty(writer: Writer, step: Step) -> None:
    """A column goes only with the values that the preview told."""
    values = measuring.present(writer.sql, step.path, step.columns[0])
    if values > step.rows:
        raise PlanError(
            f"{step.table}.{step.columns[0]} holds {values:,} values, and {step.rows:,} were to go with it",
            hint="rows were written since: draw the plan again, and see what would be lost",
        )


def _check_free(writer: Writer, step: Step) -> None:
    """No index or rule goes with a column, unseen: PostgreSQL would drop them along."""
    if found := leaning(writer, step.path, column=step.columns[0]):
        needs = ", ".join(map(str, found))
        raise PlanError(
            f"{step.table}.{step.columns[0]} cannot go: it is needed by now by {needs}",
            hint="drop what needs it first, or draw the plan again: it says which run made it",
        )


def fill(writer: Writer, table: Table, step: Step, span: Span | None = None, *, whole: bool = True) -> Made:
    """Fill rows, all that were shown or a part of them, and keep their keys and values."""
    if firing(writer, step.path) != step.triggers:
        raise PlanError(f"the triggers of {step.table} have changed since the plan was drawn", hint=AGAIN)
    key = key_of_table(table)
    if key is None:
        raise PlanError(f"no key tells the rows of {step.table} apart any more", hint=AGAIN)
    alters, dialect = alterer(writer), table_dialect(table)
    _each(alters, dialect, step, "silence")
    filled = alters.fill(table, step, key, span)
    _each(alters, dialect, step, "restore")
    reach("altered")
    if whole and filled.num_rows != step.rows:
        raise PlanError(
            f"{filled.num_rows:,} rows of {step.table} would be filled, and {step.rows:,} were shown",
            hint="rows came or went since: " + AGAIN,
        )
    return Made(rows=filled.num_rows, image=_image(step, key, filled), record=record(step, {}, {}))


def _each(alters: Any, dialect: str, step: Step, verb: str) -> None:
    for statement in statements(dialect, Step(verb, step.table, step.path, triggers=step.triggers)):
        alters.alter(statement, step.table)


def _image(step: Step, key: tuple[str, ...], filled: pa.RecordBatch) -> Block | None:
    if not filled.num_rows:
        return None
    keys = tuple(filled.columns[: len(key)])
    return Block(
        step.table,
        "update",
        key,
        (*key, step.columns[0]),
        keys=keys,
        before=(*keys, pa.nulls(filled.num_rows)),
        after=tuple(filled.columns),
        path=step.path,
    )


def record(step: Step, before: Mapping[str, str], after: Mapping[str, str]) -> Mapping[str, Any]:
    """A step as the journal keeps it: with every object of the table that it changed, before and after."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "step": step_content(replace(step, shown=None)),
        "before": {name: before[name] for name in changed if name in before},
        "after": {name: after[name] for name in changed if name in after},
    }
