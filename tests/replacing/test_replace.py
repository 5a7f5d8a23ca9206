"""What REPLACE would do, against what it does: the true statement on a copy, read by somebody else."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from syncnb import embedded
from syncnb.examples import homes
from syncnb.stores.sqlite import SQLiteStore
from tests.databases import Workbench


@pytest.fixture(scope="module", autouse=True)
def _cleared() -> Iterator[None]:
    yield
    homes.clear()


def made(folder: Path, name: str, script: str) -> SQLiteStore:
    path = folder / name
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    store = sn.connect(path, timezone="UTC")
    assert isinstance(store, SQLiteStore)
    return store


# ---------------------------------------------------------------- the incident, read by hand-written SQL

PARENTS = (
    ("domain_dns_records", "domain_id", "domains"),
    ("domain_certificates", "domain_id", "domains"),
    ("domain_certificates", "certificate_id", "certificates"),
    ("domains", "parent_domain_id", "domains"),
    ("host_ips", "host_id", "hosts"),
)
KEYS = {"domain_certificates": ("domain_id", "certificate_id")}
TABLES = ("certificates", "domains", "hosts", "domain_certificates", "domain_dns_records", "host_ips")

State = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


def state(connection: sqlite3.Connection) -> State:
    connection.row_factory = sqlite3.Row
    return {
        table: {
            tuple(row[name] for name in KEYS.get(table, ("id",))): dict(row)
            for row in connection.execute(f"SELECT * FROM {table}")
        }
        for table in TABLES
    }


def key_text(key: Sequence[Any]) -> str:
    return str(key[0]) if len(key) == 1 else f"({', '.join(map(str, key))})"


def alike(left: Any, right: Any) -> bool:
    """Stamps are the same with and without fractions."""
    return left == right or str(left).removesuffix(".000000") == str(right).removesuffix(".000000")


def damage_of(before: State, after: State, put: tuple[str, tuple[Any, ...]]) -> set[tuple[str, ...]]:
    """Who is gone or overwritten between two states: (table, id put in, id lost, children and their fates)."""
    found = set()
    table, new_key = put
    for key, row in before[table].items():
        now = after[table].get(key)
        changed = now is None or not all(alike(now[name], row[name]) for name in row)
        if changed:
            children = sorted(children_of(before, after, table, key))
            found.add((table, key_text(new_key), key_text(key), *children))
    return found


def children_of(before: State, after: State, table: str, key: tuple[Any, ...]) -> Iterator[str]:
    names = {"domains": "domain_name", "hosts": "name", "certificates": "serial_number"}
    for child_table, column, parent in PARENTS:
        if parent != table:
            continue
        for child_key, child in before[child_table].items():
            if child[column] != key[0]:
                continue
            now = after[child_table].get(child_key)
            parent_now = after[parent].get(key)
            if now is None:
                yield f"{child_table} {key_text(child_key)} deleted"
            elif parent_now is None:
                yield f"{child_table} {key_text(child_key)} left without a parent"
            elif parent_now[names[parent]] != before[parent][key][names[parent]]:
                yield f"{child_table} {key_text(child_key)} moved to {parent_now[names[parent]]}"


def replaced(
    local: SQLiteStore, copy: Path, order: Sequence[tuple[str, tuple[Any, ...]]]
) -> set[tuple[str, ...]]:
    """Run the statement of the write-up for each row, and read what it did."""
    found: set[tuple[str, ...]] = set()
    with closing(sqlite3.connect(copy)) as connection, closing(sqlite3.connect(local.path)) as source:
        for table, key in order:
            where = " AND ".join(f"{name} = ?" for name in KEYS.get(table, ("id",)))
            row = source.execute(f"SELECT * FROM {table} WHERE {where}", key).fetchone()
            before = state(connection)
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            found |= damage_of(before, state(connection), (table, key))
    return found


def answered(damage: sn.Damage) -> set[tuple[str, ...]]:
    return {
        (
            lost.table,
            lost.id,
            lost.lost_id,
            *sorted(f"{c.table} {c.id} {c.fate}{f' to {c.to}' if c.to else ''}" for c in lost.children),
        )
        for lost in damage.rows
    }


@pytest.mark.parametrize("only_pending", [True, False], ids=["the six pending changes", "every row"])
def test_the_incident(tmp_path: Path, only_pending: bool) -> None:
    local, remote = sn.demo("id_collisions")
    assert isinstance(local, SQLiteStore)
    assert isinstance(remote, SQLiteStore)
    waiting = sn.pending(local, source="sync_tracking") if only_pending else None
    told = sn.what_replace_would_do(local, remote, pending=waiting)
    shutil.copy(remote.path, tmp_path / "copy.db")
    if waiting is not None:
        order = [(row.table, row.key) for row in waiting]
    else:
        with closing(sqlite3.connect(local.path)) as connection:
            held = state(connection)
        order = [(table, key) for table in TABLES for key in sorted(held[table])]
    done = replaced(local, tmp_path / "copy.db", order)
    assert answered(told) == done
    assert len(told) == (6 if only_pending else 7)
    assert told.put == len(order)


def test_the_incident_reads_as_the_write_up_should_have() -> None:
    local, remote = sn.demo("id_collisions")
    damage = sn.what_replace_would_do(local, remote, pending=sn.pending(local, source="sync_tracking"))
    assert (
        repr(damage)
        == """\
