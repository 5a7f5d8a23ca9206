"""Edits on both sides and syncs in any order: what only one side changed flows, and then both are the same.

The oracle is a merge of three dicts: what both last agreed on, and what either has by now. Invariants: 5 (what both agreed on is what
both have had), 7 (one round, and both are the same; a second and a third write nothing).
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

import syncnb as sn
from tests.machines.oracles import Rows, merged
from tests.machines.world import ALLOW, Pair, cases, keys, third, values
from tests.proof.counting import count, judged


class Syncing(Pair):
    ddl = ("CREATE TABLE t (k INTEGER PRIMARY KEY, a{any}, b{any}, n INTEGER DEFAULT 7)",)

    def __init__(self) -> None:
        super().__init__()
        self.agreed: Rows = {}

    @initialize(tracked=st.booleans(), rows=st.lists(st.tuples(keys, values), max_size=3))
    def begin(self, tracked: bool, rows: list[tuple[int, Any]]) -> None:
        for k, a in rows:
            self.on_both("INSERT INTO t (k, a) VALUES (?, ?)", k, self.fit(a))
        if tracked:
            sn.track(self.local.store)
        sn.agree(self.local.store, self.remote.store)
        self.agreed = self.local.state["t"]

    @rule(there=st.booleans(), k=keys, column=st.sampled_from("ab"), value=values)
    def update(self, there: bool, k: int, column: str, value: Any) -> None:
        side = self.side(there)
        side.run(f"UPDATE t SET {column} = ? WHERE k = ?", self.fit(value), k)

    @rule(there=st.booleans(), k=keys, a=values, b=values, how=st.sampled_from(["insert", "replace"]))
    def insert(self, there: bool, k: int, a: Any, b: Any, how: str) -> None:
        side = self.side(there)
        if how == "replace":
            side.replace("t", "k, a, b", k, self.fit(a), self.fit(b))
        else:
            side.run("INSERT INTO t (k, a, b) VALUES (?, ?, ?)", k, self.fit(a), self.fit(b))

    @rule(there=st.booleans(), k=keys)
    def delete(self, there: bool, k: int) -> None:
        self.side(there).run("DELETE FROM t WHERE k = ?", k)

    @rule(local_wins=st.booleans())
    def sync(self, local_wins: bool) -> None:
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        expected = merged(self.agreed, ours, theirs, local_wins=local_wins)
        done = self._sync(local_wins)
        assert done, done.waiting
        with judged():
            assert (self.local.state["t"], self.remote.state["t"]) == (expected, expected)
        self.agreed = expected
        count("most rounds of sync until both were the same", 1)
        # Another round writes nothing: what was passed on is not passed back.
        for _ in range(2):
            again = self._sync(local_wins)
            third(again)
            with judged():
                assert (again.records, self.local.state["t"], self.remote.state["t"]) == (
                    0,
                    expected,
                    expected,
                )
        assert sn.diff(self.local.store, self.remote.store, progress=False).verdict == "equal"

    def _sync(self, local_wins: bool) -> sn.Synced:
        return sn.sync(
            self.local.store, self.remote.store, direction="both", allow=ALLOW, progress=False,
            resolve=sn.take_local if local_wins else sn.take_remote,
        )  # fmt: skip

    @rule()
    def nothing_is_decided_without_a_policy(self) -> None:
        """What both changed stays open; what one side changed flows all the same."""
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        sn.sync(self.local.store, self.remote.store, direction="both", allow=ALLOW, progress=False)
        one, other = (merged(self.agreed, ours, theirs, local_wins=wins) for wins in (True, False))
        settled = {k for k in {*one, *other, *ours, *theirs} if one.get(k) == other.get(k)}
        for side, before in ((self.local, ours), (self.remote, theirs)):
            now = side.state["t"]
            with judged():
                assert {k: now.get(k) for k in settled} == {k: one.get(k) for k in settled}
                left = {*ours, *theirs, *self.agreed} - settled
                assert {k: now.get(k) for k in left} == {k: before.get(k) for k in left}
        self.agreed = {k: v for k, v in self.agreed.items() if k not in settled} | {
            k: one[k] for k in settled if k in one
        }


TestSyncing, TestSyncingPostgres = cases(Syncing, sqlite=(5, 6), postgresql=(2, 3))
