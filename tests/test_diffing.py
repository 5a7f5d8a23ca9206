"""What `diff` promises about keys, coverage, verdicts, frames and what it leaves behind."""

import random
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

import syncnb as sn
from syncnb.stores.postgres import PostgresReader
from tests.databases import ENGINES, KEEPER, Workbench, rows
from tests.faults.proxy import until

PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"


@pytest.mark.parametrize("engines", ENGINES.values(), ids=ENGINES)
class TestKeys:
    def test_the_delimiter_is_no_part_of_a_composite_key(self, bench: Workbench, engines: Any) -> None:
        ddl = "CREATE TABLE t (a VARCHAR(9), b VARCHAR(9), v INTEGER, PRIMARY KEY (a, b))"
        left = bench.make(engines[0], ddl, *rows("t", ["'a|b', 'c', 1", "'x', 'y', 1"]))
        right = bench.make(engines[1], ddl, *rows("t", ["'a', 'b|c', 1", "'x', 'y', 2"]))
        d = sn.diff(left, right)["t"]
        assert list(d.rows["state"]) == ["only_remote", "only_local", "changed"]
        assert list(d.rows["a"]) == ["a", "a|b", "x"]

    def test_null_in_a_unique_key_is_listed_not_matched(self, bench: Workbench, engines: Any) -> None:
        ddl = "CREATE TABLE t (a INTEGER, b INTEGER, v INTEGER)"
        values = rows("t", ["1, NULL, 1", "1, 2, 1"])
        left, right = (bench.make(engine, ddl, *values) for engine in engines)
        told = sn.diff(left, right, key=["a", "b"])["t"]
        assert (told.verdict, told.counts.same) == ("equal", 2)

    def test_duplicates_under_a_told_key_are_listed(self, bench: Workbench, engines: Any) -> None:
        ddl = "CREATE TABLE t (k INTEGER, v TEXT)"
        left = bench.make(engines[0], ddl, *rows("t", ["1, 'a'", "2, 'b'", "2, 'b'", "3, 'c'"]))
        right = bench.make(engines[1], ddl, *rows("t", ["1, 'a'", "2, 'b'", "3, 'c'"]))
        d = sn.diff(left, right, key="k")["t"]
        assert d.verdict == "equal_except"
        assert (d.counts.same, d.counts.uncompared_local, d.counts.uncompared_remote) == (2, 2, 1)
        assert [(entry.what, entry.rows, entry.why) for entry in d.uncompared] == [
            ("rows", 3, "duplicate key")
        ]
        listed = d.uncompared_rows.values.tolist()
        assert listed == [["local", "2", "duplicate key"]] * 2 + [["remote", "2", "duplicate key"]]

    def test_without_a_key_rows_are_a_multiset(self, bench: Workbench, engines: Any) -> None:
        ddl = "CREATE TABLE t (a TEXT, b INTEGER)"
        left = bench.make(engines[0], ddl, *rows("t", ["'x', 1", "'x', 1", "'y', NULL", "NULL, NULL"]))
        right = bench.make(engines[1], ddl, *rows("t", ["'x', 1", "'y', NULL", "NULL, NULL", "'z', 3"]))
        d = sn.diff(left, right)["t"]
        assert (d.counts.same, d.counts.only_local, d.counts.only_remote) == (3, 1, 1)
        assert list(d.rows.columns) == ["state", "a.local", "a.remote", "b.local", "b.remote"]
        assert d.rows["state"].tolist() == ["only_local", "only_remote"]
        assert (d.rows["a.local"][0], d.rows["b.remote"][1]) == ("x", 3)

    def test_a_unique_rule_serves_where_there_is_no_primary_key(self, bench: Workbench, engines: Any) -> None:
        ddl = "CREATE TABLE t (name VARCHAR(9) NOT NULL UNIQUE, v INTEGER)"
        left = bench.make(engines[0], ddl, *rows("t", ["'a', 1", "'b', 2"]))
        right = bench.make(engines[1], ddl, *rows("t", ["'b', 3", "'a', 1"]))
        d = sn.diff(left, right)["t"]
        assert d.pair.key_names == ("name",)
        assert d.pair.key_from == "unique rule of both"
        assert list(d.rows["name"]) == ["b"]

    def test_unique_values_swapped_between_rows(self, bench: Workbench, engines: Any) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, u VARCHAR(9) UNIQUE)"
        left = bench.make(engines[0], ddl, *rows("t", ["1, 'a'", "2, 'b'"]))
        right = bench.make(engines[1], ddl, *rows("t", ["1, 'b'", "2, 'a'"]))
        d = sn.diff(left, right)["t"]
        assert d.cells[["key", "local", "remote"]].values.tolist() == [[1, "a", "b"], [2, "b", "a"]]


