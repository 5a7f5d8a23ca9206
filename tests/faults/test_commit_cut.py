"""The connection is cut at COMMIT, fifty times: the verdict is right each time, and nothing is written twice."""

from pathlib import Path

import psycopg

import syncnb as sn
from tests.databases import Workbench
from tests.faults.proxy import proxied
from tests.proof.counting import count

CUTS = [(cut, round_) for cut in ("before", "after") for round_ in range(25)]


def test_fifty_cuts(bench: Workbench, tmp_path: Path) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)"
    bench.postgresql(ddl, "INSERT INTO t VALUES (1, 0)")
    server = bench.server
    with proxied(server.host, server.port) as proxy, psycopg.connect(bench.last, autocommit=True) as truth:
        url = bench.last.replace(f":{server.port}/", f":{proxy.port}/")
        remote = sn.connect(url, writable=True)
        sn.apply(plan_to(tmp_path, remote, -1), remote)  # makes the journal
        wrong = []
        for number, (cut, _) in enumerate(CUTS):
            p = plan_to(tmp_path, remote, number)
            before = truth.execute("SELECT n FROM t").fetchone()
            proxy.arm(2, cut)  # the first COMMIT is that of the run's own row
            said = outcome(p, remote)
            after = truth.execute("SELECT n FROM t").fetchone()
            runs = truth.execute("SELECT status FROM syncnb.runs ORDER BY run DESC LIMIT 1").fetchone()
            if cut == "before":
                good = (said, after, runs) == ("not written", before, ("failed",))
            else:
                good = (said, after, runs) == ("applied", (number,), ("success",))
            if not good:
                wrong.append((number, cut, said, before, after, runs))
            assert sn.apply(p, remote).status == ("applied" if cut == "before" else "already applied")
            assert truth.execute("SELECT n FROM t").fetchone() == (number,)
        assert (wrong, proxy.cuts) == ([], len(CUTS))
        count("cuts at COMMIT, the verdict right", proxy.cuts)
        markers = truth.execute("SELECT count(*), count(DISTINCT plan_id) FROM syncnb.markers").fetchone()
        assert markers == (len(CUTS) + 1,) * 2


def plan_to(folder: Path, remote: sn.Store, number: int) -> sn.Plan:
    import pandas as pd

    local = sn.connect({"t": pd.DataFrame({"id": [1], "n": [number]})})
    return sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)


def outcome(p: sn.Plan, remote: sn.Store) -> str:
    try:
        return sn.apply(p, remote).status
    except sn.UnknownOutcome:
        return "unknown"
    except sn.WriteError as error:
        assert "nothing was written" in error.message
        return "not written"
