"""What the PostgreSQL driver raises, as errors a person can act on. The mapping is data.

Nothing here imports the driver: its errors are read by their text and their SQLSTATE.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from syncnb.errors import ConnectError, ReadError

__all__ = ["address", "connect_error", "read_error"]


@dataclass(frozen=True, slots=True)
class Cause:
    """One known cause: what it is recognised by, what it means, what to do next.

    `why` and `hint` may name {role}, {database}, {host}, {table} and {detail} (the driver's own line).
    """

    sign: str
    """A pattern in the driver's text, or the beginning of a SQLSTATE."""
    why: str
    hint: str
    sqlstate: str | None = None


# A failed connection has no SQLSTATE in libpq, only text. Where a host has several addresses, the text
# holds one line for each: what a server answered says more than that another did not, so it comes first.
CONNECTING = (
    Cause(
        r"password authentication failed|SASL authentication failed|Tenant or user not found|no such user",
        "the server refused the password of role {role}, or does not know that role",
        "check user and password; characters such as @ : / # must be percent-encoded in a URL",
        "28P01",
    ),
    Cause(
        r"no password supplied|password missing",
        "the server asks for a password and none was given",
        "put it into the URL in an environment variable and connect with env=NAME, or use ~/.pgpass",
        "28P01",
    ),
    Cause(
        r'database ".*" does not exist|no such database',
        "there is no database {database} on this server",
        "check the last part of the URL, upper and lower case count; `psql -l` lists the databases",
        "3D000",
    ),
    Cause(
        r'role ".*" does not exist',
        "there is no role {role} on this server",
        "check the user in the URL",
        "28000",
    ),
    Cause(
        r"is not permitted to log in",
        "role {role} may not log in",
        "use another role, or ask an administrator for ALTER ROLE … LOGIN",
        "28000",
    ),
    Cause(
        r"permission denied for database",
        "role {role} may not connect to database {database}",
        "ask an administrator for GRANT CONNECT ON DATABASE",
        "42501",
    ),
    Cause(
        r"pg_hba\.conf",
        "the server does not accept role {role} from this machine in this way: {detail}",
        "ask an administrator for a line in pg_hba.conf, or try another sslmode",
        "28000",
    ),
    Cause(
        r"too many (clients|connections)|remaining connection slots|no more connections allowed"
        r"|max clients? (connections )?reached|connection limit exceeded",
        "the server has no free connection",
        "close other notebooks and programs, or use the address of its connection pooler",
        "53300",
    ),
    Cause(
        r"starting up|shutting down|in recovery mode|not (yet )?accepting connections|query_wait_timeout",
        "the server is not ready: {detail}",
        "wait a moment and try again",
        "57P03",
    ),
    Cause(
        r"unsupported startup parameter|unrecognized configuration parameter",
        "the server or its pooler refuses a parameter: {detail}",
        "remove `options` and other parameters from the URL, and PGOPTIONS from the environment",
        "08P01",
    ),
    Cause(
        r"does not match host name",
        "the server's certificate is for another name: {detail}",
        "connect by the name in the certificate, or pass sslmode=require "
        "to go on without knowing who answers",
    ),
    Cause(
        r"certificate verify failed|root certificate file .* does not exist|self.signed certificate",
        "the server's certificate is not signed by an authority that this machine knows",
        "name the provider's authority with sslrootcert=FILE, or pass sslmode=require "
        "to go on without knowing who answers",
    ),
    Cause(
        r"could not read root certificate|could not load|certificate .* (expired|not yet valid)|SSL error",
        "no secure connection could be made: {detail}",
        "check the certificate files and the clock; name the authority with sslrootcert=FILE, "
        "or pass sslmode=require to go on without knowing who answers",
    ),
    Cause(
        r"does not support SSL",
        "the server offers no secure connection",
        "use the port that does; on a network you trust, sslmode=disable sends everything unprotected",
    ),
    Cause(
        r"failed to resolve host|could not translate host name|name or service not known|idna",
        "there is no host {host}",
        "check its spelling, and that this machine is online (or in the VPN)",
    ),
    Cause(
        r"timeout expired|timed out|does not answer",
        "{host} did not answer in time",
        "check host and port, VPN and firewall; connect_timeout=30 waits longer",
        "08001",
    ),
    Cause(
        r"Connection refused",
        "nothing listens there",
        "check host and port, and that the server runs",
        "08001",
    ),
    Cause(
        r"No such file or directory",
        "no server listens on that local socket",
        "name a host (such as 127.0.0.1), or start the server",
        "08001",
    ),
    Cause(
        r"No route to host|Network is unreachable|closed the connection unexpectedly|Connection reset",
        "{host} could not be reached: {detail}",
        "check host and port, VPN and firewall",
        "08001",
    ),
    Cause(
        r"invalid response to SSL negotiation|expected authentication request",
        "what answers there is not PostgreSQL",
        "check the port",
        "08P01",
    ),
    Cause(
        r"invalid connection option|invalid .* value|definition of service",
        "the address cannot be understood: {detail}",
        "correct that part of the URL",
    ),
)

# By SQLSTATE, the longest beginning first.
READING = (
    Cause(
        "42501",
        "role {role} may not read {table}",
        "ask its owner for GRANT SELECT (and USAGE on its schema), or leave it out with tables=",
    ),
    Cause(
        "57014",
        "the server stopped reading {table}: {detail}",
        "raise statement_timeout for this role (ALTER ROLE … SET statement_timeout), or read fewer columns",
    ),
    Cause(
        "25P03",
        "the server closed the connection while {table} was being read, because it waited too long",
        "raise idle_in_transaction_session_timeout for this role, or compare fewer tables at a time",
    ),
    Cause(
        "25P04",
        "the server closed the connection while {table} was being read, because it took too long",
        "raise transaction_timeout for this role, or compare fewer tables at a time",
    ),
    Cause(
        "55P03",
        "{table} is locked by somebody else{held}",
        "wait until the other transaction ends (pg_stat_activity shows it) and try again",
    ),
    Cause(
        "55000",
        "{table} cannot be read as it is: {detail}",
        "if it is a materialized view, run REFRESH MATERIALIZED VIEW first",
    ),
    Cause(
        "40",
        "the server gave up this snapshot of {table}: {detail}",
        "try again; on a standby, read from the primary or raise max_standby_streaming_delay",
    ),
    Cause(
        "42P01",
        "{table} is no longer there",
        "the schema changed since it was read: inspect again",
    ),
    Cause(
        "42703",
        "{table} has changed: {detail}",
        "the schema changed since it was read: inspect again",
    ),
    Cause(
        "25006",
        "a write was refused, this connection only reads: {detail}",
        "this is a view or policy that writes; compare the tables behind it",
    ),
    Cause(
        "22P05",
        "{table} has text that cannot be written as UTF-8: {detail}",
        "leave that column out with ignore=, or repair the text in the database",
    ),
    Cause(
        "22021",
        "{table} has text that is not valid in the encoding of its database: {detail}",
        "leave that column out with ignore=, or repair the text in the database",
    ),
    Cause("XX000", "the catalogue changed while {table} was being read: {detail}", "try again"),
    Cause(
        "XX",
        "the server found {table} damaged: {detail}",
        "stop writing to it and ask an administrator to restore from a backup",
    ),
    Cause(
        "53", "the server ran out of resources at {table}: {detail}", "try again later, or read fewer columns"
    ),
    Cause("57P", "the server went away while {table} was being read", "try again: nothing was written"),
    Cause("08", "the connection was lost while {table} was being read", "try again: nothing was written"),
)

UNKNOWN_CONNECTING = Cause("", "{detail}", "check host, port, user and database in the URL")
UNKNOWN_READING = Cause("", "{table} could not be read: {detail}", "the server's log says more")
LOST = Cause("", "the connection was lost while {table} was being read", "try again: nothing was written")

LOCAL_HOSTS = ("", "localhost", "127.0.0.1", "::1")


def address(parameters: Mapping[str, str], *, port: bool = True) -> tuple[str, bool]:
    """The host as a person reads it, and whether it is this machine; a socket is `localhost`."""
    host = parameters.get("host") or parameters.get("hostaddr") or ""
    if host in LOCAL_HOSTS or host.startswith(("/", "@")):
        return "localhost", True
    number = parameters.get("port", "")
    return (f"{host}:{number}" if port and number not in ("", "5432") else host), False


def connect_error(error: Exception, parameters: Mapping[str, str]) -> ConnectError:
    """Why no connection was made, in one line without a secret."""
    text = _without_secrets(str(error), parameters)
    cause = next(
        (known for known in CONNECTING if re.search(known.sign, text, re.IGNORECASE)), UNKNOWN_CONNECTING
    )
    host, local = address(parameters)
    words = {
        "host": host if not local else f"{host}:{parameters.get('port') or 5432}",
        "role": repr(parameters.get("user", "")),
        "database": repr(parameters.get("dbname", "")),
        "detail": _detail(text, cause.sign),
    }
    where = f"{words['database']} on {words['host']}" if parameters.get("dbname") else words["host"]
    problem = ConnectError(f"cannot connect to {where}: {_filled(cause.why, words)}", hint=cause.hint)
    problem.sqlstate = cause.sqlstate
    return problem


def read_error(error: Exception, table: str, *, role: str, lost: bool = False, held: str = "") -> ReadError:
    """Why reading `table` stopped. `lost` says that the connection is gone, `held` who locks it."""
    sqlstate: str | None = getattr(error, "sqlstate", None)
    known = sorted(READING, key=lambda cause: -len(cause.sign))
    cause = next(
        (c for c in known if sqlstate and sqlstate.startswith(c.sign)), LOST if lost else UNKNOWN_READING
    )
    words = {"table": table, "role": repr(role), "detail": _detail(str(error), ""), "held": held}
    problem = ReadError(_filled(cause.why, words), hint=cause.hint)
    problem.sqlstate = sqlstate
    return problem


def _filled(template: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], template)


def _detail(text: str, sign: str) -> str:
    """The one line of the driver's text that says it, without what we say ourselves."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason was given"]
    line = next((line for line in lines if sign and re.search(sign, line, re.IGNORECASE)), lines[0])
    return re.sub(
        r"^(connection (failed|is bad): )?(connection to server .*? failed: )?(FATAL: +)?", "", line
    )


def _without_secrets(text: str, parameters: Mapping[str, str]) -> str:
    # libpq does not repeat passwords, but a pooler or a badly split URL may. A password that is also the
    # name of the role, database or host is left: it is no secret, and the line would lose its meaning.
    names = {parameters.get(key) for key in ("user", "dbname", "host")}
    for key in ("password", "sslpassword"):
        secret = parameters.get(key)
        if secret and secret not in names:
            text = text.replace(secret, "***")
    return text
