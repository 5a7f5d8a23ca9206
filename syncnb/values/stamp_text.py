"""Stamps and times of day as text: in PostgreSQL's own form, and in the style of texts that are there."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from syncnb.values.stamps import DAY, EPOCH, STAMP, Clock, Stamp

__all__ = [
    "POSTGRES_INSTANT",
    "POSTGRES_WALL",
    "Style",
    "clock_text",
    "majority",
    "on_the_wall",
    "stamp_text",
    "style_of",
    "style_pattern",
]


@dataclass(frozen=True, slots=True)
class Style:
    """How a stamp is written."""

    gap: str = " "
    """Between date and time of day; empty: a date alone."""
    seconds: bool = True
    mark: str = "."
    """Before the fraction of a second."""
    digits: int = 0
    """At least so many digits of the fraction; never fewer than the value has."""
    zone: str = ""
    """How Greenwich is written: `Z`, `+00`, `+00:00`, ...; empty: no zone."""


POSTGRES_WALL, POSTGRES_INSTANT = Style(), Style(zone="+00")


def style_of(text: str) -> Style | None:
    """The style in which this text writes a stamp; None if it writes none, or without dashes."""
    found = STAMP.fullmatch(text)
    if found is None:
        return None
    if not found["hour"]:
        return Style(gap="")
    zone = found["zone"] or ""
    if zone[:1] in ("+", "-"):
        zone = "+" + re.sub(r"\d", "0", zone[1:])
    if zone and text[found.start("zone") - 1] == " ":
        zone = f" {zone}"
    fraction = found["fraction"] or ""
    mark = text[found.start("fraction") - 1] if fraction else "."
    gap = text[found.start("hour") - 1]
    return Style(gap, found["minute"] is None or found["second"] is not None, mark, len(fraction), zone)


def style_pattern(style: Style) -> str:
    """A regular expression for the texts of this style, with years of four digits."""
    if not style.gap:
        return r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
    clock = "[0-9]{2}:[0-9]{2}" + (":[0-9]{2}" if style.seconds else "")
    fraction = f"[{style.mark}][0-9]{{{style.digits}}}" if style.digits else ""
    zone = style.zone.replace("+", "[+-]").replace("0", "[0-9]")
    return rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{style.gap}{clock}{fraction}{zone}\z"


def majority(texts: Iterable[object]) -> Style | None:
    """The style that most of these texts have; of equally many the one that came first."""
    found = Counter(style for text in texts if isinstance(text, str) and (style := style_of(text)))
    return found.most_common(1)[0][0] if found else None


def stamp_text(stamp: Stamp, style: Style) -> str:
    """The stamp as its own clock shows it, with the zone of the style behind it.

    A style without a time of day serves only midnight, one without seconds only full minutes.
    """
    if stamp.infinite:
        return "infinity" if stamp.infinite > 0 else "-infinity"
    year, month, day = _civil(stamp.micros // DAY)
    bc = " BC" if year < 1 else ""
    date = f"{1 - year if bc else year:04d}-{month:02d}-{day:02d}"
    clock, gap = stamp.micros % DAY, style.gap
    if not gap and not style.zone and not clock and not stamp.digits:
        return date + bc
    return f"{date}{gap or ' '}{_clock_text(clock, stamp.digits, style)}{style.zone}{bc}"


def clock_text(clock: Clock) -> str:
    """A time of day as PostgreSQL writes it, with its offset where it has one."""
    text = _clock_text(clock.micros, clock.digits, POSTGRES_WALL)
    if clock.offset is None:
        return text
    minutes, seconds = divmod(abs(clock.offset), 60)
    zone = f"{'-' if clock.offset < 0 else '+'}{minutes // 60:02d}"
    if minutes % 60 or seconds:
        zone += f":{minutes % 60:02d}"
    return text + zone + (f":{seconds:02d}" if seconds else "")


def _clock_text(micros: int, beyond: str, style: Style) -> str:
    seconds, fraction = divmod(micros, 1_000_000)
    digits = (f"{fraction:06d}{beyond}").rstrip("0").ljust(style.digits, "0")
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    if style.seconds or seconds % 60 or digits:
        text += f":{seconds % 60:02d}"
    return text + (style.mark + digits if digits else "")


def on_the_wall(instant: Stamp, zone: str) -> Stamp | None:
    """What the wall clock of `zone` shows at this moment; None outside the years 1 to 9999, save in UTC."""
    if instant.infinite:
        return instant
    try:
        shift = (EPOCH + timedelta(microseconds=instant.micros)).astimezone(ZoneInfo(zone)).utcoffset()
    except OverflowError:
        if zone not in ("UTC", "Etc/UTC"):
            return None
        shift = timedelta(0)
    return Stamp(instant.micros + (shift or timedelta(0)) // timedelta(microseconds=1), instant.digits)


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a count of days since 1970-01-01, in the proleptic Gregorian calendar."""
    era, of_era = divmod(days + 719_468, 146_097)
    of_cycle = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    # Counted from 1 March, so that the leap day is the last of its year.
    of_year = of_era - (365 * of_cycle + of_cycle // 4 - of_cycle // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    return of_cycle + era * 400 + (month <= 2), month, day
