"""`syncnb inspect`: what a database's catalogue says, as text or as one JSON document."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, opened

if TYPE_CHECKING:
    from syncnb.schema import Schema
    from syncnb.stores.port import Store

__all__ = ["run"]

REPEATED = {
    "--table": ("T", "only this table or view"),
    "--schema": ("S", "a PostgreSQL schema that is not on the search path"),
}


def run(argv: Sequence[str]) -> int:
    """Show the catalogue of one store. Reads no rows."""
    parser = Parser("inspect", "Show tables, columns, keys and what else the catalogue says.", epilog=STORES)
    parser.add_argument("store", metavar="STORE")
    for name, (value, what) in REPEATED.items():
        parser.add_argument(name, metavar=value, action="append", help=f"{what}; repeatable")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    options = parser.parse_args(spelled_out(argv, repeated=REPEATED, positionals=1))
    store = opened(options.store, "STORE")
    schema = store.inspect(schemas=options.schema)
    if options.table:
        schema = replace(schema, tables=tuple(dict.fromkeys(schema.find(name) for name in options.table)))
    if options.json:
        told = {"store": store.name, "dialect": store.dialect, "tables": [asdict(table) for table in schema]}
        print(json.dumps(told, indent=2))
        return 0
    print(_text(store, schema, whole=not options.table))
    return 0


def _text(store: "Store", schema: "Schema", *, whole: bool) -> str:
    from syncnb.schema.sheets import overview, table_sheet

    head = [overview(f"{store.name} ({store.dialect})", schema)] if whole else []
    return "\n\n".join(sheet.text() for sheet in [*head, *map(table_sheet, schema)])
