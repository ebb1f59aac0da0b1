"""The median of some of the values of each row, from operators that leave torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor


def masked_median(x: Float[Tensor, "N K"], chosen: Bool[Tensor, "N K"]) -> Float[Tensor, "N 1"]:
    """Return the median of the chosen values of each row, 0 for none."""
    ascending = torch.where(chosen, x, torch.inf).sort(1).values
    count = chosen.sum(1, keepdim=True)
    lower, upper = ((count - 1).clamp(min=0) // 2, (count // 2).clamp(max=x.shape[1] - 1))
    middle = (ascending.gather(1, lower) + ascending.gather(1, upper)) / 2
    return torch.where(count > 0, middle, 0.0)
