"""What a date tells of itself: public holidays, and where in the day, the week, the month and the year it lies.

Such a place comes as sines and cosines of a cycle's first harmonics, so that the last hour of a day lies beside the
first of the next; three harmonics tell any seven weekdays apart. A frequency has the cycles that are longer than its
steps and that more than one of its steps tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.data.series.frequency import MONTHLY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime.data.series.frequency import Frequency

_HARMONICS = {"day": 2, "week": 3, "month": 2, "year": 2}
CYCLES = tuple(_HARMONICS)
"""Of which the place of a date may be known."""

_OF_UNIT = {"D": ("week", "month", "year"), "B": ("week", "month", "year"), "C": ("week", "month", "year"),
            "W": ("year",), "SMS": ("month", "year"), "SME": ("month", "year")}  # fmt: skip
_WITHIN_A_DAY = ("day", "week", "year")
_MONTHS_OF_A_YEAR = 12
_HOLIDAYS = ("holiday", "near_holiday")


@dataclass(frozen=True)
class CalendarFeatures:
    """What is known of every date.

    Attributes:
        country: whose public holidays are known, such as 'DE' or 'US-CA'; '' for none.
        cycles: of which the place of a date is known, of `CYCLES`.
        zone: of the place whose days these are, where dates are in UTC; '' where they are those of the place.

    >>> CalendarFeatures(cycles=("day",)).names
    ('day_sin_1', 'day_cos_1', 'day_sin_2', 'day_cos_2')
    """

    country: str = ""
    cycles: tuple[str, ...] = ()
    zone: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cycles", tuple(self.cycles))
        if (
            not isinstance(self.country, str)
            or not set(self.cycles) <= set(CYCLES)
            or not is_time_zone(self.zone or "UTC")
        ):
            raise ValueError(f"calendar: impossible: {self}")

    def __bool__(self) -> bool:
        return bool(self.country or self.cycles)

    def restrict_to(self, frequency: Frequency) -> Self:
        """With no more cycles than the dates of a frequency lie in.

        Raises:
            InputError: where there are no dates.
        """
        if self and frequency.unit == "int":
            needs = "holidays need" if self.country else "the calendar needs"
            raise InputError(f"covariates: {needs} dates, but the steps of the series are whole numbers")
        return replace(self, cycles=tuple(cycle for cycle in self.cycles if cycle in _cycles(frequency)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers of `covariates_at`, in order."""
        waves = (
            f"{cycle}_{wave}_{harmonic}"
            for cycle in self.cycles
            for harmonic in range(1, 1 + _HARMONICS[cycle])
            for wave in ("sin", "cos")
        )
        return (*(_HOLIDAYS if self.country else ()), *waves)

    def covariates_at(self, stamps: np.ndarray) -> np.ndarray:
        """Numbers for each date: (T, C)."""
        stamps = _local(stamps, self.zone) if self.zone else stamps
        parts = [holidays(self.country, stamps)] if self.country else []
        for cycle in self.cycles:
            harmonics = np.arange(1, 1 + _HARMONICS[cycle])
            angles = 2 * np.pi * _PLACES[cycle](stamps)[:, None] * harmonics
            parts.append(np.stack([np.sin(angles), np.cos(angles)], -1).reshape(len(stamps), -1))
        return np.concatenate(parts, 1)


def is_time_zone(name: Any) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ValueError, TypeError, OSError, KeyError):
        return False
    return True


def may_be_ambiguous(stamp: Any) -> bool:
    """Whether a time is one at which clocks are put back somewhere: in the night to a Sunday in spring or autumn."""
    if not isinstance(stamp, np.datetime64):
        return False
    day = stamp.astype("M8[D]")
    sunday = (int(day.astype(np.int64)) + 3) % 7 == 6
    return (
        sunday
        and int(day.astype("M8[M]").astype(int)) % 12 in (2, 3, 8, 9, 10)
        and day < stamp < day + np.timedelta64(4, "h")
    )


def _local(stamps: np.ndarray, zone: str) -> np.ndarray:
    """Dates in UTC as the time of a place."""
    hours, at = np.unique(stamps.astype("M8[h]").astype(np.int64), return_inverse=True)
    return stamps + np.array([_offset(zone, hour) for hour in hours.tolist()], "m8[s]")[at]


@lru_cache(maxsize=1 << 17)
def _offset(zone: str, hour: int) -> int:
    """Seconds from UTC to the time of a place, in an hour since 1970."""
    offset = datetime.fromtimestamp(hour * 3600, ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _cycles(frequency: Frequency) -> tuple[str, ...]:
    if frequency.unit in MONTHLY:
        return ("year",) if frequency.count < _MONTHS_OF_A_YEAR else ()
    return _OF_UNIT.get(frequency.unit, _WITHIN_A_DAY)


def _within(stamps: np.ndarray, unit: str, longer: str) -> np.ndarray:
    """How far into a longer unit each stamp lies, 0 … 1: from its first `unit` on."""
    first = stamps.astype(f"M8[{longer}]")
    last = (first + 1).astype(f"M8[{unit}]")
    first = first.astype(f"M8[{unit}]")
    return (stamps.astype(f"M8[{unit}]") - first).astype(float) / (last - first).astype(float)


def _within_a_week(stamps: np.ndarray) -> np.ndarray:
    return ((stamps.astype("M8[D]").astype(int) + 3) % 7) / 7  # the first of 1970 was a Thursday


_PLACES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "day": lambda stamps: _within(stamps, "s", "D"),
    "week": _within_a_week,
    "month": lambda stamps: _within(stamps, "D", "M"),
    "year": lambda stamps: _within(stamps, "D", "Y"),
}
"""Where in a cycle stamps lie, 0 … 1."""


def holidays(country: str, stamps: np.ndarray) -> np.ndarray:
    """Whether a holiday lies between each stamp and the next, and whether a day beside a holiday does: (T, 2)."""
    days = stamps.astype("M8[D]")
    step = max(1, int(np.median(np.diff(days).astype(int)))) if len(days) > 1 else 1
    first, last = days.min() - 1, days.max() + step + 1
    every = np.arange(first, last + 1)
    years = range(int(str(first)[:4]), int(str(last)[:4]) + 1)
    free = np.isin(every, np.array(list_holidays(country, years), dtype="M8[D]"))
    beside = ~free & (np.roll(free, 1) | np.roll(free, -1))
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(np.stack([free, beside], 1), 0)])
    at = (days - first).astype(int)
    return np.minimum(sums[at + step] - sums[at], 1.0)


def list_holidays(country: str, years: Sequence[int] | range) -> list[Any]:
    """Public holidays as dates.

    Raises:
        InputError: for a country that is not known, and where the package `holidays` is missing.
    """
    with requires("forecast", "a calendar of holidays"):
        import holidays as package
    name, _, subdivision = country.partition("-")
    try:
        return sorted(package.country_holidays(name, subdiv=subdivision or None, years=list(years)))
    except NotImplementedError:
        raise InputError(
            f"covariates: expected the code of a country such as DE or US-CA for holidays, got {country!r}"
        ) from None
