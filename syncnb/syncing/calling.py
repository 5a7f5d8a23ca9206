"""Who runs a sync: the function that called it, and its thread."""

import inspect
import threading

__all__ = ["caller_of"]


def caller_of(told: str | None) -> str:
    """As told, else the function two calls above this one, and the thread that runs it."""
    if told:
        return told
    frame = inspect.currentframe()
    outer = frame.f_back.f_back if frame and frame.f_back else None
    return f"{outer.f_code.co_name if outer else '?'}:{threading.current_thread().name}"
