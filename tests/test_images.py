"""Images of cells: those that PostgreSQL makes and those that we make, and that one image is one value."""

import struct
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncnb.schema import Column
from syncnb.stores.postgres_digests import EDGES, image_parts
from syncnb.values.hashing import text_hashes
from syncnb.values.images import AGREED, Form, agreed, imaged, joined
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import BadText, Raw, from_python
from tests.laws.test_values import NASTY

PAIRS = {
    f"{here} and {there}": (here, there, form)
    for (here, there), form in AGREED.items()
    if agreed(here, there, rule_for(here, there), both_postgres=False)
}


def images(here: Kind, there: Kind, values: list[Raw]) -> list[str]:
    form = AGREED[here, there]
    return joined(imaged(form, rule_for(here, there), from_python(values), "local", there).parts).to_pylist()


# PostgreSQL's raw values, as COPY gives them, and their images: what EDGES says a server makes of them.
COPIED: dict[Form, Any] = {
    Form.INTEGER: int,
    Form.BOOLEAN: lambda text: text == "t",
    Form.DOUBLE: lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    Form.BYTES: lambda text: bytes.fromhex(text[2:]),
}


def from_server(form: Form, image: str) -> Raw:
    """The raw value behind an image that a server made."""
    if form.has_length:
        length, _, text = image.partition(",")
        return None if length == "-1" else text
    if not image:
        return None
    return COPIED.get(form, str)(image)


@pytest.mark.parametrize(("here", "there", "form"), PAIRS.values(), ids=PAIRS)
def test_one_image_is_one_value(here: Kind, there: Kind, form: Form) -> None:
    """Whatever is in the column here: if it has the image of a value there, the rule says that it is that value."""
    rule = rule_for(here, there)
    theirs = EDGES[form, there][1].values() if (form, there) in EDGES else ["-1,", "1,1", "2,{}"]
    values = [*NASTY, *(from_server(form, image) for image in theirs), 12.5, 0.1, 100, 100.0, -0.05, 1000000]
    # One by one, and all of them in one column.
    found = [images(here, there, [value])[0] for value in values]
    met = 0
    for image in theirs:
        for value, own in [
            *zip(values, found, strict=True),
            *zip(values, images(here, there, values), strict=True),
        ]:
            if own == image:
                met += 1
                partner = from_server(form, image)
                assert rule.token(value, "local") == rule.token(partner, "remote") or (value is partner is None), (
                    value, partner, image,
                )  # fmt: skip
    assert met


@pytest.mark.parametrize(("form", "kind"), EDGES, ids=str)
def test_the_server_makes_these(pg: str, form: Form, kind: Kind) -> None:
    """As it is asked before it is believed."""
    type_, values = EDGES[form, kind]
    image = f"concat_ws(',', {', '.join(image_parts(form, Column('v', type_, kind)))})"
    with psycopg.connect(pg) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for value, wanted in values.items():
            query = f"SELECT {image} FROM (SELECT CAST(%s::text AS {type_}) AS v) AS t"
            assert connection.execute(query, [value]).fetchone() == (wanted,), value


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40), max_size=30
    )
)
def test_hashes_do_not_depend_on_their_neighbours(texts: list[str]) -> None:
    seeds = (0, 1, -5)
    together = text_hashes(pa.array(texts, pa.string()), seeds)
    for at, text in enumerate(texts):
        assert [part[at] for part in together] == [part[0] for part in text_hashes(pa.array([text]), seeds)]


def test_hashes_are_those_of_postgresql(pg: str) -> None:
    texts = ["", *("abcäß☃𝄞 0,"[n % 10] * (n // 3) + str(n) for n in range(200)), "x" * 10_000]
    seeds = [0, 1, -1, 2**63 - 1, -(2**63), 1234567890123456789]
    with psycopg.connect(pg) as connection:
        for seed, ours in zip(seeds, text_hashes(pa.array(texts).slice(1), seeds), strict=True):
            query = "SELECT array_agg(hashtextextended(v, %s) ORDER BY n) FROM unnest(%s::text[]) WITH ORDINALITY AS u (v, n)"
            assert connection.execute(query, [seed, texts[1:]]).fetchone() == (ours.tolist(),)


def test_what_is_odd_is_said() -> None:
    column = from_python(["a", None, b"a", 1, 2.5, BadText(b"\xff")])
    found = imaged(Form.TEXT, rule_for(Kind.TEXT, Kind.TEXT), column, "local", Kind.TEXT)
    assert joined(found.parts).to_pylist() == ["1,a", "-1,", "?,", "?,", "?,", "?,"]
    assert found.odd.tolist() == [False, False, True, True, True, True]


def test_kinds_without_a_form() -> None:
    zoned = rule_for(Kind.TIMESTAMP, Kind.TIMESTAMP, zone_local="UTC", zone_remote="Europe/Berlin")
    assert agreed(Kind.TIMESTAMP, Kind.TIMESTAMP, zoned, both_postgres=False) is None
    for here, there in ((Kind.FLOAT, Kind.FLOAT4), (Kind.TEXT, Kind.CHAR), (Kind.JSON, Kind.JSONB)):
        assert agreed(here, there, rule_for(here, there), both_postgres=False) is None
    assert (
        agreed(Kind.INTEGER, Kind.NUMERIC, rule_for(Kind.INTEGER, Kind.NUMERIC), both_postgres=True) is None
    )
