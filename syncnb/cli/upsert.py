"""`syncnb upsert`: a file of rows into a database: new ones inserted, others updated, all tables or none."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.comparing import MATCH_FILE, REPEATED, SINGLE, add_comparing, sides_of
from syncnb.cli.opening import STORES, note
from syncnb.cli.plan import add_deciding, collisions_from, policy_from
from syncnb.cli.plans import plan_text
from syncnb.cli.words import in_command_words
from syncnb.errors import SyncnbError

if TYPE_CHECKING:
    from syncnb.planning import Plan
    from syncnb.stores.port import Store
    from syncnb.syncing import Synced
    from syncnb.syncing.upserting import Upsert
    from syncnb.syncing.wishes import Wishes

__all__ = ["run"]

EPILOG = f"""FILE is .csv, .tsv, .parquet, .feather, .json or .jsonl, also packed (.gz, .bz2, .zst). JSON is a list of
rows, or an object with such a list for each table. In CSV an empty field is NULL, one in quotes ("") is the empty
text.

Rows that the table lacks are inserted, those that differ are updated; what the file does not have is left alone, and
so are columns that it lacks. One row that breaks a rule, and nothing is written (--rest writes the others). The same
file twice changes nothing.

{STORES}

Exit code: 0 every row reached its end (--dry-run: would); 1 rows were rejected, or are open; 2 error, 130 interrupted.

{MATCH_FILE}"""
OPTIONS = {
    "--source": ("NAME", "what the history calls where the rows come from"),
    "--history-table": ("T", "a history of the service, such as integration_sync_history, to keep in step"),
    "--caller": ("X", "who runs it, for the journal (syncnb upsert)"),
    "--approved-by": ("X", "who approved it, for the journal"),
}
FLAGS = {
    "--rest": "where rows cannot be written, write the others",
    "--deletes": "the file is all there is: delete rows that it does not have (needs --allow deletes)",
    "--dry-run": "show what would be written and rejected; write nothing",
    "--json": "one JSON document on stdout",
}


def run(argv: Sequence[str]) -> int:
    """Upsert a file. Returns 0 where every row reached its end, else 1."""
    options = _options(argv)
    policy, collisions = policy_from(options.resolve), collisions_from(options.collisions)
    source, remote, told, schemas, progress = sides_of(options, writable=(False, not options.dry_run))
    if source.dialect != "frame":
        raise SyncnbError(
            f"{source.name} is a database, not a file of rows", hint="`syncnb sync` syncs two databases"
        )

    from syncnb.syncing.upserting import Upsert, upserted
    from syncnb.syncing.wishes import Wishes

    wishes = Wishes(
        replace(told, touch=tuple(options.touch)), policy, collisions, tuple(options.allow), options.approved_by,
        options.source, timedelta(0), progress, schemas,
    )  # fmt: skip
    upsert = Upsert(options.history_table, rest=options.rest, deletes=options.deletes)
    if options.dry_run:
        return _shown(source, remote, wishes, upsert, options)
    done = upserted(source, remote, wishes, upsert, "push", options.caller or "syncnb upsert")
    print(json.dumps(_document(done), indent=2) if options.json else _text(done))
    return 0 if done else 1


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("upsert", "Write a file of rows into a database.", epilog=EPILOG)
    add_comparing(parser, local="FILE")
    add_deciding(parser)
    parser.add_argument(
        "--touch", metavar="COLUMN", action="append", default=[],
        help="a stamp to set in every row that the file has, such as last_synced_at; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--allow", metavar="NAME", action="append", default=[], help="permit a hazard by its name; repeatable"
    )
    for name, (value, what) in OPTIONS.items():
        parser.add_argument(name, metavar=value, help=what)
    for name, what in FLAGS.items():
        parser.add_argument(name, action="store_true", help=what)
    words = spelled_out(
        argv,
        repeated={*REPEATED, "--resolve", "--collisions", "--allow", "--touch"},
        single={*SINGLE, *OPTIONS},
    )
    return parser.parse_args(words)


def _shown(source: "Store", remote: "Store", wishes: "Wishes", told: "Upsert", options: Namespace) -> int:
    """What would be written, and which rows would be rejected."""
    from syncnb.syncing.upserting import compared, drawn

    p = drawn(compared(source, remote, wishes, told), remote, wishes, told)
    if options.json:
        print(json.dumps(_planned(p), indent=2))
    else:
        print(plan_text(p))
    left = len(p.open) + sum(map(len, p.undecided))
    if left:
        rows = "1 row" if left == 1 else f"{left:,} rows"
        note(f"{rows} would be rejected" + ("" if options.rest else ", and then nothing is written"))
    return 1 if left else 0


def _planned(p: "Plan") -> dict[str, Any]:
    verbs = ("insert", "update", "delete")
    written = [block for block in p.blocks if not block.role]
    changing = [block for block in written if not block.only_touches]
    return {
        **{verb: sum(len(b) for b in changing if b.verb == verb) for verb in verbs},
        "touch": sum(len(b) for b in written if b.only_touches),
        "unchanged": sum(p.unchanged.values()),
        "rejected": [{"table": row.table, "key": row.key, "why": row.why} for row in p.open],
        "hazards": [{"name": h.name, "table": h.table, "rows": h.count} for h in p.hazards],
        "notes": [in_command_words(each) for each in p.notes],
    }


def _document(done: "Synced") -> dict[str, Any]:
    return {
        "run": done.number, "refused": done.refused, "records": done.records,
        "tables": json.loads(done.counts.to_json(orient="records")),
        "rejected": [{"table": each.table, "key": each.key, "why": each.why} for each in done.open],
        "proved": all(done.proofs), "notes": list(done.notes), "caller": done.caller,
    }  # fmt: skip


def _text(done: "Synced") -> str:
    sheet = done._sheet()
    return replace(sheet, notes=[in_command_words(line) for line in sheet.notes]).text()
