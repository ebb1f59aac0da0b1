"""Forecasts of windows: the network's, blended with a naive forecast; those of short series from the pooled season."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.tasks.forecasting.evaluation.autoregression import AUTOREGRESSION, autoregression

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.tasks.forecasting.calibration.calibration import Calibration
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.plan import Plan
    from throughtime.tasks.forecasting.windows import WindowStore

_FADING = 0.9  # weight of a block's errors beside those of the next
_TRUSTED = 2  # blocks at which a series' own errors and its scale weigh alike


@torch.no_grad()
def predict(
    network: ForecastNetwork,
    store: WindowStore,
    series: Tensor,
    ends: Tensor,
    calibration: Calibration | None = None,
    *,
    withheld: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Forecast from the ends of windows.

    Args:
        network: trained or not.
        store: of the series.
        series: numbers of series, (N,).
        ends: steps after which forecasts begin, (N,).
        calibration: blend; the network's forecasts alone if None.
        withheld: if positive, only so many last steps of each window are read.

    Returns:
        Forecasts in what the network sees, (N, F), the numbers of the likelihood, (N, F, P), and the number of known
        values in each window, (N,).
    """
    x = store.inputs(series, ends)
    if withheld:
        x = withhold(x, network.plan, withheld)
    known = network.values(x)[..., 1].sum(1)
    if calibration is None:
        forecasts, scales, raw = network.distribution(x)
        last = scales if raw is None else raw[:, -1].double()
        return forecasts[:, -1].double(), network.likelihood.params(last, scales[:, -1:].double()), known
    z, params = _predict(network, x, calibration, store.positive[series])
    short = known < network.plan.min_known
    if short.any():
        window = network.values(x[short]).double().unbind(-1)
        places = store.phases(series, ends)[short], store.positive[series][short]
        z[short] = calibration.pooled.forecast(network.plan, window, *places)
    return z, params, known


def _predict(network: ForecastNetwork, x: Tensor, calibration: Calibration, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Return blended forecasts, (N, F), and the numbers of the likelihood, (N, F, P)."""
    forecasts, scales, raw = network.distribution(x)
    z, weight = forecasts[:, -1].double(), calibration.weight
    if weight < 1:
        z = weight * z + (1 - weight) * naive_forecasts(network, x)[calibration.expert]
        if calibration.expert != AUTOREGRESSION:
            forecasts = weight * forecasts + (1 - weight) * network.naive(x)[calibration.expert]
    usual = torch.from_numpy(calibration.pooled.scales)[positive.long()].unsqueeze(1)
    scale = _own_scale(network, x, forecasts, scales, usual).double()
    last = scales if raw is None else raw[:, -1].double()
    return z, network.likelihood.params(last, scale)


def withhold(x: Tensor, plan: Plan, kept: int) -> Tensor:
    """Return windows of which only the last steps are known, as those of a series that began there."""
    x, first = x.clone(), plan.lookback - kept
    x[:, :first, 0] = x[:, first, None, 0]
    x[:, :first, 1] = 0
    return x


def _own_scale(network: ForecastNetwork, x: Tensor, forecasts: Tensor, scales: Tensor, usual: Tensor) -> Tensor:
    """Return how far each series strays from the forecasts made within its window, and the scale at its end: (N, 1).

    The fewer values are known, the nearer it is to the usual scale (N, 1).
    """
    reach = min(network.plan.horizon, network.plan.block)
    blocks = (part.unflatten(1, (network.plan.blocks, -1)) for part in network.values(x).unbind(-1))
    z, real = (part[:, 2:, :reach] for part in blocks)
    errors = (z - forecasts[:, :-1, :reach]).abs()
    weights = real * _FADING ** torch.arange(errors.shape[1] - 1, -1, -1).unsqueeze(-1)
    blocks = weights.sum((1, 2)) / reach
    own = (errors * weights).sum((1, 2)) / reach / blocks.clamp(min=1e-9)
    scale = scales[:, -1]
    ratio = (own / scale).clamp(1e-2, 1e2) ** (blocks / (blocks + _TRUSTED))
    scale = (scale * torch.where(blocks > 0, ratio, 1.0)).unsqueeze(1)
    known = network.values(x)[..., 1].sum(1, keepdim=True)
    share = network.plan.min_known / (known + network.plan.min_known) * (1 - known / network.plan.lookback)
    return scale ** (1 - share) * usual**share


def naive_forecasts(network: ForecastNetwork, x: Tensor) -> dict[str, Tensor]:
    """Naive forecasts, and an autoregression, from the end of windows, by name: (N, F)."""
    found = {name: forecast[:, 0] for name, forecast in network.naive(x.double(), last_only=True).items()}
    plan = network.plan
    return found | {AUTOREGRESSION: autoregression(network.values(x)[..., 0].double(), plan.season, plan.horizon)}
