"""Every strategy finds the same: keys and their order, verdict, counts, cells, raw values, and why."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import syncnb as sn
from syncnb.comparing import digesting
from syncnb.stores import postgres_digests, read_digests, sqlite
from syncnb.values.hashing import add_numbers, begun
from syncnb.values.images import Form, Imaged, row_hashes
from syncnb.values.raw import to_python
from tests.benchmarks import compare
from tests.benchmarks.link import linked
from tests.databases import ENGINES, Workbench, rows
from tests.test_oracle import PAIRS

quiet = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WITH_SERVER = {name: pair for name, pair in ENGINES.items() if "postgresql" in pair}


@pytest.fixture(autouse=True)
def tables_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of their rows may differ, and it is still no reason to read all of them."""
    monkeypatch.setattr(digesting, "MANY", 1.0)


def raw(column: pa.Array) -> list[tuple[str, str]]:
    """Values with their type: 1, 1.0, True and '1' are four."""
    return [(type(value).__name__, repr(value)) for value in to_python(column)]


def spelled(frame: pd.DataFrame) -> list[tuple[str, str, list[str]]]:
    """A frame in words: names, types and values of its columns, in order."""
    return [(name, str(frame[name].dtype), list(map(repr, frame[name].tolist()))) for name in frame.columns]


def told(d: sn.Diff) -> list[dict[str, Any]]:
    """Everything that a diff says, but how it was done."""
    return [
        {
            "counts": table.counts,
            "verdict": table.verdict,
            "cells": table.cell_counts,
            "by_rule": table.by_rule,
            "uncompared": table.uncompared,
            "skipped": table.skipped,
            "differs": table.differs.tolist(),
            "unsure": table.unsure.tolist(),
            "raw": [
                [raw(column) for column in part.columns]
                for part in (table.changed_local, table.changed_remote, table.only_local, table.only_remote)
                if len(part)
            ],
            "rows": spelled(table.rows),
            "why": spelled(table.cells),
            "odd": spelled(table.odd),
            "ids": (table.ids.mapped, sorted(table.parents)),
            "since": None if table.since is None else repr(table.since),
            "shown": repr(table),
        }
        for table in d.tables
    ] + [{"shown": repr(d), "verdict": d.verdict, "conflicts": spelled(d.conflicts)}]


def both(local: sn.Store, remote: sn.Store, **options: Any) -> sn.Diff:
    """The diff by digests, which has found what the stream found."""
    by_value = sn.diff(local, remote, strategy="stream", progress=False, **options)
    assert "digests" not in set(by_value.how["strategy"])
    found = sn.diff(local, remote, strategy="digests", progress=False, **options)
    assert told(found) == told(by_value)
    return found


def by_digests(local: sn.Store, remote: sn.Store, **options: Any) -> sn.TableDiff:
    """The same, where digests are what was really used."""
    d = both(local, remote, **options)
    assert set(d.how["strategy"]) == {"digests"}, list(d.how["why"])
    return d.tables[0]


@pytest.mark.parametrize(("sqlite", "postgres", "oracle"), PAIRS.values(), ids=PAIRS)
def test_real_databases(data_home: Path, dataset: Any, sqlite: str, postgres: str, oracle: str) -> None:
    tables = {"Regions": "region"} if postgres == "northwind" else None
    d = both(sn.connect(data_home / sqlite), sn.connect(dataset(postgres)), tables=tables)
    assert "digests" in set(d.how["strategy"])
    assert json.loads((data_home / "oracle" / f"{oracle}.json").read_text())["tables"]


def test_real_flights(data_home: Path, dataset: Any) -> None:
    d = both(sn.connect(data_home / "nycflights13/jan_typed.sqlite"), sn.connect(dataset("nycflights")))
    assert d.verdict == "equal"


def test_one_database_twice(data_home: Path, dataset: Any) -> None:
    for name in ("chinook_neon", "northwind", "employee"):
        d = both(sn.connect(dataset(name)), sn.connect(dataset(name)))
        assert d.verdict in ("equal", "equal_except")


