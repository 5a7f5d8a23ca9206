"""Unique rules and indexes: the new one stands before the old one goes."""

from collections.abc import Sequence
from dataclasses import replace

from syncnb.errors import PlanError
from syncnb.migrating.drawing import Drawing, names, path_of
from syncnb.planning.hazards import refers
from syncnb.schema import Table, UniqueRule
from syncnb.steps import Remedy, Step
from syncnb.stores import measuring
from syncnb.stores.altering import index_text, unique_text
from syncnb.stores.probing import is_expression
from syncnb.stores.statements import QUOTE

__all__ = ["drop_constraint", "drop_index", "index", "rebuild_index", "replace_unique", "unique"]

NULLS_ALIKE = 15_00_00
"""The first PostgreSQL that knows NULLS NOT DISTINCT."""


def unique(drawing: Drawing, remedy: Remedy) -> None:
    """A unique rule that serves as a conflict target."""
    table = drawing.table(remedy.table)
    stands = _standing(drawing, table, remedy)
    if stands:
        alike = "" if stands.nulls_distinct else " NULLS NOT DISTINCT"
        drawing.skip(table, f"a unique rule on {names(remedy.columns)}", f"{stands.name} stands{alike}")
        return
    _add_unique(drawing, table, remedy, remedy.name or "")


def _alike(drawing: Drawing, table: Table, remedy: Remedy) -> bool:
    """Whether NULL must equal NULL: said only where a column takes NULL, or where a rule is replaced for it."""
    if remedy.verb == "replace_unique" and drawing.postgres:
        return not remedy.nulls_distinct
    plain = [name for name in remedy.columns if _is_column(drawing, table, name)]
    return not remedy.nulls_distinct and any(drawing.nullable(table, name) for name in plain)


def _standing(drawing: Drawing, table: Table, remedy: Remedy) -> UniqueRule | None:
    alike = _alike(drawing, table, remedy)
    for rule in table.rules:
        parts = rule.columns or tuple(map(_bare, rule.expressions))
        wanted = remedy.columns if rule.columns else tuple(map(_bare, remedy.columns))
        same = set(parts) == set(wanted) and _bare(rule.where or "") == _bare(remedy.where or "")
        if same and rule.valid and not rule.deferrable and rule.nulls_distinct is not alike:
            return rule
    return None


def _bare(expression: str) -> str:
    """Without blanks and the brackets around all of it, which each database sets as it likes."""
    text = "".join(expression.split())
    return text[1:-1] if text.startswith("(") and text.endswith(")") and text.count("(") == 1 else text


def _is_column(drawing: Drawing, table: Table, name: str) -> bool:
    return any(c.name == name for c in table.columns) or (table.label, name) in drawing.coming


def _add_unique(drawing: Drawing, table: Table, remedy: Remedy, name: str) -> None:
    columns = tuple(remedy.columns)
    plain = _plain(drawing, table, columns)
    whole = plain == set(columns) and not remedy.where
    if whole:
        _check_duplicates(drawing, table, remedy)
        _tell_nulls(drawing, table, remedy)
    alike = _alike(drawing, table, remedy)
    name = name or drawing.free_name(table, f"{table.name}_{'_'.join(columns)}_key")
    if alike and not (drawing.postgres and drawing.version >= NULLS_ALIKE):
        _add_coalesced(drawing, table, columns, name)
        return
    step = Step(
        "add_constraint", table.label, path_of(table), columns, name, rows=drawing.rows(table),
        definition=unique_text(columns, nulls_distinct=not alike) if whole else "",
    )  # fmt: skip
    if drawing.postgres and whole and not drawing.online(table):
        drawing.add(step)
        return
    text = index_text(
        drawing.store.dialect, path_of(table), name, columns, unique=True, where=remedy.where,
        nulls_distinct=not alike, plain=plain,
    )  # fmt: skip
    _build(drawing, table, replace(step, verb="create_index"), text)
    if drawing.postgres and whole and table.type == "table":
        drawing.add(replace(step, verb="use_index", rows=0))


def _plain(drawing: Drawing, table: Table, columns: Sequence[str]) -> frozenset[str]:
    """Which key parts are columns. Raises PlanError for one that is neither that nor an expression."""
    plain = frozenset(name for name in columns if _is_column(drawing, table, name))
    for part in set(columns) - plain:
        if not is_expression(part) or part.isidentifier():
            raise PlanError(
                f"{table.label} has no column {part!r}", hint="add the column first, or write an expression"
            )
    return plain


