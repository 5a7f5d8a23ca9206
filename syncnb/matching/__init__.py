"""Tables, columns and keys paired, from catalogues and from what was told. Reads no rows."""

from dataclasses import dataclass

from syncnb.changes.pairs import TablePair
from syncnb.errors import SchemaError
from syncnb.matching.columns import compared_columns
from syncnb.matching.keys import choose_key, told_key
from syncnb.matching.tables import pair_tables
from syncnb.matching.told import Names, Told, Zones, check_names, read_match_file
from syncnb.schema import Schema, Table

__all__ = ["Matched", "Names", "Told", "match", "read_match_file"]


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
        if not (local.tables and remote.tables):
            hint = (
                "look for another schema (schemas=[...]), a missing USAGE right on it, or the wrong database"
            )
        raise SchemaError(
            f"no table pairs: local has {_names(local)}; remote has {_names(remote)}", hint=hint
        )
    check_names(told, tables)
    pairs = tuple(_pair(ours, theirs, told, zones) for ours, theirs in tables)
    return Matched(pairs, only_local, only_remote)


def _names(schema: Schema) -> str:
    return ", ".join(table.label for table in schema) or "no table"


def _pair(ours: Table, theirs: Table, told: Told, zones: tuple[Zones, Zones]) -> TablePair:
    table = (ours, theirs)
    key_names = told_key(told, table)
    compared, left_out = compared_columns(table, told, zones, set(key_names))
    key, key_from, nulls_match = choose_key(table, compared, key_names)
    return TablePair(ours, theirs, tuple(compared), key, key_from, nulls_match, tuple(left_out))
