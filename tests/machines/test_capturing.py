"""One way at a time: changes are captured in a file, pushed by their keys alone, pulled, and decided by nobody or by one side.

Invariants: 5 (what both agreed on, cell by cell, is what both have had), 7 (both ways, and then nothing is left), 9 (what is captured
has every row that differs from what both agreed on). The oracle keeps three dicts: either side, and what both last had alike.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

import syncnb as sn
from tests.machines.oracles import Rows, merged
from tests.machines.world import ALLOW, Pair, Row, cases, keys, third, values
from tests.proof.counting import count, judged

edits = st.tuples(
    keys, st.sampled_from("ab"), values, st.sampled_from(["set", "set", "set", "delete", "replace"])
)
POLICIES = {"push": sn.take_local, "pull": sn.take_remote}


class Capturing(Pair):
    ddl = ("CREATE TABLE t (k INTEGER PRIMARY KEY, a{any}, b{any})",)

    def __init__(self) -> None:
        super().__init__()
        self.agreed: Rows = {}

    @initialize(rows=st.lists(st.tuples(keys, values), max_size=3))
    def begin(self, rows: list[tuple[int, Any]]) -> None:
        for k, a in rows:
            self.on_both("INSERT INTO t (k, a) VALUES (?, ?)", k, self.fit(a))
        sn.track(self.local.store)
        sn.agree(self.local.store, self.remote.store)
        assert self._sync("push").records == 0  # the audit; those after it read the touched keys alone
        self.agreed = self.local.state["t"]

    @rule(ours=st.lists(edits, max_size=3), theirs=st.lists(edits, max_size=3))
    def write(self, ours: list[Any], theirs: list[Any]) -> None:
        """On both sides, and then what is captured must have all of it."""
        for side, some in ((self.local, ours), (self.remote, theirs)):
            for k, column, value, how in some:
                if how == "delete":
                    side.run("DELETE FROM t WHERE k = ?", k)
                elif how == "replace":
                    side.replace("t", f"k, {column}", k, self.fit(value))
                else:
                    side.run("INSERT INTO t (k) VALUES (?)", k)
                    side.run(f"UPDATE t SET {column} = ? WHERE k = ?", self.fit(value), k)
        self._captured()

    def _captured(self) -> None:
        now, waiting = self.local.state["t"], sn.pending(self.local.store)
        caught = {int(key) for key in waiting.frame["key"]}
        changed = {k for k in {*now, *self.agreed} if now.get(k) != self.agreed.get(k)}
        assert not waiting.complete or changed <= caught, "a change was not captured, and nobody says so"

    @rule(
        ours=st.lists(edits, min_size=1, max_size=2),
        theirs=st.lists(edits, max_size=2),
        way=st.sampled_from(sorted(POLICIES)),
    )
    def written_then_passed_on(self, ours: list[Any], theirs: list[Any], way: str) -> None:
        self.write(ours, theirs)
        self.pass_on(way, decided=True)

    @rule(
        k=keys, column=st.sampled_from("ab"), other=st.sampled_from("ab"), some=st.permutations(["a", "b", "c"]), way=st.sampled_from(sorted(POLICIES)),
        decided=st.booleans(),
    )  # fmt: skip
    def both_changed_one_row(
        self, k: int, column: str, other: str, some: list[str], way: str, decided: bool
    ) -> None:
        """One cell, a conflict: where nobody decides, it stays, and is told as waiting. Or two: each has its own winner."""
        self.write([(k, column, some[0], "set")], [(k, other, some[1], "set")])
        self.pass_on(way, decided)

    @rule(way=st.sampled_from(sorted(POLICIES)), decided=st.booleans())
    def pass_on(self, way: str, decided: bool) -> None:
        """Only one side is written; what nobody decides stays as it is."""
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        push = way == "push"
        source, target, written = (ours, theirs, self.remote) if push else (theirs, ours, self.local)
        ways = [merged(self.agreed, ours, theirs, local_wins=wins) for wins in (True, False)]
        wanted = dict(target)
        for k in {*source, *target, *self.agreed}:
            if source.get(k) == self.agreed.get(k):
                continue  # only the target has changed it, if anybody
            if ways[0].get(k) == ways[1].get(k) or decided:
                put(wanted, k, ways[0 if push else 1].get(k))
        self._sync(way, decided=decided)
        with judged():
            assert written.state["t"] == wanted
            assert (self.local if not push else self.remote) is written
            assert (self.local if push else self.remote).state["t"] == source, "the other side was written"
        self._agree()
        self._captured()
        count("syncs one way, as three dicts said")

    def _agree(self) -> None:
        """Cell by cell, what both have alike by now."""
        ours, theirs = self.local.state["t"], self.remote.state["t"]
        for k in {*ours, *theirs, *self.agreed}:
            left, right, base = ours.get(k), theirs.get(k), self.agreed.get(k)
            if left == right:
                put(self.agreed, k, left)
            elif left is not None and right is not None and base is not None:
                cells = zip(left, right, base, strict=True)
                put(self.agreed, k, tuple(one if one == other else old for one, other, old in cells))

    @rule(local_wins=st.booleans())
    def both_ways(self, local_wins: bool) -> None:
        wanted = merged(self.agreed, self.local.state["t"], self.remote.state["t"], local_wins=local_wins)
        done = self._sync("both", resolve=sn.take_local if local_wins else sn.take_remote)
        assert done, done.waiting
        with judged():
            assert (self.local.state["t"], self.remote.state["t"]) == (wanted, wanted)
        assert len(sn.pending(self.local.store)) == 0
        self.agreed = wanted
        again = self._sync("both")
        third(again)
        with judged():
            assert (again.records, self.local.state["t"], self.remote.state["t"]) == (0, wanted, wanted)

    def _sync(self, way: Any, *, decided: bool = True, resolve: Any = None) -> sn.Synced:
        policy = resolve or (POLICIES.get(way) if decided else None)
        return sn.sync(
            self.local.store, self.remote.store, direction=way, allow=ALLOW, progress=False, resolve=policy
        )


def put(rows: Rows, k: int, row: Row | None) -> None:
    """Set it, or take it away."""
    if row is None:
        rows.pop(k, None)
    else:
        rows[k] = row


TestCapturing, TestCapturingPostgres = cases(Capturing, sqlite=(3, 3), postgresql=(2, 2))
