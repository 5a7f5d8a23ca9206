"""Work that somebody watches: how far it is, and a way to stop it. Verbs need not know who looks on.

Whoever watches starts the work within `watch.work()`. What is opened there is told to stop by `watch.stop()`,
from any other thread: the driver cancels what runs, and the transaction is rolled back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from syncnb.errors import Stopped

__all__ = ["Progress", "Watch", "bar", "to_its_end", "watched"]


class Interruptible(Protocol):
    """A snapshot or a transaction that can be told to stop from another thread."""

    def interrupt(self) -> None: ...


Opened = TypeVar("Opened", bound=Interruptible)
EVERY = 0.1
"""Seconds between two words on how far it is."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is."""

    what: str = ""
    """What it is at: a table, or a verb and a table."""
    done: int = 0
    """Rows."""
    total: int | None = None
    """Of how many; None where nobody knows."""


class Watch:
    """One piece of work, as the one who watches it has it."""

    def __init__(self, told: Callable[[Progress], None] | None = None) -> None:
        self.stopped = False
        """Whether it was told to stop."""
        self._told = told
        self._opened: list[Interruptible] = []
        self._lock = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """What runs in this block, in this thread, is watched."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def stop(self) -> None:
        """Cancel what runs, and let nothing more begin. May be called from any thread; never raises."""
        with self._lock:  # nobody closes a connection while it is being told
            self.stopped = True
            for each in self._opened:
                each.interrupt()

    def check(self) -> None:
        """Raise Stopped where it was told to stop."""
        if self.stopped:
            raise Stopped("it was stopped", hint="start it again when you want it whole")

    def tell(self, progress: Progress) -> None:
        """Say how far it is."""
        self.check()
        if self._told is not None:
            self._told(progress)

    def enter(self, opened: Interruptible) -> None:
        """From now on this is told to stop too."""
        with self._lock:
            self.check()
            self._opened.append(opened)

    def leave(self, opened: Interruptible) -> None:
        """It is about to be closed."""
        with self._lock:
            self._opened = [each for each in self._opened if each is not opened]


_current: ContextVar[Watch | None] = ContextVar("syncnb_watch", default=None)


@contextmanager
def watched(opened: Opened) -> Iterator[Opened]:
    """A snapshot or transaction while it is open: a watch that is at work can stop it."""
    watch = _current.get()
    if watch is None:
        yield opened
        return
    watch.enter(opened)
    try:
        yield opened
    finally:
        watch.leave(opened)


@contextmanager
def to_its_end() -> Iterator[None]:
    """What runs in this block cannot be stopped: to say in a journal how a run ended, after it has."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def bar(total: int | None, *, shown: bool | None, disable: bool | None) -> Any:
    """What counts the rows: the watch, where there is one, else a progress bar.

    shown: whether it is asked for; None: where it takes longer than a moment. disable: no bar; None: only in a terminal.
    """
    watch = _current.get()
    if watch is not None:
        return _Bar(watch, total)
    # A bar that comes and goes in a second is noise, and an output that no test can compare.
    return _lines()(
        total=total, unit=" rows", unit_scale=True, leave=False, delay=0 if shown else 2, disable=disable
    )


@cache
def _lines() -> Any:
    from tqdm.auto import tqdm

    class Lines(tqdm):  # type: ignore[misc]
        """With a lock of its own: tqdm's is shared with forked processes, and one that is killed never gives it back."""

        _lock = threading.RLock()

    return Lines


class _Bar:
    """The small part of tqdm that the verbs use."""

    def __init__(self, watch: Watch, total: int | None) -> None:
        self._watch = watch
        self._total = total
        self._done = 0
        self._what = ""
        self._last = 0.0

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *problem: object) -> None:
        return None

    def set_description(self, what: str, *, refresh: bool = True) -> None:
        self._what = what
        self._tell()

    def update(self, rows: int) -> None:
        self._done += rows
        self._watch.check()
        if time.monotonic() - self._last >= EVERY:
            self._tell()

    def _tell(self) -> None:
        self._last = time.monotonic()
        self._watch.tell(Progress(self._what, self._done, self._total))
