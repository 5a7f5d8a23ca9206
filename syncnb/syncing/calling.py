"""Who runs a sync, and how its run ends where it fails."""

import inspect
import threading

from syncnb import journal
from syncnb.applying.keeping import Keeper
from syncnb.errors import SyncnbError

__all__ = ["caller_of", "failed"]


def caller_of(told: str | None) -> str:
    """As told, else the function two calls above this one, and the thread that runs it."""
    if told:
        return told
    frame = inspect.currentframe()
    outer = frame.f_back.f_back if frame and frame.f_back else None
    return f"{outer.f_code.co_name if outer else '?'}:{threading.current_thread().name}"


def failed(keeper: Keeper, number: int, problem: BaseException) -> None:
    """Say in the journal that a run failed, and why, if the journal can be reached."""
    text = problem.message if isinstance(problem, SyncnbError) else type(problem).__name__
    try:
        with keeper.books.writing() as book:
            journal.finish_run(book.sql, number, status="failed", error=text)
            book.commit()
    except SyncnbError:
        return  # its lease runs out, and the next start settles it
