"""Files of tables and payloads of rows: what is in them is what is read, nothing more."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import syncnb as sn
from syncnb.values.kinds import Kind
from syncnb.values.raw import given, to_python, ungiven, with_ungiven

Rows = list[dict[str, Any]]


def rows(store: sn.Store, table: str) -> Rows:
    with store.reading() as reader:
        found = reader.schema().find(table)
        names = [column.name for column in found.columns]
        return [
            dict(zip(names, row, strict=True))
            for batch in reader.batches(found, names)
            for row in zip(*map(to_python, batch.columns), strict=True)
        ]


CSV = {
    "text stays text": ("id,code\n7,007\n", [{"id": "7", "code": "007"}]),
    "an empty field is NULL, quoted it is text": ('a,b\n,""\n', [{"a": None, "b": ""}]),
    "the word NULL is a word": ("a\nNULL\nNaN\nN/A\n", [{"a": "NULL"}, {"a": "NaN"}, {"a": "N/A"}]),
    "falsy values are values": ("a,b\n0,False\n", [{"a": "0", "b": "False"}]),
    "a line break in quotes": ('a,b\n"x\ny",z\n', [{"a": "x\ny", "b": "z"}]),
    "a byte order mark": ("\ufeffa,b\n1,2\n", [{"a": "1", "b": "2"}]),
    "semicolons": ("a;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
    "Windows line ends": ("a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
    "no rows": ("a,b\n", []),
    "an integer that no float holds": ("id\n9007199254740993\n", [{"id": "9007199254740993"}]),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("text", "expected"), CSV.values(), ids=CSV)
def test_csv_is_read_as_it_stands(text: str, expected: Rows, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("items.csv.gz" if packed else "items.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    store = sn.connect(path)
    assert rows(store, "items") == expected
    assert store.notes == (f'{path.name}: an empty field is NULL, one in quotes ("") is the empty text',)
    assert {column.kind for column in store.inspect()["items"].columns} == {Kind.TEXT}


BAD_FILES = {
    "a short line": ("x.csv", b"a,b\n1,2\n3\n", r"x\.csv cannot be read: .*2 columns.*1"),
    "a name twice": ("x.csv", b"a,a\n1,2\n", r"several columns called 'a'"),
    "a column without a name": ("x.csv", b"a,\n1,2\n", r"does not name every column"),
    "nothing": ("x.csv", b"", r"does not name every column"),
    "no UTF-8": ("x.csv", b"a\n\xff\n", r"x\.csv cannot be read: .*UTF8"),
    "broken JSON": ("x.json", b"[{", r"x\.json cannot be read"),
    "a number as JSON": ("x.json", b"7", r"neither rows nor tables"),
    "a column twice in a row": ("x.json", b'[{"a": 1, "a": 2}]', r"two values for 'a'"),
    "NaN in JSON": ("x.json", b'[{"a": NaN}]', r"NaN is no number of JSON"),
    "a row that is none": ("x.json", b'[{"a": 1}, 7]', r"row 2 of 'x' is no row but a int"),
    "a broken line": ("x.jsonl", b'{"a": 1}\n{"a"\n', r"line 2"),
    "JSON without an end": ("x.json", b"[" * 200_000, r"x\.json cannot be read"),
    "no Parquet": ("x.parquet", b"PAR", r"x\.parquet cannot be read"),
}


@pytest.mark.parametrize(("name", "data", "told"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_said_in_one_line(name: str, data: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(sn.SyncnbError, match=told) as caught:
        sn.connect(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_json_keeps_every_digit_and_every_absence(tmp_path: Path) -> None:
    text = '{"items": [{"id": 9007199254740993, "price": 4.10, "data": {"p": 1.234567890123456789}}, {"id": 2, "price": null}], "none": []}'
    (tmp_path / "payload.json").write_text(text)
    store = sn.connect(tmp_path / "payload.json")
    assert store.notes == ("none: no rows were given",)
    assert [table.name for table in store.inspect()] == ["items"]
    assert rows(store, "items") == [
        {"id": 9007199254740993, "price": "4.10", "data": '{"p": 1.234567890123456789}'},
        {"id": 2, "price": None, "data": None},
    ]
    with store.reading() as reader:
        batch = next(reader.batches(reader.schema()["items"], ["price", "data"]))
    assert ungiven(batch.column(0)) is None, "null was said"
    assert ungiven(batch.column(1)).tolist() == [False, True], "nothing was said"


def test_lines_of_json_are_rows(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"id": 1}\n\n{"id": 2}\n')
    assert rows(sn.connect(str(tmp_path / "items.jsonl")), "items") == [{"id": 1}, {"id": 2}]


def test_parquet_and_feather_keep_their_types(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([2**53 + 1], pa.int64()), "p": pa.array([Decimal("1.10")])})
    parquet.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, tmp_path / "b.feather")
    for name, there in (("a", "a.parquet"), ("b", "b.feather")):
        assert rows(sn.connect(tmp_path / there), name) == [{"id": 2**53 + 1, "p": "1.10"}]


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("a\n1\n")
    store = sn.connect(path)
    path.write_text("a\n1\n2\n")
    assert len(rows(store, "items")) == 2


def test_a_database_with_the_name_of_a_table_is_a_database(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "odd.csv"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (id INTEGER)")
    connection.commit()
    connection.close()
    assert sn.connect(path).dialect == "sqlite"


def test_rows_of_dicts_are_tables() -> None:
    store = sn.connect({"t": [{"a": 1, "b": ""}, {"a": 0}], "frame": pd.DataFrame({"x": [1]})})
    assert [table.name for table in store.inspect()] == ["frame", "t"]
    assert rows(store, "t") == [{"a": 1, "b": ""}, {"a": 0, "b": None}]
    assert rows(sn.connect([{"a": 1}]), "frame") == [{"a": 1}]


MARKED = {
    "integers": [1, None, 3],
    "text": ["a", None, ""],
    "booleans": [True, None, False],
    "of several kinds": [1, None, "a"],
    "nothing at all": [None, None, None],
}


@pytest.mark.parametrize("values", MARKED.values(), ids=MARKED)
def test_what_was_not_given_is_marked_and_reads_as_null(values: list[Any]) -> None:
    import numpy as np

    from syncnb.values.raw import concat, from_python

    marked = with_ungiven(from_python(values), np.array([False, True, False]))
    assert ungiven(marked).tolist() == [False, True, False]
    assert to_python(marked) == values
    assert to_python(given(marked)) == values
    assert ungiven(given(marked)) is None
    assert ungiven(concat([marked, from_python(values)])).tolist() == [False, True, *[False] * 4]
    assert ungiven(marked.take(pa.array([1, 0]))).tolist() == [True, False]
    assert ungiven(marked.slice(1, 1)).tolist() == [True]
    assert json.dumps(to_python(marked)) == json.dumps([int(v) if isinstance(v, bool) else v for v in values])
