"""The digest of a whole table, by any store's reader."""

from syncnb.schema import Table
from syncnb.stores.port import Reader
from syncnb.values.digests import RowDigest

__all__ = ["MOST_BYTES", "MOST_ROWS", "table_digest"]

MOST_ROWS = 200_000
MOST_BYTES = 2**29
"""What is read whole before and after each run: about a second in all. Beyond it, applying a few changes
would take longer for the digest than for everything else."""


def table_digest(reader: Reader, table: Table) -> str | None:
    """All values of all rows that can be read, as `rows:digest` (see `RowDigest`); None for a large table.

    Equal digests of one table, at two times, mean equal rows: value and storage class, in any order.
    Digests of two engines, or of tables with other columns, say nothing about each other.
    """
    if not reader.is_within(table, rows=MOST_ROWS, size=MOST_BYTES):
        return None
    names = [column.name for column in table.columns if column.readable]
    found = RowDigest(names)
    for batch in reader.batches(table, names):
        found.add(batch)
    return str(found)
