"""Processes die, or are interrupted, at named points of apply, undo and sync; others write before anybody goes on.

Invariants: 1 (nothing lost, as the oracle's own copy shows), 3 (again is a no-op, after a death as well), 5 (what both agreed
on is what was written), 6 (before or after, never between, and never unknown once somebody has gone on), 7 (the next sync
passes on everything, and nothing is left pending).
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import syncnb as sn
from tests.machines.oracles import Rows, merged, shown
from tests.machines.world import ALLOW, Pair, State, cases, keys, raising, third, values
from tests.proof.counting import count, judged

NAMES = {"t": ["a", "b"]}
UNWRITTEN = ("settling", "run-begun", "staged", "written", "marked", "before-commit")
POINTS = (*UNWRITTEN, "after-commit")
SYNC_POINTS = (*POINTS, "sync-begun", "sync-applied", "sync-kept", "sync-settling")
points, sync_points = st.sampled_from(POINTS), st.sampled_from(SYNC_POINTS)
hows = st.sampled_from(["killed", "interrupted"])
edits = st.tuples(st.booleans(), keys, st.sampled_from("ab"), values)
meddlings = st.one_of(st.none(), edits, edits)


class Crashing(Pair):
    ddl = ("CREATE TABLE t (k INTEGER PRIMARY KEY, a{any}, b{any})",)

    def __init__(self) -> None:
        super().__init__()
        self.agreed: Rows = {}
        self.runs: list[tuple[sn.Report, State, State]] = []
        """Each with the remote before and after."""

    @initialize(rows=st.lists(st.tuples(keys, values), max_size=3))
    def begin(self, rows: list[tuple[int, Any]]) -> None:
        for k, a in rows:
            self.on_both("INSERT INTO t (k, a) VALUES (?, ?)", k, self.fit(a))
        sn.track(self.local.store)
        sn.agree(self.local.store, self.remote.store)
        self.agreed = self.local.state["t"]

    @rule(edit=edits)
    def write(self, edit: tuple[bool, int, str, Any]) -> None:
        """Somebody sets a cell, of a new row where there is none."""
        there, k, column, value = edit
        side = self.side(there)
        side.run("INSERT INTO t (k) VALUES (?)", k)
        side.run(f"UPDATE t SET {column} = ? WHERE k = ?", self.fit(value), k)

    @rule(there=st.booleans(), k=keys)
    def delete(self, there: bool, k: int) -> None:
        self.side(there).run("DELETE FROM t WHERE k = ?", k)

    @rule(point=points, how=hows, meddling=meddlings)
    def an_apply_dies(self, point: str, how: str, meddling: Any) -> None:
        store = self.remote.store
        d = sn.diff(self.local.store, store, base=False, progress=False)
        p = sn.plan(d, into=store, resolve=sn.take_local, deletes=True)
        if len(p):
            self._dies(p, point, how, meddling)

    @precondition(lambda self: self.runs)
    @rule(point=points, how=hows, meddling=meddlings)
    def an_undo_dies(self, point: str, how: str, meddling: Any) -> None:
        r, before, after = self.runs.pop()
        if self.remote.state != after:
            return
        p = sn.undo(r, self.remote.store)
        assert shown(p, after, NAMES) == before
        self._dies(p, point, how, meddling)

    def _dies(self, p: sn.Plan, point: str, how: str, meddling: Any) -> None:
        """One death, perhaps another writer, and whoever goes on."""
        before = self.remote.state
        wanted = shown(p, before, NAMES)
        reached = self._death(point, how, lambda: sn.apply(p, self.remote.store, allow=ALLOW, progress=False))
        written = point not in UNWRITTEN or not reached
        with judged():
            assert self.remote.state == (wanted if written else before), f"{how} at {point}"
        if meddling:
            self.write((True, *meddling[1:]))
        now = self.remote.state
        r = sn.apply(p, self.remote.store, allow=ALLOW, progress=False)
        found = self.remote.state
        with judged():
            if written:
                assert (r.status, found) == ("already applied", now), f"{how} at {point}: applied again"
            elif r.status == "applied":
                assert found == shown(p, now, NAMES)
            else:
                assert (r.status, found) == ("refused", now)
        assert r.status != "refused" or now != before, f"nobody wrote, and it is refused: {r.results}"
        assert "running" not in sn.history(self.remote.store).frame["status"].tolist()
        if now == before or written:
            assert sn.verify(r, self.remote.store) or now != wanted
            self.runs.append((r, before, wanted))
        count("deaths of an apply or undo, and what was left was right")

    @rule(point=sync_points, how=hows, meddling=meddlings, local_wins=st.booleans())
    def a_sync_dies(self, point: str, how: str, meddling: Any, local_wins: bool) -> None:
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        wanted = merged(self.agreed, ours, theirs, local_wins=True)
        # Only what died before has something to be settled: then whoever takes it up dies as well.
        for at in ("sync-applied", point) if point == "sync-settling" else (point,):
            self._death(at, how, lambda: self._sync(local_wins=True))
        left = self.local.state["t"], self.remote.state["t"]
        with judged():
            assert left[0] in (ours, wanted), f"{how} at {point}"
            assert left[1] in (theirs, wanted), f"{how} at {point}"
        passed = {k for k in {*wanted, *theirs} if left[1].get(k) == wanted.get(k) != theirs.get(k)}
        if meddling:
            self.write(meddling)
        since = time.monotonic()
        self._goes_on(wanted, passed, local_wins=local_wins)
        count(
            "most milliseconds until all was passed on after a death",
            round(1000 * (time.monotonic() - since)),
        )
        count("syncs that died, and were taken up by the next")

    @rule(
        k=keys, column=st.sampled_from("ab"), some=st.permutations(["a", "b", "c"]), there=st.booleans(),
        point=st.sampled_from(["after-commit", "sync-applied"]), how=hows,
    )  # fmt: skip
    def passed_on_then_dead_then_changed(
        self, k: int, column: str, some: list[str], there: bool, point: str, how: str
    ) -> None:
        """The dangerous sequence: what either side changes after a death that followed COMMIT is no conflict."""
        self.write((True, k, column, some[2]))
        self._goes_on(self.agreed, set(), local_wins=False)
        self.write((False, k, column, some[0]))
        self.a_sync_dies(point, how, (there, k, column, some[1]), local_wins=there)

    def _goes_on(self, wanted: Rows, passed: set[int], *, local_wins: bool) -> None:
        """The next sync: what was passed on before the death is what both agreed on, and no conflict."""
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        done = self._sync(local_wins=local_wins)
        found = self.local.state["t"]
        assert done, done.waiting
        with judged():
            assert found == self.remote.state["t"]
            for k in {*ours, *theirs, *found}:
                sure = k in passed and ours.get(k) is not None and wanted.get(k) is not None
                bases = [wanted.get(k)] if sure else [self.agreed.get(k), wanted.get(k)]
                ways = [
                    merged(one(k, base), one(k, ours.get(k)), one(k, theirs.get(k)), local_wins=local_wins)
                    for base in bases
                ]
                assert one(k, found.get(k)) in ways, (k, bases, ours.get(k), theirs.get(k), found.get(k))
        self.agreed = found
        left = len(sn.pending(self.local.store))
        count("most changes that waited behind the sync after a death", left)
        assert (left, done.backlog, done.backlog_since) == (0, 0, None), "something still waits"
        again = self._sync(local_wins=local_wins)
        third(again)
        with judged():
            assert (again.records, self.local.state["t"], self.remote.state["t"]) == (0, found, found)

    def _sync(self, *, local_wins: bool) -> sn.Synced:
        return sn.sync(
            self.local.store, self.remote.store, direction="both", allow=ALLOW, progress=False,
            resolve=sn.take_local if local_wins else sn.take_remote,
        )  # fmt: skip

    def _death(self, point: str, how: str, work: Callable[[], object]) -> bool:
        """Whether the point was reached."""
        self.local.close()
        if how == "interrupted":
            with raising(point, KeyboardInterrupt()) as reached:
                try:
                    work()
                except KeyboardInterrupt:
                    count("interrupts at a named point")
            return bool(reached)
        if self.engine == "sqlite":
            self.remote.close()
        child = os.fork()
        if not child:
            os.environ["SYNCNB_FAILPOINT"] = point
            try:
                work()
            finally:
                os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL), "it failed before it could be killed"
        if code:
            count(f"kills at {point}")
        return bool(code)


def one(k: int, row: Any) -> Rows:
    return {} if row is None else {k: row}


TestCrashing, TestCrashingPostgres = cases(Crashing, sqlite=(3, 2), postgresql=(2, 2))
