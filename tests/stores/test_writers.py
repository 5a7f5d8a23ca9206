"""Writing transactions: one contract for both engines, then what only one of them can do wrong."""

import contextlib
import dataclasses
import math
import os
import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

import syncnb as sn
from syncnb.errors import PlanError, SchemaError, UnknownOutcome, WriteError
from syncnb.steps import Block, Verb
from syncnb.stores.port import WritableStore, Writer
from syncnb.stores.postgres import PostgresStore
from syncnb.stores.sqlite import SQLiteStore
from syncnb.stores.staging import NUMBER
from syncnb.values.raw import BadText, from_python, to_python
from tests.databases import Workbench
from tests.stores.test_postgres_errors import pooler  # noqa: F401 - a fixture

ENGINES = ("sqlite", "postgresql")
Rows = list[tuple[Any, ...]]


def writable(store: Any) -> WritableStore:
    """The same store, opened for writing."""
    changed: WritableStore = dataclasses.replace(store, writable=True)
    return changed


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest, bench: Workbench) -> Callable[..., WritableStore]:
    """Makes a writable database of the engine out of SQL statements."""
    return lambda *statements: writable(bench.make(request.param, *statements))


def block(
    verb: Verb,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    *rows: tuple[Sequence[Any], Sequence[Any], Sequence[Any]],
) -> Block:
    """A block out of rows: key, before, after."""
    keys, before, after = (
        tuple(from_python(list(column)) for column in zip(*(row[part] for row in rows), strict=True))
        for part in range(3)
    )
    return Block(table, verb, tuple(key), tuple(columns), keys, before, after)


def insert(table: str, columns: Sequence[str], *rows: Sequence[Any], key: Sequence[str] = ("id",)) -> Block:
    at = [columns.index(name) for name in key]
    return block("insert", table, key, columns, *(([row[i] for i in at], (), row) for row in rows))


def update(table: str, column: str, *rows: tuple[Any, Any, Any], key: Sequence[str] = ("id",)) -> Block:
    return block("update", table, key, [column], *(((key_,), (old,), (new,)) for key_, old, new in rows))


def delete(table: str, columns: Sequence[str], *rows: tuple[Any, Sequence[Any]]) -> Block:
    return block("delete", table, ["id"], columns, *(((key,), old, ()) for key, old in rows))


def values(batch: pa.RecordBatch) -> Rows:
    return list(zip(*map(to_python, batch.columns), strict=True))


def content(store: WritableStore, table: str, *columns: str) -> Rows:
    """What a reader sees, in the order of the first column."""
    with store.reading() as reader:
        found = reader.schema()[table]
        names = columns or tuple(column.name for column in found.columns)
        return [row for part in reader.batches(found, names, order=names[:1]) for row in values(part)]


def write(store: WritableStore, *blocks: Block) -> list[int]:
    """Each block staged, written and put away, then committed: how many rows each wrote."""
    with store.writing() as writer:
        counts = [_written(writer, each) for each in blocks]
        writer.commit()
    return counts


def _written(writer: Writer, each: Block) -> int:
    staged = writer.stage(writer.schema()[each.table], each)
    count = staged.write()
    staged.drop()
    return count


ITEMS = (
    "CREATE TABLE items (id int PRIMARY KEY, name text DEFAULT 'none', price numeric(8,2), parent int REFERENCES items)",
    "INSERT INTO items VALUES (1, 'one', 1.5, NULL), (2, NULL, 2.5, 1), (3, '', NULL, 1)",
)
PRICE = {"sqlite": (1.5, 2.5), "postgresql": ("1.50", "2.50")}


# ------------------------------------------------------------------------------- the contract


def test_it_is_a_writable_store(make: Callable[..., WritableStore]) -> None:
    store = make()
    assert isinstance(store, WritableStore)
    with store.writing() as writer:
        protocol: Writer = writer
        assert len(protocol.schema()) == 0


def test_a_store_that_is_not_writable_refuses(make: Callable[..., Any]) -> None:
    store = dataclasses.replace(make(*ITEMS), writable=False)
    with pytest.raises(WriteError, match="read-only") as caught, store.writing():
        pass
    assert caught.value.hint == "connect(..., writable=True)"


