"""Objects and references: what is missing, what is there already, who refers to whom, who may not."""

import difflib

from syncnb.diagnosing.by_statement import bare
from syncnb.diagnosing.case import Case
from syncnb.diagnosing.findings import Certainty, Evidence, Finding, finding
from syncnb.diagnosing.looking import Look
from syncnb.errors import SyncnbError
from syncnb.schema import ForeignKey, Table
from syncnb.steps import remedy

__all__ = ["on_objects"]


def on_objects(case: Case) -> list[Finding] | None:
    """Findings for a missing or present object, a reference, a right."""
    look = case.look
    first = case.causes[0] if case.causes else ""
    if look is None:
        return None
    match first:
        case "table_missing" | "schema_or_role_mismatch":
            return _table(case, look)
        case "column_missing_in_target" | "schema_cache_stale" | "conflict_target_stale_after_schema_change":
            return _missing_column(case, look)
        case (
            "fk_parent_missing"
            | "fk_order"
            | "fk_child_blocks_delete"
            | "rebuild_drop_with_fk_on"
            | "replace_cascade_delete"
        ):
            return _reference(case, look)
        case "fk_mismatch" | "fk_target_not_unique":
            return _not_unique(case, look)
        case "migration_not_idempotent":
            return _there_already(case, look)
        case "read_only_connection" | "statement_timeout_batch" | "permission_denied":
            return _settings(case, look, first)
        case "rls_policy":
            return _policies(case, look)
        case "identity_generated_always" | "generated_column_written":
            return _made_by_itself(case)
    return None


def _table(case: Case, look: Look) -> list[Finding] | None:
    if case.complaint.code == "42501" or "permission" in case.complaint.text:
        return None
    name = case.complaint.table or (case.statement.table if case.statement else None)
    if name is None:
        return None
    there = look.probe.elsewhere(name)
    here = case.table is not None and bare(name) == case.table.name.lower()
    settings = look.probe.settings()
    if there or here:
        path, role = settings.get("search path", ""), settings.get("current_user", "")
        proof = Evidence(("table", "search path", "role"), tuple((t, path, role) for t in there or [name]))
        what = f"{name} exists as {', '.join(there) or name}, and the client did not find it"
        sure: Certainty = "likely" if here else "seen"
        found = finding("schema_or_role_mismatch", name, what, proof=proof, certainty=sure)
        return [found, finding("table_missing", name)]
    near = difflib.get_close_matches(bare(name), [t.name for t in look.schema], n=3, cutoff=0.6)
    proof = Evidence(("nearest name",), tuple((n,) for n in near))
    return [finding("table_missing", name, proof=proof, certainty="seen")]


def _missing_column(case: Case, look: Look) -> list[Finding] | None:
    table = case.table
    if table is None or not case.complaint.columns:
        return None
    name = case.complaint.columns[0]
    there = [c.name for c in table.columns if c.name == name]
    stale = case.causes[0] == "conflict_target_stale_after_schema_change"
    if there:
        what = (
            f"{table.label}.{name} is there now: the client knew an older schema, or meets another database"
        )
        return [
            finding("schema_cache_stale", case.where, what, certainty="likely"),
            finding("schema_or_role_mismatch", case.where),
        ]
    near = difflib.get_close_matches(name, [c.name for c in table.columns], n=3, cutoff=0.6)
    near = [c.name for c in table.columns if c.name.lower() == name.lower()] or near
    proof = Evidence(("missing", "nearest"), tuple((name, n) for n in near) or ((name, None),))
    first = "conflict_target_stale_after_schema_change" if stale else "column_missing_in_target"
    steps = [] if near and near[0].lower() == name.lower() else [remedy("add_column", table.label, name)]
    return [finding(first, f"{table.label} ({name})", proof=proof, certainty="seen", remedies=steps)]


def _reference(case: Case, look: Look) -> list[Finding] | None:
    table = case.table
    first = case.causes[0]
    if table is None:
        return None
    if case.complaint.code in ("787", "19"):
        return _nameless_reference(case, look, table)
    key = next((k for k in table.foreign_keys if k.name == case.complaint.constraint), None)
    proof = (
        Evidence(("foreign key", "columns", "refers to"), ((key.name, ", ".join(key.columns), _parent(key)),))
        if key
        else case.said
    )
    if first == "fk_parent_missing" and case.statement and case.statement.verb == "alter table":
        return _orphans(look, table, key) or [finding(first, case.where, proof=case.said, certainty="seen")]
    return [finding(first, case.where, proof=proof, certainty="seen")]


def _parent(key: ForeignKey) -> str:
    return f"{key.parent} ({', '.join(key.parent_columns)})"


def _orphans(look: Look, table: Table, key: ForeignKey | None) -> list[Finding]:
    if key is None:
        return []
    parent = look.named(key.parent).table
    if parent is None:
        return []
    groups = look.probe.orphans(table, key, parent)
    proof = Evidence((*groups.columns, "rows"), groups.samples)
    return [finding("fk_parent_missing", table.label, proof=proof, certainty="seen")] if groups.groups else []


