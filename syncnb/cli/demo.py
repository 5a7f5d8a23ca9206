"""`syncnb demo`: two databases in a broken state, looked at step by step. Each step shows its Python line."""

import os
import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from syncnb.cli.arguments import Parser
from syncnb.cli.opening import note

if TYPE_CHECKING:
    from syncnb.changes import Diff, Mismatch, TableDiff
    from syncnb.stores.port import Store

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Build a demo, look at it, say where to go on. Returns 0."""
    parser = Parser("demo", "Build two small databases that disagree, and look at them.")
    parser.add_argument("name", metavar="NAME", nargs="?", default="tour", help="which demo (tour)")
    parser.add_argument(
        "--keep", action="store_true", help="keep the databases until Ctrl-C, to try things on"
    )
    options = parser.parse_args(argv)

    # Imported here, so that --help does not wait for pandas.
    from syncnb.comparing.diffing import diff
    from syncnb.examples import demo

    local, remote = demo(options.name)
    _step("Connect", f'local, remote = sn.demo("{options.name}")', f"local   {local!r}\nremote  {remote!r}")
    for store in (local, remote):
        for line in store.notes:
            note(f"{store.name}: {line}")
    found = diff(local, remote, progress=False)
    _step("Look", "d = sn.diff(local, remote)", repr(found))
    _look_closer(found)
    if options.keep:
        _keep(local, remote)
    print("next: syncnb lab")
    return 0


def _step(title: str, line: str, shown: str) -> None:
    # At once, each with its step: a demo is watched.
    print(f"# {title}\n>>> {line}\n{shown}\n", flush=True)


def _look_closer(found: "Diff") -> None:
    """The first table that differs, and why one of its cells does."""
    table = next((table for table in found.tables if table.verdict == "different"), None)
    if table is None:
        return
    _step("One table", f"d[{table.name!r}]", repr(table))
    told = _first_change(found)
    if told:
        table, row = told
        key = row.key[0] if len(row.key) == 1 else row.key
        line = f"d[{table.name!r}].explain({key!r}, {row.columns[0]!r})"
        _step("Why one cell differs", line, repr(table.explain(key, row.columns[0])))


def _first_change(found: "Diff") -> "tuple[TableDiff, Mismatch] | None":
    changed = (
        (table, row) for table in found.tables if table.pair.key for row in table.mismatches() if row.columns
    )
    return next(changed, None)


def _keep(local: "Store", remote: "Store") -> None:
    """Say how to reach both databases from another terminal, and hold them until an interrupt."""
    file = _environment_file(local, remote)
    print("The databases are kept until Ctrl-C. In another terminal:")
    print(f"    . {shlex.quote(str(file))}")
    print("    syncnb diff env:DEMO_LOCAL env:DEMO_REMOTE --timezone local=UTC", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    print()


def _environment_file(local: "Store", remote: "Store") -> Path:
    """A file for a shell, which only this user can read: a password is not printed."""
    from syncnb.stores.sqlite import SQLiteStore

    if not isinstance(local, SQLiteStore):
        raise TypeError(f"the local side of a demo is a file, not {type(local).__name__}")
    file = local.path.parent / "demo.env"
    lines = [
        f"export {name}={shlex.quote(_address(store))}\n"
        for name, store in (("DEMO_LOCAL", local), ("DEMO_REMOTE", remote))
    ]
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as env:
        env.writelines(lines)
    return file


def _address(store: "Store") -> str:
    from syncnb.stores.postgres import PostgresStore
    from syncnb.stores.sqlite import SQLiteStore

    if isinstance(store, SQLiteStore):
        return str(store.path)
    if not isinstance(store, PostgresStore):
        raise TypeError(f"a demo has no {type(store).__name__}")
    from psycopg.conninfo import make_conninfo

    return make_conninfo("", **store.parameters)
