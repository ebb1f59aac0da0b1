"""Checks of constructor arguments, inputs and initial states, with the types of error of torch.nn."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Never

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime._core.reference import States
    from throughtime.nn._recurrent import AbstractRecurrent


def refuse_tracing() -> Never:
    """Refuse torch.jit.trace, whose program would hold the outputs or the steps of the example as constants.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(
        "torch.jit.trace: layers of throughtime cannot be traced: outputs or steps would be those of the example; "
        "use torch.export.export, throughtime.save with throughtime.runtime, or torch.nn's layer with the same weights"
    )


def check_arguments(layer: AbstractRecurrent, dropout: float) -> None:
    """Check the arguments of a constructor as torch.nn does."""
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, "
            f"got {dropout!r}"
        )
    if dropout > 0 and layer.num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={dropout} and num_layers={layer.num_layers}",
            stacklevel=4,
        )
    for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
        value = getattr(layer, name)
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
    for name in ("input_size", "hidden_size", "num_layers"):
        if getattr(layer, name) <= 0:
            raise ValueError(f"{name} must be greater than zero, got {getattr(layer, name)}")
    if layer.proj_size < 0:
        raise ValueError(
            f"proj_size should be a positive integer or zero to disable projections, got {layer.proj_size}"
        )
    if layer.proj_size >= layer.hidden_size:
        raise ValueError(f"proj_size has to be smaller than hidden_size, got {layer.proj_size}, {layer.hidden_size}")


def check_input(layer: AbstractRecurrent, x: Tensor, dimensions: tuple[int, ...]) -> None:
    """Check an input as torch.nn does."""
    if x.dim() not in dimensions:
        expected = " or ".join(f"{d}D" for d in dimensions)
        raise ValueError(f"{type(layer).__name__}: Expected input to be {expected}, got {x.dim()}D tensor instead")
    weight = layer._parameters.get("weight_ih_l0")  # noqa: SLF001  an attribute costs more
    if weight is not None and x.dtype is not weight.dtype and not torch._C._is_any_autocast_enabled():
        raise ValueError(
            f"RNN input dtype ({x.dtype}) does not match weight dtype ({weight.dtype}). "
            f"Convert input: input.to({weight.dtype}), or convert model: model.to({x.dtype})"
        )
    if x.shape[-1] != layer.input_size:
        raise RuntimeError(
            f"input.size(-1) must be equal to input_size. Expected {layer.input_size}, got {x.shape[-1]}"
        )


def read_state(layer: AbstractRecurrent, hx: Any, batch: int, dtype: torch.dtype, *, batched: bool) -> States:
    """Return the initial states of a call, (L*D, N, H) each; check them as torch.nn does."""
    state = (hx,) if len(layer.cell.states) == 1 else tuple(hx)
    if len(state) != len(layer.cell.states):
        raise ValueError(f"hx: expected the states {layer.cell.states}, got {len(state)} tensors")
    dimensions = 3 if batched else 2
    if any(s.dim() != dimensions for s in state):
        kind = "batched 3-D" if batched else "unbatched 2-D"
        names = "hx" if len(state) == 1 else "hx and cx"
        actual = (
            f"{state[0].dim()}-D tensor" if len(state) == 1 else f"({', '.join(f'{s.dim()}-D' for s in state)}) tensors"
        )
        raise RuntimeError(f"For {kind} input, {names} should also be {dimensions}-D but got {actual}")
    if not batched:
        state = tuple(s.unsqueeze(1) for s in state)
    for k, (s, units) in enumerate(zip(state, layer.state_sizes, strict=True)):
        if s.shape != (layer.num_layers * layer.directions, batch, units):
            name = "hidden" if len(state) == 1 else f"hidden[{k}]"
            expected = (layer.num_layers * layer.directions, batch, units)
            raise RuntimeError(f"Expected {name} size {expected}, got {list(s.shape)}")
        if s.dtype is not dtype and not torch._C._is_any_autocast_enabled():
            raise RuntimeError(f"hx: expected the type {dtype} of the input, got {s.dtype}")
    return state
