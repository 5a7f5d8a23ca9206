"""A run that has not ended, in words: what is known of it, and what to do meanwhile."""

from syncnb import clock
from syncnb.journal.recording import Run, gone

__all__ = ["how_it_stands"]

NOTHING_TWICE = "nothing is written twice, and what became of this run is settled first"


def how_it_stands(run: Run) -> tuple[str, str] | None:
    """What is known of a run at this moment, and the next move; None where it has ended."""
    name = f"run {run.run} ({run.caller})" if run.caller else f"run {run.run}"
    again = f"{'sync' if run.kind == 'sync' else 'apply its plan'} again: {NOTHING_TWICE}"
    if run.status == "unknown":
        return f"whether {name} was committed is not known: the answer was lost", again
    if run.status != "running":
        return None
    until = f"{run.lease_until:%Y-%m-%d %H:%M:%S}Z"
    if gone(run.backend):
        return f"{name} is still marked running, though its process on this machine is gone", again
    if run.lease_until < clock.now():
        return f"{name} is still marked running, though nothing was heard of it since {until}", again
    return (
        f"{name} is marked running until {until}: it is at work, or was cut off",
        f"wait until then (one at work puts it off), or {again}",
    )