def test_the_three_verbs(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    price = PRICE[store.dialect]
    counts = write(
        store,
        insert("items", ["id", "parent", "price"], (5, 4, None), (4, 1, None)),
        update("items", "name", (1, "one", None), (2, None, ""), (3, "", "three")),
        delete("items", ["name", "price"], (3, ("three", None))),
    )
    assert counts == [2, 3, 1]
    assert content(store, "items") == [
        (1, None, price[0], None),
        (2, "", price[1], 1),
        (4, "none", None, 1),
        (5, "none", None, 4),
    ]


def test_present_gives_what_a_reader_gives(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    names = ("parent", "id", "name", "price")
    with store.reading() as reader:
        [whole] = reader.batches(reader.schema()["items"], names, order=("id",))
    with store.writing() as writer:
        table = writer.schema()["items"]
        staged = writer.stage(
            table, update("items", "name", (3, "", "c"), (9, "x", "y"), (1, "no", "a"), (2, None, "b"))
        )
        before = staged.present(names)
        assert before.schema.names == [NUMBER, *names]
        assert before.column(0).type == pa.int64()
        assert before.column(0).to_pylist() == [0, 2, 3]
        order = pa.array([2, 0, 1])
        assert [before.column(i + 1) for i in range(4)] == [whole.column(i).take(order) for i in range(4)]
        assert staged.write() == 2, "9 is not there, 1 is not as shown"
        assert [row[3] for row in values(staged.present(names))] == ["c", "one", "b"]
        missing = writer.stage(table, update("items", "name", (7, "a", "b")))
        empty = missing.present(names)
        assert (empty.num_rows, empty.column(0).type, empty.schema.names) == (0, pa.int64(), [NUMBER, *names])
        assert missing.write() == 0


def test_without_commit_nothing_happens(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    before = content(store, "items")
    with store.writing() as writer:
        assert _written(writer, update("items", "name", (1, "one", "x"))) == 1
    for error in (RuntimeError, KeyboardInterrupt, GeneratorExit):

        def break_off(error: type[BaseException] = error) -> None:
            with store.writing() as writer:
                _written(writer, update("items", "name", (1, "one", "x")))
                raise error

        with pytest.raises(error):
            break_off()
    assert content(store, "items") == before


def test_nothing_stays_staged(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    assert write(store, update("items", "name", (1, "one", "x"))) == [1]
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "x", "y")))
        with writer.savepoint():
            inner = writer.stage(writer.schema()["items"], update("items", "name", (1, "x", "z")))
            assert inner.write() == 1
        inner.drop()
        inner.drop()
        assert staged.write() == 0
        writer.commit()
    assert [table.name for table in store.inspect()] == ["items"]


def test_a_savepoint_takes_back_its_own_and_no_more(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    with store.writing() as writer:
        assert _written(writer, update("items", "name", (1, "one", "kept"))) == 1
        steps = update("items", "name", (2, None, "lost")), insert("items", ["id"], (10,), (1,))
        with pytest.raises(WriteError) as caught, writer.savepoint():
            _ = [_written(writer, each) for each in steps]
        assert caught.value.sqlstate == "23505"
        with pytest.raises(ZeroDivisionError), writer.savepoint(), writer.savepoint():
            _ = _written(writer, update("items", "name", (3, "", "lost"))) / 0
        with writer.savepoint():
            assert _written(writer, update("items", "name", (3, "", "three"))) == 1
        writer.commit()
    assert content(store, "items", "id", "name") == [(1, "kept"), (2, None), (3, "three")]


def test_core_and_staged_writes_are_one_transaction(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS, "CREATE TABLE log (n int, said text)")
    log = sa.table("log", sa.column("n", sa.Integer), sa.column("said", sa.Text))

    def both(n: int, *, commit: bool) -> None:
        with store.writing() as writer:
            with writer.sql.begin():  # its own commit does nothing
                writer.sql.execute(sa.insert(log), [{"n": n, "said": "a"}, {"n": n, "said": "%s é"}])
            _written(writer, insert("items", ["id"], (10 + n,)))
            assert writer.sql.scalar(sa.select(sa.func.count()).select_from(log)) == 2
            writer.sql.close()
            if commit:
                writer.commit()

    both(1, commit=False)
    assert content(store, "log") == []
    both(2, commit=True)
    assert content(store, "log") == [(2, "a"), (2, "%s é")]
    assert [row[0] for row in content(store, "items")] == [1, 2, 3, 12]


def test_core_makes_tables_and_goes_back_to_a_savepoint(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    shelf = sa.MetaData()
    kept = sa.Table("kept", shelf, sa.Column("n", sa.Integer, primary_key=True), sa.Column("x", sa.Text))
    with store.writing() as writer:
        shelf.create_all(writer.sql)
        assert sa.inspect(writer.sql).has_table("kept")
        writer.sql.execute(sa.insert(kept).values(n=1, x="secret"))
        with pytest.raises(sa.exc.IntegrityError) as caught, writer.savepoint():
            writer.sql.execute(sa.insert(kept).values(n=1, x="secret"))
        assert "secret" not in str(caught.value)
        got = writer.sql.execute(sa.insert(kept).values(n=2).returning(kept.c.n)).scalar()
        writer.commit()
    assert got == 2
    assert content(store, "kept") == [(1, "secret"), (2, None)]


def test_names_that_need_quotes(make: Callable[..., WritableStore]) -> None:
    name, key, column = '"a ""b"" %s"', '"order"', '"#"'
    store = make(
        f"CREATE TABLE {name} ({key} int PRIMARY KEY, {column} text)",
        f"INSERT INTO {name} VALUES (1, 'a')",
    )
    table = 'a "b" %s'
    counts = write(
        store,
        update(table, "#", (1, "a", "b"), key=("order",)),
        insert(table, ["order", "#"], (2, "c"), key=("order",)),
    )
    assert counts == [1, 1]
    assert content(store, table) == [(1, "b"), (2, "c")]


def test_keys_of_several_columns_and_with_null(make: Callable[..., WritableStore]) -> None:
    store = make(
        "CREATE TABLE t (a int, b text, n int)",
        "INSERT INTO t VALUES (1, 'x', 0), (1, NULL, 0), (NULL, NULL, 0), (2, 'x', 0), (2, NULL, 5)",
    )
    rows = [(1, "x"), (1, None), (None, None), (2, None)]
    step = block("update", "t", ["a", "b"], ["n"], *((row, (0,), (at,)) for at, row in enumerate(rows, 1)))
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["t"], step)
        assert values(staged.present(["n"])) == [(0, 0), (1, 0), (2, 0), (3, 5)]
        assert staged.write() == 3
        writer.commit()
    assert sorted(content(store, "t"), key=str) == sorted(
        [(1, "x", 1), (1, None, 2), (None, None, 3), (2, "x", 0), (2, None, 5)], key=str
    )


REFUSED_BLOCKS: dict[str, tuple[tuple[str, ...], Block, type[Exception], str]] = {
    "a view": (
        ("CREATE VIEW v AS SELECT id, name FROM items",),
        update("v", "name", (1, "a", "b")),
        PlanError,
        "v is a view",
    ),
    "a computed column": (
        ("CREATE TABLE g (id int PRIMARY KEY, d int GENERATED ALWAYS AS (id * 2) STORED)",),
        insert("g", ["id", "d"], (1, 2)),
        PlanError,
        "g.d is computed",
    ),
    "a key changed in place": (
        (),
        update("items", "id", (1, 1, 9)),
        PlanError,
        "items.id is part of the key",
    ),
    "a key that comes twice": (
        (),
        update("items", "name", (1, "one", "a"), (1, "one", "b")),
        PlanError,
        "items come twice",
    ),
    "an unknown column": ((), update("items", "nam", (1, "a", "b")), SchemaError, "no column 'nam'"),
    "no key": ((), insert("items", ["name"], ("x",), key=()), PlanError, "nothing identifies"),
}


@pytest.mark.parametrize(("sql", "step", "error", "says"), REFUSED_BLOCKS.values(), ids=REFUSED_BLOCKS)
def test_blocks_that_are_refused(
    make: Callable[..., WritableStore], sql: tuple[str, ...], step: Block, error: type[Exception], says: str
) -> None:
    store = make(*ITEMS, *sql)
    with store.writing() as writer:
        table = writer.schema()[step.table]
        with pytest.raises(error, match=says):
            writer.stage(table, step)
        assert _written(writer, update("items", "name", (1, "one", "x"))) == 1, "the transaction goes on"


REFUSED_ROWS: dict[str, tuple[str, Block, str, str]] = {
    "a taken key": ("", insert("r", ["id", "n"], (1, 1)), "23505", "a key or unique value of r is taken"),
    "a taken value": ("", insert("r", ["id", "u"], (2, "u")), "23505", "a key or unique value of r is taken"),
    "no parent": (
        "",
        insert("r", ["id", "p"], (2, 77)),
        "23503",
        "a row of r refers to a row that is not there",
    ),
    "a child": ("", delete("r", ["u"], (1, ("u",))), "23503", "or is referred to"),
    "NULL": ("", insert("r", ["id", "n"], (2, None)), "23502", "a column of r may not be NULL"),
    "a check": ("", update("r", "n", (1, 1, -5)), "23514", "a check of r does not allow a row"),
}


@pytest.mark.parametrize(("extra", "step", "sqlstate", "says"), REFUSED_ROWS.values(), ids=REFUSED_ROWS)
def test_rows_that_are_refused(
    make: Callable[..., WritableStore], extra: str, step: Block, sqlstate: str, says: str
) -> None:
    store = make(
        "CREATE TABLE r (id int PRIMARY KEY, u text UNIQUE, n int NOT NULL DEFAULT 0 CONSTRAINT sane CHECK (n >= 0), p int REFERENCES r)",
        "INSERT INTO r VALUES (1, 'u', 1, NULL), (9, 'nine', 1, 1)",
    )
    before = content(store, "r")
    with store.writing() as writer:
        with pytest.raises(WriteError) as caught, writer.savepoint():
            _written(writer, step)
        assert caught.value.sqlstate == sqlstate
        assert says in caught.value.message
        assert "\n" not in caught.value.message
        if sqlstate == "23514":
            assert caught.value.constraint == "sane"
        writer.commit()
    assert content(store, "r") == before


def test_a_trigger_that_swallows_rows_shows_in_the_count(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    swallow = {
        "sqlite": [
            "CREATE TRIGGER no BEFORE UPDATE ON items WHEN OLD.id = 1 BEGIN SELECT RAISE(IGNORE); END"
        ],
        "postgresql": [
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN OLD.id <> 1 THEN NEW END; END'",
            "CREATE TRIGGER no BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION no()",
        ],
    }
    with store.writing() as writer:
        for statement in swallow[store.dialect]:
            writer.sql.exec_driver_sql(statement)
        assert _written(writer, update("items", "name", (1, "one", "x"), (3, "", "y"))) == 1


def test_a_trigger_that_stamps_its_own_row(make: Callable[..., WritableStore]) -> None:
    store = make(
        "CREATE TABLE s (id int PRIMARY KEY, n int, stamp text)", "INSERT INTO s VALUES (1, 1, 'old')"
    )
    stamps = {
        "sqlite": [
            "CREATE TRIGGER s AFTER UPDATE ON s BEGIN UPDATE s SET stamp = 'new' WHERE id = NEW.id; END"
        ],
        "postgresql": [
            "CREATE FUNCTION st() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.stamp := ''new''; RETURN NEW; END'",
            "CREATE TRIGGER s BEFORE UPDATE ON s FOR EACH ROW EXECUTE FUNCTION st()",
        ],
    }
    with store.writing() as writer:
        for statement in stamps[store.dialect]:
            writer.sql.exec_driver_sql(statement)
        staged = writer.stage(writer.schema()["s"], update("s", "n", (1, 1, 2)))
        assert staged.write() == 1
        assert values(staged.present(["n", "stamp"])) == [(0, 2, "new")]


def test_advance_has_nothing_to_do_without_a_sequence(make: Callable[..., WritableStore]) -> None:
    store = make(*ITEMS)
    with store.writing() as writer:
        assert writer.advance(writer.schema()["items"], "id") is None


def test_identity_stays_and_tells_databases_apart(bench: Workbench, tmp_path: Path) -> None:
    for engine in ENGINES:
        first, second = writable(bench.make(engine)), writable(bench.make(engine))
        one, other = first.identity(), second.identity()
        assert one == first.identity()
        assert one.dialect == engine
        assert one.name == first.name
        assert one.id != other.id
    assert str(tmp_path) not in one.id


# ------------------------------------------------------------------------------- guards are exact, SQLite

SQLITE_PAIRS: dict[str, tuple[str, Any, Any]] = {
    "integer and real": ("", 1, 1.0),
    "integer and text": ("", 1, "1"),
    "text and bytes": ("", "a", b"a"),
    "zero and minus zero": ("", 0.0, -0.0),
    "NULL and empty": ("", None, ""),
    "case of NOCASE": ("text COLLATE NOCASE", "a", "A"),
    "blanks of RTRIM": ("text COLLATE RTRIM", "a", "a "),
    "text in an integer column": ("integer", "abc", "abd"),
    "beyond 2**53": ("", 2**53, 2**53 + 1),
    "NUL in text": ("text", "a\0b", "a\0c"),
    "not UTF-8": ("text", BadText(b"\xff"), BadText(b"\xfe")),
    "bytes and text that is not UTF-8": ("", b"\xff", BadText(b"\xff")),
    "composed and not": ("text", "é", "e\u0301"),
}


def _put(path: Path, statement: str, value: Any) -> None:
    raw = value.data if isinstance(value, BadText) else value
    with sqlite3.connect(path) as connection:
        connection.execute(statement.replace("?", "CAST(? AS TEXT)" if raw is not value else "?"), (raw,))
    connection.close()


@pytest.mark.parametrize(("declared", "one", "other"), SQLITE_PAIRS.values(), ids=SQLITE_PAIRS)
def test_sqlite_guards_are_exact(bench: Workbench, declared: str, one: Any, other: Any) -> None:
    for shown, there in ((one, one), (one, other), (other, one), (other, other)):
        store = writable(bench.sqlite(f"CREATE TABLE t (id integer PRIMARY KEY, v {declared})"))
        assert isinstance(store, SQLiteStore)
        _put(store.path, "INSERT INTO t VALUES (1, ?)", there)
        hit = repr(shown) == repr(there)
        assert write(store, update("t", "v", (1, shown, shown))) == [int(hit)]
        assert repr(content(store, "t")) == repr([(1, there)]), "and what is written keeps its storage class"
        assert write(store, delete("t", ["v"], (1, (shown,)))) == [int(hit)]


@pytest.mark.parametrize(("declared", "one", "other"), SQLITE_PAIRS.values(), ids=SQLITE_PAIRS)
def test_sqlite_keys_are_exact(bench: Workbench, declared: str, one: Any, other: Any) -> None:
    store = writable(bench.sqlite(f"CREATE TABLE t (k {declared}, n int)"))
    assert isinstance(store, SQLiteStore)
    for value in (one, other):
        _put(store.path, "INSERT INTO t VALUES (?, 1)", value)
    step = block("update", "t", ["k"], ["n"], ((one,), (1,), (2,)))
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["t"], step)
        assert repr(values(staged.present(["k"]))) == repr([(0, one)])
        assert staged.write() == 1


def test_values_of_all_storage_classes_in_one_column(bench: Workbench) -> None:
    mixed = [1, 1.5, "x", b"\x00", BadText(b"a\xff"), None, -(2**63), math.inf, "", b""]
    store = writable(bench.sqlite("CREATE TABLE t (id integer PRIMARY KEY, v)"))
    assert write(store, insert("t", ["id", "v"], *enumerate(mixed))) == [len(mixed)]
    assert content(store, "t") == list(enumerate(mixed))
    swapped = [(n, old, new) for n, (old, new) in enumerate(zip(mixed, mixed[::-1], strict=True))]
    assert write(store, update("t", "v", *swapped)) == [len(mixed)]
    assert [row[1] for row in content(store, "t")] == mixed[::-1]


# ------------------------------------------------------------------------------- SQLite

SHAPES = {
    "rowid": "CREATE TABLE t (id integer PRIMARY KEY, v text)",
    "WITHOUT ROWID": "CREATE TABLE t (id text COLLATE NOCASE, v text, PRIMARY KEY (id)) WITHOUT ROWID",
    "rowid names taken": "CREATE TABLE t (id int PRIMARY KEY, v text, rowid, oid, _rowid_)",
    "rowid names taken, no key": "CREATE TABLE t (id int, v text, rowid, oid, _rowid_)",
    "STRICT": "CREATE TABLE t (id int PRIMARY KEY, v text) STRICT",
    "REPLACE": "CREATE TABLE t (id integer PRIMARY KEY ON CONFLICT REPLACE, v text UNIQUE ON CONFLICT IGNORE)",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_sqlite_tables_of_every_shape(bench: Workbench, shape: str) -> None:
    store = writable(bench.sqlite(shape))
    ids = ("1", "2", "3") if "text COLLATE" in shape else (1, 2, 3)
    assert write(store, insert("t", ["id", "v"], *zip(ids, "abc", strict=True))) == [3]
    step = delete("t", ["v"], (ids[0], ("a",)), (ids[1], ("x",)))
    assert write(store, update("t", "v", (ids[2], "c", "d")), step) == [1, 1]
    assert content(store, "t", "id", "v") == [(ids[1], "b"), (ids[2], "d")]


def test_no_conflict_clause_of_the_table_replaces_or_ignores(bench: Workbench) -> None:
    store = writable(bench.sqlite(SHAPES["REPLACE"], "INSERT INTO t VALUES (1, 'a'), (2, 'b')"))
    for step in (
        insert("t", ["id", "v"], (1, "z")),
        insert("t", ["id", "v"], (3, "a")),
        update("t", "v", (1, "a", "b")),
    ):
        with pytest.raises(WriteError, match="taken"):
            write(store, step)
    assert content(store, "t") == [(1, "a"), (2, "b")]


def test_the_join_goes_by_the_tables_index(bench: Workbench) -> None:
    store = writable(bench.sqlite("CREATE TABLE t (id integer PRIMARY KEY, k text UNIQUE, v text)"))
    steps = [
        update("t", "v", (1, "a", "b")),
        delete("t", ["v"], (1, ("a",))),
        update("t", "v", ("k", "a", "b"), key=("k",)),
    ]
    with store.writing() as writer:
        for step in steps:
            staged = writer.stage(writer.schema()["t"], step)
            for statement in (staged.layout.write, staged.layout.present(["v"])):  # type: ignore[attr-defined]
                plan = [row[3] for row in writer.sql.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
                assert not [line for line in plan if line.startswith("SCAN t")], plan
                assert [line for line in plan if line.startswith("SEARCH t")], plan


def test_a_busy_file(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncnb.stores.sqlite.BUSY_SECONDS", 0.1)
    store = writable(bench.sqlite(*ITEMS))
    with (
        store.writing(),
        pytest.raises(WriteError, match="locked by somebody else") as caught,
        store.writing(),
    ):
        pass
    assert caught.value.sqlstate == "55P03"


def test_a_reader_keeps_a_commit_from_happening(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncnb.stores.sqlite.BUSY_SECONDS", 0.1)
    store = writable(bench.sqlite(*ITEMS))
    with store.writing() as writer, store.reading():
        _written(writer, update("items", "name", (1, "one", "x")))
        with pytest.raises(WriteError) as caught:
            writer.commit()
        assert caught.value.sqlstate == "55P03"
    assert content(store, "items", "id", "name")[0] == (1, "one")


def test_a_deferred_reference_fails_at_commit(make: Callable[..., WritableStore]) -> None:
    store = make(
        "CREATE TABLE d (id int PRIMARY KEY, p int REFERENCES d DEFERRABLE INITIALLY DEFERRED)",
    )
    with store.writing() as writer:
        assert _written(writer, insert("d", ["id", "p"], (1, 2))) == 1
        with pytest.raises(WriteError) as caught:
            writer.commit()
        assert caught.value.sqlstate == "23503"
        assert not isinstance(caught.value, UnknownOutcome)
    assert content(store, "d") == []


def test_a_file_that_fills_the_disk(bench: Workbench) -> None:
    store = writable(bench.sqlite("CREATE TABLE t (id integer PRIMARY KEY, v text)"))
    with store.writing() as writer:
        writer.sql.exec_driver_sql("PRAGMA max_page_count = 3")
        with pytest.raises(WriteError, match="disk is full") as caught, writer.savepoint():
            _written(writer, insert("t", ["id", "v"], *((n, "x" * 1000) for n in range(100))))
        assert caught.value.sqlstate == "53100"


def test_a_file_that_is_gone(bench: Workbench) -> None:
    store = writable(bench.sqlite(*ITEMS))
    assert isinstance(store, SQLiteStore)
    store.path.unlink()
    with pytest.raises(sn.SyncnbError, match="there is no file"), store.writing():
        pass
    assert not store.path.exists()


def test_identity_of_a_copy_and_of_a_link(bench: Workbench, tmp_path: Path) -> None:
    store = writable(bench.sqlite(*ITEMS))
    assert isinstance(store, SQLiteStore)
    copy, link = tmp_path / "copy.db", tmp_path / "link.db"
    shutil.copy2(store.path, copy)
    link.symlink_to(store.path)
    assert dataclasses.replace(store, path=copy).identity().id != store.identity().id
    assert dataclasses.replace(store, path=link).identity().id == store.identity().id


# ------------------------------------------------------------------------------- guards are exact, PostgreSQL

TYPES = (
    "CREATE EXTENSION IF NOT EXISTS citext",
    "DROP TYPE IF EXISTS mood, pair CASCADE",
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TYPE pair AS (a numeric, b text)",
    "CREATE DOMAIN amount AS numeric",
    "DROP COLLATION IF EXISTS blind",
    "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
)

PAIRS: dict[str, tuple[str, str, str]] = {
    "integer": ("int", "1", "2"),
    "smallint": ("smallint", "1", "-32768"),
    "oid": ("oid", "1", "4294967295"),
    "boolean": ("bool", "true", "false"),
    "NULL": ("int", "NULL", "0"),
    "numeric scale": ("numeric", "1.0", "1.00"),
    "numeric NaN": ("numeric", "'NaN'", "0"),
    "domain over numeric": ("amount", "1.0", "1.00"),
    "money": ("money", "1234.50", "-1234.50"),
    "float minus zero": ("float8", "'-0'", "0"),
    "float NaN": ("float8", "'NaN'", "'Infinity'"),
    "float8": ("float8", "0.1", "0.30000000000000004"),
    "real minus zero": ("real", "'-0'", "0"),
    "real": ("real", "0.1", "0.10000001"),
    "text": ("text", "'a'", "'A'"),
    "text, empty": ("text", "''", "NULL"),
    "text, NULL": ("text", "'NULL'", "NULL"),
    "text, odd": ("text", "E'a\"b\\n\\\\.\\n,'", "E'a\"b\\n\\\\.\\n, '"),
    "varchar(3)": ("varchar(3)", "'ab'", "'ab '"),
    "nondeterministic": ("text COLLATE blind", "'é'", "'É'"),
    "citext": ("citext", "'a'", "'A'"),
    "name": ("name", "'a'", "'b'"),
    '"char"': ('"char"', "'a'", "'b'"),
    "enum": ("mood", "'sad'", "'ok'"),
    "char(4)": ("char(4)", "'ab'", "'abc'"),
    "bytea": ("bytea", "'\\x'", "'\\x00ff'"),
    "date": ("date", "'infinity'", "'0044-03-15 BC'"),
    "time": ("time", "'24:00'", "'00:00'"),
    "timetz": ("timetz", "'10:00+00'", "'12:00+02'"),
    "timestamp": ("timestamp", "'2020-01-01 00:00:00.000001'", "'-infinity'"),
    "timestamptz": ("timestamptz", "'2020-01-01 00:00:00+00'", "'2020-01-01 00:00:00+02'"),
    "interval": ("interval", "'1 mon'", "'30 days'"),
    "uuid": ("uuid", "'123e4567-e89b-12d3-a456-426614174000'", "'00000000-0000-0000-0000-000000000000'"),
    "json": ("json", '\'{"a":1}\'', '\'{"a": 1}\''),
    "jsonb scale": ("jsonb", "'1.0'", "'1.00'"),
    "xml": ("xml", "'<a/>'", "'<a></a>'"),
    "array of numeric": ("numeric[]", "'{1.0}'", "'{1.00}'"),
    "array of text": ("text[]", "'{NULL}'", "'{\"NULL\"}'"),
    "array bounds": ("int[]", "'{1}'", "'[0:0]={1}'"),
    "range": ("numrange", "'[1.0,2]'", "'[1.00,2]'"),
    "composite": ("pair", "ROW(1.0, 'x')", "ROW(1.00, 'x')"),
    "composite of NULL": ("pair", "ROW(NULL, NULL)", "NULL"),
    "inet": ("inet", "'10.0.0.1'", "'10.0.0.1/24'"),
    "cidr": ("cidr", "'10.0.0.0/8'", "'10.0.0.0/16'"),
    "point": ("point", "'(0,0)'", "'(-0,0)'"),
    "box": ("box", "'(1,1),(0,0)'", "'(2,2),(0,0)'"),
    "bit(3)": ("bit(3)", "'101'", "'100'"),
    "tsvector": ("tsvector", "'a:1'", "'a'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def typed(pg_server: Any) -> Iterator[PostgresStore]:
    """One database for the rows above: a table each, with both values, and NULL."""
    url = pg_server.create("writers")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in TYPES:
            connection.execute(statement.encode())
        for number, (declared, one, other) in enumerate(PAIRS.values()):
            connection.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, v {declared})".encode())
            connection.execute(f"INSERT INTO t{number} VALUES (1, {one}), (2, {other}), (3, NULL)".encode())
        connection.execute(
            "DO $$ BEGIN CREATE ROLE no_temp LOGIN PASSWORD 'pw'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        connection.execute("REVOKE TEMPORARY ON DATABASE writers FROM PUBLIC")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO no_temp")
        connection.execute("GRANT USAGE ON SCHEMA public TO no_temp")
    store = writable(sn.connect(url))
    assert isinstance(store, PostgresStore)
    yield store
    pg_server.drop("writers")


def as_no_temp(store: PostgresStore) -> PostgresStore:
    """The same database for a role that may not make temporary tables."""
    parameters = {**store.parameters, "user": "no_temp", "password": "pw"}
    return dataclasses.replace(store, parameters=parameters)


@pytest.mark.parametrize("temporary", [True, False], ids=["temporary table", "no right to one"])
@pytest.mark.parametrize("name", PAIRS)
def test_postgres_guards_are_exact(typed: PostgresStore, name: str, temporary: bool) -> None:
    """Each of (one value, another, NULL) as shown meets each of them as it is there."""
    store = typed if temporary else as_no_temp(typed)
    label = f"t{list(PAIRS).index(name)}"
    with store.writing() as writer:
        table = writer.schema()[label]
        whole = pa.Table.from_batches(writer.batches(table, ["id", "v"], order=("id",))).combine_chunks()  # type: ignore[attr-defined]
        ids, there = whole.column("id").combine_chunks(), whole.column("v").combine_chunks()
        distinct = list(map(repr, to_python(there)))
        for shown in range(3):
            old = pa.concat_arrays([there.slice(shown, 1)] * 3)
            step = Block(label, "update", ("id",), ("v",), (ids,), (old,), (there,))
            staged = writer.stage(table, step)
            assert staged.write() == sum(text == distinct[shown] for text in distinct), to_python(old)
            got = staged.present(["v"])
            assert got.column(1).type == there.type
            assert repr(to_python(got.column(1))) == repr(to_python(there)), "nothing was altered"
            staged.drop()
        step = Block(label, "delete", ("id",), ("v",), (ids,), (there.take(pa.array([1, 0, 2])),), ())
        assert writer.stage(table, step).write() == sum(
            distinct[a] == distinct[b] for a, b in ((0, 1), (1, 0), (2, 2))
        )


UNORDERED = ("json", "xml", "point", "box")


@pytest.mark.parametrize("temporary", [True, False], ids=["temporary table", "no right to one"])
@pytest.mark.parametrize("name", PAIRS)
def test_postgres_keys_are_exact(typed: PostgresStore, name: str, temporary: bool) -> None:
    """Each value finds exactly its own row, also where the type takes two of them for one."""
    store = typed if temporary else as_no_temp(typed)
    label = f"t{list(PAIRS).index(name)}"
    for number in range(3):
        with store.writing() as writer:
            table = writer.schema()[label]
            batches = writer.batches(table, ["id", "v"], order=("id",))  # type: ignore[attr-defined]
            ids, there = pa.Table.from_batches(batches).combine_chunks().columns
            ids, key = (column.combine_chunks().slice(number, 1) for column in (ids, there))
            step = Block(label, "update", ("v",), ("id",), (key,), (ids,), (pa.array([50]),))
            if name in UNORDERED:
                with pytest.raises(PlanError, match="has a type that cannot be a key"):
                    writer.stage(table, step)
                continue
            staged = writer.stage(table, step)
            found = staged.present(["id"]).column(1).to_pylist()
            shown = list(map(repr, to_python(there.combine_chunks())))
            assert found == [at + 1 for at in range(3) if shown[at] == shown[number]]
            assert staged.write() == 1, "the guard takes one of those whose key is NULL"


# ------------------------------------------------------------------------------- PostgreSQL

WIDTHS: dict[str, tuple[str, Any]] = {
    "varchar(3)": ("varchar(3)", "abcd"),
    "bit(3)": ("bit(3)", "1011"),
    "smallint": ("smallint", 40000),
    "numeric(4,2)": ("numeric(4,2)", "1000"),
    "date": ("date", "2020-02-31"),
    "int": ("int", "abc"),
    "NUL": ("text", "a\0b"),
    "enum": ("mood", "happy"),
}


@pytest.mark.parametrize("temporary", [True, False], ids=["temporary table", "no right to one"])
@pytest.mark.parametrize(("declared", "value"), WIDTHS.values(), ids=WIDTHS)
def test_values_that_do_not_fit_are_refused_not_cut(
    typed: PostgresStore, declared: str, value: Any, temporary: bool
) -> None:
    with psycopg.connect(**typed.parameters, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS w")
        connection.execute(f"CREATE TABLE w (id int PRIMARY KEY, v {declared})".encode())
        connection.execute("GRANT ALL ON w TO no_temp")
    store = typed if temporary else as_no_temp(typed)
    with pytest.raises(sn.SyncnbError) as caught:
        write(store, insert("w", ["id", "v"], (1, None), (2, value)))
    if temporary:
        assert (caught.value.sqlstate or "").startswith("22")
        assert ("w (row 2" if "\0" in str(value) else "w.v (row 2") in caught.value.message
    assert str(value) not in caught.value.message
    assert content(typed, "w") == []


def test_bad_text_in_a_database_that_checks_nothing(pg_server: Any) -> None:
    url = pg_server.create("unchecked_w")
    base = url.rpartition("/")[0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    try:
        store = writable(sn.connect(f"{base}/ascii"))
        with psycopg.connect(f"{base}/ascii", autocommit=True) as connection:
            connection.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        rows = [(1, BadText(b'a\xff"\n')), (2, "é"), (3, None), (4, "")]
        assert write(store, insert("t", ["id", "v"], *rows)) == [4]
        assert content(store, "t") == rows
        step = update("t", "v", (1, rows[0][1], BadText(b"\xfe")), (2, BadText(b"\xff"), "x"), (4, "", None))
        assert write(store, step) == [2]
        assert content(store, "t") == [(1, BadText(b"\xfe")), (2, "é"), (3, None), (4, None)]
    finally:
        pg_server.drop("ascii")
        pg_server.drop("unchecked_w")


def test_domains_identity_and_generated_columns(bench: Workbench) -> None:
    store = writable(
        bench.postgresql(
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n positive NOT NULL, "
            "twice int GENERATED ALWAYS AS (n * 2) STORED)",
        )
    )
    assert write(store, insert("t", ["id", "n"], (5, 1), (7, 2))) == [2]
    assert content(store, "t") == [(5, 1, 2), (7, 2, 4)]
    with pytest.raises(PlanError, match="numbered by the database"):
        write(store, block("update", "t", ["n"], ["id"], ((1,), (5,), (6,))))
    with pytest.raises(WriteError, match="a check of t") as caught:
        write(store, update("t", "n", (5, 1, -1)))
    assert caught.value.sqlstate == "23514"
    assert write(store, delete("t", ["n", "twice"], (5, (1, 2)), (7, (2, 5)))) == [1]


def test_partitions_children_and_other_schemas(bench: Workbench) -> None:
    store = writable(
        bench.postgresql(
            "DROP SCHEMA IF EXISTS \"Other\" CASCADE; CREATE SCHEMA \"Other\"",
            "CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF p FOR VALUES FROM (0) TO (10)",
            "CREATE TABLE high PARTITION OF p FOR VALUES FROM (10) TO (20)",
            "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b () INHERITS (a)",
            "INSERT INTO b VALUES (1, 'x')",
            "CREATE TABLE \"Other\".t (id int PRIMARY KEY, v text)",
        )
    )  # fmt: skip
    assert write(store, insert("p", ["id", "v"], (1, "a"), (11, "b")), update("p", "v", (1, "a", "c"))) == [
        2,
        1,
    ]
    assert write(store, update("a", "v", (1, "x", "y"))) == [1]
    assert (content(store, "p"), content(store, "a")) == ([(1, "c"), (11, "b")], [(1, "y")])
    with pytest.raises(WriteError) as caught:
        write(store, insert("p", ["id", "v"], (99, "no partition")))
    assert caught.value.sqlstate == "23514"
    with store.writing() as writer:
        table = writer.schema(["Other"])["Other.t"]
        assert writer.stage(table, insert("Other.t", ["id", "v"], (1, "a"))).write() == 1


def test_a_rule_that_swallows_rows_shows_in_the_count(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS, "CREATE RULE no AS ON INSERT TO items DO INSTEAD NOTHING"))
    assert write(store, insert("items", ["id"], (9,))) == [0]


def test_rows_are_locked_when_they_are_shown(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "x")))
        staged.present(["name"])
        with psycopg.connect(**store.parameters) as other:
            other.execute("SET lock_timeout = '100ms'")
            other.execute("SELECT FROM items WHERE id = 2 FOR UPDATE")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("UPDATE items SET name = 'behind' WHERE id = 1")


def test_a_locked_row_is_waited_for_and_then_an_error(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncnb.stores.postgres_writer.LOCK_TIMEOUT", "100ms")
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    with psycopg.connect(**store.parameters) as other, store.writing() as writer:
        other.execute("UPDATE items SET name = 'mine' WHERE id = 1")
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "x")))
        who = rf"items is locked by somebody else: session {other.info.backend_pid} "
        with pytest.raises(WriteError, match=who) as caught, writer.savepoint():
            staged.present(["name"])
        assert caught.value.sqlstate == "55P03"
        other.commit()
        assert values(staged.present(["name"])) == [(0, "mine")]
        assert staged.write() == 0


def test_a_name_is_locked_to_the_end(bench: Workbench) -> None:
    store = writable(bench.postgresql())
    with store.writing() as first:
        first.lock("plan 1")
        first.lock("plan 1")
        with store.writing() as second:
            second.lock("plan 2")
            with pytest.raises(WriteError) as caught, second.savepoint():
                second.lock("plan 1", seconds=0.1)
            assert caught.value.sqlstate == "55P03"
    with store.writing() as third:
        third.lock("plan 1", seconds=0.1)


def test_two_that_wait_for_each_other(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)

    def behind() -> None:
        with psycopg.connect(**store.parameters) as other:
            other.execute("UPDATE items SET price = 0 WHERE id = 2")
            ready.set()
            go.wait(10)
            other.execute("SET deadlock_timeout = '10s'")
            other.execute("UPDATE items SET price = 0 WHERE id = 1")

    ready, go = threading.Event(), threading.Event()
    thread = threading.Thread(target=behind)
    with store.writing() as writer:
        writer.sql.exec_driver_sql("SET LOCAL deadlock_timeout = '200ms'")
        thread.start()
        ready.wait(10)
        table = writer.schema()["items"]
        writer.stage(table, update("items", "name", (1, "one", "x"))).present(["name"])
        go.set()
        time.sleep(0.5)
        with pytest.raises(WriteError) as caught:
            writer.stage(table, update("items", "name", (2, None, "x"))).present(["name"])
    thread.join()
    assert caught.value.sqlstate == "40P01"


ROLES: dict[str, tuple[tuple[str, ...], Block, int | str]] = {
    "INSERT and SELECT": (("SELECT, INSERT ON items",), insert("items", ["id"], (9,)), 1),
    "DELETE and SELECT": (("SELECT, DELETE ON items",), delete("items", ["name"], (3, ("",))), 1),
    "UPDATE of one column": (("SELECT, UPDATE (name) ON items",), update("items", "name", (3, "", "x")), 1),
    "only SELECT, update": (("SELECT ON items",), update("items", "name", (3, "", "x")), "42501"),
    "only SELECT, insert": (("SELECT ON items",), insert("items", ["id"], (9,)), "42501"),
}


@pytest.mark.parametrize(("grants", "step", "expected"), ROLES.values(), ids=ROLES)
def test_roles_with_few_rights(
    bench: Workbench, grants: tuple[str, ...], step: Block, expected: int | str
) -> None:
    bench.postgresql(*ITEMS)
    store = writable(bench.as_role("clerk", *grants))
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], step)
        if isinstance(expected, int):
            staged.present(["id", "name"])
            assert staged.write() == expected
            assert staged.present(["id"]).num_rows == (step.verb != "delete")
        else:
            with pytest.raises(WriteError, match="this role may not write items") as caught:
                staged.write()
            assert caught.value.sqlstate == expected


def test_row_security(bench: Workbench) -> None:
    bench.postgresql(
        *ITEMS,
        "ALTER TABLE items ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY low ON items USING (id < 3)",
    )
    store = writable(bench.as_role("clerk", "ALL ON items"))
    with store.writing() as writer:
        table = writer.schema()["items"]
        staged = writer.stage(table, update("items", "name", (2, None, "x"), (3, "", "y")))
        assert staged.present(["id"]).column(1).to_pylist() == [2]
        assert staged.write() == 1
        with pytest.raises(WriteError, match="row-level security") as caught:
            writer.stage(table, insert("items", ["id"], (8,))).write()
        assert caught.value.sqlstate == "42501"


def test_a_statement_that_failed_makes_commit_fail(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS))
    with store.writing() as writer:
        with pytest.raises(WriteError):
            _written(writer, insert("items", ["id"], (1,)))
        with pytest.raises(WriteError, match="rolled the transaction back") as caught:
            writer.commit()
        assert not isinstance(caught.value, UnknownOutcome)


def test_a_transaction_that_may_only_read(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    with psycopg.connect(**store.parameters, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {store.name} SET default_transaction_read_only = on")
        try:
            assert write(store, update("items", "name", (1, "one", "x"))) == [1]
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {store.name} RESET default_transaction_read_only")


def _backend(writer: Writer) -> int:
    number: int = writer.sql.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return number


def test_a_connection_that_is_lost_before_commit(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    with store.writing() as writer, psycopg.connect(**store.parameters, autocommit=True) as other:
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "x")))
        other.execute("SELECT pg_terminate_backend(%s)", (_backend(writer),))
        with pytest.raises(WriteError, match=r"went away|connection was lost") as caught:
            staged.write()
        assert not isinstance(caught.value, UnknownOutcome)
        staged.drop()
    assert content(store, "items", "id", "name")[0] == (1, "one")


class Cutter:
    """A proxy that passes everything on, until it drops both sides: before or after the server hears COMMIT."""

    def __init__(self, port: int, *, hears: bool) -> None:
        self.port, self.hears = port, hears
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        client, _ = self.listening.accept()
        server = socket.create_connection(("127.0.0.1", self.port))
        self.ends = (client, server)
        back = threading.Thread(target=self.answers, args=(client, server), daemon=True)
        back.start()
        while data := client.recv(65536):
            if b"COMMIT\0" in data:
                self.deaf = True
                if self.hears:
                    server.sendall(data)
                    time.sleep(0.3)
                break
            server.sendall(data)
        for end in self.ends:
            with contextlib.suppress(OSError):  # `close` alone tells nobody while the other thread reads
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    deaf = False

    def answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if not self.deaf:
                    client.sendall(data)


@pytest.mark.parametrize("hears", [False, True], ids=["before the server hears it", "after"])
def test_an_answer_to_commit_that_is_lost(bench: Workbench, hears: bool) -> None:
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    cutter = Cutter(int(store.parameters["port"]), hears=hears)
    cut = {**store.parameters, "host": "127.0.0.1", "port": str(cutter.address), "sslmode": "disable"}
    with dataclasses.replace(store, parameters=cut).writing() as writer:
        assert _written(writer, update("items", "name", (1, "one", "x"))) == 1
        with pytest.raises(UnknownOutcome, match="may or may not have happened"):
            writer.commit()
    assert content(store, "items", "id", "name")[0] == (1, "x" if hears else "one")
    cutter.listening.close()


def test_ctrl_c_while_a_lock_is_waited_for(bench: Workbench) -> None:
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    with psycopg.connect(**store.parameters) as other:
        other.execute("UPDATE items SET name = 'mine' WHERE id = 1")
        with store.writing() as writer:
            staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "x")))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                staged.present(["name"])
        pid = other.info.backend_pid
        left = other.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
            " AND backend_type = 'client backend' AND state <> 'idle'",
            (pid,),
        ).fetchone()
    timer.join()
    assert left == (0,)


