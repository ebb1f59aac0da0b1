"""Likelihoods: their laws, networks trained by them, and the calibration of their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import distributions

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.inference.forecasting.error_distributions import NegativeBinomial, Units
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS, TargetUnits

if TYPE_CHECKING:
    from pathlib import Path

LEARNED = [name for name in LIKELIHOODS if name]
CONTINUOUS = [name for name in LIKELIHOODS if name != "negative_binomial"]
UNITS = Units(np.array([50.0, 50.0, 2.0])[:, None], np.array([True, False, False])[:, None])
TARGET_UNITS = TargetUnits(*map(torch.from_numpy, UNITS))


def quick_forecaster(**settings: Any) -> tt.Forecaster:
    return tt.Forecaster(4, **{"preset": tt.Preset(20, 60), "hidden_size": 4, "season": 4, **settings})


def counts(series: int = 6, steps: int = 120, seed: int = 0) -> pd.DataFrame:
    """Overdispersed counts around a season; the first series is 0 most of the time."""
    random = np.random.default_rng(seed)
    frames = []
    for i in range(series):
        mean = (0.3 if i == 0 else 5.0 * i) * (1 + 0.8 * np.sin(np.arange(steps) * np.pi / 2))
        y = random.negative_binomial(4, 4 / (4 + mean + 1e-9))
        frames.append(pd.DataFrame({"unique_id": f"s{i}", "ds": np.arange(steps), "y": y}))
    return pd.concat(frames, ignore_index=True)


def random_params(name: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Locations and numbers of three series and five steps."""
    torch.manual_seed(0)
    z, likelihood = torch.rand(3, 5, dtype=torch.float64) + 0.5, LIKELIHOODS[name]
    raw = torch.randn(3, 5, len(likelihood.raw_init), dtype=torch.float64)
    return z, likelihood.params(raw, torch.full((3, 1), 0.1, dtype=torch.float64))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_scores_undo_values_and_distances(name: str | None) -> None:
    likelihood, (z, params) = LIKELIHOODS[name], (tensor.numpy() for tensor in random_params(name))
    scores = np.broadcast_to(np.linspace(-1.5, 1.5, 5), (3, 5))
    values = likelihood.errors.values(z, params, scores, UNITS)
    truth = np.where(UNITS.is_positive, np.log(np.maximum(values / UNITS.unit, 1e-9)), values / UNITS.unit)
    np.testing.assert_allclose(likelihood.scores(z, params, truth, UNITS), scores, atol=1e-9)
    assert (likelihood.errors.values(z, params, np.zeros_like(z), UNITS) == UNITS.to_values(z)).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_values_rise_with_the_score_and_distances_are_undone(name: str | None) -> None:
    errors, (z, params) = LIKELIHOODS[name].errors, (tensor.numpy() for tensor in random_params(name))
    result = np.stack([errors.values(z, params, np.full_like(z, score), UNITS) for score in range(-9, 10)])
    assert np.isfinite(result).all()
    assert (np.diff(result, axis=0) >= 0).all()
    scores = np.full_like(z, 1.7)
    again = errors.score_at(z, params, errors.distance(z, params, scores, UNITS), UNITS)
    np.testing.assert_allclose(again, scores, rtol=1e-9)


def test_a_mean_of_counts_is_the_same_with_gradients_and_without() -> None:
    z = np.linspace(-3, 3, 15).reshape(3, 5)
    with_gradients = LIKELIHOODS["negative_binomial"]._mean(torch.from_numpy(z), TARGET_UNITS)
    np.testing.assert_allclose(with_gradients.numpy(), NegativeBinomial().mean(z, UNITS), rtol=1e-9)


@pytest.mark.parametrize("name", LEARNED)
def test_a_likelihood_is_that_of_its_distribution(name: str) -> None:
    """Up to a constant, and of logarithms where the series is positive."""
    likelihood, (z, params) = LIKELIHOODS[name], random_params(name)
    if name == "negative_binomial":
        value, mean = torch.tensor([3.0, 0.0, 7.0, 60.0, 100.0], dtype=torch.float64).expand(3, 5), None
        mean = torch.where(TARGET_UNITS.positive, z.exp(), z) * TARGET_UNITS.unit
        size = 1 / params[..., 0]
        law: Any = distributions.NegativeBinomial(size, logits=(mean / size).log())
        nll = likelihood.nll(z, params, value / TARGET_UNITS.unit, TARGET_UNITS)
        torch.testing.assert_close(nll, -law.log_prob(value), atol=1e-6, rtol=1e-6)
        return
    truth = z + torch.linspace(-0.3, 0.3, 5, dtype=torch.float64)
    law = distributions.Normal(z, params[..., 0])
    if name == "student_t":
        law = distributions.StudentT(params[..., 1], z, params[..., 0])
    nll = likelihood.nll(z, params, torch.where(TARGET_UNITS.positive, truth.exp(), truth), TARGET_UNITS)
    constant = nll + law.log_prob(truth)
    torch.testing.assert_close(constant, constant[0, 0].expand_as(constant))


