"""The base: what both sides of a pair of databases last agreed on, row by row and cell by cell.

It is kept in one of the two, which is `own` here; the other one is named by its identity.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, delete, func, insert, select, update

from syncnb import clock
from syncnb.journal.installing import version
from syncnb.journal.rights import said
from syncnb.journal.tables import tables_of
from syncnb.steps.codec import canonical, parse

__all__ = [
    "BaseRow",
    "Shape",
    "base_size",
    "drop_bases",
    "prune_bases",
    "read_bases",
    "shapes_of",
    "store_bases",
    "undone",
]

SINCE = 2
AT_FIRST = 5000
AT_ONCE = 500
"""Keys bound in one statement: every engine takes more."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns the lines of a base hold."""

    number: int
    table: str
    """The label of the table in the database that keeps the base."""
    columns: tuple[str, ...]
    """Their names there."""
    at: datetime
    """When something of it was last written."""


@dataclass(frozen=True, slots=True)
class BaseRow:
    """One row as both sides had it."""

    own: str
    """Its key in the database that keeps the base."""
    other: str
    """Its key in the other one."""
    cells: str
    """Its cells in canonical form, see `values.canonical.joined`."""
    other_cells: str | None = None
    """Those of the other side, where they are not the same and were accepted so (a trigger rounds a value)."""
    run: int | None = None
    """The run that wrote it: in the other database, or below zero in this one; None where it was compared equal."""
    columns: tuple[str, ...] = ()


def shapes_of(connection: Connection, pair: str | Callable[[], str]) -> Mapping[str, tuple[Shape, ...]]:
    """By table: what is kept of this pair of databases. Nothing where the journal is none, or an older one.

    `pair`, the identity of the other database, is asked for only where anything is kept: it may cost a connection.
    """
    if (version(connection) or 0) < SINCE:
        return {}
    shapes = tables_of(connection).shapes.c
    found: dict[str, tuple[Shape, ...]] = {}
    with said("reading", reading=True):
        if callable(pair):
            if connection.execute(select(shapes.shape).limit(1)).first() is None:
                return {}
            pair = pair()
        wanted = select(shapes.shape, shapes.table, shapes.columns, shapes.at).where(shapes.pair == pair)
        for number, table, columns, at in connection.execute(wanted.order_by(shapes.shape)):
            shape = Shape(number, table, tuple(parse(columns)), at)
            found[table] = (*found.get(table, ()), shape)
    return found


def undone(connection: Connection) -> frozenset[int]:
    """The runs of this journal that were taken back: what they agreed on is agreed no more."""
    if version(connection) is None:
        return frozenset()
    runs = tables_of(connection).runs.c
    with said("reading", reading=True):
        found = connection.scalars(
            select(runs.undo_of).where(runs.undo_of.is_not(None), runs.status == "success")
        )
        return frozenset(run for run in found if run is not None)


def read_bases(
    connection: Connection,
    shapes: Sequence[Shape],
    *,
    own: Collection[str] | None = None,
    other: Collection[str] | None = None,
) -> Iterator[BaseRow]:
    """The lines of one table: those that have one of these keys on either side, or all where none are told."""
    if not shapes:
        return
    bases = tables_of(connection).bases.c
    columns = {shape.number: shape.columns for shape in shapes}
    wanted = select(bases.shape, bases.own, bases.other, bases.cells, bases.other_cells, bases.run)
    # `+ 0`, or SQLite would rather read all lines of a shape by the primary key than look up these few.
    by_other = wanted.where((bases.shape + 0).in_(columns))
    wanted = wanted.where(bases.shape.in_(columns))
    told = [wanted] if own is None and other is None else []
    told += [wanted.where(bases.own.in_(part)) for part in _parts(sorted(own or ()))]
    told += [by_other.where(bases.other.in_(part)) for part in _parts(sorted(other or ()))]
    seen: set[tuple[int, str]] = set()
    for statement in told:
        with said("reading", reading=True):
            for row in connection.execute(statement):
                if len(told) > 1 and (row.shape, row.own) in seen:
                    continue
                seen.add((row.shape, row.own)) if len(told) > 1 else None
                yield BaseRow(row.own, row.other, row.cells, row.other_cells, row.run, columns[row.shape])


def base_size(connection: Connection, pair: str, table: str) -> int:
    """How many lines are kept of one table."""
    shapes, bases = shapes_of(connection, pair).get(table, ()), tables_of(connection).bases.c
    if not shapes:
        return 0
    with said("reading", reading=True):
        return int(
            connection.scalar(select(func.count()).where(bases.shape.in_([s.number for s in shapes]))) or 0
        )


