import contextlib
import hashlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from syncnb.errors import ConnectError, ReadError, SchemaError
from syncnb.schema import ForeignKey, Schema, Table, UniqueRule
from syncnb.stores import sqlite as module
from syncnb.stores import sqlite_queries
from syncnb.stores.port import BATCH_ROWS, Store
from syncnb.stores.sqlite import SQLiteStore
from syncnb.values.kinds import Kind
from syncnb.values.raw import MIXED, BadText, to_python

Make = Callable[[str], SQLiteStore]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A store on a fresh file made by a script."""

    def made(script: str, name: str = "cache.db") -> SQLiteStore:
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.executescript(script)
        return SQLiteStore(tmp_path / name)

    return made


def rows(store: SQLiteStore, table: str, *columns: str, order: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    with store.reading() as reader:
        found = reader.schema()[table]
        names = columns or tuple(column.name for column in found.columns)
        return [row for batch in reader.batches(found, names, order=order) for row in as_rows(batch)]


def as_rows(batch: pa.RecordBatch) -> list[tuple[Any, ...]]:
    return list(zip(*(to_python(column) for column in batch.columns), strict=True))


# The store


def test_a_store_says_what_it_is_without_a_path(make: Make) -> None:
    store = make("CREATE TABLE t (a)")
    assert isinstance(store, Store)
    assert (store.name, store.dialect, store.writable, store.notes) == ("cache.db", "sqlite", False, ())
    assert repr(store) == "SQLiteStore('cache.db')"
    assert repr(SQLiteStore(store.path, writable=True)) == "SQLiteStore('cache.db', writable=True)"
    assert store == SQLiteStore(store.path)
    assert hash(store) == hash(SQLiteStore(store.path))


def test_a_relative_path_stays_the_same_file(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("CREATE TABLE t (a)")
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore(Path("cache.db"))
    monkeypatch.chdir("/")
    assert [table.name for table in store.inspect()] == ["t"]


@pytest.mark.parametrize(
    "name",
    [
        "with blank.db",
        "what?.db",
        "a#b.db",
        "100%.db",
        "%41.db",
        "é 東.db",
        "a&mode=rwc.db",
        "'q'.db",
        ";.db",
    ],
)
def test_a_file_of_any_name_opens(make: Any, tmp_path: Path, name: str) -> None:
    store = make("CREATE TABLE t (a); INSERT INTO t VALUES (1)", name)
    assert rows(store, "t") == [(1,)]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_stays_open_and_the_file_is_untouched(make: Make) -> None:
    store = make("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    before = hashlib.sha256(store.path.read_bytes()).hexdigest(), store.path.stat().st_mtime_ns
    with contextlib.suppress(ZeroDivisionError), store.reading() as reader:
        next(iter(reader.batches(reader.schema()["t"], ["a"])))
        assert [fd for fd in open_files() if fd == str(store.path)] or not open_files()
        raise ZeroDivisionError
    assert not [fd for fd in open_files() if fd.startswith(str(store.path))]
    assert (hashlib.sha256(store.path.read_bytes()).hexdigest(), store.path.stat().st_mtime_ns) == before
    store.path.unlink()


def open_files() -> list[str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return []
    found = []
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(entry))
    return found


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize(
    "statement", ["INSERT INTO t VALUES (2)", "CREATE TABLE u (a)", "DROP TABLE t", "PRAGMA user_version = 7"]
)
def test_a_reading_cannot_write_whatever_the_store_may(make: Make, statement: str, *, writable: bool) -> None:
    path = make("CREATE TABLE t (a)").path
    with (
        SQLiteStore(path, writable=writable).reading() as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader._connection.execute(statement)


def test_a_hostile_file_cannot_call_functions_through_its_views(make: Make) -> None:
    store = make("CREATE TABLE t (a); CREATE VIEW v AS SELECT load_extension('/x') AS a FROM t")
    with store.reading() as reader:
        settings = ("trusted_schema", "query_only", "cell_size_check")
        assert [reader._value(f"PRAGMA {name}") for name in settings] == [0, 1, 1]
    with pytest.raises(ReadError):
        rows(store, "v")


# Snapshots


def test_a_reading_sees_one_moment(make: Make) -> None:
    store = make("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    with contextlib.closing(sqlite3.connect(store.path)) as writer, store.reading() as reader:
        with writer:
            writer.execute("INSERT INTO t VALUES (2)")
            writer.execute("CREATE TABLE u (a)")
        assert [table.name for table in reader.schema()] == ["t"]
        assert [row for b in reader.batches(reader.schema()["t"], ["a"]) for row in as_rows(b)] == [(1,)]
    assert rows(store, "t") == [(1,), (2,)]


def test_the_snapshot_starts_when_the_reading_does(make: Make) -> None:
    store = make("PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
    with contextlib.closing(sqlite3.connect(store.path)) as writer, store.reading() as reader:
        with writer:
            writer.execute("CREATE TABLE u (a)")
        assert [table.name for table in reader.schema()] == ["t"]


def test_ctrl_c_reaches_a_long_sort(tmp_path: Path) -> None:
    """In a process of its own: the signal comes while SQLite sorts, in its first step."""
    code = f"""
