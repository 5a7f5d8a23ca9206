"""One PostgreSQL server of our own: made, watched and removed by a small shell that outlives us.

    we ──(write end of a pipe)──► supervisor: /bin/sh, own session, unprivileged
                                      ├── guard: reads the pipe; at its end stops the server
                                      └── postgres

The pipe ends when we close it, exit, or are killed: nobody else holds its write end. Nothing has to
be told to the supervisor, so there is nothing that a SIGKILL could keep us from telling it.
"""

import atexit
import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syncnb.embedded.account import Account, make_folder, runnable_binaries
from syncnb.errors import ConnectError

__all__ = ["OWNER", "Cluster", "start_cluster"]

OWNER = "postgres"
"""The superuser of every server we make."""

# $1 folder, $2 bin folder, then the server's options. No signal may stop the supervisor before its server;
# the guard and the server hear them again. SIGINT is repeated: a server that has hardly begun is deaf to it.
_SUPERVISOR = r"""
trap '' HUP INT TERM
umask 077
root=$1 bin=$2
shift 2
exec 3<&0 </dev/null >>"$root/log" 2>&1
"$bin/initdb" -D "$root/data" -U postgres -A scram-sha-256 --pwfile="$root/password" \
    -E UTF8 --locale=C --no-sync --no-instructions 3<&-
ended=$?
rm -f "$root/password"
if [ $ended -eq 0 ]; then
    "$bin/postgres" -D "$root/data" "$@" 3<&- &
    server=$!
    (
        trap - HUP INT TERM
        while read -r _; do :; done
        for signal in INT QUIT KILL; do
            tries=0
            while [ $tries -lt 20 ]; do
                kill -$signal $server || exit
                sleep 0.2
                tries=$((tries + 1))
            done
        done
    ) <&3 &
    wait $server
    ended=$?
fi
echo $ended >"$root/ended"
# The log must stay readable until whoever asked for the server lets go.
while read -r _; do :; done <&3
cd /
rm -rf "$root"
trap '' TERM
kill -TERM 0
"""

_DEFAULTS = {
    "max_connections": "60",
    "shared_buffers": "16MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_FILE_SETTINGS = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file")
_READY_WITHIN = 60.0
_STOPPED_WITHIN = 15.0
_GUARDED_WITHIN = 5.0
_PORTS_TRIED = 5


class _PortTaken(Exception):
    """Somebody took the port between our look and the server's."""


@dataclass(eq=False)
class Cluster:
    """A running server and what holds it: `stop` ends both. Stopping twice is stopping once."""

    folder: Path
    port: int
    password: str
    supervisor: "subprocess.Popen[bytes]"
    hold: int | None
    """Our end of the pipe; None once let go."""

    def __repr__(self) -> str:
        return f"Cluster({'stopped' if self.hold is None else 'running'})"

    def stop(self) -> None:
        """Stop the server, wait until it is gone, remove its folder."""
        _RUNNING.discard(self)
        hold, self.hold = self.hold, None
        if hold is None:
            return
        os.close(hold)
        try:
            self.supervisor.wait(_STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.supervisor.pid, signal.SIGKILL)
            self.supervisor.wait()
        if self.supervisor.returncode:
            # It was killed: its guard still stops the server, but nobody waits for that or tidies up.
            deadline = time.monotonic() + _GUARDED_WITHIN
            while _status(self._pid_file) and time.monotonic() < deadline:
                time.sleep(0.02)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "data" / "postmaster.pid"

    def wait_until_ready(self) -> None:
        """Return when the server takes connections; raise with the end of its log when it gave up."""
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline:
            if (self.folder / "ended").exists() or self.supervisor.poll() is not None:
                break
            if _status(self._pid_file) == "ready":
                return
            time.sleep(0.005)
        log = self.log_tail()
        if "could not bind" in log or "Address already in use" in log:
            raise _PortTaken
        hint = "correct the settings, or set SYNCNB_PG_BIN to try other binaries"
        problem = ConnectError(f"PostgreSQL did not start: {_complaint(log)}", hint=hint)
        problem.add_note(f"The end of its log:\n{log}")
        raise problem

    def log_tail(self, lines: int = 12) -> str:
        """The last lines that the server wrote."""
        try:
            text = (self.folder / "log").read_text(errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]).replace(self.password, "***")


