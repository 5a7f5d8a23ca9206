"""`python -m tests.benchmarks`: floors, peers and ours over the same rows, in turns; ratios as a Markdown table and as bars.

Every contestant runs in a process of its own, its imports not timed, the peers each in an environment of its own
(made on first use, kept in `--environments`); one that cannot run here is left out, with the reason. Each round draws
other rows that differ; what a contestant finds must be exactly those. The unit is one `COPY` of the whole
table, drained, in the same round. `compare` beside this file measures bytes and slow links.
"""

import argparse
import os
import platform
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median

from syncnb import embedded
from tests.benchmarks.compare import change, drain, fill
from tests.benchmarks.environments import NEEDS, Run, Skipped, environment, import_seconds, run

MB = 2**20
WIDEST = 60
"""Signs of the longest bar."""


@dataclass
class Line:
    """One contestant over all rounds."""

    label: str
    name: str
    """In `contestants`; empty for sqldiff, which is a program."""
    sides: tuple[str, str]
    """Two of `path`, `other` (a SQLite file with the rows of PostgreSQL), `url`, `kept` (the rows of `path` there)."""
    runs: list[Run] = field(default_factory=list)
    why_not: str = ""


def lines(peers: Sequence[str]) -> list[Line]:
    """Ours, and these peers."""
    ours = {
        "SQLite, PostgreSQL": ("path", "url"),
        "SQLite, SQLite": ("path", "other"),
        "PostgreSQL, PostgreSQL": ("kept", "url"),
    }
    return [
        Line("read of the SQLite file", "sqlite_read", ("path", "url")),
        *(Line(f"**syncnb**: {label}", "syncnb", sides) for label, sides in ours.items()),
        *(Line(f"{peer}: {_of(peer)}", peer, ("path", "url")) for peer in peers if peer in NEEDS),
        *(Line("sqldiff: SQLite, SQLite", "", ("path", "other")) for peer in peers if peer == "sqldiff"),
    ]  # fmt: skip


def _of(peer: str) -> str:
    return "PostgreSQL, PostgreSQL" if peer == "reladiff" else "SQLite, PostgreSQL"


def copied(url: str, path: Path) -> None:
    """The rows of PostgreSQL as a SQLite file."""
    import psycopg

    path.unlink(missing_ok=True)
    with psycopg.connect(url) as server, sqlite3.connect(path) as file:
        from tests.benchmarks.compare import COLUMNS

        file.execute(f"CREATE TABLE items ({COLUMNS.format(big='INTEGER')})")
        columns = (
            "id, name, price::float8, qty, active::int, to_char(updated_at, 'YYYY-MM-DD HH24:MI:SS.US'), note"
        )
        rows = server.execute(f"SELECT {columns} FROM items")
        file.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    file.close()


def sqldiff(one: str, other: str) -> Run:
    """SQLite's own program, its answer thrown away. Raises Skipped."""
    program = shutil.which("sqldiff")
    if program is None:
        raise Skipped("no program of that name (Debian: sqlite3-tools)")
    started = time.perf_counter()
    subprocess.run([program, "--table", "items", one, other], stdout=subprocess.DEVNULL, check=True)
    return Run(time.perf_counter() - started, None, 0)


def measured(line: Line, places: dict[str, str], folder: Path, expected: tuple[int, int, int]) -> None:
    """One run of one contestant; what it finds must be right."""
    told = [places[side] for side in line.sides]
    try:
        found = run(environment(folder, line.name), line.name, *told) if line.name else sqldiff(*told)
    except Skipped as problem:
        line.why_not = str(problem)
        return
    if found.counts not in (None, expected):
        line.why_not = f"found {found.counts} instead of {expected}"
    line.runs.append(found)


def table(told: Sequence[Line], floors: Sequence[float], idle: int) -> Iterator[str]:
    """The lines of a Markdown table."""
    floor = median(floors)
    yield "| | seconds | / drain | memory, MB |"
    yield "|---|---|---|---|"
    yield f"| drain of COPY | {floor:.2f} | 1 | |"
    for line in told:
        if line.why_not:
            yield f"| {line.label} | left out: {line.why_not} | | |"
            continue
        seconds, most = median(found.seconds for found in line.runs), max(found.memory for found in line.runs)
        memory = f"{max(0, most - idle) / MB:,.0f}" if most else ""
        yield f"| {line.label} | {seconds:.2f} | {seconds / floor:.2f} | {memory} |"


def plot(told: Sequence[Line], floors: Sequence[float]) -> Iterator[str]:
    """The same as bars, the longest of them `WIDEST` signs."""
    floor = median(floors)
    ratios = {"drain of COPY": 1.0} | {
        line.label.replace("*", ""): median(found.seconds for found in line.runs) / floor
        for line in told
        if line.runs and not line.why_not
    }
    sign, margin = max(ratios.values()) / WIDEST, max(map(len, ratios))
    yield "```"
    for label, ratio in sorted(ratios.items(), key=lambda item: item[1]):
        yield f"{label:{margin}}  {'█' * round(ratio / sign) or '▏'} {ratio:.2f}"
    yield "```"


def compared(
    folder: Path, environments: Path, server: embedded.Server, options: argparse.Namespace
) -> Iterator[str]:
    """All rounds for each number of differences."""
    path, url, kept = folder / "items.db", server.create("items"), server.create("kept")
    fill(path, url, options.rows)
    fill(folder / "again.db", kept, options.rows)
    places = {"path": str(path), "other": str(folder / "other.db"), "url": url, "kept": kept}
    idle = run(environment(environments, "idle"), "idle", str(path), url).memory if options.memory else 0
    for differences in options.differences:
        floors, told = [], lines(options.peers)
        third = differences // 3
        for seed in range(options.rounds):
            change(url, options.rows, differences, seed)
            copied(url, folder / "other.db")
            floors.append(drain(url))
            for line in told:
                if not line.why_not:
                    measured(line, places, environments, (differences - 2 * third, third, third))
        yield f"\n{options.rows:,} rows, {differences:,} differences\n"
        yield from table(told, floors, idle)
        yield ""
        yield from plot(told, floors)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was measured."""
    peers = [*NEEDS, "sqldiff"]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--differences", type=int, nargs="+", default=[1000, 10, 20_000])
    parser.add_argument("--peers", nargs="*", default=peers, choices=peers)
    parser.add_argument(
        "--environments", type=Path, default=Path(tempfile.gettempdir()) / "syncnb-benchmarks"
    )
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    options = parser.parse_args(arguments)
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    print(
        f"{date.today()}, {os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}{load}"
    )
    with tempfile.TemporaryDirectory() as folder, embedded.server() as server:
        for line in compared(Path(folder), options.environments, server, options):
            print(line, flush=True)
    alone, used = (median(import_seconds(then) for _ in range(3)) for then in ("", "syncnb.diff"))
    print(f"\n`import syncnb` beyond pandas: {alone:.2f} s; with all that `diff` uses: {used:.2f} s")


if __name__ == "__main__":
    main()
