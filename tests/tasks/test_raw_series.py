"""A forecaster as one module of operators: forecasts from raw series equal those of the forecaster, in ONNX too."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

import throughtime as tt
from throughtime import runtime
from throughtime.inference.forecasting.linear_effects import LinearEffects
from throughtime.io.onnx_export import import_onnx
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS
from throughtime.tasks.forecasting.raw_series.module import RawSeriesForecast
from throughtime.tasks.forecasting.raw_series.onnx_network import batch_of_series
from throughtime.tasks.onnx_networks import estimator_networks

if TYPE_CHECKING:
    from pathlib import Path

STEPS, HORIZON = 120, 7
T = np.arange(STEPS)
RANDOM = np.random.default_rng(5)
SALES = 50 + 10 * np.sin(2 * np.pi * T / 7) + RANDOM.normal(0, 2, STEPS)
SERIES = {
    "whole": SALES,
    "with gaps": np.where(RANDOM.random(STEPS) < 0.2, np.nan, SALES),
    "a gap of a month": np.where((T > 40) & (T < 72), np.nan, SALES),
    "closed on Sundays": np.where(T % 7 == 6, 0.0, SALES),
    "around zero": SALES - 55,
    "large": 1e6 * SALES[30:],
    "short": SALES[-20:],
    "very short": SALES[-5:],
    "zeros": np.zeros(STEPS),
    "one value": SALES[-1:],
}


def frame(series: dict[str, np.ndarray], freq: str = "D") -> pd.DataFrame:
    tables = []
    for name, y in series.items():
        dates = pd.date_range(end="2026-11-30", periods=len(y), freq=freq)
        tables.append(pd.DataFrame({"unique_id": name, "ds": dates, "y": y}))
    return pd.concat(tables, ignore_index=True)


@cache
def fitted(kind: str) -> tt.Forecaster:
    options: dict[str, Any] = {"preset": "fast", "hidden_size": 8}
    if kind == "odd series":
        return tt.Forecaster(HORIZON, **options).fit(frame(SERIES))
    if kind == "oscillation":  # for which autoregression is the best of the naive forecasts
        y = np.zeros(150)
        for t in range(2, len(y)):
            y[t] = 1.6 * y[t - 1] - 0.9 * y[t - 2] + RANDOM.normal()
        return tt.Forecaster(4, season=1, **options).fit(frame({"a": y + 20}, "W"))
    if kind == "walk":
        y = np.cumsum(RANDOM.normal(0, 1, 60))
        return tt.Forecaster(3, likelihood="normal", **options).fit(frame({"a": y, "b": 10 + y[20:]}, "YS"))
    table = frame({name: SERIES[name] for name in ("whole", "closed on Sundays", "with gaps")})
    table["promo"] = RANDOM.integers(0, 2, len(table)).astype(float)
    table["price"] = np.where(RANDOM.random(len(table)) < 0.1, np.nan, RANDOM.normal(10, 2, len(table)))
    table["weather"] = RANDOM.choice(["sun", "rain", "snow"], len(table))
    table["size"] = table["unique_id"].map({"whole": 1.0, "closed on Sundays": 2.0, "with gaps": 5.0})
    table["y"] += 5 * table["promo"]
    table.loc[table.groupby("unique_id").tail(HORIZON).index, ["y", "price"]] = np.nan
    columns = tt.Covariates(future=["promo", "weather"], past=["price"], static=["size"], calendar=True)
    return tt.Forecaster(HORIZON, covariates=columns, **options).fit(table)


KINDS = ["odd series", "oscillation", "walk", "covariates"]


@pytest.mark.parametrize("kind", KINDS)
def test_forecasts_from_raw_series_are_those_of_the_forecaster(kind: str) -> None:
    network = estimator_networks(fitted(kind))[0]["sequence"]
    assert network.example is not None
    with torch.no_grad():
        outputs = network.module.eval()(*map(torch.from_numpy, network.example.inputs))
    assert network.example.largest_difference([output.numpy() for output in outputs]) < 1e-6


def test_the_oscillation_is_forecast_by_autoregression_and_the_network() -> None:
    calibration = fitted("oscillation").model_.calibration
    assert calibration.expert == "autoregression"
    assert 0 < calibration.weight < 1


@pytest.mark.parametrize("kind", ["covariates", pytest.param("odd series", marks=pytest.mark.slow)])
def test_onnxruntime_forecasts_as_the_runtime_does(kind: str, tmp_path: Path) -> None:
    forecaster = fitted(kind)
    network = estimator_networks(forecaster)[0]["sequence"]
    model = network.model(import_onnx(), {}).SerializeToString()
    session = onnxruntime.InferenceSession(model)
    arrays = batch_of_series(forecaster.panel_, forecaster.model_.plan)
    outputs = session.run(None, {name: arrays[name] for name in network.inputs})
    forecaster.save(tmp_path / "model")
    expected = runtime.load(tmp_path / "model").predict()
    names = [output.name for output in session.get_outputs()]
    assert names == [name for name in expected if name not in ("unique_id", "ds")]
    for name, output in zip(names, outputs, strict=True):
        row = expected[name].reshape(output.shape)
        np.testing.assert_allclose(output, row, rtol=1e-5, atol=1e-5 * np.abs(row).max(1, keepdims=True).min())
    assert network.largest_difference(model) < network.tolerance
    assert network.example is not None
    wrong = [output.copy() for output in network.example.outputs]
    wrong[0][-1, -1] *= 1.01
    changed = dataclasses.replace(network, example=network.example._replace(outputs=wrong))
    assert changed.largest_difference(model) > network.tolerance


def test_the_steps_before_a_series_begins_change_nothing() -> None:
    network = estimator_networks(fitted("covariates"))[0]["sequence"]
    assert network.example is not None
    y, phase, columns, ahead = map(torch.from_numpy, network.example.inputs)
    y, columns = y[:, -40:], columns[:, -40:]
    assert y.shape[1] < fitted("covariates").model_.plan.lookback
    before = [torch.full((len(y), 30, *rest), torch.nan, dtype=y.dtype) for rest in ((), columns.shape[2:])]
    with torch.no_grad():
        expected = network.module(y, phase, columns, ahead)
        longer = network.module(torch.cat([before[0], y], 1), phase, torch.cat([before[1], columns], 1), ahead)
    for a, b in zip(expected, longer, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_an_empty_series_has_no_forecast() -> None:
    network = estimator_networks(fitted("odd series"))[0]["sequence"]
    with torch.no_grad():
        outputs = network.module(torch.full((2, 30), torch.nan, dtype=torch.float64), torch.zeros(2, dtype=torch.int64))
    assert all(output.isnan().all() for output in outputs)


def test_what_is_estimated_at_each_prediction_is_refused_with_the_reason() -> None:
    model = fitted("covariates").model_
    effects = model.network.linear_effects
    assert effects is not None
    model.network.set_linear_effects(LinearEffects(effects.coefficients, effects.spread + 1))
    try:
        with pytest.raises(tt.InputError, match="differ between the series"):
            RawSeriesForecast(model.network, model.calibration, [80], [7])
    finally:
        model.network.set_linear_effects(effects)
    model.network.likelihood, kept = LIKELIHOODS["student_t"], model.network.likelihood
    try:
        with pytest.raises(tt.InputError, match="found by iteration"):
            RawSeriesForecast(model.network, model.calibration, [80], [7])
    finally:
        model.network.likelihood = kept
