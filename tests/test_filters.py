"""Conditions on rows: the same rows are meant in every engine, no value becomes SQL, and no row slips across."""

import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

import syncnb as sn
from syncnb.embedded import available
from syncnb.stores.filtering import pushed, whole_range
from syncnb.values.raw import to_python
from tests.databases import ENGINES, Workbench

pytestmark = pytest.mark.skipif(not available(), reason="no PostgreSQL here")

DDL = {
    "sqlite": "CREATE TABLE t (id INTEGER PRIMARY KEY, org INTEGER, name TEXT, price NUMERIC, ok BOOLEAN, at TIMESTAMPTZ, day DATE, u UUID)",
    "postgresql": "CREATE TABLE t (id integer PRIMARY KEY, org integer, name text, price numeric, ok boolean, at timestamptz, day date, u uuid)",
}
U = "12345678-1234-5678-1234-567812345678"
ROWS = (
    f"(1, 7, 'a', 1.50, true, '2026-01-31 12:00:00+00', '2026-01-31', '{U}')",
    "(2, 7, 'B', 2, false, '2026-01-31 13:00:00+00', '2026-02-01', NULL)",
    "(3, 8, '', 10, NULL, NULL, NULL, NULL)",
    "(4, NULL, NULL, NULL, true, '2026-01-31 12:00:00.5+00', '2026-01-30', NULL)",
    "(5, 9, 'é', -1, false, '2020-01-01 00:00:00+00', '2020-01-01', NULL)",
)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONDITIONS: dict[str, tuple[Any, list[int]]] = {
    "equal": (sn.col("org") == 7, [1, 2]),
    "not equal: NULL is not meant": (sn.col("org") != 7, [3, 5]),
    "less": (sn.col("org") < 8, [1, 2]),
    "at most": (sn.col("org") <= 8, [1, 2, 3]),
    "more": (sn.col("org") > 7, [3, 5]),
    "at least": (sn.col("org") >= 8, [3, 5]),
    "one of": (sn.col("org").isin([7, 9, 99]), [1, 2, 5]),
    "none of none": (sn.col("org").isin([]), []),
    "NULL": (sn.col("org").is_null(), [4]),
    "not NULL": (~sn.col("org").is_null(), [1, 2, 3, 5]),
    "not equal, the other way": (~(sn.col("org") == 7), [3, 5]),
    "both": ((sn.col("org") == 7) & (sn.col("name") == "a"), [1]),
    "either": ((sn.col("org") == 9) | sn.col("org").is_null(), [4, 5]),
    "the empty text": (sn.col("name") == "", [3]),
    "text in the order of code points": (sn.col("name") > "Z", [1, 5]),
    "text that would be SQL": (sn.col("name") == "' OR 1=1 --", []),
    "decimals by value": (sn.col("price") == Decimal("1.5"), [1]),
    "numbers by value, not by text": (sn.col("price") > 2, [3]),
    "a float": (sn.col("price") >= 1.5, [1, 2, 3]),
    "a boolean": (sn.col("ok") == True, [1, 4]),  # noqa: E712
    "a moment": (sn.col("at") > NOON, [2, 4]),
    "a moment in another zone": (sn.col("at") <= datetime.fromisoformat("2026-01-31T13:00:00+01:00"), [1, 5]),
    "a day": (sn.col("day") >= date(2026, 1, 31), [1, 2]),
    "a UUID": (sn.col("u") == UUID(U), [1]),
    "a great integer": (sn.col("org") < 2**70, [1, 2, 3, 5]),
}


def made(bench: Workbench, engine: str, rows: tuple[str, ...] = ROWS) -> Any:
    return replace(
        bench.make(engine, DDL[engine], *(f"INSERT INTO t VALUES {row}" for row in rows)), writable=True
    )  # type: ignore[type-var]


@pytest.mark.parametrize("engines", ENGINES.values(), ids=ENGINES)
def test_the_same_rows_are_meant_in_every_engine(bench: Workbench, engines: tuple[str, str]) -> None:
    local, remote = (made(bench, engine) for engine in engines)
    nothing = made(bench, "sqlite", ())
    for name, (condition, ids) in CONDITIONS.items():
        d = sn.diff(local, remote, where=condition)
        counts = d["t"].counts
        assert (counts.rows_local, counts.rows_remote, counts.same) == (len(ids),) * 3, name
        assert d.verdict == "equal_except"
        assert f"outside of where={condition}" in str(d["t"].uncompared[-1])
        if engines[1] == "sqlite":
            continue
        found = sn.diff(nothing, remote, where=condition)["t"].only_remote
        assert sorted(to_python(found.columns[0])) == ids if len(found) else not ids, name


def test_what_is_pushed_down_lets_every_meant_row_through(bench: Workbench) -> None:
    """What the engine is given finds a superset of what the rules find; every value is bound."""
    store = made(bench, "sqlite")
    table = store.inspect()["t"]
    done = 0
    for name, (condition, ids) in CONDITIONS.items():
        found = pushed(condition, table, "sqlite", lambda _: "?")
        if found is None:
            continue
        done += 1
        connection = sqlite3.connect(store.path)
        rows = connection.execute(f"SELECT id FROM t WHERE {found.sql}", found.values).fetchall()
        connection.close()
        assert {row[0] for row in rows} >= set(ids), name
        assert "OR 1=1" not in found.sql
    assert done >= 14
    postgres = made(bench, "postgresql").inspect()["t"]
    assert sum(pushed(c, postgres, "postgresql", str) is not None for c, _ in CONDITIONS.values()) >= 18


