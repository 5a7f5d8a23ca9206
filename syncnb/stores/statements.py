"""Changes as SQL text for people to read and copy. What syncnb runs itself binds its values."""

from collections.abc import Sequence

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from syncnb.steps import Block, Change
from syncnb.values.raw import BadText, Raw

__all__ = ["statement"]

QUOTE = {
    "sqlite": sqlite_dialect().identifier_preparer.quote_identifier,
    "postgresql": PGDialect(paramstyle="named").identifier_preparer.quote_identifier,  # type: ignore[no-untyped-call]
}
SAME = {"sqlite": "IS", "postgresql": "IS NOT DISTINCT FROM"}


def statement(dialect: str, block: Block, change: Change) -> str:
    """One row's statement. An update or delete names the values that it expects to find."""
    quote = QUOTE[dialect]
    table = ".".join(map(quote, block.path or (block.table,)))
    key = [
        f"{quote(name)} = {_literal(dialect, value)}"
        for name, value in zip(block.key, change.key, strict=True)
    ]
    if change.after is not None and change.before is None:
        names, values = ", ".join(map(quote, block.columns)), ", ".join(_literals(dialect, change.after))
        return f"INSERT INTO {table} ({names}) VALUES ({values});"  # noqa: S608 - shown, never run
    guards = [
        f"{quote(name)} {SAME[dialect]} {value}"
        for name, value in zip(block.columns, _literals(dialect, change.before or ()), strict=True)
        if name not in block.key
    ]
    where = " AND ".join([*key, *guards])
    if change.after is None:
        return f"DELETE FROM {table} WHERE {where};"  # noqa: S608 - shown, never run
    new = zip(block.columns, _literals(dialect, change.after), strict=True)
    assigned = ", ".join(f"{quote(name)} = {value}" for name, value in new)
    return f"UPDATE {table} SET {assigned} WHERE {where};"  # noqa: S608 - shown, never run


def _literals(dialect: str, values: Sequence[Raw]) -> list[str]:
    return [_literal(dialect, value) for value in values]


def _literal(dialect: str, value: Raw) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return _float(dialect, value)
        case bytes():
            return f"'\\x{value.hex()}'" if dialect == "postgresql" else f"x'{value.hex()}'"
        case BadText():
            return f"CAST(x'{value.data.hex()}' AS TEXT)"
    return _text(dialect, value)


def _float(dialect: str, value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        word = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return (
            f"'{word}'"
            if dialect == "postgresql"
            else {"Infinity": "9e999", "-Infinity": "-9e999"}.get(word, "NULL")
        )
    return repr(value)


def _text(dialect: str, value: str) -> str:
    if "\x00" in value:  # no SQL text can hold it
        return f"CAST(x'{value.encode().hex()}' AS TEXT)"
    quoted = value.replace("'", "''")
    if dialect == "postgresql" and "\\" in value:
        escaped = quoted.replace("\\", "\\\\")
        return f"E'{escaped}'"
    return f"'{quoted}'"
