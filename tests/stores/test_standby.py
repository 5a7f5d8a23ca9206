"""A hot standby: read and compared like any other database, written to by nobody; what is planned there holds on its primary.

At last the primary is gone in the middle of a COMMIT, and the standby takes its place.
"""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb import embedded
from syncnb.applying import running
from syncnb.embedded.account import Account, make_folder, runnable_binaries
from tests.faults.proxy import Proxy, proxied, until

FOLLOWED = {"wal_level": "replica", "max_wal_senders": "2", "max_standby_streaming_delay": "50ms"}
COPIED = """#!/bin/sh
[ "$1" = --version ] && exec {programs}/initdb --version
exec {programs}/pg_basebackup -D "$2" -d "{url}" -R -c fast -X fetch --no-sync
"""
"""Instead of initdb: the data of a server that runs, which is then followed."""


@contextmanager
def following(primary: embedded.Server) -> Iterator[embedded.Server]:
    """A server that follows this one."""
    account = Account.unprivileged()
    folder = make_folder(account)
    try:
        programs = runnable_binaries(embedded.find_binaries(), account, folder)
        own = folder / "bin"
        own.mkdir()
        for program in programs.iterdir():
            (own / program.name).symlink_to(program)
        (own / "initdb").unlink()
        (own / "initdb").write_text(COPIED.format(programs=programs, url=primary.url()))
        (own / "initdb").chmod(0o700)
        account.own(folder)
        with embedded.server(settings=FOLLOWED, binaries=own) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def refused(work: Callable[[], Any]) -> str:
    with pytest.raises(sn.WriteError) as caught:
        work()
    return str(caught.value)


@pytest.mark.skipif(not embedded.available(), reason="no PostgreSQL here")
def test_a_standby_is_read_and_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(tmp_path / "local.db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.execute("INSERT INTO t VALUES (1, 'new'), (2, 'same'), (3, 'more')")
    connection.close()
    local = sn.connect(tmp_path / "local.db", writable=True)
    with embedded.server(settings=FOLLOWED) as first:
        url = first.create("shop")
        with psycopg.connect(url, autocommit=True) as truth:
            truth.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
            truth.execute("INSERT INTO t VALUES (1, 'old'), (2, 'same'), (4, NULL)")
            with following(first) as second:
                there = url.replace(f":{first.port}/", f":{second.port}/")
                primary, standby = (sn.connect(each, writable=True) for each in (url, there))
                same_things_are_said(local, standby, primary)
                snapshot_that_is_given_up(standby, truth)
                with proxied(first.host, first.port) as proxy:
                    through = sn.connect(url.replace(f":{first.port}/", f":{proxy.port}/"), writable=True)
                    takes_over(local, through, proxy, second, there, monkeypatch)


def same_things_are_said(local: sn.Store, standby: sn.Store, primary: sn.Store) -> None:
    for strategy in ("stream", "digests"):
        counts = sn.diff(local, standby, strategy=strategy, progress=False)["t"].counts
        assert (counts.same, counts.changed, counts.only_local, counts.only_remote) == (1,) * 4
    p = sn.plan(sn.diff(local, standby), into=standby, resolve=sn.take_local, deletes=True)
    for verb in (
        lambda: sn.apply(p, standby, allow=("deletes",)),
        lambda: sn.sync(local, standby, resolve=sn.take_local),
        lambda: sn.sync({"t": [{"id": 1, "v": "told"}]}, standby, key="id"),
    ):
        said = refused(verb)
        assert said == (
            "shop is a standby, which can only be read. Hint: connect to the primary server: a plan that was drawn here"
            " can be applied there"
        )
    # What it says is true: they are one database, and what was planned here is guarded there.
    r = sn.apply(p, primary, allow=("deletes",))
    assert r.status == "applied"
    assert until(lambda: sn.diff(primary, standby, progress=False).verdict == "equal")
    assert sn.verify(r, standby)
    assert sn.history(standby).frame["status"].tolist() == ["success"]
    # As a source it serves like any other.
    sn.apply(sn.undo(r, primary), primary, allow=("deletes",))
    assert until(lambda: sn.diff(primary, standby, progress=False).verdict == "equal")
    pulled = sn.sync(local, standby, direction="pull", resolve=sn.take_remote, allow=("deletes",))
    assert (pulled.records, sn.diff(local, standby, progress=False)["t"].counts.changed) == (2, 0)


def snapshot_that_is_given_up(standby: Any, truth: "psycopg.Connection[Any]") -> None:
    """It needs rows that the primary has thrown away meanwhile."""
    with standby.reading() as reader:
        table = reader.schema()["t"]
        assert sum(batch.num_rows for batch in reader.batches(table, ["id"])) == 3
        truth.execute("DELETE FROM t")
        truth.execute("VACUUM t")

        def given_up() -> bool:
            try:
                return not reader.asked("SELECT count(*) FROM t", (), "t")
            except sn.ReadError as problem:
                return "raise max_standby_streaming_delay" in str(problem)

        assert until(given_up)


def takes_over(
    local: sn.Store,
    through: sn.Store,
    proxy: Proxy,
    second: embedded.Server,
    there: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer to COMMIT is lost with the primary. The other one has the marker, and may be written a moment later."""
    p = sn.plan(sn.diff(local, through, base=False), into=through, resolve=sn.take_local)
    taking: list[threading.Thread] = []

    def promoted() -> None:
        with psycopg.connect(there, autocommit=True) as truth:
            assert until(lambda: truth.execute("SELECT count(*) FROM t").fetchone() == (len(p),))
            truth.execute("SELECT pg_promote()")

    def gone(point: str) -> None:
        if point == "before-commit":
            proxy.arm(1, "after")
            proxy.address = (second.host, second.port)  # whoever connects from now on meets the other one
            taking.append(threading.Thread(target=promoted))
            taking[0].start()

    with monkeypatch.context() as patch:
        patch.setattr(running, "reach", gone)
        r = sn.apply(p, through)
    taking[0].join()
    assert (proxy.cuts, r.status, sn.apply(p, through).status) == (1, "applied", "already applied")
    assert sn.verify(r, through)
    assert sn.diff(local, sn.connect(there), progress=False).verdict == "equal"
    assert sn.history(through).runs[-1].status == "success"
