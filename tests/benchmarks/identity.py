"""`python -m tests.benchmarks.identity`: ids that mean different things, against a plain apply of as many rows.

100,000 hosts with 300,000 children. On one side 10,000 hosts have an id that is another host there (a collision,
kept as both) and 10,000 have another id there (a twin); the children follow. Measured is diff, plan and apply.
The floor is diff, plan and apply of the same number of written rows in the same tables, whose ids mean the same.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psycopg

import syncnb as sn
from syncnb import embedded

HOSTS, CHILDREN, EACH = 100_000, 3, 10_000
DDL = (
    "CREATE TABLE hosts (id {integer} PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, note VARCHAR(40))",
    "CREATE TABLE ips (id {integer} PRIMARY KEY, host_id {integer} NOT NULL REFERENCES hosts, ip VARCHAR(40) NOT NULL, note VARCHAR(40), UNIQUE (host_id, ip))",
    "CREATE INDEX ips_host ON ips (host_id)",
)
TYPES = {"sqlite": "INTEGER", "postgresql": "bigint"}
INSERTS = {"hosts": 3, "ips": 4}

Row = tuple[object, ...]
Side = dict[str, list[Row]]


def side(kind: str) -> Side:
    """`theirs`; `ours`: the first hosts are other things under the same ids, the next ones have other ids;
    `plain`: as many rows are new, with ids that nobody has."""
    hosts: list[Row] = []
    ips: list[Row] = []
    for at in range(HOSTS):
        host, name, note = at, f"host {at}", "note"
        if kind == "ours" and at < EACH:
            name = f"new {at}"
        elif kind == "ours" and at < 2 * EACH:
            host, note = at + 10 * HOSTS, "changed"
        elif kind == "plain" and EACH <= at < 2 * EACH:
            note = "changed"
        hosts.append((host, name, note))
        for child in range(CHILDREN):
            number = at * CHILDREN + child
            ours = kind == "ours" and at < 2 * EACH
            ips.append(
                (
                    number + (10 * HOSTS * CHILDREN if ours and at >= EACH else 0),
                    host,
                    f"10.{at}.{child}",
                    "changed" if kind != "theirs" and EACH <= at < 2 * EACH else "",
                )
            )
    if kind == "plain":
        hosts += [(at + 10 * HOSTS, f"new {at}", "note") for at in range(EACH)]
        ips += [
            ((at + 10 * HOSTS) * CHILDREN + child, at + 10 * HOSTS, f"10.{at}.{child}", "")
            for at in range(EACH)
            for child in range(CHILDREN)
        ]
    return {"hosts": hosts, "ips": ips}


def sqlite_file(path: Path, rows: Side) -> Path:
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        for statement in DDL:
            connection.execute(statement.format(integer=TYPES["sqlite"]))
        for table, width in INSERTS.items():
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows[table])
    connection.close()
    return path


def postgresql(url: str, rows: Side) -> None:
    with psycopg.connect(url) as connection:
        for statement in DDL:
            connection.execute(statement.format(integer=TYPES["postgresql"]))
        for table in INSERTS:
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows[table]:
                    copy.write_row(row)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def timed(local: sn.Store, remote: sn.Store) -> tuple[float, float, int]:
    """Seconds of diff and plan, seconds of apply, rows written."""
    started = time.perf_counter()
    d = sn.diff(local, remote, ids="meaningless", progress=False)
    p = sn.plan(d, into=remote, resolve=sn.take_local, collisions="keep_both")
    drawn = time.perf_counter()
    assert not p.open, p.open[:2]
    r = sn.apply(p, remote, allow=[hazard.name for hazard in p.hazards])
    assert r.status == "applied"
    return drawn - started, time.perf_counter() - drawn, len(p)


def rounds(
    engine: str, number: int, folder: Path, server: embedded.Server
) -> Iterator[tuple[str, tuple[float, float, int]]]:
    """Both ways in turn, each on a target of its own."""
    theirs = side("theirs")
    sources = {kind: sqlite_file(folder / f"{kind}.db", side(kind)) for kind in ("ours", "plain")}
    for _ in range(number):
        for kind, source in sources.items():
            if engine == "sqlite":
                target = sn.connect(sqlite_file(folder / "target.db", theirs), writable=True)
            else:
                url = server.create("bench")
                postgresql(url, theirs)
                target = sn.connect(url, writable=True)
            yield kind, timed(sn.connect(source), target)
            if engine == "postgresql":
                server.drop("bench")


def main() -> None:
    """Print the ratios as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=list(TYPES), action="append")
    told = parser.parse_args()
    print(
        f"| {EACH:,} collisions, {EACH:,} twins | rows | diff and plan | apply | plain: rows | diff and plan | apply | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, embedded.server() as server:
        for engine in told.engine or TYPES:
            found: dict[str, list[tuple[float, float, int]]] = {"ours": [], "plain": []}
            for kind, seconds in rounds(engine, told.rounds, Path(name), server):
                found[kind].append(seconds)
            (plan, apply, rows), (plain, bare, many) = (
                tuple(median(column) for column in zip(*found[kind], strict=True)) for kind in found
            )
            ratio = (plan + apply) / bare * many / rows
            print(
                f"| {engine} | {rows:,} | {plan:.2f} s | {apply:.2f} s | {many:,} | {plain:.2f} s | {bare:.2f} s | {ratio:.2f} |"
            )


if __name__ == "__main__":
    main()