MOMENTS = (
    "'2026-01-01 00:00:00.5', '0044-03-15 00:00:00+00 BC'",
    "'infinity', '9999-12-31 23:59:59+00'",
    "NULL, '-infinity'",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("numeric(6,2)", "numeric(6,2)"),
        ("numeric(6,2)", "numeric(7,3)"),
        ("numeric", "numeric"),
        ("numeric(20,9)", "numeric(20,9)"),
    ],
)
def test_numbers_and_stamps_of_two_servers(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    """With one type a number has one text; with two it is the same by a rule, which counts, although they differ as text."""
    monkeypatch.setattr(digesting, "MANY", 1.0)
    sides = []
    for type_, last in ((one, "2.5"), (other, "2.75")):
        table = f"CREATE TABLE t (k integer PRIMARY KEY, n {type_}, at timestamp, zoned timestamptz)"
        numbers = ["1.5", "'NaN'", "-0.25", "NULL", *map(str, range(60)), last]
        content = [f"{k}, {number}, {MOMENTS[k % 3]}" for k, number in enumerate(numbers)]
        sides.append(bench.postgresql(table, *rows("t", content)))
    found = by_digests(*sides)
    assert (found.counts.changed, found.cell_counts, found.counts.same) == (1, {"n": 1}, 64)


ITEMS = "CREATE TABLE items (id {big} PRIMARY KEY, name text, price {number}, n integer, ok boolean, at timestamp, x {double}, b {bytes}, d date)"
TYPES = {
    "sqlite": {"big": "integer", "number": "NUMERIC(12,2)", "double": "REAL", "bytes": "BLOB"},
    "postgresql": {
        "big": "bigint",
        "number": "numeric(12,2)",
        "double": "double precision",
        "bytes": "bytea",
    },
}


def item(engine: str, id: int, **other: object) -> str:
    """A row as SQL."""
    row: dict[str, object] = {
        "name": f"item {id}", "price": f"{id}.{id % 100:02d}", "n": id % 7, "ok": id % 2 == 0,
        "at": f"2026-01-{id % 28 + 1:02d} 00:00:0{id % 10}", "x": id / 8, "b": f"{id % 500:04x}", "d": "2026-02-03",
    } | other  # fmt: skip
    quoted = {name: "NULL" if row[name] is None else f"'{row[name]}'" for name in ("name", "at", "d")}
    data = f"x'{row['b']}'" if engine == "sqlite" else f"'\\x{row['b']}'"
    ok = int(bool(row["ok"])) if engine == "sqlite" else row["ok"]
    return f"{id}, {quoted['name']}, {row['price']}, {row['n']}, {ok}, {quoted['at']}, {row['x']}, {data}, {quoted['d']}"


@pytest.mark.parametrize(("one", "other"), WITH_SERVER.values(), ids=WITH_SERVER)
class TestEngines:
    def test_what_differs_is_found(self, bench: Workbench, one: str, other: str) -> None:
        changes: dict[int, dict[str, object]] = {
            7: {"name": "another"}, 50: {"price": 0.01}, 51: {"n": "NULL"}, 52: {"ok": False}, 53: {"ok": True},
            99: {"at": "2026-01-01 00:00:00.000001"}, 100: {"x": 0.1}, 101: {"b": ""}, 102: {"d": "2026-02-04"},
            103: {"name": None}, 104: {"name": ""}, 105: {"name": "NULL"}, 106: {"name": "item 106 "},
        }  # fmt: skip
        ours = [item(one, n) for n in range(-20, 400) if n not in (0, 398)]
        theirs = [item(other, n, **changes.get(n, {})) for n in range(-20, 410) if n not in (1, 2)]
        local = bench.make(one, ITEMS.format(**TYPES[one]), *rows("items", ours))
        remote = bench.make(other, ITEMS.format(**TYPES[other]), *rows("items", theirs))
        d = by_digests(local, remote)
        counts = d.counts
        assert (counts.changed, counts.only_local, counts.only_remote) == (13, 2, 12)
        assert d.how["rounds"] == 4

    def test_nothing_differs(self, bench: Workbench, one: str, other: str) -> None:
        local = bench.make(
            one, ITEMS.format(**TYPES[one]), *rows("items", [item(one, n) for n in range(300)])
        )
        remote = bench.make(
            other, ITEMS.format(**TYPES[other]), *rows("items", [item(other, n) for n in range(300)])
        )
        d = by_digests(local, remote)
        assert (d.verdict, d.how["rounds"]) == ("equal", 2)

    def test_an_empty_table(self, bench: Workbench, one: str, other: str) -> None:
        local = bench.make(one, ITEMS.format(**TYPES[one]), *rows("items", [item(one, n) for n in range(30)]))
        remote = bench.make(other, ITEMS.format(**TYPES[other]))
        assert by_digests(local, remote).counts.only_local == 30
        assert both(remote, remote).verdict == "equal"

    @pytest.mark.parametrize(("buckets", "kept"), [(1, 0), (2, 4_000_000), (64, 0), (1024, 0)])
    def test_crowded_buckets(
        self, bench: Workbench, monkeypatch: pytest.MonkeyPatch, one: str, other: str, buckets: int, kept: int
    ) -> None:
        """And too many rows to keep anything of them."""
        monkeypatch.setattr(read_digests, "KEPT", kept)
        monkeypatch.setattr(digesting, "FEWEST", buckets)
        monkeypatch.setattr(digesting, "MOST", buckets)
        local = bench.make(
            one, ITEMS.format(**TYPES[one]), *rows("items", [item(one, n) for n in range(200)])
        )
        theirs = [item(other, n, **({"n": 99} if n % 50 == 3 else {})) for n in range(5, 203)]
        remote = bench.make(other, ITEMS.format(**TYPES[other]), *rows("items", theirs))
        counts = by_digests(local, remote).counts
        assert (counts.changed, counts.only_local, counts.only_remote) == (3, 5, 3)


KEYS: dict[str, tuple[str, list[str], list[str]]] = {
    "negative": ("k {big} PRIMARY KEY, ", ["-9223372036854775808", "-1", "0", "9223372036854775807"], ["-2", "-1", "0"]),
    "sparse": ("k {big} PRIMARY KEY, ", [f"{n**6}" for n in range(300)], [f"{n**6}" for n in range(3, 305)]),
    "multiples": ("k {big} PRIMARY KEY, ", [f"{n * 2**32}" for n in range(300)], [f"{n * 2**32}" for n in range(3, 305)]),
    "small": ("k smallint PRIMARY KEY, ", ["-32768", "5", "40000"], ["-32768", "5", "6"]),
    "text": ("k text PRIMARY KEY, ", ["'a'", "'B'", "'é'", "'😀'", "'z'", "''"], ["'a'", "'b'", "'ﬀ'", "'é'", "' '"]),
    "composite": (
        "k text, l integer, PRIMARY KEY (k, l), ",
        ["'a', 11", "'a,1', 1", "'a', 2", "'b', -1", "'', 0"],
        ["'a', 11", "'a,1', 2", "'a', 2", "'b', 1", "'', 0"],
    ),
    "uuid": (
        "k uuid PRIMARY KEY, ",
        [f"'{n:08x}-0000-4000-8000-{n * 7919:012x}'" for n in range(300)],
        [f"'{n:08x}-0000-4000-8000-{n * 7919:012x}'" for n in range(2, 303)],
    ),
    "moments": (
        "k timestamptz, l text, PRIMARY KEY (k, l), ",
        [f"'2026-01-01T00:{n:02d}:00Z', 'a'" for n in range(60)],
        [f"'2026-01-01T00:{n:02d}:00Z', 'a'" for n in range(3, 60)] + ["'2026-01-01T00:03:00.5Z', 'a'"],
    ),
    "a collation": (
        "k text COLLATE {collation} PRIMARY KEY, ",
        ["'a-b'", "'ab'", "'A_b'", "'aB'", "'ä'", "'z'"],
        ["'a-b'", "'ab'", "'a_b'", "'aC'", "'ä'", "'Z'"],
    ),
}  # fmt: skip
NAMES = {
    "sqlite": {"big": "integer", "collation": "BINARY"},
    "postgresql": {"big": "bigint", "collation": '"en-x-icu"'},
}


@pytest.mark.parametrize(("key", "ours", "theirs"), KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("one", "other"), WITH_SERVER.values(), ids=WITH_SERVER)
def test_keys(bench: Workbench, one: str, other: str, key: str, ours: list[str], theirs: list[str]) -> None:
    sides = []
    for engine, keys, more in ((one, ours, ""), (other, theirs, "x")):
        # What is after the constraints of a composite key must be before them.
        first, _, constraint = key.format(**NAMES[engine]).rstrip(", ").partition(", PRIMARY")
        ddl = f"CREATE TABLE t ({first}, v text{', PRIMARY' * bool(constraint)}{constraint})"
        fitting = [k for k in keys if engine == "sqlite" or k != "40000"]
        values = [f"{k}, '{sum(k.encode())}{more if sum(k.encode()) % 5 == 1 else ''}'" for k in fitting]
        sides.append(bench.make(engine, ddl, *rows("t", values)))
    d = both(*sides).tables[0]
    assert d.counts.only_remote
    assert d.how["strategy"] == "digests", d.how["why"]


def test_a_key_without_a_place_in_time(bench: Workbench) -> None:
    """Two servers whose rows at infinity, or before Christ, are the same, and then are not."""
    ddl = "CREATE TABLE t (k timestamptz PRIMARY KEY, v text)"
    there = [
        "'infinity', 'a'",
        "'0044-03-15 00:00:00+00 BC', 'b'",
        *[f"'2026-01-01T00:{n:02d}:00Z', 'c'" for n in range(60)],
    ]
    for ours, strategy in (
        (there, "digests"),
        (["'infinity', 'x'", *there[1:]], "stream"),
        (there[1:], "stream"),
    ):
        sides = [
            bench.postgresql(ddl, *rows("t", content)) for content in (ours, [*there, "'2026-01-02Z', 'd'"])
        ]
        d = both(*sides).tables[0]
        assert (d.counts.only_remote, d.counts.changed) == (1 + (ours == there[1:]), int("x" in ours[0]))
        assert (d.how["strategy"] == "digests") == (strategy == "digests"), d.how["why"]


EXACT_WAY: dict[str, tuple[str, str, list[str], list[str], str]] = {
    "a key twice": ("k integer, v text", "k integer, v text", ["1, 'a'", "1, 'b'"], ["1, 'a'"], "unique"),
    "a NULL in the key": (
        "k text PRIMARY KEY, v text", "k text PRIMARY KEY, v text", ["NULL, 'a'", "'b', 'c'"], ["'b', 'd'"], "NULL",
    ),
    "a stamp twice, in two forms": (
        "k TIMESTAMP PRIMARY KEY, v text", "k timestamp PRIMARY KEY, v text",
        ["'2026-01-01 00:00', 'a'", "'2026-01-01 00:00:00', 'b'"], ["'2026-01-01', 'a'"], "duplicate",
    ),
    "a stamp that has no order": (
        "k TIMESTAMP PRIMARY KEY, v text", "k timestamp PRIMARY KEY, v text",
        ["'infinity', 'a'", "'2026-01-01 00:00:00', 'b'"], ["'infinity', 'a'", "'2026-01-01', 'a'"], "kind",
    ),
    "text among numbers in the key": (
        "k BIGINT PRIMARY KEY, v text", "k bigint PRIMARY KEY, v text", ["'x', 'a'", "2, 'c'"], ["2, 'd'"], "kind",
    ),
    "char(n)": ("k integer PRIMARY KEY, v text", "k int PRIMARY KEY, v char(3)", ["1, 'a'"], ["1, 'a'"], "form"),
    "float4": ("k integer PRIMARY KEY, v real", "k int PRIMARY KEY, v real", ["1, 0.1"], ["1, 0.1"], "form"),
    "jsonb": (
        "k integer PRIMARY KEY, v json", "k int PRIMARY KEY, v jsonb", ["1, '{\"a\":1}'"], ["1, '{\"a\":1.0}'"], "form",
    ),
    "a view": ("k integer, v text", "k int, v text", ["1, 'a'"], ["1, 'b'"], "unique"),
    "stamps of no zone against moments": (
        "k integer PRIMARY KEY, v timestamp", "k int PRIMARY KEY, v timestamptz",
        [f"{n}, '2026-01-01 00:00:00'" for n in range(300)], [f"{n}, '2026-01-01 00:00:00Z'" for n in range(300)], "the first rows differ",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "here", "there", "why"), EXACT_WAY.values(), ids=EXACT_WAY)
def test_what_cannot_be_hashed_goes_the_exact_way(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    ours: str,
    theirs: str,
    here: list[str],
    there: list[str],
    why: str,
) -> None:
    monkeypatch.setattr(digesting, "MANY", 0.5)
    local = bench.sqlite(f"CREATE TABLE t ({ours})", *rows("t", here))
    remote = bench.postgresql(f"CREATE TABLE t ({theirs})", *rows("t", there))
    d = both(local, remote, key="k").tables[0]
    assert d.how["strategy"] != "digests"
    assert why in d.how["why"]


def test_odd_values_among_expected_ones(bench: Workbench) -> None:
    """SQLite takes anything anywhere. What is not of the column's kind is compared by value, and no more than that."""
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, i {int}, x {double}, p {number}, s {text}, u {text}, at {stamp}, ok {bool}, b {bytes})"
    lite = ddl.format(
        int="INTEGER",
        double="REAL",
        number="NUMERIC",
        text="TEXT",
        stamp="DATETIME",
        bool="BOOLEAN",
        bytes="BLOB",
    )
    post = ddl.format(
        int="bigint",
        double="float8",
        number="numeric",
        text="text",
        stamp="timestamp",
        bool="boolean",
        bytes="bytea",
    )
    post = post.replace("u text", "u uuid")
    uuid = "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"
    good = f"5, 0.5, 12.5, 'a', {uuid}, '2026-01-01 00:00:00', {{ok}}, {{b}}"
    ours = [f"{n}, {good.format(ok=1, b=chr(120) + chr(39) + '61' + chr(39))}" for n in range(200)]
    theirs = [f"{n}, {good.format(ok='true', b=chr(39) + chr(92) + 'x61' + chr(39))}" for n in range(200)]
    local = bench.sqlite(
        lite,
        *rows("t", ours),
        "UPDATE t SET i = 5.0, x = 'half' WHERE k = 1",
        "UPDATE t SET i = 'five' WHERE k = 2",
        "UPDATE t SET i = x'35' WHERE k = 3",
        "UPDATE t SET x = x'00' WHERE k = 4",
        "UPDATE t SET p = '12.50x' WHERE k = 5",
        "UPDATE t SET p = 12 WHERE k = 6",
        "UPDATE t SET p = 12.500000000000002 WHERE k = 7",
        "UPDATE t SET s = x'61' WHERE k = 8",
        "UPDATE t SET s = CAST(x'ff' AS TEXT) WHERE k = 9",
        "UPDATE t SET s = 'a' || char(0) || 'b' WHERE k = 10",
        "UPDATE t SET u = upper(u) WHERE k = 11",
        "UPDATE t SET u = replace(u, '-', '') WHERE k = 12",
        "UPDATE t SET at = '2026-01-01T00:00' WHERE k = 13",
        "UPDATE t SET at = '2026-01-01T00:00:00Z' WHERE k = 14",
        "UPDATE t SET at = 1767225600 WHERE k = 15",
        "UPDATE t SET at = 'infinity' WHERE k = 16",
        "UPDATE t SET at = '0044-03-15 BC' WHERE k = 17",
        "UPDATE t SET at = '2026-01-01 00:00:00.0000001' WHERE k = 18",
        "UPDATE t SET ok = 'yes' WHERE k = 19",
        "UPDATE t SET ok = 7 WHERE k = 20",
        "UPDATE t SET b = 'a' WHERE k = 21",
        "UPDATE t SET b = '\\x61' WHERE k = 22",
        "UPDATE t SET i = NULL, x = NULL, p = NULL, s = NULL, u = NULL, at = NULL, ok = NULL, b = NULL WHERE k > 190",
    )  # fmt: skip
    remote = bench.postgresql(
        post,
        *rows("t", theirs),
        "UPDATE t SET at = 'infinity' WHERE k = 16",
        "UPDATE t SET at = '0044-03-15 BC' WHERE k = 17",
        "UPDATE t SET i = NULL, x = NULL, p = NULL, s = NULL, u = NULL, at = NULL, ok = NULL, b = NULL WHERE k > 190",
    )
    d = by_digests(local, remote)
    assert d.cell_counts == {"i": 2, "x": 2, "p": 3, "s": 3, "at": 1, "ok": 1, "b": 1}
    assert d.by_rule["at"] == 2


