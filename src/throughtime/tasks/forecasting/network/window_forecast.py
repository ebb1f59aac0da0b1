"""The network with the naive forecast that it is blended with, as one module: what a saved forecaster evaluates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime.inference.forecasting.autoregression import AUTOREGRESSION
from throughtime.inference.forecasting.window_forecasts import WindowForecasts
from throughtime.io.recording import record
from throughtime.tasks.forecasting.network.masked_median import masked_median

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from torch import Tensor

    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork

_GRAPHS: dict[tuple[Any, ...], dict[str, Any]] = {}
_MAX_GRAPHS = 32
_BLOCK_DECAY = 0.9  # weight of the errors of a block relative to those of the next one
_MAX_JUMP = 4.0  # times the median error of the blocks: a block with a larger error counts as this
_MIN_BLOCKS = 3  # with fewer, no error is far larger than those of most blocks
_PRIOR_BLOCKS = 2  # blocks at which the errors of a series and its scale have equal weights


class WindowForecast(nn.Module):
    """Forecast from the ends of windows, with the scale of the errors of each series.

    Args:
        network: trained.
        expert: name of the naive forecast of the blend; the autoregression is not blended here.
    """

    def __init__(self, network: ForecastNetwork, expert: str) -> None:
        super().__init__()
        self.network = network
        self.expert = None if expert == AUTOREGRESSION else expert

    def forward(
        self, x: Float[Tensor, "N L D"], pooled_scale: Float[Tensor, "N 1"], weight: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, "N F"], Float[Tensor, "N ... P"], Float[Tensor, "N"]]:
        """Return forecasts in transformed values, the parameters of the likelihood, and the numbers of observed values.

        Args:
            x: as for the network.
            pooled_scale: typical scale of series of the same kind.
            weight: of the network in the blend.
        """
        network = self.network
        forecasts, scales, raw = network.distribution(x)
        z = forecasts[:, -1].double()
        if self.expert is not None:
            rest = 1 - weight
            z = weight * z + rest * network.naive(x.double(), last_only=True)[self.expert][:, 0]
            forecasts = weight.float() * forecasts + rest.float() * network.naive(x)[self.expert]
        scale = self._scale_of_series(x, forecasts, scales, pooled_scale).double()
        last_raw = scales if raw is None else raw[:, -1].double()
        return z, network.likelihood.params(last_raw, scale), network.values(x)[..., 1].sum(1)

    def _scale_of_series(
        self,
        x: Float[Tensor, "N L D"],
        forecasts: Float[Tensor, "N K F"],
        scales: Float[Tensor, "N K"],
        pooled_scale: Float[Tensor, "N 1"],
    ) -> Float[Tensor, "N 1"]:
        """Return the mean error of the forecasts made within each window, averaged with the scale at its end.

        The fewer values are observed, the closer it is to the pooled scale.
        """
        plan, values = self.network.plan, self.network.values(x)
        reach = min(plan.horizon, plan.block)
        channels = (channel.unflatten(1, (plan.blocks, -1)) for channel in values.unbind(-1))
        z, mask = (channel[:, 2:, :reach] for channel in channels)
        errors = _without_jumps((z - forecasts[:, :-1, :reach]).abs(), mask)
        weights = mask * _BLOCK_DECAY ** torch.arange(errors.shape[1] - 1, -1, -1).unsqueeze(-1)
        blocks = weights.sum((1, 2)) / reach
        own = (errors * weights).sum((1, 2)) / reach / blocks.clamp(min=1e-9)
        scale = scales[:, -1]
        ratio = (own / scale).clamp(1e-2, 1e2) ** (blocks / (blocks + _PRIOR_BLOCKS))
        scale = (scale * torch.where(blocks > 0, ratio, 1.0)).unsqueeze(1)
        observed = values[..., 1].sum(1, keepdim=True)
        share = plan.min_observed / (observed + plan.min_observed) * (1 - observed / plan.lookback)
        return scale ** (1 - share) * pooled_scale**share

    @torch.no_grad()
    def call(self, x: np.ndarray, pooled_scale: np.ndarray, weight: np.ndarray) -> WindowForecasts:
        """Call it with arrays: the `NetworkCall` of an estimator."""
        outputs = self(torch.from_numpy(x), torch.from_numpy(pooled_scale), torch.from_numpy(weight))
        return WindowForecasts(*(output.numpy() for output in outputs))


def _without_jumps(errors: Float[Tensor, "N K s"], mask: Float[Tensor, "N K s"]) -> Float[Tensor, "N K s"]:
    """Return errors with an upper bound for blocks whose errors are far larger than those of most blocks."""
    if errors.shape[1] < _MIN_BLOCKS:
        return errors
    counts = mask.sum(-1)
    means = (errors * mask).sum(-1) / counts.clamp(min=1)
    typical = masked_median(means, counts > 0)
    factors = (_MAX_JUMP * typical / means.clamp(min=1e-12)).clamp(max=1.0)
    return errors * torch.where(typical > 0, factors, 1.0).unsqueeze(-1)


def forecast_graph(network: ForecastNetwork, expert: str) -> dict[str, Any]:
    """Return the network blended with a naive forecast as a graph in JSON: outputs z, params and observed.

    Networks of the same architecture share it.
    """
    key = (repr(network), network.plan, network.features, type(network.likelihood), expert)
    if key not in _GRAPHS:
        if len(_GRAPHS) >= _MAX_GRAPHS:
            del _GRAPHS[next(iter(_GRAPHS))]
        _GRAPHS[key] = _record(network, expert)
    return _GRAPHS[key]


def _record(network: ForecastNetwork, expert: str) -> dict[str, Any]:
    module = WindowForecast(network, expert).eval()
    steps, channels = network.plan.lookback, 2
    if network.features:
        steps, channels = steps + network.plan.horizon, channels + len(network.features)

    def examples(batch: int) -> dict[str, Tensor]:
        pooled_scale, weight = torch.ones(batch, 1, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
        return {"x": torch.ones(batch, steps, channels), "pooled_scale": pooled_scale, "weight": weight}

    graph = record(module, examples, {"x": 0, "pooled_scale": 0}, WindowForecasts._fields)
    weights = {value: name.removeprefix("network.") for value, name in graph.weights.items()}
    return replace(graph, weights=weights).to_json()
