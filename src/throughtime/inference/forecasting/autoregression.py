"""Autoregression, the classic linear forecast: each value from the ones before it, by least squares, per window.

Source: Yule 1927, On a Method of Investigating Periodicities in Disturbed Series, which fits it to the sunspots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

AUTOREGRESSION = "autoregression"

_MIN_LAGS, _MAX_LAGS = 9, 60
RIDGE = 1e-3
"""Penalty, of the mean square of the values: collinear lags do not cancel each other."""


def autoregressive_forecast(
    values: Float[np.ndarray, "N W"], season: int, horizon: int
) -> Float[np.ndarray, "N {horizon}"]:
    """Forecast steps after the end of windows without gaps, each from the forecasts before it.

    The longest lag is a season plus one step. Forecasts are clamped to the range of the window plus its width on either
    side, since an unstable recursion grows without bounds. Windows too short for their lags repeat their last value.
    """
    lags = lag_count(values.shape[1], season)
    if lags < 1:
        return np.repeat(values[:, -1:], horizon, 1)
    mean = values.mean(1, keepdims=True)
    centred = values - mean
    low, high = centred.min(1), centred.max(1)
    width = high - low
    penalty = RIDGE * (values.shape[1] - lags) * np.maximum(np.square(centred).mean(1), 1e-12)
    products = _lag_products(centred, lags)
    squares = products[:, :-1, :-1] + penalty[:, None, None] * np.eye(lags)
    weights = np.linalg.solve(squares, products[:, :-1, -1:])[..., 0]
    steps = np.empty((len(values), lags + horizon))
    steps[:, :lags] = centred[:, -lags:]
    for i in range(horizon):
        step = (steps[:, i : i + lags] * weights).sum(1)
        steps[:, lags + i] = np.clip(step, low - width, high + width)
    return steps[:, lags:] + mean


def lag_count(steps: int, season: int) -> int:
    """Return the number of lags for windows of some steps; 0 for windows that are too short."""
    return min(max(_MIN_LAGS, season + 1), _MAX_LAGS, steps // 3)


def _lag_products(x: Float[np.ndarray, "N W"], lags: int) -> Float[np.ndarray, "N {lags}+1 {lags}+1"]:
    """Return the sums of x_{t+i} x_{t+j} over all t, for i and j up to the number of lags.

    Each is the one before it on its diagonal plus a term at either end: only those of i = 0 are summed.
    """
    count = x.shape[1] - lags
    head, tail = x[:, :lags, None], x[:, count:, None]
    shift = tail * tail.swapaxes(1, 2) - head * head.swapaxes(1, 2)
    products = np.empty((len(x), lags + 1, lags + 1))
    products[:, 0] = np.stack([(x[:, :count] * x[:, j : j + count]).sum(1) for j in range(lags + 1)], 1)
    products[:, 1:, 0] = products[:, 0, 1:]
    for i in range(lags):
        products[:, i + 1, 1:] = products[:, i, :-1] + shift[:, i]
    return products
