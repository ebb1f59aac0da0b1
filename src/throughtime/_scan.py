"""The scan: a cell unfolded over time, as one pure function, and the one place where it meets autograd.

A call takes the compiled kernels where they cover it and the reference path otherwise; `route` says which and why. The
kernels' backward pass is their own. Where the gradient itself is to be differentiated, the backward pass is the
reference path's, so that second derivatives are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.autograd import forward_ad

from throughtime import _kernels, _reference
from throughtime._shapes import Ragged, Weights, check_scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime._cell import Cell
    from throughtime._kernels._engine import Kernel
    from throughtime._reference import Activation, States


def scan(
    cell: Cell,
    x: Tensor,
    state: Sequence[Tensor] | None,
    weights: Sequence[Weights],
    *,
    ragged: Ragged | None = None,
    reverse: bool = False,
    activation: str | Activation | None = None,
    gate_activation: str | Activation = "sigmoid",
) -> tuple[Tensor, States]:
    """Unfold a cell over all steps of a batch of sequences.

    Args:
        cell: the description of the cell.
        x: inputs (T, N, I), of any strides, or (rows, I) where `ragged` says they are packed.
        state: the initial states, (D, N, H) each; None for zeros.
        weights: those of each direction. The second of two runs backwards.
        ragged: the lengths of the sequences; None where all have T steps.
        reverse: run a single direction backwards in time.
        activation: a name that the kernels know, or any function of a tensor; None for the cell's own.
        gate_activation: that of the gates, likewise.

    Returns:
        The outputs (T, N, D*H), zero behind the end of a sequence (packed: (rows, D*H)), and the final states,
        (D, N, H) each: those after the last valid step of each sequence.

    Raises:
        ValueError: if shapes do not fit together.
    """
    batch = len(ragged.lengths) if ragged is not None else x.shape[1]
    check_scan(cell, x, state, weights, batch)
    activations = (cell.activations[0] if activation is None else activation, gate_activation)
    kernel, _ = route(cell, x, weights, activations)
    if kernel is None:
        given = tuple(state) if state is not None else _zeros(cell, x, weights, batch)
        f, g = map(_reference.activation_of, activations)
        return _reference.scan(cell, x, given, weights, ragged=ragged, reverse=reverse, activations=(f, g))
    call = _Call(kernel, cell, ragged, reverse, activations, len(weights), state is not None)
    tensors = (x, *(state or ()), *(w for direction in weights for w in direction[:_KERNEL_WEIGHTS]))
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        y, *states = _Scan.apply(call, *tensors)
    else:
        y, *states = _forward(call, *tensors, keep=False)[0]
    return y, tuple(states)


_KERNEL_WEIGHTS = 5
"""Leading fields of `Weights` that the kernels take."""


def _zeros(cell: Cell, x: Tensor, weights: Sequence[Weights], batch: int) -> States:
    """The initial states (D, N, H) where none are given."""
    w = weights[0]
    hidden = w.weight_hh.shape[0] // len(cell.gates)
    sizes = cell.state_sizes(hidden, 0 if w.weight_hr is None else w.weight_hr.shape[0])
    return tuple(x.new_zeros(len(weights), batch, units) for units in sizes)


def route(
    cell: Cell, x: Tensor, weights: Sequence[Weights], activations: tuple[str | Activation, str | Activation]
) -> tuple[Kernel | None, str]:
    """Return the kernel that a scan will take, or None for the reference path; and why."""
    activation, gate_activation = activations
    for function in activations:
        if not isinstance(function, str):
            return None, f"activation {getattr(function, '__name__', function)!r} is not compiled"
    if gate_activation != "sigmoid":
        return None, f"gate activation {gate_activation!r} is not compiled"
    if weights[0].weight_hr is not None:
        return None, "projections are not compiled"
    if x.device.type != "cpu":
        return None, f"device {x.device.type!r} has no kernels"
    if x.dtype not in (torch.float32, torch.float64):
        return None, f"element type {x.dtype} has no kernels"
    if any(w is not None and w.dtype != x.dtype for direction in weights for w in direction):
        return None, "inputs and weights differ in their element type"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return None, "a torch.func transform is at work"
    if forward_ad._current_level >= 0:
        return None, "forward-mode differentiation is at work"
    if torch.compiler.is_compiling():
        return None, "torch.compile is tracing"
    kernel = _kernels.find(cell.name, activation, x.dtype == torch.float64)
    if kernel is None:
        return None, f"cell {cell.name!r} with activation {activation!r} is not compiled"
    return kernel, f"compiled for {kernel.isa}"


def which_path(layer: Any, x: Tensor) -> str:
    """Say which path a layer's call with this input takes, the compiled kernels or the reference, and why."""
    return layer.path(x)


class _Call(NamedTuple):
    """What a call is, besides its tensors: x, the states if given, five weights for each direction."""

    kernel: Kernel
    cell: Cell
    ragged: Ragged | None
    reverse: bool
    activations: tuple[str | Activation, str | Activation]
    directions: int
    has_state: bool

    def split(self, tensors: Sequence[Any]) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        """Cut a flat list, in the order of the tensors, into x, states and weights."""
        states = len(self.cell.states) if self.has_state else 0
        return tensors[0], tuple(tensors[1 : 1 + states]), tuple(tensors[1 + states :])

    def problem(self, x: Tensor, y: Tensor, hidden: int) -> tuple[int, ...]:
        """The numbers that describe the call to the engine, in its order."""
        ragged = self.ragged
        if ragged is not None and ragged.offsets is not None:
            steps, batch, inputs = len(ragged.offsets) - 1, len(ragged.lengths), x.shape[1]
            strides = (0, x.stride(0), 0, y.stride(0))
        else:
            steps, batch, inputs = x.shape
            strides = (x.stride(0), x.stride(1), y.stride(0), y.stride(1))
        return (
            *(steps, batch, inputs, hidden, self.directions, self.reverse, torch.get_num_threads()),
            _address(ragged and ragged.offsets),
            _address(ragged and ragged.lengths),
            _address(ragged and ragged.order),
            *strides,
        )


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _addresses(tensors: Sequence[Tensor | None]) -> tuple[int, ...]:
    return tuple([0 if tensor is None else tensor.data_ptr() for tensor in tensors])


