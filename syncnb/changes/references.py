"""Which columns of compared tables hold the key of another one's row, by the foreign keys of either side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncnb.changes.pairs import TablePair
from syncnb.values.sides import SIDES, Side

__all__ = ["Reference", "references"]


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of a table that hold the key of another one's row, or of its own: places among the pair's columns."""

    child: str
    columns: tuple[int, ...]
    parent: str
    parent_columns: tuple[int, ...]


def references(pairs: Sequence[TablePair]) -> Iterator[Reference]:
    """All of them between these tables, as far as their columns are compared, each once."""
    seen: set[Reference] = set()
    for child in pairs:
        for side in SIDES:
            table = child.on(side)
            for key in table.foreign_keys:
                for parent in pairs:
                    there = parent.on(side)
                    if key.parent not in (there.label, there.name):
                        continue
                    own = _at(child, side, key.columns)
                    theirs = _at(parent, side, key.parent_columns or there.primary_key)
                    if own and len(own) == len(theirs):
                        seen.add(Reference(child.name, own, parent.name, theirs))
    yield from sorted(seen, key=repr)


def _at(pair: TablePair, side: Side, names: Sequence[str]) -> tuple[int, ...]:
    places = {column.on(side).name: at for at, column in enumerate(pair.columns)}
    return tuple(places[name] for name in names) if set(names) <= set(places) else ()
