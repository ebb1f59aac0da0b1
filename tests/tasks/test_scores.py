"""Scores are those of their definitions, over all series and of each, and the headline names one that suits."""

from __future__ import annotations

import numpy as np
import pytest

from throughtime.tasks.forecasting.evaluation.scores import RowScores, choose_headline, scores_by_series
from throughtime.tasks.forecasting.evaluation.verdict import OURS, delivered_share_sentence

NAN = np.nan
Y = np.array([[10.0, 0.0, 20.0], [1.0, 3.0, NAN]])
FORECAST = np.array([[12.0, 1.0, 14.0], [2.0, 3.0, 9.0]])
SCALE = np.array([[2.0], [NAN]])


def test_the_scores_are_those_of_their_definitions() -> None:
    scores = RowScores.of(Y, FORECAST, SCALE).overall()
    assert scores["mae"] == pytest.approx((9 / 3 + 1 / 2) / 2)
    assert scores["bias"] == pytest.approx((-3 / 3 + 1 / 2) / 2)
    assert scores["wape"] == pytest.approx(100 * (9 + 1) / (30 + 4))
    assert scores["rmse"] == pytest.approx((np.sqrt(41 / 3) + np.sqrt(1 / 2)) / 2)
    assert scores["mase"] == pytest.approx(9 / 3 / 2)
    assert scores["smape"] == pytest.approx(np.mean([np.mean([400 / 22, 200, 1200 / 34]), np.mean([200 / 3, 0])]))


def test_scores_by_series_join_its_windows_and_name_the_worst_first() -> None:
    ids, scale = np.array(["a", "b", "a", "c"]), np.ones((4, 1))
    y = np.zeros((4, 2))
    errors = np.array([[1.0, 1.0], [4.0, -4.0], [3.0, 3.0], [NAN, NAN]])
    rows = {OURS: RowScores.of(y, errors, scale), "naive": RowScores.of(y + 1, errors, scale)}
    table = scores_by_series(ids, rows, OURS, "mae")
    assert [name for name, _ in table] == ["b", "a", "c"]
    assert table[1][1][OURS]["mae"] == 2
    assert (table[0][1][OURS]["bias"], table[1][1][OURS]["bias"]) == (0, 2)
    assert np.isnan(table[0][1][OURS]["wape"])
    assert table[1][1]["naive"]["wape"] == pytest.approx(100 * (0 + 0 + 2 + 2) / 4)


@pytest.mark.parametrize(
    ("series", "undefined", "name"),
    [(1, (), "mae"), (2, (), "mase"), (2, ("mase",), "wape"), (2, ("mase", "wape"), "mae")],
)
def test_the_headline_names_a_score_that_is_defined(series: int, undefined: tuple[str, ...], name: str) -> None:
    scores = dict.fromkeys(("mae", "bias", "wape", "rmse", "smape", "mase"), 1.0) | dict.fromkeys(undefined, NAN)
    assert choose_headline(scores, series) == name


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (0.0, "no share in the delivered forecast (0 %): all of it is the seasonal naive forecast."),
        (0.001, "delivered forecast is less than 1 %, the rest"),
        (0.25, "delivered forecast is 25 %, the rest is the seasonal naive forecast."),
        (1.0, "The delivered forecast is the network's alone (100 %)."),
    ],
)
def test_the_headline_names_the_share_of_the_delivered_forecast(weight: float, words: str) -> None:
    assert words in delivered_share_sentence(weight, "seasonal_naive")
