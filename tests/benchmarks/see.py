"""`python -m tests.benchmarks.see`: diff of the full flights against one drain of the same COPY, and its memory.

The floor is what no design that downloads everything can beat: one psycopg `COPY (SELECT ... ORDER
BY key) TO STDOUT`, drained. Rounds are interleaved; the table shows medians.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psycopg

import syncnb as sn
from syncnb import embedded
from tests.flights import ALL, COLUMNS, JANUARY, KEY, fill

MEMORY = r"""
import re, sys
import syncnb as sn
from syncnb.comparing import diffing
import syncnb.stores.postgres, syncnb.stores.sqlite, pandas, psycopg
local, remote = sys.argv[1:]

def peak():
    # Not getrusage: its maximum survives exec and would be that of the process which started us.
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024

idle = peak()
found = sn.diff(sn.connect(local), sn.connect(remote), progress=False)
assert found.verdict == "equal", found.verdict
print(idle, peak())
"""


def drain(url: str) -> float:
    """Seconds to read the whole table once, in key order."""
    started = time.perf_counter()
    with psycopg.connect(url) as connection:
        query = f"COPY (SELECT {', '.join(COLUMNS)} FROM flights ORDER BY {', '.join(KEY)}) TO STDOUT"
        with connection.cursor().copy(query) as copy:
            for _ in copy:
                pass
    return time.perf_counter() - started


def compare(path: Path, url: str) -> float:
    """Seconds from two stores to the complete diff."""
    local, remote = sn.connect(path), sn.connect(url)
    started = time.perf_counter()
    found = sn.diff(local, remote, progress=False)
    seconds = time.perf_counter() - started
    assert found.verdict == "equal"
    return seconds


def memory(path: Path, url: str) -> tuple[float, float]:
    """Peak memory of a process of its own in MiB: idle after the imports, and after the diff."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path), url], check=True, capture_output=True, text=True
    )
    idle, peak = map(float, done.stdout.split())
    return idle, peak


def main() -> None:
    """Print the ratios as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, embedded.server() as server:
        sides = {}
        for name, count in (("january", JANUARY), ("all", ALL)):
            sides[name] = Path(folder) / f"{name}.db", server.create(name)
            fill(*sides[name], count)
        path, url = sides["all"]
        compare(path, url)
        times = [(drain(url), compare(path, url)) for _ in range(rounds)]
        floor, ours = (median(column) for column in zip(*times, strict=True))
        print(f"| {ALL:,} flights x {len(COLUMNS)} | median of {rounds} | ratio |")
        print("|---|---|---|")
        print(f"| drain of COPY | {floor:.2f} s | 1 |")
        print(f"| diff, SQLite against PostgreSQL | {ours:.2f} s | {ours / floor:.2f} |")
        peaks = {name: memory(*sides[name]) for name in sides}
        for name, (idle, peak) in peaks.items():
            print(f"| memory over idle, {name} | {peak - idle:.0f} MiB (idle {idle:.0f}) | |")
        over = {name: peak - idle for name, (idle, peak) in peaks.items()}
        print(f"| memory, all / january | | {over['all'] / over['january']:.2f} |")


if __name__ == "__main__":
    main()
