"""The change map and the clock picture: what they count, how they are read as text, and what is drawn."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.panels.pictures.chart import short
from syncnb.panels.pictures.laying_out import lay_out
from syncnb.panels.pictures.picture import WITHOUT
from syncnb.rendering import bar, blocks
from syncnb.resolving import decide, newest
from tests.databases import Workbench
from tests.panels.making import sides

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCNB_NOW", "2026-06-01T12:00:00Z")


def compared(folder: Path, ddl: Any, left: Any, right: Any, **told: Any) -> sn.TableDiff:
    return sn.diff(*sides(folder, ddl, left, right), progress=False, **told)["t"]


@pytest.fixture
def d(tmp_path: Path) -> sn.TableDiff:
    """Changed from 100 to 119, only local from 400 to 404, only remote at 900; `n` differs in all, `name` in 5."""
    left = [(i, f"n{i}", i) for i in range(1, 800)]
    right = [
        (i, "other" if 100 <= i < 105 else f"n{i}", -i if 100 <= i < 120 else i)
        for i in range(1, 800)
        if not 400 <= i < 405
    ]
    return compared(tmp_path, DDL, left, [*right, (900, "theirs", 1)])


# --- text ---

BARS: dict[str, tuple[tuple[int, int, int], str]] = {
    "nothing": ((0, 7, 4), "    "),
    "nothing of nothing": ((0, 0, 4), "    "),
    "hardly anything is seen": ((1, 10**9, 4), "▏   "),
    "half": ((1, 2, 4), "██  "),
    "hardly less than all is not all": ((10**9 - 1, 10**9, 4), "███▉"),
    "all": ((7, 7, 4), "████"),
}


@pytest.mark.parametrize(("told", "shown"), BARS.values(), ids=BARS)
def test_a_bar_is_of_fixed_width_and_never_lies(told: tuple[int, int, int], shown: str) -> None:
    assert bar(*told) == shown


def test_a_line_of_blocks_shows_the_least_too() -> None:
    assert blocks([0, 1, 500, 1000, 0], 1000) == " ▁▄█ "
    assert blocks([0, 0], 0) == "  "


def test_in_how_many_rows_each_column_differs(d: sn.TableDiff) -> None:
    assert list(d.columns.columns) == ["column", "differ", "bar"]
    assert d.columns.to_numpy().tolist() == [["name", 5, "█████" + "░" * 15], ["n", 20, "█" * 20]]


# --- where keys stand ---

SPAN = 2**63
KEYS: dict[str, tuple[list[Any], pa.DataType, int, str, list[int], tuple[str, str]]] = {
    "integers by value": ([1, 2, 9, 10], pa.int64(), 5, "by value", [0, 0, 4, 4], ("1", "10")),
    "few integers, one a bar": ([7, 9], pa.int64(), 60, "by value", [0, 2], ("7", "9")),
    "one integer": ([7, 7], pa.int64(), 60, "by value", [0, 0], ("7", "7")),
    "all of 64 bits": ([-SPAN, 0, SPAN - 1], pa.int64(), 4, "by value", [0, 2, 3], (str(-SPAN), str(SPAN - 1))),
    "past what a float holds": ([2**53, 2**53 + 1], pa.int64(), 2, "by value", [0, 1], (str(2**53), str(2**53 + 1))),
    "days": ([date(2026, 1, 1), date(2026, 1, 4)], pa.date32(), 2, "by value", [0, 1], ("2026-01-01", "2026-01-04")),
    "moments, by whole hours": ([datetime(2026, 1, 1, 5), datetime(2026, 1, 3, 9, 30)], pa.timestamp("us", "UTC"), 10, "by value", [0, 8], ("2026-01-01 05:00:00Z", "2026-01-03 09:30:00Z")),
    "stamps": ([datetime(2026, 1, 1), datetime(2026, 1, 2)], pa.timestamp("us"), 3, "by value", [0, 2], ("2026-01-01 00:00:00", "2026-01-02 00:00:00")),
    "text by its letters": (["user-z", "user-a", "user-b"], pa.string(), 10, "as in a dictionary", [9, 0, 5], ("user-a", "user-z")),
    "text, shorter first": (["ab", "a", "abc"], pa.string(), 3, "as in a dictionary", [1, 0, 2], ("a", "abc")),
    "text by code point": (["é", "z", "Z"], pa.string(), 3, "as in a dictionary", [2, 1, 0], ("Z", "é")),
    "texts of which one would leave no room": (["~", *(f"user-{at}" for at in range(9))], pa.string(), 3, "in order", [2, 0, 0, 0, 0, 1, 1, 1, 2, 2], ("user-0", "~")),
    "one text": (["a", "a"], pa.string(), 3, "as in a dictionary", [0, 0], ("a", "a")),
    "the empty text": (["", "b"], pa.string(), 2, "as in a dictionary", [0, 1], ("", "b")),
    "decimals in order": ([Decimal("9.5"), Decimal("0.5"), Decimal("0.5")], pa.decimal128(5, 2), 60, "in order", [1, 0, 0], ("0.50", "9.50")),
    "floats in order": ([1e300, -1.5, 2.0, 3.0], pa.float64(), 2, "in order", [1, 0, 0, 1], ("-1.5", "1e+300")),
    "booleans": ([True, False], pa.bool_(), 60, "in order", [1, 0], ("False", "True")),
    "bytes": ([b"\xff", b"\x00"], pa.binary(), 60, "in order", [1, 0], ("\\x00", "\\xff")),
    "NULL is nowhere": ([None, 5], pa.int64(), 60, "by value", [-1, 0], ("5", "5")),
}  # fmt: skip


@pytest.mark.parametrize(("values", "kind", "most", "order", "slots", "ends"), KEYS.values(), ids=KEYS)
def test_where_keys_stand(
    values: list[Any], kind: pa.DataType, most: int, order: str, slots: list[int], ends: tuple[str, str]
) -> None:
    found = lay_out(pa.array(values, kind), most)
    assert (found.order, found.slots.tolist()) == (order, slots)
    assert (found.bounds[0][0], found.bounds[-1][1]) == ends
    assert len(found.bounds) <= most


@pytest.mark.parametrize("kind", [pa.null(), pa.int64(), pa.string()])
def test_no_key_is_no_bar(kind: pa.DataType) -> None:
    found = lay_out(pa.nulls(2, kind), 60)
    assert (found.bounds, found.slots.tolist()) == ((), [-1, -1])


def test_texts_keep_their_order() -> None:
    texts = [
        "",
        "a",
        "a\x00",
        "aa",
        "b" * 40,
        "b" * 40 + "c",
        "é",
        "日本",
        "\U0001f600",
        "zz",
        "Zz",
        "10",
        "2",
    ]
    found = lay_out(pa.array(sorted(texts)), 60)
    assert found.slots.tolist() == sorted(found.slots.tolist())
    assert found.bounds[0][0] == ""
    assert found.bounds[-1][1] == "\U0001f600"


# --- the change map ---


def test_a_change_map_counts_every_row_that_differs(d: sn.TableDiff) -> None:
    m = sn.change_map(d)
    assert m.totals == Counter(d.rows["state"])
    assert m.frame[["changed", "only_local", "only_remote", "conflict"]].sum().tolist() == [20, 5, 1, 0]
    assert list(m.frame.columns)[:2] == ["first", "last"]
    for part in m.parts:
        keys = d.rows[(d.rows["id"] >= int(part.first)) & (d.rows["id"] <= int(part.last))]
        assert len(keys) == sum(part.counts)
    assert m == sn.change_map(d)


def test_a_change_map_as_text(d: sn.TableDiff) -> None:
    assert repr(sn.change_map(d)).splitlines() == [
        "t: where 26 rows differ, by id from 100 to 900",
        "changed      20  |█▃" + " " * 56 + "|",
        "only local    5  |" + " " * 21 + "▂" + " " * 36 + "|",
        "only remote   1  |" + " " * 57 + "▁|",
        "most: 14 at id 100 to 113",
    ]


def test_conflicts_have_a_line_of_their_own(d: sn.TableDiff) -> None:
    unsure = np.arange(len(d.changed_local)) % 2 == 0
    m = sn.change_map(replace(d, unsure=unsure))
    assert m.totals == {"changed": 10, "only_local": 5, "only_remote": 1, "conflict": 10}
    assert m.totals == Counter(replace(d, unsure=unsure).rows["state"])


DDLS: dict[str, tuple[str, list[Any], list[Any], dict[str, Any], str]] = {
    "text": ("CREATE TABLE t (k TEXT PRIMARY KEY, n)", [("a", 1), ("b", 1)], [("b", 2)], {}, "by k from a to b, as in a dictionary"),
    "composite: the first part": ("CREATE TABLE t (a INTEGER, b INTEGER, n, PRIMARY KEY (a, b))", [(1, 5, 0), (1, 6, 0)], [(2, 5, 0)], {}, "by a (the first of 2 parts of the key) from 1 to 2"),
    "NULL is told": ("CREATE TABLE t (k INTEGER, n)", [(None, 1), (3, 1)], [(None, 2), (3, 2)], {"key": "k"}, "not in the picture: 1 row with NULL in k"),
    "odd keys": ("CREATE TABLE t (k INTEGER, n)", [("x", 1), (3, 1)], [("x", 2), (3, 2)], {"key": "k"}, "k holds values that are no integers (.odd has them): all are laid out as text"),
    "one row": ("CREATE TABLE t (k INTEGER PRIMARY KEY, n)", [(3, 1)], [(3, 2)], {}, "where 1 row differs, by k from 3 to 3"),
    "nothing differs": ("CREATE TABLE t (k INTEGER PRIMARY KEY, n)", [(3, 1)], [(3, 1)], {}, "t: no row differs"),
    "empty": ("CREATE TABLE t (k INTEGER PRIMARY KEY, n)", [], [], {}, "t: no row differs"),
    "only NULL": ("CREATE TABLE t (k INTEGER, n)", [(None, 1)], [(None, 2)], {"key": "k"}, "t: no row that differs has a key"),
}  # fmt: skip


@pytest.mark.parametrize(("ddl", "left", "right", "told", "said"), DDLS.values(), ids=DDLS)
def test_keys_of_any_kind(
    tmp_path: Path, ddl: str, left: list[Any], right: list[Any], told: dict[str, Any], said: str
) -> None:
    m = sn.change_map(compared(tmp_path, ddl, left, right, **told))
    assert said in repr(m)
    assert said.split(",")[0] in m._repr_html_()
    assert ("<svg" in m._repr_html_()) is bool(m.parts)
    assert len(m.frame) == len(m.parts)


def test_what_has_no_map(tmp_path: Path, d: sn.TableDiff) -> None:
    bag = compared(tmp_path, "CREATE TABLE t (n)", [(1,)], [(2,)])
    with pytest.raises(sn.SchemaError, match="no key to lay its rows out by.*\n*.*pass key="):
        sn.change_map(bag)
    for verb in (sn.change_map, lambda thing: sn.clock_picture(thing, "at")):
        with pytest.raises(sn.SchemaError, match=r'a int has no .*\n*.*d\["hosts"\]'):
            verb(7)  # type: ignore[arg-type]


# --- the clock picture ---

CLOCK = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at DATETIME)"
BASE = datetime(2026, 3, 1, 5)
AT = f"{BASE.isoformat()}Z"
# the stamp in local, in remote; what is said of the row, the line that says so
STAMPS: dict[str, tuple[str | None, str | None, str, str]] = {
    "three hours": ("2026-03-01T08:00:00Z", AT, "local is newer", "local is newer  1 h up to 1 d"),
    "in another zone": ("2026-03-01T07:00:00+01:00", AT, "local is newer", "1 h up to 1 d"),
    "remote": (AT, "2026-03-01T05:00:03Z", "remote is newer", "remote is newer  2 s up to 1 min"),
    "exactly the threshold": ("2026-03-01T05:00:02Z", AT, "local is newer", "2 s up to 1 min"),
    "a tie": (AT, "2026-03-01T06:00:00+01:00", "too close", "too close  the same moment"),
    "a second": (AT, "2026-03-01T05:00:01Z", "too close", "too close  up to 2 s, remote later"),
    "years": ("2020-01-01T00:00:00Z", AT, "remote is newer", "365 d or more"),
    "in the future": ("2030-01-01T00:00:00Z", AT, "in the future", "in the future  365 d or more, local later"),
    "both in the future": ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "in the future", "in the future  the same moment"),
    "NULL": (None, AT, "", "1 row with NULL (1 in local, 0 in remote)"),
    "NULL on both sides": (None, None, "", "1 row with NULL (1 in local, 1 in remote)"),
    "unreadable": (AT, "soon", "", "1 row with no stamp (0 in local, 1 in remote)"),
    "a number": (AT, 1772341200, "", "1 row with no stamp (0 in local, 1 in remote)"),
    "infinite": ("infinity", AT, "", "1 row with infinity (1 in local, 0 in remote)"),
}  # fmt: skip


def clocks(folder: Path, stamps: Any, ddl: str = CLOCK, **told: Any) -> sn.TableDiff:
    left = [(at, 0, local) for at, (local, _) in enumerate(stamps)]
    right = [(at, 1, remote) for at, (_, remote) in enumerate(stamps)]
    return compared(folder, ddl, left, right, **told)


@pytest.mark.parametrize(("local", "remote", "said", "line"), STAMPS.values(), ids=STAMPS)
def test_what_is_said_of_two_stamps(
    tmp_path: Path, local: str | None, remote: str | None, said: str, line: str
) -> None:
    c = sn.clock_picture(clocks(tmp_path, [(local, remote)]), "at")
    assert c.totals == ({said: 1} if said else {})
    assert line in repr(c)
    assert ("<svg" in c._repr_html_()) is bool(said)


def test_the_picture_says_what_the_rule_decides(tmp_path: Path) -> None:
    """Row by row: a bar beyond the band is what `newest` decides, and nothing else."""
    table = clocks(tmp_path, [(local, remote) for local, remote, *_ in STAMPS.values()])
    for threshold in (timedelta(0), timedelta(seconds=2), timedelta(hours=5)):
        c = sn.clock_picture(table, "at", threshold=threshold)
        winner = decide(table, newest("at", threshold), now=NOW).winner
        totals = [c.totals.get(name, 0) for name in ("local is newer", "remote is newer")]
        assert totals == [int((winner > 0).sum()), int((winner < 0).sum())]
        for step in c.steps:
            inside = step.least < c.limit // timedelta(microseconds=1)
            assert not (step.counts[1] if not inside else step.counts[0] + step.counts[2])
        assert c.frame.iloc[:, 2:].to_numpy().sum() == sum(c.totals.values())


def test_a_plan_and_the_picture_have_one_threshold(tmp_path: Path) -> None:
    """The clocks of the servers are in both of them."""
    table = replace(clocks(tmp_path, [("2026-03-01T05:00:08Z", AT)]), clocks_apart=timedelta(seconds=5))
    c = sn.clock_picture(table, "at")
    assert c.limit == timedelta(seconds=11)
    assert c.totals == {"too close": 1}
    assert "the threshold is 11 s: the clocks are 5 s apart" in c.notes
    assert decide(table, newest("at"), clock_offset=table.clocks_apart, now=NOW).winner.tolist() == [0]


def test_the_clocks_are_those_that_the_diff_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncnb.comparing.diffing._apart", lambda *_: timedelta(seconds=5))
    found = sn.diff(*sides(tmp_path, CLOCK, [(1, 0, AT)], [(1, 1, AT)]), progress=False)
    assert found["t"].clocks_apart == found.clocks_apart == timedelta(seconds=5)


def test_dates_are_no_finer_than_a_day(tmp_path: Path) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, at DATE)"
    c = sn.clock_picture(
        clocks(tmp_path, [("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-01-01")], ddl), "at"
    )
    assert c.limit == timedelta(days=1)
    assert "the threshold is 1 d: the stamps are written no finer" in c.notes
    assert c.totals == {"local is newer": 1, "too close": 1}


def test_an_hour_that_many_rows_are_apart_is_told(tmp_path: Path) -> None:
    shifted = [
        (
            (BASE + timedelta(hours=1, minutes=at)).isoformat() + "Z",
            (BASE + timedelta(minutes=at)).isoformat() + "Z",
        )
        for at in range(3)
    ]
    others = [((BASE + timedelta(seconds=7 * at)).isoformat() + "Z", AT) for at in range(1, 9)]
    assert "3 rows are exactly 1 h apart, local later: a time zone?" in repr(
        sn.clock_picture(clocks(tmp_path, shifted + others), "at")
    )
    assert "time zone" not in repr(sn.clock_picture(clocks(tmp_path, shifted[:1] + others), "at"))


def test_an_hour_that_a_clock_showed_twice_is_counted_beside(tmp_path: Path) -> None:
    stamps = [("2026-10-25 02:30:00", AT), ("2026-03-01 06:00:00", AT)]
    sides(
        tmp_path,
        CLOCK,
        [(at, 0, s[0]) for at, s in enumerate(stamps)],
        [(at, 1, s[1]) for at, s in enumerate(stamps)],
    )
    local = sn.connect(tmp_path / "local.db", timezone="Europe/Berlin")
    remote = sn.connect(tmp_path / "remote.db", timezone="UTC")
    c = sn.clock_picture(sn.diff(local, remote, progress=False)["t"], "at")
    assert c.totals == {"too close": 1}, "six in Berlin is five in Greenwich"
    assert "1 row with an hour that its zone's clock showed twice or never (1 in local, 0 in remote)" in repr(
        c
    )


def test_stamps_without_a_zone_against_moments_are_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(
        sn.PlanError, match="t.at has no zone in local: 1 rows cannot be put in order of time"
    ):
        sn.clock_picture(clocks(tmp_path, [("2026-03-01 06:00:00", AT)]), "at")


def test_a_limit_that_was_hit_is_told(tmp_path: Path) -> None:
    left, right = ([(at, "", n) for at in range(50)] for n in (1, 2))
    m = sn.change_map(compared(tmp_path, DDL, left, right, limit=5))
    assert sum(m.totals.values()) >= 5
    assert "not compared" in m.notes[-1]


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such column": ("att", {}, "t has no column 'att' to decide by"),
    "no stamps": ("n", {}, "t.n holds no dates or stamps"),
    "no column": ("", {}, "newest does not take ''"),
    "a negative threshold": ("at", {"threshold": timedelta(-1)}, "the threshold of newest is"),
}


@pytest.mark.parametrize(("column", "told", "why"), REFUSED.values(), ids=REFUSED)
def test_the_picture_refuses_what_newest_refuses(
    tmp_path: Path, column: str, told: dict[str, Any], why: str
) -> None:
    with pytest.raises(sn.PlanError, match=re.escape(why)):
        sn.clock_picture(clocks(tmp_path, [(AT, AT)]), column, **told)


def test_rows_that_one_side_changed_are_not_asked(tmp_path: Path) -> None:
    import sqlite3

    rows = [(at, 0, AT) for at in range(4)]
    local, remote = sides(tmp_path, CLOCK, rows, rows)
    local = sn.connect(tmp_path / "local.db", writable=True)
    sn.agree(local, remote)
    for side, wanted, second in (("local", "0, 1", 9), ("remote", "1, 2", 5)):
        with sqlite3.connect(tmp_path / f"{side}.db") as connection:
            connection.execute(
                f"UPDATE t SET n = {second}, at = '2026-03-01T05:00:0{second}Z' WHERE id IN ({wanted})"
            )
        connection.close()
    c = sn.clock_picture(sn.diff(local, remote, progress=False)["t"], "at")
    assert c.totals == {"local is newer": 1}
    assert (
        c.notes[-1] == "not in the picture: 2 rows that one side changed alone, of which newest is not asked"
    )


def test_nothing_changed_is_a_line(tmp_path: Path) -> None:
    c = sn.clock_picture(compared(tmp_path, CLOCK, [(1, 0, AT)], [(1, 0, AT)]), "at")
    assert repr(c) == "t: at, local minus remote: no two stamps to be put in order"
    assert "<svg" not in c._repr_html_()
    assert len(c.frame) == 0


# --- what is drawn ---


def pictures(table: sn.TableDiff) -> list[Any]:
    return [sn.change_map(table), sn.clock_picture(table, table.pair.columns[-1].name)]


@pytest.fixture
def both(tmp_path: Path) -> list[Any]:
    return pictures(clocks(tmp_path, [(local, remote) for local, remote, *_ in STAMPS.values()]))


def elements(picture: Any) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", picture._repr_html_(), re.DOTALL)[0])  # type: ignore[index]


def test_a_picture_is_one_image_with_all_that_it_says_in_words(both: list[Any]) -> None:
    for picture in both:
        svg, page = elements(picture), picture._repr_html_()
        assert svg.get("role") == "img"
        told = svg.get("aria-label") or ""
        assert told.startswith(picture.title)
        assert all(f"{total:,}" in told for total in picture.totals.values())
        assert repr(picture).splitlines()[1] in page, "the text stands beside it"
        assert page.count("<svg") == 1


def test_no_look_is_a_colour_alone(both: list[Any]) -> None:
    """Each layer but one is hatched, each hatch is another one, and a word stands beside its sign."""
    for picture in both:
        svg = elements(picture)
        hatches = [pattern.find(f"{SVG}path").get("d") for pattern in svg.iter(f"{SVG}pattern")]  # type: ignore[union-attr]
        assert len(set(hatches)) == len(hatches) >= len(picture.totals) - 1
        words = {text.text for text in svg.iter(f"{SVG}text")}
        assert {f"{name.replace('_', ' ')} {total:,}" for name, total in picture.totals.items()} <= words


def test_a_picture_takes_the_colours_of_the_page_and_leaves_the_page_alone(both: list[Any]) -> None:
    for picture in both:
        svg = re.search(r"<svg.*</svg>", picture._repr_html_(), re.DOTALL)[0]  # type: ignore[index]
        assert "var(--jp-ui-font-color1, CanvasText)" in svg
        assert not re.search(r"#0[1-5]0[1-5]0[1-5]", svg), "no colour is left that stands for another"
        assert not re.search(r"<(style|script|metadata|image|a|foreignObject)\b| on\w+=", svg)
        assert set(re.findall(r"https?://[^\"]*", svg)) == {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
    names = [set(re.findall(r' id="([^"]+)"', picture._repr_html_())) for picture in both]
    assert names[1]
    assert not names[0] & names[1], "two pictures in one page have no name in common"


HOSTILE: dict[str, str] = {
    "a tag": "<img src=x onerror=alert(1)>",
    "the end of the picture": "</text></svg><script>alert(1)</script>",
    "quotes": "\"'` style=x",
    "formulas": "$x^2$ \\frac{1}{0} $",
    "marks of direction": "a\u202eb\u2066c",
    "controls": "a\tb\x1b[31m\x85c\u2028d",
    "a word that stands for another": ">T1</text>",
    "a colour that stands for another": "#010101 url(#h) &amp; &#60;",
    "no letters of this font": "日本語 \U0001f600 \u0e01\u0e33",
    "long": "x" * 300,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_and_keys_are_text(tmp_path: Path, name: str, recwarn: pytest.WarningsRecorder) -> None:
    quoted = name.replace('"', '""')
    ddl = f'CREATE TABLE t ("{quoted}" TEXT PRIMARY KEY, n INTEGER, "{quoted}2" DATETIME)'
    left = [(name, 1, AT), ("z" + name, 1, AT)]
    right = [(name, 2, "2026-03-01T05:00:03Z"), ("z" + name, 2, AT)]
    table = compared(tmp_path, ddl, left, right)
    table = replace(table, pair=replace(table.pair, local=replace(table.pair.local, name=name)))
    for picture in pictures(table):
        svg = elements(picture)
        assert {element.tag.removeprefix(SVG) for element in svg.iter()} <= {
            "svg",
            "g",
            "path",
            "text",
            "defs",
            "pattern",
            "rect",
        }
        assert not re.search("[\u202e\u2066\x1b\x85\u2028]", picture._repr_html_() + repr(picture))
        assert "<script" not in picture._repr_html_()
        assert "<img" not in picture._repr_html_()
        assert len(picture._repr_html_()) < 40_000
    words = {text.text for text in elements(sn.change_map(table)).iter(f"{SVG}text")}
    assert {short(name), f"{short(name)}, as in a dictionary"} <= words
    assert [str(warning.message) for warning in recwarn if "lyph" in str(warning.message)] == []


def test_a_hundred_thousand_rows_stay_small(tmp_path: Path) -> None:
    def rows(n: int) -> Any:
        return (
            (at, n, (BASE + timedelta(seconds=at * n % 999_983)).isoformat() + "Z") for at in range(100_000)
        )

    for picture in pictures(compared(tmp_path, CLOCK, rows(1), rows(17))):
        assert sum(picture.totals.values()) == 100_000
        assert len(picture._repr_html_()) < 40_000
        assert len(repr(picture)) < 3_000


DRAWN = """
import sys, hashlib, syncnb as sn
d = sn.diff(sn.connect("local.db"), sn.connect("remote.db"), progress=False)["t"]
m, c = sn.change_map(d), sn.clock_picture(d, "at")
repr(m), repr(c), m.frame, d.columns
assert "matplotlib" not in sys.modules, "it loads only when a picture is drawn"
print(hashlib.sha256((m._repr_html_() + c._repr_html_()).encode()).hexdigest())
assert "matplotlib.pyplot" not in sys.modules, "the person's own pictures are left alone"
"""


def test_a_picture_is_the_same_on_every_run_and_loads_nothing_before(both: list[Any], tmp_path: Path) -> None:
    """With a new folder for its fonts, and where it may have none: nothing is said of that."""
    (tmp_path / "file").touch()
    said = [
        subprocess.run(
            [sys.executable, "-c", DRAWN],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "MPLCONFIGDIR": str(tmp_path / folder)},
            check=True,
            capture_output=True,
            text=True,
        )
        for seed, folder in (("1", "new"), ("2", "file/none"))
    ]
    assert said[0].stdout == said[1].stdout
    assert [run.stderr for run in said] == ["", ""]


def test_what_a_person_set_for_their_own_pictures_does_not_matter(both: list[Any], tmp_path: Path) -> None:
    import matplotlib as mpl

    before = both[0]._repr_html_()
    odd = {
        "font.size": 40,
        "text.usetex": True,
        "svg.fonttype": "path",
        "axes.facecolor": "red",
        "hatch.linewidth": 9,
    }
    with mpl.rc_context(odd):
        mine = dict(mpl.rcParams)
        assert replace(both[0])._repr_html_() == before
        assert dict(mpl.rcParams) == mine


@pytest.mark.parametrize("how", ["missing", "ill"])
def test_without_the_library_the_text_stands(
    both: list[Any], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "missing":
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        monkeypatch.delitem(sys.modules, "syncnb.panels.pictures.drawing", raising=False)
    else:
        monkeypatch.setattr("matplotlib.figure.Figure.add_axes", lambda *_: 1 / 0)
    for picture in both:
        page = picture._repr_html_()
        assert "<svg" not in page
        assert repr(picture).splitlines()[1] in page
        assert WITHOUT.replace('"', "&quot;").replace(">", "&gt;") in page
        assert WITHOUT not in repr(picture)


def test_a_server_and_a_file(bench: Workbench) -> None:
    """Keys are uuids, which either side writes in its own way; stamps are moments on one side, texts on the other."""
    keys = [f"a000000{at}-0000-4000-8000-000000000000" for at in range(1, 5)]
    local = bench.sqlite(
        "CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER, at DATETIME)",
        *(f"INSERT INTO t VALUES ('{key.replace('-', '').upper()}', 1, '2026-03-01 06:00:0{at}')" for at, key in enumerate(keys[:3])),
        timezone="Europe/Berlin",
    )  # fmt: skip
    remote = bench.postgresql(
        "CREATE TABLE t (id uuid PRIMARY KEY, n integer, at timestamptz)",
        *(f"INSERT INTO t VALUES ('{key}', 2, '2026-03-01T05:00:0{2 * at}Z')" for at, key in enumerate(keys)),
    )
    table = sn.diff(local, remote, progress=False)["t"]
    assert repr(sn.change_map(table)).splitlines()[:3] == [
        f"t: where 4 rows differ, by id from {short(keys[0])} to {short(keys[3])}, as in a dictionary",
        "changed      3  |█" + " " * 19 + "█" + " " * 19 + "█" + " " * 19 + "|",
        "only remote  1  |" + " " * 59 + "█|",
    ]
    alike = replace(table, clocks_apart=timedelta(0))
    c = sn.clock_picture(alike, "at", threshold=timedelta(seconds=1))
    assert c.totals == {"remote is newer": 2, "too close": 1}


@pytest.mark.parametrize(
    ("last", "ticks"),
    [("2026-03-05 06:00:00", {"2026-03-02", "2026-03-03", "2026-03-04"}), ("2026-03-01 14:00:00", {"07:57", "10:03", "12:00"})],
    ids=["days", "hours of one day"],
)  # fmt: skip
def test_stamps_between_the_ends_are_days_or_hours(last: str, ticks: set[str]) -> None:
    frames = [
        pd.DataFrame({"at": pd.to_datetime(["2026-03-01 06:00:00", last]), "n": n}) for n in ([1, 2], [3, 4])
    ]
    table = sn.diff(*map(sn.connect, frames), key="at").tables[0]
    chart = sn.change_map(table)._chart()
    assert chart is not None
    assert {tick.text for tick in chart.ticks[2:]} == ticks
