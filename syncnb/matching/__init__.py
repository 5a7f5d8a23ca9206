"""Tables, columns and keys paired, from catalogues and from what was told. Reads no rows."""

from dataclasses import dataclass

from syncnb.changes.pairs import TablePair
from syncnb.errors import SchemaError
from syncnb.matching.columns import compared_columns, only_wanted
from syncnb.matching.identities import check_ids, families, identify, ids_told
from syncnb.matching.keys import choose_key, told_key
from syncnb.matching.tables import pair_tables
from syncnb.matching.told import Names, Told, Zones, check_names, read_match_file
from syncnb.matching.wishes import Wishes, wishes
from syncnb.schema import Schema, Table

__all__ = ["Matched", "Names", "Told", "families", "ids_told", "match", "read_match_file"]


@dataclass(frozen=True, slots=True)
class Matched:
    """Table pairs, and what stays unpaired on either side."""

    pairs: tuple[TablePair, ...]
    unmatched_local: tuple[str, ...]
    unmatched_remote: tuple[str, ...]


def match(local: Schema, remote: Schema, told: Told, zones: tuple[Zones, Zones] = ({}, {})) -> Matched:
    """Pair tables by name regardless of case and `_`, or as told; then their columns and a key.

    `zones` are the declared zones of naive stamps of the two stores.
    Raises SchemaError where nothing pairs, a name folds onto two, or something told does not exist.
    """
    tables, only_local, only_remote = pair_tables(local, remote, told)
    if not tables:
        hint = 'tell which belong together: tables={"local_name": "remote_name"}'
        if any(table.is_view for schema in (local, remote) for table in schema):
            hint += "; a view is compared only where it is named"
        if not (local.tables and remote.tables):
            hint = (
                "look for another schema (schemas=[...]), a missing USAGE right on it, or the wrong database"
            )
        raise SchemaError(
            f"no table pairs: local has {_names(local)}; remote has {_names(remote)}", hint=hint
        )
    check_names(told, tables)
    wished = wishes(told, tables)
    pairs = [_pair(table, told, wished, zones) for table in tables]
    check_ids(told.ids, pairs)
    return Matched(identify(pairs, told), only_local, only_remote)


def _names(schema: Schema) -> str:
    return ", ".join(f"{t.label} (a view)" if t.is_view else t.label for t in schema) or "no table"


def _pair(table: tuple[Table, Table], told: Told, wished: Wishes, zones: tuple[Zones, Zones]) -> TablePair:
    key_names = told_key(told, table)
    found, left_out = compared_columns(table, told, wished, zones, set(key_names))
    key, key_from, nulls_match = choose_key(table, found, key_names)
    compared, unwanted = only_wanted(table, told, found, key)
    vain = [column.name for column in compared if column.tolerance is not None and (column in key or not key)]
    if vain:
        raise SchemaError(
            f"a tolerance for {vain[0]} of {table[0].label} means nothing: {key_from}",
            hint="tell what identifies a row by key=, and give tolerances for other columns",
        )
    touch = tuple(c.name for c in table[1].columns if wished.touches(table, c.name))
    if touched := [column.remote.name for column in key if column.remote.name in touch]:
        raise SchemaError(
            f"{touched[0]} of {table[1].label} is part of the key",
            hint="touch= is for stamps such as last_synced_at",
        )
    return TablePair(*table, tuple(compared), key, key_from, nulls_match, (*left_out, *unwanted), touch=touch)
