"""Laws of `diff` over drawn tables: against itself, against a plain oracle, with sides swapped."""

import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import syncnb as sn

# Few keys, so that the sides meet; values among which other tools see what is not there, or miss what is.
texts = st.sampled_from(
    [
        "",
        " ",
        "a",
        "A",
        "a ",
        "é",
        "e\u0301",
        "NULL",
        "0",
        "a|b",
        "b|c",
        "😀",
        "ﬀ",
        "'",
        '"',
        "\\",
        "a\nb",
        ",",
    ]
)
numbers = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63)]))
floats = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 0.1, 0.1 + 0.2, 1e20, 1e-7, float("inf")]))
keys = st.tuples(st.integers(1, 4), texts)
rows = st.dictionaries(keys, st.tuples(numbers, st.one_of(st.none(), texts), floats), max_size=12)
Rows = dict[tuple[int, str], tuple[Any, ...]]

DDL = "CREATE TABLE t (a bigint, b text, n bigint, s text, x {float}, PRIMARY KEY (a, b))"
quiet = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def flat(table: Rows) -> list[tuple[Any, ...]]:
    return [(*key, *values) for key, values in table.items()]


def sqlite(folder: str, name: str, table: Rows) -> sn.Store:
    path = Path(folder) / f"{name}.db"
    with sqlite3.connect(path) as connection:
        connection.execute(DDL.format(float="REAL"))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", flat(table))
    connection.close()
    return sn.connect(path)


def truth(left: Rows, right: Rows) -> dict[str, Any]:
    both = left.keys() & right.keys()
    changed = {key for key in both if left[key] != right[key]}
    return {
        "same": len(both) - len(changed),
        "changed": changed,
        "only_local": left.keys() - right.keys(),
        "only_remote": right.keys() - left.keys(),
        "cells": {
            (key, name)
            for key in changed
            for name, a, b in zip("nsx", left[key], right[key], strict=True)
            if a != b
        },
    }


def told(d: sn.TableDiff) -> dict[str, Any]:
    kept = {state: set() for state in ("changed", "only_local", "only_remote")}
    cells = set()
    for mismatch in d.mismatches():
        kept[mismatch.state].add(mismatch.key)
        cells |= {(mismatch.key, name) for name in mismatch.columns}
    frame = d.rows.groupby("state").size().to_dict() if len(d.rows) else {}
    assert frame == {state: len(there) for state, there in kept.items() if there}
    assert len(d.cells) == len(cells) == sum(d.cell_counts.values())
    return {"same": d.counts.same, "cells": cells, **kept}


@quiet
@given(rows, rows)
def test_sqlite(left: Rows, right: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local, remote = sqlite(folder, "local", left), sqlite(folder, "remote", right)
        here, there = sn.diff(local, remote)["t"], sn.diff(remote, local)["t"]
        assert sn.diff(local, local).verdict == sn.diff(remote, remote).verdict == "equal"
        assert told(here) == truth(left, right)
        assert told(there) == truth(right, left)
        assert (here.verdict == "equal") == (left == right)


@settings(quiet, max_examples=25)
@given(rows, rows)
def test_sqlite_against_postgresql(two_databases: Sequence[str], left: Rows, right: Rows) -> None:
    with psycopg.connect(two_databases[0], autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(DDL.format(float="float8"))
        connection.cursor().executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s)", flat(right))
    with tempfile.TemporaryDirectory() as folder:
        local, remote = sqlite(folder, "local", left), sn.connect(two_databases[0])
        assert told(sn.diff(local, remote)["t"]) == truth(left, right)
        assert told(sn.diff(remote, local)["t"]) == truth(right, left)
        assert sn.diff(remote, remote).verdict == "equal"


@quiet
@given(st.lists(st.tuples(numbers, texts), max_size=8), st.lists(st.tuples(numbers, texts), max_size=8))
def test_a_multiset(left: list[Any], right: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stores = []
        for name, there in (("local", left), ("remote", right)):
            with sqlite3.connect(Path(folder) / name) as connection:
                connection.execute("CREATE TABLE t (n INTEGER, s TEXT)")
                connection.executemany("INSERT INTO t VALUES (?, ?)", there)
            connection.close()
            stores.append(sn.connect(Path(folder) / name))
        d = sn.diff(*stores)["t"]
        mine, theirs = list(left), list(right)
        common = [row for row in left if row in theirs and not theirs.remove(row)]  # type: ignore[func-returns-value]
        for row in common:
            mine.remove(row)
        assert (d.counts.same, d.counts.only_local, d.counts.only_remote) == (
            len(common),
            len(mine),
            len(theirs),
        )


@pytest.mark.parametrize("strategy", ["stream", "partition"])
def test_both_strategies_find_the_same(strategy: str) -> None:
    """One told key, once in the order that streams need, once shuffled by a key that has none in common."""
    left = {(n % 5, str(n)): (n, "x", 1.0) for n in range(2000)}
    right = {key: (n + (n % 100 == 7), "x", 1.0) for key, (n, *_) in left.items() if n % 50 != 3}
    with tempfile.TemporaryDirectory() as folder:
        local = sqlite(folder, "local", left)
        path = Path(folder) / "remote.db"
        with sqlite3.connect(path) as connection:
            if strategy == "partition":
                connection.execute("PRAGMA encoding = 'UTF-16'")
            connection.execute(DDL.format(float="REAL"))
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", flat(right))
        connection.close()
        d = sn.diff(local, sn.connect(path))["t"]
        assert d.how["strategy"] == strategy
        assert told(d) == truth(left, right)
