"""How far apart the steps of a series are.

A frequency counts steps from a series' first stamp and back, so that a gap is a missing number and a forecast's dates
are the numbers that follow. Months, quarters and years count in months, since their lengths differ; business days
skip the weekend, and other weekdays those that have no rows; everything else is a fixed duration; whole numbers count
themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAY = 86_400_000_000  # in microseconds, the unit of all stamps here
DURATIONS = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "D": _DAY, "W": 7 * _DAY}
"""Of the units that have one, in microseconds."""
MONTHLY = ("MS", "ME", "BMS", "BME")
"""Units that count months: on a day of the month, its last day, its first and its last business day."""
HALF_MONTHLY = ("SMS", "SME")
"""Units that count halves of months: on the first and the 15th, on the 15th and the last day."""
_LENGTHS = {"M": 1, "Q": 3, "Y": 12}  # in months
_ALIASES = {
    "M": "ME", "Q": "QE", "Y": "YE", "A": "YE", "AS": "YS", "H": "h", "T": "min", "S": "s", "d": "D", "w": "W",
    "BM": "BME", "BQ": "BQE", "BY": "BYE", "BA": "BYE", "BAS": "BYS", "SM": "SME", "second": "s", "minute": "min",
    "hour": "h", "day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS", "secondly": "s",
    "minutely": "min", "hourly": "h", "daily": "D", "weekly": "W", "monthly": "MS", "quarterly": "QS", "yearly": "YS",
    "annual": "YS", "business": "B",
}  # fmt: skip
_WORDS = {
    "s": "second", "min": "minute", "h": "hour", "D": "day", "W": "week", "B": "business day", "C": "working day",
    "MS": "month", "ME": "month", "BMS": "month", "BME": "month", "SMS": "half month", "SME": "half month",
    "int": "step",
}  # fmt: skip
_PLACES = {"BMS": ", on the first business day", "BME": ", on the last business day"}
_NAMED = {3: "Q", 12: "Y"}  # months that have a name
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ANCHORS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTH_ANCHORS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_BUSINESS_DAYS = "1111100"
_MAX_STEP = 2**53  # microseconds (285 years), or whole numbers: dates of many such steps still fit in 64 bits
_AGREES = 1 / 3  # of all steps must be one step of a frequency that a user gave
_RARELY = 1 / 4  # of the weeks, in which a weekday has rows, for it to be one that mostly has none
_MOSTLY = 1 / 2  # of the weeks, in which all others have
_BY_CHANCE = 1e-3  # the probability below which a weekday without any row is taken for one that never has one


@dataclass(frozen=True)
class Frequency:
    """A pace.

    Attributes:
        unit: 's', 'min', 'h', 'D', 'W', 'B' (business days), 'C' (the weekdays of `weekdays`), one of `MONTHLY` or
            `HALF_MONTHLY`, or 'int'.
        count: units from one step to the next.
        weekdays: for 'C' a digit for each day of the week from Monday on, 1 for those that have steps.
    """

    unit: str
    count: int = 1
    weekdays: str = ""

    def __post_init__(self) -> None:
        if self.unit not in _WORDS or type(self.count) is not int or self.count < 1:
            raise ValueError(
                f"frequency: expected one of {', '.join(_WORDS)} and a count, got {self.unit}, {self.count}"
            )
        if self.count * (1 if self.unit == "int" else DURATIONS.get(self.unit, 31 * _DAY)) > _MAX_STEP:
            raise ValueError(f"frequency: expected a step of at most 285 years, got {self.count} {self.unit}")
        some = re.fullmatch("[01]{7}", str(self.weekdays)) and "1" in self.weekdays
        if not (some if self.unit == "C" else self.weekdays == ""):
            raise ValueError(f"frequency: expected seven digits 0 or 1 for weekdays of 'C' alone, got {self.weekdays}")

    @property
    def name(self) -> str:
        """As a user would write it: 'h', '15min', 'MS', 'QS', 'YE', 'BQE', 'Mon-Sat', …."""
        if self.unit == "int":
            return str(self.count)
        if self.unit in MONTHLY and self.count in _NAMED:
            return self.unit.replace("M", _NAMED[self.count])
        unit = (
            _weekdays_in_words(self.weekdays, [day[:3] for day in _WEEKDAYS], "-", ",") if self.weekdays else self.unit
        )
        return unit if self.count == 1 else f"{self.count}{unit}"

    @property
    def description(self) -> str:
        """In plain words: 'every month', 'every 15 minutes', 'every Monday to Saturday'."""
        place = _PLACES.get(self.unit, "")
        if self.unit in MONTHLY and self.count in _NAMED:
            return ("every quarter" if self.count == 3 else "every year") + place
        if self.weekdays and self.count == 1:
            return f"every {_weekdays_in_words(self.weekdays, _WEEKDAYS, ' to ', ', ')}"
        return f"every {_WORDS[self.unit] if self.count == 1 else f'{self.count} {_WORDS[self.unit]}s'}{place}"

    @property
    def seasons(self) -> tuple[int, ...]:
        """Lengths of season that are usual at this frequency, in steps, the shortest first."""
        if self.unit in ("s", "min", "h"):
            step = self.count * DURATIONS[self.unit]
            return tuple(season // step for season in (_DAY, 7 * _DAY) if season % step == 0 and season // step > 1)
        year = 12 if self.unit in MONTHLY else 24 if self.unit in HALF_MONTHLY else 0
        if year:
            return (year // self.count,) if self.count < year and year % self.count == 0 else ()
        usual = {"D": 7, "W": 52, "B": 5, "C": self.weekdays.count("1")}.get(self.unit)
        return (usual,) if usual and usual > 1 and self.count == 1 else ()

    @property
    def _mask(self) -> str:
        return self.weekdays or _BUSINESS_DAYS

    def steps(self, origin: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        """Whole steps from an origin to stamps."""
        if self.unit == "int":
            return (stamps - origin) // self.count
        if self.unit in ("B", "C"):
            return np.busday_count(origin.astype("M8[D]"), stamps.astype("M8[D]"), self._mask) // self.count
        if self.unit in DURATIONS:
            return (stamps - origin).astype("m8[us]").astype(np.int64) // (self.count * DURATIONS[self.unit])
        if self.unit in HALF_MONTHLY:
            return (_halves(stamps, self.unit) - _halves(origin, self.unit)) // self.count
        return (stamps.astype("M8[M]") - origin.astype("M8[M]")).astype(np.int64) // self.count

    def stamps(self, origin: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Undo `steps`: datetime64[us], or int64 for whole numbers."""
        if self.unit == "int":
            return origin + steps * self.count
        if self.unit in DURATIONS:
            return origin + steps * np.timedelta64(self.count * DURATIONS[self.unit], "us")
        day = origin.astype("M8[D]")
        if self.unit in ("B", "C"):
            days = np.busday_offset(day, steps * self.count, roll="forward", weekmask=self._mask)
        elif self.unit in HALF_MONTHLY:
            days = _half_days(_halves(origin, self.unit) + steps * self.count, self.unit)
        else:
            days = _days_of(origin.astype("M8[M]") + steps * self.count, day, self.unit)
        return days.astype("M8[us]") + (origin - day.astype("M8[us]"))

    def is_off_grid(self, stamps: np.ndarray) -> np.ndarray:
        """Which stamps are no whole number of steps from the first."""
        return self.stamps(stamps[0], self.steps(stamps[0], stamps)) != stamps


