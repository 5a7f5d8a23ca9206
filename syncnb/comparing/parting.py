"""A comparison with a part: what local has is looked for in remote, and nothing is said about the rest of remote.

Where remote is not much larger, it is read whole, as ever. Where it is, only its rows with the keys of local are
asked for, so that a hundred rows cost the same beside a thousand and beside ten million. That needs a key that
remote itself tells apart as the comparison does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from syncnb.changes import ColumnPair, RowSet, TableDiff, TablePair, Uncompared
from syncnb.stores.port import Reader
from syncnb.values.kinds import Kind
from syncnb.values.raw import concat, from_python, given, to_python
from syncnb.values.sides import Side
from syncnb.values.writing import write_column

__all__ = ["Part"]

TIMES, FREE = 10, 10_000
"""A remote table is read whole up to so many times the rows of local, and up to so many rows in any case."""
KEYS = 20_000
"""Keys that are asked for at a time."""
PLAIN_IN_SQLITE = (Kind.INTEGER, Kind.TEXT)
"""Kinds that SQLite keeps in one form: a UUID or a stamp may be written there in many, and would be missed."""
LEFT = "only in remote, which was not asked for"


@dataclass
class Part:
    """What of remote is read, table by table."""

    readers: Mapping[Side, Reader]
    dialect: str
    """Of remote."""
    asked: dict[str, bool] = field(default_factory=dict)
    """Whether only the rows with the keys of local are read, by table."""
    beyond: dict[str, int] = field(default_factory=dict)

    def asks(self, pair: TablePair) -> bool:
        """Whether only the rows of remote that have a key of local are read."""
        if pair.name not in self.asked:
            self.asked[pair.name] = self._is_plain(pair) and self._is_small_beside(pair)
        return self.asked[pair.name]

    def _is_plain(self, pair: TablePair) -> bool:
        if not pair.key or pair.surrogate or any(link.column in pair.key for link in pair.links):
            return False
        return self.dialect == "postgresql" or (
            self.dialect == "sqlite" and all(_one_form(column) for column in pair.key)
        )

    def _is_small_beside(self, pair: TablePair) -> bool:
        rows = self.readers["local"].count_estimate(pair.local)
        if rows is None:
            return False
        most = max(TIMES * rows, FREE)
        if self.readers["remote"].is_within(pair.remote, rows=most, size=2**62):
            return False
        self.beyond[pair.name] = most
        return True

    def rows(self, pair: TablePair) -> Iterator[pa.RecordBatch]:
        """The rows of remote that have a key of local."""
        wanted = [column.remote.name for column in pair.columns]
        keys = self._keys(pair)
        names = [column.remote.name for column in pair.key]
        for start in range(0, len(keys[0]), KEYS):
            part = [values.slice(start, KEYS) for values in keys]
            yield from self.readers["remote"].chosen(pair.remote, wanted, names, part)

    def _keys(self, pair: TablePair) -> list[pa.Array]:
        """The keys of local as remote writes them, each once; without those that it cannot hold."""
        batches = list(self.readers["local"].batches(pair.local, [column.local.name for column in pair.key]))
        told = [given(concat([batch.column(at) for batch in batches])) for at in range(len(pair.key))]
        written = [
            write_column(column.rule, values, "local", column.remote, self.dialect, source=column.local)
            for column, values in zip(pair.key, told, strict=True)
        ]
        lost = {problem.row for column in written for problem in column.problems}
        rows = dict.fromkeys(
            row
            for at, row in enumerate(zip(*(to_python(column.array) for column in written), strict=True))
            if at not in lost and (pair.nulls_match or None not in row)
        )
        if not rows:
            return [pa.nulls(0)] * len(pair.key)
        return [from_python(list(values)) for values in zip(*rows, strict=True)]

    def cut(self, table: TableDiff) -> TableDiff:
        """The differences without what only remote has; how many rows that were is said."""
        alone = table.counts.only_remote
        beyond = self.beyond.get(table.name, 0) if self.asked.get(table.name) else 0
        if not alone and not beyond:
            return table
        nothing = RowSet(tuple(column.slice(0, 0) for column in table.only_remote.columns))
        counts = replace(table.counts, only_remote=0, rows_remote=table.counts.rows_remote - alone)
        left = Uncompared("rows", "rows", None if beyond else alone, LEFT)
        none: np.ndarray[tuple[int], np.dtype[np.int64]] = np.arange(0)
        since = table.since
        if since is not None:
            everything = (np.arange(len(table.changed_local)), np.arange(len(table.only_local)))
            since = since.take(*everything, none)
        return replace(
            table,
            counts=counts,
            only_remote=nothing,
            uncompared=(*table.uncompared, left),
            since=since,
            beyond=alone + beyond,
        )


def _one_form(column: ColumnPair) -> bool:
    kinds: Sequence[Kind] = (Kind(column.local.kind), Kind(column.remote.kind))
    return kinds[1] in PLAIN_IN_SQLITE and kinds[0] in (kinds[1], Kind.TEXT)
