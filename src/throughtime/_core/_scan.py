"""The scan: a cell unfolded over time, as one pure function.

A call takes the compiled kernels where they cover it, torch's own operators on other devices than the CPU, and the
reference path otherwise; `select_path` returns which and why.

A call for one step costs little more than its arithmetic, so tensors travel in flat tuples here: x, the states if there
are any, and for each direction the fields of `Weights`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.compiler import is_compiling

from throughtime._core import custom_operators, reference, torch_operator
from throughtime._core.autograd import ScanContext, record_scan
from throughtime._core.kernel_selection import (
    BITS,
    any_requires_grad,
    find_kernel,
    find_operator,
    fits_kernel,
    is_traced,
    runs_in_float32,
    to_float32,
)
from throughtime._core.scan_config import ScanConfig
from throughtime._core.weights import FIELDS, check_scan

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.lengths import BatchLengths
    from throughtime._core.reference import States
    from throughtime._core.weights import WeightSpec
    from throughtime._kernels._engine import Kernel


def scan(
    cell: Cell,
    x: Float[Tensor, "*steps I"],
    state: tuple[Float[Tensor, "D N _"], ...],
    weights: tuple[Tensor | None, ...],
    *,
    config: ScanConfig | None = None,
    lengths: BatchLengths | None = None,
    spec: WeightSpec | None = None,
    return_all_states: bool = False,
) -> tuple[tuple[Float[Tensor, "*steps _"], ...], tuple[Float[Tensor, "D N _"], ...]]:
    """Unfold a cell over all steps of a batch of sequences.

    Args:
        cell: the description of the cell.
        x: inputs (T, N, I), of any strides, or (rows, I) where `lengths` are those of packed sequences.
        state: the initial states; empty for zeros.
        weights: the fields of `Weights`, of each direction in turn. The second of two directions runs backwards.
        config: activations and whatever else happens at the steps; the cell's own activation by default.
        lengths: of the sequences; None where all have T steps.
        spec: the sizes of a layer that the weights must have; None compares shapes with each other.
        return_all_states: return every state of all steps, and not h alone.

    Returns:
        The state h of all steps (or every state), D*H wide and zero after the end of a sequence; and the final states,
        those after the last valid step of each sequence.

    Raises:
        ValueError: if shapes do not fit together.
        RuntimeError: if weights do not have the sizes of `spec`.
    """
    if config is None:
        config = ScanConfig.of(cell.activations[0], "sigmoid")
    if spec is None:
        check_scan(cell, x, state, weights, lengths.lengths.shape[0] if lengths is not None else x.shape[1])
    only_h = len(cell.states) == 1 or not return_all_states  # the kernels return no other state of all steps
    if only_h:
        result = try_kernel(cell, x, state, weights, config, lengths=lengths, spec=spec)
        if result is not None:
            y, finals = result
            return (y,), finals
    if spec is not None:
        spec.check(cell, x, weights)  # a kernel compares by itself, and refuses what does not fit
    if only_h:
        kernel, _ = find_kernel(cell, x.dtype, weights, config)
        if x.dtype is torch.bfloat16 and runs_in_float32(kernel, cell, (x, *state), weights, config):
            wide = x.float(), to_float32(state), to_float32(weights)
            (y,), finals = scan(cell, *wide, config=config, lengths=lengths, spec=spec)
            return (y.bfloat16(),), tuple(final.bfloat16() for final in finals)
        if kernel is not None and is_traced() and fits_kernel(x, weights):
            y, finals = _scan_operator(cell, x, state, weights, config, lengths)
            return (y,), finals
        operator, _ = find_operator(cell, x, weights, config)
        if operator is not None and (lengths is None or lengths.has_steps):
            y, finals = torch_operator.scan(operator, cell, x, state, weights, lengths=lengths)
            return (y,), finals
    return reference.scan(cell, x, state, weights, config=config, lengths=lengths, return_all_states=return_all_states)


def try_kernel(
    cell: Cell,
    x: Tensor,
    state: States,
    weights: tuple[Any, ...],
    config: ScanConfig,
    *,
    lengths: BatchLengths | None = None,
    spec: WeightSpec | None = None,
) -> tuple[Tensor, States] | None:
    """Run `scan` if a kernel takes these tensors as they are, and return the outputs and final states; None otherwise.

    This is the cheapest call. Its arguments need no check: a kernel takes nothing that does not fit.
    """
    if is_traced():
        return None
    kernel, _ = find_kernel(cell, x.dtype, weights, config)
    if kernel is None:
        return None
    return _call_kernel(kernel, cell, x, state, weights, config, lengths, () if spec is None else spec.sizes)


def _call_kernel(
    kernel: Kernel,
    cell: Cell,
    x: Tensor,
    state: States,
    weights: tuple[Any, ...],
    config: ScanConfig,
    lengths: BatchLengths | None,
    sizes: tuple[int, ...],
) -> tuple[Tensor, States] | None:
    if is_compiling():  # after a graph break torch.compile starts here, and cannot call a kernel
        return None
    needs_grad = torch.is_grad_enabled() and any_requires_grad(x, *state, *weights)
    if needs_grad and kernel.bits == 16:  # there is no backward pass in bfloat16
        return None
    tables = () if lengths is None else lengths.tables
    result = kernel.forward(x, state, weights, tables, config.reverse, torch.get_num_threads(), needs_grad, sizes)
    if result is None:
        return None
    y, finals, _ = result
    if needs_grad:
        context = ScanContext(kernel, cell, config, lengths, len(state))
        y, *finals = record_scan(context, result, x, *state, *weights)
        return y, tuple(finals)
    return y, finals


def _scan_operator(
    cell: Cell, x: Tensor, state: States, weights: tuple[Any, ...], config: ScanConfig, lengths: BatchLengths | None
) -> tuple[Tensor, States]:
    """Call the kernel as an operator of torch's dispatcher, which a tracer can record."""
    name = custom_operators.kernel_name(cell.name, cast("str", config.activation), BITS[x.dtype])
    tables = () if lengths is None else lengths.tables
    options = {"reverse": config.reverse, "directions": len(weights) // FIELDS, "clip": config.clip}
    return custom_operators.scan_flat(name, x, state, weights, tables, **options)
