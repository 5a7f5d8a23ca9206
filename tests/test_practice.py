"""The practice list: values and keys over which other tools stumble, on every pair of engines."""

from dataclasses import dataclass, field
from typing import Any

import pytest

import syncnb as sn
from tests.databases import ENGINES, Workbench, rows

T = tuple[str, str]
"""The type in SQLite and in PostgreSQL."""


@dataclass(frozen=True)
class Values:
    """One column, row by row: how each side writes it, and whether it is the same value."""

    types: tuple[T, T]
    """Left and right: (SQLite type, PostgreSQL type)."""
    pairs: list[tuple[str, str, bool]]
    """SQL of the left value, of the right one, same or not."""
    engines: set[str] = field(default_factory=lambda: set(ENGINES))
    timezone: str | None = None


def same(*types: T) -> tuple[T, T]:
    return (types[0], types[-1])


FLOAT = ("REAL", "double precision")
TEXT = ("TEXT", "text")
NUMERIC = ("NUMERIC", "numeric")
STAMPTZ = ("TIMESTAMPTZ", "timestamptz")
PG_PG = {"PostgreSQL, PostgreSQL"}
LITE_PG = {"SQLite, PostgreSQL"}

VALUES = {
    "floats": Values(
        same(FLOAT),
        [
            ("0.1 + 0.2", "0.1 + 0.2", True), ("0.30000000000000004", "0.3", False), ("1e-7", "0.0000001", True),
            ("1e20", "100000000000000000000", True), ("-0.0", "0.0", True), ("3", "3.0", True),
        ],
        engines={"SQLite, SQLite"},
    ),
    "floats of PostgreSQL": Values(
        same(FLOAT),
        [
            ("0.1::float8 + 0.2::float8", "'0.30000000000000004'", True), ("'0.30000000000000004'", "0.3", False),
            ("'NaN'", "'NaN'", True), ("'NaN'", "0", False), ("'Infinity'", "'-Infinity'", False), ("-0.0", "0.0", True),
            ("1e-7", "0.0000001", True), ("5e-324", "5e-324", True), ("1e308", "1e308", True),
        ],
        engines=PG_PG,
    ),
    "floats of two engines": Values(
        same(FLOAT),
        [("0.1", "0.1", True), ("1e-7", "0.0000001", True), ("1e20", "1e20", True), ("1.5", "1.25", False)],
    ),
    "real against float4": Values(
        (("REAL", "double precision"), ("REAL", "real")),
        [("0.15", "0.15", True), ("0.1", "0.1", True), ("0.1", "0.10001", False)],
        engines=LITE_PG,
    ),
    "numbers by value": Values(
        same(NUMERIC), [("3", "3.00", True), ("3.0", "3.00", True), (".71", "0.71", True), ("0.00", "0", True), ("-0.19", "-0.190", True), ("1.01", "1.010001", False)]
    ),
    "decimals of 38 digits": Values(
        same(NUMERIC),
        [
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678", True),
            ("12345678901234567890123456789012345678", "12345678901234567890123456789012345679", False),
            ("0.1000000000000000000000000000000000001", "0.1", False),
        ],
        engines=PG_PG,
    ),
    "decimals as text": Values(
        (("TEXT", "text"), ("TEXT", "numeric")),
        [("'12345678901234567890.123456789'", "12345678901234567890.123456789", True), ("'3.00'", "3", True), ("'.71'", "0.71", True), ("'abc'", "3", False)],
        engines=LITE_PG | PG_PG,
    ),
    "integers beyond a double": Values(
        same(("INTEGER", "bigint")),
        [("9007199254740993", "9007199254740993", True), ("9007199254740993", "9007199254740992", False), ("9223372036854775807", "9223372036854775807", True)],
    ),
    "integers against doubles": Values(
        (("INTEGER", "bigint"), FLOAT),
        [("9007199254740993", "9007199254740992.0", False), ("3", "3.0", True), ("1152921504606846976", "1152921504606846976.0", True)],
    ),
    "NULL, empty and the word": Values(
        same(TEXT),
        [("NULL", "NULL", True), ("NULL", "''", False), ("NULL", "'NULL'", False), ("''", "'NULL'", False), ("'<null>'", "NULL", False), ("''", "''", True), ("'∅'", "NULL", False)],
    ),
    "text": Values(
        same(TEXT),
        [("'a'", "'A'", False), ("'a '", "'a'", False), ("'é'", "'e\u0301'", False), ("'ß'", "'ss'", False), ("'a\nb'", "'a\r\nb'", False), ("'0'", "'0.0'", False), ("'1'", "'true'", False)],
    ),
    "booleans": Values(
        (("BOOLEAN", "boolean"), ("BOOLEAN", "boolean")),
        [("1", "true", True), ("0", "false", True), ("'true'", "true", True), ("'t'", "true", True), ("'f'", "true", False), ("2", "true", False), ("NULL", "false", False)],
        engines=LITE_PG,
    ),
    "UUIDs": Values(
        (("TEXT", "text"), ("TEXT", "uuid")),
        [
            ("'A0EEBC999C0B4EF8BB6D6BB9BD380A11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", True),
            ("'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", True),
            ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", False),
        ],
        engines=LITE_PG | PG_PG,
    ),
    "UUIDs as bytes": Values(
        (("BLOB", "bytea"), ("BLOB", "uuid")),
        [("x'a0eebc999c0b4ef8bb6d6bb9bd380a11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", True)],
        engines=LITE_PG,
    ),
    "stamps and zones": Values(
        (("DATETIME", "timestamptz"), STAMPTZ),
        [
            ("'2013-01-01T05:00:00Z'", "'2013-01-01 05:00:00+00'", True),
            ("'2013-01-01 10:30:00+05:30'", "'2013-01-01 05:00:00+00'", True),
            ("'2013-01-01T05:00:00+01:00'", "'2013-01-01 05:00:00+00'", False),
            ("'2013-01-01 23:59:59.999999+00'", "'2013-01-02 00:00:00+00'", False),
            ("'2013-01-01 05:00:00.500+00:00'", "'2013-01-01 05:00:00.5+00'", True),
        ],
    ),
    "wall clocks with a declared zone": Values(
        (("DATETIME", "timestamp"), STAMPTZ),
        [("'2013-01-01 06:00:00'", "'2013-01-01 05:00:00+00'", True), ("'2013-07-01 07:00:00'", "'2013-07-01 05:00:00+00'", True), ("'2013-07-01 06:00:00'", "'2013-07-01 05:00:00+00'", False)],
        engines=LITE_PG,
        timezone="Europe/Berlin",
    ),
    "more digits than PostgreSQL keeps": Values(
        (("DATETIME", "timestamp"), ("DATETIME", "timestamp")),
        [("'2013-01-01 23:59:59.9999999'", "'2013-01-01 23:59:59.9999999'", False), ("'2013-01-01 12:00:00.1234560'", "'2013-01-01 12:00:00.123456'", True)],
        engines=LITE_PG,
    ),
    "dates against stamps": Values(
        (("DATETIME", "timestamp"), ("DATE", "date")),
        [("'1996-07-04 00:00:00.000'", "'1996-07-04'", True), ("'1996-07-04 00:00:01'", "'1996-07-04'", False)],
    ),
    "stamps no datetime can hold": Values(
        same(("TEXT", "timestamptz")),
        [("'infinity'", "'infinity'", True), ("'infinity'", "'-infinity'", False), ("'0044-03-15 12:00:00+00 BC'", "'0044-03-15 12:00:00+00 BC'", True), ("'12345-01-01 00:00:00+00'", "'12345-01-01 00:00:01+00'", False)],
        engines=PG_PG,
    ),
    "JSON by meaning": Values(
        (("TEXT", "json"), ("TEXT", "jsonb")),
        [
            ("'{\"a\": 1, \"b\": [1.0, null]}'", "'{\"b\":[1,null],\"a\":1.0}'", True),
            ("'{\"a\": 1}'", "'{\"a\": \"1\"}'", False), ("'[1,2]'", "'[2,1]'", False), ("'{}'", "'null'", False),
        ],
        engines=LITE_PG | PG_PG,
    ),
    "bytes": Values(
        same(("BLOB", "bytea")),
        [("x'00'", "x'00'", True), ("x''", "NULL", False), ("x'00ff00'", "x'00ff'", False), ("zeroblob(1500000)", "zeroblob(1500000)", True), ("zeroblob(1500000)", "zeroblob(1500001)", False)],
        engines={"SQLite, SQLite"},
    ),
    "bytes of two engines": Values(
        same(("BLOB", "bytea")),
        [("x'00'", "'\\x00'", True), ("x''", "''", True), ("x''", "NULL", False), ("zeroblob(1500000)", "decode(repeat('00', 1500000), 'hex')", True), ("x'00ff'", "'\\x00fe'", False)],
        engines=LITE_PG,
    ),
    "padded char": Values(
        (("TEXT", "varchar(5)"), ("TEXT", "char(5)")), [("'ab'", "'ab'", True), ("'ab'", "'ac'", False)], engines=LITE_PG | PG_PG
    ),
    "arrays": Values(
        (("TEXT", "text[]"), ("TEXT", "text[]")), [("'[\"a\", \"b c\"]'", "'{a,\"b c\"}'", True), ("'{a,NULL}'", "'{a,\"NULL\"}'", False)], engines=LITE_PG
    ),
    "times of day": Values(same(("TIME", "time")), [("'05:00'", "'05:00:00'", True), ("'05:00:00.5'", "'05:00'", False)]),
    "nothing declared": Values(
        same(("", "text")), [("1", "1.0", True), ("1", "'1'", False), ("'1'", "x'31'", False), ("NULL", "0", False)], engines={"SQLite, SQLite"}
    ),
}  # fmt: skip