def _weekdays_in_words(weekdays: str, names: Sequence[str], to: str, between: str) -> str:
    """Weekdays by name: a run of three or more, which may pass the end of the week, by its first and its last."""
    count = weekdays.count("1")
    for first in range(7):
        run = (weekdays + weekdays)[first : first + count]
        if count > 2 and "0" not in run:
            return f"{names[first]}{to}{names[(first + count - 1) % 7]}"
    return between.join(name for name, digit in zip(names, weekdays, strict=True) if digit == "1")


def monthly_timestamps(stamps: np.ndarray, unit: str) -> np.ndarray:
    """The dates of a monthly unit in the months of other dates: their first for 'MS'."""
    months = stamps.astype("M8[M]")
    return _days_of(months, months.astype("M8[D]"), unit).astype("M8[us]")


def _days_of(months: np.ndarray, day: np.ndarray, unit: str) -> np.ndarray:
    """The days that a monthly unit has in months; for 'MS' the one that `day` has in its month, or the last."""
    after = (months + 1).astype("M8[D]")
    if unit == "BMS":
        return np.busday_offset(months.astype("M8[D]"), 0, roll="forward")
    if unit == "BME":
        return np.busday_offset(after, -1, roll="forward")
    last = after - 1
    return last if unit == "ME" else np.minimum(months.astype("M8[D]") + (day - day.astype("M8[M]")), last)


def _halves(stamps: np.ndarray, unit: str) -> np.ndarray:
    """Halves of months since 1970: from the first and the 15th, or from the 15th and the last day."""
    months = stamps.astype("M8[M]")
    day = (stamps.astype("M8[D]") - months.astype("M8[D]")).astype(np.int64) + 1
    if unit == "SMS":
        return 2 * months.astype(np.int64) + (day >= 15)
    return 2 * months.astype(np.int64) + (stamps.astype("M8[D]") == (months + 1).astype("M8[D]") - 1)


