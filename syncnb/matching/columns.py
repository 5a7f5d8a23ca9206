"""Columns paired, each pair with its rule; what is left out, and why."""

import datetime
from collections.abc import Mapping
from decimal import Decimal

from syncnb.changes.pairs import ColumnPair, Uncompared
from syncnb.errors import SchemaError
from syncnb.matching.tables import ambiguous
from syncnb.matching.told import Names, Told, Zones, for_table, listed
from syncnb.schema import Column, Table, fold
from syncnb.values.kinds import Kind
from syncnb.values.pairing import cannot_compare, rule_for

__all__ = ["compared_columns"]


def compared_columns(
    table: tuple[Table, Table], told: Told, zones: tuple[Zones, Zones], key: set[str]
) -> tuple[list[ColumnPair], list[Uncompared]]:
    """The columns of both sides that are compared, and those that are not, with the reason.

    `key` are the local columns told as the key: they are compared whatever else was told.
    """
    ours, theirs = table
    columns = for_table(told.columns, table) if isinstance(told.columns, Mapping) else told.columns
    partners = _pair_columns(ours, theirs, columns if isinstance(columns, Mapping) else {})
    wanted = None if columns is None or isinstance(columns, Mapping) else _resolve_all(columns, ours)
    ignored = _ignored(told, table)
    compared, left_out = [], []
    for column in ours.columns:
        partner = partners.get(column.name)
        reason = _left_out(column, partner, wanted, ignored, key)
        if reason:
            left_out.append(Uncompared("column", column.name, 0, reason))
        elif partner is not None:
            compared.append(_column_pair(column, partner, table, told, zones))
    taken = {column.name for column in partners.values()}
    for column in theirs.columns:
        if column.name not in taken and wanted is None:
            reason = "ignored, as told" if fold(column.name) in ignored else "only in remote"
            left_out.append(Uncompared("column", column.name, 0, reason))
    return compared, left_out


def _left_out(
    column: Column, partner: Column | None, wanted: set[str] | None, ignored: set[str], key: set[str]
) -> str | None:
    """Why this column is not compared; None if it is. Key columns always are."""
    if partner is None:
        return "ignored, as told" if fold(column.name) in ignored else "only in local"
    for side, there in (("local", column), ("remote", partner)):
        if not there.readable:
            return f"this role may not read it in {side}"
    if column.name in key:
        return None
    if fold(column.name) in ignored or fold(partner.name) in ignored:
        return "ignored, as told"
    if wanted is not None and column.name not in wanted:
        return "not among the columns told"
    return cannot_compare(Kind(column.kind), Kind(partner.kind))


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


def _ignored(told: Told, table: tuple[Table, Table]) -> set[str]:
    if isinstance(told.ignore, Mapping):
        return {fold(name) for name in listed(for_table(told.ignore, table) or ())}
    prefixes = [f"{name}." for side in table for name in (side.label, side.name)]
    bare = [
        next((name[len(p) :] for p in prefixes if name.startswith(p)), name) for name in listed(told.ignore)
    ]
    return {fold(name) for name in bare}


def _column_pair(
    ours: Column, theirs: Column, table: tuple[Table, Table], told: Told, zones: tuple[Zones, Zones]
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
    return ColumnPair(ours, theirs, rule, _tolerance(ours, theirs, table, told))


def _tolerance(ours: Column, theirs: Column, table: tuple[Table, Table], told: Told) -> Decimal | None:
    nested = for_table({k: v for k, v in told.tolerance.items() if isinstance(v, Mapping)}, table) or {}
    flat = {k: v for k, v in told.tolerance.items() if not isinstance(v, Mapping)}
    names = [c.name for c in (ours, theirs)]
    names += [
        f"{t}.{c.name}"
        for side, c in zip(table, (ours, theirs), strict=True)
        for t in (side.label, side.name)
    ]
    value = next((source[name] for source in (nested, flat) for name in names if name in source), None)
    if value is None:
        return None
    distance = Decimal(str(value.total_seconds() if isinstance(value, datetime.timedelta) else value))
    if not distance.is_finite() or distance < 0:
        raise SchemaError(
            f"the tolerance of {ours.name} is {value}",
            hint="give a number that is not negative, or a timedelta",
        )
    return distance
