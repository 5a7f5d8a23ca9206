"""Compare two tables without trusting any order: rows are dealt by the hash of their canonical key.

Small tables stay in memory. Larger ones go to temporary files of their own, one a share, so that
memory stays flat; then share meets share. Duplicate keys and NULLs in keys are set apart here.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from syncnb.changes import TablePair
from syncnb.comparing.collecting import Collector, Columns
from syncnb.values.raw import concat, to_python
from syncnb.values.rules import Side

__all__ = ["compare_shares"]

IN_MEMORY = 100_000
"""Rows a side that are kept in memory before files are used."""
SHARES = 64

Key = tuple[Hashable, ...]


def tokens(pair: TablePair, side: Side, columns: Columns) -> list[Key]:
    """The canonical keys of some rows; without a key, of the whole rows."""
    parts = []
    for at, column in enumerate(pair.columns):
        if not pair.key or column in pair.key:
            values = to_python(columns[at])
            parts.append([None if value is None else column.rule.token(value, side) for value in values])
    return list(zip(*parts, strict=True))


class Shares:
    """The rows of one side, dealt into shares: in memory while few, else in files."""

    def __init__(self, pair: TablePair, side: Side, folder: Path) -> None:
        self.pair, self.side, self.folder = pair, side, folder
        self.held: list[list[pa.Array]] = []
        self.rows = 0
        self.files: list[BinaryIO] = []

    def add(self, columns: list[pa.Array]) -> None:
        self.rows += len(columns[0])
        if self.files:
            self._deal(columns)
            return
        self.held.append(columns)
        if self.rows > IN_MEMORY:
            self.spill()

    def spill(self) -> None:
        """Move what is held to files; from now on rows go there."""
        if not self.files:
            self.files = [(self.folder / f"{self.side}-{share}").open("w+b") for share in range(SHARES)]
            held, self.held = self.held, []
            for columns in held:
                self._deal(columns)

    def _deal(self, columns: list[pa.Array]) -> None:
        share_of = np.array([hash(key) % SHARES for key in tokens(self.pair, self.side, columns)])
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
    with tempfile.TemporaryDirectory(prefix="syncnb-") as folder:
        sides: dict[Side, Shares] = {side: Shares(pair, side, Path(folder)) for side in ("local", "remote")}
        try:
            for side, shares in sides.items():
                for batch in batches(side):
                    if batch.num_rows:
                        shares.add(list(batch.columns))
                        progress.update(batch.num_rows)
            if any(shares.files for shares in sides.values()):
                for shares in sides.values():
                    shares.spill()
            for number in range(SHARES if sides["local"].files else 1):
                _compare_share(pair, {side: shares.share(number) for side, shares in sides.items()}, found)
                if found.full:
                    return
        finally:
            for shares in sides.values():
                shares.close()


def _compare_share(pair: TablePair, sides: dict[Side, list[pa.Array]], found: Collector) -> None:
    keys = {side: tokens(pair, side, columns) for side, columns in sides.items()}
    if pair.key:
        _by_key(pair, sides, keys, found)
    else:
        _by_count(sides, keys, found)


def _by_key(
    pair: TablePair, sides: dict[Side, list[pa.Array]], keys: dict[Side, list[Key]], found: Collector
) -> None:
    counts = {side: Counter(there) for side, there in keys.items()}
    twice = {key for there in counts.values() for key, n in there.items() if n > 1}
    usable: dict[Side, dict[Key, int]] = {"local": {}, "remote": {}}
    for side in sides:
        apart: dict[str, list[int]] = {}
        for row, key in enumerate(keys[side]):
            reason = _reason(pair, key, twice)
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
        other: Side = "remote" if side == "local" else "local"
        alone = [row for key, row in usable[side].items() if key not in usable[other]]
        found.only(side, sides[side], np.array(alone, dtype=np.int64))


def _reason(pair: TablePair, key: Key, twice: set[Key]) -> str | None:
    if not pair.nulls_match and None in key:
        return "NULL in the key"
    return "duplicate key" if key in twice else None


def _by_count(sides: dict[Side, list[pa.Array]], keys: dict[Side, list[Key]], found: Collector) -> None:
    """Without a key: how often each whole row occurs on either side."""
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
