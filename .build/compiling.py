"""Builds the compiled loops with the package where there is a C compiler, and says so where there is none.

By hand, in place: python .build/compiling.py
"""

import ctypes
import os
import platform
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
ROOM = PROJECT / "syncnb" / "compiled"
FLAGS = ("-O3", "-std=c11", "-shared", "-fPIC", "-fvisibility=hidden")


def compiled() -> Path | None:
    """The library beside its source; None, and a line that says why, where it cannot be built."""
    found: Path = runpy.run_path(str(ROOM / "__init__.py"))["library"](ROOM / "kernels.c")
    for old in ROOM.glob("kernels.*.so"):
        if old != found or not _loads(old):
            old.unlink(missing_ok=True)
    if found.exists():
        return found
    problem = _built(found)
    if problem:
        print(
            f"syncnb goes without its compiled loops, which cost nothing but speed: {problem}",
            file=sys.stderr,
        )
    return None if problem else found


def _built(library: Path) -> str:
    """Nothing, or why it could not be built."""
    if sys.byteorder != "little" or os.name != "posix" or platform.python_implementation() != "CPython":
        return "they are not for this platform"
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if not shutil.which(compiler[0]):
        return f"there is no C compiler {compiler[0]}"
    made = library.with_suffix(f".{os.getpid()}")  # under its own name only when it is whole
    told = [*compiler, *FLAGS, str(ROOM / "kernels.c"), "-o", str(made)]
    done = subprocess.run(told, capture_output=True, text=True, check=False)
    if done.returncode:
        made.unlink(missing_ok=True)
        return done.stderr or f"{compiler[0]} ended with {done.returncode}"
    made.replace(library)
    return ""


def _loads(library: Path) -> bool:
    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand
    pass
else:

    class Compiling(BuildHookInterface):  # type: ignore[type-arg]
        """A wheel with the library is one of this platform, for any Python 3; one without is one of any platform."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Called by the back end before it puts a wheel together."""
            if (library := compiled()) is not None:
                place = sysconfig.get_platform().replace("-", "_").replace(".", "_")
                build_data["pure_python"] = False
                build_data["tag"] = f"py3-none-{place}"
                build_data["artifacts"].append(f"/{library.relative_to(PROJECT).as_posix()}")


if __name__ == "__main__":
    print(compiled() or "not built")
