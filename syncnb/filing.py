"""Files that are written whole or not at all: under their name stands what was there before, or all that is new."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["writing_whole"]


@contextmanager
def writing_whole(path: Path, *, private: bool = False, lasting: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, which takes its name when the block ends; where the block fails, nothing is left of it.

    A process that is killed within leaves the old file, and beside it a hidden one that ends in `.part`.

    private: only its owner may read it; else it has the permissions of the file that it replaces, or those that new
        files get. lasting: it is on the disk when the block has ended, whatever the machine does then.

    Raises OSError.
    """
    # A name that nobody can foresee, and that is not there yet: another process may write the same file now.
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with open(number, "wb") as file:
            if not private:
                _like_before(path, part)
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if lasting:
        _remember_name(path.parent)


def _like_before(path: Path, part: Path) -> None:
    """What only some may read stays so."""
    with suppress(OSError):
        part.chmod(stat.S_IMODE(path.stat().st_mode))


def _remember_name(folder: Path) -> None:
    """A name is kept by its folder, which some systems cannot be asked to write down."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
