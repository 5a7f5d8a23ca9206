"""PostgreSQL and the real data sets for every test; at the end nothing of it is left."""

import gc
import gzip
import io
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from syncnb import embedded
from syncnb.stores.conversation import conversation
from tests.databases import Workbench, in_memory, let_go

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

DATASETS = {
    "chinook": "chinook/Chinook_PostgreSql.sql",
    "chinook_serial": "chinook/Chinook_PostgreSql_SerialPKs.sql",
    "chinook_identity": "chinook/Chinook_PostgreSql_AutoIncrementPKs.sql",
    "chinook_neon": "chinook/neon-chinook.sql",
    "northwind": "northwind/psql-northwind.sql",
    "employee": "employee/postgres/dataset_small/employee.sql",
    "nycflights": "nycflights13/jan_pg.sql.gz",
}

# What a script says to psql, or about databases, is not for a database that exists already;
# the last one is a setting that PostgreSQL 12 took away.
_NOT_FOR_US = re.compile(
    r"\\(c|connect|echo|restrict|unrestrict)\b|(DROP|CREATE)\s+DATABASE\b|SET default_with_oids\b",
    re.IGNORECASE,
)
_COPY = re.compile(r"COPY .* FROM stdin;\s*$", re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    """Hear Ctrl-C, and keep databases in memory."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # so does a shell that starts tests in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _in_memory(config)
    _compiled()


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One more than there are processors: many tests wait for a browser, a kernel or a lock."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests are made, and none of them is garbage: to look for some takes as long as all the rest."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What thousands of tests consist of stays: it need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


def _in_memory(config: pytest.Config) -> None:
    """Where there is room: thousands of small databases are made, and a disk is waited for."""
    if "TMPDIR" in os.environ or (memory := in_memory()) is None:
        return
    folder = Path(tempfile.mkdtemp(prefix="sn-tests-", dir=memory))
    folder.chmod(0o1777)  # as /tmp: servers may run as another user
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def _compiled() -> None:
    """Compiled modules are kept, whatever the environment says: else each of a hundred kernels and commands compiles all."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


Processes = Callable[[str], dict[int, str]]
LoadSql = Callable[[str, Path | str], None]
Dataset = Callable[[str], str]


@pytest.fixture(scope="session")
def processes() -> Processes:
    """The living processes whose command line contains a word: pid, command line."""
    return _processes


@pytest.fixture(scope="session", autouse=True)
def servers_folder() -> Iterator[Path]:
    """Where every server of this run lives, whatever process starts it; at the end nothing may be there."""
    before = os.environ.get("SYNCNB_PG_FOLDER")
    folder = Path(tempfile.mkdtemp(prefix="sn-", dir=before))
    folder.chmod(0o1777)  # as /tmp: servers may run as another user
    os.environ["SYNCNB_PG_FOLDER"] = str(folder)
    yield folder
    deadline = time.monotonic() + 10
    while (left := _left_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.pop("SYNCNB_PG_FOLDER")
    if before is not None:
        os.environ["SYNCNB_PG_FOLDER"] = before
    assert not left, f"servers outlived the tests: {left}"


@pytest.fixture(scope="session")
def pg_server(servers_folder: Path) -> Iterator[embedded.Server]:
    """One PostgreSQL server for the whole run."""
    if not embedded.available():
        pytest.skip(embedded.missing())
    with embedded.server() as server:
        yield server


_numbers = itertools.count(1)


@pytest.fixture
def pg(pg_server: embedded.Server) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    name = f"test_{next(_numbers)}"
    yield pg_server.create(name)
    pg_server.drop(name)


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of real data beside the project."""
    if not DATA.is_dir():
        pytest.skip("the real data sets (../shared/data) are not on this machine")
    return DATA


@pytest.fixture(scope="session")
def load_sql() -> LoadSql:
    """Run a psql script (a path, also of a .gz, or the text itself) in the database of a URL."""
    return _load_sql


@pytest.fixture(scope="session")
def dataset(pg_server: embedded.Server, data_home: Path) -> Dataset:
    """The URL of a database with a real data set, loaded once a run: read it, do not change it."""
    loaded: dict[str, str] = {}

    def url(name: str) -> str:
        if name not in loaded:
            fresh = pg_server.create(name)
            _load_sql(fresh, data_home / DATASETS[name])
            loaded[name] = fresh
        return loaded[name]

    return url


def _left_in(folder: Path) -> list[str]:
    return [*_processes(str(folder)).values(), *map(str, folder.iterdir())]


def _processes(word: str) -> dict[int, str]:
    found = {pid: line for pid, line in _command_lines() if word in line}
    found.pop(os.getpid(), None)
    return found


def _command_lines() -> Iterator[tuple[int, str]]:
    if Path("/proc/self/cmdline").exists():
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                # Empty for a zombie: gone as far as anybody can make it go.
                yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command


def _load_sql(url: str, script: Path | str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for copy, text in _pieces(iter(_lines(script))):
            if copy is None:
                connection.execute(text.encode())
            else:
                with connection.cursor() as cursor, cursor.copy(copy.encode()) as rows:
                    rows.write(text)


def _pieces(lines: Iterator[str]) -> Iterator[tuple[str | None, str]]:
    """The script cut at its COPY blocks: (None, statements) or (the COPY statement, its rows)."""
    statements: list[str] = []
    for line in lines:
        if _COPY.match(line):
            yield None, "".join(statements)
            statements = []
            yield line, "".join(itertools.takewhile(lambda row: row.rstrip() != r"\.", lines))
        elif not _NOT_FOR_US.match(line):
            statements.append(line)
    yield None, "".join(statements)


def _lines(script: Path | str) -> Iterator[str]:
    """The lines of a script, those of the files that it includes in their place."""
    # Only \n ends a line here: str.splitlines would also cut at U+0085 or U+2028 within a value.
    for line in io.StringIO(_text(script)):
        if isinstance(script, Path) and line.startswith(r"\i "):
            yield from _lines(script.parent / line[3:].strip())
            yield "\n"
        else:
            yield line


def _text(script: Path | str) -> str:
    if isinstance(script, str):
        return script
    raw = gzip.decompress(script.read_bytes()) if script.suffix == ".gz" else script.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@pytest.fixture(scope="session")
def two_databases(pg_server: embedded.Server) -> Iterator[tuple[str, str]]:
    """The URLs of the two databases that workbenches empty in turn."""
    yield pg_server.create("bench_a"), pg_server.create("bench_b")
    let_go()


@pytest.fixture
def one_line() -> Iterator[None]:
    """The verbs of a test take turns on one connection, as those of one command do.

    For the many whose matter is values: a verb by itself spends half of its time on a new process of the server.
    """
    with conversation():
        yield


@pytest.fixture
def bench(tmp_path: Path, pg_server: embedded.Server, two_databases: tuple[str, str]) -> Workbench:
    """Where a test makes its two databases."""
    return Workbench(tmp_path, pg_server, two_databases)
