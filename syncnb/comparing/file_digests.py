"""The bytes of a SQLite file in one digest, read by a process of its own.

A process loses all its locks on a file as soon as it closes any handle of it (POSIX). Whoever opens a database beside
SQLite in one process so takes away the locks by which SQLite keeps its snapshot.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

__all__ = ["file_digest", "files_of"]

PIECE = 2**20


def file_digest(path: Path) -> str:
    """SHA-256 of the database and of what is not yet written into it; empty where it cannot be read."""
    told = subprocess.run([sys.executable, "-I", __file__, str(path)], capture_output=True, text=True)
    return told.stdout.strip()


def files_of(path: Path) -> list[Path]:
    """The database and what is not yet written into it."""
    return [path, *(each for each in (Path(f"{path}-wal"), Path(f"{path}-journal")) if each.is_file())]


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    for each in files_of(path):
        size = each.stat().st_size
        if size:
            found.update(f"{each.name.removeprefix(path.name)} {size}\n".encode())
            with each.open("rb") as file:
                while piece := file.read(PIECE):
                    found.update(piece)
    return found.hexdigest()


if __name__ == "__main__":
    print(_digest(Path(sys.argv[1])))
