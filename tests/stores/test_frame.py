import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from syncnb.errors import ConnectError, ReadError, SchemaError, SyncnbError
from syncnb.schema import UniqueRule
from syncnb.stores.frame import FrameStore
from syncnb.stores.port import BATCH_ROWS, Store
from syncnb.values.kinds import Kind
from syncnb.values.raw import BadText, to_python

BERLIN = dt.timezone(dt.timedelta(hours=1))
STAMP = dt.datetime(2013, 1, 1, 5, 0, 0, 250)
ONE = UUID("12345678-1234-5678-1234-567812345678")
NAN = float("nan")


def series(values: Any, dtype: Any = None) -> "pd.Series[Any]":
    return pd.Series(values, dtype=dtype)


def arrow(values: Any, wanted: pa.DataType) -> "pd.Series[Any]":
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, wanted)))


def objects(*values: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype=object)


def rows(frame: Any, *columns: str, order: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    with FrameStore({"t": frame}).reading() as reader:
        table = reader.schema()["t"]
        names = columns or tuple(column.name for column in table.columns)
        found = []
        for batch in reader.batches(table, names, order=order):
            found += zip(*(to_python(column) for column in batch.columns), strict=True)
        return found


COLUMNS: dict[str, tuple[Any, Kind, list[Any]]] = {
    "int64": (series([1, 2**53 + 1]), Kind.INTEGER, [1, 2**53 + 1]),
    "int8": (series([1, -2], "int8"), Kind.INTEGER, [1, -2]),
    "uint64 beyond int64": (series([2**64 - 1, 1], "uint64"), Kind.INTEGER, [str(2**64 - 1), 1]),
    "Int64": (series([2**53 + 1, None], "Int64"), Kind.INTEGER, [2**53 + 1, None]),
    "arrow int": (arrow([2**53 + 1, None], pa.int64()), Kind.INTEGER, [2**53 + 1, None]),
    "bool": (series([True, False]), Kind.BOOLEAN, [True, False]),
    "boolean": (series([True, None], "boolean"), Kind.BOOLEAN, [True, None]),
    "float64: NaN is NULL": (series([1.5, NAN]), Kind.FLOAT, [1.5, None]),
    "float32": (series([0.1, NAN], "float32"), Kind.FLOAT4, [float(np.float32(0.1)), None]),
    "float16": (series([0.5, 2], "float16"), Kind.FLOAT4, [0.5, 2.0]),
    "arrow double: NaN is a number": (arrow([1.5, NAN, None], pa.float64()), Kind.FLOAT, [1.5, "nan", None]),
    "str": (series(["a", "", None]), Kind.TEXT, ["a", "", None]),
    "string": (series(["é", None], "string"), Kind.TEXT, ["é", None]),
    "large_string": (arrow(["é", None], pa.large_string()), Kind.TEXT, ["é", None]),
    "text with NUL": (series(["a\0b"]), Kind.TEXT, ["a\0b"]),
    "naive stamps": (
        series(pd.to_datetime(["2013-01-01 05:00:00.25", None])),
        Kind.TIMESTAMP,
        ["2013-01-01 05:00:00.250000", None],
    ),
    "seconds": (series(["2013-01-01"], "datetime64[s]"), Kind.TIMESTAMP, ["2013-01-01 00:00:00.000000"]),
    "nanoseconds without any": (
        series(["2013-01-01"], "datetime64[ns]"),
        Kind.TIMESTAMP,
        ["2013-01-01 00:00:00.000000"],
    ),
    "nanoseconds": (
        series(pd.to_datetime(["2013-01-01 00:00:00.000000001"])),
        Kind.TIMESTAMP,
        ["2013-01-01 00:00:00.000000001"],
    ),
    "aware stamps are written in UTC": (
        series(pd.to_datetime(["2013-01-01 05:00", None]).tz_localize("Asia/Kolkata")),
        Kind.TIMESTAMPTZ,
        ["2012-12-31 23:30:00.000000+00:00", None],
    ),
    "arrow stamps": (
        arrow([STAMP, None], pa.timestamp("us", "Europe/Berlin")),
        Kind.TIMESTAMPTZ,
        ["2013-01-01 05:00:00.000250+00:00", None],
    ),
    "arrow dates": (arrow([dt.date(2013, 1, 2), None], pa.date32()), Kind.DATE, ["2013-01-02", None]),
    "arrow times": (
        arrow([dt.time(1, 2, 3, 4), None], pa.time64("us")),
        Kind.TIME,
        ["01:02:03.000004", None],
    ),
    "arrow decimals": (
        arrow([Decimal("1.50"), Decimal("12345678901234567890.12"), None], pa.decimal128(38, 2)),
        Kind.NUMERIC,
        ["1.50", "12345678901234567890.12", None],
    ),
    "arrow bytes": (arrow([b"\x00\xff", None], pa.binary()), Kind.BYTES, [b"\x00\xff", None]),
    "arrow lists": (arrow([[1, None], None], pa.list_(pa.int64())), Kind.JSON, ["[1, null]", None]),
    "arrow structs": (arrow([{"a": "é"}], pa.struct([("a", pa.string())])), Kind.JSON, ['{"a": "é"}']),
    "arrow maps": (arrow([[("k", 1)]], pa.map_(pa.string(), pa.int64())), Kind.JSON, ['{"k": 1}']),
    "arrow uuid": (arrow([ONE.bytes, None], pa.uuid()), Kind.UUID, [str(ONE), None]),
    "arrow null": (arrow([None, None], pa.null()), Kind.ANY, [None, None]),
    "timedelta": (
        series(pd.to_timedelta(["1 day 02:03:04.5", "-1 us", "2 days", None])),
        Kind.INTERVAL,
        ["1 day 02:03:04.5", "-00:00:00.000001", "2 days", None],
    ),
    "category of text": (series(["a", None, "b"], "category"), Kind.TEXT, ["a", None, "b"]),
    "category of integers": (
        series([2**53 + 1, None], pd.CategoricalDtype([2**53 + 1])),
        Kind.INTEGER,
        [2**53 + 1, None],
    ),
    "category of stamps": (
        series(pd.to_datetime(["2013-01-01", None]), "category"),
        Kind.TIMESTAMP,
        ["2013-01-01 00:00:00.000000", None],
    ),
    "category of objects": (series([1, "a", None], "category"), Kind.ANY, [1, "a", None]),
    "period": (series(pd.period_range("2020-01", periods=2, freq="M")), Kind.TEXT, ["2020-01", "2020-02"]),
    "interval": (series(pd.interval_range(0, 1)), Kind.TEXT, ["(0, 1]"]),
    "sparse": (series(pd.arrays.SparseArray([0, 5])), Kind.INTEGER, [0, 5]),
    "complex": (series([1 + 2j]), Kind.TEXT, ["(1+2j)"]),
    "objects: text": (objects("a", None, NAN, pd.NA), Kind.TEXT, ["a", None, None, None]),
    "objects: integers": (
        objects(1, 2**70, None, np.int64(2**53 + 1)),
        Kind.INTEGER,
        [1, str(2**70), None, 2**53 + 1],
    ),
    "objects: booleans": (objects(True, None, np.bool_(False)), Kind.BOOLEAN, [True, None, False]),
    "objects: floats": (objects(1.5, np.float64(2.5)), Kind.FLOAT, [1.5, 2.5]),
    "objects: decimals": (
        objects(Decimal("1.50"), Decimal("1E+3"), Decimal("NaN"), None),
        Kind.NUMERIC,
        ["1.50", "1000", "NaN", None],
    ),
    "objects: stamps": (objects(STAMP, pd.NaT), Kind.TIMESTAMP, ["2013-01-01 05:00:00.000250", None]),
    "objects: aware stamps": (
        objects(STAMP.replace(tzinfo=BERLIN), None),
        Kind.TIMESTAMPTZ,
        ["2013-01-01 04:00:00.000250+00:00", None],
    ),
    "objects: both kinds of stamps": (
        objects(STAMP, STAMP.replace(tzinfo=BERLIN)),
        Kind.TIMESTAMP,
        ["2013-01-01 05:00:00.000250", "2013-01-01 04:00:00.000250+00:00"],
    ),
    "objects: the last hour": (
        objects(dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-1)))),
        Kind.TIMESTAMPTZ,
        ["9999-12-31 23:59:59.999999-01:00"],
    ),
    "objects: nanoseconds": (
        objects(pd.Timestamp("2013-01-01 00:00:00.000000001")),
        Kind.TIMESTAMP,
        ["2013-01-01 00:00:00.000000001"],
    ),
    "objects: numpy stamps": (
        objects(np.datetime64("2013-01-01T05:00"), np.datetime64("NaT")),
        Kind.TIMESTAMP,
        ["2013-01-01 05:00", None],
    ),
    "objects: dates": (objects(dt.date(1, 1, 1), None), Kind.DATE, ["0001-01-01", None]),
    "objects: times": (objects(dt.time(1, 2), dt.time(1, 2, 3)), Kind.TIME, ["01:02:00", "01:02:03"]),
    "objects: timedelta": (objects(dt.timedelta(days=-1, hours=-2)), Kind.INTERVAL, ["-1 days -02:00:00"]),
    "objects: uuid": (objects(ONE, None), Kind.UUID, [str(ONE), None]),
    "objects: bytes": (
        objects(b"\xff", bytearray(b"a"), memoryview(b"b")),
        Kind.BYTES,
        [b"\xff", b"a", b"b"],
    ),
    "objects: JSON": (
        objects({"é": [1, None]}, [Decimal("2"), Decimal("0.5"), dt.date(2013, 1, 1)], None),
        Kind.JSON,
        ['{"é": [1, null]}', '[2, 0.5, "2013-01-01"]', None],
    ),
    "objects: numpy arrays": (objects(np.array([2**53 + 1])), Kind.JSON, [f"[{2**53 + 1}]"]),
    "objects: mixed": (objects(1, "1", b"1", 1.5, None), Kind.ANY, [1, "1", b"1", 1.5, None]),
    "objects: integers and floats": (objects(2**53 + 1, 0.5), Kind.ANY, [2**53 + 1, 0.5]),
    "objects: nothing": (objects(None, NAN, pd.NaT), Kind.ANY, [None, None, None]),
    "objects: lone surrogate": (objects("a\ud800"), Kind.TEXT, [BadText(b"a\xed\xa0\x80")]),
    "objects: something else": (objects(range(2)), Kind.TEXT, ["range(0, 2)"]),
}


