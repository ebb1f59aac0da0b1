"""Resample observations at irregular dates to a regular grid, on which steps without an observation are missing.

One observation a month gives a grid of months, whose dates are the first or last (business) days if all observations
are within a week of them, and else the last days. Otherwise the grid is the coarsest usual one, of seconds to weeks,
whose steps are not longer than the median gap. A step holds the last value observed after the step before it and up to
its own date, so that it holds no later value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

_MIN_EQUAL_GAPS = 1 / 3  # fraction of the gaps that must be equal for dates with a frequency
_MIN_GAPS = 10  # for dates without a frequency
_GRIDS = (
    *((unit, count) for unit in ("s", "min") for count in (1, 2, 5, 10, 15, 20, 30)),
    *(("h", count) for count in (1, 2, 3, 4, 6, 8, 12)),
    *(("D", 1), ("W", 1)),
)
_MIN_EQUAL_MONTHS = 0.8  # fraction of the gaps in months that must be equal for a grid of months
_WEEK = 7  # days
_MONTH = 26 * DURATIONS["D"]  # shorter than all months
_MONDAY = np.datetime64("1970-01-05", "us")  # origin of all grids, so that later rows have the same grid


def infer_grid(series: list[Shaped[np.ndarray, "_"]]) -> Frequency | None:
    """Infer the grid for sorted dates of several series; None if they have a frequency, or are too few."""
    gaps = np.concatenate([np.diff(stamps) for stamps in series]).astype(np.int64)
    if series[0].dtype.kind != "M" or len(gaps) < _MIN_GAPS:
        return None
    values, counts = np.unique(gaps, return_counts=True)
    common_gap = int(values[counts.argmax()])
    if not (gaps % max(common_gap, 1)).any() or infer_calendar_frequency(series) is not None:
        return None
    if np.median(gaps) >= _MONTH and (monthly := _monthly_grid(series)) is not None:
        return monthly
    if counts.max() >= _MIN_EQUAL_GAPS * len(gaps):
        return None
    grids = [grid for grid in _GRIDS if grid[1] * DURATIONS[grid[0]] <= np.median(gaps)]
    return Frequency(*(grids or _GRIDS)[-1 if grids else 0])


def _monthly_grid(series: list[Shaped[np.ndarray, "_"]]) -> Frequency | None:
    """Return the grid of months, if most months have one date and none has two."""
    gaps = np.concatenate([np.diff(stamps.astype("M8[M]")).astype(np.int64) for stamps in series])
    common_gap = int(np.bincount(gaps).argmax())
    if common_gap == 0 or (gaps == 0).any() or (gaps == common_gap).mean() < _MIN_EQUAL_MONTHS:
        return None
    days = np.concatenate(series).astype("M8[D]")
    months = days.astype("M8[M]")
    prefix = "B" if np.is_busday(days).all() else ""
    if ((days - months.astype("M8[D]")).astype(np.int64) < _WEEK).all():
        return Frequency(f"{prefix}MS", common_gap)
    near_end = (((months + 1).astype("M8[D]") - days).astype(np.int64) <= _WEEK).all()
    return Frequency(f"{prefix}ME" if near_end else "ME", common_gap)


def resample(
    codes: Int[np.ndarray, "R"], stamps: Shaped[np.ndarray, "R"], values: Float[np.ndarray, "R"], grid: Frequency
) -> tuple[Int[np.ndarray, "K"], Shaped[np.ndarray, "K"], str]:
    """Return the rows that a grid keeps, of rows sorted by series and date; their dates on the grid; and a note.

    Raises:
        InputError: for a grid of weekdays, and for a grid of months if a month has several observations.
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
        raise InputError(f"freq: expected one of {', '.join(DURATIONS)} for irregular dates, got {grid.name}")
    last_observed = np.maximum.reduceat(np.where(np.isfinite(values), np.arange(len(values)), -1), first)
    rows = np.where(last_observed < 0, first, last_observed)
    if grid.unit in MONTHLY:
        note = (
            f"The dates lie on different days of their months: {len(values):,} observations were put on a grid, "
            f"{grid.description}, with {format_date(stamps[0])} on {format_date(dates[0])}; steps without an "
            "observation are masked."
        )
    else:
        note = (
            f"The dates follow no frequency: {len(values):,} observations were put on a grid, {grid.description}. Each "
            "step holds the last observation before it; steps without one are masked."
        )
    return rows, dates[rows], note
