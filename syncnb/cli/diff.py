"""`syncnb diff`: every true difference, as text or as one JSON document."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.comparing import MATCH_FILE, REPEATED, SINGLE, add_comparing, compared
from syncnb.cli.opening import STORES
from syncnb.cli.words import in_command_words
from syncnb.errors import SyncnbError

if TYPE_CHECKING:
    from syncnb.changes import Diff, TableDiff

__all__ = ["document", "run"]

EPILOG = f"""{STORES}

Exit code: 0 equal, 1 equal_except or different, 2 error, 130 interrupted. Nothing is ever written.

{MATCH_FILE}"""


def run(argv: Sequence[str]) -> int:
    """Compare two stores. Returns 0 where the verdict is `equal`, else 1."""
    options = _options(argv)
    if options.json and options.cells:
        raise SyncnbError("--json and --cells exclude each other", hint="leave one of them out")
    found = compared(options, limit=options.limit, strategy=options.strategy)
    print(json.dumps(document(found), indent=2) if options.json else _text(found, cells=options.cells))
    return 0 if found.verdict == "equal" else 1


def document(found: "Diff") -> dict[str, Any]:
    """A diff as the JSON form that outsiders rely on: names and order are part of the promise."""
    return {
        "verdict": found.verdict,
        "tables": [_table(table) for table in found.tables],
        "unmatched_local": list(found.unmatched_local),
        "unmatched_remote": list(found.unmatched_remote),
    }


def _table(table: "TableDiff") -> dict[str, Any]:
    counts = table.counts
    return {
        "local": table.pair.local.label,
        "remote": table.pair.remote.label,
        "key": list(table.pair.key_names),
        "rows_local": counts.rows_local,
        "rows_remote": counts.rows_remote,
        "same": counts.same,
        "changed": counts.changed,
        "only_local": counts.only_local,
        "only_remote": counts.only_remote,
        "cells": {column: int(cells) for column, cells in table.cell_counts.items()},
        "uncompared": [
            {"what": entry.what, "name": entry.name, "rows": entry.rows, "why": entry.why}
            for entry in table.uncompared
        ],
        "verdict": table.verdict,
        **_identity(table),
    }


def _identity(table: "TableDiff") -> dict[str, Any]:
    """Ids that do not mean the same on both sides; nothing where all do."""
    if not (table.conflicts or table.ids.mapped):
        return {}
    return {
        "mapped": table.ids.mapped,
        "conflicts": [
            {
                "class": conflict.kind.value,
                "local_id": _id(conflict.local_id),
                "remote_id": _id(conflict.remote_id),
                "natural_key": conflict.natural_key,
            }
            for conflict in table.conflicts
        ],
    }


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("diff", "Show every true difference between two databases.", epilog=EPILOG)
    add_comparing(parser)
    parser.add_argument(
        "--limit", metavar="N", type=int, help="stop a table after N differing rows; the verdict says so"
    )
    parser.add_argument(
        "--strategy",
        metavar="S",
        help="stream (all rows, by value), digests (hashed by PostgreSQL) or join (two SQLite files) where that is sure",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--cells", action="store_true", help="list every difference, not only the first ten a table"
    )
    options = parser.parse_args(
        spelled_out(argv, repeated=REPEATED, single={*SINGLE, "--limit", "--strategy"})
    )
    if options.limit is not None and options.limit < 1:
        raise SyncnbError(f"--limit is {options.limit}", hint="give a number of rows, from 1")
    return options


def _text(found: "Diff", *, cells: bool) -> str:
    different = [table for table in found.tables if table.verdict == "different"]
    return "\n\n".join([repr(found), *(_table_text(table, cells=cells) for table in different)])


def _table_text(table: "TableDiff", *, cells: bool) -> str:
    from syncnb.changes.sheets import IN_SIGHT, table_sheet

    sheet = table_sheet(table, in_sight=None if cells else IN_SIGHT)
    return replace(sheet, notes=[in_command_words(note) for note in sheet.notes]).text()
