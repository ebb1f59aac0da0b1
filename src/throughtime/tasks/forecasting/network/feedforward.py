"""A windowed feed-forward network: the branch next to the recurrent layer, and the baseline without memory.

It reads the present step and the one before. Next to the recurrent layer it models short-range structure; in its place,
all else being equal, it is the memoryless network of a backtest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_WINDOW = 2  # steps


class FeedForward(nn.Module):
    """Map each step and the one before to units, with about as many weights as a GRU of the same arguments.

    Args:
        input_size: I.
        hidden_size: H of the GRU whose number of weights it matches.
        batch_first: as in a recurrent layer; True.
    """

    def __init__(self, input_size: int, hidden_size: int, *, batch_first: bool = True) -> None:
        super().__init__()
        assert batch_first
        self.hidden_size = max(1, 3 * hidden_size * (hidden_size + input_size) // (_WINDOW * input_size))
        self.linear = nn.Linear(_WINDOW * input_size, self.hidden_size)

    def forward(self, x: Float[Tensor, "N K I"]) -> tuple[Float[Tensor, "N K H"], None]:
        """Return the units of each step, and no state."""
        previous = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return self.linear(torch.cat([x, previous], -1)).tanh(), None
