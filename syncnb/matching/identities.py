"""Which ids mean nothing by themselves, what identifies their rows instead, and who refers to them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from syncnb.changes.pairs import ColumnPair, Link, TablePair
from syncnb.errors import SchemaError
from syncnb.matching.told import Told, did_you_mean, for_table, listed
from syncnb.schema import ForeignKey, Table, UniqueRule, fold
from syncnb.values.kinds import Kind

__all__ = ["check_ids", "families", "identify", "ids_told"]

MEANINGLESS = "meaningless"
WORDS = ("same", "different")
SURROGATES = (Kind.INTEGER, Kind.UUID)
"""Kinds of ids that machines number or draw; others are chosen by people, and mean what they say."""

IdsTold: TypeAlias = str | Sequence[str] | Mapping[str, str | Mapping[object, str]] | None


def identify(pairs: Sequence[TablePair], told: Told) -> tuple[TablePair, ...]:
    """The pairs with their natural keys where the key is a surrogate id, and their references to each other."""
    keyed = [_with_natural_key(pair, told) for pair in pairs]
    links = _links(keyed)
    return tuple(replace(pair, links=tuple(links[pair.name].values())) for pair in keyed)


def check_ids(ids: IdsTold, pairs: Sequence[TablePair]) -> None:
    """Raises SchemaError where `ids=` is no word for it, or names a table that is not compared."""
    words = [ids] if isinstance(ids, str) else list(ids.values()) if isinstance(ids, Mapping) else []
    for word in words:
        inner = word.values() if isinstance(word, Mapping) else [word]
        known = WORDS if isinstance(word, Mapping) else (MEANINGLESS,)
        for each in inner:
            if each not in known:
                raise SchemaError(
                    f"ids says {each!r}",
                    hint='write ids="meaningless", ids=["hosts"], or ids={"hosts": {225: "different", 226: "same"}}',
                )
    names = [] if ids is None or isinstance(ids, str) else list(ids)
    there = {fold(name) for pair in pairs for t in (pair.local, pair.remote) for name in (t.label, t.name)}
    for name in names:
        if not isinstance(name, str) or fold(name) not in there:
            raise SchemaError(
                f"ids names a table {name!r} that is not compared",
                hint=did_you_mean(str(name), [pair.name for pair in pairs]),
            )


def ids_told(pair: TablePair, told: Told) -> str | Mapping[object, str]:
    """What was told about the ids of one table: `meaningless`, a word for single ids, or nothing."""
    ids = told.ids
    if ids is None or isinstance(ids, str):
        return ids or ""
    if isinstance(ids, Mapping):
        found: str | Mapping[object, str] = for_table(ids, (pair.local, pair.remote)) or ""
        return found
    wanted = {fold(name) for name in listed(ids)}
    names = {fold(name) for t in (pair.local, pair.remote) for name in (t.label, t.name)}
    return MEANINGLESS if names & wanted else ""


def _with_natural_key(pair: TablePair, told: Told) -> TablePair:
    meaningless = ids_told(pair, told) == MEANINGLESS
    if pair.key_from == "told":
        return _told_natural(pair) if meaningless else pair
    if not _is_surrogate(pair.key) or not pair.key_from.startswith("primary key") or _borrowed(pair):
        if meaningless and not isinstance(told.ids, str):
            raise SchemaError(
                f"{pair.name} has no id that a machine made: its key is {', '.join(pair.key_names) or 'none'}",
                hint=f"leave {pair.name} out of ids=",
            )
        return pair
    natural, where = _natural_key(pair)
    return replace(pair, surrogate=True, natural=natural, natural_from=where)


def _told_natural(pair: TablePair) -> TablePair:
    """A told key identifies; the id of the table is no value."""
    for side, table in (("local", pair.local), ("remote", pair.remote)):
        by_name = {getattr(column, side).name: column for column in pair.columns}
        key = tuple(by_name[name] for name in table.primary_key if name in by_name)
        if len(key) == len(table.primary_key) and _is_surrogate(key) and not set(key) <= set(pair.key):
            return replace(pair, surrogate=True, key=key, natural=pair.key, natural_from="told")
    return pair


def _is_surrogate(key: Sequence[ColumnPair]) -> bool:
    return len(key) == 1 and {Kind(key[0].local.kind), Kind(key[0].remote.kind)} <= {*SURROGATES, Kind.ANY}


def _borrowed(pair: TablePair) -> bool:
    """Whether the id is another table's: a row that adds something to that one."""
    key = pair.key[0]
    return any(
        reference.columns == (column.name,)
        for table, column in ((pair.local, key.local), (pair.remote, key.remote))
        for reference in table.foreign_keys
    )


