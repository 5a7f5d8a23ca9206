"""Images of cells: those that PostgreSQL makes and those that we make, and that one image is one value."""

import math
import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncnb.compiled import kernels
from syncnb.schema import Column
from syncnb.stores.postgres_images import EDGES, flags_of, image_of, row_hash
from syncnb.values import hashing
from syncnb.values.hashing import add_texts, begun
from syncnb.values.images import AGREED, FLAGS, HEXED, Form, Imaged, agreed, imaged, row_hashes
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import BadText, Raw, from_python
from tests.laws.test_values import NASTY

PAIRS = {
    f"{here} and {there}": (here, there, form)
    for (here, there), form in AGREED.items()
    if agreed(here, there, rule_for(here, there), both_postgres=False)
}


def made(here: Kind, there: Kind, values: list[Raw], form: Form | None = None) -> Imaged:
    return imaged(form or AGREED[here, there], rule_for(here, there), from_python(values), "local", there)


def images(found: Imaged) -> list[str | None]:
    """As a server writes them, None for NULL; and a sign that it never writes for what has none."""
    told = zip(found.image.tolist(), found.null.tolist(), found.odd.tolist(), strict=True)
    spelled = (lambda image: f"{image % 2**64:016x}") if found.form in HEXED else str
    return ["odd" if odd else None if null else spelled(image) for image, null, odd in told]


# PostgreSQL's raw values, as COPY gives them, and their images: what EDGES says a server makes of them.
def stamp(image: str) -> str:
    """What PostgreSQL writes of a stamp, from what it sends."""
    micros = int.from_bytes(bytes.fromhex(image), signed=True)
    if abs(micros) >= 2**63 - 1:
        return "infinity" if micros > 0 else "-infinity"
    if micros < 0 and micros // 86_400_000_000 < -730_119:
        return "0044-03-15 00:00:00 BC"
    moment = datetime(2000, 1, 1) + timedelta(microseconds=micros)
    text = moment.isoformat(" ")
    return text.rstrip("0") if "." in text else text


COPIED: dict[Form, Any] = {
    Form.INTEGER: int,
    Form.SMALL: int,
    Form.BOOLEAN: lambda text: text == "1",
    Form.DOUBLE: lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    Form.BYTES: lambda text: bytes.fromhex(text[2:]),
    Form.STAMP: stamp,
}


def from_server(form: Form, there: Kind, text: str | None, image: str) -> Raw:
    """The raw value behind an image that a server made of this text."""
    if text is None:
        return None
    value: Raw = COPIED.get(form, str)(image)
    return (
        f"{value}+00"
        if there == Kind.TIMESTAMPTZ and "infinity" not in image and form is Form.STAMP
        else value
    )


@pytest.mark.parametrize(("here", "there", "form"), PAIRS.values(), ids=PAIRS)
def test_one_image_is_one_value(here: Kind, there: Kind, form: Form) -> None:
    """Whatever is in the column here: if it has the image of a value there, the rule says that it is that value."""
    rule = rule_for(here, there)
    theirs = EDGES[form, there][1] if (form, there) in EDGES else {None: "", "1": "1", "{}": "{}"}
    there_are = {
        None if text is None else image: from_server(form, there, text, image)
        for text, image in theirs.items()
    }
    values = [*NASTY, *there_are.values(), 12.5, 0.1, 100, 100.0, -0.05, 1000000]
    # One by one, and all of them in one column.
    found = [images(made(here, there, [value]))[0] for value in values]
    met = 0
    for image, partner in there_are.items():
        for value, own in [
            *zip(values, found, strict=True),
            *zip(values, images(made(here, there, values)), strict=True),
        ]:
            if own == image:
                met += 1
                assert rule.token(value, "local") == rule.token(partner, "remote") or (value is partner is None), (
                    value, partner, image,
                )  # fmt: skip
    assert met


@pytest.mark.parametrize(("form", "kind"), EDGES, ids=str)
def test_the_server_makes_these(pg: str, form: Form, kind: Kind) -> None:
    """As it is asked before it is believed."""
    type_, values = EDGES[form, kind]
    image = image_of(form, Column("v", type_, kind))
    with psycopg.connect(pg) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for value, wanted in values.items():
            query = f"SELECT ({image})::text FROM (SELECT CAST(%s::text AS {type_}) AS v) AS t"
            assert connection.execute(query, [value]).fetchone() == (wanted,), value


