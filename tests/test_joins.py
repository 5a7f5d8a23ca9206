"""SQLite finds the rows of two files that are not the same: what is then told is what reading all of them tells."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import syncnb as sn
from syncnb.comparing import attaching, comparison
from syncnb.stores import sqlite_joining
from tests.databases import Workbench, rows
from tests.test_strategies import FREE, IDS, ITEMS, KEYS, TYPES, confused, item, quiet, told


@pytest.fixture(autouse=True)
def tables_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of their rows may differ, and it is still no reason to read all of them."""
    monkeypatch.setattr(attaching, "MANY", 2.0)


def both(local: sn.Store, remote: sn.Store, **options: Any) -> sn.Diff:
    """The diff by a join, which has found what the stream found."""
    by_value = sn.diff(local, remote, strategy="stream", progress=False, **options)
    assert "join" not in set(by_value.how["strategy"])
    found = sn.diff(local, remote, strategy="join", progress=False, **options)
    assert told(found) == told(by_value)
    return found


def joined(local: sn.Store, remote: sn.Store, **options: Any) -> sn.TableDiff:
    """The same, where a join is what was really used."""
    d = both(local, remote, **options)
    assert set(d.how["strategy"]) == {"join"}, list(d.how["why"])
    return d.tables[0]


def test_what_differs_is_found(bench: Workbench) -> None:
    changes: dict[int, dict[str, object]] = {
        7: {"name": "another"}, 50: {"price": 0.01}, 51: {"n": "NULL"}, 52: {"ok": False}, 53: {"ok": True},
        99: {"at": "2026-01-01 00:00:00.000001"}, 100: {"x": 0.1}, 101: {"b": ""}, 102: {"d": "2026-02-04"},
        103: {"name": None}, 104: {"name": ""}, 105: {"name": "NULL"}, 106: {"name": "item 106 "},
    }  # fmt: skip
    ddl = ITEMS.format(**TYPES["sqlite"])
    ours = [item("sqlite", n) for n in range(-20, 400) if n not in (0, 398)]
    theirs = [item("sqlite", n, **changes.get(n, {})) for n in range(-20, 410) if n not in (1, 2)]
    local, remote = bench.sqlite(ddl, *rows("items", ours)), bench.sqlite(ddl, *rows("items", theirs))
    counts = joined(local, remote).counts
    assert (counts.changed, counts.only_local, counts.only_remote) == (13, 2, 12)
    assert joined(local, local).verdict == "equal"
    empty = bench.sqlite(ddl)
    assert joined(local, empty).counts.only_local == len(ours)
    assert joined(empty, local).counts.only_remote == len(ours)
    assert joined(empty, empty).verdict == "equal"


