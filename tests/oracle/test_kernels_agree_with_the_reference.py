"""The kernels and the reference of every cell: two implementations of the same mathematics."""

from __future__ import annotations

import pytest
import torch
from tests.tolerances import assert_close
from torch import Tensor

import throughtime.nn  # noqa: F401  (registers the cells)
from throughtime._core._scan import scan
from throughtime._core.activations import ACTIVATIONS, Activation
from throughtime._core.kernel_selection import select_kernel
from throughtime._core.lengths import BatchLengths
from throughtime._core.reference import CELLS
from throughtime._core.scan_config import ScanConfig
from throughtime._core.weights import Weights

CASES = [
    (name, activation)
    for name, member in CELLS.items()
    if member.cell.compiled
    for activation in member.cell.activations
]


@pytest.mark.parametrize(("name", "activation"), CASES)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("lengths", [None, [4, 0, 6]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_kernels_and_reference_agree(
    name: str, activation: str, directions: int, lengths: list[int] | None, dtype: torch.dtype
) -> None:
    cell = CELLS[name].cell
    steps, batch, inputs, hidden = 6, 3, 2, 9
    shapes = cell.parameter_shapes(inputs, hidden)
    x = torch.randn(steps, batch, inputs, dtype=dtype, requires_grad=True)
    state = tuple(torch.randn(directions, batch, hidden, dtype=dtype, requires_grad=True) for _ in cell.states)
    parameters = [
        [torch.empty(shape, dtype=dtype).normal_(std=0.3).requires_grad_() for shape in shapes.values()]
        for _ in range(directions)
    ]
    weights = tuple(w for values in parameters for w in Weights(**dict(zip(shapes, values, strict=True))))
    leaves = [x, *state, *(p for values in parameters for p in values)]
    batch_lengths = None if lengths is None else BatchLengths.padded(lengths, steps, batch)

    def results(f: str | Activation) -> list[Tensor]:
        (y,), finals = scan(cell, x, state, weights, config=ScanConfig.of(f), lengths=batch_lengths)
        outputs = [y, *finals]
        return [*outputs, *torch.autograd.grad([o.sin().sum() for o in outputs], leaves)]

    kernel, reason = select_kernel(cell, x, weights, ScanConfig.of(activation))
    assert kernel, reason
    assert_close(results(activation), results(ACTIVATIONS[activation]), "gradient")
