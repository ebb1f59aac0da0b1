"""Forecasts of any windows of a store: by the network alone, or as they are calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.inference.forecasting.autoregression import AUTOREGRESSION, autoregressive_forecast
from throughtime.inference.forecasting.window_forecasts import WindowForecasts, forecast_windows
from throughtime.tasks.forecasting.network.window_forecast import WindowForecast

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.inference.forecasting.plan import Plan
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.windows import WindowStore


@torch.no_grad()
def predict(
    network: ForecastNetwork, store: WindowStore, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "N ... P"]]:
    """Forecast from the ends of windows by the network alone.

    Returns:
        Forecasts in transformed values, and the parameters of the likelihood.
    """
    forecasts, scales, raw = network.distribution(store.inputs(series, ends))
    last_raw = scales if raw is None else raw[:, -1].double()
    return forecasts[:, -1].double(), network.likelihood.params(last_raw, scales[:, -1:].double())


def predict_blend(
    network: ForecastNetwork,
    store: WindowStore,
    series: Int[Tensor, "N"],
    ends: Int[Tensor, "N"],
    calibration: Calibration,
    *,
    visible_steps: int = 0,
) -> WindowForecasts:
    """Forecast from the ends of windows by the calibrated blend.

    Args:
        network: trained or not.
        store: of the series.
        series: index of the series of each window.
        ends: steps of the series before the forecast.
        calibration: of the blend.
        visible_steps: if positive, only so many last steps of each window are read.
    """
    x = store.inputs(series, ends)
    if visible_steps:
        x = withhold(x, network.plan, visible_steps)
    windows = x.numpy(), store.phases(series, ends).numpy(), store.positive[series].numpy() > 0
    return forecast_windows(WindowForecast(network, calibration.expert).call, *windows, calibration, network.plan)


def withhold(x: Float[Tensor, "N L D"], plan: Plan, visible_steps: int) -> Float[Tensor, "N L D"]:
    """Return windows of which only the last steps are observed, as those of a series that began there."""
    x, first = x.clone(), plan.lookback - visible_steps
    x[:, :first, 0] = x[:, first, None, 0]
    x[:, :first, 1] = 0
    return x


@torch.no_grad()
def naive_forecasts(network: ForecastNetwork, x: Float[Tensor, "N L D"]) -> dict[str, Float[Tensor, "N F"]]:
    """Return the naive forecasts and an autoregression from the end of windows, by name."""
    forecasts = {name: forecast[:, 0] for name, forecast in network.naive(x.double(), last_only=True).items()}
    plan, values = network.plan, network.values(x)[..., 0].double().numpy()
    return forecasts | {AUTOREGRESSION: torch.from_numpy(autoregressive_forecast(values, plan.season, plan.horizon))}