def test_null_in_a_sqlite_primary_key(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)"
    left = bench.sqlite(ddl, *rows("t", ["NULL, 1", "NULL, 2", "'a', 1"]))
    right = bench.sqlite(ddl, *rows("t", ["NULL, 1", "'a', 1"]))
    d = sn.diff(left, right)["t"]
    assert (d.verdict, d.counts.same) == ("equal_except", 1)
    assert [(entry.rows, entry.why) for entry in d.uncompared] == [(3, "NULL in the key")]


def test_nulls_not_distinct_matches_null_with_null(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (a int, b int, v int, UNIQUE NULLS NOT DISTINCT (a, b))"
    left, right = (bench.postgresql(ddl, *rows("t", [f"1, NULL, {v}", "NULL, NULL, 1"])) for v in (1, 2))
    d = sn.diff(left, right)["t"]
    assert (d.pair.key_names, d.counts.same, d.counts.changed) == (("a", "b"), 1, 1)
    assert repr(d).count("(1, ∅)") == 1


ORDERS = {
    "UTF-16 SQLite file": ("sqlite", ["PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)"]),
    "ICU collation": ("postgresql", ["CREATE TABLE t (k text COLLATE \"und-x-icu\" PRIMARY KEY, v int)"]),
    "nondeterministic collation": (
        "postgresql",
        [
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            "CREATE TABLE t (k text COLLATE ci PRIMARY KEY, v int)",
        ],
    ),
    "NOCASE": ("sqlite", ["CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v INTEGER)"]),
}  # fmt: skip


@pytest.mark.parametrize(("engine", "ddl"), ORDERS.values(), ids=ORDERS)
def test_keys_in_another_order(bench: Workbench, engine: str, ddl: list[str]) -> None:
    keys = ["a", "B", "c", "é", "z", "Ω", "ﬀ", "😀", "a-b", "a_b", "ab"]
    left = bench.sqlite(
        "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)", *rows("t", [f"'{key}', 1" for key in keys])
    )
    right = bench.make(engine, *ddl, *rows("t", [f"'{key}', {1 + (key == 'é')}" for key in reversed(keys)]))
    d = sn.diff(left, right)["t"]
    assert list(d.rows["k"]) == ["é"]
    assert d.counts.same == len(keys) - 1


def frames(left: dict[int, Any], right: dict[int, Any]) -> tuple[sn.Store, sn.Store]:
    made = [
        pd.DataFrame({"k": list(there), "v": pd.array(list(there.values()), dtype="int64[pyarrow]")})
        for there in (left, right)
    ]
    return sn.connect({"t": made[0]}), sn.connect({"t": made[1]})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["integer", "text"])