@pytest.mark.parametrize(("key", "ours", "theirs"), KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("end", ["", " WITHOUT ROWID"])
def test_keys(
    bench: Workbench, request: pytest.FixtureRequest, key: str, ours: list[str], theirs: list[str], end: str
) -> None:
    sides = []
    for keys, more in ((ours, ""), (theirs, "x")):
        first, _, constraint = (
            key.format(big="integer", collation="NOCASE").rstrip(", ").partition(", PRIMARY")
        )
        ddl = f"CREATE TABLE t ({first}, v text{', PRIMARY' * bool(constraint)}{constraint}){end}"
        values = [f"{k}, '{sum(k.encode())}{more if sum(k.encode()) % 5 == 1 else ''}'" for k in keys]
        inserts = [line.replace("INSERT", "INSERT OR IGNORE") for line in rows("t", values)]
        sides.append(bench.sqlite(ddl, *inserts))
    d = both(*sides).tables[0]
    assert d.counts.only_remote
    assert (d.how["strategy"] == "join") == (request.node.callspec.id.rpartition("-")[2] != "moments"), d.how[
        "why"
    ]


EXACT_WAY: dict[str, tuple[str, str, list[str], list[str], str]] = {
    "no key": ("k integer, v text", "k integer, v text", ["1, 'a'", "1, 'b'"], ["1, 'a'"], "unique"),
    "a NULL in the key": ("k text PRIMARY KEY, v", "k text PRIMARY KEY, v", ["NULL, 'a'", "'b', 'c'"], ["'b', 'd'"], "kind"),
    "a key in two forms": (
        "k DATETIME PRIMARY KEY, v", "k DATETIME PRIMARY KEY, v",
        ["'2026-01-01 00:00', 'a'", "'2026-01-01 00:00:00', 'b'"], ["'2026-01-01', 'a'"], "two forms",
    ),
    "a UUID in two forms": (
        "k UUID PRIMARY KEY, v", "k UUID PRIMARY KEY, v",
        ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 1"], ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1"], "kind",
    ),
    "a UUID with something behind it": (
        "k UUID PRIMARY KEY, v", "k UUID PRIMARY KEY, v",
        ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' || char(0) || 'x', 1"], ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1"], "kind",
    ),
    "text among numbers": ("k BIGINT PRIMARY KEY, v", "k BIGINT PRIMARY KEY, v", ["'x', 'a'", "2, 'c'"], ["2, 'd'"], "kind"),
    "a key that is no text": ("k TEXT PRIMARY KEY, v", "k TEXT PRIMARY KEY, v", ["x'61', 'a'", "'b', 'c'"], ["'b', 'd'"], "kind"),
    "a key that is not in UTF-8": (
        "k TEXT PRIMARY KEY, v", "k TEXT PRIMARY KEY, v",
        ["CAST(x'ff' AS TEXT), 'a'", "'b', 'c'", "'a', 1"], ["CAST(x'ff' AS TEXT), 'a'", "'b', 'd'", "'a', 1"], "UTF-8",
    ),
    "the same behind a NUL": (
        "k TEXT PRIMARY KEY, v", "k TEXT PRIMARY KEY, v",
        ["CAST(x'6100ff' AS TEXT), 'a'", "'b', 'c'"], ["CAST(x'6100ff' AS TEXT), 'a'", "'b', 'd'"], "UTF-8",
    ),
    "numbers against texts": ("k INTEGER PRIMARY KEY, v", "k TEXT PRIMARY KEY, v", ["1, 'a'"], ["'1', 'a'", "'01', 'b'"], "key"),
    "a stamp and the zone of its side": (
        "k INTEGER PRIMARY KEY, v DATETIME", "k INTEGER PRIMARY KEY, v DATETIME",
        ["1, '2026-01-01 00:00:00'"], ["1, '2026-01-01 00:00:00'"], "not be the same",
    ),
    "a unique rule for some rows": (
        "k integer, v text UNIQUE", "k integer, v text", ["1, 'a'"], ["1, 'a'", "1, 'b'"], "unique",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "here", "there", "why"), EXACT_WAY.values(), ids=EXACT_WAY)
def test_what_no_join_can_tell_is_read(
    bench: Workbench, ours: str, theirs: str, here: list[str], there: list[str], why: str
) -> None:
    zones = (
        ("UTC", "Europe/Berlin") if "zone" in why or "DATETIME" in ours.partition(",")[2] else (None, None)
    )
    local = bench.sqlite(f"CREATE TABLE t ({ours})", *rows("t", here), timezone=zones[0])
    remote = bench.sqlite(f"CREATE TABLE t ({theirs})", *rows("t", there), timezone=zones[1])
    d = both(local, remote, key="k").tables[0]
    assert d.how["strategy"] != "join"
    assert why in d.how["why"]


TYPED = ["", "BLOB", "TEXT", "INTEGER", "REAL", "NUMERIC", "BOOLEAN", "DATETIME", "UUID", "JSON", "STRING", "VARCHAR(3) COLLATE NOCASE"]  # fmt: skip
ODD = [
    ["1", "1.0", "'1'", "x'31'", "'1.0'", "' 1'"], ["-0.0", "0", "0.0", "'0'", "''", "x''", "NULL"],
    ["9007199254740993", "9007199254740992.0", "9007199254740992"], ["-9223372036854775808", "-9223372036854775808.0"],
    ["9e999", "-9e999", "'infinity'"], ["'a'", "'A'", "'a '", "'a' || char(0) || 'b'", "'a' || char(0)"],
    ["CAST(x'ff' AS TEXT)", "x'ff'", "CAST(x'fe' AS TEXT)"], ["'\u00e9'", "'e\u0301'"], ["1e20", "'1e20'"], ["0.1", "'0.1'"],
    ["'2026-01-01'", "'2026-01-01T00:00:00'"], ["'{\"a\":1}'", "'{\"a\": 1.0}'"],
    ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc999c0b4ef8bb6d6bb9bd380a11'"],
]  # fmt: skip
"""Values that may be one: each of a line against each."""


