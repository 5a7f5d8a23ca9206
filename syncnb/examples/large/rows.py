"""The flights: a schedule by flight number, repeated every day of a year, and what became of it each day."""

from typing import Any, TypeAlias

import numpy as np

from syncnb.examples.scene import Row

__all__ = ["flights"]

COUNT, DAYS = 336_776, 365
CARRIERS = ("AB", "CD", "EF", "GH", "JK", "LM", "NP", "QR")
ORIGINS = ("NOR", "SUD", "OST")
FIRST, HOURS = 5, 18
"""The first hour of a day with flights, and how many hours have some."""

Numbers: TypeAlias = "np.ndarray[tuple[int], np.dtype[Any]]"


def flights() -> list[Row]:
    """All rows, in the order of time and flight number; the same on every machine."""
    number = np.arange(COUNT)
    day = number * DAYS // COUNT
    place = number - (day * COUNT + DAYS - 1) // DAYS  # of the flight in its day
    flight = 100 + place
    hour = FIRST + place * HOURS // (COUNT // DAYS + 1)
    minute = _drawn(flight, 1) % 12 * 5
    distance = 150 + _drawn(flight, 2) % 2400
    planned = 40 + distance // 8
    delay = _delay(number)
    air_time = planned - 20 + _drawn(number, 5) % 16
    arr_delay = delay + _drawn(number, 6) % 31 - 18
    departs = hour * 60 + minute
    flown = _drawn(number, 7) % 41 > 0
    dates = np.datetime64("2013-01-01") + day
    columns: list[list[Any]] = [
        [2013] * COUNT,
        (dates.astype("datetime64[M]").astype(int) % 12 + 1).tolist(),
        ((dates - dates.astype("datetime64[M]")).astype(int) + 1).tolist(),
        _where(flown, _clock(departs + delay)),
        _clock(departs).tolist(),
        _where(flown, delay),
        _where(flown, _clock(departs + planned + arr_delay)),
        _clock(departs + planned).tolist(),
        _where(flown, arr_delay),
        [CARRIERS[at] for at in (_drawn(flight, 8) % len(CARRIERS)).tolist()],
        flight.tolist(),
        _tails(number, flown),
        [ORIGINS[at] for at in (_drawn(flight, 9) % len(ORIGINS)).tolist()],
        _airports(flight),
        _where(flown, air_time),
        distance.tolist(),
        hour.tolist(),
        minute.tolist(),
        [
            f"{date}T{at:02}:00:00Z"
            for date, at in zip(dates.astype(str).tolist(), hour.tolist(), strict=True)
        ],
    ]
    return list(zip(*columns, strict=True))


def _drawn(seed: Numbers, salt: int) -> Numbers:
    """A number for each seed that looks drawn: by arithmetic alone, so that no library decides what it is."""
    x = seed.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt * 0x1000193)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    drawn: Numbers = ((x ^ (x >> np.uint64(31))) >> np.uint64(33)).astype(np.int64)
    return drawn


def _delay(number: Numbers) -> Numbers:
    """Minutes: mostly few, one flight in nine up to some hours."""
    usual = _drawn(number, 3) % 24 - 8
    late = _drawn(number, 4)
    delay: Numbers = np.where(late % 9 == 0, usual + late // 9 % 190, usual)
    return delay


def _clock(minutes: Numbers) -> Numbers:
    """1005 for five past ten, as timetables have it."""
    within = minutes % 1440
    shown: Numbers = within // 60 * 100 + within % 60
    return shown


def _where(flown: Numbers, values: Numbers) -> list[int | None]:
    """NULL where the flight was cancelled."""
    return [value if there else None for value, there in zip(values.tolist(), flown.tolist(), strict=True)]


def _tails(number: Numbers, flown: Numbers) -> list[str | None]:
    planes = (100 + _drawn(number, 10) % 3_900).tolist()
    return [f"X{plane}K" if there else None for plane, there in zip(planes, flown.tolist(), strict=True)]


def _airports(flight: Numbers) -> list[str]:
    letters = "ABDEGIKLMNOPRSTU"
    parts = [(_drawn(flight % 97, 11 + at) % len(letters)).tolist() for at in range(3)]
    return ["".join(letters[at] for at in name) for name in zip(*parts, strict=True)]
