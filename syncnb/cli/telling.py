"""What a person tells a diff: the match file and the options, as one `Told` and the zones."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from syncnb.cli.arguments import names_by_table, split_told
from syncnb.errors import SchemaError, SyncnbError
from syncnb.matching import Told, read_match_file
from syncnb.schema import fold

__all__ = ["side_zones", "told_from"]

Names = Mapping[str, Any]
MEANINGLESS = "meaningless"


def told_from(
    *,
    match: str | None,
    tables: Sequence[str],
    key: Sequence[str],
    columns: Sequence[str],
    ignore: Sequence[str],
    tolerance: Sequence[str],
    ids: Sequence[str] = (),
) -> tuple[Told, Mapping[str, str]]:
    """The match file, and over it the options. Raises SyncnbError for what cannot be read."""
    told, zones = read_match_file(match) if match else (Told(), {})
    if match:
        _check_shape(match, told, zones)
    return (
        replace(
            told,
            tables=tuple(tables) or None,
            key=_keys(key, _mapping(told.key)),
            columns=_columns(columns, _mapping(told.columns)),
            ignore=tuple(ignore),
            tolerance=dict(_distance(text) for text in tolerance),
            ids=_ids(ids),
        ),
        zones,
    )


def side_zones(told: Sequence[str]) -> dict[str, str]:
    """`["local=UTC"]` as `{"local": "UTC"}`."""
    zones = dict[str, str]()
    for text in told:
        side, _, zone = text.partition("=")
        if side not in ("local", "remote") or not zone:
            raise SyncnbError(
                f"--timezone {text!r} cannot be read",
                hint="write --timezone local=UTC or --timezone remote=Europe/Berlin",
            )
        zones[side] = zone
    return zones


def _ids(told: Sequence[str]) -> "str | dict[str, Any] | None":
    """`["hosts", "domains:378=different"]` by table; `meaningless` alone is for all of them."""
    if list(told) == [MEANINGLESS]:
        return MEANINGLESS
    found: dict[str, Any] = {}
    for text in told:
        single = re.fullmatch(r"(.+):([^:=]+)=(same|different)", text)
        if single is None and ("=" in text or ":" in text or text == MEANINGLESS):
            raise SyncnbError(
                f"--ids {text!r} cannot be read",
                hint="write --ids meaningless, --ids TABLE, or --ids TABLE:ID=same (or different)",
            )
        table = text if single is None else single[1]
        if single is None or found.get(table) == MEANINGLESS:
            found[table] = MEANINGLESS
        else:
            found.setdefault(table, {})[single[2]] = single[3]
    return found or None


def _keys(told: Sequence[str], in_file: Names) -> Names | list[str] | None:
    if any("=" in text for text in told) or len(told) != 1:
        named = names_by_table(told, "--key")
        return _over(named, in_file) or None
    # Without a table's name it is for all of them.
    if in_file:
        raise SyncnbError(f"--key {told[0]} names no table", hint=f"write --key TABLE={told[0]}")
    return [name.strip() for name in told[0].split(",")]


def _columns(told: Sequence[str], in_file: Names) -> Names | None:
    named = names_by_table(told, "--columns")
    folded = {fold(table) for table in in_file}
    if both := [table for table in named if fold(table) in folded]:
        raise SyncnbError(
            f"the columns of {both[0]} are told by --columns and by the match file",
            hint="tell them in one of the two places",
        )
    return {**in_file, **named} or None


def _over(named: Names, in_file: Names) -> Names:
    folded = {fold(table) for table in named}
    return {**named, **{table: names for table, names in in_file.items() if fold(table) not in folded}}


def _distance(text: str) -> tuple[str, Decimal]:
    column, number = split_told(text, "--tolerance")
    try:
        return column, Decimal(number)
    except InvalidOperation:
        hint = "write --tolerance COLUMN=0.01, for stamps in seconds"
        raise SyncnbError(f"--tolerance {text!r} has no number", hint=hint) from None


def _mapping(value: Any) -> Names:
    return value if isinstance(value, Mapping) else {}


def _check_shape(path: str, told: Told, zones: Names) -> None:
    """TOML can say more than a match file means: each section must hold what it is for."""
    sections: tuple[tuple[str, Any, Callable[[Any], bool], str], ...] = (
        ("tables", told.pairs, _is_text, 'local = "remote"'),
        ("key", told.key or {}, _is_names, 'table = ["a", "b"]'),
        ("columns", told.columns or {}, _is_names_or_pairs, 'in [columns.TABLE] local = "remote"'),
        ("timezone", zones, _is_text, '"table.column" = "Europe/Berlin"'),
    )
    for section, value, fits, form in sections:
        wrong = [name for name, entry in _mapping(value).items() if not fits(entry)]
        if wrong or not isinstance(value, Mapping):
            where = f"[{section}] {wrong[0]}" if wrong else f"[{section}]"
            raise SchemaError(f"{path}: {where} cannot be read", hint=f"its lines are {form}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_names(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, list) and bool(value) and all(map(_is_text, value)))


def _is_names_or_pairs(value: Any) -> bool:
    return _is_names(value) or (isinstance(value, Mapping) and all(map(_is_text, value.values())))
