"""Dates that follow no frequency: their observations are put on a grid, the steps without one are missing.

The grid is the coarsest usual one, of seconds to weeks, whose steps are no longer than the typical distance between
observations. A step holds the last value that was observed up to its date, from the step before it on, so that it tells
of nothing that came later.
"""

from __future__ import annotations

import numpy as np

from throughtime._errors import InputError
from throughtime.data.frequency import DURATIONS, Frequency, calendar_frequency

_REGULAR = 1 / 3  # of all distances must be one for dates to have a frequency
_ENOUGH = 10  # distances, to say that they follow none
_USUAL = (
    *((unit, count) for unit in ("s", "min") for count in (1, 2, 5, 10, 15, 20, 30)),
    *(("h", count) for count in (1, 2, 3, 4, 6, 8, 12)),
    *(("D", 1), ("W", 1)),
)
_MONDAY = np.datetime64("1970-01-05", "us")  # from which all grids are counted, so that later rows lie on the same


def usual_grid(series: list[np.ndarray]) -> Frequency | None:
    """The grid for sorted stamps of several series; None where they have a frequency, or are too few to tell."""
    gaps = np.concatenate([np.diff(stamps) for stamps in series]).astype(np.int64)
    if series[0].dtype.kind != "M" or len(gaps) < _ENOUGH:
        return None
    if np.unique(gaps, return_counts=True)[1].max() >= _REGULAR * len(gaps) or calendar_frequency(series) is not None:
        return None
    fitting = [each for each in _USUAL if each[1] * DURATIONS[each[0]] <= np.median(gaps)]
    return Frequency(*(fitting or _USUAL)[-1 if fitting else 0])


def on_grid(
    codes: np.ndarray, stamps: np.ndarray, values: np.ndarray, grid: Frequency
) -> tuple[np.ndarray, np.ndarray, str]:
    """The rows that a grid holds, of rows by series and time; the dates of their steps; and what was done, in words.

    Raises:
        InputError: for a grid of months or business days, which have no length.
    """
    if grid.unit not in DURATIONS:
        raise InputError(f"freq: expected one of {', '.join(DURATIONS)} for dates that follow none, got {grid.name}")
    width = grid.count * DURATIONS[grid.unit]
    steps = -((_MONDAY - stamps).astype(np.int64) // width)  # up
    first = np.flatnonzero(np.concatenate([[True], (codes[1:] != codes[:-1]) | (steps[1:] != steps[:-1])]))
    latest = np.maximum.reduceat(np.where(np.isfinite(values), np.arange(len(values)), -1), first)
    rows = np.where(latest < 0, first, latest)
    note = (
        f"The dates follow no frequency: {len(values):,} observations were put on a grid, {grid.words}, whose steps "
        "hold the last one before them; steps without one are masked."
    )
    return rows, _MONDAY + steps[rows] * np.timedelta64(width, "us"), note
