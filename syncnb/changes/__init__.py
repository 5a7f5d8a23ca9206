"""Facts: what differs between two stores. They take no side and hold no connection."""

from syncnb.changes.diff import Diff
from syncnb.changes.pairs import ColumnPair, TablePair, Uncompared
from syncnb.changes.table_diff import Counts, Mismatch, RowSet, TableDiff

__all__ = ["ColumnPair", "Counts", "Diff", "Mismatch", "RowSet", "TableDiff", "TablePair", "Uncompared"]
