"""The mean loss of a model over data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from throughtime.training._batches import as_batches
from throughtime.training._losses import get_loss
from throughtime.training._non_finite import NonFiniteLoss, locate_non_finite
from throughtime.training._recurrent_state import apply_reset
from throughtime.training._time_axis import check_batch_first, override_batch_first
from throughtime.training._windows import run_model, select_targets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from throughtime.data.batches import Batch
    from throughtime.training._batches import Data
    from throughtime.training._losses import Loss


def evaluate(model: nn.Module, data: Data, *, loss: str | Loss = "mse", batch_first: bool | None = None) -> float:
    """Return the mean loss of a model over data, each target weighing alike, as `fit` computes it for validation.

    Args:
        model: as for `fit`; in evaluation mode meanwhile, without dropout.
        data: as for `fit`.
        loss: as for `fit`.
        batch_first: as for `fit`.

    Raises:
        ValueError: if data do not fit, or hold no target.
        NonFiniteLoss: if the loss is not finite because a value of the data is not.
    """
    batches = as_batches(data)
    with override_batch_first(batch_first):
        check_batch_first(data, model)
        mean = mean_loss(model, batches, get_loss(loss))
        values = "" if math.isfinite(mean) else locate_non_finite(batches, model)
    if values:
        raise NonFiniteLoss(f"{values}, and so the loss is {mean}. Remove or fill it before evaluate")
    return mean


def mean_loss(model: nn.Module, batches: Iterable[Batch], loss: Loss) -> float:
    """Return the mean loss over the targets of batches.

    Raises:
        ValueError: if there is no target.
    """
    total = count = 0.0
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            state: Any = None
            for batch in batches:
                state = apply_reset(state, batch.reset)
                y, state = run_model(model, batch.x, state, batch.lengths)
                y, target, targets = select_targets(y, batch.y, batch.x, batch.lengths, model)
                if targets:
                    total += float(loss(y, target)) * targets
                    count += targets
    finally:
        model.train(was_training)
    if not count:
        raise ValueError("data: expected at least one target to evaluate on, got none")
    return total / count
