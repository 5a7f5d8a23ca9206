"""`newest`: the later of two stamps, as moments and never as text, where they can be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncnb.changes import ColumnPair, RowSet, TableDiff
from syncnb.errors import PlanError
from syncnb.resolving.policies import ByTime
from syncnb.schema import Table
from syncnb.values import arrays
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.raw import Raw, to_python
from syncnb.values.reading import as_text
from syncnb.values.sides import SIDES, Side, of_side
from syncnb.values.stamps import DAY, EPOCH, local_to_instant, parse_stamp

__all__ = ["Gaps", "State", "bulk_notes", "by_time", "gaps", "span_text"]

Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[Any]]

SECOND, MILLISECOND = 1_000_000, 1_000
BULK = 20
"""So many rows with one and the same stamp were touched by a job."""
AHEAD = 14 * 3600 * SECOND
"""How far a wall clock may be ahead of Greenwich."""


class State(IntEnum):
    """What one stamp is known to be."""

    INSTANT = 0
    WALL = 1
    """A wall clock whose zone nobody declared."""
    NULL = 2
    UNREADABLE = 3
    FOLD = 4
    """An hour that the clock of its zone showed twice or never."""
    INFINITE = 5


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of one side."""

    micros: Numbers
    states: Numbers

    @property
    def known(self) -> Numbers:
        return self.states <= State.WALL

    def precision(self, kind: str) -> int:
        """How fine these stamps are, as seen in them: microseconds."""
        if kind == Kind.DATE:
            return DAY
        there = self.micros[self.known]
        return next((step for step in (SECOND, MILLISECOND) if not (there % step).any()), 1)


@dataclass(frozen=True, slots=True)
class Gaps:
    """How far the stamps of the changed rows are apart, and what can be made of it."""

    local: Stamps
    remote: Stamps
    micros: Numbers
    """Local minus remote; of no meaning where one of the two is not known."""
    limit: int
    """Microseconds: stamps closer than this decide nothing."""
    ahead: Mapping[Side, Numbers]
    """Whose stamps are in the future."""

    def of(self, side: Side) -> Stamps:
        """The stamps of one side."""
        return of_side(side, self.local, self.remote)

    @property
    def comparable(self) -> Numbers:
        """The rows with two stamps that can be put in order, were they to be believed."""
        return self.local.known & self.remote.known

    @property
    def known(self) -> Numbers:
        """The same without stamps in the future."""
        return self.comparable & ~self.ahead["local"] & ~self.ahead["remote"]

    @property
    def winner(self) -> Numbers:
        """Whose stamp is later, where that can be believed: +1 local, -1 remote, 0 nobody's."""
        decided = self.known & (np.abs(self.micros) >= self.limit) & (self.micros != 0)
        return np.where(decided, np.sign(self.micros), 0).astype(np.int8)


def gaps(diff: TableDiff, by: ByTime, offset: timedelta, now: datetime) -> Gaps:
    """The stamps of both sides of each changed row against each other.

    Raises PlanError, one for the table, where zones must be declared first.
    """
    column = diff.pair.columns[by.at]
    local = _stamps(by.rule, diff.changed_local.columns[by.at], "local")
    remote = _stamps(by.rule, diff.changed_remote.columns[by.at], "remote")
    _check_zones(diff, column, by, local, remote)
    limit = max(_micros(by.threshold), _floor(column, local, remote, offset))
    sides: tuple[tuple[Side, Stamps], ...] = (("local", local), ("remote", remote))
    ahead = {
        side: stamps.micros > _micros(now - EPOCH) + limit + np.where(stamps.states == State.WALL, AHEAD, 0)
        for side, stamps in sides
    }
    return Gaps(local, remote, local.micros - remote.micros, limit, ahead)


def by_time(
    diff: TableDiff, by: ByTime, offset: timedelta, now: datetime
) -> tuple[Numbers, list[str], tuple[str, ...]]:
    """The winner of each changed row (+1 local, -1 remote, 0 open), why, and what to know about all of them.

    Raises PlanError, one for the table, where zones must be declared first.
    """
    found = gaps(diff, by, offset, now)
    gap, limit, winner = found.micros, found.limit, found.winner
    raws = diff.changed_local.columns[by.at], diff.changed_remote.columns[by.at]
    texts = [to_python(raw) for raw in raws]
    why = [
        _won(winner[row], gap[row]) if winner[row] else _left(row, found, by, texts)
        for row in range(len(winner))
    ]
    near = bool((found.known & (gap != 0) & (np.abs(gap) < limit)).any())
    return winner, why, _raised(by, limit, offset) if near else ()


def _raised(by: ByTime, limit: int, offset: timedelta) -> tuple[str, ...]:
    """A line where the threshold is greater than what was told, for rows that it leaves open."""
    if limit <= _micros(by.threshold):
        return ()
    clocks = f"the clocks are {span_text(_micros(offset))} apart" if offset else ""
    why = clocks or "they are written no finer"
    return (f"stamps of {by.name} closer than {span_text(limit)} decide nothing: {why}",)


def bulk_notes(diff: TableDiff, by: ByTime, found: Gaps | None = None) -> tuple[str, ...]:
    """A line a side where many of its stamps are one and the same: a job touched the rows, no person did.

    found: the stamps, where they have been read already.
    """
    notes = []
    sides: tuple[tuple[Side, RowSet], ...] = (("local", diff.changed_local), ("remote", diff.changed_remote))
    for side, rows in sides:
        stamps = found.of(side) if found else _stamps(by.rule, rows.columns[by.at], side)
        values, counts = np.unique(stamps.micros[stamps.known], return_counts=True)
        if len(counts) and (most := int(counts.max())) >= BULK:
            same = EPOCH + timedelta(microseconds=int(values[counts.argmax()]))
            notes.append(
                f"{most:,} rows of {side} have the same {by.name} ({same:%Y-%m-%d %H:%M:%S}): "
                "touched at once, which says little about when each of them changed"
            )
    return tuple(notes)


