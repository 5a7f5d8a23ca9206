"""Rows read in bulk are the rows read cell by cell: values, storage classes, types of the columns, order, batches.

Each test is for both ways in bulk: by texts of SQLite itself, and by the compiled loop.
"""

import itertools
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncnb.filters import col
from syncnb.stores import sqlite, sqlite_bulk, sqlite_compiled
from syncnb.stores.filtering import whole_range
from syncnb.stores.sqlite import SQLiteStore
from syncnb.stores.sqlite_bulk import Bulk
from syncnb.stores.sqlite_compiled import CompiledRows, reads_compiled
from syncnb.values.raw import concat, to_python

quiet = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["texts", "compiled"], autouse=True)
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Which of the two ways is taken."""
    wanted: bool = request.param == "compiled"
    if wanted and not reads_compiled():
        pytest.skip("the compiled loops are not built")
    monkeypatch.setattr(sqlite, "reads_compiled", lambda: wanted)
    return wanted


@pytest.fixture
def ranges(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> list[bool]:
    """Of each range whether it was read in bulk."""
    found: list[bool] = []
    if compiled:
        batch, by_cell = CompiledRows._batch, CompiledRows._by_cell
        monkeypatch.setattr(CompiledRows, "_batch", lambda *told: found.append(True) or batch(*told))
        monkeypatch.setattr(CompiledRows, "_by_cell", lambda *told: found.append(False) or by_cell(*told))
    read = Bulk._in_bulk

    def counted(self: Bulk, within: tuple[int, int]) -> pa.RecordBatch | None:
        part = read(self, within)
        found.append(part is not None)
        return part

    monkeypatch.setattr(Bulk, "_in_bulk", counted)
    return found


def made(path: Path, columns: str, rows: Any) -> SQLiteStore:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})")
        marks = ", ".join("?" * (columns.replace("12,2", "").count(",") + 2))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", rows)
        connection.commit()
    return SQLiteStore(path)


def spelled(batches: list[pa.RecordBatch]) -> list[list[tuple[str, str]]]:
    return [
        [(type(value).__name__, repr(value)) for value in to_python(concat(b.column(at) for b in batches))]
        for at in range(batches[0].num_columns if batches else 0)
    ]


def same(store: SQLiteStore, order: tuple[str, ...] = (), since: int = 0) -> None:
    """What is read in bulk, which is what is read cell by cell."""
    with store.reading() as reader:
        table = reader.schema()["t"]
        names = [column.name for column in table.columns]
        bulk = list(reader.batches(table, names, order=order))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite, "MOST_COLUMNS", 0)
            cells = list(reader.batches(table, names, order=order or ("id",)))
    assert spelled(bulk[since:]) == spelled(cells[since:])
    for at in range(len(names)):
        one, other = (concat(batch.column(at) for batch in batches) for batches in (bulk, cells))
        assert one.equals(other)


def plain(at: int) -> tuple[Any, ...]:
    """A row as most are: text, money, amounts with and without NULL, one kind and two."""
    note, odd = (None, None) if at % 3 else (f"note ü {at}", at)
    return at, f"name {at}", at / 100, at % 7, note, odd, f"{at}", None, at / 8


PLAIN = "name text, price numeric(12,2), n integer, note text, few integer, digits text, nil text, x real"
ODD: dict[str, tuple[int, Any]] = {
    "an integer beyond a double": (2, 2**53 + 1), "a real that has no few decimals": (2, 1.0 / 3),
    "nearly a price": (2, math.nextafter(0.29, 1)), "minus": (2, -1.23), "infinity": (2, math.inf),
    "a large real": (2, 1e300), "a large one below 0": (2, -1e30), "a text in numbers": (2, "12.5x"), "the smallest integer": (2, -(2**63)),
    "a real in integers": (3, 1.5), "a text in integers": (3, "x"), "digits as bytes": (3, b"12"),
    "NULL in integers": (3, None), "the greatest integer": (3, 2**63 - 1), "an integer beside NULL": (5, -7),
    "bytes in text": (4, b"note"), "the sign between": (4, "a\x1fb"), "the sign for NULL": (4, "\x1e"),
    "empty text": (4, ""), "NUL": (4, "a\0b"), "not ASCII": (4, "\U0001d11e"), "NULL in text": (1, None),
    "a number in text": (6, 7), "something in nothing": (7, "here"), "bytes in nothing": (7, b"here"),
    "a zero": (8, 0.0), "a third": (8, 1 / 3), "NULL in reals": (8, None), "a tiny one": (8, 5e-324),
}  # fmt: skip


def test_an_odd_value_after_row_100_000(tmp_path: Path, ranges: list[bool]) -> None:
    """Each in a range of its own; what was learnt before is of no use there."""
    size, first = 512, 100_000
    store = made(tmp_path / "odd.db", PLAIN, [])
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute(
            f"""
            WITH n (at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n LIMIT {first + size * len(ODD)})
            INSERT INTO t SELECT at, 'name ' || at, at / 100.0, at % 7, CASE WHEN at % 3 = 0 THEN 'note ü ' || at END,
            CASE WHEN at % 3 = 0 THEN at END, at, NULL, at / 8.0 FROM n
            """
        )
        for at, (where, value) in enumerate(ODD.values()):
            name = ("id", *(part.split()[0] for part in PLAIN.split(", ")))[where]
            connection.execute(f"UPDATE t SET {name} = ? WHERE id = ?", [value, first + size * at])
        connection.execute("UPDATE t SET note = CAST(x'e4' AS TEXT) WHERE id = 100010")
        connection.commit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "BATCH_ROWS", size)
        same(store, since=first // size)
    assert sum(ranges) >= first // size - 1


@pytest.mark.parametrize(("where", "value"), ODD.values(), ids=ODD)
def test_an_odd_value(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ranges: list[bool],
    compiled: bool,
    where: int,
    value: Any,
) -> None:
    monkeypatch.setattr(sqlite, "BATCH_ROWS", 8)
    monkeypatch.setattr(sqlite_bulk, "LEARNT_FROM", 4)
    rows = [plain(at + 1) for at in range(64)]
    rows[29] = (*rows[29][:where], value, *rows[29][where + 1 :])
    same(made(tmp_path / "odd.db", PLAIN, rows), ("id",))
    assert sum(ranges) >= (8 if compiled else 6), "one range, or what was learnt from it, and no more"


@pytest.mark.parametrize("odd", [5.0, 1e20, "7", b"7", None], ids=repr)
def test_what_looks_like_an_integer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: list[bool], compiled: bool, odd: Any
) -> None:
    """Also where it comes last, so that what is read of it before its point would do."""
    monkeypatch.setattr(sqlite, "BATCH_ROWS", 8)
    monkeypatch.setattr(sqlite_bulk, "LEARNT_FROM", 4)
    rows: list[tuple[Any, ...]] = [(at, at) for at in range(1, 65)]
    for at in range(24, 33):
        same(made(tmp_path / "odd.db", "v", [*rows[:at], (at + 1, odd), *rows[at + 1 :]]), ("id",))
    assert ranges.count(False) == (0 if compiled else 9)


ANY = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-200, 200), st.floats(allow_nan=False),
    st.integers(-(10**9), 10**9).map(lambda number: number / 100), st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.binary(max_size=4), st.sampled_from(["\x1f", "\x1e", "", ",", "12", "1.5", -0.0, 0.0, 0]),
)  # fmt: skip
ALIKE = st.sampled_from(
    [st.integers(-200, 200), st.floats(-1e6, 1e6).map(lambda x: round(x, 2)), st.text(max_size=3), st.none()]
)


@quiet
@given(st.data(), st.sampled_from(["", "integer", "numeric", "real", "text", "blob"]))
def test_any_values(tmp_path: Path, data: st.DataObject, declared: str) -> None:
    """Some alike, then some of any kind: in each declared type, with gaps among the rowids."""
    alike = data.draw(ALIKE)
    values = data.draw(st.lists(alike, max_size=12)) + data.draw(st.lists(ANY, max_size=6))
    values += data.draw(st.lists(alike, max_size=6))
    texts = [value for value in values if not isinstance(value, str) or value < "\ud800"]
    rows = [(at * at - 5, value) for at, value in enumerate(texts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "BATCH_ROWS", 3)
        patch.setattr(sqlite_bulk, "LEARNT_FROM", 2)
        same(made(tmp_path / "any.db", f"v {declared}", rows))


@quiet
@given(
    st.lists(st.integers(0, 40) | st.integers(0, 2000), unique=True, max_size=40),
    st.integers(-5, 60),
    st.integers(-5, 2100),
)
def test_ranges_with_and_without_gaps(tmp_path: Path, ids: list[int], low: int, high: int) -> None:
    """Each row of a range is read once, whether rowids are guessed or looked for."""
    store = made(tmp_path / "gaps.db", "v text", [(at, f"v{at}") for at in ids])
    with pytest.MonkeyPatch.context() as patch, store.reading() as reader:
        patch.setattr(sqlite, "BATCH_ROWS", 4)
        patch.setattr(sqlite_bulk, "LEARNT_FROM", 2)
        table = reader.schema()["t"]
        for where in (
            None,
            (col("id") >= low) & (col("id") < high),
            (col("id") < high) | col("id").is_null(),
        ):
            within = range(-1, 3000) if where is None else whole_range(where, "id")
            found = list(reader.batches(table, ["v", "id"], order=["id"], where=where))
            assert [v for b in found for v in b.column(1).to_pylist()] == sorted(
                i for i in ids if i in within
            )
            assert all(f"v{row['id']}" == row["v"] for b in found for row in b.to_pylist())


@pytest.mark.parametrize(
    "ids", [[2**63 - 1 - at for at in range(20)], [-(2**63) + at for at in range(20)]], ids=["last", "first"]
)
def test_the_ends_of_all_rowids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: list[int]) -> None:
    monkeypatch.setattr(sqlite, "BATCH_ROWS", 4)
    monkeypatch.setattr(sqlite_bulk, "LEARNT_FROM", 2)
    same(made(tmp_path / "ends.db", "v text", [(at, "v") for at in ids]), ("id",))


def test_a_damaged_file_whose_rowids_go_back_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are read once, in the order in which SQLite gives them, and not from the same place for ever."""
    store = made(tmp_path / "back.db", "v text", [(at, "v") for at in range(20)])
    data = bytearray(store.path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    cells = page + 8
    assert (data[page], data[page + 4]) == (13, 20), "a leaf of 20 rows, whose places follow"
    data[cells : cells + 40] = data[cells + 6 : cells + 40] + data[cells : cells + 6]
    store.path.write_bytes(data)
    monkeypatch.setattr(sqlite, "BATCH_ROWS", 20)
    with store.reading() as reader:
        rows = reader.batches(reader.schema()["t"], ["id", "v"], order=["id"])
        first, *rest = (batch.column(0).to_pylist() for batch in itertools.islice(rows, 3))
    assert (first, rest) == ([*range(3, 20), 0, 1, 2], [])


def test_what_is_too_long_is_read_cell_by_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: list[bool], compiled: bool
) -> None:
    monkeypatch.setattr(sqlite_bulk, "LONGEST", 1000)
    monkeypatch.setattr(sqlite_compiled, "LARGEST", 2 * 399)
    monkeypatch.setattr(sqlite, "BATCH_ROWS", 8)
    monkeypatch.setattr(sqlite_bulk, "LEARNT_FROM", 4)
    rows = [(at, "x" * (400 if 40 <= at < 44 else 4)) for at in range(60)]
    same(made(tmp_path / "long.db", "v text", rows))
    assert ranges.count(False) == (4 if compiled else 1)
    ranges.clear()
    same(made(tmp_path / "long.db", "v text", [(at, "x" * 400) for at in range(200)]))
    if compiled:
        assert ranges == [False] * 200, "row by row"
        monkeypatch.setattr(sqlite_compiled, "LARGEST", 2 * 400)
        ranges.clear()
        same(made(tmp_path / "long.db", "v text", [(at, "x" * 400) for at in range(200)]))
        assert ranges == [True] * 200, "each fills it"
    else:
        assert ranges.count(False) == len(ranges) == sqlite_bulk.PATIENCE, "no further one is tried"


