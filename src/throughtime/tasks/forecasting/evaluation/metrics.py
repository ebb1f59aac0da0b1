"""How wrong forecasts are: the measures of the M competitions, in one place.

Missing values are left out of every mean. sMAPE carries M4's factor of 200; MASE divides by the mean absolute
difference between values that lie `mase_season` steps apart in the history: 24 for hours, 12 for months, 4 for quarters
and 1 for all other frequencies, days and weeks too, whatever season the data have. So a seasonal naive forecast need
not have a MASE near 1. Source: Makridakis et al. 2020, The M4 Competition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from throughtime.data.series.frequency import Frequency

_SEASONS = {"h": 24, "MS": 12, "ME": 12, "QS": 4, "QE": 4}  # of the competition; 1 for all others


def mase_season(frequency: Frequency) -> int:
    """The season whose naive errors MASE divides by: as in M4, 24 for hours, 12 for months, 4 for quarters, else 1."""
    return _SEASONS.get(frequency.name, 1)


def smape(y: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Mean of 200 |y - f| / (|y| + |f|) in percent, over the last axis; 0 where both are 0."""
    size = np.abs(y) + np.abs(forecast)
    return mean(200 * np.abs(y - forecast) / np.where(size == 0, 1.0, size))


def mase(y: np.ndarray, forecast: np.ndarray, history: np.ndarray, season: int) -> np.ndarray:
    """Mean absolute error over the `naive_error` of the history; NaN where that is zero."""
    return mean(np.abs(y - forecast)) / (naive_error(history, season) or np.nan)


def rmse(y: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, over the last axis."""
    return np.sqrt(mean((y - forecast) ** 2))


def pinball(y: np.ndarray, quantile: np.ndarray, share: float) -> np.ndarray:
    """Mean loss of a forecast of what a share of the values lies below, over the last axis.

    Source: Koenker and Bassett 1978, Regression Quantiles.
    """
    return mean(np.maximum(share * (y - quantile), (share - 1) * (y - quantile)))


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray, level: float) -> np.ndarray:
    """Mean width of intervals for `level` percent, and a penalty for what lies outside, over the last axis.

    Divided by the naive error it is M4's MSIS. Source: Gneiting and Raftery 2007, Strictly Proper Scoring Rules.
    """
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return mean(high - low + 2 / (1 - level / 100) * outside)


def naive_error(history: np.ndarray, season: int) -> float:
    """Mean |y_t - y_{t-m}| of a history; of m = 1 where it is no longer than a season; 0 where nothing is known."""
    lag = season if len(history) > season else 1
    differences = np.abs(history[lag:] - history[:-lag])
    differences = differences[np.isfinite(differences)]
    return float(differences.mean()) if len(differences) else 0.0


def mean(x: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is known; NaN where nothing is."""
    known = np.isfinite(x)
    return np.where(known, x, 0.0).sum(-1) / np.where(known.any(-1), known.sum(-1), np.nan)
