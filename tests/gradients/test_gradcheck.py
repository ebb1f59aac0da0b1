"""Gradients against finite differences, first and second, for every cell there is, in float64."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from throughtime import nn
from throughtime._core._scan import scan
from throughtime._core.lengths import BatchLengths
from throughtime._core.reference import CELLS
from throughtime._core.scan_config import ScanConfig
from throughtime._core.weights import Weights
from throughtime._kernels import find

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = [
    (name, activation)
    for name, member in CELLS.items()
    if member.cell.compiled
    for activation in member.cell.activations
]


def problem(name: str, directions: int, hidden: int) -> tuple[list[torch.Tensor], list[str]]:
    """x, states and weights of both directions for a cell, as a flat list, and the fields of the weights."""
    cell = CELLS[name].cell
    steps, batch, inputs = 3, 3, 2
    generator = torch.Generator().manual_seed(4)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    shapes = cell.parameter_shapes(inputs, hidden)
    states = [draw(directions, batch, hidden) for _ in cell.states]
    weights = [draw(*shape) for _ in range(directions) for shape in shapes.values()]
    return [draw(steps, batch, inputs), *states, *weights], list(shapes)


# Second gradients are those of the reference, by autograd: random projections of them are compared, not every element.
second_gradcheck = partial(gradgradcheck, fast_mode=True)


@pytest.mark.parametrize(("name", "activation"), CASES)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("lengths", [None, [0, 3, 1]])
@pytest.mark.parametrize("check", [gradcheck, second_gradcheck], ids=["first", "second"])
def test_gradients_agree_with_finite_differences(
    name: str, activation: str, directions: int, lengths: list[int] | None, check: Callable[..., bool]
) -> None:
    cell = CELLS[name].cell
    assert find(name, activation, 64) is not None, "this test is about the compiled kernel"
    tensors, fields = problem(name, directions, hidden=4)

    def run(x: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        states, flat = rest[: len(cell.states)], rest[len(cell.states) :]
        weights = tuple(
            value
            for i in range(0, len(flat), len(fields))
            for value in Weights(**dict(zip(fields, flat[i : i + len(fields)], strict=True)))
        )
        batch_lengths = None if lengths is None else BatchLengths.padded(lengths, *x.shape[:2])
        (y,), finals = scan(cell, x, states, weights, config=ScanConfig.of(activation), lengths=batch_lengths)
        return y, *finals

    assert check(run, tensors)


def test_only_the_gradients_that_are_wanted_are_computed() -> None:
    layer = nn.LSTM(2, 5).double()
    layer.weight_ih_l0.requires_grad_(False)
    x = torch.randn(4, 3, 2, dtype=torch.float64)
    y, _ = layer(x)
    y.sum().backward()
    assert layer.weight_ih_l0.grad is None
    assert layer.weight_hh_l0.grad is not None
    assert x.grad is None


def test_a_gradient_penalty_reaches_the_weights() -> None:
    layer = nn.GRU(2, 5).double()
    x = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    y, _ = layer(x)
    (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    dx.square().sum().backward()
    assert layer.weight_hh_l0.grad is not None
    assert layer.weight_hh_l0.grad.abs().sum() > 0
