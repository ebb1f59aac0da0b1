"""How far a network is trusted beside the naive forecast: its history tells, and does most where little is held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import throughtime as tt
from throughtime.data.frames import read_frame
from throughtime.tasks.forecasting.calibration import calibrate
from throughtime.tasks.forecasting.network import SeasonNetwork
from throughtime.tasks.forecasting.plan import Plan
from throughtime.tasks.forecasting.windows import Store


def walks(count: int, steps: int) -> pd.DataFrame:
    """Random walks, of which nothing tells more than their last value."""
    values = np.random.default_rng(0).standard_normal((count, steps)).cumsum(1) + 1000
    dates = pd.date_range("2020-01-01", periods=steps)
    keys = {"unique_id": np.repeat(np.arange(count), steps), "ds": np.tile(dates, count)}
    return pd.DataFrame(keys | {"y": values.ravel()})


@pytest.mark.parametrize("held_out", [0, 14])
def test_what_never_beat_the_last_value_gets_next_to_no_weight(held_out: int) -> None:
    panel, _ = read_frame(walks(4, 300))
    plan = Plan.of(panel, 14)
    found = calibrate(SeasonNetwork(plan).eval(), Store(panel, plan), held_out, loss="owa")
    assert found.expert == "naive"
    assert found.weight < 0.01


def test_what_adds_to_the_best_naive_forecast_has_a_part_where_little_is_held_out() -> None:
    calibration = tt.Forecaster(11, preset="fast").fit(tt.datasets.load("sunspots")).model_.calibration
    assert calibration.horizons < 10
    assert 0.15 < calibration.weight < 0.7