def test_keys_that_come_twice_by_inheritance(bench: Workbench) -> None:
    """The same on both sides, so that the sums agree: what was told to be unique is not."""
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, v text)", "CREATE TABLE heir () INHERITS (t)"
    content = [*rows("t", ["1, 'a'", "2, 'b'"]), *rows("heir", ["1, 'a'"])]
    d = both(bench.postgresql(*ddl, *content), bench.postgresql(*ddl, *content), tables="t").tables[0]
    assert d.counts.uncompared_local == 2
    assert "inherit" in d.how["why"]


def test_more_columns_than_one_call_takes(bench: Workbench) -> None:
    names = [f"c{n}" for n in range(130)]
    sides = []
    for engine, last in (("sqlite", "x"), ("postgresql", "y")):
        ddl = f"CREATE TABLE t (k integer PRIMARY KEY, {', '.join(f'{name} text' for name in names)})"
        values = [
            f"{n}, {', '.join(repr(f'{name} {n}') for name in names[:-1])}, '{last if n == 3 else n}'"
            for n in range(20)
        ]
        sides.append(bench.make(engine, ddl, *rows("t", values)))
    assert by_digests(*sides).cell_counts == {"c129": 1}


def test_names_that_need_care(bench: Workbench) -> None:
    sides = []
    for engine, value in (("sqlite", "a"), ("postgresql", "b")):
        ddl = 'CREATE TABLE "50% off" ("the ""key"" %s" integer PRIMARY KEY, "%(x)s" text)'
        sides.append(bench.make(engine, ddl, *rows('"50% off"', [f"1, '{value}'", "2, 'c'"])))
    assert by_digests(*sides).counts.changed == 1