def _won(winner: Any, gap: Any) -> str:
    return f"newer in {'local' if winner > 0 else 'remote'} by {span_text(abs(int(gap)))}"


def _left(row: int, found: Gaps, by: ByTime, texts: list[list[Raw]]) -> str:
    """Why a row stays open."""
    gap, limit = int(found.micros[row]), found.limit
    for side, values in zip(SIDES, texts, strict=True):
        stamps = found.of(side)
        state, text = stamps.states[row], as_text(values[row])
        if state == State.NULL:
            return f"{by.name} is NULL in {side}"
        if state == State.UNREADABLE:
            return f"{by.name} in {side} is no stamp: {text}"
        if state == State.INFINITE:
            return f"{by.name} in {side} is {text}"
        if state == State.FOLD:
            zone = by.rule.zone(side)
            return f"{by.name} in {side} is {text}, an hour that the clock of {zone} showed twice or never"
        if found.ahead[side][row]:
            return f"{by.name} in {side} is in the future: {text}"
    if gap == 0:
        return f"a tie: {by.name} is the same moment on both sides"
    return f"only {span_text(abs(gap))} apart, less than {span_text(limit)}"


def _floor(column: ColumnPair, local: Stamps, remote: Stamps, offset: timedelta) -> int:
    """Below this nothing can be told: twice the distance of the clocks, plus the coarser precision."""
    coarser = max(local.precision(column.local.kind), remote.precision(column.remote.kind))
    return 2 * _micros(offset) + coarser


def _check_zones(diff: TableDiff, column: ColumnPair, by: ByTime, local: Stamps, remote: Stamps) -> None:
    """Wall clocks of no declared zone meet only their like, and only where one engine wrote both."""
    walls = {"local": local.states == State.WALL, "remote": remote.states == State.WALL}
    both = local.known & remote.known
    apart = both & (walls["local"] != walls["remote"])
    if _engine(diff.pair.local) != _engine(diff.pair.remote):
        apart |= both & walls["local"]
    count = int(apart.sum())
    if not count:
        return
    without = [side for side in walls if (walls[side] & apart).any()]
    names = {"local": f"{diff.pair.local.name}.{column.local.name}"}
    names["remote"] = f"{diff.pair.remote.name}.{column.remote.name}"
    hint = f'declare it: sn.connect(…, timezone="UTC") or timezone={{"{names[without[0]]}": "Europe/Berlin"}}'
    if not isinstance(column.rule, StampRule):
        hint = (
            f"both columns are text: a timezone= counts only where one of them is declared as a stamp; {hint}"
        )
    where = " and ".join(without)
    raise PlanError(
        f"{diff.name}.{by.name} has no zone in {where}: {count:,} rows cannot be put in order of time",
        hint=hint,
    )


def _engine(table: Table) -> str:
    if table.type == "frame":
        return "frame"
    return "sqlite" if table.schema is None else "postgresql"


def _stamps(rule: StampRule, array: pa.Array, side: Side) -> Stamps:
    quick = _column(rule, array, side)
    if quick is not None:
        return quick
    found = [_stamp(value, rule.zone(side)) for value in to_python(array)]
    return Stamps(np.array([m for m, _ in found], np.int64), np.array([s for _, s in found], np.int8))


def _column(rule: StampRule, array: pa.Array, side: Side) -> Stamps | None:
    """The whole column at once, where every text in it is plain; else None."""
    if not arrays.holds(array, pa.string()):
        return None
    text, zone = arrays.become(array, pa.string()), rule.zone(side)
    state = State.INSTANT
    try:
        moments = text.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        try:
            moments = text.cast(pa.timestamp("us"))
            if zone:
                # "raise" refuses hours that the zone's clock showed twice or never.
                moments = pc.assume_timezone(moments, zone)
            else:
                state = State.WALL
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
    missing = arrays.mask(moments.is_null())
    micros = pc.fill_null(moments.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return Stamps(micros, np.where(missing, State.NULL, state).astype(np.int8))


def _stamp(value: Raw, zone: str | None) -> tuple[int, State]:
    if value is None:
        return 0, State.NULL
    stamp = parse_stamp(value) if isinstance(value, str) else None
    if stamp is None:
        return 0, State.UNREADABLE
    if stamp.infinite:
        return 0, State.INFINITE
    if stamp.offset is not None:
        return stamp.instant.micros, State.INSTANT
    if zone is None:
        return stamp.micros, State.WALL
    moment = local_to_instant(stamp, zone)
    return (0, State.FOLD) if moment is None else (moment.micros, State.INSTANT)


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


UNITS = (("d", DAY), ("h", 3600 * SECOND), ("min", 60 * SECOND))


def span_text(micros: int) -> str:
    """A span of time in its two greatest units: `3 h`, `2 d 4 h`, `1.5 s`."""
    parts = []
    for unit, size in UNITS:
        if micros >= size:
            parts.append(f"{micros // size} {unit}")
            micros %= size
    if micros or not parts:
        whole, fraction = divmod(micros, SECOND)
        behind = f".{fraction:06d}".rstrip("0") if fraction else ""
        parts.append(f"{whole}{behind} s")
    return " ".join(parts[:2])
