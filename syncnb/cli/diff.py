"""`syncnb diff`: every true difference, as text or as one JSON document."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, opened
from syncnb.cli.words import in_command_words
from syncnb.errors import SyncnbError

if TYPE_CHECKING:
    from syncnb.changes import Diff, TableDiff

__all__ = ["document", "run"]

REPEATED = {
    "--table": ("T", "only this table; its local or remote name"),
    "--key": ("T=a,b", "what identifies a row of table T, instead of its own key"),
    "--ignore": ("COLUMN", "do not compare this column: name or table.name"),
    "--columns": ("T=a,b", "compare only these columns of table T"),
    "--tolerance": ("COLUMN=N", "numbers that far apart count as the same (stamps: seconds)"),
    "--schema": ("S", "a PostgreSQL schema that is not on the search path"),
    "--timezone": ("SIDE=ZONE", "zone of stamps that carry none: local=UTC, remote=Europe/Berlin"),
}
SINGLE = {
    "--match": ("FILE.toml", "which tables, columns and keys belong together, and zones of columns"),
    "--limit": ("N", "stop a table after N differing rows; the verdict says so"),
}
EPILOG = f"""{STORES}

Exit code: 0 equal, 1 equal_except or different, 2 error, 130 interrupted. Nothing is ever written.

A match file holds [tables] local = "remote", [columns.TABLE] local = "remote",
[key] table = ["a", "b"], [timezone] "table.column" = "Europe/Berlin"."""


def run(argv: Sequence[str]) -> int:
    """Compare two stores. Returns 0 where the verdict is `equal`, else 1."""
    options = _options(argv)
    if options.json and options.cells:
        raise SyncnbError("--json and --cells exclude each other", hint="leave one of them out")
    found = _compared(options)
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
    }


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("diff", "Show every true difference between two databases.", epilog=EPILOG)
    parser.add_argument("local", metavar="LOCAL")
    parser.add_argument("remote", metavar="REMOTE")
    for name, (value, what) in REPEATED.items():
        parser.add_argument(name, metavar=value, action="append", default=[], help=f"{what}; repeatable")
    parser.add_argument("--match", metavar=SINGLE["--match"][0], help=SINGLE["--match"][1])
    parser.add_argument("--limit", metavar=SINGLE["--limit"][0], type=int, help=SINGLE["--limit"][1])
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--cells", action="store_true", help="list every difference, not only the first ten a table"
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    options = parser.parse_args(spelled_out(argv, repeated=REPEATED, single=SINGLE))
    if options.limit is not None and options.limit < 1:
        raise SyncnbError(f"--limit is {options.limit}", hint="give a number of rows, from 1")
    return options


def _compared(options: Namespace) -> "Diff":
    # Imported here, so that a wrong call and --help do not wait for pandas.
    from syncnb.cli.telling import side_zones, told_from
    from syncnb.cli.zoning import zoned
    from syncnb.comparing.diffing import diff_told

    told, zones = told_from(
        match=options.match,
        tables=options.table,
        key=options.key,
        columns=options.columns,
        ignore=options.ignore,
        tolerance=options.tolerance,
    )
    sides, schemas = side_zones(options.timezone), options.schema or None
    local = opened(options.local, "LOCAL", timezone=sides.get("local"))
    remote = opened(options.remote, "REMOTE", timezone=sides.get("remote"))
    local, remote = zoned(local, remote, zones, schemas)
    # A bar in a log file is a heap of control characters.
    progress = None if sys.stderr.isatty() and not options.no_progress else False
    return diff_told(local, remote, told, limit=options.limit, schemas=schemas, progress=progress)


def _text(found: "Diff", *, cells: bool) -> str:
    different = [table for table in found.tables if table.verdict == "different"]
    return "\n\n".join([repr(found), *(_table_text(table, cells=cells) for table in different)])


def _table_text(table: "TableDiff", *, cells: bool) -> str:
    from syncnb.changes.sheets import IN_SIGHT, table_sheet

    sheet = table_sheet(table, in_sight=None if cells else IN_SIGHT)
    return replace(sheet, notes=[in_command_words(note) for note in sheet.notes]).text()
