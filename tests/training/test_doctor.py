"""Diagnosis: traces and gradients by lag, compared with the network itself and with plain autograd."""

from __future__ import annotations

import math

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training
from throughtime.training._doctor import half_life
from throughtime.training._verdict import GradientReach, verdict


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_a_trace_shows_what_the_layer_computes(layer: str) -> None:
    module = getattr(nn, layer)(3, 5, num_layers=2, bidirectional=True)
    x = torch.randn(7, 2, 3)
    y, _ = module(x, lengths=[7, 4])
    seen = nn.trace(module, x, lengths=[7, 4])
    assert [trace.name for trace in seen] == ["layer.0", "layer.0 reverse", "layer.1", "layer.1 reverse"]
    last = torch.cat([trace.states["h"] for trace in seen[2:]], -1)
    assert_close(last[:, 0], y[:, 0], "forward")
    assert_close(last[:4, 1], y[:4, 1], "forward")
    assert set(seen[0].gates) == set(module.cell.gates)
    again, _ = module(x, lengths=[7, 4])
    assert_close(again, y, "exact")


def test_gradients_by_lag_are_those_of_the_unfolded_network() -> None:
    model = nn.ManyToOne(nn.RNN(2, 6, dtype=torch.float64), 1)
    x, target = torch.randn(9, 4, 2, dtype=torch.float64), torch.randn(4, 1, dtype=torch.float64)
    actual = training.doctor(model, x, target)
    w = dict(model.layer.named_parameters())
    h, states = torch.zeros(4, 6, dtype=torch.float64), []
    for step in x:
        h = torch.tanh(step @ w["weight_ih_l0"].T + h @ w["weight_hh_l0"].T + w["bias_ih_l0"] + w["bias_hh_l0"])
        h.retain_grad()
        states.append(h)
    (model.output(h) - target).square().mean().backward()
    expected = torch.stack([state.grad.norm(dim=-1).mean() for state in reversed(states)])
    assert_close(torch.tensor(actual.layers[0].state_gradients, dtype=torch.float64), expected, "gradient")
    total = model.layer.weight_hh_l0.grad.norm()
    assert sum(actual.layers[0].weight_gradients) >= float(total) * (1 - 1e-9)
    assert len(actual.layers[0].weight_gradients) == 9


def test_the_half_life_of_a_known_decay_is_found() -> None:
    assert math.isclose(half_life([0.5 ** (k / 3) for k in range(20)]), 3, rel_tol=1e-6)
    assert half_life([1.0] * 5) == math.inf


def test_an_lstm_told_to_remember_keeps_its_gradient_longer_than_a_plain_network() -> None:
    torch.manual_seed(0)
    plain, gated = nn.ManyToOne(nn.RNN(2, 16), 1), nn.ManyToOne(nn.LSTM(2, 16), 1)
    with torch.no_grad():
        dict(gated.layer.named_parameters())["bias_ih_l0"][16:32] = 5.0
    x = torch.randn(40, 8, 2)
    short, long = (training.doctor(model, x).layers[0].half_life for model in (plain, gated))
    assert short < 5 < long


def test_saturated_gates_and_dead_units_are_named() -> None:
    layer = nn.GRU(2, 4)
    with torch.no_grad():
        dict(layer.named_parameters())["bias_ih_l0"][:8] = 20.0
    health = training.doctor(layer, torch.randn(6, 3, 2)).layers[0]
    assert health.saturation["r"] == 1.0
    assert health.dead_units == 1.0
    text = training.doctor(layer, torch.randn(6, 3, 2)).text()
    assert "100% of gate r" in text
    assert "hardly vary" in text


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_the_spectral_radius_is_that_of_the_jacobian_of_one_step(layer: str) -> None:
    module = getattr(nn, layer)(2, 5, dtype=torch.float64)
    x = torch.randn(6, 3, 2, dtype=torch.float64)
    radius = training.doctor(module, x).layers[0].spectral_radius
    assert list(radius) == list(range(6))
    _, state = module(x[:4, :1])
    joined = torch.cat(tuple(state) if isinstance(state, tuple) else (state,), -1).flatten()

    def step(before: torch.Tensor) -> torch.Tensor:
        parts = tuple(s.reshape(1, 1, 5) for s in before.split(5))
        _, after = module(x[4:5, :1], parts if layer == "LSTM" else next(iter(parts)))
        return torch.cat(tuple(after) if isinstance(after, tuple) else (after,), -1).flatten()

    jacobian = torch.autograd.functional.jacobian(step, joined)
    assert_close(radius[4], float(torch.linalg.eigvals(jacobian).abs().max()), "gradient")


