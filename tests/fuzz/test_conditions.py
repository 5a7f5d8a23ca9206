"""Conditions that are drawn, under a role that may only read: the rows are those that Python means, and nothing is written."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import syncnb as sn
from syncnb import embedded
from syncnb.values.raw import to_python
from tests.fuzz.corpus import STAMPS, TEXTS
from tests.fuzz.drawing import drawn, texts

NAMES = {"n": "n", "t": 'te"xt; %s :a', "x": "select", "at": "at", "ok": "ok", "u": "u"}
"""Columns, by what they are called in this file."""
DDL = """
CREATE TABLE "t'a" (id integer PRIMARY KEY, n integer, "te""xt; %s :a" text, "select" numeric, at timestamptz, ok boolean, u uuid)
"""
NOW = "2026-01-31 12:00:00+00"
ROWS: list[tuple[Any, ...]] = [
    (at, n, text, x, moment, ok)
    for at, (n, text, x, moment, ok) in enumerate(
        zip(
            [0, 1, -1, None, 7, 2**31 - 1, -(2**31), 2] * 5,
            [*TEXTS[:39], None],
            [None, Decimal("1.50"), Decimal("-0.1"), Decimal(0), Decimal(2**53 + 1), Decimal("1e30"), Decimal("9.999")] * 6,
            [None, NOW, "2026-01-31 12:00:00.000001+00", "0001-01-01 00:00:00+00 BC", "2016-12-31 23:59:59.999999+00"] * 8,
            [True, False, None] * 14,
            strict=False,
        ),
        1,
    )
]  # fmt: skip
LOOK = """
SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_namespace),
    (SELECT count(*) FROM pg_roles), (SELECT md5(string_agg(t::text || xmin, '|' ORDER BY id)) FROM "t'a" t)