_RUNNING: set[Cluster] = set()


def start_cluster(binaries: Path, *, fsync: bool, settings: Mapping[str, str]) -> Cluster:
    """Make and start a server from these binaries; returns when it takes connections."""
    account = Account.unprivileged()
    options = _DEFAULTS | ({} if fsync else _CARELESS) | dict(settings)
    for _ in range(_PORTS_TRIED):
        cluster = _launch(binaries, account, options)
        try:
            cluster.wait_until_ready()
        except _PortTaken:
            cluster.stop()
        except BaseException:
            cluster.stop()
            raise
        else:
            return cluster
    hint = "free a port above 1024 on 127.0.0.1, or set SYNCNB_TEST_DSN to a server that exists"
    raise ConnectError(f"PostgreSQL found its port taken {_PORTS_TRIED} times", hint=hint)


def _launch(binaries: Path, account: Account, options: Mapping[str, str]) -> Cluster:
    try:
        folder = make_folder(account)
        try:
            return _supervise(folder, binaries, account, dict(options))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as problem:
        hint = "run as an ordinary user, or set SYNCNB_TEST_DSN to a server that exists"
        raise ConnectError(f"PostgreSQL could not be started: {problem.strerror}", hint=hint) from None


def _supervise(folder: Path, binaries: Path, account: Account, options: dict[str, str]) -> Cluster:
    runnable = runnable_binaries(binaries, account, folder)
    password, port = secrets.token_hex(16), _free_port()
    _private_file(folder / "password", _verifier(password).encode(), account)
    for name in _FILE_SETTINGS:
        # The server reads these as its own user, who may have no right to where they lie.
        if source := options.get(name):
            _private_file(folder / name, Path(source).read_bytes(), account)
            options[name] = str(folder / name)
    options |= {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(folder)}
    arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    # Both ends are closed in programs that we start (PEP 446); forks are looked after below.
    read_end, hold = os.pipe()
    try:
        supervisor = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISOR, "syncnb-postgres", folder, runnable, *arguments],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
            **account.popen,
        )
    except BaseException:
        os.close(hold)
        raise
    finally:
        os.close(read_end)
    cluster = Cluster(folder, port, password, supervisor, hold)
    _RUNNING.add(cluster)
    return cluster


def _environment() -> dict[str, str]:
    # Not ours: PG* variables would lead the server astray, and its user must not read our secrets.
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR")
    return {"LC_ALL": "C"} | {name: os.environ[name] for name in kept if name in os.environ}


def _verifier(password: str) -> str:
    """What the server keeps of a password (RFC 5803), made with one round of hashing.

    The many rounds of a server's own verifiers make short passwords costly to guess. Ours are 128 random
    bits, which nobody guesses, and the rounds would be paid at every connection: half of its time.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, what, "sha256") for what in (b"Client Key", b"Server Key"))
    salt, stored, server = (b64encode(part) for part in (salt, hashlib.sha256(client).digest(), server))
    return f"SCRAM-SHA-256$1:{salt.decode()}${stored.decode()}:{server.decode()}"


def _private_file(path: Path, content: bytes, account: Account) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    account.own(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _status(pid_file: Path) -> str:
    """What the server says of itself in the eighth line of its pid file."""
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return ""
    return lines[7].strip() if len(lines) > 7 else ""


def _complaint(log: str) -> str:
    """The line of a log that says why, else its last one."""
    lines = log.splitlines() or ["it wrote no log"]
    telling = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line]
    return (telling or lines)[-1].strip()


def _stop_all() -> None:
    for cluster in tuple(_RUNNING):
        cluster.stop()


def _forget_all() -> None:
    # A forked child must not keep its parent's servers alive, nor stop them when it exits.
    for cluster in _RUNNING:
        if cluster.hold is not None:
            os.close(cluster.hold)
            cluster.hold = None
    _RUNNING.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
