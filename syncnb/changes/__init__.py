"""Facts: what differs between two stores. They take no side and hold no connection."""

from syncnb.changes.conflicts import Conflict, ConflictClass, Conflicts
from syncnb.changes.diff import Diff
from syncnb.changes.ids import Ids
from syncnb.changes.pairs import ColumnPair, Link, TablePair, Uncompared
from syncnb.changes.since import Since
from syncnb.changes.table_diff import Counts, Mismatch, RowSet, TableDiff

__all__ = [
    "ColumnPair",
    "Conflict",
    "ConflictClass",
    "Conflicts",
    "Counts",
    "Diff",
    "Ids",
    "Link",
    "Mismatch",
    "RowSet",
    "Since",
    "TableDiff",
    "TablePair",
    "Uncompared",
]
