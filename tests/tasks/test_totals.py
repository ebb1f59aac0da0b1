"""Totals add up, and their intervals hold as many sums as they state."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

import throughtime as tt
from throughtime.app.jobs.totals import forecast_totals
from throughtime.app.tables.table_format import TableFormat
from throughtime.data.series.frames import read_frame
from throughtime.inference.forecasting.baseline_changes import horizon_changes, mean_correlation

FIRST = date(2022, 1, 1)
GROUPS = {"region": {"s0": "north", "s1": "north", "s2": "south"}}
FORMAT = TableFormat(time="day", targets=("sales",), series=("shop",), time_columns=("day",), decimals={"sales": 0})


def autoregression(random: np.random.Generator, coefficient: float, steps: int) -> np.ndarray:
    values = np.zeros(steps)
    for t, error in enumerate(random.normal(0, 1, steps)):
        values[t] = coefficient * values[t - 1] + error
    return values


def simulate(seed: int, common: float, steps: int, count: int) -> pl.DataFrame:
    """Weekly seasons and autoregressions, a part of which is common to all series."""
    random = np.random.default_rng(seed)
    shared = common * autoregression(random, 0.9, steps)
    season = 100 + 15 * np.sin(2 * np.pi * np.arange(steps) / 7)
    days = [FIRST + timedelta(i) for i in range(steps)]
    parts = [season + shared + 3 * autoregression(random, 0.7, steps) for _ in range(count)]
    return pl.concat([pl.DataFrame({"unique_id": f"s{i}", "ds": days, "y": y}) for i, y in enumerate(parts)])


@pytest.fixture(scope="module")
def fitted() -> tt.Forecaster:
    return tt.Forecaster(7, preset="fast", hidden_size=4, budget=1).fit(simulate(0, 3, 200, 3))


def test_totals_are_sums_of_the_forecasts_with_bounds_around_them(fitted: tt.Forecaster) -> None:
    forecast, totals = fitted.predict(), fitted.totals(groups=GROUPS, paths=200)
    whole = totals.filter(pl.col("start") != pl.col("end"))
    sums = {(total, name): y for total, name, y in whole.select("total", "name", "throughtime").rows()}
    by_series = dict(forecast.group_by("unique_id").agg(pl.col("throughtime").sum()).rows())
    assert sums["series", "s1"] == pytest.approx(by_series["s1"])
    assert sums["region", "north"] == pytest.approx(by_series["s0"] + by_series["s1"])
    assert sums["all", "all"] == pytest.approx(sum(by_series.values()))
    by_day = totals.filter((pl.col("total") == "all") & (pl.col("start") == pl.col("end")))
    assert by_day["throughtime"].to_list() == pytest.approx(
        forecast.group_by("ds").agg(pl.col("throughtime").sum()).sort("ds")["throughtime"].to_list()
    )
    assert (totals["throughtime-lo-95"] <= totals["throughtime-lo-80"]).all()
    assert (totals["throughtime-lo-80"] < totals["throughtime"]).all()
    assert (totals["throughtime"] < totals["throughtime-hi-80"]).all()


def test_rounded_totals_are_sums_of_rounded_forecasts(fitted: tt.Forecaster) -> None:
    forecast = fitted.predict()
    totals = forecast_totals(fitted, forecast, FORMAT, GROUPS)
    assert totals.columns[:5] == ["total", "name", "from", "to", "sales"]
    rounded = forecast.with_columns(pl.col("throughtime").round(0))
    north = rounded.filter(pl.col("unique_id") != "s2")["throughtime"].sum()
    row = totals.filter((pl.col("name") == "north") & (pl.col("from") != pl.col("to")))
    assert row["sales"].to_list() == [north]
    assert totals.schema["sales"] == pl.Int64


def test_paths_of_one_series_are_distributed_as_without_the_others(fitted: tt.Forecaster) -> None:
    calibration = fitted.model_.calibration
    alone = calibration.draw(40_000, 0)
    joint = calibration.draw_jointly(2, 20_000, 0, 0.7)
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    scale = alone.sum(1).std()
    difference = np.quantile(joint.reshape(-1, 7).sum(1), shares) - np.quantile(alone.sum(1), shares)
    assert np.abs(difference).max() < 0.06 * scale
    correlation = np.corrcoef(joint.sum(2))[0, 1]
    assert 0.6 < correlation < 0.75


@pytest.mark.parametrize(("common", "low", "high"), [(0.0, 0.0, 0.15), (3.0, 0.5, 0.85), (100.0, 0.97, 0.99)])
def test_the_correlation_of_series_is_that_of_their_common_part(common: float, low: float, high: float) -> None:
    panel = read_frame(simulate(1, common, 600, 4))[0]
    assert low <= mean_correlation(*horizon_changes(panel, 7, 7)) <= high


def test_series_that_are_never_known_together_have_no_correlation() -> None:
    panel = read_frame(simulate(1, 3, 30, 1))[0]
    assert mean_correlation(*horizon_changes(panel, 7, 7)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("common", [0.0, 3.0])
def test_intervals_of_totals_hold_the_sums_that_they_state(common: float) -> None:
    inside = {"series": [], "all": []}
    for seed in range(6):
        df, trained, horizon = simulate(seed, common, 484, 6), 400, 7
        forecaster = tt.Forecaster(horizon, preset="fast", budget=2).fit(
            df.filter(pl.col("ds") < FIRST + timedelta(trained))
        )
        for cut in range(trained, 484 - horizon + 1, horizon):
            start, end = FIRST + timedelta(cut), FIRST + timedelta(cut + horizon)
            totals = forecaster.totals(df.filter(pl.col("ds") < start), level=[80], paths=400)
            actual = df.filter((pl.col("ds") >= start) & (pl.col("ds") < end))
            sums = dict(actual.group_by("unique_id").agg(pl.col("y").sum()).rows()) | {"all": actual["y"].sum()}
            for total, name, *_, low, high in totals.filter(pl.col("start") != pl.col("end")).rows():
                inside[total].append(low <= sums[name] <= high)
    assert 0.72 <= np.mean(inside["series"]) <= 0.88
    assert 0.68 <= np.mean(inside["all"]) <= 0.92
