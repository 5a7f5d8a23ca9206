"""A role that may keep no journal in its target: the journal is in a file on this machine."""

import os
import signal
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

import syncnb as sn
from syncnb import journal
from syncnb.journal.outside import FIRST
from tests.databases import Workbench
from tests.faults.ledger import summed_up
from tests.faults.proxy import proxied
from tests.proof.counting import count
from tests.test_repair import DDL, everything

ALLOW = ("journal_outside_target",)


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNCNB_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "journals"


def clerk(bench: Workbench, *more: str) -> tuple[sn.Store, sn.Store]:
    """A local table, and a remote one as a role sees it that may write rows and make nothing."""
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'b', NULL), (2, 'same', NULL), (4, 'new', 'x')")
    bench.postgresql(DDL, "INSERT INTO t VALUES (1, 'a', NULL), (2, 'same', NULL)", *more)
    bench.as_role("clerk_outside", "SELECT, INSERT, UPDATE, DELETE ON t")
    return local, sn.connect(f"postgresql://clerk_outside:pw@{bench.last.rpartition('@')[2]}", writable=True)


def planned(local: sn.Store, remote: sn.Store) -> sn.Plan:
    return sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local)


def test_the_whole_way_and_back(bench: Workbench, data_folder: Path) -> None:
    local, remote = clerk(bench)
    before = everything(remote)
    p = planned(local, remote)
    assert [note.partition(" (")[0] for note in p.notes] == [
        "this role may not keep the journal in the target",
        "allow=('journal_outside_target',) keeps it in a file on this machine: a lost answer to COMMIT is then"
        " settled by what the server remembers of the transaction, not by a marker",
    ]
    with pytest.raises(sn.WriteError, match="syncnb journal --sql") as refused:
        sn.apply(p, remote)
    assert "journal_outside_target" in refused.value.hint
    assert not data_folder.exists()
    r = sn.apply(p, remote, allow=ALLOW)
    assert (r.status, r.run) == ("applied", FIRST)
    assert "what the server remembers" in r.guarantee
    assert r.notes == (r.guarantee,)
    (file,) = data_folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_folder.stat().st_mode) == 0o700
    again = sn.apply(p, remote, allow=ALLOW)
    assert (again.status, again.run) == ("already applied", FIRST)
    assert sn.verify(r, remote, expect=[sn.count("t", 3)])
    runs = sn.history(remote)
    assert runs.frame[["run", "status", "inserted", "updated"]].values.tolist() == [[FIRST, "success", 1, 1]]
    assert runs[FIRST].totals == r.totals
    undone = sn.apply(sn.undo(r, remote), remote, allow=ALLOW)
    assert (undone.status, undone.run) == ("applied", FIRST + 1)
    assert everything(remote) == before
    with pytest.raises(sn.PlanError, match=f"run {FIRST} was taken back by run {FIRST + 1}"):
        sn.undo(FIRST, remote)
    assert planned(local, remote).id != p.id


def test_its_images_can_be_purged(bench: Workbench) -> None:
    local, remote = clerk(bench)
    r = sn.apply(planned(local, remote), remote, allow=ALLOW)
    far = datetime(2100, 1, 1, tzinfo=UTC)
    assert sn.purge(remote, before=far).runs == (FIRST,)
    assert sn.purge(remote, before=far, dry_run=False).done
    with pytest.raises(sn.PlanError, match="were purged"):
        sn.undo(r, remote)


def test_a_refusal_is_kept_there(bench: Workbench) -> None:
    local, remote = clerk(bench)
    p = planned(local, remote)
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute("UPDATE t SET v = 'mine' WHERE id = 1")
    assert sn.apply(p, remote, allow=ALLOW).status == "refused"
    assert sn.history(remote).frame["status"].tolist() == ["refused"]


def test_reading_verbs_make_nothing(bench: Workbench, data_folder: Path) -> None:
    local, remote = clerk(bench)
    planned(local, remote)
    assert len(sn.history(remote)) == 0
    with pytest.raises(sn.PlanError):
        sn.undo(1, remote)
    assert not data_folder.exists()


def test_a_journal_in_the_target_comes_first_and_both_are_read(bench: Workbench) -> None:
    local, remote = clerk(bench)
    first = sn.apply(planned(local, remote), remote, allow=ALLOW)
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute(journal.install_sql("postgresql", role="clerk_outside").encode())
        owner.execute("UPDATE t SET v = 'again' WHERE id = 1")
    p = planned(local, remote)
    assert p.notes == ()
    second = sn.apply(p, remote, allow=ALLOW)
    assert (second.run, second.notes) == (1, ())
    assert list(sn.history(remote)) == [1, FIRST]
    assert sn.verify(second, remote)
    sn.apply(sn.undo(second, remote), remote)
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute("UPDATE t SET v = 'b' WHERE id = 1")
    assert sn.apply(sn.undo(first, remote), remote).status == "applied"


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_lost_answer_is_settled_by_the_server(bench: Workbench, cut: str) -> None:
    local, remote = clerk(bench)
    server = bench.server
    with proxied(server.host, server.port) as proxy:
        url = f"postgresql://clerk_outside:pw@{server.host}:{proxy.port}/{bench.last.rpartition('/')[2]}"
        through = sn.connect(url, writable=True)
        p = planned(local, through)
        proxy.arm(1, cut)  # the run's own row is not there
        if cut == "after":
            assert sn.apply(p, through, allow=ALLOW).status == "applied"
        else:
            with pytest.raises(sn.WriteError, match="nothing was written"):
                sn.apply(p, through, allow=ALLOW)
        assert sn.history(through).frame["status"].tolist() == ["success" if cut == "after" else "failed"]
        assert sn.diff(local, remote).verdict == ("equal" if cut == "after" else "different")
        assert proxy.cuts == 1


