"""Values that do not fit: which column it was, what stands in it, and what the table would take."""

import re

from syncnb.diagnosing.case import Case, plain
from syncnb.diagnosing.findings import Evidence, Finding, finding
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.statements import Statement
from syncnb.schema import Column, Table
from syncnb.steps import remedy
from syncnb.values.kinds import Kind

__all__ = ["length_limit", "on_cells"]

ORDER = "column_order_mismatch"
NUMBERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
LOOKS: dict[str, str] = {
    Kind.INTEGER: r"[+-]?\d+",
    Kind.NUMERIC: r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?infinity",
    Kind.FLOAT: r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf(inity)?",
    Kind.FLOAT4: r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|[+-]?inf(inity)?",
    Kind.BOOLEAN: r"t(rue)?|f(alse)?|y(es)?|no?|on|off|[01]",
    Kind.UUID: r"\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?",
    Kind.DATE: r"\d{4}-\d\d?-\d\d?.*",
    Kind.TIMESTAMP: r"\d{4}-\d\d?-\d\d?.*",
    Kind.TIMESTAMPTZ: r"\d{4}-\d\d?-\d\d?.*",
    Kind.JSON: r"[\[{\"\d].*|true|false|null|-\d.*",
    Kind.JSONB: r"[\[{\"\d].*|true|false|null|-\d.*",
    Kind.ARRAY: r"\{.*\}",
}
"""How a text looks that a type reads; kinds that are not here read anything."""


def on_cells(case: Case) -> list[Finding] | None:
    """Findings for a value that was refused."""
    look, table = case.look, case.table
    if look is None or table is None:
        return None
    first = case.causes[0] if case.causes else ""
    match first:
        case (
            "not_null_partial_row"
            | "explicit_null_overrides_default"
            | "heterogeneous_rows_null_fill"
            | "null_in_key"
        ):
            return _null(case, table)
        case "null_in_key_blocks_not_null" | "add_not_null_without_default":
            return _nulls_there(case, look, table)
        case "invalid_text_representation" | "type_mismatch" | "datetime_format" | "column_order_mismatch":
            return _misfit(case, table)
        case "value_too_long" | "numeric_out_of_range":
            return _too_much(case, table, first)
        case "check_violation":
            return _check(case, look, table)
        case "rowid_exhausted":
            return _full(look, table)
    return None


def _null(case: Case, table: Table) -> list[Finding] | None:
    column = _column(table, case.complaint.columns[:1])
    if column is None:
        return None
    statement = case.statement
    written = (
        [statement.literal(row, column.name) for row in range(len(statement.values))] if statement else []
    )
    if statement and statement.columns is None:
        written = [
            case.literals(row).get(column.name, "absent") or "null" for row in range(len(statement.values))
        ]
    nulls = [value for value in written if value is not None and value.lower() == "null"]
    proof = Evidence(
        ("column", "default", "given"),
        ((column.name, column.default or "none", "NULL" if nulls else "no" if written else "unknown"),),
    )
    where = f"{table.label} ({column.name})"
    if len(written) > 1 and 0 < len(nulls) < len(written):
        return [finding("heterogeneous_rows_null_fill", where, proof=proof, certainty="seen")]
    fills = column.default is not None or column.identity is not None
    if column.name in table.primary_key and (nulls or written) and not fills:
        return [finding("null_in_key", where, f"{column.name} is the key and has no default: without a value it is NULL",
                        fix="give the key in each row, or give the column a default", severity="error", proof=proof,
                        certainty="seen"), finding("not_null_partial_row", where, proof=proof)]  # fmt: skip
    if nulls and fills:
        return [finding("explicit_null_overrides_default", where, proof=proof, certainty="seen")]
    if written and not nulls:
        return [finding("not_null_partial_row", where, proof=proof, certainty="seen")]
    if nulls:
        what = f"NULL was given for {column.name}, which may not be NULL and has no default"
        return [finding("not_null_partial_row", where, what, proof=proof, certainty="likely"),
                finding("explicit_null_overrides_default", where, proof=proof)]  # fmt: skip
    first = "explicit_null_overrides_default" if column.default else "not_null_partial_row"
    rest = [cause for cause in case.causes[:3] if cause != first]
    return [
        finding(cause, where, proof=proof, certainty="likely" if cause == first else "possible")
        for cause in (first, *rest)
    ]


