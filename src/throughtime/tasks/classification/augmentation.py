"""Variants of recordings that mean the same: a little faster here and slower there, earlier or later, louder or softer.

Few recordings teach a network where in time something happened, which is chance, rather than what happened. Each time
that a sequence is learned from, it is therefore another variant of itself.

Source: Um et al. 2017, Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring using Convolutional
Neural Networks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from throughtime._core import rng

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

WARP, SHIFT, SCALE = 0.03, 0.03, 0.1
"""Standard deviations of the warping and range of the shift of time, in shares of a sequence's length; of the scale."""

_WAVES = 3


def augment(x: Float[Tensor, "N T C"], lengths: Int[Tensor, "N"], copies: int = 1) -> Float[Tensor, "N T C"]:
    """Return a variant of each sequence, of the same length.

    Args:
        x: channels at each step; padding stays after the end of a sequence.
        lengths: steps of each sequence.
        copies: repetitions of the channels along the last axis, which are scaled alike.
    """
    rows, steps, channels = x.shape
    last = (lengths.to(x.dtype) - 1).clamp(min=1).view(-1, 1)
    time = torch.arange(steps, dtype=x.dtype) / last
    waves = torch.arange(1, _WAVES + 1, dtype=x.dtype).view(1, -1, 1)
    random = rng.generator()
    heights = WARP * torch.randn(rows, _WAVES, 1, dtype=x.dtype, generator=random) / waves
    moved = time + (heights * (math.pi * waves * time.unsqueeze(1)).sin()).sum(1)
    moved = (moved + SHIFT * (2 * torch.rand(rows, 1, dtype=x.dtype, generator=random) - 1)).clamp(0, 1) * last
    before = moved.floor().long().clamp(0, max(steps - 2, 0))
    share = (moved - before).unsqueeze(-1)
    interpolated = _gather_steps(x, before) * (1 - share) + _gather_steps(x, (before + 1).clamp(max=steps - 1)) * share
    scales = 1 + SCALE * torch.randn(rows, 1, channels // copies, dtype=x.dtype, generator=random)
    return interpolated * scales.repeat(1, 1, copies)


def _gather_steps(x: Float[Tensor, "N T C"], places: Int[Tensor, "N T"]) -> Float[Tensor, "N T C"]:
    """Each sequence at its own steps."""
    return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[2]))
