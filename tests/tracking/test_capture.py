"""Change capture: whatever a program does to a tracked table, the keys of all rows that changed are logged."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from syncnb.stores.sqlite import SQLiteStore
from syncnb.tracking import tracking

PLAIN = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, code TEXT NOT NULL DEFAULT 'none' UNIQUE, n INTEGER);
INSERT INTO t VALUES (1, 'a', 'x', 0), (2, 'b', 'y', 0), (3, 'c', 'z', 0), (4, 'd', 'none', 0);
"""
TWO = """
CREATE TABLE t (a INTEGER, b TEXT, c TEXT, PRIMARY KEY (a, b), UNIQUE (c, b)) WITHOUT ROWID;
INSERT INTO t VALUES (1, 'x', 'p'), (1, 'y', 'q'), (2, 'x', 'r');
"""
NOCASE = """
CREATE TABLE t (id TEXT PRIMARY KEY COLLATE NOCASE, name TEXT);
CREATE UNIQUE INDEX by_name ON t (name COLLATE NOCASE);
INSERT INTO t VALUES ('a', 'Ann'), ('b', 'Bob');
"""
PARTIAL = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, live INTEGER, g TEXT GENERATED ALWAYS AS (upper(name)));
CREATE UNIQUE INDEX by_expression ON t (lower(trim(name))) WHERE live > 0;
CREATE UNIQUE INDEX by_generated ON t (g, live);
INSERT INTO t (id, name, live) VALUES (1, 'Ann', 1), (2, ' ann ', 0), (3, 'Bob', 1);
"""
FAMILY = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE child (id INTEGER PRIMARY KEY, t_id INTEGER REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE other (id INTEGER PRIMARY KEY, t_id INTEGER REFERENCES t ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO t VALUES (1, 'a'), (2, 'b');
INSERT INTO child VALUES (10, 1), (11, 2);
INSERT INTO other VALUES (20, 1), (21, 2);
"""
QUOTED = '''
CREATE TABLE "a ""table"" of; yours" ("the ""key""" TEXT PRIMARY KEY NOT NULL, "t" TEXT UNIQUE, "new" TEXT);
INSERT INTO "a ""table"" of; yours" VALUES ('it''s', 'a', 'b'), ('', 'c', 'd');
'''
CONSTRAINED = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT REPLACE, n INTEGER);
INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0);
"""
KEYED_BY_RULE = """
CREATE TABLE t (code TEXT NOT NULL UNIQUE, n INTEGER UNIQUE);
INSERT INTO t VALUES ('a', 1), ('b', 2);
"""
TYPED = """
CREATE TABLE t (k BLOB PRIMARY KEY, v TEXT UNIQUE);
INSERT INTO t VALUES (1, 'a'), ('1', 'b'), (x'31', 'c'), (1.5, 'd'), (NULL, 'e');
"""
TRIGGERED = """
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, updated INTEGER DEFAULT 0);
CREATE TRIGGER stamp AFTER UPDATE ON t BEGIN UPDATE t SET updated = updated + 1 WHERE id = NEW.id; END;
CREATE TRIGGER also AFTER INSERT ON t BEGIN UPDATE t SET updated = 9 WHERE id = NEW.id - 1; END;
INSERT INTO t VALUES (1, 'a', 0), (5, 'b', 0);
"""

CASES = {
    "insert": (PLAIN, "INSERT INTO t VALUES (9, 'i', 'i', 0)"),
    "insert without an id": (PLAIN, "INSERT INTO t (name, code) VALUES ('i', 'i')"),
    "insert of many": (PLAIN, "INSERT INTO t (name, code) SELECT name || 1, code || 1 FROM t"),
    "update": (PLAIN, "UPDATE t SET n = 1 WHERE id > 2"),
    "update of the key": (PLAIN, "UPDATE t SET id = 20 WHERE id = 2"),
    "update of all keys": (PLAIN, "UPDATE t SET id = id + 100"),
    "delete": (PLAIN, "DELETE FROM t WHERE id = 2"),
    "delete of all": (PLAIN, "DELETE FROM t"),
    "replace by key": (PLAIN, "REPLACE INTO t VALUES (2, 'new', 'new', 1)"),
    "replace by one unique value": (PLAIN, "INSERT OR REPLACE INTO t VALUES (9, 'b', 'new', 1)"),
    "replace by three rules at once": (PLAIN, "INSERT OR REPLACE INTO t VALUES (1, 'b', 'z', 1)"),
    "replace by a default": (PLAIN, "INSERT OR REPLACE INTO t (id, name) VALUES (9, 'new')"),
    "replace by a default where NULL is told": (PLAIN, "INSERT OR REPLACE INTO t VALUES (9, 'new', NULL, 1)"),
    "replace without an id": (PLAIN, "INSERT OR REPLACE INTO t (name, code) VALUES ('b', 'z')"),
    "replace by NULL, which is unique": (PLAIN, "INSERT OR REPLACE INTO t VALUES (9, NULL, 'y', 1)"),
    "replace in a row that replaces": (PLAIN, "INSERT OR REPLACE INTO t VALUES (8, 'b', 'q', 1), (9, 'b', 'z', 1)"),
    "update or replace": (PLAIN, "UPDATE OR REPLACE t SET name = 'b' WHERE id = 1"),
    "update or replace of the key": (PLAIN, "UPDATE OR REPLACE t SET id = 3 WHERE id = 1"),
    "update or replace by two rules": (PLAIN, "UPDATE OR REPLACE t SET name = 'b', code = 'z' WHERE id = 1"),
    "update or replace to a default": (PLAIN, "UPDATE OR REPLACE t SET code = NULL WHERE id = 1"),
    "upsert that updates": (PLAIN, "INSERT INTO t VALUES (2, 'x', 'x', 1) ON CONFLICT (id) DO UPDATE SET n = 7"),
    "upsert by another rule": (PLAIN, "INSERT INTO t VALUES (9, 'b', 'x2', 1) ON CONFLICT (name) DO UPDATE SET n = 7"),
    "upsert that does nothing": (PLAIN, "INSERT INTO t VALUES (2, 'x', 'x', 1) ON CONFLICT DO NOTHING"),
    "insert or ignore": (PLAIN, "INSERT OR IGNORE INTO t VALUES (2, 'x', 'x', 1), (7, 'q', 'q', 1)"),
    "a composite key": (TWO, "UPDATE t SET c = 'new' WHERE a = 1 AND b = 'y'"),
    "replace by a composite rule": (TWO, "INSERT OR REPLACE INTO t VALUES (7, 'x', 'r')"),
    "update or replace without rowid": (TWO, "UPDATE OR REPLACE t SET a = 2 WHERE a = 1 AND b = 'x'"),
    "replace by a key in other case": (NOCASE, "INSERT OR REPLACE INTO t VALUES ('A', 'new')"),
    "replace by an index that collates": (NOCASE, "INSERT OR REPLACE INTO t VALUES ('c', 'aNN')"),
    "a key changes its case": (NOCASE, "UPDATE t SET id = 'A' WHERE id = 'a'"),
    "replace by an expression": (PARTIAL, "INSERT OR REPLACE INTO t (id, name, live) VALUES (9, 'ANN', 5)"),
    "outside a partial index": (PARTIAL, "INSERT OR REPLACE INTO t (id, name, live) VALUES (9, '  ann', 0)"),
    "replace by a generated column": (PARTIAL, "INSERT OR REPLACE INTO t (id, name, live) VALUES (9, 'bob', 1)"),
    "a row comes into a partial index": (PARTIAL, "UPDATE OR REPLACE t SET live = 3 WHERE id = 2"),
    "cascaded delete": (FAMILY, "DELETE FROM t WHERE id = 1"),
    "replaced parent": (FAMILY, "INSERT OR REPLACE INTO t VALUES (1, 'b')"),
    "cascaded update": (FAMILY, "UPDATE t SET id = 5 WHERE id = 2"),
    "names that need quoting": (QUOTED, '''INSERT OR REPLACE INTO "a ""table"" of; yours" VALUES ('n', 'a', 'x')'''),
    "a key that is the empty text": (QUOTED, 'DELETE FROM "a ""table"" of; yours" WHERE "the ""key""" = \'\''),
    "a rule that says REPLACE itself": (CONSTRAINED, "INSERT INTO t VALUES (9, 'b', 1)"),
    "the same on update": (CONSTRAINED, "UPDATE t SET name = 'b' WHERE id = 1"),
    "a key that is no primary key": (KEYED_BY_RULE, "INSERT OR REPLACE INTO t VALUES ('c', 2)"),
    "keys of every storage class": (TYPED, "UPDATE t SET v = v || 'x'"),
    "replace among them": (TYPED, "INSERT OR REPLACE INTO t VALUES (2, 'c')"),
    "triggers of the table's own": (TRIGGERED, "INSERT OR REPLACE INTO t VALUES (6, 'a', 0)"),
    "a trigger that updates": (TRIGGERED, "UPDATE t SET name = 'z' WHERE id = 1"),
}  # fmt: skip
"""The tables, and a statement. What must be logged is found out by reading the tables before and after."""

