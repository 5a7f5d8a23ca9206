"""How far the stamps of the two sides are apart, and where `newest` refuses to say which is later."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from syncnb import clock
from syncnb.changes import TableDiff
from syncnb.errors import PlanError, SchemaError
from syncnb.panels.pictures.chart import Chart, Layer, Look, Tick, short
from syncnb.panels.pictures.picture import Picture
from syncnb.rendering import bar, frame
from syncnb.resolving import ByTime, for_table, newest
from syncnb.resolving.by_time import Gaps, State, bulk_notes, gaps, span_text
from syncnb.resolving.merging import asked, part_of
from syncnb.resolving.policies import SECONDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ClockPicture", "Step", "clock_picture"]

MICROS = 1_000_000
HOUR, DAY = 3_600 * MICROS, 86_400 * MICROS
STEPS = (MICROS, 60 * MICROS, 600 * MICROS, HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY)
"""Where a bar of the picture ends: 1 s, 1 min, 10 min, 1 h, 1 d, 7 d, 30 d, 365 d."""
LOOKS: dict[str, Look] = {
    "remote is newer": "remote",
    "too close": "near",
    "local is newer": "local",
    "in the future": "conflict",
}
WHAT = {
    State.NULL: "NULL",
    State.UNREADABLE: "no stamp",
    State.INFINITE: "infinity",
    State.FOLD: "an hour that its zone's clock showed twice or never",
}
QUARTER, SHIFT = HOUR // 4, 14 * HOUR
"""Two zones are at most that far apart in practice, by quarters of an hour."""
OFTEN = 10
"""One distance in so great a part of all rows is told: one in ten."""
WIDTH = 24
"""Letters of a bar in the text."""


@dataclass(frozen=True, slots=True)
class Step:
    """Rows whose stamps are about as far apart: local minus remote."""

    least: int
    """Microseconds, of the distance without its sign."""
    end: int | None
    """The first distance that is no longer in it; None for the last step."""
    sign: int
    """+1 where local is later, -1 where remote is, 0 for the same moment."""
    counts: tuple[int, int, int, int]
    """remote is newer, too close (or a tie), local is newer, in the future."""

    @property
    def text(self) -> str:
        """The step as a person reads it."""
        if not self.sign:
            return "the same moment"
        least = "" if not self.least else f"{span_text(self.least)} "
        return f"{least}or more" if self.end is None else f"{least}up to {span_text(self.end)}"


@dataclass(frozen=True, repr=False)
class ClockPicture(Picture):
    """How far the stamps of rows that both sides have, and that differ, are apart: a line a step.

    A fact like the diff that it was made of: nothing is read to show it. `.frame` has its numbers.
    """

    table: str
    column: str
    limit: timedelta
    """Stamps closer than this decide nothing."""
    steps: tuple[Step, ...]
    """From remote far later to local far later."""
    notes: tuple[str, ...] = ()
    """Rows that are not in the picture, and what there is to know about the others."""

    @property
    def totals(self) -> dict[str, int]:
        """Rows by what `newest` says of them, those that are there."""
        sums = [sum(step.counts[at] for step in self.steps) for at in range(len(LOOKS))]
        return {name: total for name, total in zip(LOOKS, sums, strict=True) if total}

    @property
    def frame(self) -> "pd.DataFrame":
        """The steps as a DataFrame: least and end (microseconds, local minus remote), and rows by what newest says."""
        ends = [_signed(step) for step in self.steps]
        counts = list(zip(*(step.counts for step in self.steps), strict=True)) or [()] * len(LOOKS)
        return frame(
            {
                name: pa.array([end[at] for end in ends], pa.int64())
                for at, name in enumerate(("least", "end"))
            }
            | {
                name.replace(" ", "_"): pa.array(list(column), pa.int64())
                for name, column in zip(LOOKS, counts, strict=True)
            }
        )

    @property
    def title(self) -> str:
        rows = sum(self.totals.values())
        where = f"{self.table}: {short(self.column)}, local minus remote"
        if not rows:
            return f"{where}: no two stamps to be put in order"
        return f"{where}, in {rows:,} {'row' if rows == 1 else 'rows'}; newest refuses below {self._limit}"

    @property
    def _limit(self) -> str:
        return span_text(self.limit // timedelta(microseconds=1))

    def _told(self) -> str:
        return ", ".join(f"{name} in {total:,}" for name, total in self.totals.items())

    def _lines(self) -> list[str]:
        shown = [
            (name, step.text + _side(name, step), step.counts[at])
            for step in self.steps
            for at, name in enumerate(LOOKS)
            if step.counts[at]
        ]
        if not shown:
            return []
        wide = max(len(name) for name, *_ in shown), max(len(text) for _, text, _ in shown)
        most = max(count for *_, count in shown)
        digits = len(f"{most:,}")
        return [
            f"{name:<{wide[0]}}  {text:<{wide[1]}}  {count:>{digits},}  {bar(count, most, WIDTH)}".rstrip()
            for name, text, count in shown
        ]

    def _chart(self) -> Chart | None:
        if not self.steps:
            return None
        layers = tuple(
            Layer(name, look, tuple(step.counts[at] for step in self.steps))
            for at, (name, look) in enumerate(LOOKS.items())
            if name in self.totals
        )
        micros = self.limit // timedelta(microseconds=1)
        near = [at for at, step in enumerate(self.steps) if step.least < micros]
        count, band = len(self.steps), (float(near[0]), float(near[-1] + 1))
        heads = (
            Tick(0, "← remote is later", "left"),
            Tick(sum(band) / 2, f"newest refuses: less than {self._limit}"),
            Tick(count, "local is later →", "right"),
        )
        return Chart(layers, self._ticks(), "local minus remote, in steps", band, heads)

    def _ticks(self) -> tuple[Tick, ...]:
        """At each edge how far it is from the same moment; the edges of the band first."""
        zero = next(at for at, step in enumerate(self.steps) if not step.sign)
        edges = [(at + (step.sign < 0), step.least) for at, step in enumerate(self.steps) if step.least]
        micros = self.limit // timedelta(microseconds=1)
        edges.sort(key=lambda edge: (edge[1] != micros, edge[1]))
        return Tick(zero + 0.5, "0"), *(Tick(at, span_text(least)) for at, least in edges)


def clock_picture(table: TableDiff, column: str, *, threshold: timedelta = SECONDS) -> ClockPicture:
    """How far the stamps of both sides are apart, in rows that both have and that differ, and what `newest` says.

    table: a table of a diff, `d["hosts"]`. column: the stamps. threshold: as `newest` takes it; the band of the
    picture is what a plan would use, raised by the clocks and the precision where it must be. Where it is known
    what both sides last agreed on, rows that only one of them changed are left out, as `newest` is not asked.

    Reads nothing. Raises PlanError where `newest` would, SchemaError for what is no table of a diff.
    """
    if not isinstance(table, TableDiff):
        raise SchemaError(
            f"a {type(table).__name__} has no clock picture", hint='pass a table of a diff, as d["hosts"]'
        )
    by = for_table(newest(column, threshold), table.pair)
    if not isinstance(by, ByTime):
        raise PlanError(f"{table.name} is not put in order of time", hint="name its column of stamps")
    rows, notes = asked(table), list[str]()
    limit, steps = by.threshold, tuple[Step, ...]()
    if rows.any():
        part = table if rows.all() else part_of(table, rows)
        found = gaps(part, by, abs(table.clocks_apart), clock.now())
        limit, steps = timedelta(microseconds=found.limit), tuple(_steps(found))
        notes = [*_raised(found, by, table), *_beside(found), *_shift(found), *bulk_notes(part, by, found)]
    if single := int((~rows).sum()):
        told = "1 row that one side changed" if single == 1 else f"{single:,} rows that one side changed"
        notes.append(f"not in the picture: {told} alone, of which newest is not asked")
    return ClockPicture(table.name, by.name, limit, steps, tuple(notes))


def _steps(found: Gaps) -> Iterator[Step]:
    """From the farthest step that has rows on either side to the other one; the limit is an edge of its own."""
    there = found.comparable
    if not there.any():
        return
    gap = found.micros[there]
    far = np.abs(gap)
    said = np.where(found.winner[there] < 0, 0, np.where(found.winner[there] > 0, 2, 1))
    said = np.where(found.known[there], said, 3)
    edges: list[int] = sorted(
        {0, *(step for step in STEPS if step < found.limit / 2 or step > found.limit * 1.5), found.limit}
    )
    place = np.where(gap == 0, 0, np.sign(gap) * np.searchsorted(edges, far, "right"))
    # On either side as far as there are rows, and at least one step beyond the band.
    beyond = edges.index(found.limit) + 1
    for at in range(min(int(place.min()), -beyond), max(int(place.max()), beyond) + 1):
        remote, near, local, ahead = np.bincount(said[place == at], minlength=len(LOOKS)).tolist()
        step = abs(at)
        end = 1 if not step else edges[step] if step < len(edges) else None
        yield Step(edges[step - 1] if step else 0, end, int(np.sign(at)), (remote, near, local, ahead))


def _signed(step: Step) -> tuple[int | None, int | None]:
    """The bounds of a step as local minus remote, the lesser one first."""
    if step.sign < 0:
        return None if step.end is None else -step.end, -step.least
    return step.least, step.end if step.sign else 0


def _side(name: str, step: Step) -> str:
    """Whose stamp is later, where what is said of a row does not say it."""
    if name not in ("too close", "in the future") or not step.sign:
        return ""
    return f", {'local' if step.sign > 0 else 'remote'} later"


def _raised(found: Gaps, by: ByTime, table: TableDiff) -> Iterator[str]:
    if found.limit > by.threshold // timedelta(microseconds=1):
        apart = table.clocks_apart // timedelta(microseconds=1)
        why = f"the clocks are {span_text(apart)} apart" if apart else "the stamps are written no finer"
        yield f"the threshold is {span_text(found.limit)}: {why}"


def _beside(found: Gaps) -> Iterator[str]:
    """Rows without two stamps, by what is wrong with the first one that is, and stamps in the future by side."""
    left, right = found.local.states, found.remote.states
    for state, what in WHAT.items():
        here, there = left == state, right == state
        rows = int((here | there).sum())
        if rows:
            sides = f"{int(here.sum()):,} in local, {int(there.sum()):,} in remote"
            yield f"not in the picture: {rows:,} {'row' if rows == 1 else 'rows'} with {what} ({sides})"
    ahead = {side: int(rows.sum()) for side, rows in found.ahead.items()}
    if any(ahead.values()):
        yield "stamps in the future: " + ", ".join(f"{count:,} in {side}" for side, count in ahead.items())


def _shift(found: Gaps) -> Iterator[str]:
    """One whole number of quarter hours in many rows is rather a zone than so many changes."""
    gap = found.micros[found.comparable]
    whole = gap[(gap % QUARTER == 0) & (gap != 0) & (np.abs(gap) <= SHIFT)]
    if len(whole):
        values, counts = np.unique(whole, return_counts=True)
        most = int(counts.max())
        if most > 1 and most * OFTEN >= len(gap):
            span = int(values[counts.argmax()])
            who = "local" if span > 0 else "remote"
            yield f"{most:,} rows are exactly {span_text(abs(span))} apart, {who} later: a time zone?"
