"""How far apart the steps of a series are: a grid of time stamps with whole numbers for positions.

A frequency maps stamps to positions and back, so that a gap is a missing number and a forecast's dates are the numbers that
follow. Months, quarters and years count in months, since their lengths differ; business days skip the weekend; everything
else is a fixed duration; whole numbers are their own positions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from throughtime._errors import InputError

_DAY = 86_400_000_000  # in microseconds, the unit of all stamps here
_UNITS = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "D": _DAY, "W": 7 * _DAY}
_MONTHS = {"MS": 1, "QS": 3, "YS": 12}
_ALIASES = {
    "M": "MS", "ME": "MS", "Q": "QS", "QE": "QS", "Y": "YS", "A": "YS", "YE": "YS", "AS": "YS", "H": "h", "T": "min",
    "S": "s", "d": "D", "w": "W", "second": "s", "minute": "min", "hour": "h", "day": "D", "week": "W", "month": "MS",
    "quarter": "QS", "year": "YS", "secondly": "s", "minutely": "min", "hourly": "h", "daily": "D", "weekly": "W",
    "monthly": "MS", "quarterly": "QS", "yearly": "YS", "annual": "YS", "business": "B",
}  # fmt: skip
_SEASONS = {"s": 60, "min": 60, "h": 24, "D": 7, "W": 52, "MS": 12, "QS": 4, "B": 5}


@dataclass(frozen=True)
class Frequency:
    """A grid of stamps.

    Attributes:
        unit: 's', 'min', 'h', 'D', 'W', 'MS' (months), 'B' (business days) or 'int' (whole numbers).
        count: units from one step to the next.
        phase: for a fixed duration, the stamp of position 0 in microseconds; for months, the month of it.
        day: for months, the day in the month, 0 for the last one; the time of the day is `time` microseconds.
        time: see `day`.
    """

    unit: str
    count: int = 1
    phase: int = 0
    day: int = 1
    time: int = 0

    @property
    def name(self) -> str:
        """As a user would write it: 'h', '15min', 'MS', 'QS', …; months by quarters and years where they fit."""
        if self.unit == "MS" and self.count in (3, 12):
            return "QS" if self.count == 3 else "YS"
        if self.unit == "int":
            return str(self.count)
        return self.unit if self.count == 1 else f"{self.count}{self.unit}"

    @property
    def words(self) -> str:
        """In plain words."""
        plural = {"s": "seconds", "min": "minutes", "h": "hours", "D": "days", "W": "weeks", "MS": "months"}
        single = {"s": "every second", "min": "every minute", "h": "hourly", "D": "daily", "W": "weekly", "MS": "monthly"}
        named = {"QS": "quarterly", "YS": "yearly", "B": "every business day"}
        if self.name in named:
            return named[self.name]
        if self.unit == "int":
            return "numbered steps" if self.count == 1 else f"every {self.count}"
        return single[self.unit] if self.count == 1 else f"every {self.count} {plural[self.unit]}"

    @property
    def seasons(self) -> tuple[int, ...]:
        """Lengths of season that are usual at this frequency, in steps, the shortest first."""
        if self.unit in ("s", "min", "h"):
            step = self.count * _UNITS[self.unit]
            return tuple(s // step for s in (_DAY, 7 * _DAY) if s % step == 0 and s // step > 1) or (_SEASONS[self.unit],)
        if self.unit == "MS":
            return () if 12 % self.count or self.count == 12 else (12 // self.count,)
        season = _SEASONS.get(self.unit)
        return (season,) if season and self.count == 1 else ()

    def positions(self, stamps: np.ndarray) -> np.ndarray:
        """Positions of stamps (int64); -1 less than no position is possible, so off the grid is a fraction: see `off`."""
        return self._exact(stamps)[0]

    def off(self, stamps: np.ndarray) -> np.ndarray:
        """Which stamps are not on the grid."""
        return self._exact(stamps)[1]

    def _exact(self, stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.unit == "int":
            shifted = stamps.astype(np.int64) - self.phase
            return shifted // self.count, shifted % self.count != 0
        if self.unit == "B":
            days = stamps.astype("datetime64[D]")
            return np.busday_count("1970-01-01", days), ~np.is_busday(days)
        if self.unit == "MS":
            months = stamps.astype("datetime64[M]")
            shifted = months.astype(np.int64) - self.phase
            return shifted // self.count, shifted % self.count != 0
        shifted = stamps.astype("datetime64[us]").astype(np.int64) - self.phase
        step = self.count * _UNITS[self.unit]
        return shifted // step, shifted % step != 0

    def stamps(self, positions: np.ndarray) -> np.ndarray:
        """Undo `positions`: datetime64[us], or int64 for whole numbers."""
        if self.unit == "int":
            return positions * self.count + self.phase
        if self.unit == "B":
            return np.busday_offset("1970-01-01", positions, roll="forward").astype("datetime64[us]")
        if self.unit == "MS":
            months = (positions * self.count + self.phase).astype("datetime64[M]")
            last = (months + 1).astype("datetime64[D]") - 1
            days = last if self.day == 0 else np.minimum(months.astype("datetime64[D]") + (self.day - 1), last)
            return days.astype("datetime64[us]") + np.timedelta64(self.time, "us")
        return (positions * (self.count * _UNITS[self.unit]) + self.phase).astype("datetime64[us]")


def parse(name: str) -> tuple[str, int]:
    """Unit and count of a frequency that a user wrote: 'h', '15min', 'MS', 'monthly', …

    Raises:
        InputError: for a name that is none.
    """
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)(?:-[A-Z]{3})?", name.strip())
    unit = _ALIASES.get(match[2], _ALIASES.get(match[2].lower(), match[2])) if match else ""
    if unit in _MONTHS:
        return "MS", _MONTHS[unit] * int(match[1] or 1)
    if unit in _UNITS or unit == "B":
        return unit, int(match[1] or 1)
    raise InputError(f"freq: expected a frequency such as h, 15min, D, B, W, MS, QS, YS or monthly, got {name!r}")


def infer(series: list[np.ndarray], wanted: str | None = None) -> Frequency:
    """The frequency of sorted stamps of several series; `wanted` is what a user said.

    Raises:
        InputError: where `wanted` contradicts the stamps.
    """
    longest = max(series, key=len)
    if longest.dtype.kind in "iu":
        steps = np.concatenate([np.diff(s) for s in series])
        count = int(np.gcd.reduce(steps)) if len(steps) else 1
        return Frequency("int", max(count, 1), int(longest[0]) % max(count, 1))
    guessed = _guess(series, longest)
    if wanted is None:
        return guessed
    unit, count = parse(wanted)
    chosen = _anchored(unit, count, longest)
    if chosen.name != guessed.name and any(chosen.off(s).any() for s in series):
        raise InputError(
            f"freq: {wanted!r} was asked for, but the dates are {guessed.words}: leave the frequency out or give "
            f"{guessed.name}"
        )
    return chosen


def _guess(series: list[np.ndarray], longest: np.ndarray) -> Frequency:
    steps = np.concatenate([np.diff(s.astype("datetime64[us]").astype(np.int64)) for s in series])
    if not len(steps):
        return _anchored("D", 1, longest)
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[counts.argmax()])
    if usual >= 28 * _DAY:
        months = np.concatenate([np.diff(s.astype("datetime64[M]").astype(np.int64)) for s in series])
        months, counts = np.unique(months[months > 0], return_counts=True)
        monthly = _anchored("MS", int(months[counts.argmax()]), longest)
        days = longest.astype("datetime64[D]")
        in_month = (days - longest.astype("datetime64[M]").astype("datetime64[D]")).astype(int) + 1
        at_end = ((days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")).all()
        if at_end or (in_month == in_month[0]).all():
            return monthly
    if usual == _DAY and len(steps) >= 5:
        weekend = [~np.is_busday(s.astype("datetime64[D]")) for s in series]
        if not np.concatenate(weekend).any():
            return _anchored("B", 1, longest)
    unit = next(u for u in ("W", "D", "h", "min", "s", "us") if u == "us" or usual % _UNITS[u] == 0)
    if unit == "us":
        raise InputError(f"dates: expected steps of whole seconds, got {usual} microseconds")
    return _anchored(unit, usual // _UNITS[unit], longest)


def _anchored(unit: str, count: int, stamps: np.ndarray) -> Frequency:
    """The grid of a unit through the first stamp."""
    first = stamps[0].astype("datetime64[us]")
    if unit == "B":
        return Frequency("B")
    if unit == "MS":
        days = stamps.astype("datetime64[D]")
        at_end = ((days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")).all()
        start = first.astype("datetime64[M]")
        day = int((days[0] - start.astype("datetime64[D]")).astype(int)) + 1
        time = int((first - first.astype("datetime64[D]")).astype(int))
        return Frequency("MS", count, int(start.astype(np.int64)) % count, 0 if at_end and day > 27 else day, time)
    return Frequency(unit, count, int(first.astype(np.int64)) % (count * _UNITS[unit]))
