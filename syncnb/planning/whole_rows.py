"""What a diff did not read of rows that are to be deleted: nothing goes that nobody has seen."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.schema import Table
from syncnb.stores.port import Store
from syncnb.values.raw import concat, row_tokens

__all__ = ["rest_of_rows"]


def rest_of_rows(
    store: Store, table: Table, compared: Sequence[str], rows: Sequence[pa.Array], rest: Sequence[str]
) -> tuple[list[int], list[pa.Array]]:
    """The columns `rest` of these rows: the numbers of the rows that are still as they were compared, and the columns.

    compared: the columns that were read, the key among them. rows: their values, a column each. Reads the
    whole table once.
    """
    wanted = {token: at for at, token in enumerate(row_tokens(rows))}
    found: list[int] = []
    parts: list[list[pa.Array]] = []
    with store.reading() as reader:
        for batch in reader.batches(table, [*compared, *rest]):
            near = _near(batch, rows)
            tokens = row_tokens(near.columns[: len(compared)])
            there = [at for at, token in enumerate(tokens) if token in wanted]
            found += [wanted[tokens[at]] for at in there]
            taken = pa.array(there, pa.int64())
            parts.append([column.take(taken) for column in near.columns[len(compared) :]])
    columns = (
        [concat(list(column)) for column in zip(*parts, strict=True)] if parts else [pa.nulls(0)] * len(rest)
    )
    order = pa.array(sorted(range(len(found)), key=found.__getitem__), pa.int64())
    return sorted(found), [column.take(order) for column in columns]


def _near(batch: pa.RecordBatch, rows: Sequence[pa.Array]) -> pa.RecordBatch:
    """Without rows that are none of those, where one plain column tells it: only the others become objects."""
    for column, values in zip(batch.columns, rows, strict=False):
        if column.type == values.type and column.type in (pa.int64(), pa.string()) and not values.null_count:
            batch = batch.filter(pc.is_in(column, value_set=values))
            break
    return batch
