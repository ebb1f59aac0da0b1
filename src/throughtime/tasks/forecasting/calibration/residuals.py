"""Forecasts and residuals of past windows, in scores of the likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.inference.forecasting.prepared_series import MIN_ERROR
from throughtime.tasks.forecasting.calibration.blending import naive_forecasts, predict, predict_blend

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.network.likelihoods import Likelihood
    from throughtime.tasks.forecasting.windows import WindowStore

_BATCH_SIZE = 256  # windows


def network_and_naive(
    network: ForecastNetwork, store: WindowStore, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]
) -> tuple[Float[Tensor, "N F"], dict[str, Float[Tensor, "N F"]], Float[Tensor, "N ... P"]]:
    """Return the forecasts of the network, the naive ones by name, and the parameters of the likelihood."""
    forecasts, naive, params = [], [], []
    for batch in torch.arange(len(series)).split(_BATCH_SIZE):
        z, batch_params = predict(network, store, series[batch], ends[batch])
        forecasts.append(z)
        params.append(batch_params)
        naive.append(naive_forecasts(network, store.inputs(series[batch], ends[batch])))
    by_name = {name: torch.cat([batch[name] for batch in naive]) for name in naive[0]}
    return torch.cat(forecasts), by_name, torch.cat(params)


def forecast_residuals(
    calibration: Calibration,
    network: ForecastNetwork,
    store: WindowStore,
    series: Int[Tensor, "N"],
    ends: Int[Tensor, "N"],
    visible_steps: int = 0,
) -> Float[np.ndarray, "N F"]:
    """Return the scores of blended forecasts of windows; with `visible_steps`, from their last values alone."""
    batches = [
        predict_blend(network, store, series[batch], ends[batch], calibration, visible_steps=visible_steps)
        for batch in torch.arange(len(series)).split(_BATCH_SIZE)
    ]
    z, params, _ = map(np.concatenate, zip(*batches, strict=True))
    return residuals_of(network.likelihood, store, series, ends, z, params)


def residuals_of(
    likelihood: Likelihood,
    store: WindowStore,
    series: Int[Tensor, "N"],
    ends: Int[Tensor, "N"],
    z: Float[np.ndarray, "N F"],
    params: Float[np.ndarray, "N ... P"],
) -> Float[np.ndarray, "N F"]:
    """Return scores, NaN where the target is unknown or differs from the forecast of a constant window.

    A constant window has no scale for its errors.
    """
    truth, observed = (tensor.numpy() for tensor in store.future_values(series, ends))
    varies = store.varies(series, ends).numpy()[:, None]
    observed = observed & (varies | (np.abs(truth - z) <= MIN_ERROR))
    return np.where(observed, likelihood.scores(z, params, truth, store.units(series, 2)), np.nan)
