"""Many lines of a log, each about one row: what that row is on either side, and so what went wrong.

Ids mean nothing across the two sides, so rows are compared by what a person knows them by: a unique rule
that is not the primary key, in which a reference stands for what it refers to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncnb.diagnosing.findings import Evidence, Finding, Findings, Spot, finding
from syncnb.diagnosing.looking import Look
from syncnb.diagnosing.pasted import Complaint
from syncnb.errors import ReadError
from syncnb.schema import ForeignKey, Table, UniqueRule, fold

__all__ = ["Row", "from_log"]

Row = dict[str, str | None]
DEEP = 4
"""References that are followed to know what a row is about."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One row as a person knows it."""

    row: Row
    words: tuple[str, ...]
    """Its natural key, references spelled out."""
    sure: bool
    """False where there is no natural key, and so these are only some of its values."""

    def __str__(self) -> str:
        return " ".join(self.words)


def from_log(told: Sequence[Complaint], local: Look, remote: Look) -> Findings:
    """A finding for each line that names a row."""
    notes: dict[str, None] = {}
    items = []
    for complaint in told:
        here, there = (look.named(complaint.table or "") for look in (local, remote))
        notes |= dict.fromkeys(note for note in (here.note, there.note) if note)
        items.append(_finding(complaint, local, here.table, remote, there.table))
    about = f"{len(items)} lines, {local.store.name} and {remote.store.name}"
    return Findings(tuple(items), about, tuple(notes))


def _finding(
    complaint: Complaint, local: Look, ours: Table | None, remote: Look, theirs: Table | None
) -> Finding:
    where = f"{complaint.table}:{complaint.row}"
    spot = Spot(complaint.line, where, complaint.operation or "")
    if ours is None or theirs is None:
        side = local if ours is None else remote
        what = f"{side.store.name} has no table {complaint.table}"
        return replace(finding("table_missing", where, what, certainty="seen"), spot=spot)
    here, there = (_by_id(look, table, complaint.row) for look, table in ((local, ours), (remote, theirs)))
    spot = replace(spot, local=str(here or ""), remote=str(there or ""))
    known = _counterpart(local, ours, here.row, remote, theirs) if here and here.sure else None
    cause, what, fix = _judged(complaint, here, there, known, theirs)
    seen = cause != "cannot_tell"
    proof = _both(here, there, known)
    return replace(
        finding(cause, where, what, fix=fix, proof=proof, certainty="seen" if seen else "possible"), spot=spot
    )


def _judged(
    complaint: Complaint, here: Thing | None, there: Thing | None, known: Row | None, table: Table
) -> tuple[str, str, str]:
    key = table.primary_key[0] if table.primary_key else ""
    other = known.get(key) if known else None
    elsewhere = other if other is not None and other != complaint.row else None
    if here is None:
        return (
            "cannot_tell",
            "local has no row with this id any more",
            "was it deleted in local since? Then delete is what is pending",
        )
    if there is None and elsewhere is not None:
        return (
            "other_unique_violated",
            f"the same thing has the id {elsewhere} in remote",
            f"map it to {elsewhere}, and update that row",
        )
    if there is None:
        return "cannot_tell", "nothing in remote has this id now", "try again: whatever held the id has gone"
    if elsewhere is not None:
        what = f"the id belongs to {there} in remote, and {here} has the id {elsewhere} there"
        return "id_collision_different_entity", what, f"map it to {elsewhere}; keep {there}, never replace it"
    if known is not None or (_alike(here, there) and here.sure and there.sure):
        return (
            "id_already_exists_same_entity",
            f"{here} is in remote under the same id",
            "update it where ours is newer, instead of inserting",
        )
    if here.sure and there.sure:
        what = f"the id belongs to {there} in remote; {here} is not there"
        return "id_collision_different_entity", what, "insert it under a fresh id and re-point its children"
    return (
        "cannot_tell",
        "no natural key tells whether both are the same thing",
        "which columns identify a row? Say key=[…]",
    )


