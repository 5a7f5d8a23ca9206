"""Policies: who wins where a row differs, and what is left open, and why."""

import copy
import dataclasses
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import syncnb as sn
from syncnb.changes import TableDiff
from syncnb.errors import PlanError
from syncnb.resolving import (
    NULL,
    Newest,
    check_tables,
    decide,
    for_table,
    insert_only,
    newest,
    take_local,
    take_remote,
)
from tests.databases import Workbench

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
STAMP = {"sqlite": "DATETIME", "postgresql": "timestamptz"}
WALL = {"sqlite": "DATETIME", "postgresql": "timestamp"}
SIDES = {"local": 1, "remote": -1}
PAIRS = {
    "SQLite, SQLite": ("sqlite", "sqlite"),
    "SQLite, PostgreSQL": ("sqlite", "postgresql"),
    "PostgreSQL, PostgreSQL": ("postgresql", "postgresql"),
}


def quoted(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


def table(bench: Workbench, engine: str, stamps: Any, word: str, declared: str, zone: Any = None) -> sn.Store:
    return bench.make(
        engine,
        f"CREATE TABLE hosts (id INTEGER PRIMARY KEY, word TEXT, seen {declared})",
        *(
            f"INSERT INTO hosts VALUES ({number}, '{word}', {quoted(stamp)})"
            for number, stamp in enumerate(stamps)
        ),
        timezone=zone,
    )


def compared(
    bench: Workbench,
    engines: tuple[str, str],
    stamps: list[tuple[str | None, str | None]],
    types: dict[str, str] = STAMP,
    zones: Any = (None, None),
    **told: Any,
) -> TableDiff:
    """The rows of two tables that have these stamps and differ in another column."""
    sides = [
        table(bench, engine, column, word, types[engine], zone)
        for engine, column, word, zone in zip(
            engines, zip(*stamps, strict=True), ("here", "there"), zones, strict=True
        )
    ]
    return sn.diff(sides[0], sides[1], key="id", **told)["hosts"]


BERLIN = "Europe/Berlin"
BASE = "2026-03-01T05:00:00Z"
# local, remote, who wins (seen from the first), why
ROWS = {
    "three hours": ("2026-03-01T08:00:00Z", BASE, "first", "newer in {first} by 3 h"),
    "three hours, another zone": ("2026-03-01 09:00:00+01:00", BASE, "first", "newer in {first} by 3 h"),
    "text order is not time order": ("2026-03-01T00:00:00-08:00", BASE, "first", "newer in {first} by 3 h"),
    "days and hours": ("2026-03-03T06:30:00Z", BASE, "first", "newer in {first} by 2 d 1 h"),
    "two seconds": ("2026-03-01T05:00:02Z", BASE, "first", "newer in {first} by 2 s"),
    "1.5 seconds": ("2026-03-01T05:00:01.5Z", BASE, "", "only 1.5 s apart, less than 2 s"),
    "a tie": ("2026-03-01T06:00:00+01:00", BASE, "", "a tie: seen is the same moment on both sides"),
    "NULL": (None, BASE, "", "seen is NULL in {first}"),
    "in the future": ("2026-06-01T12:00:03Z", BASE, "", "seen in {first} is in the future: {stamp}"),
    "not yet the future": ("2026-06-01T12:00:01Z", BASE, "first", "newer in {first} by 92 d 7 h"),
    "long ago": ("1969-12-31T23:59:59Z", BASE, "second", "newer in {second} by 20513 d 5 h"),
}  # fmt: skip


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("swapped", [False, True], ids=["as is", "sides swapped"])
def test_newest(bench: Workbench, engines: Any, swapped: bool) -> None:
    rows = [(row[1], row[0]) if swapped else row[:2] for row in ROWS.values()]
    engines = engines[::-1] if swapped else engines
    diff = compared(bench, engines, rows)
    decided = decide(diff, newest("seen"), now=NOW)
    first, second = ("remote", "local") if swapped else ("local", "remote")
    at = diff.pair.columns.index(next(c for c in diff.pair.columns if c.name == "seen"))
    texts = (diff.changed_remote if swapped else diff.changed_local).columns[at].to_pylist()
    for row, (name, (_, _, wins, why)) in enumerate(ROWS.items()):
        winner = {"first": SIDES[first], "second": SIDES[second], "": 0}[wins]
        told = why.format(first=first, second=second, stamp=texts[row])
        assert (name, decided.winner[row], decided.open[row], decided.why_of(row)) == (
            name, winner, not wins, told,
        )  # fmt: skip
    assert str(decided.winner.dtype) == "int8"
    assert (len(decided), decided.by) == (len(ROWS), "newest('seen')")


def test_the_last_instant_before_a_limit(bench: Workbench) -> None:
    diff = compared(bench, ("sqlite", "sqlite"), [("2026-03-01T05:00:01.999999Z", BASE)])
    assert decide(diff, newest("seen"), now=NOW).why_of(0) == "only 1.999999 s apart, less than 2 s"


FLOORS = {
    "whole seconds": ("2026-03-01T05:00:01Z", BASE, timedelta(0), 1),
    "whole seconds, clocks apart": ("2026-03-01T05:00:02Z", BASE, timedelta(seconds=1), 0),
    "far enough for those clocks": ("2026-03-01T05:00:03Z", BASE, timedelta(seconds=1), 1),
    "a clock behind is as bad": ("2026-03-01T05:00:02Z", BASE, timedelta(seconds=-1), 0),
    "one side has whole seconds": ("2026-03-01T05:00:00.9Z", BASE, timedelta(0), 0),
    "milliseconds": ("2026-03-01T05:00:00.002Z", "2026-03-01T05:00:00.001Z", timedelta(0), 1),
    "microseconds": ("2026-03-01T05:00:00.000002Z", "2026-03-01T05:00:00.000001Z", timedelta(0), 1),
    "less than a millisecond": ("2026-03-01T05:00:00.0015Z", "2026-03-01T05:00:00.001Z", timedelta(0), 0),
}


@pytest.mark.parametrize(("local", "remote", "offset", "winner"), FLOORS.values(), ids=FLOORS)
def test_a_threshold_is_never_finer_than_the_clocks(
    bench: Workbench, local: str, remote: str, offset: timedelta, winner: int
) -> None:
    diff = compared(bench, ("sqlite", "postgresql"), [(local, remote)])
    policy = newest("seen", threshold=timedelta(0))
    decided = decide(diff, policy, clock_offset=offset, now=NOW)
    assert decided.winner.tolist() == [winner]
    assert bool(decided.notes) == (not winner)


def test_the_clocks_are_measured_and_a_raised_threshold_is_told(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncnb.stores import postgres_clock

    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(seconds=7.21)

    local = table(bench, "sqlite", ["2026-03-01T05:00:10Z"], "here", "DATETIME")
    table(bench, "postgresql", [BASE], "there", "timestamptz")
    remote = sn.connect(bench.last, writable=True)
    d = sn.diff(local, remote, key="id")
    assert d.clocks_apart == timedelta(0)
    assert len(sn.plan(d, into=remote, resolve=newest("seen"))) == 1
    monkeypatch.setattr(postgres_clock, "datetime", Late)
    again = sn.diff(local, remote, key="id")
    assert again.clocks_apart == timedelta(seconds=7.3)
    p = sn.plan(again, into=remote, resolve=newest("seen"))
    assert p.notes[0] == "hosts: stamps of seen closer than 15.6 s decide nothing: the clocks are 7.3 s apart"
    assert (len(p), [row.why for row in p.open]) == (0, [])
    assert p.undecided[0].why == "only 10 s apart, less than 15.6 s"


def test_dates_are_as_coarse_as_days(bench: Workbench) -> None:
    rows = [("2026-03-02", "2026-03-01"), ("2026-03-01", "2026-03-01"), ("2026-03-01", "2026-03-04")]
    dates = {"sqlite": "DATE", "postgresql": "date"}
    decided = decide(compared(bench, ("sqlite", "sqlite"), rows, dates), newest("seen"), now=NOW)
    assert decided.winner.tolist() == [1, 0, -1]
    assert decided.why_of(2) == "newer in remote by 3 d"


ODD = {
    "no stamp": ("yesterday", "seen in local is no stamp: yesterday"),
    "a number": ("1700000000", "seen in local is no stamp: 1700000000"),
    "infinity": ("infinity", "seen in local is infinity"),
    "no day": ("2026-02-30T00:00:00Z", "seen in local is no stamp: 2026-02-30T00:00:00Z"),
}


@pytest.mark.parametrize(("stamp", "why"), ODD.values(), ids=ODD)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_is_no_stamp_decides_nothing(bench: Workbench, engine: str, stamp: str, why: str) -> None:
    rows = [(stamp, BASE), ("2026-03-01T08:00:00Z", BASE)]
    diff = compared(bench, ("sqlite", engine), rows)
    decided = decide(diff, newest("seen"), now=NOW)
    assert (decided.winner.tolist(), decided.why_of(0)) == ([0, 1], why)


NAIVE = [("2026-03-01 08:00:00", BASE), ("2026-03-01 05:00:00", "2026-03-01T08:00:00Z")]
LATER = [("2026-03-01T08:00:00Z", BASE)]


class TestZones:
    def test_a_declared_zone_makes_a_wall_clock_a_moment(self, bench: Workbench) -> None:
        diff = compared(bench, ("sqlite", "postgresql"), NAIVE, zones=(BERLIN, None))
        decided = decide(diff, newest("seen"), now=NOW)
        assert [decided.why_of(row) for row in (0, 1)] == ["newer in local by 2 h", "newer in remote by 4 h"]

    @pytest.mark.parametrize("swapped", [False, True], ids=["as is", "sides swapped"])
    @pytest.mark.parametrize("other", ["sqlite", "postgresql"])
    def test_an_undeclared_one_is_one_error(self, bench: Workbench, other: str, swapped: bool) -> None:
        rows = [row[::-1] if swapped else row for row in NAIVE]
        engines = ("sqlite", other)[:: -1 if swapped else 1]
        diff = compared(bench, engines, rows)
        with pytest.raises(PlanError) as caught:
            decide(diff, newest("seen"), now=NOW)
        side = "remote" if swapped else "local"
        assert caught.value.message == (
            f"hosts.seen has no zone in {side}: 2 rows cannot be put in order of time"
        )
        assert 'timezone="UTC"' in caught.value.hint
        assert "hosts.seen" in caught.value.hint

    def test_two_wall_clocks_of_one_engine_are_one_clock(self, bench: Workbench) -> None:
        rows = [
            ("2026-03-01 08:00:00", "2026-03-01 05:00:00"),
            ("2026-06-02 02:00:00", "2026-03-01 05:00:00"),
        ]
        for engine in ("sqlite", "postgresql"):
            diff = compared(bench, (engine, engine), rows, WALL)
            # Wherever that clock hangs: it may be 14 hours ahead of Greenwich, so this is not yet the future.
            assert decide(diff, newest("seen"), now=NOW).winner.tolist() == [1, 1]
            later = decide(diff, newest("seen"), now=NOW - timedelta(hours=1))
            assert later.winner.tolist() == [1, 0]

    def test_two_wall_clocks_of_two_engines_are_two(self, bench: Workbench) -> None:
        rows = [("2026-03-01 08:00:00", "2026-03-01 05:00:00")]
        diff = compared(bench, ("sqlite", "postgresql"), rows, WALL)
        with pytest.raises(PlanError, match="has no zone in local and remote: 1 rows"):
            decide(diff, newest("seen"), now=NOW)
        declared = compared(bench, ("sqlite", "postgresql"), rows, WALL, zones=(BERLIN, "UTC"))
        assert decide(declared, newest("seen"), now=NOW).why == ["newer in local by 2 h"]

    @pytest.mark.parametrize("zones", [(BERLIN, BERLIN), (BERLIN, "UTC")])
    def test_the_hour_that_came_twice_decides_nothing(self, bench: Workbench, zones: Any) -> None:
        rows = [
            ("2025-10-26 02:30:00", "2025-10-26 01:00:00"),
            ("2025-10-26 04:30:00", "2025-10-26 01:00:00"),
            ("2026-03-29 02:30:00", "2026-03-01 01:00:00"),
        ]
        diff = compared(bench, ("sqlite", "sqlite"), rows, zones=zones)
        decided = decide(diff, newest("seen"), now=NOW)
        assert decided.winner.tolist() == [0, 1, 0]
        told = "an hour that the clock of Europe/Berlin showed twice or never"
        assert decided.why_of(0) == f"seen in local is 2025-10-26 02:30:00, {told}"
        # Across the change the wall clocks are 3.5 hours apart, the moments 4.5 (or 3.5 from the clock of UTC).
        hours = "4 h 30 min" if zones[1] == BERLIN else "2 h 30 min"
        assert decided.why_of(1) == f"newer in local by {hours}"

    def test_rows_without_a_known_stamp_need_no_zone(self, bench: Workbench) -> None:
        rows = [(None, BASE), ("?", BASE)]
        diff = compared(bench, ("sqlite", "postgresql"), rows)
        assert decide(diff, newest("seen"), now=NOW).winner.tolist() == [0, 0]

    def test_text_is_compared_as_stamps(self, bench: Workbench) -> None:
        texts = {"sqlite": "TEXT", "postgresql": "text"}
        rows = [("2026-03-01T00:00:00-08:00", BASE)]
        diff = compared(bench, ("sqlite", "postgresql"), rows, texts)
        assert decide(diff, newest("seen"), now=NOW).why == ["newer in local by 3 h"]
        naive = compared(bench, ("sqlite", "postgresql"), NAIVE, texts)
        with pytest.raises(PlanError, match=r"hosts\.seen has no zone in local: 2 rows") as caught:
            decide(naive, newest("seen"), now=NOW)
        assert "both columns are text" in caught.value.hint


class TestColumns:
    def test_by_table_and_for_all_others(self, bench: Workbench) -> None:
        diff = compared(bench, ("sqlite", "postgresql"), LATER)
        for columns in ({"hosts": "seen"}, {"HOSTS": "Seen"}, {"*": "seen"}, {"other": "id", "*": "seen"}):
            assert decide(diff, newest(columns), now=NOW).winner.tolist() == [1]
        with pytest.raises(PlanError, match="names no column for hosts"):
            decide(diff, newest({"other": "seen"}), now=NOW)

    def test_a_column_that_is_not_there(self, bench: Workbench) -> None:
        diff = compared(bench, ("sqlite", "postgresql"), LATER)
        with pytest.raises(PlanError, match="hosts has no column 'updated_at' to decide by") as caught:
            decide(diff, newest("updated_at"), now=NOW)
        assert caught.value.hint == "there are id, seen, word"
        with pytest.raises(PlanError, match="did you mean seen"):
            decide(diff, newest("seenn"), now=NOW)

    def test_a_column_that_holds_no_stamps(self, bench: Workbench) -> None:
        diff = compared(bench, ("sqlite", "postgresql"), LATER)
        with pytest.raises(PlanError, match=r"hosts\.id holds no dates or stamps.*some: seen"):
            decide(diff, newest("id"), now=NOW)

    def test_a_column_that_was_ignored(self, bench: Workbench) -> None:
        diff = compared(bench, ("sqlite", "postgresql"), LATER, ignore="seen")
        with pytest.raises(PlanError, match=r"hosts\.seen was not compared: ignored, as told"):
            decide(diff, newest("seen"), now=NOW)

    def test_no_changed_row_no_error_about_zones(self, bench: Workbench) -> None:
        same = [bench.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, seen DATETIME)") for _ in "ab"]
        decided = decide(sn.diff(*same)["t"], newest("seen"), now=NOW)
        assert (len(decided), decided.why) == (0, [])


SIMPLE = {
    "nobody": (None, 0, True, "nobody decided"),
    "local": (take_local, 1, False, "take_local"),
    "remote": (take_remote, -1, False, "take_remote"),
    "insert only": (insert_only, 0, False, "insert_only: rows that differ stay as they are"),
    "by table": ({"hosts": take_remote, "*": take_local}, -1, False, "take_remote"),
    "for all others": ({"ports": take_remote, "*": take_local}, 1, False, "take_local"),
    "regardless of case": ({"Hosts": take_remote}, -1, False, "take_remote"),
    "not named": ({"ports": take_remote}, 0, True, "nobody decided"),
    "nobody, by name": ({"hosts": None, "*": take_local}, 0, True, "nobody decided"),
}


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize(("policy", "winner", "still_open", "why"), SIMPLE.values(), ids=SIMPLE)
def test_one_policy_for_all_rows(
    bench: Workbench, engines: Any, policy: Any, winner: int, still_open: bool, why: str
) -> None:
    diff = compared(bench, engines, [(BASE, BASE), (None, BASE)])
    decided = decide(diff, policy)
    assert decided.winner.tolist() == [winner] * 2
    assert decided.open.tolist() == [still_open] * 2
    assert (decided.why, decided.why_of(1), decided.by) == (why, why, why.partition(":")[0])


WRONG = {
    "a word": "local",
    "a class": type(take_local),
    "the function": newest,
    "a nested mapping": {"hosts": {"*": take_local}},
    "a wrong one by table": {"hosts": "remote", "*": take_local},
}


def test_a_word_or_instant_that_is_none_is_refused(bench: Workbench) -> None:
    with pytest.raises(PlanError, match=r"no step 'indx'.*steps are .*index"):
        sn.remedy("indx", "t", "a")
    with pytest.raises(PlanError, match=r"before= is a str.*tzinfo=UTC"):
        sn.purge(bench.sqlite("CREATE TABLE t (a)"), before="2026-01-31")  # type: ignore[arg-type]


def test_rows_that_are_asked_for_wait_whatever_they_are(bench: Workbench) -> None:
    """Changed, new, or to be deleted; a key that does not differ is told, since it may be a typo."""
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)"
    local = bench.sqlite(table, "INSERT INTO t VALUES (1, 2), (2, 3), (3, 4)")
    remote = dataclasses.replace(
        bench.sqlite(table, "INSERT INTO t VALUES (1, 1), (8, 8), (9, 9)"), writable=True
    )
    told = {"resolve": sn.take_local, "deletes": True, "ask": {"t": [1, 2, 9, 77]}}
    p = sn.plan(sn.diff(local, remote), into=remote, **told)
    assert [(block.verb, block.keys[0].to_pylist()) for block in p.blocks] == [
        ("insert", [3]),
        ("delete", [8]),
    ]
    assert {(block.verb, *block.keys[0].to_pylist()) for block in p.undecided} == {
        ("update", 1),
        ("insert", 2),
    }
    assert [(row.key, row.why) for row in p.open] == [("9", "left for a person to decide")]
    assert "t 77 does not differ: nobody is asked" in p.notes
    assert not any("t 9 " in note for note in p.notes)
    p = p.choose("t", 2, "local", by="ann", reason="it is there")
    sn.apply(p, remote, allow=("deletes", "many_changes"))
    with remote.reading() as reader:
        rows = [
            row for batch in reader.batches(reader.schema()["t"], ["id", "a"]) for row in batch.to_pylist()
        ]
    assert sorted((row["id"], row["a"]) for row in rows) == [(1, 1), (2, 3), (3, 4), (9, 9)]


@pytest.mark.parametrize("policy", WRONG.values(), ids=WRONG)
def test_what_is_no_policy_is_refused(bench: Workbench, policy: Any) -> None:
    diff = compared(bench, ("sqlite", "sqlite"), [(BASE, None)])
    with pytest.raises(PlanError, match=r"is no policy.*sn\.take_local"):
        decide(diff, policy)


@pytest.mark.parametrize("column", [None, "", 7, {}, {"hosts": None}, {"hosts": ""}, ["seen"]], ids=repr)
def test_newest_needs_a_column(column: Any) -> None:
    with pytest.raises(PlanError, match="newest does not take"):
        newest(column)


@pytest.mark.parametrize("threshold", [2, None, timedelta(seconds=-1)], ids=repr)
def test_newest_needs_a_span_of_time(threshold: Any) -> None:
    with pytest.raises(PlanError, match="the threshold of newest is"):
        newest("seen", threshold=threshold)


def test_the_present_has_a_zone(bench: Workbench) -> None:
    diff = compared(bench, ("sqlite", "sqlite"), [(BASE, None)])
    with pytest.raises(PlanError, match="without a zone"):
        decide(diff, newest("seen"), now=datetime(2026, 6, 1))


def test_a_table_that_was_not_compared_is_a_typo(bench: Workbench) -> None:
    pairs = [compared(bench, ("sqlite", "sqlite"), [(BASE, None)]).pair]
    good = [
        None,
        take_local,
        {"hosts": take_local, "*": None},
        {"*": newest({"HOSTS": "seen"})},
        newest("seen"),
    ]
    for policy in good:
        check_tables(policy, pairs)
    for policy in (
        {"host": take_local},
        {"*": newest({"host": "seen"})},
        newest({"host": "seen", "*": "seen"}),
    ):
        with pytest.raises(
            PlanError, match=r"names a table 'host' that was not compared.*did you mean hosts"
        ):
            check_tables(policy, pairs)


def test_frames_are_an_engine_of_their_own(bench: Workbench) -> None:
    frame = pd.DataFrame({"id": [0], "word": ["here"], "seen": pd.to_datetime(["2026-03-01 08:00:00"])})
    there = table(bench, "sqlite", ["2026-03-01 05:00:00"], "there", "DATETIME")
    diff = sn.diff(sn.connect({"hosts": frame}), there, key="id")["hosts"]
    with pytest.raises(PlanError, match="has no zone in local and remote"):
        decide(diff, newest("seen"), now=NOW)


def test_policies_are_values(bench: Workbench) -> None:
    policies = [take_local, take_remote, insert_only, newest("seen"), newest({"hosts": "seen", "*": "at"})]
    assert len(set(policies)) == len(policies)
    assert [repr(policy) for policy in policies] == [
        "take_local", "take_remote", "insert_only", "newest('seen')", "newest({'hosts': 'seen', '*': 'at'})",
    ]  # fmt: skip
    for policy in policies:
        assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy
    assert newest("seen") == newest({"*": "seen"}) == Newest({"*": "seen"})
    assert newest("seen", timedelta(seconds=5)) != newest("seen")
    pair = compared(bench, ("sqlite", "sqlite"), [(BASE, None)]).pair
    resolved = for_table(newest("Seen"), pair)
    assert (resolved.name, pair.columns[resolved.at].name) == ("seen", "seen")


def test_the_word_for_null_is_one() -> None:
    assert repr(NULL) == "NULL"
    assert copy.deepcopy(NULL) is copy.copy(NULL) is pickle.loads(pickle.dumps(NULL)) is NULL
    assert NULL is not None
    assert NULL != "NULL"
