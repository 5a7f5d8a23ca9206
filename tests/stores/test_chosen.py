"""Rows by their keys: one contract for every store."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import psycopg
import pytest

import syncnb as sn
from syncnb.errors import ReadError
from syncnb.stores.frame import FrameStore
from syncnb.stores.port import Store
from syncnb.values.raw import BadText, from_python, to_python
from tests.databases import Workbench

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(9), b INTEGER, c VARCHAR(9), UNIQUE (a, b))"
ROWS: Sequence[tuple[Any, ...]] = [
    (1, "x", 1, "one"), (2, "x", 2, "two"), (3, "y", 1, None), (4, None, 4, "four"), (5, "", 5, "five"),
]  # fmt: skip


def literal(value: object) -> str:
    return "NULL" if value is None else repr(value)


@pytest.fixture(params=["sqlite", "postgresql", "frame"])
def make(request: pytest.FixtureRequest, bench: Workbench) -> Callable[[], Store]:
    if request.param == "frame":
        types = {"id": "Int64", "a": "string", "b": "Int64", "c": "string"}
        return lambda: FrameStore(
            {"t": pd.DataFrame(ROWS, columns=list("iabc")).rename(columns={"i": "id"}).astype(types)}
        )
    inserts = [f"INSERT INTO t VALUES ({', '.join(map(literal, row))})" for row in ROWS]
    return lambda: bench.make(request.param, DDL, *inserts)


def found(
    store: Store, key: Sequence[str], *keys: tuple[Any, ...], columns: Sequence[str] = ("id",)
) -> list[Any]:
    arrays = [from_python(list(values)) for values in zip(*keys, strict=True)]
    with store.reading() as reader:
        table = reader.schema()["t"]
        batches = list(reader.chosen(table, list(columns), key, arrays))
        assert all(batch.schema.names == list(columns) for batch in batches)
        rows = [row for batch in batches for row in zip(*map(to_python, batch.columns), strict=True)]
        # The snapshot lives on.
        assert sum(batch.num_rows for batch in reader.batches(table, ["id"])) == len(ROWS)
    return sorted(row[0] if len(columns) == 1 else row for row in rows)


CASES: dict[str, tuple[Sequence[str], Sequence[tuple[Any, ...]], list[Any]]] = {
    "by the primary key": (["id"], [(1,), (3,)], [1, 3]),
    "keys that are not there": (["id"], [(1,), (99,)], [1]),
    "one key, several rows": (["a"], [("x",)], [1, 2]),
    "a composite key": (["a", "b"], [("x", 2), ("y", 1), ("y", 2)], [2, 3]),
    "a NULL finds NULL": (["a", "b"], [(None, 4), ("x", 1)], [1, 4]),
    "the empty text is no NULL": (["a"], [("",)], [5]),
    "what could be SQL is a value": (["a"], [("x' OR '1'='1",), ("%s",)], []),
    "many keys": (["id"], [(number,) for number in range(1, 3000)], [1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize(("key", "keys", "ids"), CASES.values(), ids=CASES)
def test_rows_with_these_keys(
    make: Callable[[], Store], key: Sequence[str], keys: Sequence[tuple[Any, ...]], ids: list[Any]
) -> None:
    assert found(make(), key, *keys) == ids


def test_columns_come_as_asked(make: Callable[[], Store]) -> None:
    rows = {row[1]: row for row in _rows(make(), ["c", "id", "a"])}
    assert rows == {2: ("two", 2, "x"), 3: (None, 3, "y")}


def _rows(store: Store, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    with store.reading() as reader:
        batches = list(reader.chosen(reader.schema()["t"], columns, ["id"], [from_python([2, 3])]))
    return [row for batch in batches for row in zip(*map(to_python, batch.columns), strict=True)]


def test_sqlite_tells_storage_classes_apart_and_finds_bad_text(bench: Workbench) -> None:
    store = bench.sqlite(
        "CREATE TABLE t (k PRIMARY KEY, v)",
        "INSERT INTO t VALUES (1, 'integer'), ('1', 'text'), (x'31', 'blob'), (CAST(x'ff' AS TEXT), 'bad')",
    )
    with store.reading() as reader:
        for key, value in ((1, "integer"), ("1", "text"), (b"1", "blob"), (BadText(b"\xff"), "bad")):
            (batch,) = reader.chosen(reader.schema()["t"], ["v"], ["k"], [from_python([key])])
            assert batch.column(0).to_pylist() == [value]


def test_sqlite_looks_rows_up_by_an_index(bench: Workbench) -> None:
    store = bench.sqlite(DDL)
    with store.reading() as reader:
        said: list[str] = []
        reader._connection.set_trace_callback(said.append)  # type: ignore[attr-defined]
        list(reader.chosen(reader.schema()["t"], ["c"], ["a", "b"], [from_python(["x"]), from_python([1])]))
        reader._connection.set_trace_callback(None)  # type: ignore[attr-defined]
        plan = reader._connection.execute(f"EXPLAIN QUERY PLAN {said[-1]}").fetchall()  # type: ignore[attr-defined]
    assert any("SEARCH t USING INDEX" in line[3] for line in plan), plan


def test_postgresql_looks_rows_up_by_an_index(bench: Workbench) -> None:
    store = bench.postgresql(
        "CREATE TABLE t (id uuid PRIMARY KEY, v text)",
        "INSERT INTO t SELECT md5(n::text)::uuid, n::text FROM generate_series(1, 20000) AS n",
        "ANALYZE t",
    )
    with psycopg.connect(bench.last) as connection:
        wanted = [str(row[0]) for row in connection.execute("SELECT id FROM t LIMIT 3")]
    with store.reading() as reader:
        (batch,) = reader.chosen(reader.schema()["t"], ["id"], ["id"], [from_python(wanted)])
        assert sorted(batch.column(0).to_pylist()) == sorted(wanted)
        seen = reader._connection.execute(  # type: ignore[attr-defined]
            "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 't' AND schemaname = 'public'"
        ).fetchone()
    assert seen[0] == 0
    assert seen[1] > 0


def test_postgresql_refuses_what_its_type_cannot_be(bench: Workbench) -> None:
    store = bench.postgresql("CREATE TABLE t (id integer PRIMARY KEY)")
    with store.reading() as reader:
        with pytest.raises(ReadError):
            list(reader.chosen(reader.schema()["t"], ["id"], ["id"], [from_python(["x"])]))
        assert list(reader.batches(reader.schema()["t"], ["id"])) == []
    assert isinstance(store, sn.Store)
