"""Many at once: the same plan, overlapping plans, foreign writers, altered tables, undo. One wins, and nothing is lost.

The truth is what stands in the users' tables, and what each process was told.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd
import psycopg
import pytest

import syncnb as sn
from tests.databases import Workbench
from tests.proof.counting import count, judged
from tests.races.racing import Said, race

ENGINES = ("sqlite", "postgresql")
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"
ALLOW = ("deletes", "many_changes")
ROUNDS = int(os.environ.get("SYNCNB_PROOF_ROUNDS", "1"))
"""Once in the suite; `python -m tests.proof` goes on with other draws."""


class Scene:
    """One table in one database, and how to reach it from any process."""

    def __init__(self, bench: Workbench, engine: str, rows: dict[int, int], *more: str) -> None:
        values = ", ".join(f"({key}, {n})" for key, n in rows.items())
        made = bench.make(engine, DDL, f"INSERT INTO t VALUES {values}", *more)
        self.engine = engine
        self.address = str(made.path) if engine == "sqlite" else bench.last  # type: ignore[attr-defined]
        sn.apply(self.plan({0: 0}), self.store)  # the journal is there

    @property
    def store(self) -> sn.Store:
        return sn.connect(self.address, writable=True)

    def plan(self, rows: dict[int, int]) -> sn.Plan:
        """What makes these rows so, and leaves all others alone."""
        frame = pd.DataFrame({"id": list(rows), "n": list(rows.values())})
        store = self.store
        d = sn.diff(sn.connect({"t": frame}), store, partial=True, progress=False)
        return sn.plan(d, into=store, resolve=sn.take_local)

    def execute(self, statement: str) -> int:
        """By a connection that knows nothing of ours; how many rows."""
        if self.engine == "sqlite":
            connection = sqlite3.connect(self.address, timeout=30, isolation_level=None)
            count = connection.execute(statement).rowcount
            connection.close()
            return count
        with psycopg.connect(self.address, autocommit=True) as other:
            return other.execute(statement.encode()).rowcount

    @property
    def rows(self) -> dict[int, int]:
        if self.engine == "sqlite":
            connection = sqlite3.connect(self.address)
            found = connection.execute("SELECT id, n FROM t WHERE id > 0").fetchall()
            connection.close()
            return dict(found)
        with psycopg.connect(self.address) as other:
            return dict(other.execute("SELECT id, n FROM t WHERE id > 0").fetchall())

    def applied(self, p: sn.Plan) -> Callable[[], str]:
        """Applies this plan, wherever it is called; the report's status."""
        return lambda: sn.apply(p, self.store, allow=ALLOW).status


def cells(p: sn.Plan) -> list[dict[str, Any]]:
    """The numbers that a plan changes: key, before, after."""
    lines = p.preview()
    return lines[lines["column"] == "n"].to_dict("records") if len(p) else []


def counted(said: list[Said]) -> Counter[str]:
    """How often each status or error was said."""
    return Counter(str(what) if name == "done" else name for name, what in said)


@pytest.mark.parametrize(("engine", "racers"), [("sqlite", 8), ("postgresql", 16)])
def test_one_plan_is_applied_once(bench: Workbench, engine: str, racers: int) -> None:
    scene = Scene(bench, engine, dict.fromkeys(range(1, 40), 0))
    wanted = {key: key for key in range(1, 45)}
    p = scene.plan(wanted)
    said = race([scene.applied(p)] * racers)
    assert counted(said) == {"applied": 1, "already applied": racers - 1}
    with judged():
        assert scene.rows == wanted
    assert sn.history(scene.store).frame["status"].tolist().count("success") == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_of_overlapping_plans_one_wins_each_row(bench: Workbench, engine: str) -> None:
    """A ring: each plan shares a row with its neighbours. A plan is written whole or not at all."""
    for round_ in range(ROUNDS):
        racers = 8 if engine == "sqlite" else 6
        scene = Scene(bench, engine, dict.fromkeys(range(1, racers + 1), 0))
        plans = {at: (at, at % racers + 1) for at in range(1, racers + 1)}
        order = random.Random(round_).sample(sorted(plans), racers)
        drawn = {at: scene.plan(dict.fromkeys(plans[at], at)) for at in order}
        said = dict(zip(order, race([scene.applied(drawn[at]) for at in order]), strict=True))
        assert set(counted(list(said.values()))) <= {"applied", "refused"}
        winners = [at for at, (_, status) in said.items() if status == "applied"]
        expected = dict.fromkeys(range(1, racers + 1), 0) | {row: at for at in winners for row in plans[at]}
        assert len({row for at in winners for row in plans[at]}) == 2 * len(winners), (
            "no two winners share a row"
        )
        with judged():
            assert scene.rows == expected
        # Who lost, lost to a winner.
        assert all({*plans[at]} & {row for won in winners for row in plans[won]} for at in plans)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_update_of_a_foreign_writer_is_lost(bench: Workbench, engine: str) -> None:
    """Foreign writers add 1, ours set a number over what the plan shows as there. All of it is in the end."""
    scene = Scene(bench, engine, {1: 0, 2: 0})

    def foreign() -> int:
        done = 0
        until = time.monotonic() + 2
        while time.monotonic() < until:
            done += scene.execute("UPDATE t SET n = n + 1 WHERE id = 1")
            time.sleep(0.02)
        return done

    def ours() -> tuple[int, int]:
        tried = gained = 0
        until = time.monotonic() + 2
        while time.monotonic() < until:
            wanted = scene.rows[1] + 1000
            p = scene.plan({1: wanted})
            planned = sum(wanted - int(cell["before"]) for cell in cells(p))
            tried += 1
            if sn.apply(p, scene.store).status == "applied":
                gained += planned
        return tried, gained

    said = race([foreign, foreign, ours, ours])
    assert [name for name, _ in said] == ["done"] * 4, said
    added = sum(what for _, what in said[:2])
    tried, gained = (sum(part) for part in zip(*(what for _, what in said[2:]), strict=True))
    with judged():
        assert scene.rows == {1: added + gained, 2: 0}
    assert added > 0
    assert tried > 0


