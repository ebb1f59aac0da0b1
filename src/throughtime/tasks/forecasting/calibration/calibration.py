"""Calibration on the held-out end of the history: the weight of the network and the width of the intervals.

Point forecasts are w * network + (1 - w) * the naive forecast that was best over the history, in transformed values
(logarithms). The weight w is the best one on windows that the network was not trained on, so the network does no harm
where it learned nothing. With few such windows, w stays near a prior from the history.

Intervals are conformal: the absolute errors on those windows, divided by the scale at the origin and by the typical
error of their step, have a quantile for each level; an interval is that quantile, multiplied back. It is symmetric in
transformed values and widens with the step; of two levels the smaller one has the narrower interval. Where the network
has learned a likelihood, its scores replace the errors in scales. Source:
Vovk, Gammerman, Shafer 2005, Algorithmic Learning in a Random World.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from throughtime.inference.forecasting.calibration import Calibration
from throughtime.inference.forecasting.held_out_errors import UNIT_LEVEL, HeldOutErrors
from throughtime.tasks.forecasting.calibration.conformal import calibrate_errors, drop_outlying_series
from throughtime.tasks.forecasting.calibration.held_out import SIMULATED, held_out_windows, spread_evenly
from throughtime.tasks.forecasting.calibration.mixture_weight import fit_prior, fit_weight
from throughtime.tasks.forecasting.calibration.pooled import pool_statistics
from throughtime.tasks.forecasting.calibration.residuals import forecast_residuals, network_and_naive
from throughtime.tasks.forecasting.calibration.short_history import fit_fading, fit_interval_factors

if TYPE_CHECKING:
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.windows import WindowStore


def calibrate(network: ForecastNetwork, store: WindowStore, held_out: int, *, loss: str) -> Calibration:
    """Calibrate on windows that end within the last `held_out` steps; with 0, on the history alone."""
    expert, prior_errors, prior_weight = fit_prior(network, store, loss)
    series, ends = held_out_windows(store, held_out)
    horizons = len(series.unique()) * held_out / network.plan.horizon  # without overlap
    z, naive, _ = network_and_naive(network, store, series, ends)
    targets = store.targets(series, ends, last_only=True)
    weight = fit_weight(z, naive[expert], targets, series, prior_weight, horizons, loss)
    sample = spread_evenly(series, ends, SIMULATED)
    _, scales = network.forecast(store.inputs(*sample), last_only=True)
    pooled, no_paths = pool_statistics(store, scales[:, -1].double(), sample[0]), np.zeros((0, len(prior_errors)))
    shape, no_quantiles = np.maximum(prior_errors, 1e-9), np.zeros(2)
    calibration = Calibration(weight, expert, shape, no_quantiles, int(horizons), no_paths, pooled)
    residuals = forecast_residuals(calibration, network, store, series, ends)
    calibration = replace(calibration, pooled=fit_fading(calibration.pooled, network, store, series, ends))
    calibration = replace(calibration, pooled=fit_interval_factors(calibration, network, store, series, ends))
    scores = residuals / calibration.pooled.interval_factors(store.count_observed(series, ends).numpy())
    residuals = drop_outlying_series(scores, series, horizons / max(len(series.unique()), 1))
    shape, quantiles, paths = calibrate_errors(residuals, prior_errors, horizons)
    calibration = replace(calibration, shape=shape, quantiles=quantiles, paths=paths)
    errors = scores / np.maximum(calibration.width(UNIT_LEVEL), 1e-12)
    steps_back = (store.lengths[series] - ends).numpy()
    return replace(calibration, held_out=HeldOutErrors.of(errors, series.numpy(), steps_back))
