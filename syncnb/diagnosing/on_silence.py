"""No error, or none that is known, but a statement: what it would do without telling anybody."""

from syncnb.diagnosing.case import Case
from syncnb.diagnosing.findings import Evidence, Finding, finding
from syncnb.diagnosing.log_lines import Row
from syncnb.diagnosing.looking import Look
from syncnb.errors import ReadError
from syncnb.schema import Table

__all__ = ["on_silence"]

SYMPTOMS = frozenset(
    {"replace_cascade_delete", "replace_loses_unlisted_columns", "null_in_key", "rows_sent_not_changed"}
)


def on_silence(case: Case) -> list[Finding] | None:
    """Findings for a statement that succeeds and loses or doubles data; None where nothing of it is known."""
    look, table, statement = case.look, case.table, case.statement
    known = not case.causes or (SYMPTOMS & set(case.causes[:1]) and case.complaint.code is None)
    if look is None or table is None or statement is None or not known:
        return None
    found: list[Finding] = []
    if statement.replaces:
        found += _replaced(case, look, table)
    if statement.verb == "drop table":
        found += _dropped(look, table)
    if statement.upserts and statement.target:
        found += _null_keys(case, look, table)
    if (statement.upserts and not statement.updates) or "IGNORE" in statement.words:
        found.append(finding("rows_sent_not_changed", table.label, proof=case.said))
    return found or None


def _replaced(case: Case, look: Look, table: Table) -> list[Finding]:
    """The rows that a REPLACE would delete, who would go with them, and the columns that it sets back."""
    given = {name.lower(): value for name, value in case.literals().items()}
    gone = _conflicting(look, table, given)
    children = [(name, key.on_delete) for name, key in look.probe.surroundings(table).referring]
    shown = [(_told(row), name, action) for row in gone for name, action in children or [("none", "")]]
    found = []
    if gone and (children or len(gone) > 1):
        proof = Evidence(("deleted row", "child", "on delete"), tuple(shown))
        found.append(finding("replace_cascade_delete", table.label, proof=proof, certainty="seen"))
    unlisted = [c.name for c in table.columns if c.name.lower() not in given and not c.generated]
    if lost := [name for name in unlisted if any(row.get(name) is not None for row in gone)]:
        rows = tuple((name, gone[0].get(name), table.column(name).default) for name in lost)
        where = f"{table.label} ({', '.join(lost)})"
        proof = Evidence(("column", "now", "default"), rows)
        found.append(finding("replace_loses_unlisted_columns", where, proof=proof, certainty="seen"))
    return found


def _conflicting(look: Look, table: Table, given: dict[str, str | None]) -> list[Row]:
    """The rows that share any unique value with the new one."""
    found: dict[tuple[str | None, ...], Row] = {}
    for index in look.indexes(table):
        if not index.unique or not all(index.plain) or index.where:
            continue
        values = [given.get(name.lower()) for name in index.parts]
        if any(value is None for value in values):
            continue
        try:
            rows = look.probe.find(table, index.parts, values)
        except ReadError:
            continue
        found |= {tuple(row.values()): row for row in rows}
    return list(found.values())


def _told(row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in list(row.items())[:3])


def _dropped(look: Look, table: Table) -> list[Finding]:
    """Children that an implicit DELETE of all rows would empty."""
    children = [
        (name, key) for name, key in look.probe.surroundings(table).referring if key.on_delete == "CASCADE"
    ]
    proof = Evidence(("child", "columns"), tuple((name, ", ".join(key.columns)) for name, key in children))
    return [finding("rebuild_cascade_delete", table.label, proof=proof, certainty="seen")] if children else []


def _null_keys(case: Case, look: Look, table: Table) -> list[Finding]:
    """NULL in the target: it equals nothing, so the row is inserted each time."""
    given = case.literals()
    target = (case.statement.target if case.statement else None) or ()
    nulls = [name for name in target if name in given and given[name] is None]
    distinct = any(i.nulls_distinct and set(i.parts) >= set(nulls) for i in look.indexes(table) if i.unique)
    if not nulls or not distinct:
        return []
    proof = Evidence(("column", "given"), tuple((name, "NULL") for name in nulls))
    return [finding("null_in_key", f"{table.label} ({', '.join(nulls)})", proof=proof, certainty="seen")]
