"""Who answers: connections to other machines prove it by a certificate, unless told otherwise."""

import configparser
import importlib
import ipaddress
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from syncnb.connecting.urls import Address

__all__ = ["is_local", "secured", "system_certificates"]

ENVIRONMENT = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, Alpine, BSD
)
SAID = {
    "disable": "nothing is encrypted, the server is not authenticated",
    "allow": "perhaps nothing is encrypted, the server is not authenticated",
    "prefer": "perhaps nothing is encrypted, the server is not authenticated",
    "require": "encrypted, but the server is not authenticated",
}


def secured(address: Address) -> Address:
    """The same address with `sslmode=verify-full` and the system's certificates, where it is not local.

    What the URL, a service file or libpq's environment variables say stays as they say it.
    """
    outside = {**_environment(), **_service(address.parameters)}
    told = {**outside, **address.parameters}
    parameters = dict(address.parameters)
    if mode := told.get("sslmode"):
        parameters["sslmode"] = mode
    elif not is_local(told):
        parameters["sslmode"] = "verify-full"
    if told.get("sslrootcert") == "system" or _needs_authorities(parameters.get("sslmode", ""), told):
        # libpq's own `system` asks the OpenSSL it was built with, and the one inside the binary wheel
        # looks into a folder that no system has.
        parameters["sslrootcert"] = system_certificates() or "system"
        if told.get("sslrootcert") == "system":
            parameters["sslmode"] = "verify-full"
    return Address(parameters, (*address.notes, *_notes(parameters, told)))


def is_local(parameters: Mapping[str, str]) -> bool:
    """Whether every host is this machine. An address cannot make a host of another name local."""
    hosts = parameters.get("host", "").split(",")
    addresses = [address for address in parameters.get("hostaddr", "").split(",") if address]
    return all(map(_is_here, hosts)) and all(map(_is_here, addresses))


def system_certificates() -> str | None:
    """The file of authorities that this machine trusts; None where it has no such file."""
    known = (ssl.get_default_verify_paths().cafile, *BUNDLES)
    if found := next((path for path in known if path and Path(path).is_file()), None):
        return found
    try:
        return str(importlib.import_module("certifi").where())
    except ImportError:
        return None


def _is_here(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _needs_authorities(mode: str, told: Mapping[str, str]) -> bool:
    return mode.startswith("verify") and not told.get("sslrootcert") and not _own_authorities().is_file()


def _own_authorities() -> Path:
    """Where libpq looks by itself; a person who put a file there means it."""
    if os.name == "nt":
        return Path(os.environ.get("APPDATA", "")) / "postgresql" / "root.crt"
    return Path("~/.postgresql/root.crt").expanduser()


def _notes(parameters: Mapping[str, str], told: Mapping[str, str]) -> tuple[str, ...]:
    mode = parameters.get("sslmode", "")
    if is_local(told) or mode not in SAID or (mode == "require" and told.get("sslrootcert")):
        return ()
    return (f"sslmode={mode}: {SAID[mode]}",)


def _environment() -> dict[str, str]:
    return {key: value for key, name in ENVIRONMENT.items() if (value := os.environ.get(name))}


def _service(parameters: Mapping[str, str]) -> dict[str, str]:
    """What the service file says of the service that is named; libpq itself says so where there is none."""
    name = parameters.get("service") or os.environ.get("PGSERVICE")
    if not name:
        return {}
    parser = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    for path in _service_files():
        try:
            parser.read(path)
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
        if parser.has_section(name):
            return dict(parser.items(name))
    return {}


def _service_files() -> list[Path]:
    own = Path(os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf").expanduser()
    folder = os.environ.get("PGSYSCONFDIR")
    return [own, Path(folder) / "pg_service.conf"] if folder else [own]
