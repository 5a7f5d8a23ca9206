"""Rows that are written in two steps: what a step really finds and writes, while the other one is not done.

A plan says of such a row what it is and what it shall be. When it runs, a row that was parked is found parked,
and one whose reference comes late is inserted without it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from syncnb.planning.previewing import key_of
from syncnb.steps import Block
from syncnb.values.raw import Raw, from_python, to_python

__all__ = ["Between", "as_run", "in_two_steps"]

Key = tuple[Raw, ...]


def keys_of(block: Block) -> list[Key]:
    return list(zip(*map(to_python, block.keys), strict=True))


def in_two_steps(blocks: Iterable[Block]) -> set[tuple[str, str]]:
    """The rows, as table and key text, that have a step beside the one that counts."""
    return {(block.table, key_of(key)) for block in blocks if block.role for key in keys_of(block)}


@dataclass
class Between:
    """What is different from the plan while it runs."""

    parked: dict[str, dict[Key, dict[str, tuple[Raw, Raw]]]] = field(default_factory=dict)
    """By table and row: columns that a parking step has changed; what was there, and what is."""
    late: dict[str, dict[Key, dict[str, Raw]]] = field(default_factory=dict)
    """By table and row: columns that are set later, and what they are inserted with."""

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> "Between":
        """Before the first step."""
        found = cls()
        for block in blocks:
            if block.role == "late":
                rows = found.late.setdefault(block.table, {})
                for key, values in zip(keys_of(block), _rows(block.columns, block.before), strict=True):
                    # What is set in several steps begins as the first of them finds it.
                    rows[key] = dict(values) | rows.get(key, {})
        return found

    def passed(self, block: Block, image: Block | None = None) -> None:
        """A step is done; `image` has all columns of its rows as they were and are, also what triggers did."""
        if block.role != "park":
            return
        seen = image or block
        rows = self.parked.setdefault(block.table, {})
        for name, before, after in zip(seen.columns, seen.before, seen.after, strict=True):
            if before.equals(after):
                continue
            for key, old, new in zip(keys_of(seen), to_python(before), to_python(after), strict=True):
                if _other(old, new):
                    row = rows.setdefault(key, {})
                    row[name] = (row[name][0] if name in row else old, new)

    def real(self, block: Block) -> Block:
        """A step as it is run now."""
        if block.role:
            return block
        if block.verb == "insert":
            late = self.late.get(block.table)
            return replace(block, after=_patched(block, block.after, _set(block, late))) if late else block
        parked = self.parked.get(block.table)
        return (
            replace(block, before=_patched(block, block.before, _found(block, parked))) if parked else block
        )


Cells = Mapping[str, Mapping[int, Raw]]
"""By column and row number: another value."""


def _set(block: Block, rows: Mapping[Key, Mapping[str, Raw]]) -> Cells:
    found: dict[str, dict[int, Raw]] = {}
    for row, key in enumerate(keys_of(block)):
        for name, value in rows.get(key, {}).items():
            found.setdefault(name, {})[row] = value
    return found


def _found(block: Block, rows: Mapping[Key, Mapping[str, tuple[Raw, Raw]]]) -> Cells:
    """What parked rows hold now, in the columns that were as the plan has them before."""
    found: dict[str, dict[int, Raw]] = {}
    planned = {name: to_python(array) for name, array in zip(block.columns, block.before, strict=True)}
    for row, key in enumerate(keys_of(block)):
        for name, (old, new) in rows.get(key, {}).items():
            if name in planned and not _other(planned[name][row], old):
                found.setdefault(name, {})[row] = new
    return found


def _other(left: Raw, right: Raw) -> bool:
    return type(left) is not type(right) or (left != right and left == left)


def _patched(block: Block, arrays: Sequence[pa.Array], cells: Cells) -> tuple[pa.Array, ...]:
    patched = list(arrays)
    for name, values in cells.items():
        at = block.columns.index(name)
        whole = to_python(arrays[at])
        for row, value in values.items():
            whole[row] = value
        patched[at] = _like(whole, arrays[at].type)
    return tuple(patched)


def _like(values: Sequence[Raw], wanted: pa.DataType) -> pa.Array:
    """Of the same type as before, where that can hold them."""
    array = from_python(values)
    if array.type == pa.null() or {array.type, wanted} == {pa.float32(), pa.float64()}:
        return array.cast(wanted) if not pa.types.is_struct(wanted) else array
    return array


def _rows(names: Sequence[str], arrays: Sequence[pa.Array]) -> Iterator[list[tuple[str, Raw]]]:
    for values in zip(*map(to_python, arrays), strict=True):
        yield list(zip(names, values, strict=True))


def as_run(blocks: Sequence[Block]) -> Iterator[Block]:
    """All steps as they run, where nothing but the plan changes the rows."""
    between = Between.of(blocks)
    for block in blocks:
        yield between.real(block)
        between.passed(block)
