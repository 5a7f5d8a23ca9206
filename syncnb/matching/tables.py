"""Tables paired by name regardless of case and `_`, or as told."""

from collections.abc import Mapping, Sequence

from syncnb.errors import SchemaError
from syncnb.matching.told import Told, listed
from syncnb.schema import Schema, Table, fold

__all__ = ["ambiguous", "pair_tables"]


def pair_tables(
    local: Schema, remote: Schema, told: Told
) -> tuple[list[tuple[Table, Table]], tuple[str, ...], tuple[str, ...]]:
    """The tables that belong together, and those that only local or only remote has.

    Where tables were named, only those are looked at, and none is called unpaired.
    """
    named = told.tables
    lone = _lone_frame(local, remote, named)
    if lone:
        return [lone], (), ()
    pairs = {**told.pairs, **(named if isinstance(named, Mapping) else {})}
    fixed = {local.find(ours).label: remote.find(theirs) for ours, theirs in pairs.items()}
    if named is not None and not isinstance(named, Mapping):
        wanted = [
            local.find(name) if _has(local, name) else _across(local, remote, name) for name in listed(named)
        ]
        wanted = list(dict.fromkeys(wanted))
        remotes = [fixed.get(ours.label) or _counterpart(ours, remote) for ours in wanted]
        _once(wanted, remotes)
        return list(zip(wanted, remotes, strict=True)), (), ()
    _once([local.find(name) for name in fixed], list(fixed.values()))
    ours = [table for table in local if not table.is_view or table.label in fixed]
    taken = {table.label for table in fixed.values()}
    theirs = [table for table in remote if table.label in taken or not table.is_view]
    found = _by_name([t for t in ours if t.label not in fixed], [t for t in theirs if t.label not in taken])
    found |= fixed
    tables = [(table, found[table.label]) for table in ours if table.label in found]
    used = {table.label for table in found.values()}
    return (
        tables,
        tuple(table.label for table in ours if table.label not in found),
        tuple(table.label for table in theirs if table.label not in used),
    )


def _once(ours: Sequence[Table], theirs: Sequence[Table]) -> None:
    """Refuse two local tables that would both be compared with the same remote one."""
    for at, table in enumerate(theirs):
        if table in theirs[:at]:
            rivals = ", ".join(mine.label for mine, other in zip(ours, theirs, strict=True) if other == table)
            raise SchemaError(
                f"{rivals} would all be compared with {table.label}", hint="tell one remote table for each"
            )


def _lone_frame(local: Schema, remote: Schema, named: object) -> tuple[Table, Table] | None:
    """A single frame has no name of its own: it is the table that was named, or the only one there is."""
    lone = [_is_lone(local, remote), _is_lone(remote, local)]
    if not any(lone):
        return None
    names = [named] if isinstance(named, str) else list(named) if isinstance(named, list | tuple) else []
    other = remote if lone[0] else local
    if all(lone) or (len(other) == 1 and not names):
        found = other.tables[0]
    elif len(names) == 1:
        found = other.find(names[0])
    else:
        there = ", ".join(table.label for table in other)
        raise SchemaError(
            "a single frame has no name", hint=f"say which table it is: tables=NAME, one of {there}"
        )
    return (local.tables[0], found) if lone[0] else (found, remote.tables[0])


def _is_lone(schema: Schema, other: Schema) -> bool:
    """Whether it is one frame without a name, or one file whose name is no table of the other side."""
    if len(schema) != 1 or schema.tables[0].type != "frame":
        return False
    table = schema.tables[0]
    return table.name == "frame" or ("FILE" in table.options and not _has(other, table.name))


def _has(schema: Schema, name: str) -> bool:
    return any(fold(name) in (fold(table.label), fold(table.name)) for table in schema)


def _across(local: Schema, remote: Schema, name: str) -> Table:
    """The local table of a name told in the remote side's words."""
    theirs = remote.find(name) if _has(remote, name) else None
    return local.find(theirs.name if theirs else name)


def _counterpart(ours: Table, remote: Schema) -> Table:
    return remote.find(ours.label if _has(remote, ours.label) else ours.name)


def _by_name(ours: Sequence[Table], theirs: Sequence[Table]) -> dict[str, Table]:
    """Exact names first, then folded ones. A name that folds onto two is an error that lists both."""
    found = {table.label: other for table in ours for other in theirs if other.label == table.label}
    taken = {table.label for table in found.values()}
    left = [table for table in ours if table.label not in found]
    free = [table for table in theirs if table.label not in taken]
    for table in left:
        fits = [other for other in free if fold(other.name) == fold(table.name)]
        rivals = [other for other in left if fold(other.name) == fold(table.name)]
        if fits and (len(fits) > 1 or len(rivals) > 1):
            ambiguous("table", [t.label for t in rivals], [t.label for t in fits], "tables")
        if fits:
            found[table.label] = fits[0]
    return found


def ambiguous(what: str, ours: Sequence[str], theirs: Sequence[str], option: str) -> None:
    """Refuse to guess between names that fold alike. `option` is the argument that would tell."""
    raise SchemaError(
        f"{what} names fold onto each other: local {', '.join(ours)}; remote {', '.join(theirs)}",
        hint=f'tell which belong together: {option}={{"{ours[0]}": "{theirs[0]}"}}',
    )
