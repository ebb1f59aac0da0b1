"""Frequencies: the distance between the steps of a series.

A frequency converts dates to step numbers, counted from the first date of a series, and back: a gap is a missing
number, and the dates of a forecast are the next numbers. Months, quarters and years count months, whose lengths differ;
business days skip the weekend, and other weekdays skip those without rows; everything else has a fixed duration. Whole
numbers are their own step numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Shaped

_DAY = 86_400_000_000  # in microseconds, the unit of all dates here
DURATIONS = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "D": _DAY, "W": 7 * _DAY}
"""Durations of units in microseconds; other units have none."""
MONTHLY = ("MS", "ME", "BMS", "BME")
"""Units that count months: on a day of the month, its last day, its first and its last business day."""
HALF_MONTHLY = ("SMS", "SME")
"""Units that count halves of months: on the first and the 15th, on the 15th and the last day."""
_MONTHS_PER_LETTER = {"M": 1, "Q": 3, "Y": 12}  # in months
_ALIASES = {
    "M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS", "H": "h", "T": "min", "S": "s", "d": "D", "w": "W",
    "BM": "BME", "BQ": "BQE", "BY": "BYE", "BA": "BYE", "BAS": "BYS", "SM": "SME", "second": "s", "minute": "min",
    "hour": "h", "day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS", "secondly": "s",
    "minutely": "min", "hourly": "h", "daily": "D", "weekly": "W", "monthly": "MS", "quarterly": "QS", "yearly": "YS",
    "annual": "YS", "business": "B",
}  # fmt: skip
_UNIT_NAMES = {
    "s": "second", "min": "minute", "h": "hour", "D": "day", "W": "week", "B": "business day", "C": "working day",
    "MS": "month", "ME": "month", "BMS": "month", "BME": "month", "SMS": "half month", "SME": "half month",
    "int": "step",
}  # fmt: skip
_DAY_SUFFIXES = {"BMS": ", on the first business day", "BME": ", on the last business day"}
_LETTERS_OF_MONTHS = {3: "Q", 12: "Y"}  # units of several months
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ANCHORS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTH_ANCHORS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_BUSINESS_DAYS = "1111100"
_MAX_STEP = 2**53  # microseconds (285 years), or whole numbers: dates of many such steps still fit in 64 bits
_MIN_SINGLE_STEPS = 1 / 3  # fraction of all gaps that must be a single step of a frequency
_RARE_WEEKDAY = 1 / 4  # fraction of the weeks below which a weekday mostly has no row
_USUAL_WEEKDAY = 1 / 2  # fraction of the weeks in which each other weekday must have a row
_SIGNIFICANCE = 1e-3  # probability below which a weekday without rows is not explained by chance


@dataclass(frozen=True)
class Frequency:
    """The distance between two steps of a series.

    Attributes:
        unit: 's', 'min', 'h', 'D', 'W', 'B' (business days), 'C' (the weekdays of `weekdays`), one of `MONTHLY` or
            `HALF_MONTHLY`, or 'int'.
        count: units from one step to the next.
        weekdays: for 'C' seven digits from Monday on, 1 for weekdays that are steps; '' for other units.
    """

    unit: str
    count: int = 1
    weekdays: str = ""

    def __post_init__(self) -> None:
        if self.unit not in _UNIT_NAMES or type(self.count) is not int or self.count < 1:
            raise ValueError(
                f"frequency: expected one of {', '.join(_UNIT_NAMES)} and a count, got {self.unit}, {self.count}"
            )
        if self.count * (1 if self.unit == "int" else DURATIONS.get(self.unit, 31 * _DAY)) > _MAX_STEP:
            raise ValueError(f"frequency: expected a step of at most 285 years, got {self.count} {self.unit}")
        is_valid = re.fullmatch("[01]{7}", str(self.weekdays)) and "1" in self.weekdays
        if not (is_valid if self.unit == "C" else self.weekdays == ""):
            raise ValueError(f"frequency: expected seven digits 0 or 1 as weekdays, for 'C' only, got {self.weekdays}")

    @property
    def name(self) -> str:
        """Name as in pandas: 'h', '15min', 'MS', 'QS', 'YE', 'BQE'; or weekdays as in 'Mon-Sat'."""
        if self.unit == "int":
            return str(self.count)
        if self.unit in MONTHLY and self.count in _LETTERS_OF_MONTHS:
            return self.unit.replace("M", _LETTERS_OF_MONTHS[self.count])
        unit = _format_weekdays(self.weekdays, [day[:3] for day in _WEEKDAYS], "-", ",") if self.weekdays else self.unit
        return unit if self.count == 1 else f"{self.count}{unit}"

    @property
    def description(self) -> str:
        """Description in words: 'every month', 'every 15 minutes', 'every Monday to Saturday'."""
        suffix = _DAY_SUFFIXES.get(self.unit, "")
        if self.unit in MONTHLY and self.count in _LETTERS_OF_MONTHS:
            return ("every quarter" if self.count == 3 else "every year") + suffix
        if self.weekdays and self.count == 1:
            return f"every {_format_weekdays(self.weekdays, _WEEKDAYS, ' to ', ', ')}"
        return (
            f"every {_UNIT_NAMES[self.unit] if self.count == 1 else f'{self.count} {_UNIT_NAMES[self.unit]}s'}{suffix}"
        )

    @property
    def seasons(self) -> tuple[int, ...]:
        """Usual season lengths at this frequency in steps, the shortest first."""
        if self.unit in ("s", "min", "h"):
            step = self.count * DURATIONS[self.unit]
            return tuple(season // step for season in (_DAY, 7 * _DAY) if season % step == 0 and season // step > 1)
        year = 12 if self.unit in MONTHLY else 24 if self.unit in HALF_MONTHLY else 0
        if year:
            return (year // self.count,) if self.count < year and year % self.count == 0 else ()
        season = {"D": 7, "W": 52, "B": 5, "C": self.weekdays.count("1")}.get(self.unit)
        return (season,) if season and season > 1 and self.count == 1 else ()

    @property
    def _weekmask(self) -> str:
        return self.weekdays or _BUSINESS_DAYS

    def steps(self, origin: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        """Return the whole steps from an origin to dates; the two are broadcast."""
        if self.unit == "int":
            return (stamps - origin) // self.count
        if self.unit in ("B", "C"):
            return np.busday_count(origin.astype("M8[D]"), stamps.astype("M8[D]"), self._weekmask) // self.count
        if self.unit in DURATIONS:
            return (stamps - origin).astype("m8[us]").astype(np.int64) // (self.count * DURATIONS[self.unit])
        if self.unit in HALF_MONTHLY:
            return (_half_months(stamps, self.unit) - _half_months(origin, self.unit)) // self.count
        return (stamps.astype("M8[M]") - origin.astype("M8[M]")).astype(np.int64) // self.count

    def stamps(self, origin: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the dates of steps after an origin, the inverse of `steps`: datetime64[us], or int64."""
        if self.unit == "int":
            return origin + steps * self.count
        if self.unit in DURATIONS:
            return origin + steps * np.timedelta64(self.count * DURATIONS[self.unit], "us")
        day = origin.astype("M8[D]")
        if self.unit in ("B", "C"):
            days = np.busday_offset(day, steps * self.count, roll="forward", weekmask=self._weekmask)
        elif self.unit in HALF_MONTHLY:
            days = _days_of_half_months(_half_months(origin, self.unit) + steps * self.count, self.unit)
        else:
            days = _days_in_months(origin.astype("M8[M]") + steps * self.count, day, self.unit)
        return days.astype("M8[us]") + (origin - day.astype("M8[us]"))

    def is_off_grid(self, stamps: Shaped[np.ndarray, "T"]) -> Bool[np.ndarray, "T"]:
        """Return which dates are not a whole number of steps after the first."""
        return self.stamps(stamps[0], self.steps(stamps[0], stamps)) != stamps


