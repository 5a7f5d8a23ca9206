"""Databases of one engine, and the errors that statements really raise on them."""

import sqlite3
from pathlib import Path

import psycopg

import syncnb as sn

__all__ = ["fail", "make"]


def make(engine: str, setup: str, folder: Path, url: str | None, *, writable: bool = False) -> sn.Store:
    """A database of that set-up. PostgreSQL's is emptied first."""
    if engine == "sqlite":
        path = folder / f"{len(list(folder.iterdir()))}.db"
        with sqlite3.connect(path, isolation_level=None) as connection:
            connection.executescript(setup)
        connection.close()
        return sn.connect(path, writable=writable)
    assert url
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("public", "app", "syncnb"):
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(setup.encode() or b"SELECT 1")
    return sn.connect(url, writable=writable)


def fail(engine: str, setup: str, statement: str, store: sn.Store, url: str | None) -> Exception:
    """What the statement raises; the session's settings of the set-up hold."""
    settings = [part for part in setup.split(";") if part.strip().lower().startswith(("pragma", "set "))]
    if engine == "sqlite":
        connection = sqlite3.connect(store.path, isolation_level=None)
    else:
        connection = psycopg.connect(url, autocommit=True)
    try:
        for part in [*settings, *statement.split("; ")]:
            connection.execute(part)
    except (sqlite3.Error, psycopg.Error) as error:
        return error
    finally:
        connection.close()
    raise AssertionError(f"{statement} did not fail")