def _add_coalesced(drawing: Drawing, table: Table, columns: Sequence[str], name: str) -> None:
    """Where no rule can make NULL equal NULL: an index over values that stand for it."""
    parts = _coalesced(drawing, table, columns)
    drawing.notes.append(
        f"{table.label}: this database has no NULLS NOT DISTINCT: the target of an upsert must be ({', '.join(parts)})"
    )
    text = index_text(
        drawing.store.dialect, path_of(table), name, parts, unique=True, plain=frozenset(parts) & {*columns}
    )
    _build(drawing, table, Step("create_index", table.label, path_of(table), tuple(columns), name), text)


def _tell_nulls(drawing: Drawing, table: Table, remedy: Remedy) -> None:
    """Under a plain rule rows with NULL in the key never conflict, and nothing says so."""
    for name in remedy.columns if remedy.nulls_distinct else ():
        count = measuring.nulls(drawing.connection, path_of(table), drawing.column(table, name))
        if count:
            drawing.notes.append(
                f"{table.label}: {count:,} rows have no {name}: under this rule they never conflict, and every upsert "
                "inserts them anew (nulls_distinct=False makes NULL equal NULL)"
            )


def _check_duplicates(drawing: Drawing, table: Table, remedy: Remedy) -> None:
    done = {
        alike
        for label, columns, alike in drawing.deduped
        if (label, columns) == (table.label, tuple(remedy.columns))
    }
    if True in done or (done and remedy.nulls_distinct):
        return
    coming = [drawing.column(table, name) for name in remedy.columns]
    groups, rows = measuring.duplicates(
        drawing.connection, path_of(table), coming, nulls_equal=not remedy.nulls_distinct
    )
    if groups:
        raise PlanError(
            f"{rows:,} rows of {table.label} share {groups:,} values of {names(remedy.columns)}",
            hint=f"add remedy('dedupe', {table.label!r}, {tuple(remedy.columns)!r}"
            f"{'' if remedy.nulls_distinct else ', nulls_distinct=False'}) and keep='…'",
        )


