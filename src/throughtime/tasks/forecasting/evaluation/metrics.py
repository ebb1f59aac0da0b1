"""Metrics of forecasts: those of the M competitions.

Missing values do not count in any mean. sMAPE has M4's factor of 200. MASE divides by the mean absolute difference
between values `mase_season` steps apart in the history: 24 for hours, 12 for months, 4 for quarters and 1 for all other
frequencies, days and weeks too, whatever season the data have. A seasonal naive forecast therefore need not have a MASE
near 1. Source: Makridakis et al. 2020, The M4 Competition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime.inference.forecasting.naive_error import naive_error

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from throughtime.data.series.frequency import Frequency

    Means = Float[np.ndarray, "..."] | np.float64
    """Means over the last axis; one of an array with a single axis is a number."""

_MASE_SEASONS = {"h": 24, "MS": 12, "ME": 12, "QS": 4, "QE": 4}  # of the competition; 1 for all others


def mase_season(frequency: Frequency) -> int:
    """Return the season of MASE's denominator: as in M4, 24 for hours, 12 for months, 4 for quarters, else 1."""
    return _MASE_SEASONS.get(frequency.name, 1)


def smape(y: Shaped[np.ndarray, "... F"], forecast: Shaped[np.ndarray, "... F"]) -> Means:
    """Return the mean of 200 |y - f| / (|y| + |f|) in percent, over the last axis; 0 where both are 0."""
    size = np.abs(y) + np.abs(forecast)
    return mean(200 * np.abs(y - forecast) / np.where(size == 0, 1.0, size))


def mase(
    y: Shaped[np.ndarray, "... F"], forecast: Shaped[np.ndarray, "... F"], history: Shaped[np.ndarray, "T"], season: int
) -> Means:
    """Return the mean absolute error divided by the `naive_error` of the history; NaN where that is zero."""
    return mean(np.abs(y - forecast)) / (naive_error(history, season) or np.nan)


def rmse(y: Shaped[np.ndarray, "... F"], forecast: Shaped[np.ndarray, "... F"]) -> Means:
    """Return the root of the mean squared error, over the last axis."""
    return np.sqrt(mean((y - forecast) ** 2))


def pinball(y: Shaped[np.ndarray, "... F"], quantile: Shaped[np.ndarray, "... F"], share: float) -> Means:
    """Return the mean quantile loss of a forecast of the quantile at probability `share`, over the last axis.

    Source: Koenker and Bassett 1978, Regression Quantiles.
    """
    return mean(np.maximum(share * (y - quantile), (share - 1) * (y - quantile)))


def interval_score(
    y: Shaped[np.ndarray, "... F"], low: Shaped[np.ndarray, "... F"], high: Shaped[np.ndarray, "... F"], level: float
) -> Means:
    """Return the mean width of intervals of `level` percent plus a penalty for values outside, over the last axis.

    Divided by the naive error it is M4's MSIS. Source: Gneiting and Raftery 2007, Strictly Proper Scoring Rules.
    """
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return mean(high - low + 2 / (1 - level / 100) * outside)


def mean(x: Shaped[np.ndarray, "... F"]) -> Means:
    """Return the mean over the last axis of the finite values; NaN where there are none."""
    finite = np.isfinite(x)
    return np.where(finite, x, 0.0).sum(-1) / np.where(finite.any(-1), finite.sum(-1), np.nan)
