"""The autoregressive decoder: a plain loop that feeds back what it forecasts, and never the future."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.nn import LAYERS
from throughtime.tasks.forecasting.network.decoders import AutoregressiveDecoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


def randomised(cell: str, horizon: int = 5) -> AutoregressiveDecoder:
    """A decoder in float64 whose output is not zero, as it is before training."""
    decoder = AutoregressiveDecoder(units=4, horizon=horizon, cell=cell, hidden_size=6).double()
    for weights in decoder.parameters():
        nn.init.normal_(weights, std=0.4)
    return decoder


def looped(decoder: AutoregressiveDecoder, cell: str, s: Tensor, last: Tensor, baseline: Tensor) -> Tensor:
    """The corrections of one series by torch's cell, one step at a time, the last one fed back next to the state."""
    step = CELLS[cell](2, 6).double()
    for name, weights in decoder.layer.named_parameters():
        getattr(step, name.removesuffix("_l0")).data.copy_(weights)
    bias, c, result = step.bias_hh.detach().clone(), torch.zeros_like(s), []
    for value in baseline:
        step.bias_hh.data.copy_(bias + decoder.feedback(decoder.output(s)))
        x = torch.stack([last, value]).asinh()
        if cell == "lstm":
            s, c = step(x, (s, c))
        else:
            s = step(x, s)
        result.append(decoder.output(s))
        last = value
    return torch.cat(result)


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_a_scan_is_the_loop_that_feeds_its_forecasts_back(cell: str) -> None:
    decoder = randomised(cell)
    h, last, baseline = torch.randn(3, 4).double(), torch.randn(3).double(), torch.randn(3, 5).double()
    actual = decoder(h[:, None], last[:, None, None], baseline[:, None]).squeeze(1)
    for row in range(3):
        expected = looped(decoder, cell, decoder.init_state(h[row]).tanh(), last[row], baseline[row])
        torch.testing.assert_close(actual[row], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_sees_what_is_known_of_it_and_of_those_before_it_alone(cell: str) -> None:
    baseline = torch.randn(1, 1, 5).double().requires_grad_()
    corrections = randomised(cell)(torch.randn(1, 1, 4).double(), torch.randn(1, 1, 1).double(), baseline)
    for f in range(5):
        (gradient,) = torch.autograd.grad(corrections[0, 0, f], baseline, retain_graph=True)
        assert ((gradient[0, 0] != 0) == (torch.arange(5) <= f)).all()


def test_every_cell_has_its_loop() -> None:
    assert set(CELLS) == set(LAYERS)


def quick_forecaster(**settings: Any) -> tt.Forecaster:
    return tt.Forecaster(6, preset="fast", hidden_size=8, decoder="autoregressive", **settings)


@pytest.fixture(scope="module")
def fitted() -> tt.Forecaster:
    return quick_forecaster().fit(seasonal(3, 90))


def pulses(series: int = 8, steps: int = 160) -> pd.DataFrame:
    """A pulse at random, and its echo, which changes sign with every step: no mixture of naive forecasts does."""
    random = np.random.default_rng(0)
    y = np.where(random.random((series, steps)) < 0.1, 10.0, 0.0)
    for t in range(1, steps):
        y[:, t] -= 0.8 * y[:, t - 1] * (y[:, t] == 0)
    ids = np.repeat([f"s{i}" for i in range(series)], steps)
    return pd.DataFrame({"unique_id": ids, "ds": np.tile(np.arange(steps), series), "y": y.ravel()})


def test_it_learns_what_no_naive_forecast_knows() -> None:
    forecaster = tt.Forecaster(4, preset="fast", hidden_size=8, season=1, decoder="autoregressive")
    scores = forecaster.backtest(pulses(), 2, memoryless=False).scores
    naive = min(scores[name]["mase"] for name in ("naive", "seasonal_naive", "seasonal_mean", "drift"))
    # 0.57; without its corrections 0.85, and 0.68 where they come in the wrong order.
    assert scores["throughtime"]["mase"] < 0.65 * naive


def test_forecasts_intervals_and_sample_paths_come_from_it(fitted: tt.Forecaster) -> None:
    assert isinstance(fitted.network_.correction, AutoregressiveDecoder)
    forecast = fitted.predict(horizon=15, level=[80])
    assert (forecast["throughtime-lo-80"] <= forecast["throughtime"]).all()
    assert (forecast["throughtime"] <= forecast["throughtime-hi-80"]).all()
    assert np.isfinite(fitted.sample(paths=5)["throughtime"]).all()


@pytest.mark.parametrize("likelihood", ["normal", "student_t"])
def test_it_goes_with_a_likelihood(likelihood: str) -> None:
    forecast = quick_forecaster(likelihood=likelihood, budget=0.5).fit(seasonal(2, 60)).predict()
    assert np.isfinite(forecast.drop(columns=["unique_id", "ds"]).to_numpy()).all()


def test_it_is_saved_with_the_forecaster(fitted: tt.Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    assert loaded.decoder == "autoregressive"
    pd.testing.assert_frame_equal(loaded.predict(), fitted.predict(), check_exact=True)


def test_the_network_without_memory_is_direct() -> None:
    assert "feed_forward" in quick_forecaster(budget=0.2).backtest(seasonal(2, 60), 1).scores


def test_an_unknown_decoder_is_refused() -> None:
    with pytest.raises(InputError, match="decoder: expected one of direct, autoregressive, got 'beam'"):
        tt.Forecaster(6, decoder="beam").fit(seasonal(1, 60))
