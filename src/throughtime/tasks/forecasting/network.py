"""The forecasting network: one recurrent step a season, a forecast from every step.

From each origin it gives softmax-weighted naive forecasts plus a learned correction. The correction starts at zero,
so that before training the network is a mixture of naive forecasts, and training can only look for what those miss.
All it reads is normalised by what lay before the origin: its level (the mean of the last season) and its scale (how
much seasons differ).

Source of the idea of forecasting from every origin: Wen et al. 2017, A Multi-Horizon Quantile Recurrent Forecaster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from throughtime import nn as recurrent
from throughtime.tasks.forecasting.experts import experts, names

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from throughtime.tasks.forecasting.plan import Plan

_LAYERS = {"rnn": recurrent.RNN, "gru": recurrent.GRU, "lstm": recurrent.LSTM}
CELLS = tuple(_LAYERS)
"""Cells that a forecaster may be made of."""


class SeasonNetwork(nn.Module):
    """Map a window to forecasts from the end of each of its blocks.

    Args:
        plan: sizes.
        cell: 'rnn', 'gru' or 'lstm'.
        hidden_size: H.
        dropout: of what the output layer reads.
        noise: standard deviation of what is added to the inputs in training.
    """

    def __init__(
        self, plan: Plan, *, cell: str = "gru", hidden_size: int = 64, dropout: float = 0.1, noise: float = 0.02
    ) -> None:
        super().__init__()
        self.plan = plan
        self.ahead = min(plan.horizon, plan.long_season)  # values of the long seasons before that a forecast may read
        features = 2 * plan.block + 2 * self.ahead + 2
        self.layer = _LAYERS[cell](features, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.noise = noise
        self.expert_names = names(plan)
        self.correction = nn.Linear(hidden_size, plan.horizon)
        self.choice = nn.Linear(hidden_size, len(self.expert_names))
        self.preference = nn.Parameter(torch.zeros(plan.horizon, len(self.expert_names)))
        for head in (self.correction, self.choice):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    @property
    def origins(self) -> Tensor:
        """Positions in the window from which forecasts are made: the end of each block but the first."""
        return torch.arange(2, self.plan.blocks + 1) * self.plan.block

    @torch.no_grad()
    def prefer(self, errors: Float[Tensor, "E F"]) -> None:
        """Start from the experts that did well: weights fall with the fourth power of an expert's error."""
        errors = errors.clamp(min=1e-6)
        self.preference.copy_(-4 * (errors / errors.amin(0)).log().T)

    def forward(self, x: Float[Tensor, "N W 2"]) -> Float[Tensor, "N K F"]:
        """Forecast from every origin.

        Args:
            x: values, and 1 where a value is real, 0 where it was filled in.
        """
        forecasts, _ = self.forecast(x)
        return forecasts

    def forecast(
        self, x: Float[Tensor, "N W 2"], *, last: bool = False
    ) -> tuple[Float[Tensor, "N K F"], Float[Tensor, "N K"]]:
        """Forecasts, and the scale that each was made at; with `last` from the end of the window only."""
        z, real = x.unbind(-1)
        inputs, scale = self._inputs(z, real)
        if self.training and self.noise:
            inputs = inputs + self.noise * torch.randn_like(inputs)
        h, _ = self.layer(inputs)
        h = self.dropout(h)
        origins = self.origins.to(z.device)
        if last:
            h, scale, origins = h[:, -1:], scale[:, -1:], origins[-1:]
        mixed = torch.stack(list(experts(z, origins, self.plan).values()), -1)
        weights = (self.preference + self.choice(h).unsqueeze(-2)).softmax(-1)
        forecasts = (mixed * weights).sum(-1) + scale.unsqueeze(-1) * self.correction(h)
        return forecasts, scale

    def _inputs(self, z: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What each recurrent step reads, without the first block: (N, K, features); and the scale there (N, K)."""
        plan, s = self.plan, self.plan.block
        blocks, masks = z.unflatten(1, (plan.blocks, s)), real.unflatten(1, (plan.blocks, s))
        level = blocks.mean(-1)
        known = masks[:, 1:] * masks[:, :-1]
        steps = ((blocks[:, 1:] - blocks[:, :-1]).abs() * known).sum(-1).cumsum(1) / known.sum(-1).cumsum(1).clamp(
            min=1
        )
        spread = ((blocks - level.unsqueeze(-1)).abs() * masks).sum(-1).cumsum(1) / masks.sum(-1).cumsum(1).clamp(min=1)
        scale = steps + 0.1 * spread[:, 1:] + 1e-4
        parts = [(blocks[:, 1:] - level[:, 1:, None]) / scale[..., None], masks[:, 1:]]
        if plan.long_season:
            ahead = self.origins.to(z.device)[:, None] + torch.arange(self.ahead, device=z.device)
            for times in (1, 2):
                position = ahead - times * plan.long_season
                values = z[:, position.clamp(min=0)] - level[:, 1:, None]
                parts.append(torch.where(position >= 0, values / scale[..., None], 0.0))
        change = (level[:, 1:] - level[:, :-1]) / scale
        return torch.cat([*parts, change[..., None], scale.log()[..., None]], -1).asinh(), scale
