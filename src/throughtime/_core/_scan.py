"""The scan: a cell unfolded over time, as one pure function, and the one place where it meets autograd.

A call takes the compiled kernels where they cover it and the reference path otherwise; `select_kernel` says which and why. The
kernels' backward pass is their own. Where the gradient itself is to be differentiated, the backward pass is the
reference path's, so that second derivatives are exact.

A call for one step costs little more than its arithmetic, so tensors travel in flat tuples here: x, the states if there
are any, and for each direction the fields of `Weights`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch._C import (
    _functorch,  # pyright: ignore[reportAttributeAccessIssue]
    _is_any_autocast_enabled,
    _len_torch_dispatch_stack,
)
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from throughtime import _kernels
from throughtime._core import operators, reference
from throughtime._core.scan_config import ScanConfig
from throughtime._core.shapes import BatchLengths, Weights, check_scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.reference import Activation, States
    from throughtime._core.shapes import WeightSpec
    from throughtime._kernels._engine import Kernel

    Tensors = tuple[Any, ...]  # each a tensor or None

_FIELDS = len(Weights._fields)
_BITS = {torch.float64: 64, torch.float32: 32, torch.bfloat16: 16}


def scan(
    cell: Cell,
    x: Tensor,
    state: Sequence[Tensor] | None,
    weights: Sequence[Weights],
    *,
    ragged: BatchLengths | None = None,
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
    scan_config = ScanConfig.of(cell.activations[0] if activation is None else activation, gate_activation)
    flat = tuple(value for direction in weights for value in direction)
    return scan_flat(cell, x, () if state is None else tuple(state), flat, ragged, scan_config, reverse=reverse)


def scan_flat(
    cell: Cell,
    x: Tensor,
    state: States,
    weights: Tensors,
    ragged: BatchLengths | None,
    scan_config: ScanConfig,
    *,
    reverse: bool = False,
    spec: WeightSpec | None = None,
) -> tuple[Tensor, States]:
    """`scan` for an input and states that were checked before; no state is (), and `weights` is flat.

    Without a `spec`, the weights were checked too.
    """
    kernel, _ = _find_kernel(cell, x.dtype, weights, scan_config)
    if x.dtype is torch.bfloat16 and _runs_in_float32(kernel, cell, (x, *state), weights, scan_config):
        if spec is not None:
            spec.check(cell, x, weights)
        y, finals = scan_flat(
            cell, x.float(), _to_float32(state), _to_float32(weights), ragged, scan_config, reverse=reverse
        )
        return y.bfloat16(), tuple(final.bfloat16() for final in finals)
    traced = _is_traced()
    if kernel is not None and not traced:
        sizes = () if spec is None else spec.sizes
        found = _run(kernel, cell, x, state, weights, ragged, scan_config, sizes, reverse=reverse)
        if found is not None:
            return found
    if spec is not None:  # a kernel compares by itself, and takes nothing that does not fit
        spec.check(cell, x, weights)
    if kernel is not None and traced and _all_alike(x, weights):
        tables = () if ragged is None else ragged.tables
        options = {"reverse": reverse, "directions": len(weights) // _FIELDS, "clip": scan_config.clip}
        name = operators.kernel_name(cell.name, cast("str", scan_config.activation), _BITS[x.dtype])
        return operators.scan_flat(name, x, state, weights, tables, **options)
    call = ScanContext(None, cell, ragged, reverse, scan_config, len(weights) // _FIELDS, len(state))
    (y,), finals = _reference_scan(call, x, state, weights)
    return y, finals


def try_kernel(
    cell: Cell, x: Tensor, state: States, weights: Tensors, scan_config: ScanConfig, spec: WeightSpec
) -> tuple[Tensor, States] | None:
    """`scan_flat` for x (T, N, I) where a kernel takes it as it is; None elsewhere, whatever the reason.

    Nothing needs to be checked before: a kernel takes nothing that does not fit. So this is the cheapest way to call
    one.
    """
    if _is_any_autocast_enabled() or _is_traced():
        return None
    kernel, _ = _find_kernel(cell, x.dtype, weights, scan_config)
    if kernel is None or (kernel.bits == 16 and torch.is_grad_enabled()):  # bfloat16 is for inference alone
        return None
    return _run(kernel, cell, x, state, weights, None, scan_config, spec.sizes, reverse=False)


def _run(
    kernel: Kernel,
    cell: Cell,
    x: Tensor,
    state: States,
    weights: Tensors,
    ragged: BatchLengths | None,
    scan_config: ScanConfig,
    sizes: tuple[int, ...],
    *,
    reverse: bool,
) -> tuple[Tensor, States] | None:
    """Call a kernel, and tell autograd; None where it does not take the tensors."""
    if is_compiling():  # after a break in the graph torch.compile comes here by itself, and cannot call a kernel
        return None
    tables = () if ragged is None else ragged.tables
    needs_grad = torch.is_grad_enabled() and _any_requires_grad(x, *state, *weights)
    found = kernel.forward(x, state, weights, tables, reverse, torch.get_num_threads(), needs_grad, sizes)
    if found is None:
        return None
    y, finals, _ = found
    if needs_grad:
        call = ScanContext(kernel, cell, ragged, reverse, scan_config, len(weights) // _FIELDS, len(state))
        y, *finals = _apply(call, found, x, *state, *weights)
        return y, tuple(finals)
    return y, finals


def scan_all_states(
    cell: Cell,
    x: Tensor,
    state: States,
    weights: Tensors,
    ragged: BatchLengths | None,
    scan_config: ScanConfig,
    *,
    spec: WeightSpec,
) -> tuple[States, States]:
    """`scan_flat`, with every state of all steps, (T, N, D*H) each: the kernels tell of h alone."""
    if len(cell.states) == 1:
        y, finals = scan_flat(cell, x, state, weights, ragged, scan_config, spec=spec)
        return (y,), finals
    spec.check(cell, x, weights)
    call = ScanContext(
        None,
        cell,
        ragged,
        reverse=False,
        scan_config=scan_config,
        directions=len(weights) // _FIELDS,
        given_states=len(state),
    )
    return _reference_scan(call, x, state, weights, return_all_states=True)


def _any_requires_grad(*tensors: Tensor | None) -> bool:
    for tensor in tensors:  # noqa: SIM110  any() over a generator costs three times as much
        if tensor is not None and tensor.requires_grad:
            return True
    return False


def select_kernel(cell: Cell, x: Tensor, weights: Tensors, scan_config: ScanConfig) -> tuple[Kernel | None, str]:
    """Return the kernel that a scan will take, or None for the reference path and the reason."""
    kernel, reason = _find_kernel(cell, x.dtype, weights, scan_config)
    if x.dtype is torch.bfloat16 and _runs_in_float32(kernel, cell, (x,), weights, scan_config):
        return select_kernel(cell, x.float(), _to_float32(weights), scan_config)
    if kernel is None:
        return None, reason
    if _all_alike(x, weights) if _is_traced() else kernel.accepts(x, weights):
        return kernel, ""
    return None, f"the kernel needs tensors of {_name(x.dtype)} on the CPU, none empty"


def _is_traced() -> bool:
    """Whether torch looks at the operators of a call rather than, or besides, at what they compute."""
    return is_compiling() or _len_torch_dispatch_stack() > 0


def _runs_in_float32(
    kernel: Kernel | None, cell: Cell, given: Tensors, weights: Tensors, scan_config: ScanConfig
) -> bool:
    """Whether a call in bfloat16 takes the kernels of float32, between casts: what is compiled for it is inference."""
    if not given[0].is_cpu:
        return False
    training = torch.is_grad_enabled() and _any_requires_grad(*given, *weights)
    if kernel is not None and not training and not _is_traced():
        return False
    return _find_kernel(cell, torch.float32, weights, scan_config)[0] is not None


def _to_float32(tensors: Tensors) -> Tensors:
    """Tensors in float32."""
    return tuple([None if tensor is None else tensor.float() for tensor in tensors])


def _find_kernel(
    cell: Cell, dtype: torch.dtype, weights: Tensors, scan_config: ScanConfig
) -> tuple[Kernel | None, str]:
    """The kernel of a call in an element type, whatever its tensors, or None and the reason."""
    # Not `is not None`: torch.compile would take that for true.
    if isinstance(_functorch.peek_interpreter_stack(), _functorch.CInterpreter):
        return None, "a torch.func transform is at work"
    if forward_ad._current_level >= 0:
        return None, "forward-mode differentiation is at work"
    activation: Any  # a name, where the manner is not refused
    activation, _, fallback_reason, _, _ = scan_config
    if fallback_reason:
        return None, fallback_reason
    if weights[_FIELDS - 1] is not None:
        return None, "projections are not compiled"
    kernel = _kernels.find(cell.name, activation, _BITS.get(dtype, 0))
    if kernel is None:
        return None, f"cell {cell.name!r} with activation {activation!r} is not compiled for {_name(dtype)} here"
    return kernel, ""


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _all_alike(x: Tensor, weights: Tensors) -> bool:
    """What `Kernel.accepts` says, of tensors that have no memory while they are traced."""
    return (
        x.is_cpu
        and (is_compiling() or x.numel() > 0)
        and all(w is None or (w.dtype is x.dtype and w.is_cpu) for w in weights)
    )


def which_path(layer: Any, x: Tensor, *, return_all_states: bool = False) -> str:
    """Say which path a layer's call with this input takes, the compiled kernels or the reference, and why.

    Args:
        layer: a recurrent layer.
        x: its input.
        return_all_states: whether the call asks for all states.
    """
    return layer.path(x, return_all_states=return_all_states)


class ScanContext(NamedTuple):
    """What a call is, besides its tensors."""

    kernel: Any  # a Kernel, or None for the reference path
    cell: Cell
    ragged: BatchLengths | None
    reverse: bool
    scan_config: ScanConfig
    directions: int
    given_states: int  # 0, or as many as the cell has

    def split(self, tensors: Sequence[Any]) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
        """Cut a flat list, in the order of the tensors, into x, states and weights."""
        first_weight = 1 + self.given_states
        return tensors[0], tuple(tensors[1:first_weight]), tuple(tensors[first_weight:])


def _reference_scan(
    call: ScanContext, x: Tensor, state: States, weights: Tensors, *, return_all_states: bool = False
) -> tuple[States, States]:
    directions = [Weights(*weights[i : i + _FIELDS]) for i in range(0, len(weights), _FIELDS)]
    if not state:
        w = directions[0]
        batch = len(call.ragged.lengths) if call.ragged is not None else x.shape[1]
        hidden = w.weight_hh.shape[0] // len(call.cell.gates)
        sizes = call.cell.state_sizes(hidden, 0 if w.weight_hr is None else w.weight_hr.shape[0])
        state = tuple(x.new_zeros(len(directions), batch, units) for units in sizes)
    f, g = map(reference.get_activation, call.scan_config[:2])
    return reference.scan(
        *(call.cell, x, state, directions),
        ragged=call.ragged,
        reverse=call.reverse,
        activations=(f, g),
        transforms=call.scan_config.transforms,
        return_all_states=return_all_states,
    )


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, call: ScanContext, found: tuple[Tensor, States, Tensor], *tensors: Tensor | None) -> States:
        """Tell autograd what a call of the kernel has found: the outputs, the final states and what backward needs."""
        y, finals, kept = found
        ctx.call = call
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(y, kept, *tensors)
        return y, *finals

    @staticmethod
    def backward(ctx: Any, *doutputs: Tensor | None) -> tuple[Tensor | None, ...]:
        call: ScanContext = ctx.call
        saved, wanted = ctx.saved_tensors, ctx.needs_input_grad
        if not torch.is_grad_enabled():
            tables = () if call.ragged is None else call.ragged.tables
            options = tables, call.reverse, torch.get_num_threads(), call.scan_config.clip
            found = call.kernel.backward(saved, doutputs, wanted, call.given_states, *options)
            if found is not None:
                return found
        return None, None, *_reference_backward(call, saved[2:], doutputs, wanted[2:])


# `_Scan.apply` without what it does for transforms of torch.func, none of which is at work where a kernel is found.
_apply: Any = super(torch.autograd.Function, _Scan).apply  # pyright: ignore[reportAttributeAccessIssue]


def _reference_backward(
    call: ScanContext, tensors: Sequence[Any], doutputs: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """The same gradients, as a graph that can be differentiated again."""
    with torch.enable_grad():
        (y,), finals = _reference_scan(call, *call.split(tensors))
    reached = [(o, d) for o, d in zip((y, *finals), doutputs, strict=True) if d is not None and o.requires_grad]
    if not reached:
        return [None] * len(tensors)
    outputs, doutputs = zip(*reached, strict=True)
    inputs = [t for t, w in zip(tensors, wanted, strict=True) if w and t is not None]
    gradients = iter(
        torch.autograd.grad(outputs, inputs, doutputs, create_graph=torch.is_grad_enabled(), allow_unused=True)
    )
    return [next(gradients) if w else None for w in wanted]
