"""The self-check: what no trigger has seen is at least known to be unseen."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import syncnb as sn
from syncnb import journal
from syncnb.cli import main
from syncnb.stores.sqlite import SQLiteStore
from syncnb.tracking import tracking
from tests.tracking.test_capture import PLAIN, TWO, made, run

ROOT = Path(__file__).resolve().parents[2]

REBUILT = (
    "CREATE TABLE fresh (id INTEGER PRIMARY KEY, name TEXT UNIQUE, code TEXT NOT NULL DEFAULT 'none' UNIQUE, n INTEGER)",
    "INSERT INTO fresh SELECT * FROM t",
    "DROP TABLE t",
    "ALTER TABLE fresh RENAME TO t",
)
MEDDLING = {
    "nothing": ((), None, False),
    "a trigger is dropped": (("DROP TRIGGER syncnb_capture_1_insert",), "1 of its triggers are gone", True),
    "the table is rebuilt": (REBUILT, "its triggers are gone", True),
    "the table is dropped": (("DROP TABLE t",), "is gone: it was dropped or renamed", True),
    "the table is renamed": (("ALTER TABLE t RENAME TO u",), "was renamed to u", True),
    "the key is renamed": (("ALTER TABLE t RENAME COLUMN id TO number",), "its key column id is gone", True),
    "a column is added": (("ALTER TABLE t ADD COLUMN more TEXT",), "was altered since it was tracked", False),
    "a unique index is added": (
        ("CREATE UNIQUE INDEX by_n ON t (name, n)",),
        "its triggers are not those that its unique rules now need",
        True,
    ),
    "an index that is not unique": (("CREATE INDEX plain ON t (n)",), None, False),
    "a trigger of ours is another": (
        (
            "DROP TRIGGER syncnb_capture_1_delete",
            "CREATE TRIGGER syncnb_capture_1_delete AFTER DELETE ON t BEGIN SELECT 1; END",
        ),
        "its triggers are not those that its unique rules now need",
        True,
    ),
    "capture is switched off": (("INSERT INTO syncnb_own VALUES (1)",), "capture is switched off", True),
}


@pytest.mark.parametrize(("statements", "what", "lost"), MEDDLING.values(), ids=MEDDLING)
def test_meddling_is_found_and_mended(
    tmp_path: Path, statements: tuple[str, ...], what: str | None, lost: bool
) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, *statements)
    waiting = sn.pending(store)
    assert [what in gap.what for gap in waiting.gaps] == ([True] if what else []) * len(waiting.gaps)
    assert bool(waiting.gaps) == bool(what)
    assert waiting.complete is not lost
    assert bool(tracking(store)) is not lost
    if lost:
        assert "compare whole" in repr(waiting)
    if not len(store.inspect()):
        assert not sn.untrack(store, "t")
        return
    mark = waiting.mark
    assert sn.track(store)
    assert not sn.pending(store).gaps
    # Whoever remembers the log as it was knows that there was a time without it.
    assert sn.pending(store, known=mark).complete is not lost


def test_a_column_that_no_rule_means_can_be_dropped(tmp_path: Path) -> None:
    store = made(
        tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); CREATE UNIQUE INDEX i ON t (lower(a));"
    )
    sn.track(store)
    run(store, "ALTER TABLE t DROP COLUMN b", "INSERT INTO t VALUES (1, 'x')")
    waiting = sn.pending(store)
    assert waiting.complete
    assert [row.key for row in waiting] == [(1,)]


def test_writes_of_ours_within_writes_of_ours(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    with store.writing() as writer:
        with journal.own_writes(writer.sql):
            with journal.own_writes(writer.sql):
                writer.sql.exec_driver_sql("UPDATE t SET n = 1 WHERE id = 1")
            writer.sql.exec_driver_sql("UPDATE t SET n = 1 WHERE id = 2")
        writer.sql.exec_driver_sql("UPDATE t SET n = 1 WHERE id = 3")
        writer.commit()
    assert [row.key for row in sn.pending(store)] == [(3,)]


def swapped(store: SQLiteStore, backup: Path) -> None:
    """As `cp backup cache.db` does: the same file to the file system, with older content."""
    store.path.write_bytes(backup.read_bytes())


def moved(store: SQLiteStore, backup: Path) -> None:
    """As `mv backup cache.db` does."""
    os.replace(backup, store.path)


@pytest.mark.parametrize("restore", [swapped, moved])
def test_a_restored_backup_is_known_by_its_mark(
    tmp_path: Path, restore: Callable[[SQLiteStore, Path], None]
) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, "UPDATE t SET n = 1 WHERE id = 1")
    backup = tmp_path / "backup.db"
    shutil.copy(store.path, backup)
    run(store, "UPDATE t SET n = 1 WHERE id = 2")
    mark = sn.acknowledge(store, sn.pending(store))
    assert sn.pending(store, known=mark).complete
    restore(store, backup)
    for _ in range(5):  # more changes than were lost: the number alone would tell nothing
        run(store, "UPDATE t SET n = n + 1 WHERE id = 3")
    waiting = sn.pending(store, known=mark)
    assert not waiting.complete
    assert {row.key for row in waiting} == {(1,), (3,)}
    assert "restored" in " ".join(map(str, waiting.gaps))


def test_a_copy_is_not_the_file_that_was_tracked(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    shutil.copy(store.path, tmp_path / "copy.db")
    copy = sn.connect(tmp_path / "copy.db", writable=True)
    assert [gap.what for gap in sn.pending(copy).gaps] == [
        "this is not the file that was tracked: it is a copy, or was restored"
    ]
    assert sn.track(copy)
    assert sn.pending(copy).complete
    assert sn.pending(store).complete


def test_vacuum_changes_nothing(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, "UPDATE t SET n = 1 WHERE id = 1")
    mark = sn.pending(store).mark
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("VACUUM")
    waiting = sn.pending(store, known=mark)
    assert waiting.complete
    assert len(waiting) == 1


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # spill, so that something is in the file when it is killed
for number in range(10 ** 9):
    connection.execute("BEGIN IMMEDIATE")
    for part in range(200):
        connection.execute(
            "INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?)",
            (part % 60 + 10, f"n{number * 7 + part}", f"c{part % 50}", number),
        )
    connection.execute("COMMIT")
    print(number, flush=True)
"""


