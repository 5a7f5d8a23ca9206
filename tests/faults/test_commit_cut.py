"""A connection is hurt while a plan is applied: the verdict is right each time, and nothing is written twice."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg
import pytest

import syncnb as sn
from syncnb.applying import running
from syncnb.stores import postgres_line
from tests.databases import Workbench
from tests.faults.proxy import WAYS, How, Passed, Proxy, Trouble, proxied, until
from tests.proof.counting import count, draws, judged, share

DDL = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
    "INSERT INTO t VALUES (1, 0)",
    # What was written twice would stand there twice.
    "CREATE TABLE seen (n INTEGER)",
    "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO public.seen VALUES (NEW.n); RETURN NULL; END'",
    "CREATE TRIGGER see AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION see()",
)
GATE = (
    "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER gate AFTER UPDATE ON t DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION gate()",
)
"""COMMIT waits for whoever holds the gate."""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
URL_OF = "?connect_timeout=2"


@dataclass
class Scene:
    """One database, straight and through the proxy; the truth is read by a superuser's connection of its own."""

    proxy: Proxy
    truth: "psycopg.Connection[Any]"
    straight: sn.Store
    through: sn.Store
    plan: sn.Plan

    def again(self) -> None:
        """As if nobody had ever applied the plan."""
        self.truth.execute("UPDATE t SET n = 0; TRUNCATE seen, syncnb.runs CASCADE")

    def ask(self, query: str, *told: Any) -> Any:
        return self.truth.execute(query.encode(), told).fetchone()

    def stands(self) -> str:
        """Whether the row is as before or as after; by the user's tables alone."""
        found = self.ask("SELECT n, (SELECT count(*) FROM seen WHERE n = 1) FROM t")
        stands = {(0, 0): "before", (1, 1): "after"}
        with judged():
            assert found in stands, f"a mixture: {found}"
        return stands[found]

    def runs(self) -> list[str]:
        """How the runs of the plan ended, as the journal has it."""
        return [row[0] for row in self.truth.execute("SELECT status FROM syncnb.runs ORDER BY run")]

    def then(self, stood: str, *, told: bool = True) -> None:
        """The same plan once more does what is left to do, once. `told`: whether the journal could be reached before."""
        again = sn.apply(self.plan, self.straight).status
        assert again == ("already applied" if stood == "after" else "applied"), (stood, again)
        markers = self.ask("SELECT count(*) FROM syncnb.markers")
        runs = self.runs()
        with judged():
            assert (self.stands(), markers, runs.count("success"), told and "running" in runs) == (
                "after",
                (1,),
                1,
                False,
            )


@contextmanager
def opened(bench: Workbench, *more: str) -> Iterator[Scene]:
    bench.postgresql(*DDL, *more)
    server = bench.server
    with proxied(server.host, server.port) as proxy, psycopg.connect(bench.last, autocommit=True) as truth:
        url = bench.last.replace(f":{server.port}/", f":{proxy.port}/") + URL_OF
        straight, through = (sn.connect(each, writable=True) for each in (bench.last, url))
        p = plan_to(straight, 1)
        sn.apply(p, straight)  # makes the journal
        yield Scene(proxy, truth, straight, through, p)


def plan_to(remote: sn.Store, number: int) -> sn.Plan:
    local = sn.connect({"t": pd.DataFrame({"id": [1], "n": [number]})})
    return sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)


def outcome(scene: Scene) -> str:
    """What a person is told of the plan, applied through the proxy."""
    try:
        return sn.apply(scene.plan, scene.through).status
    except sn.UnknownOutcome:
        return "unknown"
    except sn.SyncnbError as error:
        assert error.hint, error
        if isinstance(error, sn.WriteError):
            assert "nothing was written" in str(error) or "lost" in str(error)
        return "not written"


THIRDS = [(third, round_) for third in ("before", "after", "held") for round_ in range(share(8) or 25)]
"""COMMIT never comes to the server; it is answered and nobody hears it; the server is still at it when the line is cut."""


def test_cuts_at_commit(bench: Workbench) -> None:
    with opened(bench, *GATE) as scene:
        wrong = []
        for third, round_ in THIRDS:
            scene.again()
            scene.proxy.arm(
                2, "before" if third == "before" else "after"
            )  # the first is that of the run's own row
            # Of those that are held, one in three never comes to its end.
            ends = third == "held" and round_ % 3 == 2
            said = held(scene, ends=ends) if third == "held" else outcome(scene)
            happened = said, scene.stands(), scene.runs()
            good = (
                ("not written", "before", ["failed"])
                if third == "before" or ends
                else ("applied", "after", ["success"])
            )
            if happened != good:
                wrong.append((third, round_, happened))
            scene.then(happened[1])
        count(WRONG, len(wrong))
        assert (wrong, scene.proxy.cuts) == ([], len(THIRDS))
        count("cuts at COMMIT, the verdict right", scene.proxy.cuts)


def held(scene: Scene, *, ends: bool) -> str:
    """The line is cut while the server is within COMMIT; it goes on, or is ended, once somebody asks what became of it."""
    said: list[str] = []
    with psycopg.connect(scene.truth.info.dsn, password=scene.truth.info.password) as gate:
        gate.execute("SELECT pg_advisory_xact_lock(4711)")
        applying = threading.Thread(target=lambda: said.append(outcome(scene)))
        applying.start()
        # The first waits at the gate within its COMMIT, the second for the first to end.
        assert until(lambda: scene.ask(WAITING) == (2,)), "nobody asked what became of it"
        assert (said, scene.stands()) == ([], "before")
        if ends:
            scene.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
            )
    applying.join()
    return said[0]


