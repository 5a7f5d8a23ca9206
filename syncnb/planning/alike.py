"""Rows of a plan that its target takes for one, though their values differ: its equality is coarser than identity.

`É` and `é` are two keys here, and one key in a column whose collation does not tell them apart. Only the target
knows, so it is asked, and only where a column may be like that.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from syncnb.errors import ReadError
from syncnb.schema import Column, Table, UniqueRule
from syncnb.stores.port import Seeker
from syncnb.stores.probing import Probing

__all__ = ["alike", "is_coarse"]

EXACT = (None, "C", "POSIX", "BINARY")
"""Collations by which only identical texts are equal."""


def is_coarse(table: Table, rule: UniqueRule) -> bool:
    """Whether the target may take two different values of this rule for one."""
    return any(_coarse(table.column(name)) for name in rule.columns)


def _coarse(column: Column) -> bool:
    return column.collation not in EXACT or column.type.lower() == "citext"


def alike(
    table: Table, rule: UniqueRule, values: Sequence[pa.Array], reader: Seeker
) -> Iterator[tuple[int, ...]]:
    """Groups of rows that are one under this rule, by the target's own word. `values`: its columns, of all rows."""
    if not isinstance(reader, Probing) or not is_coarse(table, rule):
        return
    probe = reader.probe()
    found = [index for index in probe.indexes(table) if index.unique and index.parts == rule.columns]
    if not found:
        return
    batch = pa.RecordBatch.from_arrays(list(values), names=list(rule.columns))
    try:
        yield from probe.trial(table, batch).repeated(found[0])
    except ReadError as problem:
        if not (problem.sqlstate or "").startswith(("22", "42501")):
            raise
        # A value that the column cannot hold, or a right that lacks: it is refused when it is written.