def test_writing_through_a_pooler(bench: Workbench, pooler: Callable[[str], str]) -> None:  # noqa: F811
    """Nothing is left on the connections that the next client gets: no table, no setting, no lock."""
    direct = writable(bench.postgresql(*ITEMS))
    assert isinstance(direct, PostgresStore)
    store = writable(sn.connect(pooler(bench.last)))
    for number in range(4):
        with store.writing() as one:
            one.lock("plan")
            staged = one.stage(one.schema()["items"], insert("items", ["id"], (100 + number,)))
            assert staged.write() == 1
            assert one.sql.scalar(sa.text("SELECT count(*) FROM items")) == 4 + number
            with direct.writing() as two:
                assert _written(two, update("items", "name", (1, "one", "x"))) == 1
            one.commit()
    assert len(content(store, "items")) == 7
    with psycopg.connect(pooler(bench.last), prepare_threshold=None) as connection:
        left = connection.execute(
            "SELECT current_setting('lock_timeout'), current_setting('TimeZone') <> 'UTC'"
            " OR current_setting('IntervalStyle') = 'postgres', to_regclass('pg_temp.syncnb_1')"
        ).fetchone()
    assert left == ("0", True, None)


def test_locks_are_taken_again_after_going_back(bench: Workbench) -> None:
    """Going back to a savepoint gives up the locks taken since: what is shown then is locked anew."""
    store = writable(bench.postgresql(*ITEMS))
    assert isinstance(store, PostgresStore)
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "x")))
        with pytest.raises(ZeroDivisionError), writer.savepoint():
            _ = staged.present(["name"]).num_rows / (staged.write() - 1)
        assert values(staged.present(["name"])) == [(0, "one")]
        with psycopg.connect(**store.parameters) as other:
            other.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("UPDATE items SET name = 'behind' WHERE id = 1")


