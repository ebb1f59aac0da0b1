"""Metrics of the M competitions, compared with the official scores."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from throughtime.data.series.frequency import Frequency
from throughtime.tasks.forecasting.evaluation import metrics

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("which", "season"), [("Hourly", 24), ("Weekly", 1)])
@pytest.mark.parametrize("method", ["Naive", "sNaive", "Naive2"])
def test_scores_are_the_official_ones_to_three_decimals(data_dir: Path, which: str, season: int, method: str) -> None:
    """OWA too: the table divides scores of three decimals by those of Naive2, scored here by its official forecasts."""
    folder = data_dir / "forecasting" / "m4"
    official = pd.read_csv(folder / "m4_official_scores_by_frequency.csv").set_index("submission")
    naive2 = pd.read_csv(folder / "m4_naive2_official_forecasts_HW.csv.gz").set_index("id")
    scores, denominators = [], []
    with gzip.open(folder / f"m4_{which.lower()}.jsonl.gz", "rt") as lines:
        for line in lines:
            record = json.loads(line)
            history, y = np.array(record["train"]), np.array(record["test"])
            lag = season if method == "sNaive" else 1
            theirs = naive2.loc[record["id"]].to_numpy()[: len(y)]
            own = theirs if method == "Naive2" else history[len(history) - lag + np.arange(len(y)) % lag]
            for forecast, into in ((own, scores), (theirs, denominators)):
                into.append((metrics.smape(y, forecast), metrics.mase(y, forecast, history, season)))
    result, standard = (np.round(np.mean(values, axis=0), 3) for values in (scores, denominators))
    assert result.tolist() == official.loc[method, [f"sMAPE_{which}", f"MASE_{which}"]].tolist()
    assert standard.tolist() == official.loc["Naive2", [f"sMAPE_{which}", f"MASE_{which}"]].tolist()
    assert np.mean(result / standard) == pytest.approx(official.loc[method, f"OWA_{which}"], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "season"), [("h", 24), ("MS", 12), ("ME", 12), ("QS", 4), ("YS", 1), ("W", 1), ("D", 1)]
)
def test_the_season_of_mase_is_that_of_the_competition(name: str, season: int) -> None:
    unit, count = {"QS": ("MS", 3), "YS": ("MS", 12)}.get(name, (name, 1))
    assert metrics.mase_season(Frequency(unit, count)) == season


def test_missing_values_are_left_out() -> None:
    y, forecast = np.array([1.0, np.nan, 3.0]), np.array([2.0, 5.0, 3.0])
    assert metrics.smape(y, forecast) == pytest.approx(200 / 3 / 2)
    assert metrics.rmse(y, forecast) == pytest.approx(np.sqrt(0.5))
    assert metrics.mase(y, forecast, np.array([1.0, 2.0, np.nan, 4.0, 6.0]), 1) == pytest.approx(0.5 / 1.5)


def test_zero_forecast_as_zero_has_no_error() -> None:
    assert metrics.smape(np.zeros(3), np.zeros(3)) == 0


def test_a_constant_history_has_no_mase() -> None:
    assert np.isnan(metrics.mase(np.ones(3), np.zeros(3), np.ones(9), 1))


def test_pinball_and_interval_score_are_those_of_their_sources() -> None:
    y, low, high = np.array([[1.0, 5.0, 9.0]]), np.full((1, 3), 2.0), np.full((1, 3), 6.0)
    np.testing.assert_allclose(metrics.pinball(y, low, 0.1), [(0.9 * 1 + 0.1 * 3 + 0.1 * 7) / 3])
    np.testing.assert_allclose(metrics.interval_score(y, low, high, 80), [4 + (10 * 1 + 10 * 3) / 3])
    random = np.random.default_rng(0)
    y = random.standard_normal((1, 200_000))
    shares = np.arange(1, 100) / 100
    quantiles = np.quantile(y, shares)
    crps = 2 * np.mean([metrics.pinball(y, np.full_like(y, q), s) for q, s in zip(quantiles, shares, strict=True)])
    assert abs(crps - 1 / np.sqrt(np.pi)) < 0.01  # of the standard normal distribution
