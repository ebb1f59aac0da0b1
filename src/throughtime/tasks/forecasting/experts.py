"""Naive forecasts from every origin of a window, as tensors: what the network mixes, and the baselines beside it.

An expert that would look back further than the window reaches repeats the last value instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from throughtime.tasks.forecasting.plan import Plan

_SEASONS_IN_MEAN = 7


def experts(z: Float[Tensor, "N W"], origins: Tensor, plan: Plan) -> dict[str, Float[Tensor, "N K F"]]:
    """Forecasts of F steps from each origin, by name; an origin is the position behind the last value that it sees."""
    steps = torch.arange(plan.horizon, device=z.device)
    m = plan.season if plan.season > 1 else plan.block
    level = _means(z, m)  # level[t]: mean of the m values before t

    def back(lag: int, times: int = 1) -> tuple[Tensor, Tensor]:
        """Values of the same phase `times` seasons of `lag` steps back, and the level then."""
        whole = (steps // lag + times) * lag
        position = origins.unsqueeze(-1) + steps - whole
        usable = position >= 0
        last = (origins - 1).unsqueeze(-1)
        then = (origins.unsqueeze(-1) - whole).clamp(min=0)
        return z[:, torch.where(usable, position, last)], level[:, torch.where(usable, then, origins.unsqueeze(-1))]

    last = z[:, origins - 1].unsqueeze(-1)
    now = level[:, origins].unsqueeze(-1)
    before = level[:, (origins - m).clamp(min=0)].unsqueeze(-1)
    drift = torch.where(origins.unsqueeze(-1) >= 2 * m, (now - before) / m, 0.0)
    found = {
        "naive": last.expand(-1, -1, plan.horizon),
        "level": now.expand(-1, -1, plan.horizon),
        "mean": _running_mean(z)[:, origins].unsqueeze(-1).expand(-1, -1, plan.horizon),
        "drift": last + drift * (steps + 1),
    }
    if plan.season > 1:
        copy, _ = back(m)
        found["seasonal_naive"] = copy
        found["seasonal_mean"] = torch.stack([back(m, i + 1)[0] for i in range(_SEASONS_IN_MEAN)]).mean(0)
        found["seasonal_drift"] = copy + drift * m * (steps // m + 1)
    if plan.long_season:
        one, level_one = back(plan.long_season)
        two, level_two = back(plan.long_season, 2)
        found["long_season"] = one + now - level_one
        found["long_season_mean"] = now + (one - level_one + two - level_two) / 2
    return found


def names(plan: Plan) -> list[str]:
    """The experts that a plan has, in order."""
    window = torch.zeros(1, max(plan.lookback, 1))
    return list(experts(window, torch.tensor([window.shape[1]]), plan))


def _means(z: Tensor, m: int) -> Tensor:
    """Mean of the m values before each position 0 … W, of fewer at the beginning."""
    sums = torch.cat([z.new_zeros(len(z), 1), z.cumsum(1)], 1)
    t = torch.arange(z.shape[1] + 1, device=z.device)
    start = (t - m).clamp(min=0)
    means = (sums[:, t] - sums[:, start]) / (t - start).clamp(min=1)
    return torch.cat([z[:, :1], means[:, 1:]], 1)


def _running_mean(z: Tensor) -> Tensor:
    return _means(z, z.shape[1])