def test_a_frame(bench: Workbench) -> None:
    frame = pd.DataFrame(
        {"k": range(100), "v": [f"v{n}" for n in range(100)], "x": np.arange(100) / 4}
    ).set_index("k")
    values = [f"{n}, 'v{n}', {n / 4 + (n == 50)}" for n in range(101)]
    remote = bench.postgresql("CREATE TABLE t (k bigint PRIMARY KEY, v text, x float8)", *rows("t", values))
    local = sn.connect({"t": frame})
    assert by_digests(local, remote).cell_counts == {"x": 1}
    assert by_digests(remote, local).cell_counts == {"x": 1}


def confused(bench: Workbench, engine: str) -> tuple[sn.Store, sn.Store]:
    """Rows under one id that are two things, things under two ids, and rows that refer to them."""
    ddl = (
        "CREATE TABLE hosts (id integer PRIMARY KEY, name text NOT NULL UNIQUE, ip text)",
        "CREATE TABLE uses (id integer PRIMARY KEY, host integer REFERENCES hosts (id), what text)",
    )
    hosts = [f"{n}, 'host {n}', '10.0.0.{n}'" for n in range(1, 100)]
    uses = [f"{n}, {n % 99 + 1}, 'use {n}'" for n in range(300)]
    local = bench.sqlite(
        *ddl, *rows("hosts", [*hosts, "100, 'mine', 'x'", "101, 'both', 'y'"]), *rows("uses", [*uses, "400, 101, 'u'"]),
        "UPDATE hosts SET ip = 'moved' WHERE id = 7",
    )  # fmt: skip
    remote = bench.make(
        engine, *ddl, *rows("hosts", [*hosts, "100, 'theirs', 'x'", "102, 'both', 'y'"]), *rows("uses", [*uses, "401, 102, 'u'"]),
        "UPDATE uses SET what = 'else' WHERE id = 7",
    )  # fmt: skip
    return local, remote