def _coalesced(drawing: Drawing, table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """Key parts in which NULL is a value of its own, which no row has."""
    quote = QUOTE[drawing.store.dialect]
    parts = []
    for name in columns:
        if not drawing.nullable(table, name):
            parts.append(name)
            continue
        none = "''" if not drawing.postgres else _no_value(table, name)
        parts.append(f"coalesce({quote(name)}, {none})")
    return tuple(parts)


def _no_value(table: Table, name: str) -> str:
    kinds = {
        "text": "''",
        "uuid": "'00000000-0000-0000-0000-000000000000'::uuid",
        "integer": "-1",
        "bigint": "-1",
    }
    kind = next((c.type for c in table.columns if c.name == name), "text")
    if kind not in kinds:
        raise PlanError(
            f"before PostgreSQL 15 nothing stands for NULL in {table.label}.{name} ({kind})",
            hint=f"fill it and forbid NULL: remedy('not_null', {table.label!r}, {name!r})",
        )
    return kinds[kind]


def _build(drawing: Drawing, table: Table, step: Step, text: str) -> None:
    """Build an index; beside writers where the table is large and the engine can."""
    online = drawing.postgres and drawing.online(table) and table.type == "table"
    invalid = drawing.objects(table).get(f"index {step.name}")
    if invalid is not None and invalid.endswith(" INVALID"):
        drawing.add(Step("drop_index", table.label, path_of(table), name=step.name, concurrently=online,
                         definition=invalid.removesuffix(" INVALID"), note="a failed build left it"),
                    "outside" if online else "transaction")  # fmt: skip
    drawing.add(replace(step, definition=text, concurrently=online), "outside" if online else "transaction")


def index(drawing: Drawing, remedy: Remedy) -> None:
    """An index that serves reading."""
    table = drawing.table(remedy.table)
    columns = tuple(remedy.columns)
    there = drawing.objects(table)
    name = remedy.name or drawing.free_name(table, f"{table.name}_{'_'.join(columns)}_idx")
    found = there.get(f"index {name}")
    if found is not None and not found.endswith(" INVALID"):
        wanted = index_text(
            drawing.store.dialect, path_of(table), name, columns, where=remedy.where, plain=frozenset(columns)
        )
        if _same_index(found, wanted):
            drawing.skip(table, f"the index {name}", "it is there and valid")
            return
        raise PlanError(
            f"an index {name} is there already: {found}", hint="choose another name, or drop it first"
        )
    plain = _plain(drawing, table, columns)
    step = Step("create_index", table.label, path_of(table), columns, name, rows=drawing.rows(table))
    _build(drawing, table, step, index_text(
        drawing.store.dialect, path_of(table), name, columns, where=remedy.where, plain=plain
    ))  # fmt: skip


def _same_index(found: str, wanted: str) -> bool:
    return found.replace(" USING btree", "").split() == wanted.split()


def replace_unique(drawing: Drawing, remedy: Remedy) -> None:
    """First the new rule, then the old one goes."""
    table = drawing.table(remedy.table)
    old = _rule(table, remedy.name)
    stands = _standing(drawing, table, remedy)
    if stands and stands.name == old.name:
        drawing.skip(table, f"replace {old.name}", "it is as it shall be")
        return
    if stands is None:
        _add_unique(drawing, table, remedy, "")
    if not drawing.postgres and old.constraint:
        drawing.notes.append(
            f"{table.label}: {old.name} is part of the table itself and stays; it is the weaker one"
        )
        return
    _drop_rule(drawing, table, old)


def _rule(table: Table, name: str | None) -> UniqueRule:
    for rule in table.rules:
        if rule.name == name:
            return rule
    there = ", ".join(rule.name for rule in table.rules) or "none"
    raise PlanError(f"{table.label} has no unique rule {name!r}", hint=f"its rules: {there}")


def _drop_rule(drawing: Drawing, table: Table, rule: UniqueRule) -> None:
    for child in drawing.schema:
        for key in child.foreign_keys:
            if refers(key, table, drawing.schema) and set(key.parent_columns) == set(rule.columns):
                raise PlanError(
                    f"{rule.name} cannot go: {key.name} of {child.label} refers to its columns",
                    hint="let that reference use another rule first",
                )
    there = drawing.objects(table)
    kind = "constraint" if f"constraint {rule.name}" in there else "index"
    drawing.add(
        Step(
            f"drop_{kind}", table.label, path_of(table), rule.columns, rule.name, there[f"{kind} {rule.name}"]
        )
    )


def drop_constraint(drawing: Drawing, remedy: Remedy) -> None:
    """A constraint goes; its definition is kept."""
    table = drawing.table(remedy.table)
    definition = drawing.objects(table).get(f"constraint {remedy.name}")
    if definition is None:
        if not drawing.postgres:
            raise PlanError(f"{table.label}: SQLite cannot drop a constraint", hint="rebuild the table")
        drawing.skip(table, f"drop the constraint {remedy.name}", "there is none")
        return
    rule = next((rule for rule in table.rules if rule.name == remedy.name), None)
    if rule:
        _drop_rule(drawing, table, rule)
        return
    drawing.add(Step("drop_constraint", table.label, path_of(table), (), remedy.name or "", definition))


def drop_index(drawing: Drawing, remedy: Remedy) -> None:
    """An index goes; its definition is kept."""
    table = drawing.table(remedy.table)
    definition = drawing.objects(table).get(f"index {remedy.name}")
    if definition is None:
        drawing.skip(table, f"drop the index {remedy.name}", "there is none")
        return
    definition = definition.removesuffix(" INVALID")
    drawing.add(Step("drop_index", table.label, path_of(table), (), remedy.name or "", definition))


def rebuild_index(drawing: Drawing, remedy: Remedy) -> None:
    """An index that a failed build left is dropped and built again, by its own definition."""
    table = drawing.table(remedy.table)
    definition = drawing.objects(table).get(f"index {remedy.name}")
    if definition is None:
        raise PlanError(
            f"{table.label} has no index {remedy.name!r}", hint="look again: sn.diagnose(store, …)"
        )
    if not definition.endswith(" INVALID"):
        drawing.skip(table, f"rebuild the index {remedy.name}", "it is valid")
        return
    step = Step("create_index", table.label, path_of(table), tuple(remedy.columns), remedy.name or "")
    rule = next((rule for rule in table.rules if rule.name == remedy.name), None)
    if rule and rule.columns:
        _check_duplicates(
            drawing, table, Remedy("unique", table.label, rule.columns, nulls_distinct=rule.nulls_distinct)
        )
    _build(drawing, table, step, definition.removesuffix(" INVALID"))
