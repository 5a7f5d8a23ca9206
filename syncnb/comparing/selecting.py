"""A comparison of some rows only: those with told keys in local, what they refer to, and who is who in remote.

    told ──► local rows ──► their parents, and theirs     (so that references are followed)
                 │
                 └──► remote rows: by the key that a base or a map names, by the same id, by the natural key

It costs what so many rows cost, however many the tables have.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np
import pyarrow as pa

from syncnb.changes import ColumnPair, Ids, RowSet, TableDiff, TablePair
from syncnb.changes.ids import names
from syncnb.changes.references import Reference, references
from syncnb.comparing.entities import Known
from syncnb.comparing.remembering import Remembered, row_keys
from syncnb.stores.port import Reader
from syncnb.values.kinds import Kind
from syncnb.values.raw import Raw, concat, from_python, to_python
from syncnb.values.sides import Side, of_side
from syncnb.values.writing import write_column

__all__ = ["Keys", "Selection", "told_names"]

Columns = list[pa.Array]
FEW, MANY = 20, 10
"""Up to so many changes nobody asks how large a table is; beyond, whether it has so many times as many rows."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of rows in local: a raw column for each of the columns named."""

    columns: tuple[str, ...]
    values: tuple[pa.Array, ...]

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0


@dataclass
class Selection:
    """The rows of both sides that a comparison of told keys needs."""

    pairs: Sequence[TablePair]
    readers: Mapping[Side, Reader]
    told: Mapping[str, Keys]
    """By table: the keys that it is about. Their columns must be those of the pair's key."""
    memory: Remembered
    known: Mapping[str, Known]
    dialect: str
    """Of remote."""
    local: dict[str, Columns] = field(default_factory=dict)
    remote: dict[str, Columns] = field(default_factory=dict)
    gone: dict[str, Columns] = field(default_factory=dict)
    """Remote rows that local deleted, as told."""
    watched: dict[str, set[str]] = field(default_factory=dict)
    """Keys of the remote rows that refer to those."""

    def __post_init__(self) -> None:
        self.by_name = {pair.name: pair for pair in self.pairs}
        self.references = list(references(self.pairs))
        for pair in self.pairs:
            keys = self.told.get(pair.name)
            self.local[pair.name] = self._fetch(pair, "local", keys) if keys else _nothing(pair)
        waiting = [pair.name for pair in self.pairs if len(self.local[pair.name][0])]
        while waiting:
            name = waiting.pop()
            for reference in self.references:
                if reference.child == name and self._parents(reference):
                    waiting.append(reference.parent)

    def rows(self, pair: TablePair, side: Side) -> Iterator[pa.RecordBatch]:
        """What was found of one table, as a reader gives it."""
        columns = of_side(side, self.local, self.remote)[pair.name]
        if len(columns[0]):
            yield pa.RecordBatch.from_arrays(columns, [str(at) for at in range(len(columns))])

    def prepare(self, pair: TablePair, ids: Mapping[str, Ids]) -> None:
        """Find the remote rows of a table, now that it is known which ids of its parents are which."""
        told, own = self.told.get(pair.name), self.local[pair.name]
        found = [self._by_key(pair, told, own)] if told is not None or len(own[0]) else [_nothing(pair)]
        if pair.surrogate and pair.natural and len(own[0]):
            found.append(self._by_columns(pair, pair.natural, own, ids))
        if not pair.surrogate and any(len(ids.get(link.parent, Ids())) for link in pair.links):
            found.append(self._by_columns(pair, pair.key, own, ids))
        found += self._orphans(pair)
        self.remote[pair.name] = _once(pair, found, "remote")
        if told is not None and len(told) > len(own[0]):
            self.gone[pair.name] = self._deleted(pair, self.remote[pair.name])

    def concerned(self, table: TableDiff) -> TableDiff:
        """The differences of the told rows only; of what they refer to, only what remote lacks."""
        pair, told = table.pair, self._told_names(table.pair)
        base = self.memory.table(pair)
        lines = base.lines(told, ()) if base and told else []
        # Without a base, a row of the same key in remote may be what local deleted: it is told, not deleted.
        gone = {line.remote for line in lines} | told | self.watched.get(pair.name, set())
        changed = _places(pair, table.changed_local, "local", told)
        alone = _places(pair, table.only_remote, "remote", gone)
        differs = table.differs[changed]
        cells = differs.sum(axis=0).tolist() if len(differs) else [0] * len(table.cell_names)
        counts = replace(
            table.counts,
            changed=len(changed),
            only_remote=len(alone),
            rows_local=self._size(pair, "local", len(changed)),
            rows_remote=self._size(pair, "remote", len(changed) + len(alone)),
        )
        everything = np.arange(len(table.only_local))
        return replace(
            table,
            counts=counts,
            changed_local=_take(table.changed_local, changed),
            changed_remote=_take(table.changed_remote, changed),
            differs=differs,
            unsure=table.unsure[changed] if len(table.unsure) else table.unsure,
            only_remote=_take(table.only_remote, alone),
            cell_counts={name: int(n) for name, n in zip(table.cell_names, cells, strict=True) if n},
            since=None if table.since is None else table.since.take(changed, everything, alone),
        )

    def _size(self, pair: TablePair, side: Side, touched: int) -> int:
        """How many rows the whole table has, as far as it matters whether these are many of them."""
        found = len(of_side(side, self.local, self.remote)[pair.name][0])
        if touched <= FEW:
            return found
        table, most = pair.on(side), MANY * touched
        reader = self.readers[side]
        if not reader.is_within(table, rows=most, size=2**62):
            return most + 1
        first = pair.columns[0].on(side).name
        return sum(batch.num_rows for batch in reader.batches(table, [first]))

    def _told_names(self, pair: TablePair) -> set[str]:
        keys = self.told.get(pair.name)
        return set() if keys is None else told_names(pair, keys)

    def _fetch(self, pair: TablePair, side: Side, keys: Keys) -> Columns:
        table = pair.on(side)
        wanted = [column.on(side).name for column in pair.columns]
        batches = list(self.readers[side].chosen(table, wanted, keys.columns, keys.values))
        return [concat([batch.column(at) for batch in batches]) for at in range(len(wanted))]

    def _parents(self, reference: Reference) -> bool:
        """Add the local rows that a table's rows refer to. Whether there were new ones."""
        child, parent = self.by_name[reference.child], self.by_name[reference.parent]
        own = self.local[child.name]
        keys = [own[at] for at in reference.columns]
        there = [self.local[parent.name][at] for at in reference.parent_columns]
        wanted = _missing(keys, there)
        if not len(wanted[0]):
            return False
        columns = tuple(parent.columns[at].on("local").name for at in reference.parent_columns)
        found = self._fetch(parent, "local", Keys(columns, tuple(wanted)))
        if not len(found[0]):
            return False
        self.local[parent.name] = _once(parent, [self.local[parent.name], found], "local")
        return True

    def _by_key(self, pair: TablePair, told: Keys | None, own: Columns) -> Columns:
        """Remote rows that have the same key, or the one that a base or a map names."""
        parts = [[own[pair.columns.index(column)] for column in pair.key]]
        if told is not None:
            by_name = dict(zip(told.columns, told.values, strict=True))
            parts.append([by_name[column.local.name] for column in pair.key])
        local = [concat(columns) for columns in zip(*parts, strict=True)]
        written = [self._written(column, values) for column, values in zip(pair.key, local, strict=True)]
        found = [self._chosen(pair, pair.key, written)]
        if len(pair.key) == 1:
            mapped = self._mapped(pair, set(names(pair.key[0].rule, local[0], "local").to_pylist()))
            if mapped:
                found.append(self._chosen(pair, pair.key, [from_python(mapped)]))
        return _once(pair, found, "remote")

    def _mapped(self, pair: TablePair, own: set[str | None]) -> list[Raw]:
        """The remote ids of these local ones, where they are others, in whatever form remote may write them."""
        known = self.known.get(pair.name, Known())
        both = zip(known.local.to_pylist(), known.remote.to_pylist(), strict=True)
        ids = {theirs for ours, theirs in both if ours in own}
        base = self.memory.table(pair)
        if base is not None:
            ids |= {line.remote for line in base.lines(own, ()) if line.remote not in own}
        return [form for name in sorted(ids) for form in _raw_forms(pair.key[0], name)]

    def _by_columns(
        self, pair: TablePair, columns: Sequence[ColumnPair], own: Columns, ids: Mapping[str, Ids]
    ) -> Columns:
        """Remote rows that have the same values in these columns, references led to the same things."""
        parts: list[list[list[Raw]]] = []
        for column in columns:
            at = pair.columns.index(column)
            parent = next((ids.get(link.parent) for link in pair.links if link.column == column), None)
            plain = to_python(self._written(column, own[at]))
            forms = [[value] for value in plain]
            if parent is not None and len(parent):
                here = names(column.rule, own[at], "local")
                there, lost = parent.across(here, "local")
                for row, (old, new, gone) in enumerate(
                    zip(here.to_pylist(), there.to_pylist(), lost.tolist(), strict=True)
                ):
                    if gone:
                        forms[row] = []
                    elif new != old and new is not None:
                        forms[row] = _raw_forms(column, new)
            parts.append(forms)
        keys = [key for row in zip(*parts, strict=True) for key in _product(row) if None not in key]
        if not keys:
            return _nothing(pair)
        return self._chosen(pair, columns, [from_python(list(v)) for v in zip(*keys, strict=True)])

    def _deleted(self, pair: TablePair, remote: Columns) -> Columns:
        """The remote rows whose local counterpart is told, and gone."""
        here = set(row_keys(pair, self.local[pair.name], "local")) if len(self.local[pair.name][0]) else set()
        lost, base = self._told_names(pair) - here, self.memory.table(pair)
        there = {line.remote for line in base.lines(lost, ())} if base is not None else set()
        keys = row_keys(pair, remote, "remote") if len(remote[0]) else []
        take = pa.array([row for row, key in enumerate(keys) if key in there], pa.int64())
        return [column.take(take) for column in remote]

    def _orphans(self, pair: TablePair) -> list[Columns]:
        """Remote rows that refer to what local deleted: nobody here may have seen them."""
        found = []
        for reference in self.references:
            gone = self.gone.get(reference.parent)
            if reference.child == pair.name and gone is not None and len(gone[0]):
                columns = [pair.columns[at] for at in reference.columns]
                found.append(self._chosen(pair, columns, [gone[at] for at in reference.parent_columns]))
        keys = [key for part in found if len(part[0]) for key in row_keys(pair, part, "remote")]
        self.watched[pair.name] = {key for key in keys if key is not None}
        return found

    def _written(self, column: ColumnPair, values: pa.Array) -> pa.Array:
        """Local values as remote writes them; NULL for what it cannot hold."""
        return write_column(
            column.rule, values, "local", column.remote, self.dialect, source=column.local
        ).array

    def _chosen(self, pair: TablePair, columns: Sequence[ColumnPair], keys: Sequence[pa.Array]) -> Columns:
        distinct = _distinct(keys)
        if not len(distinct[0]):
            return _nothing(pair)
        told = tuple(column.remote.name for column in columns)
        return self._fetch(pair, "remote", Keys(told, tuple(distinct)))