def _rows_contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _empty_output(call: _Call, x: Tensor, features: int) -> Tensor:
    """An output for x, in the memory order of x, zero where steps may be missing."""
    make = torch.zeros if call.ragged is not None and not call.ragged.is_packed else torch.empty
    if x.dim() == 3 and x.stride(0) < x.stride(1):
        return make(x.shape[1], x.shape[0], features, dtype=x.dtype).transpose(0, 1)
    return make(*x.shape[:-1], features, dtype=x.dtype)


def _forward(call: _Call, *tensors: Tensor | None, keep: bool) -> tuple[tuple[Tensor, ...], Tensor | None, tuple]:
    """Run the kernel. Returns (y, *states), what is kept for the backward pass, and the tensors as the kernel saw them."""
    x, states, weights = call.split(tensors)
    x = _rows_contiguous(x)
    states = tuple(s.contiguous() for s in states)
    weights = tuple(w if w is None else w.contiguous() for w in weights)
    hidden = weights[1].shape[1]
    y = _empty_output(call, x, call.directions * hidden)
    batch = len(call.ragged.lengths) if call.ragged is not None else x.shape[1]
    finals = tuple(torch.empty(call.directions, batch, hidden, dtype=x.dtype) for _ in call.cell.states)
    kept = None
    if keep:
        rows = y.shape[0] if y.dim() == 2 else y.shape[0] * y.shape[1]
        kept = torch.empty(call.kernel.kept_scalars(rows, hidden, call.directions), dtype=x.dtype)
    call.kernel.forward(
        call.problem(x, y, hidden),
        x.data_ptr(),
        y.data_ptr(),
        _address(kept),
        _addresses(states),
        _addresses(finals),
        _addresses(weights),
    )
    return (y, *finals), kept, (x, *states, *weights)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        outputs, kept, _ = _forward(call, *tensors, keep=True)
        ctx.call = call
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(outputs[0], kept, *tensors)
        return outputs

    @staticmethod
    def backward(ctx: Any, *doutputs: Tensor | None) -> tuple[Tensor | None, ...]:
        call: _Call = ctx.call
        y, kept, *tensors = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return None, *_reference_backward(call, tensors, doutputs, wanted)
        return None, *_backward(call, y, kept, tensors, doutputs, wanted)


def _backward(
    call: _Call,
    y: Tensor,
    kept: Tensor,
    tensors: Sequence[Tensor | None],
    doutputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    x, states, weights = call.split(tensors)
    x_wanted, states_wanted, weights_wanted = call.split(wanted)
    x = _rows_contiguous(x)
    states = tuple(s.contiguous() for s in states)
    weights = tuple(w if w is None else w.contiguous() for w in weights)
    hidden = weights[1].shape[1]
    dy, *dfinals = doutputs
    if dy is not None and dy.stride() != y.stride():
        dy = torch.empty_like(y).copy_(dy)
    dfinals = [d if d is None else d.contiguous() for d in dfinals]
    make = torch.zeros_like if call.ragged is not None and not call.ragged.is_packed else torch.empty_like
    dx = tuple(make(x) for _ in range(call.directions)) if x_wanted else ()
    dstates = tuple(torch.empty_like(s) if w else None for s, w in zip(states, states_wanted, strict=True))
    dweights = tuple(torch.empty_like(w) if g else None for w, g in zip(weights, weights_wanted, strict=True))
    call.kernel.backward(
        call.problem(x, y, hidden),
        x.data_ptr(),
        y.data_ptr(),
        kept.data_ptr(),
        _address(dy),
        _addresses(dx),
        _addresses(states),
        _addresses(dfinals),
        _addresses(dstates),
        _addresses(weights),
        _addresses(dweights),
    )
    dx_sum = dx[0].add_(dx[1]) if len(dx) == 2 else dx[0] if dx else None
    return dx_sum, *dstates, *dweights


def _reference_backward(
    call: _Call, tensors: Sequence[Tensor | None], doutputs: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The same gradients, as a graph that can be differentiated again."""
    x, states, flat = call.split(tensors)
    weights = [Weights(*flat[i : i + _KERNEL_WEIGHTS]) for i in range(0, len(flat), _KERNEL_WEIGHTS)]
    batch = len(call.ragged.lengths) if call.ragged is not None else x.shape[1]
    given = states or _zeros(call.cell, x, weights, batch)
    f, g = map(_reference.activation_of, call.activations)
    y, finals = _reference.scan(
        call.cell, x, given, weights, ragged=call.ragged, reverse=call.reverse, activations=(f, g)
    )
    reached = [(o, d) for o, d in zip((y, *finals), doutputs, strict=True) if d is not None and o.requires_grad]
    inputs = [t for t, w in zip(tensors, wanted, strict=True) if w]
    gradients = iter(
        torch.autograd.grad(
            [o for o, _ in reached], inputs, [d for _, d in reached], create_graph=True, allow_unused=True
        )
        if reached
        else [None] * len(inputs)
    )
    return [next(gradients) if w else None for w in wanted]
