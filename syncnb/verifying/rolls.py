"""The verb `roll_call`, and the lines of a proof that hold a database against an earlier one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

from syncnb.changes import TablePair
from syncnb.matching import Names, Told, families, match
from syncnb.steps.proof import Line, NoneLost
from syncnb.steps.rolls import Name, Roll, RollCall
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Reader, Store
from syncnb.values.raw import to_python
from syncnb.values.reading import as_text

__all__ = ["none_lost_lines", "roll_call"]

LOST = 3
"""Lost things that a line names."""


@one_conversation
def roll_call(
    store: Store,
    tables: "str | Iterable[str] | None" = None,
    *,
    key: "Names | Mapping[str, Names] | None" = None,
) -> RollCall:
    """Every thing of these tables by its name: `sn.verify(r, store, expect=[sn.none_lost(before)])` asks for them later.

    A thing's name is its natural key, else its primary key; a reference in it is told by the name of what it
    leads to, so that a child that moved to another parent counts as lost. `key` tells names for tables that
    have no unique rule. Reads whole tables, and keeps their names in memory.
    """
    with store.reading() as reader:
        return _called(reader, store.name, tables, key)


def _called(
    reader: Reader,
    name: str,
    tables: "str | Iterable[str] | None",
    key: "Names | Mapping[str, Names] | None",
) -> RollCall:
    schema = reader.schema()
    pairs = match(schema, schema, Told(tables=tables, key=key)).pairs
    wanted = {pair.name for pair in pairs}
    # Who is referred to must be known by name, whether it was asked for or not.
    every = match(schema, schema, Told(key=key)).pairs
    needed = wanted | {link.parent for pair in every for link in pair.links}
    names: dict[str, dict[str, Name]] = {}
    rolls: dict[str, Roll] = {}
    for family in families(every):
        for pair in family:
            if pair.name in needed and pair.columns:
                called = _Calling(pair, names)
                names[pair.name] = called.names(reader)
                if pair.name in wanted:
                    rolls[pair.local.label] = Roll(called.by, Counter(names[pair.name].values()))
    told = {pair.local.label: pair.key_names for pair in pairs if pair.key_from == "told"}
    return RollCall(name, {t.local.label: rolls[t.local.label] for t in pairs if t.name in rolls}, told)


class _Calling:
    """The names of one table's rows, from those of its parents."""

    def __init__(self, pair: TablePair, known: Mapping[str, Mapping[str, Name]]) -> None:
        self.pair, self.known = pair, known
        self.naming = pair.natural or pair.key or pair.columns
        self.parents = {
            link.column.name: link.parent
            for link in pair.links
            if link.parent in known or link.parent == pair.name
        }

    @property
    def by(self) -> tuple[str, ...]:
        """What names the rows, in words."""
        return tuple(
            f"{column.name} → {self.parents[column.name]}" if column.name in self.parents else column.name
            for column in self.naming
        )

    def names(self, reader: Reader) -> dict[str, Name]:
        """By key as text, the name of each row."""
        found: dict[str, Name] = {}
        rows = list(self._rows(reader))
        own = dict(rows)
        for key, values in rows:
            found[key] = tuple(
                self._told(column.name, value, own, 0)
                for column, value in zip(self.naming, values, strict=True)
            )
        return found

    def _told(
        self, column: str, value: str | None, own: Mapping[str, tuple[str | None, ...]], depth: int
    ) -> str | None:
        """A value of a name; a reference as the name of what it leads to."""
        parent = self.parents.get(column)
        if parent is None or value is None:
            return value
        if parent != self.pair.name:
            name = self.known[parent].get(value)
            return value if name is None else " / ".join(str(part) for part in name)
        above = own.get(value)
        if above is None or depth > len(own):
            return value
        return " / ".join(
            str(self._told(c.name, v, own, depth + 1)) for c, v in zip(self.naming, above, strict=True)
        )

    def _rows(self, reader: Reader) -> Iterator[tuple[str, tuple[str | None, ...]]]:
        columns = list(dict.fromkeys([*self.pair.key, *self.naming]))
        key_at = [columns.index(column) for column in self.pair.key]
        name_at = [columns.index(column) for column in self.naming]
        number = 0
        with closing(reader.batches(self.pair.local, [c.local.name for c in columns])) as batches:  # type: ignore[type-var]
            for batch in batches:
                parts = [
                    [None if value is None else as_text(value, column.rule) for value in to_python(array)]
                    for column, array in zip(columns, batch.columns, strict=True)
                ]
                for row in zip(*parts, strict=True):
                    number += 1
                    key = ", ".join(str(row[at]) for at in key_at) or str(number)
                    yield key, tuple(row[at] for at in name_at)


def none_lost_lines(reader: Reader, store: str, wanted: NoneLost) -> Iterator[Line]:
    """A line a table: whether everything that was there still is, by name."""
    now = _called(reader, store, list(wanted.before.rolls), wanted.before.told or None)
    for table, roll in wanted.before.rolls.items():
        there = Counter(now.rolls[table].names if table in now.rolls else {})
        lost = sorted((Counter(roll.names) - there).elements(), key=repr)
        shown = "; ".join(" / ".join(str(part) for part in name) for name in lost[:LOST])
        found = f"{sum(roll.names.values()):,} → {there.total():,}" + (f", lost: {shown}" if lost else "")
        more = f" and {len(lost) - LOST:,} more" if len(lost) > LOST else ""
        yield Line(not lost, f"{table}: none lost (by {', '.join(roll.by)})", "0 lost", found + more)
