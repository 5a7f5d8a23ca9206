"""A catalogue as a person reads it: an overview, and a sheet for each table."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from syncnb.rendering import Cell, Sheet

if TYPE_CHECKING:
    from syncnb.schema.facts import Column, ForeignKey, Schema, Table, UniqueRule

__all__ = ["not_a_target", "overview", "table_sheet"]


def not_a_target(rule: "UniqueRule") -> str:
    """Why `ON CONFLICT (columns)` does not find this rule; empty where it does."""
    if not rule.valid:
        return "it is not valid: drop it and build it again"
    if rule.deferrable:
        return "it is deferrable: PostgreSQL refuses those"
    reasons = []
    if rule.where:
        reasons.append(f"it is partial: the target must say WHERE {rule.where}")
    if rule.expressions:
        reasons.append("it has an expression: the target must repeat it")
    return " and ".join(reasons)


def overview(title: str, schema: "Schema") -> Sheet:
    """A line a table."""
    headers = ["table", "type", "columns", "key", "unique", "foreign keys", "triggers", "row security"]
    rows = [
        [
            Cell(table.label),
            Cell(table.type),
            Cell(str(len(table.columns)), "number"),
            Cell(", ".join(table.primary_key) or "none"),
            *(
                Cell(str(len(there)), "number")
                for there in (_unique(table), table.foreign_keys, table.triggers)
            ),
            Cell("hides rows" if table.row_security else "no"),
        ]
        for table in schema
    ]
    return Sheet(title, headers if rows else [], rows, [] if rows else ["no tables"])


def _unique(table: "Table") -> list["UniqueRule"]:
    return [rule for rule in table.rules if not rule.primary]


def table_sheet(table: "Table") -> Sheet:
    """The columns of a table; beneath, its keys, rules, references and triggers."""
    headers = ["column", "type", "kind", "NULL", "default", "made by"]
    rows = [
        [
            Cell(column.name),
            Cell(column.type or "(none)"),
            Cell(str(column.kind)),
            Cell("yes" if column.nullable else "no"),
            Cell(column.default or "-"),
            Cell(_made_by(column)),
        ]
        for column in table.columns
    ]
    return Sheet(f"{table.label} ({table.type})", headers, rows, list(_facts(table)))


def _made_by(column: "Column") -> str:
    if column.generated:
        return f"generated: {column.generated}"
    if column.identity:
        return f"identity, {column.identity}"
    return "-" if column.readable else "this role may not read it"


def _facts(table: "Table") -> Iterator[str]:
    yield from map(_rule, table.rules)
    yield from map(_foreign_key, table.foreign_keys)
    yield from (f"check {_on_one_line(check)}" for check in table.checks)
    for trigger in table.triggers:
        state = "" if trigger.enabled else " (disabled)"
        yield f"trigger {trigger.name}{state}: {_on_one_line(trigger.definition)}"
    if table.row_security:
        yield "row-level security hides rows of this table from this role"
    if table.options:
        yield f"options: {', '.join(table.options)}"


def _rule(rule: "UniqueRule") -> str:
    what = "primary key" if rule.primary else "unique" if rule.constraint else "unique index"
    line = f"{what} {rule.name} ({', '.join(rule.expressions or rule.columns)})"
    if not rule.nulls_distinct:
        line += " NULLS NOT DISTINCT"
    if rule.where:
        line += f" WHERE {_on_one_line(rule.where)}"
    reason = not_a_target(rule)
    return f"{line}; not found by ON CONFLICT (columns): {_on_one_line(reason)}" if reason else line


def _foreign_key(key: "ForeignKey") -> str:
    line = (
        f"foreign key {key.name} ({', '.join(key.columns)}) to {key.parent} ({', '.join(key.parent_columns)})"
    )
    line += f", on delete {key.on_delete.lower()}, on update {key.on_update.lower()}"
    line += ", deferrable" if key.deferrable else ""
    return line if key.valid else f"{line}, not validated"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
