"""What identifies a row: the key as told, else a primary key, else a unique rule without NULLs."""

from collections.abc import Mapping, Sequence

from syncnb.changes.pairs import ColumnPair
from syncnb.errors import SchemaError
from syncnb.matching.told import Told, did_you_mean, for_table, listed
from syncnb.schema import Table, UniqueRule, fold

__all__ = ["choose_key", "told_key"]


def told_key(told: Told, table: tuple[Table, Table]) -> list[str]:
    """The local columns that were told as the key of this pair; none if none were."""
    value = for_table(told.key, table) if isinstance(told.key, Mapping) else told.key
    ours = table[0]
    names = []
    for name in listed(value or ()):
        local = [c.name for c in ours.columns if c.name == name] or [
            c.name for c in ours.columns if fold(c.name) == fold(name)
        ]
        if not local:
            raise SchemaError(
                f"the key of {ours.label} names {name!r}, which it does not have",
                hint=did_you_mean(name, [column.name for column in ours.columns]),
            )
        names.append(local[0])
    return names


def choose_key(
    table: tuple[Table, Table], columns: Sequence[ColumnPair], told: Sequence[str]
) -> tuple[tuple[ColumnPair, ...], str, bool]:
    """The key columns, where they come from, and whether NULL matches NULL in them."""
    if told:
        by_name = {column.name: column for column in columns}
        missing = [name for name in told if name not in by_name]
        if missing:
            raise SchemaError(
                f"the key column {missing[0]} of {table[0].label} has no counterpart that can be compared",
                hint=f"choose among {', '.join(by_name)}",
            )
        return tuple(by_name[name] for name in told), "told", True
    found = [
        (rule, side, key)
        for side, there in zip(("local", "remote"), table, strict=True)
        for rule in sorted(there.rules, key=lambda rule: not rule.primary)
        if (key := _as_key(rule, side, there, columns))
    ]
    sets = [(side, frozenset(column.name for column in key)) for _, side, key in found]
    for rule, side, key in sorted(found, key=lambda entry: _worth(entry[0], entry[1], entry[2], sets)):
        both = {s for s, names in sets if names == {column.name for column in key}}
        where = "both" if len(both) == 2 else side
        return key, f"{'primary key' if rule.primary else 'unique rule'} of {where}", not rule.nulls_distinct
    return (), "none: rows are compared as a multiset", False


def _worth(
    rule: UniqueRule, side: str, key: Sequence[ColumnPair], sets: Sequence[tuple[str, frozenset[str]]]
) -> tuple[bool, bool]:
    """What sorts first: a key that both sides enforce, then a primary one; then the local side's order."""
    names = {column.name for column in key}
    both = {s for s, found in sets if found == names} == {"local", "remote"}
    return not both, not rule.primary


def _as_key(
    rule: UniqueRule, side: str, table: Table, columns: Sequence[ColumnPair]
) -> tuple[ColumnPair, ...]:
    """The column pairs of a unique rule that can identify rows; empty if it cannot."""
    if not rule.columns or rule.expressions or rule.where or not rule.valid:
        return ()
    if not rule.primary and rule.nulls_distinct and any(table.column(name).nullable for name in rule.columns):
        return ()
    by_name = {getattr(column, side).name: column for column in columns}
    return (
        tuple(by_name[name] for name in rule.columns) if all(name in by_name for name in rule.columns) else ()
    )