def _nulls_there(case: Case, look: Look, table: Table) -> list[Finding] | None:
    """NOT NULL over rows that have NULL: a new column, or an old one."""
    columns = case.complaint.columns[:1]
    column = _column(table, columns)
    if column is None:
        name = ", ".join(columns)
        total, _ = look.probe.counts(table, ())
        proof = Evidence(("column", "rows without a value"), ((name, total),))
        steps = [
            remedy("add_column", table.label, columns),
            remedy("backfill", table.label, columns),
            remedy("not_null", table.label, columns),
        ]
        return [
            finding(
                "add_not_null_without_default", table.label, proof=proof, certainty="seen", remedies=steps
            )
        ]
    total, nulls = look.probe.counts(table, [column.name])
    proof = Evidence(("column", "NULL", "rows"), ((column.name, nulls[column.name], total),))
    steps = [remedy("backfill", table.label, column.name), remedy("not_null", table.label, column.name)]
    cause = "null_in_key_blocks_not_null"
    return [
        finding(
            cause,
            f"{table.label} ({column.name})",
            proof=proof,
            certainty="seen" if nulls[column.name] else "likely",
            remedies=steps,
        )
    ]


def _column(table: Table, names: tuple[str, ...]) -> Column | None:
    return next((c for c in table.columns for name in names if c.name.lower() == name.lower()), None)


def _misfit(case: Case, table: Table) -> list[Finding] | None:
    """Which column does not take what was given for it; and whether another order of columns would."""
    statement = case.statement
    if statement is not None and (crossed := _crossed(case, statement, table)):
        return [crossed]
    if statement is None or statement.verb != "insert" or not statement.values:
        return None
    columns = _given_columns(case, table)
    texts = [plain(value) for value in statement.values[0]]
    if len(texts) > len(columns):
        return None
    bad = [
        (c, text)
        for c, text in zip(columns, texts, strict=False)
        if text is not None and not _takes(c, text, table)
    ]
    proof = Evidence(("column", "type", "value"), tuple((c.name, c.type, text) for c, text in bad))
    swapped = (
        statement.columns is None
        and len(texts) > 1
        and len(bad) > 0
        and _fits_elsewhere(columns, texts, table)
    )
    where = f"{table.label} ({', '.join(c.name for c, _ in bad)})" if bad else case.where
    if swapped:
        return [finding(ORDER, where, proof=proof, certainty="likely"),
                *(finding(cause, where, proof=proof) for cause in case.causes[:1] if cause != ORDER)]  # fmt: skip
    return [finding(cause, where, proof=proof if bad else case.said, certainty="likely" if at == 0 else "possible")
            for at, cause in enumerate(case.causes[:2])]  # fmt: skip


def _crossed(case: Case, statement: Statement, table: Table) -> Finding | None:
    """INSERT … SELECT * from a table that has the same columns in another order."""
    if (
        statement.columns is not None
        or not statement.source
        or case.look is None
        or "*" not in statement.text
    ):
        return None
    source = case.look.named(statement.source).table
    ours, theirs = (
        [c.name.lower() for c in table.columns],
        [c.name.lower() for c in source.columns] if source else [],
    )
    if ours == theirs or sorted(ours) != sorted(theirs):
        return None
    proof = Evidence(("place", table.label, statement.source), tuple(_by_place(ours, theirs)))
    return finding(ORDER, table.label, proof=proof, certainty="seen")


def _by_place(ours: list[str], theirs: list[str]) -> list[tuple[int, str, str]]:
    """The columns of two tables by their place."""
    return [(at, a, b) for at, (a, b) in enumerate(zip(ours, theirs, strict=True), 1)]


def _given_columns(case: Case, table: Table) -> list[Column]:
    if case.statement is None or case.statement.columns is None:
        return [c for c in table.columns if not c.generated]
    found = [_column(table, (name,)) for name in case.statement.columns]
    return [c for c in found if c is not None]


def _takes(column: Column, text: str, table: Table) -> bool:
    if table.schema is None and "STRICT" not in table.options and column.name not in table.primary_key:
        return True
    pattern = LOOKS.get(column.kind)
    return pattern is None or re.fullmatch(pattern, text.strip(), re.IGNORECASE) is not None


