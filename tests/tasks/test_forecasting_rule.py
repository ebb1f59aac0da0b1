"""The forecasting rule: every step sees the last observation, none sees the future."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from throughtime.data.datasets import seasonal
from throughtime.data.series.frames import read_frame
from throughtime.inference.forecasting.plan import Plan
from throughtime.nn import LAYERS
from throughtime.tasks.forecasting.network.decoders import DECODERS
from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork, asinh
from throughtime.tasks.forecasting.windows import WindowSampler, WindowStore

PLANS = [
    Plan(horizon=4, season=3, long_season=0, block=3, blocks=4),
    Plan(horizon=5, season=2, long_season=4, block=2, blocks=5),
    Plan(horizon=3, season=1, long_season=0, block=1, blocks=6),
]


def randomised(plan: Plan, cell: str = "gru", decoder: str = "direct") -> ForecastNetwork:
    """A network in float64 whose correction and choice are not zero, as they are before training."""
    network = ForecastNetwork(plan, cell=cell, hidden_size=5, decoder=decoder, noise=0.0, dropout=0.0).double()
    for weights in network.parameters():
        nn.init.normal_(weights, std=0.3)
    return network.eval()


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_step_of_the_forecast_depends_on_every_value_of_the_window(plan: Plan, cell: str, decoder: str) -> None:
    network = randomised(plan, cell, decoder)
    z = torch.randn(1, plan.lookback, dtype=torch.float64, requires_grad=True)
    forecast, _ = network.forecast(torch.stack([z, torch.ones_like(z)], -1), last_only=True)
    for step in range(plan.horizon):
        (gradient,) = torch.autograd.grad(forecast[0, 0, step], z, retain_graph=True)
        assert (gradient != 0).all(), f"step {step + 1} does not see {(gradient == 0).nonzero()[:, 1].tolist()}"


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("decoder", DECODERS)
def test_no_forecast_depends_on_a_value_after_its_origin(plan: Plan, decoder: str) -> None:
    network = randomised(plan, decoder=decoder)
    z = torch.randn(1, plan.lookback, dtype=torch.float64, requires_grad=True)
    forecast, scale = network.forecast(torch.stack([z, torch.ones_like(z)], -1))
    for k, origin in enumerate(network.origins):
        for value in (*forecast[0, k], scale[0, k]):
            (gradient,) = torch.autograd.grad(value, z, retain_graph=True)
            assert (gradient[0, origin:] == 0).all()
            assert (gradient[0, :origin] != 0).any()


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_the_forecast_from_the_end_alone_is_the_last_of_those_from_every_origin(plan: Plan) -> None:
    network = randomised(plan)
    z = torch.randn(3, plan.lookback, dtype=torch.float64)
    x = torch.stack([z, torch.ones_like(z)], -1)
    every, alone = (network.forecast(x, last_only=last_only)[0] for last_only in (False, True))
    torch.testing.assert_close(alone, every[:, -1:])
    torch.testing.assert_close(network(x), alone)
    assert network.train()(x).shape[1] == len(network.origins)


@pytest.mark.parametrize("decoder", DECODERS)
def test_before_training_the_network_is_a_mixture_of_naive_forecasts(decoder: str) -> None:
    plan = PLANS[0]
    network = ForecastNetwork(plan, decoder=decoder).eval()
    z = torch.randn(2, plan.lookback)
    forecast, _ = network.forecast(torch.stack([z, torch.ones_like(z)], -1), last_only=True)
    naive = torch.stack(
        [e[:, 0] for e in network.naive(torch.stack([z, torch.ones_like(z)], -1), last_only=True).values()]
    )
    torch.testing.assert_close(forecast[:, 0], naive.mean(0))


def test_what_lies_before_the_beginning_of_a_series_has_no_part_in_a_mean() -> None:
    plan = Plan(horizon=3, season=3, long_season=0, block=3, blocks=12)
    z, real = torch.randn(2, 12, 3, dtype=torch.float64), torch.ones(2, 12, 3, dtype=torch.float64)
    real[:, :7] = 0
    real[:, 7, :2] = 0  # the first season is not a whole one
    naive = ForecastNetwork(plan).naive(torch.stack([z.flatten(1), real.flatten(1)], -1))
    for k, blocks in enumerate(range(2, 13)):  # those seen by then
        observed = z[:, 7:blocks] if blocks > 7 else z[:, blocks - 1 : blocks]
        torch.testing.assert_close(naive["mean"][:, k], observed.mean((1, 2)).unsqueeze(1).expand(2, 3))
        torch.testing.assert_close(naive["seasonal_mean"][:, k], observed[:, -7:].mean(1))


@pytest.mark.parametrize("decoder", DECODERS)
def test_forecasts_move_with_the_level_and_the_unit_of_a_series(decoder: str) -> None:
    plan = PLANS[0]
    network = randomised(plan, decoder=decoder)
    z = torch.randn(1, plan.lookback, dtype=torch.float64)
    real = torch.ones_like(z)
    plain, _ = network.forecast(torch.stack([z, real], -1), last_only=True)
    moved, _ = network.forecast(torch.stack([z + 7.0, real], -1), last_only=True)
    torch.testing.assert_close(moved, plain + 7.0)


def test_masked_values_do_not_reach_the_loss() -> None:
    df = seasonal(2, 60)
    df.loc[[20, 21, 40, 80], "y"] = np.nan
    plan = Plan(horizon=4, season=12, long_season=0, block=12, blocks=3)
    store = WindowStore(read_frame(df)[0], plan)
    (batch,) = WindowSampler(store, batches=1, batch_size=64)
    value, weight = batch.y[..., 0], batch.y[..., 1]
    assert ((weight == 0) | (weight == 1)).all()
    assert (value[weight == 1] > 0).all()
    assert (weight == 0).any()


@pytest.mark.parametrize("shift", [0.0, -50.0])
def test_what_the_network_sees_round_trips(shift: float) -> None:
    """Through logarithms where a series is positive, and through multiples of its size where it is not."""
    df = seasonal(3, 60)
    df["y"] = df["y"] + shift
    panel, _ = read_frame(df)
    store = WindowStore(panel, Plan(horizon=6, season=12, long_season=0, block=12, blocks=3))
    series, ends = torch.arange(3), torch.full((3,), 54)
    z, real = store.future_values(series, ends)
    assert real.all()
    values = store.units(series, 2).to_values(z.numpy())
    np.testing.assert_allclose(values, np.stack([panel[i][-6:] for i in range(3)]), rtol=1e-12)


def test_the_inverse_hyperbolic_sine_is_torchs() -> None:
    x = torch.cat([torch.linspace(-50, 50, 2001), torch.tensor([0.0, 1e-20, -1e18])]).requires_grad_()
    torch.testing.assert_close(asinh(x), x.asinh(), rtol=1e-6, atol=1e-30)
    ours, theirs = (torch.autograd.grad(f(x).sum(), x)[0] for f in (asinh, torch.asinh))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-12)


def test_constant_blocks_are_read_without_rounding() -> None:
    """The mean of a block, rounded, would differ from its values by many of the smallest scale."""
    network = ForecastNetwork(Plan(horizon=6, season=12, long_season=0, block=12, blocks=3))
    z = torch.linspace(0.1, 3.0, 50)[:, None].expand(50, 36)
    inputs, _, _ = network._inputs(z, torch.ones_like(z))
    assert (inputs[..., :12] == 0).all()