def test_a_deadlock_has_one_victim_and_comes_to_its_end(bench: Workbench) -> None:
    """A foreign writer locks rows backwards, ours forwards: the one or the other is tried again, and both finish."""
    rows = dict.fromkeys(range(1, 7), 0)
    scene = Scene(bench, "postgresql", rows)

    def backwards() -> int:
        done = 0
        for _ in range(12):
            try:
                with psycopg.connect(scene.address) as other:
                    other.execute("SET LOCAL deadlock_timeout = '50ms'")
                    for key in reversed(rows):
                        other.execute("UPDATE t SET n = n + 1 WHERE id = %s", (key,))
                        time.sleep(0.005)
                done += 1
            except psycopg.errors.DeadlockDetected:
                continue
        return done

    def ours(amount: int) -> Counter[int]:
        gained: Counter[int] = Counter()
        for _ in range(4):
            wanted = {key: n + amount for key, n in scene.rows.items()}
            p = scene.plan(wanted)
            # Not the amount: what the plan saw there may be newer than what was read above.
            planned = {int(row["key"]): wanted[int(row["key"])] - int(row["before"]) for row in cells(p)}
            if sn.apply(p, scene.store, allow=ALLOW).status == "applied":
                gained.update(planned)
        return gained

    def deadlocks() -> int:
        with psycopg.connect(scene.address, autocommit=True) as other:
            query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            [found] = other.execute(query).fetchone() or [0]
            return int(found)

    since, before = time.monotonic(), deadlocks()
    said = race([backwards, backwards, lambda: ours(100), lambda: ours(10000)])
    assert [name for name, _ in said] == ["done"] * 4, said
    one, two, hundreds, thousands = (what for _, what in said)
    assert one + two > 0
    with judged():
        assert scene.rows == {key: one + two + hundreds[key] + thousands[key] for key in rows}
    assert time.monotonic() - since < 30
    count("deadlocks provoked", deadlocks() - before)
    count("deadlocks resolved", deadlocks() - before)  # all have come to their end


@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_that_is_altered_meanwhile(bench: Workbench, engine: str) -> None:
    """Either the plan was first, or it is refused because the table has changed: never half, never another column."""
    scene = Scene(bench, engine, dict.fromkeys(range(1, 6), 0))
    outcomes: Counter[str] = Counter()
    for number in range(1, 2 + ROUNDS):
        before = scene.rows
        p, other = (scene.plan(dict.fromkeys(before, number * amount)) for amount in (1, 100))
        alter = f"ALTER TABLE t ADD COLUMN c{number} INTEGER"
        said = race([scene.applied(p), lambda alter=alter: scene.execute(alter), scene.applied(other)])  # type: ignore[misc]
        found = [what if name == "done" else name for name, what in (said[0], said[2])]
        outcomes.update(found)
        assert said[1][0] == "done"
        assert set(found) <= {"applied", "refused", "PlanError"}, said
        assert found.count("applied") <= 1
        won = next((number * amount for at, amount in ((0, 1), (1, 100)) if found[at] == "applied"), None)
        with judged():
            assert scene.rows == (before if won is None else dict.fromkeys(before, won)), said
        # The error says what it is.
        assert all("changed since" in text for name, text in said if name == "PlanError"), said
    assert sum(outcomes.values()) == 2 * (1 + ROUNDS)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_undo_against_itself_and_against_another_plan(bench: Workbench, engine: str) -> None:
    scene = Scene(bench, engine, {1: 1, 2: 2})
    for _ in range(ROUNDS):
        before = scene.rows
        r = sn.apply(scene.plan({1: 10, 2: 20, 3: 30}), scene.store, allow=ALLOW)
        undo, other = sn.undo(r, scene.store), scene.plan({2: 99})
        said = race([scene.applied(undo), scene.applied(undo), scene.applied(other)])
        found = [what if name == "done" else name for name, what in said]
        if found[2] == "applied":
            assert (found[:2], scene.rows) == (["refused", "refused"], {1: 10, 2: 99, 3: 30})
            again = sn.apply(sn.undo(last(scene), scene.store), scene.store, allow=ALLOW)
            assert again.status == "applied"
            assert sn.apply(sn.undo(r, scene.store), scene.store, allow=ALLOW).status == "applied"
        else:
            assert (sorted(found[:2]), found[2]) == (["already applied", "applied"], "refused")
        with judged():
            assert scene.rows == before, found


def last(scene: Any) -> int:
    """The number of the last run that wrote."""
    return max(run.run for run in sn.history(scene.store).runs if run.status == "success")
