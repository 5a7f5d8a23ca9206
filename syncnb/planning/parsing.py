"""What a person types for a value becomes that value, in the type of its column, or is refused with the reason."""

from typing import TYPE_CHECKING

import pyarrow as pa

from syncnb.errors import PlanError
from syncnb.schema import Column
from syncnb.steps import Block
from syncnb.values.kinds import Kind
from syncnb.values.numbers import number_of
from syncnb.values.pairing import rule_for
from syncnb.values.raw import Raw, concat, to_python
from syncnb.values.spelling import short
from syncnb.values.stamps import parse_clock, parse_stamp
from syncnb.values.writing import Problem, write_column

if TYPE_CHECKING:
    from syncnb.planning.plans import Plan

__all__ = ["column_of", "parsed"]

TEXTUAL = (Kind.TEXT, Kind.CHAR, Kind.OTHER, Kind.ARRAY)
NO_WORDS = {
    Kind.INTEGER: "a whole number",
    Kind.NUMERIC: "a number",
    Kind.FLOAT: "a number",
    Kind.FLOAT4: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.BYTES: "bytes such as \\x6869",
    Kind.UUID: "a UUID",
    Kind.JSON: "JSON",
    Kind.JSONB: "JSON",
}
SAMPLE = 200


def column_of(plan: "Plan", table: str, column: str) -> Column | None:
    """The column as the target declares it; None where the plan does not know (an undo, an older file)."""
    return next((found for found in plan.columns.get(table, ()) if found.name == column), None)


def parsed(plan: "Plan", table: str, column: str, text: str | None) -> Raw:
    """A typed value in the raw form of its column; None is NULL.

    Raises PlanError for a value that the column cannot hold, or would not hold exactly as it was typed.
    """
    there, blocks = column_of(plan, table, column), _blocks(plan, table, column)
    where = f"{table}.{column}"
    if text is None:
        if there is not None and not there.nullable:
            raise PlanError(f"{where} may not be NULL", hint="write a value, or keep the row")
        return None
    if there is None or there.kind == Kind.ANY:
        return _as_the_others(text, _types(blocks, column), where)
    values = concat([_values(block, column).slice(0, SAMPLE) for block in blocks])
    why = _unreadable(text, there, plan.target.dialect)
    if not why:
        kind = Kind(there.kind)
        written = write_column(
            rule_for(kind, kind),
            pa.array([text]),
            "local",
            there,
            plan.target.dialect,
            sample=values,
        )
        why = next((_said(problem) for problem in written.problems), "")
        if not why:
            return to_python(written.array)[0]
    raise PlanError(f"{where} cannot be {short(text)}: {why}", hint=f"its type is {there.type}")


def _said(problem: Problem) -> str:
    return f"it would{problem.why.partition(' would')[2]}" if problem.what == "lossy" else problem.why


def _unreadable(text: str, declared: Column, dialect: str) -> str:
    """Why a text is no value of this kind; SQLite itself would take it as a text."""
    kind = Kind(declared.kind)
    if kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        stamp = parse_stamp(text)
        if stamp is None:
            return "it is no date or stamp"
        if kind is Kind.TIMESTAMPTZ and stamp.offset is None and dialect == "postgresql":
            return "which moment is it? Write the zone too, as in 05:20:00+00"
        return ""
    if kind in (Kind.TIME, Kind.TIMETZ):
        return "" if parse_clock(text) is not None else "it is no time of day"
    if dialect == "postgresql" or kind in TEXTUAL or kind is Kind.INTERVAL:
        return ""
    known = rule_for(kind, kind).own(text) is not None
    number = number_of(text) if kind is Kind.INTEGER else None
    if number is not None:
        known = number.is_finite() and number == number.to_integral_value()
    return "" if known else f"it is not {NO_WORDS[kind]}"


def _blocks(plan: "Plan", table: str, column: str) -> list[Block]:
    return [
        block for block in (*plan.blocks, *plan.undecided) if block.table == table and column in block.columns
    ]


def _values(block: Block, column: str) -> pa.Array:
    """What the target holds, or will hold, there."""
    return (block.before or block.after)[block.columns.index(column)]


def _types(blocks: list[Block], column: str) -> set[type]:
    return {
        type(value)
        for block in blocks
        for arrays in (block.before, block.after)
        if arrays
        for value in to_python(arrays[block.columns.index(column)])
        if value is not None
    } or {str}


def _as_the_others(text: str, kinds: set[type], where: str) -> Raw:
    """Where nobody declared a type: one that the column's other values have."""
    try:
        if kinds == {bool} and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kinds == {int}:
            return int(text)
        if kinds == {float}:
            return float(text)
        if kinds == {bytes} and text.startswith("\\x"):
            return bytes.fromhex(text[2:])
        if kinds == {int, float}:
            return int(text) if text.lstrip("+-").isdigit() else float(text)
        if str in kinds:
            return text
    except ValueError:
        pass
    names = " or ".join(sorted(kind.__name__ for kind in kinds))
    raise PlanError(f"{where} cannot be {short(text)}", hint=f"it holds values such as {names}")
