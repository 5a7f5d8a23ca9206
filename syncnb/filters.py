"""Conditions on rows, as values: `sn.col("org") == 7`, joined by `&`, `|` and `~`. They hold no SQL.

As in SQL, NULL is neither equal to anything nor different from it: only `is_null()` finds it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias
from uuid import UUID

from syncnb.errors import SchemaError
from syncnb.values.raw import Raw

__all__ = ["Both", "Col", "Condition", "Either", "Negated", "Op", "Test", "col"]

DIGITS = 1000
"""Of a number in a condition, before and behind its point: more of them than any column holds."""

Op: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "isin", "is_null"]


@dataclass(frozen=True)
class Condition:
    """Which rows are meant. Made by `sn.col(name)`; it cannot be true or false by itself."""

    def __and__(self, other: "Condition") -> "Condition":
        return Both(self, _condition(other))

    def __or__(self, other: "Condition") -> "Condition":
        return Either(self, _condition(other))

    def __invert__(self) -> "Condition":
        return Negated(self)

    def __bool__(self) -> NoReturn:
        raise SchemaError(
            "a condition is true or false only of a row",
            hint="join conditions by & and |, each in brackets: (a) & (b)",
        )

    @property
    def tests(self) -> tuple["Test", ...]:
        """All single tests of it."""
        raise NotImplementedError

    def renamed(self, names: Mapping[str, str]) -> "Condition":
        """The same under other names of its columns."""
        raise NotImplementedError


@dataclass(frozen=True)
class Test(Condition):
    """One column against one value, or some."""

    column: str
    op: Op
    values: tuple[Raw, ...] = ()
    """In raw form; moments as ISO text."""
    __test__ = False  # pytest would take it for a class of tests

    @property
    def tests(self) -> tuple["Test", ...]:
        return (self,)

    def renamed(self, names: Mapping[str, str]) -> "Condition":
        return Test(names.get(self.column, self.column), self.op, self.values)

    def __str__(self) -> str:
        if self.op == "is_null":
            return f"{self.column}.is_null()"
        if self.op == "isin":
            return f"{self.column}.isin([{', '.join(map(repr, self.values))}])"
        return f"{self.column} {self.op} {self.values[0]!r}"


@dataclass(frozen=True)
class _Joined(Condition):
    """Two conditions, and how they are joined."""

    left: Condition
    right: Condition
    sign: ClassVar[str]

    @property
    def tests(self) -> tuple[Test, ...]:
        return *self.left.tests, *self.right.tests

    def renamed(self, names: Mapping[str, str]) -> Condition:
        return type(self)(self.left.renamed(names), self.right.renamed(names))

    def __str__(self) -> str:
        return f"({self.left}) {self.sign} ({self.right})"


class Both(_Joined):
    """Rows of which both are true."""

    sign = "&"


class Either(_Joined):
    """Rows of which at least one is true."""

    sign = "|"


@dataclass(frozen=True)
class Negated(Condition):
    """Rows of which it is known to be false: not those where it cannot be told, as with NULL."""

    inner: Condition

    @property
    def tests(self) -> tuple[Test, ...]:
        return self.inner.tests

    def renamed(self, names: Mapping[str, str]) -> Condition:
        return Negated(self.inner.renamed(names))

    def __str__(self) -> str:
        return f"~({self.inner})"


@dataclass(frozen=True, eq=False)
class Col:
    """A column in a condition."""

    name: str

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return self._test("==", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return self._test("!=", value)

    def __lt__(self, value: object) -> Condition:
        return self._test("<", value)

    def __le__(self, value: object) -> Condition:
        return self._test("<=", value)

    def __gt__(self, value: object) -> Condition:
        return self._test(">", value)

    def __ge__(self, value: object) -> Condition:
        return self._test(">=", value)

    __hash__ = None  # type: ignore[assignment]

    def isin(self, values: Iterable[object]) -> Condition:
        """Rows that have one of these values."""
        if isinstance(values, str | bytes):
            raise SchemaError(f"isin takes several values, not {values!r}", hint="write isin([...])")
        found = tuple(_raw(value) for value in values)
        if None in found:
            raise SchemaError("NULL is in no list", hint="write col.isin([...]) | col.is_null()")
        return Test(self.name, "isin", found)

    def is_null(self) -> Condition:
        """Rows that have NULL there."""
        return Test(self.name, "is_null")

    def _test(self, op: Op, value: object) -> Condition:
        if isinstance(value, Col):
            raise SchemaError(
                "a column is compared with a value", hint="two columns cannot be compared in where="
            )
        raw = _raw(value)
        if raw is None:
            raise SchemaError(
                f"{self.name} {op} NULL is true of no row", hint=f'write col("{self.name}").is_null()'
            )
        return Test(self.name, op, (raw,))


def col(name: str) -> Col:
    """A column, for `where=`: `sn.col("org") == 7`, `(sn.col("a") > 1) & ~sn.col("b").is_null()`.

    Operators: == != < <= > >=, `.isin([...])`, `.is_null()`, joined by & | ~. Values: numbers, text, booleans,
    bytes, dates, stamps, UUIDs.
    """
    return Col(name)


def _condition(value: object) -> Condition:
    if isinstance(value, Condition):
        return value
    raise SchemaError(
        f"{value!r} is no condition",
        hint='& and | bind tighter than ==: write (sn.col("a") == 1) & (sn.col("b") == 2)',
    )


def _raw(value: Any) -> Raw:
    value = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    if _is_beyond(value):
        raise SchemaError(
            f"no database holds this {type(value).__name__} of a condition",
            hint=f"give a number of at most {DIGITS:,} digits, or a text of Unicode characters",
        )
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise SchemaError(
        f"{value!r} cannot be compared with", hint="give a number, text, boolean, bytes, date, stamp or UUID"
    )


def _is_beyond(value: Any) -> bool:
    """Half of a character, or a number that would take megabytes to be written."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, int):
        return value.bit_length() > DIGITS * 10 // 3
    return isinstance(value, Decimal) and value.is_finite() and not _is_short(value)


def _is_short(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS and value.adjusted() < DIGITS
