"""The verb `migrate`: from findings, or steps that were told, to a plan. It reads; `apply` alters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from syncnb.errors import PlanError
from syncnb.journal import journal_for
from syncnb.migrating import columns, rules
from syncnb.migrating.deduping import dedupe
from syncnb.migrating.drawing import Drawing, Together, Wishes, add_column, fill
from syncnb.planning import Plan
from syncnb.planning.fingerprint import fingerprint
from syncnb.planning.hazards import journal_notes
from syncnb.steps import Block, Remedy, Stage, Step
from syncnb.steps.remedies import REMEDIES
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store, WritableStore

__all__ = ["migrate"]

HANDLERS: Mapping[str, Callable[[Drawing, Remedy], None]] = {
    "add_column": add_column,
    "backfill": fill,
    "unique": rules.unique,
    "replace_unique": rules.replace_unique,
    "index": rules.index,
    "dedupe": dedupe,
    "not_null": columns.not_null,
    "drop_not_null": columns.drop_not_null,
    "set_default": columns.set_default,
    "alter_type": columns.alter_type,
    "foreign_key": columns.foreign_key,
    "validate": columns.validate,
    "set_sequence": columns.set_sequence,
    "drop_constraint": rules.drop_constraint,
    "drop_index": rules.drop_index,
    "rebuild_index": rules.rebuild_index,
}


@one_conversation
def migrate(
    store: Store,
    steps: Any,
    *,
    types: Mapping[str, str] | None = None,
    sql_values: Mapping[str, str] | None = None,
    keep: str | Mapping[str, str] | None = None,
    online: bool | None = None,
) -> Plan:
    """A plan that alters tables safely: previewed, applied, verified and undone like any other.

    steps: what `diagnose` found, or remedies, or a list of both: `[findings, sn.remedy("index", "t", "c")]`.
        They are put into the order in which they are safe: columns, values, then the rules over them. What is
        true already is skipped, with its evidence.
    types: `{"table.column": type}` where a new column's type is not known; by default as in other tables.
    sql_values: `{"table.column": expression}`, what fills it, in SQL of the database; written into the plan.
    keep: which of several rows with one key stays: the column whose greatest value wins, or `{table: column}`.
    online: whether others must be able to write meanwhile (many short transactions, indexes built beside them);
        by default for tables from 100,000 rows on.

    Reads catalogue and rows, writes nothing. Raises PlanError where a step cannot be made safe as it is told.
    """
    if not isinstance(store, WritableStore):
        raise PlanError(f"{getattr(store, 'name', store)} cannot be altered", hint="pass a database")
    wanted = sorted(dict.fromkeys(_remedies(steps)), key=lambda each: list(REMEDIES).index(each.verb))
    after_run, lacking = journal_for(store)
    with store.reading() as reader:
        schema = reader.schema()
        there = {name for table in schema for name in (table.name, table.label)}
        # A name may have a dot of its own; else what is before it names a schema beside the search path.
        beside = {r.table.partition(".")[0] for r in wanted if "." in r.table and r.table not in there}
        schema = reader.schema(sorted(beside)) if beside else schema
        drawing = Drawing(store, reader, schema, Wishes(types or {}, sql_values or {}, keep, online))
        for remedy in wanted:
            HANDLERS[remedy.verb](drawing, remedy)
        return _plan(drawing, after_run, lacking)


def _remedies(steps: Any) -> Iterator[Remedy]:
    if isinstance(steps, Remedy):
        yield steps
    elif hasattr(steps, "remedies"):  # what was found, or one finding of it
        yield from steps.remedies
    elif isinstance(steps, Iterable) and not isinstance(steps, str | Mapping):
        for each in steps:
            yield from _remedies(each)
    else:
        raise PlanError(
            f"a {type(steps).__name__} is no step", hint="pass what sn.diagnose found, or sn.remedy(…)"
        )


def _plan(drawing: Drawing, after_run: int, lacking: list[str]) -> Plan:
    labels = list(dict.fromkeys(part.table for _, part in drawing.parts))
    tables = {label: drawing.schema.find(label) for label in labels}
    return Plan(
        target=drawing.store.identity(),
        into="remote",
        source="a migration",
        fingerprint={label: fingerprint(table) for label, table in tables.items()},
        blocks=(),
        hazards=tuple(drawing.hazards),
        order=tuple(labels),
        sizes={label: drawing.rows(table) for label, table in tables.items()},
        after_run=after_run,
        notes=(*dict.fromkeys(drawing.notes), *journal_notes(lacking)),
        stages=tuple(_stages(drawing.parts)),
        skipped=tuple(drawing.skipped),
    )


def _stages(parts: Sequence[tuple[Together, Step | Block]]) -> Iterator[Stage]:
    """What can share a transaction shares it: then all of it happens, or nothing."""
    together: list[Step | Block] = []
    for mode, part in parts:
        if mode == "transaction":
            together.append(part)
            continue
        if together:
            yield Stage(tuple(together))
        together = []
        yield Stage((part,), "transaction" if mode == "alone" else mode)
    if together:
        yield Stage(tuple(together))
