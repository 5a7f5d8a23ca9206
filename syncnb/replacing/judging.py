"""What a lost row was, what became of its children, and which of its values are gone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from syncnb.replacing.damage import Lost, Orphan
from syncnb.replacing.pairing import Sent
from syncnb.replacing.things import Row, Thing, Things, text
from syncnb.schema import ForeignKey, Table
from syncnb.stores.sqlite_scratch import Hit, Scratch
from syncnb.values.raw import Raw
from syncnb.values.reading import as_text

__all__ = ["Before", "Judge"]

Key = tuple[Raw, ...]
DEEPEST = 16
"""Generations of children that a cascade is followed down."""


@dataclass
class _Child:
    """A row that refers to one that has to go, as it was."""

    table: Table
    reference: ForeignKey
    parent: Table
    values: Key
    """What it refers to."""
    row: Row
    below: list["_Child"] = field(default_factory=list)


@dataclass
class _Going:
    """A row that has to go, as it was."""

    table: Table
    key: Key
    row: Row
    rules: list[str]
    thing: Thing
    children: list[_Child] = field(default_factory=list)


@dataclass
class Before:
    """What was there before one row was put in."""

    sent: Sent
    id: str
    key: Key
    new: Row
    thing: Thing
    going: list[_Going]


@dataclass
class Judge:
    """Looks at the copy before and after."""

    scratch: Scratch
    sent: Mapping[str, Sent]
    """By the name of the table on the copy."""

    def __post_init__(self) -> None:
        self.things = Things(self.scratch.schema)
        self.follows = self.scratch.follows
        self._references = [
            (table, key) for table in self.scratch.schema for key in table.foreign_keys if not table.is_view
        ]
        for number, (table, key) in enumerate(self._references):
            self.scratch.index_target(f"syncnb_reference_{number}", table, key.columns)

    def before(self, sent: Sent, row: int, hits: Sequence[Hit]) -> Before:
        """Remember what has to go for this row of the source, and all that refers to it."""
        new = self.scratch.source_row(sent.number, row)
        key = tuple(new.get(name) for name in sent.key)
        thing = self.things.of(sent.table, new, self._in_source) if hits else ()
        going: dict[tuple[str, Key], _Going] = {}
        for hit in hits:
            if (hit.table, hit.key) not in going:
                one = self._going(hit)
                if one is not None:
                    going[hit.table, hit.key] = one
            if (hit.table, hit.key) in going:
                going[hit.table, hit.key].rules.append(hit.rule)
        for one in going.values():
            if self.follows or one.thing != thing or not self._stays(one, new):
                one.children = self._children(one.table, one.row, 0)
        found = sorted(going.values(), key=lambda each: each.key != key)  # the row with the same id first
        return Before(sent, key_text(key), key, new, thing, found)

    def _stays(self, going: _Going, new: Row) -> bool:
        """Whether all that others refer to is the same in the new row."""
        referred = {
            name
            for _, key in self._references
            if key.parent in (going.table.label, going.table.name)
            for name in key.parent_columns
        }
        return all(name in new and _same(new[name], going.row.get(name)) for name in referred)

    def after(self, before: Before) -> Iterator[Lost]:
        """What is lost of it now."""
        stored = next(iter(self.scratch.find(before.sent.table, before.sent.key, before.key)), before.new)
        for going in before.going:
            lost = self._lost(before, going, stored)
            if lost is not None:
                yield lost

    def refusal(self, before: Before, problem: str) -> str:
        """Why the database does not take a row, where it says no more than that a reference fails."""
        referring = sorted({child.table.label for going in before.going for child in going.children})
        if "FOREIGN KEY" not in problem or not referring:
            return problem
        return f"{problem}: rows of {', '.join(referring)} refer to what has to go"

    def _going(self, hit: Hit) -> _Going | None:
        table = next(table for table in self.scratch.schema if table.name == hit.table)
        names = self.sent[hit.table].key
        found = self.scratch.find(table, names, hit.key)
        if not found:
            return None  # a trigger put it there within the very statement
        thing = self._thing(table, names, hit.key, found[0])
        return _Going(table, hit.key, found[0], [], thing)

    def _thing(self, table: Table, names: tuple[str, ...], key: Key, row: Row) -> Thing:
        """What a row of the target is about: by what it referred to at first, unless it was written since."""
        untouched = row in self.scratch.find_first(table, names, key)
        return self.things.of(table, row, self._at_first if untouched else self._in_target)

    def _children(self, parent: Table, row: Row, depth: int) -> list[_Child]:
        found = []
        for table, key in self._references:
            if key.parent not in (parent.label, parent.name) or depth > DEEPEST:
                continue
            values = tuple(row.get(name) for name in key.parent_columns)
            if None in values:
                continue
            for child in self.scratch.find(table, key.columns, values):
                if not (table.name == parent.name and child == row):
                    follows = self.follows and key.on_delete == "CASCADE"
                    below = self._children(table, child, depth + 1) if follows else []
                    found.append(_Child(table, key, parent, values, child, below))
        return found

    def _lost(self, before: Before, going: _Going, stored: Row) -> Lost | None:
        sent = before.sent
        same_key = self._same_key(before, going)
        same_thing = going.table.name == sent.table.name and (
            going.thing == before.thing or self._by_nature(going, same_key=same_key)
        )
        children = tuple(each for child in going.children for each in self._fates(child, going.thing))
        reset = self._reset(sent, going.row, stored) if same_thing else ()
        changed = [n for n in sent.names if sent.differs(n, before.new.get(n), going.row.get(n))]
        if same_thing and same_key:
            if not (changed or children or reset):
                return None
            what = f"overwritten: {', '.join(changed)}" if changed else "written anew"
        else:
            what = "the same thing under another id" if same_thing else "another thing"
        return Lost(
            sent.real.label, before.id, key_text(going.key), text(going.thing), tuple(going.rules), what,
            children, reset,
        )  # fmt: skip

    def _same_key(self, before: Before, going: _Going) -> bool:
        same = all(_same(a, b) for a, b in zip(before.key, going.key, strict=True))
        primary = [rule.name for rule in going.table.rules if rule.primary]
        return same or bool(set(primary) & set(going.rules))

    def _by_nature(self, going: _Going, *, same_key: bool) -> bool:
        """Whether the database itself takes the two for one thing, by a rule that holds on both sides."""
        rule = self.things.rule(going.table, going.row)
        if rule is None or rule.name not in going.rules:
            return False
        return not self.things.refers(going.table, rule) and not (rule.primary and not same_key)

    def _reset(self, sent: Sent, row: Row, stored: Row) -> tuple[str, ...]:
        defaults = {column.name: column.default for column in sent.real.columns}
        return tuple(
            f"{name} {as_text(row.get(name))} → {self._becomes(stored.get(name), defaults[name])}"
            for name in sent.lacking
            if not _same(row.get(name), stored.get(name))
        )

    def _becomes(self, value: Raw, default: str | None) -> str:
        # The copy of another engine's table knows no defaults.
        return default if self.scratch.deletes_first and default is not None else as_text(value)

    def _fates(self, child: _Child, was: Thing) -> Iterator[Orphan]:
        table = child.table
        names = table.primary_key or tuple(column.name for column in table.columns)
        key = tuple(child.row.get(name) for name in names)
        here = key_text(key)
        now = next(iter(self.scratch.find(table, names, key)), None)
        if now is None:
            yield Orphan(table.label, here, "deleted")
            for grandchild in child.below:
                yield from self._fates(grandchild, self.things.of(table, child.row, self._in_target))
            return
        columns = child.reference.columns
        refers = tuple(now.get(name) for name in columns)
        if refers != child.values:
            told = ", ".join(as_text(value) for value in refers)
            yield Orphan(
                table.label, here, "emptied" if None in refers else "set", "" if None in refers else told
            )
            return
        parent = self._in_target(child.parent, child.reference.parent_columns, child.values)
        if parent is None:
            yield Orphan(table.label, here, "left without a parent")
            return
        thing = self.things.of(child.parent, parent, self._in_target)
        if thing != was:
            yield Orphan(table.label, here, "moved", text(thing))

    def _in_target(self, table: Table, names: tuple[str, ...], values: Key) -> Row | None:
        return next(iter(self.scratch.find(table, names, values)), None)

    def _at_first(self, table: Table, names: tuple[str, ...], values: Key) -> Row | None:
        return next(iter(self.scratch.find_first(table, names, values)), None)

    def _in_source(self, table: Table, names: tuple[str, ...], values: Key) -> Row | None:
        sent = self.sent.get(table.name)
        if sent is None or not set(names) <= set(sent.names):
            return self._in_target(table, names, values)
        self.scratch.index_source(sent.number, names)
        found = self.scratch.source_find(sent.number, names, values)
        return found[1] if found else None


def _same(left: Raw, right: Raw) -> bool:
    return type(left) is type(right) and left == right


def key_text(values: Sequence[Raw]) -> str:
    """A key as a person reads it: `7`, or `(10248, 11)`."""
    parts = [as_text(value) for value in values]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
