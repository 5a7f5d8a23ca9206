"""Compare two tables without trusting any order: rows are dealt by the hash of their canonical key.

Small tables stay in memory. Larger ones go to temporary files of their own, one a share, so that
memory stays flat; then share meets share. Duplicate keys and NULLs in keys are set apart here.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import TablePair
from syncnb.comparing.collecting import Collector, Columns
from syncnb.values.moments import StampRule
from syncnb.values.raw import Raw, concat, to_python
from syncnb.values.sides import Side, other_side, own_first

__all__ = ["compare_shares"]

IN_MEMORY = 100_000
"""Rows a side that are kept in memory before files are used."""
BYTES_IN_MEMORY = 64 * 2**20
SHARES = 64

Key = tuple[Hashable, ...]


def tokens(pair: TablePair, side: Side, columns: Columns, without: Container[int] = ()) -> list[Key]:
    """The canonical keys of some rows, or without a key of the whole rows; `without` some columns."""
    parts: list[list[Hashable]] = [[()] * len(columns[0])] if without else []
    for at, column in enumerate(pair.columns):
        if (not pair.key or column in pair.key) and at not in without:
            values = to_python(columns[at])
            parts.append([None if value is None else column.rule.token(value, side) for value in values])
    return list(zip(*parts, strict=True))


class Doubts:
    """Stamps in keys: which of them are moments and which wall clocks, and whether they can meet at all."""

    def __init__(self, pair: TablePair) -> None:
        self.pair = pair
        self.stamps = [
            at
            for at, column in enumerate(pair.columns)
            if isinstance(column.rule, StampRule) and (not pair.key or column in pair.key)
        ]
        self.seen: dict[int, dict[Side, dict[str, Raw]]] = {
            at: {"local": {}, "remote": {}} for at in self.stamps
        }
        key = [at for at, column in enumerate(pair.columns) if column in pair.key]
        self.places = {at: key.index(at) for at in self.stamps} if pair.key else {}
        self.reasons: dict[tuple[int, str, Side], str] = {}

    def look(self, side: Side, columns: Columns) -> None:
        """Remember one value of each class that a stamp column holds on this side."""
        for at in self.stamps:
            rule, there = self.pair.columns[at].rule, self.seen[at][side]
            for value in (
                pc.unique(columns[at]).to_pylist()
                if columns[at].type == pa.string()
                else to_python(columns[at])
            ):
                if value is not None:
                    there.setdefault(_class(rule.token(value, side)), value)

    def of_column(self, at: int) -> str:
        """Why values of this column of the two sides cannot be told to be the same; empty if they can."""
        ours, theirs = self.seen[at]["local"], self.seen[at]["remote"]
        for mine, value in ours.items():
            for other, partner in theirs.items():
                if mine != other and "text" not in (mine, other):
                    return self.pair.columns[at].rule.doubt(value, partner)
        return ""

    def of_key(self, key: Key, side: Side) -> str:
        """Why this key may be the same as one of the other side although it looks different; empty if not."""
        for at, place in self.places.items():
            asked = (at, _class(key[place]), side)
            if (
                asked not in self.reasons
            ):  # the same for all keys of a class: there are a handful, and many keys
                self.reasons[asked] = self._of_class(*asked)
            if self.reasons[asked]:
                return self.reasons[asked]
        return ""

    def _of_class(self, at: int, mine: str, side: Side) -> str:
        other = other_side(side)
        rivals = [value for name, value in self.seen[at][other].items() if name not in (mine, "text")]
        if not rivals or mine in ("text", ""):
            return ""
        values = (self.seen[at][side][mine], rivals[0])
        return self.pair.columns[at].rule.doubt(*own_first(side, *values))


def _class(token: Hashable) -> str:
    """Moment, wall clock, number or other text. An infinity is both a moment and a wall clock."""
    name = str(token[0]) if isinstance(token, tuple) else ""
    return "text" if name in ("infinity", "bytes", "bad text") else name


class Shares:
    """The rows of one side, dealt into shares: in memory while few, else in files."""

    def __init__(self, pair: TablePair, side: Side, folder: Path, without: Container[int]) -> None:
        self.pair, self.side, self.folder, self.without = pair, side, folder, without
        self.held: list[list[pa.Array]] = []
        self.rows = self.bytes = 0
        self.files: list[BinaryIO] = []

    def add(self, columns: list[pa.Array]) -> None:
        self.rows += len(columns[0])
        self.bytes += sum(column.nbytes for column in columns)
        if self.files:
            self._deal(columns)
            return
        self.held.append(columns)
        if self.rows > IN_MEMORY or self.bytes > BYTES_IN_MEMORY:
            self.spill()

    def spill(self) -> None:
        """Move what is held to files; from now on rows go there."""
        if not self.files:
            self.files = [(self.folder / f"{self.side}-{share}").open("w+b") for share in range(SHARES)]
            held, self.held = self.held, []
            for columns in held:
                self._deal(columns)

    def _deal(self, columns: list[pa.Array]) -> None:
        share_of = np.array(
            [hash(key) % SHARES for key in tokens(self.pair, self.side, columns, self.without)]
        )
        for share in np.unique(share_of):
            rows = pa.array(np.flatnonzero(share_of == share))
            batch = pa.RecordBatch.from_arrays(
                [c.take(rows) for c in columns], [str(at) for at in range(len(columns))]
            )
            # Each batch is a stream of its own: a column may be plain here and mixed there.
            with pa.ipc.new_stream(pa.PythonFile(self.files[share], "w"), batch.schema) as writer:
                writer.write_batch(batch)

    def share(self, number: int) -> list[pa.Array]:
        """All rows of one share, column by column."""
        width = len(self.pair.columns)
        batches = self.held if not self.files else list(self._read(self.files[number]))
        return [concat([batch[at] for batch in batches]) for at in range(width)]

    @staticmethod
    def _read(file: BinaryIO) -> Iterator[list[pa.Array]]:
        file.flush()
        end = file.seek(0, 2)
        file.seek(0)
        while file.tell() < end:
            with pa.ipc.open_stream(pa.PythonFile(file, "r")) as reader:
                for batch in reader:
                    yield list(batch.columns)

    def close(self) -> None:
        for file in self.files:
            file.close()


def compare_shares(
    pair: TablePair,
    batches: Callable[[Side], Iterable[pa.RecordBatch]],
    found: Collector,
    progress: Any,
) -> None:
    """Compare two tables in whatever order their rows come, each read once."""
    doubts = Doubts(pair)
    # Without a key, stamps that turn out not to be comparable must not decide in which share a row is.
    apart = () if pair.key else doubts.stamps
    with tempfile.TemporaryDirectory(prefix="syncnb-") as folder:
        sides: dict[Side, Shares] = {
            side: Shares(pair, side, Path(folder), apart) for side in ("local", "remote")
        }
        try:
            for side, batch in _in_turn({side: iter(batches(side)) for side in sides}):
                doubts.look(side, batch.columns)
                sides[side].add(list(batch.columns))
                progress.update(batch.num_rows)
            if any(shares.files for shares in sides.values()):
                for shares in sides.values():
                    shares.spill()
            for number in range(SHARES if sides["local"].files else 1):
                rows = {side: shares.share(number) for side, shares in sides.items()}
                _by_key(pair, rows, doubts, found) if pair.key else _by_count(pair, rows, doubts, found)
                if found.full:
                    return
        finally:
            for shares in sides.values():
                shares.close()


def _in_turn(sides: "dict[Side, Iterator[pa.RecordBatch]]") -> Iterator[tuple[Side, pa.RecordBatch]]:
    """Batches of both sides by turns: neither transaction idles while the other side is read."""
    while sides:
        for side in list(sides):
            batch = next(sides[side], None)
            if batch is None:
                del sides[side]
            elif batch.num_rows:
                yield side, batch


def _by_key(pair: TablePair, sides: dict[Side, list[pa.Array]], doubts: Doubts, found: Collector) -> None:
    keys = {side: tokens(pair, side, columns) for side, columns in sides.items()}
    counts = {side: Counter(there) for side, there in keys.items()}
    twice = {key for there in counts.values() for key, n in there.items() if n > 1}
    usable: dict[Side, dict[Key, int]] = {"local": {}, "remote": {}}
    for side in sides:
        apart: dict[str, list[int]] = {}
        for row, key in enumerate(keys[side]):
            reason = _reason(pair, key, twice) or doubts.of_key(key, side)
            if reason:
                apart.setdefault(reason, []).append(row)
            else:
                usable[side][key] = row
        for reason, rows in apart.items():
            found.skip(side, sides[side], rows, reason)
    both = [(row, usable["remote"][key]) for key, row in usable["local"].items() if key in usable["remote"]]
    if both:
        here, there = (pa.array(rows, pa.int64()) for rows in zip(*both, strict=True))
        found.pairs([c.take(here) for c in sides["local"]], [c.take(there) for c in sides["remote"]])
    for side in sides:
        other = other_side(side)
        alone = [row for key, row in usable[side].items() if key not in usable[other]]
        found.only(side, sides[side], np.array(alone, dtype=np.int64))


def _reason(pair: TablePair, key: Key, twice: set[Key]) -> str | None:
    if not pair.nulls_match and None in key:
        return "NULL in the key"
    return "duplicate key" if key in twice else None


def _by_count(pair: TablePair, sides: dict[Side, list[pa.Array]], doubts: Doubts, found: Collector) -> None:
    """Without a key: how often each whole row occurs on either side."""
    found.doubts = {at: reason for at in doubts.stamps if (reason := doubts.of_column(at))}
    keys = {side: tokens(pair, side, columns, found.doubts) for side, columns in sides.items()}
    counts = {side: Counter(there) for side, there in keys.items()}
    common = sum((counts["local"] & counts["remote"]).values())
    found.agreed(common)
    surplus: dict[Side, Counter[Key]] = {
        "local": counts["local"] - counts["remote"],
        "remote": counts["remote"] - counts["local"],
    }
    for side, left in surplus.items():
        rows = []
        for row, key in enumerate(keys[side]):
            if left[key] > 0:
                left[key] -= 1
                rows.append(row)
        found.only(side, sides[side], np.array(rows, dtype=np.int64))
