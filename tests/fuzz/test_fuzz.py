"""What nobody would write on purpose: it is understood, or refused in one line; nothing else comes out."""

import contextlib
import re
import sqlite3
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import sql

import syncnb as sn
from syncnb.rendering import Cell, Sheet
from tests.fuzz.corpus import MESSAGES, PASSWORDS
from tests.fuzz.drawing import drawn, texts
from tests.test_hostile import harmless


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A plan as it was saved."""
    folder = tmp_path_factory.mktemp("plan")
    stores = []
    for name, rows in (("a", "(1, 'new'), (2, 'x')"), ("b", "(1, 'old'), (3, 'y')")):
        with sqlite3.connect(folder / f"{name}.db") as connection:
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
            connection.execute(f"INSERT INTO t VALUES {rows}")
        connection.close()
        stores.append(sn.connect(folder / f"{name}.db"))
    p = sn.plan(sn.diff(*stores), into=stores[1], resolve=sn.take_local, deletes=True)
    return p.save(folder / "plan.json").read_bytes()


edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "put", "twice"]),
        st.integers(0, 10_000),
        st.binary(min_size=1, max_size=6),
    ),
    max_size=4,
)


@drawn(150)
@given(edits)
def test_a_plan_that_was_edited_is_the_same_or_refused(
    saved: bytes, edits: list[tuple[str, int, bytes]]
) -> None:
    data = bytearray(saved)
    for how, at, part in edits:
        at %= len(data) + 1
        if how == "set":
            data[at : at + len(part)] = part
        elif how == "put":
            data[at:at] = part
        elif how == "cut":
            del data[at : at + 50 * part[0]]
        else:
            data[at:at] = data[max(0, at - 60) : at]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        path.write_bytes(data)
        with contextlib.suppress(sn.PlanError):
            sn.load_plan(path)
            assert bytes(data) == saved, "a changed plan was believed"


@drawn(150)
@given(texts, texts, texts, st.sampled_from(["", "null", "key", "' onclick='x"]))
def test_no_text_becomes_html(title: str, header: str, text: str, look: str) -> None:
    sheet = Sheet(
        title, [header, text], [[Cell(text, look), Cell(title * 3)], [Cell(header), Cell("")]], [text]
    )
    assert harmless(sheet.html()) == []
    lines = sheet.text().split("\n")
    assert len(lines) == bool(title) + 1 + 2 + 1, "a line of the table is a line"


def tellable(problem: BaseException, password: str) -> Iterator[str]:
    """Everything that its traceback shows, but the frames of this file."""
    told = traceback.TracebackException.from_exception(problem, capture_locals=True)
    told.stack[:] = [frame for frame in told.stack if "/syncnb/" in frame.filename]
    yield from ("".join(told.format()), str(problem), repr(problem))


PLACES = ("postgresql://u:{}@127.0.0.1:1/d", "postgres://u:{}@[::1/d", "mysql://u:{}@h/d", "postgresql://{}@127.0.0.1:1/d", "psql 'postgresql://u:{}@127.0.0.1:1/d'",
          "postgresql://u:{}@127.0.0.1:port/d", "postgresql+asyncpg://u:{}@127.0.0.1:1/d?sslmode=no", "postgresql://127.0.0.1:1/d?password={}", "host=127.0.0.1 port=1 password={}")  # fmt: skip


@drawn(60)
@given(
    st.sampled_from(PLACES),
    st.one_of(
        st.sampled_from(PASSWORDS),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8, max_size=20),
    ),
    st.booleans(),
)
def test_an_address_keeps_its_password_to_itself(place: str, password: str, encoded: bool) -> None:
    """However broken it is: an error of ours, and the password in none of its words."""
    written = quote(password, safe="") if encoded else password
    try:
        store = sn.connect(place.format(written))
        shown = [repr(store), repr(store.notes)]
        with pytest.raises(sn.ConnectError) as caught:
            store.inspect()
        shown += tellable(caught.value, password)
    except sn.SyncnbError as problem:
        shown = list(tellable(problem, password))
    if len(set(password)) > 3 and password.strip() not in place:  # too little to be told from other text
        assert not [text for text in shown for form in {password, written} if form in text]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small SQLite file with an index, a trigger and a view."""
    path = tmp_path_factory.mktemp("damage") / "whole.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, v BLOB, x REAL)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)", [(n, f"u{n}", bytes([n]) * n, n / 3) for n in range(60)]
        )
        connection.execute("CREATE VIEW w AS SELECT * FROM t")
        connection.execute(
            "CREATE TRIGGER g AFTER UPDATE ON t BEGIN UPDATE t SET x = 0 WHERE id = NEW.id; END"
        )
    connection.close()
    return path.read_bytes()


