import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import psycopg
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import make_url

from syncnb import embedded
from syncnb.connecting import connect, tls, urls
from syncnb.errors import ConnectError, SchemaError, SyncnbError
from syncnb.stores.frame import FrameStore
from syncnb.stores.postgres import PostgresStore
from syncnb.stores.sqlite import SQLiteStore

LIBPQ = [name for name in os.environ if re.fullmatch(r"PG[A-Z]+", name)]


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No service file, certificate or variable of whoever runs the tests has a say."""
    for name in LIBPQ:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE hosts (id INTEGER PRIMARY KEY, seen DATETIME)")
    return path


# PostgreSQL addresses as people have them

URLS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": (
        "postgresql://u:p@db.example.com:6543/app",
        {"user": "u", "password": "p", "host": "db.example.com", "port": "6543", "dbname": "app"},
    ),
    "heroku": (
        "postgres://u:p@h.com:5432/d",
        {"user": "u", "password": "p", "host": "h.com", "port": "5432", "dbname": "d"},
    ),
    "supabase pooler": (
        "postgresql://postgres.abcd:p@aws-0-eu.pooler.supabase.com:6543/postgres",
        {
            "user": "postgres.abcd",
            "password": "p",
            "host": "aws-0-eu.pooler.supabase.com",
            "port": "6543",
            "dbname": "postgres",
        },
    ),
    "neon": (
        "postgresql://u:p@ep-x-pooler.eu.aws.neon.tech/d?sslmode=require&channel_binding=require",
        {
            "user": "u",
            "password": "p",
            "host": "ep-x-pooler.eu.aws.neon.tech",
            "dbname": "d",
            "sslmode": "require",
            "channel_binding": "require",
        },
    ),
    "neon's project": (
        "postgres://u:p@h/d?options=project%3Dep-cool-1",
        {"user": "u", "password": "p", "host": "h", "dbname": "d", "options": "project=ep-cool-1"},
    ),
    "azure's user": (
        "postgresql://me@server:p@h/d",
        {"user": "me@server", "password": "p", "host": "h", "dbname": "d"},
    ),
    "psycopg2": ("postgresql+psycopg2://u:p@h/d", {"user": "u", "password": "p", "host": "h", "dbname": "d"}),
    "asyncpg": (
        "postgresql+asyncpg://u:p@h/d?ssl=verify-full",
        {"user": "u", "password": "p", "host": "h", "dbname": "d", "sslmode": "verify-full"},
    ),
    "jdbc": (
        "jdbc:postgresql://h:5432/d?user=u&password=p%40&ssl=true",
        {"user": "u", "password": "p@", "host": "h", "port": "5432", "dbname": "d"},
    ),
    "upper case": ("POSTGRESQL://u:p@h/d", {"user": "u", "password": "p", "host": "h", "dbname": "d"}),
    "no password": ("postgresql://u@h/d", {"user": "u", "host": "h", "dbname": "d"}),
    "no host": ("postgresql:///d", {"dbname": "d"}),
    "nothing": ("postgresql://", {}),
    "user only": ("postgresql://u@", {"user": "u"}),
    "no database": ("postgresql://u:p@h", {"user": "u", "password": "p", "host": "h"}),
    "slash and no database": ("postgresql://u:p@h/", {"user": "u", "password": "p", "host": "h"}),
    "socket in the query": ("postgresql:///d?host=/tmp", {"dbname": "d", "host": "/tmp"}),
    "socket as host": ("postgresql://u@%2Fvar%2Frun/d", {"user": "u", "host": "/var/run", "dbname": "d"}),
    "socket with a colon": (
        "postgresql://u:p@/d?host=/cloudsql/proj:region:inst",
        {"user": "u", "password": "p", "dbname": "d", "host": "/cloudsql/proj:region:inst"},
    ),
    "IPv6": ("postgresql://u@[::1]:5433/d", {"user": "u", "host": "::1", "port": "5433", "dbname": "d"}),
    "IPv6 without a port": ("postgresql://[2001:db8::7]/d", {"host": "2001:db8::7", "dbname": "d"}),
    "several hosts": (
        "postgresql://u@h1:5432,h2,[::1]:5433/d?target_session_attrs=primary",
        {
            "user": "u",
            "host": "h1,h2,::1",
            "port": "5432,,5433",
            "dbname": "d",
            "target_session_attrs": "primary",
        },
    ),
    "several hosts of SQLAlchemy": (
        "postgresql+psycopg://u@/d?host=h1:5432&host=h2:5433",
        {"user": "u", "host": "h1,h2", "port": "5432,5433", "dbname": "d"},
    ),
    "a service": ("postgresql://?service=prod", {"service": "prod"}),
    "the query wins": (
        "postgresql://u@h/d?user=v&dbname=e&port=7",
        {"user": "v", "host": "h", "dbname": "e", "port": "7"},
    ),
    "@ in the query": (
        "postgresql://u@h/d?application_name=me@box",
        {"user": "u", "host": "h", "dbname": "d", "application_name": "me@box"},
    ),
    "encoded database": ("postgresql://h/my%20db%2F1", {"host": "h", "dbname": "my db/1"}),
    "hash in the database": ("postgresql://u@h/d#1", {"user": "u", "host": "h", "dbname": "d#1"}),
}


@pytest.mark.parametrize(("url", "expected"), URLS.values(), ids=URLS)
def test_urls(url: str, expected: dict[str, str]) -> None:
    assert urls.from_url(url).parameters == expected


READ_OTHERWISE = {"azure's user", "upper case", "nothing"}


@pytest.mark.parametrize(
    "name", [n for n, (url, _) in URLS.items() if re.match("postgres(ql)?:", url) and n not in READ_OTHERWISE]
)
def test_libpq_reads_what_we_read(name: str) -> None:
    url, expected = URLS[name]
    assert {key: value for key, value in libpq(url).items() if value} == expected


def test_empty_parameters_are_as_if_they_were_not_there() -> None:
    address = urls.from_url("postgresql://u:@h/d?sslmode=&connect_timeout=3")
    assert address.parameters == {"user": "u", "host": "h", "dbname": "d", "connect_timeout": "3"}


PASSWORDS = {
    "encoded": ("p%40%3A%2F%23%3F%25", "p@:/#?%"),
    "at": ("p@ss@word", "p@ss@word"),
    "colon": ("p:q", "p:q"),
    "slash": ("12/34", "12/34"),
    "hash": ("12#34", "12#34"),
    "question": ("5?a=b", "5?a=b"),
    "percent": ("100%sure%", "100%sure%"),
    "all": ("@x/d?y=1&z=#[%zz]", "@x/d?y=1&z=#[%zz]"),
    "plus": ("a+b", "a+b"),
    "blank": ("a b", "a b"),
    "unicode": ("пароль%C3%A9", "парольé"),
    "percent that is no UTF-8": ("%ff", "%ff"),
    "looks like a host": ("h1:5432/db", "h1:5432/db"),
}


@pytest.mark.parametrize(("written", "meant"), PASSWORDS.values(), ids=PASSWORDS)
def test_passwords(written: str, meant: str) -> None:
    address = urls.from_url(f"postgresql://u:{written}@db.example.com:5432/app?pgbouncer=true")
    assert address.parameters == {
        "user": "u",
        "password": meant,
        "host": "db.example.com",
        "port": "5432",
        "dbname": "app",
    }


@given(st.text(alphabet=st.characters(exclude_characters="%\0", exclude_categories=["Cs"]), min_size=1))
def test_any_password_without_percent_can_be_written_as_it_is(password: str) -> None:
    url = f"postgresql://u:{password}@db.example.com/app?sslmode=require"
    expected = {
        "user": "u",
        "password": password,
        "host": "db.example.com",
        "dbname": "app",
        "sslmode": "require",
    }
    if not urls.PLACEHOLDER.fullmatch(password):
        assert urls.from_url(url).parameters == expected


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_user_and_password_can_be_written_encoded(user: str, password: str) -> None:
    if "\0" in user + password or not (user + password).isprintable():
        return
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h/d"
    with contextlib.suppress(ConnectError):  # a placeholder
        assert urls.from_url(url).parameters == {
            "user": user,
            "password": password,
            "host": "h",
            "dbname": "d",
        }


DROPPED = "{}= was dropped: PostgreSQL's driver does not know it"
NOTES: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "foreign": (
        "pgbouncer=true&connection_limit=1&schema=app",
        {},
        [DROPPED.format(name) for name in ("pgbouncer", "connection_limit", "schema")],
    ),
    "its value is not shown": ("supa=base-pooler.x", {}, [DROPPED.format("supa")]),
    "an odd name is not shown": ("p%40ss=1", {}, [DROPPED.format("a parameter")]),
    "our own": ("client_encoding=latin1", {}, ["client_encoding= was dropped: syncnb sets it itself"]),
    "no-verify": (
        "sslmode=no-verify",
        {"sslmode": "require"},
        ["sslmode=no-verify is read as sslmode=require"],
    ),
    "ssl=require": ("ssl=require", {"sslmode": "require"}, ["ssl= is read as sslmode=require"]),
    "ssl=false": ("ssl=false", {"sslmode": "disable"}, ["ssl= is read as sslmode=disable"]),
    "startup options": (
        "options=-c%20search_path%3Dapp",
        {"options": "-c search_path=app"},
        ["options= is kept, but a transaction pooler may refuse or forget the settings in it"],
    ),
    "known ones": ("connect_timeout=3&keepalives=1", {"connect_timeout": "3", "keepalives": "1"}, []),
}


@pytest.mark.parametrize(("query", "parameters", "notes"), NOTES.values(), ids=NOTES)
def test_parameters_of_the_query(query: str, parameters: dict[str, str], notes: list[str]) -> None:
    address = urls.from_url(f"postgresql://h/d?{query}")
    assert dict(address.parameters) == {"host": "h", "dbname": "d", **parameters}
    assert list(address.notes) == notes
    assert "pass" not in repr(address)


def test_a_sqlalchemy_url_means_the_same_as_its_text() -> None:
    text = "postgresql+psycopg2://u:p%40%2F@h:7/d?sslmode=require&pgbouncer=true"
    assert urls.from_sqlalchemy(make_url(text)) == urls.from_url(text)
    several = make_url("postgresql+psycopg2://u@/d?host=h1:5432&host=h2:5433")
    assert urls.from_sqlalchemy(several).parameters["host"] == "h1,h2"


# Who answers

LOCAL = {
    "nothing": ({}, True),
    "localhost": ({"host": "localhost"}, True),
    "127.0.0.2": ({"host": "127.0.0.2"}, True),
    "::1": ({"host": "::1"}, True),
    "socket": ({"host": "/tmp"}, True),
    "abstract socket": ({"host": "@x"}, True),
    "several local": ({"host": "localhost,/tmp"}, True),
    "one of several": ({"host": "localhost,db.example.com"}, False),
    "a name": ({"host": "db.example.com"}, False),
    "looks local": ({"host": "localhost.example.com"}, False),
    "an address": ({"host": "10.0.0.1"}, False),
    "a name with a local address": ({"host": "db.example.com", "hostaddr": "127.0.0.1"}, False),
    "local with an address elsewhere": ({"host": "localhost", "hostaddr": "10.0.0.1"}, False),
    "only an address": ({"hostaddr": "10.0.0.1"}, False),
    "only a local address": ({"hostaddr": "127.0.0.1"}, True),
}


@pytest.mark.parametrize(("parameters", "local"), LOCAL.values(), ids=LOCAL)
def test_what_is_local(parameters: dict[str, str], *, local: bool) -> None:
    assert tls.is_local(parameters) is local


NOT_SURE = "sslmode={}: {}"
ENCRYPTED = "encrypted, but the server is not authenticated"
PERHAPS = "perhaps nothing is encrypted, the server is not authenticated"
SECURED: dict[str, tuple[dict[str, str], str | None, str | None, str | None]] = {
    # parameters: sslmode, sslrootcert, what is said
    "local": ({"host": "localhost"}, None, None, None),
    "local, told": ({"host": "localhost", "sslmode": "disable"}, "disable", None, None),
    "elsewhere": ({"host": "h"}, "verify-full", "SYSTEM", None),
    "elsewhere, verify-full": ({"host": "h", "sslmode": "verify-full"}, "verify-full", "SYSTEM", None),
    "elsewhere, verify-ca": ({"host": "h", "sslmode": "verify-ca"}, "verify-ca", "SYSTEM", None),
    "elsewhere, a file": ({"host": "h", "sslrootcert": "/x.pem"}, "verify-full", "/x.pem", None),
    "elsewhere, system": ({"host": "h", "sslrootcert": "system"}, "verify-full", "SYSTEM", None),
    "elsewhere, require": ({"host": "h", "sslmode": "require"}, "require", None, ENCRYPTED),
    "elsewhere, require and a file": (
        {"host": "h", "sslmode": "require", "sslrootcert": "/x.pem"},
        "require",
        "/x.pem",
        None,
    ),
    "elsewhere, prefer": ({"host": "h", "sslmode": "prefer"}, "prefer", None, PERHAPS),
    "elsewhere, disable": (
        {"host": "h", "sslmode": "disable"},
        "disable",
        None,
        "nothing is encrypted, the server is not authenticated",
    ),
}


@pytest.mark.parametrize(("parameters", "mode", "authorities", "said"), SECURED.values(), ids=SECURED)
def test_connections_elsewhere_prove_who_answers(
    parameters: dict[str, str], mode: str | None, authorities: str | None, said: str | None
) -> None:
    safe = tls.secured(urls.Address(parameters))
    assert safe.parameters.get("sslmode") == mode
    expected = tls.system_certificates() or "system" if authorities == "SYSTEM" else authorities
    assert safe.parameters.get("sslrootcert") == expected
    assert safe.notes == ((f"sslmode={mode}: {said}",) if said else ())


OUTSIDE: dict[str, tuple[dict[str, str], dict[str, str], str | None]] = {
    "host elsewhere": ({"PGHOST": "db.example.com"}, {}, "verify-full"),
    "host here": ({"PGHOST": "localhost"}, {}, None),
    "the URL's host counts": ({"PGHOST": "localhost"}, {"host": "h"}, "verify-full"),
    "mode": ({"PGSSLMODE": "require"}, {"host": "h"}, "require"),
    "the URL's mode counts": ({"PGSSLMODE": "require"}, {"host": "h", "sslmode": "verify-ca"}, "verify-ca"),
    "a service elsewhere": ({}, {"service": "there"}, "verify-full"),
    "a service here": ({}, {"service": "here"}, None),
    "a service that says how": ({}, {"service": "sure"}, "require"),
    "a service from outside": ({"PGSERVICE": "there"}, {}, "verify-full"),
    "no such service": ({}, {"service": "nope"}, None),
}


@pytest.mark.parametrize(("variables", "parameters", "mode"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_libpq_is_told_elsewhere_counts(
    variables: dict[str, str],
    parameters: dict[str, str],
    mode: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = tmp_path / "services.conf"
    services.write_text(
        "# comment\n[there]\nhost=db.example.com\n[here]\nhost=/tmp\n[sure]\nhost=h\nsslmode=require\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tls.secured(urls.Address(parameters)).parameters.get("sslmode") == mode


def test_a_persons_own_authorities_are_left_to_libpq(tmp_path: Path) -> None:
    own = tmp_path / "home" / ".postgresql" / "root.crt"
    own.parent.mkdir(parents=True)
    own.touch()
    safe = tls.secured(urls.Address({"host": "h"}))
    assert dict(safe.parameters) == {"host": "h", "sslmode": "verify-full"}


# A certificate and key made for these tests, for db.example.test, good until 2120. It protects nothing.
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9kYi5leGFt
cGxlLnRlc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
BgNVBAMMD2RiLmV4YW1wbGUudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BD4z6Ce9rIJ5SdFcG4RfGtrOQnDf+GFUMx93+r05iI0Qt7/20spIRwnIM+jan+FI
+Z6479oVZUJbcIRomhmzGJ6jTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMw
EYIPZGIuZXhhbXBsZS50ZXN0MB0GA1UdDgQWBBSK4DiltDFi2RRGxOz28HIY5T1/
IDAKBggqhkjOPQQDAgNHADBEAiA/Cj2FpyAHEzLSMqqAIGAypoFdmqmqTIny4F/o
RQBlOQIgFgD1eabfIJV3Ar/WG/7QJGNNWli2HfVSbB4GmbLlaek=
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrG4vbl0m0wc87fl5
NZwl2XHsdR//Qn+c192OE4Q/t3KhRANCAAQ+M+gnvayCeUnRXBuEXxrazkJw3/hh
VDMfd/q9OYiNELe/9tLKSEcJyDPo2p/hSPmeuO/aFWVCW3CEaJoZsxie
-----END PRIVATE KEY-----
"""


