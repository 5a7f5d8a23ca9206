"""`python -m tests.benchmarks.goals`: what is asked of a diff of `items` besides the plain case, each against its floor.

Two servers, a text key, rows that all differ with their frame, and memory. The other lines have files of their own:
`compare` (10, 1,000 and 20,000 differences, bytes, a slow link), `see` (flights), `repair` (apply), and the peers.
Each line is the median of rounds in which ours and its floor take turns.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import psycopg

import syncnb as sn
from syncnb import embedded
from tests.benchmarks.compare import COLUMNS, change, drain, fill
from tests.benchmarks.environments import run

OTHERS = "name, price, qty, active, updated_at, note"
MB = 2**20


def diff(one: sn.Store, other: sn.Store, table: str, differences: int) -> sn.Diff:
    """What is timed; how much differs must be right."""
    found = sn.diff(one, other, table, progress=False)
    counts = found[table].counts
    assert counts.changed + counts.only_local + counts.only_remote == differences, found
    return found


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def with_uuids(path: Path, url: str) -> None:
    """The table `named` on both sides: the same rows, their key a UUID, as text in the file."""
    with sqlite3.connect(path) as file, psycopg.connect(url, autocommit=True) as server:
        file.execute(f"CREATE TABLE named ({COLUMNS.replace('id {big}', 'id TEXT')})")
        server.execute(f"CREATE TABLE named ({COLUMNS.replace('{big}', 'uuid')})")
        server.execute(f"INSERT INTO named SELECT md5(id::text)::uuid, {OTHERS} FROM items_kept")
        server.execute("VACUUM ANALYZE named")
        names = server.execute("SELECT md5(id::text)::uuid::text, id FROM items_kept").fetchall()
        file.execute("CREATE TEMP TABLE names (name, id INTEGER PRIMARY KEY)")
        file.executemany("INSERT INTO names VALUES (?, ?)", names)
        file.execute(
            f"INSERT INTO named SELECT names.name, {OTHERS.replace('name', 'i.name')} FROM items AS i JOIN names USING (id)"
        )
    file.close()


def lines(folder: Path, rows: int, rounds: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """What, seconds of ours, seconds of the floor."""
    path = folder / "items.db"
    with embedded.server() as one, embedded.server() as other:
        here, there = one.create("items"), other.create("items")
        fill(path, here, rows)
        fill(folder / "again.db", there, rows)
        local, remote, beside = sn.connect(path), sn.connect(here), sn.connect(there)
        diff(local, remote, "items", 0)  # nothing is imported while time is taken
        found: dict[str, tuple[list[float], list[float]]] = {}

        def took(what: str, ours: float, floor: float) -> None:
            for part, seconds in zip(found.setdefault(what, ([], [])), (ours, floor), strict=True):
                part.append(seconds)

        for seed in range(rounds):
            change(there, rows, 999, seed)
            took("two servers / drain", timed(lambda: diff(remote, beside, "items", 999)), drain(there))
        with_uuids(path, here)
        for _ in range(rounds):
            took(
                "UUID as text key / integer key",
                timed(lambda: diff(local, remote, "named", 0)),
                timed(lambda: diff(local, remote, "items", 0)),
            )
        with psycopg.connect(there, autocommit=True) as server:
            server.execute("TRUNCATE items")
            server.execute(
                "INSERT INTO items SELECT id, name, price, qty + 1, active, updated_at, note FROM items_kept"
            )
            server.execute("VACUUM ANALYZE items")
        for _ in range(rounds):
            took(
                "all rows differ in one column, as one frame / drain",
                timed(lambda: len(diff(local, beside, "items", rows)["items"].rows)),
                drain(there),
            )
        for what, (ours, floor) in found.items():
            yield what, ours, floor


def memory(folder: Path, rows: int) -> Iterator[tuple[str, int]]:
    """What, and bytes beyond an idle `import syncnb`: with 999 differences, and where all rows differ."""
    python = Path(sys.executable)
    with embedded.server() as server:
        path, url = folder / "items.db", server.create("items")
        fill(path, url, rows)
        change(url, rows, 999, 0)
        idle = run(python, "idle", str(path), url).memory
        yield f"{rows:,} rows, 999 differ", run(python, "syncnb", str(path), url).memory - idle
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE items SET active = NOT active")
        yield f"{rows:,} rows, nearly all differ", run(python, "syncnb", str(path), url).memory - idle


def main() -> None:
    """Print the ratios as a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.goals", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[1_000_000], help="of tables of so many rows"
    )
    told = parser.parse_args()
    print("| | ours, s | floor, s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what, ours, floor in lines(Path(folder), told.rows, told.rounds):
            ratio = median(ours) / median(floor)
            print(f"| {what} | {median(ours):.2f} | {median(floor):.2f} | {ratio:.2f} |", flush=True)
    for rows in told.memory:
        with tempfile.TemporaryDirectory() as folder:
            for what, size in memory(Path(folder), rows):
                print(f"| memory, {what} | {size / MB:,.0f} MB | | |", flush=True)


if __name__ == "__main__":
    main()
