"""Laws of repair over drawn tables: what is applied is equal, what is undone is as before."""

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import syncnb as sn
from tests.laws.test_diff import Rows, keys, numbers, rows, texts

quiet = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
DDL = "CREATE TABLE t (a bigint, b text, n bigint, s text, x REAL, PRIMARY KEY (a, b))"
ALL = ("deletes", "many_changes", "lossy")


def made(folder: str, name: str, table: Rows) -> sn.Store:
    path = Path(folder) / f"{name}.db"
    with sqlite3.connect(path) as connection:
        connection.execute(DDL)
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", [(*k, *v) for k, v in table.items()])
    connection.close()
    return sn.connect(path, writable=True)


def content(store: Any) -> list[Any]:
    with sqlite3.connect(store.path) as connection:
        found = connection.execute(
            "SELECT a, typeof(a), b, n, typeof(n), s, x, typeof(x) FROM t ORDER BY a, b"
        ).fetchall()
    connection.close()
    return [tuple(map(repr, row)) for row in found]


@quiet
@given(rows, rows)
def test_applied_it_is_equal_and_undone_it_is_as_before(left: Rows, right: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local, remote = made(folder, "local", left), made(folder, "remote", right)
        before = content(remote)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
        assert sn.load_plan(p.save(Path(folder) / "plan.json")).id == p.id
        r = sn.apply(p, remote, allow=ALL)
        assert sn.diff(local, remote).verdict == "equal"
        if r.status == "nothing to do":
            assert left == right
            return
        assert sn.verify(r, remote)
        assert sn.apply(sn.undo(r, remote), remote).status == "applied"
        assert content(remote) == before


@quiet
@given(rows, rows, st.tuples(keys, numbers, texts))
def test_a_foreign_write_between_is_never_overwritten(left: Rows, right: Rows, foreign: Any) -> None:
    (a, b), n, s = foreign
    with tempfile.TemporaryDirectory() as folder:
        local, remote = made(folder, "local", left), made(folder, "remote", right)
        p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
        with sqlite3.connect(remote.path) as connection:  # type: ignore[attr-defined]
            connection.execute("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?, 77.5)", (a, b, n, s))
        connection.close()
        meant = content(remote)
        r = sn.apply(p, remote, allow=ALL)
        touched = any(
            change.key == (a, b) and (change.verb != "update" or _guarded(p, change, right, n, s))
            for change in p.changes
        )
        if touched:
            assert (r.status, content(remote)) == ("refused", meant)
        else:
            assert r.status in ("applied", "nothing to do")


def _guarded(p: sn.Plan, change: sn.Change, right: Rows, n: Any, s: Any) -> bool:
    """Whether the foreign write changed a column that this update was to change."""
    new = {"n": n, "s": s, "x": 77.5}
    old = dict(zip("nsx", right[change.key], strict=True))  # type: ignore[index]
    return any(new[name] != old[name] or type(new[name]) is not type(old[name]) for name in change.columns)