def test_odd_values_are_never_meant_and_stop_nothing(bench: Workbench) -> None:
    local = bench.sqlite(
        DDL["sqlite"],
        "INSERT INTO t (id, org, at) VALUES (1, 'seven', 'noon'), (2, 7, '2026-01-31 12:00:00')",
    )
    remote = bench.sqlite(DDL["sqlite"], "INSERT INTO t (id, org, at) VALUES (2, 7, '2026-01-31 12:00:00')")
    assert sn.diff(local, remote, where=sn.col("org") < 99)["t"].counts.rows_local == 1
    assert sn.diff(local, remote, where=sn.col("at") > NOON)["t"].counts.rows_local == 0, (
        "a wall clock is no moment"
    )


def test_a_row_that_the_other_side_has_outside_is_neither_inserted_nor_deleted(bench: Workbench) -> None:
    local = bench.sqlite(DDL["sqlite"], "INSERT INTO t (id, org) VALUES (1, 7), (2, 7), (3, 8), (4, 7)")
    remote: Any = replace(
        bench.postgresql(DDL["postgresql"], "INSERT INTO t (id, org) VALUES (1, 7), (2, 8), (3, 7), (5, 7)"),
        writable=True,
    )  # type: ignore[type-var]
    d = sn.diff(local, remote, where=sn.col("org") == 7)
    counts = d["t"].counts
    assert (
        counts.same,
        counts.only_local,
        counts.only_remote,
        counts.uncompared_local,
        counts.uncompared_remote,
    ) == (1, 1, 1, 1, 1)
    assert d["t"].uncompared_rows["key"].tolist() == ["2", "3"]
    p = sn.plan(d, into=remote, resolve=sn.take_local, deletes=True)
    assert [(change.verb, change.key) for change in p.changes] == [("insert", (4,)), ("delete", (5,))]
    sn.apply(p, remote, allow=("deletes",))
    assert sn.diff(local, remote, where=sn.col("org") == 7)["t"].counts.same == 2


def test_a_payload_is_filtered_too(bench: Workbench) -> None:
    store: Any = made(bench, "postgresql")
    frame = pd.DataFrame({"id": [6, 7], "org": [7, 8], "name": ["six", "seven"]})
    done = sn.sync({"t": frame}, store, key="id", where=sn.col("org") == 7)
    assert done.counts["inserted"].tolist() == [1]
    with pytest.raises(sn.PlanError, match="where= is for sn.diff"):
        sn.sync(made(bench, "sqlite"), store, where=sn.col("org") == 7)


BAD: dict[str, tuple[Any, str]] = {
    "no condition": ("org = 7", "where is a str"),
    "an unknown column": (sn.col("orgs") == 7, "where names orgs, which is not compared in t"),
    "an unknown table": ({"x": sn.col("org") == 7}, "names a table 'x'"),
    "an order of UUIDs": (sn.col("u") > UUID(U), r"t\.u and .* have no order"),
    "an order of a number and a word": (sn.col("org") > "x", "have no order"),
    "a wall clock for a moment": (sn.col("at") > datetime(2026, 1, 31), "has no zone"),
}


@pytest.mark.parametrize(("where", "told"), BAD.values(), ids=BAD)
def test_bad_conditions_of_a_diff(bench: Workbench, where: Any, told: str) -> None:
    with pytest.raises(sn.SchemaError, match=told):
        sn.diff(made(bench, "sqlite"), made(bench, "postgresql"), where=where)


def test_bad_conditions_are_refused_where_they_are_written() -> None:
    a, b = sn.col("a"), sn.col("b")
    for make, told in (
        (lambda: bool(a == 1), "true or false only of a row"),
        (lambda: (a == 1) and (b == 2), "join conditions by & and |"),
        (lambda: (a == 1) & 7, "bind tighter than =="),
        (lambda: a == None, "is_null"),  # noqa: E711
        (lambda: a == float("nan"), "cannot be compared with"),
        (lambda: a == b, "a column is compared with a value"),
        (lambda: a.isin("abc"), "isin takes several values"),
        (lambda: a.isin([1, None]), "NULL is in no list"),
        (lambda: a == [1], "cannot be compared with"),
    ):
        with pytest.raises(sn.SchemaError, match=told):
            make()
    assert str(~((a == 1) & b.isin(["x"])) | a.is_null()) == "(~((a == 1) & (b.isin(['x'])))) | (a.is_null())"


RANGES: dict[str, tuple[sn.Condition, range | None]] = {
    "from, before": ((sn.col("k") >= 3) & (sn.col("k") < 9), range(3, 9)),
    "after, up to": ((sn.col("k") > 3) & (sn.col("k") <= 9), range(4, 10)),
    "open below": (sn.col("k") <= -(2**63), range(-(2**63), -(2**63) + 1)),
    "NULL, which there is none of": ((sn.col("k") < 9) | sn.col("k").is_null(), range(-(2**63), 9)),
    "one": (sn.col("k") == 5, range(5, 6)),
    "none": ((sn.col("k") > 9) & (sn.col("k") < 3), range(10, 3)),
    "two ranges": ((sn.col("k") < 3) | (sn.col("k") > 9), None),
    "another column": ((sn.col("k") > 3) & (sn.col("v") == 1), None),
    "all but one": (sn.col("k") != 3, None),
    "not": (~(sn.col("k") < 3), None),
    "no whole number": (sn.col("k") > 1.5, None),
    "true": (sn.col("k") == True, None),  # noqa: E712
    "too large": (sn.col("k") < 2**63, None),
}


@pytest.mark.parametrize(("condition", "wanted"), RANGES.values(), ids=RANGES)
def test_what_is_one_range_of_numbers(condition: sn.Condition, wanted: range | None) -> None:
    assert whole_range(condition, "k") == wanted
