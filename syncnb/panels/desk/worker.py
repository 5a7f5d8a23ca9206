"""One thread that does what was pressed, one thing after the other, and can be stopped."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from syncnb.errors import PlanError
from syncnb.stores.conversation import conversation
from syncnb.watching import Progress, Watch

__all__ = ["Worker"]


class Worker:
    """The thread of one desk. It owns the connections of what it does; they end with it."""

    def __init__(self, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="syncnb-desk")
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self.at: str = ""
        """What it is at; empty where it has nothing to do."""

    def start(
        self, what: str, work: Callable[[], Any], over: Callable[[Any, BaseException | None], None]
    ) -> "Future[Any]":
        """Begin it. `over` is told what came of it, in the thread, before the future is.

        While something else is going on the future holds a PlanError.
        """
        refused: Future[Any] = Future()
        with self._lock:
            if self.at:
                refused.set_exception(
                    PlanError(f"{self.at} is still going on", hint="wait for it, or press Stop")
                )
                return refused
            self.at, self._watch = what, Watch(self._told)
            watch = self._watch
        return self._pool.submit(self._do, watch, work, over)

    def stop(self) -> bool:
        """Tell what is going on to stop; whether there was anything."""
        with self._lock:
            watch = self._watch
        if watch is None:
            return False
        watch.stop()
        return True

    @property
    def stopping(self) -> bool:
        """Whether what is going on was told to stop."""
        return self._watch is not None and self._watch.stopped

    def _do(
        self, watch: Watch, work: Callable[[], Any], over: Callable[[Any, BaseException | None], None]
    ) -> Any:
        value: Any = None
        problem: BaseException | None = None
        try:
            with watch.work(), conversation():
                value = work()
        except BaseException as error:
            problem = error
        with self._lock:
            self.at, self._watch = "", None
        over(value, problem)
        if problem is not None:
            raise problem
        return value