def test_scattered_differences_over_many_batches(seed: int, kind: str) -> None:
    draw = random.Random(seed)
    key = (lambda n: n) if kind == "integer" else (lambda n: f"{n * 2654435761 % 2**32:x}")
    left = {key(n): draw.randrange(3) for n in range(60_000) if draw.random() > 0.01}
    right = {
        key(n): draw.randrange(3) if draw.random() < 0.01 else left.get(key(n), 7) for n in range(500, 61_000)
    }
    d = sn.diff(*frames(left, right), key="k")["t"]
    both = left.keys() & right.keys()
    changed = {k for k in both if left[k] != right[k]}
    assert d.how["strategy"] == "stream"
    assert d.counts.same == len(both) - len(changed)
    states = d.rows.groupby("state")["k"].apply(set)
    assert states["changed"] == changed
    assert states["only_local"] == left.keys() - right.keys()
    assert states["only_remote"] == right.keys() - left.keys()
    assert list(d.rows["k"]) == sorted(d.rows["k"])


def test_a_table_too_large_for_memory_is_dealt_into_files(bench: Workbench) -> None:
    """130,000 text keys against integers: no common order, more rows than are held."""
    count = 130_000
    numbers = f"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    left = bench.sqlite(
        "CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)",
        f"INSERT INTO t {numbers} SELECT CAST(i AS TEXT), i % 7 FROM n WHERE i % 1000 <> 3",
    )
    right = bench.sqlite(
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)",
        f"INSERT INTO t {numbers} SELECT i, i % 7 + (i % 10000 = 5) FROM n WHERE i % 1000 <> 4",
    )
    d = sn.diff(left, right)["t"]
    assert d.how["strategy"] == "partition"
    assert (d.counts.changed, d.counts.only_local, d.counts.only_remote) == (13, 130, 130)
    assert d.counts.same == count - 260 - 13
    assert list(d.cells["key"].astype(int)) == list(range(5, count, 10_000))


