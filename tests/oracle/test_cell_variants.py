"""Variants of the cells against plain transcriptions of their sources, in float64, with all gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.tolerances import assert_close
from torch import Tensor, sigmoid, tanh

import throughtime as tt
from throughtime import nn
from throughtime.nn._sequence_options import unwrap_single

STEPS, BATCH, INPUTS, HIDDEN = 7, 3, 2, 5
States = tuple[Tensor, ...]


def sums(w: dict[str, Tensor], x: Tensor, h: Tensor, gates: int) -> tuple[Tensor, ...]:
    return (x @ w["weight_ih"].T + w["bias_ih"] + h @ w["weight_hh"].T + w["bias_hh"]).chunk(gates, 1)


def peephole(w: dict[str, Tensor], x: Tensor, state: States) -> States:
    h, c = state
    i, f, g, o = sums(w, x, h, 4)
    p = w["diagonal"]
    new = sigmoid(f + p[1] * c) * c + sigmoid(i + p[0] * c) * tanh(g)
    return sigmoid(o + p[2] * new) * tanh(new), new


def coupled(w: dict[str, Tensor], x: Tensor, state: States) -> States:
    h, c = state
    i, g, o = sums(w, x, h, 3)
    new = (1 - sigmoid(i)) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(new), new


def coupled_peephole(w: dict[str, Tensor], x: Tensor, state: States) -> States:
    h, c = state
    i, g, o = sums(w, x, h, 3)
    p = w["diagonal"]
    take = sigmoid(i + p[0] * c)
    new = (1 - take) * c + take * tanh(g)
    return sigmoid(o + p[1] * new) * tanh(new), new


def reset_before(w: dict[str, Tensor], x: Tensor, state: States) -> States:
    (h,) = state
    r, z, _ = (sigmoid(s) for s in sums(w, x, h, 3))
    _, _, n = sums(w, x, r * h, 3)
    return ((1 - z) * tanh(n) + z * h,)


def projected_rnn(w: dict[str, Tensor], x: Tensor, state: States) -> States:
    (h,) = state
    return (tanh(sums(w, x, h, 1)[0]) @ w["weight_hr"].T,)


def projected_gru(w: dict[str, Tensor], x: Tensor, state: States) -> States:
    h, m = state
    r, z, _ = (sigmoid(s) for s in sums(w, x, h, 3))
    n_x = (x @ w["weight_ih"].T + w["bias_ih"]).chunk(3, 1)[2]
    n_h = (h @ w["weight_hh"].T + w["bias_hh"]).chunk(3, 1)[2]
    m = (1 - z) * tanh(n_x + r * n_h) + z * m
    return m @ w["weight_hr"].T, m


VARIANTS: list[tuple[Any, dict[str, Any], Any, bool]] = [
    (nn.LSTM, {"peephole": True}, peephole, True),
    (nn.LSTM, {"coupled_gates": True}, coupled, True),
    (nn.LSTM, {"coupled_gates": True, "peephole": True}, coupled_peephole, True),
    (nn.GRU, {"reset_after": False}, reset_before, False),
    (nn.RNN, {"proj_size": 3}, projected_rnn, False),
    (nn.GRU, {"proj_size": 3}, projected_gru, False),
]


@pytest.mark.parametrize(("make", "options", "advance", "compiled"), VARIANTS, ids=[v[2].__name__ for v in VARIANTS])
def test_a_variant_is_what_its_source_says(make: Any, options: dict[str, Any], advance: Any, compiled: bool) -> None:
    module = make(INPUTS, HIDDEN, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.7)  # so that no two weights may be confused
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    sizes = module.cell.state_sizes(HIDDEN, module.proj_size)
    inputs: States = tuple(torch.randn(1, BATCH, units, dtype=torch.float64, requires_grad=True) for units in sizes)
    assert tt.which_path(module, x).startswith("kernel" if compiled else "reference")

    y, finals = module(x, unwrap_single(inputs))
    weights = {name.removesuffix("_l0"): value for name, value in module.named_parameters()}
    state, outputs = tuple(s[0] for s in inputs), []
    for t in range(STEPS):
        state = advance(weights, x[t], state)
        outputs.append(state[0])
    actual = [y, *(finals if isinstance(finals, tuple) else (finals,))]
    expected = [torch.stack(outputs), *(s.unsqueeze(0) for s in state)]
    assert_close(actual, expected, "forward")

    leaves = {"x": x, **dict(zip(module.cell.states, inputs, strict=True)), **weights}
    gradients = [
        dict(zip(leaves, torch.autograd.grad(sum(o.sin().sum() for o in outputs), list(leaves.values())), strict=True))
        for outputs in (actual, expected)
    ]
    assert_close(*gradients, "gradient")


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (nn.LSTMCell, {"peephole": True}),
        (nn.LSTMCell, {"coupled_gates": True}),
        (nn.GRUCell, {"reset_after": False}),
    ],
)
def test_a_single_step_has_the_variants_too(make: Any, options: dict[str, Any]) -> None:
    single = make(INPUTS, HIDDEN, **options)
    layer = getattr(nn, make.__name__.removesuffix("Cell"))(INPUTS, HIDDEN, **options)
    layer.load_state_dict({f"{name}_l0": value for name, value in single.state_dict().items()}, strict=True)
    x = torch.randn(BATCH, INPUTS)
    result, expected = single(x), layer(x.unsqueeze(0))[1]
    squeezed = tuple(s[0] for s in expected) if isinstance(expected, tuple) else expected[0]
    assert_close(result, squeezed, "exact")


@pytest.mark.parametrize("initialization", ["torch", "orthogonal", "chrono"])
def test_the_forget_bias_is_what_was_asked_for(initialization: str) -> None:
    module = nn.LSTM(2, 6, forget_bias=1.5, initialization=initialization)
    total = (module.get_parameter("bias_ih_l0") + module.get_parameter("bias_hh_l0")).detach().view(4, 6)
    assert_close(total[1], torch.full((6,), 1.5), "exact")
    assert "ForgetBias(bias=1.5" in repr(module)
    coupled = nn.LSTM(2, 6, forget_bias=1.5, coupled_gates=True, recurrent_bias=False)
    assert_close(coupled.bias_ih_l0.detach()[:6], torch.full((6,), -1.5), "exact")


def test_variants_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"forget_bias=1\.0: expected a layer with biases"):
        nn.LSTM(2, 5, forget_bias=1.0, bias=False)
    with pytest.raises(ValueError, match="reset_after=False: expected proj_size=0"):
        nn.GRU(2, 5, reset_after=False, proj_size=2)
    with pytest.raises(ValueError, match=r"zoneout: expected one probability, or one for each of the states \('h',\)"):
        nn.GRU(2, 5, zoneout=(0.1, 0.2))  # pyright: ignore[reportArgumentType]
