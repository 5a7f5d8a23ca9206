"""One digest of many rows, whatever their order: 128 bits, and how many rows there are.

A row's image is its values one after the other, each with a letter for its type and its length, so that
no two rows have one image: `1`, `1.0`, `'1'`, NULL and the empty text are five things. Each image goes
through BLAKE2b; the hashes are added up, as two numbers of 64 bits, so that order does not matter and a
row that is there twice counts twice.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values.raw import MIXED

__all__ = ["RowDigest"]

BYTES = pa.large_binary()
NULL, MARK, NOTHING = (pa.scalar(each, BYTES) for each in (b"n", b":", b""))
LETTERS = {
    pa.int64(): "i",
    pa.float64(): "d",
    pa.float32(): "f",
    pa.bool_(): "o",
    pa.string(): "t",
    pa.binary(): "b",
}
IN_MIXED = "idtbx"
"""Letters of the fields of a MIXED column: a value in it has the image that it has in a plain one."""
BITS = {pa.float64(): pa.int64(), pa.float32(): pa.int32()}
"""Floats are written by their bits: exact, and -0 is not 0."""


class RowDigest:
    """Takes rows batch by batch; `str` gives the digest of those so far."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.rows = 0
        self._sums = np.zeros(2, np.uint64)

    def add(self, batch: pa.RecordBatch) -> None:
        """More rows, in raw columns in the order of `names`."""
        images = pc.binary_join_element_wise(*map(_images, batch.columns), NOTHING).to_pylist()
        hashes = b"".join([blake2b(image, digest_size=16).digest() for image in images])
        self.rows += batch.num_rows
        # What is beyond 64 bits falls away, as it shall.
        self._sums += np.frombuffer(hashes, "<u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)

    def __str__(self) -> str:
        """The number of rows, a colon, 32 hexadecimal digits. The names of the columns are part of it."""
        content = json.dumps([self.names, self.rows, self._sums.tolist()])
        return f"{self.rows}:{blake2b(content.encode(), digest_size=16).hexdigest()}"


def _images(column: pa.Array) -> pa.Array:
    if column.type == pa.null():
        return pa.repeat(NULL, len(column))
    if column.type == MIXED:
        parts = map(_lettered, column.flatten(), IN_MIXED)
        return pc.coalesce(*parts, NULL)
    return pc.coalesce(_lettered(column, LETTERS[column.type]), NULL)


def _lettered(column: pa.Array, letter: str) -> pa.Array:
    """Each value as letter, length, colon and bytes; NULL stays NULL."""
    if bits := BITS.get(column.type):
        column = column.view(bits)
    values = column.cast(pa.string() if pa.types.is_primitive(column.type) else BYTES).cast(BYTES)
    lengths = pc.binary_length(values).cast(pa.string()).cast(BYTES)
    return pc.binary_join_element_wise(pa.scalar(letter.encode(), BYTES), lengths, MARK, values, NOTHING)