class TestVerdicts:
    def test_equal_needs_every_column_of_every_row(self, bench: Workbench) -> None:
        store = bench.sqlite(PLAIN, *rows("t", ["1, 'a'"]))
        assert sn.diff(store, store).verdict == "equal"

    @pytest.mark.parametrize(
        ("options", "why"),
        [({"ignore": "v"}, "ignored, as told"), ({"columns": ["id"]}, "not among the columns told")],
    )
    def test_a_column_left_out_is_said(self, bench: Workbench, options: Any, why: str) -> None:
        left = bench.sqlite(PLAIN, *rows("t", ["1, 'a'"]))
        right = bench.sqlite(PLAIN, *rows("t", ["1, 'b'"]))
        d = sn.diff(left, right, **options)
        assert d.verdict == "equal_except"
        assert [(entry.name, entry.rows, entry.why) for entry in d["t"].uncompared] == [("v", 1, why)]

    def test_a_column_of_one_side_is_said(self, bench: Workbench) -> None:
        left = bench.sqlite(PLAIN, *rows("t", ["1, 'a'"]))
        right = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, more INTEGER)", *rows("t", ["1, 'a', 2"])
        )
        d = sn.diff(left, right)["t"]
        assert (d.verdict, d.uncompared[0].name, d.uncompared[0].why) == (
            "equal_except",
            "more",
            "only in remote",
        )

    def test_a_table_that_the_role_may_not_read(self, bench: Workbench) -> None:
        left = bench.sqlite(PLAIN, "CREATE TABLE u (id INTEGER PRIMARY KEY)")
        bench.postgresql("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE TABLE u (id int PRIMARY KEY)")
        d = sn.diff(left, bench.as_role("peeker", "SELECT ON u"))
        assert {name: d[name].verdict for name in d} == {"t": "equal_except", "u": "equal"}
        assert [str(entry) for entry in d["t"].uncompared] == [
            "column id (0 rows) not compared: this role may not read it in remote",
            "column v (0 rows) not compared: this role may not read it in remote",
            "some rows not compared: no column can be compared",
        ]
        assert list(d["t"].rows.columns) == ["state"]
        assert len(d["t"].cells) == 0

    def test_a_column_that_the_role_may_not_read(self, bench: Workbench) -> None:
        left = bench.sqlite(PLAIN, *rows("t", ["1, 'a'"]))
        bench.postgresql("CREATE TABLE t (id int PRIMARY KEY, v text)", *rows("t", ["1, 'b'"]))
        d = sn.diff(left, bench.as_role("peeker", "SELECT (id) ON t"))["t"]
        assert (d.verdict, d.counts.same) == ("equal_except", 1)
        assert str(d.uncompared[0]) == "column v (1 rows) not compared: this role may not read it in remote"

    def test_a_limit_is_said(self, bench: Workbench) -> None:
        left = bench.sqlite(PLAIN, *rows("t", [f"{n}, 'a'" for n in range(50)]))
        right = bench.sqlite(PLAIN)
        d = sn.diff(left, right, limit=10)["t"]
        assert d.verdict == "different"
        assert any("limit of 10" in entry.why for entry in d.uncompared)
        assert "limit of 10" in repr(d)

    def test_wall_clocks_against_moments_are_not_compared(self, bench: Workbench) -> None:
        left = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME)",
            *rows("t", ["1, '2026-01-01 00:00:00'", "2, '2026-01-01T00:00:00Z'"]),
        )
        right = bench.postgresql(
            "CREATE TABLE t (id int PRIMARY KEY, at timestamptz)",
            *rows("t", ["1, '2026-01-01 00:00:00+00'", "2, '2026-01-01 00:00:00+00'"]),
        )
        d = sn.diff(left, right)["t"]
        assert (d.verdict, d.counts.same) == ("equal_except", 2)
        assert d.uncompared[0].name == "at"
        assert d.uncompared[0].rows == 1
        assert "timezone=" in d.uncompared[0].why

    def test_a_number_against_a_date_is_not_compared(self, bench: Workbench) -> None:
        left = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at INTEGER)", *rows("t", ["1, 1767225600"])
        )
        right = bench.postgresql(
            "CREATE TABLE t (id int PRIMARY KEY, at timestamptz)", *rows("t", ["1, '2026-01-01 00:00:00+00'"])
        )
        d = sn.diff(left, right)["t"]
        assert (d.verdict, d.uncompared[0].why) == ("equal_except", "integer against timestamptz: the unit of the number is not known")  # fmt: skip

    def test_rows_that_row_level_security_hides(self, bench: Workbench) -> None:
        ddl = ["CREATE TABLE t (id int PRIMARY KEY, v text)", *rows("t", ["1, 'a'", "2, 'b'"])]
        left = bench.sqlite(PLAIN, *rows("t", ["1, 'a'", "2, 'b'"]))
        bench.postgresql(
            *ddl,
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY only_one ON t USING (id = 1)",
        )
        store = bench.as_role("peeker", "SELECT ON t")
        d = sn.diff(left, store)["t"]
        assert any("row-level security" in entry.why for entry in d.uncompared)