def _nameless_reference(case: Case, look: Look, table: Table) -> list[Finding]:
    """SQLite names nothing: what the statement does, and which table refers to which, tells."""
    statement = case.statement
    referring = look.probe.surroundings(table).referring
    shown = tuple((name, ", ".join(key.columns), table.label, key.on_delete) for name, key in referring)
    children = Evidence(("child", "columns", "parent", "on delete"), shown)
    if statement and statement.verb == "drop table":
        return [finding("rebuild_drop_with_fk_on", table.label, proof=children, certainty="seen")]
    if statement and statement.replaces and referring and not table.foreign_keys:
        what = f"INSERT OR REPLACE would delete the old row of {table.label}, and others refer to it"
        return [finding("replace_cascade_delete", table.label, what, severity="error", proof=children, certainty="seen"),
                finding("fk_child_blocks_delete", table.label, proof=children)]  # fmt: skip
    if statement and (
        statement.verb == "delete"
        or (statement.verb == "update" and referring and not _touches_key(case, table))
    ):
        return [finding("fk_child_blocks_delete", table.label, proof=children, certainty="seen")]
    parents = [(k, _lacks(look, case, k)) for k in table.foreign_keys]
    proof = Evidence(
        ("columns", "refers to", "missing"),
        tuple((", ".join(k.columns), _parent(k), gone) for k, gone in parents),
    )
    first = case.causes[0] if case.causes[0] in ("fk_order", "fk_parent_missing") else "fk_parent_missing"
    seen = any(gone for _, gone in parents)
    return [finding(first, case.where or table.label, proof=proof, certainty="seen" if seen else "likely")]


def _touches_key(case: Case, table: Table) -> bool:
    """Whether an update sets a column that refers to a parent."""
    columns = {name.lower() for name in (case.statement.columns if case.statement else None) or ()}
    return any(name.lower() in columns for key in table.foreign_keys for name in key.columns)


def _lacks(look: Look, case: Case, key: ForeignKey) -> str | None:
    """The value that has no parent, as the statement gives it."""
    given = {name.lower(): value for name, value in case.literals().items()}
    values = [given.get(name.lower()) for name in key.columns]
    if any(value is None for value in values):
        return None
    try:
        parent = look.schema.find(key.parent)
        return None if look.probe.find(parent, key.parent_columns, values) else ", ".join(map(str, values))
    except SyncnbError:  # the parent itself may be missing, or be another table than the text says
        return None


def _not_unique(case: Case, look: Look) -> list[Finding] | None:
    """The parent of a foreign key has no unique rule on the columns that are referred to."""
    name = case.complaint.constraint if case.causes[0] == "fk_mismatch" else case.complaint.table
    parent = look.named(name).table if name else None
    if parent is None:
        return None
    child = case.table
    keys = [k for k in (child.foreign_keys if child else ()) if bare(k.parent) == bare(parent.name)]
    columns = keys[0].parent_columns if keys else ()
    proof = Evidence(
        ("parent", "rule", "columns"),
        tuple((parent.label, r.name, ", ".join(r.columns)) for r in parent.rules),
    )
    steps = [remedy("unique", parent.label, columns)] if columns else []
    return [finding(case.causes[0], parent.label, proof=proof, certainty="seen", remedies=steps)]


def _there_already(case: Case, look: Look) -> list[Finding] | None:
    """A name that is taken: by a table, a column, or by an index that a failed build left."""
    name = (case.statement.name if case.statement else None) or _quoted(case.complaint.text)
    for table in look.schema:
        left = next((i for i in look.indexes(table) if i.name == name and not i.valid), None)
        if left is not None:
            proof = Evidence(
                ("index", "table", "valid", "building"), ((left.name, table.label, False, left.building),)
            )
            step = remedy("rebuild_index", table.label, left.columns, name=left.name)
            return [
                finding("invalid_index_left", table.label, proof=proof, certainty="seen", remedies=[step])
            ]
    return None


def _quoted(text: str) -> str:
    parts = text.split('"')
    return parts[1] if len(parts) > 2 else ""


def _settings(case: Case, look: Look, cause: str) -> list[Finding]:
    settings = look.probe.settings()
    proof = Evidence(("setting", "value"), tuple(settings.items()))
    first = finding(cause, case.where, proof=proof, certainty="likely")
    return [first, *(finding(other, case.where) for other in case.causes[1:3])]


def _policies(case: Case, look: Look) -> list[Finding] | None:
    if case.table is None or look.dialect != "postgresql":
        return None
    policies = look.probe.surroundings(case.table).policies
    proof = Evidence(("policy",), tuple((policy,) for policy in policies))
    return [finding("rls_policy", case.table.label, proof=proof, certainty="seen", severity="error")]


def _made_by_itself(case: Case) -> list[Finding] | None:
    """Identity or generated: the catalogue knows which."""
    table = case.table
    column = next((c for c in table.columns if c.name in case.complaint.columns), None) if table else None
    if table is None or column is None or not (column.generated or column.identity):
        return None
    cause = "generated_column_written" if column.generated else "identity_generated_always"
    proof = Evidence(
        ("column", "made by"), ((column.name, column.generated or f"identity, {column.identity}"),)
    )
    return [finding(cause, f"{table.label} ({column.name})", proof=proof, certainty="seen")]
