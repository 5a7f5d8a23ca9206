"""What a column may hold, what it refers to, what numbers it: each over rows that were looked at first."""

import re

from syncnb.errors import PlanError
from syncnb.migrating.drawing import TYPE, Drawing, names, path_of
from syncnb.schema import Table
from syncnb.steps import Remedy, Step
from syncnb.stores import measuring
from syncnb.stores.altering import foreign_key_text, not_null_text
from syncnb.stores.probing import is_expression
from syncnb.stores.sqlite_definitions import with_constraint, with_not_null, without_not_null
from syncnb.stores.statements import QUOTE

__all__ = [
    "alter_type",
    "drop_not_null",
    "foreign_key",
    "not_null",
    "set_default",
    "set_sequence",
    "validate",
]

PARENT = re.compile(r"\s*(?P<table>.+?)\s*(?:\((?P<columns>[^()]+)\))?\s*")


def not_null(drawing: Drawing, remedy: Remedy) -> None:
    """NULL is forbidden; on a large table by a check that is proved first, so that nobody waits for the scan."""
    table = drawing.table(remedy.table)
    for name in remedy.columns:
        if not drawing.nullable(table, name):
            drawing.skip(table, f"forbid NULL in {name}", "it is NOT NULL")
            continue
        left = measuring.nulls(drawing.connection, path_of(table), drawing.column(table, name))
        if left:
            raise PlanError(
                f"{left:,} of {drawing.rows(table):,} rows of {table.label} will have no {name}",
                hint=f"fill them first: remedy('backfill', {table.label!r}, {name!r}, source=…); or let NULL equal "
                "NULL in the rule: remedy('unique', …, nulls_distinct=False)",
            )
        step = Step("set_not_null", table.label, path_of(table), (name,), rows=drawing.rows(table))
        if not drawing.postgres:
            _redefine(drawing, table, f"{name} NOT NULL", lambda text, name=name: with_not_null(text, name))
        elif drawing.online(table):
            _proved(drawing, table, step)
        else:
            drawing.add(step)
        drawing.filled.add((table.label, name))


def _proved(drawing: Drawing, table: Table, step: Step) -> None:
    """A check that holds for new rows at once, then for all; by it SET NOT NULL needs no look at the rows."""
    check = Step(
        "add_constraint", table.label, path_of(table), name=drawing.free_name(table, f"{table.name}_{step.columns[0]}_nn"),
        definition=f"{not_null_text(step.columns[0])} NOT VALID",
    )  # fmt: skip
    drawing.add(check)
    _validated(drawing, table, check)
    drawing.add(step)
    proved = check.definition.removesuffix(" NOT VALID")
    drawing.add(Step("drop_constraint", table.label, path_of(table), name=check.name, definition=proved))


def _validated(drawing: Drawing, table: Table, added: Step) -> None:
    """In a transaction of its own: it looks at every row, and nobody may wait for that."""
    step = Step("validate", table.label, path_of(table), name=added.name, rows=drawing.rows(table))
    drawing.alone(step)


def drop_not_null(drawing: Drawing, remedy: Remedy) -> None:
    """NULL is allowed again."""
    table = drawing.table(remedy.table)
    for name in remedy.columns:
        if table.column(name).nullable:
            drawing.skip(table, f"allow NULL in {name}", "it takes NULL")
        elif drawing.postgres:
            drawing.add(Step("drop_not_null", table.label, path_of(table), (name,)))
        else:
            _redefine(
                drawing, table, f"{name} takes NULL", lambda text, name=name: without_not_null(text, name)
            )


def set_default(drawing: Drawing, remedy: Remedy) -> None:
    """What a row gets that names no value; rows that are there keep theirs."""
    table = drawing.table(remedy.table)
    if not remedy.source or not is_expression(remedy.source):
        raise PlanError(f"{remedy.source!r} is no expression", hint="source='now()', or a literal")
    if not drawing.postgres:
        raise PlanError("a default of a SQLite column cannot be set by itself", hint="make the table anew")
    for name in remedy.columns:
        was = table.column(name).default or ""
        if was == remedy.source:
            drawing.skip(table, f"give {name} the default {was}", "it has it")
            continue
        drawing.add(
            Step("set_default", table.label, path_of(table), (name,), definition=remedy.source, was=was)
        )


def alter_type(drawing: Drawing, remedy: Remedy) -> None:
    """Another type. PostgreSQL writes every row anew, and nobody can read meanwhile: it is said."""
    table = drawing.table(remedy.table)
    if not drawing.postgres:
        raise PlanError("SQLite stores what it is given: a declared type changes no value", hint="leave it")
    if not remedy.type or not TYPE.fullmatch(remedy.type):
        raise PlanError(f"{remedy.type!r} is no type of a column", hint="write it as in CREATE TABLE")
    for name in remedy.columns:
        was = table.column(name).type
        if was == remedy.type:
            drawing.skip(table, f"make {name} {was}", "it is")
            continue
        drawing.notes.append(
            f"{table.label}.{name}: every row is written anew; values that do not fit stop it"
        )
        drawing.add(Step(
            "set_type", table.label, path_of(table), (name,), definition=remedy.type, was=was, rows=drawing.rows(table)
        ))  # fmt: skip


