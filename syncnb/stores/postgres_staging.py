"""The rows of one block beside their PostgreSQL table, and the set statements that read them.

They are a temporary table that goes with the transaction: keys and new values in the table's own types,
guards in a type whose `=` is identity. Where the role may not make one, they are arrays in settings that
go with the transaction as well, so that one text of SQL serves both.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from syncnb.schema import Column, Table
from syncnb.steps import Block
from syncnb.stores.postgres_copy import QUOTED, copy_out, qualified, selected
from syncnb.stores.staging import NUMBER
from syncnb.values.kinds import Kind

__all__ = ["Layout", "Part", "layout", "unlimited"]

EXACT = {
    Kind.INTEGER: "bigint",
    Kind.BOOLEAN: "boolean",
    Kind.BYTES: "bytea",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.TIMESTAMP: "timestamp without time zone",
    Kind.TIMESTAMPTZ: "timestamp with time zone",
    Kind.UUID: "uuid",
    Kind.TEXT: "text",
}
"""Kinds with a type that holds all their values and whose `=` (of text: in "C") is identity."""

FLOATS = {Kind.FLOAT: "double precision", Kind.FLOAT4: "real"}
"""Their `=` takes -0 for 0; their shortest text does not."""

C = 'COLLATE pg_catalog."C"'


@dataclass(frozen=True, slots=True)
class Part:
    """One staged column."""

    name: str
    type: str
    """As SQL casts to it, without a length: a cast would cut silently what an assignment refuses."""
    prototype: str
    """An expression over `t` of exactly the staged type, with length and collation."""
    values: pa.Array


@dataclass(frozen=True)
class Layout:
    """How a block is staged, and every statement about it. `source` is where the staged rows are."""

    table: Table
    block: Block
    parts: tuple[Part, ...]
    keys: tuple[str, ...]
    """The staged names of the block's key, in its order."""
    source: str

    @property
    def numbers(self) -> pa.Array:
        """The row numbers, the first staged column."""
        return pa.array(np.arange(len(self.block)))

    @property
    def create(self) -> str:
        """The temporary table: CREATE TABLE AS, because only a query passes on types with all they have."""
        columns = [
            f"0::bigint AS {QUOTED(NUMBER)}",
            *(f"{part.prototype} AS {part.name}" for part in self.parts),
        ]
        prototype = f"SELECT {', '.join(columns)} FROM {qualified(self.table)} AS t"  # noqa: S608
        return f"CREATE TEMPORARY TABLE {self.source} ON COMMIT DROP AS {prototype} WITH NO DATA"

    @property
    def unique(self) -> str:
        """What makes a key that is staged twice an error, and gives the planner its index."""
        if not any(keys.null_count for keys in self.block.keys):
            return f"ALTER TABLE {self.source} ADD PRIMARY KEY ({', '.join(self.keys)})"
        return f"CREATE UNIQUE INDEX ON {self.source} ({', '.join(self.keys)}) NULLS NOT DISTINCT"

    @property
    def twice(self) -> str:
        """Whether a key is staged twice, asked where there is no index to refuse it."""
        keys = ", ".join(f"s.{key}" for key in self.keys)
        return f"SELECT EXISTS (SELECT FROM {self.source} AS s GROUP BY {keys} HAVING count(*) > 1)"  # noqa: S608

    def present(self, columns: Sequence[Column], *, lock: bool) -> str:
        """The COPY of the rows that have a staged key, with the number of each."""
        chosen = ", ".join([f"s.{QUOTED(NUMBER)}", *map(selected, columns)])
        joined = f"{qualified(self.table)} AS t JOIN {self.source} AS s ON {self._matched()}"
        query = f"SELECT {chosen} FROM {joined}"  # noqa: S608
        if lock:  # the sort is done before the locks are taken, so all who write take them in one order
            query += f" ORDER BY {', '.join(f's.{key}' for key in self.keys)} FOR UPDATE OF t"
        return copy_out(query, self.table)

    @property
    def write(self) -> str:
        """The guarded set statement."""
        name, block = qualified(self.table), self.block
        if block.verb == "insert":
            chosen = [self.table.column(name) for name in block.columns]
            names = ", ".join(QUOTED(column.name) for column in chosen)
            own = " OVERRIDING SYSTEM VALUE" if any(column.identity for column in chosen) else ""
            values = ", ".join(f"s.n{number}" for number in range(len(chosen)))
            rows = f"SELECT {values} FROM {self.source} AS s ORDER BY s.{QUOTED(NUMBER)}"  # noqa: S608
            return f"INSERT INTO {name} AS t ({names}){own} {rows}"
        where = " AND ".join([self._matched(), *self._guards()])
        if block.verb == "delete":
            # What is reached through its parent may hold more than the parent shows.
            only = "ONLY " if "HAS CHILDREN" in self.table.options else ""
            return f"DELETE FROM {only}{name} AS t USING {self.source} AS s WHERE {where}"  # noqa: S608
        values = ", ".join(f"{QUOTED(column)} = s.n{number}" for number, column in enumerate(block.columns))
        return f"UPDATE {name} AS t SET {values} FROM {self.source} AS s WHERE {where}"  # noqa: S608

    def returning(self, columns: Sequence[Column]) -> str:
        """The COPY of what the set statement wrote: with the number of each row, but for an insert, which knows none."""
        number = [] if self.block.verb == "insert" else [f"s.{QUOTED(NUMBER)}"]
        chosen = ", ".join([*number, *map(selected, columns)])
        return copy_out(f"{self.write} RETURNING {chosen}", self.table)

    def following(
        self, child: Table, pairs: Sequence[tuple[str, str]], columns: Sequence[Column], *, lock: bool
    ) -> str:
        """The COPY of the rows of `child` that refer to rows with a staged key."""
        own, theirs = (", ".join(f"t.{QUOTED(name)}" for name in names) for names in zip(*pairs, strict=True))
        parents = (
            f"SELECT {theirs} FROM {qualified(self.table)} AS t JOIN {self.source} AS s ON {self._matched()}"  # noqa: S608
        )
        # A table that inherits does not inherit the reference.
        only = "ONLY " if child.type == "table" else ""
        chosen = ", ".join(map(selected, columns))
        query = f"SELECT {chosen} FROM {only}{qualified(child)} AS t WHERE ({own}) IN ({parents})"  # noqa: S608
        return copy_out(f"{query} FOR UPDATE OF t" if lock else query, child)

    def _matched(self) -> str:
        """The key by its own `=`, which an index serves, and exactly."""
        terms = []
        for name, staged, values in zip(self.block.key, self.keys, self.block.keys, strict=True):
            column = self.table.column(name)
            equal = "IS NOT DISTINCT FROM" if values.null_count else "="
            terms.append(f"t.{QUOTED(name)} {equal} s.{staged}")
            if not _identical(column):
                terms.append(f"{_image(f't.{QUOTED(name)}')} IS NOT DISTINCT FROM {_image(f's.{staged}')}")
        return " AND ".join(terms)

    def _guards(self) -> Iterator[str]:
        for number, name in enumerate(self.block.columns):
            column, old = self.table.column(name), f"s.o{number}"
            if (kind := Kind(column.kind)) in EXACT:
                collated = f" {C}" if kind == Kind.TEXT else ""
                yield f"t.{QUOTED(name)}::{EXACT[kind]}{collated} IS NOT DISTINCT FROM {old}"
            elif kind in FLOATS:
                yield _same_float(f"t.{QUOTED(name)}::{FLOATS[kind]}", old)
            else:
                yield f"{_image(selected(column))} IS NOT DISTINCT FROM {old}"


