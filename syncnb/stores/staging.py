"""What is true of a block for every engine: which ones are refused before anything is sent."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.errors import PlanError
from syncnb.schema import Table
from syncnb.steps import Block
from syncnb.values.raw import MIXED, concat, to_python

__all__ = ["NUMBER", "arranged", "check_block", "joined"]

NUMBER = "syncnb row #"
"""The column that numbers the rows of a block, from 0. A table may well have a column that is called #."""

UNWRITABLE = ("view", "materialized view", "foreign table", "frame")


def check_block(table: Table, block: Block) -> None:
    """Raise PlanError where this block cannot be written to this table, SchemaError for unknown columns."""
    if table.type in UNWRITABLE:
        raise PlanError(
            f"{table.label} is a {table.type}: its rows cannot be locked and proved",
            hint="write the tables behind it, or run this where the table itself is",
        )
    if not block.key:
        raise PlanError(f"nothing identifies a row of {table.label}", hint="compare with key=(…)")
    _check_columns(table, block)
    lengths = {len(array) for part in (block.keys, block.before, block.after) for array in part}
    if len(lengths) != 1:
        raise PlanError(
            f"the columns of a block of {table.label} differ in length", hint="draw the plan again"
        )
    if twice := len(block) - _distinct(block.keys):
        raise PlanError(
            f"{twice:,} keys of {table.label} come twice in one block", hint="draw the plan again"
        )


def _check_columns(table: Table, block: Block) -> None:
    for name in block.key:
        table.column(name)
    for name in block.columns:
        column = table.column(name)
        if block.verb != "delete" and column.generated is not None:
            raise PlanError(f"{table.label}.{name} is computed by the database", hint="leave that column out")
        if block.verb == "update" and column.identity == "always":
            raise PlanError(
                f"{table.label}.{name} is numbered by the database and cannot be changed",
                hint="insert the row anew under its new number, and delete the old one",
            )
        if block.verb == "update" and name in block.key:
            raise PlanError(
                f"{table.label}.{name} is part of the key and cannot be changed in place",
                hint="insert the row anew under its new key, and delete the old one",
            )


def _distinct(keys: Sequence[pa.Array]) -> int:
    """How many rows there are, each counted once; NULL is a value."""
    if len(keys) == 1 and keys[0].type in (pa.int64(), pa.string()):  # not floats: Arrow tells -0 from 0
        return int(pc.count_distinct(keys[0], mode="all").as_py())
    return len(set(zip(*map(_told_apart, keys), strict=True)))


def _told_apart(keys: pa.Array) -> list[object]:
    values = to_python(keys)
    # Python takes 1, 1.0 and True for one; SQLite keeps 1 and 1.0 apart.
    return [(type(value), value) for value in values] if keys.type == MIXED else list(values)


def arranged(batches: list[pa.RecordBatch], names: list[str]) -> pa.RecordBatch:
    """All batches as one, by row number. The first column is the number."""
    columns = zip(*(batch.columns for batch in batches), strict=True) if batches else ([] for _ in names)
    arrays = [concat(column) for column in columns]
    arrays[0] = arrays[0].cast(pa.int64())
    whole = pa.RecordBatch.from_arrays(arrays, names=names)
    numbers = arrays[0].to_numpy(zero_copy_only=False)
    return (
        whole if (numbers[1:] >= numbers[:-1]).all() else whole.take(pa.array(numbers.argsort(kind="stable")))
    )


def joined(batches: list[pa.RecordBatch], names: list[str]) -> pa.RecordBatch:
    """All batches as one, in the order in which they came."""
    columns = zip(*(batch.columns for batch in batches), strict=True) if batches else ([] for _ in names)
    return pa.RecordBatch.from_arrays([concat(column) for column in columns], names=names)