CASES = [
    pytest.param(values, ENGINES[engines], id=f"{name}, {engines}")
    for name, values in VALUES.items()
    for engines in sorted(values.engines)
]


def build(bench: Workbench, engines: tuple[str, str], values: Values) -> tuple[sn.Store, sn.Store]:
    stores = []
    for at, engine in enumerate(engines):
        kind = values.types[at][engine == "postgresql"]
        literals = [f"{row}, {pair[at]}" for row, pair in enumerate(values.pairs)]
        zone = values.timezone if at == 0 else None
        stores.append(
            bench.make(
                engine,
                f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {kind})",
                *rows("t", literals),
                timezone=zone,
            )
        )
    return stores[0], stores[1]


@pytest.mark.parametrize(("values", "engines"), CASES)
def test_values(bench: Workbench, values: Values, engines: tuple[str, str]) -> None:
    d = sn.diff(*build(bench, engines, values))["t"]
    differing = {row for row, pair in enumerate(values.pairs) if not pair[2]}
    assert set(d.rows["id"]) == differing
    assert d.counts.same == len(values.pairs) - len(differing)
    assert not d.uncompared
    for row in range(len(values.pairs)):
        assert d.explain(row, "v").same == (row not in differing)


@pytest.mark.parametrize(("values", "engines"), CASES)
def test_values_the_other_way_round(bench: Workbench, values: Values, engines: tuple[str, str]) -> None:
    left, right = build(bench, engines, values)
    here, there = sn.diff(left, right)["t"], sn.diff(right, left)["t"]
    assert here.counts == there.counts
    assert here.cells["local"].equals(there.cells["remote"])
    assert here.cells["remote"].equals(there.cells["local"])


