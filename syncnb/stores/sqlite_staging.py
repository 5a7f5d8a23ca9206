"""The rows of one block in a temporary table of SQLite, and the set statements that read it.

The staged columns have no type, so that each value keeps its storage class.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import copysign

import pyarrow as pa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.schema import Table
from syncnb.steps import Block
from syncnb.stores.sqlite_queries import rowid_name
from syncnb.stores.staging import NUMBER
from syncnb.values.raw import BadText, Raw, to_python

__all__ = ["SIGN", "Layout", "Part", "fill", "layout", "sign"]

SIGN = "syncnb_sign"
"""Our own function: nothing in SQLite's SQL tells -0.0 from 0.0, which it keeps apart all the same."""

_quote = sqlite_dialect().identifier_preparer.quote_identifier


def sign(value: object) -> float:
    """The sign of a real, of zero too."""
    return copysign(1.0, value) if isinstance(value, float) else 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """One staged column."""

    name: str
    values: list[Raw]


@dataclass(frozen=True)
class Layout:
    """How a block is staged, and every statement about it."""

    table: Table
    block: Block
    parts: tuple[Part, ...]
    keys: tuple[str, ...]
    """The staged names of the block's key, in its order."""
    source: str
    """The temporary table."""

    @property
    def create(self) -> str:
        columns = [f"{_quote(NUMBER)} INTEGER PRIMARY KEY", *(part.name for part in self.parts)]
        return f"CREATE TABLE {self.source} ({', '.join(columns)})"

    def present(self, columns: Sequence[str]) -> str:
        """The rows that have a staged key, with the number of each, in their order."""
        chosen = ", ".join([f"s.{_quote(NUMBER)}", *(f"t.{_quote(name)}" for name in columns)])
        return f"SELECT {chosen} FROM {self._joined()} WHERE {self._matched()} ORDER BY s.{_quote(NUMBER)}"  # noqa: S608

    @property
    def write(self) -> str:
        """The guarded set statement.

        OR ABORT, because a table may have been declared with ON CONFLICT REPLACE or IGNORE, which would
        delete rows that nobody has seen, or leave out planned ones.
        """
        block = self.block
        if block.verb == "insert":
            names = ", ".join(map(_quote, block.columns))
            values = ", ".join(f"s.n{number}" for number in range(len(block.columns)))
            return f"INSERT OR ABORT INTO {self._name} ({names}) SELECT {values} FROM {self.source} AS s ORDER BY s.{_quote(NUMBER)}"  # noqa: S608, E501
        where = " AND ".join([self._matched(), *self._guards()])
        if block.verb == "delete":
            return self._delete(where)
        values = ", ".join(f"{_quote(column)} = s.n{number}" for number, column in enumerate(block.columns))
        return f"UPDATE OR ABORT {self._name} AS t SET {values} FROM {self.source} AS s WHERE {where}"  # noqa: S608

    @property
    def shrinks(self) -> bool:
        """Whether a delete takes rows of its own block along before their turn, and so counts too few."""
        return self.block.verb == "delete" and any(
            key.parent == self.table.name and key.on_delete == "CASCADE" for key in self.table.foreign_keys
        )

    @property
    def guarded(self) -> str:
        """How many rows are there as they are guarded."""
        where = " AND ".join([self._matched(), *self._guards()])
        return f"SELECT count(*) FROM {self._joined()} WHERE {where}"  # noqa: S608

    def following(self, child: Table, pairs: Sequence[tuple[str, str]], columns: Sequence[str]) -> str:
        """The rows of `child` that refer to rows with a staged key, compared as the parent's column compares."""
        theirs = ", ".join(f"t.{_quote(name)} AS p{at}" for at, (_, name) in enumerate(pairs))
        parents = f"SELECT {theirs} FROM {self._joined()} WHERE {self._matched()}"  # noqa: S608
        chosen = ", ".join(f"t.{_quote(name)}" for name in columns)
        equal = " AND ".join(f"p.p{at} = t.{_quote(name)}" for at, (name, _) in enumerate(pairs))
        return (
            f"SELECT {chosen} FROM ({parents}) AS p CROSS JOIN main.{_quote(child.name)} AS t WHERE {equal}"  # noqa: S608
        )

    def _delete(self, where: str) -> str:
        rowid = rowid_name(self.table)
        if not rowid and not self.table.primary_key:
            return (
                f"DELETE FROM {self._name} AS t WHERE EXISTS (SELECT 1 FROM {self.source} AS s WHERE {where})"  # noqa: S608
            )
        names = [rowid] if rowid else [_quote(name) for name in self.table.primary_key]
        found = f"SELECT {', '.join(f't.{name}' for name in names)} FROM {self._joined()} WHERE {where}"  # noqa: S608
        return f"DELETE FROM {self._name} WHERE ({', '.join(names)}) IN ({found})"  # noqa: S608

    @property
    def _name(self) -> str:
        return f"main.{_quote(self.table.name)}"

    def _joined(self) -> str:
        # CROSS JOIN: the staged rows first, and each one's row by the table's own index. Without statistics
        # of a temporary table SQLite might read the whole of the other one.
        return f"{self.source} AS s CROSS JOIN {self._name} AS t"

    def _matched(self) -> str:
        """The key by its own `=`, which an index serves, and exactly."""
        pairs = zip(self.block.key, self.keys, self.block.keys, strict=True)
        return " AND ".join(
            f"t.{_quote(name)} IS s.{staged} AND {_same(f't.{_quote(name)}', f's.{staged}', values)}"
            for name, staged, values in pairs
        )

    def _guards(self) -> Iterator[str]:
        for number, (name, values) in enumerate(zip(self.block.columns, self.block.before, strict=True)):
            yield _same(f"t.{_quote(name)}", f"s.o{number}", values)


