"""Autoregression, the classic linear forecast: each value from the ones before it, by least squares, per window.

Source: Yule 1927, On a Method of Investigating Periodicities in Disturbed Series, which fits it to the sunspots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

AUTOREGRESSION = "autoregression"

_MIN_LAGS, _MAX_LAGS = 9, 60
_RIDGE = 1e-3  # of the mean square of the values: collinear lags do not cancel each other


def autoregressive_forecast(values: Float[Tensor, "N W"], season: int, horizon: int) -> Float[Tensor, "N {horizon}"]:
    """Forecast steps after the end of windows without gaps, each from the forecasts before it.

    The longest lag is a season plus one step. Forecasts are clamped to the range of the window plus its width on either
    side, since an unstable recursion grows without bounds. Windows too short for their lags repeat their last value.
    """
    lags = min(max(_MIN_LAGS, season + 1), _MAX_LAGS, values.shape[1] // 3)
    if lags < 1:
        return values[:, -1:].expand(-1, horizon)
    mean = values.mean(1, keepdim=True)
    centred = values - mean
    low, high = centred.amin(1), centred.amax(1)
    width = high - low
    penalty = _RIDGE * (values.shape[1] - lags) * centred.square().mean(1).clamp(min=1e-12)
    products = _lag_products(centred, lags)
    squares = products[:, :-1, :-1] + penalty[:, None, None] * torch.eye(lags, dtype=values.dtype)
    weights = torch.linalg.solve(squares, products[:, :-1, -1])
    steps = centred[:, -lags:]
    for _ in range(horizon):
        step = (steps[:, -lags:] * weights).sum(1).clamp(low - width, high + width)
        steps = torch.cat([steps, step.unsqueeze(1)], 1)
    return steps[:, lags:] + mean


def _lag_products(x: Float[Tensor, "N W"], lags: int) -> Float[Tensor, "N {lags}+1 {lags}+1"]:
    """Return the sums of x_{t+i} x_{t+j} over all t, for i and j up to the number of lags.

    Each is the one before it on its diagonal plus a term at either end: only those of i = 0 are summed.
    """
    count = x.shape[1] - lags
    head, tail = x[:, :lags, None], x[:, count:, None]
    shift = tail * tail.mT - head * head.mT
    products = x.new_empty(len(x), lags + 1, lags + 1)
    products[:, 0] = torch.stack([(x[:, :count] * x[:, j : j + count]).sum(1) for j in range(lags + 1)], 1)
    products[:, 1:, 0] = products[:, 0, 1:]
    for i in range(lags):
        torch.add(products[:, i, :-1], shift[:, i], out=products[:, i + 1, 1:])
    return products
