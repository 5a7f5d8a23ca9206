"""Conflicts of identity before they are in words: classes, places and reasons, a column each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from syncnb.changes import ConflictClass
from syncnb.comparing.entities import Numbers

__all__ = ["NOBODY", "Drafts", "Pairs"]

Pairs = tuple[Numbers, Numbers]
"""Places of local rows, and of the remote rows that belong to them."""
NOBODY = -1
"""The place of a row that a side does not have."""


@dataclass(frozen=True, slots=True)
class Drafts:
    """Conflicts before they are in words, a column each: places in the pools, NOBODY where a side has no row."""

    kinds: Sequence[ConflictClass] = ()
    local: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    remote: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    whys: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.kinds)

    @staticmethod
    def alike(kind: ConflictClass, pairs: Pairs, why: str) -> "Drafts":
        """Conflicts of one class for one reason."""
        count = len(pairs[0])
        return Drafts((kind,) * count, *pairs, (why,) * count)

    @staticmethod
    def joined(parts: "Sequence[Drafts]") -> "Drafts":
        """One after the other."""
        none = Drafts()
        return Drafts(
            tuple(chain.from_iterable(part.kinds for part in parts)),
            np.concatenate([none.local, *(part.local for part in parts)]),
            np.concatenate([none.remote, *(part.remote for part in parts)]),
            tuple(chain.from_iterable(part.whys for part in parts)),
        )
