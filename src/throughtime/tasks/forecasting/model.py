"""A trained forecaster without its panel: the network, its calibration, and forecasts for any panel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.forecasting.calibration import Calibration, naive_forecasts, predict
from throughtime.tasks.forecasting.windows import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.series import Panel
    from throughtime.tasks.forecasting.network import SeasonNetwork
    from throughtime.tasks.forecasting.plan import Plan

_AT_ONCE = 256  # windows
_TAME = 0.7  # a width in logarithms, about a factor of two, beyond which an upper bound grows as the width itself does


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of the series of a panel, each (n, F); intervals by level in percent."""

    point: np.ndarray
    low: dict[int | float, np.ndarray]
    high: dict[int | float, np.ndarray]


@dataclass
class Model:
    """What training left."""

    plan: Plan
    network: SeasonNetwork
    calibration: Calibration

    def alone(self) -> Model:
        """The network without the naive forecast that it may have been mixed with."""
        return replace(self, calibration=replace(self.calibration, weight=1.0))

    def too_short(self, panel: Panel) -> np.ndarray:
        """Which series know too little for the network: less than two of its steps."""
        return np.array([np.isfinite(values).sum() < 2 * self.plan.block for values in panel])

    @torch.no_grad()
    def forecast(self, panel: Panel, levels: Sequence[int | float]) -> Forecasts:
        """Forecast from the end of every series; series without any value get NaN."""
        store = Store(panel, self.plan)
        short = torch.from_numpy(self.too_short(panel))
        points, scales = [], []
        for series in torch.arange(len(panel)).split(_AT_ONCE):
            x = store.inputs(series, store.lengths[series])
            z, scale = predict(self.network, x, self.calibration)
            naive = naive_forecasts(self.network, x)[self.calibration.expert]
            points.append(torch.where(short[series].unsqueeze(1), naive, z))
            scales.append(scale)
        z, scale, every = torch.cat(points), torch.cat(scales), torch.arange(len(panel))
        unknown = np.array([not np.isfinite(values).any() for values in panel])
        low, high = {}, {}

        def back(values: torch.Tensor) -> np.ndarray:
            return np.where(unknown[:, None], np.nan, store.back(values, every).numpy())

        for level in levels:
            width = scale * torch.from_numpy(self.calibration.width(level))
            low[level], high[level] = back(z - width), back(z + _tamed(width, store.positive))
        return Forecasts(back(z), low, high)


def _tamed(width: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """Widths above a forecast: those in logarithms grow without measure when they are undone."""
    slow = torch.where(width > _TAME, _TAME + torch.log1p((width - _TAME).clamp(min=0)), width)
    return torch.where(positive.unsqueeze(1) > 0, slow, width)
