"""Named ways to connect, kept in a TOML file or in the environment, so that no notebook holds an address."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syncnb.errors import ConnectError

__all__ = ["FILE", "from_environment", "profile", "profiles"]

FILE = "syncnb.toml"
PLACE = "SYNCNB_PROFILES"
"""The environment variable that names another file."""
KNOWN = ("path", "url", "env", "timezone", "writable")
SCHEMES = ("postgres://", "postgresql://", "postgresql+", "sqlite:")


def profiles() -> dict[str, Mapping[str, Any]]:
    """The profiles of `syncnb.toml` in this folder (or of the file that SYNCNB_PROFILES names), by name.

        [shop]
        env = "SHOP_URL"
        writable = true

    One of path, url and env; timezone and writable as `sn.connect` takes them. Raises ConnectError for a file
    that cannot be understood; its values are never repeated.
    """
    path = Path(os.environ.get(PLACE, "").strip() or FILE)
    if not path.is_file():
        return {}
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        problem = ConnectError(
            f"{path.name} cannot be read as TOML", hint='write [name] and below it env = "…"'
        )
    else:
        return {name: _checked(path.name, name, value) for name, value in told.items()}
    raise problem  # outside: the parser's error repeats the line, which may hold a password


def _checked(file: str, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConnectError(f"{file}: {name!r} stands outside of a profile", hint="write [name] above it")
    unknown = [word for word in value if word not in KNOWN]
    sources = [word for word in ("path", "url", "env") if word in value]
    if unknown or len(sources) != 1:
        what = f"does not know {unknown[0]!r}" if unknown else "names no source, or several"
        raise ConnectError(f"{file}: [{name}] {what}", hint="one of path, url, env; and timezone, writable")
    return value


def profile(name: str) -> Mapping[str, Any]:
    """One of them. Raises ConnectError with the names there are."""
    found = profiles()
    if name not in found:
        there = ", ".join(found) or f"none: write a {FILE}"
        raise ConnectError(f"there is no profile {name!r}", hint=f"profiles: {there}")
    return found[name]


def from_environment() -> list[str]:
    """The names of the environment variables that hold the URL of a database."""
    return sorted(name for name, value in os.environ.items() if value.strip().startswith(SCHEMES))
