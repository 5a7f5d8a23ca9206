"""How values are written on the other side: written to a real database and read again, they are the same."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import syncnb as sn
from syncnb import embedded
from syncnb.schema import Column
from syncnb.values.kinds import Kind, postgres_kind, sqlite_kind
from syncnb.values.pairing import cannot_compare, rule_for
from syncnb.values.raw import BadText, Raw, concat, from_python, to_python
from syncnb.values.rules import Answer, Side, judge
from syncnb.values.stamp_text import (
    POSTGRES_INSTANT,
    POSTGRES_WALL,
    Style,
    stamp_text,
    style_of,
    style_pattern,
)
from syncnb.values.stamps import DAY, Stamp, parse_stamp
from syncnb.values.writing import Written, write_column
from tests.laws.test_values import NASTY, raw
from tests.thinning import some

POSTGRES = (
    "smallint", "integer", "bigint", "oid", "numeric", "numeric(6,2)", "numeric(4,-2)", "numeric(2,4)", "money",
    "real", "double precision", "boolean", "text", "varchar(4)", "name", '"char"', "char(4)", "bytea", "uuid",
    "date", "time", "time(3)", "timetz", "timestamp", "timestamp(0)", "timestamptz", "timestamptz(3)", "interval",
    "json", "jsonb", "text[]", "varchar(2)[]", "integer[]", "numeric[]", "boolean[]", "uuid[]",
)  # fmt: skip
SQLITE = (
    "", "INTEGER", "REAL", "NUMERIC", "DECIMAL(10,2)", "TEXT", "VARCHAR(4)", "STRING", "BLOB", "BYTEA", "BOOLEAN", "DATE",
    "DATETIME", "TIMESTAMPTZ", "TIME", "UUID", "JSON", "INTERVAL", "ANY",
)  # fmt: skip
TYPES = [("postgresql", name) for name in POSTGRES] + [("sqlite", name) for name in SQLITE]
STRICT = ("INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY")
STAMPS = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
AS_THEY_ARE = {Kind.INTERVAL}
"""Kinds that PostgreSQL may write in another form than the one it was given."""
MORE = [
    "2026-07-01 05:00:00.123456+00", "2026-07-01 05:00:00.1234567", "2026-10-25T00:30:00Z", "2026-01-01 00:00:00",
    "2026-01-01T00:00:00+01:00", "0000-01-01", "12:34:56.7891", "24:00:00", "99999-12-31 23:59:59", "294277-01-01",
    "2024-02-29", '{"aa": 1, "b": [2, {"é": 1, "zz": 2}]}', "0.990", "0.99", "1.005", "-0.005", "99999.995", "123456789012345678901234567890.5", "1.50e3", "1e-30", "16777217",
    "32768", "2147483648", "-9223372036854775809", "abcde", "abc   ", "ab ", "x" * 70, "é" * 40,
    '{"b": 1, "a": {"cc": 1e2, "c": -0.0}, "a": 2}', '"\\u0000"', '"\\ud800"', '"\\u00e9\\n\\u001f"', "[1, [2]]", "[[1,2],[3,4]]",
    "{{1,2},{3,4}}", "[0:1]={7,8}", '{"a b",c\\\\d,""}', "[true, null, 1.50]", "{t,f}", "[[]]", "1 day 02:00:00", "1 mon",
    1234567890.25, 1.2345678901234567e18, 123456.789, 0.1, 2.5, 1e15, 12345678901234567, 255, -1e-320, 3.4e38, 1e39,
]  # fmt: skip
POOL = [*NASTY, *MORE]


class Place(NamedTuple):
    """A column of a real table `(id, v)`, and its raw values."""

    engine: str
    column: Column
    values: pa.Array


class World:
    """A SQLite file and a PostgreSQL database that take values and give them back through their readers."""

    def __init__(self, folder: Path, url: str) -> None:
        self.path, self.url = folder / "world.db", url
        self.sqlite = sqlite3.connect(self.path, isolation_level=None)
        self.postgres = psycopg.connect(url, autocommit=True)
        self.sqlite.execute("PRAGMA synchronous = OFF")
        self.postgres.execute("SET synchronous_commit = off")
        self.stores = {"sqlite": sn.connect(self.path), "postgresql": sn.connect(url)}
        self.tables: dict[str, str] = {}

    def create(self, engine: str, declared: str, options: str = "") -> str:
        """A new table `(id, v)`; its name."""
        name = f"t{len(self.tables)}"
        self.tables[name] = engine
        connection: Any = self.sqlite if engine == "sqlite" else self.postgres
        connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, v {declared}) {options}")
        return name

    def insert(self, table: str, values: Sequence[tuple[int, Raw]]) -> None:
        if self.tables[table] == "sqlite":
            with self.sqlite:
                self.sqlite.execute("BEGIN")
                for number, value in values:
                    bad = isinstance(value, BadText)
                    self.sqlite.execute(
                        f"INSERT INTO {table} VALUES (?, {'CAST(? AS TEXT)' if bad else '?'})",
                        (number, value.data if isinstance(value, BadText) else value),
                    )
            return
        with self.postgres.transaction(), self.postgres.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s)", values)

    def read(self, table: str) -> tuple[Column, list[int], pa.Array]:
        """The column as the catalogue has it, the ids and the raw values."""
        with self.stores[self.tables[table]].reading() as reader:
            found = reader.schema().find(table)
            batches = list(reader.batches(found, ["id", "v"], order=["id"]))
        ids = [number for batch in batches for number in batch.column(0).to_pylist()]
        return found.column("v"), ids, concat([batch.column(1) for batch in batches])

    def source(self, engine: str, declared: str) -> Place:
        """A table with every value of the pool that a column of this type takes."""
        table = self.create(engine, declared)
        for number, value in enumerate(POOL):
            try:
                self.insert(table, [(number, value)])
            except (psycopg.Error, sqlite3.Error, UnicodeError):
                continue
        column, _, values = self.read(table)
        return Place(engine, column, values)

    def close(self) -> None:
        self.sqlite.close()
        self.postgres.close()


@pytest.fixture(scope="module")
def world(pg_server: embedded.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), pg_server.create("writing"))
    yield world
    world.close()
    pg_server.drop("writing")


@pytest.fixture(scope="module")
def sources(world: World) -> list[Place]:
    return [world.source(engine, declared) for engine, declared in TYPES]


def lines(written: Written) -> list[tuple[int, Raw]]:
    refused = {problem.row for problem in written.problems if problem.what == "refused"}
    return [(row, value) for row, value in enumerate(to_python(written.array)) if row not in refused]


def parts(values: list[Raw], place: Place) -> Iterator[pa.Array]:
    """Plain columns of these values: all of one class, and some alone, so that they are written at once."""
    make = (lambda found: pa.array(found, pa.float32())) if place.column.kind == Kind.FLOAT4 and place.engine == "postgresql" else from_python  # fmt: skip
    for alike in (str, int, float, bytes, bool):
        chosen = [value for value in values if type(value) is alike]
        if chosen:
            yield make([*chosen, None])
            yield from (make([value]) for value in some(chosen, 3, seed=place.column.type))


def as_bound(value: Raw) -> str:
    """A value with its class, so that 1 and 1.0 and true differ, and NaN is itself."""
    return f"{type(value).__name__} {value + 0.0 if isinstance(value, float) else value!r}"


ZONES = [(None, None), ("UTC", "Europe/Berlin"), ("Europe/Berlin", None), (None, "UTC")]


@pytest.mark.parametrize(("engine", "declared"), TYPES, ids=lambda part: str(part))
def test_what_is_written_is_read_as_the_same_value(
    world: World, sources: list[Place], engine: str, declared: str
) -> None:
    table = world.create(engine, declared)
    target, _, _ = world.read(table)
    meant: list[tuple[Place, Any, Side, Raw, Raw, bool]] = []
    for place in sources:
        if cannot_compare(Kind(place.column.kind), Kind(target.kind)):
            continue
        sides: tuple[Side, Side] = ("local", "remote")
        stamps = {place.column.kind, target.kind} & STAMPS
        ways = [(side, zones) for side in sides for zones in (ZONES if stamps else ZONES[:1])]
        for side, zones in some(ways, 4, seed=(place.column.type, declared)):
            kinds = [Kind(place.column.kind), Kind(target.kind)]
            kinds = kinds if side == "local" else kinds[::-1]
            rule = rule_for(*kinds, zone_local=zones[0], zone_remote=zones[1])
            written = write_column(rule, place.values, side, target, engine, source=place.column)
            assert len(written.array) == len(place.values)
            lossy = {problem.row for problem in written.problems}
            originals = to_python(place.values)
            for row, value in lines(written):
                assert (value is None) <= (originals[row] is None)
                meant.append((place, rule, side, originals[row], value, row in lossy))
            for alike in parts([value for row, value in enumerate(originals) if row not in lossy], place):
                whole = write_column(rule, alike, side, target, engine, source=place.column)
                assert whole.problems == ()
                values = zip(to_python(alike), to_python(whole.array), strict=True)
                meant += [(place, rule, side, original, value, False) for original, value in values]
    world.insert(table, [(number, line[4]) for number, line in enumerate(meant)])
    _, ids, back = world.read(table)
    assert ids == list(range(len(meant)))
    wrong = []
    for (place, rule, side, original, value, lossy), found in zip(meant, to_python(back), strict=True):
        answer = judge(rule, original, found) if side == "local" else judge(rule, found, original)
        if (answer is Answer.SAME) == lossy:
            wrong.append(
                ("lossy" if lossy else "not the same", place.column.type, rule, side, original, value, found)
            )
        elif as_bound(value) != as_bound(found) and target.kind not in AS_THEY_ARE:
            wrong.append(("another form", place.column.type, rule, side, original, value, found))
    assert not wrong, f"{len(wrong)} of {len(meant)}: {wrong[:6]}"


quiet = settings(
    max_examples=60,
    deadline=timedelta(seconds=20),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@quiet
@given(
    st.sampled_from(TYPES),
    st.sampled_from(TYPES),
    st.sampled_from(ZONES),
    st.sampled_from(["local", "remote"]),
    st.lists(st.one_of(raw, st.sampled_from(MORE)), min_size=1, max_size=12),
    st.lists(st.one_of(raw, st.sampled_from(MORE)), min_size=12, max_size=12),
)
def test_any_drawn_value_is_read_as_the_same(
    world: World, origin: Any, place: Any, zones: Any, side: Side, values: list[Raw], before: list[Raw]
) -> None:
    kinds = [kind_of(*origin), kind_of(*place)]
    if cannot_compare(*kinds):
        return
    rule = rule_for(*(kinds if side == "local" else kinds[::-1]), zone_local=zones[0], zone_remote=zones[1])
    engine, declared = place
    table = world.create(engine, declared)
    target, _, _ = world.read(table)
    array = from_python(values)
    written = write_column(rule, array, side, target, engine, before=from_python(before[: len(values)]))
    problems = {problem.row for problem in written.problems}
    world.insert(table, lines(written))
    _, ids, back = world.read(table)
    originals = dict(enumerate(to_python(array)))
    for row, found in zip(ids, to_python(back), strict=True):
        pair = (originals[row], found) if side == "local" else (found, originals[row])
        assert (judge(rule, *pair) is Answer.SAME) == (row not in problems), (rule, pair)


def kind_of(engine: str, declared: str) -> Kind:
    if engine == "sqlite":
        return sqlite_kind(declared)
    if declared.endswith("[]"):
        return Kind.ARRAY
    words = {"varchar": "character varying", "char": "character", "time": "time without time zone"}
    words |= {"timetz": "time with time zone", "timestamp": "timestamp without time zone"}
    words["timestamptz"] = "timestamp with time zone"
    base = declared.partition("(")[0]
    return postgres_kind(words.get(base, base))


@pytest.mark.parametrize("declared", STRICT)
def test_strict_tables_take_what_is_said_to_be_taken(
    world: World, sources: list[Place], declared: str
) -> None:
    table = world.create("sqlite", declared, "STRICT")
    target, _, _ = world.read(table)
    meant: list[tuple[Any, Raw, Raw, bool]] = []
    for place in sources:
        if cannot_compare(Kind(place.column.kind), Kind(target.kind)):
            continue
        rule = rule_for(Kind(place.column.kind), Kind(target.kind))
        written = write_column(
            rule, place.values, "local", target, "sqlite", source=place.column, strict=True
        )
        lossy = {problem.row for problem in written.problems}
        originals = to_python(place.values)
        meant += [(rule, originals[row], value, row in lossy) for row, value in lines(written)]
    world.insert(table, [(number, line[2]) for number, line in enumerate(meant)])
    _, _, back = world.read(table)
    for (rule, original, value, lossy), found in zip(meant, to_python(back), strict=True):
        assert as_bound(found) == as_bound(value)
        assert (judge(rule, original, found) is Answer.SAME) != lossy


BERLIN, UTC = "Europe/Berlin", "UTC"
OLD, NEW = "2026-03-01 05:00:00+00", "2026-03-02 06:07:08+00"
# source column, value, target column, value before, zone of the target, what is written
FORMS = {
    "one is true": (("sqlite", "BOOLEAN"), 1, ("postgresql", "boolean"), None, None, True),
    "a word is true": (("sqlite", "BOOLEAN"), "true", ("postgresql", "boolean"), None, None, True),
    "true is one": (("postgresql", "boolean"), True, ("sqlite", "BOOLEAN"), None, None, 1),
    "true is t where f was": (("postgresql", "boolean"), True, ("sqlite", "BOOLEAN"), "f", None, "t"),
    "false is False where True was": (("postgresql", "boolean"), False, ("sqlite", "BOOLEAN"), "True", None, "False"),
    "true as text": (("postgresql", "boolean"), True, ("sqlite", "TEXT"), None, None, "true"),
    "a float as numeric": (("sqlite", "REAL"), 0.99, ("postgresql", "numeric"), None, None, "0.99"),
    "numeric as a float": (("postgresql", "numeric"), "0.990", ("sqlite", "REAL"), None, None, 0.99),
    "numeric as an integer": (("postgresql", "numeric"), "12345678901234567", ("sqlite", "NUMERIC"), None, None, 12345678901234567),
    "numeric with its scale": (("sqlite", "REAL"), 1.5, ("postgresql", "numeric(6,2)"), None, None, "1.50"),
    "numeric as text": (("postgresql", "numeric"), "0.990", ("sqlite", "TEXT"), None, None, "0.990"),
    "float4 by its shortest decimal": (("postgresql", "real"), 0.10000000149011612, ("sqlite", "REAL"), None, None, 0.1),
    "Z as timestamptz": (("sqlite", "DATETIME"), "2026-03-01T05:00:00Z", ("postgresql", "timestamptz"), None, None, OLD),
    "like T and Z": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01T05:00:00Z", None, "2026-03-02T06:07:08Z"),
    "like +00:00": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01T05:00:00+00:00", None, "2026-03-02T06:07:08+00:00"),
    "like +0530": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01 05:00:00+0530", None, "2026-03-02 06:07:08+0000"),
    "like no zone, declared": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01 05:00:00", BERLIN, "2026-03-02 07:07:08"),
    "like no zone, undeclared": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01 05:00:00", None, "2026-03-02 06:07:08+00:00"),
    "like milliseconds": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01T05:00:00.123Z", None, "2026-03-02T06:07:08.000Z"),
    "more digits than before": (("postgresql", "timestamptz"), "2026-03-02 06:07:08.1234+00", ("sqlite", "DATETIME"), "2026-03-01 05:00:00.1Z", None, "2026-03-02 06:07:08.1234Z"),
    "like minutes": (("postgresql", "timestamptz"), "2026-03-02 06:07:00+00", ("sqlite", "DATETIME"), "2026-03-01T05:00Z", None, "2026-03-02T06:07Z"),
    "seconds where minutes were": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01T05:00Z", None, "2026-03-02T06:07:08Z"),
    "a comma": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), "2026-03-01 05:00:00,5Z", None, "2026-03-02 06:07:08,0Z"),
    "no style, no zone": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), None, None, "2026-03-02 06:07:08+00:00"),
    "no style, a declared zone": (("postgresql", "timestamptz"), NEW, ("sqlite", "DATETIME"), None, BERLIN, "2026-03-02 07:07:08"),
    "the hour that came twice": (("postgresql", "timestamptz"), "2026-10-25 00:30:00+00", ("sqlite", "DATETIME"), "2026-03-01 05:00:00", BERLIN, "2026-10-25 00:30:00+00:00"),
    "a wall clock": (("postgresql", "timestamp"), "2026-03-02 06:07:08", ("sqlite", "DATETIME"), "2026-03-01T05:00:00", None, "2026-03-02T06:07:08"),
    "like text": (("postgresql", "timestamptz"), NEW, ("sqlite", "TEXT"), "2026-03-01T05:00:00Z", None, "2026-03-02T06:07:08Z"),
    "infinity": (("postgresql", "timestamptz"), "infinity", ("sqlite", "DATETIME"), "2026-03-01T05:00:00Z", None, "infinity"),
    "a date is midnight": (("sqlite", "DATE"), "2026-03-01", ("postgresql", "timestamp"), None, None, "2026-03-01 00:00:00"),
    "midnight is a date": (("sqlite", "DATETIME"), "2026-03-01T00:00:00", ("postgresql", "date"), None, None, "2026-03-01"),
    "midnight for a SQLite date": (("postgresql", "timestamp"), "2026-03-01 00:00:00", ("sqlite", "DATE"), None, None, "2026-03-01"),
    "BC": (("sqlite", "DATETIME"), "-0043-03-15 12:00:00", ("postgresql", "timestamp"), None, None, "0044-03-15 12:00:00 BC"),
    "a UUID without dashes": (("sqlite", "TEXT"), "A0EEBC999C0B4EF8BB6D6BB9BD380A11", ("postgresql", "uuid"), None, None, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "16 bytes are a UUID": (("sqlite", "BLOB"), bytes(range(16)), ("postgresql", "uuid"), None, None, "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    "a UUID for a blob": (("postgresql", "uuid"), "00010203-0405-0607-0809-0a0b0c0d0e0f", ("sqlite", "BLOB"), None, None, bytes(range(16))),
    "a UUID like before": (("postgresql", "uuid"), "a0010203-0405-0607-0809-0a0b0c0d0e0f", ("sqlite", "TEXT"), "A0EEBC999C0B4EF8BB6D6BB9BD380A11", None, "A00102030405060708090A0B0C0D0E0F"),
    "bytes": (("postgresql", "bytea"), b"\0\xff", ("sqlite", "BLOB"), None, None, b"\0\xff"),
    "bytes as text": (("postgresql", "bytea"), b"\0\xff", ("sqlite", "TEXT"), None, None, "\\x00ff"),
    "text as bytes": (("sqlite", "TEXT"), "\\x00ff", ("postgresql", "bytea"), None, None, b"\0\xff"),
    "JSON as jsonb": (("sqlite", "JSON"), '{"bb":1.50,"a":[1,null]}', ("postgresql", "jsonb"), None, None, '{"a": [1, null], "bb": 1.50}'),
    "JSON as json": (("sqlite", "JSON"), '{"b":1 }', ("postgresql", "json"), None, None, '{"b":1 }'),
    "keys as jsonb orders them": (("sqlite", "JSON"), '{"aa":1,"b":2}', ("postgresql", "jsonb"), None, None, '{"b": 2, "aa": 1}'),
    "jsonb as text": (("postgresql", "jsonb"), '{"a": 1}', ("sqlite", "JSON"), None, None, '{"a": 1}'),
    "a JSON list is an array": (("sqlite", "JSON"), '["a b", null, "", "NULL"]', ("postgresql", "text[]"), None, None, '{"a b",NULL,"","NULL"}'),
    "an array is a JSON list": (("postgresql", "text[]"), '{a,"b c",NULL}', ("sqlite", "JSON"), None, None, '["a", "b c", null]'),
    "numbers in an array": (("postgresql", "integer[]"), "{{1,2},{3,NULL}}", ("sqlite", "TEXT"), None, None, "[[1, 2], [3, null]]"),
    "booleans in an array": (("postgresql", "boolean[]"), "{t,f}", ("sqlite", "TEXT"), None, None, "[true, false]"),
    "an array like before": (("postgresql", "text[]"), "{a,b}", ("sqlite", "TEXT"), "{x}", None, "{a,b}"),
    "padding": (("sqlite", "TEXT"), "ab", ("postgresql", "char(4)"), None, None, "ab  "),
    "a time": (("sqlite", "TIME"), "05:00", ("postgresql", "time"), None, None, "05:00:00"),
    "infinite": (("postgresql", "double precision"), float("inf"), ("sqlite", "REAL"), None, None, float("inf")),
}  # fmt: skip


def columns(source: Any, target: Any) -> tuple[Column, Column]:
    # The catalogue spells PostgreSQL's types out; the short names mean the same here.
    words = {"varchar": "character varying", "char": "character"}
    named = [(engine, words.get(name.partition("(")[0], name.partition("(")[0]) + "".join(name.partition("(")[1:])) for engine, name in (source, target)]  # fmt: skip
    kinds = [kind_of(*source), kind_of(*target)]
    ours, theirs = (Column("v", name, kind) for (_, name), kind in zip(named, kinds, strict=True))
    return ours, theirs


def one(value: Raw, declared: str) -> pa.Array:
    return pa.array([value], pa.float32()) if declared == "real" else from_python([value])


@pytest.mark.parametrize("side", ["local", "remote"])
@pytest.mark.parametrize(
    ("source", "value", "target", "before", "zone", "written"), FORMS.values(), ids=FORMS
)
def test_the_form_that_is_written(
    side: Side, source: Any, value: Any, target: Any, before: Any, zone: Any, written: Any
) -> None:
    ours, theirs = columns(source, target)
    zones = (None, zone) if side == "local" else (zone, None)
    kinds = [Kind(ours.kind), Kind(theirs.kind)]
    rule = rule_for(*(kinds if side == "local" else kinds[::-1]), zone_local=zones[0], zone_remote=zones[1])
    there = None if before is None else from_python([before])
    found = write_column(rule, one(value, source[1]), side, theirs, target[0], source=ours, before=there)
    assert found.problems == ()
    assert [as_bound(item) for item in to_python(found.array)] == [as_bound(written)]


NO_ZONE = 'a wall clock whose zone is not known: declare it with timezone="UTC" in connect'
# source column, value, target column, zone of the source, what becomes of it, why
PROBLEMS = {
    "smallint": (("sqlite", "INTEGER"), 40000, ("postgresql", "smallint"), None, "refused", "40000 is out of the range of smallint"),
    "integer": (("sqlite", "INTEGER"), 2**31, ("postgresql", "integer"), None, "refused", "2147483648 is out of the range of integer"),
    "bigint": (("sqlite", "REAL"), 1e20, ("postgresql", "bigint"), None, "refused", "1e+20 is out of the range of bigint"),
    "a word in INTEGER": (("sqlite", "INTEGER"), "abc", ("postgresql", "integer"), None, "refused", "'abc' is not a number"),
    "a half into an integer": (("sqlite", "REAL"), 2.5, ("postgresql", "integer"), None, "lossy", "2.5 would become 3"),
    "numeric rounds": (("sqlite", "NUMERIC"), 1.005, ("postgresql", "numeric(6,2)"), None, "lossy", "1.005 would become '1.01'"),
    "numeric overflows": (("sqlite", "NUMERIC"), 12345, ("postgresql", "numeric(6,2)"), None, "refused", "12345 is out of the range of numeric(6,2)"),
    "too many digits for a double": (("postgresql", "numeric"), "0.12345678901234567890", ("sqlite", "NUMERIC"), None, "lossy", "'0.12345678901234567890' would become 0.12345678901234568"),
    "NaN": (("postgresql", "double precision"), float("nan"), ("sqlite", "REAL"), None, "refused", "NaN, which SQLite would turn into NULL"),
    "numeric NaN": (("postgresql", "numeric"), "NaN", ("sqlite", "NUMERIC"), None, "refused", "NaN, which SQLite would turn into NULL"),
    "two is no boolean": (("sqlite", "BOOLEAN"), 2, ("postgresql", "boolean"), None, "refused", "2 is neither true nor false"),
    "varchar": (("sqlite", "TEXT"), "abcde", ("postgresql", "varchar(4)"), None, "refused", "5 characters into character varying(4)"),
    "NUL": (("sqlite", "TEXT"), "a\0b", ("postgresql", "text"), None, "refused", "a NUL character, which PostgreSQL's text cannot hold"),
    "not UTF-8": (("sqlite", "TEXT"), BadText(b"\xff"), ("postgresql", "text"), None, "refused", "text that is not UTF-8"),
    "a blob in TEXT": (("sqlite", "TEXT"), b"\xff", ("postgresql", "text"), None, "refused", "bytes are no text"),
    "a NUL escape": (("sqlite", "JSON"), '"\\u0000"', ("postgresql", "jsonb"), None, "refused", "the escape \\u0000, which jsonb cannot hold"),
    "half a pair": (("sqlite", "JSON"), '"\\ud800"', ("postgresql", "jsonb"), None, "refused", "half of a surrogate pair, which jsonb cannot hold"),
    "no JSON": (("sqlite", "JSON"), "{'a': 1}", ("postgresql", "json"), None, "refused", '"{\'a\': 1}" is not JSON'),
    "no UUID": (("sqlite", "TEXT"), "a0ee", ("postgresql", "uuid"), None, "refused", "'a0ee' is not a UUID"),
    "no bytes": (("sqlite", "BLOB"), "text", ("postgresql", "bytea"), None, "refused", "'text' is not bytes"),
    "no date": (("sqlite", "DATE"), "2013-02-30", ("postgresql", "date"), None, "refused", "'2013-02-30' is no date or stamp"),
    "a number as a stamp": (("sqlite", "DATETIME"), 1700000000, ("postgresql", "timestamp"), None, "refused", "1700000000 has no unit: seconds, milliseconds or days?"),
    "a time of day into a date": (("sqlite", "DATETIME"), "2026-03-01 05:00", ("postgresql", "date"), None, "lossy", "'2026-03-01 05:00' would become '2026-03-01'"),
    "seven digits": (("sqlite", "DATETIME"), "2026-03-01 05:00:00.1234567", ("postgresql", "timestamp"), None, "lossy", "'2026-03-01 05:00:00.1234567' would become '2026-03-01 05:00:00.123457'"),
    "no zone": (("sqlite", "DATETIME"), "2026-03-01 05:00:00", ("postgresql", "timestamptz"), None, "refused", NO_ZONE),
    "the hour that came twice": (("sqlite", "DATETIME"), "2026-10-25 02:30:00", ("postgresql", "timestamptz"), BERLIN, "refused", "the clock of Europe/Berlin showed this hour twice or never"),
    "a moment for a wall clock": (("sqlite", "DATETIME"), "2026-03-01T05:00:00Z", ("postgresql", "timestamp"), None, "refused", 'a moment into a column without a zone: declare it with timezone="UTC" in connect'),
    "far away": (("sqlite", "DATETIME"), "294277-01-01 00:00:00", ("postgresql", "timestamp"), None, "refused", "outside the years that PostgreSQL has"),
    "an uneven array": (("sqlite", "JSON"), "[[1], [2, 3]]", ("postgresql", "integer[]"), None, "refused", "an array whose parts are not of one size"),
    "a word in an array of integers": (("sqlite", "JSON"), '["a"]', ("postgresql", "integer[]"), None, "refused", "'a' is not a number"),
    "a number among texts of a STRING column": (("postgresql", "text"), "007", ("sqlite", "STRING"), None, "lossy", "'007' would become 7"),
}  # fmt: skip


@pytest.mark.parametrize("side", ["local", "remote"])
@pytest.mark.parametrize(
    ("source", "value", "target", "zone", "what", "why"), PROBLEMS.values(), ids=PROBLEMS
)
def test_what_cannot_be_written_says_why(
    side: Side, source: Any, value: Any, target: Any, zone: Any, what: Any, why: Any
) -> None:
    ours, theirs = columns(source, target)
    zones = (zone, None) if side == "local" else (None, zone)
    kinds = [Kind(ours.kind), Kind(theirs.kind)]
    rule = rule_for(*(kinds if side == "local" else kinds[::-1]), zone_local=zones[0], zone_remote=zones[1])
    found = write_column(rule, one(value, source[1]), side, theirs, target[0], source=ours)
    assert [(problem.row, problem.what, problem.why) for problem in found.problems] == [(0, what, why)]
    assert (to_python(found.array) == [None]) == (what == "refused")


def test_a_sample_decides_the_form_of_new_rows() -> None:
    rule = rule_for(Kind.TIMESTAMPTZ, Kind.TIMESTAMP)
    sample = from_python(
        ["2026-01-01 05:00:00", None, "2026-01-01T05:00:00.000Z", "2026-01-02T05:00:00.500Z", 7, "?"]
    )
    target = Column("v", "DATETIME", Kind.TIMESTAMP)
    values = from_python([OLD, None, NEW])
    found = write_column(rule, values, "local", target, "sqlite", sample=sample)
    assert found.array.to_pylist() == ["2026-03-01T05:00:00.000Z", None, "2026-03-02T06:07:08.000Z"]
    mixed = write_column(
        rule,
        values,
        "local",
        target,
        "sqlite",
        before=from_python(["2026-01-01T05:00Z", None, None]),
        sample=sample,
    )
    assert mixed.array.to_pylist() == ["2026-03-01T05:00Z", None, "2026-03-02T06:07:08.000Z"]


AS_IT_IS = {
    "integers into integer": (Kind.INTEGER, [1, None, -5], "integer", Kind.INTEGER, "postgresql"),
    "doubles": (Kind.FLOAT, [0.5, None], "double precision", Kind.FLOAT, "postgresql"),
    "text": (Kind.TEXT, ["a", None], "text", Kind.TEXT, "postgresql"),
    "bytes": (Kind.BYTES, [b"\0", None], "bytea", Kind.BYTES, "postgresql"),
    "numeric": (Kind.NUMERIC, ["1.50", None, "-7"], "numeric", Kind.NUMERIC, "postgresql"),
    "integers into INTEGER": (Kind.INTEGER, [1, None], "INTEGER", Kind.INTEGER, "sqlite"),
    "doubles into REAL": (Kind.FLOAT, [0.5, None], "REAL", Kind.FLOAT, "sqlite"),
    "text into TEXT": (Kind.TEXT, ["a", "\0", None], "TEXT", Kind.TEXT, "sqlite"),
    "bytes into BLOB": (Kind.BYTES, [b"\0", None], "BLOB", Kind.BYTES, "sqlite"),
}


@pytest.mark.parametrize(("kind", "values", "declared", "into", "dialect"), AS_IT_IS.values(), ids=AS_IT_IS)
def test_a_column_that_fits_is_not_copied(
    kind: Kind, values: Any, declared: str, into: Kind, dialect: str
) -> None:
    array = from_python(values)
    assert (
        write_column(rule_for(kind, into), array, "local", Column("v", declared, into), dialect).array
        is array
    )


@given(st.integers(-(4713 + 1970) * 366 * DAY, 292_000 * 365 * DAY), st.sampled_from(["", "7", "001"]))
def test_every_stamp_is_read_as_it_was_written(micros: int, digits: str) -> None:
    stamp = Stamp(micros, digits)
    text = stamp_text(stamp, POSTGRES_WALL)
    assert parse_stamp(text) == stamp
    assert style_of(text) is not None
    assert parse_stamp(stamp_text(stamp, POSTGRES_INSTANT)) == Stamp(micros, digits, 0)


@given(
    st.builds(
        Style,
        gap=st.sampled_from("T "),
        seconds=st.just(True),
        mark=st.sampled_from(".,"),
        digits=st.integers(1, 6),
        zone=st.sampled_from(["", "Z", "+00", "+00:00", "+0000", " UTC", " +00"]),
    )
)
def test_a_style_is_found_again_in_its_own_text(style: Style) -> None:
    text = stamp_text(Stamp(DAY // 2), style)
    assert style_of(text) == style
    assert re.fullmatch(style_pattern(style).replace(r"\A", "").replace(r"\z", ""), text)


def test_nothing_but_null_needs_no_rule() -> None:
    target = Column("v", "integer", Kind.INTEGER)
    found = write_column(rule_for(Kind.TEXT, Kind.INTEGER), pa.nulls(3), "remote", target, "postgresql")
    assert (found.array.type, found.array.to_pylist(), found.problems) == (pa.int64(), [None] * 3, ())
