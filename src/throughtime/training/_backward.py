"""The gradient of one window: its steps are unfolded with the current weights, and autograd goes back through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime.training._recurrent_state import detach_state
from throughtime.training._time_axis import time_dim
from throughtime.training._windows import run_model, select_targets, window_lengths

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor, nn

    from throughtime.data.batches import Batch
    from throughtime.training._losses import Loss
    from throughtime.training._windows import BPTTWindow


class BackwardResult(NamedTuple):
    """Result of a backward pass, which also adds gradients to the parameters.

    Attributes:
        loss: mean over the targets.
        targets: number of targets in the loss; 0 if nothing was differentiated.
        state: state that the next window starts from, detached; None for the initial state.
    """

    loss: Float[Tensor, ""]
    targets: int
    state: Any


def backward_window(model: nn.Module, batch: Batch, window: BPTTWindow, state: Any, loss: Loss) -> BackwardResult:
    """Unfold a window and add the gradients of its loss to those of the parameters.

    Args:
        model: maps (x, state) to (y, state).
        batch: that the window is part of.
        window: steps to unfold.
        state: before the first of them.
        loss: function of (y, target).
    """
    (y, target, targets), next_state = _unfold(model, batch, window, state)
    if not targets:
        return BackwardResult(y.new_zeros(()), 0, next_state)
    value = loss(y, target)
    value.backward()
    return BackwardResult(value, targets, next_state)


def _unfold(model: nn.Module, batch: Batch, window: BPTTWindow, state: Any) -> tuple[tuple[Tensor, Tensor, int], Any]:
    """Return what the loss is taken of, and the state at the start of the next window."""
    x, y, lengths, reset = batch
    time = time_dim(model, x)
    start, stop, loss_start, next_start = window
    if stop - start == x.shape[time] and loss_start == start:
        outputs, state = run_model(model, x, state, lengths)
        return select_targets(outputs, y, x, lengths, model), detach_state(state) if reset is not None else None
    pieces, next_state = [], state
    for a, b in ((start, next_start), (next_start, stop)):
        if a < b:
            piece, state = run_model(model, x.narrow(time, a, b - a), state, window_lengths(lengths, a, b))
            pieces.append(piece)
            next_state = next_state if a == next_start else detach_state(state)
    outputs = pieces[-1] if loss_start >= next_start < stop else torch.cat(pieces, time)
    steps = stop - loss_start
    outputs = outputs.narrow(time, outputs.shape[time] - steps, steps)
    x, y = x.narrow(time, loss_start, steps), y.narrow(time, loss_start, steps)
    lengths = window_lengths(lengths, loss_start, stop)
    return select_targets(outputs, y, x, lengths, model, per_step=True), next_state
