"""Keys that are taken: the row that holds the key tells whether it is the same thing, another, or a sequence."""

import difflib
from dataclasses import replace

from syncnb.diagnosing.by_statement import repeated
from syncnb.diagnosing.case import Case
from syncnb.diagnosing.findings import Evidence, Finding, finding
from syncnb.diagnosing.looking import Look
from syncnb.errors import SyncnbError
from syncnb.schema import Table
from syncnb.steps import remedy
from syncnb.stores.probing import SequenceFacts

__all__ = ["on_keys", "same_thing"]

CODES = ("23505", "1555", "2067", "2579", "19")
BUILDS = ("create unique index", "alter table")
ROW = dict[str, str | None]


def on_keys(case: Case) -> list[Finding] | None:
    """Findings for a unique violation."""
    complaint, look, table = case.complaint, case.look, case.table
    unique = complaint.code != "19" or "UNIQUE" in complaint.text
    if complaint.code not in CODES or not unique or look is None or table is None:
        return None
    if "concurrent_index_race" in case.causes[:1]:
        return None
    columns = tuple(name for name in complaint.columns if any(c.name == name for c in table.columns))
    verb = case.statement.verb if case.statement else ""
    if (
        verb in BUILDS
        or "create unique index" in complaint.text.lower()
        or _not_there(case, look, table, columns)
    ):
        return _building(
            case, look, table, columns or (case.statement.columns if case.statement else None) or ()
        )
    if case.causes[:1] == ("duplicate_in_batch",) and not _found(case, look, table, columns):
        return [finding("duplicate_in_batch", table.label, proof=case.said, certainty="seen")]
    return _writing(case, look, table, columns)


def _not_there(case: Case, look: Look, table: Table, columns: tuple[str, ...]) -> bool:
    """Without a statement: no unique rule on these columns exists, so it was about to be made."""
    if case.statement is not None or not columns or set(columns) == set(table.primary_key):
        return False
    return not any(index.unique and set(index.columns) == set(columns) for index in look.indexes(table))


def _building(case: Case, look: Look, table: Table, columns: tuple[str, ...]) -> list[Finding] | None:
    """A unique rule was to be made over rows that do not allow it."""
    if not columns or not all(any(c.name == name for c in table.columns) for name in columns):
        return None
    words = case.statement.words if case.statement else frozenset()
    equal = {"NULLS", "DISTINCT", "NOT"} <= words or "null" in [
        value.lower() for value in case.complaint.values
    ]
    groups = look.probe.duplicates(table, columns, nulls_equal=equal)
    if not groups.groups:
        what = f"no rows of {table.label} are the same under ({', '.join(columns)}), and yet the index cannot be built"
        return [
            finding("index_corruption", table.label, what, certainty="likely"),
            finding("duplicate_rows_block_unique", table.label),
        ]
    proof = Evidence((*groups.columns, "rows"), groups.samples)
    what = f"{groups.rows:,} rows in {groups.groups:,} groups are the same under ({', '.join(columns)})"
    steps = [remedy("dedupe", table.label, columns, nulls_distinct=not equal),
             remedy("unique", table.label, columns, nulls_distinct=not equal)]  # fmt: skip
    cause = "duplicate_rows_block_unique"
    if equal and all(None in sample[:-1] for sample in groups.samples):
        cause = "null_in_key_duplicates_under_nulls_not_distinct"
    elif _loaded_twice(look, table, groups.groups):
        cause = "rows_loaded_twice"
    return [finding(cause, table.label, what, proof=proof, certainty="seen", remedies=steps)]


def _loaded_twice(look: Look, table: Table, groups: int) -> bool:
    """Nearly every row stands there twice, equal in all but what the database gives each row by itself."""
    key = table.primary_key
    rest = [
        c.name
        for c in table.columns
        if c.name not in key and c.kind not in ("json", "other") and not c.generated
    ]
    if groups < 2 or not rest or not key:
        return False
    total, _ = look.probe.counts(table, ())
    whole = look.probe.duplicates(table, rest, nulls_equal=True)
    return whole.rows >= 0.9 * total


def _writing(case: Case, look: Look, table: Table, columns: tuple[str, ...]) -> list[Finding] | None:
    primary = bool(columns) and set(columns) == set(table.primary_key)
    given = case.literals()
    statement = case.statement
    if statement and statement.verb == "update":
        holder = _found(case, look, table, columns)
        return [
            finding(
                "rename_collides_with_existing_row",
                case.where,
                proof=_rows(holder),
                certainty="seen" if holder else "likely",
            )
        ]
    if (
        statement
        and statement.verb == "insert"
        and primary
        and not set(columns) & _named(statement.columns, table, given)
        and (behind := _behind(look, table, columns))
    ):
        return behind
    if (
        statement is None
        and primary
        and (behind := _behind(look, table, columns))
        and behind[0].certainty == "seen"
    ):
        # Nobody says whether an id was given; a sequence that will collide is the best guess all the same.
        guess = replace(behind[0], certainty="likely")
        return [guess, *(finding(cause, case.where) for cause in case.causes[:3] if cause != guess.cause)]
    holder = _found(case, look, table, columns)
    if not holder and statement is None and columns and not primary:
        return [finding("other_unique_violated", case.where, proof=case.said, certainty="likely"),
                *(finding(cause, case.where) for cause in case.causes[:3] if cause != "other_unique_violated")]  # fmt: skip
    if not holder:
        return _gone(case, look, table, columns)
    if "upsert_emulated_race" in case.causes[:1]:
        return [finding("upsert_emulated_race", case.where, proof=_rows(holder), certainty="likely")]
    if not primary:
        return _another_rule(case, table, holder, columns)
    return _taken(case, look, table, holder[0], given)


