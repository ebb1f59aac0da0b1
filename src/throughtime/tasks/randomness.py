"""Random numbers for training, of 16 bits each: four from one draw of the generator, a sixth of the usual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from throughtime import _random

if TYPE_CHECKING:
    from jaxtyping import Float, Int16
    from torch import Tensor

_WORDS = 2**16  # that there are, from -2**15 on
_IN_A_DRAW = 4


def words(like: Float[Tensor, "..."]) -> Int16[Tensor, "..."]:
    """Uniform 16-bit words, one for each element of a tensor."""
    draws = torch.empty(-(-like.numel() // _IN_A_DRAW), dtype=torch.int64, device=like.device)
    return (
        draws.random_(-(2**63), None, generator=_random.generator(draws.device))
        .view(torch.int16)[: like.numel()]
        .view(like.shape)
    )


def with_noise(x: Float[Tensor, "..."], deviation: float) -> Float[Tensor, "..."]:
    """Add uniform noise of mean 0 and of this standard deviation."""
    return x.add(words(x), alpha=deviation * 12**0.5 / _WORDS)


class Dropout(nn.Module):
    """Zero a share of what passes in training, and enlarge the rest as torch's does.

    Args:
        share: 0 … 1, rounded to a 65536th.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, input: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Drop, unless in evaluation."""
        if not self.training or not self.share:
            return input
        kept = (words(input) >= round(self.share * _WORDS) - _WORDS // 2).to(input.dtype)
        return input * kept.mul_(1 / (1 - self.share) if self.share < 1 else 0.0)

    def extra_repr(self) -> str:
        """Tell the share."""
        return f"share={self.share}"
