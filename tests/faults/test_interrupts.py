"""Ctrl-C at any moment of a diff or an apply: no half state, the connection is free, and the journal says what happened."""

import linecache
import signal
import sqlite3
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pandas as pd
import pytest

import syncnb as sn
from tests.faults.places import Place
from tests.faults.proxy import until
from tests.faults.test_process import SESSIONS
from tests.proof.counting import HARM, JUDGED, MOST, count, draws, parts, share, turn

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"
BEFORE, AFTER = [(1, 0), (2, 0)], [(1, 1), (2, 1), (3, 1)]
OURS = ("/syncnb/", "/psycopg/", "/contextlib.py")
"""Whose lines are moments: what else runs is called from there."""
OPENING = ("open_file", "writing", "reading")
IN_SUITE = 8
LAST = 50
"""Moments at the end, when everything is closed: of these some are always among them."""
ROUNDS = 300
"""Of the proof, after which each moment has been one: some 200 a round, a minute or two."""


class Pressing:
    """Presses Ctrl-C when so many calls and lines were passed; counts them where it never comes so far."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.passed = at, 0
        self.where = ""
        self.opening: list[int] = []
        """Moments at which a connection of SQLite is opened, or has been and nobody minds it yet."""
        self.lines: dict[FrameType, int] = {}

    def __call__(self, frame: FrameType, event: str, arg: object) -> "Pressing | None":
        code = frame.f_code
        if not any(part in code.co_filename for part in OURS):
            return None
        if event in ("call", "line") and not self._leaves(frame, event):
            self.passed += 1
            if code.co_name in OPENING:
                self.opening.append(self.passed)
            if self.passed == self.at:
                self.where = f"{event} {code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {code.co_name}"
                signal.raise_signal(signal.SIGINT)
        return self

    def _leaves(self, frame: FrameType, event: str) -> bool:
        """Whether a `with` is being left: Python, which tells of that as of a line, hears no signal before it is."""
        was, self.lines[frame] = self.lines.get(frame, 0), frame.f_lineno
        if event == "call" or frame.f_lineno > was:
            return False
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        return not line.lstrip().startswith(("for ", "while "))

    def on(self, work: Callable[[], Any]) -> str:
        """How it ended."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            done = work()
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            sys.settrace(before)
            self.lines.clear()
        return str(getattr(done, "status", "done"))


class Scene:
    """A plan that changes two rows and adds one, and everything as it was before it, any number of times."""

    def __init__(self, place: Place, engine: str) -> None:
        self.place = place
        self.store = place.make(engine, DDL, "INSERT INTO t VALUES (1, 0), (2, 0)")
        self.local = sn.connect({"t": pd.DataFrame({"id": [1, 2, 3], "n": [1, 1, 1]})})
        self.plan = sn.plan(self.diff(), into=self.store, resolve=sn.take_local)
        self.apply()  # makes the journal
        self.journal = "syncnb." if engine == "postgresql" else "syncnb_"

    def diff(self) -> sn.Diff:
        return sn.diff(self.local, self.store, progress=False)

    def apply(self) -> sn.Report:
        return sn.apply(self.plan, self.store, progress=False)

    def again(self) -> None:
        tables = ("images", "id_maps", "markers", "runs")
        emptied = (f"DELETE FROM {self.journal}{name}" for name in tables)
        self.place.tell(self.store, "DELETE FROM t WHERE id = 3", "UPDATE t SET n = 0", *emptied)

    def runs(self) -> list[str]:
        return [
            row[0]
            for row in self.place.ask(self.store, f"SELECT status FROM {self.journal}runs ORDER BY run")
        ]

    def is_free(self) -> bool:
        """Whether nothing of ours is open, and somebody else may write at once."""
        if self.store.dialect == "postgresql":
            return until(
                lambda: not self.place.value(self.store, SESSIONS), 20
            )  # a process takes a moment to go
        try:
            self.place.tell(self.store, "BEGIN IMMEDIATE", "UPDATE t SET n = n", "COMMIT")
        except sqlite3.OperationalError:
            return False
        return True

    def wrong(self, said: str) -> str:
        """What is not as it must be after a Ctrl-C; empty where everything is."""
        rows, runs, free = self.place.ask(self.store), self.runs(), self.is_free()
        count(JUDGED)
        count(HARM, int(rows not in (BEFORE, AFTER)))
        meant = {"before": (BEFORE, ([], ["failed"])), "after": (AFTER, (["success"],))}
        fits = [name for name, (there, ends) in meant.items() if rows == there and runs in ends]
        # Python itself hears none while it throws a generator away: then everything is done.
        if not fits or not free or (said != "interrupted" and fits != ["after"]):
            return f"{said}, rows {rows}, runs {runs}, {'free' if free else 'not free'}"
        again = self.apply().status
        meant_again = {"before": "applied", "after": "already applied"}[fits[0]]
        return "" if again == meant_again and self.place.ask(self.store) == AFTER else f"again {again}"


def moments(work: Callable[[], Any], engine: str) -> list[int]:
    """Those of this round; in the suite some of them."""
    counting = Pressing()
    counting.on(work)
    count(f"{MOST}moments of {work.__name__} on {engine}", counting.passed - 1)
    every = range(1, counting.passed)
    if few := share(IN_SUITE):
        return draws(21).sample(every, few) + draws(22).sample(every[-LAST:], few // 2)
    # The proof goes through all of them in so many rounds: each takes one in so many, and begins elsewhere.
    return list(every[parts(ROUNDS)[turn() % ROUNDS] :: ROUNDS])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_as_a_transaction_begins(place: Place) -> None:
    """It has begun, and nobody minds it yet: it must not keep the lock that the journal needs, to say how the run ended."""
    scene, counting = Scene(place, "sqlite"), Pressing()
    scene.again()
    counting.on(scene.apply)
    wrong, pressed = [], 0
    for at in counting.opening[-24:]:
        scene.again()
        pressing = Pressing(at)
        said = pressing.on(scene.apply)
        if problem := scene.wrong(said):
            wrong.append((at, pressing.where, problem))
        pressed += said == "interrupted"
    assert (wrong, pressed) == ([], 24)


# Python says so where it hears one while it throws a generator away.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_an_interrupt_at_any_moment(place: Place, engine: str) -> None:
    scene = Scene(place, engine)
    scene.again()
    wrong, pressed = [], 0
    for at in moments(scene.apply, engine):
        scene.again()
        pressing = Pressing(at)
        said = pressing.on(scene.apply)
        if problem := scene.wrong(said):
            wrong.append((at, pressing.where, problem))
        pressed += bool(pressing.where)
    for at in moments(scene.diff, engine):
        pressing = Pressing(at)
        said = pressing.on(scene.diff)
        free, verdict = scene.is_free(), scene.diff().verdict
        if (free, verdict) != (True, "equal") or said not in ("interrupted", "done"):
            wrong.append((at, pressing.where, f"{said}, {'free' if free else 'not free'}, {verdict}"))
        pressed += bool(pressing.where)
    assert wrong == []
    count("interrupts at any moment of a diff or an apply", pressed)
