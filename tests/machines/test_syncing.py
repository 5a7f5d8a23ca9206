"""Edits on both sides and syncs in any order: what only one side changed flows, and then both are the same.

The oracle is a merge of three dicts: what both last agreed on, and what either has by now.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

import syncnb as sn
from tests.machines.world import ALLOW, Machine, Row, Side, drawn, folder, keys, values
from tests.proof.counting import count

DDL = ("CREATE TABLE t (k INTEGER PRIMARY KEY, a, b, n INTEGER DEFAULT 7)",)
Rows = dict[int, Row]


class Syncing(Machine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = folder()
        self.local, self.remote = (Side(self.folder.name, f"{name}.db", DDL) for name in ("local", "remote"))
        self.agreed: Rows = {}
        self.held: set[tuple[int, Row]] = set()
        """Every row that both sides have ever held."""

    def teardown(self) -> None:
        self.local.close()
        self.remote.close()
        self.folder.cleanup()

    @initialize(tracked=st.booleans(), rows=st.lists(st.tuples(keys, values), max_size=3))
    def begin(self, tracked: bool, rows: list[tuple[int, Any]]) -> None:
        for k, a in rows:
            for side in (self.local, self.remote):
                side.run("INSERT INTO t (k, a) VALUES (?, ?)", k, a)
        if tracked:
            sn.track(self.local.store)
        sn.agree(self.local.store, self.remote.store)
        self.agreed = self.local.state["t"]

    @rule(there=st.booleans(), k=keys, column=st.sampled_from("ab"), value=values)
    def update(self, there: bool, k: int, column: str, value: Any) -> None:
        (self.remote if there else self.local).run(f"UPDATE t SET {column} = ? WHERE k = ?", value, k)

    @rule(
        there=st.booleans(), k=keys, a=values, b=values, how=st.sampled_from(["INSERT", "INSERT OR REPLACE"])
    )
    def insert(self, there: bool, k: int, a: Any, b: Any, how: str) -> None:
        (self.remote if there else self.local).run(f"{how} INTO t (k, a, b) VALUES (?, ?, ?)", k, a, b)

    @rule(there=st.booleans(), k=keys)
    def delete(self, there: bool, k: int) -> None:
        (self.remote if there else self.local).run("DELETE FROM t WHERE k = ?", k)

    @rule(local_wins=st.booleans())
    def sync(self, local_wins: bool) -> None:
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        expected = merged(self.agreed, ours, theirs, local_wins=local_wins)
        done = self._sync(local_wins)
        assert done, done.waiting
        assert (self.local.state["t"], self.remote.state["t"]) == (expected, expected)
        self.agreed = expected
        count("most rounds of sync until both were the same", 1)
        # Another round writes nothing: what was passed on is not passed back.
        for _ in range(2):
            again = self._sync(local_wins)
            assert (again.records, self.local.state["t"], self.remote.state["t"]) == (0, expected, expected)
            count("records that a further sync wrote", again.records)
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
            assert {k: now.get(k) for k in settled} == {k: one.get(k) for k in settled}
            left = {*ours, *theirs, *self.agreed} - settled
            assert {k: now.get(k) for k in left} == {k: before.get(k) for k in left}
        self.agreed = {k: v for k, v in self.agreed.items() if k not in settled} | {
            k: one[k] for k in settled if k in one
        }


def merged(base: Rows, ours: Rows, theirs: Rows, *, local_wins: bool) -> Rows:
    """What both shall have: by row, then by cell."""
    found: Rows = {}
    for k in {*base, *ours, *theirs}:
        b, left, right = base.get(k), ours.get(k), theirs.get(k)
        if left == right or right == b:
            row = left
        elif left == b:
            row = right
        elif b is not None and left is not None and right is not None:
            row = tuple(
                theirs_ if ours_ == old else ours_ if theirs_ == old else (ours_ if local_wins else theirs_)
                for old, ours_, theirs_ in zip(b, left, right, strict=True)
            )
        else:
            row = left if local_wins else right
        if row is not None:
            found[k] = row
    return found


TestSyncing = Syncing.TestCase
TestSyncing.settings = drawn(10, 8)