@pytest.mark.parametrize(
    ("script", "order", "bulk"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", ("id",), True),
        ("CREATE TABLE t (v, id INTEGER PRIMARY KEY)", ("id",), True),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY DESC, v)", ("id",), False),
        ("CREATE TABLE t (id INT PRIMARY KEY, v)", ("id",), False),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", ("v",), False),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, v) WITHOUT ROWID", ("id",), False),
        ("CREATE TABLE t (id INT, v)", (), True),
        ("CREATE TABLE t (id, v, rowid, _rowid_, oid)", (), False),
        ("PRAGMA encoding = 'UTF-16'; CREATE TABLE t (id INTEGER PRIMARY KEY, v)", ("id",), False),
        ("CREATE TABLE s (id INTEGER PRIMARY KEY, v); CREATE VIEW t AS SELECT * FROM s", (), False),
    ],
)
def test_which_tables(tmp_path: Path, script: str, order: tuple[str, ...], bulk: bool) -> None:
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        into = "s" if "VIEW" in script else "t"
        connection.executemany(f"INSERT INTO {into} (id, v) VALUES (?, ?)", [(at, "x") for at in range(9)])
        connection.commit()
    with SQLiteStore(path).reading() as reader:
        table = reader.schema()["t"]
        assert (reader._bulk(table, ["id", "v"], order) is not None) == bulk
        assert sum(batch.num_rows for batch in reader.batches(table, ["id", "v"], order=order)) == 9
