"""Images: the rows that were written, before and after, kept so that they can be taken back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, groupby
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Select, delete, func, insert, literal_column, null, select, update

from syncnb import clock
from syncnb.errors import PlanError
from syncnb.journal.installing import is_installed
from syncnb.journal.recording import OPEN
from syncnb.journal.rights import said
from syncnb.journal.tables import Tables, tables_of
from syncnb.steps import Block
from syncnb.steps.codec import Json, canonical, decode_columns, parse
from syncnb.steps.packing import pack, unpack
from syncnb.values.raw import concat

__all__ = [
    "CHUNK_BYTES", "CHUNK_ROWS", "Purge", "last_step", "purge", "read_images", "read_parts", "read_steps",
    "store_images", "store_step",
]  # fmt: skip

CHUNK_ROWS = 5000
CHUNK_BYTES = 16 * 2**20
"""What a chunk should not exceed: no engine takes a value of a gigabyte. One row is never cut."""
SCHEMA_STEP = "schema_step"
"""What marks an image that is no rows, but a step that altered a table."""
STEP_BEGINS = f'{{"{SCHEMA_STEP}"'
NAMES = ("table", "verb", "key", "columns", "path")
ARRAYS = ("keys", "before", "after")


def store_images(connection: Connection, run: int, step: int, block: Block) -> int:
    """Keep what a step wrote: `before` and `after` of the columns that shall come back. How many chunks.

    In the transaction that writes the rows. A step is stored once.
    """
    table = tables_of(connection).images
    part = 0
    for part, chunk in enumerate(_chunks(block), 1):
        row = {"run": run, "step": step, "part": part, "payload": _head(chunk), "packed": _packed(chunk)}
        with said("writing images to"):
            connection.execute(insert(table).values(row))
    return part


def read_images(connection: Connection, run: int) -> Iterator[Block]:
    """What a run wrote: a block a step, in the order in which they were written.

    To take the run back, reverse them and take each one's `inverse`. Nothing where the run wrote nothing;
    raises PlanError where its images were purged, or there is no such run.
    """
    return (part for part in read_parts(connection, run) if isinstance(part, Block))


def read_parts(connection: Connection, run: int) -> Iterator[Block | Json]:
    """The same, and among them, in their order, what `store_step` kept of steps that altered tables."""
    ours = tables_of(connection)
    _refuse_without_images(connection, run)
    images = ours.images.c
    with said("reading", reading=True):
        packed = images.packed if _is_packed(connection, ours) else null().label("packed")
        wanted = select(images.step, images.part, images.payload, packed).where(images.run == run)
        rows = connection.execute(
            wanted.order_by(images.step, images.part), execution_options={"yield_per": 8}
        )
        for _, parts in groupby(rows, key=lambda row: row.step):
            chunks = [(parse(row.payload), row.packed) for row in parts]
            head = chunks[0][0]
            yield head[SCHEMA_STEP] if SCHEMA_STEP in head else _joined([_block(*c) for c in chunks])


def read_steps(connection: Connection, after: int) -> Iterator[tuple[int, Json]]:
    """What `store_step` kept in later runs than this one, each with its run, in the order in which it was done."""
    images = tables_of(connection).images.c
    wanted = select(images.run, images.payload).where(
        images.run > after, images.payload.startswith(STEP_BEGINS, autoescape=True)
    )
    with said("reading", reading=True):
        for row in connection.execute(wanted.order_by(images.run, images.step)):
            yield row.run, parse(row.payload)[SCHEMA_STEP]


def store_step(connection: Connection, run: int, step: int, record: Json) -> None:
    """Keep what a schema step did, among the images and in their order: with what was there, by definition."""
    row = {"run": run, "step": step, "part": 1, "payload": canonical({SCHEMA_STEP: record}).decode()}
    with said("writing images to"):
        connection.execute(insert(tables_of(connection).images).values(row))


def last_step(connection: Connection, run: int) -> int:
    """The number of the last thing that was kept of a run; 0 where nothing was."""
    images = tables_of(connection).images.c
    with said("reading", reading=True):
        return int(connection.scalar(select(func.max(images.step)).where(images.run == run)) or 0)


def _is_packed(connection: Connection, ours: Tables) -> bool:
    """Whether images may have packed columns; a journal of version 1, which is read as it is, has none."""
    every: Select[Any] = select(literal_column("*")).select_from(ours.images)
    return "packed" in set(connection.execute(every.limit(0)).keys())


@dataclass(frozen=True, slots=True)
class Purge:
    """The runs whose images go, or have gone, and with them their undo."""

    before: datetime
    runs: tuple[int, ...]
    chunks: int
    done: bool

    def __repr__(self) -> str:
        day = f"{self.before:%Y-%m-%d %H:%M} UTC"
        if not self.runs:
            return f"no run finished before {day} has images left: nothing to purge"
        numbers = ", ".join(map(str, self.runs))
        one = len(self.runs) == 1
        undo = "its undo" if one else "their undo"
        fate = "can no longer be undone" if self.done else f"would lose {undo} (nothing is purged yet)"
        count = "1 run that" if one else f"{len(self.runs):,} runs that"
        return f"{count} finished before {day} {fate}: {numbers}"


def purge(connection: Connection, *, before: datetime, dry_run: bool = True) -> Purge:
    """Take away the images of runs that finished before an instant; tells which lose their undo.

    Runs, reports and markers stay, so that history is whole and no plan is applied twice. Open runs keep
    their images. Needs DELETE on the images, which an ordinary role does not have.
    """
    if before.tzinfo is None:
        raise PlanError("before= has no zone", hint="write datetime(2026, 1, 31, tzinfo=UTC)")
    if not is_installed(connection):
        return Purge(before, (), 0, done=not dry_run)
    ours = tables_of(connection)
    old = (ours.runs.c.finished < before, ours.runs.c.status.not_in(OPEN))
    with said("purging", reading=dry_run):
        found = connection.execute(
            select(ours.images.c.run, func.count())
            .join_from(ours.images, ours.runs, ours.images.c.run == ours.runs.c.run)
            .where(*old)
            .group_by(ours.images.c.run)
            .order_by(ours.images.c.run)
        ).all()
        for run, _ in () if dry_run else found:
            connection.execute(delete(ours.images).where(ours.images.c.run == run))
            connection.execute(update(ours.runs).where(ours.runs.c.run == run).values(purged=clock.now()))
    return Purge(before, tuple(run for run, _ in found), sum(chunks for _, chunks in found), done=not dry_run)


def _refuse_without_images(connection: Connection, run: int) -> None:
    row = None
    if is_installed(connection):
        table = tables_of(connection).runs
        with said("reading", reading=True):
            row = connection.execute(select(table.c.purged).where(table.c.run == run)).first()
    if row is None:
        raise PlanError(
            f"there is no run {run} in this journal", hint="sn.history(store) lists the runs there are"
        )
    if row.purged is not None:
        raise PlanError(
            f"run {run} cannot be taken back: its images were purged on {row.purged:%Y-%m-%d}",
            hint="compare with a backup, and plan the repair from the difference",
        )


def _chunks(block: Block) -> Iterator[Block]:
    for start in range(0, len(block), CHUNK_ROWS):
        yield from _halved(_slice(block, start, CHUNK_ROWS))


def _halved(block: Block) -> Iterator[Block]:
    size = sum(array.nbytes for name in ARRAYS for array in getattr(block, name))
    if size <= CHUNK_BYTES or len(block) == 1:
        yield block
        return
    middle = len(block) // 2
    yield from _halved(_slice(block, 0, middle))
    yield from _halved(_slice(block, middle, len(block) - middle))


def _slice(block: Block, start: int, rows: int) -> Block:
    keys, before, after = (
        tuple(array.slice(start, rows) for array in getattr(block, name)) for name in ARRAYS
    )
    return replace(block, keys=keys, before=before, after=after, reasons=())


def _head(block: Block) -> str:
    """All of a chunk but its values: what it is, and how many columns of which sort are packed with it."""
    names = {name: getattr(block, name) for name in NAMES}
    names |= {"role": block.role} if block.role else {}
    return canonical(names | {name: len(getattr(block, name)) for name in ARRAYS}).decode()


def _packed(block: Block) -> bytes:
    return pack([array for name in ARRAYS for array in getattr(block, name)])


def _block(head: Json, packed: bytes | None) -> Block:
    try:
        if packed is None:  # as version 1 wrote it: the values are in the JSON
            keys, before, after = (decode_columns(head[name]) for name in ARRAYS)
        else:
            keys, before, after = _parted(unpack(packed), [head[name] for name in ARRAYS])
        key, columns, path = (tuple(head[name]) for name in ("key", "columns", "path"))
        role = head.get("role", "")
        return Block(head["table"], head["verb"], key, columns, keys, before, after, path=path, role=role)
    except (KeyError, TypeError, ValueError):
        raise PlanError(
            "stored images cannot be read", hint="the journal was changed by hand; compare with a backup"
        ) from None


def _parted(arrays: Sequence[pa.Array], sizes: Sequence[int]) -> Iterator[tuple[pa.Array, ...]]:
    """Keys, before and after out of one row of columns."""
    if sum(sizes) != len(arrays) or min(sizes) < 0:
        raise ValueError(f"{len(arrays)} columns, {sum(sizes)} were expected")
    ends = list(accumulate(sizes))
    return (tuple(arrays[end - size : end]) for size, end in zip(sizes, ends, strict=True))


def _joined(parts: list[Block]) -> Block:
    def column(name: str) -> tuple[pa.Array, ...]:
        return tuple(concat(arrays) for arrays in zip(*(getattr(part, name) for part in parts), strict=True))

    if len(parts) == 1:
        return parts[0]
    return replace(parts[0], keys=column("keys"), before=column("before"), after=column("after"))
