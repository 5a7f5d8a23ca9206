"""Who runs a verb, and how its run ends in the journal where the verb cannot end it in its own transaction."""

import inspect
import threading

from syncnb import journal
from syncnb.applying.keeping import Keeper
from syncnb.errors import SyncnbError
from syncnb.stores import conversation

__all__ = ["caller_of", "failed", "finish_apart"]


def caller_of(told: str | None) -> str:
    """As told, else the function that called the verb that asks, and the thread that runs it."""
    if told:
        return told
    frame = inspect.currentframe()
    outer = frame.f_back.f_back if frame and frame.f_back else None
    while outer and outer.f_globals.get("__name__") == conversation.__name__:  # what a verb is wrapped in
        outer = outer.f_back
    return f"{outer.f_code.co_name if outer else '?'}:{threading.current_thread().name}"


def failed(keeper: Keeper, number: int, problem: BaseException) -> None:
    """Say in the journal that a run failed, and why, if the journal can be reached."""
    text = problem.message if isinstance(problem, SyncnbError) else type(problem).__name__
    finish_apart(keeper, number, "failed", text)


def finish_apart(keeper: Keeper, number: int, status: str, error: str) -> None:
    """Say how a run ended, in a transaction of its own, if the journal can be reached."""
    try:
        with keeper.books.writing() as book:
            journal.finish_run(book.sql, number, status=status, error=error)  # type: ignore[arg-type]
            book.commit()
    except SyncnbError:
        return  # its lease runs out, and the next start settles it
