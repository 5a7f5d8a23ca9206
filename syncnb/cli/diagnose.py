"""`syncnb diagnose`: why a sync fails or would fail, as text or as one JSON document."""

import json
from collections.abc import Sequence
from typing import Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, opened
from syncnb.cli.pasted import read_text, tables_told, targets_told, text_or_file
from syncnb.errors import SyncnbError

__all__ = ["run"]

REPEATED = {
    "--table": ("T", "only this table; or PASTED=T: what a name in the message means"),
    "--target": ("T=a,b", "the columns of ON CONFLICT, for one table or (a,b) for all"),
}
SINGLE = {
    "--error": ("FILE", "what was reported: a file, or - for standard input"),
    "--context": ("TEXT", "the statement or code that failed, or the path of a file with it"),
    "--store": ("STORE", "the database that the error came from; twice for LOCAL and REMOTE of a log"),
    "--where": ("SQL", "the WHERE of the conflict target"),
}


def run(argv: Sequence[str]) -> int:
    """Diagnose an error (always 0), or stores: 1 where something would fail or be lost in silence."""
    options = _parser().parse_args(spelled_out(argv, repeated=REPEATED, positionals=2))
    if not options.error and len(options.stores) != 2 and not (options.target and options.store):
        raise SyncnbError(
            "there is nothing to diagnose",
            hint="pass LOCAL and REMOTE, or --error FILE, or --store STORE --target T=a,b",
        )
    from syncnb.diagnosing import diagnose

    stores = [opened(text, "STORE") for text in (*options.stores, *(options.store or ()))]
    told: dict[str, Any] = {
        "tables": tables_told(options.table),
        "target": targets_told(options.target),
        "where": options.where,
        "context": text_or_file(options.context),
    }
    found = (
        diagnose(read_text(options.error), *stores, **told) if options.error else diagnose(*stores, **told)
    )
    print(json.dumps(found.to_json(), indent=2, ensure_ascii=False) if options.json else found)
    # An error that was handed in is explained: that is what was asked for. Two stores are a check.
    wrong = any(each.severity in ("error", "silent") for each in found)
    return 1 if wrong and not options.error else 0


def _parser() -> Parser:
    parser = Parser(
        "diagnose", "Say why a sync fails, or loses data without failing. Reads only.", epilog=STORES
    )
    parser.add_argument("stores", metavar="STORE", nargs="*", help="LOCAL and REMOTE, to look before a sync")
    for name, (value, what) in SINGLE.items():
        action = "append" if name == "--store" else "store"
        parser.add_argument(name, metavar=value, action=action, help=what)
    for name, (value, what) in REPEATED.items():
        parser.add_argument(name, metavar=value, action="append", help=f"{what}; repeatable")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser
