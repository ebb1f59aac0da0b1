"""A trained forecaster without its panel: the network, its calibration, and forecasts of any panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.forecasting.calibration.blending import predict
from throughtime.tasks.forecasting.windows import WindowStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float
    from torch import Tensor

    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.calibration.parameters import Calibration
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.network.likelihoods import Likelihood, TargetUnits
    from throughtime.tasks.forecasting.plan import Plan

_BATCH_SIZE = 256  # windows
_MAX_NAMED = 5


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of the series of a panel, each (n, F); bounds of intervals by level in percent."""

    point: Float[np.ndarray, "n F"]
    low: dict[int | float, np.ndarray]
    high: dict[int | float, np.ndarray]

    def quantiles(self, levels: Sequence[int]) -> dict[float, Float[np.ndarray, "n F"]]:
        """Return the bounds of some intervals and the median as quantiles, by their probability, in order."""
        quantiles = {0.5: self.point}
        for level in levels:
            quantiles[(100 - level) / 200], quantiles[(100 + level) / 200] = self.low[level], self.high[level]
        return dict(sorted(quantiles.items()))


@dataclass(frozen=True)
class _HorizonForecast:
    """Transformed forecasts of one horizon, the parameters of the likelihood, and the conversion to values.

    `interval_factors` widen the intervals of series with few observed values.
    """

    z: Float[Tensor, "n F"]
    params: Float[Tensor, "n ... P"]
    interval_factors: Float[Tensor, "n 1"]
    likelihood: Likelihood
    store: WindowStore
    is_empty: Bool[np.ndarray, "n"]  # series without any value

    def distance(self, scores: Float[Tensor, "n F"]) -> Float[Tensor, "n F"]:
        """Return how far from the forecast scores are, in transformed values."""
        return self.likelihood.distance(self.z, self.params, scores, self._units(2))

    def add_variance(self, scores: Float[Tensor, "n F"], earlier: Float[Tensor, "n 1"]) -> Float[Tensor, "n F"]:
        """Add the variance of earlier steps, at a distance `earlier`, to scores."""
        distance = (self.distance(scores) ** 2 + earlier**2).sqrt()
        return self.likelihood.score_at(self.z, self.params, distance, self._units(2))

    def values(self, scores: Float[Tensor, "n ... F"]) -> Float[np.ndarray, "n ... F"]:
        """Return the values at scores, in units of the series; NaN for series without any value.

        A series that was never negative gets no negative values, and zeros at structural zeros.
        """
        index = (slice(None), *(None,) * (scores.ndim - 2))
        values = self.likelihood.values(self.z[index], self.params[index], scores, self._units(scores.ndim))
        trailing = (1,) * (values.ndim - 1)
        series = torch.arange(len(self.z))
        lower = torch.where(self.store.has_negative, -torch.inf, 0.0).double()
        values = torch.maximum(values, lower.reshape(-1, *trailing))
        zeros = self.store.structural_zeros_ahead(series, self.store.lengths)[index]
        values = torch.where(zeros, 0.0, values).numpy()
        return np.where(self.is_empty.reshape(-1, *trailing), np.nan, values)

    def _units(self, dimensions: int) -> TargetUnits:
        return self.store.units(torch.arange(len(self.z)), dimensions)


