"""Stamps from text, with PostgreSQL as oracle: what both read is the same moment; what it writes is read exactly."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncnb import embedded
from syncnb.values.moments import INSTANT, NAIVE
from syncnb.values.stamp_text import POSTGRES_INSTANT, POSTGRES_WALL, on_the_wall, stamp_text
from syncnb.values.stamps import Stamp, local_to_instant, parse_clock, parse_stamp
from tests.fuzz.corpus import STAMPS
from tests.fuzz.drawing import drawn

FUNCTIONS = """
CREATE FUNCTION pg_temp.micros(t timestamp) RETURNS numeric LANGUAGE sql AS $$
    SELECT (t::date - date '1970-01-01') * 86400000000::numeric + extract(epoch FROM t::time) * 1000000 $$;
CREATE FUNCTION pg_temp.moment(m bigint) RETURNS timestamp LANGUAGE sql AS $$
    SELECT timestamp 'epoch' + (m / 86400000000)::int * interval '1 day' + (m % 86400000000) * interval '1 microsecond' $$;
CREATE FUNCTION pg_temp.stamp(t text) RETURNS numeric[] LANGUAGE plpgsql AS $$
    BEGIN RETURN ARRAY[pg_temp.micros(t::timestamp), pg_temp.micros(t::timestamptz AT TIME ZONE 'UTC')];
    EXCEPTION WHEN others THEN RETURN NULL; END $$;
CREATE FUNCTION pg_temp.clock(t text) RETURNS numeric LANGUAGE plpgsql AS $$
    BEGIN RETURN extract(epoch FROM t::time) * 1000000; EXCEPTION WHEN others THEN RETURN NULL; END $$;
"""
WRITTEN = "SELECT (pg_temp.moment(m) AT TIME ZONE 'UTC')::text FROM unnest(%s::bigint[]) m"
ON_THE_WALL = """
    SELECT m, pg_temp.micros(wall), pg_temp.micros(at AT TIME ZONE 'UTC'), at AT TIME ZONE %(zone)s <> wall OR EXISTS (
        SELECT FROM unnest('{-120,-60,-30,30,60,120}'::int[]) d WHERE (at + d * interval '1 minute') AT TIME ZONE %(zone)s = wall)
    FROM unnest(%(moments)s::bigint[]) m, pg_temp.moment(m) AS wall, LATERAL (SELECT wall AT TIME ZONE %(zone)s AS at) AS x
