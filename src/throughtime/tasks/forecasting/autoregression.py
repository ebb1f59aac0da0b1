"""Autoregression, the classic linear forecast: each value from those before it, by least squares, series by series.

Source: Yule 1927, On a Method of Investigating Periodicities in Disturbed Series, which fits it to the sunspots.
"""

from __future__ import annotations

import numpy as np

_FEWEST_LAGS, _MOST_LAGS = 9, 60
_RIDGE = 1e-3  # of the mean square of the values: keeps lags that tell the same from cancelling each other


def autoregression(values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Forecast F steps of a series without gaps, one step from the other.

    Lags reach a step further back than a season. What would leave the range of the history by more than its width
    is held there, since an unstable recursion grows without bounds. A series too short for its lags repeats its last
    value.
    """
    lags = min(max(_FEWEST_LAGS, season + 1), _MOST_LAGS, len(values) // 3)
    if lags < 1 or np.ptp(values) == 0:
        return np.full(horizon, values[-1])
    mean, width = values.mean(), np.ptp(values)
    centred = values - mean
    past = np.lib.stride_tricks.sliding_window_view(centred[:-1], lags)
    penalty = _RIDGE * len(past) * centred.var() * np.eye(lags)
    weights = np.linalg.solve(past.T @ past + penalty, past.T @ centred[lags:])
    window = centred[-lags:].copy()
    low, high = centred.min() - width, centred.max() + width
    found = np.empty(horizon)
    for step in range(horizon):
        found[step] = np.clip(window @ weights, low, high)
        window = np.append(window[1:], found[step])
    return found + mean
