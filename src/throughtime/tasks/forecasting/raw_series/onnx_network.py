"""A forecaster as an ONNX network: its inputs by name, what its file says, and the forecasts that it must make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime.data.series.panel import format_date
from throughtime.inference.forecasting.prepared_series import PreparedSeries
from throughtime.inference.forecasting.requests import sorted_levels
from throughtime.io.onnx_networks import Example, OnnxNetwork
from throughtime.tasks.forecasting.raw_series.module import RawSeriesForecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.plan import Plan
    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.tasks.forecasting.forecast_model import ForecastModel

_COMPARED_SERIES = 64
_MIN_ROWS = 2  # sizes of one are not free when a module is captured


def forecaster_networks(forecaster: Forecaster) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    """Return the network of a fitted forecaster, and what its file says about it.

    Raises:
        InputError: for a forecaster that estimates something else at each prediction.
    """
    model, panel = forecaster.model_, forecaster.panel_
    levels = sorted_levels(forecaster.levels)
    seasons = sorted({*panel.frequency.seasons, model.plan.season})
    module = RawSeriesForecast(model.network, model.calibration, levels, seasons)
    count = min(len(panel), _COMPARED_SERIES)
    compared = panel.select(np.unique(np.linspace(0, len(panel) - 1, count).astype(int)).tolist())
    arrays = batch_of_series(compared, model.plan)
    names = [name for name in ("y", "phase", "covariates", "covariates_ahead") if name in arrays]
    network = OnnxNetwork(
        module,
        {name: torch.from_numpy(_at_least_two(arrays[name])) for name in names},
        {name: {0: "batch", 1: "steps"} if name in ("y", "covariates") else {0: "batch"} for name in names},
        ["throughtime", *(f"throughtime-{side}-{level}" for level in levels for side in ("lo", "hi"))],
        below={"phase": model.plan.cycle},
        example=Example([arrays[name] for name in names], _forecasts(model, compared, levels)),
    )
    return {"sequence": network}, _metadata(forecaster, panel, model.plan)


def batch_of_series(panel: Panel, plan: Plan) -> dict[str, np.ndarray]:
    """Return a panel as the inputs of the module, by name: series that begin later have NaN before."""
    steps = max(int(panel.lengths.max()), _MIN_ROWS)
    y = np.full((len(panel), steps), np.nan)
    features = panel.exogenous.all_features
    columns = np.full((len(panel), steps + plan.horizon, len(features)), np.nan)
    for i, series in enumerate(panel):
        y[i, steps - len(series) :] = series
        if features:
            columns[i, steps - len(series) :] = panel.covariates_at(i, len(series) + plan.horizon)
    arrays = {"y": y}
    if plan.cycle > 1:
        arrays["phase"] = PreparedSeries(panel, plan).next_phases().astype(np.int64)
    if features:
        arrays |= {"covariates": columns[:, :steps], "covariates_ahead": columns[:, steps:]}
    return arrays


def _at_least_two(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, _MIN_ROWS, 0) if len(array) < _MIN_ROWS else array


def _forecasts(model: ForecastModel, panel: Panel, levels: Sequence[int | float]) -> list[np.ndarray]:
    forecasts = model.forecast(panel, levels)
    return [forecasts.point, *(side[level] for level in levels for side in (forecasts.low, forecasts.high))]


def _metadata(forecaster: Forecaster, panel: Panel, plan: Plan) -> dict[str, str]:
    values: dict[str, Any] = {
        "horizon": plan.horizon,
        "season": plan.season,
        "levels": [*forecaster.levels],
        "frequency": panel.frequency.name,
        "inputs": {"y": "values (batch, steps) in units of the series; NaN where unknown and before a series begins"},
    }
    if plan.cycle > 1:
        steps_back = int(PreparedSeries(panel.select([0]), plan).next_phases()[0])
        anchor = format_date(panel.stamps(0, int(panel.lengths[0]) - steps_back, 1)[0])
        values["inputs"]["phase"] = (
            f"(batch) steps from {anchor}, or from any number of {plan.cycle} steps before or after it, to the first "
            f"step to forecast, modulo {plan.cycle}"
        )
    if panel.exogenous.all_features:
        values["inputs"]["covariates"] = "(batch, steps, columns) at the steps of y; NaN where unknown"
        values["inputs"]["covariates_ahead"] = "(batch, horizon, columns) at the steps to forecast"
        values["columns"] = [
            {"name": f.name, "role": f.role, "codes": {word: i + 1 for i, word in enumerate(f.categories)}}
            for f in panel.exogenous.all_features
        ]
    return {"task": "forecast"} | {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()
    }
