"""Single rows of a PostgreSQL table, looked for by values, also where nothing can be staged."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from syncnb.schema import Column, Table
from syncnb.stores.postgres_copy import QUOTED, copy_out, qualified, selected
from syncnb.stores.postgres_staging import unlimited
from syncnb.stores.postgres_text import as_text
from syncnb.stores.staging import NUMBER, arranged
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["holding"]

SOUGHT = 20_000
"""Values looked for at a time: they travel as arrays in settings of the transaction."""

Read = Callable[[str, Table, Sequence[Column]], Iterator[pa.RecordBatch]]


def holding(
    connection: "Connection[Any]",
    read: Read,
    table: Table,
    columns: Sequence[str],
    values: Sequence[pa.Array],
    wanted: Sequence[str],
) -> pa.RecordBatch:
    """The rows that have these values in these columns, by number of the value. `read` runs a COPY. Raises psycopg.Error."""
    chosen = [table.column(name) for name in wanted]
    number = Column(NUMBER, "bigint", Kind.INTEGER, nullable=False)
    query = copy_out(_query(table, [table.column(name) for name in columns], chosen), table)
    found: list[pa.RecordBatch] = []
    for start in range(0, len(values[0]), SOUGHT):
        parts = [array.slice(start, SOUGHT) for array in values]
        numbers = np.arange(start, start + len(parts[0]))
        for at, texts in enumerate([list(map(str, numbers.tolist())), *map(as_text, parts)]):
            connection.execute(
                "SELECT set_config(%s, %s::text[]::text, true) IS NULL", (f"syncnb.sought_{at}", texts)
            )
        found += read(query, table, [number, *chosen])
    return arranged(found, [NUMBER, *wanted])


def _query(table: Table, columns: Sequence[Column], chosen: Sequence[Column]) -> str:
    names = ", ".join(f"c{at}" for at in range(len(columns)))
    arrays = ", ".join(f"current_setting('syncnb.sought_{at}')::text[]" for at in range(len(columns) + 1))
    same = " AND ".join(
        f"t.{QUOTED(column.name)} = CAST(u.c{at} AS {unlimited(column.type)})"
        for at, column in enumerate(columns)
    )
    picked = ", ".join(["u.n::bigint", *map(selected, chosen)])
    return f"SELECT {picked} FROM unnest({arrays}) AS u (n, {names}) JOIN {qualified(table)} AS t ON {same}"  # noqa: S608
