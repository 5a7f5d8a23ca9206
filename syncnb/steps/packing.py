"""Raw Arrow columns as compressed bytes and back, exactly: for values that are kept, not read by people."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.ipc

from syncnb.errors import PlanError
from syncnb.values.raw import MIXED

__all__ = ["pack", "unpack"]

# Zstandard by Arrow, which is in all of its wheels: a third of the time of JSON goes, and most of its length.
OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")

KNOWN = (
    pa.int64(), pa.float64(), pa.float32(), pa.bool_(), pa.string(), pa.binary(), pa.null(), MIXED,
)  # fmt: skip


def pack(arrays: Sequence[pa.Array]) -> bytes:
    """Raw columns of one length as an Arrow stream. Raises TypeError outside the raw vocabulary."""
    for array in arrays:
        if array.type not in KNOWN:
            raise TypeError(f"{array.type} is no raw type")
    # They are numbered: the columns of a row before and after have the same names.
    batch = pa.RecordBatch.from_arrays(list(arrays), names=[str(number) for number in range(len(arrays))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=OPTIONS) as stream:
        stream.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(data: bytes) -> tuple[pa.Array, ...]:
    """The columns that `pack` was given. Raises PlanError where the bytes are not of its making.

    Whoever can write to the database can write these bytes: what they hold is checked to the last offset
    before a value of it is looked at, and no type but ours is taken.
    """
    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
            if not all(field.type in KNOWN for field in stream.schema):
                raise pa.ArrowInvalid("a type that no image has")
            (batch,) = stream
        batch.validate(full=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise PlanError(
            f"stored rows cannot be read: {type(error).__name__}",
            hint="they were not written by syncnb, or were changed since; compare with a backup",
        ) from None
    return tuple(batch.columns)