def set_sequence(drawing: Drawing, remedy: Remedy) -> None:
    """Past the greatest value, never back."""
    table = drawing.table(remedy.table)
    for name in remedy.columns:
        column = table.column(name)
        if not drawing.postgres:
            drawing.skip(table, f"set the sequence behind {name}", "SQLite counts explicit numbers itself")
        elif column.identity is None and not (column.default or "").startswith("nextval("):
            raise PlanError(f"{table.label}.{name} has no sequence", hint="name the column that is numbered")
        else:
            drawing.add(Step("set_sequence", table.label, path_of(table), (column.name,)))


def foreign_key(drawing: Drawing, remedy: Remedy) -> None:
    """A reference: new rows are looked at from the first moment, those that are there apart, where they are many."""
    table, columns = drawing.table(remedy.table), tuple(remedy.columns)
    parent, theirs = _parent(drawing, remedy)
    for key in table.foreign_keys:
        if (key.columns, key.parent, key.parent_columns) == (columns, parent.label, theirs) and key.valid:
            drawing.skip(table, f"a reference from {names(columns)} to {parent.label}", f"{key.name} stands")
            return
    whole = [rule for rule in parent.rules if rule.valid and not rule.where and not rule.deferrable]
    if not any(set(rule.columns) == set(theirs) for rule in whole):
        raise PlanError(
            f"nothing makes {names(theirs)} of {parent.label} unique", hint="add a unique rule there first"
        )
    coming = [drawing.column(table, name) for name in columns]
    lost = measuring.orphans(drawing.connection, path_of(table), coming, path_of(parent), theirs)
    if lost:
        raise PlanError(
            f"{lost:,} rows of {table.label} refer to rows of {parent.label} that are not there",
            hint="insert the parents, or set these references to NULL, first",
        )
    name = remedy.name or drawing.free_name(table, f"{table.name}_{'_'.join(columns)}_fkey")
    text = foreign_key_text(drawing.store.dialect, columns, path_of(parent), theirs)
    step = Step("add_constraint", table.label, path_of(table), columns, name, text, rows=drawing.rows(table))
    if not drawing.postgres:
        quoted = QUOTE["sqlite"](name)
        _redefine(drawing, table, text, lambda sql: with_constraint(sql, f"CONSTRAINT {quoted} {text}"))
    elif drawing.online(table) and table.type == "table":
        slow = Step("add_constraint", table.label, path_of(table), columns, name, f"{text} NOT VALID")
        drawing.add(slow)
        _validated(drawing, table, slow)
    else:
        drawing.add(step)


def _parent(drawing: Drawing, remedy: Remedy) -> tuple[Table, tuple[str, ...]]:
    told = PARENT.fullmatch(remedy.source or "")
    if not told:
        raise PlanError("nobody told what the reference refers to", hint="source='parent (column)'")
    parent = drawing.table(told["table"])
    theirs = (
        tuple(name.strip() for name in told["columns"].split(",")) if told["columns"] else parent.primary_key
    )
    theirs = tuple(parent.column(name).name for name in theirs)
    if len(theirs) != len(remedy.columns):
        raise PlanError(
            f"{names(remedy.columns)} cannot refer to {names(theirs)}", hint="as many columns on both sides"
        )
    for name in remedy.columns:
        drawing.column(drawing.table(remedy.table), name)
    return parent, theirs


def validate(drawing: Drawing, remedy: Remedy) -> None:
    """A constraint that holds for new rows only is proved for all."""
    table = drawing.table(remedy.table)
    definition = drawing.objects(table).get(f"constraint {remedy.name}")
    if definition is None:
        raise PlanError(
            f"{table.label} has no constraint {remedy.name!r}", hint="look again: sn.diagnose(store, …)"
        )
    if not definition.endswith(" NOT VALID"):
        drawing.skip(table, f"validate {remedy.name}", "it is valid")
        return
    key = next((key for key in table.foreign_keys if key.name == remedy.name), None)
    if key is not None:
        parent = drawing.table(key.parent)
        there = [measuring.Coming(name) for name in key.columns]
        lost = measuring.orphans(
            drawing.connection, path_of(table), there, path_of(parent), key.parent_columns
        )
        if lost:
            raise PlanError(
                f"{lost:,} rows of {table.label} break {remedy.name}", hint="mend these rows first"
            )
    drawing.alone(
        Step("validate", table.label, path_of(table), name=remedy.name or "", rows=drawing.rows(table))
    )


def _redefine(drawing: Drawing, table: Table, note: str, change) -> None:  # type: ignore[no-untyped-def]
    """SQLite: the text of the table is changed in its place, all that depends on it stays as it is."""
    old = drawing.texts.get(table.label) or drawing.text_of(table)
    new = change(old)
    drawing.texts[table.label] = new
    drawing.add(Step(
        "redefine", table.label, path_of(table), name=table.name, definition=new, was=old, note=note,
        rows=drawing.rows(table),
    ))  # fmt: skip
