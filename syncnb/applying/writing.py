"""One block of a plan: read what is there, write what was meant, read again, compare."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from syncnb.applying.colliding import collisions
from syncnb.errors import WriteError
from syncnb.failpoints import reach
from syncnb.planning.previewing import key_of
from syncnb.schema import Column, Table
from syncnb.steps import Block, Outcome, Refusal
from syncnb.stores.port import Staged, Writer
from syncnb.values import arrays
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import MIXED, Raw, to_python
from syncnb.values.reading import as_text
from syncnb.values.rules import Answer, judge

__all__ = ["Done", "refused_of", "spoilt", "unlike", "write_block"]

SEARCHED = 200
"""Rows that the database refuses are named up to here; each costs a savepoint."""
UNIQUE = ("23505",)
NULL = "23502"
STAMPS = {Kind.TIMESTAMP, Kind.TIMESTAMPTZ}


@dataclass
class Done:
    """What became of one block."""

    written: int = 0
    results: list[Outcome] = field(default_factory=list)
    image: Block | None = None
    """All columns of the rows before and after, for the journal."""
    followed: list[Block] = field(default_factory=list)
    """The same of rows of other tables that went or changed with them."""
    rewritten: set[str] = field(default_factory=set)
    """Columns, stamps aside, that the database changed on its own: not to be written, or not as meant by a trigger."""

    @property
    def images(self) -> list[Block]:
        """All of them, in an order whose reverse takes them back: parents before children."""
        return [*self.followed, *([self.image] if self.image is not None else [])]

    @property
    def refused(self) -> list[Outcome]:
        return [outcome for outcome in self.results if outcome.refusal]


class _Swallowed(Exception):
    """The set statement wrote fewer rows than it was given."""


@dataclass
class _Work:
    writer: Writer
    table: Table
    block: Block
    step: int

    @property
    def columns(self) -> list[Column]:
        """Everything of a row that can be written back."""
        return [column for column in self.table.columns if column.readable and column.generated is None]

    def outcome(self, row: int, refusal: Refusal | None, detail: str) -> Outcome:
        key = key_of(tuple(to_python(part.slice(row, 1))[0] for part in self.block.keys))
        return Outcome(self.step, self.block.table, key, self.block.verb, refusal, detail)


def write_block(writer: Writer, table: Table, block: Block, step: int, *, dry: bool, rest: bool) -> Done:
    """Write one block. With `dry` only look who has drifted; with `rest` write the rows that have not.

    Raises nothing for a refused row: it is in the answer. The caller decides what becomes of the others.
    """
    work = _Work(writer, table, block, step)
    staged = writer.stage(table, block)
    reach("staged")
    try:
        before = staged.present([column.name for column in work.columns])
        refused = dict(_drifted(work, before))
        results = [work.outcome(row, refusal, detail) for row, (refusal, detail) in sorted(refused.items())]
        if dry or (refused and not rest):
            return Done(results=results)
        if refused:
            kept = [row for row in range(len(block)) if row not in refused]
            done = (
                write_block(writer, table, block.take(pa.array(kept, pa.int64())), step, dry=False, rest=rest)
                if kept
                else Done()
            )
            return replace(done, results=[*results, *done.results])
        return _write(work, staged, before, rest=rest)
    finally:
        staged.drop()


def refused_of(writer: Writer, table: Table, block: Block, step: int, problem: WriteError) -> Done:
    """The rows of a block, written by now, that break the rule of this problem, which was looked at last of all.

    Rows that are parked for a while break none.
    """
    if block.role:
        return Done()
    work = _Work(writer, table, block, step)
    found = collisions(writer, table, block, dict.fromkeys(range(len(block)), problem), written=True)
    refusal = Refusal.TAKEN if problem.sqlstate in UNIQUE else Refusal.FORBIDDEN
    return Done(results=[work.outcome(row, refusal, whom) for row, whom in sorted(found.items())])


def _drifted(work: _Work, before: pa.RecordBatch) -> Iterator[tuple[int, tuple[Refusal, str]]]:
    """Rows that are not as they were shown: number, refusal and detail."""
    there = before.column(0).to_numpy()
    if work.block.verb == "insert":
        for row in there.tolist():
            yield row, (Refusal.TAKEN, "a row with this key is there by now")
        return
    for row in _missing(work.block, before).tolist():
        yield row, (Refusal.GONE, "")
    names = before.schema.names
    for name, planned in zip(work.block.columns, work.block.before, strict=True):
        found, wanted = before.column(names.index(name)), planned.take(pa.array(there))
        for at in unlike(wanted, found):
            old, new = to_python(wanted.slice(at, 1))[0], to_python(found.slice(at, 1))[0]
            yield int(there[at]), (Refusal.CHANGED, f"{name} was {as_text(old)}, is {as_text(new)}")


def _missing(block: Block, found: pa.RecordBatch) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """Numbers of the rows that were not found."""
    left = np.ones(len(block), bool)
    left[found.column(0).to_numpy()] = False
    return np.flatnonzero(left)


def unlike(left: pa.Array, right: pa.Array) -> list[int]:
    """Where two raw columns are not exactly alike: value and storage class."""
    if left.type == right.type and left.type not in (MIXED, pa.null()):
        nulls = [side.is_null().to_numpy(zero_copy_only=False) for side in (left, right)]
        same = arrays.equal(left, right) | (nulls[0] & nulls[1])
        return [int(at) for at in np.flatnonzero(~same)]
    pairs = zip(to_python(left), to_python(right), strict=True)
    return [at for at, (a, b) in enumerate(pairs) if type(a) is not type(b) or (a != b and a == a)]


def _write(work: _Work, staged: Staged, before: pa.RecordBatch, *, rest: bool) -> Done:
    """The set at once. Where the database refuses it, its bad rows are found; with `rest` the others are written."""
    try:
        with work.writer.savepoint():
            return _written(work, staged, before)
    except (WriteError, _Swallowed) as problem:
        if isinstance(problem, WriteError) and not _of_a_row(problem, work.table):
            raise
        bad = _bad_rows(work, problem)
    results = [work.outcome(row, *why) for row, why in sorted(bad.items())]
    kept = [row for row in range(len(work.block)) if row not in bad]
    if not rest or not kept:
        return Done(results=results)
    part = work.block.take(pa.array(kept, pa.int64()))
    done = write_block(work.writer, work.table, part, work.step, dry=False, rest=True)
    return replace(done, results=[*results, *done.results])


def _of_a_row(problem: WriteError, table: Table) -> bool:
    """Whether it is about the rows, and not about the connection, the disk or somebody else's lock.

    A right that lacks is about the whole table, unless a policy or a trigger looks at each row.
    """
    if problem.sqlstate == "42501" and not table.row_security and not table.triggers:
        return False
    return (problem.sqlstate or "")[:2] not in ("08", "25", "40", "53", "55", "57", "58")


def _written(work: _Work, staged: Staged, before: pa.RecordBatch) -> Done:
    written, after = staged.write_and_read([column.name for column in work.columns])
    if written != len(work.block):
        raise _Swallowed(f"{len(work.block) - written:,} rows were not written: a trigger, rule or policy")
    done = _compared(work, before, after)
    if done.refused:  # what was written cannot be found as it should be: it must not stay
        raise _Swallowed(done.refused[0].detail)
    return done


def _bad_rows(work: _Work, problem: Exception) -> dict[int, tuple[Refusal, str]]:
    """Which rows the database refuses: halves are tried in savepoints until single rows are left.

    After so many no more are looked for: the rows that were not tried are named as not written.
    """
    found = _lacking(work) if isinstance(problem, WriteError) and problem.sqlstate == NULL else {}
    said: dict[int, WriteError] = {}
    rest, most = np.setdiff1d(np.arange(len(work.block)), list(found)), len(found) + SEARCHED
    waiting = [rest] if len(rest) else []
    while waiting and len(found) < most:
        rows = waiting.pop(0)
        reason = problem if len(rows) == len(work.block) else _try(work, rows)
        if reason is None:
            continue
        if len(rows) == 1:
            found[int(rows[0])] = _why(work, reason)
            said |= {int(rows[0]): reason} if isinstance(reason, WriteError) else {}
        else:
            waiting[:0] = np.array_split(rows, 2)
    told = getattr(problem, "message", str(problem))
    if not found:  # each half alone is fine: the rows stand in each other's way
        return dict.fromkeys(range(len(work.block)), (Refusal.FORBIDDEN, told))
    for row, whom in collisions(work.writer, work.table, work.block, said).items():
        found[row] = (found[row][0], whom)
    untried = "it was not tried: too many rows before it are refused"
    return found | {int(row): (Refusal.FORBIDDEN, untried) for rows in waiting for row in rows}


def _why(work: _Work, reason: Exception) -> tuple[Refusal, str]:
    told = getattr(reason, "message", str(reason))
    if not (isinstance(reason, WriteError) and reason.sqlstate in UNIQUE):
        return Refusal.FORBIDDEN, told
    hidden = "; a row that this role cannot see may have it" if work.table.row_security else ""
    return Refusal.TAKEN, told + hidden


def _lacking(work: _Work) -> dict[int, tuple[Refusal, str]]:
    """Rows that would hold NULL where none may be, once the database has said that there are some: none needs a trial.

    Not where triggers could give them a value.
    """
    found: dict[int, tuple[Refusal, str]] = {}
    for name, after in zip(work.block.columns, work.block.after, strict=False):
        if not (work.table.column(name).nullable or work.table.triggers):
            for row in np.flatnonzero(after.is_null().to_numpy(zero_copy_only=False)).tolist():
                found.setdefault(row, (Refusal.FORBIDDEN, f"column {name} may not be NULL"))
    return found


def _try(work: _Work, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Exception | None:
    """Why these rows alone cannot be written; None if they can. Nothing of it stays."""
    part = replace(work, block=work.block.take(pa.array(rows)))
    staged = work.writer.stage(work.table, part.block)
    try:
        with work.writer.savepoint():
            before = staged.present([column.name for column in work.columns])
            _written(part, staged, before)
            raise _Undo
    except WriteError as problem:
        if not _of_a_row(problem, work.table):
            raise
        return problem
    except _Swallowed as problem:
        return problem
    except _Undo:
        return None
    finally:
        staged.drop()


class _Undo(Exception):
    """Leaves a savepoint so that it is rolled back."""


def _compared(work: _Work, before: pa.RecordBatch, after: pa.RecordBatch) -> Done:
    """What was written against what was meant. What the database altered is accepted, and said."""
    block, done = work.block, Done(written=len(work.block))
    if block.verb == "delete":
        if after.num_rows:
            done.results = [
                work.outcome(row, Refusal.FORBIDDEN, "it is still there")
                for row in after.column(0).to_pylist()
            ]
        done.image = _image(work, before, None)
        return done
    times = np.bincount(after.column(0).to_numpy(), minlength=len(block))
    if (times != 1).any():
        told = {0: "it cannot be seen after it was written"}
        done.results = [
            work.outcome(int(row), Refusal.FORBIDDEN, told.get(int(times[row]), "several rows have this key"))
            for row in np.flatnonzero(times != 1)
        ]
        return done
    altered: dict[int, list[str]] = {}
    for column in work.columns:
        at = after.schema.names.index(column.name, 1)
        meant = _meant(block, column, before)
        for row, old, new in _other_values(column, meant, after.column(at)) if meant is not None else ():
            altered.setdefault(row, []).append(f"{column.name}: meant {as_text(old)}, became {as_text(new)}")
            ours = column.name in block.columns  # rounding is no trigger's work
            if column.kind not in STAMPS and (work.table.triggers or not ours):
                done.rewritten.add(column.name)
    done.results = [work.outcome(row, None, "; ".join(what)) for row, what in sorted(altered.items())]
    done.image = _image(work, before if block.verb == "update" else None, after)
    return done


def _meant(block: Block, column: Column, before: pa.RecordBatch) -> pa.Array | None:
    if column.name in block.columns:
        return block.after[block.columns.index(column.name)]
    # Columns that an insert leaves out get what the database gives them.
    return before.column(before.schema.names.index(column.name, 1)) if block.verb == "update" else None


def _other_values(column: Column, meant: pa.Array, found: pa.Array) -> Iterator[tuple[int, Raw, Raw]]:
    rule = rule_for(Kind(column.kind), Kind(column.kind))
    for row in unlike(meant, found):
        old, new = to_python(meant.slice(row, 1))[0], to_python(found.slice(row, 1))[0]
        if judge(rule, old, new) is not Answer.SAME:
            yield row, old, new


def _image(work: _Work, before: pa.RecordBatch | None, after: pa.RecordBatch | None) -> Block:
    """The whole rows before and after, so that they can be put back as they were."""
    names = tuple(column.name for column in work.columns)

    def columns(rows: pa.RecordBatch | None) -> Sequence[pa.Array]:
        return rows.columns[1:] if rows is not None else ()

    return replace(
        work.block,
        columns=names,
        before=tuple(columns(before)),
        after=tuple(columns(after)),
        why="",
        whys=(),
        reasons=(),
        defaults=(),
        touch=(),
    )


def spoilt(writer: Writer, table: Table, image: Block) -> list[str]:
    """Columns of rows written before that a later write of the same run changed: a trigger, or a cascade."""
    # Staged as an insert, which is only looked up by its keys, not locked again.
    staged = writer.stage(
        table, image if image.verb == "delete" else replace(image, verb="insert", before=())
    )
    try:
        found = staged.present(list(image.columns))
    finally:
        staged.drop()
    if image.verb == "delete":
        return [f"{image.table}: deleted rows are there again"] if found.num_rows else []
    if found.num_rows != len(image):
        return [f"{image.table}: written rows are gone again"]
    columns = zip(image.columns, image.after, found.columns[1:], strict=True)
    return [f"{image.table}.{name}" for name, meant, now in columns if unlike(meant, now)]
