"""Several forecasters over the same windows: who is best, how sure that is, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.tasks.forecasting.evaluation.comparison import Comparison, leaderboard


def quick_forecaster(horizon: int = 6, **settings: object) -> tt.Forecaster:
    return tt.Forecaster(horizon, **{"preset": "fast", "hidden_size": 8, "season": 12, **settings})


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return tt.compare(
        seasonal(3, 72), {"small": quick_forecaster(hidden_size=2), "lstm": quick_forecaster(cell="lstm")}, 2, seeds=2
    )


def test_the_best_comes_first_and_baselines_are_rows_too(comparison: Comparison) -> None:
    errors = [score["mase"] for score in comparison.scores.values()]
    assert errors == sorted(errors)
    assert comparison.best == next(iter(comparison.scores))
    assert {"small", "lstm", "naive", "seasonal_naive", "drift", "autoregression"} <= set(comparison.scores)
    assert set(comparison.skills) == set(comparison.scores) - {comparison.best}
    for name, skill in comparison.skills.items():
        assert skill.value == pytest.approx(
            1 - comparison.scores[comparison.best]["mase"] / comparison.scores[name]["mase"]
        )
        assert skill.low <= skill.value <= skill.high
    assert comparison.best.replace("_", " ") in comparison.verdict


def test_all_forecast_the_same_windows_and_scores_are_means_over_seeds(comparison: Comparison) -> None:
    assert (comparison.windows, comparison.seeds) == (2, 2)
    frames = [backtest.forecasts for runs in comparison.backtests.values() for backtest in runs]
    assert len(frames) == 4
    for frame in frames:
        assert frame[["unique_id", "ds", "cutoff", "y"]].equals(frames[0][["unique_id", "ds", "cutoff", "y"]])
    own = [backtest.scores["throughtime"]["mase"] for backtest in comparison.backtests["lstm"]]
    assert own[0] != own[1]
    assert comparison.scores["lstm"]["mase"] == pytest.approx(np.mean(own))
    assert comparison.spread["lstm"] == pytest.approx(np.std(own, ddof=1))


def test_a_row_is_what_a_backtest_alone_says(comparison: Comparison) -> None:
    alone = quick_forecaster(cell="lstm", random_state=1).backtest(seasonal(3, 72), 2, memoryless=False)
    assert comparison.backtests["lstm"][1].forecasts["throughtime"].tolist() == alone.forecasts["throughtime"].tolist()


def test_two_equal_forecasters_do_not_differ_significantly() -> None:
    backtest = quick_forecaster().backtest(seasonal(3, 72), 2, memoryless=False)
    result = leaderboard({"one": [backtest], "other": [backtest]})
    skill = result.skills["one" if result.best == "other" else "other"] if result.best in ("one", "other") else None
    assert skill is None or (skill.low, skill.high) == (0, 0)
    assert "not statistically significant" in result.verdict


@pytest.mark.parametrize(
    ("forecasters", "message"),
    [
        ({}, "expected at least one"),
        ({"a": quick_forecaster(6), "b": quick_forecaster(7)}, "expected the same horizon for all, got a 6, b 7"),
        ({"naive": quick_forecaster()}, "naive is the name of another row"),
        ({"a": quick_forecaster(cell="grub")}, "cell: expected one of"),
    ],
)
def test_what_cannot_be_compared_is_refused(forecasters: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tt.compare(seasonal(1, 60), forecasters)
