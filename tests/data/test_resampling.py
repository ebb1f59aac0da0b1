"""Observations at dates that follow no frequency are put on a grid that holds no later value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import throughtime as tt
from throughtime.data.series.frames import read_frame

if TYPE_CHECKING:
    from pathlib import Path

START = pd.Timestamp("2024-01-01")


def observed(hours: np.ndarray, wave: float = 24.0, name: str = "a") -> pd.DataFrame:
    """A sine at times in hours."""
    ds = START + pd.to_timedelta(np.round(hours * 3600), unit="s")
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": 10 + 3 * np.sin(2 * np.pi * hours / wave)})


def at_random(count: int = 600, seed: int = 0, mean: float = 1.0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(mean, count) + 0.01)


@pytest.mark.parametrize(("mean", "name"), [(1.0, "30min"), (0.5, "20min"), (30.0, "12h"), (60.0, "D"), (0.01, "min")])
def test_the_grid_is_no_coarser_than_the_typical_distance(mean: float, name: str) -> None:
    panel, _ = read_frame(observed(at_random(mean=mean)))
    assert (panel.irregular, panel.frequency.name) == (True, name)
    grid = f"The dates follow no frequency: 600 observations were put on a grid, {panel.frequency.description}."
    assert panel.notes == [f"{grid} Each step holds the last observation before it; steps without one are masked."]


def test_a_step_holds_the_last_value_up_to_its_date() -> None:
    frame = observed(at_random())
    panel, _ = read_frame(frame)
    stamps, step = panel.stamps(0, 0, len(panel[0])), np.timedelta64(30, "m")
    for stamp, value in zip(stamps, panel[0], strict=True):
        within = frame[(frame["ds"] > stamp - step) & (frame["ds"] <= stamp)]["y"]
        assert value == within.iloc[-1] if len(within) else np.isnan(value)
    assert 0.3 < np.isfinite(panel[0]).mean() < 0.5


def test_a_value_that_is_missing_hides_none_before_it() -> None:
    frame = observed(at_random())
    later = frame.iloc[[300]].assign(ds=lambda rows: rows["ds"] + pd.Timedelta("1s"), y=np.nan)
    with_it, without = (read_frame(table)[0].values for table in (pd.concat([frame, later]), frame))
    np.testing.assert_array_equal(with_it, without)


def test_a_frequency_that_is_asked_for_is_the_grid() -> None:
    assert read_frame(observed(at_random()), freq="2h")[0].frequency.name == "2h"
    with pytest.raises(tt.InputError, match="freq: expected one of s, min, h, D, W for irregular dates, got MS"):
        read_frame(observed(at_random()), freq="MS")


@pytest.mark.parametrize(
    "ds",
    [
        pd.date_range(START, periods=300, freq="h"),
        pd.date_range(START, periods=300, freq="D")[np.random.default_rng(0).random(300) < 0.6],
        pd.date_range(START, periods=300, freq="h")[np.random.default_rng(0).random(300) < 0.7],
        pd.date_range(START, periods=60, freq="MS"),
        pd.date_range(START, periods=60, freq="B"),
        START + pd.to_timedelta([0, 1, 3, 8], unit="h"),
    ],
    ids=["hours", "most days", "hours with gaps", "months", "business days", "few"],
)
def test_dates_that_have_a_frequency_keep_it(ds: pd.DatetimeIndex) -> None:
    assert not read_frame(pd.DataFrame({"ds": ds, "y": np.arange(float(len(ds)))}))[0].irregular


def test_a_few_days_are_days_with_gaps() -> None:
    ds = pd.date_range(START, periods=300, freq="D")[np.random.default_rng(0).random(300) < 0.3]
    panel, _ = read_frame(pd.DataFrame({"ds": ds, "y": np.arange(float(len(ds)))}))
    stamps = panel.stamps(0, 0, len(panel[0]))
    assert panel.frequency.name == "D"
    assert (stamps[np.isfinite(panel[0])] == ds.to_numpy()).all()


def test_one_wrong_date_is_refused_as_before() -> None:
    ds = pd.date_range(START, periods=100, freq="h").to_series()
    ds.iloc[50] += pd.Timedelta("7min")
    with pytest.raises(tt.InputError, match="does not fit the frequency h"):
        read_frame(pd.DataFrame({"ds": ds, "y": 1.0}))


def error(forecast: Any) -> float:
    hours = (forecast["ds"] - START) / pd.Timedelta("1h")
    return float(np.abs(forecast["throughtime"] - 10 - 3 * np.sin(2 * np.pi * hours / 24)).mean())


def test_a_sine_at_random_times_is_forecast_and_again_from_fresh_rows(tmp_path: Path) -> None:
    frame = pd.concat([observed(at_random(seed=seed), name=str(seed)) for seed in range(5)])
    forecaster = tt.Forecaster(24, preset="fast", budget=5).fit(frame)
    assert forecaster.freq_ == "30min"
    assert error(forecaster.predict()) < 0.5, "of an amplitude of 3"
    forecaster.save(tmp_path / "model")
    again = tt.load(tmp_path / "model")
    fresh = observed(at_random(seed=9), name="new")
    forecast = again.predict(fresh)
    assert error(forecast) < 0.5
    assert forecast["ds"].iloc[0] == fresh["ds"].iloc[-1].ceil("30min") + pd.Timedelta("30min")
    few = again.predict(fresh.iloc[:3])  # too few to show that they are irregular: the training decides
    assert few["ds"].iloc[0] == fresh["ds"].iloc[2].ceil("30min") + pd.Timedelta("30min")