@pytest.fixture(scope="module")
def tls_url(servers_folder: Path) -> Iterator[str]:
    """The URL of a server that speaks TLS by a certificate which no system knows."""
    if not embedded.available():
        pytest.skip(embedded.missing())
    with embedded.server(settings={"fsync": "off"}) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for name, text in (("server.key", KEY), ("server.crt", CERTIFICATE)):
                # The server writes them itself, so that they are its own, whoever it runs as.
                copy = "COPY (SELECT unnest({}::text[])) TO PROGRAM {}"
                program = f"umask 077; cat > {name}"
                connection.execute(sql.SQL(copy).format(text.strip().splitlines(), program))
            connection.execute("ALTER SYSTEM SET ssl = on")
            connection.execute("SELECT pg_reload_conf()")
        wait_for_tls(server.url())
        yield server.url()


def wait_for_tls(url: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(url, sslmode="require").close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def elsewhere(url: str, host: str = "db.example.test", **more: str) -> str:
    """The same server under the name of another machine."""
    return str(
        make_url(url)
        .set(host=host)
        .update_query_dict({"hostaddr": "127.0.0.1", **more})
        .render_as_string(hide_password=False)
    )


def test_a_server_of_unknown_authority_is_refused_with_both_ways_out(tls_url: str) -> None:
    with pytest.raises(
        ConnectError, match=r"certificate is not signed by an authority that this machine knows"
    ) as caught:
        connect(elsewhere(tls_url))
    assert "sslrootcert=FILE" in caught.value.hint
    assert "sslmode=require" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_the_authority_can_be_named(tls_url: str, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(CERTIFICATE)
    store = connect(elsewhere(tls_url, sslrootcert=str(authority)))
    assert isinstance(store, PostgresStore)
    assert (store.authenticated, store.notes) == (True, ())
    with pytest.raises(ConnectError, match="certificate is for another name"):
        connect(elsewhere(tls_url, "other.example.test", sslrootcert=str(authority)))


def test_a_server_can_be_used_unauthenticated_and_is_shown_so(tls_url: str) -> None:
    store = connect(elsewhere(tls_url, sslmode="require"))
    assert isinstance(store, PostgresStore)
    assert not store.authenticated
    assert "not authenticated" in repr(store)
    assert store.notes == ("sslmode=require: encrypted, but the server is not authenticated",)


def test_a_server_without_tls_elsewhere_is_refused(pg: str) -> None:
    with pytest.raises(ConnectError, match=r"offers no secure connection|certificate"):
        connect(elsewhere(pg))


# Connecting


def libpq(url: str) -> dict[str, Any]:
    return conninfo_to_dict(url)


@pytest.mark.parametrize("form", ["URL", "SQLAlchemy", "env", "libpq", "psql", "quoted", "other driver"])
def test_postgresql_connects(pg: str, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("REMOTE_URL", f" {pg}\n")
    given: dict[str, tuple[Any, str | None]] = {
        "URL": (pg, None),
        "SQLAlchemy": (make_url(pg), None),
        "env": (None, "REMOTE_URL"),
        "libpq": (make_conninfo(**libpq(pg)), None),
        "psql": (f"psql '{pg}'", None),
        "quoted": (f'"{pg}"', None),
        "other driver": (make_url(pg).set(drivername="postgresql+asyncpg"), None),
    }
    source, env = given[form]
    store = connect(source, env=env)
    assert isinstance(store, PostgresStore)
    assert (store.name, store.writable, store.notes) == (libpq(pg)["dbname"], False, ())
    assert libpq(pg)["password"] not in repr(store)
    with store.reading() as reader:
        assert len(reader.schema()) == 0


def test_what_was_dropped_is_in_the_notes(pg: str) -> None:
    store = connect(make_url(pg).update_query_dict({"pgbouncer": "true"}), writable=True, timezone="UTC")
    assert store.notes == ("pgbouncer= was dropped: PostgreSQL's driver does not know it",)
    assert (store.writable, store.timezone) == (True, {"*": "UTC"})


def test_a_database_that_is_not_named_is_asked_for_its_name(pg: str) -> None:
    here = libpq(pg)
    text = make_conninfo(**{key: value for key, value in here.items() if key != "dbname"})
    with pytest.raises(ConnectError):
        connect(make_conninfo(text, user="nobody_of_that_name"))
    store = connect(make_conninfo(text, dbname=here["dbname"]))
    assert store.name == here["dbname"]


def test_sqlite_connects_by_path_and_url(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "own.db").write_bytes(cache.read_bytes())
    monkeypatch.chdir(tmp_path)
    for source in (
        cache,
        str(cache),
        "cache.db",
        f"sqlite:///{cache}",
        "sqlite:///cache.db",
        f"sqlite+pysqlite:///{cache}",
        make_url(f"sqlite:///{cache}"),
        f"file:{cache}?mode=rw",
        f"file://{cache}",
        f"sqlite:///file:{cache}?mode=ro&uri=true",
        "~/own.db",
        Path("~/own.db"),
    ):
        store = connect(source, timezone="Europe/Berlin")
        assert isinstance(store, SQLiteStore)
        assert [table.name for table in store.inspect()] == ["hosts"]
        assert (store.timezone, store.notes) == ({"*": "Europe/Berlin"}, ())


def test_an_odd_path_is_not_taken_for_something_else(cache: Path, tmp_path: Path) -> None:
    for name in ("host=x dbname=y", "a:b@c", "x.json", "u p@d:1"):
        (tmp_path / name).write_bytes(cache.read_bytes())
        assert connect(str(tmp_path / name)).name == name


def test_empty_databases_are_noted(tmp_path: Path) -> None:
    (tmp_path / "new.db").touch()
    assert connect(tmp_path / "new.db").notes == (
        "new.db is an empty file (0 bytes): a database without tables",
    )
    with contextlib.closing(sqlite3.connect(tmp_path / "bare.db")) as connection:
        connection.execute("PRAGMA user_version = 1")
    assert connect(tmp_path / "bare.db").notes == ("bare.db has no tables",)
    url = f"sqlite:///{tmp_path / 'new.db'}?check_same_thread=false"
    assert connect(url).notes[0] == "check_same_thread= was dropped: it is not used here"


def test_frames_connect() -> None:
    frame = pd.DataFrame({"id": [1]})
    one, named = connect(frame), connect({"hosts": frame}, timezone={"hosts.id": "UTC"})
    assert isinstance(one, FrameStore)
    assert [table.name for table in one.inspect()] == ["frame"]
    assert (named.name, named.timezone) == ("hosts", {"hosts.id": "UTC"})
    with pytest.raises(SchemaError, match="2 levels"):
        connect(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])))


