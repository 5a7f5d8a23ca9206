"""Rows of a payload that no plan can place: several with one key, or a key that several rows of the target have."""

from collections.abc import Iterator, Sequence

from syncnb.changes import TableDiff
from syncnb.changes.keys import key_text, key_token
from syncnb.stores.port import Store
from syncnb.values.raw import Raw, concat, given, to_python
from syncnb.values.reading import as_text
from syncnb.values.rules import Answer, judge
from syncnb.values.sides import Side

__all__ = ["unplaced"]

IN_SIGHT = 4


def unplaced(diff: TableDiff, source: Store, side: Side) -> Iterator[tuple[str, str]]:
    """Each such row of the source: its key as text, and why, with the numbers of all rows that it belongs with."""
    skipped = diff.counts.uncompared(side)
    if not skipped or not diff.pair.key:
        return
    rows = _rows(diff, source, side)
    at = [diff.pair.columns.index(column) for column in diff.pair.key]
    groups: dict[object, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(key_token(diff.pair, [row[k] for k in at], side), []).append(number)
    told = {key for where, key, _ in diff.skipped if where == side}
    for token, members in groups.items():
        key = key_text(diff.pair, [rows[members[0]][k] for k in at])
        if len(members) > 1:
            yield from ((key, _twice(diff, rows, members, side)) for _ in members)
        elif not diff.pair.nulls_match and isinstance(token, tuple) and None in token:
            yield key, f"NULL in the key (row {members[0] + 1}): nothing tells which row it is"
        elif key in told:
            yield key, f"several rows there have this key (row {members[0] + 1} of the payload)"


def _rows(diff: TableDiff, source: Store, side: Side) -> list[tuple[Raw, ...]]:
    table = diff.pair.on(side)
    names = [column.on(side).name for column in diff.pair.columns]
    with source.reading() as reader:
        batches = list(reader.batches(table, names))
    columns = [given(concat([batch.column(at) for batch in batches])) for at in range(len(names))]
    return list(zip(*map(to_python, columns), strict=True))


def _twice(diff: TableDiff, rows: Sequence[tuple[Raw, ...]], members: Sequence[int], side: Side) -> str:
    """Which rows share the key, and in what they differ."""
    numbers = [str(number + 1) for number in members[:IN_SIGHT]]
    more = f" and {len(members) - IN_SIGHT:,} more" if len(members) > IN_SIGHT else ""
    first, others = rows[members[0]], [rows[number] for number in members[1:IN_SIGHT]]
    apart = []
    for at, column in enumerate(diff.pair.columns):
        values = [first[at], *(other[at] for other in others)]
        same = (judge(column.rule, values[0], value) is Answer.SAME for value in values[1:])
        if column not in diff.pair.key and not all(same):
            apart.append(f"{column.name} {' / '.join(map(as_text, values))}")
    differ = f", which differ in {'; '.join(apart)}" if apart else ", which are alike in all compared columns"
    return f"rows {', '.join(numbers)}{more} of the payload have this key{differ}"
