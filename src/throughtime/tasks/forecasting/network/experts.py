"""Experts: naive forecasts from the end of each block of a window, as tensors, which the network mixes.

A block is a season where there is one, so all forecasts are whole blocks, their means or changes. A forecast that would
look back further than the window repeats the last value instead. Steps before the beginning of a series do not count in
a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from throughtime.inference.forecasting.plan import Plan

_SEASONS_IN_MEAN = 7


def expert_forecasts(
    blocks: Float[Tensor, "N B s"], observed: Float[Tensor, "N B"], plan: Plan, *, last_only: bool = False
) -> dict[str, Float[Tensor, "N K F"]]:
    """Return forecasts of F steps by name, from the end of each block except the first.

    Args:
        blocks: values, gaps filled.
        observed: 1 for blocks with an observed value, 0 for others.
        plan: sizes.
        last_only: whether to forecast from the last block only.
    """
    first = blocks.shape[1] - 1 if last_only else 1
    blocks_ahead = -(-plan.horizon // plan.block)

    def steps(ahead: Float[Tensor, "N K A s"]) -> Float[Tensor, "N K F"]:
        return ahead.flatten(2)[..., : plan.horizon]

    last_block = blocks[:, first:]
    level = blocks.mean(-1)
    current, previous = level[:, first:].unsqueeze(-1), level[:, first - 1 : -1].unsqueeze(-1)
    means = _running_means(level, observed, level.shape[1])[:, first:]
    passed = torch.arange(1, plan.horizon + 1, device=blocks.device)
    forecasts = {
        "naive": last_block[..., -1:].expand(-1, -1, plan.horizon),
        "level": current.expand(-1, -1, plan.horizon),
        "mean": means.unsqueeze(-1).expand(-1, -1, plan.horizon),
        "drift": last_block[..., -1:] + (current - previous) / plan.block * passed,
    }
    if plan.season > 1:
        last_block = last_block.unsqueeze(2)
        means = _running_means(blocks, observed, _SEASONS_IN_MEAN)[:, first:].unsqueeze(2)
        seasons = torch.arange(1, blocks_ahead + 1, device=blocks.device).unsqueeze(-1)
        growth = (current - previous).unsqueeze(-1) * seasons
        forecasts["seasonal_naive"] = steps(last_block.expand(-1, -1, blocks_ahead, -1))
        forecasts["seasonal_mean"] = steps(means.expand(-1, -1, blocks_ahead, -1))
        forecasts["seasonal_drift"] = steps(last_block + growth)
    if plan.long_season:
        one, two = (_long_season_change(blocks, level, first, plan, lag) for lag in (1, 2))
        forecasts["long_season"] = current + steps(one)
        forecasts["long_season_mean"] = current + steps(one + two) / 2
    return forecasts


def _running_means(
    x: Float[Tensor, "N B ..."], observed: Float[Tensor, "N B"], max_blocks: int
) -> Float[Tensor, "N B ..."]:
    """Average the observed blocks among up to `max_blocks` that end with each; without any, return the block itself."""
    observed = observed.reshape(*observed.shape, *(1,) * (x.dim() - 2))

    def sums(values: Float[Tensor, "N B ..."]) -> Float[Tensor, "N B ..."]:
        totals = values.cumsum(1)
        return torch.cat([totals[:, :max_blocks], totals[:, max_blocks:] - totals[:, :-max_blocks]], 1)

    count = sums(observed)
    return torch.where(count > 0, sums(x * observed) / count.clamp(min=1), x)


def _long_season_change(
    blocks: Float[Tensor, "N B s"], level: Float[Tensor, "N B"], first: int, plan: Plan, lag: int
) -> Float[Tensor, "N K A s"]:
    """Return how the forecast blocks differed from the level before them, `lag` long seasons ago."""
    long_season = plan.long_season // plan.block
    ahead = torch.arange(-(-plan.horizon // plan.block), device=blocks.device)
    blocks_back = (ahead // long_season + lag) * long_season
    blocks_read = torch.arange(first, blocks.shape[1], device=blocks.device) + 1
    origin = blocks_read.unsqueeze(-1) - blocks_back  # the corresponding origin, long seasons ago
    in_window = origin >= 1
    target, before = (torch.where(in_window, at, 0).flatten() for at in (origin + ahead, origin - 1))
    differences = blocks.index_select(1, target) - level.index_select(1, before).unsqueeze(-1)
    differences = differences.unflatten(1, origin.shape)
    last_value = (blocks[:, first:, -1] - level[:, first:])[:, :, None, None]
    return torch.where(in_window.unsqueeze(-1), differences, last_value)
