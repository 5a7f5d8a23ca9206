"""How a value of one side is written on the other, so that the rule that compares them says "same"."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.schema import Column
from syncnb.values.into_postgres import postgres_form
from syncnb.values.into_sqlite import kept, sqlite_forms
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.numeric import BooleanRule
from syncnb.values.raw import Raw, from_python, to_python
from syncnb.values.rules import Answer, Rule, judge
from syncnb.values.sides import Side, own_first
from syncnb.values.spelling import Refused, Way, short
from syncnb.values.stamp_text import Style, majority, style_of, style_pattern
from syncnb.values.writing_at_once import at_once

__all__ = ["Problem", "Written", "write_column"]

SEEN = 200
"""Values of a sample that decide how the target writes."""

STAMPS = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)

POSTGRES_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.FLOAT4: pa.float32(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.BYTES: pa.binary(),
}
"""As its reader gives them; everything else is text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that cannot be written as it is."""

    row: int
    what: Literal["lossy", "refused"]
    """lossy: it can be written, but what is kept is not the same value. refused: it cannot be written."""
    why: str


@dataclass(frozen=True, slots=True)
class Written:
    """A column for the target, and what stands in its way."""

    array: pa.Array
    """In raw form, as the target will give it when it is read. NULL where a value is refused."""
    problems: tuple[Problem, ...] = ()


def write_column(
    rule: Rule,
    values: pa.Array,
    side: Side,
    target: Column,
    dialect: str,
    *,
    source: Column | None = None,
    before: pa.Array | None = None,
    sample: pa.Array | None = None,
    strict: bool = False,
) -> Written:
    """The raw column `values` of `side` as it is written into `target` on the other side.

    Promises that every value without a problem, once written and read again, is the same by `rule`, and
    is read exactly as it stands in the answer. For types that only one engine has (an interval, an address)
    the text goes over as it is; whether the target takes it, only the target knows.

    source: the column that the values come from, for the element types of arrays.
    before: the target's values that are replaced, row by row: SQLite's stamps, booleans and UUIDs keep the
        form of the value before.
    sample: other values of the target; their most frequent form serves where there is no `before`.
    strict: the target is in a STRICT table, or an INTEGER PRIMARY KEY.
    """
    way = Way(rule, side, target, source, strict)
    if values.null_count == len(values):
        return Written(_column([None] * len(values), way, dialect))
    forms = _Forms(way, dialect, before, sample)
    if forms.alike:
        quick = at_once(values, way, dialect, forms.common, words=isinstance(forms.like, str))
        if quick is not None:
            return Written(quick)
    problems: list[Problem] = []
    found: list[Raw] = []
    for row, value in enumerate(to_python(values)):
        written, problem = (None, None) if value is None else _written(row, value, way, forms)
        found.append(written)
        if problem is not None:
            problems.append(problem)
    return Written(_column(found, way, dialect), tuple(problems))


def _column(values: list[Raw], way: Way, dialect: str) -> pa.Array:
    if dialect != "postgresql":
        return from_python(values)
    return pa.array(values, POSTGRES_TYPES.get(way.kind, pa.string()))


def _written(row: int, value: Raw, way: Way, forms: "_Forms") -> tuple[Raw, Problem | None]:
    """The first form that is kept as the same value; else the first that can be written, else why none."""
    lossy: list[Raw] = []
    refusals: list[str] = []
    try:
        for form in forms.of(row, value):
            if isinstance(form, Refused):
                refusals.append(str(form))
                continue
            if way.rule.same_bytes and type(form) is type(value) and form == value:
                return form, None
            pair = own_first(way.side, value, form)
            answer = judge(way.rule, *pair)
            if answer is Answer.SAME:
                return form, None
            if answer is Answer.UNKNOWN:
                refusals.append(
                    'which moment it is cannot be known: declare the zones with timezone="UTC" in connect'
                )
            else:
                lossy.append(form)
    except Refused as refusal:
        refusals.append(str(refusal))
    if lossy:
        return lossy[0], Problem(row, "lossy", f"{short(value)} would become {short(lossy[0])}")
    return None, Problem(row, "refused", refusals[0] if refusals else f"{short(value)} has no form there")


class _Forms:
    """The forms in which the target may hold a value."""

    def __init__(self, way: Way, dialect: str, before: pa.Array | None, sample: pa.Array | None) -> None:
        self.way = way
        self.dialect = dialect
        self.array = before
        seen = [
            value
            for array in (sample, before)
            if array is not None
            for value in to_python(array.slice(0, SEEN))
        ]
        self.common = majority(seen) if isinstance(way.rule, StampRule) else None
        self.like = next((value for value in seen if value is not None), None)

    @property
    def alike(self) -> bool:
        """Whether all values are to be written in one form, as far as forms matter."""
        if self.array is None or self.array.null_count == len(self.array):
            return True
        if isinstance(self.way.rule, BooleanRule):
            return self.array.type in (pa.bool_(), pa.int64())
        if not isinstance(self.way.rule, StampRule) or (
            self.dialect == "postgresql" and self.way.kind in STAMPS
        ):
            return True
        if self.common is None or self.array.type != pa.string():
            return False
        fits = pc.match_substring_regex(self.array, style_pattern(self.common))
        return bool(pc.all(fits, min_count=0).as_py())

    @cached_property
    def before(self) -> list[Raw] | None:
        """The values that are replaced."""
        return to_python(self.array) if self.array is not None else None

    def of(self, row: int, value: Raw) -> Iterator[Raw | Refused]:
        """What may be written, the best first."""
        before = self.before[row] if self.before is not None else None
        style = self._style(before)
        if self.dialect == "postgresql":
            yield postgres_form(value, self.way, style)
            if style is not None:
                yield postgres_form(value, self.way)
            return
        like = self.like if before is None else before
        for form in sqlite_forms(value, self.way, style, like):
            if form is None:
                continue
            try:
                yield kept(form, self.way.target.type, strict=self.way.strict)
            except Refused as refusal:
                yield refusal

    def _style(self, before: Raw) -> Style | None:
        if not isinstance(self.way.rule, StampRule):
            return None
        own = style_of(before) if isinstance(before, str) else None
        return own or self.common