@pytest.mark.parametrize(("values", "engines"), CASES)
def test_values_against_themselves(bench: Workbench, values: Values, engines: tuple[str, str]) -> None:
    for store in build(bench, engines, values):
        assert sn.diff(store, store).verdict == "equal"


KEYS: dict[str, dict[str, Any]] = {
    "minus, underscore, case, umlaut, blank": {
        "types": (TEXT, TEXT),
        "left": ["'a-b'", "'a_b'", "'A'", "'a'", "'ä'", "'z'", "'a '", "''", "'Ω'", "'😀'", "'ﬀ'"],
        "right": ["'a-b'", "'a_b'", "'A'", "'a'", "'ä'", "'z'", "'Ω'", "'x'", "'😀'", "'ﬀ'"],
        "only": ({"''", "'a '"}, {"'x'"}),
    },
    "MD5 in a text key": {
        "types": (TEXT, TEXT),
        "left": ["'d41d8cd98f00b204e9800998ecf8427e'", "'D41D8CD98F00B204E9800998ECF8427E'"],
        "right": ["'d41d8cd98f00b204e9800998ecf8427e'"],
        "only": ({"'D41D8CD98F00B204E9800998ECF8427E'"}, set()),
    },
    "numbers as text": {
        "types": (("TEXT", "text"), ("INTEGER", "bigint")),
        "left": ["'9'", "'10'", "'100'", "'-1'"],
        "right": ["9", "10", "100", "7"],
        "only": ({"'-1'"}, {"7"}),
    },
    "UUID in two cases": {
        "types": (("TEXT", "text"), ("TEXT", "uuid")),
        "left": ["'B0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'c0eebc999c0b4ef8bb6d6bb9bd380a11'"],
        "right": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
        "only": (set(), set()),
        "engines": LITE_PG | PG_PG,
    },
    "dates in two formats": {
        "types": (("TEXT", "text"), ("DATE", "date")),
        "left": ["'20130102'", "'2013-01-01'", "'2013-1-3'", "'2013-01-04 00:00:00'"],
        "right": ["'2013-01-01'", "'2013-01-02'", "'2013-01-03'", "'2013-01-04'", "'2013-01-05'"],
        "only": (set(), {"'2013-01-05'"}),
        "engines": LITE_PG | PG_PG,
    },
    "numeric": {
        "types": (NUMERIC, NUMERIC),
        "left": ["1.50", "10", "9", "-3"],
        "right": ["1.5", "10.0", "9", "4"],
        "only": ({"-3"}, {"4"}),
    },
    "sparse": {
        "types": (("INTEGER", "bigint"), ("INTEGER", "bigint")),
        "left": [*map(str, range(1, 11)), "1000000000000"],
        "right": [*map(str, range(5, 15)), "1000000000000", "2000000000000"],
        "only": ({"1", "2", "3", "4"}, {"11", "12", "13", "14", "2000000000000"}),
    },
    "one side empty": {"types": (TEXT, TEXT), "left": ["'a'", "'b'"], "right": [], "only": ({"'a'", "'b'"}, set())},
    "both empty": {"types": (TEXT, TEXT), "left": [], "right": [], "only": (set(), set())},
    "booleans": {
        "types": (("BOOLEAN", "boolean"), ("BOOLEAN", "boolean")),
        "left": ["1"], "right": ["true", "false"], "only": (set(), {"false"}), "engines": LITE_PG,
    },
    "blobs": {
        "types": (("BLOB", "bytea"), ("BLOB", "bytea")),
        "left": ["x'ff'", "x'00'", "x'0001'"], "right": ["'\\xff'", "'\\x0001'"], "only": ({"x'00'"}, set()), "engines": LITE_PG,
    },
    "mixed types in one column": {
        "types": (("", "text"), ("", "text")),
        "left": ["1", "'1'", "x'31'", "1.5"], "right": ["1.0", "'1'", "x'31'", "2.5"],
        "only": ({"1.5"}, {"2.5"}), "engines": {"SQLite, SQLite"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_keys(bench: Workbench, name: str) -> None:
    case = KEYS[name]
    for engines in case.get("engines", ENGINES):
        stores = []
        for at, engine in enumerate(ENGINES[engines]):
            kind = case["types"][at][engine == "postgresql"]
            literals = [f"{key}, 'same'" for key in case[("left", "right")[at]]]
            stores.append(
                bench.make(engine, f"CREATE TABLE t (k {kind} PRIMARY KEY, v TEXT)", *rows("t", literals))
            )
        d = sn.diff(*stores)["t"]
        common = len(case["left"]) - len(case["only"][0])
        counts = d.counts
        assert (counts.same, counts.changed) == (common, 0), engines
        assert (counts.only_local, counts.only_remote) == tuple(map(len, case["only"])), engines
        assert not d.uncompared, engines
