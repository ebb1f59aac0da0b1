"""The weight of the network in the forecast: a prior from the history, and a fit on held-out windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.forecasting.calibration.conformal import drop_outlying_series, mean_sizes
from throughtime.tasks.forecasting.calibration.held_out import history_windows
from throughtime.tasks.forecasting.calibration.residuals import network_and_naive, residuals_of
from throughtime.tasks.forecasting.network.losses import ForecastLoss

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.windows import WindowStore

_WEIGHTS = tuple(i / 20 for i in range(20, -1, -1))
_PRIOR_WEIGHT = 0.5  # with nothing held out: forecasts with different errors are best mixed evenly
_CLEAR_GAIN = 0.1  # share of the naive error over the history that a mixture saves to get the full prior weight
_PRIOR_STRENGTH = 8  # held-out horizons at which weights of 0 or 1 must save a quarter of the error
_MAX_RELATIVE_ERROR = 2.0  # times the median error of the series: larger ones count as this
_MIN_TYPICAL_ERROR = 0.1  # of the median, relative to naive forecasts: exact series do not silence the others
_SERIES_PER_ERROR = 4  # series whose presence adds one to it: one of many series decides little
_RETRAINING_HORIZONS = 20  # held-out horizons whose training gains half of the remaining prior weight


def fit_prior(network: ForecastNetwork, store: WindowStore, loss: str) -> tuple[str, Float[np.ndarray, "F"], float]:
    """Return the naive forecast that was best over the history, its mean error by step in scales, and a prior weight.

    A network that hardly improves on it over its own training data will not improve on it later: its prior weight is
    small or zero.
    """
    series, ends = history_windows(store)
    z, naive, params = network_and_naive(network, store, series, ends)
    targets = store.targets(series, ends, last_only=True)
    expert = min(naive, key=lambda name: _error(naive[name], targets, series, loss))
    errors = _mixture_errors(z, naive[expert], targets, series, loss)
    gain = 1 - float(errors.min()) / max(float(errors[-1]), 1e-12)
    residuals = np.abs(residuals_of(network.likelihood, store, series, ends, naive[expert].numpy(), params.numpy()))
    residuals = drop_outlying_series(residuals, series, float(store.lengths.double().median()) / store.plan.horizon)
    mean = mean_sizes(residuals)
    return expert, mean if mean.any() else np.ones_like(mean), _PRIOR_WEIGHT * min(gain / _CLEAR_GAIN, 1.0)


def fit_weight(
    z: Float[Tensor, "N F"],
    naive: Float[Tensor, "N F"],
    targets: Float[Tensor, "N 1 F 5"],
    series: Int[Tensor, "N"],
    prior_weight: float,
    horizons: float,
    loss: str,
) -> float:
    """Return the weight with the smallest error plus a penalty for its distance from the prior.

    The penalty falls with the number of held-out horizons. The network is trained on these horizons afterwards and will
    improve on its held-out errors: it gets a part of the remaining weight.
    """
    errors = _mixture_errors(z, naive, targets, series, loss)
    distances = (np.array(_WEIGHTS) - prior_weight) ** 2
    penalty = _PRIOR_STRENGTH / max(horizons, 0.5) * distances
    best = _WEIGHTS[int((errors / max(errors.min(), 1e-12) + penalty).argmin())]
    return best + (1 - best) * prior_weight * horizons / (horizons + _RETRAINING_HORIZONS)


def _mixture_errors(
    z: Float[Tensor, "N F"],
    naive: Float[Tensor, "N F"],
    targets: Float[Tensor, "N 1 F 5"],
    series: Int[Tensor, "N"],
    loss: str,
) -> Float[np.ndarray, "weights"]:
    """Return the error for each weight."""
    return np.array([_error(w * z + (1 - w) * naive, targets, series, loss) for w in _WEIGHTS])


def _error(z: Float[Tensor, "N F"], targets: Float[Tensor, "N 1 F 5"], series: Int[Tensor, "N"], loss: str) -> float:
    """Return the mean loss, to which a series with far larger errors than the others contributes a limited part."""
    errors, weights = ForecastLoss(loss).sums(z.float().unsqueeze(1), targets)
    _, codes = series.unique(return_inverse=True)
    totals, counts = (torch.zeros(int(codes.max()) + 1).index_add(0, codes, x) for x in (errors, weights))
    means = totals / counts.clamp(min=1)
    typical = float(means.where(counts > 0, torch.nan).nanquantile(0.5).nan_to_num().clamp(min=_MIN_TYPICAL_ERROR))
    limit = max(_MAX_RELATIVE_ERROR, len(means) / _SERIES_PER_ERROR) * typical
    factors = (limit / means.clamp(min=1e-12)).clamp(max=1.0)
    return float((errors * factors[codes]).sum() / weights.sum().clamp(min=1))
