"""Forecasts from few observed values: how they weight them and how wide their intervals are.

Both are fitted on held-out windows of which all but the last values are withheld.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from throughtime.tasks.forecasting.calibration.blending import withhold
from throughtime.tasks.forecasting.calibration.held_out import SIMULATED, spread_evenly
from throughtime.tasks.forecasting.calibration.residuals import forecast_residuals

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.inference.forecasting.pooled import PooledStatistics
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.windows import WindowStore

_FADINGS = (1.0, 0.9, 0.7, 0.4, 0.0)
_RATIO_QUANTILES = (0.8, 0.95)  # of errors, whose ratio is the factor of the intervals
_MAX_FACTOR = 100.0


def fit_fading(
    pooled: PooledStatistics,
    network: ForecastNetwork,
    store: WindowStore,
    series: Int[Tensor, "N"],
    ends: Int[Tensor, "N"],
) -> PooledStatistics:
    """Return the pooled statistics with the fading that forecasts best from the last values alone."""
    plan = store.plan
    sample = spread_evenly(series, ends, SIMULATED)
    truth, observed = (tensor.numpy() for tensor in store.future_values(*sample))
    phases, is_positive = store.phases(*sample).numpy(), store.positive[sample[0]].numpy() > 0
    errors = np.zeros(len(_FADINGS))
    for visible_steps in (2**i for i in range(1, int(np.log2(plan.min_observed)) + 1)):
        window = network.values(withhold(store.inputs(*sample), plan, visible_steps)).numpy()
        for i, fading in enumerate(_FADINGS):
            forecast = pooled.forecast(plan, window, phases, is_positive, fading)
            errors[i] += float((np.abs(truth - forecast) * observed).sum())
    return replace(pooled, fading=np.array([_FADINGS[int(errors.argmin())]]))


def fit_interval_factors(
    calibration: Calibration,
    network: ForecastNetwork,
    store: WindowStore,
    series: Int[Tensor, "N"],
    ends: Int[Tensor, "N"],
) -> PooledStatistics:
    """Return the pooled statistics with the factors of intervals by the number of observed values.

    Windows are forecast again from their last values alone; a factor is the ratio of the quantiles of the errors.
    """
    observed = store.count_observed(series, ends)
    counts, factors = [], []
    for visible_steps in (2**i for i in range(int(np.log2(network.plan.lookback)) + 1)):
        enough = observed >= 2 * visible_steps
        sample = spread_evenly(series[enough], ends[enough], SIMULATED)
        if not len(sample[0]):
            continue
        few, all_values = (_error_quantiles(calibration, network, store, sample, n) for n in (visible_steps, 0))
        counts.append(visible_steps)
        factors.append(float(np.max(few / np.maximum(all_values, 1e-9))))
    counts.append(network.plan.lookback)
    factors = np.maximum.accumulate([*factors, 1.0][::-1])[::-1]
    factors = np.minimum(factors, _MAX_FACTOR)
    return replace(calibration.pooled, counts=np.array(counts, dtype=np.float64), widening=factors)


def _error_quantiles(
    calibration: Calibration,
    network: ForecastNetwork,
    store: WindowStore,
    windows: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
    visible_steps: int,
) -> np.ndarray:
    """Return quantiles of the absolute errors in typical errors; ones where none is known."""
    residuals = forecast_residuals(calibration, network, store, *windows, visible_steps)
    sizes = np.abs(residuals) / calibration.shape
    sizes = sizes[np.isfinite(sizes)]
    return np.quantile(sizes, _RATIO_QUANTILES) if len(sizes) else np.ones(len(_RATIO_QUANTILES))
