"""A trained forecaster without its panel: the network, its calibration, and forecasts for any panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.forecasting.calibration.blending import predict
from throughtime.tasks.forecasting.windows import WindowStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.calibration.calibration import Calibration
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.network.likelihoods import Likelihood, TargetUnits
    from throughtime.tasks.forecasting.plan import Plan

_AT_ONCE = 256  # windows


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
class _HorizonForecast:
    """Forecasts of a horizon in what the network sees, (n, F), the likelihood's numbers (n, F, P), and the way back.

    Intervals of series with few known values are wider by factors (n, 1).
    """

    z: torch.Tensor
    params: torch.Tensor
    widening: torch.Tensor
    likelihood: Likelihood
    store: WindowStore
    unknown: np.ndarray  # series without any value

    def distance(self, scores: torch.Tensor) -> torch.Tensor:
        """How far from the forecast scores lie, in what the network sees: (n, F)."""
        return self.likelihood.distance(self.z, self.params, scores, self._units(2))

    def widened(self, scores: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Scores of what is not known of these steps and of those before them, whose variances add up: (n, F)."""
        distance = (self.distance(scores) ** 2 + before**2).sqrt()
        return self.likelihood.score_at(self.z, self.params, distance, self._units(2))

    def values(self, scores: torch.Tensor) -> np.ndarray:
        """At scores (n, …, F), in units of the series; NaN where nothing is known.

        A series that was never negative has no negative values, and zeros at steps that are always zero.
        """
        more = scores.ndim - 2
        z, params = self.z[(slice(None), *(None,) * more)], self.params[(slice(None), *(None,) * more)]
        found = self.likelihood.values(z, params, scores, self._units(scores.ndim))
        series = torch.arange(len(self.z))
        least = torch.where(self.store.signed, -torch.inf, 0.0).double()
        found = torch.maximum(found, least.reshape(-1, *(1,) * (found.ndim - 1)))
        closed = self.store.closed_ahead(series, self.store.lengths)[(slice(None), *(None,) * more)]
        found = torch.where(closed, 0.0, found).numpy()
        return np.where(self.unknown.reshape(-1, *(1,) * (found.ndim - 1)), np.nan, found)

    def _units(self, dimensions: int) -> TargetUnits:
        return self.store.units(torch.arange(len(self.z)), dimensions)


@dataclass
class ForecastModel:
    """What training left."""

    plan: Plan
    network: ForecastNetwork
    calibration: Calibration

    def decision_notes(self, panel: Panel) -> list[str]:
        """What was decided about the data, in plain sentences."""
        short = [panel.ids[i] for i in np.flatnonzero(self.too_short(panel))]
        weight, expert = self.calibration.weight, self.calibration.expert.replace("_", " ")
        notes = []
        if short:
            shown = ", ".join(map(str, short[:5])) + (", …" if len(short) > 5 else "")
            notes.append(
                f"Too short for the network, forecast from their own level and the mean season of the others, with "
                f"intervals as wide as forecasts of the others from as few values err: {len(short)} series ({shown})."
                if len(panel) > len(short)
                else "Too short for the network, forecast from the level and the mean season."
            )
        if len(panel) == len(short):
            pass
        elif weight == 0:
            notes.append(f"The network was no better than {expert} on what is past, so {expert} is the forecast.")
        elif weight < 1:
            share = "less than 1%" if weight < 0.005 else "more than 99%" if weight > 0.995 else f"{weight:.0%}"
            notes.append(f"The network's share of the forecast is {share}, the rest is that of {expert}.")
        if not self.calibration.horizons:
            notes.append("The data are too short to calibrate the intervals: they are a guess.")
        return notes

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
            scores = {level: self._width(level) * stage.widening for level in levels}
            if units is not None:
                scores = {level: stage.widened(score, before[level] * changed) for level, score in scores.items()}
            low = {level: stage.values(-score) for level, score in scores.items()}
            high = {level: stage.values(score) for level, score in scores.items()}
            parts.append(Forecasts(stage.values(torch.zeros_like(stage.z)), low, high))
            before, units = {level: stage.distance(score)[:, -1:] for level, score in scores.items()}, unit
            panel = panel.append(parts[-1].point)

        def whole(arrays: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(arrays, 1)[:, :count]

        return Forecasts(
            whole([part.point for part in parts]),
            {level: whole([part.low[level] for part in parts]) for level in levels},
            {level: whole([part.high[level] for part in parts]) for level in levels},
        )

    def sample(self, panel: Panel, paths: int, seed: int) -> np.ndarray:
        """Courses that each series may take over the horizon: (n, paths, F)."""
        errors = torch.from_numpy(self.calibration.draw(len(panel) * paths, seed)).unflatten(0, (len(panel), paths))
        stage = self._stage(panel)
        return stage.values(errors * stage.widening.unsqueeze(1))

    def _width(self, level: float) -> torch.Tensor:
        return torch.from_numpy(self.calibration.width(level))

    @torch.no_grad()
    def _stage(self, panel: Panel) -> _HorizonForecast:
        """Forecasts of one horizon."""
        store = WindowStore(panel, self.plan, self.network.linear_effects)
        parts = [
            predict(self.network, store, series, store.lengths[series], self.calibration)
            for series in torch.arange(len(panel)).split(_AT_ONCE)
        ]
        z, params, known = map(torch.cat, zip(*parts, strict=True))
        z = z + store.effect_ahead(torch.arange(len(panel)), store.lengths)
        unknown = np.array([not np.isfinite(values).any() for values in panel])
        return _HorizonForecast(
            z, params, self.calibration.pooled.interval_factors(known), self.network.likelihood, store, unknown
        )
