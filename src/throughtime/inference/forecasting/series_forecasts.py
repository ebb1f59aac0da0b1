"""Forecasts of the series of a panel, with their intervals, one horizon after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime.inference.forecasting.prepared_series import PreparedSeries
from throughtime.inference.forecasting.window_forecasts import WindowForecasts, forecast_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.inference.forecasting.error_distributions import ErrorDistribution, Units
    from throughtime.inference.forecasting.linear_effects import LinearEffects
    from throughtime.inference.forecasting.plan import Plan
    from throughtime.inference.forecasting.window_forecasts import NetworkCall

_BATCH_SIZE = 256  # windows


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
class SeriesForecaster:
    """A network with all that turns its outputs into forecasts of series.

    Attributes:
        plan: sizes.
        calibration: of the network.
        errors: distribution of its errors.
        effects: of covariates known in advance.
        call_network: the network.
    """

    plan: Plan
    calibration: Calibration
    errors: ErrorDistribution
    effects: LinearEffects | None
    call_network: NetworkCall

    def forecast(self, panel: Panel, levels: Sequence[int | float], horizon: int | None = None) -> Forecasts:
        """Forecast from the end of every series; series without any value get NaN.

        Beyond the horizon of the training, forecasts are made from forecasts, and the variances of both add up.
        """
        count = self.plan.horizon if horizon is None else horizon
        chunks, unit = [], None
        earlier = {level: np.zeros((len(panel), 1)) for level in levels}
        while len(chunks) * self.plan.horizon < count:
            chunk = self._forecast_horizon(panel)
            previous_unit, unit = unit, np.where(chunk.series.is_positive, 1.0, chunk.series.unit)[:, None]
            scores = {level: self.calibration.width(level) * chunk.interval_factors for level in levels}
            if previous_unit is not None:
                ratio = previous_unit / unit
                scores = {level: chunk.add_variance(score, earlier[level] * ratio) for level, score in scores.items()}
            low = {level: chunk.values(-score) for level, score in scores.items()}
            high = {level: chunk.values(score) for level, score in scores.items()}
            chunks.append(Forecasts(chunk.values(np.zeros_like(chunk.z)), low, high))
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
        return self._add_errors(panel, self.calibration.draw(len(panel) * paths, seed).reshape(len(panel), paths, -1))

    def sample_jointly(
        self, panel: Panel, paths: int, seed: int, correlation: float
    ) -> Float[np.ndarray, "n {paths} F"]:
        """Draw sample paths of series that err together, for their sums: path k of all series is one future."""
        return self._add_errors(panel, self.calibration.draw_jointly(len(panel), paths, seed, correlation))

    def _add_errors(self, panel: Panel, errors: Float[np.ndarray, "n P F"]) -> Float[np.ndarray, "n P F"]:
        chunk = self._forecast_horizon(panel)
        return chunk.values(errors * chunk.interval_factors[:, None])

    def _forecast_horizon(self, panel: Panel) -> _HorizonForecast:
        """Forecast one horizon from the end of every series."""
        series = PreparedSeries(panel, self.plan, self.effects)
        phases = series.next_phases()
        batches = []
        for first in range(0, len(panel), _BATCH_SIZE):
            batch = slice(first, first + _BATCH_SIZE)
            windows = series.last_windows(batch), phases[batch], series.is_positive[batch]
            batches.append(forecast_windows(self.call_network, *windows, self.calibration, self.plan))
        z, params, observed = WindowForecasts(*map(np.concatenate, zip(*batches, strict=True)))
        factors = self.calibration.pooled.interval_factors(observed)
        return _HorizonForecast(z + series.effect_ahead(), params, factors, self.errors, series)


@dataclass(frozen=True)
class _HorizonForecast:
    """Transformed forecasts of one horizon, the parameters of the likelihood, and the conversion to values.

    `interval_factors` widen the intervals of series with few observed values.
    """

    z: Float[np.ndarray, "n F"]
    params: Float[np.ndarray, "n ... P"]
    interval_factors: Float[np.ndarray, "n 1"]
    errors: ErrorDistribution
    series: PreparedSeries

    def distance(self, scores: Float[np.ndarray, "n F"]) -> Float[np.ndarray, "n F"]:
        """Return how far from the forecast scores are, in transformed values."""
        return self.errors.distance(self.z, self.params, scores, self._units(2))

    def add_variance(
        self, scores: Float[np.ndarray, "n F"], earlier: Float[np.ndarray, "n 1"]
    ) -> Float[np.ndarray, "n F"]:
        """Add the variance of earlier steps, at a distance `earlier`, to scores."""
        distance = np.sqrt(self.distance(scores) ** 2 + earlier**2)
        return self.errors.score_at(self.z, self.params, distance, self._units(2))

    def values(self, scores: Float[np.ndarray, "n ... F"]) -> Float[np.ndarray, "n ... F"]:
        """Return the values at scores, in units of the series; NaN for series without any value.

        A series that was never negative gets no negative values, and zeros at structural zeros.
        """
        index = (slice(None), *(None,) * (scores.ndim - 2))
        values = self.errors.values(self.z[index], self.params[index], scores, self._units(scores.ndim))
        trailing = (1,) * (values.ndim - 1)
        lowest = np.where(self.series.has_negative, -np.inf, 0.0).reshape(-1, *trailing)
        values = np.where(self.series.structural_zeros_ahead()[index], 0.0, np.maximum(values, lowest))
        return np.where(self.series.is_empty.reshape(-1, *trailing), np.nan, values)

    def _units(self, dimensions: int) -> Units:
        return self.series.units(dimensions)
