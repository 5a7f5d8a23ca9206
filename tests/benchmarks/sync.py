"""`python -m tests.benchmarks.sync`: push of 10 pending changes between audits, on 10,000 and on 1,000,000 rows.

Base, verification, history and what is read of either side are about the touched keys alone, so both cost the
same; the first sync, which compares everything and keeps the base, is told beside it.
"""

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

import psycopg

import syncnb as sn
from syncnb import embedded

SIZES = (10_000, 1_000_000)
CHANGES = 10
DDL = "CREATE TABLE items (id {integer} PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, price {number}, note VARCHAR(40))"
TYPES = {
    "sqlite": {"integer": "INTEGER", "number": "REAL"},
    "postgresql": {"integer": "bigint", "number": "float8"},
}


def row(at: int) -> tuple[int, str, float, str | None]:
    return at, f"item {at}", at / 4, None if at % 3 else f"note {at}"


def sqlite_file(path: Path, rows: int) -> sn.Store:
    connection = sqlite3.connect(path)
    connection.execute(DDL.format(**TYPES["sqlite"]))
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", map(row, range(rows)))
    connection.commit()
    connection.close()
    return sn.connect(path, writable=True)


def postgres(url: str, rows: int) -> sn.Store:
    with psycopg.connect(url) as connection:
        connection.execute(DDL.format(**TYPES["postgresql"]))
        with connection.cursor().copy("COPY items FROM STDIN") as copy:
            for values in map(row, range(rows)):
                copy.write_row(values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE items")
    return sn.connect(url, writable=True)


def change(store: sn.Store, number: int) -> None:
    """Eight updates, an insert and a delete of the one that the round before inserted."""
    with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
        for at in range(CHANGES - 2):
            connection.execute("UPDATE items SET price = price + 1 WHERE id = ?", (at * 997 + number,))
        connection.execute("INSERT INTO items VALUES (?, ?, 0, NULL)", (-number, f"new {number}"))
        connection.execute("DELETE FROM items WHERE id = ?", (1 - number,))
    connection.close()


def timed(local: sn.Store, remote: sn.Store) -> tuple[float, sn.Synced]:
    started = time.perf_counter()
    done = sn.sync(local, remote, allow=("deletes",), caller="benchmark", progress=False)
    return time.perf_counter() - started, done


def pair(engine: str, size: int, folder: Path, server: embedded.Server) -> tuple[sn.Store, sn.Store]:
    """Two databases of so many equal rows, of which one is tracked."""
    local = sqlite_file(folder / f"{engine}-{size}.db", size)
    if engine == "sqlite":
        remote = sqlite_file(folder / f"remote-{size}.db", size)
    else:
        remote = postgres(server.create(f"bench_{size}"), size)
    sn.track(local)
    return local, remote


def main() -> None:
    """Print the seconds, and what the greater table costs in terms of the smaller, as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    heads = " | ".join(f"{size:,} rows" for size in SIZES)
    print(f"| push of {CHANGES} changes, median of {rounds} | {heads} | ratio | first sync |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, embedded.server() as server:
        for engine in ("sqlite", "postgresql"):
            pairs = {size: pair(engine, size, Path(name), server) for size in SIZES}
            firsts = {size: timed(*stores)[0] for size, stores in pairs.items()}
            seconds: dict[int, list[float]] = {size: [] for size in SIZES}
            for number in range(2, rounds + 2):
                for size, stores in pairs.items():  # in turn, so that what else the machine does meets both
                    change(stores[0], number)
                    spent, done = timed(*stores)
                    assert done.records == CHANGES - (number == 2), done
                    seconds[size].append(spent)
            small, great = (median(seconds[size]) for size in SIZES)
            said = " and ".join(f"{firsts[size]:.1f} s" for size in SIZES)
            print(
                f"| SQLite to {engine} | {small:.3f} s | {great:.3f} s | {great / small:.2f} | {said} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