@drawn(60)
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 4000),
)
@example([(18, 9), (19, 9)], 0)
@example([(100, 0)], 0)
@example([(3593, 188), (200, 200), (793, 192)], 390)
def test_a_damaged_file_is_read_or_refused(database: bytes, flips: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(database)
    for at, value in flips:
        data[at % len(data)] = value
    if cut > 3000:
        del data[cut:]
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = (Path(folder) / f"{name}.db" for name in ("whole", "broken"))
        whole.write_bytes(database)
        broken.write_bytes(data)
        with contextlib.suppress(sn.SyncnbError):
            target = sn.connect(broken, writable=True)
            d = sn.diff(sn.connect(whole), target, progress=False)
            repr(d)
            p = sn.plan(d, into=target, resolve=sn.take_local, deletes=True)
            r = sn.apply(p, target, allow=("deletes", "many_changes", "trigger_rewrites"), progress=False)
            sn.verify(r, target)
        assert whole.read_bytes() == database


words = st.sampled_from([*MESSAGES, *re.findall(r"\w+|\W", "ERROR: duplicate key value violates unique constraint \"t_pkey\" DETAIL: Key (id)=(1) already exists.")])  # fmt: skip


@drawn(80)
@given(st.lists(st.one_of(words, texts), max_size=12), st.sampled_from(["", " ", "\n"]))
def test_any_text_can_be_diagnosed(parts: list[str], glue: str) -> None:
    try:
        found = sn.diagnose(glue.join(parts))
        assert harmless(found._repr_html_()) == []
    except sn.SyncnbError as problem:
        assert problem.hint


@drawn(12)
@given(
    st.lists(
        texts.filter(lambda text: text and "\0" not in text and len(text.encode()) <= 63),
        min_size=2,
        max_size=2,
        unique_by=str.casefold,
    )
)
@example(["t%s :a {}", 'a"b'])
@example(["0", "#"])
def test_any_name_is_quoted(pg_server: Any, two_databases: Any, names: list[str]) -> None:
    """The driver's own quoting made them; what we find there has the same names, and can be repaired and taken back."""
    table, column = names
    if column.casefold() in ("k", "id") or table.lower().startswith(("sqlite", "syncnb")):
        return
    parts = [sql.Identifier(table), sql.Identifier(column)]
    with psycopg.connect(two_databases[0], autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("DROP SCHEMA IF EXISTS syncnb CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(sql.SQL("CREATE TABLE {} (k integer PRIMARY KEY, {} text)").format(*parts))
        connection.execute(sql.SQL("INSERT INTO {} VALUES (1, 'old')").format(parts[0]))
    remote = sn.connect(two_databases[0], writable=True)
    local = sn.connect({table: [{"k": 1, column: "new"}, {"k": 2, column: None}]})
    r = sn.apply(sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local), remote)
    assert (r.status, bool(sn.verify(r, remote)), sn.diff(local, remote).verdict) == (
        "applied",
        True,
        "equal",
    )
    assert sn.apply(sn.undo(r, remote), remote).status == "applied"
    with psycopg.connect(two_databases[0]) as connection:
        assert connection.execute(sql.SQL("SELECT k, {} FROM {}").format(*reversed(parts))).fetchall() == [
            (1, "old")
        ]
