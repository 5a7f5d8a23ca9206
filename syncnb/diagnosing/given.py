"""Rows as a person hands them over: a DataFrame, a list of dicts, Arrow, or the tables of a store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from syncnb.errors import SchemaError
from syncnb.schema import Table, fold
from syncnb.stores.port import Store
from syncnb.values.kinds import Kind
from syncnb.values.raw import concat

__all__ = ["MOST_ROWS", "Rows", "rows_given", "rows_of"]

MOST_ROWS = 100_000
"""Rows of one table that are looked at; the findings say where there were more."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for one table, raw, their columns by the names that the table has."""

    batch: pa.RecordBatch
    unknown: tuple[str, ...] = ()
    """Columns that the table does not have."""
    absent: tuple[frozenset[str], ...] = ()
    """For each row, columns that others of the batch give and this one does not; empty where all are alike."""
    cut: bool = False
    """There are more rows than were looked at."""


def rows_given(rows: Any, table: Table) -> Rows:
    """Rows for a table. Raises SchemaError where they cannot be understood."""
    from syncnb.stores.frame import FrameStore

    absent: tuple[frozenset[str], ...] = ()
    if isinstance(rows, Mapping):
        rows = [rows]
    if isinstance(rows, Sequence) and not isinstance(rows, str):
        if not rows or not all(isinstance(row, Mapping) for row in rows):
            raise SchemaError("there are no rows", hint="pass a DataFrame, or a list of dicts by column name")
        rows, absent = _of_dicts(rows, {fold(c.name) for c in table.columns if c.kind == Kind.ARRAY})
    return rows_of(FrameStore({"rows": rows}), "rows", table, absent=absent)


def _of_dicts(rows: Sequence[Mapping[str, Any]], arrays: set[str]) -> tuple[Any, tuple[frozenset[str], ...]]:
    import pandas as pd

    names = list(dict.fromkeys(name for row in rows for name in row))
    absent = tuple(frozenset(name for name in names if name not in row) for row in rows)
    columns = {
        name: pd.Series([_plain(row.get(name), array=fold(name) in arrays) for row in rows], dtype=object)
        for name in names
    }
    return pd.DataFrame(columns), absent if any(absent) else ()


def _plain(value: Any, *, array: bool) -> Any:
    """A document or an array as the text that a database reads."""
    if array and isinstance(value, list | tuple):
        return _array(value)
    return json.dumps(value) if isinstance(value, dict | list) else value


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL writes it."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return _array(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def rows_of(store: Store, name: str, table: Table, *, absent: tuple[frozenset[str], ...] = ()) -> Rows:
    """The rows of one table of another store, for `table`."""
    with store.reading() as reader:
        source = reader.schema().find(name)
        named = _paired(source, table)
        batches, count = [], 0
        for batch in reader.batches(source, list(named)):
            batches.append(batch)
            if (count := count + batch.num_rows) >= MOST_ROWS:
                break
    arrays = [
        concat([batch.column(at) for batch in batches]) if batches else pa.nulls(0)
        for at in range(len(named))
    ]
    whole = pa.RecordBatch.from_arrays(arrays, names=list(named.values())) if named else pa.record_batch({})
    unknown = tuple(column.name for column in source.columns if column.name not in named)
    cut = count > MOST_ROWS
    return Rows(whole.slice(0, MOST_ROWS) if cut else whole, unknown, absent, cut)


def _paired(source: Table, table: Table) -> dict[str, str]:
    """Columns of the source, and what the table calls them."""
    exact = {column.name for column in table.columns}
    folded = {fold(column.name): column.name for column in table.columns}
    pairs = {c.name: c.name if c.name in exact else folded.get(fold(c.name)) for c in source.columns}
    return {ours: theirs for ours, theirs in pairs.items() if theirs is not None}
