"""Default settings compared with naive forecasts on real series, and with published scores on M4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import throughtime as tt
from throughtime.data import datasets
from throughtime.tasks.forecasting.evaluation import metrics

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def assert_wins(df: pd.DataFrame, horizon: int) -> None:
    """Require less error than naive and seasonal naive have, and intervals that hold half of what they promise."""
    result = tt.Forecaster(horizon).backtest(df)
    ours = result.scores.pop("throughtime")
    for name in ("naive", "seasonal_naive"):
        assert ours["mase"] < 0.95 * result.scores[name]["mase"], (name, ours, result.scores[name])
    assert 0.4 <= result.coverage[80] <= 1
    assert result.coverage[80] <= result.coverage[95]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "horizon"), [("sunspots", 11), ("co2", 12)])
def test_the_network_wins_on_series_that_come_with_statsmodels(name: str, horizon: int) -> None:
    assert_wins(datasets.load(name), horizon)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "horizon"), [("airline", 12), ("monthly_sunspots", 12), ("etth1", 24)])
def test_the_network_wins_on_real_series(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str, horizon: int
) -> None:
    monkeypatch.setenv("THROUGHTIME_DATA", str(data_dir))
    assert_wins(datasets.load(name), horizon)


@pytest.mark.slow
def test_m4_hourly_is_forecast_as_well_as_by_the_winner_of_the_competition(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ES-RNN's OWA is 0.440; seasonal naive's is 0.628."""
    monkeypatch.setenv("THROUGHTIME_DATA", str(data_dir))
    df, future = datasets.load("m4_hourly"), datasets.load_test("m4_hourly")
    forecast = tt.Forecaster(48).fit(df).predict()
    joined = future.merge(forecast, on=["unique_id", "ds"], validate="one_to_one")
    assert len(joined) == len(future) == 414 * 48
    order = joined["unique_id"].unique()
    y, ours, low, high = (
        joined[c].to_numpy().reshape(414, 48) for c in ("y", "throughtime", "throughtime-lo-95", "throughtime-hi-95")
    )
    histories = dict(tuple(df.groupby("unique_id")["y"]))
    mase = np.mean([metrics.mase(y[i], ours[i], histories[name].to_numpy(), 24) for i, name in enumerate(order)])
    owa = (metrics.smape(y, ours).mean() / 18.383 + mase / 2.395) / 2
    assert owa < 0.46
    assert 0.92 <= ((y >= low) & (y <= high)).mean() <= 0.98
