"""The server dies while a plan is applied, and recovers from its log: rows as before or as after, and what was said holds."""

import os
import signal
import threading
import time

import psycopg
import pytest

import syncnb as sn
from syncnb import embedded
from tests.faults.test_commit_cut import plan_to
from tests.proof.counting import count, draws

KILLS = 5 * int(os.environ.get("SYNCNB_PROOF_ROUNDS", "1"))


def crashed(url: str, after: float) -> threading.Timer:
    """In so many seconds one of its processes is killed: then PostgreSQL ends all of them, and starts anew."""
    with psycopg.connect(url) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        [pid] = connection.execute(query).fetchone() or [0]
    timer = threading.Timer(after, os.kill, (pid, signal.SIGKILL))
    timer.start()
    return timer


def looked(url: str) -> object:
    """What stands there, as soon as it can be asked."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with psycopg.connect(url) as connection:
                return connection.execute("SELECT n FROM t").fetchall()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the server does not come back"
            time.sleep(0.05)


@pytest.mark.skipif(not embedded.available(), reason="no PostgreSQL here")
def test_the_server_dies() -> None:
    draw = draws(5)
    with embedded.server(fsync=True) as server:
        url = server.create("dies")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (id integer PRIMARY KEY, n integer)")
            connection.execute("INSERT INTO t VALUES (1, 0)")
        remote = sn.connect(url, writable=True)
        begun = time.monotonic()
        sn.apply(plan_to(remote, 0), remote)
        sn.apply(plan_to(remote, 1), remote)
        whole = (time.monotonic() - begun) / 2
        for number in range(2, 2 + KILLS):
            p = plan_to(remote, number)
            timer = crashed(url, draw.uniform(0, whole))
            try:
                said = sn.apply(p, remote).status
            except sn.UnknownOutcome:
                said = "unknown"
            except sn.SyncnbError as problem:
                said = problem.message
            timer.join()
            time.sleep(0.2)  # else the last words of the old one might be taken for the new one's
            found = looked(url)
            assert found in ([(number - 1,)], [(number,)])
            if said == "applied":
                assert found == [(number,)], "it was said to be written, and is lost"
            if "nothing was written" in said:
                assert found == [(number - 1,)], "it was said not to be written, and is there"
            r = sn.apply(p, remote)
            assert r.status == ("applied" if found == [(number - 1,)] else "already applied"), said
            assert looked(url) == [(number,)]
            assert sn.verify(r, remote)
            count("kills of the server")
        [markers] = psycopg.connect(url).execute(
            "SELECT count(*), count(DISTINCT plan_id) FROM syncnb.markers"
        )
        assert markers[0] == markers[1] == KILLS + 1