import os, signal, sqlite3, threading, time
from syncnb.stores.sqlite import SQLiteStore
path = {str(tmp_path / "long.db")!r}
with sqlite3.connect(path) as made:
    made.execute("CREATE TABLE t (k TEXT)")
    made.execute("INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
                 " SELECT hex(randomblob(8)) FROM n")
made.close()
with SQLiteStore(path).reading() as reader:
    table = reader.schema()["t"]
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        next(reader.batches(table, ["k"], order=["k"]))
        print("read to the end")
    except KeyboardInterrupt:
        print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def test_an_interrupt_from_another_thread_stops_a_long_read(make: Make) -> None:
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    store = make(f"CREATE TABLE t (a); CREATE VIEW v AS {many} SELECT count(*) AS a FROM n")
    with store.reading() as reader:
        table = reader.schema()["v"]
        threading.Timer(0.2, reader.interrupt).start()
        started = time.monotonic()
        with pytest.raises(ReadError, match="stopped after 0 rows"):
            next(iter(reader.batches(table, ["a"])))
        assert time.monotonic() - started < 5
    reader.interrupt()  # nothing runs any more, nothing is raised


# Catalogue

DDL = """
CREATE TABLE parent (a INTEGER, b TEXT, c, CONSTRAINT parent_pk PRIMARY KEY (a, b));
CREATE TABLE plain (id INTEGER PRIMARY KEY, name NVARCHAR(160) NOT NULL DEFAULT 'x', price NUMERIC(10,2));
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v BOOLEAN);
CREATE TABLE backwards (id INTEGER PRIMARY KEY DESC, v);
CREATE TABLE code (code TEXT PRIMARY KEY, v);
CREATE TABLE nokey (a, b);
CREATE TABLE pairs (x TEXT, y INT, v JSON, PRIMARY KEY (y, x)) WITHOUT ROWID;
CREATE TABLE strict_one (id INTEGER PRIMARY KEY, v ANY) STRICT;
CREATE TABLE "Order Details" (
    "Order ID" INT, -- a comment, with (a bracket
    [park.key] TEXT COLLATE NOCASE /* and, another */ UNIQUE,
    `2B` UUID, "a ""quoted"" one" REAL, 'naïve' DATETIME,
    twice INT GENERATED ALWAYS AS ("Order ID" * 2) STORED, thrice AS (("Order ID" + 1) * 3),
    CONSTRAINT "both, of them" UNIQUE ("2B", 'naïve'),
    UNIQUE ("Order ID", twice),
    CHECK ("Order ID" > 0), CONSTRAINT named CHECK (length('),(') = 3)
);
CREATE TABLE child (
    id INTEGER PRIMARY KEY,
    plain_id INT REFERENCES PLAIN ON DELETE CASCADE,
    a INT, b TEXT, other INT CONSTRAINT to_code REFERENCES code (CODE) DEFERRABLE INITIALLY DEFERRED,
    gone INT REFERENCES nowhere (id),
    CONSTRAINT pair_fk FOREIGN KEY (a, b) REFERENCES Parent ON UPDATE SET NULL NOT DEFERRABLE
);
CREATE UNIQUE INDEX ix_partial ON plain (name DESC) WHERE price > 1 AND name <> 'WHERE)';
CREATE UNIQUE INDEX ix_expr ON plain (lower(name) COLLATE NOCASE, price DESC);
CREATE INDEX ix_not_unique ON plain (price);
CREATE TRIGGER touched AFTER UPDATE ON Plain BEGIN UPDATE plain SET price = 0 WHERE id = new.id; END;
CREATE TRIGGER syncnb_capture AFTER UPDATE ON plain BEGIN SELECT 1; END;
CREATE VIEW shown AS SELECT id, name AS n FROM plain;
CREATE TABLE gone (x); CREATE VIEW broken AS SELECT x FROM gone; DROP TABLE gone;
CREATE VIRTUAL TABLE words USING fts5 (body, title);
CREATE TABLE syncnb_runs (id INTEGER PRIMARY KEY);
CREATE TABLE syncnbx (id INTEGER PRIMARY KEY);
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    path = tmp_path_factory.mktemp("catalogue") / "odd.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(DDL)
    return SQLiteStore(path).inspect()


def test_tables_are_named_in_order_without_ours_sqlites_and_shadows(catalogue: Schema) -> None:
    names = "backwards broken child code counted nokey pairs parent plain shown strict_one syncnbx words"
    assert [table.name for table in catalogue] == ["Order Details", *names.split()]


FACTS: dict[str, tuple[str, Callable[[Table], Any], Any]] = {
    "kinds": ("plain", lambda t: [c.kind for c in t.columns], [Kind.INTEGER, Kind.TEXT, Kind.NUMERIC]),
    "types": ("plain", lambda t: [c.type for c in t.columns], ["INTEGER", "NVARCHAR(160)", "NUMERIC(10,2)"]),
    "default": ("plain", lambda t: t.column("name").default, "'x'"),
    "not null": ("plain", lambda t: [c.nullable for c in t.columns], [False, False, True]),
    "autoincrement": ("counted", lambda t: t.options, ("AUTOINCREMENT",)),
    "integer key desc is no alias": ("backwards", lambda t: t.column("id").nullable, True),
    "text key may be NULL": ("code", lambda t: t.column("code").nullable, True),
    "text key": ("code", lambda t: t.primary_key, ("code",)),
    "no key": ("nokey", lambda t: (t.primary_key, t.rules), ((), ())),
    "key in its own order": ("pairs", lambda t: t.primary_key, ("y", "x")),
    "without rowid": ("pairs", lambda t: t.options, ("WITHOUT ROWID",)),
    "its key is never NULL": ("pairs", lambda t: [c.nullable for c in t.columns], [False, False, True]),
    "strict": ("strict_one", lambda t: (t.options, t.column("v").kind), (("STRICT",), Kind.ANY)),
    "named key": ("parent", lambda t: t.rules, (UniqueRule("parent_pk", ("a", "b"), primary=True),)),
    "nameless key": ("code", lambda t: t.rules, (UniqueRule("PRIMARY KEY", ("code",), primary=True),)),
    "odd names": (
        "Order Details",
        lambda t: [c.name for c in t.columns],
        ["Order ID", "park.key", "2B", 'a "quoted" one', "naïve", "twice", "thrice"],
    ),
    "collation": ("Order Details", lambda t: t.column("park.key").collation, "NOCASE"),
    "generated": (
        "Order Details",
        lambda t: [c.generated for c in t.columns[-3:]],
        [None, '"Order ID" * 2', '("Order ID" + 1) * 3'],
    ),
    "constraints": (
        "Order Details",
        lambda t: [(r.name, r.columns) for r in t.rules],
        [
            ("UNIQUE (park.key)", ("park.key",)),
            ("both, of them", ("2B", "naïve")),
            ("UNIQUE (Order ID, twice)", ("Order ID", "twice")),
        ],
    ),
    "checks": ("Order Details", lambda t: t.checks, ('"Order ID" > 0', "length('),(') = 3")),
    "partial index": (
        "plain",
        lambda t: t.rules[1],
        UniqueRule("ix_partial", ("name",), where="price > 1 AND name <> 'WHERE)'", constraint=False),
    ),
    "expression index": (
        "plain",
        lambda t: t.rules[2],
        UniqueRule("ix_expr", (), expressions=("lower(name) COLLATE NOCASE", "price"), constraint=False),
    ),
    "no other rules": ("plain", lambda t: len(t.rules), 3),
    "foreign keys": (
        "child",
        lambda t: t.foreign_keys,
        (
            ForeignKey("child_plain_id_fkey", ("plain_id",), "plain", ("id",), on_delete="CASCADE"),
            ForeignKey("to_code", ("other",), "code", ("code",), deferrable=True, deferred=True),
            ForeignKey("child_gone_fkey", ("gone",), "nowhere", ("id",)),
            ForeignKey("pair_fk", ("a", "b"), "parent", ("a", "b"), on_update="SET NULL"),
        ),
    ),
    "triggers without ours": ("plain", lambda t: [x.name for x in t.triggers], ["touched"]),
    "trigger text": ("plain", lambda t: "SET price = 0" in t.triggers[0].definition, True),
    "view": ("shown", lambda t: (t.type, [c.name for c in t.columns]), ("view", ["id", "n"])),
    "broken view": ("broken", lambda t: (t.columns, t.options), ((), ("BROKEN",))),
    "virtual table": (
        "words",
        lambda t: ([c.name for c in t.columns], t.options),
        (["body", "title"], ("VIRTUAL",)),
    ),
    "schema": ("plain", lambda t: (t.schema, t.label, t.text_order), (None, "plain", "code point")),
}


@pytest.mark.parametrize(("table", "fact", "expected"), FACTS.values(), ids=FACTS)
def test_the_catalogue_says(
    catalogue: Schema, table: str, fact: Callable[[Table], Any], expected: Any
) -> None:
    assert fact(catalogue[table]) == expected


def test_two_inspections_of_one_file_are_equal_and_a_change_shows(make: Make) -> None:
    store = make(DDL)
    before = store.inspect()
    assert store.inspect() == before
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.execute("DROP INDEX ix_partial")
    assert store.inspect() != before


def test_a_catalogue_is_remembered_by_all_that_it_is_made_of(make: Make) -> None:
    plain = "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END"
    first = make(plain).inspect()
    assert make(plain, "same.db").inspect() is first
    wide = make(f"PRAGMA encoding = 'UTF-16le'; {plain}", "wide.db")
    assert wide.inspect()["t"].text_order == "other"
    assert make(plain.replace("SELECT 1", "SELECT 2"), "other.db").inspect() != first
    seen = make(f"{plain}; CREATE VIEW v AS SELECT k, unheard_of(n) AS m FROM t", "seen.db")
    assert seen.inspect() is not seen.inspect(), "what a view has hangs on who looks at it"


def test_a_view_is_no_obstacle_when_its_module_is_missing(make: Make) -> None:
    store = make(
        "CREATE TABLE t (a); PRAGMA writable_schema = ON;"
        "INSERT INTO sqlite_schema VALUES"
        " ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING unheard_of (x)')"
    )
    found = store.inspect()
    assert [(table.name, table.options) for table in found] == [("t", ()), ("v", ("VIRTUAL", "BROKEN"))]


def test_utf16_files_say_that_their_order_is_another(make: Make) -> None:
    store = make(
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (k TEXT PRIMARY KEY);"
        "INSERT INTO t VALUES ('\U0001f600'), ('\uffee'), ('é')"
    )
    assert store.inspect()["t"].text_order == "other"
    assert {k for (k,) in rows(store, "t", order=("k",))} == {"\U0001f600", "\uffee", "é"}


# Rows


def test_values_of_every_class_survive(make: Make) -> None:
    store = make(
        "CREATE TABLE t (a); INSERT INTO t VALUES (9223372036854775807), (-9223372036854775808), (0.1),"
        "(1e400), (-0.0), (NULL), (''), ('a' || char(0) || 'b'), (x'00ff'), (x''), ('NULL'),"
        "(9007199254740993)"
    )
    values = [a for (a,) in rows(store, "t")]
    expected = [
        2**63 - 1,
        -(2**63),
        0.1,
        float("inf"),
        0.0,
        None,
        "",
        "a\0b",
        b"\x00\xff",
        b"",
        "NULL",
        2**53 + 1,
    ]
    assert values == expected
    assert [type(value) for value in values] == [type(value) for value in expected]


def test_columns_have_plain_types_where_their_values_are_alike(make: Make) -> None:
    store = make(
        "CREATE TABLE t (i, f, s, b, n, m);"
        "INSERT INTO t VALUES (1, 1.5, 'x', x'00', NULL, 1), (NULL, 2.5, 'y', NULL, NULL, 'z')"
    )
    with store.reading() as reader:
        (batch,) = reader.batches(reader.schema()["t"], list("ifsbnm"))
    assert batch.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.null(), MIXED]
    assert batch.schema.names == list("ifsbnm")


MANY = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t SELECT "
)


def test_batches_have_the_agreed_size(make: Make) -> None:
    store = make(
        f"CREATE TABLE t (i INTEGER PRIMARY KEY, s TEXT); {MANY.format(rows=60_000)} i, 's' || i FROM n"
    )
    with store.reading() as reader:
        batches = list(reader.batches(reader.schema()["t"], ["s", "i"], order=["i"]))
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 60_000 - 2 * BATCH_ROWS]
    assert [row for batch in batches for row in as_rows(batch)] == [(f"s{i}", i) for i in range(1, 60_001)]


def test_large_values_make_small_batches(make: Make) -> None:
    store = make(
        f"CREATE TABLE t (i INTEGER PRIMARY KEY, b BLOB); {MANY.format(rows=100)} i, zeroblob(1048576) FROM n"
    )
    with store.reading() as reader:
        batches = list(reader.batches(reader.schema()["t"], ["i", "b"]))
    assert max(batch.nbytes for batch in batches) <= 48 * 2**20
    assert sum(batch.num_rows for batch in batches) == 100


@pytest.mark.parametrize("at", [1, 300, 7_000, 60_000])
def test_text_that_is_not_utf8_is_kept_and_stops_nothing(make: Make, at: int) -> None:
    store = make(
        f"CREATE TABLE t (i INTEGER PRIMARY KEY, s TEXT); {MANY.format(rows=60_000)} i, 's' || i FROM n;"
        f"UPDATE t SET s = CAST(x'61ff62' AS TEXT) WHERE i = {at}"
    )
    found = rows(store, "t", order=("i",))
    assert [i for i, _ in found] == list(range(1, 60_001))
    assert [(i, s) for i, s in found if s != f"s{i}"] == [(at, BadText(b"a\xffb"))]


def test_two_tables_can_be_read_in_turn(make: Make) -> None:
    store = make(
        f"CREATE TABLE t (i INTEGER PRIMARY KEY, s TEXT); {MANY.format(rows=27_000)} i, 'é' || i FROM n;"
        "CREATE TABLE u AS SELECT * FROM t; UPDATE u SET s = CAST(x'ff' AS TEXT) WHERE i = 1"
    )
    with store.reading() as reader:
        schema = reader.schema()
        pairs = zip(reader.batches(schema["t"], ["s"]), reader.batches(schema["u"], ["s"]), strict=True)
        found = [pair for one, other in pairs for pair in zip(as_rows(one), as_rows(other), strict=True)]
    assert found[0] == (("é1",), (BadText(b"\xff"),))
    assert all(left == right for left, right in found[1:])


ODD_NAMES = [
    "50% off",
    "%s",
    ":x",
    "?",
    "Order Details",
    "park.key",
    "2B",
    'a"b',
    "select",
    "é東",
    "a'b",
    "[x]",
    "x;--",
    "t",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_read(make: Make, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    store = make(
        f"CREATE TABLE {quoted} ({quoted} INT PRIMARY KEY, v); INSERT INTO {quoted} VALUES (2, 'b'), (1, 'a')"
    )
    assert rows(store, name, order=(name,)) == [(1, "a"), (2, "b")]


def test_a_column_that_is_not_there_is_refused_rather_than_taken_for_a_text(make: Make) -> None:
    store = make("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    with pytest.raises(SchemaError, match="no column 'nope'"):
        rows(store, "t", "nope")


def test_generated_columns_and_views_are_read(make: Make) -> None:
    store = make(
        "CREATE TABLE t (a INT, b AS (a * 2)); INSERT INTO t (a) VALUES (4); CREATE VIEW v AS SELECT b FROM t"
    )
    assert rows(store, "t") == [(4, 8)]
    assert rows(store, "v", order=("b",)) == [(8,)]


# Order

ORDERS = {
    "text by code point": (
        "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY);"
        "INSERT INTO t VALUES ('b'), ('A'), ('é'), ('Z'), ('a2')",
        ["A", "Z", "a2", "b", "é"],
    ),
    "NULL first, then numbers, text, blobs": (
        "CREATE TABLE t (k PRIMARY KEY); INSERT INTO t VALUES ('10'), (x'31'), (2), (NULL), (1.5), (NULL)",
        [None, None, 1.5, 2, "10", b"1"],
    ),
    "beyond the basic plane": (
        "CREATE TABLE t (k TEXT); INSERT INTO t VALUES ('\U0001f600'), ('\uffee')",
        ["\uffee", "\U0001f600"],
    ),
}


@pytest.mark.parametrize(("script", "expected"), ORDERS.values(), ids=ORDERS)
def test_order(make: Make, script: str, expected: list[Any]) -> None:
    assert [k for (k,) in rows(make(script), "t", order=("k",))] == expected


@pytest.mark.parametrize("columns", ["v", "v, rowid", "v, rowid, _rowid_", "v, _ROWID_, RowId, oid"])
def test_rows_with_one_key_keep_their_order(make: Make, columns: str) -> None:
    count = columns.count(",")
    store = make(f"CREATE TABLE t (k, {columns}); {MANY.format(rows=50)} 1, i{', 0' * count} FROM n")
    assert [v for (v,) in rows(store, "t", "v", order=("k",))] == list(range(1, 51))


PLANS = {
    "integer key": ("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", ("k",)),
    "text key": ("CREATE TABLE t (k TEXT PRIMARY KEY, v)", ("k",)),
    "composite key": ("CREATE TABLE t (k TEXT, l INT, v, PRIMARY KEY (k, l))", ("k", "l")),
    "without rowid": ("CREATE TABLE t (k TEXT, l INT, v, PRIMARY KEY (k, l)) WITHOUT ROWID", ("k", "l")),
    "part of a key": ("CREATE TABLE t (k TEXT, l INT, v, PRIMARY KEY (k, l)) WITHOUT ROWID", ("k",)),
}


@pytest.mark.parametrize(("script", "order"), PLANS.values(), ids=PLANS)
def test_a_key_is_read_by_its_index(make: Make, script: str, order: tuple[str, ...]) -> None:
    store = make(script)
    with store.reading() as reader:
        sql = sqlite_queries.select_rows(reader.schema()["t"], ["v"], order)
        plan = [row[3] for row in reader._connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert not [step for step in plan if "TEMP B-TREE" in step]


ESTIMATES = {
    "empty": ("CREATE TABLE t (a)", 0),
    "rowids without gaps": (f"CREATE TABLE t (a); {MANY.format(rows=300)} i FROM n", 300),
    "no rowid": ("CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID", None),
    "a view": ("CREATE TABLE u (a); CREATE VIEW t AS SELECT a FROM u", None),
}


@pytest.mark.parametrize(("script", "expected"), ESTIMATES.values(), ids=ESTIMATES)
def test_estimates(make: Make, script: str, expected: int | None) -> None:
    with make(script).reading() as reader:
        assert reader.count_estimate(reader.schema()["t"]) == expected


def test_an_estimate_knows_how_much_a_file_can_hold(make: Make) -> None:
    with make(
        f"CREATE TABLE t (i INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), ({10**12})"
    ).reading() as reader:
        assert (reader.count_estimate(reader.schema()["t"]) or 0) < 10_000


# What cannot be opened or read


def missing(folder: Path) -> Path:
    (folder / "cache.db").touch()
    return folder / "cahce.db"


def garbage(folder: Path, data: bytes, name: str = "x.db") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def database(path: Path, rows: int = 10) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE t (i INTEGER PRIMARY KEY, s);"
            f"{MANY.format(rows=rows)} i, hex(randomblob(99)) FROM n"
        )
    return path


def cut(folder: Path) -> Path:
    path = database(folder / "x.db", 1000)
    os.truncate(path, 60)
    return path


def hot(folder: Path) -> Path:
    """As a program leaves it that died in the middle of a write."""
    path = database(folder / "x.db", 1000)
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); c.execute('UPDATE t SET s = i'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    return path


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


UNOPENED: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "missing, with a near name": (missing, "there is no file cahce.db", r"did you mean cache\.db\?"),
    "missing, others there": (lambda f: database(f / "a.sqlite").with_name("zz"), "no file zz", "a.sqlite"),
    "missing folder": (lambda f: f / "no" / "x.db", "does not exist", "relative"),
    "a folder": (lambda f: f, "is a folder", "no database file"),
    "a pipe": (fifo, "not a regular file", "path of a SQLite file"),
    "a text": (lambda f: garbage(f, b"id,name\r\n1,caf\xc3\xa9\n" * 9), "is a text file", "frame"),
    "a Parquet file": (lambda f: garbage(f, b"PAR1" + bytes(99)), "a Parquet file", "read_parquet"),
    "a zip": (lambda f: garbage(f, b"PK\x03\x04" + bytes(99)), "a zip archive", "unpack"),
    "DuckDB": (lambda f: garbage(f, bytes(8) + b"DUCK" + bytes(99)), "a DuckDB database", "export"),
    "encrypted": (
        lambda f: garbage(f, hashlib.sha512(b"x").digest() * 64),
        "it is encrypted",
        "sqlcipher_export",
    ),
    "cut short": (cut, "damaged", "recover"),
    "left in the middle of a write": (hot, "left in the middle of a write", "rolls that write back"),
}


@pytest.mark.parametrize(("build", "message", "hint"), UNOPENED.values(), ids=UNOPENED)
def test_what_cannot_be_opened_says_why(
    tmp_path: Path, build: Callable[[Path], Path], message: str, hint: str
) -> None:
    path = build(tmp_path)
    with pytest.raises(ConnectError, match=message) as caught, SQLiteStore(path).reading():
        pass
    assert "\n" not in str(caught.value)
    assert re.search(hint, caught.value.hint)
    assert not [fd for fd in open_files() if fd.startswith(str(path) + "-")]


def test_a_locked_file_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    store = make("CREATE TABLE t (a)")
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConnectError, match="locked by another program"), store.reading():
            pass
    assert store.inspect()


def test_a_sqlite_library_that_is_too_old_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST", (99, 1))
    with pytest.raises(ConnectError, match=r"SQLite 3\.\d+\.\d+ of this Python is too old") as caught:
        make("CREATE TABLE t (a)").inspect()
    assert "99.1 or newer" in caught.value.hint


def test_damage_in_the_middle_of_a_table_is_a_read_error(tmp_path: Path) -> None:
    store = SQLiteStore(database(tmp_path / "x.db", 60_000))
    data = bytearray(store.path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xa5" * 4096
    store.path.write_bytes(data)
    with pytest.raises(ReadError, match=r"x\.db is damaged: t cannot be read beyond [\d,]+ rows") as caught:
        rows(store, "t")
    assert "recover" in caught.value.hint


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that any user may enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


OPEN = """
import os, sys
from pathlib import Path
from syncnb.errors import ConnectError
from syncnb.stores.sqlite import SQLiteStore
path = Path(sys.argv[1])
if os.geteuid() == 0:  # for whom no permission counts
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    print(len(SQLiteStore(path).inspect()))
except ConnectError as error:
    print(error)
