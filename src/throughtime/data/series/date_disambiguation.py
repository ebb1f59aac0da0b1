"""Choose among the possible readings of a column of dates: the right one has the most regular gaps."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped

_DAY = 86_400_000_000  # in microseconds
DENSITY_RATIO = 2.0
"""Factor by which the density of the chosen reading exceeds that of all others."""
_MIN_DENSITY = 0.15  # fraction of the steps that must have a date
_MIN_EQUAL_GAPS = 1 / 3  # fraction of the gaps that must be equal
_MAX_YEARS_AHEAD = 5  # of rows to forecast
_MIN_CENTURY_GAP = 10  # years without dates that show where a century begins
_MONTH_OR_QUARTER = re.compile(
    r"month|monat|mois|\bmes\b|mese|maand|m\u00eas|quarter|quartal|trimest|kwartaal", re.IGNORECASE
)


def date_density(stamps: Shaped[np.ndarray, "T"]) -> float:
    """Return the fraction of steps that have a date, where a step is the most common gap or a number of months.

    It is 0 if less than a third of the gaps are equal.
    """
    stamps = np.unique(stamps)
    if len(stamps) < 3:
        return 1.0
    gaps = np.diff(stamps).astype(np.int64)
    if _mode(gaps) >= 26 * _DAY and _are_monthly(stamps):
        gaps = np.diff(stamps.astype("M8[M]")).astype(np.int64)
    step = _mode(gaps)
    if len(gaps) > 2 and (gaps == step).mean() < _MIN_EQUAL_GAPS:
        return 0.0
    return float(min(1.0, len(gaps) * step / gaps.sum()))


def _are_monthly(stamps: Shaped[np.ndarray, "T"]) -> bool:
    """Return whether dates are on one day of the month, or all within a week of the first or the last day."""
    days, months = stamps.astype("M8[D]"), stamps.astype("M8[M]")
    days_after_first = (days - months.astype("M8[D]")).astype(np.int64)
    days_before_end = ((months + 1).astype("M8[D]") - days).astype(np.int64)
    return len(np.unique(months)) == len(stamps) and (
        np.ptp(days_after_first) == 0 or days_after_first.max() < 7 or days_before_end.max() < 7
    )


def gap_ratio(stamps: Shaped[np.ndarray, "T"]) -> float:
    """Return the longest gap between neighbouring dates over the shortest."""
    gaps = np.diff(np.unique(stamps)).astype(np.int64)
    return float(gaps.max() / gaps.min()) if len(gaps) else 1.0


def select_reading(readings: dict[str, Shaped[np.ndarray, "T"]], column: str) -> str | None:
    """Return the reading that the dates determine; None if they leave it open.

    It is at least twice as dense as all others. Among equally dense readings, first days of months are chosen if they
    are the months of one year, if the column is called month or quarter, or if all readings have gaps of a month.
    """
    readings = drop_yearly_readings(readings)
    ranked = sorted(readings, key=lambda reading: date_density(readings[reading]), reverse=True)
    best, *others = ranked
    candidates = [
        reading for reading in others if date_density(readings[reading]) * DENSITY_RATIO > date_density(readings[best])
    ]
    if not candidates:
        return best if date_density(readings[best]) >= _MIN_DENSITY else None
    first_days = [reading for reading in (best, *candidates) if _are_first_days(readings[reading])]
    if len(first_days) != 1:
        return None
    dates = np.unique(readings[first_days[0]])
    whole_year = len(dates) == 12 and len(np.unique(dates.astype("M8[Y]"))) == 1
    are_monthly = (
        all(_most_common_gap(readings[reading]) >= 28 * _DAY for reading in (best, *candidates)) and len(dates) > 1
    )
    return first_days[0] if whole_year or are_monthly or _MONTH_OR_QUARTER.search(column) else None


def drop_yearly_readings(readings: dict[str, Shaped[np.ndarray, "T"]]) -> dict[str, Shaped[np.ndarray, "T"]]:
    """Drop readings with one date in each year, in different months, if other readings remain.

    They arise where the days of consecutive dates are read as years.
    """
    kept = {}
    for reading, stamps in readings.items():
        months = np.unique(stamps).astype("M8[M]")
        yearly = len(months) > 3 and len(np.unique(months.astype("M8[Y]"))) == len(months)
        if not yearly or len(np.unique(months.astype(np.int64) % 12)) == 1:
            kept[reading] = stamps
    return kept or readings


def infer_century(years: Int[np.ndarray, "T"]) -> int | None:
    """Return the first of the hundred years that contain years of two digits; None if that is ambiguous.

    The years are consecutive around their widest gap, so that 98, 99, 00 and 01 are 1998 to 2001. They are the latest
    such years that do not begin after today and do not end more than 5 years ahead.
    """
    years_in_century = np.unique(years % 100)
    gaps = np.diff(years_in_century, append=years_in_century[0] + 100)
    today = datetime.now(UTC).year
    spans = []
    for gap in np.flatnonzero(gaps == gaps.max()):
        first, span = int(years_in_century[(gap + 1) % len(years_in_century)]), 100 - int(gaps[gap])
        first += 100 * ((min(today, today + _MAX_YEARS_AHEAD - span) - first) // 100)
        spans.append((first, first + span))
    first, last = max(spans, key=lambda bounds: bounds[1])
    if gaps.max() < _MIN_CENTURY_GAP or first + 100 <= today:  # a century later would be possible too
        return None
    return min(first, max(first - 20, last - 79))


def _are_first_days(stamps: Shaped[np.ndarray, "T"]) -> bool:
    return bool((stamps == stamps.astype("M8[M]")).all())


def _most_common_gap(stamps: Shaped[np.ndarray, "T"]) -> int:
    gaps = np.diff(np.unique(stamps)).astype(np.int64)
    return _mode(gaps) if len(gaps) else 0


def _mode(gaps: Int[np.ndarray, "T"]) -> int:
    """Return the most common gap, the shortest if there are several."""
    values, counts = np.unique(gaps, return_counts=True)
    return int(values[counts.argmax()])