def _fits_elsewhere(columns: list[Column], texts: list[str | None], table: Table) -> bool:
    """Whether each value that is refused has another column, among those that are badly served, that takes it."""
    return _matched(columns[: len(texts)], texts, table)


def _matched(columns: list[Column], texts: list[str | None], table: Table) -> bool:
    """Whether some order of the columns takes all values (a matching; few columns, so by trying)."""
    taken: dict[int, int] = {}

    def place(value: int, seen: set[int]) -> bool:
        for at, column in enumerate(columns):
            text = texts[value]
            if at in seen or not (text is None or _takes(column, text, table)):
                continue
            seen.add(at)
            if at not in taken or place(taken[at], seen):
                taken[at] = value
                return True
        return False

    return all(place(value, set()) for value in range(len(texts)))


def _too_much(case: Case, table: Table, cause: str) -> list[Finding] | None:
    """The message names no column: the values of the statement do."""
    values = {c.name: case.literals().get(c.name) for c in _given_columns(case, table)}
    bad = [
        (c, values[c.name])
        for c in table.columns
        if values.get(c.name) is not None and _exceeds(c, str(values[c.name]), cause)
    ]
    if not bad:
        wide = [
            c for c in table.columns if (length_limit(c) if cause == "value_too_long" else c.type in NUMBERS)
        ]
        proof = Evidence(("column", "type"), tuple((c.name, c.type) for c in wide))
        return [finding(cause, table.label, proof=proof if wide else case.said, certainty="likely")]
    proof = Evidence(("column", "type", "value"), tuple((c.name, c.type, value) for c, value in bad))
    wider = {"smallint": "integer", "integer": "bigint"}
    steps = [
        remedy(
            "alter_type",
            table.label,
            c.name,
            type=wider.get(c.type, "text" if cause == "value_too_long" else "numeric"),
        )
        for c, _ in bad
    ]
    where = f"{table.label} ({', '.join(c.name for c, _ in bad)})"
    return [finding(cause, where, proof=proof, certainty="seen", remedies=steps)]


def _exceeds(column: Column, text: str, cause: str) -> bool:
    if cause == "value_too_long":
        limit = length_limit(column)
        return limit is not None and len(text.rstrip(" ")) > limit
    if column.type in NUMBERS and re.fullmatch(r"[+-]?\d+", text):
        return not -NUMBERS[column.type] <= int(text) < NUMBERS[column.type]
    limits = re.fullmatch(r"numeric\((\d+)(?:,(-?\d+))?\)", column.type)
    if limits and re.fullmatch(r"[+-]?\d+(\.\d*)?", text):
        return len(text.lstrip("+-0").partition(".")[0]) > int(limits[1]) - int(limits[2] or 0)
    return False


def length_limit(column: Column) -> int | None:
    """How many characters a column takes; None where it has no limit."""
    found = re.match(
        r"(?:character varying|character|varchar|nvarchar|char|bit|bit varying)\((\d+)\)",
        column.type,
        re.IGNORECASE,
    )
    return int(found[1]) if found else None


def _check(case: Case, look: Look, table: Table) -> list[Finding]:
    """The check by name, and what was given for the columns that it names."""
    name = case.complaint.constraint or ""
    given = case.literals()
    loose = dict(look.probe.surroundings(table).not_valid)
    shown = [
        (check, ", ".join(f"{c}={v}" for c, v in given.items() if re.search(rf"\b{re.escape(c)}\b", check)))
        for check in table.checks
    ]
    proof = Evidence(("check", "given"), tuple(shown))
    what = f"the check {name} is NOT VALID, so it stops new versions of old rows" if name in loose else ""
    return [
        finding(
            "check_violation",
            f"{table.label} ({name})" if name else table.label,
            what,
            proof=proof,
            certainty="seen",
        )
    ]


def _full(look: Look, table: Table) -> list[Finding]:
    """SQLite says that it is full: the disk, or the greatest rowid."""
    ends = [
        found
        for found in look.probe.sequences(table)
        if found.greatest is not None and found.greatest >= found.most
    ]
    if not ends:
        return [
            finding("disk_full", table.label, certainty="likely"),
            finding("rowid_exhausted", table.label),
        ]
    proof = Evidence(("column", "greatest"), ((ends[0].column, ends[0].greatest),))
    return [finding("rowid_exhausted", f"{table.label} ({ends[0].column})", proof=proof, certainty="seen")]
