"""One unattended run: what it passes on, what it leaves and says, and that a killed one is taken up."""

import dataclasses
import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

import syncnb as sn
from syncnb import embedded, journal
from syncnb.errors import PlanError
from syncnb.examples import homes
from syncnb.failpoints import VARIABLE
from syncnb.stores.sqlite import SQLiteReader
from tests.databases import Workbench
from tests.faults.ledger import summed_up
from tests.machines.world import raising, third
from tests.proof.counting import count, draws, judged, share
from tests.test_threeway import AB, CHILD, PAIRS, QUERIES, TAG, A, Sides, made, read, run

NEWEST = sn.newest({"hosts": "last_seen", "*": "updated_at"})


@pytest.fixture(scope="module", autouse=True)
def _cleared() -> Iterator[None]:
    yield
    homes.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def incident(request: pytest.FixtureRequest) -> tuple[sn.Store, sn.Store]:
    if request.param == "postgresql" and not embedded.available():
        pytest.skip(embedded.missing())
    local, remote = sn.demo("id_collisions", remote=request.param)
    return dataclasses.replace(local, writable=True), remote  # type: ignore[type-var]


def force_sync(local: sn.Store, remote: sn.Store) -> sn.Synced:
    return sn.sync(local, remote, resolve=NEWEST, collisions="keep_both", source="sync_tracking")


def test_the_six_pending_changes_of_the_incident(
    incident: tuple[sn.Store, sn.Store], caplog: pytest.LogCaptureFixture
) -> None:
    local, remote = incident
    with caplog.at_level(logging.INFO, logger="syncnb"):
        done = force_sync(local, remote)
    assert [f"{each.levelname} - {each.getMessage()}" for each in caplog.records] == [
        "INFO - Sync #2 completed: 6 records, 0 conflicts resolved (caller: force_sync:MainThread)"
    ]
    assert done, done
    assert repr(done).startswith(done.line)
    totals: dict[str, int] = {}
    for counts in done.reports[0].totals.values():
        for name, number in counts.items():
            totals[name] = totals.get(name, 0) + number
    assert (totals["updated"], totals["inserted"], totals["mapped"]) == (3, 2, 1)
    last = sn.history(remote).frame.iloc[-1]
    assert (last["run"], last["kind"], last["status"], last["records"]) == (2, "sync", "success", 6)
    assert (last["conflicts_resolved"], last["conflicts_open"], last["backlog"]) == (0, 0, 0)
    assert not len(sn.pending(local, source="sync_tracking"))
    again = force_sync(local, remote)
    assert again.line == "Sync #3 completed: 0 records, 0 conflicts resolved (caller: force_sync:MainThread)"
    assert sn.history(remote).frame["records"].tolist() == [6, 6, 0]
    names = "SELECT domain_name FROM domains"
    assert {("remote-only.example",), ("shared.example",), ("new.example",)} <= set(read(remote, names))


def test_after_a_push_and_a_pull_nothing_differs(incident: tuple[sn.Store, sn.Store]) -> None:
    """What the remote alone knew comes with its children, under the ids that the maps say."""
    local, remote = incident
    force_sync(local, remote)
    back = sn.sync(local, remote, direction="pull", resolve=NEWEST, collisions="keep_both")
    assert back, back
    d = sn.diff(local, remote)
    counts = ["changed", "only_local", "only_remote", "conflicts"]
    assert not d.summary[counts].to_numpy().any(), d
    assert (d["domains"].ids.mapped, d["domain_dns_records"].ids.mapped) == (2, 2)
    under = "SELECT d.domain_name, r.record_type, r.value FROM domain_dns_records r JOIN domains d ON d.id = r.domain_id"
    assert sorted(read(local, under)) == sorted(read(remote, under))
    for direction in ("push", "pull"):
        assert sn.sync(local, remote, direction=direction, resolve=NEWEST, caller="again").records == 0


def test_a_row_left_open_that_no_log_knows_comes_again(bench: Workbench) -> None:
    """It differed before anything was captured: the next run must not take it for done."""
    sides = made(bench, PAIRS["SQLite"], [A])
    run(sides.local, ["UPDATE hosts SET note = 'l'"])
    sn.track(sides.local, list(QUERIES))
    for _ in range(2):
        done = push(sides)
        assert not done
        assert [(row.table, row.key) for row in done.open] == [("hosts", "1")]
    assert "the last time left rows open" in repr(done)
    done = push(sides, resolve=sn.take_local)
    assert done, done
    assert read(sides.remote, "SELECT note FROM hosts") == [("l",)]
    assert "everything" not in repr(push(sides))