def _natural_key(pair: TablePair) -> tuple[tuple[ColumnPair, ...], str]:
    """The first unique rule, best one that both sides enforce, that could identify rows without their id."""
    found: list[tuple[tuple[ColumnPair, ...], str]] = []
    for side, table in (("local", pair.local), ("remote", pair.remote)):
        by_name = {getattr(column, side).name: column for column in pair.columns}
        for rule in table.natural_rules:
            if columns := _as_natural(rule, by_name, pair.key):
                found.append((columns, side))
    sets = [(frozenset(column.name for column in columns), side) for columns, side in found]

    def worth(entry: tuple[tuple[ColumnPair, ...], str]) -> tuple[bool, bool]:
        columns = frozenset(column.name for column in entry[0])
        both = {side for there, side in sets if there == columns} == {"local", "remote"}
        nullable = any(column.local.nullable and column.remote.nullable for column in entry[0])
        return not both, nullable

    for columns, side in sorted(found, key=worth):
        name = frozenset(column.name for column in columns)
        sides = {s for there, s in sets if there == name}
        return columns, f"unique rule of {'both' if len(sides) == 2 else side}"
    return (), ""


def _as_natural(
    rule: UniqueRule, by_name: Mapping[str, ColumnPair], key: Sequence[ColumnPair]
) -> tuple[ColumnPair, ...]:
    if not all(name in by_name for name in rule.columns):
        return ()
    columns = tuple(by_name[name] for name in rule.columns)
    return () if set(columns) & set(key) else columns


def _links(pairs: Sequence[TablePair]) -> dict[str, dict[str, Link]]:
    """Column by column: whose id it holds. A column that repeats a linked one refers to the same id."""
    links: dict[str, dict[str, Link]] = {pair.name: {} for pair in pairs}
    grown = True
    while grown:
        grown = False
        for pair in pairs:
            for side, table in (("local", pair.local), ("remote", pair.remote)):
                for reference in table.foreign_keys:
                    for column, parent in _refers(pair, side, reference, pairs, links):
                        own_id = pair.surrogate and column in pair.key
                        if column.name not in links[pair.name] and not own_id:
                            links[pair.name][column.name] = Link(column, parent)
                            grown = True
    return links


def _refers(
    pair: TablePair,
    side: str,
    reference: ForeignKey,
    pairs: Sequence[TablePair],
    links: Mapping[str, Mapping[str, Link]],
) -> list[tuple[ColumnPair, str]]:
    found: list[tuple[ColumnPair, str]] = []
    own = {getattr(column, side).name: column for column in pair.columns}
    for parent in pairs:
        table: Table = getattr(parent, side)
        if reference.parent not in (table.label, table.name):
            continue
        theirs = {getattr(column, side).name: column for column in parent.columns}
        for name, other in zip(reference.columns, reference.parent_columns, strict=False):
            if name not in own or other not in theirs:
                continue
            target = theirs[other]
            if parent.surrogate and target in parent.key:
                found.append((own[name], parent.name))
            elif target.name in links[parent.name]:
                found.append((own[name], links[parent.name][target.name].parent))
    return found


def families(pairs: Sequence[TablePair]) -> list[tuple[TablePair, ...]]:
    """The pairs parents first; those that refer to each other in a circle stand together."""
    by_name = {pair.name: pair for pair in pairs}
    parents = {pair.name: {link.parent for link in pair.links} for pair in pairs}
    above = {name: _reach(name, parents) for name in by_name}
    placed: list[tuple[TablePair, ...]] = []
    waiting = list(by_name)
    while waiting:
        done = {pair.name for family in placed for pair in family}
        # The first whose parents, those of its own circle aside, have all been placed.
        name = next(n for n in waiting if not (above[n] - done - _circle(n, above)))
        circle = [n for n in waiting if n in _circle(name, above)]
        placed.append(tuple(by_name[n] for n in circle))
        waiting = [n for n in waiting if n not in circle]
    return placed


def _reach(name: str, parents: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(parents[name])
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting += parents[parent]
    return found


def _circle(name: str, above: Mapping[str, set[str]]) -> set[str]:
    return {name} | {other for other in above[name] if name in above[other]}
