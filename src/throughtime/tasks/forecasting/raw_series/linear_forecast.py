"""The autoregression of `autoregressive_forecast` in operators that export, with a solver of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.inference.forecasting.autoregression import RIDGE, lag_count

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def autoregression(values: Float[Tensor, "N W"], season: int, horizon: int) -> Float[Tensor, "N {horizon}"]:
    """Forecast as `autoregressive_forecast`."""
    lags = lag_count(values.shape[1], season)
    if lags < 1:
        return values[:, -1:].expand(-1, horizon)
    mean = values.mean(1, keepdim=True)
    centred = values - mean
    low, high = centred.amin(1), centred.amax(1)
    width = high - low
    windows = centred.unfold(1, lags + 1, 1)
    products = windows.transpose(1, 2) @ windows
    penalty = RIDGE * (values.shape[1] - lags) * centred.square().mean(1).clamp(min=1e-12)
    lag = torch.arange(lags)
    squares = products[:, :-1, :-1] + torch.where(lag.unsqueeze(1) == lag, penalty[:, None, None], 0.0)
    weights = solve_positive(squares, products[:, :-1, -1])
    steps = list(centred[:, -lags:].unbind(1))
    for _ in range(horizon):
        step = (torch.stack(steps[-lags:], 1) * weights).sum(1)
        steps.append(torch.minimum(torch.maximum(step, low - width), high + width))
    return torch.stack(steps[lags:], 1) + mean


def solve_positive(matrix: Float[Tensor, "N p p"], right: Float[Tensor, "N p"]) -> Float[Tensor, "N p"]:
    """Solve equations with positive definite matrices by Gauss and Jordan's elimination, which needs no pivots."""
    rows = torch.cat([matrix, right.unsqueeze(-1)], -1)
    for k in range(matrix.shape[1]):
        pivot = rows[:, k : k + 1] / rows[:, k : k + 1, k : k + 1]
        is_pivot = (torch.arange(matrix.shape[1]) == k).unsqueeze(1)
        rows = torch.where(is_pivot, pivot, rows - rows[:, :, k : k + 1] * pivot)
    return rows[..., -1]
