"""The one clock that makes our stamps. It stands still where SYNCNB_NOW says when it is."""

import os
from datetime import UTC, datetime

from syncnb.errors import SyncnbError

__all__ = ["now"]

FIXED = "SYNCNB_NOW"


def now() -> datetime:
    """The instant it is, in UTC: the one in SYNCNB_NOW where that is set, as in `2026-01-31T12:00:00Z`."""
    told = os.environ.get(FIXED, "").strip()
    if not told:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SyncnbError(
            f"{FIXED} is no instant: {told!r}", hint="write it with its zone, as in 2026-01-31T12:00:00Z"
        )
    return moment.astimezone(UTC)
