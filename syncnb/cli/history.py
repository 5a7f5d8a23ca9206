"""`syncnb history`: the runs of a database, or the report of one of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncnb.cli.applying import report_text
from syncnb.cli.arguments import Parser
from syncnb.cli.opening import STORES, opened
from syncnb.cli.words import in_command_words

if TYPE_CHECKING:
    from syncnb.journal.history import Runs

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Show what was done to a database, as its journal has it. Reads only."""
    parser = Parser("history", "Show the runs of a database, or the report of one of them.", epilog=STORES)
    parser.add_argument("store", metavar="STORE")
    parser.add_argument("run", metavar="RUN", type=int, nargs="?", help="only this run, and what it did")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(argv)

    from syncnb.journal.history import history
    from syncnb.steps.forms import report_to_json

    runs = history(opened(options.store, "STORE"))
    if options.run is None:
        print(json.dumps(_document(runs), indent=2) if options.json else _text(runs))
        return 0
    report = runs[options.run]
    print(json.dumps(report_to_json(report), indent=2) if options.json else report_text(report))
    return 0


def _document(runs: "Runs") -> dict[str, Any]:
    """The lines of the frame, with its names in its order."""
    from syncnb.journal.history import COLUMNS

    lines = [{name: _plain(getattr(run, name)) for name in COLUMNS} for run in runs.runs]
    return {"store": runs.store, "runs": lines}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _text(runs: "Runs") -> str:
    sheet = runs._sheet()
    return replace(sheet, notes=[in_command_words(line) for line in sheet.notes]).text()
