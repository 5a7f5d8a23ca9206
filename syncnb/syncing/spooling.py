"""The rows on which both sides agree, as a comparison finds them: put aside in a file until they are kept."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import TablePair
from syncnb.comparing.remembering import row_keys, side_forms
from syncnb.journal import BaseRow
from syncnb.values.canonical import UNKNOWN, joined
from syncnb.values.sides import Side, other_side, own_first

__all__ = ["Spool", "base_columns", "base_lines"]

SCHEMA = pa.schema([("own", pa.string()), ("other", pa.string()), ("cells", pa.string())])
OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


@dataclass
class _Shelf:
    """The rows of one table."""

    pair: TablePair
    file: IO[bytes]
    writer: Any
    rows: int = 0
    whole: bool = False


@dataclass
class Spool:
    """A witness of a comparison. `holder` is the side that keeps the base."""

    holder: Side
    shelves: dict[str, _Shelf] = field(default_factory=dict)

    def start(self, pair: TablePair) -> None:
        """Forget what was found of this table before."""
        old = self.shelves.pop(pair.name, None)
        if old is not None:
            old.file.close()
        if pair.key:
            file = tempfile.TemporaryFile(prefix="syncnb-")  # noqa: SIM115 - closed with the spool
            self.shelves[pair.name] = _Shelf(pair, file, pa.ipc.new_stream(file, SCHEMA, options=OPTIONS))

    def same(
        self,
        pair: TablePair,
        local: Sequence[pa.Array],
        remote: Sequence[pa.Array],
        unknown: "np.ndarray[Any, Any]",
    ) -> None:
        """Put these rows aside."""
        shelf = self.shelves.get(pair.name)
        if shelf is None:
            return
        batch = base_lines(pair, local, remote, self.holder, unknown)
        shelf.writer.write_batch(batch)
        shelf.rows += batch.num_rows

    def rows(self, name: str) -> Iterator[BaseRow]:
        """What was put aside of one table; to be read when the comparison is over."""
        shelf = self.shelves[name]
        if not shelf.whole:
            shelf.writer.close()
            shelf.whole = True
        shelf.file.seek(0)
        with pa.ipc.open_stream(shelf.file) as stream:
            for batch in stream:
                for own, other, cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield BaseRow(own, other, cells)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        for shelf in self.shelves.values():
            shelf.file.close()


def base_columns(pair: TablePair, holder: Side) -> list[str]:
    """The names of the columns that a line of the base has, as the side that keeps it calls them."""
    return [column.on(holder).name for column in pair.columns]


def base_lines(
    pair: TablePair,
    local: Sequence[pa.Array],
    remote: Sequence[pa.Array],
    holder: Side,
    unknown: "np.ndarray[Any, Any]",
) -> pa.RecordBatch:
    """Rows of both sides, side by side, as lines of a base; without those that no key names."""
    columns, others = own_first(holder, local, remote)
    cells = []
    for at, column in enumerate(columns):
        told = side_forms(pair, at, column, holder, holder, None)
        doubtful = unknown[:, at]
        cells.append(pc.if_else(pa.array(doubtful), UNKNOWN, told) if doubtful.any() else told)
    own = pa.array(row_keys(pair, columns, holder), pa.string())
    other = pa.array(row_keys(pair, others, other_side(holder)), pa.string())
    batch = pa.RecordBatch.from_arrays([own, other, joined(cells)], schema=SCHEMA)
    return batch.filter(pc.and_(own.is_valid(), other.is_valid()))