def _alike(here: Thing, there: Thing) -> bool:
    return here.words == there.words


def _by_id(look: Look, table: Table, value: str | None) -> Thing | None:
    """The row with that id; None where there is none."""
    if len(table.primary_key) != 1 or value is None:
        return None
    rows = _found(look, table, table.primary_key, [value])
    return _thing(look, table, rows[0]) if rows else None


def _found(look: Look, table: Table, columns: Sequence[str], values: Sequence[str | None]) -> list[Row]:
    try:
        return look.probe.find(table, columns, values)
    except ReadError:  # the id of a log line need not fit the type of the key
        return []


def _thing(look: Look, table: Table, row: Row, deep: int = 0) -> Thing:
    rule = _natural(table)
    if rule is None or any(row.get(name) is None for name in rule.columns):
        return Thing(row, _some(table, row), sure=False)
    words = [_word(look, table, name, row[name], deep) for name in rule.columns]
    return Thing(row, tuple(words), sure=True)


def _word(look: Look, table: Table, column: str, value: str | None, deep: int) -> str:
    """The value, or what it refers to."""
    key = _reference(table, column)
    if key is None or deep >= DEEP or value is None:
        return str(value)
    meant = look.named(key.parent).table
    rows = _found(look, meant, key.parent_columns, [value]) if meant else []
    if meant is None or not rows:
        return f"{column} {value} (missing)"
    return str(_thing(look, meant, rows[0], deep + 1))


def _natural(table: Table) -> UniqueRule | None:
    """The unique rule by which a person knows a row."""
    if table.natural_rules:
        return table.natural_rules[0]
    key = next((rule for rule in table.rules if rule.primary), None)
    # A composite key without an id is its own natural key.
    return key if key and len(key.columns) > 1 else None


def _reference(table: Table, column: str) -> ForeignKey | None:
    return next((key for key in table.foreign_keys if key.columns == (column,)), None)


def _some(table: Table, row: Row) -> tuple[str, ...]:
    """A few values that may tell a person what it is."""
    rest = [v for name, v in row.items() if name not in table.primary_key and v is not None]
    return tuple(rest[:3]) or tuple(str(v) for v in row.values())[:1]


def _counterpart(
    local: Look, ours: Table, row: Row, remote: Look, theirs: Table, deep: int = 0
) -> Row | None:
    """The row of remote that is the same thing, whatever its id; references by what they refer to."""
    rule = _natural(ours)
    if rule is None or deep >= DEEP:
        return None
    names = {fold(column.name): column.name for column in theirs.columns}
    columns, values = [], []
    for name in rule.columns:
        value = _there(local, ours, name, row[name], remote, deep)
        if fold(name) not in names or value is None:
            return None
        columns.append(names[fold(name)])
        values.append(value)
    rows = _found(remote, theirs, columns, values)
    return rows[0] if len(rows) == 1 else None


def _there(local: Look, ours: Table, name: str, value: str | None, remote: Look, deep: int) -> str | None:
    """What a value of local is called in remote: references are looked up by their parent."""
    key = _reference(ours, name)
    if key is None or value is None:
        return value
    parent, meant = local.named(key.parent).table, remote.named(key.parent).table
    rows = _found(local, parent, key.parent_columns, [value]) if parent else []
    if parent is None or meant is None or not rows:
        return None
    found = _counterpart(local, parent, rows[0], remote, meant, deep + 1)
    wanted = next((c.name for c in meant.columns if fold(c.name) == fold(key.parent_columns[0])), None)
    return found.get(wanted) if found and wanted else None


def _both(here: Thing | None, there: Thing | None, known: Row | None) -> Evidence:
    """The rows side by side, column by column."""
    rows: list[tuple[str | None, ...]] = []
    names = dict.fromkeys([*(here.row if here else ()), *(there.row if there else ())])
    for name in names:
        values = [
            side.get(name) if side else None for side in (here and here.row, there and there.row, known)
        ]
        rows.append((name, *values))
    return Evidence(("column", "local", "remote, same id", "remote, same thing"), tuple(rows))
