"""Forecasts of windows: those of the network blended with a naive forecast, and of short series the pooled season."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from throughtime.inference.forecasting.autoregression import AUTOREGRESSION, autoregressive_forecast

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.inference.forecasting.plan import Plan


class WindowForecasts(NamedTuple):
    """Forecasts from the ends of windows.

    Attributes:
        z: forecasts in transformed values.
        params: parameters of the likelihood.
        observed: number of observed values in each window.
    """

    z: Float[np.ndarray, "N F"]
    params: Float[np.ndarray, "N ... P"]
    observed: Float[np.ndarray, "N"]


NetworkCall = Callable[[np.ndarray, np.ndarray, np.ndarray], WindowForecasts]
"""Forecast windows by the network, from their inputs, the pooled scale of each (N, 1), and the weight of the network.

What the weight leaves is the share of the naive forecast, unless that is the autoregression.
"""


def forecast_windows(
    call_network: NetworkCall,
    x: Float[np.ndarray, "N L D"],
    phases: Int[np.ndarray, "N"],
    is_positive: Bool[np.ndarray, "N"],
    calibration: Calibration,
    plan: Plan,
) -> WindowForecasts:
    """Forecast from the ends of windows.

    Args:
        call_network: the network and the naive forecast of the calibration.
        x: windows.
        phases: position of the step after each window in the longest season.
        is_positive: of series with positive values only.
        calibration: of the blend.
        plan: sizes.
    """
    weight, pooled = calibration.weight, calibration.pooled
    z, params, observed = call_network(x, pooled.scales[is_positive.astype(int)][:, None], np.array(weight))
    window = x[:, : plan.lookback, :2]
    if calibration.expert == AUTOREGRESSION and weight < 1:
        linear = autoregressive_forecast(window[..., 0].astype(np.float64), plan.season, plan.horizon)
        z = weight * z + (1 - weight) * linear
    short = observed < plan.min_observed
    if short.any():
        z = z.copy()
        z[short] = pooled.forecast(plan, window[short], phases[short], is_positive[short])
    return WindowForecasts(z, params, observed)
