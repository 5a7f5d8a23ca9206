"""Where the databases of demos live: a private folder and a server, both gone with this process."""

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from syncnb import embedded
from syncnb.errors import ConnectError

__all__ = ["clear", "fresh_database", "fresh_folder"]

# It has nothing to do but to wait for the end of the pipe, which is our own end, however we end.
_WATCH = """trap '' HUP INT TERM; while read -r _; do :; done; rm -rf "$1" """


def fresh_folder() -> Path:
    """An empty folder that only this user can read, removed when this process ends, even by SIGKILL."""
    return _home(os.getpid()).fresh_folder()


def fresh_database(name: str) -> str:
    """The URL of an empty PostgreSQL database. Raises ConnectError where there is no server to be had.

    All demos of a process share one server, so from the second on a database bears a number too.
    """
    return _home(os.getpid()).fresh_database(name)


def clear() -> None:
    """Remove now what would go with this process: the stores of all demos made so far lead nowhere then."""
    _home(os.getpid()).close()
    _home.cache_clear()


@dataclass(eq=False)
class Home:
    """The folder and the server of one process; a fork makes its own."""

    owner: int
    folder: Path
    watcher: "subprocess.Popen[bytes] | None"
    _folders: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _databases: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def fresh_folder(self) -> Path:
        folder = self.folder / str(next(self._folders))
        folder.mkdir()
        return folder

    def fresh_database(self, name: str) -> str:
        number = next(self._databases)
        return self._server.create(name if number == 1 else f"{name}_{number}")

    @cached_property
    def _server(self) -> embedded.Server:
        try:
            own = embedded.find_binaries()
        except ConnectError:
            own = None  # then the server that SYNCNB_TEST_DSN names
        return embedded.server(binaries=own)

    def close(self) -> None:
        """Stop the server and remove the folder. Twice is once; in a fork of the owner nothing happens."""
        if os.getpid() != self.owner:
            return
        if "_server" in vars(self):
            self._server.close()
        if self.watcher and self.watcher.stdin:
            self.watcher.stdin.close()
            self.watcher.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def _home(owner: int) -> Home:
    folder = Path(tempfile.mkdtemp(prefix="syncnb-demo-"))
    home = Home(owner, folder, _watch(folder) if os.name == "posix" else None)
    atexit.register(home.close)
    return home


def _watch(folder: Path) -> "subprocess.Popen[bytes]":
    """A small shell that removes the folder when we are gone: a killed kernel runs no exit handler."""
    quiet = subprocess.DEVNULL
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "syncnb-demo", folder],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
    )
    if watcher.stdin:
        # A fork holds the pipe too, and would keep the folder alive after us.
        os.register_at_fork(after_in_child=watcher.stdin.close)
    return watcher