IDS = pytest.mark.parametrize(
    "options", [{}, {"ids": "meaningless"}], ids=["ids as they are", "meaningless ids"]
)


@IDS
def test_who_is_who(bench: Workbench, options: dict[str, Any]) -> None:
    d = both(*confused(bench, "postgresql"), **options)
    assert len(d.conflicts)
    assert "digests" in set(d.how["strategy"])


def test_what_both_agreed_on(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, v text)"
    values = [f"{n}, 'v{n}'" for n in range(100)]
    local = sn.connect(bench.sqlite(ddl, *rows("t", values)).path, writable=True)  # type: ignore[attr-defined]
    bench.postgresql(ddl, *rows("t", values))
    remote = sn.connect(bench.last, writable=True)
    sn.agree(local, remote)
    with sqlite3.connect(local.path) as connection:
        connection.execute("UPDATE t SET v = 'here' WHERE k IN (3, 4)")
    with psycopg.connect(bench.last) as server:
        server.execute("UPDATE t SET v = 'there' WHERE k IN (4, 5)")
    d = both(local, remote, tables=["t"])
    assert d.tables[0].how["strategy"] == "digests"
    assert len(d.conflicts) == 1


@pytest.mark.parametrize(
    "options",
    [{"limit": 1}, {"partial": True}, {"tolerance": {"x": 0.1}}, {"ignore": ["x"]}, {"columns": ["x"]}],
    ids=str,
)
def test_options(bench: Workbench, options: dict[str, Any]) -> None:
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, x {double}, v text)"
    local = bench.sqlite(ddl.format(double="REAL"), *rows("t", [f"{n}, {n}.0, 'a'" for n in range(50)]))
    theirs = [
        f"{n}, {n}.{'05' if n == 7 else '5' if n == 8 else '0'}, '{'b' if n == 9 else 'a'}'"
        for n in range(50)
    ]
    remote = bench.postgresql(ddl.format(double="float8"), *rows("t", theirs))
    both(local, remote, **options)


def test_rows_that_are_to_be_stamped_are_read(bench: Workbench) -> None:
    """All of them, changed or not: a plan writes the moment into each."""
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, v text, seen timestamp)"
    local = bench.sqlite(ddl, *rows("t", [f"{n}, 'v', NULL" for n in range(50)]))
    bench.postgresql(ddl, *rows("t", [f"{n}, 'v', NULL" for n in range(50)]))
    remote = sn.connect(bench.last, writable=True)
    d = both(local, remote, touch="seen")
    assert "too" in d.tables[0].how["why"]
    assert sum(len(block) for block in sn.plan(d, into=remote).blocks) == 50


def test_there_is_no_other_strategy(bench: Workbench) -> None:
    store = bench.sqlite("CREATE TABLE t (k integer PRIMARY KEY)")
    with pytest.raises(sn.SyncnbError, match="'fast'"):
        sn.diff(store, store, strategy="fast")  # type: ignore[arg-type]
    assert "neither side" in sn.diff(store, store, strategy="digests")["t"].how["why"]


# Found by search: behind what stands before them in a row, both of a pair have one hash under one seed.
ALIKE = {
    "the key's hash": (0, [], "abcdefghijklPOPOPOPOPOPO", "000000098422#c>,Fod2kYGF"),
    "the first hash": (1, [12345678], "abcdefghijklPOPOPOPOPOPO", "000000025081f#s[3YV,f+OA"),
    "the second hash": (2, [12345678], "abcdefghijklPOPOPOPOPOPO", "000000109644MBX;qX:_kFrz"),
}


@pytest.mark.parametrize(("seed", "before", "one", "other"), ALIKE.values(), ids=ALIKE)
def test_texts_that_one_hash_cannot_tell_apart(seed: int, before: list[int], one: str, other: str) -> None:
    """So that the tests below are about what they say."""
    none = np.zeros(2, np.bool_)
    cells = [Imaged(Form.INTEGER, np.array([number] * 2), none, none, none) for number in before]
    cells.append(Imaged(Form.TEXT, pa.array([one, other]), none, none, none))
    hashes = row_hashes(cells, digesting.SEEDS)
    assert [len(set(part.tolist())) for part in hashes] == [1 if at == seed else 2 for at in range(3)]


FOLDED = [(1, 2**32), (5, 5 * 2**32), (2**31, 2**63 - 1), (-1, 2**32 - 1), (0, -(2**32))]
"""Whole numbers of which PostgreSQL's own hash of numbers makes one number of 32 bits."""


@pytest.mark.parametrize(("one", "other"), WITH_SERVER.values(), ids=WITH_SERVER)
def test_numbers_that_one_hash_cannot_tell_apart(bench: Workbench, one: str, other: str) -> None:
    for pair in FOLDED:
        alike, apart = begun(2, [7]), begun(2, [7])
        add_numbers(alike, np.array(pair), whole=False)
        add_numbers(apart, np.array(pair), whole=True)
        assert (alike[0, 0] == alike[0, 1], apart[0, 0] == apart[0, 1]) == (True, False)
    sides = [
        bench.make(
            engine,
            "CREATE TABLE t (k integer PRIMARY KEY, v bigint, w bigint)",
            *rows("t", [f"{n}, {pair[at]}, {pair[1 - at]}" for n, pair in enumerate(FOLDED)]),
            *rows("t", [f"{n}, 1, {n}" for n in range(100, 200)]),
        )
        for at, engine in enumerate((one, other))
    ]
    assert by_digests(*sides).cell_counts == {"v": len(FOLDED), "w": len(FOLDED)}