def layout(table: Table, block: Block, number: int, *, temporary: bool) -> Layout:
    """How to stage this block, as the transaction's `number`-th."""
    parts, keys = [], []
    for at, (name, values) in enumerate(zip(block.key, block.keys, strict=True)):
        if block.verb == "insert" and name in block.columns:
            keys.append(f"n{block.columns.index(name)}")  # it is among the new values already
        else:
            keys.append(f"k{at}")
            parts.append(_own(table.column(name), f"k{at}", values))
    if block.verb != "insert":
        pairs = zip(block.columns, block.before, strict=True)
        parts += [_guard(table.column(name), f"o{at}", values) for at, (name, values) in enumerate(pairs)]
    if block.verb != "delete":
        pairs = zip(block.columns, block.after, strict=True)
        parts += [_own(table.column(name), f"n{at}", values) for at, (name, values) in enumerate(pairs)]
    place = f"pg_temp.syncnb_{number}" if temporary else _unnested(parts, number)
    return Layout(table, block, tuple(parts), tuple(keys), place)


def setting(number: int, part: int) -> str:
    """The name of the setting that holds one staged column, where there is no temporary table."""
    return f"syncnb.staged_{number}_{part}"


def _unnested(parts: Sequence[Part], number: int) -> str:
    """The staged rows out of settings, as a subquery."""
    arrays = ", ".join(f"current_setting('{setting(number, at)}')::text[]" for at in range(len(parts)))
    names = ", ".join(part.name for part in parts)
    casts = ", ".join(f"CAST(u.{part.name} AS {part.type}) AS {part.name}" for part in parts)
    rows = f"unnest({arrays}) WITH ORDINALITY AS u ({names}, number)"
    return f"(SELECT u.number - 1 AS {QUOTED(NUMBER)}, {casts} FROM {rows})"  # noqa: S608


def _own(column: Column, name: str, values: pa.Array) -> Part:
    return Part(name, unlimited(column.type), f"t.{QUOTED(column.name)}", values)


def _guard(column: Column, name: str, values: pa.Array) -> Part:
    staged = {**EXACT, **FLOATS}.get(Kind(column.kind), "text")
    return Part(name, staged, f"NULL::{staged}{f' {C}' if staged == 'text' else ''}", values)


def unlimited(declared: str) -> str:
    """A type without its length: `varchar(3)` as `varchar`. A name in quotes has none."""
    if '"' in declared:
        return declared
    bare = re.sub(r"\([\d,-]+\)", "", declared)
    # Alone, these two mean a length of 1.
    return re.sub(r"^bit(?! varying)\b", "bit varying", re.sub(r"^character(?! varying)\b", "bpchar", bare))


def _identical(column: Column) -> bool:
    """Whether the column's own `=` tells all its values apart."""
    kind = Kind(column.kind)
    if kind == Kind.TEXT:
        plain = column.type == "text" or column.type.startswith("character varying")
        return plain and column.collation in (None, "C", "POSIX")
    return kind in EXACT


def _same_float(theirs: str, old: str) -> str:
    """By `=`, which takes NaN for NaN; and by the text, which costs more, only where it is a zero."""
    sign = f"({theirs} <> 0 OR {theirs}::text = {old}::text)"
    return f"{theirs} IS NOT DISTINCT FROM {old} AND {sign} IS NOT FALSE"


def _image(value: str) -> str:
    """The value as it is printed, whatever its type: a cast to text is another function for some of them.

    `num_nulls`, because a composite value of nothing but NULLs `IS NULL` without being NULL.
    """
    printed = f"pg_catalog.format('%s', {value})"
    return f"(CASE WHEN pg_catalog.num_nulls({value}) = 0 THEN {printed} END {C})"
