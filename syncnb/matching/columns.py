"""Columns paired, each pair with its rule; what is left out, and why."""

import re
from collections.abc import Mapping

from syncnb.changes.pairs import ColumnPair, Uncompared
from syncnb.errors import SchemaError
from syncnb.matching.tables import ambiguous
from syncnb.matching.told import Names, Told, Zones, for_table, listed
from syncnb.matching.wishes import Wishes
from syncnb.schema import Column, Table, fold
from syncnb.values.documents import ArrayRule
from syncnb.values.kinds import Kind, postgres_kind
from syncnb.values.pairing import cannot_compare, rule_for
from syncnb.values.sides import Side

__all__ = ["ONLY_IN", "TOUCHED", "compared_columns", "only_wanted"]

TOUCHED = "a stamp of ours, as told"
ONLY_IN: Mapping[Side, str] = {"local": "only in local", "remote": "only in remote"}
"""Why a column is not compared that one side alone has."""


def compared_columns(
    table: tuple[Table, Table], told: Told, wished: Wishes, zones: tuple[Zones, Zones], key: set[str]
) -> tuple[list[ColumnPair], list[Uncompared]]:
    """The columns of both sides that can be compared, and those that cannot or shall not, with the reason.

    `key` are the local columns told as the key: they are compared whatever else was told.
    """
    ours, theirs = table
    columns = for_table(told.columns, table) if isinstance(told.columns, Mapping) else told.columns
    partners = _pair_columns(ours, theirs, columns if isinstance(columns, Mapping) else {})
    compared, left_out = [], []
    for column in ours.columns:
        partner = partners.get(column.name)
        ignored = wished.ignores(table, column.name, *([partner.name] if partner else []))
        reason = _left_out(table, column, partner, ignored=ignored, in_key=column.name in key)
        if partner is not None and reason and wished.touches(table, partner.name):
            reason = TOUCHED
        if reason:
            left_out.append(Uncompared("column", column.name, 0, reason))
        elif partner is not None:
            compared.append(_column_pair(column, partner, table, wished, zones))
    taken = {column.name for column in partners.values()}
    for column in theirs.columns:
        if column.name not in taken:
            reason = "ignored, as told" if wished.ignores(table, column.name) else ONLY_IN["remote"]
            reason = TOUCHED if wished.touches(table, column.name) else reason
            left_out.append(Uncompared("column", column.name, 0, reason))
    return compared, left_out


def only_wanted(
    table: tuple[Table, Table], told: Told, compared: list[ColumnPair], key: tuple[ColumnPair, ...]
) -> tuple[list[ColumnPair], list[Uncompared]]:
    """Of these columns the ones that `columns=` names, and the key; the others, as left out."""
    columns = for_table(told.columns, table) if isinstance(told.columns, Mapping) else told.columns
    if columns is None or isinstance(columns, Mapping):
        return compared, []
    wanted = _resolve_all(columns, table[0])
    kept = [column for column in compared if column.name in wanted or column in key]
    why = "not among the columns told"
    return kept, [Uncompared("column", c.name, 0, why) for c in compared if c not in kept]


def _left_out(
    table: tuple[Table, Table], column: Column, partner: Column | None, *, ignored: bool, in_key: bool
) -> str | None:
    """Why this column is not compared; None if it is. Key columns always are."""
    if partner is None:
        return "ignored, as told" if ignored else ONLY_IN["local"]
    for side, there in (("local", column), ("remote", partner)):
        if not there.readable:
            return f"this role may not read it in {side}"
    reason = cannot_compare(Kind(column.kind), Kind(partner.kind))
    if in_key and reason:
        raise SchemaError(
            f"the key column {column.name} of {table[0].label} cannot be compared: {reason}",
            hint="choose another key, or change the type of one side",
        )
    return "ignored, as told" if ignored and not in_key else reason


def _pair_columns(ours: Table, theirs: Table, mapped: Mapping[str, str]) -> dict[str, Column]:
    found = {
        ours.column(_resolve(name, ours)).name: theirs.column(_resolve(other, theirs))
        for name, other in mapped.items()
    }
    for same in (lambda name: name, fold):
        taken = {column.name for column in found.values()}
        left = [column for column in ours.columns if column.name not in found]
        free = [column for column in theirs.columns if column.name not in taken]
        for column in left:
            fits = [other for other in free if same(other.name) == same(column.name)]
            rivals = [other for other in left if same(other.name) == same(column.name)]
            if fits and (len(fits) > 1 or len(rivals) > 1):
                ambiguous(
                    f"column of {ours.label}:", [c.name for c in rivals], [c.name for c in fits], "columns"
                )
            if fits:
                found[column.name] = fits[0]
    return found


def _resolve(name: str, table: Table) -> str:
    """The column of this table that a told name means, regardless of case and `_`."""
    if any(column.name == name for column in table.columns):
        return name
    fits = [column.name for column in table.columns if fold(column.name) == fold(name)]
    return fits[0] if len(fits) == 1 else table.column(name).name


def _resolve_all(names: Names, ours: Table) -> set[str]:
    found = set()
    for name in listed(names):
        local = {fold(column.name): column.name for column in ours.columns}
        if fold(name) not in local:
            ours.column(name)  # raises, with the names there are
        found.add(local[fold(name)])
    return found


def _column_pair(
    ours: Column, theirs: Column, table: tuple[Table, Table], wished: Wishes, zones: tuple[Zones, Zones]
) -> ColumnPair:
    zone_local, zone_remote = (
        next(
            (
                zone[name]
                for name in (f"{t.label}.{c.name}", f"{t.name}.{c.name}", t.label, "*")
                if name in zone
            ),
            None,
        )
        for t, c, zone in zip(table, (ours, theirs), zones, strict=True)
    )
    rule = rule_for(Kind(ours.kind), Kind(theirs.kind), zone_local=zone_local, zone_remote=zone_remote)
    if isinstance(rule, ArrayRule):
        rule = ArrayRule(rule_for(_element(ours), _element(theirs)))
    return ColumnPair(ours, theirs, rule, wished.tolerance(table, ours.name, theirs.name))


def _element(column: Column) -> Kind:
    """The kind of an array's elements; text where the column is no array."""
    if column.kind != Kind.ARRAY:
        return Kind.TEXT
    return postgres_kind(re.sub(r"\(.*\)|\[\d*\]", "", column.type).strip())
