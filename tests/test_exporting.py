"""CSV files for people: nothing in them is run, and what is read back from them is what was written."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import syncnb as sn

VALUES: dict[str, tuple[Any, str | None]] = {
    "a formula": ("=1+1", "'=1+1"),
    "a formula behind a sign": ("-1+1", "'-1+1"),
    "a formula of old": ("@SUM(A1)", "'@SUM(A1)"),
    "a wide sign": ("＝1+1", "'＝1+1"),
    "a tab in front": ("\t=1", "'\t=1"),
    "an end of line in front": ("\r=1", "'\r=1"),
    "a negative number as text": ("-12.50", "-12.50"),
    "a power as text": ("+1e5", "+1e5"),
    "a telephone number": ("+49 30 1", "'+49 30 1"),
    "a number with more behind": ("1\n=1", "1\n=1"),
    "a sign alone": ("-", "'-"),
    "a quote": ("'a", "'a"),
    "a long integer": (9007199254740993, "9007199254740993"),
    "a decimal": (Decimal("-0.10"), "-0.10"),
    "a moment": (datetime(2026, 3, 1, 5, tzinfo=UTC), "2026-03-01 05:00:00+00:00"),
    "bytes": (b"=1", "\\x3d31"),
    "the empty text": ("", ""),
    "NULL": (None, None),
    "NA": (pd.NA, None),
    "NaN": (float("nan"), None),
}


@pytest.mark.parametrize(("value", "wanted"), VALUES.values(), ids=VALUES)
def test_a_value_is_read_back_as_text(tmp_path: Path, value: Any, wanted: str | None) -> None:
    """Among others of its kind, alone, and in a column of objects of several types."""
    for column in ([value], [value, value], [value, "x", 1]):
        count = sn.save_csv(_numbered(pd.Series(column, dtype=object)), tmp_path / "t.csv")
        read = _read(tmp_path / "t.csv")["v"]
        assert read[0] == wanted
        assert count == sum(str(told).startswith("'") and told != "'a" for told in read)


def test_names_are_no_formulas_either_and_may_come_twice(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=["=1", "a", "a"])
    assert sn.save_csv(frame, tmp_path / "t.csv") == 1
    text = (tmp_path / "t.csv").read_bytes()
    assert text == b'\xef\xbb\xbf"\'=1","a","a"\n1,2,3\n'


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("before")
    with pytest.raises(sn.WriteError, match="save_csv takes a DataFrame, not str") as told:
        sn.save_csv("t", path)  # type: ignore[arg-type]
    assert 'd["hosts"].cells' in str(told.value)
    with pytest.raises(sn.WriteError, match="cannot be written: No such file or directory"):
        sn.save_csv(pd.DataFrame({"a": [1]}), tmp_path / "nowhere" / "t.csv")
    assert path.read_text() == "before"
    sn.save_csv(pd.DataFrame({"a": []}), path)
    assert [each.name for each in tmp_path.iterdir()] == ["t.csv"]


@given(
    st.lists(
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), min_size=1
    )
)
def test_no_field_begins_as_a_formula_does(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.csv"
    sn.save_csv(_numbered(pd.Series(texts, dtype=pd.ArrowDtype(pa.string()))), path)
    read = _read(path)["v"]
    assert [told and told.removeprefix("'") for told in read] == [
        text and text.removeprefix("'") for text in texts
    ]
    assert not [told for told in read if told and told[0] in "=@\t\r\n＝＋－＠"]


def _numbered(values: "pd.Series[Any]") -> pd.DataFrame:
    """With numbers in front: a line of one field, which is NULL, is no line at all."""
    return pd.DataFrame({"n": range(len(values)), "v": values})


def _read(path: Path) -> dict[str, list[Any]]:
    from syncnb.stores.table_files import read_tables

    found: dict[str, list[Any]] = read_tables(path)[path.stem].to_pydict()
    return found
