"""Named points at which a run can be made to die, so that tests see what is left behind.

`SYNCNB_FAILPOINT=before-commit` kills the process there, as SIGKILL or a power cut would: nothing is cleaned
up. Where the variable is not set, a point costs one look into the environment.
"""

import os
import signal

from syncnb.errors import SyncnbError

__all__ = ["POINTS", "VARIABLE", "reach"]

VARIABLE = "SYNCNB_FAILPOINT"
POINTS = {
    "run-begun": "the run's row is there, nothing else",
    "staged": "the rows of a block lie beside their table",
    "written": "a block is written and read again",
    "marked": "marker, images and result are written, where they are in the target",
    "before-commit": "all that is left is COMMIT",
    "after-commit": "COMMIT was answered",
    "altered": "one step of a migration is made, in a transaction that is still open",
    "batch": "one of many transactions of a fill is committed",
    "outside-meant": "what runs outside of a transaction is written down, and not yet begun",
    "outside-done": "it is done, and that is not yet written down",
    "between-stages": "a stage of a migration is committed, and the next is not begun",
    "settling": "an earlier run is about to be settled",
    "before-refusal": "rolled back, and the refusal is not yet in the journal",
    "sync-settling": "what a sync that died has left to do is about to be done",
    "sync-begun": "a sync's run has its row, nothing was compared",
    "sync-applied": "a sync has written into the target, and nothing is kept of it where its base is",
    "sync-kept": "base and acknowledgement are kept, and the sync has not said that it is over",
    "upsert-begun": "the run of an upsert has its row, nothing was compared",
    "upsert-told": "a service's own history says that it is in progress",
    "upsert-applied": "an upsert is written, and has not said the last word",
    "intent-kept": "the local journal knows what will be committed, and the target does not yet",
}
"""Every point, and what has happened when it is reached."""


def reach(point: str) -> None:
    """Die here, if that is what the environment says."""
    armed = os.environ.get(VARIABLE)
    if not armed:
        return
    if armed not in POINTS:
        raise SyncnbError(f"{VARIABLE} names no point: {armed!r}", hint=f"points are {', '.join(POINTS)}")
    if armed == point:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