def told_names(pair: TablePair, keys: Keys) -> set[str]:
    """These keys of local rows as a base names them."""
    columns = [pa.nulls(len(keys))] * len(pair.columns)
    for name, values in zip(keys.columns, keys.values, strict=True):
        columns[_place(pair, name)] = values
    return {key for key in row_keys(pair, columns, "local") if key is not None}


def _nothing(pair: TablePair) -> Columns:
    return [pa.nulls(0) for _ in pair.columns]


def _place(pair: TablePair, name: str) -> int:
    return next(at for at, column in enumerate(pair.columns) if column.local.name == name)


def _take(rows: RowSet, places: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> RowSet:
    return rows.take(places)


def _places(
    pair: TablePair, rows: RowSet, side: Side, wanted: set[str]
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    keys = row_keys(pair, rows.columns, side) if len(rows) else []
    return np.array([row for row, key in enumerate(keys) if key in wanted], dtype=np.int64)


def _once(pair: TablePair, parts: Sequence[Columns], side: Side) -> Columns:
    """All these rows, each key once."""
    whole = [concat([part[at] for part in parts]) for at in range(len(pair.columns))]
    keys = row_keys(pair, whole, side) if len(whole[0]) else []
    first: dict[object, int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key if key is not None else row, row)
    if len(first) == len(keys):
        return whole
    take = pa.array(list(first.values()), pa.int64())
    return [column.take(take) for column in whole]


def _distinct(keys: Sequence[pa.Array]) -> list[pa.Array]:
    """Each key once, those with a NULL left out."""
    rows = dict.fromkeys(zip(*([(type(v), v) for v in to_python(part)] for part in keys), strict=True))
    told = [[value for _, value in row] for row in rows if all(value is not None for _, value in row)]
    return (
        [from_python(list(values)) for values in zip(*told, strict=True)]
        if told
        else [pa.nulls(0)] * len(keys)
    )


def _missing(keys: Sequence[pa.Array], there: Sequence[pa.Array]) -> list[pa.Array]:
    """The keys, each once, that no row of `there` has."""
    known = set(zip(*map(to_python, there), strict=True))
    wanted = [row for row in dict.fromkeys(zip(*map(to_python, keys), strict=True)) if row not in known]
    whole = [row for row in wanted if None not in row]
    return [from_python(list(v)) for v in zip(*whole, strict=True)] if whole else [pa.nulls(0)] * len(keys)


def _raw_forms(column: ColumnPair, name: str) -> list[Raw]:
    """What an id of this name may look like in remote."""
    if Kind(column.remote.kind) in (Kind.INTEGER, Kind.NUMERIC) or name.lstrip("-").isdigit():
        with suppress(ValueError):
            return [int(name)]
    with suppress(ValueError):
        found = UUID(name)
        forms = (str(found), found.hex, str(found).upper(), found.hex.upper())
        return list(
            forms[:1] if Kind(column.remote.kind) is Kind.UUID and column.remote.type == "uuid" else forms
        )
    return [name]


def _product(row: Sequence[Sequence[Raw]]) -> Iterator[tuple[Raw, ...]]:
    from itertools import product

    return product(*row)