def layout(table: Table, block: Block, number: int) -> Layout:
    """How to stage this block, as the transaction's `number`-th."""
    parts: list[Part] = []
    keys = []
    for at, (name, values) in enumerate(zip(block.key, block.keys, strict=True)):
        if block.verb == "insert" and name in block.columns:
            keys.append(f"n{block.columns.index(name)}")  # it is among the new values already
        else:
            keys.append(f"k{at}")
            parts.append(Part(f"k{at}", to_python(values)))
    if block.verb != "insert":
        parts += [Part(f"o{at}", to_python(values)) for at, values in enumerate(block.before)]
    if block.verb != "delete":
        parts += [Part(f"n{at}", to_python(values)) for at, values in enumerate(block.after)]
    return Layout(table, block, tuple(parts), tuple(keys), f"temp.syncnb_staged_{number}")


def fill(connection: sqlite3.Connection, staged: Layout) -> None:
    """Make the temporary table and put the rows in."""
    connection.execute(staged.create)
    marks = ", ".join("?" * (len(staged.parts) + 1))
    bad = {part.name: _bad(part.values) for part in staged.parts}
    columns = [[_bound(v) for v in part.values] if bad[part.name] else part.values for part in staged.parts]
    rows = zip(range(len(staged.block)), *columns, strict=True)
    connection.executemany(f"INSERT INTO {staged.source} VALUES ({marks})", rows)  # noqa: S608
    for name, numbers in bad.items():
        # sqlite3 cannot bind text that is not UTF-8, but SQLite can call bytes text.
        cast = f"UPDATE {staged.source} SET {name} = CAST({name} AS TEXT) WHERE {_quote(NUMBER)} = ?"  # noqa: S608
        connection.executemany(cast, [(number,) for number in numbers])


def _bad(values: Sequence[Raw]) -> list[int]:
    if BadText not in set(map(type, values)):
        return []
    return [number for number, value in enumerate(values) if isinstance(value, BadText)]


def _bound(value: Raw) -> Raw:
    return value.data if isinstance(value, BadText) else value


def _same(theirs: str, staged: str, values: pa.Array) -> str:
    """Exactly the same value: `IS` alone takes 1 for 1.0, '1' for 1 in some columns, and -0.0 for 0.0."""
    terms = [f"{theirs} IS {staged} COLLATE BINARY", f"typeof({theirs}) = typeof({staged})"]
    if _has_zero(values):
        # CASE, because our function must not be called with text that is not UTF-8.
        terms.append(f"CASE typeof({theirs}) WHEN 'real' THEN {SIGN}({theirs}) = {SIGN}({staged}) ELSE 1 END")
    return " AND ".join(terms)


def _has_zero(values: pa.Array) -> bool:
    if pa.types.is_struct(values.type):
        values = values.field("f")
    return pa.types.is_floating(values.type) and 0.0 in set(values.to_pylist())
