"""The journal of a target that lets its role keep none: a SQLite file of this user on this machine.

It cannot be in the transaction that writes. So what shall be committed is kept first, with the number that the
server gave the transaction, and the server is asked later what became of that number.
"""

import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    column,
    insert,
    select,
    table,
)
from sqlalchemy.schema import CreateTable

from syncnb import clock
from syncnb.errors import WriteError
from syncnb.journal.installing import install, version
from syncnb.journal.recording import OPEN
from syncnb.journal.rights import said
from syncnb.journal.tables import VERSION, tables_of
from syncnb.steps import Report
from syncnb.steps.codec import canonical, parse
from syncnb.steps.forms import report_from_json, report_to_json

if TYPE_CHECKING:
    from syncnb.stores.port import Identity
    from syncnb.stores.sqlite import SQLiteStore

__all__ = [
    "ALLOWED",
    "FIRST",
    "FOLDER",
    "Intent",
    "folder",
    "intents",
    "keep_intent",
    "open_outside",
    "outside",
]

ALLOWED = "journal_outside_target"
"""What permits it, in the call."""
FOLDER = "SYNCNB_DATA"
"""The environment variable that says where our files are."""
FIRST = 1_000_001
"""The first run's number: an administrator may install a journal in the target later, whose runs begin at 1."""

INTENTS = Table(
    "syncnb_intents",
    MetaData(),
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("xid", Text, nullable=False),
    Column("report", Text, nullable=False),
)
NUMBERS = table("sqlite_sequence", column("name"), column("seq"))


@dataclass(frozen=True, slots=True)
class Intent:
    """A run that nobody has settled: what it was about to commit, or nothing where it never came so far."""

    run: int
    plan_id: str
    transaction: str | None
    """The number that the server gave; None where no COMMIT can have been sent."""
    report: Report | None
    lease_over: bool


def folder() -> Path:
    """Where the files are: `SYNCNB_DATA`, or the user's folder for data of programs."""
    if told := os.environ.get(FOLDER, "").strip():
        return Path(told).expanduser() / "journals"
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
    else:
        home = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    return home / "syncnb" / "journals"


def outside(target: "Identity", *, writable: bool = False) -> "SQLiteStore | None":
    """The file that holds the journal of this target; None where there is none. Makes nothing."""
    from syncnb.stores.sqlite import SQLiteStore

    path = _path(target)
    return SQLiteStore(path, writable=writable) if path.is_file() and path.stat().st_size else None


def open_outside(target: "Identity") -> "SQLiteStore":
    """The same, made where it is not there yet: readable by its owner alone.

    Raises WriteError where the folder cannot be written.
    """
    from syncnb.stores.sqlite import SQLiteStore

    path = _path(target)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not opened where it is there: to close a handle of ours would end the locks of who writes to it just now.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise WriteError(
            f"the local journal cannot be made: {error.strerror}",
            hint=f"set {FOLDER} to a folder that this user may write",
        ) from None
    store = SQLiteStore(path, writable=True)
    with store.writing() as writer:
        found = version(writer.sql)
        if found != VERSION:
            install(writer.sql)
            if found is None:
                _begin(writer.sql, target)
            writer.commit()
    return store


def _begin(connection: Connection, target: "Identity") -> None:
    """What this journal has besides: intents, numbers of its own, and for a person the name of its target."""
    ours = tables_of(connection)
    with said("installing"):
        connection.execute(CreateTable(INTENTS, if_not_exists=True))
        connection.execute(insert(NUMBERS).values(name=ours.runs.name, seq=FIRST - 1))
        connection.execute(insert(ours.meta).values(key="target", value=target.name))


def _path(target: "Identity") -> Path:
    name = hashlib.sha256(f"{target.dialect}/{target.id}".encode()).hexdigest()
    return folder() / f"{name[:32]}.db"


def keep_intent(connection: Connection, run: int, transaction: str, report: Report) -> None:
    """What is about to be committed, and under which number; for a transaction that ends before COMMIT is sent."""
    told = canonical(report_to_json(report)).decode()
    with said("writing what will be committed to"):
        connection.execute(insert(INTENTS).values(run=run, xid=transaction, report=told))


def intents(connection: Connection) -> list[Intent]:
    """The runs that are still open, the first first."""
    runs = tables_of(connection).runs
    wanted = (
        select(runs.c.run, runs.c.plan_id, INTENTS.c.xid, INTENTS.c.report, runs.c.lease_until)
        .join_from(runs, INTENTS, runs.c.run == INTENTS.c.run, isouter=True)
        .where(runs.c.status.in_(OPEN))
        .order_by(runs.c.run)
    )
    with said("reading", reading=True):
        rows = connection.execute(wanted).all()
    return [
        Intent(run, plan_id, xid, report and report_from_json(parse(report)), until < clock.now())
        for run, plan_id, xid, report, until in rows
    ]
