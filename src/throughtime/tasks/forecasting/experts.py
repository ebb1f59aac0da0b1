"""Naive forecasts from the end of each block of a window, as tensors: what the network mixes.

A block is a season where there is one, so that all of them are whole blocks, their means or changes. A forecast that
would look back further than the window reaches repeats the last value instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.tasks.forecasting.plan import Plan

_SEASONS_IN_MEAN = 7


def experts(blocks: Float[Tensor, "N B s"], seen: Int[Tensor, "K"], plan: Plan) -> dict[str, Float[Tensor, "N K F"]]:
    """Forecasts of F steps by name, each from the end of the first `seen` blocks, of which there are two or more."""
    ahead = -(-plan.horizon // plan.block)  # blocks that F steps reach into

    def steps(pieces: Float[Tensor, "N K A s"]) -> Float[Tensor, "N K F"]:
        return pieces.flatten(2)[..., : plan.horizon]

    last = blocks[:, seen - 1, -1:]
    level = blocks.mean(-1)
    now, before = level[:, seen - 1].unsqueeze(-1), level[:, seen - 2].unsqueeze(-1)
    means = level.cumsum(1) / torch.arange(1, 1 + level.shape[1], device=level.device)
    passed = torch.arange(1, plan.horizon + 1, device=blocks.device)
    found = {
        "naive": last.expand(-1, -1, plan.horizon),
        "level": now.expand(-1, -1, plan.horizon),
        "mean": means[:, seen - 1].unsqueeze(-1).expand(-1, -1, plan.horizon),
        "drift": last + (now - before) / plan.block * passed,
    }
    if plan.season > 1:
        copy = blocks[:, seen - 1].unsqueeze(2)
        growth = (now - before).unsqueeze(-1) * torch.arange(1, ahead + 1, device=blocks.device).unsqueeze(-1)
        found["seasonal_naive"] = steps(copy.expand(-1, -1, ahead, -1))
        found["seasonal_mean"] = steps(_season_means(blocks)[:, seen - 1].unsqueeze(2).expand(-1, -1, ahead, -1))
        found["seasonal_drift"] = steps(copy + growth)
    if plan.long_season:
        one, two = (_long_ago(blocks, level, seen, plan, times) for times in (1, 2))
        found["long_season"] = now + steps(one)
        found["long_season_mean"] = now + steps(one + two) / 2
    return found


def names(plan: Plan) -> list[str]:
    """The naive forecasts that a plan has, in order."""
    return list(experts(torch.zeros(1, plan.blocks, plan.block), torch.tensor([2]), plan))


def _season_means(blocks: Float[Tensor, "N B s"]) -> Float[Tensor, "N B s"]:
    """Mean of up to seven blocks that end with each."""
    sums = torch.cat([torch.zeros_like(blocks[:, :1]), blocks.cumsum(1)], 1)
    end = torch.arange(1, blocks.shape[1] + 1, device=blocks.device)
    start = (end - _SEASONS_IN_MEAN).clamp(min=0)
    return (sums[:, end] - sums[:, start]) / (end - start).unsqueeze(-1)


def _long_ago(
    blocks: Float[Tensor, "N B s"], level: Float[Tensor, "N B"], seen: Tensor, plan: Plan, times: int
) -> Float[Tensor, "N K A s"]:
    """How the blocks that a forecast reaches into differed from the level before them, long seasons ago."""
    long = plan.long_season // plan.block
    ahead = torch.arange(-(-plan.horizon // plan.block), device=blocks.device)
    back = (ahead // long + times) * long
    then = seen.unsqueeze(-1) - back  # blocks that had been seen then
    usable = then >= 1
    differences = blocks[:, torch.where(usable, then + ahead, 0)] - level[:, torch.where(usable, then - 1, 0), None]
    nothing = (blocks[:, seen - 1, -1] - level[:, seen - 1])[:, :, None, None]
    return torch.where(usable.unsqueeze(-1), differences, nothing)
