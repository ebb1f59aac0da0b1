"""Windows: runs of steps of a batch, what a model computes for them, and which targets enter the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime._core.lengths import BatchLengths
from throughtime.nn.layouts import ManyToOne
from throughtime.training._losses import IGNORE_INDEX
from throughtime.training._mixed_precision import unwrap
from throughtime.training._time_axis import is_per_step, leading_shape, time_dim

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped
    from torch import Tensor, nn


class BPTTWindow(NamedTuple):
    """One update: unfold steps `start` to `stop` - 1 and take the loss over steps `loss_start` to `stop` - 1.

    The next window starts from the state before step `next_start`.
    """

    start: int
    stop: int
    loss_start: int
    next_start: int


def run_model(
    model: nn.Module, x: Shaped[Tensor, "*inputs"], state: Any, lengths: Int[Tensor, "N"] | None
) -> tuple[Tensor, Any]:
    """Return outputs and state; the state is None for a model that returns none."""
    options = {} if lengths is None else {"lengths": lengths}
    result = model(x, **options) if state is None else model(x, state, **options)
    return result if isinstance(result, tuple) else (result, None)


def window_lengths(lengths: Int[Tensor, "N"] | None, start: int, stop: int) -> Int[Tensor, "N"] | None:
    """Return the number of valid steps of each row in a window."""
    return None if lengths is None else (lengths - start).clamp(0, stop - start)


def select_targets(
    y: Shaped[Tensor, "*outputs"],
    target: Shaped[Tensor, "*targets"],
    x: Shaped[Tensor, "*inputs"],
    lengths: Int[Tensor, "N"] | None,
    model: nn.Module,
    *,
    per_step: bool | None = None,
) -> tuple[Shaped[Tensor, "*selected_outputs"], Shaped[Tensor, "*selected_targets"], int]:
    """Return outputs and targets without the steps after the end of a sequence, and the number of targets.

    There is one target for each row and step, or one for each row. Losses are weighed by their number, in whatever
    order rows and steps come. Where outputs are not per step, `lengths` do not apply to them.

    Args:
        y: outputs.
        target: targets.
        x: inputs.
        lengths: valid steps of each row.
        model: that maps x to y.
        per_step: whether there is an output for each step; None to find out from the shapes.
    """
    per_step = is_per_step(y, x, model) if per_step is None else per_step
    per_step = per_step and len(leading_shape(x)) == 2 and target.shape[:2] == y.shape[:2]
    if lengths is not None and per_step:
        time = time_dim(model, x)
        steps = torch.arange(x.shape[time], device=y.device)
        lengths = lengths.to(y.device)
        valid = steps < lengths.unsqueeze(1) if time else steps.unsqueeze(1) < lengths
        y, target = y[valid], target[valid]
        return y, target, _count_targets(target, target.shape[0])
    if not target.dim():
        return y, target, 1
    has_steps = per_step or (y.dim() > 2 and target.shape[:2] == y.shape[:2])
    count = target.shape[0] * target.shape[1] if has_steps else target.shape[0]
    return y, target, _count_targets(target, count)


def _count_targets(target: Tensor, count: int) -> int:
    """Return how many of `count` targets are not ignored; only class numbers can be."""
    if target.is_floating_point():
        return count
    ignored = int((target == IGNORE_INDEX).sum())
    return count - ignored if target.numel() == count else count * (ignored < target.numel())


def check_lengths(lengths: Tensor | None, x: Tensor, model: nn.Module) -> None:
    """Raise if lengths are not those of the rows of a batch.

    Raises:
        ValueError: names the first row.
    """
    if lengths is not None:
        time, shape = time_dim(model, x), leading_shape(x)
        BatchLengths.padded(lengths, shape[time], shape[1 - time] if len(shape) == 2 else 1)


def check_unidirectional(model: nn.Module, strategy: object) -> None:
    """Raise if a layer reads sequences from both ends, so that they cannot be cut.

    Raises:
        ValueError: names the strategy.
    """
    if any(getattr(module, "bidirectional", False) for module in model.modules()):
        raise ValueError(f"{strategy}: expected layers in one direction, got a bidirectional one; use FullBPTT()")


def check_step_targets(y: Tensor, x: Tensor, model: nn.Module, strategy: object) -> None:
    """Raise if there is not a target for each step.

    Raises:
        ValueError: names the strategy.
    """
    expected, inner = leading_shape(x), unwrap(model)
    if y.shape[: len(expected)] != expected or isinstance(inner, ManyToOne):
        raise ValueError(
            f"{strategy}: expected a target for each of the {x.shape[time_dim(model, x)]} steps, got targets of shape "
            f"{tuple(y.shape)} for a {type(inner).__name__}; with one target for each sequence use FullBPTT()"
        )