@pytest.mark.parametrize("name", ["normal", pytest.param("student_t", marks=pytest.mark.slow)])
def test_a_network_learns_which_steps_are_uncertain(name: str) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, 400) * np.tile([4.0, 0.2, 0.2, 0.2], 100)
    df = pd.DataFrame({"ds": np.arange(400), "y": np.tile([30.0, -10.0, 10.0, -30.0], 100) + noise})
    forecaster = quick_forecaster(preset=tt.Preset(120, 1200), hidden_size=16, likelihood=name).fit(df)
    forecast = forecaster.predict(level=[80])
    widths = (forecast["throughtime-hi-80"] - forecast["throughtime-lo-80"]).to_numpy()
    assert widths[0] > 3 * widths[1:].max()
    assert 0.6 < widths[0] / (2 * 1.28 * 4) < 1.6


def test_counts_are_forecast_as_counts() -> None:
    df = counts()
    forecaster = quick_forecaster(likelihood="negative_binomial").fit(df)
    forecast = forecaster.predict(level=[50, 90], horizon=10)
    for name in forecast.columns[2:]:
        assert (forecast[name] >= 0).all()
        assert (forecast[name] == forecast[name].round()).all()
    assert (forecast["throughtime-lo-90"] <= forecast["throughtime-lo-50"]).all()
    assert (forecast["throughtime-lo-50"] <= forecast["throughtime"]).all()
    assert (forecast["throughtime"] <= forecast["throughtime-hi-50"]).all()
    sample_paths = forecaster.sample(paths=20)["throughtime"]
    assert (sample_paths >= 0).all()
    assert (sample_paths == sample_paths.round()).all()
    assert sample_paths.nunique() > 5
    result = quick_forecaster(likelihood="negative_binomial").backtest(df, 5, memoryless=False)
    assert 0.7 <= result.coverage[80] <= 0.97


@pytest.mark.parametrize("name", LEARNED)
def test_the_calibration_corrects_a_likelihood(name: str) -> None:
    """Intervals of an overconfident likelihood still have their coverage."""
    df = counts(8, 160)
    with pytest.MonkeyPatch.context() as patch:
        real = type(LIKELIHOODS[name]).params
        narrow = torch.tensor({"normal": [0.2], "student_t": [0.2, 1.0], "negative_binomial": [0.01]}[name])
        patch.setattr(type(LIKELIHOODS[name]), "params", lambda *arguments: real(*arguments) * narrow)
        result = quick_forecaster(likelihood=name, preset=tt.Preset(1, 2)).backtest(df, 5, memoryless=False)
    assert 0.65 <= result.coverage[80] <= 0.95


@pytest.mark.parametrize("name", LEARNED)
def test_a_loaded_forecaster_has_the_same_distribution(name: str, tmp_path: Path) -> None:
    forecaster = quick_forecaster(likelihood=name, preset=tt.Preset(1, 5)).fit(counts(2, 60))
    forecaster.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(horizon=9), forecaster.predict(horizon=9), check_exact=True)
    pd.testing.assert_frame_equal(loaded.sample(paths=3), forecaster.sample(paths=3), check_exact=True)
    loaded.update(counts(2, 64))


@pytest.mark.parametrize(
    ("settings", "df", "message"),
    [
        ({"likelihood": "poisson"}, counts(1, 60), "likelihood: expected one of normal, student_t, negative_bin"),
        (
            {"likelihood": "negative_binomial"},
            seasonal(1, 60),
            "negative_binomial is for whole numbers of 0 or more, got",
        ),
    ],
)
def test_a_likelihood_that_does_not_fit_is_refused(settings: dict[str, Any], df: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quick_forecaster(**settings).fit(df)