SHORT = [
    ("5", "-5"), ("-5", "-5"), ("0", "0.00"), ("-0.0", "0"), ("12.5", "12.50"), ("12.5", "-12.50"), ("1e9", "1000000000"),
    ("9e999", "'NaN'"), ("0.1", "'NaN'"), ("0.1", "0.10"), ("0.3", "0.30"), ("0.1 + 0.2", "0.30"), ("99999999999.99", "99999999999.99"),
    ("12500", "1.25"), ("10000", "1"), ("NULL", "0"), ("NULL", "NULL"), ("x'31'", "1"), ("'1x'", "1"), ("4e15", "1"), ("9223372036854775807", "1"),
]  # fmt: skip
"""In SQLite and in PostgreSQL: its hash of numbers counts neither sign nor NaN."""
CLOCKS = ["00:00:00", "00:00:00.5", "00:00:00.500", "00:00:00.123456", "00:00:00.120000", "00:00", "00:00:00.0", "23:59:59.000001"]  # fmt: skip


@pytest.mark.parametrize("zones", [("",), ("+00", "Z", "+01:00", "+00:00")], ids=["no zone", "zones"])
@pytest.mark.parametrize(
    "odd", [(), ("0044-03-15 00:00:00{} BC",), (None,)], ids=["alike", "one odd", "NULL"]
)
def test_short_decimals_and_stamps(
    bench: Workbench, zones: tuple[str, ...], odd: tuple[str | None, ...]
) -> None:
    """Which are the same, and which of them only by a rule."""
    ddl = (
        f"CREATE TABLE t (k integer PRIMARY KEY, v numeric(13, 2), at timestamp{'tz' if any(zones) else ''})"
    )
    stamps = [f"'2026-01-01{sign}{clock}{zone}'" for clock in CLOCKS for sign in (" ", "T") for zone in zones]
    stamps += [f"'1969-12-31 10:00:00{zones[0]}'", *(["'2026-01-01'"] if zones == ("",) else [])]
    stamps += ["NULL" if text is None else f"'{text.format(zones[0])}'" for text in odd]
    ours, theirs = (
        [f"{n}, {SHORT[n % len(SHORT)][at]}, {stamps[n % len(stamps)]}" for n in range(len(stamps) * len(SHORT))]
        for at in (0, 1)
    )  # fmt: skip
    local, remote = (
        bench.sqlite(ddl, *rows("t", ours)),
        bench.postgresql(ddl, *rows("t", theirs)),
    )
    assert by_digests(local, remote).cell_counts["v"] > 5 * len(stamps)


@pytest.mark.parametrize(("local", "remote"), WITH_SERVER.values(), ids=WITH_SERVER)
class TestCollisions:
    @pytest.mark.parametrize("which", ["the first hash", "the second hash"])
    def test_of_rows(self, bench: Workbench, local: str, remote: str, which: str) -> None:
        """The first hash alone shows where to look; where it is blind, the second one sees that something is amiss."""
        sides = []
        for engine, value in zip((local, remote), ALIKE[which][2:], strict=True):
            values = [f"12345678, '{value}'", *(f"{n}, 'v{n}'" for n in range(100))]
            sides.append(
                bench.make(engine, "CREATE TABLE t (k integer PRIMARY KEY, v text)", *rows("t", values))
            )
        d = both(*sides).tables[0]
        assert d.counts.changed == 1
        assert (d.how["strategy"] == "digests") == (which == "the second hash")
        assert which == "the second hash" or "the sums" in d.how["why"]

    def test_of_keys(self, bench: Workbench, local: str, remote: str) -> None:
        one, other = ALIKE["the key's hash"][2:]
        ddl = "CREATE TABLE t (k text PRIMARY KEY, v text)"
        for ours, theirs, found in (
            ([one], [other], (0, 1, 1)),
            ([one, other], [one], (0, 1, 0)),
            ([one], [one, other], (0, 0, 1)),
        ):
            values = [f"'{n}', 'v'" for n in range(100)]
            here = bench.make(local, ddl, *rows("t", values + [f"'{k}', 'v'" for k in ours]))
            there = bench.make(remote, ddl, *rows("t", values + [f"'{k}', 'v'" for k in theirs]))
            counts = by_digests(here, there).counts
            assert (counts.changed, counts.only_local, counts.only_remote) == found

    def test_of_buckets(
        self, bench: Workbench, monkeypatch: pytest.MonkeyPatch, local: str, remote: str
    ) -> None:
        """A bucket that hides its difference is found out by the sums."""
        ddl = "CREATE TABLE t (k integer PRIMARY KEY, v text)"
        here = bench.make(local, ddl, *rows("t", [f"{n}, 'v{n}'" for n in range(100)]))
        there = bench.make(remote, ddl, *rows("t", [f"{n}, 'v{n % 99}'" for n in range(100)]))
        assert by_digests(here, there).counts.changed == 1
        monkeypatch.setattr(digesting, "_differing_places", lambda *_: np.zeros(0, np.int64))
        d = both(here, there).tables[0]
        assert "the sums" in d.how["why"]
        assert d.counts.changed == 1


def test_a_key_that_is_no_number_in_a_table_of_several_parts(bench: Workbench) -> None:
    """There a place is one in each of them, so rows are found again by what their keys are."""
    local = bench.sqlite(
        "CREATE TABLE t (k text PRIMARY KEY, v text)", *rows("t", [f"'{n}', 'v'" for n in range(90)])
    )
    parts = [f"CREATE TABLE t{n} PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER {n})" for n in range(3)]
    ddl = "CREATE TABLE t (k text PRIMARY KEY, v text) PARTITION BY HASH (k)"
    remote = bench.postgresql(
        ddl, *parts, *rows("t", [f"'{n}', '{'v' if n % 9 else 'w'}'" for n in range(3, 93)])
    )
    counts = by_digests(local, remote).counts
    assert (counts.changed, counts.only_local, counts.only_remote) == (9, 3, 3)


NUMBERS = {
    "one after the other": ("bigint", range(1, 4001), {7, 8, 4000}, True),
    "below 0": ("smallint", range(-2500, 1500), {-2500, -1, 0}, True),
    "up to the last number": ("bigint", range(2**63 - 4000, 2**63), {2**63 - 1, 2**63 - 3999}, True),
    "from the first number": ("bigint", range(-(2**63), -(2**63) + 4000), {-(2**63), -(2**63) + 9}, True),
    "far apart": ("bigint", [n * 10**15 for n in range(-2000, 2000)], {-(10**15), 7 * 10**15}, False),
    "many buckets": ("integer", range(4000), set(range(0, 4000, 9)), False),
}


