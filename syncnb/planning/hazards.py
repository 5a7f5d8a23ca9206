"""Hazards that follow from a table's facts and from how much of it a plan touches."""

from collections.abc import Iterator, Sequence

from syncnb.journal import ALLOWED
from syncnb.schema import ForeignKey, Schema, Table
from syncnb.steps import Block, Hazard

__all__ = [
    "COUNTED",
    "WITH_IT",
    "cascades",
    "counted",
    "counted_hazards",
    "hazards_of",
    "journal_notes",
    "key_of_table",
    "refers",
    "unkept",
]

MANY_ROWS = 20
MANY_SHARE = 0.1
WITH_IT = ("CASCADE", "SET NULL", "SET DEFAULT")


def hazards_of(
    table: Table, rows: int, blocks: list[Block], schema: Schema, undecided: Sequence[Block] = ()
) -> Iterator[Hazard]:
    """What a person must allow before these blocks of one table are written. `rows` is what it holds now."""
    yield from counted_hazards(table.label, rows, blocks)
    deleted = sum(len(block) for block in blocks if block.verb == "delete")
    if deleted:
        yield from cascades(table, deleted, schema)
    yield from _update_cascades(table, [*blocks, *undecided], schema)
    if table.row_security and (blocks or undecided):
        what = "rows that this role cannot see may be in the way, or be meant"
        yield Hazard("row_security", table.label, 0, what)


def counted_hazards(label: str, rows: int, blocks: list[Block]) -> Iterator[Hazard]:
    """Those that follow from the number of rows alone, so that they can be told again after a decision."""
    changing = [block for block in blocks if not block.only_touches]
    deleted, updated = (sum(len(b) for b in changing if b.verb == verb) for verb in ("delete", "update"))
    if deleted:
        yield Hazard("deletes", label, deleted, f"{counted(deleted, 'row')} deleted")
    if deleted + updated > MANY_ROWS and deleted + updated > MANY_SHARE * rows:
        yield Hazard(
            "many_changes", label, deleted + updated, f"{deleted + updated:,} of {rows:,} rows change"
        )


COUNTED = ("deletes", "many_changes")


def counted(number: int, what: str) -> str:
    """`1 row is` or `2 rows are`."""
    return f"{number:,} {what} is" if number == 1 else f"{number:,} {what}s are"


def _update_cascades(table: Table, blocks: Sequence[Block], schema: Schema) -> Iterator[Hazard]:
    changed = {name for block in blocks if block.verb == "update" for name in block.columns}
    for child in schema:
        for key in child.foreign_keys:
            concerned = changed & set(key.parent_columns)
            if concerned and key.on_update in WITH_IT and refers(key, table, schema):
                rows = sum(len(block) for block in blocks if set(block.columns) & set(key.parent_columns))
                what = f"rows of {child.label} follow ({', '.join(key.columns)}): on update {key.on_update}"
                yield Hazard("cascades", table.label, rows, what + _lost(child))


def cascades(table: Table, rows: int, schema: Schema) -> Iterator[Hazard]:
    """Rows of other tables that a delete takes with it."""
    for child in schema:
        for key in child.foreign_keys:
            if key.on_delete in WITH_IT and refers(key, table, schema):
                what = f"rows of {child.label} that refer to them ({', '.join(key.columns)}): {key.on_delete}"
                yield Hazard("cascades", table.label, rows, what + _lost(child))


def refers(key: ForeignKey, table: Table, schema: Schema) -> bool:
    """Whether a foreign key refers to this table. One that refers to a table that is not there refers to none."""
    names = (table.label, table.name, f"{table.schema}.{table.name}")
    return key.parent == table.label or (
        key.parent in names and not any(other.label == key.parent for other in schema)
    )


def _lost(child: Table) -> str:
    why = unkept(child)
    return f"; they cannot be taken back: {why}" if why else ""


def unkept(child: Table) -> str | None:
    """Why rows of this table that follow a write cannot be kept for an undo; None where they can."""
    if not all(column.readable for column in child.columns):
        return "this role may not read all of them"
    if child.row_security:
        return "row-level security may hide some from this role"
    return None if key_of_table(child) else "nothing identifies them"


def key_of_table(table: Table) -> tuple[str, ...] | None:
    """The columns by which a row can be found again: the primary key, or a unique rule without NULLs."""
    if table.primary_key:
        return table.primary_key
    filled = {column.name for column in table.columns if not column.nullable}
    for rule in table.rules:
        whole = rule.valid and rule.columns and rule.where is None and not rule.deferrable
        if whole and set(rule.columns) <= filled:
            return rule.columns
    return None


def journal_notes(lacking: Sequence[str]) -> list[str]:
    """What a role must know that may not keep its journal in the target: what it lacks, and what holds then."""
    if not lacking:
        return []
    return [
        f"this role may not keep the journal in the target (it lacks {', '.join(lacking)}): "
        "`syncnb journal --sql` prints what an administrator can run",
        f"allow=({ALLOWED!r},) keeps it in a file on this machine: a lost answer to COMMIT is then settled by "
        "what the server remembers of the transaction, not by a marker",
    ]
