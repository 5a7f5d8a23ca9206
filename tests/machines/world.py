"""A SQLite file as an oracle sees it, and the values that machines draw."""

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

import syncnb as sn
from tests.proof.counting import count

__all__ = ["ALLOW", "Machine", "Row", "Side", "State", "drawn", "keys", "nasty", "plain", "values"]

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
        stateful_step_count=steps,
        derandomize=not more,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if more else [Phase.generate],
    )


class Machine(RuleBasedStateMachine):
    """Counts what it does."""

    @invariant()
    def one_more(self) -> None:
        count("steps of machines")


class Side:
    """One SQLite file, changed and read without syncnb."""

    def __init__(self, folder: str, name: str, ddl: tuple[str, ...]) -> None:
        self.path = Path(folder) / name
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        for statement in ddl:
            self.connection.execute(statement)
        names = self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        self.tables = [name for (name,) in names]

    @property
    def store(self) -> sn.Store:
        return sn.connect(self.path, writable=True)

    def run(self, statement: str, *bound: Any) -> bool:
        """Whether the database took it."""
        try:
            self.connection.execute(statement, bound)
        except sqlite3.IntegrityError:
            return False
        return True

    @property
    def state(self) -> State:
        return {table: dict(self._rows(table)) for table in self.tables}

    def _rows(self, table: str) -> Any:
        for row in self.connection.execute(f"SELECT * FROM {table}"):
            yield row[0], tuple(typed(value) for value in row[1:])

    def names(self, table: str) -> list[str]:
        return [row[1] for row in self.connection.execute(f"PRAGMA table_info({table})")][1:]

    def close(self) -> None:
        self.connection.close()


def typed(value: Any) -> tuple[str, str]:
    """1, 1.0 and '1' are three; so are 0.0 and -0.0."""
    return type(value).__name__, repr(value)


def folder() -> "tempfile.TemporaryDirectory[str]":
    """Where the files of one example are."""
    return tempfile.TemporaryDirectory(prefix="sn-machine-")
