"""Edits on both sides, foreign writes between preview and apply, applying twice, undo of any run, in any order.

Invariants: 1 and 2 (nothing is lost or overwritten that was not shown), 3 (a second time changes nothing), 4 (an undo is exact or
refused), 6 (applied or refused, and refused just where the oracle foresees it).
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import syncnb as sn
from tests.machines.oracles import foreseen, shown
from tests.machines.world import ALLOW, Pair, PostgresSide, Side, State, cases, keys, typed, values
from tests.proof.counting import count, judged

POLICIES = {"local": sn.take_local, "remote": sn.take_remote, "insert only": sn.insert_only, "nobody": None}


class Repairing(Pair):
    ddl = (
        "CREATE TABLE t (k INTEGER PRIMARY KEY, u TEXT UNIQUE, v{any}, n INTEGER DEFAULT 7)",
        "CREATE TABLE c (k INTEGER PRIMARY KEY, t INTEGER REFERENCES t ON DELETE CASCADE, s{any})",
    )

    def __init__(self) -> None:
        super().__init__()
        self.plans: list[tuple[sn.Plan, State]] = []
        """Each with the remote as it was when it was drawn."""
        self.runs: list[tuple[sn.Report, sn.Plan, State, State]] = []
        """Each with the remote before and after."""

    @initialize(rows=st.lists(st.tuples(keys, values, values), max_size=4), same=st.booleans())
    def fill(self, rows: list[tuple[int, Any, Any]], same: bool) -> None:
        for at, (k, u, v) in enumerate(rows):
            self.local.run("INSERT INTO t (k, u, v) VALUES (?, ?, ?)", k, u, v)
            if same or at % 2:
                self.remote.run("INSERT INTO t (k, u, v) VALUES (?, ?, ?)", k, u, v)

    @rule(
        there=st.booleans(),
        k=keys,
        u=values,
        v=values,
        how=st.sampled_from(["insert", "update", "replace", "delete"]),
    )
    def edit(self, there: bool, k: int, u: Any, v: Any, how: str) -> None:
        self._edit(self.side(there), k, u, v, how)

    def _edit(self, side: Side | PostgresSide, k: int, u: Any, v: Any, how: str) -> None:
        if how == "delete":
            side.run("DELETE FROM t WHERE k = ?", k)
        elif how == "update":
            side.run("UPDATE t SET u = ?, v = ? WHERE k = ?", u, v, k)
        elif how == "replace":
            side.replace("t", "k, u, v", k, u, v)
        else:
            side.run("INSERT INTO t (k, u, v) VALUES (?, ?, ?)", k, u, v)

    @rule(there=st.booleans(), k=keys, t=keys, s=values)
    def child(self, there: bool, k: int, t: int, s: Any) -> None:
        side = self.side(there)
        side.run("INSERT INTO c VALUES (?, ?, ?)", k, t, s) or side.run(
            "UPDATE c SET t = ?, s = ? WHERE k = ?", t, s, k
        )

    @rule(one=keys, other=keys)
    def exchange(self, one: int, other: int) -> None:
        """Two rows of local exchange their unique values."""
        rows = {k: self.local.ask("SELECT u FROM t WHERE k = ?", k) for k in (one, other)}
        if one != other and all(rows.values()):
            self.local.run("UPDATE t SET u = NULL WHERE k = ?", one)
            self.local.run("UPDATE t SET u = ? WHERE k = ?", rows[one][0][0], other)
            self.local.run("UPDATE t SET u = ? WHERE k = ?", rows[other][0][0], one)

    @rule(policy=st.sampled_from(sorted(POLICIES)), deletes=st.booleans())
    def draw(self, policy: str, deletes: bool) -> None:
        self._draw(policy, deletes=deletes)

    def _draw(self, policy: str, *, deletes: bool) -> sn.Plan:
        store = self.remote.store
        d = sn.diff(self.local.store, store, progress=False, ids=None)
        p = sn.plan(d, into=store, resolve=POLICIES[policy], deletes=deletes)
        self.plans = [*self.plans[-2:], (p, self.remote.state)]
        return p

    @rule(policy=st.sampled_from(["local", "insert only"]), deletes=st.booleans(), data=st.data(), v=values)
    def drawn_then_drifted_then_applied(self, policy: str, deletes: bool, data: Any, v: Any) -> None:
        """The dangerous sequence: somebody writes to a planned row between the preview and the write."""
        p = self._draw(policy, deletes=deletes)
        touched = [change.key[0] for change in p.changes if change.table == "t"]
        k = data.draw(st.sampled_from(touched)) if touched else 1
        how = data.draw(st.sampled_from(["update", "delete", "insert", "replace"]))
        self._edit(self.remote, k, None, v, how)
        self._apply(len(self.plans) - 1)

    @precondition(lambda self: self.plans)
    @rule(at=st.integers(0, 2))
    def apply(self, at: int) -> None:
        self._apply(min(at, len(self.plans) - 1))

    def _apply(self, at: int) -> None:
        p, seen = self.plans[at]
        before, known = self.remote.state, {run[0].plan_id for run in self.runs}
        refused = bool(len(p)) and p.id not in known and foreseen(p, seen, before)
        r = sn.apply(p, self.remote.store, allow=ALLOW, progress=False)
        after = self.remote.state
        if r.status == "applied":
            assert p.id not in known, "one plan was applied twice"
            with judged():
                assert after == shown(p, before), "what stands there is what the preview showed"
            assert sn.verify(r, self.remote.store)
            count("plans applied and proved")
            self.runs.append((r, p, before, after))
        else:
            with judged():
                assert after == before, f"{r.status}, and something has changed"
            assert r.status != "already applied" or p.id in known
            assert r.status != "refused" or seen != before, f"nobody drifted: {r.results}"
        assert (r.status == "refused") == refused, (r.status, r.results)
        count("refusals that the oracle foresaw", int(refused))
        count("refusals that came", int(r.status == "refused"))
        count("writes of which the oracle looked at every row")
        again = sn.apply(p, self.remote.store, allow=ALLOW, progress=False).status
        with judged():
            assert (again, self.remote.state) == (
                "already applied" if r.status == "applied" else r.status,
                after,
            )

    @precondition(lambda self: self.runs)
    @rule(back=st.integers(1, 3))
    def undo(self, back: int) -> None:
        r, _, before, after = self.runs[-min(back, len(self.runs))]
        now = self.remote.state
        try:
            p = sn.undo(r, self.remote.store)
        except sn.PlanError as problem:
            assert "was taken back" in problem.message
            return
        undone = sn.apply(p, self.remote.store, allow=ALLOW, progress=False)
        found = self.remote.state
        if undone.status == "applied":
            count("undos that were applied")
            # Every row that the run wrote is as it was before it; all others are as they were just now.
            with judged():
                for table in found:
                    for k in {*before[table], *after[table], *now[table], *found[table]}:
                        wrote = before[table].get(k) != after[table].get(k)
                        if table == "c" and not wrote and k in now["c"] and gone(now["c"][k], now, found):
                            assert k not in found["c"]  # it went with its parent, which was allowed and told
                            continue
                        assert found[table].get(k) == (before if wrote else now)[table].get(k), (table, k)
            self.runs.append((undone, p, now, found))
            count("undos, each row as before")
        else:
            with judged():
                assert (undone.status, found) == ("refused", now)
            assert now != after, f"nobody wrote since, and the undo was refused: {undone.results}"


def gone(child: tuple[Any, ...], now: State, found: State) -> bool:
    """Whether the parent of this row was there, and is no longer."""
    parents = {typed(k) for k in now["t"]} - {typed(k) for k in found["t"]}
    return child[0] in parents


TestRepairing, TestRepairingPostgres = cases(Repairing, sqlite=(25, 10), postgresql=(2, 6))