@pytest.mark.parametrize("theirs", ["", "TEXT", "REAL", "JSON"])
def test_each_value_against_each(bench: Workbench, theirs: str) -> None:
    """Same or not, the same only by a rule, or a matter of the storage class: as if all were read."""
    pairs = [(one, other) for line in ODD for one in line for other in line]
    sides = []
    for at, types in enumerate((TYPED, [theirs] * len(TYPED))):
        columns = ", ".join(f"c{number} {type_}" for number, type_ in enumerate(types))
        values = [f"{k}, {', '.join([pair[at]] * len(TYPED))}" for k, pair in enumerate(pairs)]
        sides.append(bench.sqlite(f"CREATE TABLE t (k INTEGER PRIMARY KEY, {columns})", *rows("t", values)))
    joined(*sides)


def test_what_is_odd_does_not_hang_on_what_was_read_beside_it(bench: Workbench) -> None:
    """A text that is no UUID is odd alone, and among values of other kinds."""
    here = bench.sqlite("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", *rows("t", ["0, '0'", "1, 0"]))
    there = bench.sqlite("CREATE TABLE t (k INTEGER PRIMARY KEY, v UUID)", *rows("t", ["0, '0'", "1, '0'"]))
    joined(here, there)
    alone = bench.sqlite("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", *rows("t", ["0, 'x'"]))
    odd = sn.diff(alone, there)["t"].odd
    assert odd[["side", "raw", "why"]].values.tolist() == [
        ["local", "x", "not a UUID"], ["remote", "0", "not a UUID"], ["remote", "0", "not a UUID"],
    ]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[tuple[str, str]], str, dict[Any, Any], dict[Any, Any]]:
    """Types of columns on both sides, that of the key, and the rows of both."""
    types = draw(st.lists(st.tuples(*[st.sampled_from(TYPED)] * 2), min_size=1, max_size=4))
    key = draw(st.sampled_from(["INTEGER", "BIGINT", "TEXT", "TEXT COLLATE NOCASE"]))
    some = st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20) if "INT" in key else st.text(max_size=2)
    values = st.tuples(*[FREE | st.integers(-2, 2) | st.floats(-2, 2).map(round).map(float)] * len(types))
    common = draw(st.dictionaries(some, values, max_size=12))
    here, there = (draw(st.dictionaries(some, st.none() | values, max_size=4)) for _ in "ab")
    return types, key, {**common, **here}, {**common, **there}


@given(tables(), st.booleans())
@settings(quiet, max_examples=10)
def test_drawn_tables(bench: Workbench, drawn: Any, rowid: bool) -> None:
    types, key, *content = drawn
    sides = []
    for at in range(2):
        columns = ", ".join(f"c{number} {both[at]}" for number, both in enumerate(types))
        end = "" if rowid else " WITHOUT ROWID"
        store = bench.sqlite(f"CREATE TABLE t (k {key} PRIMARY KEY, {columns}){end}")
        with sqlite3.connect(store.path) as connection:  # type: ignore[attr-defined]
            marks = ", ".join("?" * (len(types) + 1))
            for k, row in content[at].items():
                if row is not None:
                    connection.execute(f"INSERT OR IGNORE INTO t VALUES ({marks})", (k, *row))
        connection.close()
        sides.append(store)
    both(*sides)


@IDS
def test_who_is_who(bench: Workbench, options: dict[str, Any]) -> None:
    d = both(*confused(bench, "sqlite"), **options)
    assert len(d.conflicts)
    assert "join" in set(d.how["strategy"])


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 1}, {"partial": True}, {"tolerance": {"x": 0.1}}, {"ignore": ["x"]}, {"columns": ["x"]},
        {"where": sn.col("k") < 20}, {"touch": "v"},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_options(bench: Workbench, options: dict[str, Any]) -> None:
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, x REAL, v text)"
    local = bench.sqlite(ddl, *rows("t", [f"{n}, {n}.0, 'a'" for n in range(50)]))
    theirs = [
        f"{n}, {n}.{'05' if n == 7 else '5' if n == 8 else '0'}, '{'b' if n == 9 else 'a'}'"
        for n in range(50)
    ]
    d = both(local, bench.sqlite(ddl, *rows("t", theirs)), **options)
    assert ({"limit", "partial", "where", "touch"} >= set(options)) == (d.tables[0].how["strategy"] != "join")


