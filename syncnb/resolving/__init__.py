"""Who wins where a row differs: policies as values, and what they decide."""

from syncnb.resolving.deciding import Decisions, decide
from syncnb.resolving.merging import Fate, alone
from syncnb.resolving.null import NULL
from syncnb.resolving.policies import (
    ByTime,
    InsertOnly,
    Newest,
    Policy,
    TablePolicy,
    Take,
    check_tables,
    for_table,
    insert_only,
    newest,
    side_taken,
    take_local,
    take_remote,
)

__all__ = [
    "NULL",
    "ByTime",
    "Decisions",
    "Fate",
    "InsertOnly",
    "Newest",
    "Policy",
    "TablePolicy",
    "Take",
    "alone",
    "check_tables",
    "decide",
    "for_table",
    "insert_only",
    "newest",
    "side_taken",
    "take_local",
    "take_remote",
]
