"""Dates that follow no frequency: their observations are put on a grid, the steps without one are missing.

One observation a month makes a grid of months, whose dates are their first or last (business) days where all lie within
a week of it, and else their last days. Otherwise the grid is the coarsest usual one, of seconds to weeks, whose steps
are no longer than the typical distance between observations. A step holds the last value that was observed up to its
date, from the step before it on, so that it holds nothing that came later.
"""

from __future__ import annotations

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.frequency import (
    DURATIONS,
    MONTHLY,
    Frequency,
    infer_calendar_frequency,
    monthly_timestamps,
)
from throughtime.data.series.panel import format_date

_REGULAR = 1 / 3  # of all distances must be one for dates to have a frequency
_ENOUGH = 10  # distances, to say that they follow none
_USUAL = (
    *((unit, count) for unit in ("s", "min") for count in (1, 2, 5, 10, 15, 20, 30)),
    *(("h", count) for count in (1, 2, 3, 4, 6, 8, 12)),
    *(("D", 1), ("W", 1)),
)
_MOST_MONTHS = 0.8  # of all steps between months must be alike for a grid of months
_WEEK = 7  # days
_MONTH = 26 * DURATIONS["D"]  # at least
_MONDAY = np.datetime64("1970-01-05", "us")  # from which all grids are counted, so that later rows lie on the same


def infer_grid(series: list[np.ndarray]) -> Frequency | None:
    """The grid for sorted stamps of several series; None where they have a frequency, or are too few to tell."""
    gaps = np.concatenate([np.diff(stamps) for stamps in series]).astype(np.int64)
    if series[0].dtype.kind != "M" or len(gaps) < _ENOUGH:
        return None
    values, counts = np.unique(gaps, return_counts=True)
    usual = int(values[counts.argmax()])
    if not (gaps % max(usual, 1)).any() or infer_calendar_frequency(series) is not None:
        return None
    if np.median(gaps) >= _MONTH and (monthly := _monthly_grid(series)) is not None:
        return monthly
    if counts.max() >= _REGULAR * len(gaps):
        return None
    fitting = [each for each in _USUAL if each[1] * DURATIONS[each[0]] <= np.median(gaps)]
    return Frequency(*(fitting or _USUAL)[-1 if fitting else 0])


def _monthly_grid(series: list[np.ndarray]) -> Frequency | None:
    """The grid of months for dates of which most months have one and none has two."""
    steps = np.concatenate([np.diff(stamps.astype("M8[M]")).astype(np.int64) for stamps in series])
    usual = int(np.bincount(steps).argmax())
    if usual == 0 or (steps == 0).any() or (steps == usual).mean() < _MOST_MONTHS:
        return None
    days = np.concatenate(series).astype("M8[D]")
    months = days.astype("M8[M]")
    business = "B" if np.is_busday(days).all() else ""
    if ((days - months.astype("M8[D]")).astype(np.int64) < _WEEK).all():
        return Frequency(f"{business}MS", usual)
    near = (((months + 1).astype("M8[D]") - days).astype(np.int64) <= _WEEK).all()
    return Frequency(f"{business}ME" if near else "ME", usual)


def on_grid(
    codes: np.ndarray, stamps: np.ndarray, values: np.ndarray, grid: Frequency
) -> tuple[np.ndarray, np.ndarray, str]:
    """The rows that a grid holds, of rows by series and time; the dates of their steps; and what was done, in words.

    Raises:
        InputError: for a grid of weekdays, and for one of months of which one has several observations.
    """
    if grid.unit in MONTHLY:
        steps = stamps.astype("M8[M]").astype(np.int64)
        dates = monthly_timestamps(stamps, grid.unit)
    elif grid.unit in DURATIONS:
        width = grid.count * DURATIONS[grid.unit]
        steps = -((_MONDAY - stamps).astype(np.int64) // width)  # up
        dates = _MONDAY + steps * np.timedelta64(width, "us")
    else:
        steps, dates = np.zeros(len(stamps), dtype=np.int64), stamps
    first = np.flatnonzero(np.concatenate([[True], (codes[1:] != codes[:-1]) | (steps[1:] != steps[:-1])]))
    if grid.unit not in DURATIONS and len(first) < len(stamps):
        raise InputError(f"freq: expected one of {', '.join(DURATIONS)} for dates that follow none, got {grid.name}")
    latest = np.maximum.reduceat(np.where(np.isfinite(values), np.arange(len(values)), -1), first)
    rows = np.where(latest < 0, first, latest)
    if grid.unit in MONTHLY:
        note = (
            f"The dates lie on different days of their months: {len(values):,} observations were put on a grid, "
            f"{grid.description}, from {format_date(stamps[0])} on {format_date(dates[0])}; steps without one are masked."
        )
    else:
        note = (
            f"The dates follow no frequency: {len(values):,} observations were put on a grid, {grid.description}, whose "
            "steps hold the last one before them; steps without one are masked."
        )
    return rows, dates[rows], note