INSERT OR REPLACE of 6 rows of cache.db into infra.db: 2 rows of another thing lost, 4 rows replaced
table               id    lost row                                                 through                            children                                               what
domain_dns_records  1096  remote-only.example TXT remote-only.example v=spf1 -all  PRIMARY KEY                                                                               another thing
domains             378   remote-only.example                                      PRIMARY KEY                        domain_certificates (378, 62) moved to shared.example  another thing
                                                                                                                      domain_dns_records 1096 moved to shared.example
domains             378   379 shared.example                                       UNIQUE (domain_name)               domain_certificates (379, 61) left without a parent    the same thing under another id
                                                                                                                      domain_dns_records 1092 left without a parent
                                                                                                                      domains 381 left without a parent
hosts               225   web-01                                                   PRIMARY KEY, UNIQUE (name)                                                                overwritten: environment, last_seen
domain_dns_records  1092  shared.example A shared.example 192.0.2.25               PRIMARY KEY                                                                               overwritten: domain_id, ttl, updated_at
domains             380   kept.example                                             PRIMARY KEY, UNIQUE (domain_name)                                                         overwritten: expiration_date, updated_at"""
    )


def test_nothing_is_written() -> None:
    local, remote = sn.demo("id_collisions")
    assert isinstance(remote, SQLiteStore)
    before = remote.path.read_bytes()
    sn.what_replace_would_do(local, remote)
    sn.what_replace_would_do(local, sn.connect(remote.path), foreign_keys=True)
    assert remote.path.read_bytes() == before
    assert {path.name for path in remote.path.parent.iterdir()} == {"cache.db", "infra.db"}


def test_in_postgresql_rows_that_are_referred_to_cannot_go() -> None:
    if not embedded.available():
        pytest.skip(embedded.missing())
    local, remote = sn.demo("id_collisions", remote="postgresql")
    damage = sn.what_replace_would_do(local, remote, pending=sn.pending(local, source="sync_tracking"))
    assert [(lost.table, lost.id, lost.what.partition(":")[0]) for lost in damage.rows] == [
        ("domain_dns_records", "1096", "another thing"),
        ("domain_dns_records", "1092", "overwritten"),
    ]
    assert [row[:2] for row in damage.refused] == [("domains", "378"), ("hosts", "225"), ("domains", "380")]
    assert damage.refused[1][2].endswith("rows of host_ips refer to what has to go")


# ---------------------------------------------------------------- small tables, each with one trap

CASES = {
    "nothing in the way": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
        "1, 'a'", "2, 'b'", False, [],
    ),
    "the same row": ("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)", "1, 'a'", "1, 'a'", False, []),
    "two rows at once": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, code TEXT UNIQUE)",
        "1, 'b', 'z'", "1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z'", False,
        [("1", "1", "PRIMARY KEY", "another thing"), ("1", "2", "UNIQUE (name)", "the same thing under another id"),
         ("1", "3", "UNIQUE (code)", "another thing")],
    ),
    "other case": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE)",
        "9, 'ANN'", "1, 'ann'", False, [("9", "1", "UNIQUE (name)", "the same thing under another id")],
    ),
    "an expression": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE UNIQUE INDEX lowered ON t (lower(name))",
        "9, 'ANN'", "1, 'ann'", False, [("9", "1", "lowered", "another thing")],
    ),
    "inside a partial index": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, live INTEGER); CREATE UNIQUE INDEX one ON t (name) WHERE live",
        "9, 'a', 1", "1, 'a', 1), (2, 'a', 0", False, [("9", "1", "one", "another thing")],
    ),
    "outside a partial index": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, live INTEGER); CREATE UNIQUE INDEX one ON t (name) WHERE live",
        "9, 'a', 0", "1, 'a', 1", False, [],
    ),
    "NULL is never in the way": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)", "9, NULL", "1, NULL", False, [],
    ),
    "a composite key": (
        "CREATE TABLE t (a INTEGER, b TEXT, c TEXT UNIQUE, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "1, 'x', 'q'", "1, 'x', 'p'), (2, 'x', 'q'", False,
        [("(1, x)", "(1, x)", "PRIMARY KEY", "another thing"), ("(1, x)", "(2, x)", "UNIQUE (c)", "the same thing under another id")],
    ),
    "a row of the source goes for the next": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, code TEXT); CREATE UNIQUE INDEX only ON t (lower(code))",
        "1, 'a', 'x'), (2, 'b', 'X'", "3, 'c', 'y'", False, [("2", "1", "only", "another thing")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "ours", "theirs", "keys", "lost"), CASES.values(), ids=CASES)
def test_a_trap(
    tmp_path: Path, schema: str, ours: str, theirs: str, keys: bool, lost: list[tuple[str, ...]]
) -> None:
    plain = schema.partition(";")[0].replace(" UNIQUE", "")  # the source need not have the rules
    local = made(tmp_path, "local.db", f"{plain}; INSERT INTO t VALUES ({ours});")
    remote = made(tmp_path, "remote.db", f"{schema}; INSERT INTO t VALUES ({theirs});")
    damage = sn.what_replace_would_do(local, remote, foreign_keys=keys)
    assert [(each.id, each.lost_id, ", ".join(each.through), each.what) for each in damage.rows] == lost
    with closing(sqlite3.connect(remote.path)) as connection:
        before = connection.execute("SELECT * FROM t").fetchall()
        connection.execute(f"INSERT OR REPLACE INTO t VALUES ({ours})")
        after = connection.execute("SELECT * FROM t").fetchall()
    gone = [row for row in before if row not in after]
    known = {each.lost_id for each in damage.rows}
    width = 2 if "PRIMARY KEY (a, b)" in schema else 1
    assert {key_text(row[:width]) for row in gone} <= known


FAMILY = """
CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT UNIQUE, note TEXT DEFAULT 'none');
CREATE TABLE c (id INTEGER PRIMARY KEY, p_id INTEGER REFERENCES p ON DELETE {action});
CREATE TABLE g (id INTEGER PRIMARY KEY, c_id INTEGER REFERENCES c ON DELETE CASCADE);
INSERT INTO p VALUES (1, 'a', 'x'), (2, 'b', 'y');
INSERT INTO c VALUES (10, 1), (11, 2), (12, NULL);
INSERT INTO g VALUES (100, 10), (101, 11);
"""
CHILDREN = {
    "not checked": ("CASCADE", False, "2, 'b'", []),
    "not checked, another thing": ("CASCADE", False, "2, 'z'", ["c 11 moved to z"]),
    "cascaded, though nothing changed": ("CASCADE", True, "2, 'b'", ["c 11 deleted", "g 101 deleted"]),
    "emptied": ("SET NULL", True, "2, 'b'", ["c 11 emptied"]),
    "no action, same id": ("NO ACTION", True, "2, 'b'", []),
    "no action, another thing": ("NO ACTION", True, "2, 'z'", ["c 11 moved to z"]),
    "two parents for one": ("CASCADE", True, "1, 'b'", ["c 10 deleted", "g 100 deleted", "c 11 deleted", "g 101 deleted"]),
    "no action, another id": ("NO ACTION", True, "3, 'b'", None),
    "restricted": ("RESTRICT", True, "2, 'z'", None),
}  # fmt: skip


@pytest.mark.parametrize(("action", "checked", "row", "fates"), CHILDREN.values(), ids=CHILDREN)
def test_children(tmp_path: Path, action: str, checked: bool, row: str, fates: list[str] | None) -> None:
    script = FAMILY.format(action=action)
    source = (
        f"CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, note TEXT); INSERT INTO p VALUES ({row}, 'y')"
    )
    local, remote = made(tmp_path, "local.db", source), made(tmp_path, "remote.db", script)
    damage = sn.what_replace_would_do(local, remote, foreign_keys=checked)
    told = [
        f"{c.table} {c.id} {c.fate}{f' to {c.to}' if c.to else ''}"
        for lost in damage.rows
        for c in lost.children
    ]
    with closing(sqlite3.connect(remote.path)) as connection:
        connection.execute(f"PRAGMA foreign_keys = {checked}")
        before = {t: dict(connection.execute(f"SELECT * FROM {t}")) for t in ("c", "g")}
        if fates is None:
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(f"INSERT OR REPLACE INTO p VALUES ({row}, 'y')")
            assert told == []
            assert [line[:2] for line in damage.refused] == [("p", row[0])]
            assert "rows of c refer to what has to go" in damage.refused[0][2]
            return
        connection.execute(f"INSERT OR REPLACE INTO p VALUES ({row}, 'y')")
        after = {t: dict(connection.execute(f"SELECT * FROM {t}")) for t in ("c", "g")}
    assert told == fates
    gone = {f"{t} {key} deleted" for t in before for key in before[t] if key not in after[t]}
    emptied = {
        f"{t} {k} emptied"
        for t in after
        for k, v in after[t].items()
        if v is None and before[t][k] is not None
    }
    assert {fate for fate in told if "moved" not in fate} == gone | emptied


def test_columns_that_the_source_lacks_are_reset(tmp_path: Path) -> None:
    local = made(
        tmp_path,
        "local.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (2, 'b')",
    )
    remote = made(tmp_path, "remote.db", FAMILY.format(action="CASCADE"))
    damage = sn.what_replace_would_do(local, remote)
    assert [(lost.what, lost.reset) for lost in damage.rows] == [("written anew", ("note y → none",))]
    assert damage.frame["reset"].tolist() == ["note y → none"]
    with closing(sqlite3.connect(remote.path)) as connection:
        connection.execute("INSERT OR REPLACE INTO p (id, name) VALUES (2, 'b')")
        assert connection.execute("SELECT note FROM p WHERE id = 2").fetchone() == ("none",)


def test_triggers_of_the_target_run_on_the_copy_only(tmp_path: Path) -> None:
    trigger = (
        "CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.name = 'bad' BEGIN SELECT RAISE(ABORT, 'never'); END;"
    )
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);"
    local = made(tmp_path, "local.db", schema + "INSERT INTO t VALUES (1, 'bad'), (2, 'b');")
    remote = made(tmp_path, "remote.db", schema + "INSERT INTO t VALUES (1, 'a'), (2, 'x');" + trigger)
    damage = sn.what_replace_would_do(local, remote)
    assert damage.refused == (("t", "1", "never"),)
    assert [lost.id for lost in damage.rows] == ["2"]


def test_postgresql_follows_references(bench: Workbench, tmp_path: Path) -> None:
    local = bench.sqlite(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT, live BOOLEAN, at TEXT)",
        "INSERT INTO p VALUES (1, 'b', 1, '2026-03-01T05:00:00Z'), (3, 'c', 0, NULL)",
    )
    remote = bench.postgresql(
        "CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE, live boolean, at timestamptz, note text DEFAULT 'none')",
        "CREATE UNIQUE INDEX lowered ON p (lower(name))",
        "CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE)",
        "CREATE TABLE n (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE SET NULL)",
        "INSERT INTO p VALUES (1, 'a', true, now(), 'x'), (2, 'b', true, '2026-03-01 05:00:00+00', 'y'), (3, 'c', false, NULL, 'z')",
        "INSERT INTO c VALUES (10, 1), (11, 2), (12, 3)",
        "INSERT INTO n VALUES (20, 2)",
    )
    damage = sn.what_replace_would_do(local, remote)
    told = [(lost.id, lost.lost_id, lost.what, lost.children_lines, lost.reset) for lost in damage.rows]
    assert told == [
        ("1", "1", "another thing", ["c 10 deleted"], ()),
        (
            "1",
            "2",
            "the same thing under another id",
            ["c 11 deleted", "n 20 emptied"],
            ("note y → 'none'::text",),
        ),
        ("3", "3", "written anew", ["c 12 deleted"], ("note z → 'none'::text",)),
    ]
    assert damage.notes == ("p: rule lowered was left out of account: it is an expression",)
    assert damage.children["child_table"].tolist() == ["c", "c", "n", "c"]


def test_sides_can_be_swapped(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
    local = made(tmp_path, "local.db", schema + "INSERT INTO t VALUES (1, 'a')")
    remote = made(tmp_path, "remote.db", schema + "INSERT INTO t VALUES (1, 'b')")
    damage = sn.what_replace_would_do(local, remote, into=local)
    assert (damage.source, damage.target) == ("remote.db", "local.db")
    assert [lost.lost_row for lost in damage.rows] == ["a"]
    with pytest.raises(sn.PlanError, match="not one of the two"):
        sn.what_replace_would_do(local, remote, into=made(tmp_path, "other.db", schema))
    with pytest.raises(sn.SchemaError, match="there is no table 'nope'"):
        sn.what_replace_would_do(local, remote, "nope")


def test_text_that_is_not_utf8_goes_over_as_it_is(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);"
    local = made(
        tmp_path,
        "local.db",
        schema + "INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT)), (2, CAST(x'fe' AS TEXT))",
    )
    remote = made(tmp_path, "remote.db", schema + "INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT)), (2, 'b')")
    assert [lost.id for lost in sn.what_replace_would_do(local, remote).rows] == ["2"]


def test_keys_that_are_not_utf8(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT UNIQUE);"
    bad = "CAST(x'ff' AS TEXT)"
    local = made(tmp_path, "local.db", schema + f"INSERT INTO t VALUES ({bad}, 'new'), ('c', 'b')")
    remote = made(
        tmp_path, "remote.db", schema + f"INSERT INTO t VALUES ({bad}, 'a'), (CAST(x'fe' AS TEXT), 'b')"
    )
    lost = sn.what_replace_would_do(local, remote).rows
    assert sorted((each.lost_row, each.what) for each in lost) == [
        ("a", "another thing"),
        ("b", "the same thing under another id"),
    ]


def test_a_trigger_that_rolls_everything_back_is_said(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);"
    trigger = "CREATE TRIGGER no BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'never'); END;"
    local = made(tmp_path, "local.db", schema + "INSERT INTO t VALUES (1, 'a')")
    remote = made(tmp_path, "remote.db", schema + trigger)
    with pytest.raises(sn.ReadError, match="rolls the whole transaction back"):
        sn.what_replace_would_do(local, remote)


def test_a_file_in_wal_mode(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);"
    local = made(tmp_path, "local.db", schema + "INSERT INTO t VALUES (1, 'a')")
    remote = made(
        tmp_path, "remote.db", "PRAGMA journal_mode = WAL;" + schema + "INSERT INTO t VALUES (1, 'b')"
    )
    with closing(sqlite3.connect(remote.path)) as other:
        other.execute("UPDATE t SET name = 'c'")
        other.commit()  # in the -wal file only
        assert [lost.what for lost in sn.what_replace_would_do(local, remote).rows] == ["overwritten: name"]
        assert [lost.lost_row for lost in sn.what_replace_would_do(local, remote).rows] == ["1"]


def test_a_tracked_target_is_a_target_like_others(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
    local = made(tmp_path, "local.db", schema + "INSERT INTO t VALUES (1, 'a')")
    made(tmp_path, "remote.db", schema + "INSERT INTO t VALUES (1, 'b')")
    remote = sn.connect(tmp_path / "remote.db", writable=True)
    sn.track(remote)
    assert [lost.lost_row for lost in sn.what_replace_would_do(local, remote).rows] == ["b"]
    assert len(sn.pending(remote)) == 0