@pytest.fixture(params=["numpy", "compiled"])
def _hashes_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two ways to make them."""
    if request.param == "numpy":
        monkeypatch.setattr(hashing, "kernels", lambda: None)
    elif kernels() is None:
        pytest.skip("the compiled loops are not built")


def text_hashes(texts: pa.Array, seeds: Sequence[int]) -> list[list[int]]:
    hashes = begun(len(texts), seeds)
    add_texts(hashes, texts)
    return hashes.tolist()


@pytest.mark.usefixtures("_hashes_by")
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40), max_size=30
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hashes_do_not_depend_on_their_neighbours(texts: list[str]) -> None:
    seeds = (0, 1, -5)
    together = text_hashes(pa.array(texts, pa.string()), seeds)
    for at, text in enumerate(texts):
        assert [part[at] for part in together] == [part[0] for part in text_hashes(pa.array([text]), seeds)]


@pytest.mark.usefixtures("_hashes_by")
def test_hashes_are_those_of_postgresql(pg: str) -> None:
    texts = ["", *("abcäß☃𝄞 0,"[n % 10] * (n // 3) + str(n) for n in range(200)), "x" * 10_000]
    seeds = [0, 1, -1, 2**63 - 1, -(2**63), 1234567890123456789]
    with psycopg.connect(pg) as connection:
        for seed, ours in zip(seeds, text_hashes(pa.array(texts).slice(1), seeds), strict=True):
            query = "SELECT array_agg(hashtextextended(v, %s) ORDER BY n) FROM unnest(%s::text[]) WITH ORDINALITY AS u (v, n)"
            assert connection.execute(query, [seed, texts[1:]]).fetchone() == (ours,)


def cells(values: list[Raw], form: Form) -> Imaged:
    kinds = {
        Form.TEXT: Kind.TEXT,
        Form.BOOLEAN: Kind.BOOLEAN,
        Form.STAMP: Kind.TIMESTAMP,
        Form.DECIMAL: Kind.NUMERIC,
        Form.DOUBLE: Kind.FLOAT,
    }
    kind = kinds.get(form, Kind.INTEGER)
    return made(kind, kind, values, form)


ROWS: dict[str, tuple[Form, str, list[Raw]]] = {
    "text": (Form.TEXT, "text", ["", "a", "eleven byte", "twelve bytes", "\xe4" * 300, None]),
    "whole numbers": (Form.INTEGER, "bigint", [0, 1, 2**32, -1, -(2**32), 2**63 - 1, -(2**63), None]),
    "small ones": (Form.SMALL, "integer", [0, 1, -1, 2**31 - 1, -(2**31), None]),
    "truth": (Form.BOOLEAN, "boolean", [0, 1, None]),
    "decimals": (
        Form.DECIMAL,
        "numeric(15,4)",
        [0, 12.5, -12.5, 1, -7, 99999999999, 1e10, 0.0001, -0.05, None],
    ),
    "doubles": (Form.DOUBLE, "double precision", [0.0, -0.0, 0.1, -1e300, 5e-324, math.inf, None]),
    "stamps": (
        Form.STAMP,
        "timestamp",
        ["2026-01-01 00:00:00.5", "1999-12-31 23:59:59.999999", "0001-01-01", None],
    ),
}
KINDS = {"stamps": Kind.TIMESTAMP, "decimals": Kind.NUMERIC, "doubles": Kind.FLOAT}


@pytest.mark.usefixtures("_hashes_by")
@given(st.data(), st.integers(-(2**63), 2**63 - 1))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_have_the_hashes_of_postgresql(pg: str, data: st.DataObject, seed: int) -> None:
    """Rows of any cells of any forms, more of them than one number can tell to be NULL."""
    names = data.draw(st.lists(st.sampled_from(sorted(ROWS)), min_size=1, max_size=2 * FLAGS))
    more = {Form.TEXT: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
            Form.INTEGER: st.integers(-(2**63), 2**63 - 1), Form.SMALL: st.integers(-(2**31), 2**31 - 1),
            Form.DECIMAL: st.integers(-(10**15) + 1, 10**15 - 1).map(lambda n: n / 10_000),
            Form.DOUBLE: st.floats(allow_nan=False), Form.STAMP: st.datetimes().map(str)}  # fmt: skip
    columns = [
        data.draw(st.lists(st.sampled_from(values) | more.get(form, st.none()), min_size=3, max_size=3))
        for form, _, values in map(ROWS.get, names)
    ]
    forms = [ROWS[name][0] for name in names]
    ours = row_hashes([cells(values, form) for values, form in zip(columns, forms, strict=True)], [seed, 0])
    told = [Column(f"c{at}", ROWS[name][1], KINDS.get(name, Kind.TEXT)) for at, name in enumerate(names)]
    made_there = [image_of(form, column) for form, column in zip(forms, told, strict=True)]
    query = ", ".join(row_hash(forms, made_there, flags_of(told, forms), each) for each in (seed, 0))
    row = ", ".join(f"CAST(%s AS {column.type}) AS {column.name}" for column in told)
    with psycopg.connect(pg) as connection:
        for at in range(3):
            texts = [None if values[at] is None else str(values[at]) for values in columns]
            found = connection.execute(f"SELECT {query} FROM (SELECT {row}) AS t", texts).fetchone()
            assert found == tuple(int(part[at]) for part in ours)


def test_what_is_odd_is_said() -> None:
    column = from_python(["a", None, b"a", 1, 2.5, BadText(b"\xff"), "", "odd"])
    found = imaged(Form.TEXT, rule_for(Kind.TEXT, Kind.TEXT), column, "local", Kind.TEXT)
    assert images(found) == ["a", None, "odd", "odd", "odd", "odd", "", "odd"]
    assert found.odd.tolist() == [False, False, True, True, True, True, False, False]
    hashes = row_hashes([found], [1])[0].tolist()
    assert len({*hashes[:3], *hashes[6:]}) == 5, "a text, NULL, what is no text, and the empty one"
    for form, least in ((Form.SMALL, -(2**31)), (Form.BOOLEAN, 0)):
        assert cells([least, least - 1, 2**31, 2**40, 2**63 - 1, None], form).odd.tolist() == [
            False,
            *[True] * 4,
            False,
        ]


def test_kinds_without_a_form() -> None:
    zoned = rule_for(Kind.TIMESTAMP, Kind.TIMESTAMP, zone_local="UTC", zone_remote="Europe/Berlin")
    assert agreed(Kind.TIMESTAMP, Kind.TIMESTAMP, zoned, both_postgres=False) is None
    for here, there in ((Kind.FLOAT, Kind.FLOAT4), (Kind.TEXT, Kind.CHAR), (Kind.JSON, Kind.JSONB)):
        assert agreed(here, there, rule_for(here, there), both_postgres=False) is None
    assert (
        agreed(Kind.INTEGER, Kind.NUMERIC, rule_for(Kind.INTEGER, Kind.NUMERIC), both_postgres=True) is None
    )
