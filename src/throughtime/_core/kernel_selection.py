"""Which path a scan takes: the kernel or operator that covers it, or the reference path and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._C import (
    _functorch,  # pyright: ignore[reportAttributeAccessIssue]
    _len_torch_dispatch_stack,
)
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from throughtime import _kernels
from throughtime._core import torch_operator
from throughtime._core.weights import FIELDS

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.scan_config import ScanConfig
    from throughtime._kernels._engine import Kernel

    Tensors = tuple[Any, ...]  # each a tensor or None

BITS = {torch.float64: 64, torch.float32: 32, torch.bfloat16: 16}


def select_kernel(cell: Cell, x: Tensor, weights: Tensors, config: ScanConfig) -> tuple[Kernel | None, str]:
    """Return the kernel that a scan takes, or None for the reference path and the reason."""
    kernel, reason = find_kernel(cell, x.dtype, weights, config)
    if x.dtype is torch.bfloat16 and runs_in_float32(kernel, cell, (x,), weights, config):
        return select_kernel(cell, x.float(), to_float32(weights), config)
    if kernel is None:
        return None, reason
    if fits_kernel(x, weights) if is_traced() else kernel.accepts(x, weights):
        return kernel, ""
    return None, f"the kernel needs tensors of {_name(x.dtype)} on the CPU, none empty"


def find_kernel(cell: Cell, dtype: torch.dtype, weights: Tensors, config: ScanConfig) -> tuple[Kernel | None, str]:
    """Return the kernel for an element type, whatever the tensors are, or None and the reason."""
    reason = needs_single_steps(config)
    if reason:
        return None, reason
    if weights[FIELDS - 1] is not None:
        return None, "projections are not compiled"
    activation: Any = config.activation  # a name where there is no fallback reason
    kernel = _kernels.find(cell.name, activation, BITS.get(dtype, 0))
    if kernel is None:
        return None, f"cell {cell.name!r} with activation {activation!r} is not compiled for {_name(dtype)} here"
    return kernel, ""


def needs_single_steps(config: ScanConfig) -> str:
    """Return why nothing but the reference path can run a scan; empty if that is not so."""
    # Not `is not None`: torch.compile would take that for true.
    if isinstance(_functorch.peek_interpreter_stack(), _functorch.CInterpreter):
        return "a torch.func transform is active"
    return "forward-mode differentiation is active" if forward_ad._current_level >= 0 else config.fallback_reason


def is_traced() -> bool:
    """Return whether torch records the operators of a call, instead of or in addition to running them."""
    return is_compiling() or _len_torch_dispatch_stack() > 0


def runs_in_float32(kernel: Kernel | None, cell: Cell, inputs: Tensors, weights: Tensors, config: ScanConfig) -> bool:
    """Return whether a call in bfloat16 takes the float32 kernels between casts: bfloat16 kernels only infer."""
    if not inputs[0].is_cpu:
        return False
    training = torch.is_grad_enabled() and any_requires_grad(*inputs, *weights)
    if kernel is not None and not training and not is_traced():
        return False
    return find_kernel(cell, torch.float32, weights, config)[0] is not None


def to_float32(tensors: Tensors) -> Tensors:
    """Cast tensors; None stays None."""
    return tuple([None if tensor is None else tensor.float() for tensor in tensors])


def fits_kernel(x: Tensor, weights: Tensors) -> bool:
    """Return what `Kernel.accepts` does, for tensors that have no memory while they are traced."""
    return (
        x.is_cpu
        and (is_compiling() or x.numel() > 0)
        and all(w is None or (w.dtype is x.dtype and w.is_cpu) for w in weights)
    )


def any_requires_grad(*tensors: Tensor | None) -> bool:
    """Return whether autograd follows any of the tensors."""
    for tensor in tensors:  # noqa: SIM110  any() over a generator costs three times as much
        if tensor is not None and tensor.requires_grad:
            return True
    return False


def find_operator(
    cell: Cell, x: Tensor, weights: Tensors, config: ScanConfig
) -> tuple[torch_operator.Operator | None, str]:
    """Return the operator of torch that runs a scan for which there is no kernel, or None and the reason."""
    if not _prefers_torch(x):
        return None, "the kernels are for tensors on the CPU"
    if is_compiling():
        return None, "torch.compile fuses the reference step where no kernel runs"
    reason = needs_single_steps(config)
    return (None, reason) if reason else torch_operator.find(cell, x, weights, config)


def _prefers_torch(x: Tensor) -> bool:
    return _kernels.forced_path == "torch" or not (x.is_cpu or _kernels.forced_path)


def describe_path(cell: Cell, x: Tensor, weights: Tensors, config: ScanConfig) -> str:
    """Return which path a scan takes: the kernel, torch's operator, or the reference path and why."""
    kernel, reason = select_kernel(cell, x, weights, config)
    if kernel is not None:
        return f"kernel: compiled for {kernel.isa}"
    operator, missing = find_operator(cell, x, weights, config)
    if operator is not None:
        return f"torch: {torch_operator.backend(x)}"
    return f"reference: {missing if _prefers_torch(x) else reason}"


def which_path(layer: Any, x: Tensor, *, return_all_states: bool = False) -> str:
    """Return which path a layer's call with this input takes: the compiled kernels, torch's operator, or the reference.

    The kernels run on the CPU. On other devices torch's own operator runs the standard cells, such as cuDNN's on a GPU
    of NVIDIA; it is the path on the CPU too where the environment variable THROUGHTIME_PATH is 'torch'. The reference
    path is followed by the reason for it.

    Args:
        layer: a recurrent layer.
        x: its input.
        return_all_states: whether the call asks for all states.
    """
    return layer.path(x, return_all_states=return_all_states)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
