"""Two sides that number on their own: ids that are two things, things under two ids, names that rows exchange in circles.

Invariants: 1 and 2 (no thing and no child is lost or moves to another, and what is written is what the preview showed), 3 (again
is a no-op), 4 (undo is exact), 7 (a collision that was kept does not come back). Things are known by their names and parents.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import syncnb as sn
from tests.machines.oracles import shown
from tests.machines.world import ALLOW, Pair, State, cases
from tests.proof.counting import count, judged

NAMES = {"t": ["u", "v"], "c": ["t", "s"]}
names = st.sampled_from(["a", "b", "c", "d", "e", None, "A", "é", "e\u0301", "a ", "", "NULL"])
notes = st.sampled_from(["x", "y", None, ""])
texts = st.sampled_from(["p", "q", ""])
Things = dict[Any, Any]


class Colliding(Pair):
    ddl = (
        "CREATE TABLE t (k INTEGER PRIMARY KEY, u VARCHAR(9) UNIQUE, v VARCHAR(9))",
        "CREATE TABLE c (k INTEGER PRIMARY KEY, t INTEGER REFERENCES t, s VARCHAR(9) NOT NULL, UNIQUE (t, s))",
    )

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[tuple[bool, sn.Report, State, State]] = []
        """Each with the side that it wrote, before and after."""

    @initialize(
        ours=st.lists(st.tuples(names, notes), max_size=4),
        theirs=st.lists(st.tuples(names, notes), max_size=4),
    )
    def fill(self, ours: list[tuple[Any, Any]], theirs: list[tuple[Any, Any]]) -> None:
        for there, rows in ((False, ours), (True, theirs)):
            for u, v in rows:
                self.add(there, u, v)

    @rule(there=st.booleans(), u=names, v=notes)
    def add(self, there: bool, u: Any, v: Any) -> None:
        """Under the next number of its side."""
        self.side(there).run("INSERT INTO t (k, u, v) SELECT coalesce(max(k), 0) + 1, ?, ? FROM t", u, v)

    def child(self, there: bool, u: Any, s: str) -> None:
        side = self.side(there)
        for (k,) in side.ask("SELECT k FROM t WHERE u = ?", u):
            side.run("INSERT INTO c (k, t, s) SELECT coalesce(max(k), 0) + 1, ?, ? FROM c", k, s)

    @rule(there=st.booleans(), u=names, to=names, v=notes)
    def rename(self, there: bool, u: Any, to: Any, v: Any) -> None:
        self.side(there).run("UPDATE t SET u = ?, v = ? WHERE u = ?", to, v, u)

    def exchange(self, there: bool, number: int) -> None:
        """So many rows pass their names on in a circle."""
        side = self.side(there)
        rows = side.ask("SELECT k, u FROM t WHERE u IS NOT NULL ORDER BY k")[:number]
        for k, _ in rows:
            side.run("UPDATE t SET u = NULL WHERE k = ?", k)
        for (k, _), (_, u) in zip(rows, [*rows[1:], *rows[:1]], strict=True):
            side.run("UPDATE t SET u = ? WHERE k = ?", u, k)

    @rule(there=st.booleans(), by_key=st.booleans(), keep=st.sampled_from(["keep_both", "keep_both", None]))
    def repair(self, there: bool, by_key: bool, keep: str | None) -> None:
        """By names, where ids mean nothing; or by ids, where names are values like others."""
        own, other = self.side(there), self.side(not there)
        before, source = own.state, other.state
        p = self._drawn(there, by_key, keep)
        r = sn.apply(p, own.store, allow=ALLOW, progress=False)
        after = own.state
        assert r.status in ("applied", "nothing to do"), (r.status, r.results)
        with judged():
            assert other.state == source, "only one side is written"
            assert after == shown(p, before, NAMES), "what stands there is what the preview showed"
        left = len(p.open) + sum(map(len, p.undecided))
        with judged():
            if by_key:
                assert after == source, f"{left} are open"
            else:
                self._kept(p, (before, source, after), whole=not left and keep is not None)
        again = self._drawn(there, by_key, keep)
        assert not len(again), f"again it writes {list(again.changes)}"
        if r.run is not None and r.status == "applied":
            assert sn.verify(r, own.store)
            self.runs.append((there, r, before, after))
        count("repairs of colliding ids and names")
        count("rows that were parked or exchanged", sum(len(block) for block in p.blocks if block.role))

    @rule(
        there=st.booleans(),
        number=st.integers(2, 4),
        more=st.one_of(st.none(), st.tuples(names, names, notes)),
    )
    def exchanged_and_repaired(self, there: bool, number: int, more: Any) -> None:
        """What is to be known: both are the same, then rows of one exchange their names, and the other follows."""
        for u in "abcd"[:number]:
            self.add(not there, u, "x")
        self.repair(there, by_key=True, keep=None)
        self.exchange(not there, number)
        if more:
            self.rename(not there, *more)
        self.repair(there, by_key=True, keep=None)

    @rule(there=st.booleans(), u=names, other=names, s=texts)
    def collided_and_repaired(self, there: bool, u: Any, other: Any, s: str) -> None:
        """Each side gives its next number to a thing of its own, with a child."""
        self.add(False, u, "x")
        self.add(True, other, "y")
        self.child(False, u, s)
        self.child(True, other, s)
        self.repair(there, by_key=False, keep="keep_both")

    def _drawn(self, there: bool, by_key: bool, keep: str | None) -> sn.Plan:
        told: dict[str, Any] = {"key": {"t": ["k"], "c": ["k"]}} if by_key else {"ids": "meaningless"}
        d = sn.diff(self.local.store, self.remote.store, progress=False, base=False, **told)
        return sn.plan(
            d, into=self.side(there).store, resolve=sn.take_local if there else sn.take_remote,
            deletes=by_key, collisions=None if by_key else keep,
        )  # fmt: skip

    def _kept(self, p: sn.Plan, states: tuple[State, State, State], *, whole: bool) -> None:
        """No thing is lost, no id means another thing, and no child has another parent."""
        before, source, after = states
        told = {
            (change.table, change.key[0], column)
            for change in p.changes
            if change.verb == "update"
            for column in change.columns
        }
        renamed = any((table, column) == ("t", "u") for table, _, column in told)
        for table, column, said in (
            ("t", "u", "an id means another thing"),
            ("c", "t", "a child has another parent"),
        ):
            for k, row in before[table].items():
                assert k in after[table], f"a row of {table} is lost"
                assert (table, k, column) in told or after[table][k][0] == row[0], said
        if whole:
            had, coming, found = things(before), things(source), things(after)
            lacking = {name: note for name, note in coming.items() if found.get(name, 0) != note}
            assert not lacking, "what came is not there as it was"
            assert renamed or {n: v for n, v in had.items() if n not in coming}.items() <= found.items()

    @precondition(lambda self: self.runs)
    @rule()
    def undo(self) -> None:
        there, r, before, after = self.runs.pop()
        own = self.side(there)
        if own.state != after:
            return
        undone = sn.apply(sn.undo(r, own.store), own.store, allow=ALLOW, progress=False)
        assert undone.status == "applied"
        count("undos that were applied")
        with judged():
            assert own.state == before
        count("undos, each row as before")


def things(state: State) -> Things:
    """By name, children by the name of their parent; what has no name is none that can be told."""
    nothing = ("NoneType", "None")
    found: Things = {row[0]: row[1] for row in state["t"].values() if row[0] != nothing}
    for parent, s in state["c"].values():
        of = next((row[0] for k, row in state["t"].items() if parent == ("int", repr(k))), nothing)
        if of != nothing:
            found[of, s] = True
    return found


TestColliding, TestCollidingPostgres = cases(Colliding, sqlite=(4, 4), postgresql=(2, 4))
