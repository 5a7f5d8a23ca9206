"""A database as an oracle sees it, past syncnb, and the values that machines draw."""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

import syncnb as sn
from syncnb import failpoints
from tests.proof.counting import count

__all__ = [
    "ALLOW", "Machine", "Pair", "PostgresSide", "Row", "Side", "State", "cases", "keys", "nasty", "plain", "raising", "reaching",
    "text_of", "third", "typed", "values",
]  # fmt: skip

ALLOW = ("deletes", "cascades", "many_changes", "lossy")
Row = tuple[tuple[str, str], ...]
"""The columns of a row behind its key: storage class and value."""
State = dict[str, dict[int, Row]]
"""By table and key."""

plain = st.sampled_from(["a", "b", "c", None])
nasty = st.sampled_from([
    "", " ", "a ", "A", "é", "e\u0301", "'", '"', "\\", "%s", "NULL", "1", 1, 1.0, -0.0, 2**53 + 1, 2**63 - 1, 0.1,
    b"", b"\x00\xff", "x\ny", "😀", "<img src=x onerror=alert(1)>", "23:59:59.9999999", float("inf"), "\u202e",
])  # fmt: skip
values = st.one_of(plain, plain, plain, plain, nasty)
keys = st.integers(1, 4)


def drawn(examples: int, steps: int) -> settings:
    """The same draws in each run of the suite; `python -m tests.proof` asks for more of them, and for others."""
    more = int(os.environ.get("SYNCNB_PROOF_EXAMPLES", "0"))
    return settings(
        max_examples=more or examples,
        stateful_step_count=max(steps, 8) if more else steps,
        derandomize=not more,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # not made smaller: an example is slow, and its seed draws it again
    )


class Side:
    """One SQLite file, changed and read without syncnb."""

    def __init__(self, folder: str, name: str, ddl: tuple[str, ...]) -> None:
        self.path = Path(folder) / name
        self._connection: sqlite3.Connection | None = None
        for statement in ddl:
            self.connection.execute(statement)
        names = self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        self.tables = [name for (name,) in names]

    @property
    def connection(self) -> sqlite3.Connection:
        """Opened when it is needed: nothing of SQLite may be open while a process forks."""
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
        return self._connection

    @property
    def store(self) -> sn.Store:
        return self.zoned(None)

    def zoned(self, zone: str | None) -> sn.Store:
        """As a store whose stamps are of that zone."""
        return sn.connect(self.path, writable=True, timezone=zone)

    def run(self, statement: str, *bound: Any) -> bool:
        """Whether the database took it."""
        try:
            self.connection.execute(statement, bound)
        except sqlite3.IntegrityError:
            return False
        return True

    def replace(self, table: str, columns: str, *bound: Any) -> bool:
        """What is in the way of it goes without a word."""
        marks = ", ".join("?" * len(bound))
        return self.run(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", *bound)

    def ask(self, query: str, *bound: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, bound).fetchall()

    @property
    def state(self) -> State:
        return {table: dict(self._rows(table)) for table in self.tables}

    def _rows(self, table: str) -> Any:
        for row in self.ask(f"SELECT * FROM {table}"):
            yield row[0], tuple(typed(value) for value in row[1:])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


SERVER: dict[str, str] = {}
"""The URL of the database that machines of PostgreSQL share, one example after the other."""


class PostgresSide:
    """The same of a PostgreSQL database, which is emptied for each example."""

    def __init__(self, ddl: tuple[str, ...]) -> None:
        self.url = SERVER["url"]
        self.connection = psycopg.connect(
            self.url, autocommit=True, prepare_threshold=None
        )  # tables are altered
        self.connection.execute("SET client_min_messages = warning")
        self.connection.execute("DROP SCHEMA IF EXISTS public, syncnb CASCADE")
        self.connection.execute("CREATE SCHEMA public")
        for statement in ddl:
            self.connection.execute(statement.encode())
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        self.tables = [name for (name,) in self.connection.execute(query)]

    @property
    def store(self) -> sn.Store:
        return self.zoned(None)

    def zoned(self, zone: str | None) -> sn.Store:
        return sn.connect(self.url, writable=True, timezone=zone)

    def run(self, statement: str, *bound: Any) -> bool:
        try:
            self.connection.execute(
                statement.replace("?", "%s").encode(), [text_of(value) for value in bound]
            )
        except psycopg.IntegrityError:
            return False
        return True

    def replace(self, table: str, columns: str, *bound: Any) -> bool:
        """As one that deletes and inserts: only the key is in its way."""
        first = columns.partition(",")[0]
        marks = ", ".join("?" * len(bound))
        try:
            with self.connection.transaction():
                for query, args in (
                    (f"DELETE FROM {table} WHERE {first} = %s", bound[:1]),
                    (f"INSERT INTO {table} ({columns}) VALUES ({marks})".replace("?", "%s"), bound),
                ):
                    self.connection.execute(query.encode(), [text_of(value) for value in args])
        except psycopg.IntegrityError:
            return False
        return True

    def ask(self, query: str, *bound: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.replace("?", "%s").encode(), bound).fetchall()

    @property
    def state(self) -> State:
        return {
            table: {
                row[0]: tuple(typed(value) for value in row[1:]) for row in self.ask(f"SELECT * FROM {table}")
            }
            for table in self.tables
        }

    def close(self) -> None:
        self.connection.close()


def sided(engine: str, home: str, name: str, ddl: tuple[str, ...]) -> Side | PostgresSide:
    """A database of that engine. `{any}` in its DDL is the type of a column that holds whatever is drawn."""
    made = tuple(statement.replace("{any}", "" if engine == "sqlite" else " TEXT") for statement in ddl)
    return Side(home, name, made) if engine == "sqlite" else PostgresSide(made)


class Machine(RuleBasedStateMachine):
    """A database that is made anew for each example; what it does is counted."""

    engine = "sqlite"
    """Of the remote; the local of a pair is a SQLite file always."""
    ddl: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="sn-machine-")
        self.remote = sided(self.engine, self.folder.name, "remote.db", self.ddl)

    def teardown(self) -> None:
        self.remote.close()
        self.folder.cleanup()

    @invariant()
    def one_more(self) -> None:
        count("steps of machines")


