"""Compiled loops for what a large comparison spends its time in; None where this installation has none.

They are built when the package is installed, if there is a C compiler, and nothing but speed depends on them.
`SYNCNB_COMPILED=0` in the environment leaves them alone.
"""

import ctypes
import os
import zlib
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["INT", "LONG", "POINTER", "SOURCE", "function", "kernels", "library"]

POINTER, LONG, INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int

SOURCE = Path(__file__).with_name("kernels.c")


def library(source: Path = SOURCE) -> Path:
    """Where the build of this very source is: its checksum is in the name, so that an older one is never taken for it."""
    return source.with_name(f"kernels.{zlib.crc32(source.read_bytes()):08x}.so")


@cache
def kernels() -> ctypes.CDLL | None:
    """The library, its functions not yet declared."""
    if os.environ.get("SYNCNB_COMPILED") == "0":
        return None
    try:
        return ctypes.CDLL(str(library()))
    except OSError:
        return None


def function(name: str, returns: Any, *taken: Any) -> Any:
    """One of its functions, declared; None where there is no library. Other Python code runs while it does."""
    found = kernels()
    return None if found is None else ctypes.CFUNCTYPE(returns, *taken)((name, found))
