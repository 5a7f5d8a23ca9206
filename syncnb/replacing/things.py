"""What a row is about: its natural key, with each reference replaced by what it refers to.

So that `shared.example A 192.0.2.25` is one thing, whatever numbers the two sides give to shared.example.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from syncnb.schema import ForeignKey, Schema, Table, UniqueRule
from syncnb.values.raw import Raw
from syncnb.values.reading import as_text

__all__ = ["Thing", "Things", "text"]

Row = dict[str, Raw]
Find = Callable[[Table, tuple[str, ...], tuple[Raw, ...]], Row | None]
"""How to look a parent up: its table, columns and values."""
Thing = tuple["str | Raw | Thing", ...]
DEEPEST = 8
"""References that are followed, so that rows which refer to each other in a circle end somewhere."""


@dataclass(frozen=True, slots=True)
class Things:
    """Names what rows are about, by the catalogue of the target."""

    schema: Schema

    def of(self, table: Table, row: Row, find: Find, *, depth: int = 0) -> Thing:
        """The table's name and the natural key. Where there is none, the primary key is what tells rows apart."""
        rule = self.rule(table, row)
        names = (
            rule.columns if rule else tuple(name for name in row if name in {c.name for c in table.columns})
        )
        return (table.label, *self._parts(table, row, names, find, depth))

    def rule(self, table: Table, row: Row) -> UniqueRule | None:
        """The rule that says what this row is about: the first that is not the primary key and has no NULL."""
        for rule in [*table.natural_rules, *(rule for rule in table.rules if rule.primary)]:
            if all(row.get(name) is not None for name in rule.columns):
                return rule
        return None

    def refers(self, table: Table, rule: UniqueRule) -> bool:
        """Whether the rule has a reference in it, whose numbers mean nothing elsewhere."""
        return any(set(key.columns) <= set(rule.columns) for key in table.foreign_keys)

    def _parts(
        self, table: Table, row: Row, names: tuple[str, ...], find: Find, depth: int
    ) -> Iterator["str | Raw | Thing"]:
        done: set[str] = set()
        for name in names:
            if name in done:
                continue
            key = next(
                (k for k in table.foreign_keys if name in k.columns and set(k.columns) <= set(names)), None
            )
            parent = self._parent(key, row, find) if key is not None and depth < DEEPEST else None
            if key is None or parent is None:
                yield row.get(name)
                continue
            done |= set(key.columns)
            yield self.of(*parent, find, depth=depth + 1)

    def _parent(self, key: ForeignKey, row: Row, find: Find) -> tuple[Table, Row] | None:
        table = next((t for t in self.schema if key.parent in (t.label, t.name)), None)
        values = tuple(row.get(name) for name in key.columns)
        if table is None or None in values:
            return None
        found = find(table, key.parent_columns, values)
        return (table, found) if found is not None else None


def text(thing: Thing) -> str:
    """A thing as a person reads it, without the names of tables."""
    return " ".join(text(part) if isinstance(part, tuple) else as_text(part) for part in thing[1:])