KILLS = {
    "intent-kept": ("different", "applied", ["failed", "success"]),
    "before-commit": ("different", "applied", ["failed", "success"]),
    "after-commit": ("equal", "already applied", ["success"]),
}


@pytest.mark.parametrize(("point", "state", "status", "runs"), [(k, *v) for k, v in KILLS.items()], ids=KILLS)
def test_a_killed_run_is_settled_at_the_next_start(
    bench: Workbench, point: str, state: str, status: str, runs: list[str]
) -> None:
    local, remote = clerk(bench)
    with sqlite3.connect(local.path) as here, psycopg.connect(bench.last) as owner:  # type: ignore[attr-defined]
        here.execute("UPDATE t SET v = CASE id WHEN 1 THEN 40 WHEN 2 THEN 50 ELSE 10 END")
        owner.execute("UPDATE t SET v = 50")
    here.close()
    p = planned(local, remote)
    kill(p, remote, point)
    paid(bench)
    assert sn.history(remote).frame["status"].tolist() == ["running"]
    assert sn.diff(local, remote).verdict == state
    r = sn.apply(p, remote, allow=ALLOW)
    assert (r.status, r.counts["inserted"].tolist()) == (status, [1])
    paid(bench)
    assert sn.history(remote).frame["status"].tolist() == runs
    assert sn.verify(r, remote)


def paid(bench: Workbench) -> None:
    """What row 4 has by now row 1 has no more, as a superuser sees it."""
    with psycopg.connect(bench.last) as owner:
        summed_up(*owner.execute("SELECT sum(CAST(v AS integer)) FROM t").fetchone() or (), 100)


def test_what_the_server_forgot_is_unknown_and_compared(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncnb.stores.postgres_writer import PostgresWriter

    local, remote = clerk(bench)
    p = planned(local, remote)
    kill(p, remote, "after-commit")
    monkeypatch.setattr(PostgresWriter, "fate", lambda *_: None)
    r = sn.apply(p, remote, allow=ALLOW)
    assert (r.status, r.run) == ("unknown", FIRST)
    assert r.notes[0] == "t: of 2 planned rows 2 are as planned, 0 as before, 0 neither"
    assert sn.history(remote).frame["status"].tolist() == ["unknown"]
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute("UPDATE t SET v = 'third' WHERE id = 1")
        owner.execute("DELETE FROM t WHERE id = 4")
    notes = sn.apply(p, remote, allow=ALLOW).notes
    assert notes[0] == "t: of 2 planned rows 0 are as planned, 1 as before, 1 neither"
    monkeypatch.undo()
    monkeypatch.setenv("SYNCNB_DATA", str(Path(bench.folder) / "data"))
    assert sn.apply(p, remote, allow=ALLOW).status == "already applied", "it is asked again each time"


def test_a_number_of_another_timeline_says_nothing(bench: Workbench) -> None:
    _, remote = clerk(bench)
    with remote.writing() as writer:  # type: ignore[attr-defined]
        own = writer.transaction()
        assert writer.fate(own) == "in progress"
        assert writer.fate(f"00000009:{own.partition(':')[2]}") is None
        assert writer.fate(f"{own}000000") is None, "a number that was never given"
    with remote.writing() as writer:  # type: ignore[attr-defined]
        assert writer.fate(own) == "aborted"


def test_a_folder_that_cannot_be_written(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    local, remote = clerk(bench)
    (bench.folder / "file").write_text("in the way")
    monkeypatch.setenv("SYNCNB_DATA", str(bench.folder / "file"))
    with pytest.raises(sn.WriteError, match="local journal cannot be made") as refused:
        sn.apply(planned(local, remote), remote, allow=ALLOW)
    assert "SYNCNB_DATA" in refused.value.hint
    assert sn.diff(local, remote).verdict == "different"


def kill(p: sn.Plan, remote: sn.Store, point: str) -> None:
    """Apply it in a fork that dies at this point."""
    child = os.fork()
    if not child:
        os.environ["SYNCNB_FAILPOINT"] = point
        try:
            sn.apply(p, remote, allow=ALLOW)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    count(f"kills at {point}")
