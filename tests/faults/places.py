"""What scenes have in common: two databases, somebody else who writes, and a look at the truth past syncnb."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

import syncnb as sn
from tests.databases import Workbench
from tests.proof.counting import count

__all__ = ["DDL", "Place", "forked", "said"]

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"


@dataclass
class Place:
    bench: Workbench

    def make(self, engine: str, *statements: str, **options: Any) -> sn.Store:
        """A database that may be written."""
        return replace(self.bench.make(engine, *statements, **options), writable=True)  # type: ignore[type-var]

    def pair(
        self, engine: str, *ddl: str, local: Sequence[str] = (), remote: Sequence[str] = (), table: str = "t"
    ) -> tuple[sn.Store, sn.Store]:
        """A local SQLite file and a remote database of that engine, with rows written as `1, 'a'`."""
        ours, theirs = ([f"INSERT INTO {table} VALUES ({row})" for row in rows] for rows in (local, remote))
        return self.make("sqlite", *ddl, *ours), self.make(engine, *ddl, *theirs)

    def opened(self, store: sn.Store) -> Any:
        """A connection of somebody else, past syncnb: each statement lasts at once."""
        if store.dialect == "sqlite":
            return closing(sqlite3.connect(store.path, isolation_level=None, timeout=0.2))  # type: ignore[attr-defined]
        return closing(psycopg.connect(**store.parameters, autocommit=True))  # type: ignore[attr-defined]

    def tell(self, store: sn.Store, *statements: str) -> None:
        """Somebody else writes."""
        with self.opened(store) as connection:
            for statement in statements:
                connection.execute(statement)

    def ask(self, store: sn.Store, query: str = "SELECT * FROM t ORDER BY 1") -> list[tuple[Any, ...]]:
        """What really stands there."""
        with self.opened(store) as connection:
            return list(connection.execute(query).fetchall())

    def value(self, store: sn.Store, query: str = "SELECT n FROM t") -> Any:
        """The only value of the first row."""
        return self.ask(store, query)[0][0]


def planned(local: sn.Store, remote: sn.Store, **options: Any) -> sn.Plan:
    """The plan by which the remote becomes as the local is."""
    tables = {"tables": options.pop("tables")} if "tables" in options else {}
    return sn.plan(sn.diff(local, remote, **tables), into=remote, **{"resolve": sn.take_local, **options})


def said(work: Callable[[], Any]) -> str:
    """How it ended: a status, or the error in one line."""
    try:
        done = work()
    except sn.SyncnbError as problem:
        return f"{type(problem).__name__}: {problem.message}"
    except (Exception, KeyboardInterrupt) as problem:
        return f"{type(problem).__module__}.{type(problem).__name__}"
    return str(getattr(done, "status", done))


def forked(work: Callable[[], object], **environment: str) -> int:
    """Do this in a process of its own; the signal that ended it, 0 where none did."""
    child = os.fork()
    if not child:
        os.environ.update(environment)
        try:
            work()
        finally:
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return -code if code < 0 else 0


def killed_at(point: str, work: Callable[[], object]) -> None:
    """Do this in a process that is killed at a named point."""
    assert forked(work, SYNCNB_FAILPOINT=point) == signal.SIGKILL, f"{point} was not reached"
    count(f"kills at {point}")


@contextmanager
def held(connection: Any, *statements: str) -> Iterator[None]:
    """Somebody's transaction that is open for a while, and then rolled back."""
    connection.execute("BEGIN")
    for statement in statements:
        connection.execute(statement)
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
