"""Faults 17 to 25: files, disks, poolers, rights, and what is too much."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from syncnb import journal
from syncnb.applying import writing
from syncnb.connecting import places
from syncnb.stores import sqlite_writer
from tests.faults.places import DDL, Place, planned, said
from tests.faults.proving import edited, fault, pattern
from tests.stores.test_postgres_errors import pooler  # noqa: F401 - a fixture

PG = "postgresql"


@fault(
    17,
    without={"syncnb.stores.write_errors.SQLITE": {}},
    good=("WriteError: the disk is full, t could not be written", 0, ["failed"], "applied"),
    harm=("refused", 0, ["refused"], "applied"),  # as if the rows were to blame
)
def test_the_disk_is_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    local = place.make("sqlite", ddl, *(f"INSERT INTO t VALUES ({n}, '{'x' * 1000}')" for n in range(200)))
    remote = place.make("sqlite", ddl)
    first = planned(place.make("sqlite", ddl, "INSERT INTO t VALUES (1, 'a')"), remote)
    sn.apply(sn.undo(sn.apply(first, remote), remote), remote)
    p = planned(local, remote)
    pages = place.value(remote, "PRAGMA page_count") + 20
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite_writer, "SETTINGS", (f"PRAGMA max_page_count = {pages}", *sqlite_writer.SETTINGS)
        )
        ended = said(lambda: sn.apply(p, remote))
    left = place.value(remote, "SELECT count(*) FROM t")
    ends = [run.status for run in sn.history(remote).runs][2:]
    return ended, left, ends, said(lambda: sn.apply(p, remote))


NO_ROOM = (
    "CREATE TABLE disk (is_full text)",
    "CREATE FUNCTION write() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
    " IF EXISTS (SELECT FROM public.disk WHERE is_full = TG_NAME) THEN RAISE EXCEPTION USING ERRCODE = '53100',"
    " MESSAGE = 'could not extend file \"base/5/16384\": No space left on device'; END IF; RETURN NULL; END$$",
    "CREATE TRIGGER at_once AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION write()",
    "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write()",
)
JOURNALED = "CREATE TRIGGER journaled AFTER UPDATE ON syncnb.runs FOR EACH ROW EXECUTE FUNCTION write()"


def test_the_disk_of_the_server_is_full(place: Place) -> None:
    """Nothing is written, the message is that of the disk, and the same plan is applied once there is room."""
    remote = place.make(PG, DDL, *NO_ROOM)
    sn.apply(planned(place.make("sqlite", DDL, "INSERT INTO t VALUES (1, 1)"), remote), remote)
    p = planned(place.make("sqlite", DDL, "INSERT INTO t VALUES (1, 1), (2, 1)"), remote)
    place.tell(remote, JOURNALED)
    # The last cannot even say that it failed; the next run finds that out.
    for full, says, status in (
        ("at_once", "WriteError: the disk is full", "failed"),
        ("at_commit", "WriteError: the disk is full", "failed"),
        ("journaled", "WriteError: writing a run to the journal failed: could not extend file", "running"),
    ):
        place.tell(remote, f"INSERT INTO disk VALUES ('{full}')")
        ended = said(lambda: sn.apply(p, remote))
        found = place.value(remote, "SELECT count(*) FROM t"), sn.history(remote).runs[-1].status
        assert (ended.startswith(says), found) == (True, (1, status)), ended
        place.tell(remote, "DELETE FROM disk")
    assert sn.apply(p, remote).status == "applied"


@fault(
    18,
    without={"syncnb.stores.sqlite_writer.SETTINGS": (*sqlite_writer.SETTINGS[:-1], "BEGIN")},
    good=("the other one waits", "applied"),
    harm=("the other one has written", "WriteError: t is locked by somebody else"),
)
def test_sqlite_is_busy(place: Place, monkeypatch: pytest.MonkeyPatch) -> object:
    local, remote = place.pair("sqlite", DDL, local=["1, 1"], remote=["1, 0"])
    place.tell(remote, "PRAGMA journal_mode = WAL", "CREATE TABLE other (n)")
    p = planned(local, remote)
    what: list[str] = []

    def between(point: str) -> None:
        try:
            place.tell(remote, "INSERT INTO other VALUES (1)")
            what.append("the other one has written")
        except sqlite3.OperationalError:
            what.append("the other one waits")

    monkeypatch.setattr(writing, "reach", between)
    ended = said(lambda: sn.apply(p, remote))
    return what[0], ended


@fault(
    19,
    without={
        "syncnb.tracking.reading.gaps": lambda *_: (),
        "syncnb.syncing.running.Sync._begin": edited(
            "journal.marker(book.sql, self._placeholder(self.lease.sync), STAGE) is not None", "False"
        ),
        "syncnb.syncing.running.Sync._told": edited("if not self.again:", "if False:"),
    },
    good=["it is a copy, or was restored", "the file was restored or made anew", "the last sync alone"],
    harm=["the last sync alone"] * 3,
)
def test_the_local_file_was_replaced(place: Place, tmp_path: Path) -> object:
    """By another file, then in its place, log and base with it; then not again."""
    happened = []
    for replaced in (os.replace, shutil.copy):
        local, remote = place.pair("sqlite", DDL, local=["1, 1", "2, 2"], remote=["1, 1", "2, 2"])
        sn.track(local)
        sn.sync(local, remote)
        backup = shutil.copy(local.path, tmp_path / "backup.db")  # type: ignore[attr-defined]
        place.tell(local, "UPDATE t SET n = 9 WHERE id = 2")
        sn.sync(local, remote)
        replaced(backup, local.path)  # type: ignore[attr-defined]
        happened.append(looked_at(sn.sync(local, remote)))
    return [*happened, looked_at(sn.sync(local, remote))]


def looked_at(done: sn.Synced) -> str:
    """Why a sync compared everything."""
    told = " ".join(done.notes)
    words = ("it is a copy, or was restored", "the file was restored or made anew")
    return next((word for word in words if word in told), "the last sync alone")


@fault(
    20,
    without={"syncnb.connecting.places.notes_of": lambda path: ()},
    good=[
        "a.db is in a folder that is synchronised (Dropbox)",
        "a.db is on a network file system (nfs4)",
        "nothing",
    ],
    harm=["nothing", "nothing", "nothing"],
)
def test_a_file_in_a_folder_of_the_network(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> object:
    """No such file system is here: what Linux says of its mounts is replaced, the folder of a cloud is made."""
    one, happened = place.make("sqlite", DDL), []
    mounts = tmp_path / "mountinfo"
    root = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    monkeypatch.setattr(places, "MOUNTS", mounts)
    for folder in ("Dropbox", "on the net", "here"):
        (tmp_path / folder).mkdir()
        net = str(tmp_path / "on the net").replace(" ", "\\040")
        mounts.write_text(f"{root}36 22 0:42 / {net} rw,relatime shared:9 - nfs4 host:/export rw\n")
        path = shutil.copy(one.path, tmp_path / folder / "a.db")  # type: ignore[attr-defined]
        happened.append((*sn.connect(path).notes, "nothing")[0].partition(";")[0])  # type: ignore[attr-defined]
    return happened


@fault(
    21,
    without={
        "syncnb.stores.sqlite.read_error": lambda name, table, rows, error: error,
        "syncnb.stores.sqlite.connect_error": lambda path, error: error,
    },
    good=["ConnectError", "ReadError", "different"],
    harm=["different", "sqlite3.DatabaseError"],
)
def test_a_damaged_file(place: Place) -> object:
    """A hundred times some bytes are other ones: whatever happens, it is told by an error of ours."""
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    one = place.make("sqlite", ddl, *(f"INSERT INTO t VALUES ({n}, '{'x' * 300}')" for n in range(60)))
    other = sn.connect({"t": [{"id": 1, "v": "a"}]})
    draw, whole = random.Random(7), one.path.read_bytes()  # type: ignore[attr-defined]
    ends = set()
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(8):  # half of them where the header and the catalogue are
            damaged[draw.randrange(draw.choice((4096, len(damaged))))] = draw.randrange(256)
        one.path.write_bytes(damaged)  # type: ignore[attr-defined]
        ends.add(said(lambda: sn.diff(one, other).verdict).partition(":")[0])
    return sorted(ends)


@fault(
    22,
    without={"syncnb.stores.postgres_writer.LOCK": "SELECT pg_advisory_lock(hashtextextended(%s, 0))"},
    good=("applied", "applied", 0, "0"),
    harm=pattern(r"\('applied', '.*', [1-9], '0'\)"),
)
def test_a_pooler_between(place: Place, pooler: Callable[[str], str]) -> object:  # noqa: F811
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    through = sn.connect(pooler(place.bench.last), writable=True)
    first = said(lambda: sn.apply(planned(local, through), through))
    place.tell(local, "UPDATE t SET n = 2")
    second = said(lambda: sn.apply(planned(local, through), through))
    held = place.value(
        remote,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    place.tell(through, "SELECT pg_advisory_unlock_all()")
    return first, second, held, place.value(through, "SHOW lock_timeout")


@fault(
    23,
    without={
        "syncnb.planning.arranging._rights": lambda *_: (),
        "syncnb.applying.running.RETRIED": (),
        "syncnb.stores.write_errors.CAUSES": (),
    },
    good=(
        ["t: this role may not update these rows: apply would be refused"],
        "WriteError: this role may not write t: permission denied for table t",
        0,
    ),
    harm=([], "WriteError: t could not be written: permission denied for table t", 0),
)
def test_a_role_that_can_only_read(place: Place) -> object:
    local, remote = place.pair(PG, DDL, local=["1, 1"], remote=["1, 0"])
    reader: Any = replace(place.bench.as_role("faults_reader", "SELECT ON t"), writable=True)  # type: ignore[type-var]
    place.tell(remote, journal.install_sql("postgresql", role="faults_reader"))
    p = planned(local, reader)
    return list(p.notes), said(lambda: sn.apply(p, reader)), place.value(remote)


@fault(
    24,
    without={"syncnb.rendering.tables.Cell.short": property(lambda cell: cell.text)},
    good=("different", "text differs", True),
    harm=("different", "text differs", False),
)
def test_a_huge_value(place: Place) -> object:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"
    local = place.make("sqlite", ddl, f"INSERT INTO t VALUES (1, hex(zeroblob({1 << 20})) || 'a')")
    remote = place.make(PG, ddl, f"INSERT INTO t VALUES (1, repeat('0', {2 << 20}) || 'b')")
    d = sn.diff(local, remote)
    shown = len(repr(d["t"])) + len(d["t"]._repr_html_())
    return d.verdict, d["t"].cells["why"][0], shown < 60_000


@fault(
    25,
    without={"syncnb.planning.hazards.MANY_SHARE": 2.0},
    good=(
        "PlanError: the plan has hazards that were not allowed: many_changes in t: 30 of 30 rows change",
        0,
    ),
    harm=("applied", 1),
)
def test_everything_differs(place: Place) -> object:
    local, remote = place.pair(
        PG, DDL, local=[f"{n}, 1" for n in range(30)], remote=[f"{n}, 0" for n in range(30)]
    )
    p = planned(local, remote)
    return said(lambda: sn.apply(p, remote)), place.value(remote)
