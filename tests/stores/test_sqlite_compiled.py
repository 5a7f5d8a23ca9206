"""The compiled loop is a function of SQLite's connection: what else the connection is used for, and how it is set, changes
no row, and the function changes nothing there."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from syncnb.errors import ReadError
from syncnb.stores import sqlite, sqlite_compiled
from syncnb.stores.sqlite import SQLiteReader, SQLiteStore
from syncnb.stores.sqlite_compiled import NAME, CompiledRows, reads_compiled
from syncnb.values.raw import concat, row_tokens

pytestmark = pytest.mark.skipif(not reads_compiled(), reason="the compiled loops are not built")

ROWS = 1200
WIDE = 198


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    """A table with gaps and values of all classes, and one with nearly as many columns as are read at once."""
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w TEXT, twice AS (id + id))")
        odd = (None, 1.5, 2**53 + 1, "a\0b", b"\xff", "ü", "")
        rows = [(at * 3, odd[at % 7], f"{at}" * (at % 40)) for at in range(ROWS)]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.execute("UPDATE t SET w = CAST(x'e4' AS TEXT) WHERE id = 300")
        names = [f"c{at}" for at in range(WIDE)]
        connection.execute(f"CREATE TABLE wide ({', '.join(names)})")
        wide = [[at * WIDE + to for to in range(WIDE)] for at in range(20)]
        connection.executemany(f"INSERT INTO wide VALUES ({', '.join('?' * WIDE)})", wide)
        connection.execute(f"CREATE VIEW misusing AS SELECT {NAME}(0, id) FROM t")
        connection.commit()
    return SQLiteStore(path)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BATCH_ROWS", 256)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """How rows were read."""
    found: set[str] = set()
    batch, by_cell = CompiledRows._batch, CompiledRows._by_cell
    monkeypatch.setattr(CompiledRows, "_batch", lambda *told: found.add("compiled") or batch(*told))
    monkeypatch.setattr(CompiledRows, "_by_cell", lambda *told: found.add("cells") or by_cell(*told))
    return found


def batches(reader: SQLiteReader, name: str = "t") -> Iterator[pa.RecordBatch]:
    table = reader.schema()[name]
    return reader.batches(table, [column.name for column in table.columns])


def tokens(parts: list[pa.RecordBatch]) -> list[Any]:
    return row_tokens([concat(part.column(at) for part in parts) for at in range(parts[0].num_columns)])


def cells(reader: SQLiteReader, name: str = "t") -> list[Any]:
    """The same, read cell by cell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "MOST_COLUMNS", 0)
        return tokens(list(batches(reader, name)))


def taken_by_a_scalar(connection: sqlite3.Connection) -> None:
    connection.create_function(NAME, -1, lambda *_: 7)


def taken_by_an_aggregate(connection: sqlite3.Connection) -> None:
    class Other:
        def step(self, *_: Any) -> None: ...

        def finalize(self) -> int:
            return 7

    connection.create_aggregate(NAME, -1, Other)  # type: ignore[arg-type]


def denied(connection: sqlite3.Connection) -> None:
    connection.set_authorizer(lambda _, __, name, *___: sqlite3.SQLITE_DENY if name == NAME else 0)


def ignored(connection: sqlite3.Connection) -> None:
    connection.set_authorizer(lambda _, __, name, *___: sqlite3.SQLITE_IGNORE if name == NAME else 0)


def backwards(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA reverse_unordered_selects = ON")


SETTINGS: dict[str, tuple[Callable[[sqlite3.Connection], Any], str]] = {
    "nothing": (lambda _: None, "compiled"),
    "its name is a scalar function": (taken_by_a_scalar, "cells"),
    "its name is an aggregate function": (taken_by_an_aggregate, "cells"),
    "an authorizer denies it": (denied, "cells"),
    "an authorizer makes it NULL": (ignored, "cells"),
    "unordered selects go backwards": (backwards, "cells"),
    "a statement is under way": (lambda c: c.execute("SELECT * FROM t").fetchone(), "compiled"),
    "no argument": (lambda c: c.setlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 1), "cells"),
}


@pytest.mark.parametrize(("setting", "way"), SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("at_once", [1, 256])
def test_the_connection_is_set_otherwise(
    store: SQLiteStore,
    monkeypatch: pytest.MonkeyPatch,
    ways: set[str],
    setting: Callable[[sqlite3.Connection], Any],
    way: str,
    at_once: int,
) -> None:
    monkeypatch.setattr(sqlite, "BATCH_ROWS", at_once)
    with store.reading() as reader:
        expected = cells(reader)
        rows = batches(reader)  # which has not begun yet
        kept = setting(reader._connection)
        assert tokens(list(rows)) == expected
    assert ways == {way}
    del kept


@pytest.mark.parametrize("taken", [2, 3, 50, 199, None])
def test_more_columns_than_a_function_takes(store: SQLiteStore, ways: set[str], taken: int | None) -> None:
    """The rowid, all columns, and for each call its place."""
    with store.reading() as reader:
        for name in ("wide", "t"):
            rows, expected = batches(reader, name), cells(reader, name)
            limit = reader._connection.getlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG)
            reader._connection.setlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG, taken or limit)
            assert tokens(list(rows)) == expected
            reader._connection.setlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG, limit)
    assert ways == {"compiled"}


