"""How a session with PostgreSQL begins: one read-only snapshot, with settings that go with it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

from syncnb.errors import ConnectError
from syncnb.stores import postgres_clock
from syncnb.stores.postgres_errors import connect_error

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = [
    "DESCRIBE",
    "OLDEST",
    "SETTINGS",
    "Server",
    "begin",
    "driver",
    "in_one_turn",
    "is_standby",
    "served",
    "settled",
]

OLDEST = 12
"""The oldest major version that can be read."""

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# What makes the text of a value the same whatever the role, the database and the session say. Time limits
# are not among them: they are somebody's decision. Where nobody decided, a lock is not waited for without end.
SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "row_security": "on",
}


def settled(settings: Mapping[str, str]) -> str:
    """The statement that makes such settings of ours; `true` means for this transaction only (SET LOCAL)."""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())


DESCRIBE = """
SELECT current_database(), current_user::text, current_setting('server_version_num')::int,
       pg_encoding_to_char(encoding), pg_backend_pid(), current_setting('transaction_read_only') = 'on',
       current_setting('transaction_isolation') = 'repeatable read', extract(epoch FROM now())
FROM pg_catalog.pg_database WHERE datname = current_database()
"""


SNAPSHOT = ";".join((
    BEGIN,
    settled(SETTINGS),
    "SELECT set_config('lock_timeout', '60s', true) WHERE current_setting('lock_timeout') = '0'",
    DESCRIBE,
    # Where every failed or abandoned read goes back to, so that the snapshot lives on.
    "SAVEPOINT snapshot",
))  # fmt: skip
"""All of it in one turn of the line."""


SNAPSHOT_NAME = re.compile(r"[0-9A-Fa-f-]{1,64}")


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says about itself and about this connection."""

    database: str
    role: str
    version: int
    """As `server_version_num`: 150018 is 15.18."""
    encoding: str
    pooled: bool
    """True where a transaction pooler stands between: each transaction may meet another backend."""
    ahead: timedelta | None = field(default=None, compare=False, repr=False)
    """How far its clock is ahead of ours, by the beginning of a snapshot; None where that does not tell."""


def driver() -> ModuleType:
    """psycopg, where it is installed. Raises ConnectError."""
    try:
        import psycopg
    except ImportError:
        problem = ConnectError(
            "the PostgreSQL driver is not installed",
            hint='pip install "psycopg[binary]", then restart the kernel',
        )
    else:
        return psycopg
    raise problem


@contextmanager
def in_one_turn(connection: "Connection[Any]") -> "Iterator[None]":
    """What is executed in this block goes out together, and its answers come together: fetch them after it.

    Over a line of 40 ms there and back, that is 40 ms for all of it. Where the client library is older than
    PostgreSQL 14, each waits for its own answer as ever. No COPY can be among them.
    """
    psycopg = driver()
    if not psycopg.Pipeline.is_supported():
        yield
        return
    first: Exception | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except psycopg.Error as problem:
                # Handed on below: psycopg logs what else it meets when it leaves with an error.
                first = problem
    except BaseException as problem:
        if (stopped := _stop_behind(problem)) is not None:
            connection.close()  # answers are under way that nobody will take
            raise stopped from None
        raise first or problem from None
    if first is not None:
        raise first


def _stop_behind(problem: BaseException | None) -> BaseException | None:
    """The Ctrl-C in whose place psycopg says that it cannot leave the turn; None where there was none."""
    while problem is not None and isinstance(problem, Exception):
        problem = problem.__context__
    return problem


def begin(connection: "Connection[Any]", parameters: Mapping[str, str], snapshot: str = "") -> Server:
    """Begin a read-only snapshot on a connection, and say who answers. Raises ConnectError.

    snapshot: the name of one that another connection holds, to see just what that sees.
    """
    psycopg = driver()
    statements = SNAPSHOT
    if SNAPSHOT_NAME.fullmatch(snapshot):  # it can only be written, not bound
        statements = SNAPSHOT.replace(BEGIN, f"{BEGIN};SET TRANSACTION SNAPSHOT '{snapshot}'", 1)
    before = postgres_clock.moment()
    try:
        answers = connection.execute(statements.encode())
        answers.set_result(statements.split(";").index(DESCRIBE))
        row = answers.fetchone()
        ahead = postgres_clock.ahead(row[7], before) if row else None
    except psycopg.Error as error:
        problem = connect_error(error, parameters)
        problem.sqlstate = error.sqlstate or problem.sqlstate
    else:
        return _checked(connection, row, ahead)
    raise problem


def _checked(connection: "Connection[Any]", row: tuple[Any, ...] | None, ahead: timedelta | None) -> Server:
    if row is None or not (row[5] and row[6]):
        raise ConnectError(
            "the server did not open a read-only snapshot",
            hint="connect to PostgreSQL itself, or to a pooler for it",
        )
    database, role, version, encoding, *_ = row
    if version < OLDEST * 10_000:
        raise ConnectError(
            f"PostgreSQL {version // 10_000} is too old", hint=f"version {OLDEST} or newer can be read"
        )
    pooled = served(connection, row)
    return Server(database, role, version, encoding, pooled, ahead)


def served(connection: "Connection[Any]", row: tuple[Any, ...]) -> bool:
    """Note which process serves this transaction, by the row of DESCRIBE; whether a pooler stands between."""
    backend, began = row[4], row[7]
    connection.at = backend, began  # type: ignore[attr-defined]
    # A pooler answers the first handshake itself, with a process number of its own making.
    return bool(backend != connection.info.backend_pid)


def is_standby(connection: "Connection[Any]") -> bool:
    """Whether the server follows another one, and so refuses every write; whatever was begun is over then."""
    try:
        connection.execute("ROLLBACK")
        row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    except driver().Error:
        return False
    return bool(row and row[0])
