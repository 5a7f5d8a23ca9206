"""How opening and reading PostgreSQL fails: one line, a next move, never a password. And poolers."""

import copy
import dataclasses
import os
import pickle
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import syncnb as sn
from syncnb import embedded
from syncnb.embedded.account import Account, make_folder
from syncnb.errors import ConnectError, ReadError
from syncnb.stores.postgres import PostgresStore, Server
from syncnb.stores.postgres_errors import connect_error


def store(url: str, **more: str) -> PostgresStore:
    parameters = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    return PostgresStore({**parameters, **more}, parameters["dbname"])


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def role(pg: str) -> Iterator[str]:
    """A role of its own; its password is its name twice."""
    name = f"role_{secrets.token_hex(4)}"
    run(pg, f"CREATE ROLE {name} LOGIN PASSWORD '{name * 2}'")
    yield name
    run(pg, f"DROP OWNED BY {name}; DROP ROLE {name}")


def login(url: str, role: str) -> str:
    return make_conninfo(url, user=role, password=role * 2)


def listening(answer: bytes | None) -> Callable[[], tuple[socket.socket, int]]:
    """A port where something else than PostgreSQL answers, or nobody does."""

    def start() -> tuple[socket.socket, int]:
        server = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            while answer is not None:
                try:
                    guest, _ = server.accept()
                except OSError:
                    return
                with guest:
                    guest.recv(100)
                    guest.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return server, server.getsockname()[1]

    return start


# ------------------------------------------------------------------------------- opening

REFUSED = {
    "wrong password": ({"password": "wr0ng-canary"}, "refused the password of role 'postgres'", "28P01"),
    "no such role": ({"user": "nobody at all"}, "refused the password of role 'nobody at all'", "28P01"),
    "no such database": ({"dbname": "nowhere"}, "there is no database 'nowhere' on this server", "3D000"),
    "nothing listens": ({"port": "1"}, "nothing listens there", "08001"),
    "no such socket": ({"host": "/nowhere"}, "no server listens on that local socket", "08001"),
    "no such host": ({"host": "no..host"}, "there is no host no..host", None),
    "no secure connection": ({"sslmode": "require"}, "the server offers no secure connection", None),
    "no such option": ({"colour": "red"}, "invalid connection option", None),
    "not a port": ({"port": "abc"}, "the address cannot be understood", None),
    "a parameter it does not know": ({"options": "-cno_such=1"}, "refuses a parameter", "08P01"),
}

HOW_OURS_IS_SET_UP = ("wrong password", "no such role", "no secure connection")


@pytest.mark.parametrize("name", REFUSED)
def test_why_it_cannot_be_opened(pg: str, name: str) -> None:
    if name in HOW_OURS_IS_SET_UP and "SYNCNB_TEST_DSN" in os.environ:
        pytest.skip("a server of somebody else may ask for no password, or offer TLS")
    change, says, sqlstate = REFUSED[name]
    with pytest.raises(ConnectError) as caught:
        store(pg, **change).inspect()
    error = caught.value
    assert says in error.message
    assert error.sqlstate == sqlstate
    assert error.hint
    assert "\n" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None, "the driver's error is not kept alive"


