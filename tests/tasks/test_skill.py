"""The autoregression among the baselines, and the significance of the difference between two forecasts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from throughtime.inference.forecasting.autoregression import autoregressive_forecast
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.evaluation.verdict import backtest_verdict


def test_an_autoregression_continues_a_wave() -> None:
    wave = 5 + np.sin(2 * np.pi * np.arange(211) / 11)
    both = np.stack([wave, 3 * wave])
    assert np.abs(autoregressive_forecast(both[:, :200], 11, 11) - both[:, 200:]).max() < 0.3


def test_an_autoregression_is_that_of_least_squares_over_all_lags() -> None:
    values = np.random.default_rng(0).normal(size=(3, 120)).cumsum(1)
    centred = torch.from_numpy(values - values.mean(1, keepdims=True))
    past, lags = centred[:, :-1].unfold(1, 13, 1), 13
    ridge = 1e-3 * past.shape[1] * centred.square().mean(1)[:, None, None] * torch.eye(lags, dtype=torch.float64)
    weights = torch.linalg.solve(past.mT @ past + ridge, past.mT @ centred[:, lags:, None])
    expected = (centred[:, None, -lags:] @ weights).squeeze(-1).numpy() + values.mean(1, keepdims=True)
    np.testing.assert_allclose(autoregressive_forecast(values, 12, 1), expected, rtol=1e-7)


def test_an_autoregression_does_not_explode() -> None:
    growth = 1.3 ** np.arange(40.0)
    result = autoregressive_forecast(growth[None], 1, 60)
    assert np.isfinite(result).all()
    assert result.max() <= 2 * growth.max() - growth.min() + 1e-6


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0, 3.0, 3.0], [1.0, 2.0]])
def test_series_without_a_past_repeat_their_last_value(values: list[float]) -> None:
    forecast = autoregressive_forecast(np.array([values]), 12, 4)
    assert forecast.tolist() == [pytest.approx([values[-1]] * 4)]


def test_the_skill_of_a_sure_gain_excludes_none_and_that_of_chance_does_not() -> None:
    random = np.random.default_rng(1)
    others = random.uniform(1, 2, 200)
    sure = Skill.of(0.8 * others, others, "naive")
    assert sure.value == pytest.approx(0.2)
    assert 0.19 < sure.low <= sure.high < 0.21
    chance = Skill.of(random.uniform(1, 2, 200), others, "naive")
    assert chance.low < 0 < chance.high


def test_series_that_err_together_are_no_more_than_their_windows() -> None:
    random = np.random.default_rng(1)
    windows = np.repeat(np.arange(5), 40)
    groups = np.stack([np.tile(np.arange(40), 5), windows], 1)
    others = np.ones(200)
    errors = random.uniform(0.4, 1.4, 5)[windows] + random.uniform(-0.01, 0.01, 200)
    alone, together = Skill.of(errors, others, "naive"), Skill.of(errors, others, "naive", groups)
    assert alone.value == together.value
    assert together.high - together.low > 3 * (alone.high - alone.low)
    one = Skill.of(errors[:40], others[:40], "naive", groups[:40])
    assert one.high - one.low < 0.02


VERDICTS = [
    # our error is 1
    ({"naive": 1.01, "seasonal_naive": 1.2}, (0.01, -0.05, 0.06), "as good as the last value, not better, on 3"),
    ({"naive": 0.9, "seasonal_naive": 1.2}, (-0.1, -0.2, -0.05), "does not win: the last value is 10% better on 3"),
    (
        {"naive": 0.9, "seasonal_naive": 1.2},
        (-0.1, -0.2, 0.1),
        "10% better on 3 held-out windows (MASE 1 against 0.9); the difference is not statistically significant.",
    ),
    (
        {"naive": 1.03, "seasonal_naive": 0.9},
        (0.03, -0.1, 0.2),
        "The improvement on the last value is not statistically significant",
    ),
    (
        {"naive": 1.05, "seasonal_naive": 1.04},
        (0.05, -0.1, 0.2),
        "The improvement on the last value is not statistically significant",
    ),
]


@pytest.mark.parametrize(("errors", "saved", "words"), VERDICTS)
def test_the_verdict_says_where_the_last_value_is_as_good(
    errors: dict[str, float], saved: tuple[float, float, float], words: str
) -> None:
    scores = {"throughtime": 1.0, "seasonal_mean": 2.0, "drift": 2.0, **errors}
    skills = {name: Skill(name, *saved) for name in errors}
    assert words in backtest_verdict({name: {"mase": value} for name, value in scores.items()}, 3, skills)


def test_the_verdict_is_silent_on_the_last_value_where_it_is_surely_worse() -> None:
    scores = {"throughtime": 1.0, "naive": 2.0, "seasonal_naive": 1.2, "seasonal_mean": 2.0, "drift": 2.0}
    skills = {name: Skill(name, 0.5, 0.4, 0.6) for name in ("naive", "seasonal_naive")}
    message = backtest_verdict({name: {"mase": value} for name, value in scores.items()}, 3, skills)
    assert message == "17% better than seasonal naive on 3 held-out windows (MASE 1 against 1.2)."
