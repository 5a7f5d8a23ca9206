"""Hazards that follow from a table's facts and from how much of it a plan touches."""

from collections.abc import Iterator, Sequence

from syncnb.journal import ALLOWED
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Hazard

__all__ = ["COUNTED", "cascades", "counted", "counted_hazards", "hazards_of", "journal_notes"]

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
    deleted, updated = (sum(len(b) for b in blocks if b.verb == verb) for verb in ("delete", "update"))
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
            refers = schema.find(key.parent).label == table.label and changed & set(key.parent_columns)
            if refers and key.on_update in WITH_IT:
                rows = sum(len(block) for block in blocks if set(block.columns) & set(key.parent_columns))
                what = f"rows of {child.label} follow ({', '.join(key.columns)}): on update {key.on_update}"
                yield Hazard("cascades", table.label, rows, what)


def cascades(table: Table, rows: int, schema: Schema) -> Iterator[Hazard]:
    """Rows of other tables that a delete takes with it."""
    for child in schema:
        for key in child.foreign_keys:
            if key.on_delete in WITH_IT and schema.find(key.parent).label == table.label:
                what = f"rows of {child.label} that refer to them ({', '.join(key.columns)}): {key.on_delete}"
                yield Hazard("cascades", table.label, rows, what)


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