def test_a_role_that_may_not_come_in(pg: str, role: str) -> None:
    url = login(pg, role)
    rows = {
        "the server has no free connection": f"ALTER ROLE {role} CONNECTION LIMIT 0",
        f"role '{role}' may not log in": f"ALTER ROLE {role} CONNECTION LIMIT -1 NOLOGIN",
    }
    for says, change in rows.items():
        run(pg, change)
        with pytest.raises(ConnectError, match=says):
            store(url).inspect()
    name = conninfo_to_dict(pg)["dbname"]
    run(pg, f"ALTER ROLE {role} LOGIN", f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    with pytest.raises(ConnectError, match="may not connect to database"):
        store(url).inspect()


def test_nobody_answers_or_somebody_else(pg: str) -> None:
    rows = {
        "did not answer in time": listening(None),
        "what answers there is not PostgreSQL": listening(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    }
    for says, start in rows.items():
        server, port = start()
        with server, pytest.raises(ConnectError, match=says):
            store(pg, port=str(port), connect_timeout="2").inspect()


# What other servers and poolers write, as they write it; not to be had on this machine.
HEARD = {
    "server login has been failing, retrying: FATAL: password authentication failed": "refused the password",
    "FATAL:  Tenant or user not found": "refused the password",
    "fe_sendauth: no password supplied": "asks for a password",
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "app"': "does not accept role 'app'",
    "FATAL:  sorry, too many clients already": "no free connection",
    "FATAL:  Max client connections reached": "no free connection",
    "FATAL:  the database system is starting up": "not ready",
    "FATAL:  unsupported startup parameter: options": "refuses a parameter",
    "failed to resolve host 'db.example.com': [Errno -2] Name or service not known": "there is no host",
    "No route to host": "could not be reached",
    "FATAL:  etwas ganz anderes": "etwas ganz anderes",
}


@pytest.mark.parametrize(("text", "says"), HEARD.items(), ids=HEARD)
def test_what_others_say(text: str, says: str) -> None:
    parameters = {"host": "db.example.com", "user": "app", "dbname": "shop", "password": "s3cret"}
    whole = f'connection failed: connection to server at "db.example.com", port 5432 failed: {text}'
    error = connect_error(psycopg.OperationalError(whole), parameters)
    assert str(error).startswith("cannot connect to 'shop' on db.example.com: ")
    assert says in error.message
    assert "connection failed" not in error.message


def test_a_password_in_the_drivers_text_is_masked() -> None:
    parameters = {"host": "h.example.com", "user": "app", "dbname": "shop", "password": "s3cret"}
    error = connect_error(psycopg.OperationalError('connection is bad: invalid port "s3cret@h"'), parameters)
    assert "s3cret" not in str(error)
    assert "***" in str(error)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of its own making for db.example.com."""
    if not shutil.which("openssl") or embedded.missing():
        pytest.skip("no openssl or no PostgreSQL binaries here to make a server with a certificate")
    folder = tmp_path_factory.mktemp("secure")
    key, certificate = folder / "key", folder / "certificate"
    command = ["openssl", "req", "-new", "-x509", "-days", "30", "-nodes", "-subj", "/CN=db.example.com"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    try:
        server = embedded.server(settings=settings)
    except ConnectError as error:
        if "SSL is not supported" in str(error):
            pytest.skip("these PostgreSQL binaries are built without TLS")
        raise
    with server:
        yield server.url(), certificate


def test_a_certificate_that_proves_nothing_names_both_ways_out(secure: tuple[str, Path]) -> None:
    url, certificate = secure
    for root in ("system", str(certificate.with_name("missing"))):
        with pytest.raises(ConnectError) as caught:
            store(url, sslmode="verify-full", sslrootcert=root).inspect()
        assert "not signed by an authority that this machine knows" in caught.value.message
        assert "sslrootcert=FILE" in caught.value.hint
        assert "sslmode=require" in caught.value.hint
    with pytest.raises(ConnectError, match="the server's certificate is for another name"):
        store(url, sslmode="verify-full", sslrootcert=str(certificate)).inspect()
    assert len(store(url, sslmode="verify-ca", sslrootcert=str(certificate)).inspect()) == 0
    assert len(store(url, sslmode="require").inspect()) == 0


def test_a_missing_driver(pg: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = store(pg)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConnectError, match=r"driver is not installed\. Hint: pip install"):
        one.inspect()


# ------------------------------------------------------------------------------- secrets

REPRS = {
    "local": ({"host": "127.0.0.1", "port": "5433", "user": "app"}, "shop on localhost as app, read-only"),
    "socket": ({"host": "/run/postgresql"}, "shop on localhost, read-only"),
    "elsewhere": (
        {"host": "db.example.com", "user": "app", "sslmode": "verify-full"},
        "shop on db.example.com as app, read-only",
    ),
    "another port": (
        {"host": "db.example.com", "port": "6543", "sslmode": "verify-full"},
        "shop on db.example.com:6543, read-only",
    ),
    "unchecked": (
        {"host": "db.example.com", "sslmode": "require"},
        "shop on db.example.com, read-only, not authenticated",
    ),
    "libpq's own default": (
        {"host": "db.example.com"},
        "shop on db.example.com, read-only, not authenticated",
    ),
    "require with a file": (
        {"host": "db.example.com", "sslmode": "require", "sslrootcert": "/x"},
        "shop on db.example.com, read-only",
    ),
}


@pytest.mark.parametrize(("parameters", "expected"), REPRS.values(), ids=REPRS)
def test_repr(parameters: dict[str, str], expected: str) -> None:
    assert repr(PostgresStore(parameters, "shop")) == f"PostgresStore({expected})"
    assert "writable" in repr(PostgresStore(parameters, "shop", writable=True))


def test_no_view_of_a_store_shows_its_password() -> None:
    one = PostgresStore({"host": "127.0.0.1", "port": "1", "password": "canary"}, "shop")
    shown = [repr(one), str(one), repr(vars(one)), repr(dataclasses.asdict(one)), repr(one.parameters)]
    shown.append(repr(dataclasses.replace(one, writable=True)))
    shown.append(repr(vars(copy.deepcopy(one))))
    try:
        one.inspect()
    except ConnectError as error:
        shown.append(
            "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        )
    assert len(shown) == 8
    assert not [text for text in shown if "canary" in text]
    with pytest.raises(ConnectError, match="not pickled"):
        pickle.dumps(one)
    assert one == PostgresStore({"host": "127.0.0.1", "port": "1", "password": "canary"}, "shop")
    assert hash(one) == hash(dataclasses.replace(one))


# ------------------------------------------------------------------------------- reading


def failure(url: str, table: str) -> ReadError:
    with store(url).reading() as reader:
        found = reader.schema()[table]
        with pytest.raises(ReadError) as caught:
            list(reader.batches(found, [column.name for column in found.columns]))
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_table_without_privilege(pg: str, role: str) -> None:
    run(pg, "CREATE TABLE closed (a int)", "CREATE TABLE open (a int)", f"GRANT SELECT ON open TO {role}")
    error = failure(login(pg, role), "closed")
    assert (error.message, error.sqlstate) == (f"role '{role}' may not read closed", "42501")
    with store(login(pg, role)).reading() as reader:
        schema = reader.schema()
        with pytest.raises(ReadError):
            list(reader.batches(schema["closed"], ["a"]))
        assert list(reader.batches(schema["open"], ["a"])) == [], "one closed table does not end the snapshot"


STOPPED: dict[str, tuple[str, str, str]] = {
    "its time limit": (
        "CREATE VIEW a AS SELECT pg_sleep(5)::text AS s; ALTER DATABASE {db} SET statement_timeout = '200ms'",
        "the server stopped reading a: canceling statement due to statement timeout",
        "57014",
    ),
    "not yet populated": (
        "CREATE MATERIALIZED VIEW a AS SELECT 1 AS x WITH NO DATA",
        "a cannot be read as it is",
        "55000",
    ),
    "the view's own error": (
        "CREATE TABLE n AS SELECT 0 AS d; CREATE VIEW a AS SELECT 1 / d AS x FROM n",
        "a could not be read: division by zero",
        "22012",
    ),
}


@pytest.mark.parametrize(("ddl", "says", "sqlstate"), STOPPED.values(), ids=STOPPED)
def test_why_reading_stopped(pg: str, ddl: str, says: str, sqlstate: str) -> None:
    database = f'"{conninfo_to_dict(pg)["dbname"]}"'
    run(pg, *ddl.replace("{db}", database).split("; "))
    error = failure(pg, "a")
    assert says in error.message
    assert error.sqlstate == sqlstate


def test_a_locked_table(pg: str) -> None:
    run(
        pg,
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int PRIMARY KEY)",
        f'ALTER DATABASE "{conninfo_to_dict(pg)["dbname"]}" SET lock_timeout = 200',
    )
    with psycopg.connect(pg) as other:
        other.execute(
            "SET application_name = 'nightly'; COMMIT; BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE"
        )
        pid = other.info.backend_pid
        who = f"session {pid} (role {other.info.user}, nightly, idle in transaction)"
        assert failure(pg, "a").message == f"a is locked by somebody else: {who}"
        other.execute("ROLLBACK; BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ReadError, match=rf"the catalogue is locked by .*session {pid} .* locks b\."):
            sn.connect(pg).inspect()


def test_a_lock_is_not_waited_for_without_end(pg: str) -> None:
    """Unless somebody decided how long."""
    limit = "SELECT current_setting('lock_timeout')"
    with store(pg).reading() as reader:
        assert reader._connection.execute(limit).fetchone() == ("1min",)
    run(pg, f'ALTER DATABASE "{conninfo_to_dict(pg)["dbname"]}" SET lock_timeout = 200')
    with store(pg).reading() as reader:
        assert reader._connection.execute(limit).fetchone() == ("200ms",)


def test_a_table_that_changes_behind_our_back(pg: str) -> None:
    run(pg, "CREATE TABLE a (x int, y int)", "CREATE TABLE b (x int)", "CREATE TABLE c (x int)")
    run(pg, "INSERT INTO c VALUES (1)")
    schema = store(pg).inspect()
    run(pg, "ALTER TABLE a DROP y", "DROP TABLE b", "ALTER TABLE c ALTER x TYPE text USING 'canary'")
    rows = {"a": "a has changed", "b": "b is no longer there", "c": "rows of c that do not fit its catalogue"}
    for name, says in rows.items():
        columns = [column.name for column in schema[name].columns]
        with store(pg).reading() as reader, pytest.raises(ReadError, match=says) as caught:
            list(reader.batches(schema[name], columns))
        assert "inspect again" in caught.value.hint
        assert "canary" not in str(caught.value)


def test_a_connection_that_is_ended_by_others(pg: str) -> None:
    run(pg, "CREATE TABLE a AS SELECT n, repeat('x', 1000) AS t FROM generate_series(1, 200000) AS n")
    with store(pg).reading() as reader:
        stream = reader.batches(reader.schema()["a"], ["n", "t"])
        next(iter(stream))
        run(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'syncnb'")
        with pytest.raises(ReadError, match="while a was being read") as caught:
            list(stream)
        assert caught.value.hint == "try again: nothing was written"
        with pytest.raises(ReadError, match="connection was lost"):
            reader.schema()


# ------------------------------------------------------------------------------- behind a pooler

CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
"""
"""Where both connections are there, each transaction meets the other one."""


@pytest.fixture(scope="module")
def pooler(pg_server: embedded.Server) -> Iterator[Callable[[str], str]]:
    """PgBouncer in transaction mode before the server of the tests: a URL through it for a URL."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        pytest.skip("PgBouncer is not installed here")
    account = Account.unprivileged()
    folder = make_folder(account)
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    target: dict[str, Any] = dict(conninfo_to_dict(pg_server.url()))
    word = target.get("password") or "any"  # the pooler asks for one, even where the server does not
    text = CONFIGURATION.format(host=target["host"], port=target["port"], own=own, folder=folder)
    (folder / "ini").write_text(text)
    (folder / "users").write_text(f'"{target["user"]}" "{word}"\n')
    account.own(folder)
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, folder / "ini"], stdout=log, stderr=log, **account.popen)
    try:
        assert _answers(own), (folder / "log").read_text()
        yield lambda url: make_conninfo(url, host="127.0.0.1", port=own, password=word)
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        shutil.rmtree(folder)


def _answers(port: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def test_a_pooler_is_found_by_a_probe(pg: str, pooler: Callable[[str], str]) -> None:
    direct, pooled = store(pg).describe(), store(pooler(pg)).describe()
    assert isinstance(direct, Server)
    assert (direct.pooled, pooled.pooled) == (False, True)
    assert dataclasses.replace(pooled, pooled=False) == direct


def test_snapshots_through_a_pooler(pg: str, pooler: Callable[[str], str]) -> None:
    run(pg, "CREATE TABLE a AS SELECT n, clock_timestamp() AS t FROM generate_series(1, 30000) AS n")
    run(
        pg,
        "CREATE TABLE log (n int)",
        "CREATE FUNCTION note() RETURNS int LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO log VALUES (1); RETURN 1; END'",
        "CREATE VIEW writes AS SELECT note() AS n",
    )
    through = store(pooler(pg))
    for _ in range(3):
        with through.reading() as one, through.reading() as two:
            schema = one.schema()
            assert sum(batch.num_rows for batch in one.batches(schema["a"], ["n", "t"], order=["n"])) == 30000
            next(iter(two.batches(schema["a"], ["n"])))  # left half read
            with pytest.raises(ReadError, match="a write was refused") as caught:
                list(two.batches(schema["writes"], ["n"]))
            assert caught.value.sqlstate == "25006"
            assert list(two.batches(schema["log"], ["n"])) == []
    with psycopg.connect(pooler(pg), prepare_threshold=None) as connection:
        row = connection.execute(
            "SELECT current_setting('IntervalStyle'), current_setting('row_security')"
        ).fetchone()
        assert row == ("postgres", "on")
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",), "nothing stays behind"


def test_a_pooler_keeps_the_connections_behind_it(pg: str, pooler: Callable[[str], str]) -> None:
    """It closes that of a client that goes before the answer to what it asked last."""
    through = store(pooler(pg))
    backends: list[set[int]] = []
    for _ in range(6):
        for _ in range(3):
            through.describe()
        with psycopg.connect(pg) as other:
            query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            backends.append({pid for (pid,) in other.execute(query)})
    assert set.intersection(*backends), "the pooler lost its connections"


def test_errors_through_a_pooler(pg: str, pooler: Callable[[str], str]) -> None:
    rows = {
        "refused the password": {"password": "wrong"},
        "there is no database 'nowhere'": {"dbname": "nowhere"},
        "refuses a parameter": {"options": "-csearch_path=public"},
    }
    for says, change in rows.items():
        with pytest.raises(ConnectError, match=says):
            store(pooler(pg), **change).inspect()


def test_every_verb_through_a_pooler(pg: str, pooler: Callable[[str], str], tmp_path: Path) -> None:
    """Over two pooled connections in turn: nothing of a session is relied on, and nothing stays in one."""
    with sqlite3.connect(tmp_path / "local.db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.execute("INSERT INTO t VALUES (1, 'new'), (2, 'same'), (3, 'more')")
    connection.close()
    rows = "INSERT INTO t VALUES (1, 'old'), (2, 'same'), (4, NULL)"
    run(pg, "CREATE TABLE t (id int PRIMARY KEY, v text)", rows)
    local, remote = sn.connect(tmp_path / "local.db", writable=True), sn.connect(pooler(pg), writable=True)
    assert any("pooler" in note for note in remote.notes)
    with remote.reading(), remote.reading():
        pass  # now both are there
    assert len(backends(pooler(pg))) == 2
    for strategy in ("stream", "digests"):
        counts = sn.diff(local, remote, strategy=strategy)["t"].counts
        assert (counts.same, counts.changed, counts.only_local, counts.only_remote) == (1,) * 4
    p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.take_local, deletes=True)
    r = sn.apply(p, remote, allow=("deletes",))
    assert (r.status, r.counts["deleted"].tolist()) == ("applied", [1])
    assert sn.apply(p, remote, allow=("deletes",)).status == "already applied"
    assert not sn.required_grants(p, remote).missing
    assert sn.verify(r, remote)
    assert sn.diff(local, remote).verdict == "equal"
    assert sn.apply(sn.undo(r, remote), remote, allow=("deletes",)).status == "applied"
    assert "nothing found" in repr(sn.diagnose(local, remote))
    # One step in a transaction, one that cannot be in any.
    m = sn.migrate(remote, [sn.remedy("unique", "t", "v"), sn.remedy("index", "t", "v", name="by_v")])
    made = sn.apply(m, remote)
    assert (made.status, bool(sn.verify(made, remote))) == ("applied", True)
    assert sn.apply(sn.undo(made, remote), remote).status == "applied"
    done = sn.sync(local, remote, resolve=sn.take_local, direction="both")
    assert (bool(done), done.records > 0, sn.sync(local, remote).records) == (True, True, 0), done
    told = sn.sync({"t": [{"id": 1, "v": "told"}, {"id": 9, "v": "ninth"}]}, remote, key="id", source="it")
    assert (bool(told), sn.diff(local, remote)["t"].counts.only_remote) == (True, 1), told
    assert set(sn.history(remote).frame["status"]) == {"success"}
    left = backends(
        pooler(pg),
        "(SELECT count(*) FROM pg_prepared_statements), to_regclass('pg_temp.syncnb_1'),"
        " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),"
        " current_setting('lock_timeout'), current_setting('transaction_read_only')",
    )
    assert set(left.values()) == {(0, None, 0, "0", "off")}


def backends(url: str, wanted: str = "0") -> dict[int, tuple[Any, ...]]:
    """What both connections of the pooler say, by their process."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        rows = [
            connection.execute(f"SELECT pg_backend_pid(), {wanted}".encode()).fetchone() for _ in range(4)
        ]
    return {row[0]: row[1:] for row in rows if row is not None}