@pytest.mark.parametrize(("type_", "keys", "differing", "few"), NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize(("one", "other"), WITH_SERVER.values(), ids=WITH_SERVER)
def test_rows_of_few_buckets_are_looked_up(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    one: str,
    other: str,
    type_: str,
    keys: Any,
    differing: set[int],
    few: bool,
) -> None:
    """Rows are found by their keys, or by reading all keys, whichever reads less; the first one is missing there."""
    sides = []
    for engine, gone in ((one, None), (other, min(differing))):
        values = [f"{key}, 'v{key}{key in differing and engine + str(gone)}'" for key in keys if key != gone]
        sides.append(
            bench.make(engine, f"CREATE TABLE t (k {type_} PRIMARY KEY, v text)", *rows("t", values))
        )
    looked_up, ask = [], postgres_digests.PostgresDigester._few

    def spied(self: Any, *told: Any) -> bool:
        looked_up.append(ask(self, *told))
        return looked_up[-1]

    monkeypatch.setattr(postgres_digests.PostgresDigester, "_few", spied)
    monkeypatch.setattr(digesting, "IN_BUCKET", 4)
    d = by_digests(*sides)
    assert (d.counts.changed, d.counts.only_local) == (len(differing) - 1, 1)
    assert set(looked_up) == {few}


@pytest.mark.parametrize("key", ["integer", "text"])
@pytest.mark.parametrize(("one", "other"), WITH_SERVER.values(), ids=WITH_SERVER)
def test_both_sides_are_written_to_meanwhile(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, one: str, other: str, key: str
) -> None:
    """Digests and the rows that are read after them are of one snapshot."""
    ddl = f"CREATE TABLE t (k {key} PRIMARY KEY, v text)"
    write = "UPDATE t SET v = 'late' WHERE k IN ('6', '7', '8', '44')"
    stores, writers = [], []
    for engine, shift in ((one, 0), (other, 1)):
        values = [f"'{n}', 'v{n + (shift if n == 7 else 0)}'" for n in range(100)]
        stores.append(bench.make(engine, ddl, *rows("t", values)))
        if engine == "sqlite":
            writers.append(sqlite3.connect(stores[-1].path, isolation_level=None))  # type: ignore[attr-defined]
            writers[-1].execute("PRAGMA journal_mode = WAL")
        else:
            writers.append(psycopg.connect(bench.last, autocommit=True))
    wanted = told(sn.diff(*stores, strategy="stream"))
    ask, asked = digesting._both, []

    def meddling(*told: Any) -> Any:
        found = ask(*told)
        asked.append(1)
        for writer in writers:
            writer.execute(write if len(asked) == 1 else "DELETE FROM t WHERE k = '7'")
            writer.execute("VACUUM" if isinstance(writer, sqlite3.Connection) else "VACUUM t")
        return found

    monkeypatch.setattr(digesting, "_both", meddling)
    d = sn.diff(*stores, strategy="digests")
    for writer in writers:
        writer.close()
    assert (told(d), d.tables[0].how["strategy"], len(asked)) == (wanted, "digests", 3)


def test_a_server_that_hashes_otherwise_is_not_believed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = bench.sqlite("CREATE TABLE t (k integer PRIMARY KEY)", *rows("t", ["1"]))
    remote = bench.postgresql("CREATE TABLE t (k integer PRIMARY KEY)", *rows("t", ["2"]))
    for name, query in {
        "another function": "md5({image})::uuid::text::int8",
        "another result": "hashtextextended(({image})::text, 5)",
    }.items():
        monkeypatch.setattr(
            postgres_digests, "row_hash", lambda _, images, *__, query=query: query.format(image=images[0])
        )
        d = both(local, remote).tables[0]
        assert "server" in d.how["why"], name


# Drawn tables: what SQLite can hold in a column of each kind, and what PostgreSQL can.
FREE = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.binary(max_size=3), st.sampled_from(["2026-01-01", "2026-01-01 00:00:00", "1", "t", "0.5", "\\x61"]),
)  # fmt: skip
PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
STAMPS = st.datetimes().map(lambda at: at.isoformat(" "))
DRAWN: dict[str, tuple[str, str, st.SearchStrategy[Any]]] = {
    "integer": ("INTEGER", "bigint", st.integers(-(2**63), 2**63 - 1)),
    "boolean": ("BOOLEAN", "boolean", st.booleans()),
    "numeric": ("NUMERIC", "numeric(12,3)", st.integers(-(10**9), 10**9).map(lambda n: n / 1000)),
    "any numeric": ("NUMERIC", "numeric", st.one_of(st.integers(-(2**60), 2**60), st.floats(-1e30, 1e30))),
    "double": ("REAL", "double precision", st.floats(allow_nan=False)),
    "text": ("TEXT", "text", st.text(PLAIN, max_size=5)),
    "varchar": ("VARCHAR(5)", "varchar(5)", st.text(PLAIN, max_size=5)),
    "timestamp": ("TIMESTAMP", "timestamp", STAMPS),
    "timestamptz": ("TIMESTAMPTZ", "timestamptz", STAMPS.map(lambda text: f"{text}Z")),
    "date": ("DATE", "date", st.dates().map(str)),
    "time": ("TIME", "time", st.times().map(str)),
    "uuid": ("TEXT", "uuid", st.uuids().map(str)),
    "bytes": ("BLOB", "bytea", st.binary(max_size=4)),
    "json": ("JSON", "json", st.sampled_from(['{"a": 1}', '{"a":1}', "[1.0]", "[1]", "null"])),
    "array": ("TEXT", "text[]", st.sampled_from(["{a,b}", '{"a","b"}', "{NULL}", "{}"])),
    "real": ("REAL", "real", st.floats(width=32, allow_nan=False, allow_infinity=False)),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    """Kinds of columns, the rows that both have, and what is otherwise in SQLite and in PostgreSQL: rows, or None."""
    kinds = draw(st.lists(st.sampled_from(sorted(DRAWN)), min_size=1, max_size=4))
    good = st.tuples(*(st.one_of(st.none(), DRAWN[kind][2]) for kind in kinds))
    odd = st.tuples(*(st.one_of(FREE, DRAWN[kind][2]) for kind in kinds))
    key = (
        st.one_of(st.integers(-40, 40), st.integers(-(2**63), 2**63 - 1))
        if draw(st.booleans())
        else st.text(PLAIN, max_size=2)
    )
    common = draw(st.dictionaries(key, good, max_size=15))
    some = st.one_of(st.sampled_from(sorted(common)), key) if common else key
    here = draw(st.dictionaries(some, st.one_of(st.none(), odd), max_size=4))
    there = draw(st.dictionaries(some, st.one_of(st.none(), good), max_size=4))
    return kinds, common, here, there


@given(tables(), st.sampled_from([1, 4, 256]), st.booleans(), st.sampled_from([0, 1000, 4_000_000]))
@settings(quiet, max_examples=40)
def test_drawn_tables(bench: Workbench, drawn: Any, buckets: int, swapped: bool, kept: int) -> None:
    kinds, common, here, there = drawn
    number = all(isinstance(key, int) for key in (*common, *here, *there))
    names = [f"c{at}" for at in range(len(kinds))]
    sides = []
    for at, (changes, key) in enumerate(
        ((here, "integer" if number else "text"), (there, "bigint" if number else "text"))
    ):
        columns = ", ".join(f"{name} {DRAWN[kind][at]}" for name, kind in zip(names, kinds, strict=True))
        ddl = f"CREATE TABLE t (k {key} PRIMARY KEY, {columns})"
        content = {key: row for key, row in {**common, **changes}.items() if row is not None}
        sides.append(filled(bench, at, ddl, [(key, *row) for key, row in content.items()]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digesting, "FEWEST", buckets)
        patch.setattr(read_digests, "KEPT", kept)
        patch.setattr(read_digests, "KEPT_KEYS", 0 if kept == 1000 else 2**20)
        d = both(*sides[::-1] if swapped else sides)
    assert d.tables[0].how["strategy"] == "digests" or d.tables[0].how["why"]


def filled(bench: Workbench, at: int, ddl: str, content: list[tuple[Any, ...]]) -> sn.Store:
    """A store with these rows: SQLite, or PostgreSQL."""
    marks = len(content[0]) if content else 0
    if at == 0:
        store = bench.sqlite(ddl)
        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            if content:
                connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * marks)})", content)
        connection.close()
        return store
    store = bench.postgresql(ddl)
    with psycopg.connect(bench.last) as server, server.cursor() as cursor:
        if content:
            cursor.executemany(f"INSERT INTO t VALUES ({', '.join(['%s'] * marks)})", content)
    return store


