"""Upserts whose target nothing covers: the indexes of the table decide what it was."""

from syncnb.diagnosing.case import Case
from syncnb.diagnosing.conflict_targets import Explanation, explained, like_named, steps_for_missing
from syncnb.diagnosing.findings import Evidence, Finding, finding
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.targets import target_of
from syncnb.errors import SchemaError
from syncnb.schema import Table
from syncnb.steps import Remedy, remedy
from syncnb.stores.probing import IndexFacts

__all__ = ["in_the_way", "missing_columns", "on_targets", "rules_of"]

ABOUT = frozenset(
    {"missing_unique_constraint", "deferrable_constraint", "exclusion_constraint_only", "rule_on_table"}
)


def on_targets(case: Case) -> list[Finding] | None:
    """Findings for an upsert that the engine refused because of its target."""
    look, table, text = case.look, case.table, case.complaint.text
    if look is None or not (ABOUT & set(case.causes[:1]) or "ON CONFLICT" in text):
        return _on_constraint(case)
    if "a second time" in text or "inference specification" in text:
        return None
    statement = case.statement
    if statement and statement.on_constraint:
        return _on_constraint(case)
    if table is None:
        return None
    if case.causes[:1] == ("rule_on_table",):
        proof = Evidence(("rule",), tuple((rule,) for rule in look.probe.surroundings(table).rules))
        return [finding("rule_on_table", table.label, proof=proof, certainty="seen")]
    parts = case.target or (statement.target if statement else None) or ()
    where = case.target_where or (statement.target_where if statement else None)
    if parts:
        return _told_target(case, look, table, parts, where)
    return _no_target(case, look, table) if case.causes[:1] == ("missing_unique_constraint",) else None


def _told_target(
    case: Case, look: Look, table: Table, parts: tuple[str, ...], where: str | None
) -> list[Finding]:
    missing = [name for name in parts if name.isidentifier() and not _has(table, name)]
    if missing:
        return [missing_columns(look, table, parts, missing)]
    try:
        found = explained(look.probe, table, target_of(table, parts, where, look.dialect), look.dialect)
    except SchemaError as problem:
        return [finding("column_missing_in_target", table.label, problem.message, certainty="seen")]
    if found:
        return _works_now(case, look, table, found)
    fix, steps = found.repair, found.remedies
    blocking = in_the_way(look, table, steps)
    cause, what = _why_missing(case, look, table, found.cause or "missing_unique_constraint", parts, where)
    first = finding(
        cause,
        table.label,
        what,
        fix=fix,
        proof=Evidence(("index", "columns", "matches", "why"), _lines(found)),
        certainty="seen",
        remedies=steps,
    )
    return [first, *blocking]


def _why_missing(
    case: Case, look: Look, table: Table, cause: str, parts: tuple[str, ...], where: str | None
) -> tuple[str, str]:
    """Whether a rule that is not there was lost in a rebuild, or stands on a table of the same name elsewhere."""
    if cause != "missing_unique_constraint":
        return cause, ""
    made = [s for s in case.context if s.verb in ("create table", "drop table", "alter table")]
    if look.probe.surroundings(table).rebuilt or any("RENAME" in s.words for s in made):
        return (
            "constraint_lost_in_rebuild",
            f"{table.label} was rebuilt, and no unique rule of it covers the target",
        )
    for name in look.probe.elsewhere(table.name):
        schema = name.partition(".")[0]
        if schema == table.schema:
            continue
        other = look.store.inspect(schemas=[schema]).find(name)
        if explained(look.probe, other, target_of(other, parts, where, look.dialect), look.dialect):
            return (
                "constraint_not_visible_to_client",
                f"{name} has the rule; this client meets {table.schema}.{table.name}",
            )
    return cause, ""


def _lines(found: Explanation) -> tuple[tuple[str, str, bool, str], ...]:
    rows = found.frame[["index", "columns", "matches", "why"]].itertuples(index=False)
    return tuple((str(name), str(columns), bool(matches), str(why)) for name, columns, matches, why in rows)


def _has(table: Table, name: str) -> bool:
    return any(column.name.lower() == name.strip('"').lower() for column in table.columns)


def missing_columns(look: Look, table: Table, parts: tuple[str, ...], missing: list[str]) -> Finding:
    """The rule cannot be there, because a column of it is not."""
    distinct = not look.probe.nulls_can_be_equal
    steps = steps_for_missing(table, parts, missing, nulls_distinct=distinct)
    plural = "columns" if len(missing) > 1 else "column"
    return finding(
        "missing_unique_constraint",
        table.label,
        f"the conflict target names the {plural} {', '.join(missing)}, which the table does not have",
        fix=f"add {', '.join(missing)}, fill it, then add a unique rule on ({', '.join(parts)})",
        proof=rules_of(look, table),
        certainty="seen",
        remedies=steps,
    )  # fmt: skip


def _no_target(case: Case, look: Look, table: Table) -> list[Finding]:
    """The message names no columns: a flawed index is the likeliest, and the question stays open."""
    there = [index for index in look.indexes(table) if not index.primary]
    unique = [index for index in there if index.unique or index.exclusion]
    flawed = [flaw for index in unique if (flaw := _flaw(index))]
    others = ["missing_unique_constraint"]
    others += ["conflict_target_wrong_columns"] if len(flawed) < len(unique) else []
    others += ["non_unique_index_only"] if len(unique) < len(there) else []
    if others[1:] == ["non_unique_index_only"]:
        others.reverse()  # nothing else is unique: an index that was meant to be
    order = list(dict.fromkeys([*flawed, *others]))
    return [
        finding(cause, table.label, proof=rules_of(look, table), certainty="possible" if at else "likely")
        for at, cause in enumerate(order)
    ]