def _format_weekdays(weekdays: str, names: Sequence[str], to: str, separator: str) -> str:
    """Return the names of weekdays; three or more consecutive ones are named by the first and the last."""
    count = weekdays.count("1")
    for first in range(7):
        window = (weekdays + weekdays)[first : first + count]
        if count > 2 and "0" not in window:
            return f"{names[first]}{to}{names[(first + count - 1) % 7]}"
    return separator.join(name for name, digit in zip(names, weekdays, strict=True) if digit == "1")


def monthly_timestamps(stamps: Shaped[np.ndarray, "T"], unit: str) -> Shaped[np.ndarray, "T"]:
    """Return the dates of a monthly unit in the months of other dates; for 'MS' the first days."""
    months = stamps.astype("M8[M]")
    return _days_in_months(months, months.astype("M8[D]"), unit).astype("M8[us]")


def _days_in_months(months: np.ndarray, day: np.ndarray, unit: str) -> np.ndarray:
    """Return the days of a monthly unit in months; for 'MS' the day of the month of `day`, or the last day."""
    after = (months + 1).astype("M8[D]")
    if unit == "BMS":
        return np.busday_offset(months.astype("M8[D]"), 0, roll="forward")
    if unit == "BME":
        return np.busday_offset(after, -1, roll="forward")
    last = after - 1
    return last if unit == "ME" else np.minimum(months.astype("M8[D]") + (day - day.astype("M8[M]")), last)