# ------------------------------------------------------------------------------- sequences

SEQUENCES: dict[str, tuple[str, str, int | None]] = {
    # how the column counts; what was done to its sequence; the number that it gives next (None: unchanged)
    "serial": ("id serial PRIMARY KEY", "", 8),
    "identity": ("id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "", 8),
    "not owned": ("id int DEFAULT nextval('free') PRIMARY KEY", "", 8),
    "never back": ("id serial PRIMARY KEY", "SELECT setval('t_id_seq', 100)", None),
    "exactly there": ("id serial PRIMARY KEY", "SELECT setval('t_id_seq', 7)", None),
    "not called": ("id serial PRIMARY KEY", "SELECT setval('t_id_seq', 7, false)", 8),
    "in steps": ("id int GENERATED BY DEFAULT AS IDENTITY (START 2 INCREMENT 4) PRIMARY KEY", "", 14),
    "down": ("id int GENERATED BY DEFAULT AS IDENTITY (START 100 MAXVALUE 100 INCREMENT -1) PRIMARY KEY", "", 2),
    "up to its end": ("id int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 5) PRIMARY KEY", "", -1),
    "with a cache": ("id int GENERATED BY DEFAULT AS IDENTITY (CACHE 50) PRIMARY KEY", "", 8),
}  # fmt: skip


@pytest.mark.parametrize(("column", "before", "following"), SEQUENCES.values(), ids=SEQUENCES)
def test_sequences_are_set_forward(bench: Workbench, column: str, before: str, following: int | None) -> None:
    store = writable(
        bench.postgresql("CREATE SEQUENCE free", f"CREATE TABLE t ({column}, v text)", before or "SELECT 1")
    )
    step = insert("t", ["id", "v"], (7, "a"), (3, "b"))
    with store.writing() as writer:
        table = writer.schema()["t"]
        writer.stage(table, step).write()
        if "DEFAULT AS IDENTITY (START 100" in column:
            writer.stage(table, update("t", "v", (7, "a", "c"))).write()
        said = writer.advance(table, "id")
        if following is not None:
            assert said is not None
            assert writer.advance(table, "id") is None, "once is enough"
        else:
            assert said is None
        asked = sa.text("INSERT INTO t (v) VALUES ('next') RETURNING id")
        if following == -1:
            assert said is not None
            assert said.endswith("set forward to 5, where it ends")
            with pytest.raises(sa.exc.DBAPIError, match="reached maximum value"):
                writer.sql.execute(asked)
        elif following is not None:
            assert writer.sql.scalar(asked) == following


def test_a_sequence_far_behind_is_set_and_keeps_its_rhythm(bench: Workbench) -> None:
    store = writable(
        bench.postgresql(
            "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY (START 1 INCREMENT 2) PRIMARY KEY)"
        )
    )
    with store.writing() as writer:
        table = writer.schema()["t"]
        writer.stage(table, insert("t", ["id"], (10**12,))).write()
        assert (
            writer.advance(table, "id")
            == "the sequence t_id_seq behind t.id was set forward to 1000000000001"
        )
        assert writer.sql.scalar(sa.text("INSERT INTO t DEFAULT VALUES RETURNING id")) == 10**12 + 3


def test_a_sequence_without_the_right_to_it(bench: Workbench) -> None:
    bench.postgresql("CREATE TABLE t (id serial PRIMARY KEY, v text)")
    store = writable(bench.as_role("clerk", "SELECT, INSERT ON t"))
    with store.writing() as writer:
        table = writer.schema()["t"]
        writer.stage(table, insert("t", ["id", "v"], (7, "a"))).write()
        said = writer.advance(table, "id")
        assert said is not None
        assert "GRANT USAGE, SELECT ON SEQUENCE" in said
        writer.commit()
    bench.as_role("clerk", "USAGE, SELECT ON t_id_seq")
    with store.writing() as writer:
        assert "set forward to 7" in (writer.advance(writer.schema()["t"], "id") or "")


def test_the_identity_of_a_server_that_does_not_tell_it(bench: Workbench) -> None:
    bench.postgresql()
    told = writable(bench.as_role("clerk")).identity()
    with psycopg.connect(bench.last, autocommit=True) as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        try:
            other = writable(bench.as_role("clerk")).identity()
        finally:
            connection.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
    assert told.id.split("/")[0].isdecimal()
    assert other.id.split("/") == ["localhost", told.id.split("/")[1]]