def test_both_directions_have_their_radii_in_the_order_of_time() -> None:
    module = nn.GRU(2, 5, bidirectional=True, dtype=torch.float64)
    mirror = nn.GRU(2, 5, dtype=torch.float64)
    mirror.load_state_dict(
        {name.removesuffix("_reverse"): value for name, value in module.state_dict().items() if "reverse" in name}
    )
    x = torch.randn(40, 1, 2, dtype=torch.float64)
    backwards = training.doctor(module, x).layers[-1].spectral_radius
    forwards = training.doctor(mirror, x.flip(0)).layers[0].spectral_radius
    assert list(backwards) == sorted(backwards)
    expected = {39 - step: radius for step, radius in forwards.items()}
    assert_close([backwards[step] for step in sorted(expected)], [expected[step] for step in sorted(expected)], "exact")


def test_a_recurrence_that_is_scaled_has_that_radius() -> None:
    layer = nn.RNN(1, 4, nonlinearity="relu", initialization=nn.Identity(scale=0.9), dtype=torch.float64)
    radii = training.doctor(layer, torch.ones(7, 1, 1, dtype=torch.float64)).layers[0].spectral_radius
    assert all(math.isclose(radius, 0.9, rel_tol=1e-9) or radius == 0.0 for radius in radii.values())


@pytest.mark.parametrize(
    ("reach", "season", "words"),
    [
        (
            GradientReach("rnn", 9.0, 1.0, 0.1),
            24,
            "halve every 9 steps; your season is 24 steps, where 16% is left: use GRU",
        ),
        (GradientReach("lstm", 9.0, 1.0, 0.1), 24, "start from initialization=nn.Chrono(48)"),
        (GradientReach("gru", 30.0, 1.0, 0.5), 24, "where 57% is left: that is within reach"),
        (GradientReach("rnn", 1.0, 1.0, 0.0), 24, "where less than 1 % is left"),
        (
            GradientReach("gru", math.inf, 1.0, 1.0),
            24,
            "do not fade, and your season is 24 steps: that is within reach",
        ),
        (GradientReach("gru", 2.0, 1.0, 0.0), None, "the sequences have 40 steps"),
        (GradientReach("gru", 0.0, 0.0, 0.0), 24, "No gradient arrives"),
        (GradientReach("rnn", math.inf, 1.0, 50.0), 24, "Gradients grow on their way back"),
    ],
)
def test_the_verdict_says_what_to_do(reach: GradientReach, season: int | None, words: str) -> None:
    assert words in verdict([reach], steps=40, season=season, clipped=None)


def test_the_share_of_clipped_updates_comes_from_the_history() -> None:
    model = nn.ManyToOne(nn.GRU(2, 4), 1)
    x, y = torch.randn(6, 3, 2), torch.randn(3, 1)
    history = training.fit(model, (x, y), clip=1e-6, stop=[training.Epochs(3)])
    diagnosis = training.doctor(model, x, y, history=history)
    assert diagnosis.clipped == 1.0
    assert "100% of the updates were clipped" in diagnosis.verdict()
    assert training.doctor(model, x, y).clipped is None


def test_a_model_without_memory_is_told_so() -> None:
    assert verdict([], steps=0, season=3, clipped=None).startswith("There is no recurrent layer inside")


def test_pictures_are_figures() -> None:
    model = nn.ManyToMany(nn.GRU(2, 4, num_layers=2), 1)
    x = torch.randn(6, 3, 2)
    for figure in (
        training.plot_gradients(training.doctor(model, x)),
        training.plot_gradients(training.doctor(model, x), season=3),
        training.plot_states(model, x),
        training.plot_unfolded(model, 3),
    ):
        assert figure.axes
