"""Findings from rows that are about to be written, and from two stores that are about to be synced."""

from collections.abc import Mapping, Sequence
from typing import Any

from syncnb.diagnosing.conflict_targets import explained
from syncnb.diagnosing.findings import Evidence, Finding, Findings, finding
from syncnb.diagnosing.given import MOST_ROWS, Rows, rows_given, rows_of
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.on_targets import in_the_way, missing_columns, rules_of
from syncnb.diagnosing.preflight import Broken, Hits, preflight
from syncnb.diagnosing.silent import silent
from syncnb.diagnosing.targets import target_of
from syncnb.rendering.tables import visible
from syncnb.schema import Table, fold
from syncnb.steps import remedy
from syncnb.stores.port import Store
from syncnb.stores.rehearsing import rehearse
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import as_text

__all__ = ["from_rows", "from_stores"]

SEVERITIES = ("error", "silent", "warning", "open")
EXPECTED = ("id_already_exists_same_entity",)
"""In a sync of two stores no fault: such rows are compared, not inserted."""


def from_rows(
    look: Look,
    rows: Mapping[str, Any],
    targets: Mapping[str, Sequence[str]],
    where: str | None,
    *,
    rehearsal: bool,
) -> Findings:
    """What writing these rows would meet, table by table; without rows, what an upsert would."""
    given: dict[str, Rows] = {}
    tables: dict[str, Table] = {}
    notes: dict[str, None] = {}
    for name, each in rows.items():
        meant = look.named(name)
        notes |= {meant.note: None} if meant.note else {}
        if meant.table is None:
            look.schema.find(name)  # raises with the names there are
            continue
        tables[meant.table.label] = meant.table
        if each is not None:
            given[meant.table.label] = rows_given(each, meant.table)
    found: list[Finding] = []
    for label, table in tables.items():
        target = tuple(
            targets.get(label)
            or targets.get("*")
            or next((t for n, t in targets.items() if look.named(n).table == table), ())
        )
        found += _upsert(look, table, target, where)
        if label in given:
            found += _given(look, table, given[label], target, given, where)
            if rehearsal:
                found += _rehearsed(look, table, given[label], target)
        found += silent(look, table)
    return Findings(_sorted(found), f"{', '.join(tables)} on {look.store.name}", tuple(notes))


def _upsert(look: Look, table: Table, target: tuple[str, ...], where: str | None) -> list[Finding]:
    """Whether the target finds an index; and what stands in the way of the one it lacks."""
    if not target:
        return []
    names = {column.name for column in table.columns}
    if missing := [name for name in target if name.isidentifier() and name not in names]:
        return [missing_columns(look, table, target, missing)]
    said = explained(look.probe, table, target_of(table, target, where, look.dialect), look.dialect)
    if said:
        return []
    rows = said.frame[["index", "columns", "matches", "why"]].itertuples(index=False)
    proof = Evidence(
        ("index", "columns", "matches", "why"),
        tuple((str(a), str(b), bool(c), str(d)) for a, b, c, d in rows),
    )
    first = finding(
        said.cause or "missing_unique_constraint",
        table.label,
        fix=said.repair,
        proof=proof,
        certainty="seen",
        remedies=said.remedies,
    )
    return [first, *in_the_way(look, table, said.remedies)]


def _given(
    look: Look,
    table: Table,
    rows: Rows,
    target: tuple[str, ...],
    others: Mapping[str, Rows],
    where: str | None,
) -> list[Finding]:
    broken, hits = preflight(look, table, rows, () if where else target, others)
    found = _grouped(table, rows, broken)
    found += [_unknown(table, name) for name in rows.unknown]
    if target and hits:
        found += _collisions(look, table, rows, hits)
    if rows.cut:
        found.append(_cut(table))
    return found


def _cut(table: Table) -> Finding:
    what = f"only the first {MOST_ROWS:,} rows for {table.label} were looked at"
    return finding("cannot_tell", table.label, what, fix="pass the rest in further calls", certainty="seen")


def _unknown(table: Table, name: str) -> Finding:
    import difflib

    near = difflib.get_close_matches(name, [c.name for c in table.columns], n=1)
    proof = Evidence(("missing", "nearest"), ((name, near[0] if near else None),))
    return finding("column_missing_in_target", f"{table.label} ({name})", proof=proof, certainty="seen",
                   remedies=[remedy("add_column", table.label, name)])  # fmt: skip


def _grouped(table: Table, rows: Rows, broken: Sequence[Broken]) -> list[Finding]:
    """A finding for each cause and rule, with all its rows."""
    groups: dict[tuple[str, str], list[Broken]] = {}
    values = _lists(rows)
    for each in broken:
        groups.setdefault((each.cause, each.rule), []).append(each)
    found = []
    for (cause, rule), members in groups.items():
        proof = Evidence(
            ("row", "value", "why"), tuple((b.row, _value(values, b.row, rule), b.why) for b in members)
        )
        count = len({b.row for b in members})
        what = f"{count:,} row{'s' if count > 1 else ''} would break {visible(rule)}: {members[0].why}"
        found.append(finding(cause, f"{table.label} ({rule})", what, proof=proof, certainty="seen"))
    return found


def _lists(rows: Rows) -> dict[str, list[Raw]]:
    return {name: to_python(rows.batch.column(name)) for name in rows.batch.schema.names}


def _value(values: Mapping[str, list[Raw]], row: int, rule: str) -> str:
    """What the row has in the column, or in the columns of the rule; else its first few values."""
    names = [name for name in values if name in rule.split(", ")] or list(values)[:3]
    return ", ".join(as_text(values[name][row]) for name in names)


