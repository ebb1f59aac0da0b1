"""Baselines in the units of the series, which every score is compared with: naive forecasts and an autoregression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime.inference.forecasting.autoregression import AUTOREGRESSION, autoregressive_forecast

if TYPE_CHECKING:
    from jaxtyping import Float

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.plan import Plan

BASELINES = {
    "naive": "the last value",
    "seasonal_naive": "seasonal naive",
    "seasonal_mean": "the mean of the last seasons",
    "drift": "the last value and the mean change",
}
"""Naive forecasts: their names, and how a sentence calls them."""

_SEASONS_IN_MEAN = 7


def baseline_season(panel: Panel, plan: Plan) -> int:
    """Return the season of the seasonal baselines: the one detected, else the one of the calendar."""
    if plan.season > 1:
        return plan.season
    return next(iter(panel.frequency.seasons), 1)


def baseline_forecasts(panel: Panel, plan: Plan) -> dict[str, Float[np.ndarray, "n F"]]:
    """Return the forecasts of all series by name."""
    season, horizon = baseline_season(panel, plan), plan.horizon
    forecasts = [_forecast_series(fill_missing(values), season, horizon) for values in panel]
    return {name: np.stack([series[name] for series in forecasts]) for name in (*BASELINES, AUTOREGRESSION)}


def fill_missing(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "M"]:
    """Fill missing values with the one before, leading ones with the first observed; zeros where none is observed."""
    observed = np.isfinite(values)
    if not observed.any():
        return np.zeros(max(len(values), 1))
    last = np.maximum.accumulate(np.where(observed, np.arange(len(values)), 0))
    last[: int(observed.argmax())] = int(observed.argmax())
    return values[last]


def naive_forecast(values: Float[np.ndarray, "T"], season: int, horizon: int) -> Float[np.ndarray, "{horizon}"]:
    """Repeat the last season, where there is a whole one; else the last value."""
    if len(values) < season:
        return np.full(horizon, values[-1])
    return values[len(values) - season + np.arange(horizon) % season]


def _forecast_series(
    values: Float[np.ndarray, "T"], season: int, horizon: int
) -> dict[str, Float[np.ndarray, "{horizon}"]]:
    steps = np.arange(horizon)
    naive = np.full(horizon, values[-1])
    seasons = [
        values[len(values) - times * season + steps % season]
        for times in range(1, 1 + min(_SEASONS_IN_MEAN, len(values) // season))
    ]
    slope = (values[-1] - values[0]) / max(len(values) - 1, 1)
    return {
        "naive": naive,
        "seasonal_naive": naive_forecast(values, season, horizon),
        "seasonal_mean": np.mean(seasons, axis=0) if seasons else naive,
        "drift": naive + slope * (steps + 1),
        AUTOREGRESSION: autoregressive_forecast(values[None], season, horizon)[0],
    }
