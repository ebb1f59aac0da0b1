"""Autoregression, the classic linear forecast: each value from those before it, by least squares, window by window.

Source: Yule 1927, On a Method of Investigating Periodicities in Disturbed Series, which fits it to the sunspots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

AUTOREGRESSION = "autoregression"

_FEWEST_LAGS, _MOST_LAGS = 9, 60
_RIDGE = 1e-3  # of the mean square of the values: keeps lags that tell the same from cancelling each other


def autoregression(values: Float[Tensor, "N W"], season: int, horizon: int) -> Float[Tensor, "N F"]:
    """Forecast F steps behind the end of windows without gaps, one step from the other.

    Lags reach a step further back than a season. What would leave the range of a window by more than its width is held
    there, since an unstable recursion grows without bounds. Windows too short for their lags repeat their last value.
    """
    lags = min(max(_FEWEST_LAGS, season + 1), _MOST_LAGS, values.shape[1] // 3)
    if lags < 1:
        return values[:, -1:].expand(-1, horizon)
    mean = values.mean(1, keepdim=True)
    centred = values - mean
    low, high = centred.amin(1), centred.amax(1)
    width = high - low
    penalty = _RIDGE * (values.shape[1] - lags) * centred.square().mean(1).clamp(min=1e-12)
    products = _products(centred, lags)
    squares = products[:, :-1, :-1] + penalty[:, None, None] * torch.eye(lags, dtype=values.dtype)
    weights = torch.linalg.solve(squares, products[:, :-1, -1])
    found = centred[:, -lags:]
    for _ in range(horizon):
        ahead = (found[:, -lags:] * weights).sum(1).clamp(low - width, high + width)
        found = torch.cat([found, ahead.unsqueeze(1)], 1)
    return found[:, lags:] + mean


def _products(x: Float[Tensor, "N W"], lags: int) -> Float[Tensor, "N L+1 L+1"]:
    """Sums of x_{t+i} x_{t+j} over all t, for i and j up to the lags.

    Each is the one before it on its diagonal, and a term at either end: only those of i = 0 are summed.
    """
    count = x.shape[1] - lags
    head, tail = x[:, :lags, None], x[:, count:, None]
    moved = tail * tail.mT - head * head.mT
    found = x.new_empty(len(x), lags + 1, lags + 1)
    found[:, 0] = torch.stack([(x[:, :count] * x[:, j : j + count]).sum(1) for j in range(lags + 1)], 1)
    found[:, 1:, 0] = found[:, 0, 1:]
    for i in range(lags):
        torch.add(found[:, i, :-1], moved[:, i], out=found[:, i + 1, 1:])
    return found
