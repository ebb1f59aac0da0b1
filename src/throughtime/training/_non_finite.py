"""Values of data that are not finite, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.training._time_axis import leading_shape, time_dim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from throughtime.data.batches import Batch


class NonFiniteLoss(ArithmeticError):
    """The loss or a gradient is no number. After `fit` the model holds the best weights, or those before the update."""


def locate_non_finite(batches: Iterable[Batch], model: nn.Module, *, first: int = 0) -> str:
    """Say which is the first value of batches that is NaN or infinite, and where; '' if there is none.

    Steps after the end of a sequence do not count.

    Args:
        batches: to look at.
        model: that they are for.
        first: number of the first batch, from 0.
    """
    for number, batch in enumerate(batches, first):
        for name, values in (("input x", batch.x), ("target y", batch.y)):
            place = _first_non_finite(values, batch, model)
            if place:
                return f"the {name} has {place} (batch {number + 1})"
    return ""


def _first_non_finite(values: Tensor, batch: Batch, model: nn.Module) -> str:
    if not values.is_floating_point() or bool(values.isfinite().all()):
        return ""
    wrong = ~values.isfinite()
    shape = leading_shape(batch.x)
    has_steps = values.shape[: len(shape)] == shape
    time = time_dim(model, batch.x)
    if has_steps and batch.lengths is not None and len(shape) == 2:
        steps = torch.arange(shape[time], device=values.device)
        lengths = batch.lengths.to(values.device)
        valid = steps < lengths.unsqueeze(1) if time else steps.unsqueeze(1) < lengths
        wrong &= valid.reshape(*shape, *[1] * (values.dim() - 2))
    if not bool(wrong.any()):
        return ""
    index = wrong.nonzero()[0].tolist()
    names = ["sequence"]
    if has_steps:
        names = ["sequence", "step"] if time else ["step", "sequence"][: len(shape)]
    names += ["feature", *("dimension" for _ in index)]
    where = ", ".join(f"{name} {number}" for name, number in zip(names, index, strict=False))
    return f"{float(values[tuple(index)])} at {where}, counted from 0"
