"""The server dies within apply, undo, sync or migrate, and recovers from its log: rows as before or as after, what was said holds.

The truth is what a superuser's connection of its own reads in the user's table alone, once the server has recovered.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb import embedded
from tests.faults.dying import Dying, dying
from tests.faults.ledger import DDL, OPENED, SUM, moved, summed_up
from tests.faults.places import said
from tests.machines.world import third
from tests.proof.counting import count, draws, judged, share, turn

ALLOW = ("deletes", "many_changes")
DEATHS = 5 * int(os.environ.get("SYNCNB_PROOF_ROUNDS", "1"))
"""So many in one go; the proof goes on where its last round ended."""
APPLY = ("settling", "run-begun", "staged", "written", "marked", "before-commit", "after-commit")
SYNC = ("sync-begun", *APPLY[2:], "sync-applied", "sync-kept")
MIGRATE = ("run-begun", "altered", *APPLY[4:], "batch", "between-stages", "outside-meant", "outside-done")
POINTS = {"apply": APPLY, "undo": APPLY, "sync": SYNC, "migrate": MIGRATE}
FIRST = (
    ("apply", "before-commit"),
    ("migrate", "batch"),
    ("sync", "sync-applied"),
    ("undo", "marked"),
    ("apply", ""),
)
"""Those of the suite. Where no point is named it is any moment."""
NAMED = [(verb, point) for verb, points in POINTS.items() for point in points if (verb, point) not in FIRST]
RANDOM = [(list(POINTS)[at % 4], "") for at in range(50 - len(FIRST) - len(NAMED))]
ALL = [*FIRST, *NAMED, *RANDOM]
STEPS = (
    sn.remedy("add_column", "accounts", "opening", type="integer"),
    sn.remedy("backfill", "accounts", "opening", source="balance"),
    sn.remedy("unique", "accounts", "owner"),
)
Rows = list[tuple[Any, ...]]
Work = tuple[Callable[[], Any], Rows]
OPENING = "SELECT sum(opening) FROM accounts"


@dataclass
class Bank:
    """A local file in which money moves, and the database on a mortal server to which that is passed on."""

    path: Path
    url: str
    days: int = 0

    def __post_init__(self) -> None:
        with closing(sqlite3.connect(self.path)) as here, psycopg.connect(self.url) as there:
            for each in (here, there):
                each.execute(DDL)
                each.execute(OPENED)
                each.commit()
        self.local, self.remote = (sn.connect(each, writable=True) for each in (self.path, self.url))

    def balances(self, query: str = SUM) -> None:
        with psycopg.connect(self.url) as there:
            summed_up(*there.execute(query).fetchone() or ())

    def day(self) -> None:
        self.days += 1
        with closing(sqlite3.connect(self.path)) as here:
            for statement in moved(self.days):
                here.execute(statement)
            here.commit()

    @property
    def here(self) -> Rows:
        with closing(sqlite3.connect(self.path)) as here:
            return here.execute("SELECT id, owner, balance FROM accounts ORDER BY id").fetchall()

    @property
    def there(self) -> Rows:
        """Every row, by a connection that was made for it."""
        with psycopg.connect(self.url) as there:
            return there.execute("SELECT id, owner, balance FROM accounts ORDER BY id").fetchall()

    def apply(self) -> Work:
        self.day()
        d = sn.diff(self.local, self.remote, base=False, progress=False)
        p = sn.plan(d, into=self.remote, resolve=sn.take_local, deletes=True)
        return lambda: sn.apply(p, self.remote, allow=ALLOW, progress=False), self.here

    def undo(self) -> Work:
        before = self.there
        r = self.apply()[0]()
        p = sn.undo(r, self.remote)
        return lambda: sn.apply(p, self.remote, allow=ALLOW, progress=False), before

    def sync(self) -> Work:
        if not self.days:
            sn.track(self.local)
            sn.agree(self.local, self.remote)
        self.day()
        return lambda: sn.sync(
            self.local, self.remote, resolve=sn.take_local, allow=ALLOW, progress=False
        ), self.here

    def migrate(self) -> Work:
        p = sn.migrate(self.remote, STEPS, online=True)
        if not p.stages:
            p = sn.undo(list(sn.history(self.remote))[-1], self.remote)
            sn.apply(p, self.remote, allow=tuple({hazard.name for hazard in p.hazards}), progress=False)
            p = sn.migrate(self.remote, STEPS, online=True)
        allow = tuple({hazard.name for hazard in p.hazards})
        return lambda: sn.apply(p, self.remote, allow=allow, progress=False), self.there

    def verb(self, name: str) -> Work:
        """What to do, and the rows after it."""
        found: Work = getattr(self, name)()
        return found

    def length(self, verb: str) -> float:
        """Seconds that it takes where nobody disturbs it."""
        work, after = self.verb(verb)
        since = time.monotonic()
        work()
        assert self.there == after
        return time.monotonic() - since

    def goes_on(self, verb: str, how: str, before: Rows, after: Rows, work: Callable[[], Any]) -> None:
        """What was said before is true, and the same once more does what was left to do, once."""
        self.balances()
        found = self.there
        with judged():
            assert found in (before, after), how
            if how in ("applied", "already applied") or how.startswith("Sync #"):
                assert found == after, f"it was said to be written, and is lost: {how}"
            if "nothing was written" in how:
                assert found == before, f"it was said not to be written, and is there: {how}"
        again = work()
        with judged():
            assert self.there == after, how
        self.balances()
        if verb == "sync":
            assert again, (how, again)
            once_more = work()
            third(once_more)
            assert once_more.records == 0
            return
        if before != after:
            assert again.status == ("applied" if found == before else "already applied"), how
        assert sn.verify(again, self.remote), how
        if verb == "migrate":
            self.balances(OPENING)

    def begun(self) -> bool:
        """Whether a run has no end."""
        return "running" in sn.history(self.remote).frame["status"].tolist()

    def closes(self) -> None:
        """Each run has its end, which those that could not say it get once their lease is over; each stage was marked once."""
        if self.begun():
            self.apply()[0]()
        assert not self.begun()
        with psycopg.connect(self.url) as there:
            query = "SELECT count(*), count(DISTINCT (plan_id, stage)) FROM syncnb.markers"
            assert len(set(there.execute(query).fetchone() or ())) == 1


def test_every_verb_has_its_points() -> None:
    assert len(ALL) == len(set(ALL) - set(RANDOM)) + len(RANDOM) + 1 == 50


@pytest.mark.skipif(not embedded.available(), reason="no PostgreSQL here")
def test_the_server_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = draws(5)
    banks: dict[str, Bank] = {}
    with dying() as server:
        lasts(server)
        for at in range(DEATHS):
            verb, point = ALL[(turn() * DEATHS + at) % len(ALL)]
            kind = "apply" if verb == "undo" else verb
            if kind not in banks:
                banks[kind] = Bank(tmp_path / f"{kind}.db", server.server.create(f"dies_{kind}"))
            within = 0.0 if point else draw.uniform(0, banks[kind].length(verb))
            killed(banks[kind], verb, server, server.dies(point, within, draw.uniform(0, 0.3)))
            count("kills of the server")
        if share(DEATHS) is None:
            bank = next(iter(banks.values()))
            killed(bank, "apply", server, server.by_a_process(draw.uniform(0, 0.3)))
            count("kills of a process of the server")
        monkeypatch.setenv("SYNCNB_NOW", (datetime.now(UTC) + timedelta(minutes=10)).isoformat())
        for bank in banks.values():
            bank.closes()


def lasts(server: Dying) -> None:
    """It waits for its disk before it says that something is written."""
    with psycopg.connect(server.server.url()) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == ("on",)


def killed(bank: Bank, verb: str, server: Dying, death: AbstractContextManager[None]) -> None:
    work, after = bank.verb(verb)
    before = bank.there
    with death:
        how = said(work)
    bank.goes_on(verb, how, before, after, work)
    assert server.recoveries == server.deaths
