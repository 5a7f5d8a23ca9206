"""A condition as SQL of one engine, every value bound: what of it the database can do so that no meant row is missed.

Whoever asks looks at each row again by the rules of comparing. So a condition is pushed down only where the engine,
for the types that are there, lets through at least the same rows; else it is not pushed down at all.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from syncnb.filters import Both, Condition, Either, Negated, Test
from syncnb.schema import Column, Table
from syncnb.values.into_sqlite import affinity
from syncnb.values.kinds import Kind
from syncnb.values.raw import Raw
from syncnb.values.stamp_text import POSTGRES_INSTANT, stamp_text
from syncnb.values.stamps import parse_stamp

__all__ = ["Pushed", "pushed", "whole_range"]

SQL_OPS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
BIGINT = range(-(2**63), 2**63)
DECIMAL = re.compile(r"[+-]?\d{1,1000}(\.\d{1,1000})?", re.ASCII)
RANGE = range(-210_866_803_200_000_000, 9_224_318_016_000_000_000)
"""Microseconds since 1970 that PostgreSQL's stamps reach: 4714 BC to 294276."""


@dataclass
class Pushed:
    """The text of a WHERE, over the table as `t`, and what is bound to it in order."""

    sql: str = ""
    values: list[Raw] = field(default_factory=list)


class _Not(Exception):
    """This engine cannot do it exactly."""


def pushed(condition: Condition, table: Table, dialect: str, mark: Callable[[int], str]) -> Pushed | None:
    """The condition for this table; None where it cannot be left to the engine. `mark` is how the n-th value is named."""
    found = Pushed()
    try:
        found.sql = _Compiler(table, dialect, mark, found.values).of(condition)
    except _Not:
        return None
    return found


def whole_range(condition: Condition, column: str) -> range | None:
    """The numbers of a column of whole numbers without NULL of which this is true; None where they are no one range."""
    match condition:
        case Test(name, op, values) if name == column:
            return _range_of(op, values)
        case Both(left, right):
            one, other = whole_range(left, column), whole_range(right, column)
            if one is None or other is None:
                return None
            return range(max(one.start, other.start), min(one.stop, other.stop))
        case Either(left, right):
            one, other = whole_range(left, column), whole_range(right, column)
            if one is None or other is None or (one and other):
                return None
            return one or other
    return None


def _range_of(op: str, values: Sequence[Raw]) -> range | None:
    if op == "is_null":
        return range(0)
    value = values[0]
    if op not in ("<", "<=", ">", ">=", "==") or not isinstance(value, int) or not _is_bigint(value):
        return None
    first = {"==": value, ">=": value, ">": value + 1}.get(op, BIGINT.start)
    return range(first, {"==": value + 1, "<": value, "<=": value + 1}.get(op, BIGINT.stop))


@dataclass
class _Compiler:
    table: Table
    dialect: str
    mark: Callable[[int], str]
    values: list[Raw]

    def of(self, condition: Condition) -> str:
        match condition:
            case Both(left, right):
                return f"({self.of(left)} AND {self.of(right)})"
            case Either(left, right):
                return f"({self.of(left)} OR {self.of(right)})"
            case Negated(inner):
                return f"(NOT {self.of(inner)})"
            case Test():
                return self._test(condition)
        raise _Not

    def _test(self, test: Test) -> str:
        from syncnb.stores.statements import QUOTE

        column = self.table.column(test.column)
        name = f"t.{QUOTE[self.dialect](column.name)}"
        if test.op == "is_null":
            return f"{name} IS NULL"
        if test.op == "isin" and not test.values:
            raise _Not
        postgres = self.dialect == "postgresql"
        place, wrap = (_postgres if postgres else _sqlite)(column, name, test)
        written = [_plain(value, column) for value in test.values] if postgres else test.values
        marks = [wrap(self._bind(value)) for value in written]
        if test.op == "isin":
            return f"({' OR '.join(f'{place} = {mark}' for mark in marks)})"
        return f"{place} {SQL_OPS[test.op]} {marks[0]}"

    def _bind(self, value: Raw) -> str:
        if isinstance(value, str) and "\0" in value:
            raise _Not
        self.values.append(value)
        return self.mark(len(self.values) - 1)


Form = tuple[str, Callable[[str], str]]
"""How the column stands in the test, and how a bound value does."""


def _sqlite(column: Column, name: str, test: Test) -> Form:
    """Whole numbers and text, where SQLite keeps them in one form; anything else may be written in several."""
    kind, where = Kind(column.kind), affinity(column.type)
    if kind is Kind.INTEGER and where == "INTEGER" and all(map(_is_bigint, test.values)):
        return name, lambda mark: mark
    if kind is Kind.TEXT and where == "TEXT" and _all(test, str):
        return f"{name} COLLATE BINARY", lambda mark: mark
    raise _Not


def _postgres(column: Column, name: str, test: Test) -> Form:
    kind, text = Kind(column.kind), f'{name}::pg_catalog.text COLLATE pg_catalog."C"'
    if kind is Kind.TEXT and _all(test, str):
        plain = column.type == "text" or column.type.startswith("character varying")
        if plain and column.collation is None and test.op in ("==", "isin"):
            return name, _cast("text")
        return text, _cast("text")
    if kind in (Kind.INTEGER, Kind.NUMERIC) and all(_is_number(value) for value in test.values):
        return name, _cast(
            "bigint" if kind is Kind.INTEGER and all(map(_is_bigint, test.values)) else "numeric"
        )
    if kind is Kind.BOOLEAN and _all(test, bool) and test.op in ("==", "!=", "isin"):
        return name, _cast("boolean")
    if kind is Kind.UUID and test.op in ("==", "!=", "isin") and all(map(_is_uuid, test.values)):
        return name, _cast("uuid")
    if kind is Kind.TIMESTAMPTZ and all(map(_is_moment, test.values)):
        return name, _cast("timestamptz")
    raise _Not


def _plain(value: Raw, column: Column) -> Raw:
    """A moment or a UUID as PostgreSQL writes it: what is given may be in a form that it cannot read."""
    if not isinstance(value, str) or column.kind not in (Kind.TIMESTAMPTZ, Kind.UUID):
        return value
    if column.kind == Kind.UUID:
        return str(UUID(value))
    stamp = parse_stamp(value)
    return stamp_text(stamp.instant, POSTGRES_INSTANT) if stamp else value


def _cast(wanted: str) -> Callable[[str], str]:
    return lambda mark: f"CAST({mark} AS {wanted})"


def _all(test: Test, wanted: type) -> bool:
    return all(type(value) is wanted for value in test.values)


def _is_number(value: Raw) -> bool:
    return type(value) is int or (isinstance(value, str) and DECIMAL.fullmatch(value) is not None)


def _is_bigint(value: Raw) -> bool:
    return type(value) is int and value in BIGINT


def _is_uuid(value: Raw) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def _is_moment(value: Raw) -> bool:
    """A stamp with a zone, with no more digits than PostgreSQL keeps, of the years that it knows."""
    stamp = parse_stamp(value) if isinstance(value, str) else None
    if stamp is None or stamp.infinite or stamp.offset is None or stamp.digits:
        return False
    return stamp.instant.micros in RANGE
