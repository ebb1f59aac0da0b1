"""How far apart the steps of a series are.

A frequency counts steps from a series' first stamp and back, so that a gap is a missing number and a forecast's dates
are the numbers that follow. Months, quarters and years count in months, since their lengths differ; business days
skip the weekend; everything else is a fixed duration; whole numbers count themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from throughtime._errors import InputError

_DAY = 86_400_000_000  # in microseconds, the unit of all stamps here
DURATIONS = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "D": _DAY, "W": 7 * _DAY}
"""Of the units that have one, in microseconds."""
_MONTHS = {"MS": 1, "QS": 3, "YS": 12, "ME": 1, "QE": 3, "YE": 12}
_ALIASES = {
    "M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS", "H": "h", "T": "min", "S": "s", "d": "D", "w": "W",
    "second": "s", "minute": "min", "hour": "h", "day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS",
    "secondly": "s", "minutely": "min", "hourly": "h", "daily": "D", "weekly": "W", "monthly": "MS",
    "quarterly": "QS", "yearly": "YS", "annual": "YS", "business": "B",
}  # fmt: skip
_WORDS = {
    "s": "second", "min": "minute", "h": "hour", "D": "day", "W": "week", "B": "business day", "MS": "month",
    "ME": "month", "int": "step",
}  # fmt: skip
_NAMED = {3: "Q", 12: "Y"}  # months that have a name
_AGREES = 1 / 3  # of all steps must be one step of a frequency that a user gave


@dataclass(frozen=True)
class Frequency:
    """A pace.

    Attributes:
        unit: 's', 'min', 'h', 'D', 'W', 'B' (business days), 'MS' (months), 'ME' (last days of months) or 'int'.
        count: units from one step to the next.
    """

    unit: str
    count: int = 1

    def __post_init__(self) -> None:
        if self.unit not in _WORDS or type(self.count) is not int or self.count < 1:
            raise ValueError(
                f"frequency: expected one of {', '.join(_WORDS)} and a count, got {self.unit}, {self.count}"
            )

    @property
    def name(self) -> str:
        """As a user would write it: 'h', '15min', 'MS', 'QS', 'YE', …."""
        if self.unit == "int":
            return str(self.count)
        if self.unit in _MONTHS and self.count in _NAMED:
            return _NAMED[self.count] + self.unit[1]
        return self.unit if self.count == 1 else f"{self.count}{self.unit}"

    @property
    def words(self) -> str:
        """In plain words: 'every month', 'every 15 minutes'."""
        if self.unit in _MONTHS and self.count in _NAMED:
            return "every quarter" if self.count == 3 else "every year"
        return f"every {_WORDS[self.unit]}" if self.count == 1 else f"every {self.count} {_WORDS[self.unit]}s"

    @property
    def seasons(self) -> tuple[int, ...]:
        """Lengths of season that are usual at this frequency, in steps, the shortest first."""
        if self.unit in ("s", "min", "h"):
            step = self.count * DURATIONS[self.unit]
            return tuple(season // step for season in (_DAY, 7 * _DAY) if season % step == 0 and season // step > 1)
        if self.unit in _MONTHS:
            return (12 // self.count,) if self.count < 12 and 12 % self.count == 0 else ()
        usual = {"D": 7, "W": 52, "B": 5}.get(self.unit)
        return (usual,) if usual and self.count == 1 else ()

    def steps(self, origin: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        """Whole steps from an origin to stamps."""
        if self.unit == "int":
            return (stamps - origin) // self.count
        if self.unit == "B":
            return np.busday_count(origin.astype("M8[D]"), stamps.astype("M8[D]")) // self.count
        unit = "M" if self.unit in _MONTHS else "us"
        passed = (stamps.astype(f"M8[{unit}]") - origin.astype(f"M8[{unit}]")).astype(np.int64)
        return passed // (self.count * (1 if unit == "M" else DURATIONS[self.unit]))

    def stamps(self, origin: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Undo `steps`: datetime64[us], or int64 for whole numbers."""
        if self.unit == "int":
            return origin + steps * self.count
        if self.unit in DURATIONS:
            return origin + steps * np.timedelta64(self.count * DURATIONS[self.unit], "us")
        day = origin.astype("M8[D]")
        if self.unit == "B":
            days = np.busday_offset(day, steps * self.count, roll="forward")
        else:
            month = origin.astype("M8[M]")
            months = month + steps * self.count
            last = (months + 1).astype("M8[D]") - 1
            days = (
                last if self.unit == "ME" else np.minimum(months.astype("M8[D]") + (day - month.astype("M8[D]")), last)
            )
        return days.astype("M8[us]") + (origin - day.astype("M8[us]"))

    def off(self, stamps: np.ndarray) -> np.ndarray:
        """Which stamps are no whole number of steps from the first."""
        return self.stamps(stamps[0], self.steps(stamps[0], stamps)) != stamps


