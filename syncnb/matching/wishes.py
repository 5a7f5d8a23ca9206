"""What was told about single columns (`ignore`, `tolerance`), brought to one form and checked."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from syncnb.errors import SchemaError
from syncnb.matching.told import Names, Told, did_you_mean, listed
from syncnb.schema import Table, fold

__all__ = ["Wishes", "wishes"]

Pair = tuple[Table, Table]


@dataclass(frozen=True, slots=True)
class Wish:
    """Something told about a column: of one table, or of every table that has it."""

    table: str | None
    column: str
    value: Any

    def concerns(self, pair: Pair, *names: str) -> bool:
        """Whether it is about a column that bears one of these names in this pair of tables."""
        tables = {fold(name) for side in pair for name in (side.label, side.name)}
        return (self.table is None or self.table in tables) and self.column in map(fold, names)


@dataclass(frozen=True, slots=True)
class Wishes:
    """All of them."""

    ignored: tuple[Wish, ...]
    tolerances: tuple[Wish, ...]
    touched: tuple[Wish, ...] = ()

    def ignores(self, pair: Pair, *names: str) -> bool:
        """Whether a column of these names shall be left out."""
        return any(wish.concerns(pair, *names) for wish in self.ignored)

    def touches(self, pair: Pair, name: str) -> bool:
        """Whether a column of remote is a stamp that a plan sets."""
        return any(wish.concerns(pair, name) for wish in self.touched)

    def tolerance(self, pair: Pair, *names: str) -> Decimal | None:
        """The distance that still counts as the same: what was told for this table goes before the rest."""
        found = [wish for wish in self.tolerances if wish.concerns(pair, *names)]
        found.sort(key=lambda wish: wish.table is None)
        return found[0].value if found else None


def wishes(told: Told, pairs: Sequence[Pair]) -> Wishes:
    """Read `ignore`, `tolerance` and `touch`. Raises SchemaError for a name that no compared table bears."""
    ignored, touched = _columns(told.ignore, pairs), _columns(told.touch, pairs)
    return Wishes((*ignored, *touched), tuple(_tolerances(told.tolerance, pairs)), touched)


def _columns(told: "Names | Mapping[str, Names]", pairs: Sequence[Pair]) -> tuple[Wish, ...]:
    if isinstance(told, Mapping):
        nested = [(table, name) for table, names in told.items() for name in listed(names)]
        return tuple(_in_table(table, name, None, pairs) for table, name in nested)
    return tuple(_anywhere(name, None, pairs) for name in listed(told))


def _tolerances(told: Mapping[str, Any], pairs: Sequence[Pair]) -> Iterator[Wish]:
    if not isinstance(told, Mapping):
        raise SchemaError(f"tolerance is {told!r}", hint='name the columns: tolerance={"price": 0.01}')
    for name, value in told.items():
        if isinstance(value, Mapping):
            for column, distance in value.items():
                yield _in_table(name, column, _distance(column, distance), pairs)
        else:
            yield _anywhere(name, _distance(name, value), pairs)


def _distance(name: str, value: Any) -> Decimal:
    try:
        if isinstance(value, bool):
            raise TypeError
        seconds = value.total_seconds() if isinstance(value, datetime.timedelta) else value
        distance = Decimal(str(seconds))
    except (ArithmeticError, TypeError, ValueError):
        distance = Decimal("NaN")
    if not distance.is_finite() or distance < 0:
        raise SchemaError(
            f"the tolerance of {name} is {value}", hint="give a number that is not negative, or a timedelta"
        )
    return distance


def _anywhere(name: str, value: Any, pairs: Sequence[Pair]) -> Wish:
    """A wish for `column`, or for `table.column`; a column may have a dot in its own name."""
    columns = {fold(column.name) for pair in pairs for side in pair for column in side.columns}
    if fold(name) in columns:
        return Wish(None, fold(name), value)
    table, dot, column = name.rpartition(".")
    if dot:
        return _in_table(table, column, value, pairs)
    there = [column.name for pair in pairs for side in pair for column in side.columns]
    raise SchemaError(f"no compared table has a column {name!r}", hint=did_you_mean(name, there))


def _in_table(table: str, column: str, value: Any, pairs: Sequence[Pair]) -> Wish:
    there = [
        pair for pair in pairs if fold(table) in {fold(n) for side in pair for n in (side.label, side.name)}
    ]
    if not there:
        names = [name for pair in pairs for name in (pair[0].label, pair[1].label)]
        raise SchemaError(f"no table {table!r} is compared", hint=did_you_mean(table, names))
    columns = [found.name for pair in there for side in pair for found in side.columns]
    if fold(column) not in map(fold, columns):
        raise SchemaError(f"{table} has no column {column!r}", hint=did_you_mean(column, columns))
    return Wish(fold(table), fold(column), value)
