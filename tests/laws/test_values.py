"""Each rule says twice when two cells are the same: for one cell and for a column. Here they are held together."""

from itertools import combinations_with_replacement, product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncnb.values.columns import compare
from syncnb.values.kinds import Kind
from syncnb.values.pairing import cannot_compare, rule_for
from syncnb.values.raw import BadText, concat, from_python, to_python
from syncnb.values.rules import Answer, judge
from tests.thinning import some

NASTY = [
    None, 0, 1, -1, 3, 2**53, 2**53 + 1, -(2**63), 2**63 - 1,
    0.0, -0.0, 1.0, 3.0, 0.1 + 0.2, 0.3, 1e-7, 1e20, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 9007199254740992.0,
    "", " ", "0", "1", "3", "3.0", "3.00", ".71", "0.71", "-0.00", "1e-7", "0.0000001", "1e400", "NaN", "nan", "Infinity", "007",
    "100000000000000000000", "12345678901234567890123456789012345678", "0.30000000000000004", "0.3", "1_000", "٣",
    "t", "true", "TRUE", "f", "no", "NULL", "<null>", "∅", "a", "A", "a ", "é", "e\u0301", "a|b", "ß", "\x00",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
    "2013-01-01", "2013-01-01 00:00:00", "2013-01-01T05:00:00Z", "2013-01-01 10:30:00+05:30", "2013-01-01 05:00:00+00",
    "2013-01-01 05:00", "2013-01-01 04:59:59.9999999", "2013-01-01 24:00:00", "2013-02-30", "0044-03-15 BC", "infinity",
    "12013-01-01", "20130101", "2026-03-29 02:30:00", "2026-10-25 02:30:00", "05:00", "05:00:00", "05:00:00+00",
    '{"a": 1, "b": [1.0, null]}', '{"b":[1,null],"a":1.0}', "{}", "[]", "{a,b}", '["a", "b"]', "{NULL}", '{"NULL"}', "[1,",
    b"", b"\x00", b"a", b"\x01\x02", "\\x0102", "\\x", b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11",
    BadText(b"\xff"), True, False,
]  # fmt: skip

KINDS = [pair for pair in combinations_with_replacement(Kind, 2) if cannot_compare(*pair) is None]
ZONES = [(None, None), ("UTC", None), ("UTC", "Europe/Berlin")]

numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(), st.decimals(allow_nan=False).map(str))
stamps = st.builds(
    lambda at, gap, zone: at.isoformat(gap) + zone,
    st.datetimes(),
    st.sampled_from("T "),
    st.sampled_from(["", "Z", "+00", "+05:30", "-0800"]),
)
raw = st.one_of(st.sampled_from(NASTY), numbers, stamps, st.text(max_size=5), st.binary(max_size=4))


STAMPS = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: f"{kinds[0]}-{kinds[1]}")
def test_a_column_answers_as_its_cells_do(kinds: tuple[Kind, Kind]) -> None:
    for zone_local, zone_remote in ZONES if STAMPS & {*kinds} else ZONES[:1]:
        rule = rule_for(*kinds, zone_local=zone_local, zone_remote=zone_remote)
        for alike in (str, int, float, bytes):
            pool = [None, *(value for value in NASTY if type(value) is alike)]
            pairs = some(list(product(pool, pool)), 800, seed=kinds)
            hold_together(rule, [a for a, _ in pairs], [b for _, b in pairs])
        mixed = Random(str(kinds)).sample(list(product(NASTY, NASTY)), 500)
        hold_together(rule, [a for a, _ in mixed], [b for _, b in mixed])


def hold_together(rule: Any, local: list[Any], remote: list[Any]) -> None:
    left, right = from_python(local), from_python(remote)
    local, remote = to_python(left), to_python(right)  # a boolean among others is an integer in there
    answers = [judge(rule, a, b) for a, b in zip(local, remote, strict=True)]
    cells = compare(rule, left, right)
    differs = [answer is Answer.DIFFERENT for answer in answers]
    unknown = [answer is Answer.UNKNOWN for answer in answers]
    wrong = [
        (a, b, answer)
        for a, b, answer, d, u in zip(local, remote, answers, cells.differs, cells.unknown, strict=True)
        if d != (answer is Answer.DIFFERENT) or u != (answer is Answer.UNKNOWN)
    ]
    assert not wrong, f"{rule}: {wrong[:3]}"
    assert (cells.differs.tolist(), cells.unknown.tolist()) == (differs, unknown)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS), st.sampled_from(ZONES), st.lists(st.tuples(raw, raw), min_size=70, max_size=90)
)
def test_a_drawn_column_answers_as_its_cells_do(kinds: Any, zones: Any, pairs: Any) -> None:
    rule = rule_for(*kinds, zone_local=zones[0], zone_remote=zones[1])
    for shape in (lambda pair: True, lambda pair: type(pair[0]) is type(pair[1])):
        chosen = [pair for pair in pairs if shape(pair)]
        hold_together(rule, [a for a, _ in chosen], [b for _, b in chosen])


@given(st.sampled_from(KINDS), raw, raw)
def test_same_value_means_same_canonical_form(kinds: Any, local: Any, remote: Any) -> None:
    rule = rule_for(*kinds)
    answer = judge(rule, local, remote)
    tokens = (rule.token(local, "local"), rule.token(remote, "remote"))
    if answer is not Answer.UNKNOWN:
        assert (answer is Answer.SAME) == (tokens[0] == tokens[1])


@given(st.sampled_from(KINDS), raw, raw)
def test_sides_are_alike(kinds: Any, local: Any, remote: Any) -> None:
    assert judge(rule_for(*kinds), local, remote) is judge(rule_for(kinds[1], kinds[0]), remote, local)


@given(st.sampled_from(list(Kind)), raw)
def test_a_value_is_itself(kind: Kind, value: Any) -> None:
    assert judge(rule_for(kind, kind), value, value) is Answer.SAME


@given(st.lists(raw, max_size=20))
def test_raw_columns_give_back_what_they_were_given(values: list[Any]) -> None:
    back = to_python(from_python(values))
    assert list(map(shape, back)) == list(map(shape, values))
    halves = concat([from_python(values[:7]), from_python(values[7:])])
    assert list(map(shape, to_python(halves))) == list(map(shape, values))


def shape(value: Any) -> Any:
    """A value with its class, NaN made comparable; a boolean among other classes is the integer it is in SQLite."""
    if isinstance(value, bool):
        value = int(value)
    return (type(value).__name__, repr(value))