def _half_months(stamps: np.ndarray, unit: str) -> np.ndarray:
    """Return the number of half months since 1970."""
    months = stamps.astype("M8[M]")
    day = (stamps.astype("M8[D]") - months.astype("M8[D]")).astype(np.int64) + 1
    if unit == "SMS":
        return 2 * months.astype(np.int64) + (day >= 15)
    return 2 * months.astype(np.int64) + (stamps.astype("M8[D]") == (months + 1).astype("M8[D]") - 1)


def _days_of_half_months(halves: np.ndarray, unit: str) -> np.ndarray:
    months, second = (halves // 2).astype("M8[M]"), halves % 2 == 1
    middle = months.astype("M8[D]") + 14
    if unit == "SMS":
        return np.where(second, middle, months.astype("M8[D]"))
    return np.where(second, (months + 1).astype("M8[D]") - 1, middle)


def parse_frequency(name: str) -> Frequency:
    """Parse the name of a frequency: 'h', '15min', 'MS', 'QE-NOV', 'monthly', 'Mon-Sat', ….

    Raises:
        InputError: if the name is unknown.
    """
    weekdays = _parse_weekdays(name)
    if weekdays:
        return Frequency("B") if weekdays == _BUSINESS_DAYS else Frequency("C", 1, weekdays)
    match = re.fullmatch(_NAME_PATTERN, name.strip())
    unit = _ALIASES.get(match[2], _ALIASES.get(match[2].lower(), match[2])) if match else ""
    count = int(match[1] or 1) if match else 0
    monthly = re.fullmatch(r"(B?)([MQY])([SE])", unit)
    if monthly and count:
        return Frequency(f"{monthly[1]}M{monthly[3]}", _MONTHS_PER_LETTER[monthly[2]] * count)
    if (unit in DURATIONS or unit in ("B", *HALF_MONTHLY)) and count:
        return Frequency(unit, count)
    raise InputError(
        f"freq: expected a frequency such as h, 15min, D, B, Mon-Sat, W, MS, BME, QS, YS or monthly, got {name!r}"
    )


_NAME_PATTERN = r"(\d*)\s*([A-Za-z]+)(?:-([A-Za-z]{3}))?"


def _parse_weekdays(name: str) -> str:
    """Return the digits of weekdays such as Mon-Sat or Mon,Wed,Fri; '' for other names."""
    days = [day.strip()[:3].upper() for day in re.split(r"[-, ]+", name.strip())]
    if len(days) < 2 or not all(day in _ANCHORS for day in days):
        return ""
    numbers = [_ANCHORS.index(day) for day in days]
    if "-" in name and len(days) == 2:
        numbers = [(numbers[0] + step) % 7 for step in range((numbers[1] - numbers[0]) % 7 + 1)]
    return "".join("1" if day in numbers else "0" for day in range(7))


def infer_frequency(
    series: list[Shaped[np.ndarray, "_"]], requested: str | None = None, previous: Frequency | None = None
) -> Frequency:
    """Infer the frequency of the sorted dates of several series.

    Args:
        series: dates of each series.
        requested: name of the frequency that the user expects.
        previous: frequency of earlier rows, which is used if the dates match it.

    Raises:
        InputError: if the dates do not have the requested frequency.
    """
    if (
        previous is not None
        and (previous.unit == "int") == (series[0].dtype.kind in "iu")
        and _matches(previous, series)
    ):
        return previous
    if series[0].dtype.kind in "iu":
        steps = np.concatenate([np.diff(s) for s in series])
        return Frequency("int", max(int(np.gcd.reduce(steps)), 1) if len(steps) else 1)
    frequency = None if requested is None else parse_frequency(requested)
    inferred = _guess_frequency(series) if any(len(s) > 1 for s in series) else None
    if requested is None or frequency is None:
        return inferred or Frequency("D")
    if inferred is None:
        return frequency
    same_months = frequency.unit in MONTHLY and inferred.unit in MONTHLY and frequency.count == inferred.count
    if same_months and not (frequency.unit.startswith("B") and _matches(frequency, series)):
        frequency = inferred  # the name of a monthly unit does not fix the day of the month
    if frequency != inferred and not _matches(frequency, series):
        raise InputError(
            f"freq: {requested!r} was asked for, but the dates come {inferred.description}: leave the frequency out or "
            f"give {inferred.name}"
        )
    _check_anchor(requested, frequency, series)
    return frequency


def _matches(frequency: Frequency, series: list[Shaped[np.ndarray, "_"]]) -> bool:
    """Return whether all dates are steps of a frequency, and a third of the gaps are single steps."""
    if any(frequency.is_off_grid(stamps).any() for stamps in series):
        return False
    steps = np.concatenate([np.diff(frequency.steps(stamps[0], stamps)) for stamps in series])
    return not len(steps) or (steps == 1).mean() >= _MIN_SINGLE_STEPS


def _check_anchor(requested: str, frequency: Frequency, series: list[Shaped[np.ndarray, "_"]]) -> None:
    """Raise if the dates do not have the weekday or month in the name of a frequency, as in W-MON or QE-DEC."""
    match = re.fullmatch(_NAME_PATTERN, requested.strip())
    if match is None or match[3] is None:
        return
    anchor, stamps = match[3].upper(), np.concatenate(series)
    if frequency.unit == "W" and anchor in _ANCHORS:
        actual = np.unique((stamps.astype("M8[D]").astype(np.int64) + 3) % 7)
        fits, name = (actual == _ANCHORS.index(anchor)).all(), f"W-{_ANCHORS[actual[0]]}"
    elif frequency.unit in MONTHLY and frequency.count in _LETTERS_OF_MONTHS and anchor in _MONTH_ANCHORS:
        shift = (_ALIASES.get(match[2], match[2])[-1] == "E") - (frequency.unit[-1] == "E")
        months = stamps.astype("M8[M]").astype(np.int64) + shift * (frequency.count - 1)
        differences = (months - _MONTH_ANCHORS.index(anchor)) % frequency.count
        fits, name = (
            (differences == 0).all(),
            f"{frequency.name}-{_MONTH_ANCHORS[int(stamps[-1].astype('M8[M]').astype(int)) % 12]}",
        )
    else:
        return
    if not fits:
        raise InputError(
            f"freq: {requested!r} was asked for, but the dates, such as {stamps[0].astype('M8[D]')}, are those of "
            f"{name}: leave the frequency out or give {name}"
        )


def infer_calendar_frequency(series: list[Shaped[np.ndarray, "_"]]) -> Frequency | None:
    """Infer a frequency of months or weekdays from the sorted dates of several series; None if there is none."""
    if not any(len(stamps) > 1 for stamps in series):
        return None
    gap = _mode([np.diff(stamps).astype(np.int64) for stamps in series])
    return _infer_months(series, gap) or _infer_weekdays(series, gap)


def _guess_frequency(series: list[Shaped[np.ndarray, "_"]]) -> Frequency:
    """Return the most common gap, or the greatest common divisor of all gaps if a third of its steps have rows."""
    frequency = infer_calendar_frequency(series)
    if frequency is not None:
        return frequency
    gaps = [np.diff(stamps).astype(np.int64) for stamps in series]
    candidate = _fixed_duration(_mode(gaps))
    if not any(candidate.is_off_grid(stamps).any() for stamps in series):
        return candidate
    all_gaps = np.concatenate(gaps)
    divisor = int(np.gcd.reduce(all_gaps))
    return _fixed_duration(divisor) if len(all_gaps) * divisor >= _MIN_SINGLE_STEPS * all_gaps.sum() else candidate


def _fixed_duration(duration: int) -> Frequency:
    unit = next((u for u in ("W", "D", "h", "min", "s") if duration % DURATIONS[u] == 0), None)
    if unit is None:
        raise InputError(f"dates: expected steps of whole seconds, got {duration} microseconds")
    return Frequency(unit, duration // DURATIONS[unit])


def sparse_weekdays(days: Shaped[np.ndarray, "T"]) -> list[str]:
    """Return the names of weekdays that mostly have no row, if all others mostly have one."""
    weekdays = (days.astype("M8[D]").astype(np.int64) + 3) % 7
    rates = 7 * np.bincount(weekdays, minlength=7) / (int((days[-1] - days[0]).astype("m8[D]").astype(np.int64)) + 1)
    is_rare = rates < _RARE_WEEKDAY
    if len(days) < 15 or not is_rare.any() or (rates[~is_rare] < _USUAL_WEEKDAY).any():
        return []
    return [f"{_WEEKDAYS[day]}s" for day in np.flatnonzero(is_rare)]


def _infer_months(series: list[Shaped[np.ndarray, "_"]], gap: int) -> Frequency | None:
    if gap < 13 * _DAY:
        return None
    months = max(_mode([np.diff(stamps.astype("M8[M]")).astype(np.int64) for stamps in series]), 1)
    if gap >= 26 * _DAY:
        for unit in ("ME", "MS", "BME", "BMS"):  # ME first: dates from the 31st of January on match MS as well
            if not any(Frequency(unit, months).is_off_grid(stamps).any() for stamps in series):
                return Frequency(unit, months)
        return None
    candidates = (Frequency(unit) for unit in HALF_MONTHLY)
    return next(
        (candidate for candidate in candidates if not any(candidate.is_off_grid(stamps).any() for stamps in series)),
        None,
    )


def _infer_weekdays(series: list[Shaped[np.ndarray, "_"]], gap: int) -> Frequency | None:
    """Return the weekdays with rows as a frequency, if chance does not explain that the others have none."""
    days = [stamps.astype("M8[D]") for stamps in series]
    if gap % _DAY or gap >= 7 * _DAY or any(len(np.unique(s - d)) > 1 for s, d in zip(series, days, strict=True)):
        return None
    rows = np.bincount((np.concatenate(days).astype(np.int64) + 3) % 7, minlength=7)
    mask = "".join("1" if count else "0" for count in rows)
    spans = np.zeros(7)
    for dates in days:
        weeks, remainder = divmod(int((dates[-1] - dates[0]).astype(np.int64)) + 1, 7)
        spans += weeks
        spans[(int(dates[0].astype(np.int64)) + 3 + np.arange(remainder)) % 7] += 1
    rate = rows.sum() / spans[rows > 0].sum()
    missing = int(spans[rows == 0].min()) if "0" in mask else 0
    if missing >= 3 and mask.count("1") > 1 and rate > 1 / 2 and 7 * (1 - rate) ** missing < _SIGNIFICANCE:
        return Frequency("B") if mask == _BUSINESS_DAYS else Frequency("C", 1, mask)
    if gap == _DAY and rows.sum() > 5 and not rows[5:].any():
        return Frequency("B")
    return None


def _mode(steps: list[Shaped[np.ndarray, "_"]]) -> int:
    """Return the most common value, the smallest if there are several."""
    values, counts = np.unique(np.concatenate(steps), return_counts=True)
    return int(values[counts.argmax()])
