"""Sentences on scores are true, on odd data too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import throughtime as tt
from throughtime.app.scores import describe_mase_unit
from throughtime.inference.forecasting.naive_error import naive_error
from throughtime.tasks.forecasting.evaluation.comparison import _verdict as leaderboard_verdict
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.evaluation.verdict import (
    backtest_verdict,
    network_share_sentence,
    verdict_subject,
)

if TYPE_CHECKING:
    from throughtime.tasks.forecasting.evaluation.window_results import Backtest


def frame(values: np.ndarray, name: str = "a", freq: str = "D") -> pd.DataFrame:
    ds = pd.date_range("2024-01-01", periods=len(values), freq=freq)
    return pd.DataFrame({"unique_id": name, "ds": ds, "y": values})


def backtest(df: pd.DataFrame) -> Backtest:
    forecaster = tt.Forecaster(4, preset="fast", hidden_size=4, budget=0.2)
    return forecaster.backtest(df, n_windows=1, memoryless=False)


WEEKS = np.tile([1.0, 2, 3, 4, 5, 6, 20], 12) + np.random.default_rng(0).normal(0, 0.1, 84)


def test_mase_says_what_it_divides_by() -> None:
    daily, monthly = backtest(frame(WEEKS)), backtest(frame(WEEKS, freq="MS"))
    assert (daily.season, daily.mase_lag, monthly.mase_lag) == (7, 1, 12)
    assert describe_mase_unit(daily) == "the mean absolute change from one value to the next in the history"
    assert "over 12 steps" in describe_mase_unit(monthly)
    for result, lag in ((daily, 1), (monthly, 12)):
        error = np.abs(result.forecasts["y"] - result.forecasts["throughtime"]).mean()
        assert result.scores["throughtime"]["mase"] == pytest.approx(error / naive_error(WEEKS[:-4], lag))


def test_series_that_never_change_are_named_where_mase_leaves_them_out() -> None:
    mixed = backtest(pd.concat([frame(WEEKS), frame(np.full(84, 5.0), "constant")]))
    assert "MASE leaves out windows of 1 of 2 series: their history before them never changes." in mixed.verdict
    constant = backtest(frame(np.full(60, 5.0)))
    assert constant.verdict.startswith("The last value is exact on 1 held-out window")
    assert str(constant.skill).startswith("not defined")


@pytest.mark.parametrize(
    ("weights", "subject", "words"),
    [
        ([1.0, 1.0], "The network", ""),
        (
            [0.0, 0.0],
            "The forecast",
            "In these windows the network has no share in the forecast (0 %): all of it is the naive forecast.",
        ),
        ([0.25, 0.25], "The forecast", "share of the forecast is 25 %, the rest is the naive forecast."),
        ([0.5, 1.0], "The forecast", "share of the forecast is 50 % to 100 %, the rest is the naive forecast."),
        ([0.0, 0.5], "The forecast", "share of the forecast is 0 % to 50 %, the rest is the naive forecast."),
    ],
)
def test_the_share_of_the_network_is_reported(weights: list[float], subject: str, words: str) -> None:
    sentence = network_share_sentence(weights, ["naive"] * len(weights))
    assert verdict_subject(weights) == subject
    assert words in sentence
    assert bool(words) == bool(sentence)


def test_without_a_season_no_sentence_names_seasonal_naive() -> None:
    scores = {"throughtime": 1.0, "naive": 2.0, "seasonal_naive": 2.0, "seasonal_mean": 2.5, "drift": 2.5}
    skills = {"naive": Skill("naive", 0.5, 0.4, 0.6)}
    verdict = backtest_verdict({name: {"mase": value} for name, value in scores.items()}, 3, skills, season=1)
    assert verdict == "50% better than the last value on 3 held-out windows (MASE 1 against 2)."


def test_what_is_not_defined_is_not_given_in_numbers() -> None:
    scores = {name: {"mase": math.nan, "rmse": value} for name, value in (("GRU", 1.0), ("naive", 2.0))}
    verdict = leaderboard_verdict(scores, {"naive": Skill("naive", math.nan, math.nan, math.nan)}, 1)
    assert verdict == (
        "GRU is best on 1 held-out window, RMSE 1; MASE is not defined, so the statistical significance is not known."
    )
    assert str(Skill("naive", -0.002, -0.004, 0.3)) == "0% (0% to 30% with 95 % probability)"