Rows = dict[tuple[str, tuple[Any, ...]], tuple[Any, ...]]


def made(folder: Path, script: str, name: str = "cache.db") -> SQLiteStore:
    path = folder / name
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    store = sn.connect(path, writable=True, timezone="UTC")
    assert isinstance(store, SQLiteStore)
    return store


def run(store: SQLiteStore, *statements: str, pragmas: tuple[str, ...] = ()) -> None:
    """As some other program would."""
    with closing(sqlite3.connect(store.path)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def exact(value: Any) -> tuple[str, Any]:
    """A value with its storage class: 1 is not 1.0, and 'a' not x'61'."""
    return type(value).__name__, value


def rows(store: SQLiteStore) -> Rows:
    """Every row of every tracked table, by table and key."""
    found: Rows = {}
    with closing(sqlite3.connect(store.path)) as connection:
        for each in tracking(store).tables:
            quoted = each.name.replace('"', '""')
            cursor = connection.execute(f'SELECT * FROM "{quoted}"')
            names = [column[0] for column in cursor.description]
            for row in cursor:
                key = tuple(exact(row[names.index(name)]) for name in each.key)
                found[each.name, key] = tuple(map(exact, row))
    return found


def logged(store: SQLiteStore) -> set[tuple[str, tuple[Any, ...]]]:
    return {(row.table, tuple(map(exact, row.key))) for row in sn.pending(store)}


@pytest.mark.parametrize("switch", ["on", "off"])
@pytest.mark.parametrize(("script", "statement"), CASES.values(), ids=CASES)
def test_every_row_that_changed_is_logged(tmp_path: Path, script: str, statement: str, switch: str) -> None:
    if script == TRIGGERED and switch == "on":
        pytest.skip("its own trigger would call itself without end")
    store = made(tmp_path, script)
    sn.track(store)
    before = rows(store)
    run(store, statement, pragmas=(f"foreign_keys = {switch}", f"recursive_triggers = {switch}"))
    after = rows(store)
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert changed <= logged(store)
    touched = len(logged(store)) - len(changed)
    assert touched <= 4, "no more than the rows that the statement met"
    if script == TYPED:  # for Python 1 and 1.0 are one key
        return
    base = {table: {tuple(v for _, v in key) for t, key in before if t == table} for table, _ in before}
    told = {(row.table, tuple(map(exact, row.key))): row.what for row in sn.pending(store).against(base)}
    for key in changed:
        assert told[key] == ("insert" if key not in before else "update" if key in after else "delete")


def test_a_failed_statement_leaves_nothing(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    with pytest.raises(sqlite3.IntegrityError):
        run(store, "INSERT INTO t VALUES (2, 'x', 'x', 1)")
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("DELETE FROM t")
        connection.rollback()
    assert len(sn.pending(store)) == 0


FOLDED = {
    "insert, update": (
        ["INSERT INTO t VALUES (9, 'i', 'i', 0)", "UPDATE t SET n = 2 WHERE id = 9"],
        "insert",
    ),
    "update, update": (["UPDATE t SET n = 1 WHERE id = 2", "UPDATE t SET n = 2 WHERE id = 2"], "update"),
    "insert, delete": (["INSERT INTO t VALUES (9, 'i', 'i', 0)", "DELETE FROM t WHERE id = 9"], "nothing"),
    "update, delete": (["UPDATE t SET n = 1 WHERE id = 2", "DELETE FROM t WHERE id = 2"], "delete"),
    "delete, insert": (["DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (2, 'i', 'i', 0)"], "update"),
}


@pytest.mark.parametrize(("statements", "what"), FOLDED.values(), ids=FOLDED)
def test_steps_fold_into_what_happened(tmp_path: Path, statements: list[str], what: str) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, *statements)
    waiting = sn.pending(store)
    assert [row.what for row in waiting] == ["gone" if what in ("delete", "nothing") else "there"]
    assert [row.what for row in waiting.against({"t": {(1,), (2,), (3,), (4,)}})] == [what]
    assert waiting.rows[0].times >= 2


def test_an_acknowledgement_takes_only_what_was_seen(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, "UPDATE t SET n = 1 WHERE id IN (1, 2)")
    seen = sn.pending(store)
    run(store, "UPDATE t SET n = 2 WHERE id = 2")
    sn.acknowledge(store, seen)
    left = sn.pending(store)
    assert [row.key for row in left] == [(2,)]
    assert left.rows[0].first > seen.rows[1].last
    sn.acknowledge(store, left)
    assert len(sn.pending(store)) == 0


def test_some_rows_are_acknowledged_alone(tmp_path: Path) -> None:
    store = made(tmp_path, TWO)
    sn.track(store)
    run(store, "UPDATE t SET c = c || '!'")
    waiting = sn.pending(store)
    sn.acknowledge(store, waiting, [row for row in waiting if row.key == (1, "y")])
    assert [row.key for row in sn.pending(store)] == [(1, "x"), (2, "x")]
    assert [row.key_text for row in sn.pending(store)] == ["(1, x)", "(2, x)"]


def test_keys_of_every_storage_class_are_acknowledged(tmp_path: Path) -> None:
    store = made(tmp_path, TYPED + "INSERT INTO t VALUES (CAST(x'ff' AS TEXT), 'bad');")
    sn.track(store)
    run(store, "UPDATE t SET v = v || '!'")
    waiting = sn.pending(store)
    assert len(waiting) == 6
    assert waiting.frame["key"].tolist().count("1") == 2
    sn.acknowledge(store, waiting)
    assert len(sn.pending(store)) == 0


def test_our_own_writes_are_not_captured(tmp_path: Path) -> None:
    """Else each applied change would be passed on, back and forth, for ever."""
    other = made(tmp_path, PLAIN, "other.db")
    run(
        other,
        "UPDATE t SET n = 5 WHERE id = 1",
        "INSERT INTO t VALUES (9, 'i', 'i', 0)",
        "DELETE FROM t WHERE id = 3",
    )
    store = made(tmp_path, PLAIN)
    sn.track(store)
    plan = sn.plan(sn.diff(store, other), into=store, resolve=sn.take_remote, deletes=True)
    report = sn.apply(plan, store, allow=("deletes",))
    assert report.status == "applied"
    assert len(sn.pending(store)) == 0
    assert sn.pending(store).complete
    sn.apply(sn.undo(report, store), store, allow=("deletes",))
    assert len(sn.pending(store)) == 0
    run(store, "UPDATE t SET n = 6 WHERE id = 1")
    assert [row.key for row in sn.pending(store)] == [(1,)]


def test_a_refused_run_of_ours_leaves_capture_on(tmp_path: Path) -> None:
    other = made(tmp_path, PLAIN, "other.db")
    run(other, "UPDATE t SET n = 5 WHERE id = 1")
    store = made(tmp_path, PLAIN)
    sn.track(store)
    plan = sn.plan(sn.diff(store, other), into=store, resolve=sn.take_remote)
    run(store, "UPDATE t SET n = 4 WHERE id = 1")
    assert sn.apply(plan, store).status == "refused"
    run(store, "UPDATE t SET n = 3 WHERE id = 2")
    assert [row.key for row in sn.pending(store)] == [(1,), (2,)]
    assert sn.pending(store).complete


def test_capture_does_not_show_in_a_diff(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    copy = made(tmp_path, PLAIN, "copy.db")
    sn.track(store)
    found = sn.diff(store, copy)
    assert found.verdict == "equal"
    assert [table.name for table in found.tables] == ["t"]
    assert store.inspect()["t"] == copy.inspect()["t"]


def test_values_are_not_logged(tmp_path: Path) -> None:
    store = made(tmp_path, PLAIN)
    sn.track(store)
    run(store, "UPDATE t SET name = 'a secret' WHERE id = 1")
    with closing(sqlite3.connect(store.path)) as connection:
        log = connection.execute("SELECT * FROM syncnb_touched").fetchall()
    assert log
    assert not [value for value in itertools.chain(*log) if value == "a secret"]


@pytest.mark.parametrize("script", [PLAIN, TWO, NOCASE, PARTIAL], ids=["plain", "two", "nocase", "partial"])
def test_a_large_table_is_written_as_fast_as_a_small_one(tmp_path: Path, script: str) -> None:
    """A trigger that read the whole table for each row would make every program slow."""
    fill = {
        PLAIN: "INSERT INTO t SELECT value + 10, 'n' || value, 'c' || value, 0 FROM generate",
        TWO: "INSERT INTO t SELECT value + 10, 'n' || value, 'c' || value FROM generate",
        NOCASE: "INSERT INTO t SELECT 'k' || value, 'n' || value FROM generate",
        PARTIAL: "INSERT INTO t (id, name, live) SELECT value + 10, 'n' || value, value % 2 FROM generate",
    }[script]
    steps = []
    for size in (10, 3000):
        store = made(tmp_path, script, f"{size}.db")
        numbers = f"WITH RECURSIVE generate AS (SELECT 1 AS value UNION ALL SELECT value + 1 FROM generate LIMIT {size}) "
        run(store, f"{numbers} {fill}")
        sn.track(store)
        count = itertools.count()
        columns = "(id, name, live)" if script == PARTIAL else ""
        values = {
            PLAIN: "12, 'n5', 'c6', 1",
            TWO: "15, 'n5', 'c6'",
            NOCASE: "'K5', 'N6'",
            PARTIAL: "15, 'N7', 1",
        }
        with closing(sqlite3.connect(store.path)) as connection:
            connection.set_progress_handler(lambda count=count: next(count) and 0, 1)  # type: ignore[misc]
            connection.execute(f"INSERT OR REPLACE INTO t {columns} VALUES ({values[script]})")
        steps.append(next(count))
    assert steps[1] < 1.5 * steps[0], steps
