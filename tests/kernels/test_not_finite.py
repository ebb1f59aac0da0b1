"""Infinite values and NaN propagate through the kernels as through torch: the same results are NaN."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn

LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {"num_layers": 2}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "gru": ("GRU", {"bidirectional": True}),
    "lstm": ("LSTM", {"num_layers": 2, "bidirectional": True}),
    "peephole": ("LSTM", {"peephole": True}),
    "coupled": ("LSTM", {"coupled_gates": True}),
    "coupled peephole": ("LSTM", {"coupled_gates": True, "peephole": True}),
}
SIZES = {torch.float32: (2, 5), torch.float64: (18, 3)}  # fused inputs, and others; the units do not fill a vector


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.usefixtures("isa")
def test_values_and_gradients_are_finite_where_those_of_the_reference_are(name: str, dtype: torch.dtype) -> None:
    kind, options = LAYERS[name]
    same = torch.relu if name == "relu" else torch.tanh  # a function takes the reference path
    inputs, hidden = SIZES[dtype]
    layer = getattr(nn, kind)(inputs, hidden, dtype=dtype, **options)
    slow = getattr(nn, kind)(inputs, hidden, dtype=dtype, activation=same, **_without_activation(options))
    slow.load_state_dict(layer.state_dict())
    others = [slow]
    if name in {"rnn", "relu", "gru", "lstm"}:
        others.append(getattr(torch.nn, kind)(inputs, hidden, dtype=dtype, **options))
        others[1].load_state_dict(layer.state_dict())
    x = torch.randn(3, 2, inputs, dtype=dtype)
    state = [torch.randn(layer.num_layers * layer.directions, 2, hidden, dtype=dtype) for _ in layer.cell.states]
    assert layer.path(x).startswith("kernel")
    assert slow.path(x).startswith("reference")
    positions = [(0, math.inf), (0, math.nan), *((1 + i, -math.inf) for i in range(len(state)))]
    for position, value in positions:
        tensors = [tensor.clone() for tensor in (x, *state)]
        tensors[position][1 if position == 0 else 0, 1, 0] = value
        result = _everything(layer, tensors)
        for other in others:
            _assert_alike(result, _everything(other, tensors))


def test_an_infinite_input_leaves_the_gradients_of_other_steps_finite() -> None:
    layer = nn.GRU(2, 2)
    x = torch.randn(3, 1, 2)
    x[1, 0, 0] = math.inf
    x.requires_grad_()
    y, _ = layer(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def _without_activation(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "nonlinearity"}


def _everything(layer: Any, tensors: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the outputs and all gradients of a call."""
    x, *state = (tensor.clone().requires_grad_() for tensor in tensors)
    y, finals = layer(x, state[0] if len(state) == 1 else tuple(state))
    finals = finals if isinstance(finals, tuple) else (finals,)
    weights = dict(layer.named_parameters())
    loss = y.sum() + sum(final.sum() / 2 for final in finals)
    gradients = torch.autograd.grad(loss, [x, *state, *weights.values()])
    names = ["dx", *(f"dstate {i}" for i in range(len(state))), *weights]
    return {
        "y": y,
        **{f"state {i}": final for i, final in enumerate(finals)},
        **dict(zip(names, gradients, strict=True)),
    }


def _assert_alike(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, tensor in expected.items():
        assert torch.equal(actual[name].isnan(), tensor.isnan()), name
    assert_close(
        {name: tensor.nan_to_num(0.0, math.inf, -math.inf) for name, tensor in actual.items()},
        {name: tensor.nan_to_num(0.0, math.inf, -math.inf) for name, tensor in expected.items()},
        "gradient",
    )
