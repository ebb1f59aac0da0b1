"""Features computed from dates alone: public holidays, and the position within the day, week, month and year.

A position is encoded by sines and cosines of the first harmonics of the cycle, so that the last hour of a day is close
to the first hour of the next; three harmonics separate the seven weekdays. A frequency has the cycles that are longer
than one of its steps and that contain more than one of them.
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

    from jaxtyping import Float, Shaped

    from throughtime.data.series.frequency import Frequency

_HARMONICS = {"day": 2, "week": 3, "month": 2, "year": 2}
CYCLES = tuple(_HARMONICS)
"""Cycles whose position can be a feature."""

_CYCLES_OF_UNIT = {"D": ("week", "month", "year"), "B": ("week", "month", "year"), "C": ("week", "month", "year"),
            "W": ("year",), "SMS": ("month", "year"), "SME": ("month", "year")}  # fmt: skip
_CYCLES_OF_TIMES = ("day", "week", "year")
_MONTHS_PER_YEAR = 12
_HOLIDAY_NAMES = ("holiday", "near_holiday")


@dataclass(frozen=True)
class CalendarFeatures:
    """Features of a date.

    Attributes:
        country: country of the public holidays, such as 'DE' or 'US-CA'; '' for none.
        cycles: cycles of `CYCLES` whose position is a feature.
        zone: time zone of the local days, for dates in UTC; '' for dates in local time.

    >>> CalendarFeatures(cycles=("day",)).names
    ('day_sin_1', 'day_cos_1', 'day_sin_2', 'day_cos_2')
    """

    country: str = ""
    cycles: tuple[str, ...] = ()
    zone: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cycles", tuple(self.cycles))
        are_valid = set(self.cycles) <= set(CYCLES) and is_time_zone(self.zone or "UTC")
        if not isinstance(self.country, str) or not are_valid:
            raise ValueError(f"calendar: expected a country, cycles of {', '.join(CYCLES)} and a time zone, got {self}")

    def __bool__(self) -> bool:
        return bool(self.country or self.cycles)

    def restrict_to(self, frequency: Frequency) -> Self:
        """Return the features without the cycles that do not apply to a frequency.

        Raises:
            InputError: if the steps are whole numbers rather than dates.
        """
        if self and frequency.unit == "int":
            needs = "holidays need" if self.country else "the calendar needs"
            raise InputError(f"covariates: {needs} dates, but the steps of the series are whole numbers")
        return replace(self, cycles=tuple(cycle for cycle in self.cycles if cycle in _cycles_of(frequency)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `covariates_at`."""
        harmonics = (
            f"{cycle}_{function}_{harmonic}"
            for cycle in self.cycles
            for harmonic in range(1, 1 + _HARMONICS[cycle])
            for function in ("sin", "cos")
        )
        return (*(_HOLIDAY_NAMES if self.country else ()), *harmonics)

    def covariates_at(self, stamps: Shaped[np.ndarray, "T"]) -> Float[np.ndarray, "T C"]:
        """Compute the features of each date."""
        stamps = _to_local_time(stamps, self.zone) if self.zone else stamps
        columns = [holidays(self.country, stamps)] if self.country else []
        for cycle in self.cycles:
            harmonics = np.arange(1, 1 + _HARMONICS[cycle])
            angles = 2 * np.pi * _POSITIONS[cycle](stamps)[:, None] * harmonics
            columns.append(np.stack([np.sin(angles), np.cos(angles)], -1).reshape(len(stamps), -1))
        return np.concatenate(columns, 1)


def is_time_zone(name: Any) -> bool:
    """Return whether a time zone of this name exists."""
    try:
        ZoneInfo(name)
    except (ValueError, TypeError, OSError, KeyError):
        return False
    return True


def may_be_ambiguous(stamp: Any) -> bool:
    """Return whether clocks may go back at a time: in the night before a Sunday in spring or autumn."""
    if not isinstance(stamp, np.datetime64):
        return False
    day = stamp.astype("M8[D]")
    sunday = (int(day.astype(np.int64)) + 3) % 7 == 6
    return (
        sunday
        and int(day.astype("M8[M]").astype(int)) % 12 in (2, 3, 8, 9, 10)
        and day < stamp < day + np.timedelta64(4, "h")
    )


def _to_local_time(stamps: Shaped[np.ndarray, "T"], zone: str) -> Shaped[np.ndarray, "T"]:
    """Convert dates from UTC to local time."""
    hours, rows = np.unique(stamps.astype("M8[h]").astype(np.int64), return_inverse=True)
    return stamps + np.array([_utc_offset(zone, hour) for hour in hours.tolist()], "m8[s]")[rows]


@lru_cache(maxsize=1 << 17)
def _utc_offset(zone: str, hour: int) -> int:
    """Return the seconds from UTC to local time, in an hour since 1970."""
    offset = datetime.fromtimestamp(hour * 3600, ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _cycles_of(frequency: Frequency) -> tuple[str, ...]:
    if frequency.unit in MONTHLY:
        return ("year",) if frequency.count < _MONTHS_PER_YEAR else ()
    return _CYCLES_OF_UNIT.get(frequency.unit, _CYCLES_OF_TIMES)


def _position_in(stamps: Shaped[np.ndarray, "T"], unit: str, longer: str) -> Float[np.ndarray, "T"]:
    """Return the position of each date within a longer unit, 0 … 1, at a resolution of `unit`."""
    first = stamps.astype(f"M8[{longer}]")
    last = (first + 1).astype(f"M8[{unit}]")
    first = first.astype(f"M8[{unit}]")
    return (stamps.astype(f"M8[{unit}]") - first).astype(float) / (last - first).astype(float)


def _week_position(stamps: Shaped[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    return ((stamps.astype("M8[D]").astype(int) + 3) % 7) / 7  # the first of 1970 was a Thursday


_POSITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "day": lambda stamps: _position_in(stamps, "s", "D"),
    "week": _week_position,
    "month": lambda stamps: _position_in(stamps, "D", "M"),
    "year": lambda stamps: _position_in(stamps, "D", "Y"),
}
"""Functions from dates to their positions within a cycle, 0 … 1."""


def holidays(country: str, stamps: Shaped[np.ndarray, "T"]) -> Float[np.ndarray, "T 2"]:
    """Return whether each step, up to the next date, contains a holiday, and a day next to a holiday."""
    days = stamps.astype("M8[D]")
    step = max(1, int(np.median(np.diff(days).astype(int)))) if len(days) > 1 else 1
    first, last = days.min() - 1, days.max() + step + 1
    calendar_days = np.arange(first, last + 1)
    years = range(int(str(first)[:4]), int(str(last)[:4]) + 1)
    is_holiday = np.isin(calendar_days, np.array(list_holidays(country, years), dtype="M8[D]"))
    is_near_holiday = ~is_holiday & (np.roll(is_holiday, 1) | np.roll(is_holiday, -1))
    counts = np.concatenate([np.zeros((1, 2)), np.cumsum(np.stack([is_holiday, is_near_holiday], 1), 0)])
    positions = (days - first).astype(int)
    return np.minimum(counts[positions + step] - counts[positions], 1.0)


def list_holidays(country: str, years: Sequence[int] | range) -> list[Any]:
    """Return the dates of public holidays.

    Raises:
        InputError: if the country is unknown, or the package `holidays` is not installed.
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
