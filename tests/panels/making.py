"""Two small SQLite files for the panels' tests, made without a server."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import syncnb as sn

__all__ = ["Sides", "sides"]

Sides = tuple[sn.Store, sn.Store]


def sides(
    folder: Path, ddl: str | tuple[str, str], left: Iterable[Sequence[Any]], right: Iterable[Sequence[Any]]
) -> Sides:
    """Two files with one table `t`, its rows as given; the second may be written."""
    ddls = (ddl, ddl) if isinstance(ddl, str) else ddl
    for name, statement, rows in (("local", ddls[0], left), ("remote", ddls[1], right)):
        path = folder / f"{name}.db"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
            for row in rows:
                connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", row)
        connection.close()
    return sn.connect(folder / "local.db"), sn.connect(folder / "remote.db", writable=True)
