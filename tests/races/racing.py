"""Processes that begin at the same moment, and what each of them says."""

import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Said", "race"]

LIMIT = 60.0
Said = tuple[str, Any]
"""`done` and what the work gave; or the name of an error of ours, and its message."""


def race(works: Sequence[Callable[[], Any]]) -> list[Said]:
    """Do all of this at once, each in a fork of its own; what each said, in order. None may take longer than a minute."""
    start = multiprocessing.get_context("fork").Barrier(len(works))
    children = [_forked(work, start) for work in works]
    deadline = time.monotonic() + LIMIT
    said = [_heard(pipe, child, deadline) for child, pipe in children]
    assert not [each for each in said if each[0] == "died"], said
    return said


def _forked(work: Callable[[], Any], start: Any) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    said: Said = ("died", None)
    try:
        start.wait(LIMIT)
        said = _said(work)
    finally:
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(said, pipe)
        os._exit(0)


def _said(work: Callable[[], Any]) -> Said:
    from syncnb.errors import SyncnbError

    try:
        return "done", work()
    except SyncnbError as problem:
        return type(problem).__name__, problem.message
    except BaseException as problem:
        return "died", repr(problem)


def _heard(pipe: int, child: int, deadline: float) -> Said:
    import select

    with os.fdopen(pipe, "rb") as source:
        ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(child, 9)
        text = source.read() if ready else b""
    os.waitpid(child, 0)
    return pickle.loads(text) if text else ("died", "it took too long")
