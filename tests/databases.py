"""Two databases for a test, of any engines, from the same few literals."""

import itertools
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
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("DROP SCHEMA IF EXISTS syncnb CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
            for statement in statements:
                connection.execute(statement)
        return sn.connect(url, timezone=timezone)

    def as_role(self, role: str, *grants: str) -> sn.Store:
        """The PostgreSQL database made last, opened by a role that has nothing but these grants."""
        with psycopg.connect(self.last, autocommit=True) as connection:
            connection.execute(
                f"DO $$ BEGIN CREATE ROLE {role} LOGIN PASSWORD 'pw'; EXCEPTION WHEN duplicate_object THEN END $$"
            )
            for grant in grants:
                connection.execute(f"GRANT {grant} TO {role}")
        return sn.connect(f"postgresql://{role}:pw@{self.last.rpartition('@')[2]}")

    def make(self, engine: str, *statements: str, timezone: object = None) -> sn.Store:
        """A database of that engine."""
        return getattr(self, engine)(*statements, timezone=timezone)


def rows(table: str, values: Sequence[str]) -> list[str]:
    """INSERT statements for rows written as SQL, such as `1, 'a'`."""
    return [f"INSERT INTO {table} VALUES ({row})" for row in values]
