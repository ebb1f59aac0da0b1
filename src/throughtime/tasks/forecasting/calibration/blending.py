"""Forecasts of windows: those of the network blended with a naive forecast, and of short series the pooled season."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.tasks.forecasting.evaluation.autoregression import AUTOREGRESSION, autoregressive_forecast

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.tasks.forecasting.calibration.parameters import Calibration
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.plan import Plan
    from throughtime.tasks.forecasting.windows import WindowStore

_BLOCK_DECAY = 0.9  # weight of the errors of a block relative to those of the next one
_MAX_JUMP = 4.0  # times the median error of the blocks: a block with a larger error counts as this
_MIN_BLOCKS = 3  # with fewer, no error is far larger than those of most blocks
_PRIOR_BLOCKS = 2  # blocks at which the errors of a series and its scale have equal weights


@torch.no_grad()
def predict(
    network: ForecastNetwork,
    store: WindowStore,
    series: Int[Tensor, "N"],
    ends: Int[Tensor, "N"],
    calibration: Calibration | None = None,
    *,
    visible_steps: int = 0,
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "N ... P"], Float[Tensor, "N"]]:
    """Forecast from the ends of windows.

    Args:
        network: trained or not.
        store: of the series.
        series: index of the series of each window.
        ends: steps of the series before the forecast.
        calibration: of the blend; without, the forecasts of the network alone are returned.
        visible_steps: if positive, only so many last steps of each window are read.

    Returns:
        Forecasts in transformed values, the parameters of the likelihood, and the number of observed values in each
        window.
    """
    x = store.inputs(series, ends)
    if visible_steps:
        x = withhold(x, network.plan, visible_steps)
    observed = network.values(x)[..., 1].sum(1)
    if calibration is None:
        forecasts, scales, raw = network.distribution(x)
        last_raw = scales if raw is None else raw[:, -1].double()
        return forecasts[:, -1].double(), network.likelihood.params(last_raw, scales[:, -1:].double()), observed
    z, params = _predict_blend(network, x, calibration, store.positive[series])
    short = observed < network.plan.min_observed
    if short.any():
        window = network.values(x[short]).double().unbind(-1)
        phases, positive = store.phases(series, ends)[short], store.positive[series][short]
        z[short] = calibration.pooled.forecast(network.plan, window, phases, positive)
    return z, params, observed


def _predict_blend(
    network: ForecastNetwork, x: Float[Tensor, "N L D"], calibration: Calibration, positive: Float[Tensor, "N"]
) -> tuple[Float[Tensor, "N F"], Float[Tensor, "N ... P"]]:
    """Return blended forecasts and the parameters of the likelihood."""
    forecasts, scales, raw = network.distribution(x)
    z, weight = forecasts[:, -1].double(), calibration.weight
    if weight < 1:
        z = weight * z + (1 - weight) * naive_forecasts(network, x)[calibration.expert]
        if calibration.expert != AUTOREGRESSION:
            forecasts = weight * forecasts + (1 - weight) * network.naive(x)[calibration.expert]
    pooled_scale = torch.from_numpy(calibration.pooled.scales)[positive.long()].unsqueeze(1)
    scale = _scale_of_series(network, x, forecasts, scales, pooled_scale).double()
    last_raw = scales if raw is None else raw[:, -1].double()
    return z, network.likelihood.params(last_raw, scale)


def withhold(x: Float[Tensor, "N L D"], plan: Plan, visible_steps: int) -> Float[Tensor, "N L D"]:
    """Return windows of which only the last steps are observed, as those of a series that began there."""
    x, first = x.clone(), plan.lookback - visible_steps
    x[:, :first, 0] = x[:, first, None, 0]
    x[:, :first, 1] = 0
    return x


def _scale_of_series(
    network: ForecastNetwork,
    x: Float[Tensor, "N L D"],
    forecasts: Float[Tensor, "N K F"],
    scales: Float[Tensor, "N K"],
    pooled_scale: Float[Tensor, "N 1"],
) -> Float[Tensor, "N 1"]:
    """Return the mean error of the forecasts made within each window, averaged with the scale at its end.

    The fewer values are observed, the closer it is to the pooled scale.
    """
    reach = min(network.plan.horizon, network.plan.block)
    channels = (channel.unflatten(1, (network.plan.blocks, -1)) for channel in network.values(x).unbind(-1))
    z, mask = (channel[:, 2:, :reach] for channel in channels)
    errors = _without_jumps((z - forecasts[:, :-1, :reach]).abs(), mask)
    weights = mask * _BLOCK_DECAY ** torch.arange(errors.shape[1] - 1, -1, -1).unsqueeze(-1)
    blocks = weights.sum((1, 2)) / reach
    own = (errors * weights).sum((1, 2)) / reach / blocks.clamp(min=1e-9)
    scale = scales[:, -1]
    ratio = (own / scale).clamp(1e-2, 1e2) ** (blocks / (blocks + _PRIOR_BLOCKS))
    scale = (scale * torch.where(blocks > 0, ratio, 1.0)).unsqueeze(1)
    observed = network.values(x)[..., 1].sum(1, keepdim=True)
    share = network.plan.min_observed / (observed + network.plan.min_observed) * (1 - observed / network.plan.lookback)
    return scale ** (1 - share) * pooled_scale**share


def _without_jumps(errors: Float[Tensor, "N K s"], mask: Float[Tensor, "N K s"]) -> Float[Tensor, "N K s"]:
    """Return errors with an upper bound for blocks whose errors are far larger than those of most blocks."""
    if errors.shape[1] < _MIN_BLOCKS:
        return errors
    counts = mask.sum(-1)
    means = (errors * mask).sum(-1) / counts.clamp(min=1)
    typical = means.where(counts > 0, torch.nan).nanquantile(0.5, 1, keepdim=True)
    factors = (_MAX_JUMP * typical / means.clamp(min=1e-12)).clamp(max=1.0)
    return errors * torch.where(typical > 0, factors, 1.0).unsqueeze(-1)


def naive_forecasts(network: ForecastNetwork, x: Float[Tensor, "N L D"]) -> dict[str, Float[Tensor, "N F"]]:
    """Return the naive forecasts and an autoregression from the end of windows, by name."""
    forecasts = {name: forecast[:, 0] for name, forecast in network.naive(x.double(), last_only=True).items()}
    plan, values = network.plan, network.values(x)[..., 0].double()
    return forecasts | {AUTOREGRESSION: autoregressive_forecast(values, plan.season, plan.horizon)}
