"""The shipped notebooks, and a copy of them where a person may change what they like."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from syncnb.errors import SyncnbError
from syncnb.filing import writing_whole

__all__ = ["Copies", "copy_notebooks", "shipped"]

RECORD = ".syncnb.json"
"""What was copied, by SHA-256: a file that is still so was not changed by anybody."""


@dataclass(frozen=True, slots=True)
class Copies:
    """What became of each shipped notebook, by file name."""

    fresh: tuple[str, ...] = ()
    """Not there before."""
    updated: tuple[str, ...] = ()
    """Replaced an older one that nobody had changed."""
    same: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Changed by somebody, and so left alone."""

    @property
    def as_shipped(self) -> tuple[str, ...]:
        """The files that are now what we ship."""
        return (*self.fresh, *self.updated, *self.same)


def shipped() -> dict[str, bytes]:
    """The notebooks of the installed package, or of the source tree, in name order."""
    package = resources.files("syncnb")
    # In a wheel they lie within the package, in a source tree beside it.
    source = Path(str(package)).parent / "notebooks"
    found = _in(package / "notebooks") or _in(source)
    return dict(sorted(found.items()))


def _in(folder: Traversable) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".ipynb")}


def copy_notebooks(files: Mapping[str, bytes], folder: Path) -> Copies:
    """Bring `folder` up to date with these notebooks; never overwrite what somebody changed.

    Raises SyncnbError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _copied(files, folder)
    except OSError as error:
        raise SyncnbError(
            f"the notebooks cannot be copied to {folder}: {error.strerror}",
            hint="name a folder that you may write to: syncnb lab FOLDER",
        ) from None


def _copied(files: Mapping[str, bytes], folder: Path) -> Copies:
    record = _record(folder / RECORD)
    found: dict[str, list[str]] = {"fresh": [], "updated": [], "same": [], "kept": []}
    for name, content in files.items():
        state = _state(folder / name, content, record.get(name))
        found[state].append(name)
        if state in ("fresh", "updated"):
            # A copy that was cut short must not be taken for a file that somebody changed.
            with writing_whole(folder / name) as file:
                file.write(content)
        if state != "kept":
            record[name] = _sum(content)
    with writing_whole(folder / RECORD) as file:
        file.write(json.dumps(record, indent=1).encode())
    return Copies(**{state: tuple(names) for state, names in found.items()})


def _state(path: Path, content: bytes, copied: object) -> str:
    if not path.exists() and not path.is_symlink():
        return "fresh"
    there = path.read_bytes() if path.is_file() else b""
    if there == content:
        return "same"
    return "updated" if _sum(there) == copied else "kept"


def _record(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # then whatever differs counts as changed by somebody
    return told if isinstance(told, dict) else {}


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
