"""Values of data that are not finite, and their position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from throughtime.training._time_axis import leading_shape, time_dim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from throughtime.data.batches import Batch


class NonFiniteLoss(ArithmeticError):
    """The loss or a gradient is not finite. The model holds the best weights, or those before the update."""


def locate_non_finite(batches: Iterable[Batch], model: nn.Module, *, first: int = 0) -> str:
    """Return which value of batches is the first that is not finite, and its position, in words; '' if there is none.

    Steps after the end of a sequence are ignored.

    Args:
        batches: to search.
        model: for the order of rows and steps.
        first: number of the first batch, from 0.
    """
    for number, batch in enumerate(batches, first):
        for name, values in (("input x", batch.x), ("target y", batch.y)):
            position = _first_non_finite(values, batch, model)
            if position:
                return f"the {name} has {position} (batch {number + 1})"
    return ""


def _first_non_finite(values: Tensor, batch: Batch, model: nn.Module) -> str:
    if not values.is_floating_point() or bool(values.isfinite().all()):
        return ""
    invalid = ~values.isfinite()
    shape = leading_shape(batch.x)
    has_steps = values.shape[: len(shape)] == shape
    time = time_dim(model, batch.x)
    if has_steps and batch.lengths is not None and len(shape) == 2:
        steps = torch.arange(shape[time], device=values.device)
        lengths = batch.lengths.to(values.device)
        valid = steps < lengths.unsqueeze(1) if time else steps.unsqueeze(1) < lengths
        invalid &= valid.reshape(*shape, *[1] * (values.dim() - 2))
    if not bool(invalid.any()):
        return ""
    index = invalid.nonzero()[0].tolist()
    names = ["sequence"]
    if has_steps:
        names = ["sequence", "step"] if time else ["step", "sequence"][: len(shape)]
    names += ["feature", *("dimension" for _ in index)]
    position = ", ".join(f"{name} {number}" for name, number in zip(names, index, strict=False))
    return f"{float(values[tuple(index)])} at {position}, counted from 0"