def _collisions(look: Look, table: Table, rows: Rows, hits: Sequence[Hits]) -> list[Finding]:
    """Rows whose id is taken by a row that another unique rule does not know: perhaps another thing."""
    key = next(
        (i.name for i in look.indexes(table) if i.primary and set(i.parts) <= set(rows.batch.schema.names)),
        None,
    )
    natural = [
        i.name for i in look.indexes(table)
        if i.unique and not i.primary and not i.where and all(i.plain) and set(i.parts) <= set(rows.batch.schema.names)
    ]  # fmt: skip
    if key is None or not natural:
        return []
    values = _lists(rows)
    alone = [hit for hit in hits if key in hit.by and not any(name in hit.by for name in natural)]
    if not alone:
        return []
    proof = Evidence(
        ("row", "value", "id taken by"),
        tuple((h.row, _value(values, h.row, ""), ", ".join(h.by[key])) for h in alone),
    )
    other = ", ".join(natural)
    what = f"{len(alone):,} rows have an id that a row with another {other} has: renamed, or another thing"
    return [finding("id_collision_different_entity", table.label, what, proof=proof, certainty="likely")]


def _rehearsed(look: Look, table: Table, rows: Rows, target: tuple[str, ...]) -> list[Finding]:
    """What the database itself says to the same rows, in a transaction that is rolled back."""
    from syncnb.diagnosing.causes import candidates

    refused = rehearse(look.store, table, rows.batch, target)  # type: ignore[arg-type]
    found = []
    for each in refused:
        cause = next(iter(candidates(each.code, each.why)[1]), "cannot_tell")
        proof = Evidence(("row", "code", "message"), ((each.row, each.code, each.why),))
        found.append(
            finding(
                cause, table.label, f"rehearsed: row {each.row} was refused", proof=proof, certainty="seen"
            )
        )
    return found


def from_stores(local: Store, remote: Look, tables: Sequence[str] | None = None) -> Findings:
    """What a sync of two stores would meet: structure, rows, and what the target does in silence."""
    ours = local.inspect()
    pairs = list(_paired(ours.tables, remote.schema.tables, tables))
    if tables:
        for name in tables:
            ours.find(name)
    found: list[Finding] = []
    for mine, theirs in pairs:
        if theirs is None:
            found.append(
                finding(
                    "table_missing",
                    mine.label,
                    f"{remote.store.name} has no table {mine.label}",
                    certainty="seen",
                    severity="warning",
                )
            )
            continue
        found += _sync(local, remote, mine, theirs)
    return Findings(_sorted(found), f"{local.name} into {remote.store.name}", tuple(remote.store.notes))


def _paired(
    ours: Sequence[Table], theirs: Sequence[Table], wanted: Sequence[str] | None
) -> list[tuple[Table, Table | None]]:
    there = {fold(table.name): table for table in theirs if not table.is_view}
    names = {fold(name) for name in wanted or ()}
    return [
        (table, there.get(fold(table.name)))
        for table in ours
        if not table.is_view and (not names or fold(table.name) in names)
    ]


def _sync(local: Store, remote: Look, mine: Table, theirs: Table) -> list[Finding]:
    rows = rows_of(local, mine.label, theirs)
    target = _identifying(theirs, set(rows.batch.schema.names))
    found: list[Finding] = []
    for name in rows.unknown:
        found.append(_unknown(theirs, name))
    broken, hits = preflight(remote, theirs, rows, target)
    found += [f for f in _grouped(theirs, rows, broken) if f.cause not in EXPECTED]
    if target and hits:
        found += _collisions(remote, theirs, rows, hits)
    if not target and rows.batch.num_rows:
        what = (
            f"nothing that is sent for {theirs.label} is unique there: each sync would insert every row again"
        )
        proof = rules_of(remote, theirs)
        found.append(
            finding(
                "missing_unique_constraint",
                theirs.label,
                what,
                severity="silent",
                proof=proof,
                certainty="seen",
            )
        )
    found += _missing_rules(remote, mine, theirs)
    found += silent(remote, theirs)
    return [*found, _cut(theirs)] if rows.cut else found


def _identifying(table: Table, given: set[str]) -> tuple[str, ...]:
    """The columns by which a sync would know a row: the primary key, else the first unique rule that is given."""
    rules = sorted(table.rules, key=lambda rule: not rule.primary)
    usable = (
        rule.columns for rule in rules if rule.columns and not rule.where and set(rule.columns) <= given
    )
    return next(usable, ())


def _missing_rules(remote: Look, mine: Table, theirs: Table) -> list[Finding]:
    """Unique rules that local keeps and remote does not, and the rows that already break them there."""
    there = [
        {fold(name) for name in index.columns}
        for index in remote.indexes(theirs)
        if index.unique and index.where is None
    ]
    names = {fold(column.name): column.name for column in theirs.columns}
    found = []
    for rule in mine.rules:
        folded = {fold(name) for name in rule.columns}
        if not folded or rule.where or folded in there or not folded <= set(names):
            continue
        columns = tuple(names[fold(name)] for name in rule.columns)
        step = remedy("unique", theirs.label, columns)
        what = f"{mine.label} is unique by ({', '.join(rule.columns)}) in local, and {theirs.label} is not"
        proof = rules_of(remote, theirs)
        found.append(
            finding("missing_unique_constraint", theirs.label, what, severity="warning", proof=proof,
                    certainty="seen", remedies=[step])
        )  # fmt: skip
        found += in_the_way(remote, theirs, (step,))
    return found


def _sorted(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then what happens in silence; the order of tables is kept."""
    return tuple(sorted(dict.fromkeys(found), key=lambda each: SEVERITIES.index(each.severity)))