"""


def opened_by_an_ordinary_user(path: Path) -> str:
    path.parent.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True
        )
    finally:
        path.parent.chmod(0o755)
    return done.stdout.strip()


def test_a_wal_file_in_a_folder_that_is_not_ours_is_refused_with_the_ways_out(shared_folder: Path) -> None:
    path = shared_folder / "cache.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
    assert [entry.name for entry in shared_folder.iterdir()] == ["cache.db"]
    said = opened_by_an_ordinary_user(path)
    assert said.startswith(
        "cache.db is in WAL mode and cannot be read here without writing to its folder. Hint: "
    )
    for way_out in ("-wal and -shm", "make its folder writable", "journal_mode = DELETE"):
        assert way_out in said
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    assert opened_by_an_ordinary_user(path) == "1"


def test_a_copied_wal_without_its_shm_is_refused_too(shared_folder: Path) -> None:
    path = shared_folder / "cache.db"
    with contextlib.closing(sqlite3.connect(shared_folder / "live.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
        path.write_bytes((shared_folder / "live.db").read_bytes())
        Path(f"{path}-wal").write_bytes((shared_folder / "live.db-wal").read_bytes())
    assert "WAL mode" in opened_by_an_ordinary_user(path)
    assert len(SQLiteStore(path).inspect()) == 1  # where its folder may be written


def test_a_wal_file_in_use_is_read_from_a_folder_that_is_not_ours(shared_folder: Path) -> None:
    path = shared_folder / "cache.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
        assert opened_by_an_ordinary_user(path) == "1"


def test_a_file_that_may_not_be_read_says_so(shared_folder: Path) -> None:
    path = database(shared_folder / "cache.db")
    path.chmod(0o200)
    assert opened_by_an_ordinary_user(path).startswith(
        "cache.db may not be read by this user. Hint: ask its owner"
    )


# Real data

CHINOOK = {
    "Album": 347,
    "Artist": 275,
    "Customer": 59,
    "Invoice": 412,
    "InvoiceLine": 2240,
    "PlaylistTrack": 8715,
}


def test_chinook_is_read_to_the_end(data_home: Path) -> None:
    store = SQLiteStore(data_home / "chinook" / "Chinook_Sqlite.sqlite")
    with store.reading() as reader:
        schema = reader.schema()
        for name, count in CHINOOK.items():
            table = schema[name]
            columns = [column.name for column in table.columns]
            found = [
                row
                for batch in reader.batches(table, columns, order=table.primary_key)
                for row in as_rows(batch.select(list(table.primary_key)))
            ]
            assert len(found) == count
            assert found == sorted(set(found))
