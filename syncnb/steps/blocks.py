"""Rows to be written: one at a time as objects, and in blocks as Arrow columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import pyarrow as pa

from syncnb.values.raw import Raw, to_python

__all__ = ["Block", "Change", "Role", "Verb"]

Verb: TypeAlias = Literal["insert", "update", "delete"]
Role: TypeAlias = Literal["", "park", "late"]
"""A step of its own; one that only makes way for another step of the same rows; one that only completes it."""
OPPOSITE: dict[Verb, Verb] = {"insert": "delete", "update": "update", "delete": "insert"}


@dataclass(frozen=True, slots=True)
class Change:
    """One row to be written. Its verb follows from what was there and what shall be."""

    key: tuple[Raw, ...]
    before: tuple[Raw, ...] | None
    """The columns it concerns as they are now; None where there is no row."""
    after: tuple[Raw, ...] | None
    """The same columns as they shall be; None where there shall be no row."""
    table: str = ""
    columns: tuple[str, ...] = ()

    @property
    def verb(self) -> Verb:
        if self.before is None:
            return "insert"
        return "delete" if self.after is None else "update"

    @property
    def inverse(self) -> "Change":
        """The change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True)
class Block:
    """Rows of one table that are written alike: one verb, one set of columns.

    All values are raw values of the target: what it would give when read, or what is bound to be written.
    Each array has one entry a row.
    """

    table: str
    """The target table's label, as its schema finds it."""
    verb: Verb
    key: tuple[str, ...]
    """The columns that identify a row, by their names in the target."""
    columns: tuple[str, ...]
    """insert: all that are written, the key among them; update: those that change; delete: those that guard."""
    keys: tuple[pa.Array, ...]
    before: tuple[pa.Array, ...] = ()
    """A column each, as shown; empty for inserts."""
    after: tuple[pa.Array, ...] = ()
    """A column each, as meant; empty for deletes."""
    why: str = ""
    """What decided these rows: the policy, in words."""
    whys: tuple[str, ...] = ()
    """The same row by row, where it is not the same for all; empty or one entry a row."""
    reasons: tuple[str, ...] = ()
    """A person's reason for each row, where one was given; empty or one entry a row."""
    path: tuple[str, ...] = ()
    """The table's own name, after its schema's where it has one; for showing it in SQL."""
    role: Role = ""
    """`park` and `late` rows are written twice, and counted where they are written as they were and shall be:
    a parked row lets go of a value before that, a late one gets a reference after it."""
    defaults: tuple[tuple[str, str], ...] = ()
    """insert: columns that are left out and filled by the database, each with what fills it, in words."""
    touch: tuple[str, ...] = ()
    """Columns of bookkeeping, which are stamped: a row of which nothing else is written is not counted as changed."""

    @property
    def only_touches(self) -> bool:
        """Whether it changes nothing but stamps."""
        return bool(self.touch) and self.verb == "update" and set(self.columns) <= set(self.touch)

    def __len__(self) -> int:
        return len(self.keys[0])

    @property
    def inverse(self) -> "Block":
        """The block that takes this one back."""
        return replace(self, verb=OPPOSITE[self.verb], before=self.after, after=self.before)

    def take(self, rows: pa.Array) -> "Block":
        """The same block with only these rows, in this order."""
        keys, before, after = (
            tuple(column.take(rows) for column in columns) for columns in (self.keys, self.before, self.after)
        )
        reasons, whys = (
            tuple(texts[row] for row in rows.to_pylist()) if texts else ()
            for texts in (self.reasons, self.whys)
        )
        return replace(self, keys=keys, before=before, after=after, reasons=reasons, whys=whys)

    def changes(self) -> Iterator[Change]:
        """The rows as objects, one at a time."""
        keys, before, after = (
            list(zip(*map(to_python, columns), strict=True)) if columns else [None] * len(self)
            for columns in (self.keys, self.before, self.after)
        )
        for key, old, new in zip(keys, before, after, strict=True):
            yield Change(key or (), old, new, self.table, self.columns)