@pytest.mark.parametrize(("column", "kind", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_columns(column: "pd.Series[Any]", kind: Kind, expected: list[Any]) -> None:
    frame = pd.DataFrame({"c": column})
    assert FrameStore({"t": frame}).inspect()["t"].column("c").kind == kind
    found = ["nan" if c != c else c for (c,) in rows(frame)]
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(("column", "kind", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_columns_can_be_keys_and_are_empty_sometimes(column: Any, kind: Kind, expected: list[Any]) -> None:
    frame = pd.DataFrame({"c": column})
    assert len(rows(frame, order=("c",))) == len(expected)
    assert rows(frame.iloc[:0]) == []


def test_json_of_a_frame_reads_back() -> None:
    value = {"b": [1.5, {"c": "\u2028"}], "a": None}
    ((text,),) = rows(pd.DataFrame({"c": objects(value)}))
    assert json.loads(text) == value


def test_an_arrow_table_is_a_frame() -> None:
    table = pa.table(
        {"i": pa.chunked_array([[2**53 + 1], [None]]), "d": pa.array(["a", "b"]).dictionary_encode()}
    )
    assert rows(table) == [(2**53 + 1, "a"), (None, "b")]
    assert [(c.type, c.kind) for c in FrameStore({"t": table}).inspect()["t"].columns] == [
        ("int64", Kind.INTEGER),
        ("dictionary<values=string, indices=int32, ordered=0>", Kind.TEXT),
    ]


class Stream:
    """As other frame libraries offer their rows."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.table({"c": [1, 2]}).__arrow_c_stream__(requested_schema)


def test_whatever_speaks_arrow_is_a_frame() -> None:
    assert rows(Stream()) == [(1,), (2,)]


# Index, names


def test_a_named_index_is_the_key() -> None:
    frame = pd.DataFrame({"v": ["b", "a"]}, index=pd.Index([2**53 + 1, 7], name="id"))
    table = FrameStore({"t": frame}).inspect()["t"]
    assert [column.name for column in table.columns] == ["id", "v"]
    assert table.rules == (UniqueRule("index", ("id",), primary=True),)
    assert (table.type, table.column("id").nullable, table.column("v").nullable) == ("frame", False, True)
    assert rows(frame, order=("id",)) == [(7, "a"), (2**53 + 1, "b")]


INDEXES: dict[str, tuple[Any, list[str], tuple[str, ...]]] = {
    "rows numbered": (pd.RangeIndex(2), ["v"], ()),
    "twice": (pd.Index([1, 1], name="id"), ["id", "v"], ()),
    "with NULL": (pd.Index([1.0, None], name="id"), ["id", "v"], ()),
    "two levels": (
        pd.MultiIndex.from_tuples([(1, "a"), (1, "b")], names=["i", "j"]),
        ["i", "j", "v"],
        ("i", "j"),
    ),
    "one of two named": (pd.MultiIndex.from_tuples([(1, 1), (2, 1)], names=["i", None]), ["i", "v"], ()),
}


@pytest.mark.parametrize(("index", "columns", "key"), INDEXES.values(), ids=INDEXES)
def test_indexes(index: "pd.Index[Any]", columns: list[str], key: tuple[str, ...]) -> None:
    store = FrameStore({"t": pd.DataFrame({"v": [1, 2]}, index=index)})
    table = store.inspect()["t"]
    assert ([column.name for column in table.columns], table.primary_key) == (columns, key)
    assert store.notes == ()


def test_an_index_that_is_lost_is_said() -> None:
    store = FrameStore({"t": pd.DataFrame({"v": [1, 2]}, index=["a", "b"])})
    assert store.notes == (
        "frame 't': an index without a name is not read; give it one with frame.rename_axis('id')",
    )


def test_names_that_are_no_text_are_read_as_text_and_said() -> None:
    store = FrameStore({"t": pd.DataFrame([[1, 2, 3]], columns=[0, "a", 1.5])})
    assert [column.name for column in store.inspect()["t"].columns] == ["0", "a", "1.5"]
    assert store.notes == ("frame 't': column names that are no text are read as text: 0, 1.5",)


REFUSED: dict[str, tuple[Any, type[SyncnbError], str]] = {
    "two of one name": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        SchemaError,
        "several columns called 'a'",
    ),
    "two of one name as text": (
        pd.DataFrame([[1, 2]], columns=[1, "1"]),
        SchemaError,
        "several columns called '1'",
    ),
    "index and column": (pd.DataFrame({"a": [1]}, index=pd.Index([1], name="a")), SchemaError, "called 'a'"),
    "levels": (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), SchemaError, "2 levels"),
    "a list": ([1, 2], ConnectError, "no table but list"),
    "a series": (pd.Series([1]), ConnectError, "no table but Series"),
    "a stream": (pa.table({"a": [1]}).to_reader(), ConnectError, "read only once"),
    "arrow names": (pa.table([[1], [2]], names=["a", "a"]), SchemaError, "several columns called 'a'"),
}


@pytest.mark.parametrize(("frame", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused_at_once(frame: Any, error: type[SyncnbError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        FrameStore({"t": frame})
    assert caught.value.hint


# Rows and order

ORDERS: dict[str, tuple[Any, list[int]]] = {
    "integers": (series([3, None, 1], "Int64"), [1, 2, 0]),
    "text by code point": (series(["\U0001f600", "\uffee", "a", "Z", "é", None]), [5, 3, 2, 4, 1, 0]),
    "decimals by value": (objects(Decimal("10"), Decimal("9.5"), None), [2, 1, 0]),
    "stamps": (series(pd.to_datetime(["2013-01-02", "2013-01-01", None])), [2, 1, 0]),
    "uuids": (objects(UUID(int=2), UUID(int=1)), [1, 0]),
    "categories by value": (series(["b", "a"], pd.CategoricalDtype(["b", "a"])), [1, 0]),
    "mixed stay as they are": (objects("b", 1, "a"), [0, 1, 2]),
}


@pytest.mark.parametrize(("key", "expected"), ORDERS.values(), ids=ORDERS)
def test_order(key: "pd.Series[Any]", expected: list[int]) -> None:
    frame = pd.DataFrame({"k": key, "row": range(len(key))})
    assert [row for (row,) in rows(frame, "row", order=("k",))] == expected


def test_order_of_several_columns_and_equal_keys() -> None:
    frame = pd.DataFrame({"a": [2, 1, 1, 1], "b": ["x", "y", "x", "x"], "row": range(4)})
    assert [row for (row,) in rows(frame, "row", order=("a", "b"))] == [2, 3, 1, 0]


@pytest.mark.parametrize("as_arrow", [False, True])
def test_batches_have_the_agreed_size(*, as_arrow: bool) -> None:
    frame = pd.DataFrame({"i": range(60_000), "s": "x"})
    store = FrameStore({"t": pa.Table.from_pandas(frame) if as_arrow else frame})
    with store.reading() as reader:
        table = reader.schema()["t"]
        batches = list(reader.batches(table, ["i"], order=["i"]))
        assert reader.count_estimate(table) == 60_000
    assert max(batch.num_rows for batch in batches) <= BATCH_ROWS
    assert [i for batch in batches for i in batch.column(0).to_pylist()] == list(range(60_000))


def test_an_interrupt_ends_the_batches_and_they_do_not_look_complete() -> None:
    with FrameStore({"t": pd.DataFrame({"i": range(60_000)})}).reading() as reader:
        batches = reader.batches(reader.schema()["t"], ["i"])
        next(batches)
        reader.interrupt()
        with pytest.raises(ReadError, match="reading t was stopped"):
            next(batches)


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(SchemaError, match="no column 'nope'"):
        rows(pd.DataFrame({"a": [1]}), "nope")


# The store


def test_a_store_of_frames_says_what_it_is() -> None:
    store = FrameStore({"b": pd.DataFrame({"x": [1]}), "a": pd.DataFrame()}, timezone={"*": "UTC"})
    assert isinstance(store, Store)
    assert (store.name, store.dialect, store.writable) == ("frames", "frame", False)
    assert FrameStore({"b": pd.DataFrame()}).name == "b"
    assert repr(store) == "FrameStore('b', 'a')"
    assert [table.name for table in store.inspect()] == ["a", "b"]


def test_frames_are_read_as_they_are_then() -> None:
    frame = pd.DataFrame({"i": [1]})
    store = FrameStore({"t": frame})
    frame.loc[0, "i"] = 2
    frame["new"] = "x"
    with store.reading() as reader:
        (batch,) = reader.batches(reader.schema()["t"], ["i", "new"])
    assert batch.to_pylist() == [{"i": 2, "new": "x"}]


CHANGES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "rows": lambda frame: rows(frame, order=("id",)),
    "schema": lambda frame: FrameStore({"t": frame}).inspect(),
}


@pytest.mark.parametrize("use", CHANGES.values(), ids=CHANGES)
def test_reading_changes_no_frame(use: Callable[[pd.DataFrame], Any]) -> None:
    frame = pd.DataFrame({"v": objects(2, "a")}, index=pd.Index([2, 1], name="id"))
    before = frame.copy(deep=True)
    use(frame)
    pd.testing.assert_frame_equal(frame, before)
