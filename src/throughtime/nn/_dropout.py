"""Dropout that draws from the generator of this thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from throughtime._core.rng import dropout

if TYPE_CHECKING:
    from torch import Tensor


class Dropout(nn.Dropout):
    """The dropout of torch, with the draws of `throughtime._core.rng` while a training is seeded."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop, unless in evaluation."""
        return dropout(input, self.p, self.training)