def test_zones_may_be_told_by_table_and_column(cache: Path) -> None:
    zones = {"hosts.seen": "Asia/Kolkata", "hosts": "UTC", "*": "Europe/Berlin"}
    assert connect(cache, timezone=zones).timezone == zones
    assert connect(cache).timezone == {}


# What cannot be connected to


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


ENGINE = sqlalchemy.create_engine("sqlite://")
REFUSED: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "nothing": (None, {}, "nothing to connect to was given", "path, URL or frame"),
    "both": ("x.db", {"env": "X"}, "both given", "env=NAME"),
    "blank": ("  ", {}, "nothing to connect to", "path, URL or frame"),
    "missing": ("cahce.db", {}, "there is no file cahce.db", "did you mean cache.db"),
    "folder": (".", {}, "is a folder", "cache.db"),
    "memory": (":memory:", {}, "in memory", "VACUUM INTO"),
    "memory as a URL": ("sqlite://", {}, "in memory", "VACUUM INTO"),
    "memory as a file": ("file::memory:?cache=shared", {}, "in memory", "VACUUM INTO"),
    "csv that is not there": ("data.csv", {}, "there is no file data.csv", "cache.db"),
    "parquet that is not there": (Path("data.parquet"), {}, "there is no file data.parquet", "cache.db"),
    "csv to write": ("data.csv", {"writable": True}, "data.csv is not written to", "without writable"),
    "csv.zip": ("data.CSV.zip", {}, "is no database", "read_csv"),
    "excel": ("data.xlsx", {}, "is no database", "read_excel"),
    "mysql": ("mysql+pymysql://u:c@n/d", {}, "mysql:// is not supported", "SQLite files, PostgreSQL"),
    "mysql of SQLAlchemy": (make_url("mysql://u:c@n/d"), {}, "mysql:// is not supported", "PostgreSQL"),
    "https": ("https://abcd.supabase.co", {}, "web page or API", "postgresql://"),
    "encrypted SQLite": ("sqlite+pysqlcipher://:c@/x.db", {}, "not opened through pysqlcipher", "exported"),
    "no scheme": ("u:c@host:5432/db", {}, "neither a file nor a URL", "begins with postgresql://"),
    "scheme broken": ("postgresql:/u:c@host/db", {}, "neither a file nor a URL", "begins with"),
    "a URL as a Path": (Path("postgresql://u:c@host/db"), {}, "neither a file nor a URL", "begins with"),
    "too long": ("x" * 5000, {}, "neither a file nor a URL", "begins with"),
    "NUL in a path": ("a\0b", {}, "neither a file nor a URL", "begins with"),
    "nobody's home": ("~no_such_user_here/x.db", {}, "home folder", "whole path"),
    "port": ("postgresql://u:c@h:99999/d", {}, "port is not a number from 1 to 65535", "after the host"),
    "port in words": ("postgresql://u:c@h:port/d", {}, "URL cannot be understood", "percent-encoded"),
    "host with blanks": ("postgresql://u:c@a b/d", {}, "URL cannot be understood", "percent-encoded"),
    "NUL": ("postgresql://u:%00@h/d", {}, "NUL", "%00"),
    "placeholder": ("postgresql://u:[YOUR-PASSWORD]@h/d", {}, "placeholder", "real password"),
    "sslmode": ("postgresql://u@h/d?sslmode=always", {}, "sslmode of the URL is none", "verify-full"),
    "libpq's form": ("host=x password='c", {}, "connection string cannot be understood", "keyword=value"),
    "zone": ("cache.db", {"timezone": "Berlin"}, "no time zone 'Berlin'", "Europe/Berlin"),
    "zone misspelt": ("cache.db", {"timezone": "europe/berlni"}, "no time zone", "Europe/Berlin"),
    "zone as an offset": ("cache.db", {"timezone": "+05:30"}, "no time zone", "an offset alone is none"),
    "zone as a path": ("cache.db", {"timezone": "../x"}, "no time zone", "Europe/Berlin"),
    "zone of what is not here": ("cache.db", {"timezone": {"hosts.sen": "UTC"}}, "'hosts.sen'", "hosts.seen"),
    "zone of nothing": ("cache.db", {"timezone": {"": "UTC"}}, "has the key ''", "table.column"),
    "zone of a frame": (pd.DataFrame({"a": [1]}), {"timezone": {"x": "UTC"}}, "names 'x'", "frame"),
    "frame to write": (pd.DataFrame(), {"writable": True}, "frames are not written to", "without writable"),
    "no frames": ({}, {}, "does not name its frames", "table name"),
    "no frame": ({"t": [1]}, {}, "'t' is no table but list", "DataFrame"),
    "a series": (pd.Series([1]), {}, "no table but Series|Series cannot be connected to", "DataFrame|frames"),
    "a store": (SQLiteStore(Path("x")), {}, "a store already", "as it is"),
    "an engine": (ENGINE, {}, "Engine holds connections", r"connect\(engine.url\)"),
    "a number": (7, {}, "int cannot be connected to", "SQLite files"),
}