def test_calls_in_another_order_are_not_taken_for_others(store: SQLiteStore) -> None:
    """SQLite promises none, and a value would come into the column of another."""
    with store.reading() as reader:
        bulk = reader._bulk(reader.schema()["wide"], [f"c{at}" for at in range(WIDE)], ())
        assert isinstance(bulk, CompiledRows)
        asked, rest = bulk._sql.decode().split(" FROM ")
        first, second = asked.removeprefix("SELECT ").split(f", {NAME}")
        bulk._sql = f"SELECT {NAME}{second}, {first} FROM {rest}".encode()
        found = tokens(list(bulk.rows(8)))
        assert found == cells(reader, "wide")


def test_outside_of_a_reading_it_does_nothing(store: SQLiteStore) -> None:
    with store.reading() as reader:
        list(batches(reader))
        for told in ("", "0, id", "0, id, v", "-5, id, v, w"):
            [found] = reader._connection.execute(f"SELECT {NAME}({told}) FROM t").fetchall()
            assert found == (None,)
        reader._connection.execute("PRAGMA trusted_schema = ON")
        with pytest.raises(sqlite3.OperationalError, match="unsafe use"):
            reader._connection.execute("SELECT * FROM misusing").fetchall()


def test_a_full_array_ends_no_snapshot(store: SQLiteStore) -> None:
    """To SQLite the statement failed: neither the transaction nor a statement beside it may be any the worse."""
    with store.reading() as reader, closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        expected = cells(reader)
        rows, beside = batches(reader), reader._connection.execute("SELECT id FROM t ORDER BY id")
        found, first = [next(rows)], beside.fetchmany(10)
        other.execute("DELETE FROM t WHERE id > 600")
        found += rows
        assert reader._connection.in_transaction
        assert tokens(found) == expected
        assert [*first, *beside] == [(at * 3,) for at in range(ROWS)]


def test_what_does_not_fit_leaves_nothing_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first values were taken already."""
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)")
        rows = [(1, None, "x"), (2, None, "y"), (3, "a", "z" * 500), (4, 5, "w")]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.commit()
    monkeypatch.setattr(sqlite_compiled, "LARGEST", 3 * 300)
    with SQLiteStore(tmp_path / "t.db").reading() as reader:
        bulk = reader._bulk(reader.schema()["t"], ["id", "v", "w"], ())
        assert bulk is not None
        types = [(part.num_rows, str(part.schema.field("v").type)) for part in bulk.rows(8)]
    assert types == [(2, "null"), (1, "string"), (1, "int64")]


def test_a_row_that_cannot_be_made_is_reported_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        rows = [(at, -(2**63) if at == 700 else at) for at in range(1000)]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.execute("ALTER TABLE t ADD COLUMN n AS (abs(v))")
        connection.commit()
    said = []
    for compiled in (True, False):
        monkeypatch.setattr(sqlite, "reads_compiled", lambda compiled=compiled: compiled)
        with SQLiteStore(tmp_path / "t.db").reading() as reader, pytest.raises(ReadError) as caught:
            list(batches(reader))
        said.append(re.sub(r"beyond \d+ rows", "beyond some rows", str(caught.value)))
    assert said[0] == said[1]
    assert "integer overflow" in said[0]


def test_several_read_at_once(store: SQLiteStore, ways: set[str]) -> None:
    """Each in a thread of its own; and one while SQLite calls back in the middle of another's reading."""
    with store.reading() as reader:
        expected = cells(reader)
    found: list[Any] = []
    together = threading.Barrier(3)

    def read() -> None:
        with store.reading() as own:
            together.wait()
            found.extend(tokens(list(batches(own))) == expected for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 15

    within: list[bool] = []
    with store.reading() as outer, store.reading() as inner:

        def called_back() -> int:
            if len(within) < 3:
                within.append(tokens(list(batches(inner))) == expected)
                inner._connection.execute(f"SELECT {NAME}(0, id, id) FROM t").fetchall()
            return 0

        rows = batches(outer)
        outer._connection.set_progress_handler(called_back, 1000)
        assert tokens(list(rows)) == expected
    assert within == [True] * 3
    assert ways == {"compiled"}


def test_an_older_library_is_read_otherwise(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of SQLite's functions is missing."""
    monkeypatch.setattr(sqlite_compiled, "FUNCTIONS", (*sqlite_compiled.FUNCTIONS, "no_such_function"))
    sqlite_compiled._learnt.cache_clear()
    try:
        assert not reads_compiled()
        with store.reading() as reader:
            assert tokens(list(batches(reader))) == cells(reader)
    finally:
        sqlite_compiled._learnt.cache_clear()
