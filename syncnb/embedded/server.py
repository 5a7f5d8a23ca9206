"""The handle of a PostgreSQL server: its URL, and databases made and dropped on it."""

import atexit
import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from types import TracebackType
from typing import TYPE_CHECKING, Final, LiteralString, Self

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from syncnb.embedded.binaries import OLDEST, find_binaries, version_of
from syncnb.embedded.cluster import OWNER, Cluster, start_cluster
from syncnb.errors import ConnectError

if TYPE_CHECKING:
    import psycopg

__all__ = ["Server", "server"]

CREATE: Final = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'"
"""From template0 and in code point order whatever the server's defaults are."""
CREATE_BY_COPY: Final = (
    "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C' STRATEGY file_copy"
)
"""Twice as fast where the checkpoints that it takes cost nothing: on a server of our own, which syncs nothing."""


@dataclass(frozen=True, eq=False)
class Server:
    """A PostgreSQL server that is there until `close`, the end of a `with` block, or the end of this process.

    One that we started is gone then, with all its data. One that `SYNCNB_TEST_DSN` names is never
    stopped; only the databases made here are dropped, unless this process is killed before.
    """

    version: int
    """`server_version_num`, as 150018."""
    socket_dir: Path | None
    """The folder of its socket, where it is one of ours."""
    psql_path: Path | None
    _address: URL
    _cluster: Cluster | None = None
    _prefix: str = ""
    _made: dict[str, str] = field(default_factory=dict)
    """Databases made here: the name asked for, the name on the server."""

    @property
    def host(self) -> str:
        return self._address.host or str(self._address.query.get("host", ""))

    @property
    def port(self) -> int:
        return self._address.port or 5432

    @property
    def user(self) -> str:
        return self._address.username or OWNER

    def url(self, database: str | None = None) -> str:
        """A SQLAlchemy URL, with password; of the database to administer from if none is named."""
        address = self._address.set(database=database) if database else self._address
        # SQLAlchemy leaves spaces as they are, libpq refuses them.
        return address.render_as_string(hide_password=False).replace(" ", "%20")

    def create(self, name: str) -> str:
        """Make an empty UTF-8 database and return its URL; not on our own server its name gets a prefix."""
        real = self._prefix + name
        self._administer(CREATE if self._cluster is None else CREATE_BY_COPY, real)
        self._made[name] = real
        return self.url(real)

    def drop(self, name: str) -> None:
        """Drop a database made here, whoever is still connected. One that is gone already is no error."""
        real = self._made.pop(name, self._prefix + name)
        self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", real)

    def close(self) -> None:
        """Stop our server and remove its data; on any other drop what we made. Twice is once."""
        if self._cluster is not None:
            self._cluster.stop()
            return
        for name in tuple(self._made):
            with contextlib.suppress(ConnectError):
                self.drop(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Server(PostgreSQL, {'embedded' if self._cluster else 'existing'})"

    def _administer(self, statement: LiteralString, database: str) -> None:
        from psycopg import sql

        # Quoted by the driver that sends it: SQLAlchemy's preparer doubles %, for a caller that formats.
        with _connected(self.url()) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(database)))


def server(
    *, fsync: bool = False, settings: Mapping[str, str] | None = None, binaries: str | Path | None = None
) -> Server:
    """Start a PostgreSQL server for tests and demonstrations, ready in about half a second.

    Where the environment variable `SYNCNB_TEST_DSN` names a server, that one is used, unless `fsync`,
    `settings` (of postgresql.conf) or `binaries` ask for what only a server of our own can give. Fast,
    not safe: without `fsync` its data does not survive a crash of the machine.
    """
    existing = os.environ.get("SYNCNB_TEST_DSN")
    if existing and not (fsync or settings or binaries):
        return _existing(existing)
    if os.name != "posix":
        hint = "set SYNCNB_TEST_DSN to a server that exists"
        raise ConnectError("the PostgreSQL runner needs a POSIX system", hint=hint)
    folder = find_binaries(binaries)
    cluster = start_cluster(folder, fsync=fsync, settings=settings or {})
    address = URL.create("postgresql", OWNER, cluster.password, "127.0.0.1", cluster.port, "postgres")
    return Server(version_of(folder) or 0, cluster.folder, _psql(folder), address, cluster)


def _existing(dsn: str) -> Server:
    address = _address(dsn)
    handle = Server(0, None, _psql(None), address)
    with _connected(handle.url()) as connection:
        version = connection.info.server_version
    if version < OLDEST * 10000:
        hint = f"name a server of PostgreSQL {OLDEST} or newer, or unset SYNCNB_TEST_DSN"
        raise ConnectError(f"SYNCNB_TEST_DSN names a PostgreSQL {version // 10000}", hint=hint)
    found = Server(version, None, _psql(None), address, None, f"syncnb_{secrets.token_hex(4)}_")
    atexit.register(found.close)
    return found


def _address(dsn: str) -> URL:
    """The URL of a DSN, which may be a URL of any driver or libpq's own `host=… dbname=…`."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        if "://" in dsn:
            address = make_url(dsn).set(drivername="postgresql")
            return address if address.database else address.set(database="postgres")
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
        user, password = parts.pop("user", None), parts.pop("password", None)
        port, database = int(parts.pop("port", "5432")), parts.pop("dbname", "postgres")
    except (ArgumentError, ProgrammingError, ValueError):
        hint = "SYNCNB_TEST_DSN is postgresql://user:password@host:port/database"
        raise ConnectError("SYNCNB_TEST_DSN cannot be read", hint=hint) from None
    # The rest, and a host that may be a socket's folder, libpq takes as parameters.
    return URL.create("postgresql", user, password, None, port, database, parts)


@contextlib.contextmanager
def _connected(url: str) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
    """A connection for one statement; what the server says against it becomes ours to say."""
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        secret = make_url(url).password
        line = f"PostgreSQL refused: {said.replace(str(secret), '***') if secret else said}"
        raise ConnectError(line, hint=_next_move(problem.sqlstate)) from None


def _next_move(sqlstate: str | None) -> str:
    moves = {
        "42P04": "take another name, or drop that database first",
        "42501": "the role needs CREATEDB; or unset SYNCNB_TEST_DSN to use a server of our own",
        "28P01": "check user and password in SYNCNB_TEST_DSN",
    }
    return moves.get(sqlstate or "", "check that the server is up, and SYNCNB_TEST_DSN if that is set")


def _psql(folder: Path | None) -> Path | None:
    if folder and (folder / "psql").is_file():
        return folder / "psql"
    found = which("psql")
    return Path(found) if found else None
