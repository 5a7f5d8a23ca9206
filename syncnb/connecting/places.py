"""Where a file lies: on a disk of this machine, or in a place where SQLite's locks may not hold."""

import os
import re
from pathlib import Path

__all__ = ["notes_of"]

MOUNTS = Path("/proc/self/mountinfo")
"""What is mounted where, as Linux tells it; other systems do not, and nothing is said there."""
NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|glusterfs|lustre|davfs|webdav|ncpfs|fuse\.(?!snapfuse)\w+"
)
CLOUDS = re.compile(r"dropbox|onedrive|google ?drive|icloud ?drive|com~apple~clouddocs|nextcloud|owncloud")
HINT = "its locks may not hold there: copy the file to a disk of this machine, and work on the copy"


def notes_of(path: Path) -> tuple[str, ...]:
    """What must be known of where a database lies; nothing where it is on a disk of this machine."""
    real = Path(os.path.realpath(path))
    kind = _file_system(real)
    if NETWORK.fullmatch(kind):
        return (f"{path.name} is on a network file system ({kind}); {HINT}",)
    cloud = next((part for part in real.parent.parts if CLOUDS.match(part.lower())), None)
    if cloud:
        return (f"{path.name} is in a folder that is synchronised ({cloud}); {HINT}",)
    return ()


def _file_system(path: Path) -> str:
    """The type of the file system that a path is on, by the longest mount point above it; empty where unknown."""
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    kinds: dict[Path, str] = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        if len(fields := before.split(" ")) > 4 and after:
            # Blanks and the like are written as \040; of two mounts at one place the later one counts.
            point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
            kinds[Path(point)] = after.split(" ")[0]
    return next((kinds[above] for above in (path, *path.parents) if above in kinds), "")
