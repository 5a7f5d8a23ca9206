"""Findings from what was pasted, with a store or without."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncnb.diagnosing.by_statement import failing, ordered
from syncnb.diagnosing.case import Case, Family
from syncnb.diagnosing.findings import Evidence, Finding, Findings, finding
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.on_cells import on_cells
from syncnb.diagnosing.on_keys import on_keys
from syncnb.diagnosing.on_objects import on_objects
from syncnb.diagnosing.on_silence import on_silence
from syncnb.diagnosing.on_targets import on_targets
from syncnb.diagnosing.pasted import Complaint, complaints
from syncnb.diagnosing.statements import Statement, statements
from syncnb.errors import SyncnbError
from syncnb.schema import Table

__all__ = ["Targets", "from_errors"]

FAMILIES: tuple[Family, ...] = (on_silence, on_targets, on_keys, on_cells, on_objects)
SHOWN = 5
"""Causes that are shown where none is certain."""
Targets = Mapping[str, Sequence[str]]
"""The columns of conflict targets, by table; `*` for all."""

QUESTIONS = {
    "missing_unique_constraint": "which columns does ON CONFLICT name, and which unique indexes does the table have? "
    "Pass the store, and target=[…] or the statement as context=",
    "id_already_exists_same_entity": "is the row that holds the key the same thing? Pass the store and the statement",
    "other_unique_violated": "which row holds the value, and was an index being built? Pass the store and the statement",
    "not_null_partial_row": "was the column left out, or given as NULL? Pass the statement as context=",
    "fk_parent_missing": "was a child written, or a parent deleted? Pass the statement as context=",
    "lock_timeout_ddl": "was it a migration, a back-fill, or a plain write? Pass the statement as context=",
    "lock_contention": "did the transaction read before it wrote? Pass its statements as context=",
    "table_missing": "is the table in another schema or database? Pass the store",
}  # fmt: skip
WHOLE = "paste the whole message with its code and DETAIL, and the statement as context="


def from_errors(
    pasted: str | BaseException,
    look: Look | None = None,
    *,
    context: str = "",
    targets: Targets | None = None,
    where: str | None = None,
    table: str | None = None,
) -> Findings:
    """What is behind each error of a paste, best first; a swallowed first error before what followed from it."""
    told = complaints(pasted)
    told = tuple(sorted(told, key=lambda c: c.code == "25P02"))
    notes: dict[str, None] = {}
    found: list[Finding] = []
    question = ""
    for complaint in told:
        case, said = _case(complaint, look, context, targets or {}, where, table)
        notes |= dict.fromkeys(said)
        items = _findings(case)
        found += items
        if items and items[0].certainty == "possible" and not question:
            question = QUESTIONS.get(items[0].cause, "" if look else "pass the store as well")
        if not items:
            question = question or WHOLE
    distinct = list(dict.fromkeys(found)) or [finding("cannot_tell", proof=_said(told), fix=WHOLE)]
    many = f"{len(told)} errors" if len(told) > 1 else "the error"
    return Findings(
        tuple(distinct), f"{many}{f' on {look.store.name}' if look else ''}", tuple(notes), question
    )


def _said(told: Sequence[Complaint]) -> Evidence:
    return Case(told[0], ()).said


def _case(
    complaint: Complaint,
    look: Look | None,
    context: str,
    targets: Targets,
    where: str | None,
    told: str | None,
) -> tuple[Case, list[str]]:
    given = statements(complaint.statement or "") or ()
    around: tuple[Statement, ...] = (*statements(context), *given)
    statement = failing(around, complaint)
    name = complaint.table or (statement.table if statement else None) or told
    notes: list[str] = []
    table = None
    if look is not None:
        table, note = _table(look, name, complaint)
        notes += [note] if note else []
    if look is not None and table is not None:
        complaint = _with_columns(look, table, complaint)
    label = table.label if table else name or ""
    target = next((tuple(targets[key]) for key in (label, name, "*") if key and key in targets), ())
    causes = ordered(complaint, statement, around)
    return Case(complaint, causes, statement, around, look, table, target, where), notes


def _with_columns(look: Look, table: Table, complaint: Complaint) -> Complaint:
    """The columns of the rule that the message names, where it names no columns itself."""
    if complaint.columns or not complaint.constraint:
        return complaint
    there = next((index for index in look.indexes(table) if index.name == complaint.constraint), None)
    return replace(complaint, columns=there.columns) if there and all(there.plain) else complaint


def _table(look: Look, name: str | None, complaint: Complaint) -> tuple[Table | None, str]:
    if name is not None:
        meant = look.named(name)
        if meant.table is not None or not complaint.constraint:
            return meant.table, meant.note
    if complaint.constraint:
        there = look.probe.table_of(complaint.constraint)
        if len(there) == 1 and (meant := look.named(there[0])).table is not None:
            return meant.table, ""
    if name is None and len(look.schema) == 1:
        only = look.schema.tables[0]
        return only, f"no table is named; {only.label} is the only one"
    return None, "" if name else "no table is named: say tables='…'"


def _findings(case: Case) -> list[Finding]:
    if case.look is not None:
        for family in FAMILIES:
            try:
                found = family(case)
            except SyncnbError:  # this role may not look; the text still says something
                continue
            if found is not None:
                return found
    causes = case.causes[:SHOWN]
    sure = len(case.causes) == 1
    return [
        finding(cause, case.where, proof=case.said, certainty="likely" if sure else "possible")
        for cause in causes
    ]