HOWS: tuple[How, ...] = ("ends", "reset")
OFFSETS = 200
BOUNDARIES_IN_SUITE, OFFSETS_IN_SUITE = 12, 6


def troubles(recorded: dict[str, Passed]) -> list[Trouble]:
    """Every boundary of a message and two hundred offsets, both ways; in the suite a seeded share of them."""
    draw = draws(11)
    boundaries = [
        Trouble(way, "messages", at, how)
        for way, (at, how) in (
            (way, pair)
            for way in WAYS
            for pair in zip(range(recorded[way].messages + 1), itertools.cycle(HOWS))
        )
    ]
    total = sum(recorded[way].bytes for way in WAYS)
    offsets = []
    for at in draw.sample(range(total), OFFSETS):
        first = recorded[WAYS[0]].bytes
        way, at = (WAYS[0], at) if at < first else (WAYS[1], at - first)
        offsets.append(Trouble(way, "bytes", at, draw.choice(HOWS)))
    few, some = share(BOUNDARIES_IN_SUITE), share(OFFSETS_IN_SUITE)
    return [*(draw.sample(boundaries, few) if few else boundaries), *offsets[:some]]


def test_a_dialogue_cut_at_its_messages_and_bytes(bench: Workbench) -> None:
    with opened(bench) as scene:
        scene.again()
        scene.proxy.hurt(None)
        assert outcome(scene) == "applied"
        recorded = scene.proxy.passed
        assert min(recorded[way].messages for way in WAYS) > 50
        wrong, tried, cuts = [], 0, scene.proxy.cuts
        for trouble in troubles(recorded):
            scene.again()
            scene.proxy.hurt(trouble)
            said = outcome(scene)
            scene.proxy.heal()
            tried += 1
            problem = verdict(scene, said)
            if problem:
                wrong.append((trouble, problem))
            scene.then(scene.stands())
        count(WRONG, len(wrong))
        assert wrong == []
        cuts = scene.proxy.cuts - cuts
        assert cuts > 0.9 * tried  # a dialogue may be a few messages shorter than the one that was recorded
        count("cuts at a message or byte of a dialogue, the verdict right", cuts)


def verdict(scene: Scene, said: str, *, journal_told: bool = True) -> str:
    """What is wrong with what was said; empty where nothing is."""
    stood, runs = scene.stands(), scene.runs()
    right = {"applied": "after", "already applied": "after", "not written": "before"}.get(said)
    if stood != right:
        return f"said {said}, the rows are as {stood}"
    meant = (
        [["success"]]
        if stood == "after"
        else [[], ["failed"]]
        if journal_told
        else [[], ["failed"], ["running"]]
    )
    return "" if runs in meant else f"said {said}, the journal says {runs}"


WRONG = "verdicts that were wrong"
SILENCE = 0.3


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that waits does so for a moment only."""
    monkeypatch.setattr(postgres_line, "PATIENCE", SILENCE)
    monkeypatch.setattr(postgres_line, "AGAIN", 0.05)
    monkeypatch.setattr(postgres_line, "QUESTIONS", share(1) or 3)
    monkeypatch.setattr(running, "SETTLE_SECONDS", 2.0)


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_never_answers_again(bench: Workbench) -> None:
    """It ends with an error in its time, and frees what the other end held; what is only slow is waited for."""
    draw = draws(12)
    with opened(bench) as scene:
        with scene.straight.reading() as reader:  # silent for longer than that, and at work
            assert reader.asked("SELECT pg_sleep(0.8) IS NULL", (), "it") == (False,)
        scene.again()
        scene.proxy.hurt(None)
        assert outcome(scene) == "applied"
        recorded = scene.proxy.passed
        points = []
        for way in WAYS:
            many = recorded[way].messages
            # In the middle of it, and about its COMMIT, which comes last; not before the session begins.
            points += [
                Trouble(way, "messages", draw.randrange(20, many - 8), "silent")
                for _ in range(share(1) or 20)
            ]
            points += [
                Trouble(way, "messages", at, "silent")
                for at in draw.sample(range(many - 8, many), share(2) or 8)
            ]
        points += [Trouble("to client", "messages", 0, "slow")]
        points += [
            Trouble(draw.choice(WAYS), "messages", draw.randrange(20, 150), "gone")
            for _ in range(share(1) or 6)
        ]
        wrong = []
        for trouble in points:
            scene.again()
            scene.proxy.hurt(trouble)
            started = time.monotonic()
            said = outcome(scene)
            took = time.monotonic() - (scene.proxy.hurt_at or started)
            problem = verdict(scene, said, journal_told=trouble.how != "gone")
            if problem or took > (20 if trouble.how in ("gone", "slow") else 8):
                wrong.append((trouble, problem, said, round(took, 1)))
            scene.proxy.heal()
            scene.then(scene.stands(), told=trouble.how != "gone")
        count(WRONG, len(wrong))
        assert wrong == []
        count("peers that never answered again, the verdict right", sum(one.how != "slow" for one in points))
