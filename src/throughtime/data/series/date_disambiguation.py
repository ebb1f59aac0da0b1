"""Which of several readings of a column of dates is right: how evenly its dates then follow one another."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np

_DAY = 86_400_000_000  # in microseconds
DENSITY_RATIO = 2.0
"""Times denser than the others is a reading that the dates settle."""
_SPARSE = 0.15  # of the steps have a date, below which no reading is regular
_REGULAR = 1 / 3  # of the gaps must be alike
_YEARS_AHEAD = 5  # that a table may hold rows to be forecast
_NARROWEST = 10  # years that a century must leave out for its first one to show
_MONTH_NAME = re.compile(
    r"month|monat|mois|\bmes\b|mese|maand|m\u00eas|quarter|quartal|trimest|kwartaal", re.IGNORECASE
)


def date_density(stamps: np.ndarray) -> float:
    """The share of steps, at the most common pace, that have a date; months are a pace of their own.

    It is 0 where no third of the gaps are alike.
    """
    stamps = np.unique(stamps)
    if len(stamps) < 3:
        return 1.0
    gaps = np.diff(stamps).astype(np.int64)
    if _mode(gaps) >= 26 * _DAY and _are_alike_in_months(stamps):
        gaps = np.diff(stamps.astype("M8[M]")).astype(np.int64)
    pace = _mode(gaps)
    if len(gaps) > 2 and (gaps == pace).mean() < _REGULAR:
        return 0.0
    return float(min(1.0, len(gaps) * pace / gaps.sum()))


def _are_alike_in_months(stamps: np.ndarray) -> bool:
    """Whether dates lie on one day of their months, or all within a week from the first or last day."""
    days, months = stamps.astype("M8[D]"), stamps.astype("M8[M]")
    after = (days - months.astype("M8[D]")).astype(np.int64)
    before = ((months + 1).astype("M8[D]") - days).astype(np.int64)
    return len(np.unique(months)) == len(stamps) and (np.ptp(after) == 0 or after.max() < 7 or before.max() < 7)


def gap_ratio(stamps: np.ndarray) -> float:
    """The widest gap between neighbouring dates over the narrowest."""
    gaps = np.diff(np.unique(stamps)).astype(np.int64)
    return float(gaps.max() / gaps.min()) if len(gaps) else 1.0


def select_reading(readings: dict[str, np.ndarray], column: str) -> str | None:
    """The reading that the dates settle; None where they leave it open.

    A reading is taken that is twice as dense as all others. Of readings as dense, the one of first days of months
    is taken where its dates are all the months of a year, where the name of the column is that of a month or quarter,
    and where the others come at the same pace.
    """
    readings = drop_yearly_readings(readings)
    dense = sorted(readings, key=lambda reading: date_density(readings[reading]), reverse=True)
    best, *others = dense
    rivals = [
        reading for reading in others if date_density(readings[reading]) * DENSITY_RATIO > date_density(readings[best])
    ]
    if not rivals:
        return best if date_density(readings[best]) >= _SPARSE else None
    months = [reading for reading in (best, *rivals) if _are_first_days(readings[reading])]
    if len(months) != 1:
        return None
    dates = np.unique(readings[months[0]])
    whole_year = len(dates) == 12 and len(np.unique(dates.astype("M8[Y]"))) == 1
    same_pace = all(_pace(readings[reading]) >= 28 * _DAY for reading in (best, *rivals)) and len(dates) > 1
    return months[0] if whole_year or same_pace or _MONTH_NAME.search(column) else None


def drop_yearly_readings(readings: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Readings but those of one date in each year in changing months, where others are left.

    That is what days look like which follow one another into the next month, where their numbers are taken for years.
    """
    left = {}
    for reading, stamps in readings.items():
        months = np.unique(stamps).astype("M8[M]")
        yearly = len(months) > 3 and len(np.unique(months.astype("M8[Y]"))) == len(months)
        if not yearly or len(np.unique(months.astype(np.int64) % 12)) == 1:
            left[reading] = stamps
    return left or readings


def infer_century(years: np.ndarray) -> int | None:
    """The first of the hundred years that years of two digits lie in; None where that is open.

    Years follow one another around the widest gap between them, so that 98, 99, 00 and 01 are 1998 to 2001. They are
    the newest that do not begin after today and do not end more than 5 years ahead.
    """
    distinct = np.unique(years % 100)
    gaps = np.diff(distinct, append=distinct[0] + 100)
    today = datetime.now(UTC).year
    spans = []
    for cut in np.flatnonzero(gaps == gaps.max()):
        first, span = int(distinct[(cut + 1) % len(distinct)]), 100 - int(gaps[cut])
        first += 100 * ((min(today, today + _YEARS_AHEAD - span) - first) // 100)
        spans.append((first, first + span))
    first, last = max(spans, key=lambda span: span[1])
    if gaps.max() < _NARROWEST or first + 100 <= today:  # a century later, they would begin before and end after today
        return None
    return min(first, max(first - 20, last - 79))


def _are_first_days(stamps: np.ndarray) -> bool:
    return bool((stamps == stamps.astype("M8[M]")).all())


def _pace(stamps: np.ndarray) -> int:
    gaps = np.diff(np.unique(stamps)).astype(np.int64)
    return _mode(gaps) if len(gaps) else 0


def _mode(gaps: np.ndarray) -> int:
    """The most frequent gap, the narrowest of several."""
    values, counts = np.unique(gaps, return_counts=True)
    return int(values[counts.argmax()])
