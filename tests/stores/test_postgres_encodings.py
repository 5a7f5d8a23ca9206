"""Databases whose bytes need not mean a letter: one odd value is one odd value, and is never written over unseen."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import syncnb as sn
from syncnb.stores.postgres_encodings import CODECS
from tests.databases import Workbench


@pytest.fixture
def western(pg: str) -> Iterator[str]:
    """The URL of a database in WIN1252, with a byte that means nothing there."""
    name = f"western_{secrets.token_hex(4)}"
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'WIN1252' LOCALE 'C'")
    url = f"{pg.rpartition('/')[0]}/{name}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(6,2), b bytea)")
        connection.execute(
            "INSERT INTO t VALUES (1, 'é', 1, '\\x81'), (3, '€ \"x\", y', 3, NULL), (4, NULL, NULL, '')"
        )
        connection.execute("SET client_encoding = 'WIN1252'")
        connection.execute(b"INSERT INTO t VALUES (2, 'a\x81', 2, NULL)")
    yield url
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(f"DROP DATABASE {name}")


def test_both_read_every_byte_alike(pg: str) -> None:
    """What the server would say of each byte, and Python."""
    with psycopg.connect(pg, autocommit=True) as connection:
        for encoding, codec in CODECS.items():
            for byte in range(1, 256):
                try:
                    query = "SELECT convert_from(%s, %s)"
                    row = connection.execute(query, (bytes([byte]), encoding)).fetchone()
                except psycopg.Error:
                    row = (None,)
                try:
                    ours = bytes([byte]).decode(codec)
                except UnicodeDecodeError:
                    ours = None
                assert row == (ours,), f"{encoding} {byte:#x}"


def test_one_odd_value_does_not_stop_a_diff(western: str, bench: Workbench) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n NUMERIC, b BLOB)"
    rows = "INSERT INTO t VALUES (1, 'é', 1, x'81'), (2, 'a', 2, NULL), (3, '€ \"x\", y', 3, NULL), (4, NULL, NULL, x'')"
    d = sn.diff(bench.sqlite(ddl, rows), sn.connect(western))
    assert d["t"].counts.same == 3
    assert d["t"].cells["key"].astype(str).tolist() == ["2"]
    assert d["t"].odd["raw"].astype(str).str.contains("81").all()


def test_it_can_be_repaired_and_taken_back(western: str, bench: Workbench, tmp_path: Path) -> None:
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n NUMERIC, b BLOB)"
    rows = "INSERT INTO t VALUES (1, 'é', 1, x'81'), (2, 'ß', 7, NULL), (3, '€ \"x\", y', 8, NULL)"
    local, remote = bench.sqlite(ddl, rows), sn.connect(western, writable=True)
    p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
    r = sn.apply(p, remote, allow=("deletes",))
    assert (r.status, r.results) == ("applied", ())
    assert sn.diff(local, remote)["t"].verdict == "equal"
    undone = sn.apply(sn.undo(r, remote), remote)
    assert (undone.status, undone.results) == ("applied", ())
    with psycopg.connect(make_conninfo(western, client_encoding="SQL_ASCII")) as connection:
        found = connection.execute("SELECT id, convert_to(v, 'WIN1252'), n FROM t ORDER BY id").fetchall()
    assert [bytes(row[1]) for row in found if row[1] is not None] == [b"\xe9", b"a\x81", b'\x80 "x", y']


def test_a_row_is_guarded_by_its_odd_value(western: str, bench: Workbench) -> None:
    local = bench.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (2, 'ß')")
    remote = sn.connect(western, writable=True)
    p = sn.plan(sn.diff(local, remote, columns=["v"]), into=remote, resolve=sn.take_local)
    with psycopg.connect(western, autocommit=True) as connection:
        connection.execute("UPDATE t SET v = 'mine' WHERE id = 2")
    r = sn.apply(p, remote)
    assert (r.status, [o.refusal for o in r.results]) == ("refused", [sn.Refusal.CHANGED])
