"""A URL, path, environment variable or frame in; a store out. Secrets are never repeated."""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from syncnb.connecting import files, places, profiles, tls, urls, zones
from syncnb.errors import ConnectError, SyncnbError
from syncnb.stores.port import Store
from syncnb.stores.sqlite import SQLiteStore
from syncnb.stores.sqlite_errors import missing_error

__all__ = ["connect"]

SCHEME = re.compile(r"(?P<jdbc>jdbc:)?(?P<scheme>[A-Za-z][\w.-]*)(?:\+(?P<driver>\w+))?://")
POSTGRES = ("postgres", "postgresql")
SUPPORTED = (
    "SQLite files, PostgreSQL (postgresql://user:password@host/database), files of tables and frames "
    "can be connected to"
)
Zones = str | Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Terms:
    """How the caller wants a store to be."""

    writable: bool
    zones: dict[str, str]


def connect(
    source: Any = None,
    *,
    env: str | None = None,
    profile: str | None = None,
    writable: bool | None = None,
    timezone: Zones = None,
) -> Store:
    """Open a database or frame once, to see that it can be read, and return how to open it again.

    `source` is the path of a SQLite file, a `sqlite:///` or PostgreSQL URL (text or SQLAlchemy's), a file of
    tables (CSV, Parquet, Feather, JSON), a DataFrame, or `{name: frame}`, where a frame may be a list of dicts; or
    `env` names the environment variable that holds a URL or path, or `profile` a section of `syncnb.toml`, which
    may also say `writable` and `timezone`.
    The store is read-only unless `writable`. `timezone` is the zone of stamps that carry none: one for
    all, or `{"table.column": zone, "table": zone, "*": zone}`.

    Raises ConnectError, which never repeats a password.
    """
    try:
        if profile is not None:
            source, env, writable, timezone = _of_profile(profile, source or env, writable, timezone)
        store = _opened(_source(source, env), Terms(bool(writable), zones.normal(timezone)))
        return replace(store, env=env) if env and store.dialect == "postgresql" else store  # type: ignore[type-var]
    except SyncnbError as error:
        problem = error.with_traceback(None)
        problem.__context__ = None
    # The frames beneath, and this one, hold the address: a traceback that shows variables must not.
    del source, env
    raise problem


def _of_profile(name: str, other: Any, writable: bool | None, timezone: Zones) -> tuple[Any, ...]:  # noqa: FBT001
    """Source, variable, permission and zone as a profile has them; what the call says goes before."""
    if other is not None:
        raise ConnectError("a profile and another source were both given", hint="give one of them")
    told = profiles.profile(name)
    return (
        told.get("url", told.get("path")),
        told.get("env"),
        told.get("writable", False) if writable is None else writable,
        told.get("timezone") if timezone is None else timezone,
    )


def _source(source: Any, env: str | None) -> Any:
    if (source is None) == (env is None):
        what = "nothing to connect to was given" if env is None else "a source and env= were both given"
        raise ConnectError(what, hint="give a path, URL or frame, or else env=NAME")
    return source if env is None else _from_environment(env)


