"""Ids that do not mean the same thing on both sides, and what takes one side's ids to the other's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values.arrays import mask
from syncnb.values.numbers import whole
from syncnb.values.raw import to_python
from syncnb.values.rules import Rule
from syncnb.values.sides import Side, own_first

__all__ = ["Ids", "Rows", "key_names", "names"]

Rows = np.ndarray[tuple[int], np.dtype[np.bool_]]
TEXT = pa.string()


def names(rule: Rule, array: pa.Array, side: Side) -> pa.Array:
    """Ids as text in canonical form, the same for the same id, whatever type holds it; NULL stays NULL."""
    quick = rule.column(array, side)
    if quick is not None and quick.type in (pa.int64(), TEXT, pa.null()):
        return quick.cast(TEXT)
    tokens = (None if value is None else rule.token(value, side) for value in to_python(array))
    return pa.array([None if token is None else _written(token) for token in tokens], TEXT)


def key_names(key: Sequence[tuple[Rule, pa.Array]], side: Side) -> list[str | None]:
    """The key of each row as one text: its name where it is one column, else the names as a JSON list."""
    parts = [names(rule, array, side).to_pylist() for rule, array in key]
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    return [json.dumps(row, ensure_ascii=False) for row in zip(*parts, strict=True)]


def _written(token: Any) -> str:
    kind, value = token if isinstance(token, tuple) and len(token) == 2 else ("", token)
    if kind == "number":
        return whole(value)
    return f"{value}" if kind in ("uuid", "text") else repr(token)


def _nothing() -> pa.Array:
    return pa.nulls(0)


@dataclass(frozen=True)
class Ids:
    """Of one table: the ids whose rows are not the same thing on the other side.

    Every id that is not listed means the same row on both. `local` and `remote` are raw and stand side by
    side: the ids of one thing, NULL where that side lacks the thing while another one has its id.
    """

    local: pa.Array = field(default_factory=_nothing)
    remote: pa.Array = field(default_factory=_nothing)
    local_names: pa.Array = field(default_factory=lambda: pa.nulls(0, TEXT))
    remote_names: pa.Array = field(default_factory=lambda: pa.nulls(0, TEXT))
    unsure: frozenset[str] = frozenset()
    """Names of ids of which nobody can tell whether they are one thing, renamed, or two."""

    def __len__(self) -> int:
        return len(self.local)

    @cached_property
    def mapped(self) -> int:
        """Things that both sides have, under different ids."""
        return int((_there(self.local_names) & _there(self.remote_names)).sum())

    @cached_property
    def as_text(self) -> tuple[tuple[str | None, str | None], ...]:
        """The pairs as text, in order; two values are the same exactly when these are."""
        pairs = zip(self.local_names.to_pylist(), self.remote_names.to_pylist(), strict=True)
        return tuple(sorted(pairs, key=lambda pair: (pair[0] or "", pair[1] or "")))

    @property
    def mapped_names(self) -> list[tuple[str, str]]:
        """Those of things that both sides have, as names, in order."""
        both = pa.array(_there(self.local_names) & _there(self.remote_names))
        sides = (self.local_names.filter(both), self.remote_names.filter(both))
        return sorted(zip(*(side.to_pylist() for side in sides), strict=True))

    def same_as(self, other: "Ids") -> bool:
        """Whether both say the same of every id."""
        return len(self) == len(other) and self.unsure == other.unsure and self.as_text == other.as_text

    def lookup(self, ids: pa.Array, side: Side) -> tuple[pa.Array, Rows, Rows]:
        """Where these ids (as names) of one side lead on the other.

        Gives for each a place in `local` and `remote` (NULL: it means the same there), whether it is
        listed, and whether it is listed and the other side lacks the thing.
        """
        ours, theirs = self._sides(side)
        places = pc.index_in(ids, value_set=ours, skip_nulls=True)
        moved = _there(places) & _there(ids)
        lost = moved & ~_there(theirs.take(places))
        return places, moved, lost

    def across(self, ids: pa.Array, side: Side) -> tuple[pa.Array, Rows]:
        """These ids (as names) of one side as names of the other side's ids, and which have none there."""
        if not len(self):
            return ids, np.zeros(len(ids), dtype=np.bool_)
        places, moved, lost = self.lookup(ids, side)
        _, theirs = self._sides(side)
        return pc.if_else(pa.array(moved), theirs.take(places), ids), lost

    def _sides(self, side: Side) -> tuple[pa.Array, pa.Array]:
        return own_first(side, self.local_names, self.remote_names)


def _there(array: pa.Array) -> Rows:
    return mask(array.is_valid())
