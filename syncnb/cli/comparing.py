"""What `diff` and `plan` share: two stores, how their tables are matched, and the comparison itself."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from syncnb.cli.arguments import Parser
from syncnb.cli.opening import opened

if TYPE_CHECKING:
    from syncnb.changes import Diff
    from syncnb.comparing.comparison import Strategy
    from syncnb.matching import Told
    from syncnb.stores.port import Store

__all__ = ["MATCH_FILE", "REPEATED", "SINGLE", "add_comparing", "compared", "sides_of"]

REPEATED = {
    "--table": ("T", "only this table; its local or remote name"),
    "--key": ("T=a,b", "what identifies a row of table T, instead of its own key"),
    "--ignore": ("COLUMN", "do not compare this column: name or table.name"),
    "--columns": ("T=a,b", "compare only these columns of table T"),
    "--tolerance": ("COLUMN=N", "numbers that far apart count as the same (stamps: seconds)"),
    "--ids": (
        "TOLD",
        "ids that mean nothing by themselves: meaningless (all), TABLE, or TABLE:ID=same|different",
    ),
    "--schema": ("S", "a PostgreSQL schema that is not on the search path"),
    "--timezone": ("SIDE=ZONE", "zone of stamps that carry none: local=UTC, remote=Europe/Berlin"),
}
SINGLE = {"--match": ("FILE.toml", "which tables, columns and keys belong together, and zones of columns")}
MATCH_FILE = """A match file holds [tables] local = "remote", [columns.TABLE] local = "remote",
[key] table = ["a", "b"], [timezone] "table.column" = "Europe/Berlin"."""


def add_comparing(parser: Parser, *, local: str = "LOCAL") -> None:
    """LOCAL, REMOTE and the options that say what belongs together. local: what the first is called."""
    parser.add_argument("local", metavar=local)
    parser.add_argument("remote", metavar="REMOTE")
    for name, (value, what) in REPEATED.items():
        parser.add_argument(name, metavar=value, action="append", default=[], help=f"{what}; repeatable")
    for name, (value, what) in SINGLE.items():
        parser.add_argument(name, metavar=value, help=what)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")


def compared(options: Namespace, *, limit: int | None = None, strategy: "Strategy | None" = None) -> "Diff":
    """The differences between both stores, read as the options tell."""
    from syncnb.comparing.diffing import diff_told

    local, remote, told, schemas, progress = sides_of(options)
    return diff_told(local, remote, told, limit=limit, schemas=schemas, strategy=strategy, progress=progress)


def sides_of(
    options: Namespace, *, writable: tuple[bool, bool] = (False, False)
) -> "tuple[Store, Store, Told, list[str] | None, bool | None]":
    """Both stores, what was told about tables and columns, further schemas, and whether a bar is shown."""
    # Imported here, so that a wrong call and --help do not wait for pandas.
    from syncnb.cli.telling import side_zones, told_from
    from syncnb.cli.zoning import zoned

    told, zones = told_from(
        match=options.match,
        tables=options.table,
        key=options.key,
        columns=options.columns,
        ignore=options.ignore,
        tolerance=options.tolerance,
        ids=options.ids,
    )
    sides, schemas = side_zones(options.timezone), options.schema or None
    local = opened(options.local, "LOCAL", timezone=sides.get("local"), writable=writable[0])
    remote = opened(options.remote, "REMOTE", timezone=sides.get("remote"), writable=writable[1])
    local, remote = zoned(local, remote, zones, schemas)
    # A bar in a log file is a heap of control characters.
    progress = None if sys.stderr.isatty() and not options.no_progress else False
    return local, remote, told, schemas, progress
