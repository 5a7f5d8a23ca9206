"""Which columns of the source are sent, and their values in the target's form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from syncnb.changes import ColumnPair, TablePair
from syncnb.schema import Table, fold
from syncnb.stores.port import Reader
from syncnb.values.raw import Raw
from syncnb.values.rules import Answer, judge
from syncnb.values.sides import Side, other_side, own_first
from syncnb.values.writing import write_column

__all__ = ["Sent", "sent_columns", "sent_rows"]


@dataclass
class Sent:
    """One table of the source, as it goes into the target."""

    number: int
    pair: TablePair
    side: Side
    """The side that is written."""
    table: Table
    """The target's table on the copy."""
    real: Table
    """The target's table."""
    columns: tuple[tuple[str, str, ColumnPair | None], ...]
    """Source column, target column, and how they compare; None where they cannot be compared."""
    key: tuple[str, ...]
    """The columns that tell rows of the target apart."""
    skipped: int = field(default=0)
    """Rows with a value that the target cannot hold."""

    @property
    def names(self) -> list[str]:
        """The columns of the target that get a value."""
        return [target for _, target, _ in self.columns]

    @property
    def lacking(self) -> list[str]:
        """Columns of the target that the source does not have."""
        got = set(self.names)
        return [c.name for c in self.real.columns if c.name not in got and c.generated is None]

    def differs(self, name: str, sent: Raw, there: Raw) -> bool:
        """Whether a value that is sent is another than the one there: by what it is, not by how it is written."""
        if type(sent) is type(there) and sent == there:
            return False
        pair = next(pair for _, target, pair in self.columns if target == name)
        if pair is None:
            return True
        both = own_first(self.side, there, sent)
        return judge(pair.rule, *both) is not Answer.SAME

    def on_target(self, names: Sequence[str]) -> list[str] | None:
        """What these columns of the source are called in the target; None where one is not sent."""
        called = {source: target for source, target, _ in self.columns}
        found = [called[name] for name in names if name in called]
        return found if len(found) == len(names) else None


def sent_columns(
    pair: TablePair, side: Side, *, alike: bool
) -> tuple[tuple[str, str, ColumnPair | None], ...]:
    """The columns that both have. Between two SQLite files (`alike`) a program sends every value as it is."""
    source, target = pair.on(other_side(side)), pair.on(side)
    generated = {column.name for column in target.columns if column.generated is not None}
    found: list[tuple[str, str, ColumnPair | None]] = []
    for column in pair.columns:
        found.append((column.on(other_side(side)).name, column.on(side).name, column))
    if alike:  # also those that cannot be compared
        taken = {name for _, name, _ in found}
        left = {fold(column.name): column.name for column in target.columns if column.name not in taken}
        sent = {name for name, *_ in found}
        found += [
            (column.name, left[fold(column.name)], None)
            for column in source.columns
            if column.name not in sent and fold(column.name) in left
        ]
    return tuple(entry for entry in found if entry[1] not in generated)


def sent_rows(
    sent: Sent, reader: Reader, target: Reader, dialect: str, *, alike: bool
) -> Iterator[pa.RecordBatch]:
    """The rows as they are sent, in key order. Those with a value that cannot be held are left out, and counted."""
    source = sent.pair.on(other_side(sent.side))
    names = [name for name, _, _ in sent.columns]
    order = [name for name in source.primary_key if name in names]
    samples = None if alike else next(iter(target.batches(sent.real, sent.names)), None)
    for batch in reader.batches(source, names, order=order):
        yield batch if alike else _converted(sent, batch, samples, dialect)


def _converted(
    sent: Sent, batch: pa.RecordBatch, samples: pa.RecordBatch | None, dialect: str
) -> pa.RecordBatch:
    other = other_side(sent.side)
    columns, bad = [], set[int]()
    for at, (_, _, pair) in enumerate(sent.columns):
        if pair is None:
            columns.append(batch.column(at))
            continue
        mine, theirs = pair.on(sent.side), pair.on(other)
        sample = samples.column(at) if samples is not None else None
        written = write_column(
            pair.rule, batch.column(at), other, mine, dialect, source=theirs, sample=sample
        )
        columns.append(written.array)
        bad |= {problem.row for problem in written.problems if problem.what == "refused"}
    sent.skipped += len(bad)
    kept = pa.array([row for row in range(batch.num_rows) if row not in bad], pa.int64())
    return pa.RecordBatch.from_arrays(columns, names=sent.names).take(kept)