class TestFrames:
    def test_columns_and_types(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, x REAL, s TEXT, b BLOB, d DATE)"
        left = bench.sqlite(
            ddl,
            *rows(
                "t", ["1, 9007199254740993, 1.5, 'a', x'00', '2026-01-01'", "2, NULL, NULL, NULL, NULL, NULL"]
            ),
        )
        right = bench.sqlite(
            ddl, *rows("t", ["1, 9007199254740992, 2.5, '', x'01', '2026-01-02'", "3, 1, 1, 'c', x'', NULL"])
        )
        d = sn.diff(left, right)["t"]
        wanted = ["id", "state"] + [f"{c}.{side}" for c in "nxsbd" for side in ("local", "remote")]
        assert list(d.rows.columns) == wanted
        assert d.rows["n.local"].dtype == "int64[pyarrow]"
        assert d.rows["n.local"][0] == 9007199254740993
        assert d.rows["n.local"].isna().tolist() == [False, True, True]
        assert str(d.rows["d.local"].dtype) == "date32[day][pyarrow]"
        assert list(d.cells.columns) == ["key", "column", "local", "remote", "why"]
        assert d.cells["why"].tolist()[:3] == ["differ by 1", "differ by 1", "remote is the empty text"]
        assert list(d.rows["state"]) == ["changed", "only_local", "only_remote"]

    def test_an_odd_value_makes_its_column_text_and_is_named(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"
        left = bench.sqlite(ddl, *rows("t", ["1, 'abc'", "2, 5"]))
        right = bench.sqlite(ddl, *rows("t", ["1, 4", "2, 6"]))
        d = sn.diff(left, right)["t"]
        assert d.rows["n.local"].tolist() == ["abc", "5"]
        assert d.odd.values.tolist() == [["1", "n", "local", "abc", "not an integer"]]

    def test_text_that_is_not_utf8_stops_nothing(self, bench: Workbench) -> None:
        left = bench.sqlite(PLAIN, *rows("t", ["1, CAST(x'ff41' AS TEXT)", "2, 'b'"]))
        right = bench.sqlite(PLAIN, *rows("t", ["1, 'A'", "2, 'c'"]))
        d = sn.diff(left, right)["t"]
        assert d.cells["local"].tolist() == ["\\xffA", "b"]
        assert d.odd["raw"].tolist() == ["\\xffA"]

    def test_key_column_called_state(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (state TEXT PRIMARY KEY, v INTEGER)"
        left = bench.sqlite(ddl, *rows("t", ["'NY', 1"]))
        right = bench.sqlite(ddl, *rows("t", ["'NY', 2"]))
        assert list(sn.diff(left, right)["t"].rows.columns) == ["state (key)", "state", "v.local", "v.remote"]

    def test_nothing_in_html_that_could_run(self, bench: Workbench) -> None:
        evil = "<img src=x onerror=alert(1)></script>\u202e"
        ddl = f'CREATE TABLE "{evil}" (id INTEGER PRIMARY KEY, "<b>{evil}" TEXT)'
        left = bench.sqlite(ddl, *rows(f'"{evil}"', [f"1, '{evil}'"]))
        right = bench.sqlite(ddl, *rows(f'"{evil}"', ["1, 'x'"]))
        d = sn.diff(left, right)
        for shown in (d._repr_html_(), d[evil]._repr_html_(), d[evil].explain(1, f"<b>{evil}")._repr_html_()):
            assert "<img" not in shown
            assert "<b>" not in shown
            assert "\u202e" not in shown
            assert "onerror" in shown


class TestTolerance:
    def test_numbers_and_stamps(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, x REAL, at DATETIME)"
        left = bench.sqlite(
            ddl, *rows("t", ["1, 1.0, '2026-01-01 00:00:00'", "2, 1.0, '2026-01-01 00:00:00'"])
        )
        right = bench.sqlite(
            ddl, *rows("t", ["1, 1.0009, '2026-01-01 00:00:01'", "2, 1.002, '2026-01-01 00:00:03'"])
        )
        d = sn.diff(left, right, tolerance={"x": 0.001, "t.at": pd.Timedelta(seconds=2).to_pytimedelta()})[
            "t"
        ]
        assert d.cells[["key", "column"]].values.tolist() == [[2, "x"], [2, "at"]]
        assert d.explain(1, "x").why.startswith("within the tolerance")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tolerance": {"nope": 1}}, "no compared table has a column 'nope'"),
            ({"tolerance": {"v": -1}}, "the tolerance of v is -1"),
            ({"ignore": "vv"}, "did you mean v?"),
            ({"key": {"tt": "id"}}, "key names a table 'tt' that is not compared"),
            ({"key": "nope"}, "the key of t names 'nope'"),
            ({"tables": "nope"}, "there is no table 'nope'"),
            ({"tables": {"t": "nope"}}, "there is no table 'nope'"),
            ({"columns": {"t": {"v": "nope"}}}, "t has no column 'nope'"),
            ({"limit": 0}, "limit is 0"),
        ],
    )
    def test_a_wish_that_cannot_be_met_is_an_error(
        self, bench: Workbench, options: Any, message: str
    ) -> None:
        store = bench.sqlite(PLAIN)
        with pytest.raises(sn.SyncnbError) as caught:
            sn.diff(store, store, **options)
        assert message in str(caught.value)
        assert caught.value.hint