@pytest.mark.parametrize(("source", "options", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_connected_to(
    source: Any,
    options: dict[str, Any],
    message: str,
    hint: str,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(cache.parent)
    with pytest.raises(ConnectError, match=message) as caught:
        connect(source, **options)
    assert re.search(hint, caught.value.hint)
    assert "\n" not in str(caught.value)


ENVIRONMENTS = {
    "missing": ("NO_SUCH_NAME_AT_ALL", "no environment variable NO_SUCH_NAME_AT_ALL", "%env"),
    "misspelt": ("REMOTE_URI", "no environment variable REMOTE_URI", "REMOTE_URL"),
    "empty": ("EMPTY_URL", "EMPTY_URL is empty", "put the URL"),
    "a URL instead of a name": (
        "postgresql://u:canary@h/d",
        "not the name of an environment variable",
        "env=",
    ),
}


@pytest.mark.parametrize(("name", "message", "hint"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_environment(name: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOTE_URL", "postgresql://u:canary@h/d")
    monkeypatch.setenv("EMPTY_URL", " ")
    with pytest.raises(ConnectError, match=message) as caught:
        connect(env=name)
    assert hint in caught.value.hint
    assert "canary" not in str(caught.value)


def test_a_file_that_may_not_be_written_is_refused_for_writing(cache: Path) -> None:
    assert connect(cache, writable=True).writable
    if os.geteuid() == 0:
        return  # whom no permission stops
    cache.chmod(0o444)
    with pytest.raises(ConnectError, match="may not be written"):
        connect(cache, writable=True)


CANARY = "c@n/ary:5#%41?x&y=z"
LEAKS = {
    "refused": "postgresql://u:{p}@127.0.0.1:{closed}/d",
    "wrong password": "postgresql://{user}:{p}@{host}:{port}/{dbname}",
    "no such database": "postgresql://{user}:{p}@{host}:{port}/nope",
    "no such host": "postgresql://u:{p}@no..host/d",
    "elsewhere": "postgresql://u:{p}@db.example.test:{closed}/d?hostaddr=127.0.0.1",
    "password in the query": "postgresql://{host}:{port}/d?user=u&password={p}",
    "bad port": "postgresql://u:{p}@h:99999/d",
    "bad URL": "postgresql://u:{p}@h:x y/d",
    "bad sslmode": "postgresql://u:{p}@h/d?sslmode={p}",
    "other scheme": "mysql://u:{p}@h/d",
    "no scheme": "u:{p}@h/d",
    "conninfo": "host={host} port={port} user=u dbname=d password='{p}'",
    "broken conninfo": "host={host} password={p} {p}",
    "sqlcipher": "sqlite+pysqlcipher://:{p}@/x.db",
    "odd timeout": "postgresql://u:{p}@{host}:{port}/d?connect_timeout={p}",
}


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("template", LEAKS.values(), ids=LEAKS)
def test_no_error_shows_a_password(
    template: str, pg: str, monkeypatch: pytest.MonkeyPatch, *, encoded: bool
) -> None:
    written = quote(CANARY, safe="") if encoded else CANARY
    words = {"closed": str(closed_port()), "p": written, **{k: str(v) for k, v in libpq(pg).items()}}
    monkeypatch.setenv("LEAKY", template.format(**words))
    with pytest.raises(ConnectError) as caught:
        connect(env="LEAKY")
    shown = everything_shown(caught.value)
    for secret in (CANARY, CANARY[:6], quote(CANARY, safe=""), quote(CANARY), quote(CANARY, safe="")[:9]):
        assert secret not in shown


def everything_shown(error: SyncnbError) -> str:
    """All that a traceback may print of an error: its texts, and the variables of the package's frames."""
    frames = [
        frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename != __file__
    ]
    texts = [str(error), repr(error), *error._render_traceback_(), *map(str, error.args)]
    return "\n".join(texts + [repr(frame.f_locals) for frame in frames])


def test_no_frame_of_ours_stays_with_an_error() -> None:
    with pytest.raises(ConnectError) as caught:
        connect(f"postgresql://u:canary@127.0.0.1:{closed_port()}/d")
    error: SyncnbError = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert [frame.f_code.co_name for frame in frames if frame.f_code.co_filename != __file__] == ["connect"]
    assert "canary" not in everything_shown(error)


def test_a_missing_driver_is_one_line_and_only_where_it_is_needed(cache: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from syncnb.connecting import connect\n"
        "print(connect(sys.argv[1]))\n"
        "try: connect('postgresql://u:p@127.0.0.1/d')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cache)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "SQLiteStore('cache.db')",
        "ConnectError the PostgreSQL driver is not installed. "
        'Hint: pip install "psycopg[binary]", then restart the kernel',
    ]


def test_a_file_is_connected_to_without_the_heavy_libraries(cache: Path) -> None:
    code = (
        "import sys; from syncnb.connecting import connect; connect(sys.argv[1])\n"
        "print(sorted({'psycopg', 'pandas', 'ipywidgets', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cache)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# profiles in a file

PROFILES: dict[str, tuple[str, str, str]] = {
    "no file": ("", "shop", "there is no profile 'shop'.*write a syncnb.toml"),
    "no such profile": ('[cache]\npath = "cache.db"\n', "shop", "there is no profile 'shop'.*profiles: cache"),
    "no TOML": ('[cache]\nurl = "postgresql://u:s3cret@h/d\n', "cache", "cannot be read as TOML"),
    "outside of a section": ('url = "postgresql://u:s3cret@h/d"\n', "url", "stands outside of a profile"),
    "an unknown word": ('[cache]\npath = "cache.db"\npasswort = "s3cret"\n', "cache", "does not know 'passwort'"),
    "two sources": ('[cache]\npath = "cache.db"\nurl = "postgresql://u:s3cret@h/d"\n', "cache", "no source, or several"),
    "no server": ('[cache]\nurl = "postgresql://u:s3cret@127.0.0.1:1/d"\n', "cache", "(?i)refused|reach|connect"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "name", "why"), PROFILES.values(), ids=PROFILES)
def test_what_is_wrong_with_a_profile_is_said_without_its_secret(
    text: str, name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if text:
        (tmp_path / "syncnb.toml").write_text(text)
    with pytest.raises(ConnectError, match=why) as caught:
        connect(profile=name)
    ours = caught.value.__traceback__.tb_next  # the frame of this test knows the file
    told = traceback.TracebackException(ConnectError, caught.value, ours, capture_locals=True)
    assert "s3cret" not in "".join(told.format())


def test_a_profile_says_how_and_the_call_goes_before_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache.parent / "mine.toml").write_text(
        f'[cache]\npath = "{cache}"\nwritable = true\ntimezone = "UTC"\n[by_name]\nenv = "CACHE"\n'
    )
    monkeypatch.setenv("SYNCNB_PROFILES", str(cache.parent / "mine.toml"))
    monkeypatch.setenv("CACHE", str(cache))
    store = connect(profile="cache")
    assert (store.writable, dict(store.timezone)) == (True, {"*": "UTC"})
    other = connect(profile="cache", writable=False, timezone="Europe/Berlin")
    assert (other.writable, dict(other.timezone)) == (False, {"*": "Europe/Berlin"})
    assert connect(profile="by_name").name == "cache.db"
    with pytest.raises(ConnectError, match="another source were both given"):
        connect(cache, profile="cache")
