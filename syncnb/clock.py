"""The one clock that makes our stamps. It stands still where SYNCNB_NOW, or a story of the past, says when it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from syncnb.errors import SyncnbError

__all__ = ["now", "standing_at"]

FIXED = "SYNCNB_NOW"

_told: ContextVar[datetime | None] = ContextVar("syncnb_clock", default=None)


def now() -> datetime:
    """The instant it is, in UTC: the one in SYNCNB_NOW where that is set, as in `2026-01-31T12:00:00Z`."""
    standing = _told.get()
    return _fixed() or datetime.now(UTC) if standing is None else standing


@contextmanager
def standing_at(moment: datetime) -> Iterator[None]:
    """What this thread does in this block happens at that instant: the past of a demo."""
    token = _told.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _told.reset(token)


def _fixed() -> datetime | None:
    told = os.environ.get(FIXED, "").strip()
    if not told:
        return None
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SyncnbError(
            f"{FIXED} is no instant: {told!r}", hint="write it with its zone, as in 2026-01-31T12:00:00Z"
        )
    return moment.astimezone(UTC)