class Pair(Machine):
    """Two of them, of the same tables."""

    def __init__(self) -> None:
        super().__init__()
        self.local = sided("sqlite", self.folder.name, "local.db", self.ddl)

    def teardown(self) -> None:
        self.local.close()
        super().teardown()

    def side(self, there: bool) -> "Side | PostgresSide":
        return self.remote if there else self.local

    def on_both(self, statement: str, *bound: Any) -> None:
        for side in (self.local, self.remote):
            side.run(statement, *bound)

    def fit(self, value: Any) -> Any:
        """PostgreSQL has no column for whatever comes: text, then, on both sides."""
        return value if value is None or self.engine == "sqlite" else str(text_of(value))


def cases(machine: type[Machine], *, sqlite: tuple[int, int], postgresql: tuple[int, int]) -> tuple[Any, Any]:
    """Its tests with a remote of either engine, each with so many examples of so many steps."""
    served = type(f"{machine.__name__}Postgres", (machine,), {"engine": "postgresql"})
    machine.TestCase.settings, served.TestCase.settings = drawn(*sqlite), drawn(*postgresql)
    return machine.TestCase, pytest.mark.usefixtures("served")(served.TestCase)


def third(again: sn.Synced) -> None:
    """A sync when nothing was left to pass on: it has nothing to write."""
    count("syncs when nothing was left to pass on")
    count("records that a further sync wrote", again.records)


def text_of(value: Any) -> Any:
    """What a column of text of PostgreSQL may hold of it; keys and other whole numbers stay."""
    if isinstance(value, int) and abs(value) < 2**31:
        return value
    return value if value is None or isinstance(value, str) else repr(value)


def typed(value: Any) -> tuple[str, str]:
    """1, 1.0 and '1' are three; so are 0.0 and -0.0."""
    return type(value).__name__, repr(value)


@contextmanager
def reaching(point: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Within this block that is done wherever this failpoint is reached; the list says whether it was."""
    reached: list[str] = []

    def reach(name: str) -> None:
        if name == point:
            reached.append(name)
            act()

    was: Callable[[str], None] = failpoints.reach
    _replaced(was, reach)
    try:
        yield reached
    finally:
        _replaced(reach, was)  # also where it was imported meanwhile


def _replaced(was: Callable[[str], None], by: Callable[[str], None]) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("syncnb.") and getattr(module, "reach", None) is was:
            module.reach = by  # type: ignore[attr-defined]


@contextmanager
def raising(point: str, problem: BaseException) -> Iterator[list[str]]:
    """Within this block that is raised wherever this failpoint is reached; the list says whether it was."""

    def fail() -> None:
        raise problem

    with reaching(point, fail) as reached:
        yield reached
