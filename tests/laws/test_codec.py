"""What goes through the codec comes back as it was, bit for bit, and equal content is equal bytes."""

import json
import math
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncnb.errors import PlanError
from syncnb.steps.codec import canonical, decode_columns, digest, encode_columns, parse
from syncnb.steps.packing import pack, unpack
from syncnb.values.raw import MIXED, BadText, as_mixed, from_python, to_python

WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    pa.int64(): WHOLE,
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(),
    pa.binary(): st.binary(),
    pa.null(): st.none(),
}
ANY = st.one_of(WHOLE, st.floats(), st.text(), st.binary(), st.builds(BadText, st.binary()))


def columns_of(kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    values = st.lists(st.none() | VALUES[kind], max_size=8)
    return st.builds(lambda chosen: pa.array(chosen, kind), values)


plain = st.sampled_from(list(VALUES)).flatmap(columns_of)
mixed = st.builds(lambda values: as_mixed(from_python(values)), st.lists(st.none() | ANY, max_size=8))
arrays = st.lists(plain | mixed, max_size=4)


def bits(value: Any) -> Any:
    """A value by its class and bits: -0.0 is not 0.0, and a NaN is itself."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    return type(value), value


def same(left: pa.Array, right: pa.Array) -> bool:
    return left.type == right.type and list(map(bits, to_python(left))) == list(map(bits, to_python(right)))


@given(arrays)
def test_what_went_in_comes_out(columns: list[pa.Array]) -> None:
    back = decode_columns(parse(canonical(encode_columns(columns))))
    assert len(back) == len(columns)
    for column, again in zip(columns, back, strict=True):
        assert same(column, again), f"{column} became {again}"


@given(arrays)
def test_written_again_it_is_the_same_bytes(columns: list[pa.Array]) -> None:
    once = encode_columns(columns)
    again = encode_columns(decode_columns(parse(canonical(once))))
    assert canonical(once) == canonical(again)
    assert digest(once) == digest(again)


@given(arrays, st.integers(0, 3))
def test_the_bytes_depend_on_values_not_on_how_arrow_holds_them(columns: list[pa.Array], gap: int) -> None:
    sliced = [pa.concat_arrays([c.slice(0, 0), pa.nulls(gap, c.type), c]).slice(gap) for c in columns]
    chunked = [pa.chunked_array([c.slice(0, 1), c.slice(1)], c.type) for c in columns]
    expected = canonical(encode_columns(columns))
    assert canonical(encode_columns(sliced)) == expected
    assert canonical(encode_columns(chunked)) == expected


def test_what_it_looks_like() -> None:
    columns = [
        pa.array([2**53 + 1, None], pa.int64()),
        pa.array([-0.0, math.inf], pa.float64()),
        pa.array(["é", "\x00"]),
        pa.array([b"\xff", b""]),
        pa.nulls(2),
        from_python([BadText(b"\xff"), None]),
        from_python([1, "1"]),
    ]
    assert canonical(encode_columns(columns)).decode() == (
        '[{"type":"int64","values":[9007199254740993,null]},'
        '{"type":"double","values":[-0.0,"inf"]},'
        '{"type":"string","values":["é","\\u0000"]},'
        '{"type":"binary","values":["/w==",""]},'
        '{"type":"null","values":2},'
        '{"classes":"x-","type":"mixed","values":["/w==",null]},'
        '{"classes":"it","type":"mixed","values":[1,"1"]}]'
    )


BROKEN = {
    "no list": {"type": "int64", "values": [1]},
    "no column": [3],
    "an unknown type": [{"type": "date", "values": []}],
    "a fraction among integers": [{"type": "int64", "values": [1.5]}],
    "a double that is whole": [{"type": "int64", "values": [1.0]}],
    "a truth value among integers": [{"type": "int64", "values": [True]}],
    "an integer too large": [{"type": "int64", "values": [2**63]}],
    "a word among numbers": [{"type": "double", "values": ["infinity"]}],
    "no base64": [{"type": "binary", "values": ["*"]}],
    "text that is a number": [{"type": "string", "values": [1]}],
    "too few classes": [{"type": "mixed", "classes": "i", "values": [1, 2]}],
    "an unknown class": [{"type": "mixed", "classes": "q", "values": [1]}],
    "a negative count": [{"type": "null", "values": -1}],
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_what_was_tampered_with_is_refused(value: Any) -> None:
    with pytest.raises(PlanError, match="saved rows cannot be read"):
        decode_columns(value)


@pytest.mark.parametrize("text", ["", "[NaN]", '{"a":1,"a":2}', "[" * 100_000, b"\xff"], ids=range(5))
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        parse(text)


def test_a_number_that_json_does_not_have_never_gets_out() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": math.nan})
    assert json.loads(canonical({"b": 1, "a": "ü"})) == {"a": "ü", "b": 1}


def test_only_raw_types_are_written() -> None:
    with pytest.raises(TypeError, match="no raw type"):
        encode_columns([pa.array([1], pa.int32())])
    assert encode_columns([pa.array([], MIXED)]) == [{"type": "mixed", "classes": "", "values": []}]


def test_columns_are_packed_and_come_back_exactly() -> None:
    columns = [
        pa.array([1, None, -(2**63)]), pa.array([-0.0, math.nan, 5e-324]), pa.array([0.1, None, math.inf], pa.float32()),
        pa.array([True, None, False]), pa.array(["", None, "\x00ü"]), pa.array([b"", None, b"\xff"]), pa.nulls(3),
        from_python([1, "1", BadText(b"\xff")]),
    ]  # fmt: skip
    back = unpack(pack(columns))
    assert [column.type for column in back] == [column.type for column in columns]
    assert [repr(to_python(column)) for column in back] == [repr(to_python(column)) for column in columns]
    sliced = unpack(pack([column.slice(1, 1) for column in columns]))
    assert [repr(to_python(column)) for column in sliced] == [
        repr(to_python(column.slice(1, 1))) for column in columns
    ]


def test_only_raw_types_are_packed() -> None:
    with pytest.raises(TypeError, match="no raw type"):
        pack([pa.array([1], pa.int32())])


def test_packed_columns_with_a_false_offset_or_no_utf_8_are_refused() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("0", pa.string())])) as stream:
        stream.write_batch(pa.record_batch([pa.array(["abcde"])], names=["0"]))
    plain = sink.getvalue().to_pybytes()
    assert unpack(plain)[0].to_pylist() == ["abcde"]
    assert plain.count(b"\x05\x00\x00\x00abcde") == 1, "the last offset, and the text"
    for spoilt in (b"\xff\xff\xff\x0fabcde", b"\x05\x00\x00\x00ab\xffde"):
        with pytest.raises(PlanError, match="stored rows cannot be read"):
            unpack(plain.replace(b"\x05\x00\x00\x00abcde", spoilt))
