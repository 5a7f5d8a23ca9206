"""A PostgreSQL server that stops as `pg_ctl stop -m immediate` stops it, and starts again on what it had written by then."""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg

from syncnb import embedded
from syncnb.embedded.account import Account
from tests.machines.world import reaching

__all__ = ["Dying", "dying"]

RECOVERY = "automatic recovery in progress"
"""What a server says in its log that finds itself killed."""
WITHIN = 30.0
_GUARDED = r"""
trap '' HUP INT TERM
exec 3<&0 </dev/null >>"$1" 2>&1
shift
"$@" 3<&- &
server=$!
( trap - TERM; while read -r _; do :; done; kill -QUIT $server ) <&3 &
wait $server
kill -TERM $!
"""
"""Runs the server until it ends by itself, or whoever began it is no more: then nobody writes to its pipe."""


class Dying:
    """One whose data lasts. Its URLs are the same after each death."""

    def __init__(self, server: embedded.Server) -> None:
        assert server.socket_dir is not None
        self.server, self.folder, self.account = server, server.socket_dir, Account.unprivileged()
        self.command = shlex.split((self.folder / "data" / "postmaster.opts").read_text())
        self.deaths = 0
        self._guards: list[tuple[subprocess.Popen[bytes], int]] = []

    def stop(self) -> None:
        """No process of it ends what it was at, and nothing more comes to its disk."""
        pg_ctl = Path(self.command[0]).with_name("pg_ctl")
        subprocess.run(
            [pg_ctl, "stop", "-m", "immediate", "-D", self.folder / "data"],
            check=True, stdout=subprocess.DEVNULL, **self.account.popen,
        )  # fmt: skip
        self.deaths += 1

    def start(self) -> None:
        """Come back in the same place; returns when the log was worked off."""
        read_end, hold = os.pipe()
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDED, "syncnb-postgres", self.folder / "log", *self.command],
            stdin=read_end, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            start_new_session=True, **self.account.popen,
        )  # fmt: skip
        os.close(read_end)
        self._guards.append((guard, hold))
        self.wait()

    def wait(self) -> None:
        """Until it can be asked."""
        deadline = time.monotonic() + WITHIN
        while True:
            try:
                psycopg.connect(self.server.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the server does not come back"
                time.sleep(0.02)
            else:
                return

    def let_go(self) -> None:
        """End what was started here."""
        for guard, hold in self._guards:
            os.close(hold)
            guard.wait(WITHIN)

    @property
    def recoveries(self) -> int:
        """How often it found that it had been killed."""
        return (self.folder / "log").read_text(errors="replace").count(RECOVERY)

    def dies(self, point: str, within: float, later: float) -> AbstractContextManager[None]:
        """In this block it dies, at a point or in so many seconds, and is back so many seconds later."""
        return self._at(point, later) if point else self._after(within, later)

    @contextmanager
    def _at(self, point: str, later: float) -> Iterator[None]:
        coming = threading.Timer(later, self.start)

        def die() -> None:
            if coming.ident is None:  # the first time
                self.stop()
                coming.start()

        try:
            with reaching(point, die) as reached:
                yield
            assert reached, f"{point} was not reached"
        finally:
            if coming.ident is not None:
                coming.join()

    @contextmanager
    def _after(self, seconds: float, later: float) -> Iterator[None]:
        def die() -> None:
            self.stop()
            time.sleep(later)
            self.start()

        timer = threading.Timer(seconds, die)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    @contextmanager
    def by_a_process(self, seconds: float) -> Iterator[None]:
        """One of its processes is killed: then it ends all of them, and starts anew by itself."""
        with psycopg.connect(self.server.url()) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
            [pid] = connection.execute(query).fetchone() or [0]
        timer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
        timer.start()
        try:
            yield
        finally:
            timer.join()
            time.sleep(0.2)  # else the last words of the old one might be taken for the new one's
            self.wait()
            self.deaths += 1


@contextmanager
def dying() -> Iterator[Dying]:
    """A server whose data lasts, and which is gone after this block."""
    with embedded.server(fsync=True) as server:
        found = Dying(server)
        try:
            yield found
        finally:
            found.let_go()
