"""The scan as two operators of torch's dispatcher, for torch.compile and torch.export, which trace.

A tracer sees neither the time loop nor the kernels, only an operator with known output shapes, so that the length of
the sequence may stay a symbol. The backward pass of `throughtime::scan` is `throughtime::scan_backward`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from throughtime import _kernels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime._kernels._engine import Kernel


_NO_TABLES = [False, False, False]  # torch would miss the gradient of an empty list


def scan_flat(
    name: str,
    x: Tensor,
    state: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    tables: Sequence[Tensor | None],
    *,
    reverse: bool,
    directions: int,
    clip: tuple[float, bool],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the outputs and final states of the kernel with a `kernel_name`; `clip` is for its backward pass."""
    present = [w for w in weights if w is not None]
    weight_present = [w is not None for w in weights]
    ragged = [t for t in tables if t is not None]
    table_present = [t is not None for t in tables] or _NO_TABLES
    y, *finals, _ = torch.ops.throughtime.scan(
        x.contiguous(), list(state), present, ragged, name, weight_present, table_present, reverse, directions, *clip
    )
    return y, tuple(finals)


def kernel_name(cell: str, activation: str, bits: int) -> str:
    """Return the name of a kernel: operators take no objects, and tracers cannot read those of kernels."""
    return f"{cell} {activation} {bits}"


def _kernel(name: str) -> Kernel:
    cell, activation, bits = name.split()
    kernel = _kernels.find(cell, activation, int(bits))
    assert kernel is not None
    return kernel


def restore_none(values: Sequence[Any], present: Sequence[bool]) -> tuple[Any, ...]:
    """Insert None where no value is present."""
    remaining = iter(values)
    return tuple(next(remaining) if is_present else None for is_present in present)


def run_scan(
    x: torch.Tensor,
    state: list[torch.Tensor],
    weights: list[torch.Tensor],
    ragged: list[torch.Tensor],
    kernel: str,
    weight_present: list[bool],
    table_present: list[bool],
    reverse: bool,
    directions: int,
    limit: float,  # for the backward pass
    of_norm: bool,
) -> list[torch.Tensor]:
    """Run the kernel: what the operator `throughtime::scan` does."""
    tables = restore_none(ragged, table_present) if ragged else ()
    threads = torch.get_num_threads()
    result = _kernel(kernel).forward(
        x,
        tuple(state),
        restore_none(weights, weight_present),
        tables,
        reverse,
        threads,
        True,  # noqa: FBT003
        (),
    )
    if result is None:
        raise RuntimeError(
            "throughtime::scan: expected tensors of one element type on the CPU whose shapes fit together, got x "
            f"{tuple(x.shape)}, states {[tuple(s.shape) for s in state]}, weights {[tuple(w.shape) for w in weights]}"
        )
    y, finals, kept = result
    assert kept is not None
    return [y, *finals, kept]


_scan = torch.library.custom_op("throughtime::scan", run_scan, mutates_args=())


@_scan.register_fake
def _(
    x: Tensor,
    state: list[Tensor],
    weights: list[Tensor],
    ragged: list[Tensor],
    kernel: str,
    weight_present: list[bool],
    table_present: list[bool],
    reverse: bool,
    directions: int,
    limit: float,
    of_norm: bool,
) -> list[Tensor]:
    compiled, hidden = _kernel(kernel), weights[1].shape[1]
    batch = ragged[0].shape[0] if ragged else x.shape[1]
    y = x.new_empty(*x.shape[:-1], directions * hidden)
    finals = [x.new_empty(directions, batch, hidden) for _ in range(compiled.states)]
    rows = x.shape[0] if x.dim() == 2 else x.shape[0] * x.shape[1]
    units = -(-hidden // compiled.lanes) * compiled.lanes
    return [y, *finals, x.new_empty(compiled.lanes + directions * rows * units * compiled.reserve_vectors)]


@torch.library.custom_op("throughtime::scan_backward", mutates_args=())
def _scan_backward(
    x: torch.Tensor,
    state: list[torch.Tensor],
    weights: list[torch.Tensor],
    ragged: list[torch.Tensor],
    outputs: list[torch.Tensor],
    doutputs: list[torch.Tensor],
    kernel: str,
    weight_present: list[bool],
    table_present: list[bool],
    reverse: bool,
    directions: int,
    limit: float,
    of_norm: bool,
) -> list[torch.Tensor]:
    y, kept = outputs
    saved = y, kept, x, *state, *restore_none(weights, weight_present)
    needed = (True,) * (len(saved) - 2)
    tables = restore_none(ragged, table_present) if ragged else ()
    options = tables, reverse, torch.get_num_threads(), (limit, of_norm)
    gradients = _kernel(kernel).backward(saved, tuple(doutputs), needed, len(state), *options)
    assert gradients is not None
    return [gradient for gradient in gradients if gradient is not None]


@_scan_backward.register_fake
def _(x: Tensor, state: list[Tensor], weights: list[Tensor], *options: Any) -> list[Tensor]:
    return [torch.empty_like(x), *(torch.empty_like(t) for t in (*state, *weights))]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    x, state, weights, ragged, *ctx.options = inputs
    ctx.counts = len(state), len(weights), len(ragged)
    y, *finals, kept = output
    ctx.shapes = [final.shape for final in finals]
    ctx.save_for_backward(x, *state, *weights, *ragged, y, kept)


def _backward(ctx: Any, doutputs: list[Tensor | None]) -> tuple[Any, ...]:
    x, *rest = ctx.saved_tensors
    states, weights, tables = ctx.counts
    state, rest = rest[:states], rest[states:]
    present, rest = rest[:weights], rest[weights:]
    ragged, (y, kept) = rest[:tables], rest[tables:]
    dy, *dfinals, _ = doutputs
    reached = [torch.zeros_like(y) if dy is None else dy]
    reached += [x.new_zeros(s) if d is None else d for d, s in zip(dfinals, ctx.shapes, strict=True)]
    dx, *others = torch.ops.throughtime.scan_backward(x, state, present, ragged, [y, kept], reached, *ctx.options)
    return dx, others[:states], others[states:], [None] * tables, *(None for _ in ctx.options)


_scan.register_autograd(_backward, setup_context=_setup_context)