def test_a_row_left_open_that_the_log_knows_needs_no_audit(bench: Workbench) -> None:
    sides = tracked(bench, PAIRS["SQLite"], *AB)
    run(sides.local, ["UPDATE hosts SET note = 'l' WHERE id = 1"])
    run(sides.remote, ["UPDATE hosts SET note = 'r' WHERE id = 1"])
    assert len(push(sides, audit_every=timedelta(0)).open) == 1
    again = push(sides)
    assert len(again.open) == 1
    assert "everything" not in repr(again)


def test_a_pull_is_no_audit_of_what_waits_here(bench: Workbench) -> None:
    sides = made(bench, PAIRS["SQLite"], [A])
    run(sides.local, ["INSERT INTO hosts VALUES (2, 'b', 'mine', 'x', NULL)"])
    sn.track(sides.local, list(QUERIES))
    push(sides, direction="pull")
    assert push(sides)
    assert read(sides.remote, "SELECT note FROM hosts WHERE id = 2") == [("mine",)]


def tracked(bench: Workbench, engines: Sequence[str], *base: str) -> Sides:
    """Two databases in step, whose local changes are captured from now on."""
    sides = made(bench, engines, base)
    sn.track(sides.local, list(QUERIES))
    first = push(sides)
    assert first, first
    return sides


def push(sides: Sides, **told: Any) -> sn.Synced:
    return sn.sync(sides.local, sides.remote, caller="test", **told)