"""
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Monrovia", "Pacific/Apia", "America/St_Johns", "UTC")  # fmt: skip
YEAR = 31_556_952_000_000

OURS = (
    r".*,\d",
    r"[+-]",
    r"0000",
    r"\d{8}[ T]\d{6}",
    r"0\d{4,5}-",
    r".*[+-](1[6-9]|2\d)",
    r".*:60[.,]9{6}",
    r".*-\d+[ Tt]\d\d(?![:\d])",
    r".*\d ?[+-]\d\d:?\d\d:?\d\d",
)
"""What is read here and refused there: a comma before the fraction, a sign, year 0, a sixth digit, zones from 16 hours;
the end of a leap second; an hour alone; all without marks; seconds of a zone."""


@pytest.fixture(scope="module")
def oracle(pg_server: embedded.Server) -> Iterator[Any]:
    with psycopg.connect(pg_server.url(), autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(FUNCTIONS)
        yield connection


def joined(*parts: "st.SearchStrategy[str] | str") -> "st.SearchStrategy[str]":
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts)).map("".join)


def some(*texts: str) -> "st.SearchStrategy[str]":
    return st.sampled_from(texts)


two = st.one_of(st.integers(0, 31).map("{:02}".format), some("24", "59", "60", "61", "1", "00"))
years = st.one_of(st.integers(1, 9999).map("{:04}".format), some("0000", "10000", "294276", "294277", "-0001", "+2013", "4714", "202"))  # fmt: skip
fractions = st.one_of(st.just(""), joined(some(".", ",", ".99999", "."), st.text("0123456789", min_size=1, max_size=9)))  # fmt: skip
zones = st.one_of(some("", "", "Z", "z", "UTC", " GMT", "+5", " +02"), joined(some("+", "-"), two, some("", ":", "")), joined(some("+", "-"), two, some(":", ""), two, some("", ":15", "15")))  # fmt: skip
clocks = st.one_of(joined(two, ":", two, ":", two, fractions), joined(two, ":", two), two, some("24:00:00", "23:59:60", "23:59:59.9999995"))  # fmt: skip
dashed = st.one_of(
    joined(years, "-", two, "-", two), joined(years, some("-02-29", "-12-31", "-1-1", "-04-31"))
)
basic = joined(st.integers(1, 9999).map("{:04}".format), some("0101", "1231", "0229", "1301"), some("T", " "), two, two, two, fractions, zones)  # fmt: skip
eras = some("", "", "", " BC", " AD")
stamps = st.one_of(joined(dashed, eras), joined(dashed, some(" ", "T", "t", "  "), clocks, zones, eras), joined(basic, eras))  # fmt: skip


@drawn(5, shrink=False)
@given(st.lists(stamps, min_size=100, max_size=150))
@example(list(STAMPS))
def test_what_both_read_is_the_same_moment(oracle: Any, texts: list[str]) -> None:
    """Not read at all is safe: the value is told as odd. Another moment would be believed."""
    texts = [text for text in texts if "\0" not in text]
    for text, told in oracle.execute("SELECT t, pg_temp.stamp(t) FROM unnest(%s::text[]) t", [texts]):
        stamp = parse_stamp(text)
        for kind in (INSTANT, NAIVE):
            _same_as_in_bulk(text, stamp, kind)
        if stamp is None or stamp.infinite:
            continue
        if told is None:
            assert any(re.match(form, text) for form in OURS) or _beyond(stamp), f"only we read {text!r}"
            continue
        exact = float(f"0.{stamp.digits or 0}")
        moments = (stamp.micros, stamp.micros - (stamp.offset or 0) * 1_000_000)
        for ours, theirs in zip(moments, told, strict=True):  # it rounds to microseconds, we keep all digits
            assert abs(float(theirs - ours) - exact) <= 0.5, (text, stamp, told)


def _same_as_in_bulk(text: str, stamp: Stamp | None, kind: pa.DataType) -> None:
    """Whole columns are read by Arrow, where it can read them: as one by one."""
    try:
        [found] = pa.array([text]).cast(kind).cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:
        return
    assert stamp is not None, f"only in bulk: {text!r}"
    assert found == (stamp.instant if kind == INSTANT else stamp).micros, text


def _beyond(stamp: Stamp) -> bool:
    """Outside of what PostgreSQL holds: 4714 BC to 294276."""
    return (
        not -210_866_803_200_000_000 + 86_400_000_000
        <= stamp.micros
        < 9_224_318_016_000_000_000 - 86_400_000_000
    )


@drawn(3, shrink=False)
@given(st.lists(joined(clocks, zones), min_size=100, max_size=150))
def test_times_of_day_are_the_same_too(oracle: Any, texts: list[str]) -> None:
    for text, told in oracle.execute("SELECT t, pg_temp.clock(t) FROM unnest(%s::text[]) t", [texts]):
        clock = parse_clock(text)
        if clock is not None and told is not None:
            assert abs(float(told - clock.micros) - float(f"0.{clock.digits or 0}")) <= 0.5, (
                text,
                clock,
                told,
            )
        elif clock is not None:
            assert any(re.match(form, text) for form in OURS), f"only we read {text!r}"


@drawn(5, shrink=False)
@given(st.sampled_from(ZONES), st.lists(st.integers(-6680 * YEAR, 290_000 * YEAR), min_size=50, max_size=100))
@example(
    "Africa/Monrovia", [0, -1, 1, -62_135_596_800_000_000, -62_135_596_800_000_001, 253_402_300_800_000_000]
)
def test_what_postgresql_writes_is_read_exactly(oracle: Any, zone: str, moments: list[int]) -> None:
    oracle.execute("SELECT set_config('TimeZone', %s, false)", [zone])
    texts = [text for (text,) in oracle.execute(WRITTEN, [moments])]
    oracle.execute("SET TimeZone = 'UTC'")
    found = [parse_stamp(text) for text in texts]
    assert [stamp and stamp.instant.micros for stamp in found] == moments
    if zone == "UTC":
        assert [stamp and stamp_text(stamp.instant, POSTGRES_INSTANT) for stamp in found] == texts
    walls = [text.replace("+00", "") for text in texts] if zone == "UTC" else []
    assert [stamp_text(Stamp(m), POSTGRES_WALL) for m in moments][: len(walls)] == walls


@drawn(5, shrink=False)
@given(st.sampled_from(ZONES), st.lists(st.integers(10 * YEAR, 66 * YEAR), min_size=50, max_size=100))
@example(
    "Europe/Berlin", [1_603_592_999_999_999 + at * 1_800_000_000 for at in range(-4, 8)]
)  # two o'clock twice
@example(
    "Australia/Lord_Howe", [1_617_501_600_000_000 + at * 900_000_000 for at in range(-8, 8)]
)  # by half an hour
@example(
    "Pacific/Apia", [1_325_203_200_000_000 + at * 3_600_000_000 for at in range(-2, 27)]
)  # no 30 December 2011
def test_wall_clocks_become_the_same_instants(oracle: Any, zone: str, moments: list[int]) -> None:
    """And where a clock shows an hour twice or never, no instant is made up."""
    for m, wall, instant, doubtful in oracle.execute(ON_THE_WALL, {"zone": zone, "moments": moments}):
        found = local_to_instant(Stamp(m), zone)
        assert wall == m
        assert (found is None) == doubtful, (zone, Stamp(m).text)
        if found is not None:
            assert (found.micros, on_the_wall(found, zone)) == (instant, Stamp(m))
