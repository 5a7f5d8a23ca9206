"""Dates, times and stamps from text, exactly: any year, any number of digits, with or without a zone.

Python's datetime stops at year 9999, knows no BC and no infinity, and cuts at microseconds.
A database holds all of these, so stamps here are counted in whole microseconds since 1970 plus
the digits that go beyond.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

__all__ = ["Clock", "Stamp", "local_to_instant", "parse_clock", "parse_stamp"]

DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# No clock is a day or more off: +24:00 or +05:75 is no zone, and the text no stamp.
_ZONE = r"(?P<zone>Z|z|UTC|GMT|[+-](?:[01]\d|2[0-3])(?:(?::[0-5]\d){0,2}|(?:[0-5]\d){1,2}))"
_TIME = r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
_DASHED = r"(?P<year>[+-]?\d{4,6})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
STAMP = re.compile(rf"{_DASHED}(?:[Tt ]{_TIME} ?{_ZONE}?)?(?P<bc> BC)?", re.ASCII)
BASIC = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?"
    rf"{_ZONE}?)?(?P<bc> BC)?",
    re.ASCII,
)
CLOCK = re.compile(rf"(?=\d\d:){_TIME} ?{_ZONE}?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date and time of day, as written."""

    micros: int
    """Microseconds since 1970-01-01 00:00 on the clock that it was read from."""
    digits: str = ""
    """Digits after the sixth, without trailing zeros."""
    offset: int | None = None
    """Seconds east of Greenwich; None where it carries no zone."""
    infinite: int = 0
    """1 or -1 for PostgreSQL's infinity and -infinity."""

    @property
    def instant(self) -> "Stamp":
        """The same moment on the clock of Greenwich. Only for a stamp that carries a zone."""
        if self.offset is None:
            raise ValueError("a stamp without a zone is no instant")
        return Stamp(self.micros - self.offset * 1_000_000, self.digits, 0, self.infinite)

    @property
    def text(self) -> str:
        """The stamp in ISO form on its own clock; years outside 1 to 9999 as days since 1970."""
        if self.infinite:
            return "infinity" if self.infinite > 0 else "-infinity"
        try:
            shown = (EPOCH + timedelta(microseconds=self.micros)).replace(tzinfo=None).isoformat(" ")
        except OverflowError:
            return f"{self.micros // DAY} days and {self.micros % DAY / 1_000_000:g} s from 1970"
        if not self.digits:
            return shown
        return f"{shown if '.' in shown else shown + '.000000'}{self.digits}"


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day."""

    micros: int
    digits: str = ""
    offset: int | None = None


def parse_stamp(text: str) -> Stamp | None:
    """The stamp that this text writes in an ISO form or PostgreSQL's; None if it is none.

    >>> parse_stamp("2013-01-01T05:00:00Z").instant == parse_stamp("2013-01-01 10:30:00+05:30").instant
    True
    """
    if text in ("infinity", "-infinity"):
        return Stamp(0, offset=0, infinite=-1 if text[0] == "-" else 1)
    found = STAMP.fullmatch(text) or BASIC.fullmatch(text)
    if found is None:
        return None
    year = int(found["year"])
    if found["bc"]:
        if year < 1:
            return None
        year = 1 - year
    days = _days(year, int(found["month"]), int(found["day"]))
    clock = _clock(found) if found["hour"] else Clock(0)
    if days is None or clock is None:
        return None
    return Stamp(days * DAY + clock.micros, clock.digits, clock.offset)


def parse_clock(text: str) -> Clock | None:
    """The time of day that this text writes; None if it is none."""
    found = CLOCK.fullmatch(text)
    return _clock(found) if found else None


def _clock(found: re.Match[str]) -> Clock | None:
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    fraction = found["fraction"] or ""
    # 24:00:00 is the end of a day and :60 a leap second, both accepted by PostgreSQL.
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second or fraction.strip("0"))):
        return None
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    return Clock(micros, fraction[6:].rstrip("0"), _offset(found["zone"]))


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6])
    return -seconds if zone[0] == "-" else seconds


def _days(year: int, month: int, day: int) -> int | None:
    """Days since 1970-01-01 in the proleptic Gregorian calendar; None for a date that is none."""
    if not 1 <= month <= 12:
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    if not 1 <= day <= length:
        return None
    # Counted from 1 March, so that the leap day is the last of its year.
    years = year - (month < 3)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return years * 365 + years // 4 - years // 100 + years // 400 + of_year - 719_468


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local_to_instant(stamp: Stamp, zone: str) -> Stamp | None:
    """The moment of a stamp that was read from the wall clock of `zone`.

    None where that clock showed it twice or never (a change to or from summer time): which
    moment was meant cannot be known.
    """
    if stamp.infinite:
        return Stamp(0, offset=0, infinite=stamp.infinite)
    try:
        wall = (EPOCH + timedelta(microseconds=stamp.micros)).replace(tzinfo=_zone(zone))
        first, second = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    except OverflowError:
        if zone not in ("UTC", "Etc/UTC"):
            return None
        first = second = timedelta(0)
    if first is None or first != second:
        return None
    shift = first // timedelta(microseconds=1)
    return Stamp(stamp.micros - shift, stamp.digits, 0)
