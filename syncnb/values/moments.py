"""Rules for dates, times of day and stamps."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays
from syncnb.values.raw import Raw
from syncnb.values.rules import Answer, Rule, Token
from syncnb.values.sides import Side, of_side
from syncnb.values.stamps import DAY, EPOCH, Clock, Stamp, local_to_instant, parse_clock, parse_stamp

__all__ = ["ClockRule", "IntervalRule", "StampRule"]

ZONES = (
    "stamps without a zone against moments: "
    'declare theirs with timezone="UTC" (or "Europe/Berlin") in connect'
)
NAIVE, INSTANT = pa.timestamp("us"), pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class StampRule(Rule):
    """Dates and stamps. With a zone they are instants, without one they are what a wall clock showed.

    A wall clock becomes an instant only by a declared zone; without one it cannot be compared
    with an instant, and the answer is UNKNOWN.
    """

    instants: bool = False
    """One of the columns promises instants (timestamptz)."""
    dates: bool = False
    """Both columns promise dates."""
    calendar: bool = False
    """One of them does: a date is a day on the wall, in whatever zone."""
    zone_local: str | None = None
    zone_remote: str | None = None
    sentence: ClassVar[str] = "stamps are compared as moments, whatever zone and form they are written in"

    @property
    def frame_type(self) -> pa.DataType | None:
        return pa.date32() if self.dates else INSTANT if self.instants else NAIVE

    @property
    def key_type(self) -> pa.DataType | None:
        return INSTANT if self.instants else NAIVE

    @property
    def same_bytes(self) -> bool:
        return self.dates or self.zone_local == self.zone_remote

    @property
    def zoned(self) -> bool:
        """Whether wall clocks are to be turned into instants before anything is compared."""
        if self.instants or self.calendar:
            return self.instants
        return bool(self.zone_local and self.zone_remote and not self.same_bytes)

    def zone(self, side: Side) -> str | None:
        """The declared zone of one side's wall clock."""
        return of_side(side, self.zone_local, self.zone_remote)

    def moment(self, value: Raw, side: Side) -> Stamp | None:
        """The stamp that a value is: an instant where that is known, else a wall clock; None if no stamp."""
        stamp = parse_stamp(value) if isinstance(value, str) else None
        if stamp is None or stamp.infinite:
            return stamp
        if stamp.offset is not None:
            return stamp.instant
        zone = self.zone(side)
        return (self.zoned and zone and local_to_instant(stamp, zone)) or stamp

    def token(self, value: Raw, side: Side) -> Token:
        moment = self.moment(value, side)
        return Rule.token(self, value, side) if moment is None else _token(moment)

    def own(self, value: Raw) -> Token | None:
        return None

    def answer(self, local: Raw, remote: Raw) -> Answer:
        left, right = self.moment(local, "local"), self.moment(remote, "remote")
        if (left and _is_number(remote)) or (right and _is_number(local)):
            return Answer.UNKNOWN  # seconds, milliseconds or days since when?
        if left and right and not (left.infinite or right.infinite):
            if left.offset is None and right.offset is not None:
                left = local_to_instant(left, self.zone_local) if self.zone_local else None
            elif right.offset is None and left.offset is not None:
                right = local_to_instant(right, self.zone_remote) if self.zone_remote else None
            if not left or not right:
                return Answer.UNKNOWN
            return Answer.SAME if _token(left) == _token(right) else Answer.DIFFERENT
        return Rule.answer(self, local, remote)

    def doubt(self, local: Raw, remote: Raw) -> str:
        if _is_number(local) or _is_number(remote):
            return "a number in a column of stamps: its unit is not known"
        for zone, value in ((self.zone_local, local), (self.zone_remote, remote)):
            stamp = parse_stamp(value) if isinstance(value, str) else None
            if zone and stamp and stamp.offset is None:
                return f"an hour that the clock of {zone} showed twice or never"
        return ZONES

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        if not arrays.holds(array, pa.string()):
            return None
        text = arrays.become(array, pa.string())
        try:
            # The first one alone: to learn from the whole column that it has no zones takes many times as long.
            text.drop_null().slice(0, 1).cast(INSTANT)
            return text.cast(INSTANT)
        except pa.ArrowInvalid:
            pass
        try:
            wall = text.cast(NAIVE)
            if not self.zoned:
                return wall
            zone = self.zone(side)
            # "raise" refuses hours that the zone's clock showed twice or never.
            return zone and pc.assume_timezone(wall, zone).cast(INSTANT)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None

    def shown(self, value: Raw, side: Side) -> Any:
        stamp = self.moment(value, side)
        if stamp is None or stamp.infinite or stamp.digits or (stamp.offset is not None) != self.instants:
            raise ValueError("no date or stamp that fits the others")
        try:
            moment = EPOCH + timedelta(microseconds=stamp.micros)
        except OverflowError:
            raise ValueError("outside the years 1 to 9999") from None
        if self.dates:
            if stamp.micros % DAY:
                raise ValueError("a date with a time of day")
            return date(moment.year, moment.month, moment.day)
        return moment if self.instants else moment.replace(tzinfo=None)

    def distance(self, local: Raw, remote: Raw) -> Decimal | None:
        left, right = self.moment(local, "local"), self.moment(remote, "remote")
        if not left or not right or left.infinite or right.infinite or left.offset != right.offset:
            return None
        fractions = [Decimal(f"0.000000{stamp.digits or 0}") for stamp in (left, right)]
        return abs(Decimal(left.micros - right.micros) / 1_000_000 + fractions[0] - fractions[1])


