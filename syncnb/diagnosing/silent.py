"""What a write into a table would not tell: sequences behind, NULLs in keys, orphans, rules that hide or rewrite."""

from collections.abc import Iterator

from syncnb.diagnosing.conflict_targets import like_named
from syncnb.diagnosing.findings import Evidence, Finding, finding
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.on_keys import sequence_finding
from syncnb.errors import ReadError, SchemaError
from syncnb.schema import Table
from syncnb.steps import remedy

__all__ = ["silent"]


def silent(look: Look, table: Table) -> list[Finding]:
    """Findings about a table as it stands, whatever is written next. Reads counts and the catalogue."""
    if table.is_view:
        return []
    found: list[Finding] = []
    for check in (_sequences, _indexes, _keys, _references, _not_valid, _around):
        try:
            found += check(look, table)
        except ReadError as problem:
            found.append(
                finding(
                    "permission_denied", table.label, problem.message, certainty="seen", severity="warning"
                )
            )
            break
    return found


def _sequences(look: Look, table: Table) -> Iterator[Finding]:
    for sequence in look.probe.sequences(table):
        if sequence.behind and look.dialect == "postgresql":
            yield sequence_finding(table, sequence)
        elif sequence.greatest is not None and sequence.greatest >= sequence.most:
            cause = "sequence_exhausted" if look.dialect == "postgresql" else "rowid_exhausted"
            proof = Evidence(("column", "greatest"), ((sequence.column, sequence.greatest),))
            yield finding(cause, f"{table.label} ({sequence.column})", proof=proof, certainty="seen")


def _indexes(look: Look, table: Table) -> Iterator[Finding]:
    for index in look.indexes(table):
        if index.valid or index.building:
            continue
        proof = Evidence(
            ("index", "columns", "valid", "takes rows"),
            ((index.name, ", ".join(index.parts), False, index.ready),),
        )
        step = remedy("rebuild_index", table.label, index.columns, name=index.name)
        yield finding(
            "invalid_index_left",
            table.label,
            proof=proof,
            certainty="seen",
            severity="warning",
            remedies=[step],
        )


def _keys(look: Look, table: Table) -> Iterator[Finding]:
    """Unique rules over columns that may be NULL, and are: doubles that the rule does not stop."""
    for index in look.indexes(table):
        if not (index.unique and index.nulls_distinct and all(index.plain)) or index.where or index.partition:
            continue
        nullable = [name for name in index.columns if table.column(name).nullable]
        if not nullable:
            continue
        total, nulls = look.probe.counts(table, nullable)
        empty = {name: count for name, count in nulls.items() if count}
        if empty and (len(index.columns) > 1 or index.primary):
            yield _null_key(look, table, index.name, index.columns, total, empty)


def _null_key(
    look: Look, table: Table, name: str, columns: tuple[str, ...], total: int, empty: dict[str, int]
) -> Finding:
    groups = look.probe.duplicates(table, columns, nulls_equal=True)
    counts = tuple((column, count, total, groups.rows) for column, count in empty.items())
    proof = Evidence(("column", "NULL", "rows", "rows doubled"), counts)
    most = max(empty.values())
    what = f"{', '.join(empty)} of {name} is NULL in {most:,} of {total:,} rows, which the rule never counts as equal"
    sources = {column: like_named(table, column) for column in empty}
    steps = [
        remedy("backfill", table.label, column, source=like.name) for column, like in sources.items() if like
    ]
    if look.probe.nulls_can_be_equal:
        steps.append(remedy("replace_unique", table.label, columns, name=name, nulls_distinct=False))
    return finding(
        "null_in_key",
        f"{table.label} ({', '.join(columns)})",
        what,
        proof=proof,
        certainty="seen",
        remedies=steps,
    )


def _references(look: Look, table: Table) -> Iterator[Finding]:
    """SQLite checks references only where a connection asks for it; PostgreSQL not the old rows of NOT VALID."""
    for key in table.foreign_keys:
        if key.valid and look.dialect == "postgresql":
            continue
        try:
            parent = look.schema.find(key.parent)
        except SchemaError:
            yield finding(
                "table_missing",
                table.label,
                f"it refers to {key.parent}, which does not exist",
                certainty="seen",
            )
            continue
        if not any(
            set(rule.columns) == set(key.parent_columns) and rule.where is None for rule in parent.rules
        ):
            step = remedy("unique", parent.label, key.parent_columns)
            yield finding("fk_mismatch", table.label, certainty="seen", remedies=[step])
            continue
        groups = look.probe.orphans(table, key, parent)
        if groups.groups:
            proof = Evidence((*groups.columns, "rows"), groups.samples)
            what = f"{groups.rows:,} rows of {table.label} refer to rows of {parent.label} that are not there"
            yield finding(
                "fk_parent_missing",
                f"{table.label} ({', '.join(key.columns)})",
                what,
                severity="silent",
                proof=proof,
                certainty="seen",
            )


def _not_valid(look: Look, table: Table) -> Iterator[Finding]:
    for name, definition in look.probe.surroundings(table).not_valid:
        breaking = None
        if definition.upper().startswith("CHECK"):
            expression = definition.removesuffix(" NOT VALID").removesuffix(" NO INHERIT")[5:]
            breaking = look.probe.breaking(table, expression)
        proof = Evidence(("constraint", "definition", "rows that break it"), ((name, definition, breaking),))
        step = remedy("validate", table.label, name=name)
        yield finding("constraint_not_validated", table.label, proof=proof, certainty="seen", remedies=[step])


def _around(look: Look, table: Table) -> Iterator[Finding]:
    """Policies, rules and triggers: what comes between a statement and the table."""
    around = look.probe.surroundings(table)
    if table.row_security:
        proof = Evidence(("policy",), tuple((policy,) for policy in around.policies))
        what = "row-level security hides rows from this role: what looks missing may be there"
        yield finding("rls_policy", table.label, what, severity="silent", proof=proof, certainty="seen")
    if around.rules:
        yield finding(
            "rule_on_table",
            table.label,
            proof=Evidence(("rule",), tuple((rule,) for rule in around.rules)),
            certainty="seen",
        )
    rewriting = [t for t in table.triggers if t.enabled and _before(t.definition)]
    if rewriting:
        proof = Evidence(
            ("trigger", "definition"), tuple((t.name, " ".join(t.definition.split())) for t in rewriting)
        )
        yield finding("trigger_rewrites_values", table.label, proof=proof, certainty="seen")


def _before(definition: str) -> bool:
    """Whether a trigger can come between: any but one that only runs once a statement is done."""
    words = definition.upper().split()
    return "INSERT" in words or "UPDATE" in words