def _from_environment(name: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        raise ConnectError(
            "env= is not the name of an environment variable",
            hint='write env="REMOTE_URL" and keep the URL itself in that variable',
        )
    if value := os.environ.get(name, "").strip():
        return value
    if name in os.environ:
        raise ConnectError(f"the environment variable {name} is empty", hint="put the URL or path into it")
    near = difflib.get_close_matches(name.upper(), list(os.environ), n=1)
    hint = f"did you mean {near[0]}?" if near else "set it before Python starts, or with %env in the notebook"
    raise ConnectError(f"there is no environment variable {name}", hint=hint)


def _opened(source: Any, terms: Terms) -> Store:
    if isinstance(source, str):
        return _text(source, terms)
    if isinstance(source, URL):
        return _url(source, terms)
    if isinstance(source, os.PathLike):
        return _file(Path(os.fsdecode(source)), terms)
    if isinstance(source, Mapping) or hasattr(source, "__arrow_c_stream__") or _are_rows(source):
        return _frames(source, terms)
    raise _not_understood(source)


def _are_rows(source: Any) -> bool:
    return isinstance(source, list) and any(isinstance(row, Mapping) for row in source)


def _not_understood(source: Any) -> ConnectError:
    what = type(source).__name__
    if isinstance(source, Store):
        return ConnectError("this is a store already", hint="use it as it is")
    if isinstance(getattr(source, "url", None), URL):
        return ConnectError(
            f"{what} holds connections of its own", hint="pass its address: connect(engine.url)"
        )
    return ConnectError(f"{what} cannot be connected to", hint=SUPPORTED)


def _text(text: str, terms: Terms) -> Store:
    # As dashboards and .env files write it: psql 'postgresql://…'
    text = re.sub(r"^psql\s+", "", text.strip()).strip("'\"")
    if not text:
        raise ConnectError(
            "nothing to connect to was given", hint="give a path, URL or frame, or else env=NAME"
        )
    if found := SCHEME.match(text):
        scheme = found["scheme"].lower()
        if scheme in POSTGRES:
            return _postgres(urls.from_url(text), terms)
        if scheme == "sqlite":
            return _url(_sqlite_url(text), terms)
        if scheme != "file":
            raise _unsupported(scheme)
    if text.startswith("file:"):
        return _sqlite(files.path_of_uri(text), terms)
    if urls.looks_like_conninfo(text) and not files.exists(Path(text)):
        return _postgres(urls.from_conninfo(text), terms)
    return _file(Path(text), terms)


def _file(path: Path, terms: Terms) -> Store:
    """A database in a file, or tables."""
    if not files.holds_tables(path):
        return _sqlite(path, terms)
    from syncnb.stores.frame import FrameStore

    if terms.writable:
        raise ConnectError(f"{path.name} is not written to", hint="connect without writable=True")
    path = files.checked(path)
    if not path.is_file():
        raise missing_error(path)
    return _checked(FrameStore(file=path.absolute(), timezone=terms.zones), terms)


def _sqlite_url(text: str) -> URL:
    try:
        return make_url(text)
    except Exception:  # SQLAlchemy's message repeats the URL
        problem = ConnectError("the URL cannot be understood", hint="write sqlite:///FILE or just the path")
    raise problem


def _url(url: URL, terms: Terms) -> Store:
    backend = url.get_backend_name()
    if backend in POSTGRES:
        return _postgres(urls.from_sqlalchemy(url), terms)
    if backend != "sqlite":
        raise _unsupported(backend)
    path, notes = files.path_of_url(url)
    return _sqlite(path, terms, notes)


def _unsupported(scheme: str) -> ConnectError:
    if scheme in ("http", "https"):
        hint = "copy the connection string (URI) from the dashboard, it begins with postgresql://"
        return ConnectError("this is the address of a web page or API, not of a database", hint=hint)
    return ConnectError(f"{scheme}:// is not supported", hint=SUPPORTED)


def _sqlite(path: Path, terms: Terms, notes: tuple[str, ...] = ()) -> SQLiteStore:
    path = files.checked(path)
    store = SQLiteStore(path, writable=terms.writable, timezone=terms.zones)
    schema = store.inspect()
    zones.check_names(terms.zones, schema)
    if terms.writable and not (os.access(store.path, os.W_OK) and os.access(store.path.parent, os.W_OK)):
        raise ConnectError(
            f"{store.name} or its folder may not be written by this user",
            hint="connect without writable=True, or ask for the right to write",
        )
    if not store.path.stat().st_size:
        notes = (*notes, f"{store.name} is an empty file (0 bytes): a database without tables")
    elif not len(schema):
        notes = (*notes, f"{store.name} has no tables")
    return replace(store, notes=(*notes, *places.notes_of(store.path)))


def _frames(source: Any, terms: Terms) -> Store:
    from syncnb.stores.frame import FrameStore

    if terms.writable:
        raise ConnectError("frames are not written to", hint="connect without writable=True")
    frames = dict(source) if isinstance(source, Mapping) else {"frame": source}
    if not frames or not all(isinstance(name, str) and name for name in frames):
        raise ConnectError("the mapping does not name its frames", hint='write {"table name": frame}')
    return _checked(FrameStore(frames, timezone=terms.zones), terms)


def _checked(store: Store, terms: Terms) -> Store:
    if set(terms.zones) - {"*"}:
        zones.check_names(terms.zones, store.inspect())
    return store


def _postgres(address: urls.Address, terms: Terms) -> Store:
    from syncnb.stores.postgres import PostgresStore

    safe = tls.secured(address)
    told = safe.parameters.get("dbname")
    store = PostgresStore(
        safe.parameters,
        name=told or safe.parameters.get("service") or "",
        writable=terms.writable,
        timezone=terms.zones,
        notes=safe.notes,
    )
    server = store.describe()
    if set(terms.zones) - {"*"}:
        zones.check_names(terms.zones, store.inspect())
    notes = store.notes
    if server.pooled:
        notes = (*notes, "a transaction pooler answers: nothing is kept from one transaction to the next")
    return replace(store, name=told or server.database, notes=notes)
