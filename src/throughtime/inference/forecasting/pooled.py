"""Forecasts of series with too few values for the network: their own level and the mean season of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Shaped

    from throughtime.inference.forecasting.plan import Plan


@dataclass(frozen=True)
class PooledStatistics:
    """Statistics that series share, separately for series that are not positive and for those that are.

    Attributes:
        profile: deviations from the level by position in the longest season, in transformed values: (2, cycle).
        scales: typical scale: (2,).
        fading: weight of a value relative to the next one in the level of a short series: (1,).
        counts: numbers of observed values, ascending: (K,).
        widening: factor of the intervals of windows with these numbers of observed values: (K,).
    """

    profile: Float[np.ndarray, "2 cycle"]
    scales: Float[np.ndarray, "2"]
    fading: Float[np.ndarray, "1"]
    counts: Float[np.ndarray, "K"]
    widening: Float[np.ndarray, "K"]

    def interval_factors(self, observed: Shaped[np.ndarray, "N"]) -> Float[np.ndarray, "N 1"]:
        """Return the factors of the intervals of windows with these numbers of observed values."""
        if not len(self.counts):
            return np.ones((len(observed), 1))
        return np.interp(np.log(np.maximum(observed, 1)), np.log(self.counts), self.widening)[:, None]

    def forecast(
        self,
        plan: Plan,
        window: Float[np.ndarray, "N W 2"],
        phases: Int[np.ndarray, "N"],
        is_positive: Bool[np.ndarray, "N"],
        fading: float | None = None,
    ) -> Float[np.ndarray, "N F"]:
        """Forecast short series from the values and masks of their windows."""
        z, mask = np.moveaxis(window.astype(np.float64), -1, 0)
        steps = np.arange(-plan.lookback, plan.horizon)
        season = self.profile[is_positive.astype(int)[:, None], (phases[:, None] + steps) % plan.cycle]
        past, ahead = season[:, : plan.lookback], season[:, plan.lookback :]
        return series_level(z, mask, past, float(self.fading[0]) if fading is None else fading) + ahead


def series_level(
    z: Float[np.ndarray, "N W"], mask: Float[np.ndarray, "N W"], season: Float[np.ndarray, "N W"], fading: float
) -> Float[np.ndarray, "N 1"]:
    """Return the mean of observed values minus the season, weighted by fading^age; the last if none is observed."""
    ages = np.maximum(mask.sum(1, keepdims=True) - mask.cumsum(1), 0)
    weights = mask * fading**ages
    level = ((z - season) * weights).sum(1, keepdims=True) / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    return np.where(mask.any(1, keepdims=True), level, (z - season)[:, -1:])