"""


@dataclass(frozen=True)
class Scene:
    """Two tables to compare: one that is empty, and one that may only be read."""

    nothing: Any
    remote: Any
    owner: Any


@pytest.fixture(scope="module")
def scene(pg_server: embedded.Server) -> Iterator[Scene]:
    url = pg_server.create("conditions")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DDL)
        with connection.cursor() as cursor:
            cursor.executemany('INSERT INTO "t\'a" VALUES (%s, %s, %s, %s, %s, %s)', ROWS)
        connection.execute("DROP ROLE IF EXISTS asks")
        connection.execute("CREATE ROLE asks LOGIN PASSWORD 'pw'")
        connection.execute('GRANT SELECT ON "t\'a" TO asks')
        remote = sn.connect(f"postgresql://asks:pw@{url.rpartition('@')[2]}")
        nothing = sn.connect({"t'a": [dict.fromkeys(["id", *NAMES.values()])]})
        yield Scene(nothing, remote, connection)
        connection.execute("DROP OWNED BY asks")
        connection.execute("DROP ROLE asks")
    pg_server.drop("conditions")


Truth = Any
"""What a row makes of a condition: true, false, or None where it cannot be told."""
OPS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}  # fmt: skip
NUMBERS = (0, 1, -1, 7, 2**31 - 1, 2**31, -(2**63), 2**63, 10**40, Decimal("1.5"), Decimal("-0.10"), Decimal("9.999"), 2**53 + 1)  # fmt: skip
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(-10, 10), st.decimals(-10, 10, places=3))
moments = st.one_of(
    st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2016-12-31T23:59:59.999999Z"]).map(datetime.fromisoformat),
    st.datetimes(timezones=st.timezones()).filter(lambda at: at.utcoffset() is not None and at.utcoffset().seconds % 60 == 0),
)  # fmt: skip


def about(name: str, values: "st.SearchStrategy[Any]", *ops: str) -> "st.SearchStrategy[Any]":
    one = st.tuples(st.just(name), st.sampled_from(ops), values)
    return st.one_of(
        one, one, st.tuples(st.just(name), st.just("isin"), st.lists(values, max_size=4)), st.just((name, "is_null", None))
    )  # fmt: skip


single = st.one_of(
    about("n", numbers, *OPS), about("x", numbers, *OPS), about("t", texts, *OPS),
    about("at", moments, *OPS), about("ok", st.booleans(), "==", "!="),
)  # fmt: skip
conditions = st.recursive(
    single,
    lambda inner: st.one_of(st.tuples(st.sampled_from("&|"), inner, inner), st.tuples(st.just("~"), inner)),
    max_leaves=6,
)


def built(drawn_: Any) -> Any:
    """The condition that is given to `where=`."""
    match drawn_:
        case ("&", left, right):
            return built(left) & built(right)
        case ("|", left, right):
            return built(left) | built(right)
        case ("~", inner):
            return ~built(inner)
        case (name, "isin", values):
            return sn.col(NAMES[name]).isin(values)
        case (name, "is_null", _):
            return sn.col(NAMES[name]).is_null()
        case (name, op, value):
            return OPS[op](sn.col(NAMES[name]), value)
    raise AssertionError(drawn_)


def meant(drawn_: Any, row: dict[str, Any]) -> Truth:
    """The same by three-valued logic in Python."""
    match drawn_:
        case ("~", inner):
            found = meant(inner, row)
            return None if found is None else not found
        case ("&" | "|" as sign, left, right):
            both = {meant(left, row), meant(right, row)}
            strong = sign == "|"
            return strong if strong in both else None if None in both else not strong
        case (name, "is_null", _):
            return row[name] is None
        case (name, "isin", values):
            return None if row[name] is None else row[name] in values
        case (name, op, value):
            return None if row[name] is None else OPS[op](row[name], value)
    raise AssertionError(drawn_)


BC = datetime.min.replace(tzinfo=datetime.fromisoformat(NOW).tzinfo)
"""Earlier than any moment that is drawn, save itself."""
READ = [
    {
        "n": n, "t": text, "x": x, "ok": ok,
        "at": None if at is None else BC if "BC" in at else datetime.fromisoformat(at),
    }
    for _, n, text, x, at, ok in ROWS
]  # fmt: skip


@drawn(40)
@given(conditions)
@example(("t", "==", "'; DROP TABLE \"t'a\"; --"))
@example(("~", ("n", "isin", [])))
@example(("n", "<", 10**40))
@example(("x", ">=", Decimal("1.5")))
@example(("t", "!=", "a\0b"))
def test_the_rows_are_those_that_are_meant_and_nothing_is_written(scene: Scene, condition: Any) -> None:
    before = scene.owner.execute(LOOK).fetchone()
    d = sn.diff(scene.nothing, scene.remote, key="id", where=built(condition), progress=False)
    assert scene.owner.execute(LOOK).fetchone() == before
    rows = d["t'a"].only_remote
    found = sorted(map(int, to_python(rows.columns[0]))) if len(rows) else []
    assert found == [at for at, row in enumerate(READ, 1) if meant(condition, row) is True]


anything = st.one_of(texts, st.sampled_from(STAMPS), st.binary(max_size=4), st.floats(), st.integers(), st.just("\ud800"))  # fmt: skip


@drawn(60)
@given(st.sampled_from(sorted(NAMES)), st.sampled_from(sorted(OPS)), anything)
@example("at", ">", "2026-01-31 12:00:00,5+00")
@example("at", ">", "0000-01-01 00:00:00+00")
@example("at", "==", "2013-01-01 05:00+16")
@example("at", "<", "999999-01-01 00:00:00Z")
@example("x", "<", 10**5000)
@example("x", "<", Decimal("1e99999999"))
@example("x", "<", "9" * 5000)
@example("u", "==", "urn:uuid:12345678-1234-5678-1234-567812345678")
@example("u", "==", "1234567812345678_234567812345678")
@example("x", "==", "１.5")
def test_any_value_is_compared_or_refused_in_one_line(scene: Scene, name: str, op: str, value: Any) -> None:
    before = scene.owner.execute(LOOK).fetchone()
    try:
        d = sn.diff(
            scene.nothing, scene.remote, key="id", where=OPS[op](sn.col(NAMES[name]), value), progress=False
        )
        assert 0 <= len(d["t'a"].only_remote) <= len(ROWS)
        repr(d)
    except sn.SchemaError as problem:
        assert problem.hint
    assert scene.owner.execute(LOOK).fetchone() == before
