"""Who changed what since both sides last agreed: what a base says about the differing rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from syncnb.values.canonical import UNKNOWN, shown
from syncnb.values.sides import Side, of_side

__all__ = ["Since"]

Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]
Cells = np.ndarray[tuple[int, int], np.dtype[np.bool_]]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]
Forms = tuple[str | None, ...]
Word = Literal["", "local", "remote", "both", "neither"]


@dataclass(frozen=True)
class Since:
    """What became of the differing rows: those that both sides have, then those of local, then of remote.

    A row without a base is not known: it may be new where it is, or deleted where it is not.
    """

    rows: Sequence[Forms | None]
    """The cells on which both sides agreed, in canonical form, by the pair's columns; None without a base."""
    local: Cells
    """Rows x columns: cells that are no longer in local as they were; of known rows only."""
    remote: Cells
    sizes: tuple[int, int, int]
    """How many rows are changed, only in local and only in remote."""

    @cached_property
    def known(self) -> Rows:
        """Which rows have a base."""
        return np.array([row is not None for row in self.rows], dtype=np.bool_)

    @cached_property
    def untold(self) -> Cells:
        """Cells of which nobody remembers what they were."""
        width = self.local.shape[1]
        return np.array(
            [[form == UNKNOWN for form in row or (UNKNOWN,) * width] for row in self.rows], dtype=np.bool_
        ).reshape(len(self.rows), width)

    def of(self, side: Side) -> Cells:
        """The cells that are no longer as they were, on one side."""
        return of_side(side, self.local, self.remote)

    def part(self, which: Literal["changed"] | Side) -> slice:
        """Where the rows that both sides have stand, or those of one side alone."""
        first, second = self.sizes[0], self.sizes[0] + self.sizes[1]
        return {
            "changed": slice(0, first),
            "local": slice(first, second),
            "remote": slice(second, len(self.rows)),
        }[which]

    def take(self, changed: Places, local: Places, remote: Places) -> "Since":
        """The same of these rows only: of those that both sides have, and of those of each side."""
        parts = (self.part("changed"), changed), (self.part("local"), local), (self.part("remote"), remote)
        rows = np.concatenate([part.start + places for part, places in parts]).astype(np.int64)
        kept = [self.rows[row] for row in rows.tolist()]
        return Since(kept, self.local[rows], self.remote[rows], (len(changed), len(local), len(remote)))

    def gone(self, side: Side) -> tuple[Rows, Rows]:
        """Of the rows that only this side has: which the other one deleted, and which of these changed here."""
        part = self.part(side)
        touched = self.of(side)[part].any(axis=1)
        known = self.known[part]
        return known, known & touched

    def words(self, differs: Cells) -> list[Word]:
        """Of the rows that both sides have: who changed them, as far as they differ."""
        part = self.part("changed")
        cells = differs & ~self.untold[part]
        ours, theirs = (np.any(side[part] & cells, axis=1).tolist() for side in (self.local, self.remote))
        words: list[Word] = []
        for known, here, there in zip(self.known[part], ours, theirs, strict=True):
            words.append(
                "" if not known else "both" if here and there else
                "local" if here else "remote" if there else "neither"
            )  # fmt: skip
        return words

    def clash(self, differs: Cells) -> Cells:
        """Of the rows that both sides have: cells that both changed, and not to the same value."""
        part = self.part("changed")
        return differs & self.local[part] & self.remote[part] & ~self.untold[part] & self.known[part][:, None]

    def text(self, row: int, column: int) -> str | None:
        """A cell as both sides had it, to be read; None for NULL and for what is not known."""
        forms = self.rows[row]
        return None if forms is None or forms[column] == UNKNOWN else shown(forms[column])