class TestMatching:
    def test_names_pair_regardless_of_case_and_quoting(self, bench: Workbench) -> None:
        left = bench.sqlite('CREATE TABLE "Order Details" ("OrderID" INTEGER PRIMARY KEY, "Unit Price" REAL)')
        right = bench.postgresql("CREATE TABLE order_details (order_id int PRIMARY KEY, unit_price float8)")
        d = sn.diff(left, right)
        assert (d.verdict, list(d)) == ("equal", ["Order Details"])
        assert d["order_details"] is d["Order Details"]

    def test_a_name_that_folds_onto_two_is_an_error_that_lists_both(self, bench: Workbench) -> None:
        left = bench.sqlite("CREATE TABLE OrderDetails (id INTEGER PRIMARY KEY)")
        right = bench.postgresql("CREATE TABLE order_details (id int)", "CREATE TABLE orderdetails (id int)")
        with pytest.raises(sn.SchemaError, match=r"order_details, orderdetails"):
            sn.diff(left, right)
        assert list(sn.diff(left, right, tables={"OrderDetails": "orderdetails"})) == ["OrderDetails"]

    def test_told_pairs_and_columns(self, bench: Workbench) -> None:
        left = bench.sqlite(
            "CREATE TABLE hosts (id INTEGER PRIMARY KEY, ip TEXT)", *rows("hosts", ["1, 'a'"])
        )
        right = bench.sqlite(
            "CREATE TABLE machines (id INTEGER PRIMARY KEY, address TEXT)", *rows("machines", ["1, 'b'"])
        )
        d = sn.diff(left, right, tables={"hosts": "machines"}, columns={"hosts": {"ip": "address"}})
        assert d["hosts"].cell_counts == {"ip": 1}

    def test_views_only_when_named(self, bench: Workbench) -> None:
        ddl = [PLAIN, "CREATE VIEW vw AS SELECT * FROM t", *rows("t", ["1, 'a'"])]
        store = bench.sqlite(*ddl)
        assert list(sn.diff(store, store)) == ["t"]
        assert list(sn.diff(store, store, "vw", key="id")) == ["vw"]

    def test_no_table_pairs(self, bench: Workbench) -> None:
        with pytest.raises(sn.SchemaError, match="no table pairs: local has t; remote has u"):
            sn.diff(bench.sqlite(PLAIN), bench.sqlite("CREATE TABLE u (id INTEGER)"))
        view = ("CREATE TABLE u (id INTEGER)", "CREATE VIEW t AS SELECT * FROM u")
        with pytest.raises(
            sn.SchemaError, match=r"remote has t \(a view\), u.*a view is compared only where"
        ):
            sn.diff(bench.sqlite(PLAIN), bench.sqlite(*view))


