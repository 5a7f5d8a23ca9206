"""The grid over a plan: its lines are those of the preview, and what is done in it is what `decide` does."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import syncnb as sn
from syncnb.panels.grid.messages import answer, page_of
from syncnb.panels.grid.previews import AFTER, BEFORE, DECISION, KEY, REASON, WHY
from tests.databases import Workbench
from tests.panels.making import Sides, sides

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INTEGER, at DATETIME, data BLOB)"
LEFT = [
    (1, "a", 9, None, b"x"),
    (2, "b", 10, "2026-01-01", b"x"),
    (4, "new", 100, None, b"\x00"),
    (10, "z", 1, None, None),
]
RIGHT = [
    (1, "A", 8, None, b"x"),
    (2, "b", None, "2026-01-02", b"x"),
    (3, "there", 3, None, None),
    (10, "z", 2, None, None),
]


@pytest.fixture
def both(tmp_path: Path) -> Sides:
    return sides(tmp_path, DDL, LEFT, RIGHT)


def planned(both: Sides, **words: Any) -> sn.Plan:
    return sn.plan(sn.diff(*both, progress=False), into=both[1], **words)


PLANS: dict[str, dict[str, Any]] = {
    "nobody decided": {},
    "all decided": {"resolve": sn.take_local},
    "with deletes": {"resolve": sn.take_local, "deletes": True},
    "inserts alone": {"resolve": sn.insert_only},
}


def shown(g: sn.Grid, at: int) -> list[str]:
    return [line.cells[at].text for line in g.source.lines(np.arange(len(g.source)))]


def same_as_preview(p: sn.Plan) -> None:
    g, lines = sn.grid(p), p.preview()
    assert len(g) == len(lines)
    for column, at in (("table", 0), ("key", 1), ("verb", 7), ("decision", DECISION), ("hazard", 9)):
        assert shown(g, at) == ["" if v is pd.NA else v for v in lines[column]], column
    for column, at, there in (("before", BEFORE, "delete update map"), ("after", AFTER, "insert update map")):
        wanted = [
            ("∅" if value is pd.NA else "''" if value == "" else value)
            if verb in there and name is not pd.NA
            else ""
            for value, verb, name in zip(lines[column], lines["verb"], lines["column"], strict=True)
        ]
        assert shown(g, at) == wanted, column
    assert [g.source.place(line)[2] for line in range(len(g))] == [
        None if name is pd.NA else name for name in lines["column"]
    ]


@pytest.mark.parametrize("words", PLANS.values(), ids=PLANS)
def test_its_lines_are_those_of_the_preview(both: Sides, words: dict[str, Any]) -> None:
    p = planned(both, **words)
    same_as_preview(p)
    lines = p.preview()
    lines.loc[lines["key"] == "1", ["decision", "reason"]] = ["keep", "by hand"]
    same_as_preview(p.decide(lines))


def test_ids_that_mean_the_same_are_told_and_cannot_be_decided(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, v INTEGER)"
    local = bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    bench.postgresql(ddl, "INSERT INTO t VALUES (1, 'b', 9), (2, 'a', 1), (3, 'd', 4)")
    remote = sn.connect(bench.last, writable=True)
    d = sn.diff(local, remote, ids="meaningless", progress=False)
    p = sn.plan(d, into=remote, resolve=sn.take_local)
    assert p.maps
    same_as_preview(p)
    g = sn.grid(p)
    line = next(n for n in range(len(g)) if g.source.find(n)[0].fixed)  # type: ignore[attr-defined]
    for question in ({"do": "decide"}, {"do": "set", "at": AFTER, "text": "7"}, {"do": "begin", "at": AFTER}):
        said = answer(g, {"id": 1, "line": line, **question})
        assert "tells which id means the same" in said["refused"]
    assert g.code == ""
    differing = sn.grid(d["t"])
    assert [line.state for line in differing.view.lines()] == [
        state.replace("_", " ") for state in d["t"].rows.sort_values("state")["state"]
    ]


def test_a_row_that_may_be_two_things_is_a_conflict(bench: Workbench) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, v INTEGER)"
    local = bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)")
    remote = bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'z', 9), (2, 'b', 3)")
    d = sn.diff(local, remote, progress=False)
    g = sn.grid(d["t"])
    wanted = dict(zip(d["t"].rows["id"], d["t"].rows["state"], strict=True))
    assert {int(line.cells[0].text): line.state for line in g.view.lines()} == wanted
    assert set(g.source.choices) == set(wanted.values())
    for state in g.source.choices:
        assert [line.state for line in g.filter(state=state).view.lines()] == [state]
    g.filter().sort("state")
    assert len(g) == 2


def test_the_lines_of_an_undo_leave_out_what_stays(both: Sides) -> None:
    p = planned(both, resolve=sn.take_local, deletes=True)
    r = sn.apply(p, both[1], allow=("deletes", "many_changes"))
    undo = sn.undo(r, both[1])
    same_as_preview(undo)
    g = sn.grid(undo)
    for line in range(len(g)):
        part, row, _ = g.source.find(line)  # type: ignore[attr-defined]
        assert line - part.start in part.of_row(row)


SORTS: dict[str, tuple[str, int, list[str]]] = {
    "keys as numbers": ("key", KEY, ["1", "1", "2", "2", "4", "4", "4", "4", "4", "10"]),
    "values as numbers": ("before", BEFORE, ["2", "8", "2026-01-02", "A", "", "", "", "", "", "∅"]),
}


@pytest.mark.parametrize(("column", "at", "wanted"), SORTS.values(), ids=SORTS)
def test_sorted(both: Sides, column: str, at: int, wanted: list[str]) -> None:
    g = sn.grid(planned(both, deletes=False)).sort(column)
    seen = [line.cells[at].text for line in g.view.lines()]
    assert seen == wanted


FILTERS: dict[str, tuple[dict[str, Any], int]] = {
    "NULL, but not where there is no row": ({"text": "∅", "column": "before"}, 1),
    "NULL among new values": ({"text": "∅", "column": "after"}, 1),
    "a decision": ({"state": "open"}, 5),
    "a column of the table": ({"text": "name", "column": "column"}, 2),
    "a verb": ({"text": "insert"}, 5),
    "a reason that nobody gave": ({"text": "∅", "column": "reason"}, 0),
    "nothing was edited": ({"state": "edited"}, 0),
}


@pytest.mark.parametrize(("words", "count"), FILTERS.values(), ids=FILTERS)
def test_filtered(both: Sides, words: dict[str, Any], count: int) -> None:
    assert len(sn.grid(planned(both)).filter(**words)) == count


def test_a_great_plan_opens_as_fast_as_a_small_one(both: Sides) -> None:
    p = planned(both, resolve=sn.take_local)

    def many(rows: int) -> sn.Plan:
        at = pa.array(np.zeros(rows, dtype=np.int64))
        return replace(p, blocks=tuple(block.take(at) for block in p.blocks))

    def seconds(plan: sn.Plan) -> float:
        started = time.perf_counter()
        g = sn.grid(plan)
        page_of(g), repr(g)
        return time.perf_counter() - started

    few, lots = many(1_000), many(300_000)
    seconds(few)
    assert min(seconds(lots) for _ in range(3)) < 3 * min(seconds(few) for _ in range(3)) + 0.2


# --- decisions ---


def test_what_is_decided_is_what_decide_makes_of_it_and_the_code_says_the_same(both: Sides) -> None:
    p = planned(both)
    g = sn.grid(p, by="ann")
    assert (g.plan, g.code) == (p, "")
    g.edit("t", 1, "n", 12).decide("t", 2, "keep", reason="known").decide("t", 10, "apply").edit(
        "t", 4, "n", None
    )
    assert {(c.key, c.after) for c in g.plan.changes} == {
        ((4,), (4, "new", None, None, b"\x00")), ((1,), ("a", 12)), ((10,), (1,)),
    }  # fmt: skip
    assert [(row.key, row.decision, row.reason) for row in g.plan.open] == [("2", "keep", "known (ann)")]
    by_code: dict[str, Any] = {"p": p, "sn": sn}
    exec(g.code, by_code)
    assert by_code["p"].id == g.plan.id
    assert len(g.filter(state="edited")) == 10
    assert "12" in [line.cells[AFTER].text for line in g.filter("12", column="after").view.lines()]


def test_the_plan_as_decided_is_applied_proved_and_taken_back(both: Sides) -> None:
    g = sn.grid(planned(both)).edit("t", 2, "n", "77").decide("t", 1, "local")
    r = sn.apply(g.plan, both[1], allow=("many_changes",))
    assert sn.verify(r, both[1])
    assert sn.diff(*both, progress=False)["t"].counts.changed == 2
    assert sn.apply(sn.undo(r, both[1]), both[1], allow=("many_changes", "deletes")).status == "applied"


def test_the_bar_goes_round_and_an_edit_counts_as_applied(both: Sides) -> None:
    g = sn.grid(planned(both))
    line = next(n for n in range(len(g)) if g.source.place(n) == ("t", "1", "n"))  # type: ignore[attr-defined]

    def press() -> str:
        assert "refused" not in answer(g, {"id": 1, "do": "decide", "line": line})
        return str(g.source.decision(line))  # type: ignore[attr-defined]

    assert [press() for _ in range(4)] == ["apply", "keep", "open", "apply"]
    assert press() == "keep"
    answer(g, {"id": 2, "do": "set", "line": line, "at": AFTER, "text": "7"})
    assert [press() for _ in range(2)] == ["keep", "apply"]
    assert [c.after for c in g.plan.changes if c.key == (1,)] == [("a", 7)]
    g.decide("t", 1, "open")
    assert g.plan.id == g.source.plan.id, "open takes the edit back"  # type: ignore[union-attr]
    inserted = next(n for n in range(len(g)) if g.source.place(n)[1] == "4")  # type: ignore[attr-defined]
    for wanted in ("keep", "apply"):
        answer(g, {"id": 3, "do": "decide", "line": inserted})
        assert g.source.decision(inserted) == wanted  # type: ignore[attr-defined]
    assert not g.source.edits  # type: ignore[union-attr]


def test_an_edit_back_to_what_was_planned_is_none(both: Sides) -> None:
    g = sn.grid(planned(both, resolve=sn.take_local)).edit("t", 1, "n", "12").edit("t", 1, "n", "9")
    assert g.code == ""
    assert g.plan is g.source.plan  # type: ignore[union-attr]


REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "letters": (("t", 1, "n", "seven"), r"t\.n cannot be 'seven': it is not a whole number"),
    "a fraction": (("t", 1, "n", "1.5"), r"it is not a whole number"),
    "no text where there are numbers": (("t", 1, "n", ""), r"it is not a whole number"),
    "no day": (("t", 2, "at", "2026-02-30"), r"it is no date or stamp"),
    "NULL where none may be": (("t", 1, "name", None), r"t\.name may not be NULL"),
    "no bytes": (("t", 4, "data", "hello"), r"it is not bytes such as"),
    "a key": (("t", 4, "id", "5"), r"t\.id identifies the row"),
    "a row that is deleted": (("t", 3, "n", "5"), r"t 3 is deleted"),
    "a row that is not there": (("t", 99, "n", "5"), r"t 99 n is not in this plan"),
    "a cell that is not there": (("t", 1, "at", "2026-01-01"), r"t 1 at is not in this plan"),
}


@pytest.mark.parametrize(("edit", "why"), REFUSED.values(), ids=REFUSED)
def test_an_edit_that_cannot_be_leaves_no_trace(both: Sides, edit: tuple[Any, ...], why: str) -> None:
    g = sn.grid(planned(both, resolve=sn.take_local, deletes=True))
    before = page_of(g)
    with pytest.raises(sn.PlanError, match=why):
        g.edit(*edit)
    assert (page_of(g), g.code) == (before, "")


def test_a_refused_edit_is_told_to_the_browser_with_its_hint(both: Sides) -> None:
    g = sn.grid(planned(both))
    line = next(n for n in range(len(g)) if g.source.place(n) == ("t", "1", "n"))  # type: ignore[attr-defined]
    assert answer(g, {"id": 1, "do": "begin", "line": line, "at": AFTER}) == {"id": 1, "text": "9"}
    said = answer(g, {"id": 1, "do": "set", "line": line, "at": AFTER, "text": "seven"})
    assert said["refused"] == "t.n cannot be 'seven': it is not a whole number"
    assert said["hint"] == "its type is INTEGER"
    for at in (WHY, DECISION):
        assert "cannot be edited" in answer(g, {"id": 2, "do": "begin", "line": line, "at": at})["refused"]
    assert answer(g, {"id": 3, "do": "set", "line": line, "at": REASON, "text": "known"}) == {"id": 3}
    assert g.code.endswith("lines.loc[row, \"reason\"] = 'known'\np = p.decide(lines)")


def test_texts_that_a_field_would_change_are_not_opened(tmp_path: Path) -> None:
    both = sides(tmp_path, DDL, [(1, "a\r\nb", 1, None, None)], [(1, "a", 1, None, None)])
    g = sn.grid(planned(both))
    assert "line ends" in answer(g, {"id": 1, "do": "begin", "line": 0, "at": AFTER})["refused"]


def test_rows_that_read_alike_are_not_decided(tmp_path: Path) -> None:
    ddl = "CREATE TABLE t (a, b, n INTEGER, PRIMARY KEY (a, b))"
    both = sides(tmp_path, ddl, [("1, 2", "3", 1), ("1", "2, 3", 1)], [("1, 2", "3", 2), ("1", "2, 3", 2)])
    g = sn.grid(planned(both, resolve=sn.take_local))
    assert shown(g, KEY) == ["(1, 2, 3)", "(1, 2, 3)"]
    with pytest.raises(sn.PlanError, match="2 rows of t read"):
        g.decide("t", "(1, 2, 3)", "keep")


def test_hostile_messages_about_a_plan(both: Sides) -> None:
    g = sn.grid(planned(both))
    for message in (
        {"do": "set", "line": 0, "at": AFTER, "text": 7},
        {"do": "set", "line": 0, "at": AFTER, "text": "\ud800"},
        {"do": "set", "line": 0, "at": KEY, "text": "x"},
        {"do": "decide", "line": "zero"},
        {"do": "set", "line": 5, "at": AFTER},
    ):
        said = answer(g, {"id": 1, **message})
        assert said["refused"], message
        json.dumps(said)
    assert g.code == ""


# --- what a person types, by the type of its column ---

POSTGRES: dict[str, tuple[str, str, str, str]] = {
    # type, value there, what is typed, what is written; or "!" and a word of the reason
    "integer": ("integer", "1", "12", "12"),
    "beyond integer": ("smallint", "1", "40000", "!out of the range"),
    "great integer": ("bigint", "1", "9007199254740993", "9007199254740993"),
    "numeric": ("numeric(10,2)", "1", "12.5", "12.50"),
    "too fine": ("numeric(10,2)", "1", "1.239", "!it would become '1.24'"),
    "double": ("double precision", "1", "0.1", "0.1"),
    "real": ("real", "1", "0.1", "0.1"),
    "truth": ("boolean", "true", "no", "f"),
    "no truth": ("boolean", "true", "maybe", "!neither true nor false"),
    "too long": ("varchar(3)", "'a'", "abcd", "!4 characters"),
    "padded": ("char(3)", "'a'", "ab", "ab "),
    "bytes": ("bytea", "'x'", "\\x6869", "\\x6869"),
    "no day": ("date", "'2026-01-01'", "2026-02-31", "!no date"),
    "wall clock": ("timestamp", "'2026-01-01'", "2026-02-28 10:00:00.123456", "2026-02-28 10:00:00.123456"),
    "moment": ("timestamptz", "'2026-01-01Z'", "2026-02-28 10:00:00+02", "2026-02-28 08:00:00+00"),
    "moment without a zone": ("timestamptz", "'2026-01-01Z'", "2026-02-28 10:00", "!which moment"),
    "no time": ("time", "'10:00'", "25:00", "!no time of day"),
    "uuid": (
        "uuid",
        "gen_random_uuid()",
        "6F1ED002AB5595A3B3E5B8F6F1B8E001",
        "6f1ed002-ab55-95a3-b3e5-b8f6f1b8e001",
    ),
    "no uuid": ("uuid", "gen_random_uuid()", "abc", "!not a UUID"),
    "json": ("jsonb", "'{}'", '{"a":1}', '{"a": 1}'),
    "no json": ("jsonb", "'{}'", "{a", "!not JSON"),
    "the word NULL": ("text", "'a'", "NULL", "NULL"),
}


def test_what_is_typed_is_read_with_the_type_of_its_column_and_written_so(bench: Workbench) -> None:
    columns = [f"c{at}" for at in range(len(POSTGRES))]
    ddl = f"CREATE TABLE t (id integer PRIMARY KEY, {', '.join(f'{c} {t[0]}' for c, t in zip(columns, POSTGRES.values(), strict=True))})"
    local = bench.postgresql(
        ddl, f"INSERT INTO t VALUES (1, {', '.join(row[1] for row in POSTGRES.values())})"
    )
    bench.postgresql(ddl, "INSERT INTO t (id) VALUES (1)")
    remote = sn.connect(bench.last, writable=True)
    g = sn.grid(sn.plan(sn.diff(local, remote, progress=False), into=remote))
    for column, (_, _, typed, wanted) in zip(columns, POSTGRES.values(), strict=True):
        if wanted.startswith("!"):
            with pytest.raises(sn.PlanError, match=wanted[1:]):
                g.edit("t", 1, column, typed)
        else:
            g.edit("t", 1, column, typed)
    r = sn.apply(g.plan, remote, allow=("lossy", "many_changes"))
    assert r.status == "applied", r
    assert sn.verify(r, remote)
    import psycopg

    with psycopg.connect(bench.last) as connection:
        connection.execute("SET timezone = 'UTC'")
        for column, (_, _, _, wanted) in zip(columns, POSTGRES.values(), strict=True):
            if not wanted.startswith("!"):
                # The names are the test's own. As a row's text, because char(n) loses its blanks as text.
                query = f"SELECT substr(ROW({column}, 1)::text, 2) FROM t"
                [held] = connection.execute(query.encode()).fetchone() or [""]
                held = held.removesuffix(",1)")
                assert held.strip('"').replace('""', '"').replace("\\\\", "\\") == wanted, column


def test_a_saved_plan_still_knows_the_types(both: Sides, tmp_path: Path) -> None:
    p = planned(both)
    again = sn.load_plan(p.save(tmp_path / "plan.json"))
    assert again.id == p.id
    with pytest.raises(sn.PlanError, match="not a whole number"):
        sn.grid(again).edit("t", 1, "n", "seven")
    bare = sn.load_plan(p.save(tmp_path / "bare.json", values=False))
    with pytest.raises(sn.PlanError, match="without its values"):
        sn.grid(bare).edit("t", 4, "n", "7")