@pytest.mark.parametrize("seed", [0, 1], ids=["scattered", "next to each other"])
def test_a_large_table_by_default(tmp_path: Path, pg: str, seed: int) -> None:
    """What the benchmark measures, small: results and bytes, no seconds."""
    path, count = tmp_path / "items.db", 60_000
    compare.fill(path, pg, count)
    compare.change(pg, count, 60, seed)
    with linked(pg) as link:
        compare.measure(path, link.url(pg), "digests", 60)
        small = link.bytes
        compare.measure(path, link.url(pg), "stream", 60)
        assert small * 40 < link.bytes - small
        local, remote = sn.connect(path), sn.connect(link.url(pg))
        assert set(sn.diff(local, remote, "items").how["strategy"]) == {"digests"}
    by_value = sn.diff(local, sn.connect(pg), "items", strategy="stream")
    assert told(sn.diff(local, sn.connect(pg), "items")) == told(by_value)


def test_where_the_server_has_no_answer_this_side_reads_no_further(
    tmp_path: Path, pg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "items.db", []
    compare.fill(path, pg, 3000)
    digest = read_digests.ReadDigester._digested

    def slowly(self: Any, batch: pa.RecordBatch) -> Any:
        time.sleep(0.01)
        read.append(batch.num_rows)
        return digest(self, batch)

    monkeypatch.setattr(sqlite, "BATCH_ROWS", 10)
    monkeypatch.setattr(read_digests.ReadDigester, "_digested", slowly)
    monkeypatch.setattr(postgres_digests, "TOGETHER", "no number")  # an error of the server, in the sums
    d = both(sn.connect(path), sn.connect(pg), tables="items").tables[0]
    assert "the server could not do it" in d.how["why"]
    assert len(read) < 150


def test_a_server_may_share_the_work_among_processes(
    tmp_path: Path, pg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image is made once, buckets are not sorted, and several processes of the server may take part."""
    compare.fill(tmp_path / "items.db", pg, 3000)
    asked, ask = [], postgres_digests.PostgresDigester._run
    monkeypatch.setattr(
        postgres_digests.PostgresDigester, "_run", lambda self, *told: asked.extend(told) or ask(self, *told)
    )
    by_digests(sn.connect(tmp_path / "items.db"), sn.connect(pg), tables="items")
    (sums,) = (query for query, _ in asked if "GROUP BY 1" in query)
    with psycopg.connect(pg) as server:
        for name in ("min_parallel_table_scan_size", "parallel_setup_cost"):
            server.execute(f"SET {name} = 0")
        plan = "\n".join(row[0] for row in server.execute(f"EXPLAIN (VERBOSE, COSTS OFF) {sums}").fetchall())
    assert "Partial HashAggregate" in plan, plan
    made = plan.count(", encode(timestamp_send")  # what comes from below stands in brackets
    assert (made, "(encode(timestamp_send" in plan) == (1, True), plan


def test_where_all_rows_differ_they_are_read_at_once(
    tmp_path: Path, pg: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digesting, "MANY", 0.5)
    path = tmp_path / "items.db"
    compare.fill(path, pg, 3000)
    with psycopg.connect(pg) as server:
        server.execute("UPDATE items SET note = 'another'")
    d = both(sn.connect(path), sn.connect(pg), tables="items").tables[0]
    assert d.counts.changed == 3000
    assert "the first rows differ" in d.how["why"]