class TestFramesAsStores:
    FRAME = pd.DataFrame({"id": pd.array([1, 2], dtype="int64[pyarrow]"), "v": ["a", "b"]})

    def test_a_single_frame_is_the_only_table_there_is(self, bench: Workbench) -> None:
        remote = bench.postgresql(
            "CREATE TABLE hosts (id int PRIMARY KEY, v text)", *rows("hosts", ["1, 'a'", "2, 'x'"])
        )
        d = sn.diff(sn.connect(self.FRAME), remote)
        assert d["hosts"].cells[["key", "local", "remote"]].values.tolist() == [[2, "b", "x"]]
        assert d["hosts"].pair.key_from == "primary key of remote"

    def test_a_single_frame_is_the_table_that_was_named(self, bench: Workbench) -> None:
        remote = bench.sqlite(
            PLAIN, "CREATE TABLE hosts (id INTEGER PRIMARY KEY, v TEXT)", *rows("hosts", ["1, 'a'", "2, 'b'"])
        )
        frame = sn.connect(self.FRAME)
        assert sn.diff(frame, remote, tables="hosts").verdict == "equal"
        assert sn.diff(remote, frame, "hosts").verdict == "equal"
        with pytest.raises(sn.SchemaError, match="one of hosts, t"):
            sn.diff(frame, remote)

    def test_frames_against_frames(self) -> None:
        other = self.FRAME.assign(v=["a", "c"])
        assert sn.diff(sn.connect(self.FRAME), sn.connect(other), key="id")["frame"].cell_counts == {"v": 1}

    def test_what_is_no_store_is_refused(self) -> None:
        with pytest.raises(sn.SyncnbError, match=r"local is a DataFrame, not a store.*sn\.connect"):
            sn.diff(self.FRAME, sn.connect(self.FRAME))  # type: ignore[arg-type]


class TestSnapshot:
    def test_nothing_stays_open(self, bench: Workbench, pg_server: Any) -> None:
        left, right = bench.sqlite(PLAIN), bench.postgresql("CREATE TABLE t (id int PRIMARY KEY, v text)")
        d = sn.diff(left, right)
        with psycopg.connect(pg_server.url(), autocommit=True) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '%%bench%%' AND application_name <> %s"
            # A process of the server takes a moment to go.
            assert until(lambda: connection.execute(query, (KEEPER,)).fetchone() == (0,))
        with sqlite3.connect(Path(left.path)) as connection:  # type: ignore[attr-defined]
            connection.execute("INSERT INTO t VALUES (1, 'later')")
        connection.close()
        assert d.verdict == "equal"

    def test_a_select_only_role_can_diff(self, bench: Workbench) -> None:
        left = bench.sqlite(PLAIN, *rows("t", ["1, 'a'"]))
        bench.postgresql(
            "CREATE TABLE t (id int PRIMARY KEY, v text)",
            *rows("t", ["1, 'b'"]),
        )
        store = bench.as_role("reader", "SELECT ON t")
        assert sn.diff(left, store)["t"].cell_counts == {"v": 1}

    def test_two_servers_read_their_catalogues_at_the_same_time(
        self, bench: Workbench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ddl = "CREATE TABLE t (id int PRIMARY KEY, v text)"
        left, right = bench.postgresql(ddl, *rows("t", ["1, 'a'"])), bench.postgresql(ddl)
        real, both = PostgresReader.schema, threading.Barrier(2, timeout=15)

        def together(reader: PostgresReader, schemas: Any = None) -> Any:
            both.wait()
            return real(reader, schemas)

        with monkeypatch.context() as patch:
            patch.setattr(PostgresReader, "schema", together)
            assert sn.diff(left, right)["t"].counts.only_local == 1

    @pytest.mark.parametrize("problem", [sn.ReadError("unreadable", hint="-"), KeyboardInterrupt()], ids=repr)
    def test_where_one_catalogue_fails_the_other_is_not_waited_for(
        self, bench: Workbench, monkeypatch: pytest.MonkeyPatch, problem: BaseException
    ) -> None:
        ddl = "CREATE TABLE t (id int PRIMARY KEY, v text)"
        left, right = bench.postgresql(ddl), bench.postgresql(ddl)
        here = threading.get_ident()

        def failing(reader: PostgresReader, schemas: Any = None) -> Any:
            if threading.get_ident() == here:
                raise problem
            return reader.asked("SELECT pg_sleep(12)", (), "it")

        monkeypatch.setattr(PostgresReader, "schema", failing)
        begun = time.monotonic()
        with pytest.raises(type(problem)):
            sn.diff(left, right)
        assert time.monotonic() - begun < 10
        monkeypatch.undo()
        with pytest.raises(sn.SchemaError, match="no schema 'nowhere'"):
            sn.diff(left, right, schemas=["nowhere"])