def test_names_that_need_care(tmp_path: Path) -> None:
    """Of files, tables and columns; no name of a file is a question to SQLite."""
    folder = tmp_path / "100% 'of' ?mode=rwc#x &cache=shared é"
    folder.mkdir()
    sides = []
    for name in ("a?mode=memory.db", "b'%20\".db"):
        with sqlite3.connect(folder / name) as connection:
            connection.execute(
                'CREATE TABLE "50% off" ("the ""key"" %s" integer PRIMARY KEY, "rowid" text, "a.b" INT)'
            )
            connection.execute(f"""INSERT INTO "50% off" VALUES (1, '{name[0]}', 1), (2, 'c', 2)""")
        connection.close()
        sides.append(sn.connect(folder / name))
    assert joined(*sides).counts.changed == 1
    assert sorted(os.listdir(folder)) == ["a?mode=memory.db", "b'%20\".db"]


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_both_files_are_written_to_meanwhile(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Before the snapshot of both began: then it is not used. After: it is, and shows nothing of that."""
    ddl, values = "CREATE TABLE t (k integer PRIMARY KEY, v text)", [f"{n}, 'v{n}'" for n in range(100)]
    stores = [bench.sqlite(f"PRAGMA journal_mode = {mode}", ddl, *rows("t", values)) for _ in range(2)]
    writers = [sqlite3.connect(store.path, isolation_level=None, timeout=0) for store in stores]  # type: ignore[attr-defined]
    writers[1].execute("UPDATE t SET v = 'x' WHERE k = 7")
    begin = sqlite_joining.JoinedFiles.begin

    def write(value: str) -> None:
        for writer in writers:
            if mode == "WAL":
                writer.execute("UPDATE t SET v = ? WHERE k % 2 = 0", (value,))
            else:  # a reader's lock keeps every writer out
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    writer.execute("UPDATE t SET v = ? WHERE k % 2 = 0", (value,))

    def late(files: Any) -> None:
        begin(files)
        write("late")

    def early(files: Any) -> None:
        write("early")
        begin(files)

    for meddling, ways in ((late, {"join"}), (early, {"join"} if mode == "DELETE" else {"stream"})):
        wanted = told(sn.diff(*stores, strategy="stream"))
        monkeypatch.setattr(sqlite_joining.JoinedFiles, "begin", meddling)
        d = sn.diff(*stores, strategy="join")
        monkeypatch.undo()
        assert (told(d), set(d.how["strategy"])) == (wanted, ways)
    for writer in writers:
        writer.close()


def test_files_that_do_not_go_together(bench: Workbench) -> None:
    ddl = ("CREATE TABLE t (k integer PRIMARY KEY, v text)", *rows("t", ["1, 'a'"]))
    plain, wide = bench.sqlite(*ddl), bench.sqlite("PRAGMA encoding = 'UTF-16'", *ddl)
    for sides in ((plain, wide), (wide, plain)):
        assert "on one connection" in both(*sides).tables[0].how["why"]
    joined(wide, wide)
    missing = bench.sqlite(*ddl)
    missing.path.unlink()  # type: ignore[attr-defined]
    with pytest.raises(sn.ConnectError, match="no file"):
        sn.diff(plain, missing, strategy="join")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_files_in_a_folder_that_may_not_be_written(bench: Workbench) -> None:
    ddl = (
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE t (k integer PRIMARY KEY, v text)",
        *rows("t", ["1, 'a'"]),
    )
    stores = [bench.sqlite(*ddl), bench.sqlite(*ddl)]
    bench.folder.chmod(0o500)
    try:
        both(*stores)
    finally:
        bench.folder.chmod(0o700)


def test_without_an_index_that_leads_there_all_is_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ddl = "CREATE TABLE t (k text, v text)"
    store = bench.sqlite(
        ddl, "CREATE UNIQUE INDEX i ON t (k COLLATE NOCASE)", *rows("t", ["'a', 1", "'b', 2"])
    )
    d = both(store, store, key="k").tables[0]
    assert "no index" in d.how["why"]


def test_by_default_where_tables_are_large_and_few_rows_differ(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ddl = "CREATE TABLE t (k integer PRIMARY KEY, v text)"
    local = bench.sqlite(ddl, *rows("t", [f"{n}, 'v'" for n in range(50)]))
    remote = bench.sqlite(ddl, *rows("t", [f"{n}, '{n % 10 or 'v'}'" for n in range(50)]))
    assert sn.diff(local, remote).tables[0].how["strategy"] == "stream"
    monkeypatch.setattr(comparison, "LARGE", 50)
    assert sn.diff(local, remote).tables[0].how["strategy"] == "join"
    monkeypatch.setattr(attaching, "MANY", 0.2)
    monkeypatch.setattr(sqlite_joining, "AT_ONCE", 5)
    d = sn.diff(local, remote, strategy="join").tables[0]
    assert (d.how["strategy"], d.counts.changed) == ("stream", 45)
    assert "many rows differ" in d.how["why"]
