"""`syncnb sync`: one unattended run that passes on what changed."""

import json
import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.comparing import MATCH_FILE, REPEATED, SINGLE, add_comparing, sides_of
from syncnb.cli.opening import STORES
from syncnb.cli.plan import add_deciding, collisions_from, policy_from
from syncnb.cli.words import in_command_words
from syncnb.errors import SyncnbError

if TYPE_CHECKING:
    from syncnb.syncing import Synced

__all__ = ["run"]

EPILOG = f"""What both sides last agreed on is kept in the SQLite file of the two, so that a row that only one side
changed goes to the other, and one that both changed is a conflict: --resolve says who wins then, and where nobody
remembers what it was. What stays open is told, and comes again with the next run.

A run that was killed is taken up by the next one. Two runs of one pair never overlap.

{STORES}

Exit code: 0 everything reached its end; 1 rows are open, or are not as they were written; 2 error,
130 interrupted.

{MATCH_FILE}"""
OPTIONS = {
    "--source": ("QUEUE", None, "a queue that tells what is pending, such as sync_tracking"),
    "--audit-every": (
        "SPAN",
        "1d",
        "compare everything so often: 1d (by default), 12h, 30m, or 0: each time",
    ),
    "--caller": ("X", None, "who runs it, for the journal (syncnb sync)"),
    "--approved-by": ("X", None, "who approved it, for the journal"),
}
UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def run(argv: Sequence[str]) -> int:
    """Sync two databases. Returns 0 where nothing is left open, else 1."""
    options = _options(argv)
    every = _span(options.audit_every)
    policy, collisions = policy_from(options.resolve), collisions_from(options.collisions)
    local, remote, told, schemas, progress = sides_of(options, writable=(True, True))

    from syncnb.syncing.verb import sync_told
    from syncnb.syncing.wishes import Wishes

    wishes = Wishes(
        told,
        policy,
        collisions,
        tuple(options.allow),
        options.approved_by,
        options.source,
        every,
        progress,
        schemas,
    )
    done = sync_told(local, remote, wishes, options.direction, options.caller or "syncnb sync")
    print(json.dumps(_document(done), indent=2) if options.json else _text(done))
    return 0 if done else 1


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("sync", "Pass on what changed, unattended.", epilog=EPILOG)
    add_comparing(parser)
    add_deciding(parser)
    parser.add_argument(
        "--direction",
        choices=("push", "pull", "both"),
        default="push",
        help="which side is written: REMOTE (push, by default), LOCAL (pull), or both",
    )
    parser.add_argument(
        "--allow", metavar="NAME", action="append", default=[], help="permit a hazard by its name; repeatable"
    )
    for name, (value, default, what) in OPTIONS.items():
        parser.add_argument(name, metavar=value, default=default, help=what)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    words = spelled_out(
        argv,
        repeated={*REPEATED, "--resolve", "--collisions", "--allow"},
        single={*SINGLE, *OPTIONS, "--direction"},
    )
    return parser.parse_args(words)


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)([dhms]?)", text)
    if not found or (not found[2] and found[1] != "0"):
        raise SyncnbError(
            f"--audit-every {text!r} cannot be read", hint="write 1d, 12h, 30m, or 0 for each time"
        )
    return timedelta(**{UNITS.get(found[2], "days"): int(found[1])})


def _document(done: "Synced") -> dict[str, Any]:
    return {
        "run": done.number, "records": done.records, "conflicts_resolved": done.resolved,
        "open": [{"table": each.table, "key": each.key, "why": each.why} for each in done.open],
        "backlog": done.backlog, "backlog_since": done.backlog_since and done.backlog_since.isoformat(),
        "proved": all(done.proofs), "notes": list(done.notes), "caller": done.caller,
    }  # fmt: skip


def _text(done: "Synced") -> str:
    sheet = done._sheet()
    return replace(sheet, notes=[in_command_words(line) for line in sheet.notes]).text()
