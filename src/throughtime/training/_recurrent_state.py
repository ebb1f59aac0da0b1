"""Recurrent states as models return them: None, a tensor, or nested tuples of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Shaped
    from torch import Tensor


def map_state(state: Any, fn: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to each tensor of a state."""
    if state is None:
        return None
    return tuple(map_state(s, fn) for s in state) if isinstance(state, tuple) else fn(state)


def detach_state(state: Any) -> Any:
    """Return a state without its computation graph."""
    return map_state(state, torch.Tensor.detach)


def flatten_state(state: Any) -> tuple[Tensor, ...]:
    """Return the tensors of a state, in their order."""
    if isinstance(state, tuple):
        return tuple(tensor for s in state for tensor in flatten_state(s))
    return () if state is None else (state,)


def apply_reset(state: Any, reset: Shaped[Tensor, "N"] | None) -> Any:
    """Return the state that a batch starts from: zero in the rows that `reset` marks, None if `reset` is None.

    Raises:
        ValueError: if `reset` is not one boolean for each row.
    """
    if reset is None or state is None:
        return None
    tensors = flatten_state(state)
    rows = tensors[0].shape[1] if tensors[0].dim() == 3 else 1
    if reset.shape != (rows,) or reset.dtype != torch.bool:
        raise ValueError(
            f"reset: expected one boolean for each of the {rows} rows, got {reset.dtype} of shape {tuple(reset.shape)}"
        )
    keep = ~reset.to(tensors[0].device).unsqueeze(-1)
    return map_state(state, lambda s: torch.where(keep, s, 0.0))