def _named(told: tuple[str, ...] | None, table: Table, given: ROW) -> set[str]:
    """The columns that a statement gives; without a list, as many as it has values."""
    return (
        set(given)
        if told is None
        else {c.name for c in table.columns if c.name.lower() in {t.lower() for t in told}}
    )


def _found(case: Case, look: Look, table: Table, columns: tuple[str, ...]) -> list[ROW]:
    """The rows that hold the key, by the values of the message, else of the statement."""
    values = list(case.complaint.values)
    if not values or len(values) != len(columns):
        given = {name.lower(): value for name, value in case.literals().items()}
        if case.complaint.row and columns == table.primary_key[:1]:
            given.setdefault(columns[0].lower(), case.complaint.row)
        if not columns or not all(name.lower() in given for name in columns):
            return []
        values = [given[name.lower()] or "" for name in columns]
    return _safely(look, table, columns, values)


def _safely(look: Look, table: Table, columns: tuple[str, ...], values: list[str]) -> list[ROW]:
    try:
        return look.probe.find(table, columns, values)
    except SyncnbError:  # a value of a pasted text need not fit the type of its column
        return []


def _behind(look: Look, table: Table, columns: tuple[str, ...]) -> list[Finding]:
    """The database made the id itself, and it was taken: the sequence is behind, or was until this try."""
    found = [each for each in look.probe.sequences(table) if each.column in columns]
    if still := [each for each in found if each.behind]:
        return [sequence_finding(table, still[0])]
    if found and look.dialect == "postgresql":
        what = "the database made an id that was taken; each failed try moves the sequence, so by now it may have caught up"
        proof = Evidence(
            ("sequence", "next", "greatest"), ((found[0].name, found[0].next, found[0].greatest),)
        )
        return [
            finding(
                "sequence_behind", f"{table.label} ({found[0].column})", what, proof=proof, certainty="likely"
            )
        ]
    return []


def sequence_finding(table: Table, found: SequenceFacts) -> Finding:
    """A sequence that will give what is taken."""
    proof = Evidence(("sequence", "next", "greatest"), ((found.name, found.next, found.greatest),))
    what = f"{found.name} would give {found.next:,} next, and {table.label}.{found.column} reaches {found.greatest:,}"
    step = remedy("set_sequence", table.label, found.column)
    return finding(
        "sequence_behind",
        f"{table.label} ({found.column})",
        what,
        proof=proof,
        certainty="seen",
        remedies=[step],
    )


def _gone(case: Case, look: Look, table: Table, columns: tuple[str, ...]) -> list[Finding]:
    """Nothing holds the key now: the batch itself did, or somebody who has gone since."""
    statement = case.statement
    first = case.causes[0] if case.causes else "other_unique_violated"
    if statement and repeated(statement, columns):
        return [finding("duplicate_in_batch", case.where, proof=case.said, certainty="seen")]
    if not (case.complaint.values or case.literals()):
        return [finding(cause, case.where, proof=case.said) for cause in case.causes[:3]]
    what = f"no row of {table.label} holds this key now: it came and went, or it stood twice in the batch"
    order = dict.fromkeys([first, "duplicate_in_batch", "upsert_emulated_race"])
    return [finding(cause, case.where, what if cause != first else "", proof=case.said) for cause in order]


def _another_rule(case: Case, table: Table, holder: list[ROW], columns: tuple[str, ...]) -> list[Finding]:
    what = f"({', '.join(columns)}) of the row is taken by another row of {table.label}"
    first = finding("other_unique_violated", case.where, what, proof=_rows(holder), certainty="seen")
    if case.statement and case.statement.upserts:
        return [first]
    return [first, finding("id_already_exists_same_entity", case.where, proof=_rows(holder))]


def _taken(case: Case, look: Look, table: Table, holder: ROW, given: ROW) -> list[Finding]:
    """The id is there: the same thing, or another?"""
    known = {name.lower(): value for name, value in given.items()}
    verdict = same_thing(
        table, {c.name: known.get(c.name.lower()) for c in table.columns if c.name.lower() in known}, holder
    )
    proof = _rows([holder])
    if verdict is None:
        pair = ("id_already_exists_same_entity", "id_collision_different_entity")
        return [finding(cause, case.where, proof=proof) for cause in pair]
    cause = "id_already_exists_same_entity" if verdict else "id_collision_different_entity"
    return [finding(cause, case.where, proof=proof, certainty="seen")]


def same_thing(table: Table, ours: ROW, theirs: ROW) -> bool | None:
    """Whether two rows with the same id are the same thing: by their natural keys, else by what they share.

    None where too little is known of either.
    """
    for rule in table.rules:
        if rule.primary or not rule.columns or not set(rule.columns) <= set(ours):
            continue
        pairs = [(ours[name], theirs.get(name)) for name in rule.columns]
        if all(a is not None and b is not None for a, b in pairs):
            return all(str(a) == str(b) for a, b in pairs)
    rest = [name for name in ours if name not in table.primary_key and name in theirs]
    shared = [name for name in rest if ours[name] is not None and theirs[name] is not None]
    if not shared:
        return None
    alike = [difflib.SequenceMatcher(None, str(ours[n]), str(theirs[n])).ratio() for n in shared]
    return max(alike) > 0.6


def _rows(rows: list[ROW]) -> Evidence:
    """Rows of the table, as many columns as a person takes in."""
    if not rows:
        return Evidence()
    columns = tuple(rows[0])[:8]
    return Evidence(columns, tuple(tuple(row[name] for name in columns) for row in rows))
