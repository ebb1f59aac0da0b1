"""A trained forecaster without its panel: the network, its calibration, and forecasts for any panel."""

from __future__ import annotations

from dataclasses import dataclass
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

    def quantiles(self, levels: Sequence[int]) -> dict[float, np.ndarray]:
        """The bounds of some intervals and the median, by the share of values that should lie below, in order."""
        found = {0.5: self.point}
        for level in levels:
            found[(100 - level) / 200], found[(100 + level) / 200] = self.low[level], self.high[level]
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class _Stage:
    """Forecasts of a horizon in what the network sees, (n, F), the scale of each (n, 1), and how to go back."""

    z: torch.Tensor
    scale: torch.Tensor
    store: Store
    unknown: np.ndarray  # series without any value

    def back(self, z: torch.Tensor) -> np.ndarray:
        """In units of the series, (n, …, F); NaN where nothing is known."""
        found = self.store.back(z, torch.arange(len(z))).numpy()
        return np.where(self.unknown.reshape(-1, *(1 for _ in z.shape[1:])), np.nan, found)

    def above(self, z: torch.Tensor, width: torch.Tensor) -> np.ndarray:
        """What lies so far above; widths in logarithms grow without measure when they are undone."""
        slow = torch.where(width > _TAME, _TAME + torch.log1p((width - _TAME).clamp(min=0)), width)
        positive = self.store.positive.reshape(-1, *(1 for _ in width.shape[1:])) > 0
        return self.back(z + torch.where(positive, slow, width))


@dataclass
class Model:
    """What training left."""

    plan: Plan
    network: SeasonNetwork
    calibration: Calibration

    def too_short(self, panel: Panel) -> np.ndarray:
        """Which series know too little for the network: less than two of its steps."""
        return np.array([np.isfinite(values).sum() < 2 * self.plan.block for values in panel])

    def forecast(self, panel: Panel, levels: Sequence[int | float], horizon: int | None = None) -> Forecasts:
        """Forecast from the end of every series; series without any value get NaN.

        Beyond the horizon that was learned, forecasts are made from forecasts, and the variances of both add up.
        """
        count = self.plan.horizon if horizon is None else horizon
        parts, before, units = [], {level: torch.zeros(len(panel), 1, dtype=torch.float64) for level in levels}, None
        while len(parts) * self.plan.horizon < count:
            stage = self._stage(panel)
            unit = torch.where(stage.store.positive > 0, 1.0, stage.store.unit).unsqueeze(1)
            changed = 1.0 if units is None else units / unit
            widths = {
                level: ((stage.scale * self._width(level)) ** 2 + (before[level] * changed) ** 2).sqrt()
                for level in levels
            }
            low = {level: stage.back(stage.z - width) for level, width in widths.items()}
            high = {level: stage.above(stage.z, width) for level, width in widths.items()}
            parts.append(Forecasts(stage.back(stage.z), low, high))
            before, units = {level: width[:, -1:] for level, width in widths.items()}, unit
            panel = panel.followed_by(parts[-1].point)

        def whole(arrays: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(arrays, 1)[:, :count]

        return Forecasts(
            whole([part.point for part in parts]),
            {level: whole([part.low[level] for part in parts]) for level in levels},
            {level: whole([part.high[level] for part in parts]) for level in levels},
        )

    def sample(self, panel: Panel, paths: int, seed: int) -> np.ndarray:
        """Courses that each series may take over the horizon: (n, paths, F)."""
        stage = self._stage(panel)
        errors = torch.from_numpy(self.calibration.draw(len(panel) * paths, seed)).unflatten(0, (len(panel), paths))
        z, width = stage.z.unsqueeze(1), stage.scale.unsqueeze(1) * errors.abs()
        return np.where(errors > 0, stage.above(z, width), stage.back(z - width))

    def _width(self, level: float) -> torch.Tensor:
        return torch.from_numpy(self.calibration.width(level))

    @torch.no_grad()
    def _stage(self, panel: Panel) -> _Stage:
        """Forecasts of one horizon."""
        store = Store(panel, self.plan)
        short = torch.from_numpy(self.too_short(panel))
        points, scales = [], []
        for series in torch.arange(len(panel)).split(_AT_ONCE):
            x = store.inputs(series, store.lengths[series])
            z, scale = predict(self.network, x, self.calibration)
            naive = naive_forecasts(self.network, x)[self.calibration.expert]
            points.append(torch.where(short[series].unsqueeze(1), naive, z))
            scales.append(scale)
        unknown = np.array([not np.isfinite(values).any() for values in panel])
        return _Stage(torch.cat(points), torch.cat(scales), store, unknown)
