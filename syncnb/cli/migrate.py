"""`syncnb migrate`: what alters tables safely, from what diagnose finds; shown, saved as a plan, or as SQL files."""

import json
from collections.abc import Sequence
from typing import Any

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, opened
from syncnb.cli.pasted import read_text, tables_told, targets_told
from syncnb.errors import SyncnbError

__all__ = ["run"]

REPEATED = {
    "--table": ("T", "only this table; or PASTED=T: what a name in the message means"),
    "--target": ("T=a,b", "the columns of ON CONFLICT, for one table or (a,b) for all"),
    "--index": ("NAME=T.a,b", "an index to add"),
    "--type": ("T.c=TYPE", "the type of a new column"),
    "--sql-name": ("NAME", "what the SQL files are called: one name, or two"),
}
SINGLE = {
    "--error": ("FILE", "what was reported: a file, or - for standard input"),
    "--keep": ("COLUMN", "which of several rows with one key stays: the one with the greatest value there"),
    "--out": ("FILE.json", "save the plan, for `syncnb apply`"),
    "--sql-dir": ("DIR", "write it as .sql files, what takes it back beside them"),
}
EPILOG = f"""Nothing is altered: `syncnb apply FILE.json STORE` does that, and `syncnb undo` takes it back.

{STORES}

Exit code: 0 there is something to do, or nothing is left to do; 2 error, 130 interrupted."""


def run(argv: Sequence[str]) -> int:
    """Draw a migration. Always 0."""
    options = _parser().parse_args(spelled_out(argv, repeated=REPEATED, single=tuple(SINGLE)))
    if not (options.error or options.target or options.index):
        raise SyncnbError(
            "there is nothing to migrate", hint="pass --error FILE, --target T=a,b or --index NAME=T.a"
        )
    from syncnb.diagnosing import diagnose
    from syncnb.migrating import migrate
    from syncnb.steps import remedy

    store = opened(options.store, "STORE")
    steps: list[Any] = [
        remedy("index", table, columns, name=name) for name, table, columns in _indexes(options.index)
    ]
    told: dict[str, Any] = {"tables": tables_told(options.table), "target": targets_told(options.target)}
    if options.error:
        steps.append(diagnose(read_text(options.error), store, **told))
    elif options.target:
        steps.append(diagnose(store, **told))
    plan = migrate(store, steps, types=_types(options.type), keep=options.keep)
    names = (
        [path.name for path in plan.save_sql(options.sql_dir, names=options.sql_name)]
        if options.sql_dir
        else []
    )
    if options.out:
        plan.save(options.out)
    if options.json:
        print(
            json.dumps(
                {"steps": json.loads(plan.preview().to_json(orient="records")), "files": names}, indent=2
            )
        )
    else:
        print(plan, *(f"written: {name}" for name in names), sep="\n")
    return 0


def _parser() -> Parser:
    parser = Parser("migrate", "Draw what alters tables safely. Reads only.", epilog=EPILOG)
    parser.add_argument("store", metavar="STORE", help="the database whose tables shall be altered")
    for name, (value, what) in SINGLE.items():
        parser.add_argument(name, metavar=value, help=what)
    for name, (value, what) in REPEATED.items():
        parser.add_argument(name, metavar=value, action="append", help=f"{what}; repeatable")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _types(told: Sequence[str] | None) -> dict[str, str]:
    return dict(_pair(text, "--type", "T.c=TYPE") for text in told or ())


def _indexes(told: Sequence[str] | None) -> list[tuple[str, str, list[str]]]:
    found = []
    for text in told or ():
        name, what = _pair(text, "--index", "NAME=T.a,b")
        table, _, columns = what.rpartition(".")
        if not table or not columns:
            raise SyncnbError(f"--index {text} names no column", hint="write --index NAME=T.a,b")
        found.append((name, table, [column.strip() for column in columns.split(",")]))
    return found


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (sign and name and value):
        raise SyncnbError(f"{option} {text} is not understood", hint=f"write {option} {form}")
    return name.strip(), value.strip()
