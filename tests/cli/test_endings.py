"""How a command ends: interrupted, no longer read, in a terminal that cannot show a letter."""

import os
import signal
import subprocess
import sys

import psycopg
import pytest

from syncnb import cli
from tests.cli.conftest import File, LoadSql, Run, Start, environment, lines, many, wait_for


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_an_interrupt_leaves_no_session_behind(pg: str, load_sql: LoadSql, start: Start) -> None:
    rows = "SELECT n, pg_sleep(0.01)::text AS s FROM generate_series(1, 1000000) AS n"
    load_sql(pg, f"CREATE VIEW slow AS {rows}")
    child = start("diff", "env:SIDE", "env:SIDE", "--table", "slow", SIDE=pg)
    assert wait_for(lambda: any("slow" in query for query in sessions(pg)))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, "")
    assert lines(err) == ["Interrupted: nothing was written, nothing is left open."]
    assert wait_for(lambda: not sessions(pg)), sessions(pg)


def sessions(url: str) -> list[str]:
    """What syncnb runs in this database."""
    with psycopg.connect(url) as connection:
        there = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [query for (query,) in connection.execute(f"SELECT query {there}".encode())]


def test_a_reader_who_has_seen_enough_gets_no_traceback(file: File, start: Start) -> None:
    child = start("diff", file("a.db", many(9999)), file("b.db"), "--cells")
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(60) == 141
    assert child.stderr.read() == ""
    child.stdout = None  # closed already


def test_a_terminal_that_cannot_show_a_letter(run: Run, file: File) -> None:
    stores = file("a.db", "UPDATE notes SET body = 'grüße'"), file("b.db", "UPDATE notes SET body = NULL")
    ended = run("diff", *stores, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ended.returncode == 1
    assert r"gr\xfc\xdfe" in ended.stdout
    assert r"\u2205" in ended.stdout


HEAVY = ("pandas", "pyarrow", "numpy", "sqlalchemy", "psycopg", "jupyterlab", "ipywidgets")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], *([name, "--help"] for name in cli.COMMANDS)], ids=" ".join
)
def test_help_does_not_wait_for_what_it_does_not_need(words: list[str]) -> None:
    program = (
        "import sys; from syncnb.cli import main; code = main(sys.argv[1:]); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "[]\n")
    assert ended.stdout.startswith(("usage: syncnb", "syncnb "))
