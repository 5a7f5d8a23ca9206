"""Cases in which an earlier syncnb, or another tool, saw a difference that is none, or missed one that is."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import syncnb as sn
from syncnb.comparing import partitioning
from tests.databases import Workbench, rows

NAIVE = "2026-01-01 00:00:00"


def counts(d: sn.TableDiff) -> tuple[int, int, int, int]:
    return d.counts.same, d.counts.changed, d.counts.only_local, d.counts.only_remote


class TestStamps:
    def test_a_date_is_the_same_day_in_every_zone(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (at DATE PRIMARY KEY, d DATE)"
        values = rows("t", ["'2026-01-01', '2026-01-01'"])
        left = bench.sqlite(ddl, *values, timezone="Europe/Berlin")
        right = bench.postgresql(ddl, *values, timezone="UTC")
        d = sn.diff(left, right)
        assert (d.verdict, d["t"].by_rule) == ("equal", {})

    @pytest.mark.parametrize(
        ("left", "right", "key"),
        [
            (("DATETIME", f"'{NAIVE}'"), ("timestamptz", f"'{NAIVE}+00'"), True),
            (("DATETIME", "1767225600"), ("timestamptz", f"'{NAIVE}+00'"), True),
            (("DATETIME", f"'{NAIVE}'"), ("timestamptz", f"'{NAIVE}+00'"), False),
            (("DATETIME", "1767225600"), ("timestamp", f"'{NAIVE}'"), False),
            (("DATETIME", "'2026-01-01T00:00:00Z'"), ("timestamp", f"'{NAIVE}'"), False),
            (("TEXT", f"'{NAIVE}'"), ("timestamptz", f"'{NAIVE}+00'"), False),
            (("DATE", "'2026-01-01'"), ("timestamptz", f"'{NAIVE}+00'"), False),
        ],
    )
    def test_what_cannot_be_known_is_no_difference(
        self, bench: Workbench, left: Any, right: Any, key: bool
    ) -> None:
        """In a key, and where a whole row is the key."""
        constraint = ", PRIMARY KEY (at)" if key else ""
        local = bench.sqlite(
            f"CREATE TABLE t (at {left[0]}, n INTEGER{constraint})", *rows("t", [f"{left[1]}, 1"])
        )
        remote = bench.postgresql(
            f"CREATE TABLE t (at {right[0]}, n int{constraint})", *rows("t", [f"{right[1]}, 1"])
        )
        d = sn.diff(local, remote)["t"]
        assert counts(d)[1:] == (0, 0, 0)
        assert d.verdict == "equal_except"
        assert any("unit is not known" in e.why or "timezone=" in e.why for e in d.uncompared)

    def test_a_told_key_that_cannot_be_compared_is_refused(self, bench: Workbench) -> None:
        local = bench.sqlite("CREATE TABLE t (at INTEGER, n INTEGER)")
        remote = bench.postgresql("CREATE TABLE t (at timestamptz, n int)")
        with pytest.raises(sn.SchemaError, match="unit of the number"):
            sn.diff(local, remote, key="at")

    def test_numbers_in_a_column_of_stamps_get_their_own_reason(self, bench: Workbench) -> None:
        local = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME)", *rows("t", ["1, 1767225600000"])
        )
        remote = bench.postgresql(
            "CREATE TABLE t (id int PRIMARY KEY, at timestamp)", *rows("t", [f"1, '{NAIVE}'"])
        )
        d = sn.diff(local, remote)["t"]
        assert [entry.why for entry in d.uncompared] == [
            "a number in a column of stamps: its unit is not known"
        ]

    def test_a_time_behind_a_day_that_means_nothing(self, bench: Workbench) -> None:
        local = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIME)", *rows("t", ["1, '2000-01-01 10:00:00'"])
        )
        remote = bench.postgresql("CREATE TABLE t (id int PRIMARY KEY, at time)", *rows("t", ["1, '10:00'"]))
        assert sn.diff(local, remote).verdict == "equal"

    def test_intervals(self, bench: Workbench) -> None:
        frame = pd.DataFrame(
            {"id": [1, 2], "i": [timedelta(days=1, hours=2, minutes=3, seconds=4), timedelta(0)]}
        )
        remote = bench.postgresql(
            "CREATE TABLE t (id int PRIMARY KEY, i interval)", *rows("t", ["1, '26:03:04'", "2, '1 mon'"])
        )
        d = sn.diff(sn.connect({"t": frame}), remote)["t"]
        assert d.rows["id"].tolist() == [2]


class TestKeys:
    def test_columns_told_keep_the_key(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT)"
        left = bench.sqlite(ddl, *rows("t", ["1, 'a', 'x'", "2, 'b', 'x'"]))
        right = bench.sqlite(ddl, *rows("t", ["1, 'b', 'y'", "2, 'a', 'y'"]))
        d = sn.diff(left, right, columns=["v"])["t"]
        assert (d.pair.key_names, d.cell_counts) == (("id",), {"v": 2})

    def test_a_key_called_as_another_column_of_the_frame(self, bench: Workbench) -> None:
        ddl = 'CREATE TABLE t ("v.local" INTEGER PRIMARY KEY, v TEXT)'
        left = bench.sqlite(ddl, *rows("t", ["1, 'a'"]))
        right = bench.sqlite(ddl, *rows("t", ["1, 'b'"]))
        d = sn.diff(left, right)["t"]
        assert list(d.rows.columns) == ["v.local (key)", "state", "v.local", "v.remote"]
        assert d.rows["v.local (key)"].tolist() == [1]

    def test_a_composite_key_as_cells_writes_it(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (a, b))"
        left = bench.sqlite(ddl, *rows("t", ["'x', 1, 'p'"]))
        right = bench.sqlite(ddl, *rows("t", ["'x', 1, 'q'"]))
        d = sn.diff(left, right)["t"]
        assert d.explain(d.cells["key"][0], "v").why == d.explain(("x", 1), "v").why == "text differs"

    @pytest.mark.parametrize("key", [0.5, np.float64(0.5), Decimal("0.50")])
    def test_a_key_as_numpy_or_python_has_it(self, bench: Workbench, key: Any) -> None:
        ddl = "CREATE TABLE t (k REAL PRIMARY KEY, v TEXT)"
        left, right = (bench.sqlite(ddl, *rows("t", [f"0.5, '{v}'"])) for v in "ab")
        assert not sn.diff(left, right)["t"].explain(key, "v").same


class TestValues:
    @pytest.mark.parametrize(
        ("left", "right", "same"),
        [
            (("numeric[]", "'{1.50}'"), ("numeric(9,2)[]", "'{1.5}'"), True),
            (("text", "'[1.0, 2.5]'"), ("float8[]", "'{1,2.5}'"), True),
            (("text[]", "'{1.0}'"), ("text[]", "'{1}'"), False),
            (("bool[]", "'{t,NULL}'"), ("bool[]", "'{true,NULL}'"), True),
            (("int[]", "'{{1,2},{3,4}}'"), ("bigint[]", "'{{1,2},{3,4}}'"), True),
            (("int[]", "'{{1,2},{3,4}}'"), ("bigint[]", "'{1,2,3,4}'"), False),
            (("real", "'infinity'"), ("float8", "3.5e38"), False),
            (("real", "0"), ("float8", "1e-46"), False),
            (
                ("text", "'{\"a\": 1e99999999999999999999}'"),
                ("text", "'{\"a\": 1e99999999999999999999}'"),
                True,
            ),
        ],
    )
    def test_postgresql(self, bench: Workbench, left: Any, right: Any, same: bool) -> None:
        stores = [
            bench.postgresql(
                f"CREATE TABLE t (id int PRIMARY KEY, v {kind})", f"INSERT INTO t VALUES (1, {value})"
            )
            for kind, value in (left, right)
        ]
        assert (sn.diff(*stores).verdict == "equal") == same

    @pytest.mark.parametrize("wide", ["1e+300", "0.1234567891"])
    @pytest.mark.filterwarnings("error")
    def test_a_double_beside_a_real_is_shown_as_it_is(self, bench: Workbench, wide: str) -> None:
        local = bench.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL)", *rows("t", [f"1, {wide}"]))
        remote = bench.postgresql("CREATE TABLE t (id int PRIMARY KEY, v real)", *rows("t", ["1, 0.1"]))
        (cell,) = sn.diff(local, remote)["t"].cells.to_dict("records")
        assert (str(cell["local"]), str(cell["remote"])) == (wide, "0.1")

    def test_json_numbers_no_decimal_can_hold(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v JSON)"
        left, right = (
            bench.sqlite(ddl, *rows("t", [f"1, '{v}'"])) for v in ("[1e99999999999999999999]", "[1]")
        )
        assert sn.diff(left, right)["t"].cell_counts == {"v": 1}

    def test_decimals_that_no_arrow_type_holds_together(self, bench: Workbench) -> None:
        ddl = "CREATE TABLE t (id int PRIMARY KEY, v numeric)"
        left, right = (bench.postgresql(ddl, *rows("t", [f"1, {v}"])) for v in ("1e45", "1e-45"))
        d = sn.diff(left, right)["t"]
        assert str(d.rows["v.local"].dtype) == "string[pyarrow]"
        assert len(d.odd) == 1

    def test_booleans_among_other_objects(self) -> None:
        values = [i % 3 == 0 for i in range(400)]
        left = pd.DataFrame({"k": range(400), "v": pd.Series(values, dtype=object)})
        right = left.assign(v=pd.Series(["x", *values[1:]], dtype=object))
        d = sn.diff(sn.connect({"t": left}), sn.connect({"t": right}), key="k")["t"]
        assert d.counts.changed == 1

    def test_nothing_is_equal_by_rule_against_itself(self, bench: Workbench) -> None:
        store = bench.sqlite(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", *rows("t", ["1, 1", "2, 'a'", "3, x'00'"])
        )
        assert sn.diff(store, store)["t"].by_rule == {}


class TestWishes:
    DDL = ("CREATE TABLE m (id INTEGER PRIMARY KEY, price REAL)", "INSERT INTO m VALUES (1, {})")

    @pytest.mark.parametrize(
        "tolerance", [{"PRICE": 0.2}, {"M.Price": 0.2}, {"M": {"price": 0.2}}, {"m.price": Decimal("0.2")}]
    )
    def test_names_fold(self, bench: Workbench, tolerance: Any) -> None:
        left, right = (bench.sqlite(self.DDL[0], self.DDL[1].format(n)) for n in (1.0, 1.1))
        assert sn.diff(left, right, tolerance=tolerance)["m"].counts.changed == 0
        assert (
            sn.diff(left, right, ignore=list(tolerance) if "M" not in tolerance else {"M": ["Price"]}).verdict
            == "equal_except"
        )

    @pytest.mark.parametrize(
        "options",
        [
            {"tolerance": {"nope": {"price": 1}}}, {"tolerance": {"m": {"nonsense": 1}}}, {"ignore": {"m": ["nonsense"]}},
            {"tolerance": {"price": "x"}}, {"tolerance": {"price": True}}, {"tolerance": 0.1}, {"tolerance": {"id": 1}},
            {"key": 5}, {"tables": 5}, {"limit": 1.5}, {"tables": {"m": "m", "o": "m"}},
        ],
    )  # fmt: skip
    def test_a_wish_that_means_nothing_is_refused(self, bench: Workbench, options: Any) -> None:
        store = bench.sqlite(self.DDL[0], "CREATE TABLE o (id INTEGER PRIMARY KEY)")
        with pytest.raises(sn.SyncnbError):
            sn.diff(store, store, **options)

    def test_a_tolerance_without_a_key_is_refused(self, bench: Workbench) -> None:
        store = bench.sqlite("CREATE TABLE m (price REAL)")
        with pytest.raises(sn.SchemaError, match="tolerance for price of m means nothing"):
            sn.diff(store, store, tolerance={"price": 1})

    def test_a_name_told_twice_counts_once(self, bench: Workbench) -> None:
        store = bench.sqlite(self.DDL[0])
        assert list(sn.diff(store, store, tables=["m", "M"])) == ["m"]


def test_large_rows_are_dealt_into_files_by_their_bytes(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spilled: list[str] = []
    spill = partitioning.Shares.spill

    def spy(shares: partitioning.Shares) -> None:
        spilled.append(shares.side)
        spill(shares)

    monkeypatch.setattr(partitioning.Shares, "spill", spy)
    monkeypatch.setattr(partitioning, "BYTES_IN_MEMORY", 2**20)
    ddl = "CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB)"
    fill = "INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i, zeroblob(100000) FROM n"
    left, right = bench.sqlite("PRAGMA encoding = 'UTF-16'", ddl, fill), bench.sqlite(ddl, fill)
    assert sn.diff(left, right).verdict == "equal"
    assert {"local", "remote"} == set(spilled)


def test_a_huge_value_is_shown_at_once() -> None:
    """Cut before it is looked at: 20 million letters would take seconds, and all of them land in the output."""
    frame = pd.DataFrame({"id": [1], "v": ["x" * 20_000_000]})
    d = sn.diff(sn.connect({"t": frame}), sn.connect({"t": frame.assign(v="y")}), key="id")["t"]
    assert len(repr(d)) < 1_000
    assert len(d._repr_html_()) < 10_000
