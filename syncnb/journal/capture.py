"""Our own tables for change capture in a SQLite file, and the flag that says a write is ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    column,
    delete,
    insert,
    select,
    table,
)
from sqlalchemy.types import UserDefinedType

from syncnb.journal.rights import said
from syncnb.journal.tables import PREFIX, Moment

__all__ = ["KEY_COLUMNS", "Capture", "capture", "is_capturing", "own_writes"]

KEY_COLUMNS = tuple(f"k{number}" for number in range(1, 9))
"""What holds a key in the log. A table whose key has more columns is not tracked."""

_MASTER = table("sqlite_master", column("name"), column("type"))


class AsItIs(UserDefinedType[Any]):
    """A column that keeps every value with the storage class it has."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BLOB"


@dataclass(frozen=True, slots=True)
class Capture:
    """The four tables."""

    facts: Table
    """`epoch`, `generation`, `place`: what tells this file from a copy and from a restored backup."""
    tracked: Table
    """A row for each tracked table."""
    touched: Table
    """The log: a row for each key that somebody touched, in order. Triggers write it."""
    own: Table
    """Empty, but within a transaction of ours: while it holds a row, the triggers are silent."""

    @property
    def all(self) -> tuple[Table, ...]:
        """In the order in which they are made."""
        return self.facts, self.tracked, self.touched, self.own


@cache
def capture() -> Capture:
    """The tables as SQLite has them."""
    shelf = MetaData()
    touched = Table(
        f"{PREFIX}touched",
        shelf,
        Column("seq", Integer, primary_key=True),
        Column("tracked", Integer, nullable=False),
        *(Column(name, AsItIs) for name in KEY_COLUMNS),
        Column("at", Text, nullable=False),
        sqlite_autoincrement=True,  # a number is never given twice, also after its row was acknowledged
    )
    Index(f"{PREFIX}touched_by_key", touched.c.tracked, touched.c.k1)
    return Capture(
        facts=Table(
            f"{PREFIX}capture",
            shelf,
            Column("name", Text, primary_key=True),
            Column("value", Text, nullable=False),
        ),
        tracked=Table(
            f"{PREFIX}tracked",
            shelf,
            Column("number", Integer, primary_key=True),
            Column("name", Text, nullable=False, unique=True),
            Column("key", Text, nullable=False),
            Column("fingerprint", Text, nullable=False),
            Column("since", Moment, nullable=False),
            sqlite_autoincrement=True,
        ),
        touched=touched,
        own=Table(f"{PREFIX}own", shelf, Column("writing", Integer, primary_key=True)),
    )


def is_capturing(connection: Connection) -> bool:
    """Whether the tables of change capture are there. Never in PostgreSQL."""
    if connection.dialect.name != "sqlite":
        return False
    with said("looking for", reading=True):
        there = set(connection.scalars(select(_MASTER.c.name).where(_MASTER.c.type == "table")))
    return {each.name for each in capture().all} <= there


@contextmanager
def own_writes(connection: Connection) -> Iterator[None]:
    """What is written within is not captured as somebody's change: it is what both sides agree on by then.

    For a transaction that is rolled back where the block ends by an exception: the flag goes with it, and
    so it does when the process is killed. Nothing happens where nothing is captured.
    """
    if not is_capturing(connection):
        yield
        return
    own = capture().own
    with said("writing to"):
        within = connection.scalar(select(own.c.writing)) is not None
        if not within:
            connection.execute(insert(own).values(writing=1))
    yield
    if within:  # the block around this one ends it
        return
    with said("writing to"):
        connection.execute(delete(own))