class Reads:
    """Which tables are read whole while a block runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.whole: list[str] = []
        original = SQLiteReader.batches

        def batches(reader: SQLiteReader, table: Any, *args: Any, **more: Any) -> Any:
            self.whole.append(table.name)
            return original(reader, table, *args, **more)

        monkeypatch.setattr(SQLiteReader, "batches", batches)


@dataclasses.dataclass(frozen=True)
class Push:
    """What local did since both agreed (and remote), what is pushed, and what remote then holds."""

    base: Sequence[str]
    local: Sequence[str]
    remote: Sequence[str] = ()
    after: Any = None
    records: int = 1
    open: int = 0
    resolved: int = 0
    told: Any = dataclasses.field(default_factory=dict)


PUSHES = {
    "an update": Push(AB, ["UPDATE hosts SET note = 'l' WHERE id = 1"], after={"hosts": [("a", "l", "x"), ("b", "old", "x")]}),
    "an insert with children": Push(
        [A], ["INSERT INTO hosts VALUES (2, 'n', '', '', NULL)", "INSERT INTO ips VALUES (1, 2, '::1', '')", "INSERT INTO tags VALUES (2, 't', '')"],
        after={"hosts": [("a", "old", "x"), ("n", "", "")], "ips": [("n", "::1", "")], "tags": [("n", "t", "")]}, records=3,
    ),
    "inserted and updated: once": Push(
        [], [A, "UPDATE hosts SET note = 'l'", "UPDATE hosts SET env = 'l'"], after={"hosts": [("a", "l", "l")]}
    ),
    "inserted and deleted: nothing": Push(AB, ["INSERT INTO hosts VALUES (9, 'n', '', '', NULL)", "DELETE FROM hosts WHERE id = 9"], after={"hosts": [("a", "old", "x"), ("b", "old", "x")]}),
    "changed there and back: nothing": Push([A], ["UPDATE hosts SET note = 'l'", "UPDATE hosts SET note = 'old'"], after={"hosts": [("a", "old", "x")]}),
    "a new child of a parent that waited for nothing": Push([A], ["INSERT INTO ips VALUES (7, 1, '::7', '')"], after={"ips": [("a", "::7", "")]}),
    "a delete that is allowed": Push(
        [A, CHILD], ["DELETE FROM ips", "DELETE FROM hosts"], after={"hosts": [], "ips": []}, records=2,
        told={"allow": ("deletes",)},
    ),
    "a delete that is not": Push(AB, ["DELETE FROM hosts WHERE id = 1"], after={"hosts": [("a", "old", "x"), ("b", "old", "x")]}, records=0, open=1),
    "a delete, and a child there that nobody here has seen": Push(
        [A], ["DELETE FROM hosts"], ["INSERT INTO ips VALUES (9, 1, '::9', '')"], {"hosts": [("a", "old", "x")], "ips": [("a", "::9", "")]},
        records=0, open=2, told={"allow": ("deletes", "cascades")},
    ),
    "both deleted it": Push(AB, ["DELETE FROM hosts WHERE id = 1"], ["DELETE FROM hosts WHERE id = 1"], {"hosts": [("b", "old", "x")]}),
    "what remote changed is left alone": Push(
        AB, ["UPDATE hosts SET note = 'l' WHERE id = 1"], ["UPDATE hosts SET env = 'r' WHERE id = 1", "UPDATE hosts SET note = 'r' WHERE id = 2"],
        {"hosts": [("a", "l", "r"), ("b", "r", "x")]},
    ),
    "a conflict that nobody decides": Push(
        [A], ["UPDATE hosts SET note = 'l'"], ["UPDATE hosts SET note = 'r'"], {"hosts": [("a", "r", "x")]}, records=0, open=1
    ),
    "a conflict that a policy decides": Push(
        [A], ["UPDATE hosts SET note = 'l'"], ["UPDATE hosts SET note = 'r'"], {"hosts": [("a", "l", "x")]}, resolved=1,
        told={"resolve": sn.take_local},
    ),
    "a conflict that goes to remote": Push(
        [A], ["UPDATE hosts SET note = 'l'"], ["UPDATE hosts SET note = 'r'"], {"hosts": [("a", "r", "x")]}, resolved=1,
        told={"resolve": sn.take_remote},
    ),
    "an id collision, and its children": Push(
        [A], ["INSERT INTO hosts VALUES (7, 'l', '', '', NULL)", "INSERT INTO ips VALUES (3, 7, '::3', '')"],
        ["INSERT INTO hosts VALUES (7, 'r', 'other', 'z', NULL)", "INSERT INTO hosts VALUES (8, 'l', 'remote', 'z', NULL)"],
        {"hosts": [("a", "old", "x"), ("l", "", ""), ("r", "other", "z")], "ips": [("l", "::3", "")]}, records=2,
        told={"resolve": sn.take_local, "collisions": "keep_both"},
    ),
    "a fresh id, and its children": Push(
        [A, "INSERT INTO hosts VALUES (2, 'b', '', '', NULL)"], ["INSERT INTO hosts VALUES (7, 'l', '', '', NULL)", "INSERT INTO ips VALUES (3, 7, '::3', '')", "DELETE FROM hosts WHERE id = 2"],
        ["INSERT INTO hosts VALUES (7, 'r', 'other', 'z', NULL)"],
        {"hosts": [("a", "old", "x"), ("l", "", ""), ("r", "other", "z")], "ips": [("l", "::3", "")]}, records=3,
        told={"collisions": "keep_both", "ids": "meaningless", "allow": ("deletes",)},
    ),
    "a rename": Push(
        [A, CHILD, TAG], ["UPDATE hosts SET name = 'z'"], ["UPDATE hosts SET note = 'r'"],
        {"hosts": [("z", "r", "x")], "ips": [("z", "::1", "")], "tags": [("z", "t", "")]},
    ),
    "by a key that people chose": Push(
        ["INSERT INTO codes VALUES ('c', 'v')"], ["INSERT INTO codes VALUES ('d', 'w')", "INSERT INTO uses VALUES ('d', 1)", "UPDATE codes SET note = 'u' WHERE code = 'c'"],
        after={"codes": [("c", "u"), ("d", "w")], "uses": [("d", 1)]}, records=3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("case", PUSHES.values(), ids=PUSHES)
def test_pending_changes_are_pushed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, case: Push, engines: tuple[str, str]
) -> None:
    sides = tracked(bench, engines, *case.base)
    run(sides.local, case.local)
    run(sides.remote, case.remote)
    reads = Reads(monkeypatch)
    done = push(sides, **case.told)
    assert reads.whole == [], "no table is read whole for a few changes"
    assert (done.records, len(done.open), done.resolved) == (case.records, case.open, case.resolved), done
    for name, rows in case.after.items():
        assert read(sides.remote, QUERIES[name]) == rows, name
    assert all(done.proofs)
    assert done.backlog == len(sn.pending(sides.local)) == (0 if not case.open else done.backlog)
    again = push(sides, **case.told)
    assert (again.records, len(again.open), again.resolved) == (0, case.open, 0), again
    for name, rows in case.after.items():
        assert read(sides.remote, QUERIES[name]) == rows, name
    # A run over everything agrees, and finds nothing that was not captured.
    whole = push(sides, audit_every=timedelta(0), **case.told)
    assert (whole.records, len(whole.open)) == (0, case.open), whole


def test_without_capture_everything_is_compared(bench: Workbench) -> None:
    sides = made(bench, PAIRS["PostgreSQL"], AB)
    run(
        sides.local,
        ["UPDATE hosts SET note = 'l' WHERE id = 1", "INSERT INTO hosts VALUES (3, 'c', '', '', NULL)"],
    )
    first = push(sides, resolve=sn.take_local)
    assert (first.records, first.open) == (2, ())
    assert "everything was compared: nothing captures changes" in first.notes
    run(sides.remote, ["UPDATE hosts SET note = 'r' WHERE id = 2"])
    run(sides.local, ["DELETE FROM hosts WHERE id = 3"])
    second = push(sides, allow=("deletes",))
    assert (second.records, second.open) == (1, ())
    assert read(sides.remote, QUERIES["hosts"]) == [("a", "l", "x"), ("b", "r", "x")]


@pytest.mark.parametrize(
    "engines", [*PAIRS.values(), ("postgresql", "postgresql")], ids=[*PAIRS, "two servers"]
)
def test_both_directions(bench: Workbench, engines: tuple[str, str]) -> None:
    sides = made(bench, engines, [*AB, CHILD])
    sn.agree(sides.local, sides.remote)
    run(
        sides.local,
        ["UPDATE hosts SET note = 'l' WHERE id = 1", "INSERT INTO hosts VALUES (7, 'l', '', '', NULL)"],
    )
    run(
        sides.remote,
        [
            "UPDATE hosts SET env = 'r' WHERE id = 1",
            "DELETE FROM hosts WHERE id = 2",
            "INSERT INTO ips VALUES (9, 1, '::9', '')",
        ],
    )
    done = push(sides, direction="both", allow=("deletes", "many_changes"))
    assert done, done
    expected = [("a", "l", "r"), ("l", "", "")]
    for store in (sides.local, sides.remote):
        assert read(store, QUERIES["hosts"]) == expected
        assert read(store, QUERIES["ips"]) == [("a", "::1", ""), ("a", "::9", "")]
    assert sn.diff(sides.local, sides.remote).verdict == "equal"
    assert push(sides, direction="both").records == 0
    for store in (sides.local, sides.remote):
        assert sn.history(store).frame["kind"].tolist() == ["sync", "sync"]


def test_a_pull_is_not_captured_as_a_change(bench: Workbench) -> None:
    sides = tracked(bench, PAIRS["SQLite"], *AB)
    run(sides.remote, ["UPDATE hosts SET note = 'r' WHERE id = 1"])
    assert push(sides, direction="pull").records == 1
    assert read(sides.local, QUERIES["hosts"]) == [("a", "r", "x"), ("b", "old", "x")]
    assert not len(sn.pending(sides.local))
    assert push(sides).records == 0


def test_a_conflict_of_both_directions_is_counted_once(bench: Workbench) -> None:
    sides = made(bench, PAIRS["SQLite"], [A])
    sn.agree(sides.local, sides.remote)
    run(sides.local, ["UPDATE hosts SET note = 'l'"])
    run(sides.remote, ["UPDATE hosts SET note = 'r'"])
    done = push(sides, direction="both", resolve=sn.take_remote)
    assert (done.resolved, done.open) == (1, ())
    assert [(each.lost, each.kept) for report in done.reports for each in report.lost] == [("l", "r")]
    assert done.line == "Sync #1 completed: 1 records, 1 conflicts resolved (caller: test)"


def test_what_the_target_makes_of_a_value_is_accepted_and_never_comes_back(bench: Workbench) -> None:
    """A trigger on each side stamps what is written: no sync may pass that on for ever."""
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9), at VARCHAR(40))"
    stamp = "CREATE TRIGGER stamp AFTER UPDATE OF v ON t BEGIN UPDATE t SET at = '{}' WHERE id = NEW.id; END"
    stores = [
        bench.sqlite(ddl, "INSERT INTO t VALUES (1, 'a', 'then')", stamp.format(name)).path  # type: ignore[attr-defined]
        for name in ("local", "remote")
    ]
    sides = Sides(*(sn.connect(path, writable=True) for path in stores))
    sn.agree(sides.local, sides.remote)
    run(sides.local, ["UPDATE t SET v = 'b'"])
    allow = ("trigger_rewrites", "many_changes")
    assert push(sides, direction="both", allow=allow).open == ()
    held = [read(store, "SELECT * FROM t") for store in (sides.local, sides.remote)]
    assert [row[0][1] for row in held] == ["b", "b"]
    for _ in range(2):
        again = push(sides, direction="both", allow=allow)
        assert (again.records, again.open) == (0, ()), again
        assert [read(store, "SELECT * FROM t") for store in (sides.local, sides.remote)] == held


def test_rows_that_drift_meanwhile_stay_behind(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = tracked(bench, PAIRS["SQLite"], *AB)
    run(sides.local, ["UPDATE hosts SET note = 'l'"])
    from syncnb.syncing import running

    original = running.apply_within

    def meddled(*args: Any, **more: Any) -> Any:
        run(sides.remote, ["UPDATE hosts SET note = 'meddled' WHERE id = 2"])
        return original(*args, **more)

    monkeypatch.setattr(running, "apply_within", meddled)
    done = push(sides)
    monkeypatch.undo()
    assert (done.records, done.backlog) == (1, 1)
    assert {each.key for each in done.open} == {"2"}
    assert done.backlog_since is not None
    assert read(sides.remote, QUERIES["hosts"]) == [("a", "l", "x"), ("b", "meddled", "x")]
    assert sn.history(sides.remote).frame["backlog"].tolist()[-1] == 1
    assert push(sides, resolve=sn.take_local).resolved == 1


def test_an_undone_sync_is_no_longer_agreed(bench: Workbench) -> None:
    sides = tracked(bench, PAIRS["PostgreSQL"], *AB)
    run(sides.local, ["UPDATE hosts SET note = 'l' WHERE id = 1"])
    done = push(sides)
    sn.apply(sn.undo(done.number, sides.remote), sides.remote)
    d = sn.diff(sides.local, sides.remote)
    assert d["hosts"].rows["since"].tolist() == [""], "nobody remembers what it was"
    assert push(sides, audit_every=timedelta(0)).open, "so a person decides"


def test_what_was_not_captured_is_found_by_an_audit(bench: Workbench) -> None:
    sides = tracked(bench, PAIRS["SQLite"], *AB)
    with sqlite3.connect(sides.local.path) as connection:  # type: ignore[attr-defined]
        triggers = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'hosts'"
            )
        ]
        for name in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE hosts SET note = 'l' WHERE id = 1")
    connection.close()
    done = push(sides)
    assert "everything was compared: capture may have missed something" in done.notes
    assert any(note.startswith("uncaptured: hosts") for note in done.notes)
    assert read(sides.remote, QUERIES["hosts"]) == [("a", "l", "x"), ("b", "old", "x")]


def test_what_no_log_covers_is_compared_or_told(bench: Workbench) -> None:
    """A table that is not tracked, a column that is new on both sides, a table that the other side has no longer."""
    table = "CREATE TABLE {} (id INTEGER PRIMARY KEY, v VARCHAR(9), n INTEGER)"
    sides = made(bench, PAIRS["PostgreSQL"], [table.format("first"), table.format("second")])
    run(sides.local, ["INSERT INTO first VALUES (1, 'a', 1)", "INSERT INTO second VALUES (1, 'a', 1)"])
    sn.track(sides.local, [*QUERIES, "first"])
    assert push(sides).records == 2, "nothing of it was pending, and all of it was written"
    run(sides.local, ["UPDATE second SET v = 'b'"])
    done = push(sides)
    assert "everything was compared: second is not tracked" in done.notes
    assert (done.records, read(sides.remote, "SELECT v FROM second")) == (1, [("b",)])
    sn.track(sides.local)
    assert "everything was compared: second was not tracked yet the last time" in push(sides).notes
    assert not any(note.startswith("everything") for note in push(sides).notes)

    run(sides.local, ["ALTER TABLE first ADD COLUMN w VARCHAR(9)", "UPDATE first SET w = 'new', v = 'c'"])
    done = push(sides)
    assert "first: column w is only in local, and not synced" in done.notes
    assert (done.records, bool(done)) == (1, True)
    run(sides.remote, ["ALTER TABLE first ADD COLUMN w VARCHAR(9)"])
    done = push(sides)
    assert "everything was compared: column w of first was not compared the last time" in done.notes
    assert [(row.table, row.key) for row in done.open] == [("first", "1")]
    assert push(sides, resolve=sn.take_local)
    assert read(sides.remote, "SELECT w FROM first") == [("new",)]

    run(sides.remote, ["DROP TABLE second"])
    assert any(
        note.startswith("second is not synced: remote has no table second") for note in push(sides).notes
    )
    run(sides.local, ["UPDATE second SET v = 'd'", "UPDATE first SET v = 'd'"])
    done = push(sides)
    assert [(row.table, row.key, row.why[:32]) for row in done.open] == [
        ("second", "1", "remote has no table second any m")
    ]
    assert (done.records, done.backlog, read(sides.remote, "SELECT v FROM first")) == (1, 1, [("d",)])
    assert push(sides, tables="first"), "told so, the others are synced without it"
    sn.untrack(sides.local)
    for direction in ("both", "pull"):
        notes = push(sides, direction=direction, resolve=sn.take_local).notes
        assert [note[:42] for note in notes if "is not synced" in note] == [
            "second is not synced: remote has no table "
        ]


def test_a_table_of_another_schema(bench: Workbench) -> None:
    """Named with its schema, the hint says how to look there; then it is kept in step as any other."""
    table = "CREATE TABLE {} (id INTEGER PRIMARY KEY, v VARCHAR(9))"
    local = dataclasses.replace(
        bench.sqlite(table.format("t"), "INSERT INTO t VALUES (1, 'a')"), writable=True
    )
    app = ("DROP SCHEMA IF EXISTS app CASCADE", "CREATE SCHEMA app", table.format("app.t"))
    remote = dataclasses.replace(bench.postgresql(*app), writable=True)  # type: ignore[type-var]
    with pytest.raises(sn.SchemaError, match=r"schemas=\['app'\] looks into that schema too"):
        sn.sync(local, remote, {"t": "app.t"})
    assert sn.agree(local, remote, schemas=["app"]).differing == {"t": 1}
    assert sn.sync(local, remote, schemas=["app"])
    assert read(remote, "SELECT v FROM app.t") == [("a",)]


def test_a_column_that_the_target_computes_is_told(bench: Workbench) -> None:
    table = "CREATE TABLE sums (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER{})"
    sides = made(bench, PAIRS["PostgreSQL"], [])
    run(sides.local, [table.format(""), "INSERT INTO sums VALUES (1, 2, 9)"])
    computed = table.format(" GENERATED ALWAYS AS (a * 2) STORED")
    run(
        sides.remote,
        [computed, "INSERT INTO sums (id, a) VALUES (1, 1)", "INSERT INTO sums (id, a) VALUES (2, 1)"],
    )
    done = push(sides, resolve=sn.take_local)
    assert done.records == 1
    assert "sums: b differs in 1 row and is not written: the target computes it" in done.notes
    assert "sums: 1 row that only the target has is kept" in done.notes, "deletes=True is no word of a sync"


KEPT = "1 row that only the target has is kept"
INHERITED = "tables that inherit may hold more columns"


def test_why_rows_of_the_target_are_kept_is_told_in_the_words_of_who_asks(bench: Workbench) -> None:
    """Alone and with other reasons: `deletes=` is a word of a plan, and none of a sync."""
    table = "CREATE TABLE {} (id INTEGER PRIMARY KEY, v VARCHAR(9))"
    sides = made(bench, PAIRS["PostgreSQL"], [])
    run(sides.local, [table.format("plain"), table.format("parent")])
    run(
        sides.remote,
        [table.format("plain"), table.format("parent"), "CREATE TABLE child (more TEXT) INHERITS (parent)"],
    )
    run(sides.remote, ["INSERT INTO plain VALUES (7, 'x')", "INSERT INTO parent VALUES (7, 'x')"])
    tables = ["plain", "parent"]
    d = sn.diff(sides.local, sides.remote, tables)
    assert list(sn.plan(d, into=sides.remote).notes) == [
        f"plain: {KEPT}: deletes=True would delete them",
        f"parent: {KEPT}: deletes=True would delete them; {INHERITED}",
    ]
    assert list(sn.plan(d, into=sides.remote, deletes=True).notes) == [f"parent: {KEPT}: {INHERITED}"]
    for allow in ((), ("deletes",)):
        notes = push(sides, tables=tables, allow=allow).notes
        assert [note for note in notes if KEPT in note] == [f"plain: {KEPT}", f"parent: {KEPT}: {INHERITED}"]


BAD_CALLS = {
    "another direction": ({"direction": "up"}, "direction is 'up'"),
    "a hazard that is none": ({"allow": ("everything",)}, "there is no hazard 'everything'"),
    "a queue that is none": ({"source": "hosts"}, "hosts is no queue of changes"),
    "a typo": ({"tabels": "hosts"}, "tabels"),
}


@pytest.mark.parametrize(("told", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_call_that_means_nothing_is_refused(bench: Workbench, told: Any, message: str) -> None:
    sides = made(bench, PAIRS["SQLite"], AB)
    run(sides.local, ["UPDATE hosts SET note = 'l'"])
    with pytest.raises((sn.SyncnbError, TypeError), match=message):
        push(sides, resolve=sn.take_local, **told)
    assert "running" not in sn.history(sides.remote).frame["status"].tolist()
    assert push(sides, resolve=sn.take_local).records == 2, "a call that failed is in nobody's way"


def test_a_store_that_was_opened_to_be_read_is_refused(bench: Workbench) -> None:
    sides = made(bench, PAIRS["SQLite"], AB)
    with pytest.raises(PlanError, match="is written by this sync, and was opened to be read"):
        sn.sync(sides.local, sn.connect(sides.remote.path))  # type: ignore[attr-defined]


def test_two_syncs_never_overlap(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = tracked(bench, PAIRS["SQLite"], *AB)
    run(sides.local, ["UPDATE hosts SET note = 'l'"])
    from syncnb.syncing import running

    begun, on = threading.Event(), threading.Event()
    original = running.apply_within

    def slow(*args: Any, **more: Any) -> Any:
        begun.set()
        on.wait(30)
        return original(*args, **more)

    monkeypatch.setattr(running, "apply_within", slow)
    found: list[sn.Synced] = []
    thread = threading.Thread(target=lambda: found.append(sn.sync(sides.local, sides.remote, caller="first")))
    thread.start()
    assert begun.wait(30)
    with pytest.raises(
        PlanError, match=rf"a sync of these two databases is going on: first on \S+ {os.getpid()}"
    ):
        push(sides)
    on.set()
    thread.join()
    assert found[0].records == 2


def test_zones_are_told_to_a_sync(bench: Workbench) -> None:
    sides = made(bench, PAIRS["PostgreSQL"], [A])
    run(sides.local, ["UPDATE hosts SET note = 'l', stamp = '2026-03-01 10:00:00'"])
    run(sides.remote, ["UPDATE hosts SET note = 'r', stamp = '2026-03-01 09:00:00Z'"])
    newest = sn.newest({"hosts": "stamp"})
    with pytest.raises(PlanError, match="has no zone in local") as told:
        push(sides, resolve=newest)
    assert "timezone=" in told.value.hint
    assert push(sides, resolve=newest, timezone="UTC").open == ()
    assert read(sides.remote, QUERIES["hosts"]) == [("a", "l", "x")]


# ---------------------------------------------------------------- kill -9, at named points and at random


def killed(work: Callable[[], object], point: str = "", after: float = 0.0) -> None:
    """Do this in a fork that dies at a point, or after so many seconds."""
    child = os.fork()
    if not child:
        try:
            if point:
                os.environ[VARIABLE] = point
            work()
        finally:
            os._exit(0)
    if not point:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert not point or os.WIFSIGNALED(status), f"{point} was not reached"
    count(f"kills at {point}" if point else "kills of a process at random")


RICH = (*AB, "UPDATE hosts SET env = '100'")
"""Hosts that own something, of which none comes or goes when one pays another."""
CHANGES = (
    "UPDATE hosts SET note = note || 'l', env = CAST(env AS INTEGER) - 2 WHERE id = 1",
    "UPDATE hosts SET env = CAST(env AS INTEGER) + 1 WHERE id = 2",
    "INSERT INTO hosts SELECT max(id) + 1, 'n' || (max(id) + 1), '', '1', NULL FROM hosts",
    "INSERT INTO ips SELECT coalesce(max(id), 0) + 1, 1, 'ip' || coalesce(max(id), 0), '' FROM ips",
)
REACHED = (
    "sync-begun", "staged", "written", "marked", "before-commit", "after-commit", "sync-applied", "sync-kept",
)  # fmt: skip


def owned(sides: Sides) -> None:
    """Together they own what they did, on either side."""
    for side in (sides.local, sides.remote):
        [(found,)] = read(side, "SELECT sum(CAST(env AS INTEGER)) FROM hosts")
        summed_up(found, 200)


def in_step(sides: Sides) -> bool:
    return all(read(sides.local, query) == read(sides.remote, query) for query in QUERIES.values())


def undisturbed(sides: Sides, done: sn.Synced) -> None:
    """The run after a kill ends as one that was never killed, and nothing was applied twice."""
    assert done, done
    with judged():
        assert in_step(sides)
    assert (done.backlog, len(sn.pending(sides.local))) == (0, 0)
    frame = sn.history(sides.remote).frame
    assert "running" not in frame["status"].tolist()
    again = push(sides)
    third(again)
    assert (again.records, again.open) == (0, ())
    assert sn.diff(sides.local, sides.remote).verdict == "equal"


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
def test_a_sync_that_was_killed_is_taken_up(bench: Workbench, engines: tuple[str, str]) -> None:
    sides = tracked(bench, engines, *RICH)
    written = 0
    for point in REACHED:
        run(sides.local, CHANGES)
        killed(lambda: push(sides), point)
        owned(sides)
        if point == "sync-applied":  # whoever takes it up may die as well
            killed(lambda: push(sides), "sync-settling")
            owned(sides)
        done = push(sides)
        owned(sides)
        undisturbed(sides, done)
        totals = [
            sn.history(sides.remote)[number].totals
            for number in sn.history(sides.remote)
            if _reported(sides.remote, number)
        ]
        inserted = sum(n.get("inserted", 0) for each in totals for n in each.values())
        written += 2
        with judged():
            assert inserted == written, f"{point}: something was written twice, or not at all"


def _reported(store: sn.Store, number: int) -> bool:
    with journal.journal_connection(store) as connection:
        assert connection is not None
        return journal.run_report(connection, number) is not None


def test_a_sync_that_is_interrupted_as_it_begins_has_failed(bench: Workbench) -> None:
    """This process lives on, so that nobody would ever take its run for dead."""
    sides = tracked(bench, PAIRS["SQLite"], *AB)
    with pytest.raises(KeyboardInterrupt), raising("sync-begun", KeyboardInterrupt()):
        push(sides)
    assert sn.history(sides.remote).frame["status"].tolist() == ["success", "failed"]


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
def test_random_kills(bench: Workbench, engines: tuple[str, str]) -> None:
    sides = tracked(bench, engines, *RICH)
    draw = draws(7)
    started = time.monotonic()
    push(sides)
    length = 1.5 * (time.monotonic() - started)
    for _ in range(KILLS):
        run(sides.local, CHANGES)
        killed(lambda: push(sides), after=draw.uniform(0.02, 2 * length))
        owned(sides)
    undisturbed(sides, push(sides))
    owned(sides)
    assert len(read(sides.remote, QUERIES["ips"])) == KILLS
    assert len({row[0] for row in read(sides.remote, QUERIES["hosts"])}) == KILLS + 2


KILLS = share(10) or 13


@pytest.mark.parametrize("engines", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("dies", [False, True], ids=["goes on", "dies"])
def test_an_edit_while_a_sync_is_at_it_is_passed_on_by_the_next(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, engines: tuple[str, str], dies: bool
) -> None:
    """What both agreed on is what was passed on, not what local holds when that is written down."""
    sides = tracked(bench, engines, *AB)
    run(sides.local, ["UPDATE hosts SET note = 'first' WHERE id = 1"])
    from syncnb.syncing import running

    later = ["UPDATE hosts SET note = 'later' WHERE id = 1"]
    if dies:
        killed(lambda: push(sides), "sync-applied")
        run(sides.local, later)
    else:
        original = running.apply_within

        def meddled(*args: Any, **more: Any) -> Any:
            report = original(*args, **more)
            run(sides.local, later)
            return report

        monkeypatch.setattr(running, "apply_within", meddled)
        push(sides)
        monkeypatch.undo()
    assert read(sides.remote, QUERIES["hosts"])[0] == ("a", "first", "x")
    done = push(sides)
    assert (done.records, done.open, done.resolved) == (1, (), 0), done
    assert read(sides.remote, QUERIES["hosts"])[0] == ("a", "later", "x")
