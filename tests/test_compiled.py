"""The compiled loops: how they are built, that nothing but speed depends on them, and that they leave nothing behind."""

import gc
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import weakref
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncnb.compiled import SOURCE, library
from syncnb.errors import ReadError
from syncnb.stores import sqlite_compiled
from syncnb.stores.sqlite import SQLiteStore
from syncnb.stores.sqlite_compiled import CompiledRows, reads_compiled

PROJECT = Path(__file__).parents[1]

compiler = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
built = pytest.mark.skipif(not reads_compiled(), reason="the compiled loops are not built")


def build(tree: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ".build/compiling.py"],
        cwd=tree, capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What is needed to build them."""
    shutil.copytree(PROJECT / ".build", tmp_path / ".build")
    shutil.copytree(SOURCE.parent, tmp_path / "syncnb" / "compiled", ignore=shutil.ignore_patterns("*.so"))
    return tmp_path


@compiler
def test_each_source_has_its_own_build(tree: Path) -> None:
    """An older build is never loaded, and goes with the next one; what is not whole is none."""
    room = tree / "syncnb" / "compiled"
    first, again = build(tree), build(tree)
    [one] = room.glob("kernels.*.so")
    assert first.stdout == again.stdout == f"{one}\n"
    assert one.name == library().name
    with (room / "kernels.c").open("a") as source:
        source.write("/* another */\n")
    build(tree)
    [other] = room.glob("kernels.*.so")
    assert other == library(room / "kernels.c") != one
    other.write_bytes(b"half of it")
    build(tree)
    assert other.stat().st_size > 1000


def test_without_a_compiler_there_are_none(tree: Path) -> None:
    told = build(tree, CC="no-such-compiler")
    assert (told.stdout, told.stderr) == (
        "not built\n",
        "syncnb goes without its compiled loops, which cost nothing but speed: there is no C compiler no-such-compiler\n",
    )


@compiler
def test_what_cannot_be_built_is_said(tree: Path) -> None:
    (tree / "syncnb" / "compiled" / "kernels.c").write_text("int broken(")
    told = build(tree, CC=" ")  # which names none, so it is cc
    assert told.stdout == "not built\n"
    assert "kernels.c:1:" in told.stderr
    assert [*(tree / "syncnb" / "compiled").glob("kernels.*")] == [
        tree / "syncnb" / "compiled" / "kernels.c"
    ], "nothing half"


@compiler
def test_the_compiler_has_nothing_against_it(tmp_path: Path) -> None:
    strict = ["-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wno-pedantic-ms-format"]
    told = subprocess.run(
        ["cc", "-std=c11", "-O3", "-c", *strict, SOURCE, "-o", tmp_path / "kernels.o"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")


def test_they_can_be_left_alone() -> None:
    words = "from syncnb.compiled import kernels; from syncnb.stores.sqlite_compiled import reads_compiled; "
    words += "print(kernels(), reads_compiled())"
    told = subprocess.run(
        [sys.executable, "-c", words],
        capture_output=True, text=True, env={**os.environ, "SYNCNB_COMPILED": "0"}, cwd=PROJECT,
    )  # fmt: skip
    assert told.stdout == "None False\n", told.stderr


@pytest.fixture
def store(tmp_path: Path) -> SQLiteStore:
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(at, f"v{at}") for at in range(60_000)])
        connection.commit()
    return SQLiteStore(path)


@built
def test_a_reading_that_nobody_ends_keeps_nothing(store: SQLiteStore) -> None:
    """No statement stays open between two batches: the file is free when the connection is closed."""
    with store.reading() as reader:
        rows = reader.batches(reader.schema()["t"], ["id", "v"], order=["id"])
        assert next(rows).num_rows < 60_000
    with closing(sqlite3.connect(store.path, timeout=0)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.rollback()
    with pytest.raises(ReadError, match="closed"):
        next(rows)


@built
def test_a_reading_is_stopped(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read = CompiledRows._read

    def interrupted(self: CompiledRows, *told: object) -> tuple[int, int]:
        self._connection.set_progress_handler(lambda: 1, 1)  # as soon as it runs
        try:
            return read(self, *told)
        finally:
            self._connection.set_progress_handler(None, 0)

    monkeypatch.setattr(CompiledRows, "_read", interrupted)
    with store.reading() as reader:
        table = reader.schema()["t"]
        with pytest.raises(KeyboardInterrupt):
            list(reader.batches(table, ["id", "v"]))
        reader.interrupt()
        with pytest.raises(ReadError, match="interrupted"):
            list(reader.batches(table, ["id", "v"]))


@built
def test_a_damaged_file_is_reported_as_ever(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * 4096)
    said = []
    for compiled in (True, False):
        monkeypatch.setattr("syncnb.stores.sqlite.reads_compiled", lambda compiled=compiled: compiled)
        with store.reading() as reader, pytest.raises(ReadError) as caught:
            list(reader.batches(reader.schema()["t"], ["id", "v"]))
        said.append(re.sub(r"beyond [\d,]+ rows", "beyond some rows", str(caught.value)))
    assert said[0] == said[1]


@built
def test_a_handle_that_cannot_be_learnt_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is in no place of a connection, or in two, or elsewhere in the next one, rows are read otherwise."""
    places = iter([16, 24])
    try:
        for found in (lambda _: None, lambda _: next(places)):
            sqlite_compiled._learnt.cache_clear()
            monkeypatch.setattr(sqlite_compiled, "_place", found)
            assert not reads_compiled()
    finally:
        sqlite_compiled._learnt.cache_clear()


def test_what_sqlite_was_handed_outlives_a_ctrl_c() -> None:
    """SQLite calls it with each new connection until it is told to stop that, for which a Ctrl-C leaves no time."""
    handed: list[weakref.ref[Any]] = []

    class Pressed:
        def sqlite3_auto_extension(self, asked: Any) -> int:
            handed.append(weakref.ref(asked))
            return 0

        def sqlite3_cancel_auto_extension(self, asked: Any) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sqlite_compiled._place(Pressed())
    gc.collect()
    [asked] = handed
    assert asked() is not None
