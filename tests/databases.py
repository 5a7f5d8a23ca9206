"""Two databases for a test, of any engines, from the same few literals."""

import itertools
import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import psycopg

import syncnb as sn
from syncnb import embedded

ENGINES = {
    "SQLite, SQLite": ("sqlite", "sqlite"),
    "SQLite, PostgreSQL": ("sqlite", "postgresql"),
    "PostgreSQL, SQLite": ("postgresql", "sqlite"),
    "PostgreSQL, PostgreSQL": ("postgresql", "postgresql"),
}


MEMORY = Path("/dev/shm")
ROOM = 6 << 30
"""Bytes that a whole run may want at a time."""
EMPTIED = (
    "DROP SCHEMA public CASCADE",
    "DROP SCHEMA IF EXISTS syncnb CASCADE",
    "CREATE SCHEMA public",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
)
KEEPER = "workbench"
"""What the connections that stay call themselves, for who counts those that should not."""
_kept: dict[str, psycopg.Connection] = {}


def in_memory() -> Path | None:
    """A folder of this machine that no disk is waited for in; None where it has too little room."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        return None
    # Some tests run programs that they wrote.
    return None if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC else MEMORY


def told(url: str, *statements: str) -> None:
    """Have an administrator run these, each at once, on a connection that stays.

    A new one would take a process of the server with empty caches, which costs more than the statements do. It
    is set back each time; where it died meanwhile, there is another.
    """
    connection = _kept.get(url)
    try:
        if connection is not None:
            connection.execute("DISCARD ALL")
    except psycopg.Error:
        connection = None
    if connection is None:
        connection = _kept[url] = psycopg.connect(
            url, autocommit=True, application_name=KEEPER, prepare_threshold=None
        )
    for statement in statements:
        connection.execute(statement)


def let_go() -> None:
    """Close the connections that stayed."""
    while _kept:
        _kept.popitem()[1].close()


class Workbench:
    """Makes SQLite files in a folder, and empties two PostgreSQL databases in turn."""

    def __init__(self, folder: Path, server: embedded.Server, databases: Sequence[str]) -> None:
        self.folder, self.server = folder, server
        self.numbers = itertools.count()
        self.databases = itertools.cycle(databases)
        self.last = ""

    def sqlite(self, *statements: str, timezone: object = None) -> sn.Store:
        """A new SQLite file."""
        path = self.folder / f"side{next(self.numbers)}.db"
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return sn.connect(path, timezone=timezone)

    def postgresql(self, *statements: str, timezone: object = None) -> sn.Store:
        """An emptied PostgreSQL database; the one before the last is emptied for it."""
        url = self.last = next(self.databases)
        told(url, *EMPTIED, *statements)
        return sn.connect(url, timezone=timezone)

    def as_role(self, role: str, *grants: str) -> sn.Store:
        """The PostgreSQL database made last, opened by a role that has nothing but these grants."""
        there = "EXCEPTION WHEN duplicate_object THEN"
        made = f"DO $$ BEGIN CREATE ROLE {role} LOGIN PASSWORD 'pw'; {there} END $$"
        told(self.last, made, *(f"GRANT {grant} TO {role}" for grant in grants))
        return sn.connect(f"postgresql://{role}:pw@{self.last.rpartition('@')[2]}")

    def make(self, engine: str, *statements: str, timezone: object = None) -> sn.Store:
        """A database of that engine."""
        return getattr(self, engine)(*statements, timezone=timezone)


def rows(table: str, values: Sequence[str]) -> list[str]:
    """INSERT statements for rows written as SQL, such as `1, 'a'`."""
    return [f"INSERT INTO {table} VALUES ({row})" for row in values]
