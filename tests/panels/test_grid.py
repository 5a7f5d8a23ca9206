"""The grid without a browser: what it shows, how it sorts, filters and turns, and what it answers."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.panels.grid.messages import answer, frame_of, page_of
from syncnb.panels.grid.shown import LONGEST, shown, shown_all, whole
from syncnb.values.raw import BadText, from_python
from tests.panels.making import sides

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, at DATETIME, data BLOB)"
LEFT = [
    (1, "a", 9, "2026-01-01 10:00:00.000001", b"x"),
    (2, "b", 10, "2026-01-01 10:00:00", b"x"),
    (3, "same", 1, None, None),
    (5, "", 9007199254740993, None, None),
    (10, "mine", 5, None, b"\x00\xff"),
]
RIGHT = [
    (1, "a", 11, "2026-01-01 10:00:00.000002", b"x"),
    (2, "B", 10, "2026-01-01 10:00:00", b"x"),
    (3, "same", 1, None, None),
    (5, None, 9007199254740992, None, None),
    (9, "theirs", None, None, None),
]


@pytest.fixture
def d(tmp_path: Path) -> sn.TableDiff:
    return sn.diff(*sides(tmp_path, DDL, LEFT, RIGHT), progress=False)["t"]


def texts(g: sn.Grid, column: str | None = None, side: str = "") -> list[Any]:
    """What is in sight: of one column, or the first of each row."""
    at = 0 if column is None else g._all(column, side)[0]
    return [line.cells[at].text for line in g.view.lines()]


def marks(g: sn.Grid, column: str, side: str = "") -> list[str]:
    return [line.cells[g._all(column, side)[0]].marks for line in g.view.lines()]


# --- values ---

VALUES: dict[str, tuple[Any, str, str]] = {
    "NULL": (None, "∅", "n"),
    "the empty text": ("", "''", "e"),
    "a text that says NULL": ("NULL", "NULL", ""),
    "a text that is the sign of NULL": ("∅", "∅", ""),
    "a great integer": (9007199254740993, "9007199254740993", ""),
    "microseconds": ("2026-01-01 10:00:00.000001", "2026-01-01 10:00:00.000001", ""),
    "a float": (0.1, "0.1", ""),
    "a truth": (True, "true", ""),
    "bytes": (b"\x00hi", "\\x006869", ""),
    "text that is not UTF-8": (BadText(b"a\xff"), "a\\xff", ""),
    "a line end": ("a\nb", "a\\nb", ""),
    "a mark of direction": ("a\u202eb", "a\\u202eb", ""),
    "a blank at the end": ("a ", "'a '", ""),
    "markup": ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>", ""),
}


@pytest.mark.parametrize(("value", "text", "mark"), VALUES.values(), ids=VALUES)
def test_a_value_is_shown_as_a_person_reads_it(value: Any, text: str, mark: str) -> None:
    assert (shown(value).text, shown(value).marks) == (text, mark)
    assert shown_all(from_python([value])) == [shown(value)]


def test_long_values_are_cut_and_say_how_long_they_are() -> None:
    text, data = "é" * 1_000_000, b"\x01" * 1_048_576
    for cell in (shown(text), shown_all(pa.array([text]))[0]):
        assert cell.text == f"{'é' * LONGEST} … (1,000,000 characters)"
    for cell in (shown(data), shown_all(pa.array([data]))[0]):
        assert cell.text.endswith("01 … (1,048,576 bytes)")
        assert len(cell.text) < 2 * LONGEST
    assert len(whole(text)) < 6000
    assert whole(text).endswith("… and 995,000 characters more")
    assert len(whole(data)) < 6000
    assert whole("one\n\ntwo\u202e") == "one\n\ntwo\\u202e"


# --- differences ---


def test_differing_columns_stand_side_by_side_and_the_others_once(d: sn.TableDiff) -> None:
    g = sn.grid(d)
    assert [(h.name, h.side) for h in g.source.headings] == [
        ("id", ""), ("state", ""), ("name", "local"), ("name", "remote"), ("n", "local"), ("n", "remote"),
        ("at", "local"), ("at", "remote"), ("data", ""),
    ]  # fmt: skip
    assert texts(g) == ["1", "2", "5", "10", "9"]
    assert texts(g, "state") == ["changed", "changed", "changed", "only local", "only remote"]
    assert texts(g, "n", "local") == ["9", "10", "9007199254740993", "5", ""]
    assert texts(g, "n", "remote") == ["11", "10", "9007199254740992", "", "∅"]
    assert marks(g, "n", "local") == ["d", "s", "d", "l", "a"]
    assert marks(g, "name", "remote") == ["s", "d", "nd", "a", "r"]
    assert texts(g, "name", "local")[2] == "''"
    assert texts(g, "at", "remote")[0] == "2026-01-01 10:00:00.000002"
    assert texts(g, "data") == ["\\x78", "\\x78", "∅", "\\x00ff", "∅"]
    assert marks(g, "data")[3:] == ["l", "nr"]


SORTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "as it comes": ({"column": None}, ["1", "2", "5", "10", "9"]),
    "by a key, as numbers": ({"column": "id"}, ["1", "2", "5", "9", "10"]),
    "backwards": ({"column": "id", "descending": True}, ["10", "9", "5", "2", "1"]),
    "by one side, no row last": ({"column": "n", "side": "local"}, ["10", "1", "2", "5", "9"]),
    "backwards, no row last": (
        {"column": "n", "side": "remote", "descending": True},
        ["5", "1", "2", "10", "9"],
    ),
    "by a state": ({"column": "state", "descending": True}, ["9", "10", "1", "2", "5"]),
    "by text": ({"column": "name", "side": "remote"}, ["2", "1", "9", "5", "10"]),
    "by bytes": ({"column": "data"}, ["10", "1", "2", "5", "9"]),
}


@pytest.mark.parametrize(("words", "keys"), SORTS.values(), ids=SORTS)
def test_sorted(d: sn.TableDiff, words: dict[str, Any], keys: list[str]) -> None:
    assert texts(sn.grid(d).sort(**words)) == keys


FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, ["1", "2", "5", "10", "9"]),
    "in any case, on any side": ({"text": "B", "column": "name"}, ["2"]),
    "on one side": ({"text": "mine", "column": "name", "side": "remote"}, []),
    "in any column": ({"text": "10"}, ["1", "2", "10"]),
    "the last digit of a great integer": ({"text": "740993"}, ["5"]),
    "NULL": ({"text": "∅", "column": "name"}, ["5"]),
    "the empty text": ({"text": "''", "column": "name"}, ["5"]),
    "bytes": ({"text": "\\x00", "column": "data"}, ["10"]),
    "bytes that are none": ({"text": "zz", "column": "data"}, []),
    "a state": ({"state": "only remote"}, ["9"]),
    "a state and a text": ({"state": "changed", "text": "9"}, ["1", "5"]),
    "a pattern is a text": ({"text": ".*"}, []),
    "nobody": ({"text": "nobody"}, []),
}


@pytest.mark.parametrize(("words", "keys"), FILTERS.values(), ids=FILTERS)
def test_filtered(d: sn.TableDiff, words: dict[str, Any], keys: list[str]) -> None:
    g = sn.grid(d).filter(**words)
    assert texts(g) == keys
    assert len(g) == len(keys)
    assert texts(g.sort("id", descending=True)) == sorted(keys, key=int, reverse=True)


def test_pages_turn_and_end(d: sn.TableDiff) -> None:
    g = sn.grid(d, size=2)
    seen = [texts(g.turn(page)) for page in (1, 2, 3, 4, 0)]
    assert seen == [["1", "2"], ["5", "10"], ["9"], ["9"], ["1", "2"]]
    assert (g.turn(3).filter("mine").view.page, g.view.pages) == (0, 1)


def test_one_cell_at_length_says_why(d: sn.TableDiff) -> None:
    g = sn.grid(d)
    told = [dict(g.source.about(row, g._all("n")[0])) for row in (0, 1, 3)]
    assert told[0] == {"": "1 n", "local": "9", "remote": "11", "why": "differ by 2"}
    assert told[1]["why"] == "identical"
    assert told[2] == {"": "10 n", "only local": "5", "why": "the row is only local"}
    assert dict(g.source.about(0, 1))["why"] == "2 cells differ"


def test_a_table_without_a_key(tmp_path: Path) -> None:
    ddl = "CREATE TABLE t (a INTEGER, b TEXT)"
    g = sn.grid(
        sn.diff(*sides(tmp_path, ddl, [(1, "x"), (1, "x")], [(1, "x"), (2, "y")]), progress=False)["t"]
    )
    assert texts(g, "state") == ["only local", "only remote"]
    assert texts(g, "a") == ["1", "2"]
    assert g.source.about(0, 1)[0] == ("", "a")
    assert texts(g.sort("a", descending=True), "a") == ["2", "1"]


def test_where_nothing_differs_the_grid_is_empty(tmp_path: Path) -> None:
    both = sides(tmp_path, DDL, LEFT, LEFT)
    d = sn.diff(*both, progress=False)
    for g in (sn.grid(d["t"]), sn.grid(sn.plan(d, into=both[1]))):
        assert page_of(g)["lines"] == []
        for at in range(len(g.source.headings)):
            for question in ({"do": "sort", "at": at}, {"do": "filter", "text": "1", "columns": [at]}):
                assert answer(g, {"id": 1, **question}) == {"id": 1}
        assert "line 0" in answer(g, {"id": 1, "do": "decide", "line": 0})["refused"]


def test_a_million_rows_open_as_fast_as_a_thousand(d: sn.TableDiff) -> None:
    """Nothing is asked of the rows that are not in sight."""
    from dataclasses import replace

    def many(rows: int) -> sn.TableDiff:
        at = pa.array(np.arange(rows, dtype=np.int64) % 3)
        ours, theirs = (
            replace(side, columns=tuple(column.take(at) for column in side.columns))
            for side in (d.changed_local, d.changed_remote)
        )
        return replace(
            d,
            changed_local=ours,
            changed_remote=theirs,
            differs=d.differs[at.to_numpy()],
            unsure=np.arange(rows) % 3 == 1,
        )

    def calls(diff: sn.TableDiff) -> int:
        """Calls of functions while it is opened: what is done row by row would count a million."""
        counted = 0

        def count(frame: Any, event: str, arg: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            g = sn.grid(diff)
            frame_of(g), page_of(g)
        finally:
            sys.setprofile(None)
        return counted

    few, lots = many(1_000), many(1_000_000)
    calls(few)
    assert calls(lots) < 1.5 * calls(few)
