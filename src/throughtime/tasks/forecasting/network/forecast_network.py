"""The forecasting network: one recurrent step a season, a forecast from every step.

From each origin it gives softmax-weighted naive forecasts plus a learned correction. The correction starts at zero,
so that before training the network is a mixture of naive forecasts, and training can only look for what those miss.
All it reads is normalised by what lay before the origin: its level (the mean of the last season) and its scale (how
much seasons differ). The recurrent layer remembers; beside it a feed-forward one glances at the last two seasons, so
that memory is not spent on what is plain to see.

Source of the idea of forecasting from every origin: Wen et al. 2017, A Multi-Horizon Quantile Recurrent Forecaster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from throughtime.tasks.fast_random import Int16Dropout, add_uniform_noise
from throughtime.tasks.forecasting.network.covariate_effects import (
    KNOWN_AHEAD_ROLES,
    CovariateEffects,
    CovariateEncoder,
)
from throughtime.tasks.forecasting.network.decoders import DECODERS, RECURRENT_LAYERS
from throughtime.tasks.forecasting.network.experts import experts, names
from throughtime.tasks.forecasting.network.feedforward import FeedForward
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS, Likelihood
from throughtime.tasks.forecasting.network.linear_effects import LinearEffects, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float
    from torch import Tensor

    from throughtime.data.series.covariates import Feature
    from throughtime.tasks.forecasting.plan import Plan

_LEAST_SCALE = 1e-6
_CONSTANT = 10  # times that: scales up to there are those of constant values, of which errors in scales mean nothing
FEED_FORWARD = "feed_forward"
CELLS = RECURRENT_LAYERS
"""Cells that a forecaster may be made of."""


class ForecastNetwork(nn.Module):
    """Map a window to forecasts from the end of each of its blocks.

    Args:
        plan: sizes.
        cell: 'rnn', 'gru' or 'lstm'; or 'feed_forward', which has no memory.
        hidden_size: H.
        decoder: 'direct' or 'autoregressive', which needs a cell with memory.
        features: covariates that it reads.
        likelihood: of which it gives the numbers too.
        dropout: of what the output layer reads.
        noise: standard deviation of what is added to the inputs in training.
    """

    batch_first = False  # a window's blocks are not steps of a training

    def __init__(
        self,
        plan: Plan,
        *,
        cell: str = "gru",
        hidden_size: int = 64,
        decoder: str = "direct",
        features: Sequence[Feature] = (),
        likelihood: Likelihood = LIKELIHOODS[None],
        dropout: float = 0.1,
        noise: float = 0.02,
    ) -> None:
        super().__init__()
        self.plan = plan
        self.ahead = min(plan.horizon, plan.long_season)  # values of the long seasons before that a forecast may read
        inputs = 2 * plan.block + 2 * self.ahead + 2
        self.covariate_encoder = CovariateEncoder(plan, features) if features else None
        inputs += self.covariate_encoder.size if self.covariate_encoder else 0
        self.layer: Any = {**RECURRENT_LAYERS, FEED_FORWARD: FeedForward}[cell](inputs, hidden_size, batch_first=True)
        self.feedforward_branch = None if cell == FEED_FORWARD else FeedForward(inputs, hidden_size)
        units = self.layer.hidden_size + (self.feedforward_branch.hidden_size if self.feedforward_branch else 0)
        ahead = any(feature.role in KNOWN_AHEAD_ROLES for feature in features)
        self.covariate_effects = CovariateEffects(plan, features, units) if ahead else None
        if ahead:
            self.register_buffer("linear", torch.zeros(2, width(features), dtype=torch.float64))
        self.dropout = Int16Dropout(dropout)
        self.noise = noise
        self.expert_names = names(plan)
        self.correction = DECODERS[decoder](units, plan.horizon, cell, hidden_size)
        self.mixture_logits = nn.Linear(units, len(self.expert_names))
        self.likelihood = likelihood
        self.likelihood_head = (
            nn.Linear(units, plan.horizon * len(likelihood.raw_init)) if likelihood.raw_init else None
        )
        self.mixture_bias = nn.Parameter(torch.zeros(plan.horizon, len(self.expert_names)))
        nn.init.zeros_(self.mixture_logits.weight)
        nn.init.zeros_(self.mixture_logits.bias)
        if self.likelihood_head is not None:
            nn.init.zeros_(self.likelihood_head.weight)
            with torch.no_grad():
                self.likelihood_head.bias.copy_(torch.tensor(likelihood.raw_init).repeat(plan.horizon))

    @property
    def linear_effects(self) -> LinearEffects | None:
        """The linear effects of covariates, which are removed from the values that it reads."""
        return None if self.covariate_effects is None else LinearEffects(*self.get_buffer("linear").numpy())

    @torch.no_grad()
    def set_linear_effects(self, effects: LinearEffects) -> None:
        """Store linear effects."""
        self.get_buffer("linear").copy_(torch.from_numpy(np.stack([effects.coefficients, effects.spread])))

    @property
    def origins(self) -> Tensor:
        """Positions in the window from which forecasts are made: the ends of all blocks but the first."""
        return torch.arange(2, self.plan.blocks + 1) * self.plan.block

    @torch.no_grad()
    def init_mixture(self, errors: Float[Tensor, "E F"]) -> None:
        """Start from the experts that did well: weights fall with the fourth power of an expert's error."""
        errors = errors.clamp(min=1e-6)
        self.mixture_bias.copy_(-4 * (errors / errors.amin(0)).log().T)

    @torch.no_grad()
    def init_linear_effects(
        self, x: Float[Tensor, "N W 2"], seen: Float[Tensor, "N K F"], known: Bool[Tensor, "N K F"]
    ) -> None:
        """Start from the linear effects of covariates on what it forecasts wrongly, as `seen` of what came shows."""
        if self.covariate_effects is not None:
            forecasts, scale = self.forecast(x)
            scale = scale.unsqueeze(-1)
            known = known & (scale > _CONSTANT * _LEAST_SCALE)
            self.covariate_effects.init_linear(x[..., 2:], (seen - forecasts) / scale, known, self.origins)

    def forward(self, x: Float[Tensor, "N W 2"]) -> Float[Tensor, "N K F"] | Float[Tensor, "N K F 1+P"]:
        """Forecast, in training from every origin, else from the end; a likelihood's numbers follow each forecast.

        Args:
            x: values, and 1 where a value is real, 0 where it was filled in; with C covariates (N, W+F, 2+C), where
                both are 0 behind the end.
        """
        forecasts, scale, raw = self.distribution(x, last_only=not self.training)
        if raw is None:
            return forecasts
        params = self.likelihood.params(raw, scale.unsqueeze(-1))
        return torch.cat([forecasts.unsqueeze(-1), params], -1)

    def forecast(
        self, x: Float[Tensor, "N W 2"], *, last_only: bool = False
    ) -> tuple[Float[Tensor, "N K F"], Float[Tensor, "N K"]]:
        """Forecasts, and the scale that each was made at; with `last_only` from the end of the window only."""
        forecasts, scale, _ = self.distribution(x, last_only=last_only)
        return forecasts, scale

    def distribution(
        self, x: Float[Tensor, "N W 2"], *, last_only: bool = False
    ) -> tuple[Float[Tensor, "N K F"], Float[Tensor, "N K"], Float[Tensor, "N K F P"] | None]:
        """Forecasts and scales as `forecast` gives them, and the raw numbers of the likelihood, if it has some."""
        z, real = self.values(x).unbind(-1)
        inputs, level, scale = self._inputs(z, real)
        covariates = x[..., 2:]
        if self.covariate_encoder is not None:
            inputs = torch.cat([inputs, self.covariate_encoder(covariates)], -1)
        if self.training and self.noise:
            inputs = add_uniform_noise(inputs, self.noise)
        h, _ = self.layer(inputs)
        if self.feedforward_branch is not None:
            h = torch.cat([h, self.feedforward_branch(inputs)[0]], -1)
        h = self.dropout(h)
        naive = self.naive(x, last_only=last_only)
        if last_only:
            h, level, scale = h[:, -1:], level[:, -1:], scale[:, -1:]
        level, unit = level.unsqueeze(-1), scale.unsqueeze(-1)
        baseline = self._mix(list(naive.values()), self.mixture_logits(h))
        if self.covariate_effects is not None:
            baseline = baseline + unit * self.covariate_effects(covariates, h, self.origins[-h.shape[1] :])
        correction = self.correction(h, (naive["naive"][..., :1] - level) / unit, (baseline - level) / unit)
        raw = None if self.likelihood_head is None else self.likelihood_head(h).unflatten(-1, (self.plan.horizon, -1))
        return baseline + unit * correction, scale, raw

    def values(self, x: Float[Tensor, "N W 2"]) -> Float[Tensor, "N W 2"]:
        """The values, and where they are real, without covariates."""
        return x[:, : self.plan.lookback, :2]

    def naive(self, x: Float[Tensor, "N W 2"], *, last_only: bool = False) -> dict[str, Float[Tensor, "N K F"]]:
        """The naive forecasts by name, from every origin or the last one."""
        blocks, masks = (self._blocks(part) for part in self.values(x).unbind(-1))
        return experts(blocks, masks.amax(-1), self.plan, last_only=last_only)

    def _mix(
        self, naive: list[Float[Tensor, "N K F"]], mixture_logits: Float[Tensor, "N K E"]
    ) -> Float[Tensor, "N K F"]:
        """Weigh by the softmax of preference + choice; one expert after the other, which the caches hold."""
        mixture_logits = (mixture_logits - mixture_logits.amax(-1, keepdim=True)).clamp(min=-20).exp()
        mixture_bias = (self.mixture_bias - self.mixture_bias.amax(1, keepdim=True)).clamp(min=-20).exp().T
        mixed = torch.zeros_like(naive[0])
        for forecast, share, weight in zip(naive, mixture_logits.unbind(-1), mixture_bias, strict=True):
            mixed = mixed.addcmul(forecast * weight, share.unsqueeze(-1))
        return mixed / (mixture_logits @ mixture_bias)

    def _blocks(self, z: Float[Tensor, "N W"]) -> Float[Tensor, "N B s"]:
        return z.unflatten(1, (self.plan.blocks, self.plan.block))

    def _inputs(self, z: Tensor, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each recurrent step reads, without the first block: (N, K, features); level and scale there, (N, K)."""
        plan = self.plan
        blocks, masks = self._blocks(z), self._blocks(real)
        level = blocks.mean(-1)
        known = masks[:, 1:] * masks[:, :-1]
        steps = _running_mean((blocks[:, 1:] - blocks[:, :-1]).abs(), known)
        spread = _running_mean((blocks - level.unsqueeze(-1)).abs(), masks)[:, 1:]
        # Of a series that is not longer than a block no step is known: it is taken to be as large as the spread.
        steps = torch.where(known.sum(-1).cumsum(1) > 0, steps, spread)
        scale = steps + 0.1 * spread + _LEAST_SCALE
        parts = [(blocks[:, 1:] - level[:, 1:, None]) / scale[..., None], masks[:, 1:]]
        if plan.long_season:
            position = self.origins.to(z.device)[:, None] + torch.arange(self.ahead, device=z.device)
            for back in (plan.long_season, 2 * plan.long_season):
                then = pad(z, (back, 0)).unfold(1, self.ahead, plan.block)[:, 2 : plan.blocks + 1]
                parts.append(torch.where(position >= back, (then - level[:, 1:, None]) / scale[..., None], 0.0))
        change = (level[:, 1:] - level[:, :-1]) / scale
        return asinh(torch.cat([*parts, change[..., None], scale.log()[..., None]], -1)), level[:, 1:], scale


def asinh(x: Tensor) -> Tensor:
    """The inverse hyperbolic sine, of operations that torch vectorises: a third of the time of its own on a CPU."""
    sign = torch.ones_like(x).copysign(x.detach())
    size = sign * x
    return sign * torch.addcmul(size, size, size / (1 + (1 + size * size).sqrt())).log1p()


def _running_mean(x: Float[Tensor, "N B s"], known: Float[Tensor, "N B s"]) -> Float[Tensor, "N B"]:
    """Mean of what is known up to the end of each block."""
    return (x * known).sum(-1).cumsum(1) / known.sum(-1).cumsum(1).clamp(min=1)
