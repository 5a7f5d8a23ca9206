"""DataFrames, Arrow tables, rows as dicts and files of tables as a store: what a notebook already holds."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from syncnb.errors import ConnectError, ReadError, SchemaError
from syncnb.filters import Condition
from syncnb.schema import Column, Schema, Table, UniqueRule
from syncnb.stores.frame_columns import Source, kind_of, raw, sortable
from syncnb.stores.port import BATCH_ROWS
from syncnb.stores.records import columns_of
from syncnb.stores.table_files import notes_of, read_tables
from syncnb.values.columns import sort_keys
from syncnb.values.raw import Mask, to_python, with_ungiven
from syncnb.watching import watched

__all__ = ["FrameReader", "FrameStore"]

BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Columns:
    """A frame as named columns, its named index in front."""

    named: Mapping[str, Source]
    rows: int
    key: tuple[str, ...] = ()
    """The columns of the index, where it is unique and has no NULL."""
    notes: tuple[str, ...] = ()
    ungiven: Mapping[str, Mask] = field(default_factory=dict)
    """Rows that say nothing about a column, by column: not even that it is NULL."""


@dataclass(frozen=True, repr=False, eq=False)
class FrameStore:
    """Frames by name. Holds the frames themselves, not copies: each reading sees them as they are then.

    A frame that is changed while it is being read gives a mixture; nothing guards against that. Of a file it holds
    the path. A list without rows is no table: a payload that has nothing for one says nothing about it.
    """

    frames: Mapping[str, Any] = field(default_factory=dict)
    timezone: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    file: Path | None = None
    """Where the tables are, instead of `frames`."""
    dialect: str = field(default="frame", init=False)
    writable: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        notes = list(notes_of(self.file)) if self.file is not None else []
        for name, frame in self._tables().items():
            notes += [f"{name}: no rows were given"] if _is_empty(frame) else _columns(name, frame).notes
        object.__setattr__(self, "notes", tuple(dict.fromkeys((*self.notes, *notes))))

    @property
    def name(self) -> str:
        if self.file is not None:
            return self.file.name
        return next(iter(self.frames)) if len(self.frames) == 1 else "frames"

    def __repr__(self) -> str:
        shown = [self.file.name] if self.file is not None else list(self.frames)
        return f"FrameStore({', '.join(map(repr, shown))})"

    def _tables(self) -> Mapping[str, Any]:
        return self.frames if self.file is None else read_tables(self.file)

    @contextmanager
    def reading(self) -> Iterator["FrameReader"]:
        """The frames as they are now. Raises SchemaError where one cannot be a table, ReadError for a bad file."""
        tables = {name: frame for name, frame in self._tables().items() if not _is_empty(frame)}
        columns = {name: _columns(name, frame) for name, frame in tables.items()}
        with watched(FrameReader(columns, of_file=self.file is not None)) as reader:
            yield reader

    def inspect(self, *, schemas: Sequence[str] | None = None) -> Schema:
        """The frames as tables. They have no schemas, so `schemas` changes nothing."""
        with self.reading() as reader:
            return reader.schema(schemas)


class FrameReader:
    """The columns of some frames."""

    def __init__(self, frames: Mapping[str, Columns], *, of_file: bool = False) -> None:
        self._frames = frames
        self._options = ("FILE",) if of_file else ()
        self._stopped = False

    def schema(self, schemas: Sequence[str] | None = None) -> Schema:
        """One table for each frame, in name order."""
        return Schema(tuple(_table(name, self._frames[name], self._options) for name in sorted(self._frames)))

    def count_estimate(self, table: Table) -> int | None:
        """The exact number of rows."""
        return self._frames[table.name].rows

    def count_estimates(self, tables: Sequence[Table]) -> list[int | None]:
        """The same of several."""
        return [self.count_estimate(table) for table in tables]

    def greatest(self, table: Table, column: str) -> int | None:
        """The greatest integer in a column."""
        values = (v for batch in self.batches(table, [column]) for v in to_python(batch.column(0)))
        return max((v for v in values if isinstance(v, int) and not isinstance(v, bool)), default=None)

    def is_within(self, table: Table, *, rows: int, size: int) -> bool:
        """Whether a frame has at most so many rows; it is in memory already."""
        return self._frames[table.name].rows <= rows

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        order: Sequence[str] = (),
        where: Condition | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in raw form, sorted where the values of `order` have an order in Arrow.

        Raises ReadError where it is stopped before the end.
        """
        frame = self._frames[table.name]
        wanted = {name: frame.named[table.column(name).name] for name in columns}
        sequence = _sequence([frame.named[table.column(name).name] for name in order])
        start, size = 0, 256
        while start < frame.rows and not self._stopped:
            stop = min(start + size, frame.rows)
            arrays = [
                _marked(raw(_part(source, sequence, start, stop)), frame.ungiven.get(table.column(name).name),
                        sequence, start, stop)
                for name, source in wanted.items()
            ]  # fmt: skip
            batch = pa.RecordBatch.from_arrays(arrays, names=list(wanted))
            yield batch
            size = max(1, min(BATCH_ROWS, BATCH_BYTES // (batch.nbytes // (stop - start) + 1)))
            start = stop
        if self._stopped and start < frame.rows:
            raise ReadError(f"reading {table.name} was stopped", hint="run it again to read all of it")

    def followers(self, tables: Sequence[Table]) -> list[str]:
        """None: there is one schema."""
        return []

    def clock_offset(self) -> timedelta:
        """None: a frame has this machine's clock."""
        return timedelta(0)

    def chosen(
        self, table: Table, columns: Sequence[str], key: Sequence[str], keys: Sequence[pa.Array]
    ) -> Iterator[pa.RecordBatch]:
        """The rows with these keys, looked for in the whole frame."""
        wanted = set(zip(*map(to_python, keys), strict=True))
        names = list(dict.fromkeys([*columns, *key]))
        for batch in self.batches(table, names):
            there = zip(*(to_python(batch.column(names.index(name))) for name in key), strict=True)
            rows = [at for at, values in enumerate(there) if values in wanted]
            if rows:
                yield batch.take(pa.array(rows, pa.int64())).select(list(columns))

    def interrupt(self) -> None:
        """No further batch is made."""
        self._stopped = True


def _part(source: Source, sequence: np.ndarray[Any, Any] | None, start: int, stop: int) -> Source:
    if sequence is not None:
        return source.take(sequence[start:stop])
    return source.iloc[start:stop] if isinstance(source, pd.Series) else source.slice(start, stop - start)


def _marked(
    array: pa.Array, ungiven: Mask | None, sequence: np.ndarray[Any, Any] | None, start: int, stop: int
) -> pa.Array:
    if ungiven is None:
        return array
    which = ungiven[start:stop] if sequence is None else ungiven[sequence[start:stop]]
    return with_ungiven(array, which) if which.any() else array


def _sequence(keys: Sequence[Source]) -> np.ndarray[Any, Any] | None:
    """Row numbers in the order of these columns; None where the rows stay as they stand."""
    arrays = [array for array in map(sortable, keys) if array is not None]
    if not arrays or len(arrays) < len(keys):
        return None
    try:
        sequence: np.ndarray[Any, Any] = sort_keys(arrays).to_numpy()
    except pa.ArrowNotImplementedError:  # a type that Arrow does not sort, such as float16
        return None
    return sequence


def _table(name: str, frame: Columns, options: tuple[str, ...]) -> Table:
    columns = tuple(
        Column(
            column,
            str(source.dtype if isinstance(source, pd.Series) else source.type),
            kind_of(source),
            nullable=column not in frame.key,
        )
        for column, source in frame.named.items()
    )
    rules = (UniqueRule("index", frame.key, primary=True),) if frame.key else ()
    return Table(name, columns, type="frame", rules=rules, options=options)


def _is_empty(frame: Any) -> bool:
    return isinstance(frame, list | tuple) and not frame


def _columns(name: str, frame: Any) -> Columns:
    """The columns of a pandas DataFrame, of anything that speaks Arrow's C stream (polars, pyarrow), of dicts."""
    if isinstance(frame, pd.DataFrame):
        return _pandas(name, frame)
    if isinstance(frame, list | tuple) and any(isinstance(row, Mapping) for row in frame):
        named, ungiven = columns_of(name, frame)
        return Columns(named, len(frame), ungiven=ungiven)
    if isinstance(frame, pa.RecordBatchReader):
        raise ConnectError(
            f"{name!r} is a stream that can be read only once", hint="pass reader.read_all() instead"
        )
    if hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, pd.Series):
        table = pa.table(frame)
        names, _ = _names(name, table.column_names)
        return Columns(dict(zip(names, table.columns, strict=True)), table.num_rows)
    raise ConnectError(
        f"{name!r} is no table but {type(frame).__name__}", hint="pass a pandas DataFrame or a pyarrow Table"
    )


def _pandas(name: str, frame: pd.DataFrame) -> Columns:
    if isinstance(frame.columns, pd.MultiIndex):
        raise SchemaError(
            f"the frame {name!r} has columns of {frame.columns.nlevels} levels",
            hint="join them first: frame.columns = ['_'.join(map(str, c)) for c in frame.columns]",
        )
    levels, notes = _index(name, frame.index)
    sources: list[Source] = [*levels.values(), *(frame.iloc[:, at] for at in range(frame.shape[1]))]
    names, renamed = _names(name, [*levels, *frame.columns])
    whole = len(levels) == frame.index.nlevels and bool(levels)
    unique = whole and frame.index.is_unique and not any(level.hasnans for level in levels.values())
    key = tuple(names[: len(levels)]) if unique else ()
    return Columns(dict(zip(names, sources, strict=True)), len(frame), key, (*notes, *renamed))


def _index(name: str, index: "pd.Index[Any]") -> tuple[dict[Hashable, "pd.Series[Any]"], tuple[str, ...]]:
    """The levels that have a name, and a line where one without a name seems to mean something."""
    levels = [(index.names[at], index.get_level_values(at)) for at in range(index.nlevels)]
    lost = [
        level for told, level in levels if told is None and not pd.api.types.is_integer_dtype(level.dtype)
    ]
    note = f"frame {name!r}: an index without a name is not read; give it one with frame.rename_axis('id')"
    named = {told: pd.Series(level.array) for told, level in levels if told is not None}
    return named, (note,) if lost and len(index) else ()


def _names(frame: str, names: Sequence[Hashable]) -> tuple[list[str], tuple[str, ...]]:
    """The names as text, each once, and a line that says which were none."""
    texts = [str(name) for name in names]
    if twice := sorted({text for text in texts if texts.count(text) > 1}):
        raise SchemaError(
            f"the frame {frame!r} has several columns called {', '.join(map(repr, twice))}",
            hint="rename them (frame.columns = [...]), or drop the index name if it repeats a column",
        )
    other = [name for name in names if not isinstance(name, str)]
    if not other:
        return texts, ()
    told = ", ".join(map(repr, other[:5])) + (", …" if len(other) > 5 else "")
    return texts, (f"frame {frame!r}: column names that are no text are read as text: {told}",)
