"""A stretch of a batch through a model: what goes in, what comes out, and which of it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def time_of(model: nn.Module, x: Tensor) -> int:
    """The dimension of time."""
    return 1 if getattr(model, "batch_first", False) and x.dim() > 2 else 0


def call(model: nn.Module, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
    """Outputs and state; the state is None for a model that has none."""
    options = {} if lengths is None else {"lengths": lengths}
    result = model(x, **options) if state is None else model(x, state, **options)
    return result if isinstance(result, tuple) else (result, None)


def within(lengths: Tensor | None, start: int, stop: int) -> Tensor | None:
    """Valid steps of each row in a window."""
    return None if lengths is None else (lengths - start).clamp(0, stop - start)


def valid(y: Tensor, target: Tensor, lengths: Tensor | None, model: nn.Module) -> tuple[Tensor, Tensor]:
    """Outputs and targets without the steps behind the end of a sequence, where there is one for each step."""
    time = time_of(model, y)
    if lengths is None or not are_masked(y, target):
        return y, target
    steps = torch.arange(y.shape[time], device=y.device)
    lengths = lengths.to(y.device)
    real = steps < lengths.unsqueeze(1) if time else steps.unsqueeze(1) < lengths
    return y[real], target[real]


def are_masked(y: Tensor, target: Tensor) -> bool:
    """Whether lengths say which of the outputs count: there is a target for each row and step."""
    return y.dim() > 2 and target.shape[:2] == y.shape[:2]


def targets_in(y: Tensor, target: Tensor) -> int:
    """How many targets there are: one for each row and step, or one for each row, or for each of those that are valid.

    This is what losses are weighed by, in whatever order rows and steps come.
    """
    if not target.dim():
        return 1
    return target.shape[0] * target.shape[1] if are_masked(y, target) else target.shape[0]


def detached(state: Any) -> Any:
    """The state without its history."""
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else None if state is None else state.detach()


def tensors_of(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a state, in their order."""
    return () if state is None else state if isinstance(state, tuple) else (state,)


def started_from(state: Any, reset: Tensor | None) -> Any:
    """The state that a batch starts from: zero (None) in the rows that `reset` names, or in all without it."""
    if reset is None or state is None:
        return None
    before = tensors_of(state)
    rows = before[0].shape[1] if before[0].dim() == 3 else 1
    if reset.shape != (rows,) or reset.dtype != torch.bool:
        raise ValueError(
            f"reset: expected one boolean for each of the {rows} rows, got {reset.dtype} of shape {tuple(reset.shape)}"
        )
    keep = ~reset.to(before[0].device).unsqueeze(-1)
    zeroed = tuple(torch.where(keep, s, 0.0) for s in before)
    return zeroed if isinstance(state, tuple) else zeroed[0]