def store_bases(
    connection: Connection, pair: str, table: str, columns: Sequence[str], rows: Iterable[BaseRow]
) -> int:
    """Keep these lines, in the place of any others about the same rows. How many were not as they are already."""
    shape = _shape(connection, pair, table, columns)
    shapes = shapes_of(connection, pair)[table]
    written, waiting = 0, iter(rows)
    # Where nothing is kept yet, nothing has to be looked for: the first time there are as many as rows.
    seen: set[int] | None = set() if _is_empty(connection, shapes) else None
    while part := list(islice(waiting, AT_ONCE if seen is None else AT_FIRST)):
        part = _told_apart(part)
        if seen is not None:
            keys = {hash(key) for row in part for key in (("own", row.own), ("other", row.other))}
            seen = None if seen & keys else _grown(seen, keys)
        if part and seen is not None:
            written += _insert(connection, shape, part)
        elif part:
            written += _store(connection, shape, shapes, part)
    return written


def drop_bases(
    connection: Connection, pair: str, table: str, *, own: Collection[str] = (), other: Collection[str] = ()
) -> None:
    """Forget the rows that have one of these keys: both sides agree that they are gone."""
    shapes = shapes_of(connection, pair).get(table, ())
    found = read_bases(connection, shapes, own=own, other=other)
    _remove(connection, shapes, [row.own for row in found])


def prune_bases(connection: Connection, pair: str, table: str, seen: Collection[str]) -> None:
    """Forget all rows whose own key is not among these, which are all that either side has."""
    shapes = shapes_of(connection, pair).get(table, ())
    _remove(connection, shapes, [row.own for row in read_bases(connection, shapes) if row.own not in seen])


def _shape(connection: Connection, pair: str, table: str, columns: Sequence[str]) -> int:
    known = shapes_of(connection, pair).get(table, ())
    number = next((shape.number for shape in known if shape.columns == tuple(columns)), None)
    shapes, now = tables_of(connection).shapes, clock.now()
    if number is not None:
        with said("writing a base to"):
            connection.execute(update(shapes).where(shapes.c.shape == number).values(at=now))
        return number
    row = {"pair": pair, "table": table, "columns": canonical(list(columns)).decode(), "at": now}
    with said("writing a base to"):
        return int(connection.execute(insert(shapes).values(row).returning(shapes.c.shape)).scalar_one())


def _store(connection: Connection, shape: int, shapes: Sequence[Shape], rows: Sequence[BaseRow]) -> int:
    by_number = {each.number: each.columns for each in shapes}
    there = list(
        read_bases(connection, shapes, own={row.own for row in rows}, other={row.other for row in rows})
    )
    same = {_content(row) for row in there if row.columns == by_number[shape]}
    fresh = [row for row in rows if _content(row) not in same]
    if not fresh:
        return 0
    own, other = {row.own for row in fresh}, {row.other for row in fresh}
    _remove(connection, shapes, [row.own for row in there if row.own in own or row.other in other])
    return _insert(connection, shape, fresh)


def _is_empty(connection: Connection, shapes: Sequence[Shape]) -> bool:
    bases = tables_of(connection).bases.c
    numbers = [shape.number for shape in shapes]
    with said("reading", reading=True):
        first = connection.execute(select(bases.own).where(bases.shape.in_(numbers)).limit(1)).first()
    return first is None


def _grown(seen: set[int], more: set[int]) -> set[int]:
    seen |= more  # in place: with a million rows a copy for each part would be the most of the work
    return seen


def _insert(connection: Connection, shape: int, rows: Sequence[BaseRow]) -> int:
    lines = [
        {
            "shape": shape, "own": row.own, "other": row.other, "cells": row.cells,
            "other_cells": row.other_cells, "run": row.run,
        }
        for row in rows
    ]  # fmt: skip
    with said("writing a base to"):
        connection.execute(insert(tables_of(connection).bases), lines)
    return len(rows)


def _told_apart(rows: Sequence[BaseRow]) -> list[BaseRow]:
    """Without rows whose keys read alike, as 1 and '1' in a column of no type: of them nothing can be remembered."""
    own, other = (Counter(getattr(row, name) for row in rows) for name in ("own", "other"))
    return [row for row in rows if own[row.own] == 1 and other[row.other] == 1]


def _content(row: BaseRow) -> tuple[str, str, str, str | None, bool]:
    return row.own, row.other, row.cells, row.other_cells, row.run is None


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))


def _remove(connection: Connection, shapes: Sequence[Shape], own: Sequence[str]) -> None:
    bases = tables_of(connection).bases
    numbers = [shape.number for shape in shapes]
    with said("writing a base to"):
        for part in _parts(own):
            connection.execute(delete(bases).where(bases.c.shape.in_(numbers), bases.c.own.in_(part)))