def _half_days(halves: np.ndarray, unit: str) -> np.ndarray:
    months, second = (halves // 2).astype("M8[M]"), halves % 2 == 1
    middle = months.astype("M8[D]") + 14
    if unit == "SMS":
        return np.where(second, middle, months.astype("M8[D]"))
    return np.where(second, (months + 1).astype("M8[D]") - 1, middle)


def parse_frequency(name: str) -> Frequency:
    """The frequency that a user wrote: 'h', '15min', 'MS', 'QE-NOV', 'monthly', 'Mon-Sat', ….

    Raises:
        InputError: for a name that is none.
    """
    weekdays = _parsed_weekdays(name)
    if weekdays:
        return Frequency("B") if weekdays == _BUSINESS_DAYS else Frequency("C", 1, weekdays)
    match = re.fullmatch(_NAME, name.strip())
    unit = _ALIASES.get(match[2], _ALIASES.get(match[2].lower(), match[2])) if match else ""
    count = int(match[1] or 1) if match else 0
    monthly = re.fullmatch(r"(B?)([MQY])([SE])", unit)
    if monthly and count:
        return Frequency(f"{monthly[1]}M{monthly[3]}", _LENGTHS[monthly[2]] * count)
    if (unit in DURATIONS or unit in ("B", *HALF_MONTHLY)) and count:
        return Frequency(unit, count)
    raise InputError(
        f"freq: expected a frequency such as h, 15min, D, B, Mon-Sat, W, MS, BME, QS, YS or monthly, got {name!r}"
    )


_NAME = r"(\d*)\s*([A-Za-z]+)(?:-([A-Za-z]{3}))?"


def _parsed_weekdays(name: str) -> str:
    """The weekdays of a name such as Mon-Sat or Mon,Wed,Fri, as `Frequency` has them; '' for other names."""
    days = [day.strip()[:3].upper() for day in re.split(r"[-, ]+", name.strip())]
    if len(days) < 2 or not all(day in _ANCHORS for day in days):
        return ""
    numbers = [_ANCHORS.index(day) for day in days]
    if "-" in name and len(days) == 2:
        numbers = [(numbers[0] + step) % 7 for step in range((numbers[1] - numbers[0]) % 7 + 1)]
    return "".join("1" if day in numbers else "0" for day in range(7))


def infer_frequency(series: list[np.ndarray], wanted: str | None = None, former: Frequency | None = None) -> Frequency:
    """The frequency of sorted stamps of several series.

    Args:
        series: the stamps.
        wanted: what a user said.
        former: of earlier rows of the series, which is taken where the stamps agree with it.

    Raises:
        InputError: where `wanted` contradicts the stamps.
    """
    if former is not None and (former.unit == "int") == (series[0].dtype.kind in "iu") and _agrees(former, series):
        return former
    if series[0].dtype.kind in "iu":
        steps = np.concatenate([np.diff(s) for s in series])
        return Frequency("int", max(int(np.gcd.reduce(steps)), 1) if len(steps) else 1)
    chosen = None if wanted is None else parse_frequency(wanted)
    guessed = _guess(series) if any(len(s) > 1 for s in series) else None
    if wanted is None or chosen is None:
        return guessed or Frequency("D")
    if guessed is None:
        return chosen
    alike = chosen.unit in MONTHLY and guessed.unit in MONTHLY and chosen.count == guessed.count
    if alike and not (chosen.unit.startswith("B") and _agrees(chosen, series)):
        chosen = guessed  # a month is a month, on whichever day its dates lie
    if chosen != guessed and not _agrees(chosen, series):
        raise InputError(
            f"freq: {wanted!r} was asked for, but the dates come {guessed.description}: leave the frequency out or give "
            f"{guessed.name}"
        )
    _check_anchor(wanted, chosen, series)
    return chosen


def _agrees(frequency: Frequency, series: list[np.ndarray]) -> bool:
    """Whether stamps lie on a frequency, and a third of their steps are single ones."""
    if any(frequency.is_off_grid(stamps).any() for stamps in series):
        return False
    steps = np.concatenate([np.diff(frequency.steps(stamps[0], stamps)) for stamps in series])
    return not len(steps) or (steps == 1).mean() >= _AGREES


def _check_anchor(wanted: str, frequency: Frequency, series: list[np.ndarray]) -> None:
    """Refuse a weekday or month in the name of a frequency, as of W-MON or QE-DEC, that the dates do not have."""
    match = re.fullmatch(_NAME, wanted.strip())
    if match is None or match[3] is None:
        return
    anchor, stamps = match[3].upper(), np.concatenate(series)
    if frequency.unit == "W" and anchor in _ANCHORS:
        actual = np.unique((stamps.astype("M8[D]").astype(np.int64) + 3) % 7)
        fits, name = (actual == _ANCHORS.index(anchor)).all(), f"W-{_ANCHORS[actual[0]]}"
    elif frequency.unit in MONTHLY and frequency.count in _NAMED and anchor in _MONTH_ANCHORS:
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
            f"freq: {wanted!r} was asked for, but the dates, such as {stamps[0].astype('M8[D]')}, are those of {name}: "
            f"leave the frequency out or give {name}"
        )


