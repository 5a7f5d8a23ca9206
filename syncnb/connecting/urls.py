"""PostgreSQL addresses as hosting dashboards, drivers and people write them, as libpq's keywords.

No message here repeats a part of an address: a badly split one has its password anywhere.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from sqlalchemy import URL

from syncnb.errors import ConnectError

__all__ = ["Address", "from_conninfo", "from_sqlalchemy", "from_url", "looks_like_conninfo"]

HOST = r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s\[\]@:/?#,]*)(?::\d*)?"
AFTER_AT = re.compile(
    rf"(?P<hosts>{HOST}(?:,{HOST})*)(?:/(?P<database>[^/?]*))?(?:\?(?P<query>.*))?", re.DOTALL
)
PLACEHOLDER = re.compile(r"\[your[-_ ]password\]|[<{](your[-_ ])?password[>}]", re.IGNORECASE)
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
OWN = ("client_encoding", "fallback_application_name", "replication")
"""Keywords of libpq that would change what syncnb itself relies on."""


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where to connect: libpq's keywords, and a line for whatever was read in another way than written."""

    parameters: Mapping[str, str]
    notes: tuple[str, ...] = ()


@cache
def keywords() -> frozenset[str]:
    """The connection keywords that this libpq knows."""
    try:
        from psycopg.pq import Conninfo
    except ImportError:
        problem = ConnectError(
            "the PostgreSQL driver is not installed",
            hint='pip install "psycopg[binary]", then restart the kernel',
        )
    else:
        return frozenset(option.keyword.decode() for option in Conninfo.get_defaults())
    raise problem


def from_url(text: str) -> Address:
    """Read `postgres://`, `postgresql+driver://` or `jdbc:postgresql://`.

    Characters such as `@ : / # ?` in user and password may be percent-encoded or not: the address
    is split at the last `@` after which something like `host:port/database?parameters` follows.
    """
    login, rest = _split(text.partition("://")[2])
    user, _, password = login.partition(":")
    pairs = [("user", _decoded(user)), ("password", _decoded(password))]
    pairs += [*_hosts(rest["hosts"]), ("dbname", _decoded(rest["database"] or ""))]
    return _address(pairs, _query(rest["query"] or ""))


def from_sqlalchemy(url: URL) -> Address:
    """Read a SQLAlchemy URL, which holds its parts decoded."""
    port = str(url.port or "")
    told = {
        "user": url.username,
        "password": url.password,
        "host": url.host,
        "port": port,
        "dbname": url.database,
    }
    asked = [
        (key, item)
        for key, value in url.query.items()
        for item in ([value] if isinstance(value, str) else value)
    ]
    return _address([(key, str(value)) for key, value in told.items() if value], asked)


def looks_like_conninfo(text: str) -> bool:
    """Whether this is libpq's own form, `host=… dbname=…`."""
    return bool(re.search(r"(?:^|\s)(?:host|hostaddr|port|dbname|user|password|service)\s*=", text))


def from_conninfo(text: str) -> Address:
    """Read libpq's own form, `host=… dbname=…`."""
    keywords()  # which says so where the driver is missing
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(text)
    except Error:  # whose message repeats the text
        problem = ConnectError(
            "the connection string cannot be understood",
            hint="write keyword=value pairs, values with blanks or quotes in single quotes",
        )
    else:
        return _address([], [(key, str(value)) for key, value in found.items()])
    raise problem


def _split(text: str) -> tuple[str, re.Match[str]]:
    """User and password, and the match of all that follows."""
    authority = re.match(r"[^/?#]*", text)
    end = authority.end() if authority else 0
    ats = [at for at, letter in enumerate(text) if letter == "@"]
    # First as the standard has it, then from the last `@` on, at first only where a database follows.
    usual = max((at for at in ats if at < end), default=-1)
    candidates = [
        (usual, False),
        *((at, True) for at in reversed(ats)),
        *((at, False) for at in reversed(ats)),
    ]
    for at, with_database in candidates:
        found = AFTER_AT.fullmatch(text, at + 1)
        if found and _is_clean(found) and (found["database"] or not with_database):
            return text[: max(at, 0)], found
    raise ConnectError(
        "the URL cannot be understood",
        hint="write postgresql://user:password@host:5432/database, with special characters percent-encoded",
    )


