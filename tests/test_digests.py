"""The digest of many rows: equal where the rows are, whatever their order and however they arrive."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncnb.values.digests import RowDigest
from syncnb.values.raw import BadText, Raw, as_mixed, from_python

SCALARS: st.SearchStrategy[Raw] = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.binary(max_size=5),
    st.just(BadText(b"\xff")),
)
ROWS = st.lists(st.tuples(SCALARS, SCALARS), min_size=1, max_size=8)


def digest(*batches: list[tuple[Raw, ...]], mixed: bool = False) -> str:
    found = RowDigest(["a", "b"])
    for rows in batches:
        columns = [from_python(list(column)) for column in zip(*rows, strict=True)]
        if mixed:
            columns = [as_mixed(column) for column in columns]
        found.add(pa.RecordBatch.from_arrays(columns, names=["a", "b"]))
    return str(found)


def exact(rows: list[tuple[Raw, ...]]) -> list[str]:
    return sorted(repr([(type(value), value) for value in row]) for row in rows)


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 8))
def test_neither_order_nor_batches_nor_the_form_of_a_column_matter(
    rows: list[tuple[Raw, ...]], random: object, cut: int
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert digest(rows) == digest(*parts) == digest(rows, mixed=True)


@given(ROWS, ROWS)
def test_it_is_equal_only_for_equal_rows(left: list[tuple[Raw, ...]], right: list[tuple[Raw, ...]]) -> None:
    assert (digest(left) == digest(right)) == (exact(left) == exact(right))


OTHER = {
    "an integer and a real": ([(1, 0)], [(1.0, 0)]),
    "a number and its text": ([(1, 0)], [("1", 0)]),
    "text and bytes": ([("a", 0)], [(b"a", 0)]),
    "text and text that is none": ([("a", 0)], [(BadText(b"a"), 0)]),
    "NULL and nothing": ([(None, 0)], [("", 0)]),
    "NULL and its letter": ([(None, None)], [("n", None)]),
    "zero and minus zero": ([(0.0, 0)], [(-0.0, 0)]),
    "values that touch": ([("ab", "c")], [("a", "bc")]),
    "an image within a value": ([("1:at1:b", "")], [("1:a", "1:b")]),
    "a delimiter within a value": ([("at:b", "c")], [("a", "bt:c")]),
    "a row twice": ([(1, 1), (1, 1)], [(1, 1)]),
    "two rows twice": ([(1, 1), (1, 1)], [(2, 2), (2, 2)]),
    "values of two rows exchanged": ([(1, 2), (3, 4)], [(1, 4), (3, 2)]),
}


@pytest.mark.parametrize(("left", "right"), OTHER.values(), ids=OTHER)
def test_other_rows_have_another_digest(left: list[tuple[Raw, ...]], right: list[tuple[Raw, ...]]) -> None:
    assert digest(left) != digest(right)


def test_a_slice_has_the_digest_of_its_rows() -> None:
    rows: list[tuple[Raw, ...]] = [("x", 1.5), (b"y", None), ("z", 2), (None, "w")]
    columns = [from_python(list(column)) for column in zip(*rows, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, names=["a", "b"])
    found = RowDigest(["a", "b"])
    found.add(batch.slice(1, 2))
    assert str(found) == digest(rows[1:3])


def test_every_type_has_its_form_and_it_stays_as_it_is() -> None:
    """These digests are kept in databases: whoever changes their form makes all of them differ."""
    columns = [
        pa.array([1, None]), pa.array([0.5, -0.0]), pa.array([0.5, None], pa.float32()), pa.array([True, None]),
        pa.array(["\xe4", ""]), pa.array([b"\x00", None]), pa.nulls(2), from_python([1, "1"]),
    ]  # fmt: skip
    found = RowDigest("abcdefgh")
    found.add(pa.RecordBatch.from_arrays(columns, names=list("abcdefgh")))
    assert str(found) == "2:7339c2dc4c098979c44b3b5c3f35b771"
    assert str(RowDigest(["a"])) != str(RowDigest(["b"])), "the columns' names are part of it"
