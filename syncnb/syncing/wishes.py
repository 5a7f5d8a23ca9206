"""What was told about a sync, in one value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from syncnb.matching import Told
from syncnb.planning.rekeying import Collisions
from syncnb.resolving import Policy

__all__ = ["Direction", "Wishes"]

Direction: TypeAlias = Literal["push", "pull", "both"]


@dataclass(frozen=True)
class Wishes:
    """What was told, the same for both directions."""

    told: Told
    resolve: Policy
    collisions: Collisions
    allow: tuple[str, ...]
    approved_by: str | None
    source: str | None
    audit_every: timedelta
    progress: bool | None = None
    schemas: Sequence[str] | None = None
