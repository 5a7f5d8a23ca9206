"""Cells in canonical form: equal exactly where the values are the same, whole columns as one by one."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncnb.values.binary import BytesRule, UuidRule
from syncnb.values.canonical import LONGEST, forms, joined, parted, shown
from syncnb.values.documents import ArrayRule, JsonRule
from syncnb.values.moments import StampRule
from syncnb.values.numeric import BooleanRule, Float4Rule, NumberRule
from syncnb.values.raw import BadText, Raw, from_python
from syncnb.values.rules import AnyRule, Rule, TextRule

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES: dict[Any, st.SearchStrategy[Raw]] = {
    NumberRule(): st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(width=32), st.from_regex(r"-?\d{1,9}(\.\d{1,4})?", fullmatch=True)),
    Float4Rule(): st.one_of(st.none(), st.floats(width=32), st.integers(-9, 9)),
    BooleanRule(): st.sampled_from([None, True, False, 0, 1, "t", "maybe", 7]),
    TextRule(): st.one_of(st.none(), TEXT, st.integers(0, 9)),
    TextRule(padded=True): st.one_of(st.none(), TEXT),
    AnyRule(): st.one_of(st.none(), TEXT, st.integers(0, 3), st.sampled_from([1.0, b"1", BadText(b"\xff"), "1", 1])),
    UuidRule(): st.one_of(st.none(), st.uuids().map(str), st.uuids().map(lambda u: u.hex), TEXT),
    BytesRule(): st.one_of(st.none(), st.binary(max_size=5), st.binary(max_size=5).map(lambda b: f"\\x{b.hex()}")),
    JsonRule(): st.sampled_from([None, '{"a": 1, "b": [2, null]}', '{"b":[2.0,null],"a":1}', "[]", "no json", "1", '"1"']),
    ArrayRule(): st.sampled_from([None, "{a,b}", '["a","b"]', "{}", "{NULL}", '{"NULL"}']),
    StampRule(): st.sampled_from([None, "2026-01-01", "2026-01-01 00:00:00", "2026-01-01T00:00:00.5", "infinity", "0001-01-01 BC", "x", 5, "2026-01-01 00:00:00.1234567"]),
    StampRule(instants=True, zone_local="Europe/Berlin", zone_remote="UTC"): st.sampled_from(
        [None, "2026-01-01 01:00:00", "2026-01-01 00:00:00Z", "2026-10-25 02:30:00", "infinity"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", VALUES, ids=lambda rule: repr(rule)[:60])
def test_forms_are_equal_where_values_are(rule: Rule) -> None:
    @settings(deadline=None)
    @given(st.data())
    def law(data: Any) -> None:
        values = data.draw(st.lists(VALUES[rule], min_size=1, max_size=6))
        for side in ("local", "remote"):
            whole = forms(rule, from_python(values), side).to_pylist()  # type: ignore[arg-type]
            alone = [forms(rule, from_python([value]), side)[0].as_py() for value in values]  # type: ignore[arg-type]
            assert whole == alone
            # MIXED columns go one by one: the same answer.
            odd = forms(rule, from_python([*values, b"\x00", "odd"]), side).to_pylist()[:-2]  # type: ignore[arg-type]
            assert odd == [forms(rule, from_python([_plain(value)]), side)[0].as_py() for value in values]  # type: ignore[arg-type]
            tokens = [None if value is None else rule.token(value, side) for value in values]  # type: ignore[arg-type]
            for left, here in zip(tokens, whole, strict=True):
                for right, there in zip(tokens, whole, strict=True):
                    assert (left == right) == (here == there)

    law()


def _plain(value: Raw) -> Raw:
    return int(value) if isinstance(value, bool) else value


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), TEXT.map(lambda text: f"t{text}")), min_size=2, max_size=2), min_size=1
    )
)
def test_rows_come_back(rows: list[list[str | None]]) -> None:
    columns = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
    texts = joined(columns).to_pylist()
    assert [parted(text) for text in texts] == rows
    assert not any("\x00" in text for text in texts), "no PostgreSQL text can hold it"


def test_long_values_are_digests() -> None:
    long, other = "x" * (LONGEST + 1), "x" * LONGEST + "y"
    kept = forms(TextRule(), from_python([long, other, long, "short"]), "local").to_pylist()
    assert kept[0] == kept[2] != kept[1]
    assert all(form.startswith("#") and len(form) == 33 for form in kept[:3])
    assert [shown(form) for form in kept[2:]] == [f"a long value (digest {kept[0][1:9]}…)", "short"]


SHOWN = {
    "a number": (NumberRule(), "3.50", "35e-1"),
    "a whole number": (NumberRule(), 300, "300"),
    "a stamp": (StampRule(instants=True), "2026-03-01 09:00:00.5+01:00", "2026-03-01 08:00:00.500000+00:00"),
    "a wall clock": (StampRule(), "2026-03-01 09:00", "2026-03-01 09:00:00"),
    "a truth": (BooleanRule(), 1, "true"),
    "bytes": (BytesRule(), b"hi", "\\x6869"),
}


@pytest.mark.parametrize(("rule", "value", "text"), SHOWN.values(), ids=SHOWN)
def test_a_form_can_be_read(rule: Rule, value: Raw, text: str) -> None:
    assert shown(forms(rule, from_python([value]), "local")[0].as_py()) == text