def _values(store: SQLiteStore) -> dict[int, tuple[object, ...]]:
    with closing(sqlite3.connect(store.path)) as connection:
        return {row[0]: row for row in connection.execute("SELECT * FROM t")}


@pytest.mark.parametrize("number", range(6))
def test_a_program_is_killed_in_the_middle(tmp_path: Path, number: int) -> None:
    """The log and the rows are of one transaction: what was committed is logged, all else never was."""
    store = made(tmp_path, PLAIN)
    sn.track(store)
    before = _values(store)
    process = subprocess.Popen([sys.executable, "-c", WRITER, store.path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.003 * number)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    after = _values(store)  # which rolls back what the killed one left
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    waiting = sn.pending(store)
    assert changed
    assert changed <= {row.key[0] for row in waiting}
    assert waiting.complete


APPLY = """
import os, signal, sys
import syncnb as sn
from syncnb import journal
store, other = sn.connect(sys.argv[1], writable=True), sn.connect(sys.argv[2])
plan = sn.plan(sn.diff(store, other), into=store, resolve=sn.take_remote)
def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
journal.mark = killed
sn.apply(plan, store)
"""


def test_our_own_run_is_killed_in_the_middle(tmp_path: Path) -> None:
    """The flag that silences the triggers goes with the transaction."""
    store, other = made(tmp_path, PLAIN), made(tmp_path, PLAIN, "other.db")
    run(other, "UPDATE t SET n = 5")
    sn.track(store)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", APPLY, store.path, other.path], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sn.pending(store).complete
    run(store, "UPDATE t SET n = 6 WHERE id = 1")
    assert [row.key for row in sn.pending(store)] == [(1,)]
    assert (
        sn.apply(sn.plan(sn.diff(store, other), into=store, resolve=sn.take_remote), store).status
        == "applied"
    )
    assert [row.key for row in sn.pending(store)] == [(1,)]


REFUSED = {
    "a table that is not there": (PLAIN, "nope", sn.SchemaError, "there is no table 'nope'"),
    "a table without a key": ("CREATE TABLE t (a, b)", "t", sn.SchemaError, "has no key"),
    "a key with NULLs": ("CREATE TABLE t (a UNIQUE)", "t", sn.SchemaError, "has no key"),
    "a view": ("CREATE TABLE u (a PRIMARY KEY); CREATE VIEW t AS SELECT * FROM u", "t", sn.SchemaError, "no ordinary"),
    "a key of nine": (
        "CREATE TABLE t (a, b, c, d, e, f, g, h, i, PRIMARY KEY (a, b, c, d, e, f, g, h, i))",
        "t", sn.SchemaError, "has 9 columns",
    ),
    "no table at all": ("CREATE TABLE t (a)", None, sn.SchemaError, "no table here that can be tracked"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "table", "kind", "what"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_tracked_is_said(
    tmp_path: Path, script: str, table: str | None, kind: type[sn.SyncnbError], what: str
) -> None:
    store = made(tmp_path, script)
    with pytest.raises(kind, match=what):
        sn.track(store, table)
    with closing(sqlite3.connect(store.path)) as connection:
        assert not connection.execute("SELECT * FROM sqlite_schema WHERE name LIKE 'syncnb%'").fetchall()


def test_only_a_writable_file_is_tracked(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    with pytest.raises(sn.WriteError, match="opened read-only"):
        sn.track(sn.connect(store.path))
    with pytest.raises(sn.PlanError, match="no changes of cache.db are captured"):
        sn.pending(store)
    frame = sn.connect({"t": sn.diff(store, store)["t"].rows})
    for verb in (sn.track, sn.untrack, sn.pending):
        with pytest.raises(sn.PlanError, match="captured in SQLite files"):
            verb(frame)


def test_tables_without_a_key_are_named(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN + "CREATE TABLE loose (a); CREATE VIEW v AS SELECT * FROM t;")
    assert repr(sn.track(store)) == (
        "cache.db: 1 table tracked\n"
        "table  key  state\n"
        "t      id   captured\n"
        "not tracked: loose has no key, so a changed row cannot be named"
    )


def test_tracking_twice_is_tracking_once(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, "UPDATE t SET n = 1 WHERE id = 1")
    mark = sn.pending(store).mark
    sn.track(store)
    assert [row.key for row in sn.pending(store, known=mark)] == [(1,)]
    assert sn.pending(store, known=mark).complete


def test_untracking_leaves_nothing(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN + TWO.replace(" t ", " two "))
    sn.track(store)
    run(store, "UPDATE t SET n = 1", "UPDATE two SET c = c || 1")
    assert [each.name for each in sn.untrack(store, "t").tables] == ["two"]
    assert {row.table for row in sn.pending(store)} == {"two"}
    with pytest.raises(sn.SchemaError, match="t is not tracked"):
        sn.untrack(store, "t")
    assert not sn.untrack(store)
    with closing(sqlite3.connect(store.path)) as connection:
        assert not connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'syncnb%'").fetchall()
    assert not sn.untrack(store)
    run(store, "UPDATE t SET n = 2")


def test_triggers_without_their_log_can_be_taken_away_or_mended(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, "DROP TABLE syncnb_touched")
    with pytest.raises(sqlite3.OperationalError, match="no such table: main.syncnb_touched"):
        run(store, "UPDATE t SET n = 1")
    sn.untrack(store)
    run(store, "UPDATE t SET n = 1")
    sn.track(store)
    run(store, "DROP TABLE syncnb_touched")
    assert sn.track(store)
    run(store, "UPDATE t SET n = 2 WHERE id = 1")
    assert [row.key for row in sn.pending(store)] == [(1,)]


QUEUE = """
CREATE TABLE sync_tracking (
    id INTEGER PRIMARY KEY, table_name TEXT, record_id INTEGER, operation TEXT, timestamp TEXT, synced INTEGER DEFAULT 0
);
INSERT INTO sync_tracking (table_name, record_id, operation, timestamp, synced) VALUES
    ('t', 1, 'INSERT', '2026-03-01 05:00:00', 1),
    ('t', 2, 'INSERT', '2026-03-01 05:00:01', 0), ('t', 2, 'UPDATE', '2026-03-01 05:00:02', 0),
    ('t', 7, 'DELETE', '2026-03-01 05:00:03', NULL);
"""


def test_a_queue_is_a_source(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN + QUEUE)
    waiting = sn.pending(store, source="sync_tracking")
    assert repr(waiting) == (
        "cache.db: 2 rows are pending (sync_tracking)\n"
        "table  key  first  last  times  what   told\n"
        "t      2        2     3      2  there  INSERT, UPDATE\n"
        "t      7        4     4      1  gone   DELETE"
    )
    run(store, "UPDATE sync_tracking SET timestamp = '2026-03-02 05:00:00' WHERE record_id = 7")
    assert sn.acknowledge(store, waiting) is None
    assert [row.key for row in sn.pending(store, source="sync_tracking")] == [(7,)]


def test_a_queue_that_names_what_is_not_there(tmp_path: Path) -> None:
    lines = "INSERT INTO sync_tracking (table_name, record_id, operation) VALUES ('gone', 1, 'INSERT'), ('two', 1, 'UPDATE');"
    store = made(tmp_path, PLAIN + TWO.replace(" t ", " two ") + QUEUE + lines)
    waiting = sn.pending(store, source="sync_tracking")
    assert not waiting.complete
    assert [str(gap) for gap in waiting.gaps] == [
        "gone: 1 lines of sync_tracking name it: there is no such table",
        "two: 1 lines of sync_tracking name it: a key of several columns cannot be told by one id",
    ]
    with pytest.raises(sn.SchemaError, match="t is no queue of changes: it has no column table_name"):
        sn.pending(store, source="t")


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = made(tmp_path, PLAIN + QUEUE)
    path = str(store.path)
    assert main(["track", path, "--table", "t"]) == 0
    assert "t      id   captured" in capsys.readouterr().out
    run(store, "UPDATE t SET n = 1 WHERE id = 2")
    assert main(["track", path, "--pending"]) == 0
    assert "t      2        1     1      1  there" in capsys.readouterr().out
    assert main(["track", path, "--pending", "--source", "sync_tracking", "--json"]) == 0
    assert '"told": "INSERT, UPDATE"' in capsys.readouterr().out
    run(store, "DROP TRIGGER syncnb_capture_1_update")
    assert main(["track", path, "--pending"]) == 1
    assert "compare whole (`syncnb diff`)" in capsys.readouterr().out
    assert main(["track", path, "--status"]) == 1
    assert main(["track", path]) == 0
    assert main(["track", path, "--status"]) == 0
    assert main(["track", path, "--off"]) == 0
    assert "nothing is tracked" in capsys.readouterr().out
    assert main(["track", path, "--pending"]) == 2
    assert "`syncnb track STORE` begins" in capsys.readouterr().err
    assert main(["track", path, "--json"]) == 2
    assert main(["track", path, "--status", "--table", "t"]) == 2