def _is_clean(found: re.Match[str]) -> bool:
    """Whether no `@` is left where it more likely belongs between password and host."""
    if "@" in (found["database"] or ""):
        return False
    items = (found["query"] or "").split("&")
    return all("@" not in item or re.fullmatch(r"\w+=[^/]*", item) for item in items)


def _decoded(text: str) -> str:
    """Percent-encoding taken back where it is one; a `%` that begins none is itself."""
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        plain = text
    if "\0" in plain:
        raise ConnectError("the URL holds a NUL character", hint="remove %00 from it")
    return plain


def _hosts(text: str) -> Iterable[tuple[str, str]]:
    hosts, ports = [], []
    for item in text.split(","):
        found = re.fullmatch(r"(\[.*\]|[^:]*)(?::(\d*))?", item)
        if found:
            hosts.append(_decoded(found[1].strip("[]")))
            ports.append(found[2] or "")
    return _joined(hosts, ports)


def _joined(hosts: list[str], ports: list[str]) -> Iterable[tuple[str, str]]:
    if any(not 0 < int(port) < 65536 for port in ports if port):
        raise ConnectError("the port is not a number from 1 to 65535", hint="check the number after the host")
    yield "host", ",".join(hosts) if any(hosts) else ""
    yield "port", ",".join(ports) if any(ports) else ""


def _query(text: str) -> list[tuple[str, str]]:
    items = (item.partition("=") for item in text.split("&") if item)
    return [(_decoded(key), _decoded(value)) for key, _, value in items]


def _address(told: Iterable[tuple[str, str]], asked: list[tuple[str, str]]) -> Address:
    """All pairs as parameters; what `asked` (the query) says comes last and wins, as in libpq."""
    parameters = {key: value for key, value in told if value}
    notes: list[str] = []
    if several := [value for key, value in asked if key == "host" and value]:
        parameters.update((key, value) for key, value in _query_hosts(several) if value)
    for key, value in asked:
        if key == "host" or not value:
            continue
        notes += _take(key, value, parameters)
    if parameters.get("sslmode", "prefer") not in SSL_MODES:
        raise ConnectError("the sslmode of the URL is none", hint=f"use one of {', '.join(SSL_MODES)}")
    if PLACEHOLDER.fullmatch(parameters.get("password", "")):
        raise ConnectError(
            "the URL still has the dashboard's placeholder for the password",
            hint="put the real password in its place",
        )
    return Address(parameters, tuple(notes))


def _query_hosts(values: list[str]) -> Iterable[tuple[str, str]]:
    """Hosts of the query. SQLAlchemy writes several as `host=a:1&host=b:2`; a socket's path may hold `:`."""
    plain = ",".join(values).split(",")
    found = [re.fullmatch(r"([^/:][^:]*):(\d+)", host) for host in plain]
    hosts = [match[1] if match else host.strip("[]") for match, host in zip(found, plain, strict=True)]
    return _joined(hosts, [match[2] if match else "" for match in found])


def _take(key: str, value: str, parameters: dict[str, str]) -> list[str]:
    """Put one parameter of the query where it belongs. Returns the lines to say about it."""
    if key == "ssl":
        return _take_ssl(value.lower(), parameters)
    if key == "sslmode" and value == "no-verify":
        parameters["sslmode"] = "require"
        return ["sslmode=no-verify is read as sslmode=require"]
    if key in OWN:
        return [f"{key}= was dropped: syncnb sets it itself"]
    if key not in keywords():
        name = key if re.fullmatch(r"[A-Za-z_][\w.-]{0,40}", key) else "a parameter"
        return [f"{name}= was dropped: PostgreSQL's driver does not know it"]
    parameters[key] = value
    if key == "options" and re.search(r"(^|\s)-", value):
        # Neon and others name the project in `options`, which must stay; settings (-c) mostly work too.
        return ["options= is kept, but a transaction pooler may refuse or forget the settings in it"]
    return []


def _take_ssl(value: str, parameters: dict[str, str]) -> list[str]:
    """`ssl=` of JDBC and asyncpg. `ssl=true` asks for TLS and does not say that anybody may answer."""
    if value in SSL_MODES:
        parameters["sslmode"] = value
    elif value in ("false", "0", "off"):
        parameters["sslmode"] = "disable"
    elif value in ("true", "1", "on"):
        return []
    else:
        return ["ssl= was dropped: its value is none that is known"]
    return [f"ssl= is read as sslmode={parameters['sslmode']}"]
