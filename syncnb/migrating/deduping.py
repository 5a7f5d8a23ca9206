"""Several rows with one key: which stays is told, what refers to the others follows it, and they are kept."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.migrating.drawing import Drawing, names, path_of
from syncnb.planning.hazards import counted_hazards, key_of_table, refers
from syncnb.schema import Table
from syncnb.steps import Block, Remedy
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import concat, to_python

__all__ = ["dedupe"]

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one table, a column each."""

    columns: tuple[str, ...]
    arrays: tuple[pa.Array, ...]

    def values(self, name: str) -> list[Any]:
        return to_python(self.arrays[self.columns.index(name)])

    def take(self, name: str, rows: Sequence[int]) -> pa.Array:
        return self.arrays[self.columns.index(name)].take(pa.array(rows, pa.int64()))


def dedupe(drawing: Drawing, remedy: Remedy) -> None:
    """Rows to delete, and before them those that refer to them, as blocks that are guarded cell by cell."""
    table = drawing.table(remedy.table)
    columns = tuple(remedy.columns)
    key = key_of_table(table)
    if key is None:
        raise PlanError(f"no key tells the rows of {table.label} apart", hint="add a primary key first")
    rows = _read(drawing, table, [c.name for c in table.columns if c.readable and c.generated is None])
    groups = list(_groups(drawing, table, columns, rows, alike=not remedy.nulls_distinct))
    drawing.deduped.add((table.label, columns, not remedy.nulls_distinct))
    if not groups:
        drawing.skip(table, f"remove duplicates of {names(columns)}", "no two rows share them")
        return
    wins = _keep(drawing, table)
    kept: dict[int, int] = {}
    for group in groups:
        stays = _stays(group, rows, key, wins)
        kept |= {row: stays for row in group if row != stays}
    drawing.notes.append(
        f"{table.label}: of {len(groups):,} keys that several rows share, the row with the greatest {wins} stays "
        "(then the one with more values, then the lowest key)"
    )
    for block in (*_repointed(drawing, table, rows, kept), _deleted(table, key, rows, sorted(kept))):
        drawing.parts.append(("transaction", block))
        size = drawing.rows(drawing.schema.find(block.table))
        drawing.hazards += counted_hazards(block.table, size, [block])


def _read(drawing: Drawing, table: Table, columns: Sequence[str]) -> _Rows:
    batches = list(drawing.reader.batches(table, columns))
    found = zip(*(batch.columns for batch in batches), strict=True) if batches else ([] for _ in columns)
    return _Rows(tuple(columns), tuple(concat(list(parts)) if parts else pa.nulls(0) for parts in found))


def _keep(drawing: Drawing, table: Table) -> str:
    told = drawing.wishes.keep
    wins = (told.get(table.label) or told.get("*")) if isinstance(told, Mapping) else told
    if not wins:
        raise PlanError(
            f"nobody told which of the duplicates of {table.label} stays",
            hint="keep='updated_at': the row with the greatest value of that column",
        )
    return table.column(wins).name


def _groups(
    drawing: Drawing, table: Table, columns: Sequence[str], rows: _Rows, *, alike: bool
) -> Iterator[list[int]]:
    """Numbers of rows that will share a key, when it is filled."""
    parts = [_coming(drawing, table, name, rows) for name in columns]
    shared: defaultdict[Row, list[int]] = defaultdict(list)
    for number, values in enumerate(zip(*parts, strict=True)):
        if alike or None not in values:
            shared[values].append(number)
    yield from (group for group in shared.values() if len(group) > 1)


def _coming(drawing: Drawing, table: Table, name: str, rows: _Rows) -> list[Any]:
    """A key column as tokens: equal where the database will find the values equal."""
    coming = drawing.column(table, name)
    if coming.expression:
        raise PlanError(
            f"{table.label}.{name} is filled by an expression", hint="fill it first, then remove duplicates"
        )
    count = len(rows.arrays[0])
    own = _tokens(table, name, rows) if coming.there else [None] * count
    filled = _tokens(table, coming.source, rows) if coming.source else [None] * count
    return [b if a is None else a for a, b in zip(own, filled, strict=True)]


def _tokens(table: Table, name: str, rows: _Rows) -> list[Any]:
    kind = Kind(table.column(name).kind)
    rule = rule_for(kind, kind)
    return [None if value is None else rule.token(value, "local") for value in rows.values(name)]


def _stays(group: Sequence[int], rows: _Rows, key: Sequence[str], wins: str) -> int:
    def rank(row: int) -> Row:
        value = to_python(rows.take(wins, [row]))[0]
        filled = sum(array[row].is_valid for array in rows.arrays)
        return (value is not None, str(type(value)), value if value is not None else 0, filled)

    best = max(map(rank, group))
    first = [row for row in group if rank(row) == best]
    return min(first, key=lambda row: [str(to_python(rows.take(name, [row]))[0]) for name in key])


def _deleted(table: Table, key: tuple[str, ...], rows: _Rows, gone: Sequence[int]) -> Block:
    return Block(
        table.label,
        "delete",
        key,
        rows.columns,
        keys=tuple(rows.take(name, gone) for name in key),
        before=tuple(rows.take(name, gone) for name in rows.columns),
        why="another row with this key stays",
        path=path_of(table),
    )


def _repointed(drawing: Drawing, table: Table, rows: _Rows, kept: Mapping[int, int]) -> Iterator[Block]:
    """Rows of other tables that refer to one that goes, for each reference."""
    for child in drawing.schema:
        for reference in child.foreign_keys:
            if not refers(reference, table, drawing.schema):
                continue
            theirs = [_tokens(table, name, rows) for name in reference.parent_columns]
            goes = {tuple(part[row] for part in theirs): row for row in kept}
            key = key_of_table(child)
            there = _read(drawing, child, list(dict.fromkeys([*(key or ()), *reference.columns])))
            mine = [_tokens(child, name, there) for name in reference.columns]
            found = [
                (at, goes[values]) for at, values in enumerate(zip(*mine, strict=True)) if values in goes
            ]
            if found and (key is None or set(key) & set(reference.columns)):
                raise PlanError(
                    f"{len(found):,} rows of {child.label} refer to duplicates, and cannot follow them one by one",
                    hint="its key is missing, or the reference is part of it: re-point these rows by hand first",
                )
            if found and key:
                yield _moved(
                    child, key, reference.columns, reference.parent_columns, there, rows, found, kept
                )


def _moved(
    child: Table, key: tuple[str, ...], columns: tuple[str, ...], theirs: Sequence[str], there: _Rows, rows: _Rows,
    found: Sequence[tuple[int, int]], kept: Mapping[int, int],
) -> Block:  # fmt: skip
    numbers = [at for at, _ in found]
    stays = [kept[row] for _, row in found]
    return Block(
        child.label, "update", key, columns,
        keys=tuple(there.take(name, numbers) for name in key),
        before=tuple(there.take(name, numbers) for name in columns),
        after=tuple(rows.take(name, stays) for name in theirs),
        why="the row it refers to goes, another one stays for it",
        path=path_of(child),
    )  # fmt: skip
