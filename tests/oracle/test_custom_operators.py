"""Our operators of torch's dispatcher, by torch's own examination: schema, shapes while tracing, autograd, AOT."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from throughtime import _kernels, nn
from throughtime._core import custom_operators
from throughtime._core.reference import CELLS
from throughtime._core.weights import Weights

COMPILED = [member.cell for member in CELLS.values() if member.cell.compiled]
assert nn.LSTM.__name__ == "LSTM"  # its import has registered the cells


@pytest.mark.parametrize("cell", COMPILED, ids=lambda cell: cell.name)
@pytest.mark.parametrize(
    ("directions", "lengths", "inputs"), [(1, None, False), (2, None, True), (1, [4, 2], True), (2, [2, 4], False)]
)
def test_torch_finds_no_fault_in_the_operators(
    cell: Any, directions: int, lengths: list[int] | None, inputs: bool
) -> None:
    kernel: Any = _kernels.find(cell.name, "tanh", 64)

    def samples(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    shapes = cell.parameter_shapes(3, 5)
    weight_present = [name in shapes for name in Weights._fields] * directions
    weights = [samples(*shapes[name]) for _ in range(directions) for name in Weights._fields if name in shapes]
    state = [samples(directions, 2, 5) for _ in cell.states if inputs]
    ragged = [] if lengths is None else [torch.tensor(lengths), torch.tensor(lengths).argsort(descending=True)]
    table_present = [True, True, False] if ragged else [False, False, False]
    arguments = (
        custom_operators.kernel_name(kernel.cell, kernel.activation, kernel.bits),
        weight_present,
        table_present,
        False,
        directions,
        0.1,
        True,
    )
    x = samples(4, 2, 3)
    # What is kept after the end of a sequence is undefined, so that two calls cannot be compared there.
    checks = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    checks = checks[:3] if ragged else checks
    operator = torch.ops.throughtime.scan.default
    torch.library.opcheck(operator, (x, state, weights, ragged, *arguments), test_utils=checks)
    with torch.no_grad():
        y, *finals, kept = torch.ops.throughtime.scan(x, state, weights, ragged, *arguments)
    plain = x.detach(), [s.detach() for s in state], [w.detach() for w in weights], ragged
    reached = [torch.randn_like(y), *(torch.randn_like(s) for s in finals)]
    torch.library.opcheck(torch.ops.throughtime.scan_backward.default, (*plain, [y, kept], reached, *arguments))
