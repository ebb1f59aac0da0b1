"""How the correction of a forecast is read off the state of the network at its origin: at once, or step by step.

`DirectDecoder` is one linear head for all steps. `AutoregressiveDecoder` is a second recurrent layer that starts from that state and
goes over the steps to come. At each it reads what is forecast there without it and the step before, and its own last
correction c is fed back beside its state s:

    s_t = cell(x_t, W_hh s_{t-1} + W_c c_{t-1}),   c_t = V s_t + b

Since c is linear in s, that is one scan with the recurrent weights W_hh + W_c V: no step of the loop is Python's, and
each costs the same however many came before. Both are trained alike: from every origin, on their own forecasts alone.
Source of the two, side by side: Ben Taieb et al. 2012, A Review and Comparison of Strategies for Multi-Step Ahead Time
Series Forecasting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from throughtime import nn as recurrent
from throughtime._core._scan import scan

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

RECURRENT_LAYERS: dict[str, Any] = {"rnn": recurrent.RNN, "gru": recurrent.GRU, "lstm": recurrent.LSTM}
"""Recurrent layers by the name of their cell."""


class DirectDecoder(nn.Linear):
    """Give the corrections of all steps at once.

    Args:
        units: U, of the state at an origin.
        horizon: F.
        cell: of a recurrent decoder; there is none.
        hidden_size: likewise.
    """

    def __init__(self, units: int, horizon: int, cell: str, hidden_size: int) -> None:
        super().__init__(units, horizon)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self, input: Float[Tensor, "N K U"], last: Tensor | None = None, baseline: Tensor | None = None
    ) -> Float[Tensor, "N K F"]:
        """Corrections in scales, of the states at origins alone; see `AutoregressiveDecoder`."""
        return super().forward(input)


class AutoregressiveDecoder(nn.Module):
    """Give the correction of one step after the other, each fed back into the next.

    Args:
        units: U, of the state at an origin.
        horizon: F.
        cell: 'rnn', 'gru' or 'lstm'.
        hidden_size: H.
    """

    def __init__(self, units: int, horizon: int, cell: str, hidden_size: int) -> None:
        super().__init__()
        self.layer = RECURRENT_LAYERS[cell](2, hidden_size)
        self.init_state = nn.Linear(units, hidden_size)
        self.feedback = nn.Linear(1, self.layer.weight_hh_l0.shape[0], bias=False)
        self.output = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, h: Float[Tensor, "N K U"], last: Float[Tensor, "N K 1"], baseline: Float[Tensor, "N K F"]
    ) -> Float[Tensor, "N K F"]:
        """Corrections in scales.

        Args:
            h: the state at each origin.
            last: the last value before it.
            baseline: what is forecast without the correction: naive forecasts and the effects of what is known in advance.
                Both as their distance from the level at the origin, in scales.
        """
        baseline = baseline.asinh().flatten(0, 1).T  # (F, N*K)
        before = torch.cat([last.asinh().reshape(1, -1), baseline[:-1]])
        start = self.init_state(h).tanh().reshape(1, -1, self.layer.hidden_size)
        state = (start, *(torch.zeros_like(start) for _ in self.layer.cell.states[1:]))
        (s,), _ = scan(self.layer.cell, torch.stack([before, baseline], -1), state, self._feedback_weights())
        return self.output(s).squeeze(-1).T.unflatten(0, h.shape[:2])

    def _feedback_weights(self) -> Any:
        """The weights of a scan that feeds its corrections back."""
        (weights,) = self.layer.weights(0)
        fed = self.feedback.weight
        return weights._replace(
            weight_hh=weights.weight_hh + fed @ self.output.weight,
            bias_hh=weights.bias_hh + fed @ self.output.bias,
        )


DECODERS: dict[str, type[nn.Module]] = {"direct": DirectDecoder, "autoregressive": AutoregressiveDecoder}
"""By the names that a forecaster takes."""
