"""`python -m tests.benchmarks.compare`: diff of a million rows in SQLite and PostgreSQL, by each strategy.

The floor is one psycopg `COPY (SELECT ... ORDER BY id) TO STDOUT`, drained, over the same link in the same round.
Rounds are interleaved, the table shows medians; each round draws other rows that differ, scattered and next to
each other by turns. Bytes are counted both ways on the wire, by a proxy through which one more diff of each round goes:
the proxy takes time of its own, so that with `--slow` alone, where the line is what counts, time is taken through it.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psycopg

import syncnb as sn
from syncnb import embedded
from tests.benchmarks.link import Link, linked

COLUMNS = "id {big} PRIMARY KEY, name text NOT NULL, price numeric(12,2) NOT NULL, qty integer NOT NULL, active boolean NOT NULL, updated_at timestamp NOT NULL, note text"
SLOW = (50e6, 0.02)
"""Bits a second for all connections, and seconds one way."""


def items(rows: int) -> Iterator[tuple[Any, ...]]:
    """Rows of `items`, 79 bytes each as COPY writes them."""
    draw = np.random.default_rng(1)
    prices, numbers = draw.integers(0, 10**7, rows).tolist(), draw.integers(0, 10**9, rows).tolist()
    micros = draw.integers(0, 5 * 10**13, rows).astype("timedelta64[us]")
    stamps = np.datetime_as_string(np.datetime64("2024-01-01T00:00:00.000000") + micros).tolist()
    for at, (price, number, stamp) in enumerate(zip(prices, numbers, stamps, strict=True)):
        note = None if at % 3 else f"note {number % 1000}"
        yield (
            at + 1,
            f"item {number} on shelf {at % 977}",
            price / 100,
            number % 500,
            at % 2,
            stamp.replace("T", " "),
            note,
        )


def fill(path: Path, url: str, rows: int) -> None:
    """Make the table on both sides."""
    with sqlite3.connect(path) as local:
        local.execute(f"CREATE TABLE items ({COLUMNS.format(big='INTEGER')})")
        local.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", items(rows))
    local.close()
    with psycopg.connect(url, autocommit=True) as remote:
        remote.execute(f"CREATE TABLE items ({COLUMNS.format(big='bigint')})")
        with remote.cursor().copy("COPY items FROM STDIN") as copy:
            for id, name, price, qty, active, at, note in items(rows):
                copy.write_row((id, name, f"{price:.2f}", qty, bool(active), at, note))
        remote.execute("CREATE TABLE items_kept AS TABLE items")
        remote.execute("VACUUM ANALYZE items")


def change(url: str, rows: int, differences: int, seed: int) -> None:
    """Change, delete and add rows in PostgreSQL, a third each: anywhere, or where the seed is odd next to each other."""
    draw = np.random.default_rng(seed)
    start = int(draw.integers(1, rows - differences))
    ids = (
        np.arange(start, start + differences)
        if seed % 2
        else draw.choice(rows, differences, replace=False) + 1
    )
    third = differences // 3
    changed, gone = ids[: differences - 2 * third].tolist(), ids[differences - third :].tolist()
    with psycopg.connect(url, autocommit=True) as remote:
        remote.execute("TRUNCATE items")
        remote.execute("INSERT INTO items TABLE items_kept")
        remote.execute("UPDATE items SET qty = qty + 1 WHERE id = ANY(%s)", [changed])
        remote.execute("DELETE FROM items WHERE id = ANY(%s)", [gone])
        remote.execute(
            "INSERT INTO items SELECT id + %s, name, price, qty, active, updated_at FROM items ORDER BY id LIMIT %s",
            [rows, third],
        )
        remote.execute("VACUUM ANALYZE items")


def drain(url: str) -> float:
    """Seconds to read the whole table once, in key order."""
    started = time.perf_counter()
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy("COPY (TABLE items ORDER BY id) TO STDOUT") as copy,
    ):
        for _ in copy:
            pass
    return time.perf_counter() - started


def measure(path: Path, url: str, strategy: str, differences: int) -> float:
    """Seconds from two stores to the complete diff."""
    local, remote = sn.connect(path), sn.connect(url)
    started = time.perf_counter()
    found = sn.diff(local, remote, "items", strategy=strategy, progress=False)  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    counts, third = found["items"].counts, differences // 3
    assert (counts.changed, counts.only_local, counts.only_remote) == (differences - 2 * third, third, third)
    assert set(found.how["strategy"]) == {strategy}, found.how["why"].tolist()
    return seconds


def main() -> None:
    """Print the ratios as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, nargs="+", default=[10, 1000, 20_000])
    parser.add_argument("--slow", action="store_true", help="over 50 Mbit/s and 40 ms there and back")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded.server() as server:
        path, url = Path(folder) / "items.db", server.create("items")
        fill(path, url, told.rows)
        sn.diff(
            sn.connect(path), sn.connect(url), "items", limit=1, progress=False
        )  # its imports are not measured
        print("| differences | strategy | seconds | / drain | bytes both ways |")
        print("|---|---|---|---|---|")
        with linked(url) as link:
            link.rate, link.delay = SLOW if told.slow else (0.0, 0.0)
            for differences in told.differences:
                for line in rounds(link, path, url, told.rows, differences, told.rounds):
                    print(line, flush=True)


def rounds(link: Link, path: Path, url: str, rows: int, differences: int, count: int) -> Iterator[str]:
    """Lines of the table for so many differences."""
    floors: list[float] = []
    found: dict[str, list[tuple[float, int]]] = {"digests": [], "stream": []}
    for seed in range(count):
        change(url, rows, differences, seed)
        told = link.url(url) if link.delay else url
        floors.append(drain(told))
        for strategy, results in found.items():
            before, seconds = link.bytes, measure(path, told, strategy, differences)
            if not link.delay:
                measure(path, link.url(url), strategy, differences)
            results.append((seconds, link.bytes - before))
    floor = median(floors)
    yield f"| {differences:,} | drain of COPY | {floor:.2f} | 1 | |"
    for strategy, results in found.items():
        seconds, size = (median(part) for part in zip(*results, strict=True))
        yield f"| {differences:,} | {strategy} | {seconds:.2f} | {seconds / floor:.2f} | {size:,.0f} |"


if __name__ == "__main__":
    main()
