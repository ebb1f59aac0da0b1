"""The forecasts that every score stands beside, in the units of the series: naive ones, and an autoregression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.tasks.forecasting.evaluation.autoregression import AUTOREGRESSION, autoregression

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.plan import Plan

BASELINES = {
    "naive": "the last value",
    "seasonal_naive": "seasonal naive",
    "seasonal_mean": "the mean of the last seasons",
    "drift": "the last value and the mean change",
}
"""Naive forecasts: names, and what to call them in a sentence."""

_SEASONS_IN_MEAN = 7


def baseline_season(panel: Panel, plan: Plan) -> int:
    """The season of the seasonal baselines: the one found, else the calendar's."""
    if plan.season > 1:
        return plan.season
    return next(iter(panel.frequency.seasons), 1)


def baselines(panel: Panel, plan: Plan) -> dict[str, np.ndarray]:
    """Forecasts of all series by name: (n, F)."""
    season, horizon = baseline_season(panel, plan), plan.horizon
    found = [_of_series(filled(values), season, horizon) for values in panel]
    return {name: np.stack([f[name] for f in found]) for name in (*BASELINES, AUTOREGRESSION)}


def filled(values: np.ndarray) -> np.ndarray:
    """Missing values repeat the one before; leading ones the first that is known; zeros where nothing is."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(max(len(values), 1))
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))
    last[: int(known.argmax())] = int(known.argmax())
    return values[last]


def naive_forecast(values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """The last season repeated, where there is a whole one; else the last value."""
    if len(values) < season:
        return np.full(horizon, values[-1])
    return values[len(values) - season + np.arange(horizon) % season]


def _of_series(values: np.ndarray, season: int, horizon: int) -> dict[str, np.ndarray]:
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
        AUTOREGRESSION: autoregression(torch.from_numpy(values)[None], season, horizon)[0].numpy(),
    }
