"""A windowed feed-forward network: what is seen at a glance, and what memory is measured against.

It reads the present step and the one before and forgets everything else. It stands beside the recurrent layer; and
alone in its place, all else being the same, it is the network without memory of a backtest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_STEPS = 2  # that it reads


class FeedForward(nn.Module):
    """Map each step and the one before to units, with about as many weights as a GRU of the same arguments.

    Args:
        input_size: I.
        hidden_size: H of the GRU that it is to match.
        batch_first: as in a recurrent layer; True.
    """

    def __init__(self, input_size: int, hidden_size: int, *, batch_first: bool = True) -> None:
        super().__init__()
        assert batch_first
        self.hidden_size = max(1, 3 * hidden_size * (hidden_size + input_size) // (_STEPS * input_size))
        self.linear = nn.Linear(_STEPS * input_size, self.hidden_size)

    def forward(self, x: Float[Tensor, "N K I"]) -> tuple[Float[Tensor, "N K H"], None]:
        """Units for each step, and no state."""
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return self.linear(torch.cat([x, before], -1)).tanh(), None
