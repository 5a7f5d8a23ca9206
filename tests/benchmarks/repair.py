"""`python -m tests.benchmarks.repair`: apply of 100,000 changes into 1,000,000 rows against a bare upsert of the same.

80 % are updates of two columns, 20 % inserts. Ours is guarded, read again and journaled; the floor is COPY and
INSERT ... ON CONFLICT on PostgreSQL, executemany of an upsert on SQLite, with the same durability. Each round
starts from the same rows.
"""

import argparse
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psycopg

import syncnb as sn
from syncnb import embedded

ROWS, CHANGES = 1_000_000, 100_000
DDL = "CREATE TABLE items (id {integer} PRIMARY KEY, name TEXT, price {number}, qty {integer}, note TEXT)"
TYPES = {
    "sqlite": {"integer": "INTEGER", "number": "REAL"},
    "postgresql": {"integer": "bigint", "number": "float8"},
}
UPSERT = "ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price, qty = excluded.qty, note = excluded.note"


def row(at: int) -> tuple[int, str, float, int, str | None]:
    return at, f"item {at}", at / 4, at % 100, None if at % 3 else f"note {at}"


def changed(seed: int) -> list[tuple[int, str, float, int, str | None]]:
    """The rows that shall be: four fifths of them are there with another price and quantity."""
    draw = random.Random(seed)
    updates = draw.sample(range(ROWS), CHANGES * 4 // 5)
    inserts = range(ROWS, ROWS + CHANGES // 5)
    return [
        (*row(at)[:2], at / 4 + 1, at % 100 + 1, row(at)[4]) if at < ROWS else row(at)
        for at in sorted([*updates, *inserts])
    ]


def sqlite_file(path: Path, rows: Iterator[tuple[object, ...]]) -> None:
    connection = sqlite3.connect(path)
    connection.execute(DDL.format(**TYPES["sqlite"]))
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()


def bare_sqlite(path: Path, rows: list[tuple[object, ...]]) -> float:
    started = time.perf_counter()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.executemany(f"INSERT INTO items VALUES (?, ?, ?, ?, ?) {UPSERT}", rows)
    connection.commit()
    connection.close()
    return time.perf_counter() - started


def bare_postgresql(url: str, rows: list[tuple[object, ...]]) -> float:
    started = time.perf_counter()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE s (LIKE items) ON COMMIT DROP")
        with connection.cursor().copy("COPY s FROM STDIN") as copy:
            for values in rows:
                copy.write_row(values)
        connection.execute(f"INSERT INTO items SELECT * FROM s {UPSERT}")
    return time.perf_counter() - started


def planned(folder: Path, source: Path, target: sn.Store) -> sn.Plan:
    local = sn.connect(source)
    return sn.plan(sn.diff(local, target, progress=False), into=target, resolve=sn.take_local)


def timed(p: sn.Plan, target: sn.Store) -> float:
    started = time.perf_counter()
    r = sn.apply(p, target, allow=[hazard.name for hazard in p.hazards])
    seconds = time.perf_counter() - started
    assert (r.status, sum(n["inserted"] + n.get("updated", 0) for n in r.totals.values())) == (
        "applied",
        CHANGES,
    )
    return seconds


def main() -> None:
    """Print the ratios as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"| {CHANGES:,} changes into {ROWS:,} rows | bare | apply | ratio |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, embedded.server() as server:
        folder = Path(name)
        sqlite_file(folder / "before.db", map(row, range(ROWS)))
        times: dict[str, list[tuple[float, float]]] = {"sqlite": [], "postgresql": []}
        for number in range(rounds):
            rows = changed(number)
            source = folder / f"source{number}.db"
            shutil.copy(folder / "before.db", source)
            bare_sqlite(source, rows)
            times["sqlite"].append(_sqlite_round(folder, source, rows))
            times["postgresql"].append(_postgresql_round(server, folder, source, rows))
            source.unlink()
    for dialect, pairs in times.items():
        bare, ours = (median(column) for column in zip(*pairs, strict=True))
        print(f"| {dialect} | {bare:.2f} s | {ours:.2f} s | {ours / bare:.2f} |")


def _sqlite_round(folder: Path, source: Path, rows: list[tuple[object, ...]]) -> tuple[float, float]:
    target = folder / "target.db"
    shutil.copy(folder / "before.db", target)
    bare = bare_sqlite(target, rows)
    shutil.copy(folder / "before.db", target)
    store = sn.connect(target, writable=True)
    return bare, timed(planned(folder, source, store), store)


def _postgresql_round(
    server: embedded.Server, folder: Path, source: Path, rows: list[tuple[object, ...]]
) -> tuple[float, float]:
    seconds = []
    for ours in (False, True):
        url = server.create("bench")
        with psycopg.connect(url) as connection:
            connection.execute(DDL.format(**TYPES["postgresql"]))
            with connection.cursor().copy("COPY items FROM STDIN") as copy:
                for values in map(row, range(ROWS)):
                    copy.write_row(values)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE items")
        if ours:
            store = sn.connect(url, writable=True)
            seconds.append(timed(planned(folder, source, store), store))
        else:
            seconds.append(bare_postgresql(url, rows))
        server.drop("bench")
    return seconds[0], seconds[1]


if __name__ == "__main__":
    main()
