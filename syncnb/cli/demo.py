"""`syncnb demo`: two databases in a broken state, looked at and repaired. Each step shows its Python line."""

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
    from syncnb.steps import Proof
    from syncnb.stores.port import Store

__all__ = ["run"]

HOSTS, STAMPS = "hosts", ("last_seen", "updated_at")
"""The table that demos have in common, and by which of its columns the newer wins."""


def run(argv: Sequence[str]) -> int:
    """Build a demo, look at it, repair it, prove it. Returns 0 where every line of the proof holds, else 1."""
    parser = Parser("demo", "Build two small databases that disagree, look at them and repair one.")
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
    proof = _repair(found, local, remote) if HOSTS in found else None
    if options.keep:
        _keep(local, remote)
    print("next: syncnb lab" + ("" if proof is not None else ": this one is repaired in a notebook"))
    return 0 if proof is None or proof else 1


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


def _repair(found: "Diff", local: "Store", remote: "Store") -> "Proof":
    """Decide, write, look again, show how it is taken back, and prove it."""
    from syncnb.applying import apply
    from syncnb.comparing.diffing import diff
    from syncnb.planning import plan, undo
    from syncnb.resolving import newest, take_local
    from syncnb.steps import complete, unique
    from syncnb.verifying import verify

    stamp = next(name for name in STAMPS if name in found[HOSTS].cell_names)
    drawn = plan(found, into=remote, resolve={HOSTS: newest(stamp), "*": take_local})
    line = f'p = sn.plan(d, into=remote, resolve={{"hosts": sn.newest("{stamp}"), "*": sn.take_local}})'
    _step("Decide, and see what would be written", line, repr(drawn))
    report = apply(drawn, remote, caller="syncnb demo")
    _step("Write it", "r = sn.apply(p, remote)", repr(report))
    again = diff(local, remote, progress=False)
    _step("Look again: what nobody decided is left", "sn.diff(local, remote)", repr(again))
    if report.run is not None:
        _step("It could be taken back", "sn.undo(r, remote)", repr(undo(report, remote)))
    table, key = ("domains", "domain_name") if "domains" in found else (HOSTS, "name")
    proof = verify(report, remote, expect=[complete(HOSTS, stamp), unique(table, key)])
    line = f'sn.verify(r, remote, expect=[sn.complete("hosts", "{stamp}"), sn.unique("{table}", "{key}")])'
    _step("Prove it", line, repr(proof))
    return proof


def _keep(local: "Store", remote: "Store") -> None:
    """Say how to reach both databases from another terminal, and hold them until an interrupt."""
    file = _environment_file(local, remote)
    print("The databases are kept until Ctrl-C. In another terminal:")
    print(f"    . {shlex.quote(str(file))}")
    print("    syncnb diff env:DEMO_LOCAL env:DEMO_REMOTE --timezone local=UTC")
    print("    syncnb undo 1 env:DEMO_REMOTE --apply", flush=True)
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
