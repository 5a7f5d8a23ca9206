"""`syncnb track`: capture which rows of a SQLite file change; what is pending; and an end of it."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, opened
from syncnb.cli.words import in_command_words
from syncnb.errors import SyncnbError

if TYPE_CHECKING:
    from syncnb.rendering import Sheet
    from syncnb.tracking import Pending

__all__ = ["run"]

REPEATED = {"--table": ("T", "only this table")}
EPILOG = f"""Without an option the tables are tracked from now on, whatever program changes them.

{STORES}

Exit code: 0, or 1 where changes may be missing in the log and only a full diff knows; 2 error."""


def run(argv: Sequence[str]) -> int:
    """Track, untrack, or show what is pending. Returns 1 where the self-check finds a gap, else 0."""
    options = _options(argv)

    from syncnb.tracking import pending, track, tracking, untrack

    if options.pending:
        waiting = pending(opened(options.store, "STORE"), source=options.source)
        print(json.dumps(_document(waiting), indent=2) if options.json else _text(waiting._sheet()))
        return 0 if waiting.complete else 1
    if options.status:
        state = tracking(opened(options.store, "STORE"))
        print(_text(state._sheet()))
        return 0 if state or not state.tables else 1
    store = opened(options.store, "STORE", writable=True)
    state = (untrack if options.off else track)(store, options.table)
    print(_text(state._sheet()))
    return 1 if any(gap.lost for gap in state.gaps) else 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("track", "Capture which rows of a SQLite file change.", epilog=EPILOG)
    parser.add_argument("store", metavar="STORE")
    parser.add_argument("--table", metavar="T", action="append", help="only this table; repeatable")
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--off", action="store_true", help="take the triggers and their log away again")
    does.add_argument("--status", action="store_true", help="show what is tracked, and whether all is well")
    does.add_argument("--pending", action="store_true", help="show the rows that changed")
    parser.add_argument(
        "--source", metavar="QUEUE", default="capture", help="with --pending: a queue such as sync_tracking"
    )
    parser.add_argument("--json", action="store_true", help="with --pending: one JSON document on stdout")
    options = parser.parse_args(spelled_out(argv, repeated=REPEATED, single=("--source",), positionals=1))
    if not options.pending and (options.json or options.source != "capture"):
        raise SyncnbError("--json and --source are for --pending", hint="add --pending, or leave them out")
    if options.table and (options.pending or options.status):
        raise SyncnbError("--table says what to track", hint="leave it out: everything tracked is shown")
    return options


def _document(waiting: "Pending") -> dict[str, Any]:
    from syncnb.tracking.waiting import COLUMNS

    lines = [
        {name: row.key_text if name == "key" else getattr(row, name) for name in COLUMNS} for row in waiting
    ]
    return {
        "store": waiting.store,
        "source": waiting.source,
        "complete": waiting.complete,
        "rows": lines,
        "gaps": [str(gap) for gap in waiting.gaps],
    }


def _text(sheet: "Sheet") -> str:
    return replace(sheet, notes=[in_command_words(note) for note in sheet.notes]).text()