def _flaw(index: IndexFacts) -> str | None:
    if index.exclusion:
        return "exclusion_constraint_only"
    if index.partition:
        return "partition_unique_not_on_parent"
    if not index.valid:
        return "invalid_index_left"
    if index.deferrable:
        return "deferrable_constraint"
    if index.where:
        return "partial_index_predicate_not_in_on_conflict"
    return None if all(index.plain) else "expression_index_mismatch"


def _works_now(case: Case, look: Look, table: Table, found: Explanation) -> list[Finding]:
    """The same target is fine here and now: so something differs between then and now, or there and here."""
    settings = look.probe.settings()
    proof = Evidence(("what", "found"), tuple((name, value) for name, value in settings.items()))
    what = f"{found.target} works on {table.label} now: the rule came later, or the client meets another database"
    order = ["constraint_created_later", "constraint_not_visible_to_client", "bound_parameter_in_target"]
    return [
        finding(order[0], table.label, what, proof=rules_of(look, table), certainty="likely"),
        finding(order[1], table.label, proof=proof),
        finding(order[2], table.label, proof=case.said),
    ]


def _on_constraint(case: Case) -> list[Finding] | None:
    """ON CONFLICT ON CONSTRAINT name: an index of that name, or none at all."""
    look, table = case.look, case.table
    name = (case.statement.on_constraint if case.statement else None) or case.complaint.constraint
    if look is None or not name or case.causes[:1] != ("index_name_used_as_constraint",):
        return None
    if table is None:
        return None
    same = next((index for index in look.indexes(table) if index.name == name), None)
    if same is not None and same.constraint is None:
        words = f"name its columns instead: ON CONFLICT ({', '.join(same.parts)})" + (
            f" WHERE {same.where}" if same.where else ""
        )
        return [
            finding(
                "index_name_used_as_constraint",
                table.label,
                fix=words,
                proof=rules_of(look, table),
                certainty="seen",
            )
        ]
    if same is not None:
        return [
            finding("constraint_created_later", table.label, proof=rules_of(look, table), certainty="likely")
        ]
    usable = [index for index in look.indexes(table) if index.unique]
    what = f"{table.label} has no constraint or index {name}: it was renamed, dropped, or never made"
    first = finding(
        "conflict_target_stale_after_schema_change",
        table.label,
        what,
        proof=rules_of(look, table),
        certainty="likely",
    )
    second = finding("missing_unique_constraint", table.label, proof=rules_of(look, table))
    return [first, second] if usable else [second, first]


def rules_of(look: Look, table: Table) -> Evidence:
    """The unique indexes of a table as evidence."""
    return Evidence(
        ("index", "columns", "unique", "note"),
        tuple(
            (index.name, ", ".join(index.parts), index.unique or index.exclusion, _note(index))
            for index in look.indexes(table)
        ),
    )


def _note(index: IndexFacts) -> str:
    said = [
        f"WHERE {index.where}" if index.where else "",
        "" if index.nulls_distinct else "NULLS NOT DISTINCT",
        "deferrable" if index.deferrable else "",
        "" if index.valid else "not valid",
        "exclusion" if index.exclusion else "",
        f"on partition {index.partition}" if index.partition else "",
    ]
    return ", ".join(filter(None, said))


def in_the_way(look: Look, table: Table, steps: tuple[Remedy, ...]) -> list[Finding]:
    """What would break a unique rule that is proposed: NULLs and duplicates in its columns."""
    found: list[Finding] = []
    for step in steps:
        if step.verb not in ("unique", "replace_unique", "rebuild_index") or not step.columns:
            continue
        if not all(_has(table, name) for name in step.columns):
            continue
        total, nulls = look.probe.counts(table, step.columns)
        if empty := {name: count for name, count in nulls.items() if count}:
            found.append(_nulls(table, step, total, empty))
        equal = not step.nulls_distinct
        groups = look.probe.duplicates(table, step.columns, nulls_equal=equal)
        if groups.groups:
            proof = Evidence((*groups.columns, "rows"), groups.samples)
            cause = "duplicate_rows_block_unique"
            if equal and all(None in sample[:-1] for sample in groups.samples):
                cause = "null_in_key_duplicates_under_nulls_not_distinct"
            what = f"{groups.rows:,} rows in {groups.groups:,} groups are the same under ({', '.join(step.columns)})"
            found.append(
                finding(cause, table.label, what, proof=proof, certainty="seen",
                        remedies=[remedy("dedupe", table.label, step.columns, nulls_distinct=step.nulls_distinct)])
            )  # fmt: skip
    return found


def _nulls(table: Table, step: Remedy, total: int, empty: dict[str, int]) -> Finding:
    proof = Evidence(("column", "NULL", "rows"), tuple((name, count, total) for name, count in empty.items()))
    what = f"{', '.join(empty)} of {table.label} may be NULL and is, in {max(empty.values()):,} of {total:,} rows"
    sources = {name: like_named(table, name) for name in empty}
    steps = [
        remedy("backfill", table.label, name, source=like.name) for name, like in sources.items() if like
    ]
    return finding(
        "null_in_key",
        f"{table.label} ({', '.join(empty)})",
        what,
        proof=proof,
        certainty="seen",
        remedies=steps,
    )