def infer_calendar_frequency(series: list[np.ndarray]) -> Frequency | None:
    """The frequency of months or of weekdays that sorted stamps of several series lie on; None for none."""
    if not any(len(stamps) > 1 for stamps in series):
        return None
    usual = _most([np.diff(s).astype(np.int64) for s in series])
    return _months(series, usual) or _weekdays(series, usual)


def _guess(series: list[np.ndarray]) -> Frequency:
    """The pace that most steps have, or the widest that all have, where a third of its steps have rows."""
    found = infer_calendar_frequency(series)
    if found is not None:
        return found
    gaps = [np.diff(s).astype(np.int64) for s in series]
    usual = _fixed(_most(gaps))
    if not any(usual.is_off_grid(stamps).any() for stamps in series):
        return usual
    every = np.concatenate(gaps)
    common = int(np.gcd.reduce(every))
    return _fixed(common) if len(every) * common >= _AGREES * every.sum() else usual


def _fixed(duration: int) -> Frequency:
    unit = next((u for u in ("W", "D", "h", "min", "s") if duration % DURATIONS[u] == 0), None)
    if unit is None:
        raise InputError(f"dates: expected steps of whole seconds, got {duration} microseconds")
    return Frequency(unit, duration // DURATIONS[unit])


def sparse_weekdays(days: np.ndarray) -> list[str]:
    """Names of the weekdays that mostly have no row, where all others mostly have one."""
    weekdays = (days.astype("M8[D]").astype(np.int64) + 3) % 7
    share = 7 * np.bincount(weekdays, minlength=7) / (int((days[-1] - days[0]).astype("m8[D]").astype(np.int64)) + 1)
    rare = share < _RARELY
    if len(days) < 15 or not rare.any() or (share[~rare] < _MOSTLY).any():
        return []
    return [f"{_WEEKDAYS[day]}s" for day in np.flatnonzero(rare)]


def _months(series: list[np.ndarray], usual: int) -> Frequency | None:
    if usual < 13 * _DAY:
        return None
    months = max(_most([np.diff(s.astype("M8[M]")).astype(np.int64) for s in series]), 1)
    if usual >= 26 * _DAY:
        for unit in ("ME", "MS", "BME", "BMS"):  # in this order: months from the 31st of January on are both
            if not any(Frequency(unit, months).is_off_grid(s).any() for s in series):
                return Frequency(unit, months)
        return None
    halves = (Frequency(unit) for unit in HALF_MONTHLY)
    return next((each for each in halves if not any(each.is_off_grid(s).any() for s in series)), None)


def _weekdays(series: list[np.ndarray], usual: int) -> Frequency | None:
    """Business days, or the weekdays that have rows, where so many others have none that it is not chance."""
    days = [stamps.astype("M8[D]") for stamps in series]
    if usual % _DAY or usual >= 7 * _DAY or any(len(np.unique(s - d)) > 1 for s, d in zip(series, days, strict=True)):
        return None
    rows = np.bincount((np.concatenate(days).astype(np.int64) + 3) % 7, minlength=7)
    mask = "".join("1" if count else "0" for count in rows)
    spans = np.zeros(7)
    for each in days:
        weeks, rest = divmod(int((each[-1] - each[0]).astype(np.int64)) + 1, 7)
        spans += weeks
        spans[(int(each[0].astype(np.int64)) + 3 + np.arange(rest)) % 7] += 1
    share = rows.sum() / spans[rows > 0].sum()
    missed = int(spans[rows == 0].min()) if "0" in mask else 0
    if missed >= 3 and mask.count("1") > 1 and share > 1 / 2 and 7 * (1 - share) ** missed < _BY_CHANCE:
        return Frequency("B") if mask == _BUSINESS_DAYS else Frequency("C", 1, mask)
    if usual == _DAY and rows.sum() > 5 and not rows[5:].any():
        return Frequency("B")
    return None


def _most(steps: list[np.ndarray]) -> int:
    """What occurs most often."""
    values, counts = np.unique(np.concatenate(steps), return_counts=True)
    return int(values[counts.argmax()])
