"""Known, leave it: accepted differences are out of the counts until a value changes or their day has come."""

from datetime import date, datetime
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.errors import PlanError
from tests.databases import Workbench, rows

DDL = "CREATE TABLE t (k VARCHAR(9), n INTEGER, v VARCHAR(9), PRIMARY KEY (k, n))"
OTHER = "CREATE TABLE u (id INTEGER PRIMARY KEY, name VARCHAR(9) UNIQUE)"
LOCAL = rows("t", ["'a', 1, 'x'", "'b', 1, 'x'", "'c', 1, 'x'", "'e', 1, 'x'"])
REMOTE = rows("t", ["'a', 1, 'y'", "'b', 1, 'y'", "'d', 1, 'x'", "'e', 1, 'x'"])


@pytest.fixture(params=["sqlite", "postgresql"])
def sides(
    request: pytest.FixtureRequest, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> tuple[sn.Store, sn.Store]:
    monkeypatch.setenv("SYNCNB_NOW", "2026-03-01T12:00:00Z")
    local = bench.sqlite(DDL, OTHER, *LOCAL, "INSERT INTO u VALUES (7, 'a')")
    remote = bench.make(request.param, DDL, OTHER, *REMOTE, "INSERT INTO u VALUES (7, 'b')")
    if request.param == "sqlite":
        return local, sn.connect(remote.path, writable=True)  # type: ignore[attr-defined]
    return local, sn.connect(bench.last, writable=True)


def run(store: sn.Store, statement: str) -> None:
    if store.dialect == "sqlite":
        import sqlite3

        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(**dict(store.parameters)) as connection:  # type: ignore[attr-defined]
        connection.execute(statement)


def states(d: sn.Diff) -> list[tuple[str, str]]:
    return [(str(row.k), str(row.state)) for row in d["t"].rows.itertuples()]


def test_accepted_rows_leave_and_come_back(
    sides: tuple[sn.Store, sn.Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    local, remote = sides
    d = sn.diff(local, remote)
    said = sn.accept(d, {"t": [("a", 1), ("c", 1)]}, reason="old stock", by="ann", until=date(2026, 4, 1))
    assert (len(said.entries), said.store, "old stock" in repr(said)) == (2, remote.name, True)

    d = sn.diff(local, remote)
    assert states(d) == [("b", "changed"), ("d", "only_remote")]
    assert (d["t"].counts.accepted, d["t"].counts.changed, d["t"].counts.only_local) == (2, 1, 0)
    assert d["t"].cell_counts == {"v": 1}
    assert d.summary["accepted"].tolist() == [2, 0]
    assert d["t"].accepted_rows[["key", "state", "reason", "by"]].values.tolist() == [
        ["(a, 1)", "changed", "old stock", "ann"],
        ["(c, 1)", "only_local", "old stock", "ann"],
    ]
    assert "2 rows differ and are accepted" in repr(d)
    p = sn.plan(d, into=remote, resolve=sn.take_local, deletes=True)
    assert sorted(change.key for change in p.changes) == [("b", 1), ("d", 1)], "a plan leaves them"

    run(remote, "UPDATE t SET v = 'z' WHERE k = 'a'")
    assert states(sn.diff(local, remote))[0] == ("a", "changed"), "another value is another difference"
    monkeypatch.setenv("SYNCNB_NOW", "2026-04-01T00:00:00Z")
    assert ("c", "only_local") in states(sn.diff(local, remote)), "its day has come"


def test_all_accepted_is_equal_except(sides: tuple[sn.Store, sn.Store]) -> None:
    local, remote = sides
    d = sn.diff(local, remote, "t")
    sn.accept(d, d["t"].rows, reason="as agreed")
    d = sn.diff(local, remote, "t")
    assert (d.verdict, len(d["t"].rows), d["t"].counts.accepted) == ("equal_except", 0, 4)


def test_a_later_word_counts(sides: tuple[sn.Store, sn.Store], monkeypatch: pytest.MonkeyPatch) -> None:
    local, remote = sides
    d = sn.diff(local, remote, "t")
    sn.accept(d, [("b", 1)], reason="for now")
    monkeypatch.setenv("SYNCNB_NOW", "2026-03-02T12:00:00Z")
    sn.accept(d, [("b", 1)], reason="no longer", until=date(2026, 3, 2))
    assert ("b", "changed") in states(sn.diff(local, remote, "t"))


def test_a_conflict_can_be_accepted(sides: tuple[sn.Store, sn.Store]) -> None:
    local, remote = sides
    sn.accept(sn.diff(local, remote), {"u": [7]}, reason="both are right")
    d = sn.diff(local, remote)
    assert (len(d.conflicts), d["u"].counts.accepted, d["u"].counts.changed) == (0, 1, 0)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no reason": ({"rows": {"t": [("a", 1)]}, "reason": " "}, "accepted for a reason"),
    "a row that does not differ": ({"rows": {"t": [("e", 1)]}, "reason": "x"}, r"t \(e, 1\) does not differ"),
    "half a key": ({"rows": {"t": ["a"]}, "reason": "x"}, "has 2 parts, not 1"),
    "which table": ({"rows": [("a", 1)], "reason": "x"}, "rows of which table"),
    "a stamp without a zone": ({"rows": {"t": [("a", 1)]}, "reason": "x", "until": datetime(2026, 4, 1)}, "without a zone"),
    "no date": ({"rows": {"t": [("a", 1)]}, "reason": "x", "until": "tomorrow"}, "until is 'tomorrow'"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(sides: tuple[sn.Store, sn.Store], call: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        sn.accept(sn.diff(*sides), **call)


def test_neither_side_may_be_written(bench: Workbench) -> None:
    d = sn.diff(bench.sqlite(DDL, *LOCAL), bench.sqlite(DDL, *REMOTE))
    with pytest.raises(PlanError, match="neither database was opened to be written"):
        sn.accept(d, [("a", 1)], reason="x")