@dataclass
class ForecastModel:
    """The result of a training."""

    plan: Plan
    network: ForecastNetwork
    calibration: Calibration

    def decision_notes(self, panel: Panel) -> list[str]:
        """Return sentences on how the series are forecast: short series, share of the network, calibration."""
        short = [panel.ids[i] for i in np.flatnonzero(self.too_short(panel))]
        weight, expert = self.calibration.weight, self.calibration.expert.replace("_", " ")
        notes = []
        if short:
            named = ", ".join(map(str, short[:_MAX_NAMED])) + (", …" if len(short) > _MAX_NAMED else "")
            notes.append(
                f"Too short for the network, forecast from their own level and the mean season of the others, with "
                f"intervals as wide as forecasts of the others from as few values err: {len(short)} series ({named})."
                if len(panel) > len(short)
                else "Too short for the network, forecast from the level and the mean season."
            )
        if len(panel) == len(short):
            pass
        elif weight == 0:
            notes.append(
                f"The network was not better than {expert} on held-out windows, so the forecast is that of {expert}."
            )
        elif weight < 1:
            share = "less than 1%" if weight < 0.005 else "more than 99%" if weight > 0.995 else f"{weight:.0%}"
            notes.append(f"The network's share of the forecast is {share}, the rest is that of {expert}.")
        if not self.calibration.horizons:
            notes.append("The data are too short to calibrate the intervals: they are a guess.")
        return notes

    def too_short(self, panel: Panel) -> Bool[np.ndarray, "n"]:
        """Return which series have too few observed values for the network: less than two of its steps."""
        return np.array([np.isfinite(values).sum() < 2 * self.plan.block for values in panel])

    def forecast(self, panel: Panel, levels: Sequence[int | float], horizon: int | None = None) -> Forecasts:
        """Forecast from the end of every series; series without any value get NaN.

        Beyond the horizon of the training, forecasts are made from forecasts, and the variances of both add up.
        """
        count = self.plan.horizon if horizon is None else horizon
        chunks, unit = [], None
        earlier = {level: torch.zeros(len(panel), 1, dtype=torch.float64) for level in levels}
        while len(chunks) * self.plan.horizon < count:
            chunk = self._forecast_horizon(panel)
            previous_unit, unit = unit, torch.where(chunk.store.positive > 0, 1.0, chunk.store.unit).unsqueeze(1)
            scores = {level: self._interval_width(level) * chunk.interval_factors for level in levels}
            if previous_unit is not None:
                ratio = previous_unit / unit
                scores = {level: chunk.add_variance(score, earlier[level] * ratio) for level, score in scores.items()}
            low = {level: chunk.values(-score) for level, score in scores.items()}
            high = {level: chunk.values(score) for level, score in scores.items()}
            chunks.append(Forecasts(chunk.values(torch.zeros_like(chunk.z)), low, high))
            earlier = {level: chunk.distance(score)[:, -1:] for level, score in scores.items()}
            panel = panel.append(chunks[-1].point)

        def join(arrays: list[np.ndarray]) -> np.ndarray:
            return np.concatenate(arrays, 1)[:, :count]

        return Forecasts(
            join([chunk.point for chunk in chunks]),
            {level: join([chunk.low[level] for chunk in chunks]) for level in levels},
            {level: join([chunk.high[level] for chunk in chunks]) for level in levels},
        )

    def sample(self, panel: Panel, paths: int, seed: int) -> Float[np.ndarray, "n {paths} F"]:
        """Draw sample paths of each series over the horizon."""
        errors = torch.from_numpy(self.calibration.draw(len(panel) * paths, seed)).unflatten(0, (len(panel), paths))
        chunk = self._forecast_horizon(panel)
        return chunk.values(errors * chunk.interval_factors.unsqueeze(1))

    def _interval_width(self, level: float) -> Float[Tensor, "F"]:
        return torch.from_numpy(self.calibration.width(level))

    @torch.no_grad()
    def _forecast_horizon(self, panel: Panel) -> _HorizonForecast:
        """Forecast one horizon from the end of every series."""
        store = WindowStore(panel, self.plan, self.network.linear_effects)
        batches = [
            predict(self.network, store, series, store.lengths[series], self.calibration)
            for series in torch.arange(len(panel)).split(_BATCH_SIZE)
        ]
        z, params, observed = map(torch.cat, zip(*batches, strict=True))
        z = z + store.effect_ahead(torch.arange(len(panel)), store.lengths)
        is_empty = np.array([not np.isfinite(values).any() for values in panel])
        factors = self.calibration.pooled.interval_factors(observed)
        return _HorizonForecast(z, params, factors, self.network.likelihood, store, is_empty)
