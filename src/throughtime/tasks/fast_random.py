"""Random numbers for training, of 16 bits each: four from one draw of the generator, a sixth of the usual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from throughtime._core import rng

if TYPE_CHECKING:
    from jaxtyping import Float, Int16
    from torch import Tensor

_INT16_VALUES = 2**16  # that there are, from -2**15 on
_WORDS_PER_DRAW = 4


def random_int16(like: Float[Tensor, "..."]) -> Int16[Tensor, "..."]:
    """Uniform 16-bit words, one for each element of a tensor."""
    draws = torch.empty(-(-like.numel() // _WORDS_PER_DRAW), dtype=torch.int64, device=like.device)
    return (
        draws.random_(-(2**63), None, generator=rng.generator(draws.device))
        .view(torch.int16)[: like.numel()]
        .view(like.shape)
    )


def add_uniform_noise(x: Float[Tensor, "..."], deviation: float) -> Float[Tensor, "..."]:
    """Add uniform noise of mean 0 and of this standard deviation."""
    return x.add(random_int16(x), alpha=deviation * 12**0.5 / _INT16_VALUES)


class Int16Dropout(nn.Module):
    """Zero a share of what passes in training, and enlarge the rest as torch's does.

    Args:
        p: 0 … 1, rounded to a 65536th.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, input: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Drop, unless in evaluation."""
        if not self.training or not self.p:
            return input
        kept = (random_int16(input) >= round(self.p * _INT16_VALUES) - _INT16_VALUES // 2).to(input.dtype)
        return input * kept.mul_(1 / (1 - self.p) if self.p < 1 else 0.0)

    def extra_repr(self) -> str:
        """Return the probability, for `repr`."""
        return f"share={self.p}"
