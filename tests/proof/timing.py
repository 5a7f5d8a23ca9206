"""`python -m tests.proof.timing`: seconds of diff, apply, verify and undo of 100,000 and of 1,000,000 rows, one in a hundred differs.

Once each, on whatever else the machine does: figures of one run, and no benchmark (that is `python -m tests.benchmarks`).
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

import syncnb as sn
from syncnb import embedded
from tests.benchmarks.repair import DDL, TYPES, row, sqlite_file
from tests.proof.counting import count

SIZES = (100_000, 1_000_000)


def timed(what: str, work: Callable[[], Any]) -> Any:
    since = time.perf_counter()
    done = work()
    count(f"most milliseconds for {what}", round(1000 * (time.perf_counter() - since)))
    return done


def differing(path: Path, size: int) -> int:
    """In every thousand rows eight have another price, one is gone, and one is new. How many that is."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE items SET price = price + 1 WHERE id % 1000 < 8")
        connection.execute("DELETE FROM items WHERE id % 1000 = 8")
        connection.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?)", map(row, range(size, size + size // 1000))
        )
    connection.close()
    return size // 100


def filled(url: str, size: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(DDL.format(**TYPES["postgresql"]).encode())
        with connection.cursor().copy("COPY items FROM STDIN") as copy:
            for values in map(row, range(size)):
                copy.write_row(values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE items")


def main() -> int:
    """1 where what was written is not what there was to write."""
    with tempfile.TemporaryDirectory(prefix="sn-timing-") as folder, embedded.server() as server:
        for size in SIZES:
            path, url = Path(folder) / f"{size}.db", server.create(f"timing_{size}")
            sqlite_file(path, map(row, range(size)))
            filled(url, size)
            wanted = differing(path, size)
            local, remote = sn.connect(path), sn.connect(url, writable=True)
            rows = f"{size:,} rows, {wanted:,} of which differ"
            d = timed(f"a diff of {rows}", lambda: sn.diff(local, remote, progress=False))  # noqa: B023
            p = sn.plan(d, into=remote, resolve=sn.take_local, deletes=True)
            allow = tuple({hazard.name for hazard in p.hazards})
            r = timed(f"an apply to {rows}", lambda: sn.apply(p, remote, allow=allow, progress=False))  # noqa: B023
            timed(f"a verify after {rows}", lambda: sn.verify(r, remote))  # noqa: B023
            written = sum(sum(n.values()) for n in r.totals.values())
            if (r.status, written) != ("applied", wanted) or sn.diff(
                local, remote, progress=False
            ).verdict != "equal":
                print(f"FAILED {rows}: {r.status}, {written} written")
                return 1
            server.drop(f"timing_{size}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
