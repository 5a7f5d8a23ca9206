"""Stamps in three zones, clocks that are set back and forth, thresholds: the newest wins only where it can be known.

The oracle keeps each stamp as the moment and the wall clock it was written by, and never asks syncnb for the time. Invariant: 2, of stamps
(the older one never overwrites the newer, and nobody wins where the moments cannot be known).
"""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

import syncnb as sn
from syncnb.clock import standing_at
from tests.machines.world import ALLOW, Pair, PostgresSide, Side, cases, keys
from tests.proof.counting import judged

ZONES = ("UTC", "Europe/Berlin", "America/New_York")
BEGINNINGS = (
    datetime(2026, 1, 31, 12, tzinfo=UTC),
    datetime(2025, 10, 26, 0, 30, tzinfo=UTC),  # Berlin is about to show two o'clock twice
    datetime(2025, 3, 9, 6, 59, 58, tzinfo=UTC),  # New York is about to leave out two o'clock
)
JUMPS = (0, 1, 2, 3, 60, 1800, 3600, 86_400, -1, -2, -3, -60, -3600, -86_400)
THRESHOLDS = (0, 2, 60)


class Clocks(Pair):
    ddl = ("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, at TIMESTAMP)",)

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()

    @initialize(
        begin=st.sampled_from(BEGINNINGS), zones=st.tuples(*[st.sampled_from(ZONES)] * 2), zoned=st.booleans()
    )
    def begin(self, begin: datetime, zones: tuple[str, str], zoned: bool) -> None:
        """`zoned`: the remote keeps moments, where it has a type for them."""
        self.now, self.zones = begin, dict(zip(("local", "remote"), zones, strict=True))
        self.moments = zoned and self.engine == "postgresql"
        if self.moments:
            self.remote.run("ALTER TABLE t ALTER at TYPE timestamptz")

    @rule(jump=st.sampled_from(JUMPS))
    def clock_is_set(self, jump: int) -> None:
        """It goes on, or is set back."""
        self.now += timedelta(seconds=jump)

    @rule(
        there=st.booleans(), k=keys, form=st.sampled_from(["wall", "wall", "zoned", "millis", "none", "odd"])
    )
    def write(self, there: bool, k: int, form: str) -> None:
        """Somebody writes a row, with the stamp that the wall shows there."""
        wall = self.now.astimezone(ZoneInfo(self.zones["remote" if there else "local"]))
        text = {
            "wall": f"{wall:%Y-%m-%d %H:%M:%S}",
            "zoned": wall.isoformat(),
            "millis": f"{wall:%Y-%m-%d %H:%M:%S}.250",
            "none": None,
            "odd": "yesterday",
        }[form]
        if there and self.engine == "postgresql":
            # Its types take no other; without a zone of its own, one that is written is dropped without a word.
            text = (
                wall.isoformat()
                if self.moments and text
                else "infinity"
                if form == "odd"
                else text and text[:19]
            )
        self.side(there).replace("t", "k, v, at", k, f"v{next(self.numbers)}", text)

    @rule(there=st.booleans(), k=keys, jump=st.sampled_from(JUMPS), threshold=st.sampled_from(THRESHOLDS))
    def written_here_then_there_then_repaired(self, there: bool, k: int, jump: int, threshold: int) -> None:
        """What is to be known: one row on both sides, with a jump of the clock between them."""
        self.write(there, k, "wall")
        self.clock_is_set(jump)
        self.write(not there, k, "wall")
        self.repair(threshold, into_remote=True)

    @rule(threshold=st.sampled_from(THRESHOLDS), into_remote=st.booleans())
    def repair(self, threshold: int, into_remote: bool) -> None:
        own, other = ("remote", "local") if into_remote else ("local", "remote")
        sides = {"local": self.local, "remote": self.remote}
        before = {name: rows(side) for name, side in sides.items()}
        stores = {name: side.zoned(self.zones[name]) for name, side in sides.items()}
        with standing_at(self.now):
            d = sn.diff(stores["local"], stores["remote"], progress=False)
            policy = sn.newest("at", threshold=timedelta(seconds=threshold))
            p = sn.plan(d, into=stores[own], resolve=policy)
            r = sn.apply(p, stores[own], allow=ALLOW, progress=False)
        assert r.status in ("applied", "nothing to do"), (r.status, r.results)
        with judged():
            assert rows(sides[other]) == before[other], "only one side is written"
            found = rows(sides[own])
            for k in {*found, *before[own], *before[other]}:
                mine, theirs, now = before[own].get(k), before[other].get(k), found.get(k)
                if mine is None or theirs is None:
                    # Inserted or left: only a stamp that no clock there can show keeps a row out.
                    assert now is not None or not self._fits(theirs[1], other, own)
                    assert now is None or now[0] == (mine or theirs)[0]
                    assert mine is None or now == mine
                    continue
                taken = now != mine
                assert now is not None
                assert not taken or now[0] == theirs[0], "a row of nobody"
                if mine[0] == theirs[0]:
                    continue
                later = self._later(theirs[1], other, mine[1], own, threshold)
                assert later is None or taken == later, (k, mine, theirs, self.zones, self.now)
                if taken and later:
                    assert moment(now[1], self.zones[own]) == moment(theirs[1], self.zones[other]), (
                        "another moment"
                    )

    def _later(self, theirs: Any, there: str, mine: Any, here: str, threshold: int) -> bool | None:
        """Whether their stamp must win; None where it may."""
        ours, other = moment(mine, self.zones[here]), moment(theirs, self.zones[there])
        if ours is None or other is None or not self._fits(theirs, there, here):
            return False
        gap, ahead = (other - ours).total_seconds(), (max(ours, other) - self.now).total_seconds()
        sure = max(threshold, 1)  # seconds are the coarsest that is written here
        if gap <= 0 or gap < threshold or ahead > sure:
            return False
        return True if gap >= sure and ahead <= threshold else None

    def _fits(self, text: Any, there: str, here: str) -> bool:
        """Whether that moment can stand here: a column of wall clocks shows some twice; text says which it is."""
        at = moment(text, self.zones[there])
        if at is None or here == "local" or self.engine == "sqlite" or self.moments:
            return at is not None
        wall = at.astimezone(ZoneInfo(self.zones[here]))
        return wall.utcoffset() == wall.replace(fold=1 - wall.fold).utcoffset()


def rows(side: Side | PostgresSide) -> dict[int, tuple[Any, Any]]:
    return {k: (v, at) for k, v, at in side.ask("SELECT k, v, CAST(at AS TEXT) FROM t")}


def moment(text: str | None, zone: str) -> datetime | None:
    """The moment of a stamp, by Python's own means; None where it cannot be known."""
    if text in (None, "yesterday", "infinity"):
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone))
        if found.utcoffset() != found.replace(fold=1).utcoffset():
            return None
    return found.astimezone(UTC)


TestClocks, TestClocksPostgres = cases(Clocks, sqlite=(20, 8), postgresql=(3, 6))
