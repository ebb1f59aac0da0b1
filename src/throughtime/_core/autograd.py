"""The backward pass of a kernel's scan, for autograd.

The kernels have a backward pass of their own. Where the gradient itself is to be differentiated, the backward pass is
that of the reference path, so that second derivatives are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime._core import reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.lengths import BatchLengths
    from throughtime._core.reference import States
    from throughtime._core.scan_config import ScanConfig
    from throughtime._kernels._engine import Kernel


class ScanContext(NamedTuple):
    """A scan without its tensors, as the backward pass needs it."""

    kernel: Kernel
    cell: Cell
    config: ScanConfig
    lengths: BatchLengths | None
    initial_states: int  # 0 for zeros, or as many as the cell has


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, context: ScanContext, result: tuple[Tensor, States, Tensor], *tensors: Tensor | None
    ) -> States:
        """Hand autograd what the kernel has computed: outputs, final states, and what its backward pass reads."""
        y, finals, kept = result
        ctx.context = context
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(y, kept, *tensors)
        return y, *finals

    @staticmethod
    def backward(ctx: Any, *doutputs: Tensor | None) -> tuple[Tensor | None, ...]:
        context: ScanContext = ctx.context
        saved, needed = ctx.saved_tensors, ctx.needs_input_grad
        if not torch.is_grad_enabled():
            tables = () if context.lengths is None else context.lengths.tables
            options = tables, context.config.reverse, torch.get_num_threads(), context.config.clip
            gradients = context.kernel.backward(saved, doutputs, needed, context.initial_states, *options)
            if gradients is not None:
                return gradients
        return None, None, *_reference_backward(context, saved[2:], doutputs, needed[2:])


# `_Scan.apply` without its support for transforms of torch.func, none of which is active where a kernel is found.
record_scan: Any = super(torch.autograd.Function, _Scan).apply  # pyright: ignore[reportAttributeAccessIssue]


def _reference_backward(
    context: ScanContext, tensors: Sequence[Any], doutputs: Sequence[Tensor | None], needed: Sequence[bool]
) -> list[Tensor | None]:
    """Return the same gradients as a graph that can be differentiated again."""
    first_weight = 1 + context.initial_states
    state, weights = tuple(tensors[1:first_weight]), tuple(tensors[first_weight:])
    with torch.enable_grad():
        (y,), finals = reference.scan(
            context.cell, tensors[0], state, weights, config=context.config, lengths=context.lengths
        )
    reached = [(o, d) for o, d in zip((y, *finals), doutputs, strict=True) if d is not None and o.requires_grad]
    if not reached:
        return [None] * len(tensors)
    outputs, doutputs = zip(*reached, strict=True)
    inputs = [t for t, need in zip(tensors, needed, strict=True) if need and t is not None]
    gradients = iter(
        torch.autograd.grad(outputs, inputs, doutputs, create_graph=torch.is_grad_enabled(), allow_unused=True)
    )
    return [next(gradients) if need else None for need in needed]