def parse(name: str) -> Frequency:
    """The frequency that a user wrote: 'h', '15min', 'MS', 'monthly', ….

    Raises:
        InputError: for a name that is none.
    """
    match = re.fullmatch(r"(\d*)\s*([A-Za-z]+)(?:-[A-Z]{3})?", name.strip())
    unit = _ALIASES.get(match[2], _ALIASES.get(match[2].lower(), match[2])) if match else ""
    count = int(match[1] or 1) if match else 0
    if unit in _MONTHS and count:
        return Frequency("M" + unit[1], _MONTHS[unit] * count)
    if (unit in DURATIONS or unit == "B") and count:
        return Frequency(unit, count)
    raise InputError(f"freq: expected a frequency such as h, 15min, D, B, W, MS, QS, YS or monthly, got {name!r}")


def infer(series: list[np.ndarray], wanted: str | None = None) -> Frequency:
    """The frequency of sorted stamps of several series; `wanted` is what a user said.

    Raises:
        InputError: where `wanted` contradicts the stamps.
    """
    if series[0].dtype.kind in "iu":
        steps = np.concatenate([np.diff(s) for s in series])
        return Frequency("int", max(int(np.gcd.reduce(steps)), 1) if len(steps) else 1)
    if wanted is not None:
        parse(wanted)
    guessed = _guess(series) if any(len(s) > 1 for s in series) else None
    if wanted is None:
        return guessed or Frequency("D")
    chosen = parse(wanted)
    if guessed is None or chosen == guessed:
        return chosen
    if {chosen.unit, guessed.unit} == {"MS", "ME"} and chosen.count == guessed.count:
        return guessed
    steps = np.concatenate([np.diff(chosen.steps(s[0], s)) for s in series])
    if any(chosen.off(s).any() for s in series) or (steps == 1).mean() < _AGREES:
        raise InputError(
            f"freq: {wanted!r} was asked for, but the dates come {guessed.words}: leave the frequency out or give "
            f"{guessed.name}"
        )
    return chosen


def _guess(series: list[np.ndarray]) -> Frequency:
    """The pace that most steps have."""
    usual = _most([np.diff(s).astype(np.int64) for s in series])
    if usual >= 28 * _DAY:
        months = _most([np.diff(s.astype("M8[M]")).astype(np.int64) for s in series])
        for unit in ("ME", "MS"):  # in this order: months from the 31st of January on are both
            if months and not any(Frequency(unit, months).off(s).any() for s in series):
                return Frequency(unit, months)
    if usual == _DAY and sum(map(len, series)) > 5 and all(np.is_busday(s.astype("M8[D]")).all() for s in series):
        return Frequency("B")
    unit = next((u for u in ("W", "D", "h", "min", "s") if usual % DURATIONS[u] == 0), None)
    if unit is None:
        raise InputError(f"dates: expected steps of whole seconds, got {usual} microseconds")
    return Frequency(unit, usual // DURATIONS[unit])


def _most(steps: list[np.ndarray]) -> int:
    """What occurs most often."""
    values, counts = np.unique(np.concatenate(steps), return_counts=True)
    return int(values[counts.argmax()])
