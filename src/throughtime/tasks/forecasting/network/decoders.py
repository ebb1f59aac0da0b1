"""Decoders: read the correction of a forecast off the state of the network at its origin.

`DirectDecoder` is one linear head for all steps. `AutoregressiveDecoder` is a second recurrent layer that starts from
that state and runs over the future steps. At each step it reads the forecast without correction there and at the step
before, and its last correction c is fed back next to its state s:

    s_t = cell(x_t, W_hh s_{t-1} + W_c c_{t-1}),   c_t = V s_t + b

Since c is linear in s, this is one scan with the recurrent weights W_hh + W_c V: no Python loop over the steps, and a
cost per step that does not depend on the horizon. Both decoders are trained from every origin on their own forecasts.
Source of the two strategies: Ben Taieb et al. 2012, A Review and Comparison of Strategies for Multi-Step Ahead Time
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


class DirectDecoder(nn.Linear):
    """Compute the corrections of all steps at once.

    Args:
        units: U, of the state at an origin.
        horizon: F.
        cell: ignored; for `AutoregressiveDecoder`.
        hidden_size: ignored; for `AutoregressiveDecoder`.
    """

    def __init__(self, units: int, horizon: int, cell: str, hidden_size: int) -> None:
        super().__init__(units, horizon)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self,
        input: Float[Tensor, "N K U"],
        last: Float[Tensor, "N K 1"] | None = None,
        baseline: Float[Tensor, "N K F"] | None = None,
    ) -> Float[Tensor, "N K F"]:
        """Return corrections in scales from the states at the origins alone; see `AutoregressiveDecoder`."""
        return super().forward(input)


class AutoregressiveDecoder(nn.Module):
    """Compute the correction of one step after the other, each fed back into the next.

    Args:
        units: U, of the state at an origin.
        horizon: F.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
    """

    def __init__(self, units: int, horizon: int, cell: str, hidden_size: int) -> None:
        super().__init__()
        self.layer: Any = recurrent.LAYERS[cell](2, hidden_size)
        self.init_state = nn.Linear(units, hidden_size)
        self.feedback = nn.Linear(1, self.layer.weight_hh_l0.shape[0], bias=False)
        self.output = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, h: Float[Tensor, "N K U"], last: Float[Tensor, "N K 1"], baseline: Float[Tensor, "N K F"]
    ) -> Float[Tensor, "N K F"]:
        """Return corrections in scales.

        Args:
            h: state at each origin.
            last: last value before the origin, as its distance from the level there, in scales.
            baseline: forecast without correction, naive forecasts and the effects of covariates, in the same units.
        """
        baseline = baseline.asinh().flatten(0, 1).T  # (F, N*K)
        previous = torch.cat([last.asinh().reshape(1, -1), baseline[:-1]])
        start = self.init_state(h).tanh().reshape(1, -1, self.layer.hidden_size)
        state = (start, *(torch.zeros_like(start) for _ in self.layer.cell.states[1:]))
        (s,), _ = scan(self.layer.cell, torch.stack([previous, baseline], -1), state, self._feedback_weights())
        return self.output(s).squeeze(-1).T.unflatten(0, h.shape[:2])

    def _feedback_weights(self) -> Any:
        """Return the weights of the scan with the feedback folded in: W_hh + W_c V."""
        (weights,) = self.layer.weights(0)
        feedback = self.feedback.weight
        return weights._replace(
            weight_hh=weights.weight_hh + feedback @ self.output.weight,
            bias_hh=weights.bias_hh + feedback @ self.output.bias,
        )


DECODERS: dict[str, type[nn.Module]] = {"direct": DirectDecoder, "autoregressive": AutoregressiveDecoder}
"""Decoders by the name that a forecaster takes."""