def _is_number(value: Raw) -> bool:
    return isinstance(value, int | float)


def _token(moment: Stamp) -> Token:
    if moment.infinite:
        return ("infinity", moment.infinite)
    return ("wall clock" if moment.offset is None else "instant", moment.micros, moment.digits)


@dataclass(frozen=True, slots=True)
class ClockRule(Rule):
    """Times of day, with their offset where they carry one."""

    sentence: ClassVar[str] = "times are compared by value: 12:00 and 12:00:00.000 are one time"
    arrow: ClassVar[pa.DataType | None] = pa.time64("us")

    def own(self, value: Raw) -> Token | None:
        clock = _clock(value)
        return clock and ("time", clock.micros, clock.digits, clock.offset)

    def shown(self, value: Raw, side: Side) -> Any:
        clock = _clock(value)
        if clock is None or clock != Clock(clock.micros) or clock.micros >= DAY:
            raise ValueError("no time of day that fits the others")
        return (datetime.min.replace(tzinfo=UTC) + timedelta(microseconds=clock.micros)).time()


NO_DAY = ("2000-01-01", "1970-01-01", "1899-12-30")
"""Days that programs write before a time where they have no column for times alone."""


def _clock(value: Raw) -> Clock | None:
    if not isinstance(value, str):
        return None
    return parse_clock(value[11:] if value.startswith(NO_DAY) else value)


INTERVAL = re.compile(
    r"(?:(?P<years>-?\d+) years? ?)?(?:(?P<mons>-?\d+) mons? ?)?(?:(?P<days>-?\d+) days? ?)?"
    r"(?:(?P<sign>[+-]?)(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<fraction>\d{1,6})\d*)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class IntervalRule(Rule):
    """Intervals in months and microseconds: a day is 24 hours, as PostgreSQL compares them."""

    sentence: ClassVar[str] = "a day is 24 hours, as PostgreSQL compares intervals"
    arrow: ClassVar[pa.DataType | None] = pa.string()

    def own(self, value: Raw) -> Token | None:
        found = INTERVAL.fullmatch(value) if isinstance(value, str) and value else None
        if found is None:
            return None
        part = {
            name: int(text or 0)
            for name, text in found.groupdict().items()
            if name not in ("sign", "fraction")
        }
        seconds = (part["hours"] * 60 + part["minutes"]) * 60 + part["seconds"]
        micros = seconds * 1_000_000 + int((found["fraction"] or "").ljust(6, "0"))
        total = part["days"] * DAY + (-micros if found["sign"] == "-" else micros)
        return ("interval", part["years"] * 12 + part["mons"], total)

    def shown(self, value: Raw, side: Side) -> Any:
        if not isinstance(value, str):
            raise ValueError("not an interval")
        return value
