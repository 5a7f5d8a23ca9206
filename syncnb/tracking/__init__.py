"""Which rows of a local store changed since both sides agreed: captured by triggers, or told by a queue."""

from syncnb.tracking.acknowledging import acknowledge, acknowledge_in
from syncnb.tracking.capturing import Tracking, track, tracking, untrack
from syncnb.tracking.checking import Gap, Mark
from syncnb.tracking.reading import pending
from syncnb.tracking.waiting import Pending, Touched

__all__ = [
    "Gap",
    "Mark",
    "Pending",
    "Touched",
    "Tracking",
    "acknowledge",
    "acknowledge_in",
    "pending",
    "track",
    "tracking",
    "untrack",
]
