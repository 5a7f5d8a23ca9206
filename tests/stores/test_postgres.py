"""What a snapshot of PostgreSQL reads: values, order, batches; and what it leaves behind: nothing."""

import gc
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from syncnb import embedded
from syncnb.errors import ReadError, SchemaError
from syncnb.stores import postgres_clock, postgres_copy
from syncnb.stores.port import BATCH_ROWS, Reader, Store
from syncnb.stores.postgres import PostgresReader, PostgresStore
from syncnb.values.raw import MIXED, BadText, to_python


def store(url: str, **more: str) -> PostgresStore:
    parameters = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    return PostgresStore({**parameters, **more}, parameters["dbname"])


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def read(url: str, table: str, *columns: str, order: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """All values of these columns (of all, where none is named)."""
    with store(url).reading() as reader:
        found = reader.schema()[table]
        names = columns or tuple(column.name for column in found.columns)
        batches = list(reader.batches(found, names, order=order))
    assert all(batch.schema.names == list(names) for batch in batches)
    return {name: [v for b in batches for v in to_python(b.column(i))] for i, name in enumerate(names)}


def others(url: str) -> list[str]:
    """What else is connected to this database."""
    with psycopg.connect(url) as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        ]


def soon(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


@pytest.fixture(scope="module")
def shared(pg_server: embedded.Server) -> Iterator[str]:
    """One database for the rows of the tables below, which need no more than a table of their own."""
    url = pg_server.create("values")
    run(url, "CREATE EXTENSION citext", "CREATE TYPE mood AS ENUM ('sad', 'ok')")
    yield url
    pg_server.drop("values")


def test_it_is_a_store(pg: str) -> None:
    assert isinstance(store(pg), Store)
    with store(pg).reading() as reader:
        protocol: Reader = reader
        assert len(protocol.schema()) == 0


@pytest.mark.parametrize("slow", [False, True], ids=["by its beginning", "asked, where that took long"])
def test_how_far_the_clocks_are_apart(pg: str, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    """By no question of its own, as long as the turn that began the snapshot would not explain everything."""
    asked: list[Any] = []
    real, clock = postgres_clock.asked, postgres_clock.moment
    monkeypatch.setattr(postgres_clock, "asked", lambda on: asked.append(on) or real(on))
    if slow:
        monkeypatch.setattr(postgres_clock, "LONG", timedelta(0))
    for seconds in (0, 7, -7):
        monkeypatch.setattr(
            postgres_clock, "moment", lambda apart=seconds: clock() - timedelta(seconds=apart)
        )
        with store(pg).reading() as reader:
            offset = reader.clock_offset()
        assert bool(offset) == bool(seconds)
        assert timedelta(seconds=-1) < offset - timedelta(seconds=seconds) < timedelta(seconds=1)
    assert len(asked) == 3 * slow


# ------------------------------------------------------------------------------- values

NAN = float("nan")

VALUES: dict[str, tuple[str, list[str], pa.DataType, list[Any]]] = {
    "smallint": ("smallint", ["-32768", "NULL"], pa.int64(), [-32768, None]),
    "bigint": ("bigint", [str(2**63 - 1), str(2**53 + 1)], pa.int64(), [2**63 - 1, 2**53 + 1]),
    "numeric": (
        "numeric",
        ["'12345678901234567890.123456789'", "'NaN'", "3.00", "NULL"],
        pa.string(),
        ["12345678901234567890.123456789", "NaN", "3.00", None],
    ),
    "money": ("money", ["'-1234.5'"], pa.string(), ["-1234.50"]),
    "double": (
        "float8",
        ["0.1", "'Infinity'", "'-Infinity'", "1e-320", "1.7976931348623157e308", "NULL"],
        pa.float64(),
        [0.1, float("inf"), float("-inf"), 1e-320, 1.7976931348623157e308, None],
    ),
    "real": ("real", ["0.5", "'Infinity'", "16777217"], pa.float32(), [0.5, float("inf"), 16777216.0]),
    "boolean": ("bool", ["true", "false", "NULL"], pa.bool_(), [True, False, None]),
    "text": (
        "text",
        ["''", "NULL", "'NULL'", "'null'", "'a,b'", "'say \"x\"'", "'\"'", "'\\.'", "' '"],
        pa.string(),
        ["", None, "NULL", "null", "a,b", 'say "x"', '"', "\\.", " "],
    ),
    "line breaks": (
        "text",
        ["E'a\\nb'", "E'a\\r\\nb'", "E'\\r'", "E'\\n'", "E'a\\tb'", "E'\\n\\n\"\\n'"],
        pa.string(),
        ["a\nb", "a\r\nb", "\r", "\n", "a\tb", '\n\n"\n'],
    ),
    "beyond ASCII": (
        "text",
        ["'é'", "'e\u0301'", "'😀'", "'\ufeff'"],
        pa.string(),
        ["é", "e\u0301", "😀", "\ufeff"],
    ),
    "char": ("char(4)", ["'ab'", "''"], pa.string(), ["ab  ", "    "]),
    "bytes": (
        "bytea",
        ["'\\x'", "NULL", "'\\x00ff5c78'", "'\\x2c0a22'", "''"],
        pa.binary(),
        [b"", None, b"\x00\xff\\x", b',\n"', b""],
    ),
    "no bytes at all": ("bytea", ["NULL", "NULL"], pa.binary(), [None, None]),
    "date": (
        "date",
        ["'2013-01-01'", "'0044-03-15 BC'", "'infinity'", "'12345-01-01'"],
        pa.string(),
        ["2013-01-01", "0044-03-15 BC", "infinity", "12345-01-01"],
    ),
    "time": ("time", ["'24:00'", "'05:00:00.000001'"], pa.string(), ["24:00:00", "05:00:00.000001"]),
    "timestamp": ("timestamp", ["'2013-01-01 05:00:00.5'"], pa.string(), ["2013-01-01 05:00:00.5"]),
    "timestamptz": (
        "timestamptz",
        ["'2013-01-01 05:00:00+05:30'", "'-infinity'"],
        pa.string(),
        ["2012-12-31 23:30:00+00", "-infinity"],
    ),
    "interval": ("interval", ["'1 mon 1 day'"], pa.string(), ["1 mon 1 day"]),
    "uuid": (
        "uuid",
        ["'A0EEBC999C0B4EF8BB6D6BB9BD380A11'"],
        pa.string(),
        ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    ),
    "json": ("json", ['\'{"b": 1,  "a":1}\''], pa.string(), ['{"b": 1,  "a":1}']),
    "jsonb": ("jsonb", ['\'{"b": 1,  "a":1}\''], pa.string(), ['{"a": 1, "b": 1}']),
    "array": ("text[]", ["ARRAY['a,b', NULL, '']"], pa.string(), ['{"a,b",NULL,""}']),
    "range": ("int4range", ["'[1,5)'"], pa.string(), ["[1,5)"]),
}


@pytest.mark.parametrize(("type_", "literals", "arrow", "expected"), VALUES.values(), ids=VALUES)
def test_values(
    shared: str, type_: str, literals: list[str], arrow: pa.DataType, expected: list[Any]
) -> None:
    rows = ", ".join(f"({number}, {text})" for number, text in enumerate(literals))
    run(shared, "DROP TABLE IF EXISTS a", f"CREATE TABLE a (n int PRIMARY KEY, v {type_})")
    run(shared, f"INSERT INTO a VALUES {rows}")
    with store(shared).reading() as reader:
        (batch,) = reader.batches(reader.schema()["a"], ["v"], order=["n"])
        beside = list(reader.batches(reader.schema()["a"], ["v", "n", "v"], order=["n"]))
    assert batch.column(0).type == arrow
    assert batch.column(0).to_pylist() == expected
    numbers = list(range(len(literals)))
    assert [column.to_pylist() for column in beside[0].columns] == [expected, numbers, expected]
    batch.validate(full=True)


def test_floats_keep_their_sign_and_nan(pg: str) -> None:
    run(pg, "CREATE TABLE a AS SELECT v::float8, v::real AS r FROM unnest(ARRAY['NaN', '-0', '0']) AS v")
    found = read(pg, "a")
    assert [str(value) for value in found["v"]] == ["nan", "-0.0", "0.0"]
    assert [str(value) for value in found["r"]] == ["nan", "-0.0", "0.0"]


def test_domains_are_read_as_what_they_stand_on(pg: str) -> None:
    run(
        pg,
        "CREATE DOMAIN price AS money; CREATE DOMAIN cost AS price; CREATE DOMAIN raw AS bytea",
        "CREATE TABLE a (p cost, r raw)",
        "INSERT INTO a VALUES ('1.5', '\\x01')",
    )
    assert read(pg, "a") == {"p": ["1.50"], "r": [b"\x01"]}


UNHELPFUL = {
    "TimeZone": "'Asia/Kolkata'",
    "DateStyle": "'German'",
    "IntervalStyle": "'iso_8601'",
    "bytea_output": "'escape'",
    "extra_float_digits": "-15",
    "client_encoding": "'LATIN1'",
}


def test_settings_of_the_database_change_no_value(pg: str) -> None:
    run(
        pg,
        "CREATE TABLE a AS SELECT timestamptz '2013-01-01 05:00+00' AS t, date '2013-02-01' AS d,"
        " interval '1 day' AS i, bytea '\\x61' AS b, 0.1::float8 AS f, '😀'::text AS s",
    )
    with psycopg.connect(pg) as connection:
        name = connection.info.dbname
    before = read(pg, "a")
    run(pg, *(f'ALTER DATABASE "{name}" SET {key} = {value}' for key, value in UNHELPFUL.items()))
    assert read(pg, "a") == before
    assert before == {
        "t": ["2013-01-01 05:00:00+00"],
        "d": ["2013-02-01"],
        "i": ["1 day"],
        "b": [b"a"],
        "f": [0.1],
        "s": ["😀"],
    }


def test_a_database_that_checks_no_encoding(pg: str) -> None:
    name = f"ascii_{secrets.token_hex(4)}"
    run(pg, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        url = make_conninfo(pg, dbname=name)
        run(
            url,
            "CREATE TABLE a (n int, good text, bad text, raw bytea)",
            "INSERT INTO a VALUES (1, E'\\xc3\\xa9', E'\\xe9', '\\xe9'), (2, NULL, E'\\xc3\\xa9', NULL)",
        )
        found = read(url, "a", order=("n",))
        assert found["good"] == ["é", None]
        assert found["bad"] == [BadText(b"\xe9"), "é"]
        assert found["raw"] == [b"\xe9", None]
        with store(url).reading() as reader:
            (batch,) = reader.batches(reader.schema()["a"], ["good", "bad"])
        assert batch.schema.types == [pa.string(), MIXED]
    finally:
        run(pg, f"DROP DATABASE {name}")


def test_odd_names_are_quoted(pg: str) -> None:
    names = ['a "b"', "2B", "park.key", "%s", "é 😀", "select", "; DROP TABLE x; --"]
    columns = ", ".join('"{}" int'.format(name.replace('"', '""')) for name in names)
    run(pg, f'CREATE TABLE "Order ""Details" ({columns})')
    run(pg, 'INSERT INTO "Order ""Details" VALUES (0,1,2,3,4,5,6)')
    assert read(pg, 'Order "Details', order=tuple(names)) == {name: [n] for n, name in enumerate(names)}


# ------------------------------------------------------------------------------- order

ORDERS: dict[str, tuple[str, list[Any]]] = {
    "text by code point": ("text", ["Z", "a", "z", "é", "ﬀ", "😀"]),
    "text in another collation": ("text COLLATE {another}", ["B", "a", "b"]),
    "varchar": ("varchar", ["Z", "a"]),
    "citext": ("citext", ["B", "a"]),
    "enum by its text": ("mood", ["ok", "sad"]),
    "char without its padding": ("char(3)", ["a  ", "a\t ", "a b", "ab "]),
    "json by its text": ("json", ["1", "10", "9"]),
    "jsonb by its text": ("jsonb", ["1", "10", "9"]),
    "a type without order": ("point", ["(1,1)", "(10,1)", "(9,1)"]),
    "array by its text": ("int[]", ["{10}", "{9}"]),
    "integer": ("int", [-1, 2, 10]),
    "numeric": ("numeric", ["-1", "2.5", "10"]),
    "bytes": ("bytea", [b"", b"\x00", b"a", b"\xff"]),
    "date": ("date", ["-infinity", "0044-03-15 BC", "2013-01-01", "infinity"]),
    "uuid": ("uuid", [f"{'0' * 8}-0000-0000-0000-{'0' * 11}{end}" for end in "19a"]),
}


@pytest.mark.parametrize(("type_", "expected"), ORDERS.values(), ids=ORDERS)
def test_order(shared: str, type_: str, expected: list[Any]) -> None:
    with psycopg.connect(shared) as connection:
        # ICU sorts a before B. Where the server is built without it, there is no such collation.
        icu = connection.execute("SELECT FROM pg_collation WHERE collname = 'und-x-icu'").fetchone()
        type_ = type_.replace("{another}", '"und-x-icu"' if icu is not None else '"POSIX"')
        connection.execute(f"DROP TABLE IF EXISTS a; CREATE TABLE a (v {type_})".encode())
        for value in [*reversed(expected), None]:
            plain = value if isinstance(value, bytes) else None if value is None else str(value)
            connection.execute(b"INSERT INTO a VALUES (%%s::%s)" % type_.split(" ")[0].encode(), (plain,))
    assert read(shared, "a", order=("v",))["v"] == [None, *expected]


def test_a_whole_number_key_is_read_in_the_order_of_its_index(pg: str) -> None:
    run(
        pg,
        "CREATE TABLE a (id int, part int, v text, PRIMARY KEY (id, part))",
        "INSERT INTO a SELECT n, 1, repeat('x', 100) FROM generate_series(1, 20000) AS n",
        "VACUUM ANALYZE a",
    )
    table = store(pg).inspect()["a"]
    keys = [table.column("id"), table.column("part")]
    query = postgres_copy.copy_query(table, table.columns, keys).removeprefix("COPY (").partition(") TO ")[0]
    with psycopg.connect(pg) as connection:
        plan = [row[0] for row in connection.execute(f"EXPLAIN (COSTS OFF) {query}".encode())]
    assert plan == ["Index Scan using a_pkey on a t"]


# ------------------------------------------------------------------------------- batches


def test_batches_are_full_and_complete(pg: str) -> None:
    rows = 2 * BATCH_ROWS + 5
    run(pg, f"CREATE TABLE a AS SELECT n, 'x' || n AS t FROM generate_series(1, {rows}) AS n")
    with store(pg).reading() as reader:
        batches = list(reader.batches(reader.schema()["a"], ["t", "n"], order=["n"]))
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 5]
    assert [n for batch in batches for n in batch.column("n").to_pylist()] == list(range(1, rows + 1))


def test_large_values_end_a_batch_early_and_arrive_whole(pg: str) -> None:
    size = postgres_copy.BATCH_BYTES // 4
    run(
        pg,
        "CREATE TABLE a (n int, t text, b bytea)",
        f"INSERT INTO a SELECT n, repeat(E'ab\"\\n', {size // 4}), '\\x61' FROM generate_series(1, 10) AS n",
        f"INSERT INTO a VALUES (11, repeat('x', {5 * size}), decode(repeat('00', {4 * size}), 'hex'))",
    )
    with store(pg).reading() as reader:
        batches = list(reader.batches(reader.schema()["a"], ["n", "t", "b"], order=["n"]))
    assert sum(batch.num_rows for batch in batches) == 11
    assert max(batch.num_rows for batch in batches) <= 4
    assert batches[0].column("t")[0].as_py() == 'ab"\n' * (size // 4)
    assert batches[-1].column("t")[-1].as_py() == "x" * 5 * size
    assert batches[-1].column("b")[-1].as_py() == bytes(4 * size)


def test_no_rows_and_no_columns(pg: str) -> None:
    run(pg, "CREATE TABLE empty (a int)", "CREATE TABLE bare ()", "INSERT INTO bare DEFAULT VALUES")
    with store(pg).reading() as reader:
        schema = reader.schema()
        assert list(reader.batches(schema["empty"], ["a"])) == []
        assert [batch.num_rows for batch in reader.batches(schema["bare"], [])] == [1]
        with pytest.raises(SchemaError, match="empty has no column 'b'"):
            reader.batches(schema["empty"], ["b"])


def test_partitions_and_children_are_part_of_what_is_read(pg: str) -> None:
    run(
        pg,
        "CREATE TABLE a (x int) PARTITION BY RANGE (x)",
        "CREATE TABLE low PARTITION OF a FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE high PARTITION OF a DEFAULT",
        "INSERT INTO a VALUES (1), (99)",
        "CREATE TABLE parent AS SELECT 1 AS x; CREATE TABLE heir () INHERITS (parent)",
        "INSERT INTO heir VALUES (2)",
        "CREATE VIEW v AS SELECT x FROM a; CREATE MATERIALIZED VIEW m AS SELECT x FROM a",
    )
    found = {name: read(pg, name, order=("x",))["x"] for name in ("a", "parent", "heir", "v", "m")}
    assert found == {"a": [1, 99], "parent": [1, 2], "heir": [2], "v": [1, 99], "m": [1, 99]}


# ------------------------------------------------------------------------------- one snapshot, read-only


def test_a_snapshot_does_not_see_what_comes_later(pg: str) -> None:
    run(pg, "CREATE TABLE a AS SELECT 1 AS x", "CREATE TABLE b AS SELECT 1 AS x")
    with store(pg).reading() as reader:
        a, b = reader.schema()
        assert [batch.num_rows for batch in reader.batches(a, ["x"])] == [1]
        run(pg, "INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (2)")
        assert [batch.num_rows for batch in reader.batches(b, ["x"])] == [1]
    assert read(pg, "b")["x"] == [1, 2]


WRITES = """
CREATE TABLE log (n int);
CREATE FUNCTION note() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); RETURN 1; END';
CREATE VIEW writes AS SELECT note() AS n;
"""


@pytest.mark.parametrize("writable", [False, True])
def test_the_server_refuses_a_write(pg: str, writable: bool) -> None:
    run(pg, WRITES)
    parameters = {key: str(value) for key, value in conninfo_to_dict(pg).items()}
    with PostgresStore(parameters, "x", writable=writable).reading() as reader:
        schema = reader.schema()
        with pytest.raises(ReadError, match="a write was refused") as caught:
            list(reader.batches(schema["writes"], ["n"]))
        assert caught.value.sqlstate == "25006"
        assert list(reader.batches(schema["log"], ["n"])) == [], "the snapshot lives on"


# ------------------------------------------------------------------------------- how it ends

ENDLESS = """
CREATE TABLE many AS SELECT n FROM generate_series(1, 200000) AS n;
CREATE TABLE one AS SELECT 1 AS n;
CREATE VIEW slow AS SELECT n, pg_sleep(0.001 * n)::text AS s FROM generate_series(1, 100000) AS n
"""


@pytest.fixture
def reader(pg: str) -> Iterator[PostgresReader]:
    run(pg, ENDLESS)
    with store(pg).reading() as reader:
        yield reader
    assert soon(lambda: others(pg) == [])


def test_a_stream_left_half_read_frees_the_snapshot_for_the_next(reader: PostgresReader) -> None:
    schema = reader.schema()
    stream = iter(reader.batches(schema["many"], ["n"]))
    assert next(stream).num_rows == BATCH_ROWS
    assert [batch.to_pydict() for batch in reader.batches(schema["one"], ["n"])] == [{"n": [1]}]
    with pytest.raises(ReadError, match="before many was read to its end"):
        next(stream)
    assert reader.count_estimate(schema["one"]) is None


def test_a_stream_thrown_away_makes_no_noise(reader: PostgresReader) -> None:
    stream = reader.batches(reader.schema()["many"], ["n"])
    next(stream)
    del stream
    gc.collect()
    assert len(reader.schema()) == 3


def test_a_stream_kept_beyond_its_snapshot_does_not_look_complete(pg: str) -> None:
    run(pg, ENDLESS)
    with store(pg).reading() as reader:
        table = reader.schema()["many"]
        begun, not_begun = reader.batches(table, ["n"]), reader.batches(table, ["n"])
        begun = reader.batches(table, ["n"])
        next(begun)
    for stream in (begun, not_begun):
        with pytest.raises(ReadError, match="before many was read to its end"):
            list(stream)
    assert soon(lambda: others(pg) == [])


def test_a_stream_read_to_its_end_stays_ended(reader: PostgresReader) -> None:
    stream = reader.batches(reader.schema()["one"], ["n"])
    assert len(list(stream)) == 1
    reader.schema()
    assert list(stream) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_error_in_the_block_leaves_no_connection(pg: str, error: type[BaseException]) -> None:
    run(pg, ENDLESS)

    def break_off() -> None:
        with store(pg).reading() as reader:
            for _ in reader.batches(reader.schema()["many"], ["n"]):
                raise error

    with pytest.raises(error):
        break_off()
    assert soon(lambda: others(pg) == [])


def test_interrupt_from_another_thread(reader: PostgresReader) -> None:
    schema = reader.schema()
    timer = threading.Timer(0.3, reader.interrupt)
    timer.start()
    with pytest.raises(ReadError, match="reading slow was stopped"):
        list(reader.batches(schema["slow"], ["n", "s"]))
    timer.join()
    assert len(list(reader.batches(schema["one"], ["n"]))) == 1


def test_interrupt_never_raises(pg: str) -> None:
    with store(pg).reading() as reader:
        reader.interrupt()
        assert len(reader.schema()) == 0
    reader.interrupt()


def test_ctrl_c_in_the_middle_of_a_read(pg: str) -> None:
    run(pg, ENDLESS)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    with store(pg).reading() as reader:
        stream = reader.batches(reader.schema()["slow"], ["n", "s"])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(stream)
    timer.join()
    assert soon(lambda: others(pg) == [])


def test_nothing_heavy_is_imported_before_the_first_connection() -> None:
    code = "import sys, syncnb.stores.postgres; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
